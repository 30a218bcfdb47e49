//! Calls that move data allocate nothing, also while they sleep.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use common::Ring;
use ringmain::{WaitError, WaitSet, Woken};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: it is the system's allocator, and counts in a cell that needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How long a wait lasts that looks a few times whether the other end lives.
const A_WHILE: Duration = Duration::from_millis(350);

/// Checks that a call allocates nothing.
#[track_caller]
fn check_none<R>(call: impl FnOnce() -> R) -> R {
    let before = COUNT.get();
    let result = call();
    assert_eq!(COUNT.get() - before, 0, "allocations");
    result
}

#[test]
fn an_allocation_is_counted() {
    let before = COUNT.get();
    drop(std::hint::black_box(Box::new(7)));
    assert_eq!(COUNT.get() - before, 1);
}

#[test]
fn a_wait_at_a_stream_allocates_nothing() {
    let ring = Ring::new();
    let options = ring.options().capacity(2);
    let (mut tx, mut rx) = (options.stream_producer::<u64>().unwrap(), options.stream_consumer::<u64>().unwrap());
    check_none(|| {
        assert_eq!(rx.within(A_WHILE).pop(), Err(WaitError::TimedOut));
        tx.blocking().push_slice(&[1, 2]).unwrap();
        assert_eq!(tx.within(A_WHILE).until_free(1), Err(WaitError::TimedOut));
        assert_eq!([rx.blocking().pop(), rx.blocking().pop()], [Ok(1), Ok(2)]);
    });
}

#[test]
fn a_wait_at_messages_allocates_nothing() {
    let ring = Ring::new();
    let options = ring.options().capacity(4096);
    let (mut tx, mut rx) = (options.message_producer().unwrap(), options.message_consumer().unwrap());
    let mut bytes = [7; 4000];
    check_none(|| {
        assert_eq!(rx.within(A_WHILE).pop(&mut bytes), Err(WaitError::TimedOut));
        tx.blocking().push(&bytes).unwrap();
        assert_eq!(tx.within(A_WHILE).push(&bytes), Err(WaitError::TimedOut));
        assert_eq!(rx.blocking().pop(&mut bytes), Ok(4000));
    });
}

#[test]
fn a_wait_in_a_set_allocates_nothing_after_the_first() {
    let ring = Ring::new();
    let options = ring.options().capacity(2);
    let (_tx, mut rx) = (options.stream_producer::<u64>().unwrap(), options.stream_consumer::<u64>().unwrap());
    let mut set = WaitSet::new();
    assert_eq!(set.wait(&mut [rx.readable()], Duration::from_millis(10)), Ok(Woken::TimedOut));
    check_none(|| assert_eq!(set.wait(&mut [rx.readable()], A_WHILE), Ok(Woken::TimedOut)));
}
