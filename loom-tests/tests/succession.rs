//! Two holders of one role, one after the other, while the other role is at work.

use loom_tests::checked::CheckedMemory;
use loom_tests::lock::Lock;
use loom_tests::model::{RACE, assert_reached, check, consumer, fails, fails_without, pop, producer, push, reached};
use loom_tests::ring::memory::{Memory, Role};
use loom_tests::ring::presence;
use loom_tests::weakened::Site;

/// How the first holder ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Leaves,
    Killed,
}

/// The second producer goes on at the first one's tail, over a slot that it may have been killed in.
fn producers_in_sequence<M: Memory + Clone + 'static>(memory: M, lock: Lock, end: End) {
    let mut consumer = consumer(memory.clone(), 1);
    let (firsts, seconds) = (memory.clone(), memory);
    let first = move || {
        let mut producer = producer(firsts);
        let generation = presence::enter(producer.memory().presence(Role::Producer), &[]);
        push(&mut producer, 0);
        match end {
            End::Leaves => producer.leave(generation),
            End::Killed => producer.claim(1).unwrap().set(0, 90),
        }
        generation
    };
    let second = move || {
        let mut producer = producer(seconds);
        let generation = presence::enter(producer.memory().presence(Role::Producer), &[]);
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

/// The second consumer goes on at the first one's published head, `STEP - 1` elements back at most.
fn consumers_in_sequence<M: Memory + Clone + 'static>(memory: M, lock: Lock, end: End) {
    const STEP: usize = 2;
    const READ: u64 = 3;
    let mut producer = producer(memory.clone());
    let slots = producer.capacity() as u64;
    (0..slots).for_each(|value| push(&mut producer, value));
    let (firsts, seconds) = (memory.clone(), memory);
    let first = move || {
        let mut consumer = consumer(firsts, STEP);
        let generation = presence::enter(consumer.memory().presence(Role::Consumer), &[]);
        (0..READ).for_each(|value| assert_eq!(pop(&mut consumer), value));
        if end == End::Leaves {
            consumer.leave(generation);
        }
        generation
    };
    let second = move || {
        let mut consumer = consumer(seconds, STEP);
        let generation = presence::enter(consumer.memory().presence(Role::Consumer), &[]);
        let resumed_at = pop(&mut consumer);
        (resumed_at + 1..=slots).for_each(|value| assert_eq!(pop(&mut consumer), value));
        (generation, resumed_at)
    };
    let holders = lock.pass(first, second);
    push(&mut producer, slots);
    let (first, (second, resumed_at)) = holders.join().unwrap();
    assert_eq!((first, second), (1, 2));
    match end {
        End::Leaves => assert_eq!(resumed_at, READ),
        End::Killed => assert!((READ + 1 - STEP as u64..=READ).contains(&resumed_at), "resumed at {resumed_at}"),
    }
    if resumed_at < READ {
        reached("a repeat");
    }
}

#[test]
fn a_consumer_that_left_is_succeeded_at_its_head() {
    check(|| consumers_in_sequence(CheckedMemory::new(8), Lock::Kernel, End::Leaves));
    assert_reached(&["full", "empty"]);
}

#[test]
fn a_consumer_that_was_killed_is_succeeded_less_than_a_step_back() {
    check(|| consumers_in_sequence(CheckedMemory::new(8), Lock::Kernel, End::Killed));
    assert_reached(&["full", "empty", "a repeat"]);
}

#[test]
fn successions_need_every_ordering_of_the_positions() {
    fails_without(&Site::POSITIONS, RACE, |site| producers_in_sequence(site.memory(2), Lock::Kernel, End::Killed));
    fails_without(&Site::POSITIONS, RACE, |site| consumers_in_sequence(site.memory(8), Lock::Kernel, End::Killed));
}

#[test]
fn a_position_that_a_successor_loads_rests_on_the_lock_of_the_role() {
    fails(RACE, || producers_in_sequence(CheckedMemory::new(2), Lock::Unordered, End::Killed));
    fails(RACE, || consumers_in_sequence(CheckedMemory::new(8), Lock::Unordered, End::Killed));
}
