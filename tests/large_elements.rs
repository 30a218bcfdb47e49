//! Elements that are larger than a stack: they are moved by reference, and nothing of that size lies on a stack.

mod common;

use std::slice;
use std::thread;
use std::time::Duration;

use bytemuck::{AnyBitPattern, NoUninit};
use common::Ring;
use ringmain::stream::{Consumer, Producer};
use ringmain::{LARGEST_BY_VALUE, WaitError, message};

/// An element of 16 MiB.
#[derive(Clone, Copy, NoUninit, AnyBitPattern)]
#[repr(C)]
struct Frame {
    rows: [[u8; 4096]; 4096],
}

/// The largest element that is moved by value.
type Largest = [[u64; 1024]; 8];

/// Runs something in a thread whose stack holds a few elements of the largest size that is moved by value, in a build
/// that keeps each in its own place.
fn on_a_small_stack(stack: usize, run: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(stack).spawn(run).unwrap().join().unwrap();
}

#[test]
fn elements_of_16_mib_are_moved_by_reference() {
    on_a_small_stack(256 << 10, || {
        let ring = Ring::new();
        let mut tx: Producer<Frame> = ring.options().capacity(2).prefault(false).stream_producer().unwrap();
        let mut rx: Consumer<Frame> = ring.options().prefault(false).stream_consumer().unwrap();
        let mut bytes = vec![0_u8; 2 * size_of::<Frame>()];
        for number in 1..4_u8 {
            bytes.fill(number);
            let frames: &[Frame] = bytemuck::cast_slice(&bytes);
            assert_eq!(tx.push_slice(slice::from_ref(&frames[0])), Ok(1));
            tx.within(Duration::ZERO).push_slice(slice::from_ref(&frames[1])).unwrap();
            let full = tx.within(Duration::ZERO).push_slice(&frames[..1]).unwrap_err();
            assert_eq!((full.value, full.cause), (0, WaitError::TimedOut));
            bytes.fill(0);
            let frames: &mut [Frame] = bytemuck::cast_slice_mut(&mut bytes);
            assert_eq!(rx.pop_slice(slice::from_mut(&mut frames[0])), Ok(1));
            rx.within(Duration::ZERO).pop_slice(slice::from_mut(&mut frames[1])).unwrap();
            assert!(bytes.iter().all(|&byte| byte == number));
        }
        let frames: &[Frame] = bytemuck::cast_slice(&bytes);
        let mut claim = tx.claim(1).unwrap();
        claim.copy_from_slice(0, &frames[..1]);
        claim.commit();
        bytes.fill(0);
        let peek = rx.peek(1).unwrap();
        peek.copy_to_slice(0, bytemuck::cast_slice_mut(&mut bytes[..size_of::<Frame>()]));
        peek.release();
        assert!(bytes[..size_of::<Frame>()].iter().all(|&byte| byte == 3));
    });
}

/// Moves elements by value, by one call of each end.
type Move<T, R> = fn(&mut T, &mut R);

/// The calls of a stream, each in a frame of its own.
const OF_STREAMS: [Move<Producer<Largest>, Consumer<Largest>>; 5] = [
    |tx, rx| {
        tx.push([[7; 1024]; 8]).unwrap();
        assert_eq!(rx.pop().unwrap()[7][1023], 7);
    },
    |tx, rx| {
        tx.blocking().push([[7; 1024]; 8]).unwrap();
        assert_eq!(rx.blocking().pop().unwrap()[7][1023], 7);
    },
    |tx, rx| {
        let mut claim = tx.claim(1).unwrap();
        claim.set(0, [[7; 1024]; 8]);
        claim.commit();
        let peek = rx.peek(1).unwrap();
        assert_eq!(peek.get(0).unwrap()[7][1023], 7);
        peek.release();
    },
    |tx, rx| {
        let mut claim = tx.claim(3).unwrap();
        assert_eq!(claim.fill([[[7; 1024]; 8]; 1]), 1);
        claim.commit();
        let peek = rx.peek(3).unwrap();
        assert_eq!(peek.iter().fold(0, |sum, found| sum + found[7][1023]), 7 + 2 * 7);
        peek.release();
    },
    |tx, rx| {
        tx.push([[7; 1024]; 8]).unwrap();
        assert_eq!(rx.blocking().iter().next().unwrap().unwrap()[7][1023], 7);
    },
];

/// The calls of a ring of messages.
const OF_MESSAGES: [Move<message::Producer, message::Consumer>; 2] = [
    |tx, rx| {
        tx.push_value::<Largest>(&[[7; 1024]; 8]).unwrap();
        assert_eq!(rx.pop_value::<Largest>().unwrap()[7][1023], 7);
    },
    |tx, rx| {
        tx.blocking().push_value::<Largest>(&[[7; 1024]; 8]).unwrap();
        assert_eq!(rx.peek().unwrap().value::<Largest>(0).unwrap()[7][1023], 7);
        assert_eq!(rx.blocking().pop_value::<Largest>().unwrap()[7][1023], 7);
    },
];

#[test]
fn the_largest_elements_that_are_moved_by_value_fit_the_stack_of_a_thread() {
    assert_eq!(size_of::<Largest>(), LARGEST_BY_VALUE);
    // That of a thread, as the standard library makes it.
    on_a_small_stack(2 << 20, || {
        let ring = Ring::new();
        let mut tx = ring.options().capacity(4).stream_producer().unwrap();
        let mut rx = ring.options().stream_consumer().unwrap();
        // A slot that a claim leaves as it is has what was there before.
        for _ in 0..4 {
            OF_STREAMS[0](&mut tx, &mut rx);
        }
        OF_STREAMS.iter().for_each(|go| go(&mut tx, &mut rx));
        let ring = Ring::new();
        let mut tx = ring.options().capacity(1 << 20).message_producer().unwrap();
        let mut rx = ring.options().message_consumer().unwrap();
        OF_MESSAGES.iter().for_each(|go| go(&mut tx, &mut rx));
    });
}
