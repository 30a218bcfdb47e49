//! A ring whose creation takes long: it is waited for while it makes progress, whoever looks at it is told, and what
//! another thread forks meanwhile keeps no lock.

mod common;

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::ends::{End, as_end, for_each_ring};
use common::forks::{code, fork, keeps_a_lock, keeps_the_lock_of, wait_for_the_end};
use common::{
    ADMINISTRATION, Child, Part, Ring, check_flow, is_locked, lock_administration, path, refuses, succeed, wait_for,
};
use ringmain::inspect::{Condition, Inspection};
use ringmain::{Error, Options, Role};
use rustix::fs::FallocateFlags;
use rustix::process::{Pid, Signal, kill_process};

/// The bytes of a ring that takes long enough to make for another thread to look.
const LARGE: usize = 256 << 20;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("maker", maker), ("forker", as_end!(forker)), ("prefaulter", as_end!(prefaulter))]);
}

/// Returns the bytes of a ring of eight numbers.
fn bytes() -> Vec<u8> {
    let ring = File::from(Options::anonymous().capacity(8).create_stream(std::alloc::Layout::new::<u64>()).unwrap());
    let mut bytes = vec![0; ring.metadata().unwrap().len() as usize];
    ring.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Begins a ring: marked as one in the making, under its administration lock, without a byte.
fn begin(name: &str) -> File {
    let object = OpenOptions::new().read(true).write(true).create_new(true).mode(0o1600).open(path(name)).unwrap();
    lock_administration(&object);
    object
}

/// Makes a ring of eight numbers by hand, with pauses: reserves a page in each of so many steps, and then finishes it
/// or is killed, and leaves a child that keeps its lock.
fn maker(part: &mut Part) {
    let (pause, steps, finishes): (u64, u64, bool) = (part.argument(0), part.argument(1), part.argument(2));
    let object = begin(part.name());
    part.say("begun");
    for step in 0..steps {
        thread::sleep(Duration::from_millis(pause));
        // The length stays that of nothing during one long reservation, and while pages are brought into place nothing
        // changes but a time.
        let reserve = |flags| rustix::fs::fallocate(&object, flags, 0, 4096 * (step + 1)).unwrap();
        match step {
            0 => reserve(FallocateFlags::KEEP_SIZE),
            1 => reserve(FallocateFlags::empty()),
            _ => object.set_permissions(Permissions::from_mode(0o1600)).unwrap(),
        }
    }
    if finishes {
        let bytes = bytes();
        object.set_len(bytes.len() as u64).unwrap();
        object.write_all_at(&bytes[8..], 8).unwrap();
        object.write_all_at(&bytes[..8], 0).unwrap();
    } else {
        let child = fork().unwrap_or_else(|| wait_for_the_end());
        part.say(child);
        // SAFETY: a process may always send itself a signal.
        unsafe { libc::raise(libc::SIGKILL) };
    }
}

#[test]
fn a_slow_creation_is_waited_for_as_long_as_it_makes_progress() {
    let ring = Ring::new();
    let mut maker = Child::start("maker", ring.name(), &[&1800, &5, &true]);
    maker.says("begun");
    let start = Instant::now();
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    // Longer than a creation without progress is waited for.
    assert!(start.elapsed() > Duration::from_secs(5), "{:?}", start.elapsed());
    check_flow(&mut ring.options().stream_producer().unwrap(), &mut rx);
}

#[test]
fn a_creation_that_makes_no_more_progress_is_given_up() {
    let ring = Ring::new();
    let mut maker = Child::start("maker", ring.name(), &[&700, &2, &false]);
    maker.says("begun");
    let refused = ring.options().stream_consumer::<u64>();
    assert!(refused.as_ref().unwrap_err().to_string().contains("forked"), "{refused:?}");
    refuses!(refused, Error::NotReady { waited, .. } if waited > Duration::from_secs(6));
    assert!(ring.exists());
    // What it leaves is replaced, as ever, when nobody keeps the lock any more.
    let child = Pid::from_raw(maker.hear().parse().unwrap()).unwrap();
    assert_eq!(maker.end().signal(), Some(libc::SIGKILL));
    assert!(keeps_the_lock_of(child, ADMINISTRATION));
    kill_process(child, Signal::KILL).unwrap();
    drop(ring.options().capacity(8).stream_producer::<u64>().unwrap());
}

#[test]
fn whoever_looks_at_a_ring_in_the_making_is_told() {
    let ring = Ring::new();
    let object = begin(ring.name());
    for len in [0, 100, 4096, 4096 + 64] {
        object.set_len(len).unwrap();
        let refused = Inspection::open(ring.name());
        assert!(refused.as_ref().unwrap_err().to_string().contains("is being made"), "{refused:?}");
        refuses!(refused.map(drop), Error::NotReady { waited: Duration::ZERO, .. });
        let found = Inspection::all().unwrap().find(|found| found.name == ring.name()).unwrap();
        assert_eq!(found.condition(), Condition::BeingMade, "{found:?}");
    }
    // What a killed creator has left is not being made, and without its mark it is a stranger's.
    drop(object);
    refuses!(Inspection::open(ring.name()).map(drop), Error::Unfinished { .. });
    let found = Inspection::all().unwrap().find(|found| found.name == ring.name()).unwrap();
    assert_eq!(found.condition(), Condition::Unfinished, "{found:?}");
    fs::set_permissions(ring.path(), Permissions::from_mode(0o600)).unwrap();
    refuses!(Inspection::open(ring.name()).map(drop), Error::NotARing { len: 4160, magic: 0, .. });
}

#[test]
fn whoever_looks_when_a_ring_is_finished_finds_it() {
    let ring = Ring::new();
    thread::scope(|scope| {
        let maker = scope.spawn(|| {
            for _ in 0..2000 {
                drop(ring.options().capacity(8).unlink_on_close(true).stream_producer::<u64>().unwrap());
            }
        });
        while !maker.is_finished() {
            match Inspection::open(ring.name()).map(drop) {
                // With nothing in it yet, before its maker has locked it.
                Ok(()) | Err(Error::NotFound { .. } | Error::NotReady { .. } | Error::Unfinished { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    });
}

/// Forks children while another thread makes a large ring, until one was forked while that was being reserved. Says its
/// pid.
fn forker<E: End>(part: &mut Part) {
    let options = E::of_bytes(part.options(), LARGE);
    for _ in 0..100 {
        let (child, is_early) = thread::scope(|scope| {
            scope.spawn(|| E::attach(&options).map(drop).unwrap());
            let object = wait_for("the ring", || File::open(path(part.name())).ok());
            let blocks = || object.metadata().map(|status| (status.size(), status.blocks())).unwrap();
            wait_for("its first page", || (blocks().1 > 0).then_some(()));
            let child = fork().unwrap_or_else(|| wait_for_the_end());
            (child, blocks().0 == 0)
        });
        if is_early {
            part.say(child);
            part.hear();
            return;
        }
        end_late(child);
        ringmain::unlink(part.name()).unwrap();
    }
    part.say("every ring was made too fast");
}

/// Ends a child that was forked too late.
fn end_late(child: Pid) {
    kill_process(child, Signal::KILL).unwrap();
    code(child);
}

/// Forks a child while another thread comes to a large ring and gives every page its place. Says its pid.
fn prefaulter<E: End>(part: &mut Part) {
    let options = part.options().prefault(true);
    let object = File::open(path(part.name())).unwrap();
    for _ in 0..100 {
        let has_come = AtomicBool::new(false);
        let child = thread::scope(|scope| {
            scope.spawn(|| {
                let _end = succeed(|| E::attach(&options));
                has_come.store(true, Ordering::SeqCst);
            });
            wait_for("the role to be taken", || is_locked(&object, E::ROLE).then_some(()));
            // The descriptor that has the lock may be open for some microseconds.
            thread::sleep(Duration::from_millis(1));
            let child = fork().unwrap_or_else(|| wait_for_the_end());
            (!has_come.load(Ordering::SeqCst)).then_some(child).ok_or(child)
        });
        match child {
            Ok(child) => {
                part.say(child);
                part.hear();
                return;
            }
            Err(late) => end_late(late),
        }
    }
    part.say("every attach was over too soon");
}

/// Checks that the child that a process of this part has forked keeps neither role nor administration.
#[track_caller]
fn check_child<E: End>(ring: &Ring, part: &str) {
    let mut parent = Child::start(part, ring.name(), &[&E::PART]);
    let child = Pid::from_raw(parent.hear().parse().unwrap()).unwrap();
    for role in [Role::Producer, Role::Consumer] {
        assert!(!keeps_a_lock(child, role), "{role}");
    }
    parent.kill();
    ringmain::unlink(ring.name()).unwrap();
    kill_process(child, Signal::KILL).unwrap();
}

#[test]
fn a_child_that_is_forked_while_a_ring_is_reserved_keeps_no_lock() {
    fn check<E: End>() {
        check_child::<E>(&Ring::new(), "forker");
    }
    for_each_ring!(check);
}

#[test]
fn a_child_that_is_forked_while_a_ring_is_prefaulted_keeps_no_lock() {
    fn check<E: End>() {
        let ring = Ring::new();
        drop(E::attach(&E::of_bytes(ring.options(), LARGE)).unwrap());
        check_child::<E>(&ring, "prefaulter");
    }
    for_each_ring!(check);
}
