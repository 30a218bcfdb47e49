//! The edges of a ring between two processes: one slot, full, empty, nothing at all, the longest, and one more.

mod common;

use common::messages::ring_of;
use common::{Child, Part, Ring, wait_for};
use ringmain::stream::{Consumer, Producer};
use ringmain::{PopError, PushError};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("stream_consumer", stream_consumer), ("message_consumer", message_consumer)]);
}

/// Checks an empty ring; then, each time that it is told, pops all that is there, and says how much.
fn stream_consumer(part: &mut Part) {
    let mut rx: Consumer<u64> = part.options().stream_consumer().unwrap();
    let capacity = rx.capacity();
    assert_eq!((rx.pop(), rx.pop_slice(&mut [0; 3])), (Err(PopError::Empty), Err(PopError::Empty)));
    assert_eq!(rx.pop_slice(&mut []), Ok(0));
    assert!(rx.peek(0).unwrap().is_empty() && rx.peek_up_to(0).unwrap().is_empty());
    assert!(matches!(rx.peek(capacity), Err(PopError::Empty | PopError::Short { .. })));
    assert!(matches!(rx.peek(capacity + 1), Err(PopError::TooLong { .. })));
    part.say("empty");
    loop {
        if part.hear() == "end" {
            return;
        }
        let mut values = vec![0; capacity + 1];
        assert_eq!(rx.pop_slice(&mut []), Ok(0));
        assert_eq!(rx.peek(capacity).unwrap().len(), capacity);
        let popped = rx.pop_slice(&mut values).unwrap();
        rx.release();
        assert_eq!(rx.pop(), Err(PopError::Empty));
        part.say(popped);
    }
}

/// Fills a ring in every way, and tries one more.
#[track_caller]
fn check_stream(capacity: usize) {
    let ring = Ring::new();
    let mut tx: Producer<u64> = ring.options().capacity(capacity).stream_producer().unwrap();
    let mut consumer = Child::start("stream_consumer", ring.name(), &[]);
    consumer.says("empty");
    let fills: [fn(&mut Producer<u64>, usize); 4] = [
        |tx, capacity| (0..capacity as u64).for_each(|number| tx.push(number).unwrap()),
        |tx, capacity| assert_eq!(tx.push_slice(&vec![7; capacity + 1]), Ok(capacity)),
        |tx, capacity| tx.claim(capacity).unwrap().commit(),
        |tx, capacity| {
            let claim = tx.claim_up_to(capacity + 1).unwrap();
            assert_eq!(claim.len(), capacity);
            claim.commit();
        },
    ];
    for fill in fills {
        assert_eq!((tx.push_slice(&[]), tx.free()), (Ok(0), Ok(capacity)));
        tx.claim(0).unwrap().commit();
        let too_long = PushError::TooLong { len: capacity + 1, max: capacity };
        assert_eq!(tx.claim(capacity + 1).map(drop), Err(too_long));
        fill(&mut tx, capacity);
        assert_eq!((tx.free(), tx.push(8)), (Ok(0), Err(PushError::Full(8))));
        assert!(matches!((tx.push_slice(&[8]), tx.push_slice(&[])), (Err(PushError::Full(_)), Ok(0))));
        assert!(matches!(tx.claim(1).map(drop), Err(PushError::Full(_))));
        assert!(tx.claim(0).unwrap().is_empty());
        consumer.say("pop");
        consumer.says(capacity);
    }
    consumer.say("end");
    consumer.join();
}

#[test]
fn one_slot_is_filled_and_emptied() {
    check_stream(1);
}

#[test]
fn some_slots_are_filled_and_emptied() {
    check_stream(2);
    check_stream(8);
}

/// Checks an empty ring; then, each time that it is told, pops a message, and says how long it is.
fn message_consumer(part: &mut Part) {
    let mut rx = part.options().message_consumer().unwrap();
    assert_eq!(rx.pop(&mut []), Err(PopError::Empty));
    assert_eq!((rx.is_empty(), rx.drain(9, |_| panic!("there is none"))), (Ok(true), Ok(0)));
    part.say("empty");
    let mut bytes = Vec::new();
    loop {
        if part.hear() == "end" {
            return;
        }
        let len = wait_for("a message", || rx.pop_into(&mut bytes).ok());
        rx.release();
        assert!(bytes.iter().enumerate().all(|(at, &byte)| byte == (at % 251) as u8));
        part.say(len);
    }
}

#[test]
fn messages_from_nothing_to_the_longest_pass_and_one_byte_more_is_refused() {
    for alignment in [8, 16, 32, 64] {
        let ring = ring_of(rustix::param::page_size(), alignment);
        let mut tx = ring.options().message_producer().unwrap();
        let mut consumer = Child::start("message_consumer", ring.name(), &[]);
        consumer.says("empty");
        let max = tx.max_len();
        let bytes: Vec<u8> = (0..=max).map(|at| (at % 251) as u8).collect();
        for len in [0, 1, max, 0, max - 1, max, max] {
            tx.push(&bytes[..len]).unwrap();
            if len == max {
                // It leaves room for nothing, not even for nothing at all.
                assert_eq!((tx.push(&[]), tx.can_push(0)), (Err(PushError::Full(0)), Ok(false)));
            }
            assert_eq!(tx.push(&bytes), Err(PushError::TooLong { len: max + 1, max }));
            assert_eq!(tx.claim(max + 1).map(drop), Err(PushError::TooLong { len: max + 1, max }));
            consumer.say("pop");
            consumer.says(len);
        }
        // Full of messages of no bytes.
        let count = (0..).take_while(|_| tx.push(&[]).is_ok()).count();
        assert_eq!(count, (tx.capacity() - alignment) / alignment.max(if alignment == 8 { 8 } else { 16 }));
        for _ in 0..count {
            consumer.say("pop");
            consumer.says(0);
        }
        consumer.say("end");
        consumer.join();
    }
}
