//! A batch is seen whole or not at all, whether the consumer looks at headers or at the tail.

use std::sync::atomic::Ordering;

use loom::thread;
use loom_tests::checked::CheckedMemory;
use loom_tests::internals::Internals;
use loom_tests::message::{
    NO_HEADER, OTHER_MESSAGE, expect, expect_none, knows_more, message, pop, push, ring, when_free, when_there,
};
use loom_tests::model::{RACE, assert_reached, check, fails, fails_without, reached};
use loom_tests::planted::Bug;
use loom_tests::ring::memory::{Memory, Word};
use loom_tests::ring::message::{Consumer, Producer};
use loom_tests::weakened::Site;

/// What a consumer says that sees a part of a batch.
const PART: &str = "a part of a batch";

/// Sends two messages as a batch, as soon as there is room for both.
fn push_batch<M: Memory>(producer: &mut Producer<M>, numbers: [u64; 2]) {
    when_free(|| {
        let mut batch = producer.batch();
        for number in numbers {
            batch.push_value(&message(number))?;
        }
        batch.commit();
        Ok(())
    });
}

/// Pops two messages that were sent as a batch.
fn pop_batch<M: Memory>(consumer: &mut Consumer<M>, numbers: [u64; 2]) {
    assert_eq!(pop(consumer), message(numbers[0]), "{OTHER_MESSAGE}");
    assert_eq!(consumer.pop_value(), Ok(message(numbers[1])), "{PART}");
}

/// Batches pass, each of which needs the ring to be empty but for a header.
fn batches<M: Memory + Clone + 'static>(memory: M) {
    const BATCHES: [[u64; 2]; 3] = [[0, 1], [2, 3], [4, 5]];
    let (mut producer, mut consumer) = ring(memory, 32);
    let pushes = thread::spawn(move || BATCHES.into_iter().for_each(|numbers| push_batch(&mut producer, numbers)));
    BATCHES.into_iter().for_each(|numbers| pop_batch(&mut consumer, numbers));
    pushes.join().unwrap();
    expect_none(&mut consumer);
}

#[test]
fn a_batch_is_seen_whole_at_its_first_header() {
    check(|| batches(CheckedMemory::of_records(64)));
    assert_reached(&["full", "empty"]);
}

#[test]
fn batches_need_every_ordering_of_the_headers_and_the_head() {
    fails_without(&Site::HEADERS, RACE, |site| batches(site.records(64)));
}

#[test]
fn a_batch_that_is_published_before_it_is_written_is_caught() {
    fails(RACE, || batches(Bug::PublishBeforeWrite.records(64)));
}

#[test]
fn a_batch_behind_which_the_next_header_is_not_zeroed_is_caught() {
    fails(OTHER_MESSAGE, || batches(Bug::NextHeaderNotZeroed.records(64)));
}

#[test]
fn messages_that_are_sent_one_by_one_are_no_batch() {
    fails(PART, || {
        let (mut producer, mut consumer) = ring(CheckedMemory::of_records(64), 0);
        let pushes = thread::spawn(move || [0, 1].map(|number| push(&mut producer, message(number))));
        pop_batch(&mut consumer, [0, 1]);
        pushes.join().unwrap();
    });
}

/// A batch comes while messages flow.
fn a_flow<M: Memory + Clone + 'static>(memory: M) {
    const POSITION: u64 = 32;
    let (mut producer, mut consumer) = ring(memory, POSITION);
    let pushes = thread::spawn(move || {
        (0..2).for_each(|number| push(&mut producer, message(number)));
        let mut batch = producer.batch();
        batch.push(&[]).unwrap();
        batch.push_value(&message(3)).unwrap();
        batch.commit();
    });
    expect(&mut consumer, 0..2);
    when_there(|| consumer.pop(&mut []));
    reached(if knows_more(&consumer) { "a batch at the tail" } else { "a batch at its header" });
    assert_eq!(consumer.pop_value(), Ok(message(3)), "{PART}");
    pushes.join().unwrap();
    expect_none(&mut consumer);
}

#[test]
fn a_batch_is_seen_whole_at_the_tail() {
    check(|| a_flow(CheckedMemory::of_records(64)));
    assert_reached(&["empty", "a batch at its header", "a batch at the tail"]);
}

#[test]
fn a_batch_in_a_flow_needs_both_orderings_of_the_headers_and_of_the_tail() {
    fails_without(&[Site::HeaderStore, Site::HeaderLoad], RACE, |site| a_flow(site.records(64)));
    fails_without(&[Site::TailStore, Site::TailLoad], NO_HEADER, |site| a_flow(site.records(64)));
}

/// The tail may lie behind what was read by a whole batch: that is not a damaged ring.
fn a_tail_behind<M: Memory + Clone + 'static>(memory: M) {
    const POSITION: u64 = 40;
    let (mut producer, mut consumer) = ring(memory, POSITION);
    let pushes = thread::spawn(move || {
        push_batch(&mut producer, [0, 1]);
        push(&mut producer, message(2));
    });
    pop_batch(&mut consumer, [0, 1]);
    // Both were found at their headers, so messages flow, and the next look is at the tail.
    if consumer.memory().tail().load(Ordering::Relaxed) == POSITION {
        reached("a tail behind what was read");
    }
    expect(&mut consumer, 2..3);
    pushes.join().unwrap();
}

#[test]
fn a_tail_that_lies_behind_a_batch_that_was_read_is_sound() {
    check(|| a_tail_behind(CheckedMemory::of_records(64)));
    assert_reached(&["empty", "a tail behind what was read"]);
}

/// A batch is given up. The next one begins with a claim that is committed in part, and its second record lies across
/// it.
fn an_aborted_batch<M: Memory + Clone + 'static>(memory: M) {
    let (mut producer, mut consumer) = ring(memory, 32);
    let pushes = thread::spawn(move || {
        let mut batch = producer.batch();
        (90..93).for_each(|number| batch.push_value(&message(number)).unwrap());
        batch.abort();
        let mut batch = producer.batch();
        let mut claim = batch.claim(16).unwrap();
        claim.write_value_at(0, &[message(0), message(93)]);
        claim.commit_len(8);
        batch.push_value(&message(1)).unwrap();
        batch.commit();
        push(&mut producer, message(2));
    });
    pop_batch(&mut consumer, [0, 1]);
    expect(&mut consumer, 2..3);
    pushes.join().unwrap();
    expect_none(&mut consumer);
}

#[test]
fn nothing_of_a_batch_that_was_given_up_is_seen() {
    check(|| an_aborted_batch(CheckedMemory::of_records(64)));
    assert_reached(&["empty"]);
}

#[test]
fn a_batch_after_one_that_was_given_up_needs_both_orderings_of_the_headers() {
    fails_without(&[Site::HeaderStore, Site::HeaderLoad], RACE, |site| an_aborted_batch(site.records(64)));
}

#[test]
fn a_batch_that_was_given_up_is_seen_where_the_next_header_is_not_zeroed() {
    fails(RACE, || an_aborted_batch(Bug::NextHeaderNotZeroed.records(64)));
}
