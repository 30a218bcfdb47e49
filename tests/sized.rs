//! Elements whose size is known at run time, as bytes.

mod common;

use std::alloc::Layout;
use std::panic::{AssertUnwindSafe, catch_unwind};

use common::ends::SOON;
use common::{Numbered, Random, Ring, Tick, refuses};
use ringmain::{Error, PopError, PushError, WaitError, stream};

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

/// The bytes of elements that are numbered from `first` on.
fn elements(first: u64, count: usize, size: usize) -> Vec<u8> {
    (first..first + count as u64).flat_map(|number| (0..size).map(move |at| (number * 31 + at as u64) as u8)).collect()
}

#[test]
fn elements_of_any_size_arrive_as_they_were_across_the_wrap() {
    let random = Random::new();
    for size in [1, 2, 3, 7, 8, 12, 33, 64, 100, 255, 1000, 5000] {
        let ring = Ring::new();
        let options = ring.options().capacity(8);
        let mut tx = options.sized_stream_producer(layout(size)).unwrap();
        let mut rx = options.sized_stream_consumer(layout(size)).unwrap();
        assert_eq!((tx.element_size(), rx.element_size(), tx.capacity()), (size, size, 8));
        let (mut pushed, mut popped) = (0, 0);
        while popped < 100 {
            let bytes = elements(pushed, random.below(9) as usize, size);
            // Bytes that are no whole element are left.
            let more = [bytes.as_slice(), &vec![7; size - 1]].concat();
            match tx.push_slice(&more) {
                Ok(len) => pushed += len as u64,
                Err(error) => assert_eq!((error, tx.free()), (PushError::Full(0), Ok(0))),
            }
            let mut bytes = vec![0xee; random.below(9) as usize * size + size / 2];
            match rx.pop_slice(&mut bytes) {
                Ok(len) => {
                    assert_eq!(bytes[..len * size], elements(popped, len, size));
                    assert!(bytes[len * size..].iter().all(|&byte| byte == 0xee));
                    popped += len as u64;
                }
                Err(error) => assert_eq!((error, pushed), (PopError::Empty, popped)),
            }
        }
        assert_eq!((rx.position(), tx.position()), (popped, pushed));
    }
}

#[test]
fn they_are_the_elements_of_a_ring_of_a_type() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(4).stream_producer::<Tick>().unwrap();
    let element = Layout::new::<Tick>();
    refuses!(ring.options().sized_stream_consumer(layout(element.size() + 1)), Error::Mismatch { .. });
    refuses!(
        ring.options().sized_stream_consumer(layout(0)),
        Error::InvalidOption { option: "elements", found, .. } if found.starts_with("0 bytes")
    );
    let mut rx = ring.options().sized_stream_consumer(element).unwrap();
    tx.push(Tick::at(3)).unwrap();
    let mut bytes = vec![0; element.size()];
    assert_eq!(rx.pop_slice(&mut bytes), Ok(1));
    assert_eq!(bytemuck::pod_read_unaligned::<Tick>(&bytes), Tick::at(3));
}

#[test]
fn they_can_be_waited_for_and_looked_at() {
    let ring = Ring::new();
    let mut tx: stream::Producer<[u8]> = ring.options().capacity(2).sized_stream_producer(layout(3)).unwrap();
    let mut rx: stream::Consumer<[u8]> = ring.options().sized_stream_consumer(layout(3)).unwrap();
    assert_eq!(tx.blocking().push_some(b"onetwosix"), Ok(2));
    assert_eq!(tx.within(SOON).push_some(b"six"), Err(WaitError::TimedOut));
    assert_eq!(tx.within(SOON).until_free(1), Err(WaitError::TimedOut));
    let peek = rx.blocking().peek_up_to(9).unwrap();
    let mut bytes = [0xee; 8];
    peek.copy_to_slice(0, &mut bytes);
    assert_eq!((peek.len(), &bytes), (2, b"onetwo\xee\xee"));
    peek.copy_to_slice(1, &mut bytes[..5]);
    peek.copy_to_slice(2, &mut bytes[..2]);
    assert_eq!(&bytes, b"twotwo\xee\xee");
    peek.release_first(1);
    let mut bytes = [0; 6];
    assert_eq!(rx.blocking().pop_some(&mut bytes), Ok(1));
    assert_eq!(&bytes[..3], b"two");
    tx.close().unwrap();
    assert_eq!(rx.blocking().pop_some(&mut bytes), Err(WaitError::Closed));
}

#[test]
fn a_view_of_them_has_their_bytes_in_both_parts() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(4).sized_stream_producer(layout(3)).unwrap();
    let mut rx = ring.options().sized_stream_consumer(layout(3)).unwrap();
    tx.push_slice(b"zerone").unwrap();
    rx.pop_slice(&mut [0; 6]).unwrap();
    // SAFETY: both ends are this thread's, and nobody else knows the name.
    let mut view = unsafe { tx.trust_peer() };
    let mut claim = view.claim(4).unwrap();
    let (before, after) = claim.as_mut_slices();
    before.copy_from_slice(b"twosix");
    after.copy_from_slice(b"tenall");
    claim.commit_first(3);
    // SAFETY: the same.
    let mut view = unsafe { rx.trust_peer() };
    assert_eq!(view.peek(4).unwrap_err(), PopError::Short { available: 3, len: 4 });
    let peek = view.blocking().peek_up_to(9).unwrap();
    assert_eq!(peek.as_slices(), (&b"twosix"[..], &b"ten"[..]));
    drop(peek);
    for (at, expected) in [(0, "twosixten"), (1, "sixten"), (2, "ten"), (3, "")] {
        let mut bytes = [0; 12];
        rx.peek(3).unwrap().copy_to_slice(at, &mut bytes[..expected.len()]);
        assert_eq!(&bytes[..expected.len()], expected.as_bytes());
        assert!(bytes[expected.len()..].iter().all(|&byte| byte == 0));
    }
    // SAFETY: the same.
    let mut view = unsafe { rx.trust_peer() };
    let peek = view.blocking().peek_up_to(9).unwrap();
    peek.release_first(2);
    assert_eq!(rx.pop_slice(&mut [0; 9]), Ok(1));
}

#[test]
fn what_is_known_is_moved_and_nothing_else() {
    for size in [8, 64] {
        let ring = Ring::new();
        let options = ring.options().capacity(4);
        let mut tx = options.sized_stream_producer(layout(size)).unwrap();
        let mut rx = options.sized_stream_consumer(layout(size)).unwrap();
        let (bytes, mut found) = (elements(0, 4, size), vec![0; size]);
        assert!(!tx.push_if_known(&bytes[..size - 1]) && tx.claim_if_known(5).is_none());
        assert!(bytes.chunks(size).all(|element| tx.push_if_known(element)));
        // The producer knows of no slot that is free, the consumer of no element.
        assert!(!tx.push_if_known(&bytes[..size]) && tx.claim_if_known(1).is_none());
        assert!(!rx.pop_if_known(&mut found) && rx.peek_if_known(1).is_none());
        drop(rx.peek(1).unwrap());
        assert!(!rx.pop_if_known(&mut found[1..]) && rx.pop_if_known(&mut found));
        assert_eq!(found, bytes[..size]);
        let peek = rx.peek_if_known(3).unwrap();
        let (first, second) = peek.as_ptrs();
        assert_eq!((peek.parts(), peek.len()), ((3, 0), 3));
        // What follows the last slot is the first one.
        assert_eq!(second.addr() + size, first.addr());
        peek.release();
        assert!(rx.peek_if_known(1).is_none());
        drop(tx.claim(4).unwrap());
        assert!(tx.push_if_known(&bytes[..size]));
        let claim = tx.claim_if_known(3).unwrap();
        let (first, second) = claim.as_mut_ptrs();
        assert_eq!((claim.parts(), second.addr() + size), ((3, 0), first.addr()));
        claim.commit();
        assert_eq!(rx.len(), Ok(4));
    }
}

#[test]
fn a_size_that_is_no_small_number_of_words_takes_the_other_path() {
    for size in [1, 4, 12, 72] {
        let ring = Ring::new();
        let options = ring.options().capacity(4);
        let mut tx = options.sized_stream_producer(layout(size)).unwrap();
        let mut rx = options.sized_stream_consumer(layout(size)).unwrap();
        let (bytes, mut found) = (elements(0, 1, size), vec![0; size]);
        assert!(!tx.push_if_known(&bytes));
        assert_eq!(tx.push_slice(&bytes), Ok(1));
        drop(rx.peek(1).unwrap());
        assert!(!rx.pop_if_known(&mut found));
        assert_eq!(rx.pop_slice(&mut found), Ok(1));
        assert_eq!(found, bytes);
    }
}

#[test]
fn claims_and_waits_take_their_bytes_as_those_of_a_type_take_elements() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(4).sized_stream_producer(layout(3)).unwrap();
    let mut rx = ring.options().sized_stream_consumer(layout(3)).unwrap();
    tx.push_slice(b"zerone").unwrap();
    rx.pop_slice(&mut [0; 6]).unwrap();
    // The bytes of the fourth one are no whole element.
    let mut claim = tx.claim(4).unwrap();
    claim.copy_from_slice(0, b"onetwo");
    claim.copy_from_slice(2, b"sixten--");
    claim.commit();
    let unfinished = tx.within(SOON).push_slice(b"all").unwrap_err();
    assert_eq!((unfinished.value, unfinished.cause), (0, WaitError::TimedOut));
    let mut bytes = [0; 11];
    assert_eq!(rx.blocking().pop_slice(&mut bytes), Ok(()));
    assert_eq!(&bytes, b"onetwosix\0\0");
    assert_eq!(tx.blocking().push_slice(b"allnew-"), Ok(()));
    // SAFETY: both ends are this thread's, and nobody else knows the name.
    let mut view = unsafe { rx.trust_peer() };
    assert_eq!(&*view.peek_contiguous(9).unwrap(), b"tenallnew");
    tx.close().unwrap();
    let mut bytes = [0; 12];
    let unfinished = rx.blocking().pop_slice(&mut bytes).unwrap_err();
    assert_eq!((unfinished.value, unfinished.cause, &bytes), (3, WaitError::Closed, b"tenallnew\0\0\0"));
}

#[test]
fn bytes_that_pass_the_end_of_a_guard_are_refused() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(4).sized_stream_producer(layout(3)).unwrap();
    let mut rx = ring.options().sized_stream_consumer(layout(3)).unwrap();
    tx.push_slice(b"onetwo").unwrap();
    let refuses = |call: &mut dyn FnMut()| assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    refuses(&mut || tx.claim(1).unwrap().copy_from_slice(0, b"onetwo"));
    refuses(&mut || tx.claim(1).unwrap().copy_from_slice(2, b""));
    refuses(&mut || rx.peek(1).unwrap().copy_to_slice(0, &mut [0; 6]));
    refuses(&mut || rx.peek(2).unwrap().copy_to_slice(usize::MAX, &mut [0; 3]));
    assert_eq!((tx.len(), rx.len()), (Ok(2), Ok(2)));
}
