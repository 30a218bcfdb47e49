//! What the checks of records can do: a word is a header at one time and payload at another.

use std::sync::atomic::Ordering;

use loom::thread;
use loom_tests::checked::{CheckedMemory, CheckedWord, UNIT};
use loom_tests::killed::Killed;
use loom_tests::model::{RACE, check_unbounded, fails};
use loom_tests::ring::memory::{Access as _, Memory, Word};

/// An access to one word.
type Access = fn(&CheckedMemory);

/// Runs two accesses that nothing orders.
fn unordered(first: Access, second: Access) {
    let memory = CheckedMemory::of_records(2 * UNIT);
    let other = memory.clone();
    let thread = thread::spawn(move || first(&other));
    second(&memory);
    thread.join().unwrap();
}

#[track_caller]
fn race(one: Access, other: Access) {
    fails(RACE, move || unordered(one, other));
    fails(RACE, move || unordered(other, one));
}

#[track_caller]
fn no_race(one: Access, other: Access) {
    check_unbounded(move || unordered(one, other));
    check_unbounded(move || unordered(other, one));
}

fn header(memory: &CheckedMemory) -> &CheckedWord {
    // SAFETY: the second word of two.
    unsafe { memory.header(UNIT) }
}

fn load(memory: &CheckedMemory) {
    header(memory).load(Ordering::Acquire);
}

fn store(memory: &CheckedMemory) {
    header(memory).store(1, Ordering::Release);
}

fn read(memory: &CheckedMemory) {
    // SAFETY: the second word of two, and none of its bytes is accessed.
    drop(unsafe { memory.read(UNIT, UNIT) });
}

fn write(memory: &CheckedMemory) {
    // SAFETY: the second word of two, and none of its bytes is accessed.
    drop(unsafe { memory.write(UNIT, UNIT) });
}

#[test]
fn a_write_of_payload_and_any_other_access_that_nothing_orders_are_caught() {
    for other in [load, store, read, write] {
        race(write, other);
    }
}

#[test]
fn a_read_of_payload_and_a_store_of_a_header_that_nothing_orders_are_caught() {
    race(read, store);
}

#[test]
fn two_stores_of_a_header_that_nothing_orders_are_caught() {
    race(store, store);
}

#[test]
fn a_load_of_a_header_is_no_race_with_a_store_a_load_or_a_read() {
    for other in [load, store, read] {
        no_race(load, other);
    }
}

#[test]
fn a_range_that_passes_the_end_touches_the_words_at_the_start() {
    // SAFETY: both words, the second one first, and none of their bytes is accessed.
    let across: Access = |memory| drop(unsafe { memory.read(UNIT, 2 * UNIT) });
    // SAFETY: the first word, and none of its bytes is accessed.
    race(across, |memory| drop(unsafe { memory.write(0, UNIT) }));
    race(across, write);
}

fn put(memory: &impl Memory, offset: usize, words: &[u64]) {
    let len = size_of_val(words);
    // SAFETY: the callers write below twice the length.
    let payload = unsafe { memory.write(offset, len) };
    // SAFETY: the range is as long as the words.
    unsafe { payload.address().copy_from_nonoverlapping(words.as_ptr().cast(), len) };
}

fn take(memory: &impl Memory, offset: usize) -> u64 {
    // SAFETY: the callers read below twice the length.
    let payload = unsafe { memory.read(offset, UNIT) };
    // SAFETY: a word is valid there.
    unsafe { payload.address().cast::<u64>().read_unaligned() }
}

#[test]
fn a_word_is_what_was_written_last_as_a_header_or_as_payload() {
    check_unbounded(|| {
        let memory = CheckedMemory::of_records(2 * UNIT);
        let load = || header(&memory).load(Ordering::Relaxed);
        assert_eq!(load(), 0);
        put(&memory, UNIT, &[7]);
        assert_eq!((load(), take(&memory, UNIT)), (7, 7));
        header(&memory).store(8, Ordering::Relaxed);
        assert_eq!((load(), take(&memory, UNIT)), (8, 8));
    });
}

#[test]
fn what_is_written_is_there_when_the_access_ends() {
    check_unbounded(|| {
        let memory = CheckedMemory::new(1);
        // SAFETY: a word is there.
        let access = unsafe { memory.write(0, UNIT) };
        // SAFETY: a word is valid there.
        unsafe { access.address().cast::<u64>().write_unaligned(7) };
        // SAFETY: 0 bytes.
        let place = unsafe { memory.read(0, 0) }.address().cast::<u64>();
        // SAFETY: a word lies there, which nothing writes now.
        let word = || unsafe { place.read() };
        assert_ne!(word(), 7);
        drop(access);
        assert_eq!(word(), 7);
    });
}

#[test]
fn the_end_of_records_is_followed_by_their_start() {
    check_unbounded(|| {
        let memory = CheckedMemory::of_records(2 * UNIT);
        put(&memory, UNIT, &[1, 2]);
        assert_eq!([0, 1, 2, 3].map(|at| take(&memory, at * UNIT)), [2, 1, 2, 1]);
        // SAFETY: both words, the second one first.
        let across = unsafe { memory.read(UNIT, 2 * UNIT) };
        // SAFETY: two words are valid there.
        assert_eq!(unsafe { across.address().cast::<[u64; 2]>().read_unaligned() }, [1, 2]);
        drop(across);
        put(&memory, 2 * UNIT, &[3]);
        assert_eq!(take(&memory, 0), 3);
    });
}

#[test]
fn a_range_beyond_the_end_of_a_stream_is_refused() {
    fails("16 bytes at 8 of 16", || {
        let memory = CheckedMemory::new(2);
        // SAFETY: refused.
        drop(unsafe { memory.read(UNIT, 2 * UNIT) });
    });
}

#[test]
fn what_a_killed_process_writes_is_lost() {
    check_unbounded(|| {
        for writes in 0..4 {
            let memory = CheckedMemory::of_records(2 * UNIT);
            let killed = Killed::after(writes, memory.clone());
            put(&killed, 0, &[1]);
            killed.tail().store(2, Ordering::Release);
            // SAFETY: the second word of two.
            unsafe { killed.header(UNIT) }.store(3, Ordering::Release);
            let found = (
                take(&memory, 0) == 1,
                memory.tail().load(Ordering::Relaxed) == 2,
                header(&memory).load(Ordering::Relaxed) == 3,
            );
            assert_eq!(found, (writes > 0, writes > 1, writes > 2));
        }
    });
}
