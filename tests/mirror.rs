//! The data area of a message ring is mapped twice, one behind the other: what that is worth, what it costs, and what
//! is left if it cannot be had.

mod common;

use std::fs;

use common::limits::{give_up_privileges, outcome, own_number, within};
use common::messages::ring_of;
use common::{Ability, Child, Part, Ring, missing, word};
use ringmain::message::{Consumer, Producer};
use ringmain::{Error, Options};
use rustix::process::Resource;

/// A ring that takes many addresses.
const LARGE: usize = 16 << 20;

/// A ring of some pages, however large those are.
const LENGTH: u64 = 1 << 18;

/// Returns how many bytes are mapped of a ring of [`LENGTH`].
fn both_times() -> u64 {
    (rustix::param::page_size() as u64).max(4096) + 2 * LENGTH
}

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("producer", producer),
        ("short_of_addresses", short_of_addresses),
        ("visitor", visitor),
        ("short_of_locks", short_of_locks),
        ("locker", locker),
        ("lazy", lazy),
    ]);
}

/// Pushes messages of the lengths that it is told.
fn producer(part: &mut Part) {
    let mut tx = part.options().message_producer().unwrap();
    part.say("attached");
    loop {
        let len: usize = part.hear().parse().unwrap();
        tx.push(&message(len)).unwrap();
        part.say("pushed");
    }
}

/// Bytes of which each tells its place.
fn message(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8 + 1).collect()
}

/// Has room in its address space for a large ring once, and not twice.
fn short_of_addresses(part: &mut Part) {
    let options = part.options().capacity(LARGE);
    let once = Options::new(format!("{}-once", part.name())).capacity(LARGE).unlink_on_close(true);
    let limit = own_number("VmSize:") + LARGE as u64 * 3 / 2;
    let once = within(Resource::As, limit, || once.stream_producer::<u8>().map(drop));
    part.say(outcome(once, part.name()));
    let say_both = |part: &mut Part| {
        let attempts = [
            within(Resource::As, limit, || options.message_producer().map(drop)),
            within(Resource::As, limit, || options.message_consumer().map(drop)),
        ];
        attempts.into_iter().for_each(|attempt| part.say(outcome(attempt, part.name())));
    };
    say_both(part);
    // The same with a ring that stands: the roles are free afterwards.
    drop(options.message_producer().unwrap());
    say_both(part);
    part.say(outcome(options.message_producer(), part.name()));
    part.say(outcome(options.message_consumer(), part.name()));
}

/// Comes and goes, and says how many addresses and descriptors that has cost.
fn visitor(part: &mut Part) {
    let options = part.options().capacity(LARGE).prefault(false);
    let visit =
        || (0..20).for_each(|_| drop((options.message_producer().unwrap(), options.message_consumer().unwrap())));
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    visit();
    let before = (own_number("VmSize:"), descriptors());
    visit();
    part.say(own_number("VmSize:") < before.0 + LARGE as u64);
    part.say(descriptors() == before.1);
}

/// Attaches to a ring that is locked in memory, and says how much of this process is.
fn locker(part: &mut Part) {
    let options = part.options().capacity(LENGTH as usize).lock_memory(true);
    match options.message_producer() {
        Err(Error::MemoryLock { .. }) => part.say("refused"),
        tx => {
            let mut tx = tx.unwrap();
            part.say(own_number("VmLck:"));
            let mut rx = options.message_consumer().unwrap();
            check_flow(&mut tx, &mut rx);
            part.say("flows");
        }
    }
}

fn short_of_locks(part: &mut Part) {
    give_up_privileges();
    let options = part.options().capacity(LENGTH as usize).lock_memory(true);
    // Room for all of it once.
    for _ in 0..2 {
        let attempt = within(Resource::Memlock, 3 * LENGTH / 2, || options.message_producer().map(drop));
        part.say(outcome(attempt, part.name()));
    }
}

/// Attaches to a ring whose pages are not touched, and says how much of it is in memory.
fn lazy(part: &mut Part) {
    let options = part.options().capacity(LARGE).prefault(false);
    let (mut tx, mut rx) = (options.message_producer().unwrap(), options.message_consumer().unwrap());
    part.say(own_number("RssShmem:") < LARGE as u64 / 16);
    check_flow(&mut tx, &mut rx);
    part.say("flows");
}

/// Pushes and pops messages of all lengths, across the end of the buffer.
#[track_caller]
fn check_flow(tx: &mut Producer, rx: &mut Consumer) {
    let bytes = message(tx.max_len().min(3000));
    let mut popped = Vec::new();
    for len in [0, 1, 8, 100, bytes.len(), bytes.len() - 1, bytes.len() / 2].into_iter().cycle().take(50) {
        tx.push(&bytes[..len]).unwrap();
        assert_eq!(rx.pop_into(&mut popped), Ok(len));
        assert!(popped == bytes[..len], "a message of {len} bytes changed on its way");
    }
    assert_eq!(rx.is_empty(), Ok(true));
}

#[test]
fn a_message_that_passes_the_end_is_whole_in_both_processes_and_lies_in_the_ring_once() {
    let ring = ring_of(4096, 8);
    let mut producer = Child::start("producer", ring.name(), &[]);
    producer.says("attached");
    let mut rx = ring.options().message_consumer().unwrap();
    let (mut popped, bytes) = (Vec::new(), message(3000));
    for round in 0..100 {
        producer.say(3000);
        producer.says("pushed");
        // The bytes of the object itself: they go on at the start of the data area.
        let object = fs::read(ring.path()).unwrap();
        let data = &object[ring.word(word::DATA_OFFSET) as usize..];
        let start = round * 3008 + 8;
        assert!((0..3000).all(|at| data[(start + at) % 4096] == bytes[at]), "in round {round}");
        // SAFETY: the processes of a test that look at this ring use its handles alone.
        let mut view = unsafe { rx.trust_peer() };
        assert!(*view.peek().unwrap() == *bytes, "in round {round}");
        assert_eq!(rx.pop_into(&mut popped), Ok(3000));
        assert!(popped == bytes, "in round {round}");
    }
    producer.kill();
}

#[test]
fn an_address_space_with_room_for_one_of_two_is_an_error_and_leaves_what_was_there() {
    let ring = Ring::new();
    let mut child = Child::start("short_of_addresses", ring.name(), &[]);
    child.says("attached; nothing is there");
    for left in ["nothing", "nothing", "a name", "a name"] {
        child.says(format_args!("mmap: {}; {left} is there", libc::ENOMEM));
    }
    child.says("attached; a name is there");
    child.says("attached; a name is there");
    child.join();
}

#[test]
fn a_handle_that_is_dropped_gives_all_addresses_back() {
    let ring = Ring::new();
    let mut visitor = Child::start("visitor", ring.name(), &[]);
    visitor.says(true);
    visitor.says(true);
    visitor.join();
}

#[test]
fn a_ring_that_is_asked_to_is_locked_in_memory() {
    let ring = Ring::new();
    let mut locker = Child::start("locker", ring.name(), &[]);
    match locker.hear().as_str() {
        "refused" => missing(Ability::MemoryLock, "no memory may be locked"),
        locked => {
            assert_eq!(locked, both_times().to_string());
            locker.says("flows");
        }
    }
    locker.join();
}

#[test]
fn a_memory_lock_limit_counts_the_data_area_twice_and_leaves_nothing() {
    let ring = Ring::new();
    let mut child = Child::start("short_of_locks", ring.name(), &[]);
    for _ in 0..2 {
        let limit = 3 * LENGTH / 2;
        child.says(format_args!("memory lock: {} needed, {limit} allowed; nothing is there", both_times()));
    }
    child.join();
}

#[test]
fn a_ring_whose_pages_are_not_touched_works_the_same() {
    let ring = Ring::new();
    let mut lazy = Child::start("lazy", ring.name(), &[]);
    lazy.says(true);
    lazy.says("flows");
    lazy.join();
}
