//! `pop` hands over, and what was not released comes again: a consumer is killed right after each kind of call, and
//! judged by what it received.

#![allow(clippy::forget_non_drop, reason = "whatever a guard does when it is dropped, its user may forget it")]

mod common;

use std::mem;

use common::ends::{Call, End, small, trust};
use common::{Child, Part, Ring, succeed};
use ringmain::{PopError, message, stream};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("stream_consumer", taker::<stream::Consumer<u64>>),
        ("message_consumer", taker::<message::Consumer>),
    ]);
}

/// What a call received, and how many of that are handed over.
type Came = (Vec<u64>, u64);

/// A consumer of a ring with at least eight numbers from 0 on, and its calls: each begins with the first.
trait Takes: End {
    const CALLS: &'static [Call<Self, Came>];

    fn pop_number(&mut self) -> Result<u64, PopError>;
}

impl Takes for stream::Consumer<u64> {
    const CALLS: &'static [Call<Self, Came>] = &CALLS;

    fn pop_number(&mut self) -> Result<u64, PopError> {
        self.pop()
    }
}

impl Takes for message::Consumer {
    const CALLS: &'static [Call<Self, Came>] = &MESSAGE_CALLS;

    fn pop_number(&mut self) -> Result<u64, PopError> {
        self.pop_value()
    }
}

const CALLS: [Call<stream::Consumer<u64>, Came>; 20] = [
    ("pop", |rx| (vec![rx.pop().unwrap()], 1)),
    ("pop thrice", |rx| ([(); 3].map(|()| rx.pop().unwrap()).to_vec(), 3)),
    ("pop_blocking", |rx| (vec![rx.blocking().pop().unwrap()], 1)),
    ("pop_slice", |rx| {
        let mut values = vec![0; 5];
        assert_eq!(rx.pop_slice(&mut values), Ok(5));
        (values, 5)
    }),
    ("peek, dropped", |rx| (rx.peek(3).unwrap().iter().collect(), 0)),
    ("peek, forgotten", |rx| {
        let peek = rx.peek(3).unwrap();
        let values = peek.iter().collect();
        mem::forget(peek);
        (values, 0)
    }),
    ("peek and release", |rx| {
        let peek = rx.peek(3).unwrap();
        let values = peek.iter().collect();
        peek.release();
        (values, 3)
    }),
    ("peek and release of a part", |rx| {
        let peek = rx.peek_up_to(9).unwrap();
        let values = peek.iter().collect();
        peek.release_first(2);
        (values, 2)
    }),
    ("peek_contiguous and release", |rx| {
        let peek = rx.peek_contiguous(4).unwrap();
        let values = peek.iter().collect();
        peek.release();
        (values, 4)
    }),
    ("peek_blocking and release", |rx| {
        let peek = rx.blocking().peek(4).unwrap();
        let values = peek.iter().collect();
        peek.release();
        (values, 4)
    }),
    ("release", |rx| {
        rx.release();
        (vec![], 0)
    }),
    ("pop and release", |rx| {
        let value = rx.pop().unwrap();
        rx.release();
        (vec![value], 1)
    }),
    ("peek of a view and release", |rx| {
        let mut view = trust!(rx);
        let peek = view.peek_contiguous(3).unwrap();
        let values = peek.to_vec();
        peek.release();
        (values, 3)
    }),
    ("peek of a view, dropped", |rx| {
        let mut view = trust!(rx);
        (view.peek_contiguous(3).unwrap().to_vec(), 0)
    }),
    ("until_available", |rx| {
        rx.within(common::PATIENCE).until_available(1).unwrap();
        (vec![], 0)
    }),
    ("pop_slice, waiting", |rx| {
        let mut values = vec![0; 5];
        assert_eq!(rx.blocking().pop_slice(&mut values), Ok(()));
        (values, 5)
    }),
    ("pop_some, waiting", |rx| {
        let mut values = vec![0; 5];
        assert_eq!(rx.blocking().pop_some(&mut values), Ok(5));
        (values, 5)
    }),
    ("iter", |rx| (rx.blocking().iter().take(3).map(Result::unwrap).collect(), 3)),
    ("peek_up_to, waiting, and release", |rx| {
        let peek = rx.blocking().peek_up_to(4).unwrap();
        let values = peek.iter().collect();
        peek.release();
        (values, 4)
    }),
    ("peek_contiguous, waiting, dropped", |rx| (rx.blocking().peek_contiguous(4).unwrap().iter().collect(), 0)),
];

const MESSAGE_CALLS: [Call<message::Consumer, Came>; 27] = [
    ("pop", |rx| {
        let mut bytes = [0; 8];
        assert_eq!(rx.pop(&mut bytes), Ok(8));
        (vec![u64::from_ne_bytes(bytes)], 1)
    }),
    ("pop_into", |rx| {
        let mut bytes = Vec::new();
        assert_eq!(rx.pop_into(&mut bytes), Ok(8));
        (vec![number(&bytes)], 1)
    }),
    ("pop_tagged", |rx| {
        let mut bytes = [0; 8];
        assert_eq!(rx.pop_tagged(&mut bytes), Ok((0, 8)));
        (vec![number(&bytes)], 1)
    }),
    ("pop_if_known", |rx| {
        let mut bytes = [0; 8];
        drop(rx.peek().unwrap());
        assert_eq!(rx.pop_if_known(&mut bytes), Some(8));
        (vec![number(&bytes)], 1)
    }),
    ("peek_if_known, dropped", |rx| {
        drop(rx.peek().unwrap());
        (vec![number(&rx.peek_if_known().unwrap().to_vec())], 0)
    }),
    ("pop_value", |rx| (vec![rx.pop_value().unwrap()], 1)),
    ("pop_value thrice", |rx| ([(); 3].map(|()| rx.pop_value().unwrap()).to_vec(), 3)),
    ("pop_blocking", |rx| {
        let mut bytes = [0; 8];
        assert_eq!(rx.blocking().pop(&mut bytes), Ok(8));
        (vec![number(&bytes)], 1)
    }),
    ("pop_value_blocking", |rx| (vec![rx.blocking().pop_value().unwrap()], 1)),
    ("a pop into too short a buffer", |rx| {
        assert!(rx.pop(&mut [0; 3]).is_err());
        (vec![], 0)
    }),
    ("a pop of another value", |rx| {
        assert!(rx.pop_value::<u32>().is_err());
        (vec![], 0)
    }),
    ("peek, dropped", |rx| (vec![rx.peek().unwrap().value(0).unwrap()], 0)),
    ("peek and release", |rx| {
        let record = rx.peek().unwrap();
        let value = record.value(0).unwrap();
        record.release();
        (vec![value], 1)
    }),
    ("drain", |rx| {
        let mut values = Vec::new();
        assert_eq!(rx.drain(3, |record| values.push(record.value(0).unwrap())), Ok(3));
        (values, 3)
    }),
    ("messages", |rx| (rx.messages().take(3).map(|bytes| number(&bytes.unwrap())).collect(), 3)),
    ("peek_batch, dropped", |rx| (batch(rx, |_| {}), 0)),
    ("peek_batch, forgotten", |rx| (batch(rx, |batch| mem::forget(batch)), 0)),
    ("peek_batch and release", |rx| (batch(rx, |batch| batch.release()), 3)),
    ("peek_batch and release_to", |rx| {
        let (mut batch, mut bytes) = (rx.peek_batch(), Vec::new());
        (0..2).for_each(|_| assert_eq!(batch.append_next(&mut bytes), Ok(8)));
        let second = batch.position();
        assert_eq!(batch.append_next(&mut bytes), Ok(8));
        assert_eq!(batch.release_to(second), Ok(Some(2)));
        (bytes.chunks(8).map(number).collect(), 2)
    }),
    ("drain of a view", |rx| {
        let mut values = Vec::new();
        let mut view = trust!(rx);
        assert_eq!(view.drain(3, |bytes| values.push(number(bytes))), Ok(3));
        (values, 3)
    }),
    ("peek of a view, dropped", |rx| {
        let mut view = trust!(rx);
        (vec![number(&view.peek().unwrap())], 0)
    }),
    ("release", |rx| {
        rx.release();
        (vec![], 0)
    }),
    ("pop_into, waiting", |rx| {
        let mut bytes = Vec::new();
        assert_eq!(rx.blocking().pop_into(&mut bytes), Ok(8));
        (vec![number(&bytes)], 1)
    }),
    ("pop_tagged, waiting", |rx| {
        let mut bytes = [0; 8];
        assert_eq!(rx.blocking().pop_tagged(&mut bytes), Ok((0, 8)));
        (vec![number(&bytes)], 1)
    }),
    ("drain, waiting", |rx| {
        let mut values = Vec::new();
        assert_eq!(rx.blocking().drain(3, |record| values.push(record.value(0).unwrap())), Ok(3));
        (values, 3)
    }),
    ("messages, waiting", |rx| (rx.blocking().messages().take(3).map(|bytes| number(&bytes.unwrap())).collect(), 3)),
    ("peek, waiting, dropped", |rx| (vec![rx.blocking().peek().unwrap().value(0).unwrap()], 0)),
];

fn number(bytes: &[u8]) -> u64 {
    u64::from_ne_bytes(bytes.try_into().unwrap())
}

/// Reads three messages as a batch.
fn batch(rx: &mut message::Consumer, end: fn(message::PeekBatch<'_>)) -> Vec<u64> {
    let (mut batch, mut bytes) = (rx.peek_batch(), Vec::new());
    (0..3).for_each(|_| assert_eq!(batch.append_next(&mut bytes), Ok(8)));
    assert_eq!(batch.len(), 3);
    end(batch);
    bytes.chunks(8).map(number).collect()
}

/// Makes a call, and says what came of it; then is killed.
fn taker<C: Takes>(part: &mut Part) {
    let mut rx = C::attach(&small(part.options())).unwrap();
    let (values, handed) = C::CALLS[part.argument::<usize>(0)].1(&mut rx);
    part.say(format!("{values:?}, {handed} of them handed over, at {}", rx.position()));
    part.hear();
}

/// Makes a call in a process that is killed right after it. Returns what it received, and the consumer's position.
#[track_caller]
fn killed_after<C: Takes>(ring: &Ring, call: usize) -> (Came, u64) {
    let mut child = Child::start(C::PART, ring.name(), &[&call]);
    let said = child.hear();
    child.kill();
    let (values, rest) = said.split_once("], ").unwrap();
    let (handed, position) = rest.split_once(" of them handed over, at ").unwrap();
    let values = values[1..].split(", ").filter_map(|value| value.parse().ok()).collect();
    ((values, handed.parse().unwrap()), position.parse().unwrap())
}

/// Checks what comes to the next consumer of a ring of `count` numbers, of which a killed one has received `values`,
/// the first `handed` of them for good: nothing of these, and all else.
#[track_caller]
fn check_rest(call: &str, count: u64, (values, handed): Came, rest: &[u64]) {
    assert!(values.iter().copied().eq(0..values.len() as u64), "{call} received {values:?}");
    assert!(rest.iter().copied().eq(handed..count), "after {call}, {rest:?} came, expected from {handed} on");
}

#[test]
fn a_consumer_that_is_killed_after_a_call_has_what_that_handed_over() {
    fn check<C: Takes>() {
        for (at, (call, _)) in C::CALLS.iter().enumerate() {
            let ring = Ring::new();
            let mut tx = C::Peer::attach(&small(ring.options())).unwrap();
            let count = tx.exhaust();
            let (came, position) = killed_after::<C>(&ring, at);
            let mut rx = succeed(|| C::attach(&small(ring.options())));
            assert_eq!((position, rx.position()), (C::STEP * came.1, position), "{call}");
            assert_eq!(tx.known(), Ok(came.1.min(C::KNOWN)), "{call}");
            let rest: Vec<u64> = std::iter::from_fn(|| rx.pop_number().ok()).collect();
            check_rest(call, count, came, &rest);
        }
    }
    check::<stream::Consumer<u64>>();
    check::<message::Consumer>();
}

/// What the judge rests on can fail.
mod planted {
    use super::*;

    #[test]
    #[should_panic(expected = "after pop, [1, 2, 3, 4, 5, 6, 7] came")]
    fn an_element_that_is_lost_is_seen() {
        check_rest("pop", 8, (vec![0], 0), &[1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    #[should_panic(expected = "expected from 1 on")]
    fn an_element_that_comes_again_is_seen() {
        check_rest("pop", 8, (vec![0], 1), &[0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
