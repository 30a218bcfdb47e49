//! The algorithms: everything that two processes agree on through shared memory, and no operating system.
//!
//! # Memory ordering
//!
//! Four words of a ring are ordered, and each has one writer:
//!
//! | word | publish (Release) | observe (Acquire) | what travels with it |
//! |---|---|---|---|
//! | tail | `Producer::publish` | `Consumer::refresh` | the elements before it are written |
//! | head | `Consumer::release` | `Producer::refresh` | the elements before it have been read: their slots are free |
//! | presence | `presence::enter`, `presence::leave` | `presence::observe` | who came; for a leaving producer, its last tail |
//! | magic | `identity::publish` | `identity::observe` | every row that says what the segment is |
//!
//! **An element is never read before it is written.** The producer writes a slot, then stores the tail with Release. The
//! consumer reads a slot only below a tail that it loaded with Acquire; that load takes its value from that store or a
//! later one of the same thread, so the write happens before the read.
//!
//! **A slot is never overwritten before it is read.** The consumer reads a slot, then stores the head with Release. The
//! producer writes a slot only if the head that it loaded with Acquire, plus the capacity, is above it; so the read of the
//! slot's previous element happens before the write.
//!
//! **A handle's own position is private.** It is loaded once, at attach, and that load is Relaxed: the role's lock passed
//! from the previous holder to this one, and the kernel's release of the lock comes after everything that the previous
//! holder did, even when it was killed.
//!
//! **Closed means all is there.** A producer stores its presence after its last tail, with Release. Who observes `Closed`
//! and then looks at the tail sees that tail or a later one.
//!
//! There is no fence and no read-modify-write: on x86_64 every one of these is a plain move.

#![allow(unreachable_pub, reason = "loom-tests compiles this folder into a library of its own")]

pub mod copy;
pub mod identity;
pub mod memory;
pub mod position;
pub mod presence;
pub mod stream;

#[cfg(test)]
mod tests;
