//! A position that the protocol cannot have produced: an error at attach and on the data path, for ever, and nothing
//! worse.

mod common;

use std::fs::File;
use std::os::unix::fs::FileExt;

use common::{Numbered, Ring, Tick, refuses, word};
use ringmain::stream::{Consumer, Producer};
use ringmain::{Broken, PopError, PushError};
use ringmain::{Corrupted, Error, SharedWord};

const CAPACITY: u64 = 8;

/// Pairs of a tail and a head that no ring of eight can have.
const IMPOSSIBLE: [(u64, u64); 8] =
    [(9, 0), (0, 1), (100, 91), (100, 101), (u64::MAX, 0), (0, 9), (1 << 63, 0), (3, u64::MAX - 5)];

/// The same for pairs that are unusual and right.
const POSSIBLE: [(u64, u64); 6] =
    [(0, 0), (8, 0), (100, 92), (u64::MAX, u64::MAX), (3, u64::MAX - 4), (1 << 63, 1 << 63)];

/// Makes a ring with these positions.
#[track_caller]
fn ring_at(tail: u64, head: u64) -> Ring {
    let ring = Ring::new();
    ring.make::<u64>(CAPACITY as usize);
    ring.set_word(word::TAIL, tail);
    ring.set_word(word::HEAD, head);
    ring
}

/// What a producer at `tail` makes of an impossible head, of which it has last seen `lowest`.
fn wrong_head(found: u64, lowest: u64, tail: u64) -> Corrupted {
    corrupted(SharedWord::Head, found, lowest, tail)
}

/// What a consumer at `head` makes of an impossible tail, of which it has last seen `lowest`.
fn wrong_tail(found: u64, lowest: u64, head: u64) -> Corrupted {
    corrupted(SharedWord::Tail, found, lowest, head.wrapping_add(CAPACITY))
}

fn corrupted(word: SharedWord, found: u64, lowest: u64, highest: u64) -> Corrupted {
    Corrupted { word, found, lowest, highest, step: 1 }
}

#[test]
fn impossible_positions_are_refused_at_attach() {
    for (tail, head) in IMPOSSIBLE {
        let ring = ring_at(tail, head);
        let expected = wrong_head(head, tail.wrapping_sub(CAPACITY), tail);
        refuses!(ring.options().stream_producer::<u64>(), Error::Corrupted { source, .. } if source == expected);
        let expected = wrong_tail(tail, head, head);
        refuses!(ring.options().stream_consumer::<u64>(), Error::Corrupted { source, .. } if source == expected);
        assert_eq!((ring.word(word::TAIL), ring.word(word::HEAD)), (tail, head));
        // The roles were let go, and nobody entered.
        ring.set_word(word::HEAD, tail);
        assert_eq!(ring.options().stream_producer::<u64>().unwrap().generation(), 2);
        assert_eq!(ring.options().stream_consumer::<u64>().unwrap().generation(), 1);
    }
}

#[test]
fn unusual_positions_are_accepted_at_attach() {
    for (tail, head) in POSSIBLE {
        let ring = ring_at(tail, head);
        let filled = tail.wrapping_sub(head);
        let tx = ring.options().stream_producer::<u64>().unwrap();
        let rx = ring.options().stream_consumer::<u64>().unwrap();
        assert_eq!(tx.free(), Ok((CAPACITY - filled) as usize));
        assert_eq!(rx.available(), Ok(filled as usize));
    }
}

type Pushes = [(&'static str, fn(&mut Producer<u64>) -> Option<Corrupted>); 5];

/// Every call of a producer that looks at the head, and the corruption that it reports.
const PUSHES: Pushes = [
    ("push", |tx| match tx.push(7) {
        Err(PushError::Broken { value: 7, cause: Broken::Corrupted(cause) }) => Some(cause),
        _ => None,
    }),
    ("push_slice", |tx| match tx.push_slice(&[7; 3]) {
        Err(PushError::Broken { value: 0, cause: Broken::Corrupted(cause) }) => Some(cause),
        _ => None,
    }),
    ("claim", |tx| claimed(tx.claim(1))),
    ("claim_up_to", |tx| claimed(tx.claim_up_to(3))),
    ("claim_contiguous", |tx| claimed(tx.claim_contiguous(3))),
];

fn claimed<C>(result: Result<C, PushError>) -> Option<Corrupted> {
    match result {
        Err(PushError::Broken { value: 0, cause: Broken::Corrupted(cause) }) => Some(cause),
        _ => None,
    }
}

type Pops = [(&'static str, fn(&mut Consumer<u64>) -> Option<Corrupted>); 5];

/// Every call of a consumer that looks at the tail, and the corruption that it reports.
const POPS: Pops = [
    ("pop", |rx| match rx.pop() {
        Err(PopError::Broken(Broken::Corrupted(cause))) => Some(cause),
        _ => None,
    }),
    ("pop_slice", |rx| match rx.pop_slice(&mut [0; 3]) {
        Err(PopError::Broken(Broken::Corrupted(cause))) => Some(cause),
        _ => None,
    }),
    ("peek", |rx| peeked(rx.peek(1))),
    ("peek_up_to", |rx| peeked(rx.peek_up_to(3))),
    ("peek_contiguous", |rx| peeked(rx.peek_contiguous(3))),
];

fn peeked<P>(result: Result<P, PopError>) -> Option<Corrupted> {
    match result {
        Err(PopError::Broken(Broken::Corrupted(cause))) => Some(cause),
        _ => None,
    }
}

#[test]
fn every_call_of_a_producer_finds_an_impossible_head_and_stays_refused() {
    for (found, tail) in [(9, 8), (u64::MAX, 8), (8 + (1 << 63), 8)] {
        for (first, call) in PUSHES {
            let ring = ring_at(0, 0);
            let mut tx = ring.options().stream_producer::<u64>().unwrap();
            assert_eq!(tx.push_slice(&[7; 8]), Ok(8));
            ring.set_word(word::HEAD, found);
            let expected = Some(wrong_head(found, 0, tail));
            assert_eq!(call(&mut tx), expected, "{first} with a head of {found}");
            // What the word says later does not heal the handle.
            ring.set_word(word::HEAD, 4);
            for (then, call) in PUSHES {
                assert_eq!(call(&mut tx), expected, "{then} after {first}");
            }
            drop(tx);
            assert_eq!(ring.word(word::TAIL), tail, "it has written after {first}");
            assert_eq!(ring.options().stream_producer::<u64>().unwrap().free(), Ok(4));
        }
    }
}

#[test]
fn every_call_of_a_consumer_finds_an_impossible_tail_and_stays_refused() {
    for found in [9, u64::MAX, 1 << 63] {
        for (first, call) in POPS {
            let ring = ring_at(0, 0);
            let mut rx = ring.options().stream_consumer::<u64>().unwrap();
            ring.set_word(word::TAIL, found);
            let expected = Some(wrong_tail(found, 0, 0));
            assert_eq!(call(&mut rx), expected, "{first} with a tail of {found}");
            // What the word says later does not heal the handle.
            ring.set_word(word::TAIL, 4);
            for (then, call) in POPS {
                assert_eq!(call(&mut rx), expected, "{then} after {first}");
            }
            rx.release();
            drop(rx);
            assert_eq!(ring.word(word::HEAD), 0, "it has given back after {first}");
            assert_eq!(ring.options().stream_consumer::<u64>().unwrap().available(), Ok(4));
        }
    }
}

#[test]
fn a_poisoned_producer_refuses_calls_for_nothing_too() {
    let ring = ring_at(8, 0);
    let mut tx = ring.options().stream_producer::<u64>().unwrap();
    ring.set_word(word::HEAD, 9);
    let expected = wrong_head(9, 0, 8);
    // A call that changes nothing says so as well, and does not poison.
    assert_eq!([tx.free(), tx.len()], [Err(expected.into()); 2]);
    assert_eq!([tx.is_full(), tx.is_empty()], [Err(expected.into()); 2]);
    ring.set_word(word::HEAD, 8);
    assert_eq!((tx.free(), tx.is_empty(), tx.len()), (Ok(8), Ok(true), Ok(0)));
    ring.set_word(word::HEAD, 9);
    ring.set_word(word::TAIL, 100);
    assert_eq!(tx.push_slice(&[]), Err(PushError::Broken { value: 0, cause: Broken::Corrupted(expected) }));
    ring.set_word(word::HEAD, 8);
    assert_eq!(tx.free(), Err(expected.into()));
    for claimed in [tx.claim(0).map(|claim| claim.commit()), tx.claim_up_to(0).map(|claim| claim.commit())] {
        assert_eq!(claimed, Err(PushError::Broken { value: 0, cause: Broken::Corrupted(expected) }));
    }
    assert_eq!(
        tx.claim_contiguous(0).map(|claim| claim.commit()),
        Err(PushError::Broken { value: 0, cause: Broken::Corrupted(expected) })
    );
    assert_eq!(ring.word(word::TAIL), 100, "it has published");
}

#[test]
fn a_poisoned_consumer_refuses_calls_for_nothing_too() {
    let ring = ring_at(0, 0);
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    ring.set_word(word::TAIL, 9);
    let expected = wrong_tail(9, 0, 0);
    assert_eq!([rx.available(), rx.len()], [Err(expected.into()); 2]);
    assert_eq!(rx.is_empty(), Err(expected.into()));
    ring.set_word(word::TAIL, 3);
    assert_eq!((rx.available(), rx.is_empty(), rx.len()), (Ok(3), Ok(false), Ok(3)));
    ring.set_word(word::TAIL, 9);
    assert_eq!(rx.pop_slice(&mut []), Err(PopError::Broken(Broken::Corrupted(expected))));
    assert_eq!(rx.peek(0).map(|peek| peek.release()), Err(PopError::Broken(Broken::Corrupted(expected))));
    assert_eq!(rx.peek_up_to(0).map(|peek| peek.release()), Err(PopError::Broken(Broken::Corrupted(expected))));
    assert_eq!(rx.peek_contiguous(0).map(|peek| peek.release()), Err(PopError::Broken(Broken::Corrupted(expected))));
}

#[test]
fn calls_for_nothing_succeed_at_a_full_and_at_an_empty_ring() {
    let ring = ring_at(8, 0);
    let mut tx = ring.options().stream_producer::<u64>().unwrap();
    assert_eq!((tx.push_slice(&[]), tx.claim(0).map(|claim| claim.len())), (Ok(0), Ok(0)));
    let ring = ring_at(0, 0);
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    assert_eq!((rx.pop_slice(&mut []), rx.peek(0).map(|peek| peek.len())), (Ok(0), Ok(0)));
}

#[test]
fn a_head_that_goes_back_is_impossible() {
    let ring = ring_at(0, 0);
    let mut tx = ring.options().stream_producer::<u64>().unwrap();
    assert_eq!(tx.push_slice(&[7; 8]), Ok(8));
    ring.set_word(word::HEAD, 5);
    assert_eq!((tx.free(), tx.claim(5).map(|claim| claim.len())), (Ok(5), Ok(5)));
    ring.set_word(word::HEAD, 4);
    assert_eq!(tx.free(), Err(wrong_head(4, 5, 8).into()));
}

#[test]
fn a_tail_that_goes_back_is_impossible() {
    let ring = ring_at(5, 0);
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    assert_eq!(rx.pop(), Ok(0));
    ring.set_word(word::TAIL, 4);
    assert_eq!(rx.available(), Err(wrong_tail(4, 5, 1).into()));
}

#[test]
fn elements_known_before_a_corruption_are_still_popped() {
    let ring = ring_at(3, 0);
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    ring.set_word(word::TAIL, 20);
    assert_eq!([rx.pop(), rx.pop(), rx.pop()], [Ok(0); 3]);
    assert_eq!(rx.pop(), Err(PopError::Broken(Broken::Corrupted(wrong_tail(20, 3, 3)))));
    drop(rx);
    assert_eq!(ring.word(word::HEAD), 3);
}

#[test]
fn the_handle_at_the_other_end_is_not_poisoned() {
    let ring = ring_at(0, 0);
    let mut tx = ring.options().stream_producer::<u64>().unwrap();
    let rx = ring.options().stream_consumer::<u64>().unwrap();
    ring.set_word(word::TAIL, 20);
    assert_eq!(rx.available(), Err(wrong_tail(20, 0, 0).into()));
    // The producer's own position is its private one, whatever the word says.
    assert_eq!(tx.push(7), Ok(()));
    assert_eq!(ring.word(word::TAIL), 1);
    drop(rx);
    assert_eq!(ring.options().stream_consumer::<u64>().unwrap().pop(), Ok(7));
}

#[test]
fn a_header_of_noise_under_an_attached_ring_is_survived() {
    let random = common::Random::new();
    for _ in 0..200 {
        let ring = Ring::new();
        let mut tx = ring.options().capacity(16).stream_producer::<Tick>().unwrap();
        let mut rx = ring.options().stream_consumer::<Tick>().unwrap();
        let noise: Vec<u8> = (0..4096).map(|_| random.any() as u8).collect();
        File::options().write(true).open(ring.path()).unwrap().write_all_at(&noise, 0).unwrap();
        assert_eq!((tx.capacity(), rx.capacity()), (16, 16));
        let _ = (tx.peer_state(), rx.peer_state(), tx.peer_generation(), rx.peer_generation(), tx.is_orphaned());
        for number in 0..100 {
            let _ = (tx.push(Tick::at(number)), rx.pop());
            let _ = (tx.claim_up_to(9).map(|claim| claim.commit()), rx.peek_up_to(9).map(|peek| peek.release()));
        }
        let attached =
            (ring.options().stream_producer::<Tick>().is_ok(), ring.options().stream_consumer::<Tick>().is_ok());
        assert_eq!(attached, (false, false));
    }
}
