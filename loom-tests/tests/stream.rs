//! Elements pass from one end to the other, each once and in order; none is read before it is written, and no slot is
//! overwritten before it is read.

use loom::thread;
use loom_tests::ahead::{take, take_ahead};
use loom_tests::checked::CheckedMemory;
use loom_tests::internals::Internals;
use loom_tests::model::{
    NO_PROGRESS, RACE, assert_reached, check, check_unbounded, consumer, fails, fails_without, pop, producer, push,
    reached, ring, until,
};
use loom_tests::planted::Bug;
use loom_tests::ring::error::{PopError, PushError};
use loom_tests::ring::memory::Memory;
use loom_tests::weakened::Site;

/// `count` elements pass, one at a time.
fn pushes_and_pops<M: Memory + Clone + 'static>(memory: M, position: u64, count: u64) {
    let (mut producer, mut consumer) = ring(memory, position);
    let pushes = thread::spawn(move || (0..count).for_each(|value| push(&mut producer, value)));
    for value in 0..count {
        assert_eq!(pop(&mut consumer), value);
    }
    pushes.join().unwrap();
    assert_eq!(consumer.pop(), Err(PopError::Empty));
}

#[test]
fn elements_pass_one_at_a_time_across_the_wrap() {
    check(|| pushes_and_pops(CheckedMemory::new(2), 0, 4));
    assert_reached(&["full", "empty"]);
}

#[test]
fn elements_pass_through_a_single_slot() {
    check_unbounded(|| pushes_and_pops(CheckedMemory::new(1), 0, 3));
    assert_reached(&["full", "empty"]);
}

#[test]
fn elements_pass_where_positions_pass_2_to_the_64() {
    check_unbounded(|| pushes_and_pops(CheckedMemory::new(2), u64::MAX, 3));
    assert_reached(&["full", "empty"]);
}

#[test]
fn pushes_and_pops_need_every_ordering_of_the_positions() {
    fails_without(&Site::POSITIONS, RACE, |site| pushes_and_pops(site.memory(2), 0, 4));
    fails_without(&Site::POSITIONS, RACE, |site| pushes_and_pops(site.memory(1), 0, 3));
}

/// Elements pass, and the producer takes a slot ahead of each.
fn slots_ahead<M: Memory + Clone + 'static>(memory: M, is_careful: bool) {
    let (mut producer, mut consumer) = ring(memory, 0);
    take_ahead(&mut producer, 1);
    let pushes = thread::spawn(move || {
        for value in 0..3 {
            push(&mut producer, value);
            if !is_careful {
                // The last one of the lap before.
                take(&producer, value + 1);
            }
        }
    });
    for value in 0..3 {
        assert_eq!(pop(&mut consumer), value);
    }
    pushes.join().unwrap();
    assert_eq!(consumer.pop(), Err(PopError::Empty));
}

#[test]
fn a_slot_is_taken_ahead_only_if_it_is_free() {
    check(|| slots_ahead(CheckedMemory::new(4), true));
    check(|| slots_ahead(CheckedMemory::new(2), true));
    assert_reached(&["full", "empty"]);
    fails(RACE, || slots_ahead(CheckedMemory::new(2), false));
}

#[test]
fn slots_ahead_need_every_ordering_of_the_positions() {
    fails_without(&Site::POSITIONS, RACE, |site| slots_ahead(site.memory(2), true));
}

#[test]
fn a_tail_that_is_published_before_the_element_is_written_is_caught() {
    fails(RACE, || pushes_and_pops(Bug::PublishBeforeWrite.memory(2), 0, 4));
}

#[test]
fn a_head_that_is_published_before_the_element_is_read_is_caught() {
    fails(RACE, || pushes_and_pops(Bug::ReleaseBeforeRead.memory(2), 0, 4));
}

/// Both ends attach while the other one is at work.
fn ends_attach_at_any_time<M: Memory + Clone + 'static>(memory: M) {
    let producers = memory.clone();
    let pushes = thread::spawn(move || {
        let mut producer = producer(producers);
        (0..2).for_each(|value| push(&mut producer, value));
    });
    let mut consumer = consumer(memory);
    assert_eq!([(); 2].map(|()| pop(&mut consumer)), [0, 1]);
    pushes.join().unwrap();
}

#[test]
fn either_end_attaches_while_the_other_is_at_work() {
    check_unbounded(|| ends_attach_at_any_time(CheckedMemory::new(1)));
    assert_reached(&["full", "empty"]);
}

#[test]
fn an_end_that_attaches_needs_every_ordering_of_the_positions() {
    fails_without(&Site::POSITIONS, RACE, |site| ends_attach_at_any_time(site.memory(1)));
}

/// Elements pass in slices, which are cut where the ring is full, empty, or wraps.
fn slices<M: Memory + Clone + 'static>(memory: M) {
    const VALUES: [u64; 6] = [0, 1, 2, 3, 4, 5];
    let (mut producer, mut consumer) = ring(memory, 3);
    let pushes = thread::spawn(move || {
        let mut rest = VALUES.as_slice();
        while !rest.is_empty() {
            let pushed = until(|| match producer.push_slice(&rest[..rest.len().min(3)]) {
                Ok(pushed) => Some(pushed),
                Err(PushError::Full(_)) => None,
                Err(error) => panic!("{error}"),
            });
            if pushed < rest.len().min(3) {
                reached("a part of a slice pushed");
            }
            rest = &rest[pushed..];
        }
    });
    let mut popped = Vec::new();
    while popped.len() < VALUES.len() {
        let mut values = [0; 2];
        let len = until(|| match consumer.pop_slice(&mut values) {
            Ok(len) => Some(len),
            Err(PopError::Empty) => None,
            Err(error) => panic!("{error}"),
        });
        if len < values.len() {
            reached("a part of a slice popped");
        }
        popped.extend_from_slice(&values[..len]);
    }
    assert_eq!(popped, VALUES);
    pushes.join().unwrap();
}

#[test]
fn elements_pass_in_slices_across_the_wrap() {
    check(|| slices(CheckedMemory::new(4)));
    assert_reached(&["a part of a slice pushed", "a part of a slice popped"]);
}

#[test]
fn slices_need_every_ordering_of_the_positions() {
    fails_without(&Site::POSITIONS, RACE, |site| slices(site.memory(4)));
}

/// A producer waits at a full ring for room for `more` elements.
fn a_full_ring<M: Memory + Clone + 'static>(memory: M, more: u64) {
    let (mut producer, mut consumer) = ring(memory, 0);
    let slots = producer.capacity();
    let (first, last) = (slots as u64, slots as u64 + more);
    (0..first).for_each(|value| push(&mut producer, value));
    assert_eq!((consumer.available(), consumer.is_ready(slots as u64)), (Ok(slots), Ok(true)));
    let pushes = thread::spawn(move || {
        (first..last).for_each(|value| push(&mut producer, value));
        producer
    });
    for value in 0..last {
        assert_eq!(pop(&mut consumer), value);
    }
    let producer = pushes.join().unwrap();
    assert_eq!(producer.free(), Ok(slots), "a ring that was read to its end does not look empty");
    assert_eq!(consumer.pop(), Err(PopError::Empty));
}

#[test]
fn a_producer_at_a_full_ring_goes_on_after_one_pop() {
    check(|| a_full_ring(CheckedMemory::new(4), 2));
    assert_reached(&["full", "empty"]);
}

#[test]
fn a_full_ring_needs_every_ordering_of_the_positions() {
    fails_without(&Site::POSITIONS, RACE, |site| a_full_ring(site.memory(4), 1));
}

#[test]
fn a_consumer_that_does_not_publish_its_head_at_a_full_ring_is_caught() {
    fails(NO_PROGRESS, || a_full_ring(Bug::NoRelease.memory(4), 1));
}

/// An element that a consumer has counted is there to be popped, and a slot that a producer has counted is free.
fn counts<M: Memory + Clone + 'static>(memory: M, count: u64) {
    let (mut producer, mut consumer) = ring(memory, 1);
    let pushes = thread::spawn(move || {
        for value in 0..count {
            if producer.is_full() == Ok(false) {
                assert_eq!(producer.push(value), Ok(()), "a slot was counted that is not free");
            } else {
                push(&mut producer, value);
            }
        }
    });
    for value in 0..count {
        if consumer.is_empty() == Ok(false) {
            reached("an element was counted");
            assert_eq!(consumer.pop(), Ok(value), "an element was counted that is not there");
        } else {
            assert_eq!(pop(&mut consumer), value);
        }
    }
    pushes.join().unwrap();
    assert_eq!(consumer.available(), Ok(0));
}

#[test]
fn what_was_counted_is_there_or_free() {
    check(|| counts(CheckedMemory::new(2), 3));
    assert_reached(&["an element was counted", "full", "empty"]);
}

#[test]
fn counts_need_every_ordering_of_the_positions() {
    fails_without(&Site::POSITIONS, RACE, |site| counts(site.memory(2), 4));
}
