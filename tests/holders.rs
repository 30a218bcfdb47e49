//! A role has one holder at a time: a handle, not a thread, and for as long as the handle lives.

mod common;

use std::error::Error as _;
use std::sync::Barrier;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{mem, process, thread};

use common::{Child, Part, Ring, check_busy, check_flow, refuses, skip, succeed, wait_for};
use ringmain::stream::{Consumer, Producer};
use ringmain::{Error, Options, PeerState, Role};
use rustix::thread::{UnshareFlags, unshare_unsafe};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("holder", holder),
        ("rival", rival),
        ("creator", creator),
        ("forgetter", forgetter),
        ("namespace", namespace),
    ]);
}

fn options(name: &str) -> Options {
    Options::new(name).capacity(8)
}

/// Says how an attach went.
fn outcome<H>(attach: Result<H, Error>) -> String {
    match attach {
        Ok(_) => "attached".into(),
        Err(Error::Busy { role, holder: Some(pid), .. }) => format!("{role} is {pid}"),
        Err(Error::Busy { role, holder: None, .. }) => format!("{role} is unknown"),
        Err(error) => format!("{error:?} {:?}", error.source()),
    }
}

/// Holds a role until it is killed.
fn holder(part: &mut Part) {
    let options = options(part.name());
    match part.argument::<String>(0).as_str() {
        "producer" => hold(part, options.stream_producer::<u64>()),
        _ => hold(part, options.stream_consumer::<u64>()),
    }
}

fn hold<H>(part: &mut Part, attach: Result<H, Error>) {
    let _handle = attach.unwrap();
    part.say("attached");
    part.hear();
}

/// Tries both roles.
fn rival(part: &mut Part) {
    let options = options(part.name());
    part.say(outcome(options.stream_producer::<u64>()));
    part.say(outcome(options.stream_consumer::<u64>()));
}

/// Comes at given times, moves one element with the other side, and leaves; says how an attach failed.
fn creator(part: &mut Part) {
    let options = options(part.name()).unlink_on_close(true);
    let role: String = part.argument(0);
    loop {
        let time = Duration::from_nanos(part.hear().parse().unwrap());
        while now() < time {}
        match role.as_str() {
            "producer" => {
                take_part(part, options.stream_producer::<u64>(), |tx| tx.push(time.as_nanos() as u64).is_ok())
            }
            _ => take_part(part, options.stream_consumer::<u64>(), |rx| {
                wait_for("the element", || rx.pop().ok()) == time.as_nanos() as u64
            }),
        }
    }
}

fn take_part<H>(part: &mut Part, attach: Result<H, Error>, flows: impl FnOnce(&mut H) -> bool) {
    match attach {
        Ok(mut handle) => {
            part.say("attached");
            part.say(flows(&mut handle));
            part.hear();
        }
        Err(error) => part.say(outcome::<H>(Err(error))),
    }
    part.say("left");
}

/// The time, by a clock that two processes share.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Forgets its handle, and ends when told to.
fn forgetter(part: &mut Part) {
    mem::forget(options(part.name()).stream_producer::<u64>().unwrap());
    part.say("forgotten");
    part.hear();
}

/// Starts a holder and a rival in a PID namespace of their own.
fn namespace(part: &mut Part) {
    // SAFETY: of what is shared between threads, it changes nothing: new children alone are in the new namespace.
    if let Err(error) = unsafe { unshare_unsafe(UnshareFlags::NEWPID) } {
        return part.say(error);
    }
    part.say("ready");
    let name = part.name().to_owned();
    let mut holder = Child::start("holder", &name, &[&"producer"]);
    part.say(holder.hear());
    let mut rival = Child::start("rival", &name, &[]);
    part.say(rival.hear());
    part.say(rival.hear());
    // The first process of a namespace is gone only when all others are.
    rival.join();
    part.hear();
    holder.kill();
    part.say("killed");
    part.hear();
}

#[test]
fn a_second_handle_of_the_same_process_is_refused_and_the_first_is_undisturbed() {
    let ring = Ring::new();
    let mut tx = options(ring.name()).stream_producer::<u64>().unwrap();
    let mut rx = options(ring.name()).stream_consumer::<u64>().unwrap();
    check_busy(options(ring.name()).stream_producer::<u64>(), Role::Producer, process::id());
    check_busy(options(ring.name()).stream_consumer::<u64>(), Role::Consumer, process::id());
    assert_eq!((tx.peer_state(), rx.peer_state()), (PeerState::Alive, PeerState::Alive));
    assert_eq!((tx.peer_generation(), rx.peer_generation()), (1, 1));
    check_flow(&mut tx, &mut rx);
}

#[test]
fn a_second_process_is_refused_and_the_first_is_undisturbed() {
    let ring = Ring::new();
    let mut tx = options(ring.name()).stream_producer::<u64>().unwrap();
    let mut rx = options(ring.name()).stream_consumer::<u64>().unwrap();
    let mut rival = Child::start("rival", ring.name(), &[]);
    rival.says(format_args!("producer is {}", process::id()));
    rival.says(format_args!("consumer is {}", process::id()));
    rival.join();
    assert_eq!((tx.peer_state(), rx.peer_state()), (PeerState::Alive, PeerState::Alive));
    assert_eq!((tx.peer_generation(), rx.peer_generation()), (1, 1));
    check_flow(&mut tx, &mut rx);
}

#[test]
fn the_holder_of_a_role_is_named_by_its_pid() {
    let ring = Ring::new();
    for (part, role) in [("producer", Role::Producer), ("consumer", Role::Consumer)] {
        for _ in 0..2 {
            let mut holder = Child::start("holder", ring.name(), &[&part]);
            holder.says("attached");
            match role {
                Role::Producer => check_busy(options(ring.name()).stream_producer::<u64>(), role, holder.pid()),
                _ => check_busy(options(ring.name()).stream_consumer::<u64>(), role, holder.pid()),
            }
            holder.kill();
            // Wait until the kernel has let go, for the next one does not.
            match role {
                Role::Producer => drop(succeed(|| options(ring.name()).stream_producer::<u64>())),
                _ => drop(succeed(|| options(ring.name()).stream_consumer::<u64>())),
            }
        }
    }
}

#[test]
fn a_holder_in_another_pid_namespace_is_alive_and_unnamed() {
    let ring = Ring::new();
    let mut rx = options(ring.name()).stream_consumer::<u64>().unwrap();
    let mut namespace = Child::start("namespace", ring.name(), &[]);
    match namespace.hear().as_str() {
        "ready" => {}
        refused => return skip(&format!("a PID namespace is not allowed: {refused}")),
    }
    namespace.says("attached");
    namespace.says("producer is 1");
    namespace.says("consumer is unknown");
    assert_eq!(rx.peer_state(), PeerState::Alive);
    refuses!(options(ring.name()).stream_producer::<u64>(), Error::Busy { role: Role::Producer, holder: None, .. });
    namespace.say("kill");
    namespace.says("killed");
    wait_for("the crash to be seen", || (rx.peer_state() == PeerState::Crashed).then_some(()));
    check_flow(&mut options(ring.name()).stream_producer::<u64>().unwrap(), &mut rx);
}

#[test]
fn two_processes_that_create_at_once_share_one_ring() {
    let ring = Ring::new();
    let mut creators = ["producer", "consumer"].map(|role| Child::start("creator", ring.name(), &[&role]));
    for _ in 0..500 {
        let time = now() + Duration::from_micros(300);
        creators.iter_mut().for_each(|creator| creator.say(time.as_nanos()));
        creators.iter_mut().for_each(|creator| creator.says("attached"));
        creators.iter_mut().for_each(|creator| creator.says(true));
        creators.iter_mut().for_each(|creator| creator.say("leave"));
        creators.iter_mut().for_each(|creator| creator.says("left"));
        assert!(!ring.exists());
    }
}

#[test]
fn two_threads_that_create_at_once_share_one_ring() {
    let ring = Ring::new();
    let barrier = Barrier::new(2);
    for _ in 0..2000 {
        let (tx, rx) = thread::scope(|scope| {
            let producer = scope.spawn(|| {
                barrier.wait();
                options(ring.name()).stream_producer::<u64>()
            });
            barrier.wait();
            let rx = options(ring.name()).stream_consumer::<u64>();
            (producer.join().unwrap(), rx)
        });
        check_flow(&mut tx.unwrap(), &mut rx.unwrap());
        ringmain::unlink(ring.name()).unwrap();
    }
}

#[test]
fn of_two_that_create_at_once_for_the_same_role_one_is_refused() {
    let ring = Ring::new();
    let mut creators = ["producer", "producer"].map(|role| Child::start("creator", ring.name(), &[&role]));
    let pids = creators.each_ref().map(Child::pid);
    for _ in 0..300 {
        let time = now() + Duration::from_micros(300);
        creators.iter_mut().for_each(|creator| creator.say(time.as_nanos()));
        let outcomes = creators.each_mut().map(Child::hear);
        let winner = outcomes.iter().position(|outcome| outcome == "attached").expect("one of two has the role");
        assert_eq!(outcomes[1 - winner], format!("producer is {}", pids[winner]));
        creators[1 - winner].says("left");
        creators[winner].says(true);
        let mut rx = Options::new(ring.name()).stream_consumer::<u64>().unwrap();
        assert_eq!((rx.peer_state(), rx.peer_generation()), (PeerState::Alive, 1));
        assert_eq!(rx.pop(), Ok(time.as_nanos() as u64));
        creators[winner].say("leave");
        creators[winner].says("left");
        assert!(!ring.exists());
    }
}

#[test]
fn a_role_outlives_the_thread_that_took_it() {
    let ring = Ring::new();
    let attach = || options(ring.name()).stream_producer::<u64>().unwrap();
    let mut tx = thread::scope(|scope| scope.spawn(attach).join().unwrap());
    let mut rx = options(ring.name()).stream_consumer::<u64>().unwrap();
    assert_eq!(rx.peer_state(), PeerState::Alive);
    check_busy(options(ring.name()).stream_producer::<u64>(), Role::Producer, process::id());
    check_flow(&mut tx, &mut rx);
    // Moved to a thread and dropped there, it ends with the handle.
    let (sent, kept) = thread::scope(|scope| {
        let thread = scope.spawn(move || {
            tx.push(7).unwrap();
            drop(tx);
        });
        (thread.join().is_ok(), rx)
    });
    rx = kept;
    assert!(sent);
    assert_eq!(rx.peer_state(), PeerState::Closed);
    assert_eq!(rx.pop(), Ok(7));
}

/// The handles of one ring that are not dropped yet.
type Ends = (Option<Producer<u64>>, Option<Consumer<u64>>);

#[test]
fn handles_are_dropped_in_any_order() {
    let rings = [Ring::new(), Ring::new()];
    for generation in 1..=4 {
        let mut handles: Vec<Ends> = Vec::new();
        for ring in &rings {
            let mut tx = options(ring.name()).stream_producer::<u64>().unwrap();
            let mut rx = options(ring.name()).stream_consumer::<u64>().unwrap();
            assert_eq!((tx.generation(), rx.generation()), (generation, generation));
            check_flow(&mut tx, &mut rx);
            handles.push((Some(tx), Some(rx)));
        }
        // Every order in which the four of them can begin.
        let first = (generation as usize - 1) % 4;
        for at in (0..4).map(|at| (at + first) % 4) {
            let (tx, rx) = &mut handles[at / 2];
            match at % 2 {
                0 => drop(tx.take()),
                _ => drop(rx.take()),
            }
            if let Some(tx) = tx {
                assert_eq!(tx.peer_state(), if rx.is_some() { PeerState::Alive } else { PeerState::Closed });
            }
            if let Some(rx) = rx {
                assert_eq!(rx.peer_state(), if tx.is_some() { PeerState::Alive } else { PeerState::Closed });
            }
        }
    }
}

#[test]
fn a_forgotten_handle_keeps_its_role_until_its_process_ends() {
    let ring = Ring::new();
    let rx = options(ring.name()).stream_consumer::<u64>().unwrap();
    let mut forgetter = Child::start("forgetter", ring.name(), &[]);
    forgetter.says("forgotten");
    assert_eq!(rx.peer_state(), PeerState::Alive);
    check_busy(options(ring.name()).stream_producer::<u64>(), Role::Producer, forgetter.pid());
    forgetter.say("end");
    forgetter.join();
    // It never said that it left.
    wait_for("the crash to be seen", || (rx.peer_state() == PeerState::Crashed).then_some(()));
    assert_eq!(options(ring.name()).stream_producer::<u64>().unwrap().generation(), 2);
}
