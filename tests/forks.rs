//! A process that forks or starts programs shares neither its roles nor its descriptors with them.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::{fs, process, thread};

use common::ends::{End, as_end, check_hand_over, check_held, for_each_end, for_each_ring, small};
use common::forks::{code, exit, fork};
use common::{Child, Part, Ring, Running, path, wait_for};
use ringmain::PeerState;
use rustix::process::{Pid, test_kill_process};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("forker", as_end!(forker)), ("orphaner", as_end!(orphaner)), ("idler", idler)]);
}

/// Forks, and lets the child drop its copy of the handles, or die with them; then hands numbers over.
fn forker<E: End>(part: &mut Part) {
    let options = small(part.options()).unlink_on_close(true);
    let mut end = E::attach(&options).unwrap();
    let mut peer = E::Peer::attach(&options).unwrap();
    check_hand_over(&mut end, &mut peer);
    let Some(child) = fork() else {
        let dropped = catch_unwind(AssertUnwindSafe(|| drop((end, peer))));
        exit(i32::from(dropped.is_err()));
    };
    part.say(format!("{:?}", code(child)));
    let Some(child) = fork() else {
        // SAFETY: a process may always send itself a signal.
        unsafe { libc::raise(libc::SIGKILL) };
        exit(0);
    };
    part.say(format!("{:?}", code(child)));
    check_hand_over(&mut end, &mut peer);
    part.say("flows");
    part.hear();
}

/// Forks a child that outlives it, and says its pid. The child ends when the test lets go of this part.
fn orphaner<E: End>(part: &mut Part) {
    let _end = E::attach(&small(part.options())).unwrap();
    let Some(child) = fork() else {
        let mut byte = 0_u8;
        // SAFETY: one byte is valid for a write of one; the call is one of those allowed in a forked child.
        while unsafe { libc::read(0, (&raw mut byte).cast(), 1) } > 0 {}
        exit(0);
    };
    part.say(child);
    part.hear();
}

/// Does nothing until it is told to end.
fn idler(part: &mut Part) {
    part.say("here");
    part.hear();
}

#[test]
fn a_forked_child_that_drops_its_copy_or_dies_changes_nothing() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut forker = Child::start("forker", ring.name(), &[&E::PART]);
        forker.says("Some(0)");
        forker.says("None");
        forker.says("flows");
        assert!(ring.exists());
        check_held::<E>(&ring, forker.pid());
        check_held::<E::Peer>(&ring, forker.pid());
        forker.say("end");
        forker.join();
        assert!(!ring.exists());
    }
    for_each_ring!(check);
}

#[test]
fn a_forked_child_that_lives_on_does_not_keep_the_role_of_its_killed_parent() {
    fn check<E: End>() {
        let ring = Ring::new();
        let peer = E::Peer::attach(&small(ring.options())).unwrap();
        let mut orphaner = Child::start("orphaner", ring.name(), &[&E::PART]);
        let orphan = Pid::from_raw(orphaner.hear().parse().unwrap()).unwrap();
        check_held::<E>(&ring, orphaner.pid());
        orphaner.kill();
        wait_for("the crash to be seen", || (peer.peer_state() == PeerState::Crashed).then_some(()));
        let end = E::attach(&small(ring.options())).unwrap();
        assert_eq!(end.generation(), 2);
        assert_eq!(test_kill_process(orphan), Ok(()), "the child does not live");
    }
    for_each_end!(check);
}

/// Counts the descriptors of a process that refer to a ring.
fn descriptors(pid: u32, ring: &Ring) -> usize {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).filter(|link| *link == path(ring.name())).count()
}

#[test]
fn a_program_started_while_attached_inherits_nothing() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options())).unwrap();
        let mut peer = E::Peer::attach(&small(ring.options())).unwrap();
        assert!(descriptors(process::id(), &ring) > 0);
        let mut idler = Child::start("idler", ring.name(), &[]);
        idler.says("here");
        assert_eq!(descriptors(idler.pid(), &ring), 0);
        let plain = Running::start_plainly(Command::new("ls").args(["-l", "/proc/self/fd"]).stdout(Stdio::piped()));
        assert!(!String::from_utf8(plain.output().stdout).unwrap().contains(ring.name()));
        // The roles stay, and are free when they are left, though the program goes on.
        check_held::<E>(&ring, process::id());
        check_hand_over(&mut end, &mut peer);
        drop((end, peer));
        drop(E::attach(&small(ring.options())).unwrap());
        drop(E::Peer::attach(&small(ring.options())).unwrap());
        idler.say("end");
        idler.join();
    }
    for_each_ring!(check);
}

#[test]
fn a_role_is_free_after_a_close_while_other_threads_start_programs() {
    fn check<E: End>() {
        let ring = Ring::new();
        let peer = E::Peer::attach(&small(ring.options())).unwrap();
        thread::scope(|scope| {
            // Each has a copy of all descriptors of this process for a moment, until it is the new program.
            let starter = scope.spawn(|| (0..100).for_each(|_| drop(Child::start("idler", ring.name(), &[]))));
            while !starter.is_finished() {
                let end = E::attach(&small(ring.options())).unwrap();
                assert_eq!(peer.peer_state(), PeerState::Alive);
                drop(end);
                assert_eq!(peer.peer_state(), PeerState::Closed);
            }
        });
    }
    for_each_ring!(check);
}
