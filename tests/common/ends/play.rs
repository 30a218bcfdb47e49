//! What is done with an end, whichever it is.

use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use ringmain::inspect::Inspection;
use ringmain::{Error, PeerState, Role, Wait, WaitError, WaitSet, Woken};

use super::{End, small};
use crate::common::{Lateness, Part, Random, Ring, check_busy, refuses, spin, succeed};

pub(crate) const STRATEGIES: [Wait; 3] = [Wait::Spin, Wait::SpinThenPark, Wait::Park];

/// A limit that is over soon.
pub(crate) const SOON: Duration = Duration::from_millis(20);

/// A limit that is reached only if something went wrong.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Moves numbers, with pauses: for a while one end makes those that are long enough for the other one to sleep, then
/// the other one does, so that each waits for the other.
///
/// A wake that is lost costs a slice. A busy machine may make a wait look like that, but not often.
#[track_caller]
pub(crate) fn move_with_pauses<E: End>(end: &mut E, numbers: Range<u64>, seed: u64) {
    move_late(end, numbers, seed, 20);
}

/// The same, of which so many numbers may be late.
#[track_caller]
pub(crate) fn move_late<E: End>(end: &mut E, numbers: Range<u64>, seed: u64, most: u64) {
    let random = Random::seeded(seed);
    let slow_phase = u64::from(E::PART.ends_with("consumer"));
    let mut lateness = Lateness::of(end);
    for number in numbers {
        lateness.watch(|| end.go(number, None)).unwrap();
        let late = lateness.count();
        assert!(late <= most, "{late} numbers went after a slice");
        if number / 1024 % 2 != slow_phase {
            continue;
        }
        match random.below(128) {
            0 => thread::sleep(Duration::from_micros(random.below(200))),
            1..=16 => spin(Duration::from_nanos(random.below(3000))),
            _ => {}
        }
    }
}

/// Hands numbers over between the two ends of a ring.
#[track_caller]
pub(crate) fn check_hand_over<E: End>(end: &mut E, peer: &mut E::Peer) {
    for number in 0..100 {
        if E::ROLE == Role::Producer {
            end.go(number, Some(Duration::ZERO)).unwrap();
            peer.go(number, Some(Duration::ZERO)).unwrap();
        } else {
            peer.go(number, Some(Duration::ZERO)).unwrap();
            end.go(number, Some(Duration::ZERO)).unwrap();
        }
    }
}

/// Says how an attach went.
pub(crate) fn outcome<H>(attach: Result<H, Error>) -> String {
    match attach {
        Ok(_) => "attached".into(),
        Err(Error::Busy { role, holder: Some(pid), .. }) => format!("{role} is {pid}"),
        Err(Error::Busy { role, holder: None, .. }) => format!("{role} is unknown"),
        Err(error) => format!("{error:?} {:?}", std::error::Error::source(&error)),
    }
}

/// Checks that the role of an end is held by the process of this pid.
#[track_caller]
pub(crate) fn check_held<E: End>(ring: &Ring, pid: u32) {
    check_busy(E::attach(&small(ring.options())).map(drop), E::ROLE, pid);
}

/// Checks that an end is told that the other one is gone, and that a successor of that one hears why it must wait.
#[track_caller]
pub(crate) fn check_gone<E: End>(ring: &Ring, peer: &mut E::Peer, holder: u32) {
    assert_eq!(peer.wait_ready(Duration::from_secs(60)), Err(WaitError::Crashed));
    assert_eq!(peer.peer_state(), PeerState::Crashed);
    let view = Inspection::open(ring.name()).unwrap();
    assert_eq!(view.end(E::ROLE).unwrap().state, PeerState::Crashed);
    let refused = E::attach(&small(ring.options())).map(drop);
    let text = refused.as_ref().unwrap_err().to_string();
    refuses!(refused, Error::HolderGone { role, holder: found, .. } if (role, found) == (E::ROLE, holder));
    assert!(text.contains(&format!("process {holder}, is gone")) && text.contains(ring.name()), "{text}");
}

/// Does what ends the wait of a set at an end that has to wait, when the set sleeps, and returns how long it took until
/// that was told.
#[track_caller]
pub(crate) fn told_in_a_set<E: End>(end: &mut E, ends: impl FnOnce()) -> Duration {
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            let woken = WaitSet::new().wait(&mut [end.wanted()], LONG);
            (woken, Instant::now())
        });
        thread::sleep(SOON);
        assert!(!sleeper.is_finished(), "{:?}", sleeper.join());
        let start = Instant::now();
        ends();
        let (woken, told) = sleeper.join().unwrap();
        assert!(matches!(woken, Ok(Woken::Ready(_))), "{woken:?}");
        told - start
    })
}

/// Makes the peer one that has to wait: the ring is full or empty for it.
pub(crate) fn attach_peer<P: End>(ring: &Ring) -> P {
    let mut peer = P::attach(&small(ring.options())).unwrap();
    peer.exhaust();
    peer
}

/// Holds an end until it is killed, or told to end.
pub(crate) fn hold<E: End>(part: &mut Part) {
    let _end = E::attach(&small(part.options())).unwrap();
    part.say("attached");
    part.hear();
}

/// Holds an end, moves `count` numbers from `start` on with pauses, and leaves when it is told to.
pub(crate) fn mover<E: End>(part: &mut Part) {
    let (strategy, start, count, seed): (usize, u64, u64, u64) =
        (part.argument(0), part.argument(1), part.argument(2), part.argument(3));
    let mut end = succeed(|| E::attach(&small(part.options()).wait(STRATEGIES[strategy])));
    part.say("attached");
    move_with_pauses(&mut end, start..start + count, seed);
    part.say("moved");
    let words = part.hear();
    // Long enough for the test to have gone to sleep.
    thread::sleep(Duration::from_millis(words.parse().unwrap()));
    end.close();
    part.say("closed");
    part.hear();
}

/// Holds an end, and does what it is told until it is told to close it, or killed: `move START END` moves numbers,
/// `exhaust` as many as go at once, `hear NUMBER` waits with this number to the end, `park` changes how it waits.
pub(crate) fn obey<E: End>(part: &mut Part) {
    let mut end = succeed(|| E::attach(&small(part.options())));
    part.say("attached");
    loop {
        let words = part.hear();
        let words: Vec<&str> = words.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        match words[0] {
            "move" => {
                (number(1)..number(2)).for_each(|number| end.go(number, Some(LONG)).unwrap());
                part.say("moved");
            }
            "exhaust" => part.say(end.exhaust()),
            "hear" => part.say(format!("{:?}", end.go(number(1), Some(LONG)).unwrap_err())),
            "park" => {
                end.set_wait(Wait::Park);
                part.say("parks");
            }
            "close" => {
                end.close();
                return part.say("closed");
            }
            other => panic!("{other} is no order"),
        }
    }
}
