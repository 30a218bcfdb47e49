//! Memory that was reserved for a ring, and is taken back by a process that may write it: holes are punched into its
//! object. What that does while there is memory, on a full file system, and in a group of processes that has none left;
//! and what keeps it from happening.

mod common;

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::{hint, process};

use common::ends::{End, as_end, for_each_end, for_each_ring, small};
use common::forks::{code, exit, fork};
use common::group::Group;
use common::{Ability, Child, Part, Ring, missing, path, refuses};
use ringmain::{Error, Options, Role};
use rustix::fs::{FallocateFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// The size of a shared-memory file system that a process has for itself, and the bytes of a ring there.
const OWN: u64 = 256 << 10;
const BYTES: usize = 128 << 10;

/// The memory of a group of processes, and the bytes of a ring that fits it once and not twice.
const GROUP: u64 = 64 << 20;
const MANY: usize = 32 << 20;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("victim", as_end!(victim)), ("member", as_end!(member))]);
}

/// Punches holes into all of an object but its first page.
fn punch(object: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let len = rustix::fs::fstat(object)?.st_size as u64;
    fallocate(object, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 4096, len - 4096)
}

/// Attaches to both ends of a ring. If this end receives, the ring is full.
fn attach<E: End>(options: &Options) -> (E, E::Peer) {
    let (end, mut peer) = (E::attach(options).unwrap(), E::Peer::attach(options).unwrap());
    if E::ROLE == Role::Consumer {
        peer.exhaust();
    }
    (end, peer)
}

/// Touches the whole data area as this end does.
fn touch<E: End>(end: &mut E) {
    if E::ROLE == Role::Producer {
        end.exhaust();
    } else {
        (0..).take_while(|&number| end.try_go(number)).for_each(drop);
    }
}

/// Gives this thread a shared-memory file system of its own; says why if that is not allowed.
fn have_own_shared_memory() -> rustix::io::Result<()> {
    // SAFETY: the mounts are those of this thread alone from here on, and no other thread of a part looks at files.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let size = CString::new(format!("size={OWN}")).unwrap();
    mount("tmpfs", "/dev/shm", "tmpfs", MountFlags::empty(), size.as_c_str())
}

/// Holds an end of a ring into which another process punches holes, if it is told to, and then takes all memory that
/// the file system has; then touches the ring.
fn victim<E: End>(part: &mut Part) {
    if let Err(error) = have_own_shared_memory() {
        return part.say(error);
    }
    part.say("ready");
    let (mut end, peer) = attach::<E>(&E::of_bytes(part.options(), BYTES));
    let punches: bool = part.argument(1);
    let Some(taker) = fork() else {
        let object = OpenOptions::new().read(true).write(true).open(path(part.name())).unwrap();
        if punches {
            punch(object.as_fd()).unwrap();
        }
        let mut filling = File::create(path("filling")).unwrap();
        while filling.write_all(&[1; 4096]).is_ok() {}
        exit(0);
    };
    part.say(format!("{:?}", code(taker)));
    part.hear();
    touch(&mut end);
    part.say("touched");
    part.hear();
    drop(peer);
}

#[test]
fn whoever_touches_a_hole_on_a_full_file_system_is_ended_by_a_signal() {
    fn check<E: End>(punches: bool) {
        let ring = Ring::new();
        let mut victim = match Child::start_as_root("victim", ring.name(), &[&E::PART, &punches]) {
            Ok(child) => child,
            Err(refused) => return missing(Ability::MountNamespace, refused),
        };
        match victim.hear().as_str() {
            "ready" => {}
            refused => return missing(Ability::MountNamespace, refused),
        }
        victim.says("Some(0)");
        victim.say("touch");
        match punches {
            true => assert_eq!(victim.end().signal(), Some(libc::SIGBUS)),
            false => victim.says("touched"),
        }
    }
    for punches in [false, true] {
        for_each_end!(check, punches);
    }
}

#[test]
fn holes_where_there_is_memory_are_zeros_as_a_peer_may_write_them() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(1024).stream_producer::<u64>().unwrap();
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    assert_eq!(tx.push_slice(&[7; 1024]), Ok(1024));
    let object = OpenOptions::new().read(true).write(true).open(ring.path()).unwrap();
    punch(object.as_fd()).unwrap();
    let mut elements = [1; 1024];
    assert_eq!(rx.pop_slice(&mut elements), Ok(1024));
    assert_eq!(elements, [0; 1024]);
    // Messages were there, and where their headers were there is nothing.
    let ring = Ring::new();
    let mut tx = ring.options().capacity(4096).message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    tx.push(b"seven").unwrap();
    let object = OpenOptions::new().read(true).write(true).open(ring.path()).unwrap();
    punch(object.as_fd()).unwrap();
    assert!(rx.pop(&mut [0; 8]).is_err());
    tx.push(b"eight").unwrap();
}

/// What happens to the memory of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taking {
    Nothing,
    Holes,
    /// The ring is sealed before.
    SealedAndHoles,
}

/// Holds an end of a ring without a name, in a group that has little memory. Another process punches holes into it, if
/// it is told to, and takes what memory the group has; then this one touches the ring.
fn member<E: End>(part: &mut Part) {
    let taking = match part.argument::<u32>(2) {
        0 => Taking::Nothing,
        1 => Taking::Holes,
        _ => Taking::SealedAndHoles,
    };
    fs::write(part.argument::<String>(1), process::id().to_string()).unwrap();
    let options = E::of_bytes(Options::anonymous().sealable(true), MANY);
    let mut end = E::attach(&options).unwrap();
    let ring = Options::from_fd(end.descriptor().try_clone_to_owned().unwrap());
    let mut peer = E::Peer::attach(&ring).unwrap();
    if E::ROLE == Role::Consumer {
        peer.exhaust();
    }
    if taking == Taking::SealedAndHoles {
        end.seal().unwrap();
    }
    let (mine, theirs) = UnixStream::pair().unwrap();
    let Some(_) = fork() else {
        drop(mine);
        if taking != Taking::Nothing {
            let punched = punch(end.descriptor());
            assert_eq!(punched, if taking == Taking::Holes { Ok(()) } else { Err(Errno::PERM) });
        }
        // As much as the ring had, and the rest of the group less some room for both processes.
        let memory = vec![1_u8; if taking == Taking::Holes { MANY + (16 << 20) } else { 16 << 20 }];
        hint::black_box(&memory);
        (&theirs).write_all(&[0]).unwrap();
        // Until the other one has ended.
        let _ = (&theirs).read(&mut [0]);
        exit(0);
    };
    drop(theirs);
    (&mine).read_exact(&mut [0]).unwrap();
    // Of these two, the kernel ends the one that asks for memory that is not there.
    fs::write("/proc/self/oom_score_adj", "1000").unwrap();
    part.say("taken");
    part.hear();
    touch(&mut end);
    part.say("touched");
    part.hear();
}

#[test]
fn whoever_touches_a_hole_in_a_group_without_memory_is_ended_and_a_seal_prevents_it() {
    fn check<E: End>(taking: Taking) {
        let group = match Group::of(GROUP) {
            Ok(group) => group,
            Err(error) => return missing(Ability::MemoryGroup, error),
        };
        let mut member = Child::start("member", "anonymous", &[&E::PART, &group.door().display(), &(taking as u32)]);
        member.says("taken");
        member.say("touch");
        match taking {
            Taking::Holes => assert_eq!(member.end().signal(), Some(libc::SIGKILL)),
            Taking::Nothing | Taking::SealedAndHoles => {
                member.says("touched");
                member.kill();
            }
        }
        drop(group);
    }
    for taking in [Taking::Nothing, Taking::SealedAndHoles, Taking::Holes] {
        for_each_ring!(check, taking);
    }
}

#[test]
fn a_sealed_ring_can_be_written_by_those_who_are_attached_alone() {
    fn check<E: End>() {
        let mut end = E::attach(&small(Options::anonymous()).sealable(true)).unwrap();
        let descriptor = end.descriptor().try_clone_to_owned().unwrap();
        let mut peer = E::Peer::attach(&Options::from_fd(descriptor)).unwrap();
        common::ends::check_hand_over(&mut end, &mut peer);
        end.seal().unwrap();
        peer.seal().unwrap();
        common::ends::check_hand_over(&mut end, &mut peer);
        let object = File::from(end.descriptor().try_clone_to_owned().unwrap());
        assert_eq!(punch(object.as_fd()), Err(Errno::PERM));
        assert_eq!((&object).write(&[1]).unwrap_err().raw_os_error(), Some(libc::EPERM));
        // SAFETY: nothing is read or written by the mapping, which is refused.
        let mapped = unsafe { memmap2::MmapOptions::new().map_mut(&object) };
        assert_eq!(mapped.unwrap_err().raw_os_error(), Some(libc::EPERM));
        // Who holds the other descriptor reads on.
        let view = memmap2::MmapOptions::new().map_raw_read_only(&object).unwrap();
        assert!(view.len() > 4096);
        let expected = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL | SealFlags::FUTURE_WRITE;
        assert!(fcntl_get_seals(&object).unwrap().contains(expected));
        // Nobody can follow.
        drop(peer);
        let refused = E::Peer::attach(&Options::from_fd(object.into())).map(drop);
        refuses!(refused, Error::Seals { found, .. } if found & SealFlags::FUTURE_WRITE.bits() != 0);
        end.close();
    }
    for_each_end!(check);
}

#[test]
fn a_ring_that_was_not_asked_to_be_sealable_can_not_be_sealed_and_says_so() {
    let ring = Ring::new();
    let named = ring.options().capacity(8).stream_producer::<u64>().unwrap();
    refuses!(named.seal(), Error::Unsealable { .. });
    let anonymous = Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
    let refused = anonymous.seal();
    assert!(refused.as_ref().unwrap_err().to_string().contains("sealable(true)"), "{refused:?}");
    refuses!(refused, Error::Unsealable { .. });
    let sealable = Options::anonymous().capacity(8).sealable(true).stream_producer::<u64>().unwrap();
    let Some(child) = fork() else { exit(i32::from(matches!(sealable.seal(), Err(Error::Unsealable { .. })))) };
    assert_eq!(code(child), Some(1), "a forked child sealed the ring of its parent");
    sealable.seal().unwrap();
    // Nor by anybody else.
    assert_eq!(fcntl_add_seals(anonymous.descriptor(), SealFlags::FUTURE_WRITE), Err(Errno::PERM));
}
