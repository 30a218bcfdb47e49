//! Whoever sleeps in a set, or by a driver, is told at once how the other end has ended, and nobody asks in between.

mod common;

use std::fs::File;
use std::thread;
use std::time::{Duration, Instant};

use common::ends::{End, LONG, SOON, attach_peer, for_each_end, parts_of_ends, small, told_in_a_set};
use common::events::Events;
use common::filter::{Verdict, refuse};
use common::{Ability, Child, Part, Ring, SLICE, byte_of, lock_role, missing, succeed, unlock, wait_for};
use ringmain::{Driver, Options, Readiness, WaitError, WaitSet, Woken, stream};

/// How often an end is told of.
const ROUNDS: usize = 15;

/// A time that most of those who are told at once stay below, and most of those who ask every slice do not.
const AT_ONCE: Duration = Duration::from_millis(10);

/// How often that is tried: what else the machine does may delay most of those who are told in one series.
const SERIES: usize = 6;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    let others = [("deprived", deprived as fn(&mut Part)), ("mute", mute)];
    common::play(&[&parts_of_ends!(ends)[..], &others].concat());
}

/// Holds an end until it is killed, or told how to end it.
fn ends<E: End>(part: &mut Part) {
    let end = succeed(|| E::attach(&small(part.options())));
    part.say("attached");
    match part.hear().as_str() {
        "close" => end.close(),
        "abandon" => end.abandon(),
        other => panic!("{other} is no order"),
    }
    part.hear();
}

/// Waits until a descriptor rests.
fn rest<E: End>(events: &Events, ready: &mut Readiness<E>) {
    wait_for("rest", || {
        assert!(!ready.is_ready(E::wanted).unwrap());
        events.wait(SOON).is_empty().then_some(())
    });
}

/// Returns how long it takes until whoever waits for a descriptor is told of an end.
#[track_caller]
fn told_by_a_descriptor<E: End>(end: E, ends: impl FnOnce()) -> (Duration, E) {
    let mut ready = end.ready_by(None).unwrap();
    let events = Events::new();
    events.watch(&ready, 0, true);
    rest(&events, &mut ready);
    let start = Instant::now();
    ends();
    // What was cut off must not be touched. A hint may be early: it is given again.
    assert_eq!(events.wait(LONG), [0]);
    while !ready.is_ready(E::wanted).unwrap() {
        assert_eq!(events.wait(LONG), [0]);
    }
    (start.elapsed(), ready.into_handle())
}

/// Checks that most ends of one kind are told at once.
#[track_caller]
fn check_at_once(what: &str, mut time: impl FnMut() -> Duration) {
    let mut all = Vec::new();
    for _ in 0..SERIES {
        let mut times: Vec<Duration> = (0..ROUNDS).map(|_| time()).collect();
        times.sort_unstable();
        println!("{what}: {times:?}");
        if times[ROUNDS / 2] <= AT_ONCE {
            return;
        }
        all.push(times);
    }
    panic!("{what}: {all:?}");
}

/// Returns how long it takes until the end is told what is done, and the end.
fn told<E: End>(in_a_set: bool, mut end: E, ends: impl FnOnce()) -> (Duration, E) {
    if in_a_set { (told_in_a_set(&mut end, ends), end) } else { told_by_a_descriptor(end, ends) }
}

#[test]
fn a_crash_an_abandon_and_a_close_are_told_at_once() {
    fn check<E: End>(how: &str) {
        for in_a_set in [true, false] {
            let ring = Ring::new();
            check_at_once(&format!("{} {how}, in a set: {in_a_set}", E::PART), || {
                let mut child = Child::start(E::Peer::PART, ring.name(), &[]);
                child.says("attached");
                let end = attach_peer::<E>(&ring);
                let ends = || if how == "kill" { child.kill() } else { child.say(how) };
                let (time, mut end) = told(in_a_set, end, ends);
                let expected = if how == "close" { WaitError::Closed } else { WaitError::Crashed };
                assert_eq!(end.wait_ready(Duration::ZERO), Err(expected));
                // The next two begin with a ring of their own.
                drop((child, end));
                let _ = ringmain::unlink(ring.name());
                time
            });
        }
    }
    for_each_end!(check, "kill");
    for_each_end!(check, "abandon");
    for_each_end!(check, "close");
}

#[test]
fn a_ring_that_is_shortened_or_loses_its_name_is_told_at_once() {
    fn check<E: End>(in_a_set: bool, shortens: bool) {
        check_at_once(&format!("{} in a set: {in_a_set}, shortened: {shortens}", E::PART), || {
            let ring = Ring::new();
            let end = attach_peer::<E>(&ring);
            let ends = || match shortens {
                true => File::options().write(true).open(ring.path()).unwrap().set_len(4096).unwrap(),
                false => ringmain::unlink(ring.name()).unwrap(),
            };
            let (time, mut end) = told(in_a_set, end, ends);
            let error = end.wait_ready(Duration::ZERO).unwrap_err();
            let is_it = matches!(error, WaitError::Truncated { len: 4096, .. }) == shortens;
            assert!(is_it && (shortens || error == WaitError::Orphaned), "{error:?}");
            time
        });
    }
    for in_a_set in [true, false] {
        for_each_end!(check, in_a_set, false);
        for_each_end!(check, in_a_set, true);
    }
}

/// Waits at an end, where the system watches no objects, or starts no threads, as it is told; says how it is told of an
/// end, and after how long.
fn deprived(part: &mut Part) {
    let (refused, in_a_set): (String, bool) = (part.argument(0), part.argument(1));
    let calls: &[libc::c_long] = match refused.as_str() {
        "inotify_init1" => &[libc::SYS_inotify_init1],
        "inotify_add_watch" => &[libc::SYS_inotify_add_watch],
        "epoll_create1" => &[libc::SYS_epoll_create1],
        "clone" => &[libc::SYS_clone, libc::SYS_clone3],
        "pidfd_open" => &[libc::SYS_pidfd_open],
        other => panic!("{other} is no call"),
    };
    let events = Events::new();
    // The thread of the driver is the test's own, where none can be started.
    let driver = Driver::new();
    let runs = driver.clone();
    let thread = thread::spawn(move || runs.run());
    if let Err(error) = refuse(calls, Verdict::Fails) {
        return part.say(format!("no filter: {error}"));
    }
    let mut rx = succeed(|| stream::Consumer::<u64>::attach(&small(part.options())));
    let (woken, start) = if in_a_set {
        let mut set = WaitSet::new();
        assert_eq!(set.wait(&mut [rx.readable()], SLICE), Ok(Woken::TimedOut));
        part.say("waits");
        let start = Instant::now();
        (matches!(set.wait(&mut [rx.readable()], LONG), Ok(Woken::Ready(_))), start)
    } else {
        let mut ready = rx.into_readiness_with(&driver).unwrap();
        events.watch(&ready, 0, false);
        while ready.is_ready(|rx| rx.readable()).unwrap() {}
        part.say("waits");
        let start = Instant::now();
        while !ready.is_ready(|rx| rx.readable()).unwrap() {
            events.wait(LONG);
        }
        rx = ready.into_handle();
        (true, start)
    };
    part.say(format!("{woken} {:?} {}", rx.within(Duration::ZERO).pop(), start.elapsed() < LONG / 2));
    driver.stop();
    thread.join().unwrap().unwrap();
    part.hear();
}

#[test]
fn where_the_system_gives_no_hints_an_end_is_told_after_a_slice() {
    for refused in ["inotify_init1", "inotify_add_watch", "epoll_create1", "clone", "pidfd_open"] {
        for in_a_set in [true, false] {
            let ring = Ring::new();
            let tx = small(ring.options()).stream_producer::<u64>().unwrap();
            let mut deprived = Child::start("deprived", ring.name(), &[&refused, &in_a_set]);
            match deprived.hear().as_str() {
                "waits" => {}
                refusal => return missing(Ability::SystemCallFilter, refusal),
            }
            thread::sleep(SLICE / 2);
            tx.abandon();
            deprived.says("true Err(Crashed) true");
        }
    }
}

/// Checks whether a set wakes now and then at a ring to which nothing comes.
#[track_caller]
fn check_wakes(options: &Options, is_sliced: bool) {
    let _tx = options.stream_producer::<u64>().unwrap();
    let mut rx = options.stream_consumer::<u64>().unwrap();
    let waits = thread::spawn(move || {
        let own = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            count.unwrap().trim().parse::<u64>().unwrap()
        };
        let mut set = WaitSet::new();
        // What has to be said again is said by then.
        assert_eq!(set.wait(&mut [rx.readable()], 10 * SLICE), Ok(Woken::TimedOut));
        let before = own();
        assert_eq!(set.wait(&mut [rx.readable()], 10 * SLICE), Ok(Woken::TimedOut));
        own() - before
    });
    let sleeps = waits.join().unwrap();
    assert_eq!(sleeps > 5, is_sliced, "{sleeps} sleeps in ten slices");
}

#[test]
fn a_sleep_at_a_ring_that_others_may_read_is_cut_into_slices() {
    let [own, readable] = [(); 2].map(|()| Ring::new());
    check_wakes(&small(own.options()), false);
    check_wakes(&small(readable.options()).mode(0o644), true);
    let anonymous = |sealable| {
        let created = small(Options::anonymous()).sealable(sealable).create_stream(std::alloc::Layout::new::<u64>());
        Options::from_fd(created.unwrap())
    };
    check_wakes(&anonymous(false), false);
    check_wakes(&anonymous(true), true);
}

/// The system tells of a close before it gives back the lock of what is closed, by a moment that can be long.
#[test]
fn a_hint_that_comes_before_the_lock_is_given_back_is_given_again() {
    fn check<E: End>() {
        let ring = Ring::new();
        drop(E::Peer::attach(&small(ring.options())).unwrap());
        // A holder of which nobody can know from here whether it runs.
        let object = File::options().read(true).write(true).open(ring.path()).unwrap();
        lock_role(&object, E::Peer::ROLE);
        ring.set_word(E::Peer::PRESENCE, 3);
        (1..4).for_each(|note| ring.set_word(E::Peer::PRESENCE + 8 * note, 0));
        let mut end = attach_peer::<E>(&ring);
        told_in_a_set(&mut end, || {
            thread::sleep(10 * SLICE);
            drop(File::options().write(true).open(ring.path()).unwrap());
            thread::sleep(SOON);
            // Nothing tells of this.
            unlock(&object, byte_of(E::Peer::ROLE));
        });
        assert_eq!(end.wait_ready(Duration::ZERO), Err(WaitError::Crashed));
    }
    for_each_end!(at once: check());
}

/// Sends an element when it is told to, and may not wake anybody.
fn mute(part: &mut Part) {
    let mut tx = small(part.options()).stream_producer::<u64>().unwrap();
    if let Err(error) = refuse(&[libc::SYS_futex], Verdict::Fails) {
        return part.say(format!("no filter: {error}"));
    }
    part.say("attached");
    part.hear();
    tx.push(7).unwrap();
    part.hear();
}

#[test]
fn a_set_is_told_of_what_comes_from_a_process_that_may_wake_nobody() {
    let ring = Ring::new();
    let mut mute = Child::start("mute", ring.name(), &[]);
    match mute.hear().as_str() {
        "attached" => {}
        refusal => return missing(Ability::SystemCallFilter, refusal),
    }
    let mut rx = attach_peer::<stream::Consumer<u64>>(&ring);
    told_in_a_set(&mut rx, || mute.say("push"));
    assert_eq!(rx.pop(), Ok(7));
}

#[test]
fn one_holder_after_the_other_is_watched_by_the_same_handle() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut end = attach_peer::<E>(&ring);
        for _ in 0..3 {
            let mut child = Child::start(E::Peer::PART, ring.name(), &[]);
            child.says("attached");
            told_in_a_set(&mut end, || child.kill());
            assert_eq!(end.wait_ready(Duration::ZERO), Err(WaitError::Crashed));
        }
    }
    for_each_end!(at once: check());
}
