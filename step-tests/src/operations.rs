//! What a process does while it is led through it instruction by instruction. Two programs are made of this file: over
//! the library that ships, and over the same library with a bug.
//!
//! Arguments: the operation, the name of the ring, and the number of the next element that a producer pushes.

use std::env;
use std::hint::black_box;
use std::io::IoSlice;
use std::process::exit;
use std::time::Duration;

use nix::sys::ptrace;
use step_tests::elements::{Element, LONGEST, element, message};
use step_tests::operation::SEVERAL;
use step_tests::processor::mark;
use step_tests::rings::{BYTES, SLOTS};
use step_tests::tracer::NOT_PERMITTED;

use crate::library::{Options, WaitError, message as messages, stream};

/// Stops at the beginning and at the end of a call.
macro_rules! between_marks {
    ($call:expr) => {{
        mark();
        let result = black_box($call);
        mark();
        result
    }};
}

pub(crate) fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [operation, name, next, ..] = &arguments[..] else { panic!("{arguments:?}") };
    let next = next.parse().expect("a number");
    let options = Options::new(name);
    // What is done once in a process, such as measuring a pause, is done here.
    drop(Options::new(format!("{name}-warm")).capacity(1).unlink_on_close(true).stream_producer::<u64>());
    if ptrace::traceme().is_err() {
        exit(NOT_PERMITTED);
    }
    match operation.split_once(' ') {
        Some(("stream", call)) => with_elements(call, &options, next),
        Some(("message", call)) => with_messages(call, &options, next),
        _ => between_marks!(()),
    }
}

fn with_elements(call: &str, options: &Options, next: u64) {
    let several: [Element; SEVERAL] = std::array::from_fn(|at| element(next + at as u64));
    let producer = || options.stream_producer::<Element>().unwrap();
    let consumer = || options.stream_consumer::<Element>().unwrap();
    let mut popped = [[0; 4]; SEVERAL];
    match call {
        "push" => {
            let mut tx = producer();
            between_marks!(tx.push(black_box(several[0]))).unwrap();
        }
        "push thrice" => {
            let mut tx = producer();
            between_marks!(black_box(several).into_iter().try_for_each(|element| tx.push(element))).unwrap();
        }
        "push_slice" => {
            let mut tx = producer();
            assert_eq!(between_marks!(tx.push_slice(black_box(&several))), Ok(SEVERAL));
        }
        "claim and commit" => {
            let mut tx = producer();
            between_marks!(claim_elements(&mut tx, &several));
        }
        "pop" => {
            let mut rx = consumer();
            between_marks!(popped[0] = rx.pop().unwrap());
        }
        "pop thrice" => {
            let mut rx = consumer();
            between_marks!(popped.iter_mut().for_each(|element| *element = rx.pop().unwrap()));
        }
        "pop_slice" => {
            let mut rx = consumer();
            assert_eq!(between_marks!(rx.pop_slice(black_box(&mut popped))), Ok(SEVERAL));
        }
        "peek and release" => {
            let mut rx = consumer();
            between_marks!(peek_elements(&mut rx, &mut popped));
        }
        "be told" => {
            let mut rx = consumer();
            let told = between_marks!(rx.within(Duration::ZERO).until_available(1));
            assert_eq!(told, Err(WaitError::Closed));
        }
        "create a producer" => {
            drop(between_marks!(options.clone().capacity(SLOTS).stream_producer::<Element>()).unwrap());
        }
        "create a consumer" => {
            drop(between_marks!(options.clone().capacity(SLOTS).stream_consumer::<Element>()).unwrap());
        }
        "join as a producer" => {
            drop(between_marks!(options.stream_producer::<Element>()).unwrap());
        }
        "join as a consumer" => {
            drop(between_marks!(options.stream_consumer::<Element>()).unwrap());
        }
        "leave as a producer" => {
            let tx = producer();
            between_marks!(tx.close()).unwrap();
        }
        "leave as a consumer" => {
            let mut rx = consumer();
            popped[0] = black_box(rx.pop().unwrap());
            between_marks!(drop(rx));
        }
        "unlink as a producer" => {
            let tx = options.clone().unlink_on_close(true).stream_producer::<Element>().unwrap();
            between_marks!(drop(tx));
        }
        "unlink as a consumer" => {
            let mut rx = options.clone().unlink_on_close(true).stream_consumer::<Element>().unwrap();
            popped[0] = black_box(rx.pop().unwrap());
            between_marks!(rx.close()).unwrap();
        }
        _ => panic!("no call {call:?}"),
    }
    black_box(&popped);
}

#[inline(never)]
fn claim_elements(tx: &mut stream::Producer<Element>, several: &[Element; SEVERAL]) {
    let mut claim = tx.claim(SEVERAL).unwrap();
    claim.set(0, several[0]);
    claim.copy_from_slice(1, &several[1..]);
    claim.commit();
}

#[inline(never)]
fn peek_elements(rx: &mut stream::Consumer<Element>, popped: &mut [Element; SEVERAL]) {
    let peek = rx.peek(SEVERAL).unwrap();
    popped[0] = peek.get(0).unwrap();
    peek.copy_to_slice(1, &mut popped[1..]);
    peek.release();
}

fn with_messages(call: &str, options: &Options, next: u64) {
    let several: [Vec<u8>; SEVERAL] = std::array::from_fn(|at| message(next + at as u64));
    let producer = || options.message_producer().unwrap();
    let consumer = || options.message_consumer().unwrap();
    let mut popped = [[0; LONGEST]; SEVERAL];
    match call {
        "push" => {
            let mut tx = producer();
            between_marks!(tx.push(black_box(&several[0]))).unwrap();
        }
        "push thrice" => {
            let mut tx = producer();
            between_marks!(black_box(&several).iter().try_for_each(|message| tx.push(message))).unwrap();
        }
        "push_vectored" => {
            let mut tx = producer();
            let (first, second) = several[0].split_at(several[0].len() / 2);
            let parts = [IoSlice::new(first), IoSlice::new(second)];
            between_marks!(tx.push_vectored(black_box(&parts))).unwrap();
        }
        "claim and commit" => {
            let mut tx = producer();
            between_marks!(claim_message(&mut tx, &several[0]));
        }
        "batch" => {
            let mut tx = producer();
            between_marks!(send_batch(&mut tx, &several));
        }
        "pop" => {
            let mut rx = consumer();
            between_marks!(rx.pop(black_box(&mut popped[0]))).unwrap();
        }
        "pop thrice" => {
            let mut rx = consumer();
            between_marks!(popped.iter_mut().for_each(|message| assert_ne!(rx.pop(message), Ok(0))));
        }
        "drain" => {
            let mut rx = consumer();
            between_marks!(drain_messages(&mut rx, &mut popped));
        }
        "peek_batch and release" => {
            let mut rx = consumer();
            between_marks!(peek_messages(&mut rx, &mut popped, false));
        }
        "peek_batch and release_to" => {
            let mut rx = consumer();
            between_marks!(peek_messages(&mut rx, &mut popped, true));
        }
        "peek and release" => {
            let mut rx = consumer();
            between_marks!(peek_message(&mut rx, &mut popped[0]));
        }
        "be told" => {
            let mut rx = consumer();
            let told = between_marks!(rx.within(Duration::ZERO).until_available());
            assert_eq!(told, Err(WaitError::Closed));
        }
        "create a producer" => {
            drop(between_marks!(options.clone().capacity(BYTES).message_producer()).unwrap());
        }
        "create a consumer" => {
            drop(between_marks!(options.clone().capacity(BYTES).message_consumer()).unwrap());
        }
        "join as a producer" => {
            drop(between_marks!(options.message_producer()).unwrap());
        }
        "join as a consumer" => {
            drop(between_marks!(options.message_consumer()).unwrap());
        }
        "leave as a producer" => {
            let tx = producer();
            between_marks!(drop(tx));
        }
        "leave as a consumer" => {
            let mut rx = consumer();
            rx.pop(black_box(&mut popped[0])).unwrap();
            between_marks!(rx.close()).unwrap();
        }
        "unlink as a producer" => {
            let tx = options.clone().unlink_on_close(true).message_producer().unwrap();
            between_marks!(tx.close()).unwrap();
        }
        "unlink as a consumer" => {
            let mut rx = options.clone().unlink_on_close(true).message_consumer().unwrap();
            rx.pop(black_box(&mut popped[0])).unwrap();
            between_marks!(drop(rx));
        }
        _ => panic!("no call {call:?}"),
    }
    black_box(&popped);
}

#[inline(never)]
fn claim_message(tx: &mut messages::Producer, message: &[u8]) {
    // More than is needed, and written in two parts.
    let mut claim = tx.claim(LONGEST).unwrap();
    let (first, second) = message.split_at(message.len() / 2);
    claim.write_at(0, first);
    claim.write_at(first.len(), second);
    claim.commit();
}

#[inline(never)]
fn send_batch(tx: &mut messages::Producer, several: &[Vec<u8>; SEVERAL]) {
    let mut batch = tx.batch();
    several.iter().for_each(|message| batch.push(message).unwrap());
    batch.commit();
}

#[inline(never)]
fn drain_messages(rx: &mut messages::Consumer, popped: &mut [[u8; LONGEST]; SEVERAL]) {
    let mut popped = popped.iter_mut();
    let drained = rx.drain(SEVERAL, |record| {
        record.copy_to(popped.next().unwrap());
    });
    assert_eq!(drained, Ok(SEVERAL));
}

/// Gives the messages back one by one, from the second one read on, or all together.
#[inline(never)]
fn peek_messages(rx: &mut messages::Consumer, popped: &mut [[u8; LONGEST]; SEVERAL], one_by_one: bool) {
    let mut batch = rx.peek_batch();
    for message in popped {
        let begin = batch.position();
        batch.copy_next(message).unwrap();
        if one_by_one {
            batch.release_to(begin).unwrap();
        }
    }
    batch.release();
}

#[inline(never)]
fn peek_message(rx: &mut messages::Consumer, popped: &mut [u8; LONGEST]) {
    let record = rx.peek().unwrap();
    record.copy_to(popped);
    record.release();
}
