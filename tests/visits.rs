//! Peers that come and go under an end that sleeps: nothing is lost, and nobody sleeps on.

mod common;

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use common::ends::{End, LONG, for_each_end, parts_of_ends, small};
use common::{Child, Lateness, Part, Random, Ring, spin};
use ringmain::{Wait, WaitError};

/// How often a peer comes and goes.
const VISITS: u64 = 2000;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&parts_of_ends!(visitor));
}

/// Comes, moves up to two numbers, and leaves in order, again and again.
fn visitor<E: End>(part: &mut Part) {
    let (visits, random): (u64, _) = (part.argument(0), Random::seeded(part.argument(1)));
    let mut next = 0;
    for visit in 1..=visits {
        let mut end = E::attach(&small(part.options()).prefault(false)).unwrap();
        let until = 2 * visit - if visit < visits { random.below(3) } else { 0 };
        while next < until {
            end.go(next, Some(LONG)).unwrap();
            next += 1;
        }
        spin(Duration::from_micros(random.below(100)));
        end.close();
    }
    part.say(next);
    part.hear();
}

#[test]
fn a_peer_that_closes_while_i_go_to_sleep_is_noticed_at_once() {
    fn check<E: End>() {
        let (ring, random) = (Ring::new(), Random::new());
        let options = small(ring.options()).wait(Wait::Park);
        let mut end = E::attach(&options).unwrap();
        end.exhaust();
        let mut lateness = Lateness::from_the_first(&end);
        for _ in 0..200 {
            let peer = E::Peer::attach(&options).unwrap();
            let (pause, waits) = (Duration::from_nanos(random.below(10_000)), &AtomicBool::new(false));
            thread::scope(|scope| {
                let (ready, is_ready) = channel();
                scope.spawn(move || {
                    ready.send(()).unwrap();
                    while !waits.load(Ordering::Relaxed) {
                        spin_loop();
                    }
                    spin(pause);
                    peer.close();
                });
                is_ready.recv().unwrap();
                let ended = lateness.watch(|| {
                    waits.store(true, Ordering::Relaxed);
                    end.wait_ready(LONG)
                });
                assert_eq!(ended, Err(WaitError::Closed));
            });
        }
        let late = lateness.count();
        assert!(late < 3, "{late} of 200 slept on for a slice");
    }
    for_each_end!(check);
}

#[test]
fn peers_that_come_and_go_under_a_sleeper_lose_nothing() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options()).wait(Wait::Park)).unwrap();
        let mut visitor = Child::start(E::Peer::PART, ring.name(), &[&VISITS, &Random::new().any()]);
        let mut moved = 0;
        while moved < 2 * VISITS {
            match end.go(moved, Some(LONG)) {
                Ok(()) => moved += 1,
                Err(WaitError::Closed) => thread::yield_now(),
                Err(error) => panic!("{error:?} after {moved}"),
            }
        }
        visitor.says(2 * VISITS);
    }
    for_each_end!(check);
}
