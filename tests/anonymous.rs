//! A ring without a name is held, crashes and is succeeded like any other, and nobody can change its length.

mod common;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::process;
use std::time::Duration;

use common::ends::{End, for_each_end, parts_of_ends, small};
use common::passed::{Way, creator, descriptors, give, given, holder, move_between, move_numbers};
use common::{Ability, Child, PATIENCE, Part, check_busy, missing, refuses, succeed, wait_for};
use ringmain::{Broken, Creation, Error, Options, PeerState, Role, WaitError, pass};
use rustix::fs::{SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::geteuid;
use rustix::thread::{UnshareFlags, set_thread_uid, unshare_unsafe};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    let mut parts = parts_of_ends!(holder).to_vec();
    let creators = parts_of_ends!(creator).map(|(part, play)| (creator_of(part), play));
    parts.extend(creators);
    parts.extend([
        ("shrinker", shrinker as fn(&mut Part)),
        ("without_proc", without_proc),
        ("stranger", stranger),
        ("counter", counter),
    ]);
    common::play(&parts);
}

/// Names the part that creates a ring and holds this end.
fn creator_of(part: &str) -> &'static str {
    match part {
        "stream_producer" => "stream_producer_creator",
        "stream_consumer" => "stream_consumer_creator",
        "message_producer" => "message_producer_creator",
        _ => "message_consumer_creator",
    }
}

fn role<E: End>() -> Role {
    if E::PART.ends_with("producer") { Role::Producer } else { Role::Consumer }
}

/// Makes a small ring, and holds one end.
fn make<E: End>() -> E {
    E::attach(&small(Options::anonymous())).unwrap()
}

/// The ring behind a handle.
fn ring_of(end: &impl End) -> Options {
    Options::from_fd(end.descriptor().try_clone_to_owned().unwrap())
}

fn numbers_flow<E: End>() {
    for way in [Way::Socket, Way::Inheritance] {
        let mut end: E = make();
        let mut child = give(E::Peer::PART, end.descriptor(), way);
        child.says("attached");
        assert_eq!(end.peer_state(), PeerState::Alive);
        move_between(&mut end, &mut child, 0..1000);
        child.say("close");
        child.says("closed");
        assert_eq!(end.peer_state(), PeerState::Closed);
    }
}

#[test]
fn numbers_flow_through_a_ring_that_was_passed() {
    for_each_end!(numbers_flow);
}

fn is_succeeded<E: End>() {
    for way in [Way::Socket, Way::Inheritance] {
        let mut end: E = make();
        let descriptor = end.descriptor().try_clone_to_owned().unwrap();
        let mut child = give(E::Peer::PART, &descriptor, way);
        child.says("attached");
        move_between(&mut end, &mut child, 0..100);
        child.kill();
        let pushed = end.exhaust();
        assert_eq!(end.go(pushed, Some(PATIENCE)), Err(WaitError::Crashed));
        // The same descriptor serves the next process.
        let mut next = give(E::Peer::PART, &descriptor, way);
        next.says("attached");
        assert_eq!(end.peer_state(), PeerState::Alive);
        assert!(end.peer_changed());
        next.say(format_args!("0 {}", pushed + 100));
        move_numbers(&mut end, pushed..pushed + 100);
        next.says("moved");
    }
}

#[test]
fn a_process_that_was_killed_is_succeeded_by_the_same_descriptor() {
    for_each_end!(is_succeeded);
}

fn creators_death_is_noticed<E: End>() {
    let mut child = Child::start(creator_of(E::Peer::PART), "anonymous", &[]);
    // These descriptions are those of the process that dies: it must not hold its role by one of them.
    let received = pass::receive(child.socket()).unwrap();
    let options = Options::from_fd(received.try_clone().unwrap());
    let mut end = E::attach(&options).unwrap();
    assert_eq!(end.peer_state(), PeerState::Alive);
    check_busy(E::Peer::attach(&options), role::<E::Peer>(), child.pid());
    move_between(&mut end, &mut child, 0..100);
    child.kill();
    let pushed = end.exhaust();
    assert_eq!(end.go(pushed, Some(PATIENCE)), Err(WaitError::Crashed));
    let mut peer = succeed(|| E::Peer::attach(&options));
    if E::PART.ends_with("producer") {
        move_numbers(&mut peer, 0..pushed);
    }
    for number in 0..100 {
        if E::PART.ends_with("producer") {
            end.go(number, None).unwrap();
            peer.go(number, None).unwrap();
        } else {
            peer.go(number, None).unwrap();
            end.go(number, None).unwrap();
        }
    }
    drop(received);
}

#[test]
fn the_death_of_a_creator_is_noticed_by_whoever_holds_its_descriptor() {
    for_each_end!(creators_death_is_noticed);
}

#[test]
fn a_handle_keeps_no_descriptor_but_its_own() {
    // Alone in its process: other tests open descriptors meanwhile.
    Child::start("counter", "anonymous", &[]).says("counted");
}

/// Counts its descriptors while rings come and go.
fn counter(part: &mut Part) {
    let tx = Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
    let before = descriptors();
    let options = ring_of(&tx);
    let rx = options.stream_consumer::<u64>().unwrap();
    drop(options);
    assert_eq!(descriptors(), before + 1);
    let descriptor = rx.into_fd().unwrap();
    assert_eq!(descriptors(), before + 1);
    drop(descriptor);
    let messages = Options::anonymous().capacity(8).message_producer().unwrap();
    assert_eq!(descriptors(), before + 1);
    drop((messages, tx));
    assert_eq!(descriptors(), before - 1);
    part.say("counted");
    part.hear();
}

fn second_holder_is_refused<E: End>() {
    let mut end: E = make();
    let options = ring_of(&end);
    check_busy(E::attach(&options), role::<E>(), process::id());
    let mut child = give(E::Peer::PART, end.descriptor(), Way::Socket);
    child.says("attached");
    check_busy(E::Peer::attach(&options), role::<E::Peer>(), child.pid());
    check_busy(E::attach(&options.clone()), role::<E>(), process::id());
    move_between(&mut end, &mut child, 0..100);
}

#[test]
fn a_second_holder_is_refused_and_the_first_is_undisturbed() {
    for_each_end!(second_holder_is_refused);
}

fn role_is_free<E: End>() {
    let end: E = make();
    let peer = E::Peer::attach(&ring_of(&end)).unwrap();
    assert_eq!(peer.peer_state(), PeerState::Alive);
    let descriptor: OwnedFd = end.into_fd();
    assert_eq!(peer.peer_state(), PeerState::Closed);
    // Whoever has the descriptor has both roles, by the same options.
    let options = Options::from_fd(descriptor);
    let end = E::attach(&options).unwrap();
    assert_eq!(peer.peer_state(), PeerState::Alive);
    drop((end, peer));
    let (_end, _peer) = (E::attach(&options).unwrap(), E::Peer::attach(&options.clone()).unwrap());
}

#[test]
fn a_role_is_free_when_its_handle_became_a_descriptor() {
    for_each_end!(role_is_free);
}

/// Tries to change the length and the seals of what it is given, and says what came of it.
fn shrinker(part: &mut Part) {
    let descriptor = given(part);
    let len = fstat(&descriptor).unwrap().st_size as u64;
    for len in [0, 1, len - 1, len + 1, 2 * len] {
        part.say(format!("{:?}", ftruncate(&descriptor, len).map_err(|error| error.raw_os_error())));
    }
    for seals in [SealFlags::WRITE, SealFlags::FUTURE_WRITE, SealFlags::SHRINK] {
        part.say(format!("{:?}", fcntl_add_seals(&descriptor, seals).map_err(|error| error.raw_os_error())));
    }
    part.hear();
}

fn length_is_final<E: End>() {
    let mut end: E = make();
    for way in [Way::Socket, Way::Inheritance] {
        let mut child = give("shrinker", end.descriptor(), way);
        for _ in 0..8 {
            child.says(format_args!("Err({})", libc::EPERM));
        }
    }
    let mut child = give(E::Peer::PART, end.descriptor(), Way::Socket);
    child.says("attached");
    move_between(&mut end, &mut child, 0..100);
}

#[test]
fn a_peer_can_change_neither_the_length_nor_the_seals() {
    for_each_end!(length_is_final);
}

#[test]
fn a_ring_without_a_name_has_its_seals_and_its_mode() {
    for (asked, expected) in [(0o600, 0o600), (0o640, 0o640), (0o777, 0o666)] {
        let tx = Options::anonymous().capacity(8).mode(asked).stream_producer::<u64>().unwrap();
        assert!(fcntl_get_seals(tx.descriptor()).unwrap().contains(common::passed::SEALS));
        let stat = fstat(tx.descriptor()).unwrap();
        assert_eq!((stat.st_mode & 0o7777, stat.st_size), (expected, 4096 + 64));
    }
}

fn is_sensible_without_a_name<E: End>() {
    let options = small(Options::anonymous()).unlink_on_close(true).wait_for(PATIENCE);
    let mut end = E::attach(&options).unwrap();
    end.exhaust();
    // Nobody has come yet, and somebody can: there is no name that could be gone.
    assert_eq!(end.wait_ready(Duration::from_millis(1)), Err(WaitError::TimedOut));
    // Each attach is another ring, so no role is held.
    drop(E::attach(&options).unwrap());
    end.close();
}

#[test]
fn what_is_said_of_names_is_sensible_without_one() {
    for_each_end!(is_sensible_without_a_name);
    let tx = Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
    assert_eq!(tx.name(), "(anonymous)");
    assert!(!tx.is_orphaned());
    refuses!(ringmain::unlink(tx.name()), Error::InvalidName { .. });
    let error = ring_of(&tx).stream_producer::<u64>().unwrap_err();
    assert!(error.to_string().ends_with("end it first, or use another ring"), "{error}");
}

fn waits_for_a_successor<E: End>() {
    let mut end = E::attach(&small(Options::anonymous()).await_successor(true)).unwrap();
    let mut child = give(E::Peer::PART, end.descriptor(), Way::Socket);
    child.says("attached");
    let pushed = end.exhaust();
    child.kill();
    wait_for("the crash to be seen", || (end.peer_state() == PeerState::Crashed).then_some(()));
    assert_eq!(end.go(pushed, Some(Duration::from_millis(150))), Err(WaitError::TimedOut));
    let mut next = give(E::Peer::PART, end.descriptor(), Way::Socket);
    next.says("attached");
    next.say(format_args!("0 {}", pushed + 100));
    move_numbers(&mut end, pushed..pushed + 100);
    next.says("moved");
}

#[test]
fn a_wait_for_a_successor_does_not_end_for_want_of_a_name() {
    for_each_end!(waits_for_a_successor);
}

#[test]
fn what_can_not_be_is_refused() {
    refuses!(Options::anonymous().stream_producer::<u64>(), Error::NoCapacity);
    refuses!(Options::anonymous().message_consumer(), Error::NoCapacity);
    let never = Options::anonymous().capacity(8).create(Creation::Never);
    refuses!(never.stream_producer::<u64>(), Error::NotFound { .. });
    // There is nobody to wait for.
    let patient = never.wait_for(Duration::from_secs(2));
    refuses!(patient.stream_producer::<u64>(), Error::NotFound { waited: Duration::ZERO, .. });
    let tx = Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
    refuses!(ring_of(&tx).create(Creation::New).stream_consumer::<u64>(), Error::AlreadyExists { .. });
    refuses!(ring_of(&tx).capacity(16).stream_consumer::<u64>(), Error::Mismatch { found: 8, expected: 16, .. });
    refuses!(ring_of(&tx).stream_consumer::<u32>(), Error::Mismatch { .. });
    refuses!(ring_of(&tx).message_consumer(), Error::Mismatch { .. });
    // No machine has this much, and none is made to look for it.
    let most = Options::anonymous().capacity(1 << 44);
    refuses!(most.stream_producer::<u64>(), Error::NoMemory { needed, available }
        if needed == (1 << 47) + 4096 && available > 0 && available < needed);
}

/// Says whether a ring without a name can be made and attached if `/proc` is not mounted.
fn without_proc(part: &mut Part) {
    let tx = Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
    let options = ring_of(&tx);
    if let Err(error) = hide_proc() {
        return part.say(error);
    }
    let no_proc = |error: Error| match error {
        Error::NoProc { source } => format!("no proc: {}", source.raw_os_error().unwrap_or_default()),
        error => format!("{error:?}"),
    };
    part.say(options.stream_consumer::<u64>().map_or_else(no_proc, |_| "attached".into()));
    let new = Options::anonymous().capacity(8).stream_consumer::<u64>();
    part.say(new.map_or_else(no_proc, |_| "made".into()));
    part.hear();
}

/// Puts an empty file system in the place of `/proc`, for this thread.
fn hide_proc() -> rustix::io::Result<()> {
    // SAFETY: the mounts are those of this thread alone from here on, and no other thread of a part looks at files.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount("tmpfs", "/proc", "tmpfs", MountFlags::empty(), c"")
}

#[test]
fn a_system_without_proc_is_an_error_that_says_so() {
    let mut child = Child::start("without_proc", "anonymous", &[]);
    let said = child.hear();
    if !said.starts_with("no proc") && said != "attached" {
        return missing(Ability::MountNamespace, said);
    }
    assert_eq!(said, format!("no proc: {}", libc::ENOENT));
    child.says(format_args!("no proc: {}", libc::ENOENT));
}

/// Attaches as another user to the ring that it is given, and says how that went.
fn stranger(part: &mut Part) {
    let descriptor = given(part);
    set_thread_uid(rustix::process::Uid::from_raw(65_534)).unwrap();
    let options = || Options::from_fd(descriptor.try_clone().unwrap());
    for options in [options(), options().owner(0), options().owner(0).mode(0o666)] {
        part.say(match options.stream_consumer::<u64>() {
            Ok(_) => "attached",
            Err(Error::PermissionDenied { .. }) => "permission",
            Err(Error::WrongOwner { found: 0, expected: 65_534, .. }) => "owner",
            Err(Error::TooOpen { found: 0o666, expected: 0o600, .. }) => "mode",
            Err(_) => "another error",
        });
    }
    part.hear();
}

#[test]
fn another_user_attaches_only_where_the_mode_says_so() {
    if !geteuid().is_root() {
        return missing(Ability::OtherUsers, "only root can be another user");
    }
    let closed = Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
    let mut child = give("stranger", closed.descriptor(), Way::Socket);
    (0..3).for_each(|_| child.says("permission"));
    let open = Options::anonymous().capacity(8).mode(0o666).stream_producer::<u64>().unwrap();
    let mut child = give("stranger", open.descriptor(), Way::Socket);
    ["owner", "mode", "attached"].into_iter().for_each(|words| child.says(words));
}

#[test]
fn a_peer_that_gives_the_memory_back_is_caught_like_any_other_liar() -> io::Result<()> {
    let mut tx = Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
    let mut rx = ring_of(&tx).stream_consumer::<u64>().unwrap();
    for number in 0..4 {
        tx.push(number).unwrap();
        assert_eq!(rx.pop(), Ok(number));
    }
    let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(tx.descriptor(), flags, 0, 4096 + 64)?;
    // The tail is 0 again, behind the consumer's own head.
    refuses!(rx.pop(), ringmain::PopError::Broken(Broken::Corrupted(_)));
    refuses!(ring_of(&tx).stream_consumer::<u64>(), Error::NotARing { magic: 0, .. });
    // What is written through the descriptor is seen in the ring, and the other way round.
    let file = File::from(tx.descriptor().try_clone_to_owned()?);
    let mut bytes = [1; 8];
    file.read_exact_at(&mut bytes, 0)?;
    assert_eq!(bytes, [0; 8]);
    Ok(())
}
