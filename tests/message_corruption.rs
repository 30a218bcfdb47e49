//! A header or a position that the protocol cannot have produced, met by a handle: an error that names the word, for
//! ever, and nothing worse.

mod common;

use std::io::IoSlice;

use common::messages::corrupted::{
    ALIGNMENTS, CAPACITY, impossible_headers, record, ring_at, wrong_head, wrong_header, wrong_tail,
};
use common::messages::{header, size};
use common::{Ring, corruption, word};
use ringmain::Corrupted;
use ringmain::message::{Consumer, Producer};
use ringmain::{Broken, PopError, PushError};

type Pops = [(&'static str, fn(&mut Consumer) -> Option<Corrupted>); 9];

/// Every call of a consumer, and the corruption that it reports.
const POPS: Pops = [
    ("pop", |rx| popped(rx.pop(&mut [0; 8]))),
    ("pop_into", |rx| popped(rx.pop_into(&mut Vec::new()))),
    ("pop_value", |rx| popped(rx.pop_value::<u64>())),
    ("peek", |rx| popped(rx.peek().map(|record| record.release()))),
    ("drain", |rx| corruption(rx.drain(9, |_| {}))),
    ("messages", |rx| rx.messages().find_map(corruption)),
    ("peek_batch", |rx| popped(rx.peek_batch().next_len())),
    ("next_len of a batch", |rx| popped(rx.peek_batch().next_len())),
    ("append_next of a batch", |rx| popped(rx.peek_batch().append_next(&mut Vec::new()))),
];

fn popped<T>(result: Result<T, PopError>) -> Option<Corrupted> {
    match result {
        Err(PopError::Broken(Broken::Corrupted(cause))) => Some(cause),
        _ => None,
    }
}

/// Checks that every call of a consumer finds what `damage` does to a ring, and stays refused after `repair`, whatever
/// comes first. The consumer stands at `head`, and comes before or after the damage.
#[track_caller]
fn check_pops(align: u64, head: u64, expected: Corrupted, damages: [&dyn Fn(&Ring); 2], repair: &dyn Fn(&Ring)) {
    for (first, call) in POPS {
        let ring = ring_at(align, head, head);
        damages[0](&ring);
        let mut rx = ring.options().message_consumer().unwrap();
        damages[1](&ring);
        assert_eq!(call(&mut rx), Some(expected), "{first}");
        // What the word says later does not heal the handle.
        repair(&ring);
        for (then, call) in POPS {
            assert_eq!(call(&mut rx), Some(expected), "{then} after {first}");
        }
        // SAFETY: nobody writes to this ring while the view is used.
        let mut view = unsafe { rx.trust_peer() };
        assert_eq!(
            [popped(view.peek()), corruption(view.drain(9, |_| {}))],
            [Some(expected); 2],
            "a view after {first}"
        );
        rx.release();
        drop(rx);
        assert_eq!(ring.word(word::HEAD), head, "it has given back after {first}");
        drop(ring.options().message_consumer().unwrap());
    }
}

#[test]
fn an_impossible_header_is_found_by_every_call_of_an_idle_consumer() {
    for align in ALIGNMENTS {
        let most = CAPACITY - align;
        for wrong in impossible_headers(align, most) {
            let damage = |ring: &Ring| ring.set_word(record(640), wrong);
            let repair = |ring: &Ring| ring.set_word(record(640), header(8));
            check_pops(align, 640, wrong_header(wrong, align, most), [&|_| {}, &damage], &repair);
        }
    }
}

#[test]
fn an_impossible_header_in_front_of_the_tail_is_found_by_every_call() {
    for align in ALIGNMENTS {
        let room = size(align, 100);
        for wrong in impossible_headers(align, room).into_iter().chain([0]) {
            let damage = |ring: &Ring| {
                ring.set_word(record(640), wrong);
                ring.set_word(word::TAIL, 640 + room);
            };
            let repair = |ring: &Ring| ring.set_word(record(640), header(8));
            check_pops(align, 640, wrong_header(wrong, align, room), [&damage, &|_| {}], &repair);
        }
    }
}

#[test]
fn a_header_that_changes_after_it_was_seen_is_found() {
    let ring = ring_at(8, 0, 0);
    let mut tx = ring.options().message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    tx.push(&[7; 8]).unwrap();
    assert_eq!(rx.peek().map(|record| record.len()), Ok(8));
    ring.set_word(record(0), header(9));
    assert_eq!(rx.pop(&mut [0; 9]), Err(PopError::Broken(Broken::Corrupted(wrong_header(header(9), 8, 16)))));
}

/// Pushes and pops until the consumer takes the tail; returns where it stands.
#[track_caller]
fn begin_flow(ring: &Ring, rx: &mut Consumer) -> u64 {
    let mut tx = ring.options().message_producer().unwrap();
    (0..2).for_each(|_| tx.push(&[7; 8]).unwrap());
    (0..2).for_each(|_| assert_eq!(rx.pop(&mut [0; 8]), Ok(8)));
    drop(tx);
    ring.word(word::TAIL)
}

#[test]
fn an_impossible_tail_is_found_by_every_call_in_a_flow() {
    for align in ALIGNMENTS {
        for (first, call) in POPS {
            let most = CAPACITY - align;
            for lie in [align / 2, 1, most + align, most.wrapping_neg() - align, 1 << 63] {
                let ring = ring_at(align, 0, 0);
                let mut rx = ring.options().message_consumer().unwrap();
                let head = begin_flow(&ring, &mut rx);
                ring.set_word(word::TAIL, head.wrapping_add(lie));
                let expected = Some(wrong_tail(head.wrapping_add(lie), align, head));
                assert_eq!(call(&mut rx), expected, "{first} with a tail {lie} bytes ahead");
                ring.set_word(word::TAIL, head);
                for (then, call) in POPS {
                    assert_eq!(call(&mut rx), expected, "{then} after {first}");
                }
                drop(rx);
                assert_eq!(ring.word(word::HEAD), head);
            }
        }
    }
}

#[test]
fn messages_known_before_a_corruption_are_still_popped() {
    let ring = ring_at(8, 0, 0);
    let mut tx = ring.options().message_producer().unwrap();
    (0..3).for_each(|_| tx.push(&[7; 8]).unwrap());
    let mut rx = ring.options().message_consumer().unwrap();
    ring.set_word(record(32), header(9));
    ring.set_word(word::TAIL, 1 << 40);
    let expected = wrong_header(header(9), 8, 16);
    let mut popped = 0;
    assert_eq!(rx.drain(9, |_| popped += 1), Err(expected.into()));
    assert_eq!((popped, rx.is_empty()), (2, Err(expected.into())));
    drop(rx);
    assert_eq!(ring.word(word::HEAD), 32);
}

type Pushes = [(&'static str, fn(&mut Producer) -> Option<Corrupted>); 9];

/// Every call of a producer, and the corruption that it reports.
const PUSHES: Pushes = [
    ("push", |tx| pushed(tx.push(&[7; 8]))),
    ("push_vectored", |tx| pushed(tx.push_vectored(&[IoSlice::new(&[7; 8])]))),
    ("push_value", |tx| pushed(tx.push_value(&7_u64))),
    ("claim", |tx| pushed(tx.claim(8).map(|claim| claim.commit_len(8)))),
    ("can_push", |tx| corruption(tx.can_push(8))),
    ("push of a batch", |tx| in_batch(tx, |batch| batch.push(&[7; 8]))),
    ("push_vectored of a batch", |tx| in_batch(tx, |batch| batch.push_vectored(&[IoSlice::new(&[7; 8])]))),
    ("push_value of a batch", |tx| in_batch(tx, |batch| batch.push_value(&7_u64))),
    ("claim of a batch", |tx| in_batch(tx, |batch| batch.claim(8).map(|claim| claim.commit_len(8)))),
];

fn pushed(result: Result<(), PushError>) -> Option<Corrupted> {
    match result {
        Err(PushError::Broken { value: 0, cause: Broken::Corrupted(cause) }) => Some(cause),
        _ => None,
    }
}

/// Adds to a batch, and commits it.
fn in_batch(
    tx: &mut Producer,
    add: impl FnOnce(&mut ringmain::message::Batch<'_>) -> Result<(), PushError>,
) -> Option<Corrupted> {
    let mut batch = tx.batch();
    let added = add(&mut batch);
    batch.commit();
    pushed(added)
}

#[test]
fn every_call_of_a_producer_finds_an_impossible_head_and_stays_refused() {
    for align in ALIGNMENTS {
        for (first, call) in PUSHES {
            for lie in [1, align / 2, align.wrapping_neg(), CAPACITY, 1 << 63] {
                let ring = ring_at(align, 0, 0);
                let mut tx = ring.options().message_producer().unwrap();
                while tx.push(&[7; 8]).is_ok() {}
                let tail = ring.word(word::TAIL);
                ring.set_word(word::HEAD, lie);
                let expected = Some(wrong_head(lie, align, 0, tail));
                assert_eq!(call(&mut tx), expected, "{first} with a head of {lie}");
                // What the word says later does not heal the handle.
                ring.set_word(word::HEAD, 0);
                for (then, call) in PUSHES {
                    assert_eq!(call(&mut tx), expected, "{then} after {first}");
                }
                drop(tx);
                assert_eq!(ring.word(word::TAIL), tail, "it has written after {first}");
            }
        }
    }
}

#[test]
fn a_batch_that_finds_an_impossible_head_pushes_nothing_and_heals_nothing() {
    let ring = ring_at(8, 0, 0);
    let mut tx = ring.options().message_producer().unwrap();
    let mut batch = tx.batch();
    batch.push(&[7; 2000]).unwrap();
    ring.set_word(word::HEAD, 4);
    let expected = wrong_head(4, 8, 0, 0);
    assert_eq!(batch.push(&[7; 3000]), Err(PushError::Broken { value: 0, cause: Broken::Corrupted(expected) }));
    batch.commit();
    assert_eq!((ring.word(word::TAIL), ring.word(record(0))), (0, 0));
    for (then, call) in PUSHES {
        assert_eq!(call(&mut tx), Some(expected), "{then}");
    }
}

#[test]
fn a_batch_of_looks_that_finds_an_impossible_header_stays_refused() {
    for wrong in [u64::MAX, header(64 << 20), 2] {
        let ring = ring_at(8, 0, 0);
        let mut tx = ring.options().message_producer().unwrap();
        let mut rx = ring.options().message_consumer().unwrap();
        (0..3).for_each(|_| tx.push(&[7; 8]).unwrap());
        ring.set_word(record(32), wrong);
        let (mut batch, mut bytes) = (rx.peek_batch(), Vec::new());
        (0..2).for_each(|_| assert_eq!(batch.append_next(&mut bytes), Ok(8)));
        let expected = popped(batch.next_len());
        assert!(expected.is_some_and(|cause| cause.found == wrong), "{expected:?}");
        // Behind two messages, of which the poisoned handle knows nothing any more; whatever the header says by then.
        for then in [wrong, header(1 << 30), header(8)] {
            ring.set_word(record(32), then);
            assert_eq!([popped(batch.append_next(&mut bytes)), popped(batch.next_len())], [expected; 2]);
        }
        assert_eq!((batch.len(), bytes.len()), (2, 16));
        batch.release();
        assert_eq!(popped(rx.pop(&mut bytes)), expected);
        drop(rx);
        assert_eq!(ring.word(word::HEAD), 0, "it has given back");
    }
}

#[test]
fn a_head_that_goes_back_is_impossible() {
    let ring = ring_at(8, 0, 0);
    let mut tx = ring.options().message_producer().unwrap();
    while tx.push(&[7; 248]).is_ok() {}
    ring.set_word(word::HEAD, 512);
    assert_eq!(tx.can_push(504), Ok(true));
    ring.set_word(word::HEAD, 256);
    let expected = wrong_head(256, 8, 512, ring.word(word::TAIL));
    assert_eq!(tx.can_push(1000), Err(expected.into()));
}

#[test]
fn the_handle_at_the_other_end_is_not_poisoned() {
    let ring = ring_at(8, 0, 0);
    let mut tx = ring.options().message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    ring.set_word(record(0), u64::MAX);
    let expected = wrong_header(u64::MAX, 8, CAPACITY - 8);
    assert_eq!(rx.peek().map(drop), Err(PopError::Broken(Broken::Corrupted(expected))));
    assert_eq!(rx.is_empty(), Err(expected.into()));
    assert_eq!(tx.push(&[7; 8]), Ok(()));
    drop(rx);
    let mut rx = ring.options().message_consumer().unwrap();
    assert_eq!(rx.pop(&mut [0; 8]), Ok(8));
}
