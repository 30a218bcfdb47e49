//! Popped is free: what a call has given back is the producer's when the call returns, whatever the consumer does next.

#![allow(clippy::forget_non_drop, reason = "whatever a guard does when it is dropped, its user may forget it")]

mod common;

use common::ends::{Call, End, LONG, for_each_ring, small, trust};
use common::{Child, Part, Ring, succeed};
use ringmain::{Options, message, stream};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("stream_producer", answerer::<stream::Producer<u64>>),
        ("message_producer", answerer::<message::Producer>),
        ("pusher", pusher),
    ]);
}

/// The second ring of a test, beside the first.
fn answers(name: &str) -> Options {
    Options::new(format!("{name}-b")).capacity(8)
}

/// Fills a ring, pushes one number more, and answers on another ring; again and again.
fn answerer<P: End>(part: &mut Part) {
    let mut tx = P::attach(&small(part.options())).unwrap();
    let mut answer = answers(part.name()).stream_producer::<u64>().unwrap();
    let start = tx.exhaust();
    part.say(start);
    for round in 0..part.argument(0) {
        tx.go(start + round, Some(LONG)).unwrap();
        answer.push(round).unwrap();
    }
    part.hear();
}

/// Pushes for ever, one by one, and sleeps at a full ring.
fn pusher(part: &mut Part) {
    let mut tx = succeed(|| part.options().capacity(8).stream_producer::<u64>());
    part.say("attached");
    for number in 0.. {
        tx.blocking().push(number).unwrap();
    }
}

#[test]
fn one_popped_of_a_full_ring_lets_the_producer_go_on_while_the_consumer_waits_elsewhere() {
    fn check<P: End>() {
        const ROUNDS: u64 = 50;
        let ring = Ring::new();
        let mut child = Child::start(P::PART, ring.name(), &[&ROUNDS]);
        child.hear();
        let mut rx = P::Peer::attach(&small(ring.options())).unwrap();
        let mut answered = answers(ring.name()).unlink_on_close(true).stream_consumer::<u64>().unwrap();
        for round in 0..ROUNDS {
            rx.go(round, Some(LONG)).unwrap();
            assert_eq!(answered.within(LONG).pop(), Ok(round));
        }
        child.say("end");
        child.join();
    }
    for_each_ring!(check);
}

/// A consumer, and its calls that take one number from a full ring.
trait Pops: End {
    const CALLS: &'static [Call<Self>];
}

impl Pops for stream::Consumer<u64> {
    const CALLS: &'static [Call<Self>] = &POPS;
}

impl Pops for message::Consumer {
    const CALLS: &'static [Call<Self>] = &MESSAGE_POPS;
}

const POPS: [Call<stream::Consumer<u64>>; 14] = [
    ("pop", |rx| assert_eq!(rx.pop(), Ok(0))),
    ("pop_slice", |rx| assert_eq!(rx.pop_slice(&mut [0]), Ok(1))),
    ("pop_blocking", |rx| assert_eq!(rx.blocking().pop(), Ok(0))),
    ("pop_timeout", |rx| assert_eq!(rx.within(LONG).pop(), Ok(0))),
    ("peek", |rx| rx.peek(1).unwrap().release()),
    ("peek of all", |rx| rx.peek(8).unwrap().release_first(1)),
    ("peek_up_to", |rx| rx.peek_up_to(9).unwrap().release_first(1)),
    ("peek_contiguous", |rx| rx.peek_contiguous(1).unwrap().release()),
    ("peek_blocking", |rx| rx.blocking().peek(1).unwrap().release()),
    ("peek_timeout", |rx| rx.within(LONG).peek(8).unwrap().release_first(1)),
    ("a second peek", |rx| {
        std::mem::forget(rx.peek(8).unwrap());
        rx.peek(1).unwrap().release();
    }),
    ("peek_contiguous of a view", |rx| trust!(rx).peek_contiguous(1).unwrap().release()),
    ("release_first of a view", |rx| trust!(rx).peek_contiguous(8).unwrap().release_first(1)),
    ("wait_readable", |rx| {
        rx.within(LONG).until_available(1).unwrap();
        rx.pop().unwrap();
    }),
];

const MESSAGE_POPS: [Call<message::Consumer>; 16] = [
    ("pop", |rx| assert_eq!(rx.pop(&mut [0; 8]), Ok(8))),
    ("pop_into", |rx| assert_eq!(rx.pop_into(&mut Vec::new()), Ok(8))),
    ("pop_value", |rx| assert!(rx.pop_value::<u64>().is_ok())),
    ("pop_blocking", |rx| assert_eq!(rx.blocking().pop(&mut [0; 8]), Ok(8))),
    ("pop_timeout", |rx| assert_eq!(rx.within(LONG).pop(&mut [0; 8]), Ok(8))),
    ("pop_value_blocking", |rx| assert!(rx.blocking().pop_value::<u64>().is_ok())),
    ("pop_value_timeout", |rx| assert!(rx.within(LONG).pop_value::<u64>().is_ok())),
    ("peek", |rx| rx.peek().unwrap().release()),
    ("peek_blocking", |rx| rx.blocking().peek().unwrap().release()),
    ("peek_timeout", |rx| rx.within(LONG).peek().unwrap().release()),
    ("drain", |rx| assert_eq!(rx.drain(1, |_| {}), Ok(1))),
    ("messages", |rx| assert_eq!(rx.messages().next().unwrap().unwrap().len(), 8)),
    ("peek_batch", |rx| {
        let mut batch = rx.peek_batch();
        assert_eq!(batch.append_next(&mut Vec::new()), Ok(8));
        batch.release();
    }),
    ("release_to of a batch", |rx| {
        let mut batch = rx.peek_batch();
        assert_eq!(batch.append_next(&mut Vec::new()), Ok(8));
        assert_eq!(batch.release_to(batch.position()), Ok(Some(1)));
    }),
    ("peek of a view", |rx| trust!(rx).peek().unwrap().release()),
    ("drain of a view", |rx| assert_eq!(trust!(rx).drain(1, |bytes| assert_eq!(bytes.len(), 8)), Ok(1))),
];

#[test]
fn what_was_popped_has_left_its_place_by_whatever_call() {
    fn check<C: Pops>() {
        for (call, pop) in C::CALLS {
            let ring = Ring::new();
            let mut tx = C::Peer::attach(&small(ring.options())).unwrap();
            let mut rx = C::attach(&small(ring.options())).unwrap();
            let full = tx.exhaust();
            pop(&mut rx);
            assert_eq!(rx.position(), C::STEP, "{call}");
            assert_eq!((tx.try_go(full), tx.try_go(full + 1)), (true, false), "{call}");
        }
    }
    check::<stream::Consumer<u64>>();
    check::<message::Consumer>();
}

#[test]
fn a_message_is_free_before_the_next_of_the_same_call_is_read() {
    let ring = Ring::new();
    let mut tx = small(ring.options()).message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    while tx.push_value(&7_u64).is_ok() {}
    let mut before = 0;
    rx.drain(5, |_| {
        // What the drain has handed over before this one has room again.
        (0..before).for_each(|_| tx.push_value(&8_u64).unwrap());
        assert!(tx.push_value(&9_u64).is_err());
        before = 1;
    })
    .unwrap();
}

#[test]
fn elements_that_are_asked_for_in_numbers_come_while_others_are_popped() {
    let ring = Ring::new();
    let mut rx = ring.options().capacity(8).stream_consumer::<u64>().unwrap();
    let mut child = Child::start("pusher", ring.name(), &[]);
    child.says("attached");
    let mut next = 0;
    for round in 0..500_u64 {
        // As many as the ring has slots can come only if each one that was popped is free.
        let peek = rx.within(LONG).peek(8).unwrap();
        assert!(peek.iter().eq(next..next + 8));
        assert_eq!(peek.position(), next);
        let taken = 1 + round % 3;
        (0..taken).for_each(|at| assert_eq!(rx.pop(), Ok(next + at)));
        next += taken;
    }
    child.kill();
}
