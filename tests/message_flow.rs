//! Messages flow from one process to another: every one once and in order, whatever the capacity, the alignment and the
//! call, and across the end of the buffer and of the positions.

mod common;

use std::fmt::Display;
use std::io::IoSlice;

use common::messages::{Messages, Reader, header, mixed, receive, send};
use common::{Child, Numbered, Order, Part, Random, Ring, Tick, Wait, play, turn, wait_for, word};
use ringmain::PeerState;
use ringmain::message::{Consumer, Producer};
use ringmain::{PopError, PushError};

/// How many messages flow. Without optimisation, making and checking a message takes ten times as long, and shows
/// nothing else: then there are fewer, so that the file ends within a minute.
const LONG: u64 = if cfg!(debug_assertions) { 1_000_000 } else { 10_000_000 };

/// The longest message of a long flow.
const LONGEST: usize = 2000;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    play(&[
        ("producer", producer),
        ("number_producer", values::<u64>),
        ("tick_producer", values::<Tick>),
        ("batcher", batcher),
    ]);
}

/// Pushes `count` messages of up to `longest` bytes from `position` on, and leaves.
fn producer(part: &mut Part) {
    let (longest, position, count, seed) = (part.argument(0), part.argument(1), part.argument(2), part.argument(3));
    let mut tx = part.options().message_producer().unwrap();
    let messages = Messages::new(tx.record_alignment(), longest);
    part.say("attached");
    send(&mut tx, messages, position, count, seed);
    tx.close().unwrap();
}

/// Pushes `count` values, and leaves.
fn values<T: Numbered>(part: &mut Part) {
    let mut tx = part.options().message_producer().unwrap();
    for number in 0..part.argument(0) {
        push(&mut tx, |tx| tx.push_value(&T::at(number)));
    }
    tx.close().unwrap();
}

/// Pushes `count` batches, each made of its number, and leaves. Now and then, one is begun, given up, and begun again.
fn batcher(part: &mut Part) {
    let mut tx = part.options().message_producer().unwrap();
    let filler = [0xbb; LONGEST_FILLER];
    for number in 0..part.argument(0) {
        push(&mut tx, |tx| {
            let mut batch = tx.batch();
            for at in 0..batch_len(number) {
                let word = in_batch(number, at);
                let filler = &filler[..filler_len(number, at)];
                batch.push_vectored(&[IoSlice::new(&word.to_ne_bytes()), IoSlice::new(filler)])?;
            }
            batch.commit();
            Ok(())
        });
    }
    tx.close().unwrap();
}

/// Pushes, waiting for room.
#[track_caller]
fn push(tx: &mut Producer, mut push: impl FnMut(&mut Producer) -> Result<(), PushError>) {
    wait_for("room in the ring", || match push(tx) {
        Ok(()) => Some(()),
        Err(PushError::Full(_)) => None,
        Err(error) => panic!("{error:?}"),
    });
}

/// The longest batch, and the longest of its messages behind the word, so that the smallest ring has room for it.
const LONGEST_BATCH: u64 = 8;
const LONGEST_FILLER: usize = 400;

fn batch_len(number: u64) -> u64 {
    1 + mixed(number) % LONGEST_BATCH
}

/// What the message at a place of a batch begins with.
fn in_batch(number: u64, at: u64) -> u64 {
    number * LONGEST_BATCH + at
}

fn filler_len(number: u64, at: u64) -> usize {
    (mixed(in_batch(number, at)) % LONGEST_FILLER as u64) as usize
}

/// Checks that the producer left, and that there is nothing more.
#[track_caller]
fn check_end(ring: &Ring, rx: &mut Consumer, end: u64) {
    wait_for("the producer to leave", || (rx.peer_state() == PeerState::Closed).then_some(()));
    assert_eq!((rx.is_empty(), rx.pop(&mut [])), (Ok(true), Err(PopError::Empty)));
    rx.release();
    assert_eq!((ring.word(word::TAIL), ring.word(word::HEAD)), (end, end));
}

/// Starts a child that produces for this ring, and attaches to it, when it is this process's turn.
#[track_caller]
fn start(capacity: usize, alignment: usize, part: &str, arguments: &[&dyn Display]) -> (Ring, Consumer, Child) {
    let ring = Ring::new();
    let rx = ring.options().capacity(capacity).record_alignment(alignment).message_consumer().unwrap();
    let producer = Child::start(part, ring.name(), arguments);
    (ring, rx, producer)
}

/// Lets `count` messages of up to `longest` bytes flow from another process to this one.
#[track_caller]
fn check_flow(capacity: usize, alignment: usize, longest: usize, count: u64) {
    let _turn = turn();
    println!("{count} messages");
    let random = Random::new();
    let (ring, mut rx, producer) = start(capacity, alignment, "producer", &[&longest, &0, &count, &random.any()]);
    assert!(longest <= rx.max_len());
    let end = receive(&mut rx, Messages::new(alignment, longest), 0, count, random.any());
    producer.join();
    check_end(&ring, &mut rx, end);
}

#[test]
fn a_ring_of_a_page_carries_every_message_once_and_in_order() {
    check_flow(4096, 8, LONGEST, LONG);
}

#[test]
fn a_ring_of_some_pages_carries_every_message_once_and_in_order() {
    check_flow(65_536, 16, LONGEST, LONG / 5);
}

#[test]
fn a_large_ring_carries_every_message_once_and_in_order() {
    check_flow(1 << 20, 64, LONGEST, LONG / 5);
}

#[test]
fn every_capacity_works_at_every_alignment() {
    for capacity in [4096, 65_536, 1 << 20] {
        for alignment in [8, 16, 32, 64] {
            check_flow(capacity, alignment, LONGEST, LONG / 50);
        }
    }
}

#[test]
fn messages_up_to_the_longest_that_fits_flow_through_the_smallest_ring() {
    for (alignment, longest) in [(8, 4096 - 16), (16, 4096 - 32), (32, 4096 - 48), (64, 4096 - 80)] {
        check_flow(4096, alignment, longest, LONG / 50);
    }
}

#[test]
fn messages_of_a_few_bytes_flow_at_every_alignment() {
    for alignment in [8, 16, 64] {
        check_flow(4096, alignment, 24, LONG / 5);
    }
}

#[track_caller]
fn check_values<T: Numbered>(part: &str, alignment: usize) {
    let _turn = turn();
    let count = LONG / 5;
    let (ring, mut rx, producer) = start(65_536, alignment, part, &[&count]);
    let (mut order, mut wait) = (Order::<T>::starting_at(0), Wait::default());
    while order.next() < count {
        match rx.pop_value() {
            Ok(value) => {
                order.check(value);
                wait = Wait::default();
            }
            Err(PopError::Empty) => wait.pause("values"),
            Err(error) => panic!("{error:?}"),
        }
    }
    producer.join();
    check_end(&ring, &mut rx, count * common::messages::size(alignment as u64, size_of::<T>() as u64));
}

#[test]
fn values_of_a_word_flow_once_and_in_order() {
    check_values::<u64>("number_producer", 8);
    check_values::<u64>("number_producer", 64);
}

#[test]
fn a_value_of_many_words_is_never_torn() {
    check_values::<Tick>("tick_producer", 8);
    check_values::<Tick>("tick_producer", 64);
}

/// Pops the batch of this number: once its first message is there, all are.
#[track_caller]
fn pop_batch(rx: &mut Consumer, number: u64, message: &mut Vec<u8>) {
    wait_for("a batch", || (!rx.is_empty().unwrap()).then_some(()));
    for at in 0..batch_len(number) {
        match rx.pop_into(message) {
            Ok(len) => assert_eq!(len, 8 + filler_len(number, at), "message {at} of batch {number}"),
            Err(error) => panic!("message {at} of batch {number}: {error:?}"),
        }
        let (word, filler) = message.split_first_chunk().unwrap();
        assert_eq!(u64::from_ne_bytes(*word), in_batch(number, at));
        assert!(filler.iter().all(|&byte| byte == 0xbb), "message {at} of batch {number} is torn");
    }
}

#[test]
fn batches_arrive_whole() {
    let _turn = turn();
    for (capacity, alignment) in [(4096, 8), (65_536, 8), (65_536, 64)] {
        let count = LONG / 50;
        let (_ring, mut rx, producer) = start(capacity, alignment, "batcher", &[&count]);
        let mut message = Vec::new();
        (0..count).for_each(|number| pop_batch(&mut rx, number, &mut message));
        producer.join();
        assert_eq!(rx.is_empty(), Ok(true));
    }
}

#[test]
fn positions_pass_the_end_of_their_range() {
    for (alignment, before) in [(8, 8), (8, 4096), (16, 800), (64, 64), (64, 6400)] {
        let (ring, random) = (Ring::new(), Random::new());
        drop(ring.options().capacity(4096).record_alignment(alignment).message_producer().unwrap());
        let start = 0_u64.wrapping_sub(before);
        for position in [word::TAIL, word::HEAD] {
            ring.set_word(position, start);
        }
        let producer = Child::start("producer", ring.name(), &[&500, &start, &10_000, &random.any()]);
        let mut rx = ring.options().message_consumer().unwrap();
        let end = receive(&mut rx, Messages::new(alignment, 500), start, 10_000, random.any());
        producer.join();
        check_end(&ring, &mut rx, end);
        assert!(end < start);
    }
}

/// What the flows rest on can fail: each of these would be seen.
mod planted {
    use super::*;

    /// A ring of some messages, and a reader of it.
    fn ring_of_messages() -> (Ring, Producer, Consumer, Reader) {
        let (ring, random, messages) = (Ring::new(), Random::new(), Messages::new(8, 100));
        let mut tx = ring.options().capacity(4096).message_producer().unwrap();
        let rx = ring.options().message_consumer().unwrap();
        send(&mut tx, messages, 0, 10, random.any());
        (ring, tx, rx, Reader::starting_at(0, messages, random.any()))
    }

    fn read_all(mut rx: Consumer, mut reader: Reader) {
        while !rx.is_empty().unwrap() {
            reader.pop_some(&mut rx);
        }
    }

    #[test]
    fn the_right_messages_are_accepted() {
        let (_ring, _tx, rx, reader) = ring_of_messages();
        read_all(rx, reader);
    }

    #[test]
    #[should_panic(expected = "came, expected")]
    fn a_lost_message_is_seen() {
        let (_ring, _tx, mut rx, reader) = ring_of_messages();
        rx.peek().unwrap().release();
        read_all(rx, reader);
    }

    #[test]
    #[should_panic(expected = "came, expected")]
    fn a_torn_message_is_seen() {
        let (ring, _tx, rx, reader) = ring_of_messages();
        let messages = Messages::new(8, 100);
        // The last whole word of the first message that has one.
        let (mut position, mut len) = (0, messages.at(0).len() as u64);
        while len < 8 {
            position = messages.after(position);
            len = messages.at(position).len() as u64;
        }
        let at = word::DATA + position + 8 + len / 8 * 8 - 8;
        ring.set_word(at, !ring.word(at));
        read_all(rx, reader);
    }

    #[test]
    #[should_panic(expected = "came, expected")]
    fn a_header_that_is_published_before_its_payload_is_seen() {
        let ring = Ring::new();
        drop(ring.options().capacity(4096).message_consumer().unwrap());
        let messages = Messages::new(8, 100);
        let position = (0..).step_by(8).find(|&position| messages.at(position).len() == 100).unwrap();
        ring.set_word(word::TAIL, position);
        ring.set_word(word::HEAD, position);
        let mut rx = ring.options().message_consumer().unwrap();
        ring.set_word(word::DATA + position % 4096, header(100));
        Reader::starting_at(position, messages, Random::new().any()).pop_some(&mut rx);
    }

    #[test]
    #[should_panic(expected = "message 1 of batch")]
    fn a_batch_that_comes_in_parts_is_seen() {
        let ring = Ring::new();
        let mut tx = ring.options().capacity(4096).message_producer().unwrap();
        let mut rx = ring.options().message_consumer().unwrap();
        let number = (0..).find(|&number| batch_len(number) > 1).unwrap();
        let first = [&in_batch(number, 0).to_ne_bytes()[..], &[0xbb; LONGEST_FILLER][..filler_len(number, 0)]];
        tx.push(&first.concat()).unwrap();
        pop_batch(&mut rx, number, &mut Vec::new());
    }
}
