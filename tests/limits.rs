//! What the limits of a process do not allow is an error that says so, leaves nothing behind, and never a signal.
//!
//! What a message ring needs beyond that, since it is mapped twice, stands in `mirror.rs`.

mod common;

use std::fs::{self, File};
use std::os::fd::AsRawFd;

use common::ends::{End, as_end, for_each_ring};
use common::limits::{give_up_privileges, outcome, own_number, within};
use common::{Ability, Child, Part, Ring, missing};
use ringmain::Error;
use rustix::process::Resource;

/// The bytes of the data area of most rings here.
const LENGTH: u64 = 1 << 16;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("short_of_file_size", as_end!(short_of_file_size)),
        ("short_of_descriptors", as_end!(short_of_descriptors)),
        ("short_of_locks", short_of_locks),
        ("locker", locker),
        ("short_of_addresses", short_of_addresses),
    ]);
}

/// Limits that are too low for a ring, and one that is not.
fn file_sizes<E: End>() -> [u64; 4] {
    let needed = E::length_of(LENGTH);
    [0, 4096, needed - 1, needed]
}

fn short_of_file_size<E: End>(part: &mut Part) {
    let options = E::of_bytes(part.options(), LENGTH as usize);
    for limit in file_sizes::<E>() {
        part.say(outcome(within(Resource::Fsize, limit, || E::attach(&options).map(drop)), part.name()));
    }
}

fn short_of_locks(part: &mut Part) {
    give_up_privileges();
    let options = part.options().capacity(8192).lock_memory(true);
    part.say(outcome(within(Resource::Memlock, 8192, || options.stream_producer::<u64>().map(drop)), part.name()));
    part.say(outcome(within(Resource::Memlock, 8192, || options.stream_consumer::<u64>().map(drop)), part.name()));
}

/// Attaches to a ring that is locked in memory, and says how much of this process is.
fn locker(part: &mut Part) {
    let attach = part.options().capacity(8).lock_memory(true).stream_producer::<u64>();
    let locked = own_number("VmLck:");
    part.say(match attach {
        Err(Error::MemoryLock { .. }) => "refused".into(),
        attach => attach.map(|_| locked.to_string()).unwrap(),
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
fn short_of_descriptors<E: End>(part: &mut Part) {
    let lowest_free = File::open("/dev/null").unwrap().as_raw_fd() as u64;
    for spare in 0..6 {
        let options = part.options().capacity(8);
        let attempt = || within(Resource::Nofile, lowest_free + spare, || E::attach(&options).map(drop));
        let created = outcome(attempt(), part.name());
        part.say(created);
        // If that failed, make it, so that there is one to attach to.
        E::attach(&options).map(drop).unwrap();
        let attached = outcome(attempt(), part.name());
        part.say(attached);
        ringmain::unlink(part.name()).unwrap();
    }
}

#[test]
fn a_file_size_limit_is_an_error_and_no_signal() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut child = Child::start("short_of_file_size", ring.name(), &[&E::PART]);
        let [too_low @ .., enough] = file_sizes::<E>();
        for limit in too_low {
            child.says(format_args!("file size: {enough} needed, {limit} allowed; nothing is there"));
        }
        child.says("attached; a name is there");
        child.join();
    }
    for_each_ring!(check);
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
        "refused" => missing(Ability::MemoryLock, "no memory may be locked"),
        locked => {
            let page = rustix::param::page_size() as u64;
            assert_eq!(locked, (4096 + 64_u64).next_multiple_of(page).to_string());
        }
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
    fn check<E: End>() {
        let ring = Ring::new();
        let mut child = Child::start("short_of_descriptors", ring.name(), &[&E::PART]);
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
    for_each_ring!(check);
}
