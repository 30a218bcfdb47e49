//! Ends of rings without a name in other processes, and what such a ring is made of.

use std::fs;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};

use ringmain::{Options, pass};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

use super::ends::{End, small};
use super::{Child, Part, succeed};

/// The environment variable that names an inherited ring.
pub(crate) const RING: &str = "RINGMAIN_TEST_RING";

/// The seals of a ring.
pub(crate) const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// How a ring comes to another process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Socket,
    Inheritance,
}

/// Starts a process that plays this part, and gives it a descriptor.
#[track_caller]
pub(crate) fn give(part: &str, descriptor: impl AsFd, way: Way) -> Child {
    match way {
        Way::Socket => {
            let mut child = Child::start(part, "anonymous", &[&"socket"]);
            child.says("ready");
            pass::send(child.socket(), descriptor).unwrap();
            child
        }
        Way::Inheritance => Child::start_by(part, "anonymous", &[&"inheritance"], |command| {
            pass::inherit(command, descriptor, RING).unwrap();
        }),
    }
}

/// Returns the descriptor that this part was given.
#[track_caller]
pub(crate) fn given(part: &mut Part) -> OwnedFd {
    match part.argument::<String>(0).as_str() {
        "socket" => {
            part.say("ready");
            pass::receive(part.socket()).unwrap()
        }
        _ => pass::inherited(RING).unwrap(),
    }
}

/// Holds an end of the ring that it is given, and moves numbers as it is told.
pub(crate) fn holder<E: End>(part: &mut Part) {
    let options = Options::from_fd(given(part));
    let mut end = succeed(|| E::attach(&options));
    part.say("attached");
    obey(part, &mut end);
    end.close();
    part.say("closed");
    part.hear();
}

/// Makes a ring, gives it to the test by the socket, and moves numbers as it is told.
pub(crate) fn creator<E: End>(part: &mut Part) {
    let mut end = E::attach(&small(Options::anonymous())).unwrap();
    pass::send(part.socket(), end.descriptor()).unwrap();
    obey(part, &mut end);
}

fn obey<E: End>(part: &mut Part, end: &mut E) {
    loop {
        let words = part.hear();
        let Some((start, end_of_range)) = words.split_once(' ') else { return };
        let numbers: Range<u64> = start.parse().unwrap()..end_of_range.parse().unwrap();
        move_numbers(end, numbers);
        part.say("moved");
    }
}

/// Moves numbers, and leaves nothing unsaid: a consumer that finds no more gives back what it has read.
#[track_caller]
pub(crate) fn move_numbers<E: End>(end: &mut E, numbers: Range<u64>) {
    for number in numbers {
        end.go(number, None).unwrap();
    }
    if E::PART.ends_with("consumer") {
        end.exhaust();
    }
}

/// Moves numbers between this process and a holder.
#[track_caller]
pub(crate) fn move_between<E: End>(end: &mut E, child: &mut Child, numbers: Range<u64>) {
    child.say(format_args!("{} {}", numbers.start, numbers.end));
    move_numbers(end, numbers);
    child.says("moved");
}

/// Makes a memory file of these bytes, with these seals.
#[track_caller]
pub(crate) fn memory(bytes: &[u8], seals: SealFlags) -> OwnedFd {
    let file = memfd_create("garbage", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::fchmod(&file, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    ftruncate(&file, bytes.len() as u64).unwrap();
    let mut written = 0;
    while written < bytes.len() {
        written += rustix::io::pwrite(&file, &bytes[written..], written as u64).unwrap();
    }
    if !seals.is_empty() {
        fcntl_add_seals(&file, seals).unwrap();
    }
    file
}

/// Returns how many descriptors this process has, that of the count included.
pub(crate) fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Does something that must leave no descriptor behind. No other thread of the process may open one meanwhile.
#[track_caller]
pub(crate) fn leaves_no_descriptor<R>(what: impl FnOnce() -> R) {
    let before = descriptors();
    drop(what());
    assert_eq!(descriptors(), before, "descriptors after, before");
}
