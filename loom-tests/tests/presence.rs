//! Who sees that a holder came finds its notes; who sees that it left finds its last position.

use loom::thread;
use loom_tests::checked::{CheckedMemory, CheckedWord};
use loom_tests::internals::Internals;
use loom_tests::message;
use loom_tests::model::{
    assert_reached, check, check_unbounded, fails, fails_without, pop, push, reached, ring, until,
};
use loom_tests::ring::error::PopError;
use loom_tests::ring::memory::{Memory, Role, Word};
use loom_tests::ring::presence::{self, Presence};
use loom_tests::ring::stream::Producer;
use loom_tests::weakened::Site;

const GENERATION: u64 = 1;
const ATTACHED: Presence = Presence::Attached { generation: GENERATION };
const LEFT: Presence = Presence::Left { generation: GENERATION };

/// A holder comes, with two notes.
fn a_holder_comes<W: Word + Clone + Default + 'static>(presence: W) {
    let notes = [W::default(), W::default()];
    let (holders_presence, holders_notes) = (presence.clone(), notes.clone());
    let holder = thread::spawn(move || {
        presence::store_attached(&holders_presence, &[(&holders_notes[0], 7), (&holders_notes[1], 8)])
    });
    until(|| match presence::observe(&presence) {
        Presence::Never => {
            reached("nobody came yet");
            None
        }
        found => {
            assert_eq!(found, ATTACHED);
            Some(())
        }
    });
    assert_eq!(notes.each_ref().map(presence::load_note), [7, 8], "stale notes");
    assert_eq!(holder.join().unwrap(), GENERATION);
}

#[test]
fn who_sees_that_a_holder_came_finds_its_notes() {
    check_unbounded(|| a_holder_comes(CheckedWord::default()));
    assert_reached(&["nobody came yet"]);
}

#[test]
fn notes_need_both_orderings_of_the_presence() {
    fails_without(&[Site::Enter, Site::PresenceLoad], "stale notes", |site| a_holder_comes(site.word()));
}

/// A producer pushes its last element and leaves; a consumer that sees it leave drains the ring.
fn a_producer_leaves<M: Memory + Clone + 'static>(memory: M, last_push_and_leave: fn(&mut Producer<u64, M>, u64)) {
    let (mut producer, mut consumer) = ring(memory, 0);
    let holder = thread::spawn(move || {
        let generation = presence::store_attached(producer.memory().presence(Role::Producer), &[]);
        push(&mut producer, 0);
        last_push_and_leave(&mut producer, 1);
        assert_eq!(generation, GENERATION);
    });
    let mut popped = Vec::new();
    until(|| {
        let found = presence::observe(consumer.memory().presence(Role::Producer));
        // The look comes before the draining, so that what is drained after the last look is all there is.
        popped.extend(std::iter::from_fn(|| consumer.pop().ok()));
        (found == LEFT).then_some(())
    });
    assert_eq!(popped, [0, 1], "an element was lost");
    assert_eq!(consumer.pop(), Err(PopError::Empty));
    holder.join().unwrap();
}

fn push_and_leave<M: Memory>(producer: &mut Producer<u64, M>, value: u64) {
    push(producer, value);
    producer.leave(GENERATION);
}

#[test]
fn who_sees_that_the_producer_left_finds_every_element() {
    check(|| a_producer_leaves(CheckedMemory::new(1), push_and_leave));
    check_unbounded(|| a_producer_leaves(CheckedMemory::new(2), push_and_leave));
}

#[test]
fn the_last_element_needs_both_orderings_of_the_presence() {
    fails_without(&[Site::Leave, Site::PresenceLoad], "an element was lost", |site| {
        a_producer_leaves(site.memory(2), push_and_leave)
    });
}

#[test]
fn a_producer_that_leaves_before_its_last_element_is_caught() {
    fails("an element was lost", || {
        a_producer_leaves(CheckedMemory::new(2), |producer, value| {
            producer.leave(GENERATION);
            push(producer, value);
        });
    });
}

/// A consumer reads a part of a ring and leaves; a producer that sees it leave looks for room.
fn a_consumer_leaves<M: Memory + Clone + 'static>(memory: M) {
    let (mut producer, mut consumer) = ring(memory, 0);
    let slots = producer.capacity();
    (0..slots as u64).for_each(|value| push(&mut producer, value));
    assert_eq!((consumer.available(), consumer.is_ready(slots as u64)), (Ok(slots), Ok(true)));
    let holder = thread::spawn(move || {
        let generation = presence::store_attached(consumer.memory().presence(Role::Consumer), &[]);
        assert_eq!([(); 3].map(|()| pop(&mut consumer)), [0, 1, 2]);
        consumer.leave(generation);
    });
    until(|| (presence::observe(producer.memory().presence(Role::Consumer)) == LEFT).then_some(()));
    assert_eq!(producer.free(), Ok(3), "a slot was not given back");
    holder.join().unwrap();
}

#[test]
fn who_sees_that_the_consumer_left_finds_every_slot_that_it_read() {
    check_unbounded(|| a_consumer_leaves(CheckedMemory::new(8)));
}

#[test]
fn the_last_slot_needs_both_orderings_of_the_presence() {
    fails_without(&[Site::Leave, Site::PresenceLoad], "a slot was not given back", |site| {
        a_consumer_leaves(site.memory(8))
    });
}

/// A producer of messages pushes its last one and leaves; a consumer that sees it leave drains the ring.
fn a_producer_of_messages_leaves<M: Memory + Clone + 'static>(memory: M) {
    let (mut producer, mut consumer) = message::ring(memory, 0);
    let holder = thread::spawn(move || {
        let generation = presence::store_attached(producer.memory().presence(Role::Producer), &[]);
        (1..4).for_each(|value| message::push(&mut producer, value));
        producer.leave(generation);
    });
    let mut popped = Vec::new();
    until(|| {
        let found = presence::observe(consumer.memory().presence(Role::Producer));
        // The look comes before the draining, so that what is drained after the last look is all there is.
        popped.extend(std::iter::from_fn(|| consumer.pop_value::<u64>().ok()));
        (found == LEFT).then_some(())
    });
    assert_eq!(popped, [1, 2, 3], "a message was lost");
    message::expect_none(&mut consumer);
    holder.join().unwrap();
}

#[test]
fn who_sees_that_the_producer_left_finds_every_message() {
    check(|| a_producer_of_messages_leaves(CheckedMemory::of_records(32)));
    check(|| a_producer_of_messages_leaves(CheckedMemory::of_records(64)));
}

#[test]
fn the_last_message_needs_both_orderings_of_the_presence() {
    fails_without(&[Site::Leave, Site::PresenceLoad], "a message was lost", |site| {
        a_producer_of_messages_leaves(site.records(64))
    });
}
