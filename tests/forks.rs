//! A process that forks or starts programs shares neither its roles nor its descriptors with them.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{fs, io, process, thread};

use common::{Child, Part, Ring, check_busy, check_flow, path, wait_for};
use ringmain::{Options, PeerState, Role};
use rustix::process::{Pid, WaitOptions, test_kill_process, waitpid};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("forker", forker), ("orphaner", orphaner), ("idler", idler)]);
}

fn options(name: &str) -> Options {
    Options::new(name).capacity(8)
}

/// Forks, and lets the child drop its copy of the handles; then pushes and pops.
fn forker(part: &mut Part) {
    let options = options(part.name()).unlink_on_close(true);
    let mut tx = options.stream_producer::<u64>().unwrap();
    let mut rx = options.stream_consumer::<u64>().unwrap();
    let Some(child) = fork() else {
        let dropped = catch_unwind(AssertUnwindSafe(|| drop((tx, rx))));
        exit(i32::from(dropped.is_err()));
    };
    let (_, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
    part.say(format!("{:?}", status.exit_status()));
    check_flow(&mut tx, &mut rx);
    part.say("flows");
    part.hear();
}

/// Forks a child that outlives it, and says its pid. The child ends when the test lets go of this part.
fn orphaner(part: &mut Part) {
    let _tx = options(part.name()).stream_producer::<u64>().unwrap();
    let Some(child) = fork() else {
        let mut byte = 0_u8;
        // SAFETY: one byte is valid for a write of one; the call is one of those allowed in a forked child.
        while unsafe { libc::read(0, (&raw mut byte).cast(), 1) } > 0 {}
        exit(0);
    };
    part.say(child);
    part.hear();
}

/// Forks; `None` in the child.
fn fork() -> Option<Pid> {
    // SAFETY: the child makes system calls and frees memory, which the allocator of the system is ready for after a fork.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "{}", io::Error::last_os_error());
    Pid::from_raw(pid)
}

/// Ends a forked child, and nothing of its parent's.
fn exit(code: i32) -> ! {
    // SAFETY: it takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// Does nothing until it is told to end.
fn idler(part: &mut Part) {
    part.say("here");
    part.hear();
}

#[test]
fn a_forked_child_that_drops_its_copy_changes_nothing() {
    let ring = Ring::new();
    let mut forker = Child::start("forker", ring.name(), &[]);
    forker.says("Some(0)");
    forker.says("flows");
    assert!(ring.exists());
    check_busy(options(ring.name()).stream_producer::<u64>(), Role::Producer, forker.pid());
    check_busy(options(ring.name()).stream_consumer::<u64>(), Role::Consumer, forker.pid());
    forker.say("end");
    forker.join();
    assert!(!ring.exists());
}

#[test]
fn a_forked_child_that_lives_on_does_not_keep_the_role_of_its_killed_parent() {
    let ring = Ring::new();
    let rx = options(ring.name()).stream_consumer::<u64>().unwrap();
    let mut orphaner = Child::start("orphaner", ring.name(), &[]);
    let orphan = Pid::from_raw(orphaner.hear().parse().unwrap()).unwrap();
    check_busy(options(ring.name()).stream_producer::<u64>(), Role::Producer, orphaner.pid());
    orphaner.kill();
    wait_for("the crash to be seen", || (rx.peer_state() == PeerState::Crashed).then_some(()));
    let tx = options(ring.name()).stream_producer::<u64>().unwrap();
    assert_eq!(tx.generation(), 2);
    assert_eq!(test_kill_process(orphan), Ok(()), "the child does not live");
}

/// Counts the descriptors of a process that refer to a ring.
fn descriptors(pid: u32, ring: &Ring) -> usize {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).filter(|link| *link == path(ring.name())).count()
}

#[test]
fn a_program_started_while_attached_inherits_nothing() {
    let ring = Ring::new();
    let tx = options(ring.name()).stream_producer::<u64>().unwrap();
    let rx = options(ring.name()).stream_consumer::<u64>().unwrap();
    assert!(descriptors(process::id(), &ring) > 0);
    let mut idler = Child::start("idler", ring.name(), &[]);
    idler.says("here");
    assert_eq!(descriptors(idler.pid(), &ring), 0);
    drop((tx, rx));
    drop(options(ring.name()).stream_producer::<u64>().unwrap());
    drop(options(ring.name()).stream_consumer::<u64>().unwrap());
    idler.say("end");
    idler.join();
}

#[test]
fn a_role_is_free_after_a_close_while_other_threads_start_programs() {
    let ring = Ring::new();
    let rx = options(ring.name()).stream_consumer::<u64>().unwrap();
    thread::scope(|scope| {
        // Each has a copy of all descriptors of this process for a moment, until it is the new program.
        let starter = scope.spawn(|| (0..200).for_each(|_| drop(Child::start("idler", ring.name(), &[]))));
        while !starter.is_finished() {
            let tx = options(ring.name()).stream_producer::<u64>().unwrap();
            assert_eq!(rx.peer_state(), PeerState::Alive);
            drop(tx);
            assert_eq!(rx.peer_state(), PeerState::Closed);
        }
    });
}
