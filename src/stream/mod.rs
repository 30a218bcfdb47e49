//! A ring of elements of one type: samples, bytes, fixed structs, one by one or in bulk.
//!
//! A [`Producer`] and a [`Consumer`] are attached by [`Options`](crate::Options). Their calls never wait and make no
//! system call, except where documented, after `blocking()` and `within(limit)`, and to wake the other end if it
//! sleeps. Both are [`Send`] and not [`Sync`]: the role follows the handle, not the thread.
//!
//! ```
//! fn moves_to_a_thread<T: Send>() {}
//! moves_to_a_thread::<ringmain::stream::Producer<u64>>();
//! moves_to_a_thread::<ringmain::stream::Consumer<u64>>();
//! ```
//!
//! ```compile_fail,E0277
//! fn is_shared_between_threads<T: Sync>() {}
//! is_shared_between_threads::<ringmain::stream::Producer<u64>>();
//! ```
//!
//! A process that forks keeps its handles. Every call of the child on its copies fails as `Forked` and touches nothing;
//! it may drop them, and attach once the parent has left.
//!
//! # What the other process sees, and when
//!
//! - A push, or the commit of a claim, is visible when it returns. Nothing is held back.
//! - A pop, or the release of a [`Peek`], gives its slots back before it returns.
//! - After a crash of the consumer, the next one starts after what was popped or released: what a pop returned never
//!   comes again, and what was only peeked at does. [`Consumer::position`] tells where that is.
//! - After a crash of the producer, all that was pushed or committed is there, and nothing else.
//!
//! # In place
//!
//! A [`Claim`] and a [`Peek`] work on the slots themselves, one element at a time or by slices, and copy each only
//! once. No reference into the ring is handed out: the other process could write what it refers to. If it is trusted,
//! there is [`Producer::trust_peer`].

mod io;
mod transfer;
mod trusted;
mod waiting;

use crate::ring::stream as ring;
use crate::segment::Segment;

pub use ring::{Element, Slot, Stream};
pub use waiting::Iter;

/// The writing end of a stream ring.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain::{Options, stream::Producer};
///
/// #[derive(Clone, Copy, bytemuck::NoUninit, bytemuck::AnyBitPattern)]
/// #[repr(C)]
/// struct Sample {
///     time: u64,
///     value: f64,
/// }
///
/// let mut tx: Producer<Sample> = Options::anonymous().capacity(8).stream_producer()?;
/// tx.push(Sample { time: 1, value: 0.5 })?;
/// assert_eq!(tx.free(), Ok(7));
/// # Ok(())
/// # }
/// ```
pub type Producer<T> = ring::Producer<T, Segment>;

/// The reading end of a stream ring.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-stream-rx-{}", std::process::id());
/// use ringmain::{Options, PopError, stream::Consumer};
///
/// let mut tx = Options::new(&name).capacity(8).stream_producer::<u64>()?;
/// let mut rx: Consumer<u64> = Options::new(&name).unlink_on_close(true).stream_consumer()?;
/// tx.push_slice(&[1, 2])?;
/// assert_eq!((rx.pop()?, rx.pop()?), (1, 2));
/// assert_eq!(rx.pop(), Err(PopError::Empty));
/// # Ok(())
/// # }
/// ```
pub type Consumer<T> = ring::Consumer<T, Segment>;

/// Slots that were taken in place and are not visible yet. Dropping it aborts it: nothing was pushed.
pub type Claim<'a, T> = ring::Claim<'a, T, Segment>;

/// Elements that are read in place. Dropping or forgetting it without a release leaves them in the ring.
pub type Peek<'a, T> = ring::Peek<'a, T, Segment>;

/// The elements of a [`Peek`], copied one after the other.
pub type Elements<'a, T> = ring::Elements<'a, T, Segment>;
