//! A shared-memory file system without room: an error when a ring is made, and nothing at all to a ring that stands.

mod common;

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use common::ends::{End, as_end, for_each_ring};
use common::limits::{have_own_shared_memory, outcome};
use common::{Ability, Child, Part, Ring, missing, path};
use ringmain::{Error, Options};

/// Returns the size of a shared-memory file system that a process has for itself.
fn own() -> u64 {
    16 * page()
}

fn page() -> u64 {
    rustix::param::page_size() as u64
}

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("overfiller", as_end!(overfiller)), ("filler", as_end!(filler))]);
}

/// Asks for more than the file system holds, beside a ring that fits.
fn overfiller<E: End>(part: &mut Part) {
    if let Err(error) = have_own_shared_memory(own()) {
        return part.say(error);
    }
    part.say("ready");
    let too_much = E::of_bytes(part.options(), own() as usize);
    let enough = E::of_bytes(part.options(), own() as usize / 2);
    let neighbour = E::of_bytes(Options::new("neighbour"), page() as usize);
    let mut tx = E::attach(&neighbour).unwrap();
    let mut rx = E::Peer::attach(&neighbour).unwrap();
    part.say(outcome(E::attach(&too_much), part.name()));
    part.say(outcome(E::Peer::attach(&too_much), part.name()));
    tx.go(7, None).unwrap();
    rx.go(7, None).unwrap();
    // With the neighbour gone there is still too little; with less asked for there is enough.
    drop((tx, rx));
    ringmain::unlink("neighbour").unwrap();
    part.say(outcome(E::attach(&too_much), part.name()));
    part.say(outcome(E::attach(&enough), part.name()));
}

/// Uses a ring for the first time when the file system is full.
fn filler<E: End>(part: &mut Part) {
    if let Err(error) = have_own_shared_memory(own()) {
        return part.say(error);
    }
    part.say("ready");
    let bytes = own() / 2;
    let options = E::of_bytes(part.options(), bytes as usize).prefault(false);
    let mut tx = E::attach(&options).unwrap();
    let mut filling = File::create(path("filling")).unwrap();
    while filling.write_all(&[1; 4096]).is_ok() {}
    let free = rustix::fs::statvfs("/dev/shm").unwrap().f_bavail;
    part.say(format!("{free} pages free"));
    let mut rx = E::Peer::attach(&options).unwrap();
    // Every byte of it, more than once.
    for number in 0..bytes / 2 {
        tx.go(number, Some(Duration::ZERO)).unwrap();
        rx.go(number, Some(Duration::ZERO)).unwrap();
    }
    part.say("flows");
}

/// Starts a part that has a file system of its own; `None`, with the reason, if that is not allowed.
#[track_caller]
fn start_apart<E: End>(part: &str, ring: &Ring) -> Option<Child> {
    let mut child = match Child::start_as_root(part, ring.name(), &[&E::PART]) {
        Ok(child) => child,
        Err(refused) => {
            missing(Ability::MountNamespace, refused);
            return None;
        }
    };
    match child.hear().as_str() {
        "ready" => Some(child),
        refused => {
            missing(Ability::MountNamespace, refused);
            None
        }
    }
}

#[test]
fn a_ring_without_room_in_shared_memory_is_no_space_and_leaves_nothing() {
    fn check<E: End>() {
        let ring = Ring::new();
        let Some(mut overfiller) = start_apart::<E>("overfiller", &ring) else { return };
        let needed = E::length_of(own());
        let free = own() - E::length_of(page()).next_multiple_of(page());
        overfiller.says(format_args!("no space: {needed} needed, {free} free; nothing is there"));
        overfiller.says(format_args!("no space: {needed} needed, {free} free; nothing is there"));
        overfiller.says(format_args!("no space: {needed} needed, {} free; nothing is there", own()));
        overfiller.says("attached; a name is there");
        overfiller.join();
    }
    for_each_ring!(check);
}

#[test]
fn a_ring_larger_than_shared_memory_is_no_space_and_leaves_nothing() {
    fn check<E: End>() {
        let ring = Ring::new();
        let all = rustix::fs::statvfs("/dev/shm").unwrap();
        if all.f_blocks == 0 {
            return missing(Ability::LimitedSharedMemory, "shared memory has no limit");
        }
        let bytes = (2 * all.f_blocks * all.f_frsize).next_power_of_two();
        // Were it not refused, its pages must not be touched: there is not that much memory.
        let attach = E::attach(&E::of_bytes(ring.options(), bytes as usize).prefault(false));
        match attach.map(E::close) {
            Err(Error::NoSpace { needed, free }) => {
                assert_eq!(needed, E::length_of(bytes));
                assert!(free < needed);
            }
            other => panic!("{other:?}"),
        }
        assert!(!ring.exists());
    }
    for_each_ring!(check);
}

#[test]
fn shared_memory_that_fills_up_later_disturbs_nothing() {
    fn check<E: End>() {
        let ring = Ring::new();
        let Some(mut filler) = start_apart::<E>("filler", &ring) else { return };
        filler.says("0 pages free");
        filler.says("flows");
        filler.join();
    }
    for_each_ring!(check);
}
