//! What the system has no room for is an error that says so, leaves nothing behind, and never a signal.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;

use common::{Child, Part, Random, Ring, path, receive, send, skip};
use ringmain::{Error, Options};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};
use rustix::thread::{UnshareFlags, set_thread_uid, unshare_unsafe};

/// Returns the size of a shared-memory file system that a process has for itself.
fn own() -> u64 {
    16 * rustix::param::page_size() as u64
}

/// Returns how much of it an object of this length takes.
fn pages(len: u64) -> u64 {
    len.next_multiple_of(rustix::param::page_size() as u64)
}

/// A user without privileges.
const NOBODY: u32 = 65_534;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("overfiller", overfiller),
        ("filler", filler),
        ("short_of_file_size", short_of_file_size),
        ("short_of_locks", short_of_locks),
        ("locker", locker),
        ("short_of_addresses", short_of_addresses),
        ("short_of_descriptors", short_of_descriptors),
    ]);
}

/// Says how an attach went, and whether the name stands.
fn outcome<H>(attach: Result<H, Error>, name: &str) -> String {
    let outcome = match attach {
        Ok(_) => "attached".into(),
        Err(Error::NoSpace { needed, free }) => format!("no space: {needed} needed, {free} free"),
        Err(Error::FileSizeLimit { needed, limit }) => format!("file size: {needed} needed, {limit} allowed"),
        Err(Error::MemoryLock { needed, limit, .. }) => format!("memory lock: {needed} needed, {limit} allowed"),
        Err(Error::Os { call, source }) => format!("{call}: {}", source.raw_os_error().unwrap_or_default()),
        Err(error) => format!("{error:?}"),
    };
    let left = if path(name).exists() { "a name" } else { "nothing" };
    format!("{outcome}; {left} is there")
}

/// Gives this thread a shared-memory file system of its own; says why where that is not allowed.
fn have_own_shared_memory() -> rustix::io::Result<()> {
    // SAFETY: the mounts are those of this thread alone from here on, and no other thread of a part looks at files.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let size = std::ffi::CString::new(format!("size={}", own())).unwrap();
    mount("tmpfs", "/dev/shm", "tmpfs", MountFlags::empty(), size.as_c_str())
}

/// Asks for more than the file system holds, beside a ring that fits.
fn overfiller(part: &mut Part) {
    if let Err(error) = have_own_shared_memory() {
        return part.say(error);
    }
    part.say("ready");
    let (too_much, enough) =
        (part.options().capacity(own() as usize / 8), part.options().capacity(own() as usize / 16));
    let neighbour = Options::new("neighbour").capacity(1024);
    let mut tx = neighbour.stream_producer::<u64>().unwrap();
    let mut rx = neighbour.stream_consumer::<u64>().unwrap();
    part.say(outcome(too_much.stream_producer::<u64>(), part.name()));
    part.say(outcome(too_much.stream_consumer::<u64>(), part.name()));
    tx.push(7).unwrap();
    assert_eq!(rx.pop(), Ok(7));
    // With the neighbour gone there is still too little; with less asked for there is enough.
    drop((tx, rx));
    ringmain::unlink("neighbour").unwrap();
    part.say(outcome(too_much.stream_producer::<u64>(), part.name()));
    part.say(outcome(enough.stream_producer::<u64>(), part.name()));
}

/// Uses a ring for the first time when the file system is full.
fn filler(part: &mut Part) {
    if let Err(error) = have_own_shared_memory() {
        return part.say(error);
    }
    part.say("ready");
    let capacity = own() / 32;
    let options = part.options().capacity(capacity as usize).prefault(false);
    let mut tx = options.stream_producer::<u64>().unwrap();
    let mut filling = File::create(path("filling")).unwrap();
    while filling.write_all(&[1; 4096]).is_ok() {}
    let free = rustix::fs::statvfs("/dev/shm").unwrap().f_bavail;
    part.say(format!("{free} pages free"));
    let mut rx = options.stream_consumer::<u64>().unwrap();
    let random = Random::new();
    for round in 0..5 {
        send(&mut tx, round * capacity, capacity, random.any());
        receive(&mut rx, round * capacity, capacity, random.any());
    }
    part.say("flows");
}

/// Lowers a limit of this process, runs `during`, and raises it again.
fn within<R>(resource: Resource, limit: u64, during: impl FnOnce() -> R) -> R {
    let before = getrlimit(resource);
    setrlimit(resource, Rlimit { current: Some(limit), ..before }).unwrap();
    let result = during();
    setrlimit(resource, before).unwrap();
    result
}

fn short_of_file_size(part: &mut Part) {
    for limit in [0, 4096, 4096 + 8192 * 8 - 1, 4096 + 8192 * 8] {
        let attach =
            within(Resource::Fsize, limit, || part.options().capacity(8192).stream_producer::<u64>().map(drop));
        part.say(outcome(attach, part.name()));
    }
}

fn short_of_locks(part: &mut Part) {
    if geteuid().is_root() {
        // The limit is not for root.
        set_thread_uid(rustix::fs::Uid::from_raw(NOBODY)).unwrap();
    }
    let options = part.options().capacity(8192).lock_memory(true);
    part.say(outcome(within(Resource::Memlock, 8192, || options.stream_producer::<u64>().map(drop)), part.name()));
    part.say(outcome(within(Resource::Memlock, 8192, || options.stream_consumer::<u64>().map(drop)), part.name()));
}

/// Attaches to a ring that is locked in memory, and says how much of this process is.
fn locker(part: &mut Part) {
    let attach = part.options().capacity(8).lock_memory(true).stream_producer::<u64>();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap().trim();
    part.say(match attach {
        Err(Error::MemoryLock { .. }) => "refused".into(),
        attach => attach.map(|_| locked.to_owned()).unwrap(),
    });
}

/// Has room for some small things in its address space, and not for a ring of 16 MiB.
fn short_of_addresses(part: &mut Part) {
    let used: u64 = fs::read_to_string("/proc/self/statm").unwrap().split(' ').next().unwrap().parse().unwrap();
    let limit = used * rustix::param::page_size() as u64 + (8 << 20);
    let options = part.options().capacity(2 << 20);
    part.say(outcome(within(Resource::As, limit, || options.stream_producer::<u64>().map(drop)), part.name()));
    // The same with a ring that stands: the role is free afterwards.
    drop(options.stream_producer::<u64>().unwrap());
    part.say(outcome(within(Resource::As, limit, || options.stream_producer::<u64>().map(drop)), part.name()));
    part.say(outcome(options.stream_producer::<u64>(), part.name()));
}

/// Creates a ring, and attaches to it, with 0, 1, 2 ... descriptors to spare.
fn short_of_descriptors(part: &mut Part) {
    let lowest_free = File::open("/dev/null").unwrap().as_raw_fd() as u64;
    for spare in 0..6 {
        let options = part.options().capacity(8);
        let attempt = || within(Resource::Nofile, lowest_free + spare, || options.stream_producer::<u64>().map(drop));
        let created = outcome(attempt(), part.name());
        part.say(created);
        // Where that failed, make it, so that there is one to attach to.
        drop(options.stream_producer::<u64>().unwrap());
        let attached = outcome(attempt(), part.name());
        part.say(attached);
        ringmain::unlink(part.name()).unwrap();
    }
}

/// Starts a part that has a file system of its own; `None`, with the reason printed, where that is not allowed.
#[track_caller]
fn start_apart(part: &str, ring: &Ring) -> Option<Child> {
    let mut child = Child::start(part, ring.name(), &[]);
    match child.hear().as_str() {
        "ready" => Some(child),
        refused => {
            skip(&format!("a mount namespace is not allowed: {refused}"));
            None
        }
    }
}

#[test]
fn a_ring_without_room_in_shared_memory_is_no_space_and_leaves_nothing() {
    let ring = Ring::new();
    let Some(mut overfiller) = start_apart("overfiller", &ring) else { return };
    let needed = 4096 + own();
    let free = own() - pages(4096 + 8 * 1024);
    overfiller.says(format_args!("no space: {needed} needed, {free} free; nothing is there"));
    overfiller.says(format_args!("no space: {needed} needed, {free} free; nothing is there"));
    overfiller.says(format_args!("no space: {needed} needed, {} free; nothing is there", own()));
    overfiller.says("attached; a name is there");
    overfiller.join();
}

#[test]
fn a_ring_larger_than_shared_memory_is_no_space_and_leaves_nothing() {
    let ring = Ring::new();
    let all = rustix::fs::statvfs("/dev/shm").unwrap();
    if all.f_blocks == 0 {
        return skip("shared memory has no limit");
    }
    let capacity = (all.f_blocks * all.f_frsize) as usize / 4;
    let needed = 4096 + 8 * capacity.next_power_of_two();
    // Were it not refused, its pages must not be touched: there is not that much memory.
    let attach = ring.options().capacity(capacity).prefault(false).stream_producer::<u64>();
    common::refuses!(attach, Error::NoSpace { needed: asked, free } if asked == needed as u64 && free < asked);
    assert!(!ring.exists());
}

#[test]
fn shared_memory_that_fills_up_later_disturbs_nothing() {
    let ring = Ring::new();
    let Some(mut filler) = start_apart("filler", &ring) else { return };
    filler.says("0 pages free");
    filler.says("flows");
    filler.join();
}

#[test]
fn a_file_size_limit_is_an_error_and_no_signal() {
    let ring = Ring::new();
    let mut child = Child::start("short_of_file_size", ring.name(), &[]);
    let needed = 4096 + 8 * 8192;
    for limit in [0, 4096, needed - 1] {
        child.says(format_args!("file size: {needed} needed, {limit} allowed; nothing is there"));
    }
    child.says("attached; a name is there");
    child.join();
}

#[test]
fn a_memory_lock_limit_is_an_error_and_leaves_nothing() {
    let ring = Ring::new();
    let mut child = Child::start("short_of_locks", ring.name(), &[]);
    let needed = 4096 + 8 * 8192;
    for _ in 0..2 {
        child.says(format_args!("memory lock: {needed} needed, 8192 allowed; nothing is there"));
    }
    child.join();
}

#[test]
fn a_ring_that_is_asked_to_is_locked_in_memory() {
    let ring = Ring::new();
    let mut locker = Child::start("locker", ring.name(), &[]);
    match locker.hear().as_str() {
        "refused" => skip("no memory may be locked"),
        locked => assert_eq!(locked, format!("{} kB", pages(4096 + 64) / 1024)),
    }
    locker.join();
}

#[test]
fn an_address_space_limit_is_an_error_and_leaves_what_was_there() {
    let ring = Ring::new();
    let mut child = Child::start("short_of_addresses", ring.name(), &[]);
    child.says(format_args!("mmap: {}; nothing is there", libc::ENOMEM));
    child.says(format_args!("mmap: {}; a name is there", libc::ENOMEM));
    child.says("attached; a name is there");
    child.join();
}

#[test]
fn a_descriptor_limit_is_an_error_and_leaves_what_was_there() {
    let ring = Ring::new();
    let mut child = Child::start("short_of_descriptors", ring.name(), &[]);
    let outcomes: Vec<[String; 2]> = (0..6).map(|_| [child.hear(), child.hear()]).collect();
    child.join();
    let refused = format!("shm_open: {}", libc::EMFILE);
    for [created, attached] in &outcomes {
        let expected = ["attached; a name is there", &format!("{refused}; nothing is there")];
        assert!(expected.contains(&created.as_str()), "{outcomes:?}");
        let expected = ["attached; a name is there", &format!("{refused}; a name is there")];
        assert!(expected.contains(&attached.as_str()), "{outcomes:?}");
    }
    // With none to spare nothing goes, with six all does.
    assert!(outcomes[0].iter().all(|outcome| outcome.starts_with(&refused)), "{outcomes:?}");
    assert!(outcomes[5].iter().all(|outcome| outcome.starts_with("attached")), "{outcomes:?}");
}
