//! What is killed, or lied to, where the checks must fail: a process that uses the library as it ships, but for one
//! bug.
//!
//! All sources of the library are compiled here once more, with two modules in front of theirs: [`segment`], whose
//! memory reorders what it is asked for, and [`ring::identity`]. Without a bug both pass everything on.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "a library is compiled into a program that uses a part of it"
)]
// A check of all targets builds this as a test too; the unit tests of the library need the rest of it.
#![cfg(not(test))]
#![deny(unsafe_code)]

// The liars' victims name the library as its users do.
extern crate self as ringmain;

#[path = "../../../../src/ring/tests/access.rs"]
mod access;
mod bug;
mod lies;
#[path = "../../operations.rs"]
mod operations;
mod segment;

#[path = "../../../../src/copies.rs"]
mod copies;
#[path = "../../../../src/error.rs"]
mod error;
#[path = "../../../../src/handle.rs"]
mod handle;
#[path = "../../../../src/inspect/mod.rs"]
mod inspect;
#[path = "../../../../src/message/mod.rs"]
mod message;
#[path = "../../../../src/options.rs"]
mod options;
#[path = "../../../../src/pass/mod.rs"]
mod pass;
#[path = "../../../../src/pause.rs"]
mod pause;
#[path = "../../../../src/ring/mod.rs"]
mod shipped_ring;
#[path = "../../../../src/segment/mod.rs"]
mod shipped_segment;
#[path = "../../../../src/stream/mod.rs"]
mod stream;
#[path = "../../../../src/trusted.rs"]
mod trusted;
#[path = "../../../../src/wait/mod.rs"]
mod wait;

mod ring {
    pub(crate) use crate::shipped_ring::*;

    pub(crate) mod identity;
}

// What the root of the library has.
use error::{Attribute, Broken, Corrupted, Error, PopError, PushError, Role, SharedWord};
use options::Options;
use segment::{Creation, PeerState, Waker, unlink};
use trusted::Trusted;
use wait::{Interest, Unfinished, Wait, WaitError, WaitSet, Waiting};

/// What the operations are made with.
mod library {
    pub(crate) use crate::options::Options;
    pub(crate) use crate::wait::WaitError;
    pub(crate) use crate::{message, stream};
}

fn main() {
    bug::plant(&std::env::args().nth(4).expect("the name of a bug"));
    if !lies::main() {
        operations::main();
    }
}
