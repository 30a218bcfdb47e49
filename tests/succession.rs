//! One process follows another in a role: after a kill at any moment, or after an orderly end.

mod common;

use std::time::{Duration, Instant};

use common::{
    Child, Journal, LONGEST_CALL, Order, Part, Random, Reader, Ring, Tick, Wait, Writer, read_word, receive, send,
    spin, succeed, wait_for, word,
};
use ringmain::PeerState;
use ringmain::stream::{Consumer, Producer};
use ringmain::{PopError, PushError};

/// How many processes a test kills, one after the other.
const KILLS: u64 = 60;

/// How long a process runs at most before it is killed, as long as so many kills are enough.
const LIFE: Duration = Duration::from_millis(3);

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("producer", producer), ("consumer", consumer), ("popper", popper), ("leaver", leaver)]);
}

/// Pushes elements for ever, beginning with the number of those that were pushed before, and keeps a journal.
fn producer(part: &mut Part) {
    let (capacity, seed, journal): (_, _, String) = (part.argument(0), part.argument(1), part.argument(2));
    let (options, journal) = (part.options().capacity(capacity), Journal::open(&journal));
    let mut tx = succeed(|| options.stream_producer::<Tick>());
    let start = read_word(part.name(), word::TAIL);
    let mut writer = Writer::starting_at(start, seed);
    journal.start(start);
    part.say(format!("attached {}", tx.generation()));
    let mut wait = Wait::default();
    loop {
        journal.reach(writer.next() + LONGEST_CALL as u64);
        match writer.push_some(&mut tx, u64::MAX) {
            0 => wait.pause("room in the ring"),
            _ => wait = Wait::default(),
        }
        journal.done(writer.next());
    }
}

/// Pops elements for ever, beginning with the first that was not given back, and keeps a journal.
fn consumer(part: &mut Part) {
    let (capacity, seed, journal): (_, _, String) = (part.argument(0), part.argument(1), part.argument(2));
    let (options, journal) = (part.options().capacity(capacity), Journal::open(&journal));
    let mut rx = succeed(|| options.stream_consumer::<Tick>());
    let start = read_word(part.name(), word::HEAD);
    let mut reader = Reader::starting_at(start, seed);
    journal.start(start);
    part.say(format!("attached {}", rx.generation()));
    let mut wait = Wait::default();
    loop {
        journal.reach(reader.next() + LONGEST_CALL as u64);
        match reader.pop_some(&mut rx) {
            0 => wait.pause("elements"),
            _ => wait = Wait::default(),
        }
        journal.done(reader.next());
    }
}

/// Pops `count` elements one by one, and stays.
fn popper(part: &mut Part) {
    let count: u64 = part.argument(0);
    let mut rx = part.options().stream_consumer::<u64>().unwrap();
    let mut order = Order::starting_at(0);
    (0..count).for_each(|_| order.check(rx.pop().unwrap()));
    part.say("popped");
    part.hear();
}

/// Holds a role until it is told to leave in order.
fn leaver(part: &mut Part) {
    let options = part.options().capacity(8);
    match part.argument::<String>(0).as_str() {
        "producer" => stay(part, options.stream_producer::<u64>().unwrap(), |tx| tx.close().unwrap()),
        _ => stay(part, options.stream_consumer::<u64>().unwrap(), |rx| rx.close().unwrap()),
    }
}

fn stay<H>(part: &mut Part, handle: H, close: impl FnOnce(H)) {
    part.say("attached");
    part.hear();
    close(handle);
    part.say("left");
    part.hear();
}

/// Pops until nothing is there, and checks that this is where the killed producer's tail stands.
#[track_caller]
fn check_drained(ring: &Ring, rx: &mut Consumer<Tick>, reader: &mut Reader<Tick>) {
    while rx.available().unwrap() > 0 {
        reader.pop_some(rx);
    }
    assert_eq!(reader.next(), ring.word(word::TAIL));
    assert_eq!(rx.pop(), Err(PopError::Empty));
}

/// Returns whether so many processes were killed, and so many elements went through the ring, that it says something.
/// On a busy machine a process may have been killed before it did anything.
fn is_enough(kills: u64, elements: u64) -> bool {
    kills >= KILLS && elements > KILLS
}

/// Returns how long the next process runs: longer, if a busy machine has given too little to those before it.
#[track_caller]
fn life(random: &Random, kills: u64) -> Duration {
    assert!(kills <= 20 * KILLS, "so many kills, and next to nothing went through the ring");
    random.shorter_than(LIFE * (1 + kills / KILLS) as u32)
}

#[track_caller]
fn check_killed_producers(capacity: usize) {
    let (ring, random, journal) = (Ring::new(), Random::new(), Journal::new());
    let mut rx = ring.options().capacity(capacity).stream_consumer::<Tick>().unwrap();
    assert_eq!(rx.peer_state(), PeerState::Never);
    let mut reader = Reader::starting_at(0, random.any());
    let mut generation = 0;
    while !is_enough(generation, reader.next()) {
        generation += 1;
        let mut producer = Child::start("producer", ring.name(), &[&capacity, &random.any(), &journal.path()]);
        producer.says(format_args!("attached {generation}"));
        assert_eq!((rx.peer_state(), rx.peer_generation()), (PeerState::Alive, generation));
        // Killed at the full ring, or in the flow, as the dice fall.
        let flowing = random.below(4) > 0;
        let (start, life) = (Instant::now(), life(&random, generation));
        while start.elapsed() < life {
            if flowing {
                reader.pop_some(&mut rx);
            }
        }
        producer.kill();
        journal.judge_tail(ring.word(word::TAIL)).unwrap();
        check_drained(&ring, &mut rx, &mut reader);
        wait_for("the crash to be seen", || (rx.peer_state() == PeerState::Crashed).then_some(()));
        assert_eq!(rx.peer_generation(), generation);
    }
}

#[test]
fn a_killed_producer_of_a_small_ring_is_succeeded_and_nothing_is_lost() {
    check_killed_producers(2);
}

#[test]
fn a_killed_producer_of_a_ring_of_some_slots_is_succeeded_and_nothing_is_lost() {
    check_killed_producers(64);
}

#[test]
fn a_killed_producer_of_a_large_ring_is_succeeded_and_nothing_is_lost() {
    check_killed_producers(4096);
}

/// Kills one consumer after the other while elements flow, and judges what each leaves behind.
#[track_caller]
fn check_killed_consumers(capacity: usize) {
    let (ring, random, journal) = (Ring::new(), Random::new(), Journal::new());
    let mut tx = ring.options().capacity(capacity).stream_producer::<Tick>().unwrap();
    let mut writer = Writer::starting_at(0, random.any());
    let mut generation = 0;
    while !is_enough(generation, ring.word(word::HEAD)) {
        generation += 1;
        let head = ring.word(word::HEAD);
        let mut consumer = Child::start("consumer", ring.name(), &[&capacity, &random.any(), &journal.path()]);
        consumer.says(format_args!("attached {generation}"));
        assert_eq!(journal.started(), head, "where the successor began");
        assert_eq!((tx.peer_state(), tx.peer_generation()), (PeerState::Alive, generation));
        let (start, life) = (Instant::now(), life(&random, generation));
        while start.elapsed() < life {
            writer.push_some(&mut tx, u64::MAX);
        }
        consumer.kill();
        journal.judge_head(ring.word(word::HEAD)).unwrap();
        wait_for("the crash to be seen", || (tx.peer_state() == PeerState::Crashed).then_some(()));
    }
    let mut rx = ring.options().stream_consumer::<Tick>().unwrap();
    let head = ring.word(word::HEAD);
    receive(&mut rx, head, writer.next() - head, random.any());
    assert_eq!(rx.pop(), Err(PopError::Empty));
}

#[test]
fn nothing_that_a_killed_consumer_received_comes_again() {
    check_killed_consumers(4096);
}

#[test]
fn nothing_that_a_killed_consumer_of_a_small_ring_received_comes_again() {
    check_killed_consumers(16);
}

#[test]
fn nothing_that_a_killed_consumer_of_one_slot_received_comes_again() {
    check_killed_consumers(1);
}

/// Lets a process pop `count` elements of a full ring and kills it; returns where the next one begins.
#[track_caller]
fn head_after(capacity: usize, count: u64) -> u64 {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(capacity).stream_producer::<u64>().unwrap();
    send(&mut tx, 0, capacity as u64, Random::new().any());
    let mut popper = Child::start("popper", ring.name(), &[&count]);
    popper.says("popped");
    popper.kill();
    let mut rx = succeed(|| ring.options().stream_consumer::<u64>());
    assert_eq!(rx.generation(), 2);
    rx.pop().unwrap()
}

#[test]
fn the_successor_of_a_killed_consumer_begins_behind_what_was_popped() {
    for popped in [1, 63, 64, 127, 1023] {
        assert_eq!(head_after(1024, popped), popped);
    }
    for popped in [1, 3, 4, 15] {
        assert_eq!(head_after(16, popped), popped);
    }
}

#[test]
fn both_sides_killed_are_succeeded_in_either_order() {
    const CAPACITY: usize = 256;
    let (ring, random) = (Ring::new(), Random::new());
    let (produced, consumed) = (Journal::new(), Journal::new());
    let mut generation = 0;
    while generation == 0 || !is_enough(generation, ring.word(word::HEAD)) {
        generation += 1;
        let head = if generation > 1 { ring.word(word::HEAD) } else { 0 };
        let start = |part| {
            let mut child = match part {
                "producer" => Child::start(part, ring.name(), &[&CAPACITY, &random.any(), &produced.path()]),
                _ => Child::start(part, ring.name(), &[&CAPACITY, &random.any(), &consumed.path()]),
            };
            child.says(format_args!("attached {generation}"));
            child
        };
        let mut order = ["producer", "consumer"];
        if random.below(2) == 0 {
            order.reverse();
        }
        let mut doomed = order.map(start);
        assert_eq!(consumed.started(), head, "where the successor began");
        spin(life(&random, generation));
        if random.below(2) == 0 {
            doomed.reverse();
        }
        doomed.iter_mut().for_each(Child::kill);
        produced.judge_tail(ring.word(word::TAIL)).unwrap();
        consumed.judge_head(ring.word(word::HEAD)).unwrap();
    }
    let (head, tail) = (ring.word(word::HEAD), ring.word(word::TAIL));
    let mut rx = succeed(|| ring.options().stream_consumer::<Tick>());
    assert_eq!((rx.generation(), rx.peer_generation()), (generation + 1, generation));
    receive(&mut rx, head, tail - head, random.any());
    assert_eq!(rx.pop(), Err(PopError::Empty));
}

#[test]
fn a_producer_finds_out_that_the_consumer_of_a_full_ring_has_crashed() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(4).stream_producer::<u64>().unwrap();
    send(&mut tx, 0, 4, Random::new().any());
    let mut popper = Child::start("popper", ring.name(), &[&2]);
    popper.says("popped");
    popper.kill();
    send(&mut tx, 4, 2, Random::new().any());
    assert_eq!(tx.push(6), Err(PushError::Full(6)));
    wait_for("the crash to be seen", || (tx.peer_state() == PeerState::Crashed).then_some(()));
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    assert_eq!(tx.peer_state(), PeerState::Alive);
    receive(&mut rx, 2, 4, Random::new().any());
    assert_eq!(tx.push(6), Ok(()));
}

/// Takes the other role than `part` from one state to the next, seen by `state`.
#[track_caller]
fn check_states(part: &str, ring: &Ring, state: impl Fn() -> (PeerState, u64)) {
    assert_eq!(state(), (PeerState::Never, 0));
    let mut peer = Child::start("leaver", ring.name(), &[&part]);
    peer.says("attached");
    assert_eq!(state(), (PeerState::Alive, 1));
    peer.stop();
    assert_eq!(state(), (PeerState::Alive, 1));
    peer.go_on();
    peer.say("leave");
    peer.says("left");
    // It has left and lives on.
    assert_eq!(state(), (PeerState::Closed, 1));
    let mut peer = Child::start("leaver", ring.name(), &[&part]);
    peer.says("attached");
    assert_eq!(state(), (PeerState::Alive, 2));
    peer.kill();
    wait_for("the crash to be seen", || (state() != (PeerState::Alive, 2)).then_some(()));
    assert_eq!(state(), (PeerState::Crashed, 2));
    let mut peer = Child::start("leaver", ring.name(), &[&part]);
    peer.says("attached");
    assert_eq!(state(), (PeerState::Alive, 3));
}

#[test]
fn a_consumer_sees_every_state_of_its_producer() {
    let ring = Ring::new();
    let rx = ring.options().capacity(8).stream_consumer::<u64>().unwrap();
    check_states("producer", &ring, || (rx.peer_state(), rx.peer_generation()));
}

#[test]
fn a_producer_sees_every_state_of_its_consumer() {
    let ring = Ring::new();
    let tx = ring.options().capacity(8).stream_producer::<u64>().unwrap();
    check_states("consumer", &ring, || (tx.peer_state(), tx.peer_generation()));
}

#[test]
fn a_stopped_producer_goes_on_where_it_stood() {
    let (ring, random, journal) = (Ring::new(), Random::new(), Journal::new());
    let mut rx = ring.options().capacity(64).stream_consumer::<Tick>().unwrap();
    let mut producer = Child::start("producer", ring.name(), &[&64, &random.any(), &journal.path()]);
    producer.says("attached 1");
    let mut reader = Reader::starting_at(0, random.any());
    for _ in 0..20 {
        wait_for("elements", || (reader.pop_some(&mut rx) > 0).then_some(()));
        producer.stop();
        check_drained(&ring, &mut rx, &mut reader);
        assert_eq!(rx.peer_state(), PeerState::Alive);
        producer.go_on();
    }
}

#[test]
fn all_that_was_pushed_before_a_close_is_there_after_it() {
    let (ring, random) = (Ring::new(), Random::new());
    let mut rx = ring.options().capacity(64).stream_consumer::<u64>().unwrap();
    for generation in 1..=20 {
        let mut tx: Producer<u64> = ring.options().stream_producer().unwrap();
        let start = ring.word(word::TAIL);
        let count = 1 + random.below(64);
        send(&mut tx, start, count, random.any());
        tx.close().unwrap();
        assert_eq!((rx.peer_state(), rx.peer_generation()), (PeerState::Closed, generation));
        assert_eq!(rx.available(), Ok(count as usize));
        receive(&mut rx, start, count, random.any());
        assert_eq!(rx.pop(), Err(PopError::Empty));
    }
}

#[test]
fn a_consumer_that_leaves_gives_back_exactly_what_it_popped() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(1024).stream_producer::<u64>().unwrap();
    send(&mut tx, 0, 1000, Random::new().any());
    for expected in 0..100 {
        let mut rx = ring.options().stream_consumer::<u64>().unwrap();
        assert_eq!(rx.generation(), expected + 1);
        assert_eq!(rx.pop(), Ok(expected));
    }
    assert_eq!(tx.peer_state(), PeerState::Closed);
}

/// What the judge rests on can fail: each of these would be seen.
mod planted {
    use super::*;

    /// The journal of a holder that began at 100, whose calls up to 200 returned, and that was killed in one of ten
    /// elements.
    fn journal() -> Journal {
        let journal = Journal::new();
        journal.start(100);
        journal.done(200);
        journal.reach(210);
        journal
    }

    #[test]
    fn positions_that_a_kill_explains_are_accepted() {
        for tail in [200, 205, 210] {
            assert_eq!(journal().judge_tail(tail), Ok(()));
        }
        for head in [200, 205, 210] {
            assert_eq!(journal().judge_head(head), Ok(()));
        }
    }

    #[test]
    fn a_tail_that_lost_a_push_is_seen() {
        assert!(journal().judge_tail(199).unwrap_err().contains("lost"));
    }

    #[test]
    fn a_tail_beyond_what_was_pushed_is_seen() {
        assert!(journal().judge_tail(211).unwrap_err().contains("invented"));
    }

    #[test]
    fn a_head_beyond_what_was_read_is_seen() {
        assert!(journal().judge_head(211).unwrap_err().contains("lost"));
    }

    #[test]
    fn a_head_that_stayed_behind_what_was_popped_is_seen() {
        assert!(journal().judge_head(199).unwrap_err().contains("come again"));
    }

    #[test]
    fn a_head_that_went_back_is_seen() {
        assert!(journal().judge_head(99).unwrap_err().contains("went back"));
    }

    #[test]
    #[should_panic(expected = "came, expected")]
    fn a_killed_producer_that_published_before_it_wrote_is_seen() {
        let (ring, random, journal) = (Ring::new(), Random::new(), Journal::new());
        let mut rx = ring.options().capacity(64).stream_consumer::<Tick>().unwrap();
        let mut producer = Child::start("producer", ring.name(), &[&64, &random.any(), &journal.path()]);
        producer.says("attached 1");
        let mut reader = Reader::starting_at(0, random.any());
        wait_for("elements", || (reader.pop_some(&mut rx) > 0).then_some(()));
        producer.kill();
        check_drained(&ring, &mut rx, &mut reader);
        // As if it had been killed between the publication of one element more and the element itself: its slot holds
        // an older one, whatever the call in flight has written there.
        let next = reader.next();
        ring.set_word(word::DATA + next % 64 * size_of::<Tick>() as u64, next.wrapping_sub(64));
        ring.set_word(word::TAIL, next + 1);
        check_drained(&ring, &mut rx, &mut reader);
    }
}
