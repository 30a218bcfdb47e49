//! A /dev/shm in which no ring can be made: each fault of it is told as what it is, and nothing is left behind. And a
//! system without /proc, on which rings with a name are as they are elsewhere.

mod common;

use std::ffi::CString;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use common::ends::{End, as_end, for_each_end, for_each_ring, small};
use common::limits::give_up_privileges;
use common::{Ability, Child, PATIENCE, Part, Ring, missing, path};
use ringmain::inspect::Inspection;
use ringmain::{Options, PeerState, WaitError};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::geteuid;
use rustix::thread::{UnshareFlags, unshare_unsafe};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("maker", as_end!(maker)), ("procless", as_end!(procless))]);
}

/// Gives this thread mounts of its own.
fn have_own_mounts() -> rustix::io::Result<()> {
    // SAFETY: the mounts are those of this thread alone from here on, and no other thread of a part looks at files.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
}

/// Puts another file system in the place of /dev/shm.
fn replace(system: &str, flags: MountFlags, options: &str) -> rustix::io::Result<()> {
    mount(system, "/dev/shm", system, flags, CString::new(options).unwrap().as_c_str())
}

/// The folder on whatever the tests are built on, which takes the place of /dev/shm.
fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn break_it(fault: &str) -> rustix::io::Result<()> {
    have_own_mounts()?;
    match fault {
        "closed" => replace("tmpfs", MountFlags::empty(), "mode=0755"),
        "read-only" => replace("tmpfs", MountFlags::RDONLY, "mode=1777"),
        "inodes" => replace("tmpfs", MountFlags::empty(), "mode=1777,nr_inodes=8"),
        "missing" => mount("tmpfs", "/dev", "tmpfs", MountFlags::empty(), c""),
        "file" => {
            mount("tmpfs", "/dev", "tmpfs", MountFlags::empty(), c"")?;
            File::create("/dev/shm").map_or_else(|error| panic!("{error}"), |_| Ok(()))
        }
        "unlisted" => replace("tmpfs", MountFlags::empty(), "mode=0711"),
        "other" => replace("ramfs", MountFlags::empty(), "mode=1777"),
        _ => mount_bind(folder(), "/dev/shm"),
    }
}

/// Makes a ring where that cannot be, looks for it, and removes it; says how each went.
fn maker<E: End>(part: &mut Part) {
    let fault: String = part.argument(1);
    if let Err(error) = break_it(&fault) {
        return part.say(format!("no mounts: {error}"));
    }
    part.say("ready");
    let is_closed = ["closed", "unlisted"].contains(&&*fault);
    if is_closed {
        drop(E::attach(&small(Options::new("stands")).mode(0o666)).unwrap());
        give_up_privileges();
    }
    while fault == "inodes" && File::create(path(&format!("filling{}", files()))).is_ok() {}
    let before = files();
    let options = small(part.options());
    let text = |result: Result<(), ringmain::Error>| result.map_or_else(|error| error.to_string(), |()| "done".into());
    part.say(text(E::attach(&options).map(drop)));
    part.say(text(E::attach(&part.options().wait_for(Duration::from_millis(5))).map(drop)));
    let name = if is_closed { "stands".to_owned() } else { part.name().to_owned() };
    part.say(text(ringmain::unlink(&name)));
    part.say(text(Inspection::open(&name).map(drop)));
    part.say(text(Inspection::all().map(drop)));
    assert_eq!(files(), before, "something is left behind");
    part.hear();
}

fn files() -> usize {
    fs::read_dir("/dev/shm").map_or(0, Iterator::count)
}

/// Checks what is said of a broken /dev/shm when a ring is made, looked for, removed and looked at, and when all are.
#[track_caller]
fn check<E: End>(fault: &str, expected: [&str; 5]) {
    let ring = Ring::new();
    let mut maker = match Child::start_as_root("maker", ring.name(), &[&E::PART, &fault]) {
        Ok(child) => child,
        Err(refused) => return missing(Ability::MountNamespace, refused),
    };
    match maker.hear().as_str() {
        "ready" => {}
        refused => return missing(Ability::MountNamespace, refused),
    }
    for expected in expected {
        let said = maker.hear();
        assert!(said.contains(expected), "{said}, expected {expected}");
    }
}

/// What is said of a ring that is not there.
const NO_RING: &str = "no ring \"test-";

#[test]
fn a_directory_that_others_may_not_write_is_told() {
    if !geteuid().is_root() {
        return missing(Ability::OtherUsers, "only root acts as another user");
    }
    let closed = "/dev/shm has mode 0755 and belongs to user 0, expected mode 1777";
    for_each_ring!(check, "closed", [closed, NO_RING, closed, "done", "done"]);
    let unlisted = "/dev/shm has mode 0711 and belongs to user 0, expected mode 1777";
    for_each_ring!(check, "unlisted", [unlisted, NO_RING, unlisted, "done", unlisted]);
}

#[test]
fn a_directory_that_is_mounted_read_only_is_told() {
    for_each_ring!(check, "read-only", ["/dev/shm is mounted read-only", NO_RING, NO_RING, NO_RING, "done"]);
}

#[test]
fn a_directory_without_inodes_is_told() {
    for_each_ring!(check, "inodes", ["/dev/shm has none of its 8 inodes left", NO_RING, NO_RING, NO_RING, "done"]);
}

#[test]
fn a_directory_that_is_missing_is_told() {
    let missing = "/dev/shm is not there";
    for_each_ring!(check, "missing", [missing; 5]);
    for_each_ring!(check, "file", [missing; 5]);
}

#[test]
fn a_directory_that_is_no_tmpfs_is_told() {
    for_each_ring!(check, "other", ["/dev/shm is a file system of type 0x858458f6", NO_RING, NO_RING, NO_RING, "done"]);
    // Where the tests are built on a disk, as nearly everywhere, it is refused too.
    let is_tmpfs = rustix::fs::statfs(folder()).unwrap().f_type == 0x0102_1994;
    let expected = if is_tmpfs { "done" } else { "/dev/shm is a file system of type" };
    for_each_ring!(check, "disk", [expected, if is_tmpfs { "done" } else { NO_RING }, "", NO_RING, "done"]);
}

/// Uses a ring without /proc, beside another end that has it.
fn procless<E: End>(part: &mut Part) {
    let hidden = have_own_mounts().and_then(|()| mount("tmpfs", "/proc", "tmpfs", MountFlags::empty(), c""));
    if let Err(error) = hidden {
        return part.say(format!("no mounts: {error}"));
    }
    assert!(!Path::new("/proc/self").exists());
    part.say("ready");
    let mut end = E::attach(&small(part.options()).unlink_on_close(true)).unwrap();
    part.say(E::attach(&part.options()).unwrap_err());
    part.say(Inspection::open(part.name()).is_ok());
    assert_eq!(part.hear(), "move");
    for number in 0..100 {
        end.go(number, None).unwrap();
    }
    part.say("moved");
    assert_eq!(part.hear(), "go on");
    let moved = 100 + end.exhaust();
    part.say(format!("{:?}", end.go(moved, Some(PATIENCE))));
    part.say(format!("{:?}", end.peer_state()));
    assert_eq!(part.hear(), "close");
    end.close();
    part.say("closed");
    part.hear();
}

#[test]
fn named_rings_work_without_proc() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut procless = match Child::start_as_root("procless", ring.name(), &[&E::PART]) {
            Ok(child) => child,
            Err(refused) => return missing(Ability::MountNamespace, refused),
        };
        match procless.hear().as_str() {
            "ready" => {}
            refused => return missing(Ability::MountNamespace, refused),
        }
        let busy = procless.hear();
        assert!(busy.contains(&format!("has a {} already", E::ROLE)), "{busy}");
        procless.says(true);
        let mut peer = E::Peer::attach(&ring.options()).unwrap();
        assert_eq!(peer.peer_state(), PeerState::Alive);
        procless.say("move");
        for number in 0..100 {
            peer.go(number, None).unwrap();
        }
        procless.says("moved");
        procless.say("go on");
        peer.abandon();
        procless.says(format_args!("{:?}", Err::<(), _>(WaitError::Crashed)));
        procless.says("Crashed");
        procless.say("close");
        procless.says("closed");
        assert!(!ring.exists());
    }
    for_each_end!(check);
}
