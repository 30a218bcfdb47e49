//! What a process leaves behind that is killed at a known point: in an open claim or batch, between a header and its
//! tail, between a pop and the publication of its head.

mod common;

use std::io::Write;

use common::messages::{Messages, receive, ring_of, send, size};
use common::{Child, Part, Random, Ring, read_word, succeed, word};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("popper", popper), ("holder", holder)]);
}

/// Pops `count` messages one by one, and stays.
fn popper(part: &mut Part) {
    let count: u64 = part.argument(0);
    let mut rx = part.options().message_consumer().unwrap();
    (0..count).for_each(|_| assert_ne!(rx.pop_into(&mut Vec::new()).unwrap(), 0));
    part.say("popped");
    part.hear();
}

/// Pushes some messages, and stays in the middle of what the argument says.
fn holder(part: &mut Part) {
    let mut tx = part.options().message_producer().unwrap();
    let messages = Messages::new(tx.record_alignment(), HELD);
    let end = send(&mut tx, messages, read_word(part.name(), word::TAIL), 5, Random::new().any());
    match part.argument::<String>(0).as_str() {
        "claim" => {
            let mut claim = tx.claim(HELD).unwrap();
            claim.write_all(&[0xff; HELD / 2]).unwrap();
            stay(part, end);
        }
        "trusted_claim" => {
            // SAFETY: the processes of a test that look at this ring use its handles alone.
            let mut view = unsafe { tx.trust_peer() };
            view.claim(HELD).unwrap().fill(0xff);
            stay(part, end);
        }
        "batch" => {
            let mut batch = tx.batch();
            (0..5).for_each(|_| batch.push(&[0xff; HELD / 5]).unwrap());
            stay(part, end);
        }
        _ => {
            let mut batch = tx.batch();
            (0..3).for_each(|_| batch.push(&[0xff; 16]).unwrap());
            batch.claim(HELD).unwrap().write_all(&[0xff; HELD / 2]).unwrap();
            batch.claim(HELD).unwrap().commit_len(HELD);
            let mut claim = batch.claim(HELD).unwrap();
            claim.write_at(HELD - 1, &[0xff]);
            stay(part, end);
        }
    }
}

/// The length of what a holder has not committed.
const HELD: usize = 300;

fn stay(part: &mut Part, end: u64) {
    part.say(end);
    part.hear();
}

/// Lets a process pop `count` of the `len` bytes long messages of a ring that was full, and kills it; returns how many
/// messages the next one skips.
#[track_caller]
fn skipped_after(capacity: usize, len: usize, count: u64) -> u64 {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(capacity).message_producer().unwrap();
    let mut pushed = 0_u64;
    while tx.can_push(len).unwrap() {
        tx.push(&[&pushed.to_ne_bytes()[..], &vec![7; len - 8]].concat()).unwrap();
        pushed += 1;
    }
    assert!(pushed > count);
    let mut popper = Child::start("popper", ring.name(), &[&count]);
    popper.says("popped");
    popper.kill();
    let mut rx = succeed(|| ring.options().message_consumer());
    assert_eq!(rx.generation(), 2);
    rx.peek().unwrap().value(0).unwrap()
}

#[test]
fn the_successor_of_a_killed_consumer_begins_behind_what_was_popped() {
    for popped in [1, 63, 64, 127, 500] {
        assert_eq!(skipped_after(65_536, 100, popped), popped);
    }
    for popped in [1, 3, 4, 13] {
        assert_eq!(skipped_after(4096, 248, popped), popped);
    }
    for popped in [1, 2] {
        assert_eq!(skipped_after(4096, 1024, popped), popped);
    }
}

/// Kills producers in the middle of something again and again: what was not committed is never seen.
#[track_caller]
fn check_killed_within(what: &str, alignment: usize) {
    let (ring, random) = (ring_of(4096, alignment), Random::new());
    let messages = Messages::new(alignment, HELD);
    let mut rx = ring.options().message_consumer().unwrap();
    let mut position = 0;
    for _ in 0..8 {
        let mut holder = Child::start("holder", ring.name(), &[&what]);
        let end: u64 = holder.hear().parse().unwrap();
        // Alive or dead, it has pushed five.
        if random.below(2) == 0 {
            position = receive(&mut rx, messages, position, 5, random.any());
            assert_eq!((rx.is_empty(), position), (Ok(true), end));
        }
        holder.kill();
        if position != end {
            position = receive(&mut rx, messages, position, 5, random.any());
        }
        assert_eq!((rx.is_empty(), position), (Ok(true), end));
        assert_eq!(ring.word(word::TAIL), end);
        // The successor's messages lie across what was not committed.
        let mut tx = succeed(|| ring.options().message_producer());
        let end = send(&mut tx, messages, position, random.below(4), random.any());
        position = receive(&mut rx, messages, position, messages.count(position, end), random.any());
        assert_eq!((rx.is_empty(), position), (Ok(true), end));
    }
}

#[test]
fn a_producer_killed_inside_a_claim_has_pushed_nothing_of_it() {
    for alignment in [8, 64] {
        check_killed_within("claim", alignment);
        check_killed_within("trusted_claim", alignment);
    }
}

#[test]
fn a_producer_killed_inside_a_batch_has_pushed_nothing_of_it() {
    for alignment in [8, 64] {
        check_killed_within("batch", alignment);
        check_killed_within("claim_in_a_batch", alignment);
    }
}

/// Pushes `at_once` messages at once, and takes the tail back to where it stood, as if the producer had
/// been killed between the header and its tail; returns the ring, and where the messages begin and end.
#[track_caller]
fn ring_without_its_tail(alignment: usize, messages: Messages, before: u64, at_once: u64) -> (Ring, u64, u64) {
    let ring = ring_of(4096, alignment);
    let mut tx = ring.options().message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    let random = Random::new();
    let start = (0..before).fold(0, |start, _| {
        let end = send(&mut tx, messages, start, 1, random.any());
        receive(&mut rx, messages, start, 1, random.any());
        end
    });
    let mut batch = tx.batch();
    let end = (0..at_once).fold(start, |position, _| {
        batch.push(messages.at(position)).unwrap();
        messages.after(position)
    });
    batch.commit();
    drop((tx, rx));
    assert_eq!((ring.word(word::HEAD), ring.word(word::TAIL)), (start, end));
    ring.set_word(word::TAIL, start);
    (ring, start, end)
}

#[test]
fn a_successor_finds_the_messages_that_its_predecessor_did_not_say_in_the_tail() {
    for alignment in [8, 16, 32, 64] {
        for (before, at_once) in [(0, 1), (0, 7), (1000, 1), (1001, 7)] {
            let messages = Messages::new(alignment, 300);
            let (ring, start, end) = ring_without_its_tail(alignment, messages, before, at_once);
            // A consumer that comes first finds them by their headers.
            let mut rx = ring.options().message_consumer().unwrap();
            assert_eq!(receive(&mut rx, messages, start, at_once / 2, 7), messages.skip(start, at_once / 2));
            rx.close().unwrap();
            let mut tx = ring.options().message_producer().unwrap();
            assert_eq!(ring.word(word::TAIL), end);
            let end = send(&mut tx, messages, end, 1, 7);
            let mut rx = ring.options().message_consumer().unwrap();
            let head = ring.word(word::HEAD);
            receive(&mut rx, messages, head, messages.count(head, end), 7);
            assert_eq!(rx.is_empty(), Ok(true));
        }
    }
}

#[test]
fn a_successor_goes_on_where_all_was_read_that_the_tail_did_not_say() {
    let messages = Messages::new(8, 300);
    let (ring, start, end) = ring_without_its_tail(8, messages, 100, 5);
    let mut rx = ring.options().message_consumer().unwrap();
    receive(&mut rx, messages, start, 5, 7);
    rx.release();
    assert_eq!((rx.is_empty(), ring.word(word::HEAD), ring.word(word::TAIL)), (Ok(true), end, start));
    let mut tx = ring.options().message_producer().unwrap();
    assert_eq!(ring.word(word::TAIL), end);
    send(&mut tx, messages, end, 5, 7);
    receive(&mut rx, messages, end, 5, 7);
    assert_eq!(rx.is_empty(), Ok(true));
}

#[test]
fn a_successor_finds_a_batch_that_fills_the_ring() {
    for alignment in [8, 64] {
        let ring = ring_of(4096, alignment);
        let mut tx = ring.options().message_producer().unwrap();
        let mut batch = tx.batch();
        while batch.push(&[7; 40]).is_ok() {}
        let (count, end) = (batch.len(), batch.len() as u64 * size(alignment as u64, 40));
        batch.commit();
        assert!(4096 - alignment as u64 - end < size(alignment as u64, 40));
        drop(tx);
        ring.set_word(word::TAIL, 0);
        let mut tx = ring.options().message_producer().unwrap();
        assert_eq!((ring.word(word::TAIL), tx.can_push(40)), (end, Ok(false)));
        let mut rx = ring.options().message_consumer().unwrap();
        assert_eq!(rx.drain(usize::MAX, |record| assert_eq!(record.to_vec(), [7; 40])), Ok(count));
    }
}
