//! Where the system makes no fences for others, a sleep is sure only with a publisher that says that it makes its own.

use loom::thread;
use loom_tests::model::{assert_reached, check, consumer, fails, fails_without, producer, push, reached, until};
use loom_tests::ring::memory::Role;
use loom_tests::ring::stream::{Consumer, PopError};
use loom_tests::sleeping::{Fault, LIMIT, LOST_WAKE, SleepingMemory, seen};
use loom_tests::weakened::Site;

/// Pops an element, and parks for as long as there is none. A nap is over at once, so this is repeated.
fn pop_parked(consumer: &mut Consumer<u64, SleepingMemory>) -> u64 {
    until(|| match consumer.pop() {
        Ok(value) => Some(value),
        Err(PopError::Empty) => {
            reached("a park");
            consumer.park(1, seen(consumer.memory(), Role::Producer), LIMIT).unwrap();
            None
        }
        Err(error) => panic!("{error}"),
    })
}

/// A consumer that may not ask the system for fences asks a publisher, which makes none before it has seen that.
fn fences_are_asked_for(memory: SleepingMemory, count: u64) {
    let mut producer = producer(memory.of_a_publisher(true));
    let mut consumer = consumer(memory.of_a_sleeper(true));
    let pushes = thread::spawn(move || (0..count).for_each(|value| push(&mut producer, value)));
    (0..count).for_each(|value| assert_eq!(pop_parked(&mut consumer), value));
    pushes.join().unwrap();
    memory.assert_no_wake_was_made_twice(Role::Producer);
}

#[test]
fn a_publisher_that_is_asked_for_fences_loses_no_wake() {
    check(|| fences_are_asked_for(SleepingMemory::new(1), 1));
    assert_reached(&["a park"]);
    check(|| fences_are_asked_for(SleepingMemory::new(2), 2));
    assert_reached(&["a park", "a wake"]);
}

#[test]
fn what_was_published_without_fences_needs_the_release_of_the_answer() {
    fails_without(&[Site::WakesStore], LOST_WAKE, |site| {
        fences_are_asked_for(SleepingMemory::new(1).without(site), 1);
    });
}

/// A producer that makes no fences is killed. Its successor makes them, and says so when it comes; it publishes nothing.
fn a_successor_says_that_it_fences(memory: SleepingMemory) {
    let mut consumer = consumer(memory.of_a_sleeper(false));
    // Both in one thread: the lock of the role orders them likewise.
    let holders = thread::spawn(move || {
        push(&mut producer(memory.of_a_publisher(true)), 0);
        producer(memory.of_a_publisher(false));
    });
    assert_eq!(pop_parked(&mut consumer), 0);
    holders.join().unwrap();
}

#[test]
fn what_a_predecessor_published_without_fences_is_seen_by_a_sleeper() {
    check(|| a_successor_says_that_it_fences(SleepingMemory::new(1)));
    assert_reached(&["a park"]);
}

#[test]
fn what_a_predecessor_published_without_fences_needs_the_release_of_the_attach() {
    fails_without(&[Site::WakesStore], LOST_WAKE, |site| {
        a_successor_says_that_it_fences(SleepingMemory::new(1).without(site));
    });
}

/// A producer that makes fences is killed. Its successor makes none. A consumer may still read that fences are made.
fn a_successor_does_not_fence(memory: SleepingMemory) {
    producer(memory.of_a_publisher(false));
    let mut consumer = consumer(memory.of_a_sleeper(false));
    let holder = thread::spawn(move || push(&mut producer(memory.of_a_publisher(true)), 0));
    assert_eq!(pop_parked(&mut consumer), 0);
    holder.join().unwrap();
}

#[test]
fn a_successor_that_does_not_fence_as_its_predecessor_did_loses_no_wake() {
    check(|| a_successor_does_not_fence(SleepingMemory::new(1)));
    assert_reached(&["a park"]);
}

#[test]
fn a_successor_that_does_not_fence_when_it_comes_is_caught() {
    fails(LOST_WAKE, || a_successor_does_not_fence(SleepingMemory::new(1).with(Fault::NoFenceToPublish)));
}
