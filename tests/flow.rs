//! Elements flow from one process to another: every one once and in order, whatever the capacity, whoever comes first,
//! and across the wrap of the positions.

mod common;

use std::thread;
use std::time::Duration;

use common::{
    Child, Numbered, Order, PATIENCE, Part, Random, Reader, Ring, Tick, play, receive, refuses, send, turn, wait_for,
    word,
};
use ringmain::PopError;
use ringmain::stream::Consumer;
use ringmain::{Error, PeerState};

/// How many elements flow. Without optimisation a call takes ten times as long, and shows nothing else.
const LONG: u64 = if cfg!(debug_assertions) { 1_000_000 } else { 10_000_000 };

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    play(&[
        ("producer", producer::<u64>),
        ("tick_producer", producer::<Tick>),
        ("consumer", consumer),
        ("waiting_consumer", waiting_consumer),
    ]);
}

/// Pushes `count` elements from `position` on, and leaves.
fn producer<T: Numbered>(part: &mut Part) {
    let (capacity, position, count, seed): (String, _, _, _) =
        (part.argument(0), part.argument(1), part.argument(2), part.argument(3));
    let options = match capacity.parse() {
        Ok(capacity) => part.options().capacity(capacity),
        Err(_) => part.options(),
    };
    let mut tx = options.stream_producer::<T>().unwrap();
    part.say("attached");
    send(&mut tx, position, count, seed);
    tx.close().unwrap();
}

/// Creates the ring, pops `count` elements, and leaves.
fn consumer(part: &mut Part) {
    let (capacity, count, seed) = (part.argument(0), part.argument(1), part.argument(2));
    let mut rx = part.options().capacity(capacity).stream_consumer::<u64>().unwrap();
    part.say("attached");
    receive(&mut rx, 0, count, seed);
    part.say("received");
}

/// Waits for the ring that another process creates, pops `count` elements, and leaves.
fn waiting_consumer(part: &mut Part) {
    let (count, seed) = (part.argument(0), part.argument(1));
    refuses!(part.options().stream_consumer::<u64>(), Error::NotFound { .. });
    part.say("waiting");
    let mut rx = part.options().wait_for(PATIENCE).stream_consumer::<u64>().unwrap();
    receive(&mut rx, 0, count, seed);
    part.say("received");
}

/// Checks that the producer left, and that there is nothing more.
#[track_caller]
fn check_end<T: Numbered>(rx: &mut Consumer<T>) {
    wait_for("the producer to leave", || (rx.peer_state() == PeerState::Closed).then_some(()));
    assert_eq!(rx.available(), Ok(0));
    assert_eq!(rx.pop(), Err(PopError::Empty));
}

/// Lets `count` elements flow from a process of the given part to this one.
#[track_caller]
fn check_flow<T: Numbered>(part: &str, capacity: usize, count: u64) {
    let _turn = turn();
    let (ring, random) = (Ring::new(), Random::new());
    let mut rx = ring.options().capacity(capacity).stream_consumer::<T>().unwrap();
    let producer = Child::start(part, ring.name(), &[&capacity, &0, &count, &random.any()]);
    receive(&mut rx, 0, count, random.any());
    producer.join();
    check_end(&mut rx);
    assert_eq!((ring.word(word::TAIL), ring.word(word::HEAD)), (count, count));
}

#[test]
fn one_slot_carries_every_element_once_and_in_order() {
    check_flow::<u64>("producer", 1, LONG / 5);
}

#[test]
fn two_slots_carry_every_element_once_and_in_order() {
    check_flow::<u64>("producer", 2, LONG / 5);
}

#[test]
fn a_small_ring_carries_every_element_once_and_in_order() {
    check_flow::<u64>("producer", 64, LONG);
}

#[test]
fn a_large_ring_carries_every_element_once_and_in_order() {
    check_flow::<u64>("producer", 65_536, LONG);
}

#[test]
fn a_struct_of_many_words_is_never_torn() {
    check_flow::<Tick>("tick_producer", 64, LONG / 10);
}

#[test]
fn a_producer_that_comes_first_creates_the_ring() {
    let (ring, random) = (Ring::new(), Random::new());
    let mut producer = Child::start("producer", ring.name(), &[&16, &0, &1000, &random.any()]);
    producer.says("attached");
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    assert_eq!(rx.capacity(), 16);
    receive(&mut rx, 0, 1000, random.any());
    producer.join();
    check_end(&mut rx);
}

#[test]
fn a_consumer_that_comes_first_creates_the_ring() {
    let (ring, random) = (Ring::new(), Random::new());
    let mut consumer = Child::start("consumer", ring.name(), &[&16, &1000, &random.any()]);
    consumer.says("attached");
    let mut tx = ring.options().stream_producer::<u64>().unwrap();
    assert_eq!(tx.capacity(), 16);
    send(&mut tx, 0, 1000, random.any());
    consumer.says("received");
    consumer.join();
    assert_eq!(tx.peer_state(), PeerState::Closed);
}

#[test]
fn a_consumer_without_a_capacity_waits_for_the_ring() {
    let (ring, random) = (Ring::new(), Random::new());
    let mut consumer = Child::start("waiting_consumer", ring.name(), &[&1000, &random.any()]);
    consumer.says("waiting");
    // The consumer gets a chance to look in vain; it must do without it too.
    thread::sleep(Duration::from_millis(20));
    let mut tx = ring.options().capacity(16).stream_producer::<u64>().unwrap();
    send(&mut tx, 0, 1000, random.any());
    consumer.says("received");
    consumer.join();
}

#[test]
fn what_a_producer_left_behind_is_there_for_a_consumer_that_comes_later() {
    let (ring, random) = (Ring::new(), Random::new());
    let mut producer = Child::start("producer", ring.name(), &[&16, &0, &16, &random.any()]);
    producer.says("attached");
    producer.join();
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    assert_eq!(rx.peer_state(), PeerState::Closed);
    assert_eq!(rx.available(), Ok(16));
    receive(&mut rx, 0, 16, random.any());
    check_end(&mut rx);
}

#[test]
fn positions_pass_the_end_of_their_range() {
    for (capacity, before) in [(1, 1), (1, 700), (2, 3), (8, 5), (64, 1000), (1024, 1024)] {
        let (ring, random) = (Ring::new(), Random::new());
        drop(ring.options().capacity(capacity).stream_producer::<u64>().unwrap());
        let start = before_the_end(before);
        for position in [word::TAIL, word::HEAD] {
            ring.set_word(position, start);
        }
        let count = before + 10_000;
        let producer = Child::start("producer", ring.name(), &[&"-", &start, &count, &random.any()]);
        let mut rx = ring.options().stream_consumer::<u64>().unwrap();
        receive(&mut rx, start, count, random.any());
        producer.join();
        check_end(&mut rx);
        rx.close().unwrap();
        assert_eq!((ring.word(word::TAIL), ring.word(word::HEAD)), (10_000, 10_000));
    }
}

#[test]
fn a_full_ring_passes_the_end_of_the_positions() {
    let ring = Ring::new();
    let start = before_the_end(3);
    drop(ring.options().capacity(8).stream_producer::<u64>().unwrap());
    ring.set_word(word::TAIL, start);
    ring.set_word(word::HEAD, start);
    let mut tx = ring.options().stream_producer::<u64>().unwrap();
    assert_eq!(tx.push_slice(&[7; 9]), Ok(8));
    assert_eq!(tx.free(), Ok(0));
    tx.close().unwrap();
    assert_eq!(ring.word(word::TAIL), 5);
    let tx = ring.options().stream_producer::<u64>().unwrap();
    assert_eq!(tx.free(), Ok(0));
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    assert_eq!(rx.available(), Ok(8));
    assert_eq!(rx.pop_slice(&mut [0; 9]), Ok(8));
    assert_eq!(tx.free(), Ok(8));
}

/// Returns the position from which `count` more reach 2^64.
fn before_the_end(count: u64) -> u64 {
    0_u64.wrapping_sub(count)
}

/// What the flows rest on can fail: each of these would be seen.
mod planted {
    use super::*;

    fn check_order(positions: &[u64]) {
        let mut order = Order::<Tick>::starting_at(0);
        positions.iter().for_each(|&position| order.check(Tick::at(position)));
    }

    #[test]
    fn the_right_order_is_accepted() {
        check_order(&[0, 1, 2]);
    }

    #[test]
    #[should_panic(expected = "came, expected")]
    fn a_lost_element_is_seen() {
        check_order(&[0, 2]);
    }

    #[test]
    #[should_panic(expected = "came, expected")]
    fn a_repeated_element_is_seen() {
        check_order(&[0, 1, 1]);
    }

    #[test]
    #[should_panic(expected = "came, expected")]
    fn a_torn_element_is_seen() {
        let mut bytes = bytemuck::bytes_of(&Tick::at(0)).to_vec();
        bytes[16..20].copy_from_slice(&bytemuck::bytes_of(&Tick::at(1))[16..20]);
        Order::starting_at(0).check(bytemuck::pod_read_unaligned::<Tick>(&bytes));
    }

    #[test]
    #[should_panic(expected = "came, expected")]
    fn a_tail_that_is_published_before_its_element_is_seen() {
        let ring = Ring::new();
        let mut rx = ring.options().capacity(8).stream_consumer::<Tick>().unwrap();
        ring.set_word(word::TAIL, 1);
        let mut reader = Reader::starting_at(0, Random::new().any());
        wait_for("the element", || (reader.pop_some(&mut rx) > 0).then_some(()));
    }
}
