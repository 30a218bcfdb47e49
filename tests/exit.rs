//! How a process ends, and what its peer hears of that: it closed if it exited in order, also with handles that
//! nobody dropped, and crashed otherwise.

mod common;

use std::any::Any;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{self, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use std::{mem, thread};

use common::ends::{End, as_end, check_held, for_each_end, for_each_ring, small};
use common::forks::{code, fork};
use common::{Child, Lateness, PATIENCE, Part, Ring, wait_for};
use ringmain::{Options, PeerState, Role, Wait, WaitError};

/// Set in the word in which an end says that it sleeps, while it does.
const ASLEEP: u64 = 2;

/// How many numbers pass before a process ends.
const COUNT: u64 = 4;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("ender", as_end!(ender)),
        ("panicker", as_end!(panicker)),
        ("abandoner", as_end!(abandoner)),
        ("closer", as_end!(closer)),
        ("pusher", as_end!(pusher)),
        ("forker", as_end!(forker)),
        ("daemon", as_end!(daemon)),
    ]);
}

/// What nobody drops.
static KEPT: OnceLock<Mutex<Box<dyn Any + Send>>> = OnceLock::new();

/// Keeps a handle in a static.
fn keep<E: End>(end: E) {
    assert!(KEPT.set(Mutex::new(Box::new(end))).is_ok(), "one is kept");
}

/// Panics, without a message.
fn stumble() -> ! {
    resume_unwind(Box::new(()))
}

/// Attaches, and moves some numbers.
fn attach<E: End>(part: &Part) -> E {
    let options = small(part.options()).close_on_exit(part.argument::<String>(2) != "off").unlink_on_close(true);
    let mut end = E::attach(&options).unwrap();
    (0..COUNT).for_each(|number| end.go(number, Some(PATIENCE)).unwrap());
    end
}

/// Ends with an end that it does not drop, in the way that its argument names.
fn ender<E: End>(part: &mut Part) {
    let end: E = attach(part);
    let how: String = part.argument(1);
    part.say("ready");
    part.hear();
    match how.as_str() {
        "static" => keep(end),
        "forgotten" => mem::forget(end),
        "leaked" => drop(Box::leak(Box::new(end))),
        "exit" => process::exit(0),
        "failure" => process::exit(3),
        "panic" => {
            keep(end);
            stumble();
        }
        "panic_of_a_thread" => {
            keep(end);
            assert!(thread::spawn(|| stumble()).join().is_err());
        }
        "abort" => process::abort(),
        "_exit" => common::forks::exit(0),
        other => panic!("{other} is no way to end"),
    }
}

/// Starts a process that moves numbers and ends, and returns how it did; then checks what its peer hears.
#[track_caller]
fn check_end<E: End>(how: &str, close_on_exit: &str, expected: WaitError) -> (Ring, ExitStatus) {
    let (ring, mut peer, mut ender) = meet::<E>("ender", how, close_on_exit);
    ender.say("end");
    let status = ender.end();
    check_told::<E>(&mut peer, expected, how);
    (ring, status)
}

/// Starts a process at one end of a ring that has moved some numbers.
#[track_caller]
fn meet<E: End>(part: &str, how: &str, close_on_exit: &str) -> (Ring, E::Peer, Child) {
    let ring = Ring::new();
    let mut peer = E::Peer::attach(&small(ring.options())).unwrap();
    if E::ROLE == Role::Consumer {
        (0..COUNT).for_each(|number| peer.go(number, Some(Duration::ZERO)).unwrap());
    }
    let mut child = Child::start(part, ring.name(), &[&E::PART, &how, &close_on_exit]);
    child.says("ready");
    (ring, peer, child)
}

/// Checks that the peer of an end gets all that passed, and then hears this.
#[track_caller]
fn check_told<E: End>(peer: &mut E::Peer, expected: WaitError, how: &str) {
    let moved = match E::ROLE {
        Role::Producer => {
            (0..COUNT).for_each(|number| peer.go(number, Some(PATIENCE)).unwrap());
            COUNT
        }
        // A full ring, so that it has to wait for the consumer.
        _ => COUNT + peer.exhaust(),
    };
    let state = if expected == WaitError::Closed { PeerState::Closed } else { PeerState::Crashed };
    wait_for("the kernel to give a role back", || (peer.peer_state() != PeerState::Alive).then_some(()));
    assert_eq!(peer.peer_state(), state, "{how}, {}", E::PART);
    assert_eq!(peer.go(moved, Some(PATIENCE)), Err(expected), "{how}, {}", E::PART);
}

#[test]
fn a_process_that_exits_with_a_handle_has_closed_it() {
    fn check<E: End>() {
        for how in ["static", "forgotten", "leaked", "exit", "failure", "panic_of_a_thread"] {
            let (ring, status) = check_end::<E>(how, "on", WaitError::Closed);
            assert_eq!(status.code(), Some(if how == "failure" { 3 } else { 0 }), "{how}");
            // As a drop would have done.
            assert!(!ring.exists(), "{how}");
        }
    }
    for_each_end!(at once: check());
}

#[test]
fn a_process_that_does_not_exit_in_order_has_crashed() {
    fn check<E: End>() {
        for how in ["panic", "abort", "_exit"] {
            let (ring, status) = check_end::<E>(how, "on", WaitError::Crashed);
            assert_eq!(status.success(), how == "_exit", "{how}: {status}");
            assert!(ring.exists(), "{how}");
        }
    }
    for_each_end!(at once: check());
}

#[test]
fn a_process_that_is_killed_has_crashed() {
    fn check<E: End>() {
        let (ring, mut peer, mut ender) = meet::<E>("ender", "static", "on");
        ender.kill();
        check_told::<E>(&mut peer, WaitError::Crashed, "killed");
        assert!(ring.exists());
    }
    for_each_end!(at once: check());
}

#[test]
fn a_handle_that_is_not_to_be_closed_at_the_exit_has_crashed() {
    fn check<E: End>() {
        for how in ["static", "exit"] {
            let (ring, status) = check_end::<E>(how, "off", WaitError::Crashed);
            assert!(status.success() && ring.exists(), "{how}: {status}");
        }
    }
    for_each_end!(at once: check());
}

/// Panics with an end, and goes on.
fn panicker<E: End>(part: &mut Part) {
    let end: E = attach(part);
    part.say("ready");
    part.hear();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _end = end;
        stumble();
    }));
    part.say(panicked.is_err());
    part.hear();
}

/// Abandons its end, and goes on.
fn abandoner<E: End>(part: &mut Part) {
    let end: E = attach(part);
    part.say("ready");
    part.hear();
    end.abandon();
    part.say(true);
    part.hear();
}

#[test]
fn a_handle_that_a_panic_drops_or_its_user_abandons_has_crashed_while_the_process_lives() {
    fn check<E: End>() {
        for part in ["panicker", "abandoner"] {
            let (ring, mut peer, mut child) = meet::<E>(part, "-", "on");
            child.say("go on");
            child.says(true);
            check_told::<E>(&mut peer, WaitError::Crashed, part);
            // The name is left for whoever follows, and the role is free.
            assert!(ring.exists());
            assert_eq!(E::attach(&small(ring.options())).unwrap().generation(), 2);
            child.say("end");
            child.join();
            // The exit has nothing to say for a handle that is gone: its successor has closed.
            assert_eq!(peer.peer_state(), PeerState::Closed);
        }
    }
    for_each_end!(at once: check());
}

#[test]
fn a_sleeper_is_woken_by_an_end_that_is_abandoned() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut peer = E::Peer::attach(&small(ring.options()).wait(Wait::Park)).unwrap();
        let moved = peer.exhaust();
        let mut lateness = Lateness::of(&peer);
        for _ in 0..12 {
            let end = E::attach(&small(ring.options())).unwrap();
            let told = thread::scope(|scope| {
                let sleeper = scope.spawn(|| lateness.watch(|| peer.go(moved, Some(PATIENCE))));
                wait_for("a sleep", || (ring.word(E::Peer::PARKING) & ASLEEP != 0).then_some(()));
                // Long enough for it to be asleep in the kernel too.
                thread::sleep(Duration::from_millis(5));
                end.abandon();
                sleeper.join().unwrap()
            });
            assert_eq!(told, Err(WaitError::Crashed));
        }
        // If nothing wakes it, it is late each time.
        assert!(lateness.count() <= 3, "{} of 12 sleeps ended with their slice", lateness.count());
    }
    for_each_end!(at once: check());
}

/// Closes its end while a panic unwinds.
fn closer<E: End>(part: &mut Part) {
    struct Closes<E: End>(Option<E>);
    impl<E: End> Drop for Closes<E> {
        fn drop(&mut self) {
            self.0.take().unwrap().close();
        }
    }
    let end: E = attach(part);
    part.say("ready");
    part.hear();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _closes = Closes(Some(end));
        stumble();
    }));
    part.say(panicked.is_err());
    part.hear();
}

#[test]
fn a_handle_that_is_closed_while_a_panic_unwinds_has_closed() {
    fn check<E: End>() {
        let (ring, mut peer, mut closer) = meet::<E>("closer", "-", "on");
        closer.say("go on");
        closer.says(true);
        check_told::<E>(&mut peer, WaitError::Closed, "close");
        assert!(!ring.exists());
        closer.say("end");
        closer.join();
    }
    for_each_end!(at once: check());
}

/// Pushes numbers by a thread that does not end, says how many, and exits.
fn pusher<E: End>(part: &mut Part) {
    static PUSHED: AtomicU64 = AtomicU64::new(0);
    let mut end = E::attach(&small(part.options())).unwrap();
    part.say("ready");
    thread::spawn(move || {
        for number in 0.. {
            // Refused once the process exits.
            if end.go(number, None).is_err() {
                break;
            }
            PUSHED.store(number + 1, Ordering::Release);
        }
        // Whatever it does then, the exit does not wait for it.
        loop {
            thread::park();
        }
    });
    part.hear();
    part.say(PUSHED.load(Ordering::Acquire));
    process::exit(0);
}

#[test]
fn what_another_thread_pushed_before_an_exit_is_there() {
    fn check<E: End>() {
        for _ in 0..20 {
            let ring = Ring::new();
            let mut peer = E::Peer::attach(&small(ring.options())).unwrap();
            let mut pusher = Child::start("pusher", ring.name(), &[&E::PART]);
            pusher.says("ready");
            (0..100).for_each(|number| peer.go(number, Some(PATIENCE)).unwrap());
            let mut number = 100;
            let ended = thread::scope(|scope| {
                let reader = scope.spawn(|| {
                    loop {
                        match peer.go(number, Some(PATIENCE)) {
                            Ok(()) => number += 1,
                            Err(error) => break error,
                        }
                    }
                });
                pusher.say("exit");
                let pushed: u64 = pusher.hear().parse().unwrap();
                (pushed, pusher.end(), reader.join().unwrap())
            });
            assert!(ended.1.success(), "{}", ended.1);
            assert_eq!(ended.2, WaitError::Closed);
            assert!(number >= ended.0, "{number} of {} came", ended.0);
        }
    }
    for_each_ring!(check);
}

/// Forks a child that exits as a process does that has attached.
fn forker<E: End>(part: &mut Part) {
    let mut end: E = attach(part);
    let Some(child) = fork() else {
        // SAFETY: the handlers of this library are ready for it, and nobody else has any here.
        unsafe { libc::exit(0) }
    };
    assert_eq!(code(child), Some(0));
    part.say("ready");
    part.hear();
    end.go(COUNT, Some(PATIENCE)).unwrap();
    part.say("flows");
    part.hear();
}

#[test]
fn a_forked_child_that_exits_leaves_the_ends_of_its_parent() {
    fn check<E: End>() {
        let (ring, mut peer, mut forker) = meet::<E>("forker", "-", "on");
        assert_eq!(peer.peer_state(), PeerState::Alive);
        check_held::<E>(&ring, forker.pid());
        assert!(ring.exists());
        let numbers = if E::ROLE == Role::Producer { 0..=COUNT } else { COUNT..=COUNT };
        forker.say("go on");
        numbers.for_each(|number| peer.go(number, Some(PATIENCE)).unwrap());
        forker.says("flows");
        forker.say("end");
        forker.join();
        assert_eq!(peer.peer_state(), PeerState::Closed);
    }
    for_each_end!(at once: check());
}

/// Has attached and left, forks, and lets the child attach and exit.
fn daemon<E: End>(part: &mut Part) {
    drop(E::attach(&small(Options::anonymous())).unwrap());
    let Some(child) = fork() else {
        mem::forget(attach::<E>(part));
        // SAFETY: the handlers of this library are ready for it, and nobody else has any here.
        unsafe { libc::exit(0) }
    };
    assert_eq!(code(child), Some(0));
    part.say("ready");
    part.hear();
}

#[test]
fn a_forked_child_that_exits_closes_its_own_ends() {
    fn check<E: End>() {
        let (ring, mut peer, daemon) = meet::<E>("daemon", "-", "on");
        check_told::<E>(&mut peer, WaitError::Closed, "exit of a child");
        assert!(!ring.exists());
        drop(daemon);
    }
    for_each_end!(at once: check());
}

#[test]
fn a_process_exits_in_order_with_a_ring_that_was_shortened() {
    fn check<E: End>() {
        for how in ["static", "exit"] {
            let (ring, peer, mut ender) = meet::<E>("ender", how, "on");
            // A drop of the peer looks for it too.
            File::options().write(true).open(ring.path()).unwrap().set_len(0).unwrap();
            ender.say("end");
            let status = ender.end();
            assert!(status.success(), "{how}: {status}");
            assert!(!ring.exists());
            drop(peer);
        }
    }
    for_each_end!(at once: check());
}
