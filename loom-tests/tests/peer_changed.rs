//! Each process that comes to the other end is reported, once.

use loom::thread;
use loom_tests::checked::CheckedMemory;
use loom_tests::internals::Internals;
use loom_tests::model::{assert_reached, check, fails, fails_without, producer, reached};
use loom_tests::ring::memory::{Memory, Role};
use loom_tests::ring::presence;
use loom_tests::ring::stream::Producer;
use loom_tests::weakened::Site;

/// What a model says where a consumer came and was not reported.
const NOT_REPORTED: &str = "a change was not reported";

/// What a model says where a change is reported that is none.
const REPORTED_TWICE: &str = "a change was reported twice";

/// What a model says where what a holder noted before it came is not there.
const STALE_NOTE: &str = "a stale note";

/// How a producer asks. It keeps the generation that it saw last.
type Ask<M> = fn(&mut Producer<u64, M>, &mut u64) -> bool;

fn ask<M: Memory>(producer: &mut Producer<u64, M>, _: &mut u64) -> bool {
    producer.peer_changed()
}

/// Two consumers come, one after the other, while a producer asks. Each leaves a note before it comes, for which a head
/// of its own stands.
fn consumers_come<M: Memory + Clone + 'static>(memory: M, ask: Ask<M>) {
    let mut producer = producer(memory.clone());
    let holders = memory.clone();
    let holder = thread::spawn(move || {
        for generation in 1..3 {
            let presence = holders.presence(Role::Consumer);
            assert_eq!(presence::store_attached(presence, &[(holders.told(), generation)]), generation);
        }
    });
    let (mut seen, mut changes) = (0, 0);
    let mut look = |producer: &mut _| {
        if ask(producer, &mut seen) {
            changes += 1;
            let note = presence::load_note(memory.told());
            assert!(note >= changes, "{STALE_NOTE}: {note} of {changes}");
        }
        changes
    };
    look(&mut producer);
    let meanwhile = look(&mut producer);
    holder.join().unwrap();
    let last = look(&mut producer);
    reached(["none was seen", "one was seen", "both were seen"][meanwhile as usize]);
    assert!(last > 0, "{NOT_REPORTED}");
    assert_eq!(look(&mut producer), last, "{REPORTED_TWICE}");
    assert!(last <= 2, "{REPORTED_TWICE}");
}

#[test]
fn each_consumer_that_comes_is_reported_once() {
    check(|| consumers_come(CheckedMemory::new(1), ask));
    assert_reached(&["none was seen", "one was seen", "both were seen"]);
}

#[test]
fn what_is_reported_needs_both_orderings_of_the_presence() {
    fails_without(&[Site::Enter, Site::PresenceLoad], STALE_NOTE, |site| consumers_come(site.memory(1), ask));
}

fn generation<M: Memory>(producer: &Producer<u64, M>) -> u64 {
    presence::observe(producer.memory().presence(Role::Consumer)).generation()
}

#[test]
fn a_producer_that_loads_once_to_compare_and_once_to_remember_is_caught() {
    fails(NOT_REPORTED, || {
        consumers_come(CheckedMemory::new(1), |producer, seen| {
            let changed = generation(producer) != *seen;
            *seen = generation(producer);
            changed
        });
    });
}

#[test]
fn a_producer_that_does_not_remember_is_caught() {
    fails(REPORTED_TWICE, || consumers_come(CheckedMemory::new(1), |producer, _| generation(producer) != 0));
}
