//! Two holders of one role, one after the other, while the other role is at work.

use loom_tests::checked::CheckedMemory;
use loom_tests::internals::Internals;
use loom_tests::lock::Lock;
use loom_tests::model::{RACE, assert_reached, check, consumer, fails, fails_without, pop, producer, push};
use loom_tests::planted::Bug;
use loom_tests::ring::memory::{Memory, Role};
use loom_tests::ring::presence;
use loom_tests::weakened::Site;

/// What a consumer says that does not go on where the one before it stood.
const POPPED_BEFORE: &str = "not the element behind the last one that was popped";

/// How the first holder ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Leaves,
    Killed,
}

/// The second producer goes on at the first one's tail, over a slot that it may have been killed in.
fn producers_in_sequence<M: Memory + Clone + 'static>(memory: M, lock: Lock, end: End) {
    let mut consumer = consumer(memory.clone());
    let (firsts, seconds) = (memory.clone(), memory);
    let first = move || {
        let mut producer = producer(firsts);
        let generation = presence::store_attached(producer.memory().presence(Role::Producer), &[]);
        push(&mut producer, 0);
        match end {
            End::Leaves => producer.leave(generation),
            End::Killed => producer.claim(1).unwrap().set(0, 90),
        }
        generation
    };
    let second = move || {
        let mut producer = producer(seconds);
        let generation = presence::store_attached(producer.memory().presence(Role::Producer), &[]);
        (1..3).for_each(|value| push(&mut producer, value));
        generation
    };
    let holders = lock.pass(first, second);
    assert_eq!([(); 3].map(|()| pop(&mut consumer)), [0, 1, 2]);
    assert_eq!(holders.join().unwrap(), (1, 2));
}

#[test]
fn a_producer_that_left_is_succeeded_at_its_tail() {
    check(|| producers_in_sequence(CheckedMemory::new(2), Lock::Kernel, End::Leaves));
    assert_reached(&["full", "empty"]);
}

#[test]
fn a_producer_that_was_killed_in_a_claim_is_succeeded_at_its_tail() {
    check(|| producers_in_sequence(CheckedMemory::new(2), Lock::Kernel, End::Killed));
    assert_reached(&["full", "empty"]);
}

/// The second consumer goes on behind the last element that a pop of the first one returned.
fn consumers_in_sequence<M: Memory + Clone + 'static>(memory: M, lock: Lock, end: End) {
    const READ: u64 = 3;
    let mut producer = producer(memory.clone());
    let slots = producer.capacity() as u64;
    (0..slots).for_each(|value| push(&mut producer, value));
    let (firsts, seconds) = (memory.clone(), memory);
    let first = move || {
        let mut consumer = consumer(firsts);
        let generation = presence::store_attached(consumer.memory().presence(Role::Consumer), &[]);
        (0..READ).for_each(|value| assert_eq!(pop(&mut consumer), value));
        if end == End::Leaves {
            consumer.leave(generation);
        }
        generation
    };
    let second = move || {
        let mut consumer = consumer(seconds);
        let generation = presence::store_attached(consumer.memory().presence(Role::Consumer), &[]);
        (READ..=slots).for_each(|value| assert_eq!(pop(&mut consumer), value, "{POPPED_BEFORE}"));
        generation
    };
    let holders = lock.pass(first, second);
    push(&mut producer, slots);
    assert_eq!(holders.join().unwrap(), (1, 2));
}

#[test]
fn a_consumer_that_left_is_succeeded_at_its_head() {
    check(|| consumers_in_sequence(CheckedMemory::new(4), Lock::Kernel, End::Leaves));
    assert_reached(&["full", "empty"]);
}

#[test]
fn a_consumer_that_was_killed_is_succeeded_behind_what_it_popped() {
    check(|| consumers_in_sequence(CheckedMemory::new(4), Lock::Kernel, End::Killed));
    assert_reached(&["full", "empty"]);
}

#[test]
fn a_consumer_that_holds_the_head_of_a_pop_back_is_caught() {
    fails(POPPED_BEFORE, || consumers_in_sequence(Bug::WithheldRelease.memory(4), Lock::Kernel, End::Killed));
}

#[test]
fn successions_need_every_ordering_of_the_positions() {
    fails_without(&Site::POSITIONS, RACE, |site| producers_in_sequence(site.memory(2), Lock::Kernel, End::Killed));
    fails_without(&Site::POSITIONS, RACE, |site| consumers_in_sequence(site.memory(4), Lock::Kernel, End::Killed));
}

#[test]
fn a_position_that_a_successor_loads_rests_on_the_lock_of_the_role() {
    fails(RACE, || producers_in_sequence(CheckedMemory::new(2), Lock::Unordered, End::Killed));
    fails(RACE, || consumers_in_sequence(CheckedMemory::new(4), Lock::Unordered, End::Killed));
}
