//! Whoever waits by a descriptor is woken by the process at the other end itself, which reads a byte of the ring for
//! that; and by a driver where that process does not.

mod common;

use std::fs::{self, File};
use std::io::Read;
use std::thread;

use common::ends::{End, LONG, SOON, small};
use common::events::Events;
use common::{Child, Part, Ring, byte_of, lock_to_read, succeed, unlock, wait_for};
use ringmain::{Options, Readiness, Role, WaitError, message, stream};

/// How often a waiter is woken.
const WAKES: u64 = 30;

/// Where the consumer's parking word lies, and its bit that asks for a read.
const CONSUMER_PARKING: u64 = 0x120;
const READS: u64 = 1 << 63;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("waiter", waiter::<stream::Consumer<u64>>),
        ("waiter-of-messages", waiter::<message::Consumer>),
        ("waiter-for-room", waiter::<stream::Producer<u64>>),
        ("waiter-for-room-for-messages", waiter::<message::Producer>),
        ("pusher", pusher),
        ("sleeper", sleeper),
    ]);
}

/// Waits until a descriptor rests: its end then sleeps.
fn rest<E: End>(events: &Events, ready: &mut Readiness<E>) {
    wait_for("rest", || {
        assert!(!ready.is_ready(E::wanted).unwrap());
        events.wait(SOON).is_empty().then_some(())
    });
}

/// Returns how often the threads of this process have gone to sleep that are the library's drivers.
fn sleeps_of_drivers() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    let drivers = texts.filter(|text| text.starts_with("Name:\tringmain-driver\n"));
    let counts = drivers.filter_map(|text| {
        text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse::<u64>().ok()
    });
    counts.sum()
}

/// Rests, and is woken, again and again; says how often its driver has slept meanwhile.
fn waiter<E: End>(part: &mut Part) {
    let mut end = E::attach(&small(part.options())).unwrap();
    let first = end.exhaust();
    let (mut end, events) = (end.ready_by(None).unwrap(), Events::new());
    events.watch(&end, 7, part.argument(0));
    part.say("attached");
    part.hear();
    let mut before = 0;
    for number in 0..WAKES {
        rest(&events, &mut end);
        if number == 2 {
            before = sleeps_of_drivers();
        }
        part.say("waits");
        assert_eq!(events.wait(LONG), [7], "wake {number}");
        while !end.is_ready(E::wanted).unwrap() {
            assert_eq!(events.wait(LONG), [7], "wake {number}");
        }
        end.handle().go(first + number, Some(LONG)).unwrap();
        part.say("was woken");
    }
    part.say(sleeps_of_drivers() - before);
    part.hear();
}

/// Wakes a waiter, and returns how often its driver slept.
fn wake<P: End>(ring: &Ring, waiter: &str, by_edge: bool) -> u64 {
    let mut waiter = Child::start(waiter, ring.name(), &[&by_edge]);
    waiter.says("attached");
    let mut end = P::attach(&small(ring.options())).unwrap();
    waiter.say("begin");
    for number in 0..WAKES {
        waiter.says("waits");
        end.go(number, Some(LONG)).unwrap();
        waiter.says("was woken");
    }
    waiter.hear().parse().unwrap()
}

#[test]
fn whoever_waits_by_a_descriptor_is_woken_by_the_other_process_itself() {
    for by_edge in [false, true] {
        let sleeps = [
            wake::<stream::Producer<u64>>(&Ring::new(), "waiter", by_edge),
            wake::<message::Producer>(&Ring::new(), "waiter-of-messages", by_edge),
            wake::<stream::Consumer<u64>>(&Ring::new(), "waiter-for-room", by_edge),
            wake::<message::Consumer>(&Ring::new(), "waiter-for-room-for-messages", by_edge),
        ];
        assert!(sleeps.iter().all(|&sleeps| sleeps < WAKES / 2), "{sleeps:?} sleeps of drivers");
    }
}

/// Returns the ring's object, with a lock that keeps the holders of a role from saying that they read.
fn no_reads_of(ring: &Ring, role: Role) -> File {
    let object = File::options().read(true).write(true).open(ring.path()).unwrap();
    lock_to_read(&object, 3 + byte_of(role));
    object
}

#[test]
fn whoever_waits_for_one_that_does_not_say_that_it_reads_is_woken_by_a_driver() {
    let ring = Ring::new();
    ring.make::<u64>(8);
    let _lock = no_reads_of(&ring, Role::Producer);
    let sleeps = wake::<stream::Producer<u64>>(&ring, "waiter", true);
    assert!(sleeps >= WAKES - 5, "{sleeps} sleeps of drivers");
}

/// Pushes a number whenever it is told to, and leaves when it is told to.
fn pusher(part: &mut Part) {
    let mut tx = succeed(|| small(part.options()).stream_producer::<u64>());
    part.say("attached");
    while let Ok(number) = part.hear().parse() {
        tx.push(number).unwrap();
    }
    drop(tx);
    part.say("left");
    part.hear();
}

#[test]
fn whoever_comes_after_one_that_read_wakes_in_its_own_way_also_after_a_crash() {
    let ring = Ring::new();
    let rx = small(ring.options()).await_successor(true).stream_consumer::<u64>().unwrap();
    let (mut rx, events) = (rx.into_readiness().unwrap(), Events::new());
    events.watch(&rx, 7, true);
    let mut lock = None;
    let mut number = 0;
    for (reads, crashes) in [(true, false), (false, false), (true, true), (false, true), (true, false)] {
        match (reads, &lock) {
            (false, None) => lock = Some(no_reads_of(&ring, Role::Producer)),
            (true, Some(object)) => {
                unlock(object, 3 + byte_of(Role::Producer));
                lock = None;
            }
            _ => {}
        }
        let mut pusher = Child::start("pusher", ring.name(), &[]);
        pusher.says("attached");
        for _ in 0..4 {
            rest(&events, &mut rx);
            pusher.say(number);
            assert_eq!(events.wait(LONG), [7], "number {number}");
            while !rx.is_ready(|rx| rx.readable()).unwrap() {
                assert_eq!(events.wait(LONG), [7], "number {number}");
            }
            assert_eq!(rx.handle().pop(), Ok(number));
            number += 1;
        }
        // It sleeps by a read, or by the driver, when the end comes and nobody follows for a while.
        rest(&events, &mut rx);
        if crashes {
            pusher.kill();
        } else {
            pusher.say("leave");
            pusher.says("left");
        }
    }
}

/// Sleeps by a read until it is killed.
fn sleeper(part: &mut Part) {
    let rx = small(part.options()).stream_consumer::<u64>().unwrap();
    let (mut rx, events) = (rx.into_readiness().unwrap(), Events::new());
    events.watch(&rx, 7, false);
    (0..2).for_each(|_| rest(&events, &mut rx));
    part.say("sleeps");
    part.hear();
}

#[test]
fn whoever_follows_one_that_was_killed_asleep_is_woken_on_its_word() {
    let ring = Ring::new();
    let mut tx = small(ring.options()).stream_producer::<u64>().unwrap();
    let mut sleeper = Child::start("sleeper", ring.name(), &[]);
    sleeper.says("sleeps");
    sleeper.kill();
    assert_ne!(ring.word(CONSUMER_PARKING) & READS, 0, "it did not ask for a read");
    let mut rx = succeed(|| small(ring.options()).stream_consumer::<u64>());
    assert_eq!(ring.word(CONSUMER_PARKING) & READS, 0);
    let popper = thread::spawn(move || rx.within(LONG).pop());
    tx.push(7).unwrap();
    assert_eq!(popper.join().unwrap(), Ok(7));
}

#[test]
fn a_stranger_that_reads_wakes_in_vain_and_takes_nothing() {
    let ring = Ring::new();
    let mut tx = small(ring.options()).stream_producer::<u64>().unwrap();
    let rx = small(ring.options()).stream_consumer::<u64>().unwrap();
    let (mut rx, events) = (rx.into_readiness().unwrap(), Events::new());
    events.watch(&rx, 7, true);
    for number in 0..20 {
        (0..2).for_each(|_| rest(&events, &mut rx));
        for _ in 0..100 {
            File::open(ring.path()).unwrap().read_exact(&mut [0; 64]).unwrap();
        }
        assert_eq!(events.wait(LONG), [7]);
        rest(&events, &mut rx);
        tx.push(number).unwrap();
        assert_eq!(events.wait(LONG), [7]);
        assert!(rx.is_ready(|rx| rx.readable()).unwrap());
        assert_eq!(rx.handle().pop(), Ok(number));
    }
    // A handle that waits by itself is woken on its word again.
    let mut rx = rx.into_handle();
    let popper = thread::spawn(move || (rx.within(LONG).pop(), rx));
    tx.push(7).unwrap();
    let (popped, mut rx) = popper.join().unwrap();
    assert_eq!(popped, Ok(7));
    drop(tx);
    assert_eq!(rx.within(LONG).pop(), Err(WaitError::Closed));
}

#[test]
fn many_handles_of_a_process_are_told_of_whoever_wakes_them() {
    let rings = [(); 40].map(|()| {
        let tx = Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
        let rx = Options::from_fd(tx.descriptor().try_clone_to_owned().unwrap()).stream_consumer::<u64>().unwrap();
        (tx, rx.into_readiness().unwrap())
    });
    for (mut tx, mut rx) in rings {
        let events = Events::new();
        events.watch(&rx, 7, true);
        for number in 0..3 {
            rest(&events, &mut rx);
            tx.push(number).unwrap();
            assert_eq!(events.wait(LONG), [7]);
            assert!(rx.is_ready(|rx| rx.readable()).unwrap());
            assert_eq!(rx.handle().pop(), Ok(number));
        }
        // An end that leaves is told by a read, too.
        rest(&events, &mut rx);
        drop(tx);
        assert_eq!(events.wait(LONG), [7]);
    }
}

#[test]
fn an_event_loop_is_told_of_nothing_when_the_handle_is_gone() {
    let ring = Ring::new();
    let mut tx = small(ring.options()).stream_producer::<u64>().unwrap();
    let rx = small(ring.options()).stream_consumer::<u64>().unwrap();
    let (rx, events) = (rx.into_readiness().unwrap(), Events::new());
    events.watch(&rx, 7, false);
    assert_eq!(events.wait(LONG), [7]);
    drop(rx);
    let mut rx = small(ring.options()).stream_consumer::<u64>().unwrap();
    tx.push(7).unwrap();
    assert_eq!((events.wait(SOON), rx.pop()), (Vec::new(), Ok(7)));
}
