//! Models of the algorithms in `src/ring/`, run by loom over every interleaving and every value that a load may return.
//!
//! [`ring`] is the very source that ships, compiled here over another [`Memory`](ring::memory::Memory):
//!
//! - [`checked`]: loom orders the shared words, and each word of the data has shadows, so that races of the payload are
//!   found too;
//! - [`weakened`]: the same, with one ordering of `src/ring/` turned to Relaxed;
//! - [`planted`]: the same, with one bug;
//! - [`sleeping`]: the same, where the ends can sleep, by [`parking`]; as well with one ordering or one bug;
//! - [`killed`]: any of them, as seen by a process that is killed;
//! - [`observed`]: memory whose data are words too, so that somebody who holds no role may copy what others write.
//!
//! Where a model needs more of an end than a user sees of a handle, [`internals`] has it; [`ahead`] what a producer
//! prepares, [`waits`] what the system tells an end that waits; [`calls`] what ends a
//! wait from outside, [`sets`] a wait at several rings, [`drivers`] a thread that sleeps for ends.
//!
//! A model is a function in `tests/` over any memory. Over checked memory it passes; its twins, the same function over
//! weakened or planted memory, fail, each for the reason that it names. So every check here can fail. Begin with
//! [`model`], then `tests/stream.rs`; [`message`] is what models of the other ring are made of.
//!
//! ```text
//! cargo test -p loom-tests                                    all models, which are optimised in every build
//! LOOM_LOCATION=1 cargo test -p loom-tests a_part_of_a_name   a race is reported with its lines
//! LOOM_MAX_PREEMPTIONS=3 cargo test -p loom-tests             deeper than the bound of the models
//! ```

// A check of all targets builds this as a test too; the unit tests of the ring need the rest of the library.
#![cfg(not(test))]
#![deny(unsafe_code)]

#[path = "../../src/ring/tests/access.rs"]
mod access;
pub mod ahead;
#[path = "../../src/ring/tests/awake.rs"]
pub mod awake;
pub mod calls;
pub mod checked;
mod data;
#[path = "../../src/ring/tests/detach.rs"]
mod detach;
pub mod drivers;
pub mod internals;
pub mod killed;
pub mod lock;
pub mod message;
pub mod model;
pub mod observed;
pub mod parking;
pub mod planted;
#[allow(clippy::len_without_is_empty, reason = "no memory of a ring is empty; in the library the trait is private")]
#[allow(dead_code, reason = "the library above this folder uses the rest of it")]
#[allow(missing_docs, reason = "in the library the fields and methods without are private")]
#[allow(rustdoc::broken_intra_doc_links, reason = "the text is that of the library, and links to what lies above it")]
#[path = "../../src/ring/mod.rs"]
pub mod ring;
pub mod sets;
pub mod sleeping;
pub mod waits;
pub mod weakened;
mod words;
