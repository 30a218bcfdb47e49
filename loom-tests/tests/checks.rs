//! What the checks themselves can do, before a ring is run over them.

use std::sync::atomic::Ordering;

use loom::thread;
use loom_tests::checked::{CheckedMemory, CheckedWord, UNIT};
use loom_tests::model::{NO_PROGRESS, RACE, assert_reached, check, check_unbounded, fails, reached, until};
use loom_tests::ring::memory::{Memory, Word};

/// Runs two accesses that nothing orders.
fn unordered(first: fn(&CheckedMemory), second: fn(&CheckedMemory)) {
    let memory = CheckedMemory::new(2);
    let other = memory.clone();
    let thread = thread::spawn(move || first(&other));
    second(&memory);
    thread.join().unwrap();
}

fn read(memory: &CheckedMemory, slot: usize) {
    // SAFETY: the slot exists, and none of its bytes is accessed.
    drop(unsafe { memory.read(slot * UNIT, UNIT) });
}

fn write(memory: &CheckedMemory, slot: usize) {
    // SAFETY: the slot exists, and none of its bytes is accessed.
    drop(unsafe { memory.write(slot * UNIT, UNIT) });
}

#[test]
fn a_read_and_a_write_of_a_slot_that_nothing_orders_are_caught() {
    fails(RACE, || unordered(|memory| read(memory, 1), |memory| write(memory, 1)));
    fails(RACE, || unordered(|memory| write(memory, 1), |memory| read(memory, 1)));
}

#[test]
fn two_writes_of_a_slot_that_nothing_orders_are_caught() {
    fails(RACE, || unordered(|memory| write(memory, 0), |memory| write(memory, 0)));
}

#[test]
fn a_longer_access_touches_every_slot_in_it() {
    // SAFETY: the memory has two slots, and none of their bytes is accessed.
    let read_both = |memory: &CheckedMemory| drop(unsafe { memory.read(0, 2 * UNIT) });
    fails(RACE, move || unordered(read_both, |memory| write(memory, 0)));
    fails(RACE, move || unordered(read_both, |memory| write(memory, 1)));
}

#[test]
fn two_reads_of_a_slot_and_writes_of_two_slots_are_no_race() {
    check_unbounded(|| unordered(|memory| read(memory, 0), |memory| read(memory, 0)));
    check_unbounded(|| unordered(|memory| write(memory, 0), |memory| write(memory, 1)));
}

#[test]
fn a_range_that_is_not_made_of_whole_units_is_refused() {
    fails("share a shadow", || {
        let memory = CheckedMemory::new(1);
        // SAFETY: the bytes exist, and none is accessed.
        drop(unsafe { memory.read(4, 4) });
    });
}

#[test]
fn a_load_by_the_thread_that_stores_does_not_hide_the_loads_of_others() {
    check_unbounded(|| {
        let word = CheckedWord::default();
        let other = word.clone();
        let thread = thread::spawn(move || {
            other.load(Ordering::Relaxed);
            other.store(1, Ordering::Relaxed);
        });
        reached(if word.load(Ordering::Relaxed) == 0 { "before the store" } else { "after the store" });
        thread.join().unwrap();
    });
    assert_reached(&["before the store", "after the store"]);
}

#[test]
fn a_call_that_the_other_side_never_makes_possible_is_caught() {
    fails(NO_PROGRESS, || until(|| None));
}

#[test]
#[should_panic(expected = "found \"none\"")]
fn a_twin_that_passes_is_caught() {
    fails(RACE, || ());
}

#[test]
#[should_panic(expected = "found \"another reason\"")]
fn a_twin_that_fails_for_another_reason_is_caught() {
    fails(RACE, || panic!("another reason"));
}

#[test]
#[should_panic(expected = "never reached: [\"a state\"]")]
fn a_state_that_no_interleaving_reached_is_caught() {
    reached("a state");
    check(|| ());
    assert_reached(&["a state"]);
}
