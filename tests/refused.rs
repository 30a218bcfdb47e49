//! A system that refuses futexes, or fences in other processes, or both: whoever waits is served all the same.

mod common;

use std::io;
use std::time::Duration;

use common::ends::{End, STRATEGIES, for_each_end, move_late, parts_of_ends, small};
use common::filter::{Verdict, refuse};
use common::{Ability, Child, Part, Random, Ring, missing, succeed};
use ringmain::WaitError;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&parts_of_ends!(mover));
}

/// The sets of calls that are refused.
const REFUSED: [&[libc::c_long]; 4] =
    [&[], &[libc::SYS_membarrier], &[libc::SYS_futex], &[libc::SYS_membarrier, libc::SYS_futex]];

/// Moves numbers while calls are refused, before the attach or after it, and waits a last time.
fn mover<E: End>(part: &mut Part) {
    let (refused, late, strategy): (usize, bool, usize) = (part.argument(0), part.argument(1), part.argument(2));
    let (count, seed, wakes): (u64, u64, bool) = (part.argument(3), part.argument(4), part.argument(5));
    let filter = || refuse(REFUSED[refused], Verdict::Fails).and_then(|()| check_refused(refused));
    let early = if late { Ok(()) } else { filter() };
    let mut end = succeed(|| E::attach(&small(part.options()).wait(STRATEGIES[strategy])));
    if let Err(error) = early.and_then(|()| if late { filter() } else { Ok(()) }) {
        return part.say(format!("no filter: {error}"));
    }
    part.say("attached");
    move_late(&mut end, 0..count, seed, if wakes { 20 } else { u64::MAX });
    part.say("moved");
    assert_eq!(part.hear(), "moved");
    let moved = count + end.exhaust();
    assert_eq!(end.go(moved, Some(Duration::from_millis(30))), Err(WaitError::TimedOut));
    part.say("timed out");
    part.hear();
}

/// Checks that the filter refuses what it is to refuse.
fn check_refused(refused: usize) -> io::Result<()> {
    for &call in REFUSED[refused] {
        // SAFETY: both calls, with arguments of zero, refuse an address of null, or ask what there is.
        let status = unsafe { libc::syscall(call, 0, 0, 0, 0, 0, 0) };
        let error = io::Error::last_os_error();
        assert_eq!((status, error.raw_os_error()), (-1, Some(libc::EPERM)), "call {call}");
    }
    Ok(())
}

/// Lets two processes hand numbers over, under a filter each, by all ways to wait.
#[track_caller]
fn check(ours: usize, theirs: usize, count: u64) {
    for late in [false, true] {
        // Two that spin fill a small machine.
        for_each_end!(check_with, ours, theirs, count, late, 0);
        for_each_end!(at once: check_with(ours, theirs, count, late, strategy) for strategy in 1..STRATEGIES.len());
    }
}

fn check_with<E: End>(ours: usize, theirs: usize, count: u64, late: bool, strategy: usize) {
    let (ring, random) = (Ring::new(), Random::new());
    let start = |part, refused| {
        let wakes = ours.max(theirs) < 2;
        Child::start(part, ring.name(), &[&refused, &late, &strategy, &count, &random.any(), &wakes])
    };
    let mut ends = [start(E::PART, ours), start(E::Peer::PART, theirs)];
    for end in &mut ends {
        match end.hear().as_str() {
            "attached" => {}
            refused => return missing(Ability::SystemCallFilter, refused),
        }
    }
    ends.iter_mut().for_each(|end| end.says("moved"));
    // One after the other: what the first one pushes then is not popped by the second, which would not time out.
    let [first, second] = &mut ends;
    let consumer = if E::PART.ends_with("consumer") { first } else { second };
    consumer.say("moved");
    consumer.says("timed out");
}

#[test]
fn fences_that_are_refused_to_both_ends_are_made_by_both() {
    check(1, 1, 5_000);
}

#[test]
fn fences_that_are_refused_to_one_end_are_made_by_the_other() {
    check(1, 0, 5_000);
}

#[test]
fn futexes_that_are_refused_to_one_end_cost_it_naps() {
    check(2, 0, 100);
}

#[test]
fn futexes_that_are_refused_to_both_ends_cost_naps() {
    check(2, 2, 1_000);
}

#[test]
fn ends_that_are_refused_both_get_all() {
    check(3, 3, 1_000);
}

#[test]
fn an_end_that_is_refused_both_gets_all_from_one_that_is_not() {
    check(3, 0, 100);
}
