//! A sleeper is woken by what it asked for, and by nothing less.

use loom::thread;
use loom_tests::internals::Internals;
use loom_tests::message;
use loom_tests::model::{assert_reached, check, fails, fails_without, pop, push, reached, ring};
use loom_tests::ring::memory::Role;
use loom_tests::ring::stream::{Consumer, Producer};
use loom_tests::sleeping::{Fault, LIMIT, LOST_WAKE, SleepingMemory, seen};
use loom_tests::weakened::Site;

/// What a model says where a sleeper was woken by less than it asked for.
const TOO_EARLY: &str = "woken too early";

/// Sleeps until `wanted` elements are there, or is not woken.
fn park_for(consumer: &mut Consumer<u64, SleepingMemory>, wanted: u64) {
    consumer.park(wanted, false, seen(consumer.memory(), Role::Producer), LIMIT).unwrap();
}

/// Sleeps until `wanted` slots are free, or while it `gathers` a quarter of the ring.
fn park_for_room(producer: &mut Producer<u64, SleepingMemory>, wanted: u64, gathers: bool) {
    producer.park(wanted, gathers, seen(producer.memory(), Role::Consumer), LIMIT).unwrap();
}

/// Makes sure that nobody was woken by `role` yet. Whether the other end sleeps, or did, is noted.
#[track_caller]
fn expect_no_wake(memory: &SleepingMemory, role: Role) {
    let (wakes, parkings) = memory.wakes_and_parkings(role);
    assert_eq!(wakes, 0, "{TOO_EARLY}");
    if parkings > 0 {
        reached("asleep, and not woken by too little");
    }
}

/// A consumer wants `wanted` elements at once, which come one by one.
fn elements_are_wanted(memory: SleepingMemory, wanted: u64) {
    let (mut producer, mut consumer) = ring(memory.clone(), 0);
    let pushes = thread::spawn(move || {
        for value in 0..wanted {
            expect_no_wake(&memory, Role::Producer);
            push(&mut producer, value);
        }
        memory.assert_no_wake_was_made_twice(Role::Producer);
    });
    while !consumer.is_ready(wanted).unwrap() {
        park_for(&mut consumer, wanted);
    }
    assert!(consumer.peek(wanted as usize).unwrap().iter().eq(0..wanted));
    pushes.join().unwrap();
}

#[test]
fn a_consumer_that_wants_two_elements_is_woken_by_the_second() {
    check(|| elements_are_wanted(SleepingMemory::new(2), 2));
    assert_reached(&["asleep, and not woken by too little", "a wake"]);
}

#[test]
fn a_consumer_that_wants_all_there_can_be_is_woken_by_the_last() {
    check(|| elements_are_wanted(SleepingMemory::new(4), 4));
    assert_reached(&["asleep, and not woken by too little", "a wake"]);
}

#[test]
fn what_a_consumer_wants_needs_both_orderings_of_its_parking_word() {
    fails_without(&[Site::ParkingStore, Site::ParkingLoad], TOO_EARLY, |site| {
        elements_are_wanted(SleepingMemory::new(2).without(site), 2);
    });
}

#[test]
fn a_consumer_that_does_not_say_what_it_wants_is_caught() {
    fails(TOO_EARLY, || elements_are_wanted(SleepingMemory::new(2).with(Fault::GoalNotStored), 2));
}

/// A consumer gives up its sleep for two elements, and sleeps for one.
fn less_is_wanted(memory: SleepingMemory) {
    let (mut producer, mut consumer) = ring(memory.that_times_out(1), 0);
    park_for(&mut consumer, 2);
    let pushes = thread::spawn(move || push(&mut producer, 0));
    while consumer.is_ready(1) == Ok(false) {
        park_for(&mut consumer, 1);
    }
    pushes.join().unwrap();
    memory.assert_no_wake_was_made_twice(Role::Producer);
}

#[test]
fn a_consumer_that_wants_less_than_before_is_woken_by_that() {
    check(|| less_is_wanted(SleepingMemory::new(2)));
    assert_reached(&["a wake", "a parking that needs no wake"]);
}

#[test]
fn a_consumer_that_says_what_it_wants_when_it_sleeps_already_is_caught() {
    fails(LOST_WAKE, || less_is_wanted(SleepingMemory::new(2).with(Fault::GoalStoredLate)));
}

/// A producer at a full ring needs some slots, and waits for a quarter of the ring. A consumer pops these one by one,
/// and those of the quarter behind them, or says that it pauses.
fn slots_are_needed(memory: SleepingMemory, needed: u64, pauses: bool) {
    let (mut producer, mut consumer) = ring(memory.clone(), 0);
    let slots = producer.capacity() as u64;
    (0..slots).for_each(|value| push(&mut producer, value));
    let parks = thread::spawn(move || {
        while !producer.is_ready(needed).unwrap() {
            park_for_room(&mut producer, needed, true);
        }
    });
    let last = if pauses { needed } else { slots / 4 };
    for value in 0..last {
        expect_no_wake(&memory, Role::Consumer);
        consumer.release();
        expect_no_wake(&memory, Role::Consumer);
        assert_eq!(pop(&mut consumer), value);
    }
    if pauses {
        expect_no_wake(&memory, Role::Consumer);
        consumer.release();
    }
    parks.join().unwrap();
    memory.assert_no_wake_was_made_twice(Role::Consumer);
}

#[test]
fn a_producer_that_gathers_is_woken_by_what_it_needs_once_the_consumer_pauses() {
    for needed in [1, 2] {
        check(move || slots_are_needed(SleepingMemory::new(16), needed, true));
        assert_reached(&["asleep, and not woken by too little", "a wake"]);
    }
}

#[test]
fn a_producer_that_gathers_is_woken_by_the_last_slot_that_it_wants() {
    check(|| slots_are_needed(SleepingMemory::new(8), 2, false));
    assert_reached(&["asleep, and not woken by too little", "a wake"]);
}

#[test]
fn a_producer_that_does_not_say_what_it_wants_or_needs_is_caught() {
    fails(TOO_EARLY, || slots_are_needed(SleepingMemory::new(8).with(Fault::GoalNotStored), 2, true));
    fails(TOO_EARLY, || slots_are_needed(SleepingMemory::new(8).with(Fault::GoalNotStored), 2, false));
}

#[test]
fn what_a_producer_needs_needs_both_orderings_of_its_parking_word() {
    fails_without(&[Site::ParkingStore, Site::ParkingLoad], TOO_EARLY, |site| {
        slots_are_needed(SleepingMemory::new(8).without(site), 2, true);
    });
}

/// A producer gives up its sleep for two slots of a full ring, and sleeps for one. While it `gathers`, the consumer has
/// to say that it pauses.
fn fewer_slots_are_needed(memory: SleepingMemory, gathers: bool, pop_one: fn(&mut Consumer<u64, SleepingMemory>)) {
    let (mut producer, mut consumer) = ring(memory.that_times_out(1), 0);
    let slots = producer.capacity() as u64;
    (0..slots).for_each(|value| push(&mut producer, value));
    park_for_room(&mut producer, 2, gathers);
    let pops = thread::spawn(move || {
        pop_one(&mut consumer);
        consumer
    });
    while producer.is_ready(1) == Ok(false) {
        park_for_room(&mut producer, 1, gathers);
    }
    drop(pops.join().unwrap());
    memory.assert_no_wake_was_made_twice(Role::Consumer);
}

fn pop_one(consumer: &mut Consumer<u64, SleepingMemory>) {
    assert_eq!(pop(consumer), 0);
}

fn pop_one_and_pause(consumer: &mut Consumer<u64, SleepingMemory>) {
    pop_one(consumer);
    consumer.release();
}

#[test]
fn a_producer_that_does_not_gather_is_woken_by_the_slot_that_it_needs() {
    check(|| fewer_slots_are_needed(SleepingMemory::new(8), false, pop_one));
    assert_reached(&["a wake", "a parking that needs no wake"]);
}

#[test]
fn a_producer_that_needs_less_than_before_is_woken_by_that_once_the_consumer_pauses() {
    check(|| fewer_slots_are_needed(SleepingMemory::new(8), true, pop_one_and_pause));
    assert_reached(&["a wake", "a parking that needs no wake"]);
}

#[test]
fn a_consumer_that_does_not_say_that_it_pauses_is_caught() {
    fails(LOST_WAKE, || fewer_slots_are_needed(SleepingMemory::new(8), true, pop_one));
}

#[test]
fn a_producer_that_says_what_it_needs_when_it_sleeps_already_is_caught() {
    let late = || SleepingMemory::new(8).with(Fault::GoalStoredLate);
    fails(LOST_WAKE, move || fewer_slots_are_needed(late(), true, pop_one_and_pause));
    fails(LOST_WAKE, move || fewer_slots_are_needed(late(), false, pop_one));
}

/// A producer of messages at a full ring needs room for one, of which a quarter of the ring holds two.
fn room_is_needed(memory: SleepingMemory, pauses: bool) {
    let (mut producer, mut consumer) = message::ring(memory.clone(), 0);
    while producer.push_value(&message::message(0)).is_ok() {}
    let parks = thread::spawn(move || {
        while producer.can_push(size_of::<u64>()) == Ok(false) {
            let need = message::needed(&producer, size_of::<u64>());
            producer.park(need, true, seen(producer.memory(), Role::Consumer), LIMIT).unwrap();
        }
    });
    message::pop(&mut consumer);
    expect_no_wake(&memory, Role::Consumer);
    if pauses {
        consumer.release();
    } else {
        message::pop(&mut consumer);
    }
    parks.join().unwrap();
    memory.assert_no_wake_was_made_twice(Role::Consumer);
}

#[test]
fn a_producer_of_messages_that_gathers_is_woken_by_a_quarter_or_by_a_pause() {
    for pauses in [false, true] {
        check(move || room_is_needed(SleepingMemory::of_records(128), pauses));
        assert_reached(&["asleep, and not woken by too little", "a wake"]);
    }
}

#[test]
fn a_producer_of_messages_that_does_not_say_what_it_wants_is_caught() {
    fails(TOO_EARLY, || room_is_needed(SleepingMemory::of_records(128).with(Fault::GoalNotStored), false));
}
