//! What somebody finds who holds no role and copies what others may write meanwhile.

use std::sync::atomic::Ordering;

use loom::thread;
use loom_tests::checked::CheckedWord;
use loom_tests::message;
use loom_tests::model::{assert_reached, check, check_unbounded, fails, pop, push, reached, ring};
use loom_tests::observed::{ObservedMemory, ObservedWord, Omission, UnitCopy};
use loom_tests::ring::identity;
use loom_tests::ring::memory::{Memory, Word};
use loom_tests::ring::observe::{self, Copied};
use loom_tests::ring::presence::{self, Presence};

/// What a model says where an observer takes something else for what was sent.
const NOT_WHOLE: &str = "not what was sent";

/// What a model says where an observer finds positions that never were.
const NEVER_WERE: &str = "positions that never were";

/// Elements pass through a ring of one slot while somebody looks at the first one.
fn an_element_is_observed(memory: ObservedMemory, omission: Omission) {
    let (mut producer, mut consumer) = ring(memory.clone(), 0);
    let pushes = thread::spawn(move || (0..2).for_each(|number| push(&mut producer, message::message(number))));
    let pops = thread::spawn(move || assert_eq!(pop(&mut consumer), message::message(0)));
    expect(omission.element(&memory, 0));
    pushes.join().unwrap();
    pops.join().unwrap();
}

#[track_caller]
fn expect(copy: UnitCopy) {
    match copy {
        UnitCopy::Nothing => reached("before it was sent"),
        UnitCopy::Overwritten => reached("after it was taken"),
        UnitCopy::Complete(found) => {
            reached("while it was there");
            assert_eq!(found, message::message(0), "{NOT_WHOLE}");
        }
    }
}

const LOOKS: [&str; 3] = ["before it was sent", "after it was taken", "while it was there"];

#[test]
fn an_element_that_the_consumer_has_not_passed_is_whole() {
    check(|| an_element_is_observed(ObservedMemory::new(1), Omission::None));
    assert_reached(&LOOKS);
}

#[test]
fn a_look_at_an_element_needs_both_fences_and_stores_that_reach_all() {
    for omission in [Omission::BehindLoad, Omission::BehindCopy] {
        fails(NOT_WHOLE, move || an_element_is_observed(ObservedMemory::new(1), omission));
    }
    fails(NOT_WHOLE, || an_element_is_observed(ObservedMemory::new(1).that_reaches_some(), Omission::None));
}

/// Messages pass through a ring, so many before somebody looks at the first one, and the others meanwhile.
fn a_message_is_observed(memory: ObservedMemory, omission: Omission, [before, all]: [u64; 2]) {
    let (mut producer, mut consumer) = message::ring(memory.clone(), 0);
    (0..before).for_each(|number| message::push(&mut producer, message::message(number)));
    let pushes = thread::spawn(move || {
        (before..all).for_each(|number| message::push(&mut producer, message::message(number)));
    });
    let pops = thread::spawn(move || message::expect(&mut consumer, 0..all - 1));
    expect(omission.message(&memory, 0));
    pushes.join().unwrap();
    pops.join().unwrap();
}

/// One message comes.
const ONE: [u64; 2] = [0, 1];

/// The third message lies where the first one was.
const THREE: [u64; 2] = [1, 3];

#[test]
fn a_message_that_the_consumer_has_not_passed_is_whole() {
    check(|| a_message_is_observed(ObservedMemory::of_records(32), Omission::None, ONE));
    assert_reached(&["before it was sent", "while it was there"]);
    check(|| a_message_is_observed(ObservedMemory::of_records(32), Omission::None, THREE));
    assert_reached(&["after it was taken", "while it was there"]);
}

#[test]
fn a_look_at_a_message_needs_both_fences_and_stores_that_reach_all() {
    let memory = || ObservedMemory::of_records(32);
    fails(NOT_WHOLE, move || a_message_is_observed(memory(), Omission::BehindLoad, ONE));
    fails(NOT_WHOLE, move || a_message_is_observed(memory(), Omission::BehindCopy, THREE));
    fails(NOT_WHOLE, move || a_message_is_observed(memory().that_reaches_some(), Omission::None, THREE));
}

/// Both positions of a full ring are looked at while an element is taken, and another one sent.
fn positions_are_observed(memory: ObservedMemory, fences: bool) {
    let (mut producer, mut consumer) = ring(memory.clone(), 0);
    let capacity = producer.capacity() as u64;
    push(&mut producer, 0);
    let pushes = thread::spawn(move || push(&mut producer, 1));
    let pops = thread::spawn(move || assert_eq!(pop(&mut consumer), 0));
    let [head, tail] = [memory.head(), memory.tail()].map(|word| ObservedWord::new(word, fences));
    let found = observe::positions(&Copied(head.clone()), &Copied(tail.clone()), capacity, 0);
    let found = found.unwrap_or_else(|cause| panic!("{NEVER_WERE}: {cause}"));
    reached(if found.used == 0 { "empty" } else { "full" });
    pushes.join().unwrap();
    pops.join().unwrap();
}

#[test]
fn both_positions_are_those_of_one_moment() {
    check(|| positions_are_observed(ObservedMemory::new(1), true));
    assert_reached(&["empty", "full"]);
}

#[test]
fn both_positions_need_the_fences_behind_their_loads() {
    fails(NEVER_WERE, || positions_are_observed(ObservedMemory::new(1), false));
}

/// A holder comes, with a note, and somebody else looks.
fn a_holder_is_observed(fences: bool) {
    let [presence, note] = [(); 2].map(|()| CheckedWord::default());
    let (holders_presence, holders_note) = (presence.clone(), note.clone());
    let holder = thread::spawn(move || presence::store_attached(&holders_presence, &[(&holders_note, 7)]));
    let [presence, note] = [presence, note].map(|word| ObservedWord::new(&word, fences));
    if presence::observe(&Copied(presence.clone())) != Presence::Never {
        reached("attached");
        assert_eq!(presence::load_note(&Copied(note.clone())), 7, "{NOT_WHOLE}");
    }
    holder.join().unwrap();
}

/// A creator says what a segment is while somebody else looks.
fn a_segment_is_observed(fences: bool) {
    const MAGIC: u64 = 7;
    let [magic, row] = [(); 2].map(|()| CheckedWord::default());
    let (creators_magic, creators_row) = (magic.clone(), row.clone());
    let creator = thread::spawn(move || identity::publish(&creators_magic, MAGIC, &[creators_row], &[8]));
    let [magic, row] = [magic, row].map(|word| ObservedWord::new(&word, fences));
    if let (MAGIC, rows) = identity::observe(&Copied(magic.clone()), &[Copied(row.clone())]) {
        reached("made");
        assert_eq!(rows, [8], "{NOT_WHOLE}");
    }
    creator.join().unwrap();
}

#[test]
fn who_looks_at_a_presence_or_a_magic_finds_what_was_stored_before() {
    check_unbounded(|| a_holder_is_observed(true));
    assert_reached(&["attached"]);
    check_unbounded(|| a_segment_is_observed(true));
    assert_reached(&["made"]);
}

#[test]
fn a_presence_and_a_magic_need_the_fences_behind_their_loads() {
    fails(NOT_WHOLE, || a_holder_is_observed(false));
    fails(NOT_WHOLE, || a_segment_is_observed(false));
}

#[test]
fn an_observer_that_stores_is_caught() {
    fails("a word that is only read is stored as 7", || {
        Copied(ObservedWord::new(&CheckedWord::default(), true)).store(7, Ordering::Relaxed);
    });
}
