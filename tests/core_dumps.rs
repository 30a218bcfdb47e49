//! A process that dies, and whose core is still written: its memory is there for as long as that takes, and with it the
//! lock of its role.
//!
//! The core is held up by a file that the process has mapped: the system reads it for the core, and the file system
//! behind it, a process of the test, does not answer.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::{env, io};

use common::ends::{End, as_end, attach_peer, check_gone, for_each_end, small};
use common::forks::{exit, fork};
use common::{Ability, Child, Part, Ring, missing, succeed, wait_for};
use memmap2::MmapOptions;
use ringmain::PeerState;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{UnshareFlags, unshare_unsafe};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("dumper", as_end!(dumper))]);
}

/// Serves a file system that is one file of a page, which nobody can read: of the requests in the kernel's
/// `fuse.h`, it answers those that lead to an open file.
fn serve(mut device: &File) -> ! {
    // Should the test be gone, nobody else ends what waits for it here.
    // SAFETY: it takes any number.
    unsafe { libc::alarm(100) };
    const FORGET: u32 = 2;
    const GETATTR: u32 = 3;
    const OPEN: u32 = 14;
    const READ: u32 = 15;
    const INIT: u32 = 26;
    const INTERRUPT: u32 = 36;
    let mut request = vec![0; 1 << 17];
    while device.read(&mut request).is_ok() {
        let word = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
        let (operation, number) = (word(4), &request[8..16]);
        let mut body = vec![];
        let mut put = |words: &[u32]| words.iter().for_each(|word| body.extend(word.to_ne_bytes()));
        let mut error = 0_i32;
        match operation {
            // Version 7.31, and nothing special.
            INIT => put(&[7, 31, 0, 0, 0, 4096, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            // For how long that is valid; inode 1 of a page and no block; three times; mode, one link, root; blocks.
            GETATTR => {
                put(&[1000, 0, 0, 0, 1, 0, 4096, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                put(&[0o100_644, 1, 0, 0, 0, 4096, 0]);
            }
            OPEN => put(&[0, 0, 0, 0]),
            READ | FORGET | INTERRUPT => continue,
            _ => error = -libc::ENOSYS,
        }
        let mut answer = Vec::from((16 + body.len() as u32).to_ne_bytes());
        answer.extend(error.to_ne_bytes());
        answer.extend(number);
        answer.extend(body);
        device.write_all(&answer).unwrap();
    }
    exit(0)
}

/// Maps a file that cannot be read, in a file system of its own, and returns the process that serves it. From then on
/// this thread's core takes until that has ended.
fn hold_up_the_core() -> io::Result<Pid> {
    // SAFETY: the mounts are those of this thread alone from here on, and no other thread of a part looks at files.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    // What is written there is gone with this process.
    let folder = env::temp_dir();
    mount("tmpfs", &folder, "tmpfs", MountFlags::empty(), c"")?;
    env::set_current_dir(&folder)?;
    let path = folder.join("slow");
    File::create(&path)?;
    let device = OpenOptions::new().read(true).write(true).open("/dev/fuse")?;
    let options = format!("fd={},rootmode=100644,user_id=0,group_id=0", device.as_raw_fd());
    mount("slow", &path, "fuse", MountFlags::empty(), std::ffi::CString::new(options).unwrap().as_c_str())?;
    let Some(server) = fork() else { serve(&device) };
    // The server alone keeps it alive.
    drop(device);
    let file = File::open(&path)?;
    assert_eq!(file.metadata()?.len(), 4096);
    let mapping = MmapOptions::new().len(4096).map_raw_read_only(&file)?;
    std::mem::forget(mapping);
    // Of all memory, what has a file that was opened to be read.
    fs::write("/proc/self/coredump_filter", "0x4")?;
    let limit = getrlimit(Resource::Core).maximum;
    setrlimit(Resource::Core, Rlimit { current: limit, maximum: limit })?;
    Ok(server)
}

/// Attaches, and dies of a signal that has a core written. Says who holds that up.
fn dumper<E: End>(part: &mut Part) {
    let server = match hold_up_the_core() {
        Ok(server) => server,
        Err(error) => return part.say(error),
    };
    let _end = E::attach(&small(part.options())).unwrap();
    part.say(format!("server {server}"));
    part.hear();
    // SAFETY: it ends this process.
    unsafe { libc::raise(libc::SIGABRT) };
}

/// Returns whether the core of a process is being written.
fn is_dumping(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.split_whitespace().eq(["CoreDumping:", "1"]))
}

#[test]
fn a_holder_whose_core_is_written_is_gone_and_everybody_hears_of_it() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut dumper = Child::start("dumper", ring.name(), &[&E::PART]);
        let words = dumper.hear();
        let Some(server) = words.strip_prefix("server ") else { return missing(Ability::CoreDump, words) };
        let server = Pid::from_raw(server.parse().unwrap()).unwrap();
        let mut peer = attach_peer::<E::Peer>(&ring);
        assert_eq!(peer.peer_state(), PeerState::Alive);
        let pid = dumper.pid();
        dumper.say("die");
        let is_held_up = wait_for("a core", || match (is_dumping(pid), dumper.all_threads('Z')) {
            (false, false) => None,
            (is_dumping, _) => Some(is_dumping),
        });
        if !is_held_up {
            return missing(Ability::CoreDump, "no core is written");
        }
        check_gone::<E>(&ring, &mut peer, pid);
        assert!(is_dumping(pid), "all of that was heard while its core was written");
        kill_process(server, Signal::KILL).unwrap();
        assert_eq!(dumper.end().signal(), Some(libc::SIGABRT));
        drop(succeed(|| E::attach(&small(ring.options()))));
    }
    for_each_end!(check);
}
