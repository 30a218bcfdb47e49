//! A ring of byte messages of any length: commands, ticks, events, frames.
//!
//! A [`Producer`] and a [`Consumer`] are attached by [`Options`](crate::Options). Their calls never wait and make no
//! system call, except where documented, after `blocking()` and `within(limit)`, and to wake the other end if it
//! sleeps. Both are [`Send`] and not [`Sync`]: the role follows the handle, not the thread.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = format!("doc-message-{}", std::process::id());
//! use std::io::Write;
//!
//! let mut tx = ringmain::Options::new(&name).capacity(1 << 20).message_producer()?;
//! tx.push(b"buy 100")?;
//! let mut claim = tx.claim(64)?;
//! write!(claim, "sell {}", 7)?;
//! claim.commit();
//!
//! let mut rx = ringmain::Options::new(&name).unlink_on_close(true).message_consumer()?;
//! let mut order = Vec::new();
//! rx.pop_into(&mut order)?;
//! assert_eq!(order, b"buy 100");
//! let message = rx.peek()?;
//! assert_eq!(message.to_vec(), b"sell 7");
//! message.release();
//! # Ok(())
//! # }
//! ```
//!
//! A process that forks keeps its handles. Every call of the child on its copies fails as `Forked` and touches nothing;
//! it may drop them, and attach once the parent has left.
//!
//! # What the other process sees, and when
//!
//! - A push, or the commit of a claim or a batch, is visible when it returns. Nothing is held back. A batch is visible
//!   as a whole or not at all.
//! - A pop, or the release of a [`Record`] or a [`PeekBatch`], gives the space back before it returns.
//! - After a crash of the consumer, the next one starts after what was popped or released: what a pop returned never
//!   comes again, and what was only peeked at does. [`Consumer::position`] tells where that is.
//! - After a crash of the producer, all that was pushed or committed is there, and the call that it was killed in is
//!   there as a whole or not at all.
//!
//! # Lengths
//!
//! A message has 0 bytes or more, up to [`Producer::max_len`]: the capacity less the header of this message and the one
//! after it. Its record starts at a multiple of the [alignment](crate::Options::record_alignment).
//!
//! # In place
//!
//! A [`Claim`] and a [`Record`] work on the ring's own bytes and copy each only once. No reference into the ring is
//! handed out: the other process could write what it refers to. If it is trusted, there is [`Producer::trust_peer`].

mod batches;
mod trusted;
mod waiting;

use crate::ring::message as ring;
use crate::segment::Segment;

pub use ring::Message;
pub use waiting::IncomingMessages;

/// The writing end of a message ring.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain::{Options, PushError, message::Producer};
///
/// let mut tx: Producer = Options::anonymous().capacity(4096).message_producer()?;
/// tx.push(b"hello")?;
/// let too_long = vec![0; tx.max_len() + 1];
/// assert!(matches!(tx.push(&too_long), Err(PushError::TooLong { .. })));
/// # Ok(())
/// # }
/// ```
pub type Producer = ring::Producer<Segment>;

/// The reading end of a message ring.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-message-rx-{}", std::process::id());
/// use ringmain::{Options, message::Consumer};
///
/// let mut tx = Options::new(&name).capacity(4096).message_producer()?;
/// let mut rx: Consumer = Options::new(&name).unlink_on_close(true).message_consumer()?;
/// tx.push(b"hello")?;
/// let mut bytes = [0; 64];
/// let len = rx.pop(&mut bytes)?;
/// assert_eq!(&bytes[..len], b"hello");
/// # Ok(())
/// # }
/// ```
pub type Consumer = ring::Consumer<Segment>;

/// A message in place that is not visible yet. Dropping it aborts it: nothing was pushed.
pub type Claim<'a> = ring::Claim<'a, Segment>;

/// Messages that become visible together. Dropping it aborts all of them.
pub type Batch<'a> = ring::Batch<'a, Segment>;

/// A message that is read in place. Dropping or forgetting it without a release leaves it in the ring.
pub type Record<'a> = ring::Record<'a, Segment>;

/// Messages that are read one after the other and released together. Dropping or forgetting it without a release leaves
/// all of them in the ring.
pub type PeekBatch<'a> = ring::PeekBatch<'a, Segment>;

/// The messages that are there, popped one after the other.
pub type Messages<'a> = ring::Messages<'a, Segment>;
