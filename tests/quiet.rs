//! What waiting costs those who do not wait, and the sleeper.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::ends::{End, for_each_end, parts_of_ends, small};
use common::filter::{Verdict, refuse};
use common::{Ability, Child, Part, Ring, missing, succeed, wait_for, word};
use ringmain::stream::{Consumer, Producer};
use ringmain::{Wait, WaitError};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[&parts_of_ends!(quiet)[..], &[("noisy", noisy)]].concat());
}

/// The calls that a sleep and a wake are made of.
const CALLS: &[libc::c_long] = &[libc::SYS_futex, libc::SYS_membarrier];

/// How many numbers are moved without a call.
const COUNT: u64 = 200_000;

/// Moves numbers. A call that wakes or sleeps is the end of this process.
fn quiet<E: End>(part: &mut Part) {
    // If there is nothing to do it looks again, and makes no call for 100 ms.
    let mut end = succeed(|| E::attach(&small(part.options()).capacity(1 << 16).wait(Wait::Spin)));
    part.say("attached");
    part.hear();
    if let Err(error) = refuse(CALLS, Verdict::Kills) {
        return part.say(format!("no filter: {error}"));
    }
    part.say("quiet");
    for number in 0..COUNT {
        end.go(number, None).unwrap();
    }
    part.say("moved");
    part.hear();
}

/// Wakes a sleeper, which is the end of this process.
fn noisy(part: &mut Part) {
    let mut tx: Producer<u64> = part.options().stream_producer().unwrap();
    if let Err(error) = refuse(CALLS, Verdict::Kills) {
        return part.say(format!("no filter: {error}"));
    }
    part.say("quiet");
    part.hear();
    tx.push(0).unwrap();
    part.say("pushed");
}

/// Moves numbers with a process that may make no call, and stays awake itself.
fn check_quiet<E: End>() {
    let ring = Ring::new();
    let mut end = E::attach(&small(ring.options()).capacity(1 << 16).wait(Wait::Spin)).unwrap();
    let mut peer = Child::start(E::Peer::PART, ring.name(), &[]);
    peer.says("attached");
    peer.say("begin");
    match peer.hear().as_str() {
        "quiet" => {}
        refused => return missing(Ability::SystemCallFilter, refused),
    }
    for number in 0..COUNT {
        end.go(number, None).unwrap();
    }
    peer.says("moved");
}

#[test]
fn an_end_whose_peer_is_awake_neither_wakes_nor_makes_fences_by_a_call() {
    for_each_end!(check_quiet);
}

/// What the test above rests on.
#[test]
fn a_wake_that_must_not_be_is_seen() {
    let ring = Ring::new();
    let mut rx: Consumer<u64> = ring.options().capacity(8).wait(Wait::Park).stream_consumer().unwrap();
    let mut noisy = Child::start("noisy", ring.name(), &[]);
    match noisy.hear().as_str() {
        "quiet" => {}
        refused => return missing(Ability::SystemCallFilter, refused),
    }
    thread::scope(|scope| {
        let sleeper = scope.spawn(move || (rx.blocking().pop(), rx.blocking().pop()));
        wait_for("a sleeper", || (ring.word(word::CONSUMER_PARKING) & 2 != 0).then_some(()));
        noisy.say("push");
        // It ends in the wake, after it has published.
        assert!(!noisy.end().success());
        assert_eq!(sleeper.join().unwrap(), (Ok(0), Err(WaitError::Crashed)));
    });
}

/// Returns how much processor this thread has used.
fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn a_sleeper_uses_next_to_no_processor() {
    fn check<E: End>(strategy: Wait) {
        const SLEEP: Duration = Duration::from_secs(1);
        let ring = Ring::new();
        let options = small(ring.options()).wait(strategy);
        let mut end = E::attach(&options).unwrap();
        let _peer = E::Peer::attach(&options).unwrap();
        let moved = end.exhaust();
        let (before, start) = (used(), Instant::now());
        assert_eq!(end.go(moved, Some(SLEEP)), Err(WaitError::TimedOut));
        let used = used() - before;
        assert!(start.elapsed() >= SLEEP);
        assert!(used < SLEEP / 100, "{used:?} of {SLEEP:?}");
    }
    for_each_end!(at once: check(strategy) for strategy in [Wait::Park, Wait::SpinThenPark]);
}
