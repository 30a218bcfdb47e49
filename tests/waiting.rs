//! Ends that wait for each other: whatever they do meanwhile, every number arrives once and in order, and nobody sleeps
//! on.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::ends::{End, STRATEGIES, for_each_end, move_with_pauses, mover, parts_of_ends, small};
use common::{Child, Lateness, PATIENCE, Part, Random, Ring, SLICE, wait_for, word};
use ringmain::stream::{Consumer, Producer};
use ringmain::{PeerState, Wait, WaitError, message};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&parts_of_ends!(mover));
}

/// Moves numbers between this process, which has one end, and another, with all ways to wait on both sides.
///
/// Two that spin keep their processors for as long as they may, so a busy machine may take minutes for each run. It
/// need not make all of them.
#[track_caller]
fn check_moves<E: End>(strategies: &[usize], runs: u32, count: u64) {
    let (random, start) = (Random::new(), Instant::now());
    let runs = (0..runs).take_while(|&run| run == 0 || start.elapsed() < PATIENCE);
    for &ours in runs.flat_map(|_| strategies) {
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options()).wait(STRATEGIES[ours])).unwrap();
        let theirs = if strategies.len() == 1 { ours } else { random.below(3) as usize };
        let mut peer = Child::start(E::Peer::PART, ring.name(), &[&theirs, &0, &count, &random.any()]);
        peer.says("attached");
        move_with_pauses(&mut end, 0..count, random.any());
        peer.says("moved");
        peer.say(0);
        peer.says("closed");
        assert_eq!(end.peer_state(), PeerState::Closed);
    }
}

#[test]
fn ends_of_a_stream_that_spin_hand_all_over() {
    check_moves::<Consumer<u64>>(&[0], 3, 10_000);
}

#[test]
fn ends_of_a_stream_that_spin_then_park_hand_all_over() {
    check_moves::<Consumer<u64>>(&[1], 1, 100_000);
}

#[test]
fn ends_of_a_stream_that_park_hand_all_over() {
    check_moves::<Consumer<u64>>(&[2], 1, 100_000);
}

#[test]
fn ends_of_a_message_ring_that_spin_hand_all_over() {
    check_moves::<message::Producer>(&[0], 3, 10_000);
}

#[test]
fn ends_of_a_message_ring_that_spin_then_park_hand_all_over() {
    check_moves::<message::Producer>(&[1], 1, 100_000);
}

#[test]
fn ends_of_a_message_ring_that_park_hand_all_over() {
    check_moves::<message::Producer>(&[2], 1, 100_000);
}

#[test]
fn ends_that_wait_in_different_ways_hand_all_over() {
    for_each_end!(check_moves, &[0, 1, 2], 1, 5_000);
}

#[test]
fn ways_to_wait_can_be_changed_at_any_time() {
    fn check<E: End>() {
        let (ring, random) = (Ring::new(), Random::new());
        let mut end = E::attach(&small(ring.options())).unwrap();
        let mut peer = Child::start(E::Peer::PART, ring.name(), &[&random.below(3), &0, &10_000, &random.any()]);
        peer.says("attached");
        for start in (0..10_000).step_by(100) {
            end.set_wait(STRATEGIES[random.below(3) as usize]);
            move_with_pauses(&mut end, start..start + 100, random.any());
        }
        peer.says("moved");
    }
    for_each_end!(check);
}

/// Counts of sleeps and wakes that are about to wrap.
#[test]
fn counts_that_wrap_stop_nobody() {
    fn check<E: End>(near: u64) {
        let random = Random::new();
        for ours in [1, 2] {
            let ring = Ring::new();
            drop(E::attach(&small(ring.options())).unwrap());
            // Asleep, as one that was killed there, or awake; with fences or without.
            E::SLEEPS.iter().for_each(|&word| ring.set_word(word, near.wrapping_sub(random.below(40))));
            let mut end = E::attach(&small(ring.options()).wait(STRATEGIES[ours])).unwrap();
            let mut peer = Child::start(E::Peer::PART, ring.name(), &[&2, &0, &3000, &random.any()]);
            peer.says("attached");
            // A stall lasts for a slice: there are none, or nearly none.
            move_with_pauses(&mut end, 0..3000, random.any());
            peer.says("moved");
        }
    }
    for near in [0, 1 << 32, 1 << 33] {
        for_each_end!(check, near);
    }
}

#[test]
fn sleepers_pass_the_end_of_the_positions() {
    fn check<E: End>() {
        let random = Random::new();
        for ours in [1, 2] {
            let ring = Ring::new();
            drop(E::attach(&small(ring.options())).unwrap());
            // An element counts as one, the record of a number as 64 bytes.
            let start = 0_u64.wrapping_sub(if E::PART.starts_with("stream") { 1500 } else { 1500 * 64 });
            [word::TAIL, word::HEAD].iter().for_each(|&word| ring.set_word(word, start));
            let mut end = E::attach(&small(ring.options()).wait(STRATEGIES[ours])).unwrap();
            let mut peer = Child::start(E::Peer::PART, ring.name(), &[&2, &0, &3000, &random.any()]);
            peer.says("attached");
            move_with_pauses(&mut end, 0..3000, random.any());
            peer.says("moved");
            peer.say(0);
            peer.says("closed");
            end.close();
            assert_eq!(ring.word(word::TAIL), 0_u64.wrapping_sub(start));
            assert_eq!(ring.word(word::TAIL), ring.word(word::HEAD));
        }
    }
    for_each_end!(check);
}

static SIGNALS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count_signal(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// Sends this thread a signal every millisecond while `during` runs. Calls of the system are interrupted by it.
///
/// The storm is over when all patience is, so that a wait that no signal lets end does end.
fn in_a_storm<R>(during: impl FnOnce() -> R) -> R {
    // SAFETY: zero is a value of every field; the handler only adds to an atomic.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count_signal as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the action is whole, and no old one is asked for.
    let status = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) };
    assert_eq!(status, 0);
    // SAFETY: a thread may always ask for its own name.
    let target = unsafe { libc::pthread_self() };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let start = Instant::now();
            while !over.load(Ordering::Relaxed) && start.elapsed() < PATIENCE {
                // SAFETY: that thread waits for this one.
                let status = unsafe { libc::pthread_kill(target, libc::SIGUSR1) };
                assert_eq!(status, 0);
                thread::sleep(Duration::from_millis(1));
            }
        });
        let result = during();
        over.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn signals_disturb_no_wait_and_no_deadline() {
    fn check<E: End>(strategy: usize) {
        let (ring, random) = (Ring::new(), Random::new());
        let mut end = E::attach(&small(ring.options()).wait(STRATEGIES[strategy])).unwrap();
        let mut peer = Child::start(E::Peer::PART, ring.name(), &[&strategy, &0, &5000, &random.any()]);
        peer.says("attached");
        in_a_storm(|| {
            move_with_pauses(&mut end, 0..5000, random.any());
            peer.says("moved");
            let moved = end.exhaust();
            // On a busy machine it takes longer until some signals were sent.
            let mut limit = Duration::from_millis(250);
            loop {
                let (before, start) = (SIGNALS.load(Ordering::Relaxed), Instant::now());
                assert_eq!(end.go(moved, Some(limit)), Err(WaitError::TimedOut));
                let elapsed = start.elapsed();
                assert!(elapsed >= limit && elapsed < PATIENCE, "{elapsed:?}");
                let signals = SIGNALS.load(Ordering::Relaxed) - before;
                if signals > 10 {
                    break;
                }
                limit *= 2;
                assert!(limit < PATIENCE / 2, "{signals} signals are no storm");
            }
        });
    }
    for strategy in 0..STRATEGIES.len() {
        for_each_end!(check, strategy);
    }
}

#[test]
fn a_stopped_peer_is_waited_for() {
    fn check<E: End>(strategy: usize) {
        let (ring, random) = (Ring::new(), Random::new());
        let mut end = E::attach(&small(ring.options()).wait(STRATEGIES[strategy])).unwrap();
        let count = 5_000;
        let mut peer = Child::start(E::Peer::PART, ring.name(), &[&strategy, &0, &count, &random.any()]);
        peer.says("attached");
        let mut next = 0;
        for _ in 0..3 {
            move_with_pauses(&mut end, next..next + 500, random.any());
            next += 500;
            peer.stop();
            let ended = loop {
                match end.go(next, Some(Duration::from_millis(150))) {
                    Ok(()) => next += 1,
                    Err(ended) => break ended,
                }
            };
            assert_eq!(ended, WaitError::TimedOut);
            assert_eq!(end.peer_state(), PeerState::Alive);
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(20));
                    peer.go_on();
                });
                end.go(next, None).unwrap();
            });
            next += 1;
        }
        move_with_pauses(&mut end, next..count, random.any());
        peer.says("moved");
    }
    for_each_end!(check, 0);
    for_each_end!(at once: check(strategy) for strategy in 1..STRATEGIES.len());
}

#[test]
fn a_consumer_that_waits_for_many_gives_back_what_it_has_read() {
    for strategy in STRATEGIES {
        let ring = Ring::new();
        let mut tx: Producer<u64> = ring.options().capacity(64).wait(Wait::Park).stream_producer().unwrap();
        let mut rx: Consumer<u64> = ring.options().wait(strategy).stream_consumer().unwrap();
        (0..64).for_each(|number| tx.push(number).unwrap());
        (0..4).for_each(|number| assert_eq!(rx.pop(), Ok(number)));
        thread::scope(|scope| {
            scope.spawn(move || {
                (64..68).for_each(|number| tx.within(PATIENCE / 2).push(number).unwrap());
                tx
            });
            // The producer sleeps, for a quarter of the ring.
            thread::sleep(Duration::from_millis(20));
            let peek = rx.within(PATIENCE / 4).peek(64).unwrap();
            assert!(peek.iter().eq(4..68), "{strategy:?}");
        });
    }
}

/// What these tests rest on: a number that no wake has told of is late, however it comes about.
mod planted {
    use super::*;

    /// Lets an end sleep, has the ring fed by `feed` once it does, and returns whether the number was late.
    #[track_caller]
    fn is_late<E: End>(feed: impl FnOnce(&Ring) + Send) -> bool {
        let ring = Ring::new();
        let options = small(ring.options()).wait(Wait::Park);
        let mut end = E::attach(&options).unwrap();
        let _peer = E::Peer::attach(&options).unwrap();
        let moved = end.exhaust();
        let mut lateness = Lateness::from_the_first(&end);
        thread::scope(|scope| {
            scope.spawn(|| {
                wait_for("a sleeper", || (ring.word(E::PARKING) & ASLEEP != 0).then_some(()));
                feed(&ring);
            });
            lateness.watch(|| end.go(moved, None)).unwrap();
        });
        lateness.count() == 1
    }

    /// Checks that such a number is late, as soon as the dice fall so: one that comes before the end has looked a last
    /// time is not, and on a busy machine one whose receiver gets its turn late may not be.
    #[track_caller]
    fn check_late<E: End>(feed: fn(&Ring)) {
        wait_for("a late number", || is_late::<E>(feed).then_some(()));
    }

    /// Set in a parking word while its end sleeps.
    const ASLEEP: u64 = 2;

    #[test]
    fn a_number_without_a_wake_is_late() {
        fn check<E: End>() {
            check_late::<E>(E::feed_by_hand);
        }
        for_each_end!(check);
    }

    #[test]
    fn a_number_whose_wake_is_counted_and_not_made_is_late() {
        fn check<E: End>() {
            let feed = |ring: &Ring| {
                let wakes = E::Peer::PARKING + 8;
                ring.set_word(wakes, ring.word(wakes) + 2);
                E::feed_by_hand(ring);
            };
            check_late::<E>(feed);
        }
        for_each_end!(check);
    }

    #[test]
    fn a_number_whose_sender_was_late_is_not() {
        fn check<E: End>() {
            let ring = Ring::new();
            let options = small(ring.options()).wait(Wait::Park);
            let mut rx = E::attach(&options).unwrap();
            let mut tx = E::Peer::attach(&options).unwrap();
            let mut lateness = Lateness::from_the_first(&rx);
            thread::scope(|scope| {
                scope.spawn(move || {
                    for number in 0..10 {
                        thread::sleep(SLICE * 6 / 5);
                        tx.go(number, None).unwrap();
                    }
                    tx
                });
                (0..10).for_each(|number| lateness.watch(|| rx.go(number, None)).unwrap());
            });
            // A number may come while its receiver turns from one sleep to the next.
            assert!(lateness.count() < 5, "{} of 10", lateness.count());
        }
        check::<Consumer<u64>>();
        check::<message::Consumer>();
    }
}
