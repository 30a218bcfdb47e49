//! The algorithms: everything that two processes agree on through shared memory, and no operating system.
//!
//! # Memory ordering
//!
//! Five kinds of words are ordered, and each word has one writer at a time:
//!
//! | word | publish (Release) | observe (Acquire) | what travels with it |
//! |---|---|---|---|
//! | tail of a stream ring | `Producer::publish_from` | `Consumer::refresh_from` | the elements before it are written |
//! | header of a record | `Producer::publish_after` | `Consumer::poll`, `look_for_value` | its payload is written, and the header behind it is 0; of a batch, all of it |
//! | tail of a message ring | `store_tail` | `Consumer::look_at_tail` | the records before it are written |
//! | head | `Consumer::advance_from` | `Producer::look` | what lies before it has been read: its space is free |
//! | presence | `presence::enter`, `presence::leave` | `presence::observe` | who came; for an end that leaves, its last position |
//! | magic | `identity::publish` | `identity::observe` | every row that says what the segment is |
//!
//! **An element is never read before it is written.** The producer writes a slot, then stores the tail with Release. The
//! consumer reads a slot only below a tail that it loaded with Acquire; that load takes its value from that store or a
//! later one of the same thread, so the write happens before the read.
//!
//! **A message is never read before it is written.** The same, with two words that tell of it. The consumer reads a record
//! behind a header that it loaded with Acquire, or below a tail that it loaded with Acquire; the header of the latter it may
//! load Relaxed, since the tail's store came after the header's; and so it may that of a record which it has found before, and
//! left there. All records of a batch are written before the header of the
//! first is stored, so whoever sees that header sees the others'.
//!
//! **A header is 0 until its message is there.** What lies behind the tail may be the payload of an older message. The
//! producer stores 0 into the header behind a record before it publishes that record, and a consumer looks at that header
//! only when it has observed the record in front of it; so what it sees is that 0, or the header that follows it.
//!
//! **Nothing is overwritten before it is read.** The consumer reads, then stores the head with Release. The producer writes
//! only what lies before the head that it loaded with Acquire, plus the capacity; so the read of what was there happens before
//! the write. In a message ring the header behind the last record lies within that bound too.
//!
//! **A handle's own position is private.** It is loaded once, at attach, and that load is Relaxed: the role's lock passed
//! from the previous holder to this one, and the kernel's release of the lock comes after everything that the previous
//! holder did, even when it was killed. A producer of messages that was killed between a header and its tail left the tail
//! behind by one publication: its successor walks over the records that are there, then stores the tail. So a tail may lie
//! behind the consumer's head by as much, and never by more. What consumers were told of ends passes by the lock of their role,
//! too, see [`ends`].
//!
//! **Closed means all is there.** A producer stores its presence after its last tail, with Release. Who observes `Closed`
//! and then looks at the ring sees that tail or a later one. A consumer does the same with its head.
//!
//! There is no fence of the processor and no read-modify-write: on x86_64 every one of these is a plain move. How an end
//! sleeps without that, and the words that it takes, is told in [`park`].

#![allow(unreachable_pub, reason = "loom-tests compiles this folder into a library of its own")]

pub mod broken;
pub mod copy;
pub mod cursor;
pub mod ends;
pub mod farewell;
pub mod identity;
pub mod memory;
pub mod message;
pub mod observe;
pub mod pace;
pub mod park;
pub mod position;
pub mod presence;
pub mod stream;

#[cfg(test)]
mod tests;
