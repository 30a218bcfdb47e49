//! The algorithms: everything that two processes agree on through shared memory, and of the operating system the time
//! alone.
//!
//! # Memory ordering
//!
//! Five kinds of words carry data or say who is attached, and each word has one writer at a time, the holder of a role.
//! `Reader::f` and `Consumer::f` are methods of an endpoint whose second parameter is `Reader`; the same for writers:
//!
//! | word | publish (Release) | observe (Acquire) | what travels with it |
//! |---|---|---|---|
//! | tail of a stream ring | `Producer::publish_from` | `Consumer::find_tail` | the elements before it |
//! | header of a record | `Producer::publish_after` | `Consumer::poll`, `poll_for_value` | payload and the 0 after |
//! | tail of a message ring | `store_tail` | `Consumer::load_tail` | the records before it |
//! | head | `Reader::advance_from` | `Writer::load_head` | what lies before it has been read: its space is free |
//! | presence | `store_attached`, `store_detached` | `presence::observe` | who attached; its last position if it left |
//! | magic | `identity::publish` | `identity::observe` | every row that says what the segment is |
//!
//! The header of a batch's first record is stored last, and all of the batch travels with it.
//!
//! More words lie beside them. Each end stores its own `parking` and `wanted` when it sleeps, the producer `needed`
//! too, and `wakes` when it wakes the other end: [`park`] has their orderings and why no wake is lost. The consumer
//! stores `told`, which only its successor reads, after the role's lock was passed on: [`ends`].
//!
//! **An element is never read before it is written.** The producer writes a slot, then stores the tail with Release.
//! The consumer reads a slot only below a tail that it loaded with Acquire; that load takes its value from that store
//! or a later one of the same thread, so the write happens before the read.
//!
//! **A message is never read before it is written.** The same, with two words that tell of it. The consumer reads a
//! record after it loaded the header with Acquire, or below a tail that it loaded with Acquire. In the latter case it
//! may load the header Relaxed, since the tail's store came after the header's; so it may that of a record which it has
//! found before, and left there. All records of a batch are written before the header of the first is stored, so a
//! consumer that sees that header sees the others'.
//!
//! **A header is 0 until its message is there.** What lies after the tail may be the payload of an older message. The
//! producer stores 0 (Relaxed) into the header after a record before it publishes that record, and a consumer loads
//! that header only when it has observed the record before it; so what it sees is that 0, or the header that follows
//! it.
//!
//! **Nothing is overwritten before it is read.** The consumer reads, then stores the head with Release. The producer
//! writes only what lies before the head that it loaded with Acquire, plus the capacity; so the read of what was there
//! happens before the write. In a message ring the header after the last record lies within that bound too.
//!
//! **A handle's own position is private.** It is loaded once, at attach, and that load is Relaxed: the role's lock
//! passed from the previous holder to this one, and the kernel's release of the lock comes after everything that the
//! previous holder did, even when it was killed. A producer of messages that was killed between a header and its tail
//! left the tail behind by one publication: its successor walks over the records that are there, then stores the tail.
//! So the tail may be lower than the consumer's head, by one publication and never by more: a consumer of messages
//! accepts that. The word `told` is ordered by the lock of the consumer's role, too, see [`ends`].
//!
//! **Closed means all is there.** A producer stores its presence after its last tail, with Release. A consumer that
//! observes `Closed` and then loads the tail sees that one or a later one. A consumer does the same with its head.
//!
//! **What was done before a call happens before the end of the wait that it ends.** A call is a word of one process, by
//! which its threads end a wait: [`call`] has its orderings.
//!
//! The data needs no fence of the processor and no read-modify-write: on x86_64 every one of these is a plain move. How
//! an end sleeps without them, and which words that takes, is in [`park`].

#![allow(unreachable_pub, reason = "loom-tests compiles this folder into a library of its own")]

pub mod call;
pub mod copy;
pub mod cursor;
pub mod endpoint;
pub mod ends;
pub mod error;
pub mod identity;
pub mod leave;
pub mod memory;
pub mod message;
pub mod observe;
pub mod pace;
pub mod park;
pub mod position;
pub mod presence;
pub mod reader;
pub mod set;
pub mod stream;
pub mod wait;
pub mod waiter;
pub mod writer;

#[cfg(test)]
mod tests;
