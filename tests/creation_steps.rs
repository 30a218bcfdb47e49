//! A process that is killed by the system in the very call that it makes next while it creates a ring: at each step,
//! the name is absent, or the next attach makes up for it.

mod common;

use std::fs;
use std::os::unix::process::ExitStatusExt;

use common::ends::{End, as_end, check_hand_over, for_each_end, small};
use common::filter::{Verdict, refuse};
use common::{Ability, Child, Part, Ring, missing, refuses, succeed, word};
use ringmain::{Creation, Error};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("creator", as_end!(creator)), ("maker", maker)]);
}

/// What stands under the name when the creator was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    Empty,
    WithoutMagic,
    Whole,
}

/// The calls of a creator in their order, and what one leaves that is killed in it.
const STEPS: [(&str, libc::c_long, Left); 7] = [
    ("fcntl", libc::SYS_fcntl, Left::Nothing),
    ("fchmod", libc::SYS_fchmod, Left::Empty),
    ("getrandom", libc::SYS_getrandom, Left::Empty),
    ("madvise", libc::SYS_madvise, Left::Empty),
    ("fallocate", libc::SYS_fallocate, Left::Empty),
    ("mlock", libc::SYS_mlock, Left::WithoutMagic),
    ("membarrier", libc::SYS_membarrier, Left::Whole),
];

/// Creates a ring, and is killed in the call that it is told.
fn creator<E: End>(part: &mut Part) {
    let options = small(part.options()).lock_memory(true);
    part.say("ready");
    if let Err(error) = refuse(&[part.argument(1)], Verdict::Kills) {
        return part.say(error);
    }
    let end = E::attach(&options);
    part.say(if end.is_ok() { "attached" } else { "refused" });
}

/// Makes a ring without taking an end of it, and is killed in the call that it is told.
fn maker(part: &mut Part) {
    let options = small(part.options()).lock_memory(true);
    part.say("ready");
    if let Err(error) = refuse(&[part.argument(1)], Verdict::Kills) {
        return part.say(error);
    }
    let made = options.create_message();
    part.say(if made.is_ok() { "made" } else { "refused" });
}

fn left(ring: &Ring) -> Left {
    if !ring.exists() {
        Left::Nothing
    } else if fs::metadata(ring.path()).unwrap().len() == 0 {
        Left::Empty
    } else if ring.word(word::MAGIC) == 0 {
        Left::WithoutMagic
    } else {
        Left::Whole
    }
}

/// Has a creator killed in each of its calls, and checks what it leaves and what `after` makes of that.
#[track_caller]
fn check_each_step<E: End>(after: fn(&Ring, Left)) {
    check_steps("creator", E::PART, &STEPS, after);
}

#[track_caller]
fn check_steps(part: &str, end: &str, steps: &[(&str, libc::c_long, Left)], after: fn(&Ring, Left)) {
    for &(name, call, expected) in steps {
        let ring = Ring::new();
        let mut creator = Child::start(part, ring.name(), &[&end, &call]);
        creator.says("ready");
        let status = creator.end();
        if status.success() {
            return missing(Ability::SystemCallFilter, creator.hear());
        }
        assert_eq!(status.signal(), Some(libc::SIGSYS), "in {name}");
        assert_eq!(left(&ring), expected, "in {name}");
        after(&ring, expected);
    }
}

#[test]
fn the_next_attach_of_either_role_makes_up_for_a_creator_killed_at_each_step() {
    fn check<E: End>() {
        check_each_step::<E>(|ring, _| {
            let mut end = succeed(|| E::attach(&small(ring.options())));
            let mut peer = E::Peer::attach(&ring.options()).unwrap();
            assert_eq!((end.generation(), peer.generation()), (1, 1));
            check_hand_over(&mut end, &mut peer);
        });
        check_each_step::<E>(|ring, _| {
            let mut peer = succeed(|| E::Peer::attach(&small(ring.options())));
            let mut end = succeed(|| E::attach(&ring.options()));
            check_hand_over(&mut end, &mut peer);
        });
    }
    for_each_end!(check);
}

#[test]
fn an_attach_that_may_not_create_removes_what_a_creator_killed_at_each_step_left() {
    fn check<E: End>() {
        check_each_step::<E>(|ring, left| {
            let attach = || E::Peer::attach(&ring.options().create(Creation::Never));
            if left == Left::Whole {
                attach().map(drop).unwrap();
            } else {
                refuses!(attach().map(drop), Error::NotFound { .. });
                assert!(!ring.exists());
            }
        });
    }
    for_each_end!(check);
}

#[test]
fn unlink_removes_what_a_creator_killed_at_each_step_left() {
    fn check<E: End>() {
        check_each_step::<E>(|ring, left| {
            if left != Left::Nothing {
                ringmain::unlink(ring.name()).unwrap();
            }
            assert!(!ring.exists());
        });
    }
    for_each_end!(check);
}

#[test]
fn whoever_comes_makes_up_for_a_maker_killed_at_each_step() {
    // It comes to no end, so it prepares no sleep.
    let steps = &STEPS[..STEPS.len() - 1];
    check_steps("maker", "none", steps, |ring, _| {
        drop(succeed(|| small(ring.options()).create_message()));
        let mut tx = ring.options().message_producer().unwrap();
        let mut rx = ring.options().message_consumer().unwrap();
        assert_eq!((tx.generation(), rx.generation()), (1, 1));
        check_hand_over(&mut tx, &mut rx);
    });
    check_steps("maker", "none", steps, |ring, _| {
        refuses!(ring.options().create(Creation::Never).create_message(), Error::NotFound { .. });
        assert!(!ring.exists());
    });
}
