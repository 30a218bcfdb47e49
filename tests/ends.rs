//! How a wait ends when nothing can come any more, and what a sleeper is woken by.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::ends::{End, LONG, SOON, STRATEGIES, for_each_end, mover, parts_of_ends, small};
use common::{Child, Lateness, Part, Ring, SLICE, succeed, wait_for};
use ringmain::{Broken, Corrupted, Options, PeerState, Role, WaitError};

/// More numbers than a consumer reads before it gives some back.
const ENOUGH: u64 = 40;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&parts_of_ends!(mover));
}

/// Makes a ring, and starts a process at the other end that moves numbers up to `count`.
fn meet<E: End>(options: fn(Options) -> Options, strategy: usize, count: u64) -> (Ring, E, Child) {
    let ring = Ring::new();
    let end = E::attach(&options(small(ring.options())).wait(STRATEGIES[strategy])).unwrap();
    let mut peer = start::<E>(&ring, 0, count);
    peer.says("attached");
    (ring, end, peer)
}

fn start<E: End>(ring: &Ring, first: u64, count: u64) -> Child {
    Child::start(E::Peer::PART, ring.name(), &[&2, &first, &count, &7])
}

/// Runs a check for every handle and every way to wait.
macro_rules! for_all {
    ($check:ident) => {
        for_each_end!(at once: $check(strategy) for strategy in 0..STRATEGIES.len())
    };
}

/// Returns how many of five numbers must go before the other end has done its part: a consumer reads some later.
fn before<E: End>() -> u64 {
    if E::PART.ends_with("consumer") { 3 } else { 5 }
}

#[test]
fn a_peer_that_closes_ends_a_wait_after_all_that_it_did() {
    fn check<E: End>(strategy: usize) {
        let (_ring, mut end, mut peer) = meet::<E>(|options| options, strategy, 5);
        (0..before::<E>()).for_each(|number| end.go(number, None).unwrap());
        peer.says("moved");
        peer.say(20);
        (before::<E>()..5).for_each(|number| end.go(number, None).unwrap());
        let moved = 5 + end.exhaust();
        for _ in 0..3 {
            assert_eq!(end.go(moved, None), Err(WaitError::Closed));
            assert_eq!(end.wait_ready(LONG), Err(WaitError::Closed));
        }
        peer.says("closed");
    }
    for_all!(check);
}

#[test]
fn a_peer_that_is_killed_ends_a_wait_after_all_that_it_did() {
    fn check<E: End>(strategy: usize) {
        let (_ring, mut end, mut peer) = meet::<E>(|options| options, strategy, 5);
        (0..before::<E>()).for_each(|number| end.go(number, None).unwrap());
        peer.says("moved");
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(SOON);
                peer.kill();
            });
            (before::<E>()..5).for_each(|number| end.go(number, None).unwrap());
            let moved = 5 + end.exhaust();
            let start = Instant::now();
            for _ in 0..2 {
                assert_eq!(end.go(moved, None), Err(WaitError::Crashed));
                assert_eq!(end.wait_ready(LONG), Err(WaitError::Crashed));
            }
            assert!(start.elapsed() < LONG);
        });
        assert_eq!(end.peer_state(), PeerState::Crashed);
    }
    for_all!(check);
}

#[test]
fn a_peer_that_closes_or_comes_wakes_a_sleeper_within_its_slice() {
    fn check<E: End>() {
        let tries = (0..9).map(|_| {
            let (_ring, mut end, mut peer) = meet::<E>(|options| options, 2, 0);
            peer.says("moved");
            let moved = end.exhaust();
            peer.say(20);
            let mut lateness = Lateness::from_the_first(&end);
            assert_eq!(lateness.watch(|| end.go(moved, None)), Err(WaitError::Closed));
            lateness.count()
        });
        let late: u64 = tries.sum();
        assert!(late < 5, "{late} of 9 slept on for a slice");
    }
    for_each_end!(check);
}

#[test]
fn whoever_does_not_await_the_first_peer_is_told_that_there_is_none() {
    fn check<E: End>(strategy: usize) {
        let ring = Ring::new();
        let options = small(ring.options()).wait(STRATEGIES[strategy]);
        let mut end = E::attach(&options.clone().await_first_peer(false)).unwrap();
        let moved = end.exhaust();
        assert_eq!(end.go(moved, None), Err(WaitError::NotConnected));
        assert_eq!(end.wait_ready(LONG), Err(WaitError::NotConnected));
        end.close();
        // One that awaits it waits.
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options()).wait(STRATEGIES[strategy])).unwrap();
        let (moved, begun) = (end.exhaust(), Instant::now());
        assert_eq!(end.go(moved, Some(SOON)), Err(WaitError::TimedOut));
        assert_eq!(end.go(moved, Some(Duration::ZERO)), Err(WaitError::TimedOut));
        assert_eq!(end.wait_ready(SOON), Err(WaitError::TimedOut));
        assert!(begun.elapsed() >= 2 * SOON);
        let _peer = while_waiting(&mut end, moved, || start::<E>(&ring, 0, ENOUGH));
        assert_eq!((end.peer_changed(), end.peer_changed()), (true, false));
    }
    for_all!(check);
}

/// Lets a number go, by whatever `during` does meanwhile.
///
/// A child must be started by the test's own thread: it dies with the thread.
#[track_caller]
fn while_waiting<E: End, R>(end: &mut E, number: u64, during: impl FnOnce() -> R) -> R {
    thread::scope(|scope| {
        let going = scope.spawn(|| end.go(number, Some(LONG)));
        thread::sleep(SOON);
        let result = during();
        assert_eq!(going.join().unwrap(), Ok(()));
        result
    })
}

#[test]
fn whoever_awaits_a_successor_waits_over_a_crash_and_over_leaving() {
    fn check<E: End>(strategy: usize) {
        let (ring, mut end, mut peer) = meet::<E>(|options| options.await_successor(true), strategy, 0);
        assert_eq!((end.peer_changed(), end.peer_changed()), (true, false));
        let moved = end.exhaust();
        let follower = while_waiting(&mut end, moved, || {
            peer.kill();
            thread::sleep(3 * SLICE / 2);
            start::<E>(&ring, 0, ENOUGH)
        });
        assert_eq!((end.peer_changed(), end.peer_changed()), (true, false));
        drop(follower);
        wait_for("the crash to be seen", || (end.peer_state() == PeerState::Crashed).then_some(()));
        succeed(|| E::Peer::attach(&small(ring.options()))).close();
        // What is there goes; then nothing does, and nothing is told.
        let (ended, number) =
            (moved + 1..).find_map(|number| Some((end.go(number, Some(SOON)).err()?, number))).unwrap();
        assert_eq!((ended, end.peer_state()), (WaitError::TimedOut, PeerState::Closed));
        // The first number that a consumer finds.
        let first = if E::ROLE == Role::Producer { number - moved } else { number };
        let _follower = while_waiting(&mut end, number, || start::<E>(&ring, first, ENOUGH));
    }
    for_all!(check);
}

#[test]
fn whoever_waits_for_nobody_who_can_come_is_orphaned() {
    fn check<E: End>(strategy: usize) {
        // After a crash.
        let (ring, mut end, mut peer) = meet::<E>(|options| options.await_successor(true), strategy, 0);
        let moved = end.exhaust();
        peer.kill();
        ringmain::unlink(ring.name()).unwrap();
        assert_eq!(end.go(moved, None), Err(WaitError::Orphaned));
        // And if nobody ever came.
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options()).wait(STRATEGIES[strategy])).unwrap();
        let moved = end.exhaust();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(SOON);
                ringmain::unlink(ring.name()).unwrap();
            });
            assert_eq!(end.go(moved, None), Err(WaitError::Orphaned));
        });
    }
    for_all!(check);
}

#[test]
fn an_impossible_word_ends_a_wait() {
    fn check<E: End>(strategy: usize) {
        let (ring, mut end, _peer) = meet::<E>(|options| options, strategy, 0);
        let moved = end.exhaust();
        let (word, value) = E::IMPOSSIBLE;
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(SOON);
                ring.set_word(word, value);
            });
            let ended = end.go(moved, None).unwrap_err();
            assert!(
                matches!(ended, WaitError::Broken(Broken::Corrupted(Corrupted { found, .. })) if found == value),
                "{ended:?}"
            );
        });
        // For ever.
        ring.set_word(word, 0);
        assert!(matches!(end.go(moved, Some(LONG)), Err(WaitError::Broken(Broken::Corrupted(_)))));
        assert!(matches!(end.wait_ready(LONG), Err(WaitError::Broken(Broken::Corrupted(_)))));
    }
    for_all!(check);
}

#[test]
fn what_was_published_without_a_wake_is_found_within_a_slice() {
    fn check<E: End>(strategy: usize) {
        let (ring, mut end, _peer) = meet::<E>(|options| options, strategy, 0);
        let moved = end.exhaust();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(SOON);
                // As by a process that is stopped, or killed, between the two.
                E::feed_by_hand(&ring);
            });
            assert_eq!(end.go(moved, Some(LONG)), Ok(()));
        });
    }
    for_all!(check);
}
