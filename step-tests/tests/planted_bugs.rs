//! The checks can fail: each of these bugs is found by the kills that the library survives.

use ringmain::Role;
use step_tests::kills::{Kill, Victim};
use step_tests::operation::{Operation, SEVERAL};
use step_tests::rings::{Message, Ring, Stream};
use step_tests::tracer::is_permitted;

const PROGRAM: &str = env!("CARGO_BIN_EXE_planted");

/// Checks that a process with this bug is caught in each of these calls, and that what is found is what the bug does.
#[track_caller]
fn is_caught<R: Ring>(bug: &'static str, operations: &[Operation], kill: Kill, expected: &[&str]) {
    if !is_permitted(PROGRAM) {
        return;
    }
    for operation in operations {
        match kill(Victim { program: PROGRAM, bug }, operation) {
            Ok(count) => panic!("{bug}: {} {} shows nothing: {count}", R::KIND, operation.name),
            Err(fault) => {
                println!("{bug}: {} {}, killed at {:?}: {}", R::KIND, operation.name, fault.point, fault.what);
                assert!(expected.iter().any(|expected| fault.what.contains(expected)), "{}", fault.what);
            }
        }
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn without_a_bug_the_planted_library_survives() {
    if is_permitted(PROGRAM) {
        let sound = Victim { program: PROGRAM, bug: "-" };
        sound.survives::<Stream>(&[STREAM_PUSHES[0], STREAM_POPS[0]], Victim::at_every_instruction::<Stream>);
        sound.survives::<Message>(&[MESSAGE_PUSHES[0], MESSAGE_POPS[0]], Victim::at_every_instruction::<Message>);
        sound.survives::<Stream>(&IS_TOLD, Victim::at_every_change::<Stream>);
        sound.survives::<Stream>(&CREATES[..1], Victim::at_every_change::<Stream>);
    }
}

const STREAM_PUSHES: [Operation; 3] = [
    Operation::pushes("push", 1, true),
    Operation::pushes("push_slice", SEVERAL as u64, true),
    Operation::pushes("claim and commit", SEVERAL as u64, true),
];

const MESSAGE_PUSHES: [Operation; 3] = [
    Operation::pushes("push", 1, true),
    Operation::pushes("claim and commit", 1, true),
    Operation::pushes("batch", SEVERAL as u64, true),
];

const STREAM_POPS: [Operation; 3] = [
    Operation::pops("pop", 1, 1),
    Operation::pops("pop_slice", SEVERAL as u64, SEVERAL as u64),
    Operation::pops("peek and release", SEVERAL as u64, SEVERAL as u64),
];

const MESSAGE_POPS: [Operation; 2] = [Operation::pops("pop", 1, 1), Operation::pops("peek and release", 1, 1)];

const CREATES: [Operation; 2] =
    [Operation::creates("create a producer", Role::Producer), Operation::creates("create a consumer", Role::Consumer)];

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn publication_before_the_payload_is_caught() {
    const BUG: &str = "publish before write";
    is_caught::<Stream>(
        BUG,
        &STREAM_PUSHES,
        Victim::at_every_change::<Stream>,
        &["a torn element", "found 16, expected 24"],
    );
    is_caught::<Message>(BUG, &MESSAGE_PUSHES, Victim::at_every_change::<Message>, &["a torn message"]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn a_next_header_that_is_not_zeroed_is_caught() {
    const BUG: &str = "next header not zeroed";
    is_caught::<Message>(BUG, &MESSAGE_PUSHES, Victim::at_every_change::<Message>, &["the header of a record holds"]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn a_magic_that_is_written_first_is_caught() {
    const BUG: &str = "magic first";
    is_caught::<Stream>(BUG, &CREATES, Victim::at_every_change::<Stream>, &["a successor is refused"]);
    is_caught::<Message>(BUG, &CREATES, Victim::at_every_change::<Message>, &["a successor is refused"]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn a_head_that_is_published_before_the_copy_out_is_caught() {
    const BUG: &str = "release before read";
    is_caught::<Stream>(BUG, &STREAM_POPS, Victim::at_every_instruction::<Stream>, &["is lost"]);
    is_caught::<Message>(BUG, &MESSAGE_POPS, Victim::at_every_instruction::<Message>, &["is lost"]);
}

const IS_TOLD: [Operation; 1] = [Operation::is_told("be told")];

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn an_end_that_is_told_twice_is_caught() {
    const BUG: &str = "told twice";
    is_caught::<Stream>(BUG, &IS_TOLD, Victim::at_every_change::<Stream>, &["an end is told twice"]);
    is_caught::<Message>(BUG, &IS_TOLD, Victim::at_every_change::<Message>, &["an end is told twice"]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn an_end_that_is_never_told_is_caught() {
    const BUG: &str = "told never";
    is_caught::<Stream>(BUG, &IS_TOLD, Victim::at_every_change::<Stream>, &["an end is never told"]);
    is_caught::<Message>(BUG, &IS_TOLD, Victim::at_every_change::<Message>, &["an end is never told"]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn credit_that_is_withheld_is_caught() {
    const BUG: &str = "credit withheld";
    is_caught::<Stream>(BUG, &STREAM_POPS, Victim::at_every_change::<Stream>, &["repeated from"]);
    is_caught::<Message>(BUG, &MESSAGE_POPS, Victim::at_every_change::<Message>, &["repeated from"]);
}
