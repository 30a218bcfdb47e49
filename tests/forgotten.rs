//! Guards are sound without their destructor: one that is forgotten is as good as dropped, or as never taken, and every
//! call after it is right, with a peer that keeps to the protocol and with one that does not.

#![allow(clippy::forget_non_drop, reason = "whatever a guard does when it is dropped, its user may forget it")]

mod common;

use std::io::{IoSlice, Write};
use std::mem::forget;

use common::ends::{Call, End, for_each_ring, small, trust};
use common::messages::{header, ring_of};
use common::{Ring, corruption, word};
use ringmain::{Broken, PopError, message, stream};

/// How many elements or messages lie in a ring whose consumer forgets something, and how many a ring holds.
const THERE: u64 = 4;
const SLOTS: usize = 8;

/// A handle, and each of its guards, taken and forgotten.
trait Guards: End {
    const GUARDS: &'static [Call<Self>];
}

impl Guards for stream::Producer<u64> {
    const GUARDS: &'static [Call<Self>] = &CLAIMS;
}

impl Guards for message::Producer {
    const GUARDS: &'static [Call<Self>] = &ROOMS;
}

/// Every guard of a producer of elements, forgotten after it was written.
const CLAIMS: [Call<stream::Producer<u64>>; 9] = [
    ("Claim", |tx| {
        let mut claim = tx.claim(3).unwrap();
        claim.fill([70, 71, 72]);
        forget(claim);
    }),
    ("Claim of nothing", |tx| forget(tx.claim(0).unwrap())),
    ("Claim of all", |tx| {
        let all = tx.free().unwrap();
        forget(tx.claim(all).unwrap());
    }),
    ("Claim by claim_up_to", |tx| forget(tx.claim_up_to(9).unwrap())),
    ("Claim by claim_contiguous", |tx| forget(tx.claim_contiguous(9).unwrap())),
    ("Claim by claim_blocking", |tx| forget(tx.blocking().claim(2).unwrap())),
    ("Claim of a view", |tx| {
        let mut view = trust!(tx);
        let mut claim = view.claim_contiguous(3).unwrap();
        claim[0] = 70;
        forget(claim);
    }),
    ("Trusted", |tx| forget(trust!(tx))),
    ("Waiting", |tx| forget(tx.blocking())),
];

#[test]
fn a_forgotten_claim_of_slots_was_never_taken() {
    for (guard, take) in CLAIMS {
        // Where the buffer ends, too.
        for begun in [0, 5, SLOTS as u64 - 1] {
            let ring = Ring::new();
            ring.make::<u64>(SLOTS);
            ring.set_word(word::TAIL, begun);
            ring.set_word(word::HEAD, begun);
            let mut tx = ring.options().stream_producer::<u64>().unwrap();
            let mut rx = ring.options().stream_consumer::<u64>().unwrap();
            for round in 0..20 {
                take(&mut tx);
                assert_eq!((rx.available(), tx.position()), (Ok(0), begun + 2 * round), "{guard}");
                assert_eq!(tx.push_slice(&[round, round + 1]), Ok(2), "{guard}");
                take(&mut tx);
                assert_eq!([rx.pop(), rx.pop()], [Ok(round), Ok(round + 1)], "{guard}");
            }
            take(&mut tx);
            assert_eq!(tx.push_slice(&[7; 9]), Ok(SLOTS), "{guard}");
            drop(tx);
            assert_eq!(rx.available(), Ok(SLOTS), "{guard}");
        }
    }
}

#[test]
fn a_head_that_cannot_be_is_found_behind_a_forgotten_claim() {
    fn check<P: Guards>() {
        for (guard, take) in P::GUARDS {
            let ring = Ring::new();
            let mut tx = P::attach(&small(ring.options())).unwrap();
            take(&mut tx);
            let tail = P::STEP * tx.exhaust();
            let (head, wrong) = P::IMPOSSIBLE;
            ring.set_word(head, wrong);
            let cause = corruption(tx.known()).unwrap();
            assert_eq!((cause.found, cause.highest), (wrong, tail), "{guard}");
            drop(tx);
            assert_eq!(ring.word(word::TAIL), tail, "{guard}");
        }
    }
    for_each_ring!(check);
}

/// Every guard of a consumer of elements, forgotten after it was read.
const PEEKS: [Call<stream::Consumer<u64>>; 11] = [
    ("Peek", |rx| {
        let peek = rx.peek(3).unwrap();
        assert!(peek.get(2).is_some());
        forget(peek);
    }),
    ("Peek at nothing", |rx| forget(rx.peek(0).unwrap())),
    ("Peek by peek_up_to", |rx| forget(rx.peek_up_to(9).unwrap())),
    ("Peek by peek_contiguous", |rx| forget(rx.peek_contiguous(9).unwrap())),
    ("Peek by peek_blocking", |rx| forget(rx.blocking().peek(2).unwrap())),
    ("Elements", |rx| {
        let peek = rx.peek(3).unwrap();
        let mut elements = peek.iter();
        assert!(elements.next().is_some());
        forget(elements);
        forget(peek);
    }),
    ("Elements of a Peek that is dropped", |rx| forget(rx.peek(3).unwrap().iter())),
    ("Peek of a view", |rx| {
        let mut view = trust!(rx);
        let peek = view.peek_contiguous(3).unwrap();
        assert!(!peek.is_empty());
        forget(peek);
    }),
    ("Trusted", |rx| forget(trust!(rx))),
    ("Waiting", |rx| forget(rx.blocking())),
    ("Iter", |rx| forget(rx.blocking().iter())),
];

#[test]
fn a_forgotten_peek_at_elements_has_taken_nothing() {
    for (guard, look) in PEEKS {
        for begun in [0, 5, SLOTS as u64 - 1] {
            let ring = Ring::new();
            ring.make::<u64>(SLOTS);
            ring.set_word(word::TAIL, begun);
            ring.set_word(word::HEAD, begun);
            let mut tx = ring.options().stream_producer::<u64>().unwrap();
            let mut rx = ring.options().stream_consumer::<u64>().unwrap();
            (0..THERE).for_each(|number| tx.push(number).unwrap());
            for number in 0..20 {
                look(&mut rx);
                assert_eq!((rx.position(), ring.word(word::HEAD)), (begun + number, begun + number), "{guard}");
                assert_eq!(rx.pop(), Ok(number), "{guard}");
                tx.push(number + THERE).unwrap();
                look(&mut rx);
                assert_eq!(rx.available(), Ok(THERE as usize), "{guard}");
            }
            drop(rx);
            // A crash or an orderly leave: all that was not popped is there.
            let mut rx = ring.options().stream_consumer::<u64>().unwrap();
            (20..20 + THERE).for_each(|number| assert_eq!(rx.pop(), Ok(number), "{guard}"));
            assert_eq!(rx.pop(), Err(PopError::Empty), "{guard}");
        }
    }
}

#[test]
fn a_tail_that_cannot_be_is_found_behind_a_forgotten_peek() {
    for (guard, look) in PEEKS {
        let ring = Ring::new();
        let mut tx = ring.options().capacity(SLOTS).stream_producer::<u64>().unwrap();
        let mut rx = ring.options().stream_consumer::<u64>().unwrap();
        (0..THERE).for_each(|number| tx.push(number).unwrap());
        look(&mut rx);
        (0..THERE).for_each(|number| assert_eq!(rx.pop(), Ok(number), "{guard}"));
        ring.set_word(word::TAIL, 1000);
        assert_eq!(corruption(rx.available()).unwrap().found, 1000, "{guard}");
        drop(rx);
        assert_eq!(ring.word(word::HEAD), THERE, "{guard}");
    }
}

/// Every guard of a producer of messages, forgotten after it was written.
const ROOMS: [Call<message::Producer>; 10] = [
    ("Claim", |tx| {
        let mut claim = tx.claim(100).unwrap();
        claim.write_all(&[70; 60]).unwrap();
        forget(claim);
    }),
    ("Claim by claim_blocking", |tx| forget(tx.blocking().claim(30).unwrap())),
    ("Batch", |tx| {
        let mut batch = tx.batch();
        batch.push(&[70; 30]).unwrap();
        batch.push_value(&70_u64).unwrap();
        batch.push_vectored(&[IoSlice::new(&[70; 9])]).unwrap();
        forget(batch);
    }),
    ("Batch of nothing", |tx| forget(tx.batch())),
    ("Claim of a Batch", |tx| {
        let mut batch = tx.batch();
        batch.push(&[70; 30]).unwrap();
        forget(batch.claim(30).unwrap());
        batch.push(&[70; 30]).unwrap();
        forget(batch);
    }),
    ("Claim of a Batch that is aborted", |tx| {
        let mut batch = tx.batch();
        forget(batch.claim(30).unwrap());
        batch.abort();
    }),
    ("Claim of a Batch of nothing that is committed", |tx| {
        let mut batch = tx.batch();
        forget(batch.claim(30).unwrap());
        batch.commit();
    }),
    ("Claim of a view", |tx| {
        let mut view = trust!(tx);
        let mut claim = view.claim(50).unwrap();
        claim.fill(70);
        forget(claim);
    }),
    ("Trusted", |tx| forget(trust!(tx))),
    ("Waiting", |tx| forget(tx.blocking())),
];

#[test]
fn a_forgotten_claim_of_room_was_never_taken() {
    for (guard, take) in ROOMS {
        for align in [8, 64] {
            let ring = ring_of(4096, align);
            let mut tx = ring.options().message_producer().unwrap();
            let mut rx = ring.options().message_consumer().unwrap();
            // More than the ring holds, so that its end is passed.
            for number in 0..300_u64 {
                take(&mut tx);
                assert_eq!(rx.is_empty(), Ok(true), "{guard}");
                tx.push_value(&number).unwrap();
                take(&mut tx);
                tx.push(&[8; 30]).unwrap();
                assert_eq!((rx.pop_value(), rx.pop(&mut [0; 30])), (Ok(number), Ok(30)), "{guard}");
            }
            take(&mut tx);
            drop(tx);
            assert_eq!(rx.is_empty(), Ok(true), "{guard}");
            // The next producer begins where this one ended.
            let mut tx = ring.options().message_producer().unwrap();
            tx.push_value(&9_u64).unwrap();
            assert_eq!((rx.pop_value(), rx.is_empty()), (Ok(9_u64), Ok(true)), "{guard}");
        }
    }
}

/// Every guard of a consumer of messages, forgotten after it was read.
const LOOKS: [Call<message::Consumer>; 11] = [
    ("Record", |rx| {
        let record = rx.peek().unwrap();
        assert_eq!(record.to_vec().len(), 8);
        forget(record);
    }),
    ("Record by peek_blocking", |rx| forget(rx.blocking().peek().unwrap())),
    ("PeekBatch", |rx| {
        let (mut batch, mut bytes) = (rx.peek_batch(), Vec::new());
        while batch.append_next(&mut bytes).is_ok() {}
        assert_eq!((batch.len(), bytes.len()), (THERE as usize, 8 * THERE as usize));
        forget(batch);
    }),
    ("PeekBatch of one", |rx| {
        let mut batch = rx.peek_batch();
        batch.append_next(&mut Vec::new()).unwrap();
        assert_eq!(batch.next_len(), Ok(8));
        forget(batch);
    }),
    ("PeekBatch of nothing", |rx| forget(rx.peek_batch())),
    ("PeekBatch that has looked ahead", |rx| {
        let mut batch = rx.peek_batch();
        assert_eq!(batch.next_len(), Ok(8));
        forget(batch);
    }),
    ("Messages", |rx| forget(rx.messages())),
    ("Record of a view", |rx| {
        let mut view = trust!(rx);
        let record = view.peek().unwrap();
        assert_eq!(record.len(), 8);
        forget(record);
    }),
    ("Trusted", |rx| forget(trust!(rx))),
    ("Waiting", |rx| forget(rx.blocking())),
    ("IncomingMessages", |rx| forget(rx.blocking().messages())),
];

#[test]
fn a_forgotten_look_at_messages_has_taken_nothing() {
    for (guard, look) in LOOKS {
        for align in [8, 64] {
            let ring = ring_of(4096, align);
            let mut tx = ring.options().message_producer().unwrap();
            let mut rx = ring.options().message_consumer().unwrap();
            (0..THERE).for_each(|number| tx.push_value(&number).unwrap());
            for number in 0..300 {
                let position = rx.position();
                look(&mut rx);
                assert_eq!((rx.position(), ring.word(word::HEAD)), (position, position), "{guard}");
                assert_eq!(rx.pop_value(), Ok(number), "{guard}");
                tx.push_value(&(number + THERE)).unwrap();
                look(&mut rx);
                assert_eq!(rx.is_empty(), Ok(false), "{guard}");
            }
            drop(rx);
            let mut rx = ring.options().message_consumer().unwrap();
            (300..300 + THERE).for_each(|number| assert_eq!(rx.pop_value(), Ok(number), "{guard}"));
            assert_eq!(rx.pop_value::<u64>(), Err(PopError::Empty), "{guard}");
        }
    }
}

#[test]
fn what_was_taken_from_messages_that_are_forgotten_is_gone_and_nothing_else() {
    let ring = ring_of(4096, 8);
    let mut tx = ring.options().message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    (0..THERE).for_each(|number| tx.push_value(&number).unwrap());
    let mut messages = rx.messages();
    assert!(messages.next().unwrap().is_ok());
    forget(messages);
    assert_eq!(rx.pop_value(), Ok(1_u64));
}

#[test]
fn a_header_that_cannot_be_is_found_behind_forgotten_messages() {
    for (guard, look) in LOOKS {
        // Lengths that end beyond the ring, beyond memory, and in the middle of the next message.
        for wrong in [header(64 << 20), u64::MAX, header(100), header(9), 2] {
            for damaged in [0, 1, THERE] {
                let ring = ring_of(4096, 8);
                let mut tx = ring.options().message_producer().unwrap();
                let mut rx = ring.options().message_consumer().unwrap();
                (0..THERE).for_each(|number| tx.push_value(&number).unwrap());
                look(&mut rx);
                // Of a message that was looked at, or of the one behind all: known or not, it is read with the head,
                // not before.
                if damaged == THERE {
                    tx.push_value(&THERE).unwrap();
                }
                ring.set_word(word::DATA + 16 * damaged, wrong);
                let mut popped = Vec::new();
                let refused = loop {
                    match rx.pop_into(&mut popped) {
                        Ok(len) => assert!(len <= 4096, "{guard} {wrong:#x} {len}"),
                        Err(error) => break error,
                    }
                };
                // A length that could be is read as one: then what follows is not there, or no header.
                let could_be = wrong == header(100) || wrong == header(9);
                assert!(
                    could_be || matches!(refused, PopError::Broken(Broken::Corrupted(cause)) if cause.found == wrong),
                    "{guard}: {refused:?}"
                );
                assert!(
                    !could_be || matches!(refused, PopError::Broken(Broken::Corrupted(_)) | PopError::Empty),
                    "{guard}: {refused:?}"
                );
            }
        }
    }
}
