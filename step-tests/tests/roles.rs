//! A process can be killed wherever it comes to a ring or leaves it, or is told that the other end has left.

use ringmain::Role;
use step_tests::kills::Victim;
use step_tests::operation::Operation;
use step_tests::rings::{Message, Ring, Stream};
use step_tests::tracer::is_permitted;

const SHIPPED: Victim = Victim { program: env!("CARGO_BIN_EXE_shipped"), bug: "-" };

fn check<R: Ring>(operations: &[Operation]) {
    if is_permitted(SHIPPED.program) {
        SHIPPED.survives::<R>(operations, Victim::at_every_change::<R>);
    }
}

const CREATES: [Operation; 2] =
    [Operation::creates("create a producer", Role::Producer), Operation::creates("create a consumer", Role::Consumer)];

const JOINS: [Operation; 2] =
    [Operation::joins("join as a producer", Role::Producer), Operation::joins("join as a consumer", Role::Consumer)];

const LEAVES: [Operation; 4] = [
    Operation::leaves("leave as a producer", Role::Producer),
    Operation::leaves("leave as a consumer", Role::Consumer),
    Operation::unlinks("unlink as a producer", Role::Producer),
    Operation::unlinks("unlink as a consumer", Role::Consumer),
];

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn the_creator_of_a_stream_can_be_killed_anywhere() {
    check::<Stream>(&CREATES);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn the_creator_of_a_message_ring_can_be_killed_anywhere() {
    check::<Message>(&CREATES);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn who_joins_a_stream_can_be_killed_anywhere() {
    check::<Stream>(&JOINS);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn who_joins_a_message_ring_can_be_killed_anywhere() {
    check::<Message>(&JOINS);
    check::<Message>(&[JOINS[0].with_its_tail_behind()]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn who_is_told_of_an_end_can_be_killed_anywhere() {
    check::<Stream>(&[Operation::is_told("be told")]);
    check::<Message>(&[Operation::is_told("be told")]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn who_leaves_a_stream_can_be_killed_anywhere() {
    check::<Stream>(&LEAVES);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "calls are twenty times as long without optimisation: add --release")]
fn who_leaves_a_message_ring_can_be_killed_anywhere() {
    check::<Message>(&LEAVES);
}
