//! Another process changes the length of a named ring, or takes its pages, while an end leaves: no signal ends whoever
//! leaves, and the object does not grow.

mod common;

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::ends::{End, as_end, for_each_end, small};
use common::filter::{Verdict, refuse};
use common::{Ability, Child, Part, Random, Ring, missing, path, spin};
use ringmain::{Options, PeerState};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// How often each end leaves in each way while its ring flips.
const ROUNDS: u64 = 60;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("leaver", as_end!(leaver)),
        ("exiter", as_end!(exiter)),
        ("emptied", as_end!(emptied)),
        ("limited", as_end!(limited)),
    ]);
}

/// The ways in which an end leaves.
const WAYS: [&str; 4] = ["drop", "close", "into_fd", "abandon"];

fn leave<E: End>(end: E, way: &str) {
    match way {
        "drop" => drop(end),
        "close" => end.close(),
        "into_fd" => drop(end.into_fd()),
        _ => end.abandon(),
    }
}

/// Attaches to one ring after the other, and leaves each when it is told to.
fn leaver<E: End>(part: &mut Part) {
    loop {
        let words = part.hear();
        let Some((name, way)) = words.split_once(' ') else { return };
        let end = E::attach(&Options::new(name)).unwrap();
        part.say("attached");
        let pauses: u64 = part.hear().parse().unwrap();
        spin(std::time::Duration::from_nanos(pauses));
        leave(end, way);
        part.say("left");
    }
}

/// Exits with a handle that nobody dropped.
fn exiter<E: End>(part: &mut Part) {
    std::mem::forget(E::attach(&part.options()).unwrap());
    part.say("attached");
    part.hear();
    std::process::exit(0);
}

/// Changes the length of a ring to and fro, while something is done.
fn flipping<R>(ring: &Ring, during: impl FnOnce() -> R) -> R {
    let file = File::options().write(true).open(ring.path()).unwrap();
    let (len, is_over) = (file.metadata().unwrap().len(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                file.set_len(0).unwrap();
                file.set_len(len).unwrap();
            }
            file.set_len(0).unwrap();
        });
        // What fails here must not leave the thread behind.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(during));
        is_over.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
    })
}

/// Leaves when this process may write no file, and after that may use no futexes.
fn limited<E: End>(part: &mut Part) {
    let unlimited = getrlimit(Resource::Fsize);
    for way in WAYS {
        let end = E::attach(&part.options()).unwrap();
        setrlimit(Resource::Fsize, Rlimit { current: Some(0), ..unlimited }).unwrap();
        leave(end, way);
        setrlimit(Resource::Fsize, unlimited).unwrap();
        part.say(format!("left by {way}"));
        part.hear();
    }
    let end = E::attach(&part.options()).unwrap();
    let doomed = E::Peer::attach(&small(Options::new(part.argument::<String>(1)))).unwrap();
    if let Err(error) = refuse(&[libc::SYS_futex], Verdict::Fails) {
        return part.say(format!("no filter: {error}"));
    }
    drop(end);
    part.say("left without futexes");
    part.hear();
    setrlimit(Resource::Fsize, Rlimit { current: Some(0), ..unlimited }).unwrap();
    drop(doomed);
    part.say("left without anything");
    part.hear();
}

#[test]
fn whoever_may_write_no_file_and_use_no_futex_says_what_it_can_when_it_leaves() {
    fn check<E: End>() {
        let (ring, other) = (Ring::new(), Ring::new());
        let peer = E::Peer::attach(&small(ring.options())).unwrap();
        let mut limited = Child::start("limited", ring.name(), &[&E::PART, &other.name()]);
        for way in WAYS {
            limited.says(format_args!("left by {way}"));
            let expected = if way == "abandon" { PeerState::Crashed } else { PeerState::Closed };
            assert_eq!(peer.peer_state(), expected, "{way}");
            limited.say("go on");
        }
        match limited.hear().as_str() {
            "left without futexes" => {}
            refused => return missing(Ability::SystemCallFilter, refused),
        }
        assert_eq!(peer.peer_state(), PeerState::Closed);
        // Nothing can be said any more: that is a crash.
        let peer = E::attach(&other.options()).unwrap();
        limited.say("go on");
        limited.says("left without anything");
        assert_eq!(peer.peer_state(), PeerState::Crashed);
    }
    for_each_end!(check);
}

/// Makes a ring, and leaves it to whoever comes.
fn made<E: End>() -> Ring {
    let ring = Ring::new();
    drop(E::attach(&small(ring.options())).unwrap());
    ring
}

#[test]
fn whoever_leaves_while_the_length_flips_is_ended_by_no_signal() {
    fn check<E: End>(random: &Random) {
        let mut leaver = Child::start("leaver", "flipping", &[&E::PART]);
        for round in 0..ROUNDS {
            let ring = made::<E>();
            let way = WAYS[round as usize % WAYS.len()];
            leaver.say(format_args!("{} {way}", ring.name()));
            leaver.says("attached");
            flipping(&ring, || {
                leaver.say(random.below(20_000));
                leaver.says("left");
            });
            assert_eq!(ring.path().metadata().unwrap().len(), 0, "{way} made the object grow");
        }
    }
    let random = Random::new();
    for_each_end!(check, &random);
}

#[test]
fn whoever_exits_while_the_length_flips_is_ended_by_no_signal() {
    fn check<E: End>() {
        for _ in 0..ROUNDS / 6 {
            let ring = made::<E>();
            let mut exiter = Child::start("exiter", ring.name(), &[&E::PART]);
            exiter.says("attached");
            flipping(&ring, || {
                exiter.say("exit");
                assert!(exiter.end().success());
            });
        }
    }
    for_each_end!(check);
}

/// Gives this thread a shared-memory file system of its own; says why if that is not allowed.
fn have_own_shared_memory() -> rustix::io::Result<()> {
    // SAFETY: the mounts are those of this thread alone from here on, and no other thread of a part looks at files.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount("tmpfs", "/dev/shm", "tmpfs", MountFlags::empty(), c"size=1m")
}

/// Leaves a ring whose pages were given back, and cannot be had again.
fn emptied<E: End>(part: &mut Part) {
    if let Err(error) = have_own_shared_memory() {
        return part.say(error);
    }
    part.say("ready");
    for way in WAYS {
        let name = part.name().to_owned();
        let end = E::attach(&small(Options::new(&name))).unwrap();
        let (file, len) = take_pages(&name);
        leave(end, way);
        assert_eq!(file.metadata().unwrap().len(), len);
        std::fs::remove_file(path("filling")).unwrap();
        std::fs::remove_file(path(&name)).unwrap();
    }
    part.say("left");
    // The same for a handle that nobody dropped.
    std::mem::forget(E::attach(&small(part.options())).unwrap());
    take_pages(part.name());
    std::process::exit(0);
}

/// Takes the pages of a ring, and all that could take their place. Returns the ring's object, and its length.
fn take_pages(name: &str) -> (File, u64) {
    let file = File::options().write(true).open(path(name)).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(0).unwrap();
    file.set_len(len).unwrap();
    let mut filling = File::create(path("filling")).unwrap();
    while filling.write_all(&[1; 4096]).is_ok() {}
    (file, len)
}

#[test]
fn whoever_leaves_a_ring_without_pages_on_a_full_file_system_is_ended_by_no_signal() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut emptied = match Child::start_as_root("emptied", ring.name(), &[&E::PART]) {
            Ok(child) => child,
            Err(refused) => return missing(Ability::MountNamespace, refused),
        };
        match emptied.hear().as_str() {
            "ready" => {
                emptied.says("left");
                emptied.join();
            }
            refused => missing(Ability::MountNamespace, refused),
        }
    }
    for_each_end!(check);
}
