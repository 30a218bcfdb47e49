//! An end of a message ring that sleeps is woken by what it sleeps for.

use loom::thread;
use loom_tests::internals::Internals;
use loom_tests::message::{message, needed, pop, push, ring};
use loom_tests::model::{assert_reached, check, fails, reached};
use loom_tests::ring::error::{PopError, PushError};
use loom_tests::ring::memory::Role;
use loom_tests::ring::message::{Consumer, Producer, SMALLEST_ALIGN};
use loom_tests::sleeping::{Fault, LIMIT, LOST_WAKE, SleepingMemory, seen};

/// Pops a message, and parks for as long as there is none.
fn pop_parked(consumer: &mut Consumer<SleepingMemory>) -> u64 {
    loop {
        match consumer.pop_value() {
            Ok(value) => return value,
            Err(PopError::Empty) => {
                reached("a consumer parks");
                consumer.park(SMALLEST_ALIGN as u64, false, seen(consumer.memory(), Role::Producer), LIMIT).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Pushes a message, and parks for as long as there is no room.
fn push_parked(producer: &mut Producer<SleepingMemory>, value: u64) {
    loop {
        match producer.push_value(&value) {
            Ok(()) => return,
            Err(PushError::Full(_)) => {
                reached("a producer parks");
                let need = needed(producer, size_of::<u64>());
                producer.park(need, true, seen(producer.memory(), Role::Consumer), LIMIT).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A consumer parks for each message that is not there yet.
fn a_consumer_parks(memory: SleepingMemory, count: u64) {
    let (mut producer, mut consumer) = ring(memory.clone(), 0);
    let pushes = thread::spawn(move || (0..count).for_each(|number| push(&mut producer, message(number))));
    (0..count).for_each(|number| assert_eq!(pop_parked(&mut consumer), message(number)));
    pushes.join().unwrap();
    memory.assert_no_wake_was_made_twice(Role::Producer);
}

#[test]
fn a_consumer_that_parks_is_woken_by_a_message() {
    check(|| a_consumer_parks(SleepingMemory::of_records(64), 1));
    assert_reached(&["a consumer parks", "a wake"]);
    check(|| a_consumer_parks(SleepingMemory::of_records(64), 2));
    assert_reached(&["a consumer parks", "a wake"]);
}

/// A producer parks at a full ring, until the consumer has read a message.
fn a_producer_parks(memory: SleepingMemory) {
    let (mut producer, mut consumer) = ring(memory.clone(), 0);
    push(&mut producer, message(0));
    let pushes = thread::spawn(move || push_parked(&mut producer, message(1)));
    assert_eq!(pop(&mut consumer), message(0));
    pushes.join().unwrap();
    memory.assert_no_wake_was_made_twice(Role::Consumer);
    assert_eq!(pop(&mut consumer), message(1));
}

#[test]
fn a_producer_that_parks_at_a_full_ring_is_woken_by_the_room_for_a_message() {
    check(|| a_producer_parks(SleepingMemory::of_records(32)));
    assert_reached(&["a producer parks", "a wake"]);
}

#[test]
fn a_missing_fence_or_count_is_caught() {
    for fault in [Fault::NoFenceToPublish, Fault::NoFenceToSleep, Fault::NotCounted, Fault::CountedLate] {
        fails(LOST_WAKE, move || a_consumer_parks(SleepingMemory::of_records(64).with(fault), 1));
        fails(LOST_WAKE, move || a_producer_parks(SleepingMemory::of_records(32).with(fault)));
    }
}
