//! One process follows another in a role of a message ring: after a kill at any moment, or after a stop.

mod common;

use std::time::{Duration, Instant};

use common::messages::{Messages, Reader, Writer, header, receive, ring_of};
use common::{Child, Journal, Part, Random, Wait, read_word, spin, succeed, wait_for, word};
use ringmain::PeerState;
use ringmain::PopError;
use ringmain::message::Consumer;

/// How many processes a test kills, one after the other.
const KILLS: u64 = 60;

/// How long a process runs at most before it is killed.
const LIFE: Duration = Duration::from_millis(3);

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("producer", producer), ("consumer", consumer)]);
}

/// Pushes messages for ever, beginning at its own tail, and keeps a journal.
fn producer(part: &mut Part) {
    let (longest, seed, journal): (_, _, String) = (part.argument(0), part.argument(1), part.argument(2));
    let journal = Journal::open(&journal);
    let mut tx = succeed(|| part.options().message_producer());
    let start = read_word(part.name(), word::TAIL);
    let messages = Messages::new(tx.record_alignment(), longest);
    let mut writer = Writer::starting_at(start, messages, seed);
    journal.start(start);
    part.say(format!("attached {}", tx.generation()));
    let mut wait = Wait::default();
    loop {
        journal.reach(messages.reach(writer.next()));
        match writer.push_some(&mut tx, u64::MAX) {
            0 => wait.pause("room in the ring"),
            _ => wait = Wait::default(),
        }
        journal.done(writer.next());
    }
}

/// Pops messages for ever, beginning at its own head, and keeps a journal.
fn consumer(part: &mut Part) {
    let (longest, seed, journal): (_, _, String) = (part.argument(0), part.argument(1), part.argument(2));
    let journal = Journal::open(&journal);
    let mut rx = succeed(|| part.options().message_consumer());
    let start = read_word(part.name(), word::HEAD);
    let messages = Messages::new(rx.record_alignment(), longest);
    let mut reader = Reader::starting_at(start, messages, seed);
    journal.start(start);
    part.say(format!("attached {}", rx.generation()));
    let mut wait = Wait::default();
    loop {
        journal.reach(messages.reach(reader.next()));
        match reader.pop_some(&mut rx) {
            0 => wait.pause("messages"),
            _ => wait = Wait::default(),
        }
        journal.done(reader.next());
    }
}

/// Pops until nothing is there.
#[track_caller]
fn drain(rx: &mut Consumer, reader: &mut Reader) {
    while !rx.is_empty().unwrap() {
        reader.pop_some(rx);
    }
    assert_eq!(rx.pop(&mut []), Err(PopError::Empty));
}

/// Returns whether so many processes were killed, and so many bytes went through the ring, that it says something. On a
/// busy machine a process may have been killed before it did anything.
fn is_enough(kills: u64, bytes: u64, longest: usize) -> bool {
    kills >= KILLS && bytes > KILLS * longest as u64
}

#[track_caller]
fn check_killed_producers(capacity: usize, alignment: usize, longest: usize) {
    let (ring, random, journal) = (ring_of(capacity, alignment), Random::new(), Journal::new());
    let messages = Messages::new(alignment, longest);
    let mut rx = ring.options().message_consumer().unwrap();
    let mut reader = Reader::starting_at(0, messages, random.any());
    let mut kills = 0;
    while !is_enough(kills, reader.next(), longest) {
        kills += 1;
        let generation = kills + 1;
        let expected = reader.next();
        let mut producer = Child::start("producer", ring.name(), &[&longest, &random.any(), &journal.path()]);
        producer.says(format_args!("attached {generation}"));
        assert_eq!((rx.peer_state(), rx.peer_generation()), (PeerState::Alive, generation));
        assert_eq!(journal.started(), expected, "where the successor began");
        // Killed at the full ring, or in the flow, as the dice fall.
        let flowing = random.below(4) > 0;
        let (start, life) = (Instant::now(), random.shorter_than(LIFE));
        while start.elapsed() < life {
            if flowing {
                reader.pop_some(&mut rx);
            }
        }
        producer.kill();
        // The stored tail may lack what the last call has made visible; the messages themselves must not.
        let tail = ring.word(word::TAIL);
        journal.judge_tail(tail).unwrap();
        drain(&mut rx, &mut reader);
        journal.judge_tail(reader.next()).unwrap();
        assert!(reader.next() >= tail, "messages from {} to {tail} are lost", reader.next());
        wait_for("the crash to be seen", || (rx.peer_state() == PeerState::Crashed).then_some(()));
    }
}

#[test]
fn a_killed_producer_of_short_messages_is_succeeded_and_nothing_is_lost() {
    check_killed_producers(4096, 8, 24);
}

#[test]
fn a_killed_producer_of_a_small_ring_is_succeeded_and_nothing_is_lost() {
    check_killed_producers(4096, 8, 1000);
}

#[test]
fn a_killed_producer_of_lines_of_their_own_is_succeeded_and_nothing_is_lost() {
    check_killed_producers(65_536, 64, 200);
}

#[test]
fn a_killed_producer_of_a_large_ring_is_succeeded_and_nothing_is_lost() {
    check_killed_producers(1 << 20, 16, 2000);
}

/// Kills one consumer after the other while messages flow, and judges what each leaves behind.
#[track_caller]
fn check_killed_consumers(capacity: usize, longest: usize) {
    let (ring, random, journal) = (ring_of(capacity, 8), Random::new(), Journal::new());
    let messages = Messages::new(8, longest);
    let mut tx = ring.options().message_producer().unwrap();
    let mut writer = Writer::starting_at(0, messages, random.any());
    let mut generation = 0;
    while !is_enough(generation, ring.word(word::HEAD), longest) {
        generation += 1;
        let head = ring.word(word::HEAD);
        let mut consumer = Child::start("consumer", ring.name(), &[&longest, &random.any(), &journal.path()]);
        consumer.says(format_args!("attached {generation}"));
        assert_eq!(journal.started(), head, "where the successor began");
        assert_eq!((tx.peer_state(), tx.peer_generation()), (PeerState::Alive, generation));
        let (start, life) = (Instant::now(), random.shorter_than(LIFE));
        while start.elapsed() < life {
            writer.push_some(&mut tx, u64::MAX);
        }
        consumer.kill();
        journal.judge_head(ring.word(word::HEAD)).unwrap();
        wait_for("the crash to be seen", || (tx.peer_state() == PeerState::Crashed).then_some(()));
    }
    let mut rx = ring.options().message_consumer().unwrap();
    let head = ring.word(word::HEAD);
    receive(&mut rx, messages, head, messages.count(head, writer.next()), random.any());
    assert_eq!(rx.is_empty(), Ok(true));
}

#[test]
fn nothing_that_a_killed_consumer_received_comes_again() {
    check_killed_consumers(65_536, 200);
}

#[test]
fn nothing_that_a_killed_consumer_of_a_small_ring_received_comes_again() {
    check_killed_consumers(4096, 500);
}

#[test]
fn both_sides_killed_are_succeeded_in_either_order() {
    const CAPACITY: usize = 16_384;
    const LONGEST: usize = 300;
    let (ring, random) = (ring_of(CAPACITY, 8), Random::new());
    let (produced, consumed) = (Journal::new(), Journal::new());
    let messages = Messages::new(8, LONGEST);
    let mut generation = 0;
    while !is_enough(generation, ring.word(word::HEAD), LONGEST) {
        generation += 1;
        let head = ring.word(word::HEAD);
        let start = |part| {
            let journal = if part == "producer" { &produced } else { &consumed };
            let mut child = Child::start(part, ring.name(), &[&LONGEST, &random.any(), &journal.path()]);
            // The producer that made the ring was the first one.
            child.says(format_args!("attached {}", generation + u64::from(part == "producer")));
            child
        };
        let mut order = ["producer", "consumer"];
        if random.below(2) == 0 {
            order.reverse();
        }
        let mut doomed = order.map(start);
        assert_eq!(consumed.started(), head, "where the successor began");
        spin(random.shorter_than(LIFE));
        if random.below(2) == 0 {
            doomed.reverse();
        }
        doomed.iter_mut().for_each(Child::kill);
        produced.judge_tail(ring.word(word::TAIL)).unwrap();
        consumed.judge_head(ring.word(word::HEAD)).unwrap();
    }
    // The next producer finds what the last one has not said in its tail.
    let tx = succeed(|| ring.options().message_producer());
    let (head, tail) = (ring.word(word::HEAD), ring.word(word::TAIL));
    produced.judge_tail(tail).unwrap();
    let mut rx = succeed(|| ring.options().message_consumer());
    assert_eq!((rx.generation(), tx.generation()), (generation + 1, generation + 2));
    receive(&mut rx, messages, head, messages.count(head, tail), random.any());
    assert_eq!(rx.is_empty(), Ok(true));
}

#[test]
fn a_stopped_producer_goes_on_where_it_stood() {
    let (ring, random, journal) = (ring_of(65_536, 8), Random::new(), Journal::new());
    let messages = Messages::new(8, 300);
    let mut rx = ring.options().message_consumer().unwrap();
    let mut producer = Child::start("producer", ring.name(), &[&300, &random.any(), &journal.path()]);
    producer.says("attached 2");
    let mut reader = Reader::starting_at(0, messages, random.any());
    for _ in 0..20 {
        wait_for("messages", || (reader.pop_some(&mut rx) > 0).then_some(()));
        producer.stop();
        drain(&mut rx, &mut reader);
        assert_eq!(rx.peer_state(), PeerState::Alive);
        producer.go_on();
    }
}

/// What the judges rest on can fail: each of these would be seen.
mod planted {
    use super::*;

    /// The verdict on a consumer that popped ten messages and left its head behind so many of them.
    fn verdict(popped: u64) -> Result<(), String> {
        let (journal, messages) = (Journal::new(), Messages::new(8, 24));
        journal.start(0);
        journal.done(messages.skip(0, 10));
        journal.reach(messages.reach(journal.finished()));
        journal.judge_head(messages.skip(0, popped))
    }

    #[test]
    fn a_head_behind_what_was_popped_or_in_the_next_call_is_accepted() {
        assert_eq!([verdict(10), verdict(11)], [Ok(()), Ok(())]);
    }

    #[test]
    fn a_message_that_comes_again_is_seen() {
        assert!(verdict(9).unwrap_err().contains("come again"));
    }

    #[test]
    #[should_panic(expected = "came, expected")]
    fn a_killed_producer_that_published_before_it_wrote_is_seen() {
        let (ring, random, journal) = (ring_of(4096, 8), Random::new(), Journal::new());
        let messages = Messages::new(8, 100);
        let mut rx = ring.options().message_consumer().unwrap();
        let mut producer = Child::start("producer", ring.name(), &[&100, &random.any(), &journal.path()]);
        producer.says("attached 2");
        let mut reader = Reader::starting_at(0, messages, random.any());
        wait_for("messages", || {
            (reader.next() > 4096).then_some(reader.pop_some(&mut rx)).or_else(|| {
                reader.pop_some(&mut rx);
                None
            })
        });
        producer.kill();
        drain(&mut rx, &mut reader);
        // As if it had been killed between the header of one message more and the message itself: the space holds an
        // older one, whatever the call in flight has written there.
        let at = word::DATA + reader.next() % 4096;
        ring.set_word(at + 8, 7);
        ring.set_word(at, header(messages.at(reader.next()).len().max(8) as u64));
        drain(&mut rx, &mut reader);
    }
}
