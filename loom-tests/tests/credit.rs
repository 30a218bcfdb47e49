//! What was popped is free at once, whatever the consumer does next: it holds no credit back while it waits for
//! something else.

use loom::thread;
use loom_tests::checked::CheckedMemory;
use loom_tests::message::{self, message};
use loom_tests::model::{NO_PROGRESS, assert_reached, check, fails, pop, push, reached, ring};
use loom_tests::planted::Bug;
use loom_tests::ring::memory::Memory;

/// What a model says where a slot is not free that was popped before.
const WITHHELD: &str = "a slot was held back";

/// A consumer pops, and says so by something else than the ring; the producer finds each slot free.
fn each_pop_frees_a_slot<M: Memory + Clone + 'static>(memory: M) {
    let (mut producer, mut consumer) = ring(memory, 0);
    let slots = producer.capacity();
    (0..slots as u64).for_each(|value| push(&mut producer, value));
    for popped in 1..slots {
        let pops = thread::spawn(move || {
            pop(&mut consumer);
            consumer
        });
        consumer = pops.join().unwrap();
        assert_eq!(producer.free(), Ok(popped), "{WITHHELD}");
    }
}

#[test]
fn a_slot_is_free_when_its_pop_returns() {
    check(|| each_pop_frees_a_slot(CheckedMemory::new(4)));
}

#[test]
fn a_consumer_that_holds_a_slot_back_is_caught() {
    fails(WITHHELD, || each_pop_frees_a_slot(Bug::WithheldRelease.memory(4)));
    fails(WITHHELD, || each_pop_frees_a_slot(Bug::NoRelease.memory(4)));
}

/// A client sends three requests by a ring of two slots, then reads the answers. The server answers the first one
/// twice, by a ring of one slot, before it reads the second.
fn two_rings_and_a_handshake<M: Memory + Clone + 'static>(requests: M, answers: M) {
    let (mut requests, mut server) = ring(requests, 0);
    let (mut answers, mut client) = ring(answers, 0);
    let serves = thread::spawn(move || {
        assert_eq!(pop(&mut server), 0);
        (0..2).for_each(|value| push(&mut answers, value));
        (1..3).for_each(|value| assert_eq!(pop(&mut server), value));
    });
    (0..3).for_each(|value| push(&mut requests, value));
    if requests.free() == Ok(0) {
        reached("the requests are full");
    }
    (0..2).for_each(|value| assert_eq!(pop(&mut client), value));
    serves.join().unwrap();
}

#[test]
fn two_rings_and_a_handshake_do_not_wait_for_each_other() {
    check(|| two_rings_and_a_handshake(CheckedMemory::new(2), CheckedMemory::new(1)));
    assert_reached(&["full", "empty", "the requests are full"]);
}

#[test]
fn a_consumer_that_holds_credit_back_in_a_handshake_is_caught() {
    fails(NO_PROGRESS, || two_rings_and_a_handshake(Bug::WithheldRelease.memory(2), Bug::WithheldRelease.memory(1)));
}

/// The same by two rings of messages, each of which holds one.
fn two_rings_of_messages_and_a_handshake<M: Memory + Clone + 'static>(requests: M, answers: M) {
    let (mut requests, mut server) = message::ring(requests, 0);
    let (mut answers, mut client) = message::ring(answers, 0);
    let serves = thread::spawn(move || {
        message::expect(&mut server, 0..1);
        (0..2).for_each(|number| message::push(&mut answers, message(number)));
        message::expect(&mut server, 1..2);
    });
    (0..2).for_each(|number| message::push(&mut requests, message(number)));
    message::expect(&mut client, 0..2);
    serves.join().unwrap();
}

#[test]
fn two_rings_of_messages_and_a_handshake_do_not_wait_for_each_other() {
    check(|| two_rings_of_messages_and_a_handshake(CheckedMemory::of_records(32), CheckedMemory::of_records(32)));
    assert_reached(&["full", "empty"]);
}

#[test]
fn a_consumer_of_messages_that_holds_credit_back_in_a_handshake_is_caught() {
    fails(NO_PROGRESS, || {
        two_rings_of_messages_and_a_handshake(Bug::WithheldRelease.records(32), Bug::WithheldRelease.records(32));
    });
}
