//! A task that waits is told how the other end has ended, after all that came before, and a child that was forked that
//! the handle is not its own.

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::fs::File;
use std::thread;

use common::ends::{End, SOON, hold, parts_of_ends, small};
use common::forks::{code, exit, fork};
use common::{Child, Part, Ring, path, succeed};
use futures::executor::block_on;
use ringmain::{Async, Broken, Options, Role, WaitError, stream};
use tasks::{TaskEnd, ends, for_each_task_end, waits};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[&parts_of_ends!(hold)[..], &[("forker", forker)]].concat());
}

type Plain<E> = <E as TaskEnd>::Plain;
type Peer<E> = <Plain<E> as End>::Peer;

/// Attaches an end that has to wait, and is awaited.
#[track_caller]
fn attach<E: TaskEnd>(ring: &Ring, choose: impl FnOnce(Options) -> Options) -> E {
    let mut end = Plain::<E>::attach(&small(choose(ring.options()))).unwrap();
    end.exhaust();
    E::of(end)
}

/// Checks that each further call is told the same.
#[track_caller]
fn check_told<E: TaskEnd>(mut end: E, told: Result<(), WaitError>, expected: WaitError) {
    assert_eq!(told, Err(expected));
    assert_eq!(ends(end.go(0)), Err(expected));
    assert_eq!(end.plain().wait_ready(SOON), Err(expected), "the plain handle");
}

#[test]
fn a_task_is_told_that_the_other_end_has_closed_the_ring() {
    fn check<E: TaskEnd>() {
        // In its sleep, and before.
        let ring = Ring::new();
        let mut end: E = attach(&ring, |options| options);
        let peer = Peer::<E>::attach(&small(ring.options())).unwrap();
        let told = waits(end.until_ready(), || peer.close());
        check_told(end, told, WaitError::Closed);
        let ring = Ring::new();
        let mut end: E = attach(&ring, |options| options);
        Peer::<E>::attach(&small(ring.options())).unwrap().close();
        let told = ends(end.until_ready());
        check_told(end, told, WaitError::Closed);
    }
    for_each_task_end!(check);
}

#[test]
fn a_task_is_told_that_the_process_at_the_other_end_was_killed() {
    fn check<E: TaskEnd>() {
        for sleeps in [true, false] {
            let ring = Ring::new();
            let mut end: E = attach(&ring, |options| options);
            let mut peer = Child::start(Peer::<E>::PART, ring.name(), &[]);
            peer.says("attached");
            let told = if sleeps {
                waits(end.until_ready(), || peer.kill())
            } else {
                peer.kill();
                block_on(end.until_ready())
            };
            check_told(end, told, WaitError::Crashed);
        }
        let ring = Ring::new();
        let mut end: E = attach(&ring, |options| options);
        let peer = Peer::<E>::attach(&small(ring.options())).unwrap();
        let told = waits(end.until_ready(), || peer.abandon());
        check_told(end, told, WaitError::Crashed);
    }
    for_each_task_end!(check);
}

#[test]
fn a_task_is_told_that_nobody_is_there_or_can_come() {
    fn check<E: TaskEnd>() {
        let ring = Ring::new();
        let mut end: E = attach(&ring, |options| options.await_first_peer(false));
        assert_eq!(ends(end.until_ready()), Err(WaitError::NotConnected));
        drop(end);
        let ring = Ring::new();
        let mut end: E = attach(&ring, |options| options);
        let told = waits(end.until_ready(), || ringmain::unlink(ring.name()).unwrap());
        check_told(end, told, WaitError::Orphaned);
    }
    for_each_task_end!(check);
}

#[test]
fn a_task_is_told_of_a_ring_that_is_damaged_or_shortened() {
    fn check<E: TaskEnd>() {
        let ring = Ring::new();
        let mut end: E = attach(&ring, |options| options);
        let shortened = waits(end.until_ready(), || {
            File::options().write(true).open(path(ring.name())).unwrap().set_len(4096).unwrap();
        });
        assert!(matches!(shortened, Err(WaitError::Truncated { len: 4096, .. })), "{shortened:?}");
        let ring = Ring::new();
        let mut end: E = attach(&ring, |options| options);
        let (word, value) = Plain::<E>::IMPOSSIBLE;
        ring.set_word(word, value);
        let damaged = ends(end.until_ready());
        assert!(matches!(damaged, Err(WaitError::Broken(Broken::Corrupted(_)))), "{damaged:?}");
    }
    for_each_task_end!(check);
}

#[test]
fn a_task_that_awaits_a_successor_goes_on_with_it() {
    fn check<E: TaskEnd>() {
        let ring = Ring::new();
        let options = ring.options().await_successor(true);
        let mut end = Plain::<E>::attach(&small(options)).unwrap();
        let moved = end.exhaust();
        let mut end = E::of(end);
        let first = if Plain::<E>::ROLE == Role::Producer { 0 } else { moved };
        let gone = waits(end.go(moved), || {
            Peer::<E>::attach(&small(ring.options())).unwrap().close();
            let mut peer = Child::start(Peer::<E>::PART, ring.name(), &[]);
            peer.says("attached");
            peer.kill();
            thread::sleep(SOON);
            let mut peer = succeed(|| Peer::<E>::attach(&small(ring.options())));
            peer.go(first, Some(common::ends::LONG)).unwrap();
            peer.pause();
            peer.close();
        });
        assert_eq!(gone, Ok(()));
    }
    for_each_task_end!(check);
}

#[test]
fn what_was_sent_is_received_before_the_end_is_told() {
    for crashes in [false, true] {
        let ring = Ring::new();
        let mut tx = ring.options().capacity(8).stream_producer::<u64>().unwrap();
        let mut rx = ring.options().stream_consumer::<u64>().unwrap().into_async().unwrap();
        let first = waits(rx.pop(), || {
            tx.push_slice(&[1, 2]).unwrap();
            if crashes { tx.abandon() } else { drop(tx) }
        });
        assert_eq!((first, ends(rx.pop())), (Ok(1), Ok(2)));
        let end = if crashes { WaitError::Crashed } else { WaitError::Closed };
        assert_eq!(block_on(rx.pop()), Err(end));
    }
}

/// Forks while a task waits, and checks what the child makes of it.
fn forker(part: &mut Part) {
    let options = part.options().capacity(8);
    let mut tx = options.stream_producer::<u64>().unwrap().into_async().unwrap();
    let mut rx: Async<stream::Consumer<u64>> = options.stream_consumer().unwrap().into_async().unwrap();
    let came = waits(rx.pop(), || {
        let Some(child) = fork() else { exit(0) };
        part.say(format!("{:?}", code(child)));
        ends(tx.push(7)).unwrap();
    });
    part.say(format!("{came:?}"));
    let Some(child) = fork() else {
        let is_told = ends(rx.pop()) == Err(WaitError::Broken(Broken::Forked))
            && ends(tx.push(1)).is_err_and(|unsent| unsent.cause == WaitError::Broken(Broken::Forked));
        // A drop does nothing to the parent.
        drop((tx, rx));
        exit(i32::from(!is_told));
    };
    part.say(format!("{:?}", code(child)));
    part.say(format!("{:?}", waits(rx.pop(), || ends(tx.push(8)).unwrap())));
    part.hear();
}

#[test]
fn a_forked_child_is_refused_and_the_parent_is_undisturbed() {
    let ring = Ring::new();
    let mut forker = Child::start("forker", ring.name(), &[]);
    for words in ["Some(0)", "Ok(7)", "Some(0)", "Ok(8)"] {
        forker.says(words);
    }
}
