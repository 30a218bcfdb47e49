//! Several wait on one word: an end that sleeps, and whoever may read the ring.

use std::sync::atomic::Ordering;

use loom::thread::{self, JoinHandle};
use loom_tests::internals::Internals;
use loom_tests::model::{assert_reached, check, consumer, fails, pop, producer, push, reached};
use loom_tests::ring::error::{PopError, PushError};
use loom_tests::ring::memory::{Memory, Parking, Role, Word};
use loom_tests::sleeping::{Fault, LIMIT, LOST_WAKE, SleepingMemory, seen};

/// A stranger sleeps on the word of `role`: such as a wait that is over for its process, and not for the kernel.
fn a_stranger_sleeps(memory: &SleepingMemory, role: Role) -> JoinHandle<()> {
    let memory = memory.clone();
    thread::spawn(move || memory.parking().unwrap().sleep(role, 0, LIMIT))
}

/// Ends the wait of a stranger, as the kernel does it in the end.
fn wake_the_stranger(memory: &SleepingMemory, role: Role, stranger: JoinHandle<()>) {
    let parking = memory.parking().unwrap();
    parking.wakes(role).store(u64::MAX, Ordering::Release);
    parking.wake(role, false);
    stranger.join().unwrap();
}

/// A consumer sleeps for an element where a stranger sleeps too.
fn a_consumer_is_not_alone(memory: SleepingMemory) {
    let stranger = a_stranger_sleeps(&memory, Role::Producer);
    let mut consumer = consumer(memory.clone());
    let producers = memory.clone();
    let pushes = thread::spawn(move || push(&mut producer(producers), 0));
    while consumer.pop() == Err(PopError::Empty) {
        reached("a consumer parks");
        consumer.park(1, false, seen(&memory, Role::Producer), LIMIT).unwrap();
    }
    pushes.join().unwrap();
    memory.assert_no_wake_was_made_twice(Role::Producer);
    wake_the_stranger(&memory, Role::Producer, stranger);
}

/// A producer sleeps at a full ring where a stranger sleeps too.
fn a_producer_is_not_alone(memory: SleepingMemory) {
    let mut producer = producer(memory.clone());
    push(&mut producer, 0);
    let stranger = a_stranger_sleeps(&memory, Role::Consumer);
    let consumers = memory.clone();
    let pops = thread::spawn(move || assert_eq!(pop(&mut consumer(consumers)), 0));
    while let Err(PushError::Full(_)) = producer.push(1) {
        reached("a producer parks");
        producer.park(1, false, seen(&memory, Role::Consumer), LIMIT).unwrap();
    }
    pops.join().unwrap();
    wake_the_stranger(&memory, Role::Consumer, stranger);
}

#[test]
fn a_stranger_that_sleeps_on_the_word_of_a_producer_takes_no_wake_away() {
    check(|| a_consumer_is_not_alone(SleepingMemory::new(1)));
    assert_reached(&["a consumer parks", "a wake"]);
}

#[test]
fn a_stranger_that_sleeps_on_the_word_of_a_consumer_takes_no_wake_away() {
    check(|| a_producer_is_not_alone(SleepingMemory::new(1)));
    assert_reached(&["a producer parks"]);
}

#[test]
fn a_wake_of_one_of_those_who_sleep_is_caught() {
    fails(LOST_WAKE, || a_consumer_is_not_alone(SleepingMemory::new(1).with(Fault::WakesOne)));
    fails(LOST_WAKE, || a_producer_is_not_alone(SleepingMemory::new(1).with(Fault::WakesOne)));
}
