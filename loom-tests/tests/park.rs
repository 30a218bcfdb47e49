//! An end that sleeps is woken by what it sleeps for: nothing is lost between its last look and its sleep.

use std::sync::atomic::Ordering;

use loom::thread;
use loom_tests::internals::Internals;
use loom_tests::model::{assert_reached, check, consumer, fails, fails_without, pop, producer, push, reached, ring};
use loom_tests::ring::error::{PopError, PushError};
use loom_tests::ring::memory::{Memory, Parking, Role, Word};
use loom_tests::ring::park::{Notifier, Sleeper};
use loom_tests::ring::stream::{Consumer, Producer};
use loom_tests::sleeping::{Fault, LIMIT, LOST_WAKE, SleepingMemory, seen};
use loom_tests::weakened::Site;

/// How an end waits for an element or a slot, once it found none.
type Park<E> = fn(&mut E);

fn park_consumer<M: Memory>(consumer: &mut Consumer<u64, M>) {
    reached("a consumer parks");
    consumer.park(1, false, seen(consumer.memory(), Role::Producer), LIMIT).unwrap();
}

fn park_producer<M: Memory>(producer: &mut Producer<u64, M>) {
    reached("a producer parks");
    producer.park(1, true, seen(producer.memory(), Role::Consumer), LIMIT).unwrap();
}

/// Pops an element, and parks for as long as there is none.
fn pop_parked<M: Memory>(consumer: &mut Consumer<u64, M>, park: Park<Consumer<u64, M>>) -> u64 {
    loop {
        match consumer.pop() {
            Ok(value) => return value,
            Err(PopError::Empty) => park(consumer),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Pushes an element, and parks for as long as there is no room.
fn push_parked<M: Memory>(producer: &mut Producer<u64, M>, value: u64) {
    loop {
        match producer.push(value) {
            Ok(()) => return,
            Err(PushError::Full(_)) => park_producer(producer),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A consumer parks for each element that is not there yet.
fn a_consumer_parks(memory: SleepingMemory, count: u64, park: Park<Consumer<u64, SleepingMemory>>) {
    let (mut producer, mut consumer) = ring(memory.clone(), 0);
    let pushes = thread::spawn(move || (0..count).for_each(|value| push(&mut producer, value)));
    (0..count).for_each(|value| assert_eq!(pop_parked(&mut consumer, park), value));
    pushes.join().unwrap();
    memory.assert_no_wake_was_made_twice(Role::Producer);
}

#[test]
fn a_consumer_that_parks_is_woken_by_an_element() {
    check(|| a_consumer_parks(SleepingMemory::new(2), 1, park_consumer));
    assert_reached(&["a consumer parks", "a wake", "a parking that needs no wake"]);
}

#[test]
fn a_consumer_that_parks_twice_is_woken_twice() {
    check(|| a_consumer_parks(SleepingMemory::new(2), 2, park_consumer));
    assert_reached(&["a consumer parks", "a wake", "a parking that needs no wake"]);
}

#[test]
fn a_publisher_that_forgets_what_it_answered_is_caught() {
    fails("2 wakes for 1 parkings", || {
        let memory = SleepingMemory::new(2);
        let (publishers, mut consumer) = (memory.clone(), consumer(memory.clone()));
        let pushes = thread::spawn(move || {
            let mut producer = producer(publishers.of_a_stranger());
            for value in 0..2 {
                push(&mut producer, value);
                Notifier::attach(&publishers, Role::Producer).published(&publishers, Role::Consumer, value + 1);
            }
        });
        (0..2).for_each(|value| assert_eq!(pop_parked(&mut consumer, park_consumer), value));
        pushes.join().unwrap();
        memory.assert_no_wake_was_made_twice(Role::Producer);
    });
}

/// A producer parks at a full ring. A consumer reads one quarter of it, which it gives back one by one.
fn a_producer_parks(memory: SleepingMemory) {
    let (mut producer, mut consumer) = ring(memory.clone(), 0);
    let slots = producer.capacity() as u64;
    (0..slots).for_each(|value| push(&mut producer, value));
    let pushes = thread::spawn(move || push_parked(&mut producer, slots));
    (0..slots.div_ceil(4)).for_each(|value| assert_eq!(pop(&mut consumer), value));
    pushes.join().unwrap();
    memory.assert_no_wake_was_made_twice(Role::Consumer);
}

#[test]
fn a_producer_that_parks_at_a_full_ring_is_woken_by_a_quarter_of_it() {
    check(|| a_producer_parks(SleepingMemory::new(1)));
    assert_reached(&["a producer parks", "a wake", "a parking that needs no wake"]);
    check(|| a_producer_parks(SleepingMemory::new(8)));
    assert_reached(&["a producer parks", "a wake", "a parking that needs no wake"]);
}

#[test]
fn a_missing_fence_on_either_side_is_caught() {
    for fault in [Fault::NoFenceToPublish, Fault::NoFenceToSleep] {
        fails(LOST_WAKE, move || a_consumer_parks(SleepingMemory::new(2).with(fault), 1, park_consumer));
        fails(LOST_WAKE, move || a_producer_parks(SleepingMemory::new(1).with(fault)));
    }
}

#[test]
fn a_wake_that_is_not_counted_or_counted_too_late_is_caught() {
    for fault in [Fault::NotCounted, Fault::CountedLate] {
        fails(LOST_WAKE, move || a_consumer_parks(SleepingMemory::new(2).with(fault), 1, park_consumer));
        fails(LOST_WAKE, move || a_producer_parks(SleepingMemory::new(1).with(fault)));
    }
}

/// Sleeps without a last look.
fn park_blindly(consumer: &mut Consumer<u64, SleepingMemory>) {
    let mut sleeper = Sleeper::attach(consumer.memory(), Role::Consumer);
    let next = consumer.position() + 1;
    let prepared = sleeper.prepare(consumer.memory(), next, next);
    sleeper.sleep(consumer.memory(), prepared, LIMIT);
    sleeper.finish(consumer.memory());
}

#[test]
fn a_consumer_that_sleeps_without_a_last_look_is_caught() {
    fails(LOST_WAKE, || a_consumer_parks(SleepingMemory::new(2), 1, park_blindly));
}

/// Sleeps until the next wake after its last look.
fn park_from_a_late_count(consumer: &mut Consumer<u64, SleepingMemory>) {
    let mut sleeper = Sleeper::attach(consumer.memory(), Role::Consumer);
    let next = consumer.position() + 1;
    sleeper.prepare(consumer.memory(), next, next);
    if consumer.is_ready(1) == Ok(false) {
        let parking = consumer.memory().parking().unwrap();
        let wakes = parking.wakes(Role::Producer).load(Ordering::Acquire);
        parking.sleep(Role::Producer, wakes, LIMIT);
    }
    sleeper.finish(consumer.memory());
}

#[test]
fn a_consumer_that_reads_the_count_of_wakes_after_its_last_look_is_caught() {
    fails(LOST_WAKE, || a_consumer_parks(SleepingMemory::new(2), 1, park_from_a_late_count));
}

/// A producer fills a single slot and a consumer empties it; each parks for the other.
fn both_park(memory: SleepingMemory) {
    const COUNT: u64 = 2;
    let (mut producer, mut consumer) = ring(memory.clone(), 0);
    let pushes = thread::spawn(move || (0..COUNT).for_each(|value| push_parked(&mut producer, value)));
    (0..COUNT).for_each(|value| assert_eq!(pop_parked(&mut consumer, park_consumer), value));
    pushes.join().unwrap();
    memory.assert_no_wake_was_made_twice(Role::Producer);
    memory.assert_no_wake_was_made_twice(Role::Consumer);
}

#[test]
fn both_ends_of_a_single_slot_park_for_each_other() {
    check(|| both_park(SleepingMemory::new(1)));
    assert_reached(&["a consumer parks", "a producer parks", "a wake"]);
}

#[test]
fn an_end_that_wakes_nobody_is_caught() {
    fails(LOST_WAKE, || {
        let memory = SleepingMemory::new(2);
        let (strangers, mut consumer) = (memory.of_a_stranger(), consumer(memory));
        let pushes = thread::spawn(move || push(&mut producer(strangers), 0));
        assert_eq!(pop_parked(&mut consumer, park_consumer), 0);
        pushes.join().unwrap();
    });
    fails(LOST_WAKE, || {
        let memory = SleepingMemory::new(1);
        let mut producer = producer(memory.clone());
        push(&mut producer, 0);
        let mut stranger = consumer(memory.of_a_stranger());
        let pops = thread::spawn(move || assert_eq!(pop(&mut stranger), 0));
        push_parked(&mut producer, 1);
        pops.join().unwrap();
    });
}

/// The first sleep of a consumer times out, while a wake may be on its way.
fn a_sleep_times_out(memory: SleepingMemory) {
    let producers = memory.clone();
    let mut consumer = consumer(memory.that_times_out(1));
    let pushes = thread::spawn(move || {
        let mut producer = producer(producers);
        (0..2).for_each(|value| push(&mut producer, value));
    });
    (0..2).for_each(|value| assert_eq!(pop_parked(&mut consumer, park_consumer), value));
    pushes.join().unwrap();
    memory.assert_no_wake_was_made_twice(Role::Producer);
}

#[test]
fn a_wake_that_comes_after_a_sleep_has_timed_out_does_no_harm() {
    check(|| a_sleep_times_out(SleepingMemory::new(2)));
    assert_reached(&["a consumer parks", "a wake", "a parking that needs no wake"]);
    fails(LOST_WAKE, || a_sleep_times_out(SleepingMemory::new(2).with(Fault::NoFenceToPublish)));
}

/// A producer waits at a full ring for two slots.
fn two_slots_are_wanted(memory: SleepingMemory) {
    let (mut producer, mut consumer) = ring(memory.clone(), 0);
    let slots = producer.capacity() as u64;
    (0..slots).for_each(|value| push(&mut producer, value));
    let parks = thread::spawn(move || {
        while !producer.is_ready(2).unwrap() {
            producer.park(2, true, seen(producer.memory(), Role::Consumer), LIMIT).unwrap();
        }
    });
    assert_eq!(pop(&mut consumer), 0);
    let (wakes, parkings) = memory.wakes_and_parkings(Role::Consumer);
    assert_eq!(wakes, 0, "woken too early");
    if parkings > 0 {
        reached("asleep at the first slot");
    }
    assert_eq!(pop(&mut consumer), 1);
    parks.join().unwrap();
}

#[test]
fn a_producer_is_not_woken_before_there_is_what_it_wants() {
    check(|| two_slots_are_wanted(SleepingMemory::new(8)));
    assert_reached(&["asleep at the first slot"]);
}

#[test]
fn what_a_producer_wants_needs_both_orderings_of_its_parking_word() {
    fails_without(&[Site::ParkingStore, Site::ParkingLoad], "woken too early", |site| {
        two_slots_are_wanted(SleepingMemory::new(8).without(site));
    });
}

/// A producer gives up its sleep at a full ring while too little for it is released.
fn a_producer_gives_up(memory: SleepingMemory) {
    let (mut producer, mut consumer) = ring(memory.that_times_out(1), 0);
    let slots = producer.capacity() as u64;
    (0..slots).for_each(|value| push(&mut producer, value));
    let parks = thread::spawn(move || park_producer(&mut producer));
    assert_eq!(pop(&mut consumer), 0);
    parks.join().unwrap();
    assert_eq!(memory.wakes_and_parkings(Role::Consumer), (0, 1), "woken while it is awake");
}

#[test]
fn a_producer_that_is_awake_again_is_not_woken() {
    check(|| a_producer_gives_up(SleepingMemory::new(8)));
}

/// A consumer waits for all slots of a ring, the producer of which waits for a quarter.
fn a_consumer_wants_all(memory: SleepingMemory, park: Park<Consumer<u64, SleepingMemory>>) {
    let (mut producer, mut consumer) = ring(memory, 0);
    let slots = producer.capacity();
    (0..slots as u64).for_each(|value| push(&mut producer, value));
    let pushes = thread::spawn(move || push_parked(&mut producer, slots as u64));
    assert_eq!(pop(&mut consumer), 0);
    while consumer.is_ready(slots as u64) != Ok(true) {
        reached("a consumer parks");
        park(&mut consumer);
    }
    pushes.join().unwrap();
}

#[test]
fn a_consumer_that_parks_wakes_a_producer_that_waits_for_a_quarter() {
    check(|| {
        a_consumer_wants_all(SleepingMemory::new(8), |consumer| {
            consumer.park(8, false, seen(consumer.memory(), Role::Producer), LIMIT).unwrap()
        })
    });
    assert_reached(&["a producer parks", "a consumer parks"]);
}

#[test]
fn a_consumer_that_wakes_before_it_parks_wakes_a_producer_that_waits_for_a_quarter() {
    check(|| {
        a_consumer_wants_all(SleepingMemory::new(8), |consumer| {
            consumer.wake();
            consumer.park(8, false, seen(consumer.memory(), Role::Producer), LIMIT).unwrap();
        });
    });
    assert_reached(&["a producer parks", "a consumer parks"]);
}
