//! Passes the descriptor of a ring without a name to another process: through a socket, or to a child that is started.
//!
//! That is the descriptor of a handle (`descriptor`, `into_fd`), or one that was passed before. The other process
//! attaches by [`Options::from_fd`](crate::Options::from_fd).
//!
//! [`offer`] and [`accept`] tell the sender whether the ring was attached, and if not, why; [`send`] and [`receive`]
//! pass the descriptor and no more. Either of the first two works with either of the others.
//!
//! # Examples
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::os::unix::net::UnixStream;
//!
//! use ringmain::{Options, pass};
//!
//! let mut tx = Options::anonymous().capacity(4096).message_producer()?;
//! let (server, client) = UnixStream::pair()?;
//! pass::send(&server, tx.descriptor())?;
//!
//! // In the process of the client:
//! let mut rx = Options::from_fd(pass::receive(&client)?).message_consumer()?;
//! tx.push(b"hello")?;
//! assert_eq!(rx.peek()?.to_vec(), b"hello");
//! # Ok(())
//! # }
//! ```

mod answer;
mod error;
mod exchange;
mod greeting;
mod inheritance;
mod socket;
mod words;

pub use answer::Answer;
pub use error::PassError;
pub use exchange::{Offer, accept, offer};
pub use greeting::{receive, send};
pub use inheritance::{inherit, inheritable, inherited};
