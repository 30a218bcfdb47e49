//! A system that refuses what a ring cannot do without: an error that names the call, and nothing left behind.
//!
//! What a ring can do without, and how, stands in `refused.rs`.

mod common;

use std::io;

use common::ends::{End, as_end, check_hand_over, for_each_end, small};
use common::filter::{Verdict, refuse};
use common::limits::outcome;
use common::{Ability, Child, Part, Ring, missing};
use ringmain::PeerState;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("refused", as_end!(refused)), ("deprived", as_end!(deprived))]);
}

/// Attaches while a call is refused.
fn refused<E: End>(part: &mut Part) {
    if let Err(error) = refuse(&[part.argument(1)], Verdict::Fails) {
        return part.say(format!("no filter: {error}"));
    }
    part.say(outcome(E::attach(&small(part.options())), part.name()));
    part.hear();
    part.say(outcome(E::attach(&small(part.options())), part.name()));
    part.say(outcome(ringmain::unlink(part.name()), part.name()));
}

/// Loses the locks when it is attached.
fn deprived<E: End>(part: &mut Part) {
    let mut end = E::attach(&small(part.options())).unwrap();
    let mut peer = E::Peer::attach(&small(part.options())).unwrap();
    if let Err(error) = refuse(&[libc::SYS_fcntl], Verdict::Fails) {
        return part.say(format!("no filter: {error}"));
    }
    part.say("deprived");
    check_hand_over(&mut end, &mut peer);
    // What cannot be asked is not taken for a death.
    assert_eq!(end.peer_state(), PeerState::Alive);
    peer.close();
    assert_eq!(end.peer_state(), PeerState::Closed);
    part.say("flows");
}

/// Checks what comes of an attach that makes a ring while a call is refused, of one to a ring that stands, and of a
/// removal.
#[track_caller]
fn check_refused<E: End>(call: libc::c_long, [made, attached, removed]: [&str; 3]) {
    let ring = Ring::new();
    let mut child = Child::start("refused", ring.name(), &[&E::PART, &call]);
    match child.hear() {
        refused if refused.starts_with("no filter") => return missing(Ability::SystemCallFilter, refused),
        outcome => assert_eq!(outcome, made),
    }
    drop(E::attach(&small(ring.options())).unwrap());
    child.say("made");
    child.says(attached);
    child.says(removed);
    child.join();
}

#[test]
fn locks_that_are_refused_are_unsupported_and_leave_what_was_there() {
    fn check<E: End>() {
        let refused = |left| format!("unsupported: fcntl(F_OFD_SETLK): {}; {left} is there", libc::EPERM);
        let [nothing, name] = ["nothing", "a name"].map(refused);
        check_refused::<E>(libc::SYS_fcntl, [&nothing, &name, &name]);
    }
    for_each_end!(check);
}

#[test]
fn a_reservation_that_is_refused_is_unsupported_and_leaves_nothing() {
    fn check<E: End>() {
        let nothing = format!("unsupported: fallocate: {}; nothing is there", libc::EPERM);
        check_refused::<E>(libc::SYS_fallocate, [&nothing, "attached; a name is there", "attached; nothing is there"]);
    }
    for_each_end!(check);
}

#[test]
fn random_numbers_that_are_refused_are_unsupported_and_leave_nothing() {
    fn check<E: End>() {
        let nothing = format!("unsupported: getrandom: {}; nothing is there", libc::EPERM);
        check_refused::<E>(libc::SYS_getrandom, [&nothing, "attached; a name is there", "attached; nothing is there"]);
    }
    for_each_end!(check);
}

#[test]
fn locks_that_are_refused_to_those_who_are_attached_disturb_nothing() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut child = Child::start("deprived", ring.name(), &[&E::PART]);
        match child.hear().as_str() {
            "deprived" => {}
            refused => return missing(Ability::SystemCallFilter, refused),
        }
        child.says("flows");
        child.join();
    }
    for_each_end!(check);
}

/// What the tests above rest on.
#[test]
fn a_filter_refuses_what_it_is_told_to() {
    let refused = std::thread::spawn(|| {
        refuse(&[libc::SYS_fallocate], Verdict::Fails)?;
        // SAFETY: the call takes integers alone, and there is no such descriptor.
        let status = unsafe { libc::syscall(libc::SYS_fallocate, -1, 0, 0, 0) };
        Ok::<_, io::Error>((status, io::Error::last_os_error().raw_os_error()))
    });
    match refused.join().unwrap() {
        Ok(refused) => assert_eq!(refused, (-1, Some(libc::EPERM))),
        Err(error) => missing(Ability::SystemCallFilter, error),
    }
}
