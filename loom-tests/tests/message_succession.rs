//! Two holders of one role of a message ring, one after the other: what a killed one published is there, nothing else.

use std::sync::atomic::Ordering;

use loom::thread;
use loom_tests::checked::CheckedMemory;
use loom_tests::killed::Killed;
use loom_tests::lock::Lock;
use loom_tests::message::{NO_HEADER, OTHER_MESSAGE, consumer, expect, expect_none, message, producer, push};
use loom_tests::model::{RACE, assert_reached, check, fails, fails_without, reached};
use loom_tests::planted::Bug;
use loom_tests::ring::memory::{Memory, Word};
use loom_tests::weakened::Site;

/// What a producer writes for one message: the payload, the next header, its own, the tail.
const PUSH: usize = 4;

/// What it writes for a batch of two: both payloads, the second header, the next header, the first header, the tail.
const BATCH: usize = 6;

/// The first producer is killed after so many writes of one push. The second one pushes two messages.
fn a_push_is_cut<M>(memory: M, writes: usize)
where
    M: Memory<Word: Clone> + Clone + 'static,
{
    let producers = memory.clone();
    let holders = thread::spawn(move || {
        push(&mut producer(Killed::after(writes, producers.clone())), message(0));
        if producers.head().load(Ordering::Relaxed) > producers.tail().load(Ordering::Relaxed) {
            reached("a head beyond the stored tail");
        }
        let mut producer = producer(producers);
        (1..3).for_each(|number| push(&mut producer, message(number)));
    });
    let mut consumer = consumer(memory);
    let published = writes >= PUSH - 1;
    expect(&mut consumer, if published { 0..3 } else { 1..3 });
    holders.join().unwrap();
    expect_none(&mut consumer);
}

#[test]
fn a_producer_that_was_killed_in_a_push_is_succeeded_behind_its_last_message() {
    for writes in 0..=PUSH {
        check(move || a_push_is_cut(CheckedMemory::of_records(32), writes));
        assert_reached(&["full", "empty"]);
        if writes == PUSH - 1 {
            assert_reached(&["a head beyond the stored tail"]);
        }
    }
}

#[test]
fn a_successor_in_a_push_needs_every_ordering() {
    fails_without(&Site::HEADERS, RACE, |site| a_push_is_cut(site.records(32), PUSH - 1));
    fails_without(&[Site::TailStore, Site::TailLoad], NO_HEADER, |site| a_push_is_cut(site.records(32), PUSH - 1));
}

#[test]
fn a_killed_producer_that_zeroed_no_next_header_is_caught() {
    fails(OTHER_MESSAGE, || a_push_is_cut(Bug::NextHeaderNotZeroed.records(32), 1));
}

/// The first producer is killed after so many writes of a batch. The second one pushes two messages.
fn a_batch_is_cut<M>(memory: M, writes: usize)
where
    M: Memory<Word: Clone> + Clone + 'static,
{
    let producers = memory.clone();
    let holders = thread::spawn(move || {
        let mut killed = producer(Killed::after(writes, producers.clone()));
        let mut batch = killed.batch();
        batch.push_value(&message(0)).unwrap();
        batch.push(&[]).unwrap();
        batch.commit();
        let mut producer = producer(producers);
        (1..3).for_each(|number| push(&mut producer, message(number)));
    });
    let mut consumer = consumer(memory);
    if writes >= BATCH - 1 {
        expect(&mut consumer, 0..1);
        assert_eq!(consumer.pop(&mut []), Ok(0), "a part of a batch");
    }
    expect(&mut consumer, 1..3);
    holders.join().unwrap();
    expect_none(&mut consumer);
}

#[test]
fn a_producer_that_was_killed_in_a_batch_is_succeeded_behind_all_of_it_or_in_front_of_it() {
    for writes in 0..=BATCH {
        // The batch takes all there is.
        check(move || a_batch_is_cut(CheckedMemory::of_records(32), writes));
        assert_reached(&["full", "empty"]);
    }
    for writes in [BATCH - 2, BATCH - 1] {
        check(move || a_batch_is_cut(CheckedMemory::of_records(64), writes));
        assert_reached(&["empty"]);
    }
}

#[test]
fn a_successor_in_a_batch_needs_every_ordering() {
    fails_without(&Site::HEADERS, RACE, |site| a_batch_is_cut(site.records(32), BATCH - 1));
    fails_without(&[Site::TailStore, Site::TailLoad], NO_HEADER, |site| a_batch_is_cut(site.records(32), BATCH - 1));
}

/// The first producer is killed between a header and the tail, the second one after so many writes of its own: its
/// tail, which tells of what it found, and a push.
fn a_succession_is_cut<M>(memory: M, writes: usize)
where
    M: Memory<Word: Clone> + Clone + 'static,
{
    let producers = memory.clone();
    let holders = thread::spawn(move || {
        push(&mut producer(Killed::after(PUSH - 1, producers.clone())), message(0));
        push(&mut producer(Killed::after(writes, producers.clone())), message(1));
        push(&mut producer(producers), message(2));
    });
    let mut consumer = consumer(memory);
    expect(&mut consumer, 0..1);
    expect(&mut consumer, if writes >= PUSH { 1..3 } else { 2..3 });
    holders.join().unwrap();
    expect_none(&mut consumer);
}

#[test]
fn a_successor_that_is_killed_in_turn_is_succeeded_behind_the_last_message() {
    for writes in 0..=1 + PUSH {
        check(move || a_succession_is_cut(CheckedMemory::of_records(64), writes));
    }
}

/// The first consumer is killed after it stored its head so many times, and read one message more.
fn a_reading_is_cut<M>(memory: M, heads: usize)
where
    M: Memory<Word: Clone> + Clone + 'static,
{
    let mut producer = producer(memory.clone());
    let pushes = thread::spawn(move || (0..3).for_each(|number| push(&mut producer, message(number))));
    let published = heads as u64;
    expect(&mut consumer(Killed::after(heads, memory.clone())), 0..published + 1);
    let mut consumer = consumer(memory);
    expect(&mut consumer, published..3);
    pushes.join().unwrap();
    expect_none(&mut consumer);
}

#[test]
fn a_consumer_that_was_killed_is_succeeded_at_its_published_head() {
    for heads in 0..3 {
        check(move || a_reading_is_cut(CheckedMemory::of_records(32), heads));
        assert_reached(&["full", "empty"]);
    }
}

/// The first consumer reads one message at its header, and is killed.
fn a_reading_ends<M: Memory + Clone + 'static>(memory: M) {
    let mut producer = producer(memory.clone());
    let pushes = thread::spawn(move || (0..2).for_each(|number| push(&mut producer, message(number))));
    expect(&mut consumer(memory.clone()), 0..1);
    if memory.tail().load(Ordering::Relaxed) < memory.head().load(Ordering::Relaxed) {
        reached("a tail behind the head");
    }
    expect(&mut consumer(memory), 1..2);
    pushes.join().unwrap();
}

#[test]
fn a_successor_of_a_consumer_may_find_the_tail_behind_its_head() {
    check(|| a_reading_ends(CheckedMemory::of_records(64)));
    assert_reached(&["empty", "a tail behind the head"]);
}

#[test]
fn a_successor_of_a_consumer_needs_every_ordering() {
    fails_without(&Site::HEADERS, RACE, |site| a_reading_is_cut(site.records(32), 1));
    fails_without(&[Site::TailStore, Site::TailLoad], NO_HEADER, |site| a_reading_is_cut(site.records(32), 1));
}

/// The role of the producer passes from one thread to another by its lock.
fn producers_in_sequence<M>(memory: M, lock: Lock)
where
    M: Memory<Word: Clone> + Clone + 'static,
{
    let (firsts, seconds) = (memory.clone(), memory.clone());
    let first = move || push(&mut producer(Killed::after(PUSH - 1, firsts)), message(0));
    let second = move || push(&mut producer(seconds), message(1));
    let holders = lock.pass(first, second);
    let mut consumer = consumer(memory);
    expect(&mut consumer, 0..2);
    holders.join().unwrap();
}

/// So does that of the consumer.
fn consumers_in_sequence<M>(memory: M, lock: Lock)
where
    M: Memory<Word: Clone> + Clone + 'static,
{
    let mut producer = producer(memory.clone());
    push(&mut producer, message(0));
    let (firsts, seconds) = (memory.clone(), memory);
    let first = move || expect(&mut consumer(firsts), 0..1);
    let second = move || expect(&mut consumer(seconds), 1..2);
    let holders = lock.pass(first, second);
    push(&mut producer, message(1));
    holders.join().unwrap();
}

#[test]
fn a_role_of_a_message_ring_passes_by_its_lock() {
    check(|| producers_in_sequence(CheckedMemory::of_records(32), Lock::Kernel));
    check(|| consumers_in_sequence(CheckedMemory::of_records(32), Lock::Kernel));
}

#[test]
fn what_a_successor_loads_rests_on_the_lock_of_the_role() {
    fails(RACE, || producers_in_sequence(CheckedMemory::of_records(32), Lock::Unordered));
    fails(OTHER_MESSAGE, || consumers_in_sequence(CheckedMemory::of_records(32), Lock::Unordered));
}
