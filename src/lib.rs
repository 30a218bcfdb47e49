//! A lock-free single-producer single-consumer ring between two processes, in POSIX shared memory.
//!
//! One process pushes, another pops; the data lies in memory that both map, so no lock, no kernel copy and no system
//! call stands between them. Either process can be killed at any instruction: what was committed stays, and the next
//! process takes the role over.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = format!("doc-lib-{}", std::process::id());
//! // One process:
//! let mut tx = ringmain::Options::new(&name).capacity(65_536).stream_producer::<u64>()?;
//! tx.push(42)?;
//!
//! // Another one, started before or after:
//! let mut rx = ringmain::Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?;
//! assert_eq!(rx.pop()?, 42);
//! # Ok(())
//! # }
//! ```
//!
//! - [`Options`] names, sizes, creates and attaches rings.
//! - [`stream`] has the handles of a ring of elements of one type.
//! - [`message`] has those of a ring of byte messages of any length.
//! - [`WaitSet`] waits for many rings at once, and a [`Waker`] ends a wait from another thread or a signal handler.
//! - `Async`, with the feature `async`, is a handle whose calls are awaited, in any runtime.
//! - [`Readiness`] is a handle with a descriptor for an event loop; a [`Driver`] sleeps for it.
//! - [`Trusted`] is a view of a handle whose peer is trusted: it refers to the ring's bytes in place.
//! - [`inspect`] reads rings from outside, without a role.
//! - [`pass`] passes a ring without a name to another process.
//! - [`Error`] says why a ring could not be created or attached.
//!
//! # Trust
//!
//! The other process is input. Whatever it writes into the ring, the safe functions of this crate have no undefined
//! behaviour: positions and lengths are checked, elements and messages are copied by accesses that are defined under a
//! race, and an impossible number poisons the handle with [`Corrupted`]. It can still send wrong elements, send none,
//! or, for a named ring, truncate its object: then the next access ends your process with `SIGBUS`, but a blocked call
//! returns [`WaitError::Truncated`]. A ring without a name ([`Options::anonymous`]) cannot be truncated.

#![deny(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!("ringmain needs Linux: it rests on OFD locks and on tmpfs");

/// The example of README.md, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Those of docs/guide.md.
#[cfg(doctest)]
#[doc = include_str!("../docs/guide.md")]
struct Guide;

/// That of docs/async.md.
#[cfg(all(doctest, feature = "async"))]
#[doc = include_str!("../docs/async.md")]
struct Tasks;

#[cfg(feature = "async")]
mod awaiting;
mod copies;
mod error;
mod handle;
pub mod inspect;
pub mod message;
mod options;
pub mod pass;
mod pause;
mod ring;
mod segment;
pub mod stream;
mod trusted;
mod wait;

/// The types behind the handles and guards of both rings, over any memory. They are named by the aliases in [`stream`]
/// and [`message`]; the only memory that a user gets is a segment.
pub mod generic {
    #[cfg(feature = "async")]
    pub use crate::awaiting::{Awaited, Task};
    pub use crate::ring::endpoint::{Endpoint, Kind, Reader, Side, Writer};
    pub use crate::ring::message::{Batch, Claim as MessageClaim, Messages, PeekBatch, Record};
    pub use crate::ring::stream::{Claim, Elements, Peek};
}

#[doc(hidden)]
pub use segment::Epoch;
#[doc(hidden)]
pub use wait::Descriptor;

#[cfg(feature = "async")]
pub use awaiting::{Async, MessageSink};
pub use bytemuck;
pub use error::{Attribute, Broken, Corrupted, DirectoryFault, Error, PopError, PushError, Role, SharedWord};
pub use options::Options;
pub use ring::copy::LARGEST_BY_VALUE;
pub use segment::{Creation, PeerState, Waker, unlink, unlink_if_free, unlink_within};
pub use trusted::Trusted;
pub use wait::{Driver, Interest, Readiness, Ready, Unfinished, Wait, WaitError, WaitSet, Waiting, Woken};
