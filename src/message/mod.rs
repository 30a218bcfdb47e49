//! A ring of byte messages of any length: commands, ticks, events, frames.
//!
//! A [`Producer`] and a [`Consumer`] are attached by [`Options`](crate::Options). Their calls never wait and make no
//! system call, except where it is said, for those named `_blocking` and `_timeout`, and to wake the other end where it
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
//! A process that forks keeps its handles. Every call of the child on the copies that it gets is refused as `Forked` and touches
//! nothing; it may drop them, and attach anew once the parent has left.
//!
//! # What the other process sees, and when
//!
//! - A push, or the commit of a claim or a batch, is visible when it returns. Nothing is held back. A batch is visible as a
//!   whole or not at all.
//! - A pop, or the release of a [`Record`] or a [`PeekBatch`], gives the space back before it returns.
//! - After a crash of the consumer, the next one starts behind what was popped or released: what a pop returned never comes
//!   again, and what was only looked at does. [`Consumer::position`] tells where that is.
//! - After a crash of the producer, all that was pushed or committed is there, and the call that it was killed in is there as
//!   a whole or not at all.
//!
//! # Lengths
//!
//! A message has 0 bytes or more, up to [`Producer::max_len`]: the capacity less the header of this message and the one behind
//! it. Its record starts at a multiple of the [alignment](crate::Options::alignment).
//!
//! # In place
//!
//! A [`Claim`] and a [`Record`] work on the ring's own bytes and copy each only once. No reference into the ring is handed
//! out: the other process could write what it refers to. Where it is trusted, there is [`Producer::trust_peer`].

mod blocking;
mod consumer;
mod producer;
mod trusted;

use std::fmt;

pub use crate::ring::message::{PopError, PushError};
pub use blocking::ReceiveError;
pub use consumer::{Consumer, Messages, PeekBatch, Record};
pub use producer::{Batch, Claim, Producer};
pub use trusted::{TrustedClaim, TrustedRecord};

macro_rules! debug {
    ($($handle:ident $(<$life:lifetime>)? . $field:tt),*) => {$(
        impl fmt::Debug for $handle $(<$life>)? {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.$field.fmt(formatter)
            }
        }
    )*};
}

debug!(Producer.ring, Consumer.ring, Claim<'_>.0, Batch<'_>.0, Record<'_>.0, PeekBatch<'_>.0);
