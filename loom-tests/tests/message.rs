//! Messages pass from one end to the other, each once and in order; none is read before it is written, and no record is
//! overwritten before it is read.

use loom::thread;
use loom_tests::ahead::{believe_zeroed, zeroed};
use loom_tests::checked::CheckedMemory;
use loom_tests::message::{
    NO_HEADER, OTHER_MESSAGE, aligned_ring, consumer, expect, expect_none, knows_more, message, producer, push, ring,
    when_free, when_there,
};
use loom_tests::model::{NO_PROGRESS, RACE, assert_reached, check, check_unbounded, fails, fails_without, reached};
use loom_tests::planted::Bug;
use loom_tests::ring::error::PushError;
use loom_tests::ring::memory::Memory;
use loom_tests::weakened::Site;

/// `count` messages of a word each pass, from `position` on.
fn pushes_and_pops<M: Memory + Clone + 'static>(memory: M, align: usize, position: u64, count: u64) {
    let (mut producer, mut consumer) = aligned_ring(memory, align, position);
    let pushes = thread::spawn(move || (0..count).for_each(|number| push(&mut producer, message(number))));
    expect(&mut consumer, 0..count);
    pushes.join().unwrap();
    expect_none(&mut consumer);
}

#[test]
fn a_message_passes() {
    check_unbounded(|| pushes_and_pops(CheckedMemory::of_records(32), 8, 0, 1));
    assert_reached(&["empty"]);
}

#[test]
fn a_message_needs_both_orderings_of_its_header() {
    fails_without(&[Site::HeaderStore, Site::HeaderLoad], RACE, |site| pushes_and_pops(site.records(32), 8, 0, 1));
}

#[test]
fn two_messages_pass_side_by_side() {
    check(|| pushes_and_pops(CheckedMemory::of_records(64), 8, 0, 2));
    assert_reached(&["empty"]);
}

#[test]
fn messages_pass_one_at_a_time_across_the_end() {
    check(|| pushes_and_pops(CheckedMemory::of_records(32), 8, 24, 3));
    assert_reached(&["full", "empty"]);
}

#[test]
fn messages_pass_where_positions_pass_2_to_the_64() {
    check(|| pushes_and_pops(CheckedMemory::of_records(32), 8, 24_u64.wrapping_neg(), 3));
    assert_reached(&["full", "empty"]);
}

#[test]
fn messages_pass_whose_records_start_at_multiples_of_a_cache_line() {
    check(|| pushes_and_pops(CheckedMemory::of_records(256), 64, 192, 3));
    check(|| pushes_and_pops(CheckedMemory::of_records(64), 16, 32, 3));
    assert_reached(&["full", "empty"]);
}

#[test]
fn messages_need_every_ordering_of_the_headers_and_the_head() {
    fails_without(&Site::HEADERS, RACE, |site| pushes_and_pops(site.records(32), 8, 24, 3));
    fails_without(&Site::HEADERS, RACE, |site| pushes_and_pops(site.records(32), 8, 24_u64.wrapping_neg(), 3));
    fails_without(&Site::HEADERS, RACE, |site| pushes_and_pops(site.records(64), 16, 32, 3));
}

#[test]
fn a_header_that_is_published_before_the_payload_is_written_is_caught() {
    fails(RACE, || pushes_and_pops(Bug::PublishBeforeWrite.records(32), 8, 0, 1));
    fails(RACE, || pushes_and_pops(Bug::PublishBeforeWrite.records(32), 8, 24, 3));
}

#[test]
fn a_head_that_is_published_before_the_payload_is_read_is_caught() {
    fails(RACE, || largest(Bug::ReleaseBeforeRead.records(32)));
}

/// Messages of the largest length pass: each one needs the whole ring.
fn largest<M: Memory + Clone + 'static>(memory: M) {
    const LARGEST: [[u64; 2]; 3] = [[1, 2], [3, 4], [5, 6]];
    let (mut producer, mut consumer) = ring(memory, 0);
    assert_eq!(producer.max_len(), size_of_val(&LARGEST[0]));
    let bytes =
        |numbers: [u64; 2]| -> Vec<u8> { numbers.map(message).iter().flat_map(|word| word.to_ne_bytes()).collect() };
    let pushes = thread::spawn(move || {
        for numbers in LARGEST {
            when_free(|| producer.push(&bytes(numbers)));
        }
    });
    let mut popped = Vec::new();
    for numbers in LARGEST {
        when_there(|| consumer.pop_into(&mut popped));
        assert_eq!(popped, bytes(numbers));
    }
    pushes.join().unwrap();
}

#[test]
fn messages_of_the_largest_length_pass_one_after_the_other() {
    check(|| largest(CheckedMemory::of_records(32)));
    assert_reached(&["full", "empty"]);
}

#[test]
fn messages_of_the_largest_length_need_every_ordering_of_the_headers_and_the_head() {
    fails_without(&Site::HEADERS, RACE, |site| largest(site.records(32)));
}

#[test]
fn a_next_header_that_is_not_zeroed_is_caught() {
    fails(NO_HEADER, || largest(Bug::NextHeaderNotZeroed.records(32)));
    // Where each record starts like one of the lap before, the old one is read once more.
    fails(OTHER_MESSAGE, || pushes_and_pops(Bug::NextHeaderNotZeroed.records(32), 8, 24, 3));
}

/// Records are claimed, aborted, claimed again and committed in part.
fn claims<M: Memory + Clone + 'static>(memory: M) {
    let (mut producer, mut consumer) = ring(memory, 24);
    let pushes = thread::spawn(move || {
        let mut claim = producer.claim(16).unwrap();
        claim.write_value_at(0, &[message(90), message(91)]);
        claim.abort();
        for number in 0..3 {
            when_free(|| producer.claim(16).map(drop));
            let mut claim = producer.claim(16).unwrap();
            claim.write_value_at(0, &[message(number), message(92)]);
            claim.commit_len(8);
        }
    });
    expect(&mut consumer, 0..3);
    pushes.join().unwrap();
    expect_none(&mut consumer);
}

#[test]
fn a_claim_is_seen_when_it_is_committed_and_as_far() {
    check(|| claims(CheckedMemory::of_records(32)));
    assert_reached(&["full", "empty"]);
}

#[test]
fn claims_need_every_ordering_of_the_headers_and_the_head() {
    fails_without(&Site::HEADERS, RACE, |site| claims(site.records(32)));
}

#[test]
fn a_claim_behind_which_the_next_header_is_not_zeroed_is_caught() {
    fails(NO_HEADER, || claims(Bug::NextHeaderNotZeroed.records(32)));
}

/// A claim is written over the header that was zeroed ahead, and aborted.
fn a_claim_over_the_header_ahead<M: Memory + Clone + 'static>(memory: M, forgets: bool) {
    let (mut producer, mut consumer) = ring(memory, 0);
    let pushes = thread::spawn(move || {
        push(&mut producer, message(0));
        let ahead = zeroed(&producer);
        assert_ne!(ahead, producer.position());
        let mut claim = producer.claim(24).unwrap();
        claim.write_value_at(0, &[message(90), message(91), message(92)]);
        claim.abort();
        if !forgets {
            believe_zeroed(&mut producer, ahead);
        }
        push(&mut producer, message(1));
    });
    expect(&mut consumer, 0..2);
    pushes.join().unwrap();
    expect_none(&mut consumer);
}

#[test]
fn a_header_ahead_that_a_claim_was_written_over_is_zeroed_again() {
    check(|| a_claim_over_the_header_ahead(CheckedMemory::of_records(64), true));
    assert_reached(&["empty"]);
}

#[test]
fn a_header_ahead_that_is_not_forgotten_is_caught() {
    fails(OTHER_MESSAGE, || a_claim_over_the_header_ahead(CheckedMemory::of_records(64), false));
}

/// Messages are looked at, left, looked at again and given back.
fn peeks<M: Memory + Clone + 'static>(memory: M) {
    let (mut producer, mut consumer) = ring(memory, 0);
    let pushes = thread::spawn(move || (0..3).for_each(|number| push(&mut producer, message(number))));
    for number in 0..3 {
        when_there(|| consumer.peek().map(|record| assert_eq!(record.value(0), Some(message(number)))));
        let record = consumer.peek().unwrap();
        assert_eq!(record.value(0), Some(message(number)));
        record.release();
    }
    pushes.join().unwrap();
}

#[test]
fn a_message_is_there_until_it_is_released() {
    check(|| peeks(CheckedMemory::of_records(32)));
    assert_reached(&["full", "empty"]);
}

#[test]
fn peeks_need_every_ordering_of_the_headers_and_the_head() {
    fails_without(&Site::HEADERS, RACE, |site| peeks(site.records(32)));
}

/// A producer waits at a full ring, first for a short message, then for one that needs all of it.
fn a_full_ring<M: Memory + Clone + 'static>(memory: M) {
    let (mut producer, mut consumer) = ring(memory, 0);
    (0..3).for_each(|number| push(&mut producer, message(number)));
    assert_eq!(producer.push_value(&message(3)), Err(PushError::Full(8)));
    let pushes = thread::spawn(move || {
        push(&mut producer, message(3));
        when_free(|| producer.push(&[7; 48]));
    });
    expect(&mut consumer, 0..4);
    assert_eq!(when_there(|| consumer.pop(&mut [0; 48])), 48);
    pushes.join().unwrap();
}

#[test]
fn a_producer_at_a_full_ring_goes_on_once_the_consumer_has_read_a_part_and_all() {
    check(|| a_full_ring(CheckedMemory::of_records(64)));
    assert_reached(&["full", "empty"]);
}

#[test]
fn a_full_ring_needs_every_ordering_of_the_headers_and_the_head() {
    fails_without(&Site::HEADERS, RACE, |site| a_full_ring(site.records(64)));
}

#[test]
fn a_consumer_of_messages_that_does_not_publish_its_head_is_caught() {
    fails(NO_PROGRESS, || a_full_ring(Bug::NoRelease.records(64)));
}

/// Both ends attach while the other one is at work.
fn ends_attach_at_any_time<M: Memory + Clone + 'static>(memory: M) {
    let producers = memory.clone();
    let pushes = thread::spawn(move || {
        let mut producer = producer(producers);
        (0..3).for_each(|number| push(&mut producer, message(number)));
    });
    let mut consumer = consumer(memory);
    expect(&mut consumer, 0..3);
    pushes.join().unwrap();
}

#[test]
fn either_end_of_a_message_ring_attaches_while_the_other_is_at_work() {
    check(|| ends_attach_at_any_time(CheckedMemory::of_records(32)));
    assert_reached(&["full", "empty"]);
}

#[test]
fn an_end_that_attaches_needs_every_ordering() {
    fails_without(&Site::HEADERS, RACE, |site| ends_attach_at_any_time(site.records(32)));
    fails_without(&[Site::TailStore, Site::TailLoad], NO_HEADER, |site| ends_attach_at_any_time(site.records(32)));
}

/// Messages that come one right after the other are found at the tail.
fn a_flow<M: Memory + Clone + 'static>(memory: M, position: u64) {
    let (mut producer, mut consumer) = ring(memory, position);
    let pushes = thread::spawn(move || {
        (0..2).for_each(|number| push(&mut producer, message(number)));
        producer.push(&[]).unwrap();
        push(&mut producer, message(3));
    });
    expect(&mut consumer, 0..2);
    assert_eq!(when_there(|| consumer.pop(&mut [])), 0);
    if knows_more(&consumer) {
        reached("two messages at the tail");
    }
    expect(&mut consumer, 3..4);
    pushes.join().unwrap();
    expect_none(&mut consumer);
}

#[test]
fn messages_that_flow_are_found_at_the_tail() {
    check(|| a_flow(CheckedMemory::of_records(64), 40));
    assert_reached(&["empty", "two messages at the tail"]);
}

#[test]
fn a_flow_needs_both_orderings_of_the_tail() {
    fails_without(&[Site::TailStore, Site::TailLoad], NO_HEADER, |site| a_flow(site.records(64), 40));
}

/// What a consumer says that counts a message which it cannot pop.
const COUNTED: &str = "counted, and not there";

/// A message that a consumer has counted, by the tail or by a header, is there to be popped.
fn counts<M: Memory + Clone + 'static>(memory: M, count: u64) {
    let (mut producer, mut consumer) = ring(memory, 40);
    let pushes = thread::spawn(move || (0..count).for_each(|number| push(&mut producer, message(number))));
    for number in 0..count {
        if consumer.is_empty() == Ok(false) {
            reached("a message was counted");
            assert_eq!(consumer.pop_value(), Ok(message(number)), "{COUNTED}");
        } else {
            expect(&mut consumer, number..number + 1);
        }
    }
    pushes.join().unwrap();
    assert_eq!(consumer.available(), Ok(0));
}

#[test]
fn a_message_that_was_counted_is_there() {
    check(|| counts(CheckedMemory::of_records(64), 3));
    assert_reached(&["a message was counted", "empty"]);
}

#[test]
fn a_count_of_messages_needs_both_orderings_of_the_tail() {
    fails_without(&[Site::TailStore, Site::TailLoad], COUNTED, |site| counts(site.records(64), 1));
}
