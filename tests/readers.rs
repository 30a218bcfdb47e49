//! Processes that may only read a ring: what they can do to those who are attached, and how far that goes.

mod common;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::ends::{End, as_end, check_hand_over, for_each_end, for_each_ring, small};
use common::limits::give_up_privileges;
use common::{
    ADMINISTRATION, Ability, Child, Part, Ring, byte_of, lock_to_read, missing, path, refuses, unlock, wait_for,
};
use ringmain::inspect::Inspection;
use ringmain::{Error, PeerState, Role, WaitError};
use rustix::process::geteuid;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("locker", locker),
        ("leaver", as_end!(leaver)),
        ("hunter", hunter),
        ("reader", reader),
        ("exiter", exiter),
    ]);
}

/// Opens a ring as another user than that of the tests, to read it, as root lets any.
fn open_to_read(part: &Part) -> File {
    give_up_privileges();
    File::open(path(part.name())).unwrap()
}

/// Sets read locks on these bytes, one after the other, each as soon as it can be had. Says so, and gives them back
/// when it is told to.
fn locker(part: &mut Part) {
    let object = open_to_read(part);
    let bytes: Vec<libc::off_t> = part.argument::<String>(0).split(',').map(|byte| byte.parse().unwrap()).collect();
    part.say("waits");
    bytes.iter().for_each(|&byte| lock_to_read(&object, byte));
    part.say("locked");
    part.hear();
    bytes.iter().for_each(|&byte| unlock(&object, byte));
    part.say("unlocked");
    part.hear();
}

/// Holds an end until it is told to give it up, which this process survives.
fn leaver<E: End>(part: &mut Part) {
    let end = E::attach(&small(part.options())).unwrap();
    part.say("attached");
    part.hear();
    end.abandon();
    part.say("left");
    part.hear();
}

/// Makes a ring that others may read, and attaches to one end.
#[track_caller]
fn attach_open<E: End>(ring: &Ring) -> E {
    E::attach(&small(ring.options()).mode(0o644)).unwrap()
}

/// Starts a reader that locks these bytes of a ring as soon as it can.
#[track_caller]
fn start_locker(ring: &Ring, bytes: &[libc::off_t]) -> Child {
    let bytes = bytes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let mut locker = Child::start("locker", ring.name(), &[&bytes]);
    locker.says("waits");
    locker
}

#[test]
fn a_read_lock_makes_no_dead_peer_look_alive() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut peer = attach_open::<E::Peer>(&ring);
        peer.exhaust();
        let mut leaver = Child::start("leaver", ring.name(), &[&E::PART]);
        leaver.says("attached");
        let mut locker = start_locker(&ring, &[byte_of(E::ROLE)]);
        wait_for("a reader to wait for the lock", || locker.all_threads('S').then_some(()));
        assert_eq!(peer.peer_state(), PeerState::Alive);
        leaver.say("leave");
        leaver.says("left");
        locker.says("locked");
        assert_eq!(peer.peer_state(), PeerState::Crashed);
        assert_eq!(Inspection::open(ring.name()).unwrap().end(E::ROLE).unwrap().state, PeerState::Crashed);
        assert_eq!(peer.wait_ready(Duration::from_secs(60)), Err(WaitError::Crashed));
    }
    for_each_end!(check);
}

#[test]
fn a_read_lock_of_a_role_is_told_to_whoever_wants_it_and_disturbs_nobody_else() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut peer = attach_open::<E::Peer>(&ring);
        let mut locker = start_locker(&ring, &[byte_of(E::ROLE)]);
        locker.says("locked");
        let refused = E::attach(&small(ring.options()));
        let text = refused.as_ref().unwrap_err().to_string();
        refuses!(refused, Error::ReadLocked { role: Some(role), .. } if role == E::ROLE);
        assert!(text.contains("only read") && text.contains(ring.name()), "{text}");
        locker.say("unlock");
        locker.says("unlocked");
        let mut end = attach_open::<E>(&ring);
        check_hand_over(&mut end, &mut peer);
        // While both are attached, nobody can set such a lock: not even one that is taken at once.
        let object = File::open(ring.path()).unwrap();
        for role in [Role::Producer, Role::Consumer] {
            assert_eq!(try_to_lock(&object, byte_of(role), libc::F_RDLCK), Err(libc::EAGAIN));
        }
    }
    for_each_end!(check);
}

/// Tries to set a lock, and returns the number of the error.
fn try_to_lock(object: &File, byte: libc::off_t, kind: libc::c_int) -> Result<(), i32> {
    // SAFETY: `flock` is a C struct of integers, for which zero is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    (lock.l_type, lock.l_start, lock.l_len) = (kind as libc::c_short, byte, 1);
    // SAFETY: the descriptor is open, and the command reads one `flock`.
    let status = unsafe { libc::fcntl(object.as_raw_fd(), libc::F_OFD_SETLK, &raw mut lock) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error().raw_os_error().unwrap()) }
}

#[test]
fn questions_about_an_end_are_answered_among_many_read_locks() {
    fn check<E: End>() {
        let ring = Ring::new();
        let peer = attach_open::<E::Peer>(&ring);
        let mut leaver = Child::start("leaver", ring.name(), &[&E::PART]);
        leaver.says("attached");
        // Apart from each other, so that the system keeps each for itself, and on both sides of the byte.
        // Byte 4 is that of an end which wakes by reads.
        let bytes: Vec<libc::off_t> = (0..1000).map(|at| 2 * at + 2).filter(|&byte| byte != 4).collect();
        let mut locker = start_locker(&ring, &bytes);
        locker.says("locked");
        assert_eq!(peer.peer_state(), PeerState::Alive);
        leaver.say("leave");
        leaver.says("left");
        assert_eq!(peer.peer_state(), PeerState::Crashed);
        let end = attach_open::<E>(&ring);
        assert_eq!((end.generation(), peer.peer_state()), (2, PeerState::Alive));
    }
    for_each_end!(check);
}

/// The longest time for which a stranger may hold up a close, and what a busy machine may add to it.
const SECOND: Duration = Duration::from_secs(1);
const BUSY: Duration = Duration::from_secs(2);

#[test]
fn a_close_that_removes_the_name_is_held_up_by_a_read_lock_for_a_second() {
    fn check<E: End>() {
        let ring = Ring::new();
        let end = E::attach(&small(ring.options()).mode(0o644).unlink_on_close(true)).unwrap();
        let peer = attach_open::<E::Peer>(&ring);
        let mut locker = start_locker(&ring, &[ADMINISTRATION]);
        locker.says("locked");
        std::thread::scope(|scope| {
            let close = scope.spawn(|| end.try_close());
            // The other end is told at once.
            wait_for("the end to be told", || (peer.peer_state() == PeerState::Closed).then_some(()));
            match close.join().unwrap() {
                Err(Error::ReadLocked { role: None, waited, .. }) => assert!(waited < SECOND + BUSY, "{waited:?}"),
                other => panic!("{other:?}"),
            }
        });
        assert!(ring.exists());
        refuses!(ringmain::unlink(ring.name()), Error::ReadLocked { role: None, .. });
        // So is a drop, which says nothing.
        drop(E::attach(&ring.options().unlink_on_close(true)).unwrap());
        assert!(ring.exists());
        locker.say("unlock");
        locker.says("unlocked");
        drop(E::attach(&ring.options().unlink_on_close(true)).unwrap());
        assert!(!ring.exists());
    }
    for_each_ring!(at once: check() for () in [()]);
}

#[test]
fn a_close_that_removes_the_name_is_held_up_by_a_writer_for_a_second() {
    let ring = Ring::new();
    let tx = ring.options().capacity(8).unlink_on_close(true).stream_producer::<u64>().unwrap();
    let object = OpenOptions::new().read(true).write(true).open(ring.path()).unwrap();
    common::lock_administration(&object);
    match tx.close() {
        Err(Error::NotReady { waited, .. }) => assert!(waited < SECOND + BUSY, "{waited:?}"),
        other => panic!("{other:?}"),
    }
}

/// Holds many ends of rings whose names it is to remove, until it is told to exit.
fn exiter(part: &mut Part) {
    for name in part.argument::<String>(0).split(',') {
        let tx = ringmain::Options::new(name).capacity(8).mode(0o644).unlink_on_close(true).stream_producer::<u64>();
        std::mem::forget(tx.unwrap());
    }
    part.say("attached");
    part.hear();
    std::process::exit(0);
}

#[test]
fn an_exit_is_held_up_by_read_locks_for_a_moment_however_many_rings_it_leaves() {
    // One after the other, they would take ten seconds.
    let rings: Vec<Ring> = (0..100).map(|_| Ring::new()).collect();
    let names = rings.iter().map(Ring::name).collect::<Vec<_>>().join(",");
    let mut exiter = Child::start("exiter", rings[0].name(), &[&names]);
    exiter.says("attached");
    let (locked, free) = rings.split_at(99);
    let objects: Vec<File> = locked.iter().map(|ring| File::open(ring.path()).unwrap()).collect();
    objects.iter().for_each(|object| lock_to_read(object, ADMINISTRATION));
    let start = Instant::now();
    exiter.say("exit");
    assert!(exiter.end().success());
    let took = start.elapsed();
    assert!(took < SECOND + BUSY, "{took:?}");
    // What nobody keeps is removed all the same.
    assert!(locked.iter().all(Ring::exists) && !free.iter().any(Ring::exists));
}

/// Opens a ring again and again as soon as it stands, and sets read locks on all its bytes that are free.
fn hunter(part: &mut Part) {
    give_up_privileges();
    part.say("hunts");
    let mut prey = VecDeque::new();
    loop {
        let Ok(object) = File::open(path(part.name())) else { continue };
        for byte in [ADMINISTRATION, byte_of(Role::Producer), byte_of(Role::Consumer)] {
            // Somebody else may have it.
            let _ = try_to_lock(&object, byte, libc::F_RDLCK);
        }
        prey.push_back(object);
        if prey.len() > 100 {
            prey.pop_front();
        }
    }
}

#[test]
fn no_reader_comes_before_a_creator_has_its_locks() {
    if !geteuid().is_root() {
        return missing(Ability::OtherUsers, "only root can be another user");
    }
    let ring = Ring::new();
    let mut hunter = Child::start("hunter", ring.name(), &[]);
    hunter.says("hunts");
    for _ in 0..2000 {
        drop(ring.options().capacity(8).mode(0o644).stream_producer::<u64>().unwrap());
        // By hand: the reader keeps the library from it.
        fs::remove_file(ring.path()).unwrap();
    }
}

/// Tries what takes more than the right to read, and says what came of it.
fn reader(part: &mut Part) {
    let object = open_to_read(part);
    for byte in 0..3 {
        part.say(format!("{:?}", try_to_lock(&object, byte, libc::F_WRLCK)));
    }
    let code = |result: rustix::io::Result<()>| format!("{:?}", result.map_err(|error| error.raw_os_error()));
    part.say(code(rustix::fs::ftruncate(&object, 0)));
    let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    part.say(code(rustix::fs::fallocate(&object, flags, 0, 4096)));
    let opened = OpenOptions::new().write(true).open(path(part.name()));
    part.say(format!("{:?}", opened.map(drop).map_err(|error| error.kind())));
}

#[test]
fn whoever_may_only_read_a_ring_changes_nothing_of_it() {
    let ring = Ring::new();
    let _tx = ring.options().capacity(8).mode(0o644).stream_producer::<u64>().unwrap();
    let mut reader = Child::start("reader", ring.name(), &[]);
    (0..3).for_each(|_| reader.says(format_args!("Err({})", libc::EBADF)));
    reader.says(format_args!("Err({})", libc::EINVAL));
    reader.says(format_args!("Err({})", libc::EBADF));
    match geteuid().is_root() {
        true => reader.says("Err(PermissionDenied)"),
        false => missing(Ability::OtherUsers, "only root can be another user"),
    }
    assert_eq!(ring.path().metadata().unwrap().permissions().mode() & 0o777, 0o644);
}
