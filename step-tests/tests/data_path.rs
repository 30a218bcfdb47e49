//! A process can be killed at every instruction of the calls that move elements and messages.

use step_tests::kills::Victim;
use step_tests::operation::{Operation, SEVERAL};
use step_tests::rings::{Message, Ring, Stream};
use step_tests::tracer::is_permitted;

const SHIPPED: Victim = Victim { program: env!("CARGO_BIN_EXE_shipped"), bug: "-" };

/// As many kill points the calls of one ring have at least.
const ENOUGH: usize = 500;

fn check<R: Ring>(operations: &[Operation]) {
    if is_permitted(SHIPPED.program) {
        let count = SHIPPED.survives::<R>(operations, Victim::at_every_instruction::<R>);
        assert!(count.points >= ENOUGH, "{count}");
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn a_process_can_be_killed_at_every_instruction_of_a_stream() {
    let several = SEVERAL as u64;
    check::<Stream>(&[
        Operation::pushes("push", 1, true),
        Operation::pushes("push thrice", several, false),
        Operation::pushes("push_slice", several, true),
        Operation::pushes("claim and commit", several, true),
        Operation::pops("pop", 1, 1),
        Operation::pops("pop thrice", several, 1),
        Operation::pops("pop_slice", several, several),
        Operation::pops("peek and release", several, several),
    ]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn a_process_can_be_killed_at_every_instruction_of_a_flow_of_messages() {
    let several = SEVERAL as u64;
    check::<Message>(&[
        Operation::pushes("push", 1, true),
        Operation::pushes("push thrice", several, false),
        Operation::pushes("push_vectored", 1, true),
        Operation::pushes("claim and commit", 1, true),
        Operation::pushes("batch", several, true),
        Operation::pops("pop", 1, 1),
        Operation::pops("pop thrice", several, 1),
        Operation::pops("peek and release", 1, 1),
        Operation::pops("drain", several, 1),
        Operation::pops("peek_batch and release", several, several),
        // Each is given back when the next one was read.
        Operation::pops("peek_batch and release_to", several, 2),
    ]);
}
