//! A role has one holder at a time, and whoever is refused is told who that is.

mod common;

use std::process;

use common::ends::{End, LONG, as_end, check_hand_over, check_held, for_each_end, hold, outcome, small, told_in_a_set};
use common::{Ability, Child, Part, Ring, missing, refuses, succeed, wait_for};
use ringmain::{Error, PeerState, Role};
use rustix::thread::{UnshareFlags, unshare_unsafe};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("holder", as_end!(hold)), ("rival", as_end!(rival)), ("namespace", as_end!(namespace))]);
}

/// Tries both roles.
fn rival<E: End>(part: &mut Part) {
    part.say(outcome(E::attach(&small(part.options()))));
    part.say(outcome(E::Peer::attach(&small(part.options()))));
}

/// Starts a holder and a rival in a PID namespace of their own.
fn namespace<E: End>(part: &mut Part) {
    // SAFETY: of what is shared between threads, it changes nothing: new children alone are in the new namespace.
    if let Err(error) = unsafe { unshare_unsafe(UnshareFlags::NEWPID) } {
        return part.say(error);
    }
    part.say("ready");
    let name = part.name().to_owned();
    let mut holder = Child::start("holder", &name, &[&E::PART]);
    part.say(holder.hear());
    let mut rival = Child::start("rival", &name, &[&E::PART]);
    part.say(rival.hear());
    part.say(rival.hear());
    // The first process of a namespace is gone only when all others are.
    rival.join();
    part.hear();
    holder.kill();
    part.say("killed");
    part.hear();
}

/// Attaches both ends, has `during` try for their roles, and checks that they are undisturbed.
#[track_caller]
fn check_undisturbed<E: End>(during: impl FnOnce(&Ring)) {
    let ring = Ring::new();
    let mut end = E::attach(&small(ring.options())).unwrap();
    let mut peer = E::Peer::attach(&small(ring.options())).unwrap();
    check_hand_over(&mut end, &mut peer);
    during(&ring);
    assert_eq!((end.peer_state(), peer.peer_state()), (PeerState::Alive, PeerState::Alive));
    assert_eq!((end.peer_generation(), peer.peer_generation()), (1, 1));
    check_hand_over(&mut end, &mut peer);
}

#[test]
fn a_second_handle_of_the_same_process_is_refused_and_the_first_is_undisturbed() {
    fn check<E: End>() {
        check_undisturbed::<E>(|ring| {
            check_held::<E>(ring, process::id());
            check_held::<E::Peer>(ring, process::id());
        });
    }
    for_each_end!(check);
}

#[test]
fn a_second_process_is_refused_and_the_first_is_undisturbed() {
    fn check<E: End>() {
        check_undisturbed::<E>(|ring| {
            let mut rival = Child::start("rival", ring.name(), &[&E::PART]);
            rival.says(format_args!("{} is {}", E::ROLE, process::id()));
            rival.says(format_args!("{} is {}", E::Peer::ROLE, process::id()));
            rival.join();
        });
    }
    for_each_end!(check);
}

#[test]
fn the_holder_of_a_role_is_named_by_its_pid() {
    fn check<E: End>() {
        let ring = Ring::new();
        for _ in 0..2 {
            let mut holder = Child::start("holder", ring.name(), &[&E::PART]);
            holder.says("attached");
            check_held::<E>(&ring, holder.pid());
            holder.kill();
            // Wait until the kernel has let go, for the next one does not.
            succeed(|| E::attach(&small(ring.options()))).close();
        }
    }
    for_each_end!(check);
}

#[test]
fn a_holder_in_another_pid_namespace_is_alive_and_unnamed() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options())).unwrap();
        let mut namespace = match Child::start_as_root("namespace", ring.name(), &[&E::Peer::PART]) {
            Ok(namespace) => namespace,
            Err(refused) => return missing(Ability::PidNamespace, refused),
        };
        match namespace.hear().as_str() {
            "ready" => {}
            refused => return missing(Ability::PidNamespace, refused),
        }
        namespace.says("attached");
        // Whoever is in there with it can name it, and cannot name this process.
        namespace.says(format_args!("{} is 1", E::Peer::ROLE));
        namespace.says(format_args!("{} is unknown", E::ROLE));
        assert_eq!(end.peer_state(), PeerState::Alive);
        let attach = E::Peer::attach(&small(ring.options())).map(drop);
        refuses!(attach, Error::Busy { role, holder: None, .. } if role == E::Peer::ROLE);
        let mut kill = || {
            namespace.say("kill");
            namespace.says("killed");
        };
        // Nothing tells of that process but what it had open.
        match E::ROLE {
            Role::Consumer => assert!(told_in_a_set(&mut end, kill) < LONG),
            _ => kill(),
        }
        wait_for("the crash to be seen", || (end.peer_state() == PeerState::Crashed).then_some(()));
        check_hand_over(&mut end, &mut E::Peer::attach(&small(ring.options())).unwrap());
    }
    for_each_end!(check);
}
