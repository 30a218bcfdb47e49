//! An end of a message ring that sleeps is woken by what it sleeps for.

use loom::thread;
use loom_tests::internals::Internals;
use loom_tests::message::{message, needed, pop, push, ring};
use loom_tests::model::{assert_reached, check, fails, reached};
use loom_tests::ring::error::{PopError, PushError};
use loom_tests::ring::memory::Role;
use loom_tests::ring::message::{Consumer, Producer, SMALLEST_ALIGN};
use loom_tests::sleeping::{Fault, LIMIT, LOST_WAKE, SleepingMemory, seen};
use loom_tests::waits::park_in_batch;

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

/// What a model says of a consumer that does not sleep for what it waits for.
const RESTLESS: &str = "parks, and does not sleep";

/// A consumer reads two messages as a batch, parks for each that is not there yet, and gives both back at once, for
/// which the producer parks if there are four. A need that does not count what the batch has read is wrong.
fn a_batch_is_peeked(memory: SleepingMemory, count: u64, counts: bool) {
    let (mut producer, mut consumer) = ring(memory.clone(), 0);
    let pushes = thread::spawn(move || (0..count).for_each(|number| push_parked(&mut producer, message(number))));
    let mut batch = consumer.peek_batch();
    let mut bytes = Vec::new();
    for _ in 0..2 {
        // A wake may come late, for a sleep that was over: one park in vain.
        let mut parks = 0..3;
        while batch.append_next(&mut bytes) == Err(PopError::Empty) {
            parks.next().expect(RESTLESS);
            park_in_batch(&mut batch, SMALLEST_ALIGN as u64, counts).unwrap();
        }
    }
    batch.release();
    let both = [message(0), message(1)].map(u64::to_ne_bytes);
    assert_eq!(bytes, both.as_flattened(), "the messages of a batch");
    pushes.join().unwrap();
    assert_eq!(pop(&mut consumer), message(2));
}

#[test]
fn a_consumer_that_parks_within_a_batch_is_woken_by_the_next_message() {
    check(|| a_batch_is_peeked(SleepingMemory::of_records(64), 3, true));
    assert_reached(&["a consumer parks"]);
}

#[test]
fn a_producer_that_parks_is_woken_by_the_release_of_a_batch() {
    check(|| a_batch_is_peeked(SleepingMemory::of_records(64), 4, true));
    assert_reached(&["a consumer parks", "a producer parks"]);
}

#[test]
fn a_consumer_that_parks_for_what_its_batch_has_read_is_caught() {
    fails(RESTLESS, || a_batch_is_peeked(SleepingMemory::of_records(64), 3, false));
}

#[test]
fn a_missing_fence_or_count_is_caught_within_a_batch() {
    for fault in [Fault::NoFenceToPublish, Fault::NoFenceToSleep, Fault::NotCounted, Fault::CountedLate] {
        fails(LOST_WAKE, move || a_batch_is_peeked(SleepingMemory::of_records(64).with(fault), 3, true));
    }
}
