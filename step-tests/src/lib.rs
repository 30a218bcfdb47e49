//! Processes that are killed after every single instruction of a call, and the judgment of what they leave behind.
//!
//! A test starts a process that attaches to a ring and stops at a mark (`src/operations.rs`, made into two programs).
//! It leads it through one call instruction by instruction ([`tracer`]), kills it for good at one of them ([`kills`]),
//! and judges the ring ([`judge`]): by a survivor that was at the other end, by a successor, and by two copies of the
//! segment's bytes, to which nobody is attached and either end comes first.
//!
//! - **Calls that move elements and messages** are killed at every instruction: a new process and a new ring for each.
//! - **Calls that come to a ring or leave it** are thousands of instructions long. One process is led through the whole
//!   call, and each instruction is noted that changes anything that outlives it: each call of the system, and each that
//!   leaves other bytes in the segment. Then a process is killed behind each of those, in front of each of the latter,
//!   and at some forty places more. What lies between two of them leaves the same behind, and counts as a kill point,
//!   not as a kill. `RINGMAIN_EVERY_INSTRUCTION=1` kills at all of them.
//!
//! What must be true then:
//!
//! - what was committed is there, whole, once, and in order; of the call in flight, as much as may become visible at
//!   once;
//! - an element that the head has passed was in the registers or on the stack of the killed process, with all of its
//!   words;
//! - no more comes again than one step of the head;
//! - the survivor hears that its peer is gone, awake and asleep;
//! - the end of a producer was told once, to the killed process or to the next one that asks;
//! - the role is free, and the ring carries two fillings more, or the name is gone and a new ring does.
//!
//! The checks can fail: `src/bin/planted` is the library with one of seven bugs, and each is caught
//! (`tests/planted_bugs.rs`). With another one it is a victim of the liars of `tests/flips.rs` and
//! `tests/oscillation.rs` (`tests/planted_lies.rs`).
//!
//! ```text
//! cargo test -p step-tests --release                  all of it
//! cargo test -p step-tests --release -- --nocapture   with the number of places and of kills
//! ```
//!
//! Where processes may not trace each other the tests fail, unless `RINGMAIN_WITHOUT_PTRACE=1` accepts that.

#![deny(unsafe_code)]

pub mod elements;
pub mod judge;
pub mod kills;
pub mod object;
pub mod operation;
pub mod processor;
pub mod rings;
pub mod tracer;
pub mod world;
