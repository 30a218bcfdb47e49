//! Brings the descriptor of a ring without a name to another process: through a socket, or to a child that is started.
//!
//! The descriptors of handles are meant (`AsFd`, `into_fd`), and those that were passed before. The other process attaches by
//! [`Options::from_fd`](crate::Options::from_fd).
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::os::unix::net::UnixStream;
//!
//! use ringmain::{Options, pass};
//!
//! let mut tx = Options::anonymous().capacity(4096).message_producer()?;
//! let (server, client) = UnixStream::pair()?;
//! pass::send(&server, &tx)?;
//!
//! // In the process of the client:
//! let mut rx = Options::from_fd(pass::receive(&client)?).message_consumer()?;
//! tx.push(b"hello")?;
//! assert_eq!(rx.peek()?.to_vec(), b"hello");
//! # Ok(())
//! # }
//! ```

mod error;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::segment::{greeting, inheritance};
pub use error::PassError;

/// Sends a descriptor through a socket, with a greeting of 24 bytes by which [`receive`] knows it.
///
/// The socket can carry whatever else before and after it.
///
/// # Errors
///
/// [`PassError::Os`]: what the system says, such as [`WouldBlock`](std::io::ErrorKind::WouldBlock) where the socket does not
/// wait and is full: nothing was sent. [`PassError::Unfinished`]: a part was sent; the socket is of no use any more.
pub fn send(socket: &UnixStream, descriptor: impl AsFd) -> Result<(), PassError> {
    greeting::send(socket.as_fd(), descriptor.as_fd())
}

/// Receives a descriptor that was sent by [`send`], and reads no byte beyond its greeting.
///
/// It waits as the socket does: not at all where that is nonblocking, at most for its read timeout where it has one. The
/// descriptor is not inherited by programs that are started.
///
/// # Errors
///
/// After any of them, whatever descriptors came are closed.
///
/// - [`PassError::Os`]: what the system says, such as [`WouldBlock`](std::io::ErrorKind::WouldBlock) where nothing has come
///   yet: try again later.
/// - [`PassError::Ended`], [`PassError::Unfinished`]: the other end is gone, or was too slow, in the middle of the greeting.
/// - [`PassError::Magic`], [`PassError::Version`], [`PassError::Length`]: the other end speaks another protocol.
/// - [`PassError::Descriptors`]: none came, or more than one.
/// - [`PassError::Truncated`]: the process can have no more descriptors, or very many came.
pub fn receive(socket: &UnixStream) -> Result<OwnedFd, PassError> {
    greeting::receive(socket.as_fd())
}

/// Lets the processes that this command starts inherit a descriptor, and tells them which one by an environment variable.
///
/// The command keeps a copy of the descriptor for as long as it lives. In this process it is inherited by no other program. It works
/// for several descriptors, each with a variable of its own.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::process::Command;
///
/// use ringmain::{Options, pass};
///
/// let mut tx = Options::anonymous().capacity(64).stream_producer::<u64>()?;
/// let mut command = Command::new("worker");
/// pass::inherit(&mut command, &tx, "WORKER_RING")?;
/// let child = command.spawn()?;
///
/// // In the worker:
/// let mut rx = Options::from_fd(pass::inherited("WORKER_RING")?).stream_consumer::<u64>()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// - [`PassError::Variable`]: no variable can have this name.
/// - [`PassError::NotRegular`]: the descriptor is not that of a ring, but a pipe, a socket or the like.
/// - [`PassError::Os`]: what the system says.
pub fn inherit(command: &mut Command, descriptor: impl AsFd, variable: &str) -> Result<(), PassError> {
    inheritance::inherit(command, descriptor.as_fd(), variable)
}

/// Opens what this process inherited by [`inherit`]. It can be called more than once.
///
/// The variable says which descriptor it is and what stands behind it. It is not believed: the descriptor is opened anew,
/// through `/proc/self/fd`, and what stands behind it must be what the variable names. The inherited descriptor itself
/// stays open, but is not inherited once more by the programs that this process starts.
///
/// # Errors
///
/// - [`PassError::Missing`], [`PassError::Malformed`]: the variable is not there, or does not name a descriptor.
/// - [`PassError::NotInherited`], [`PassError::OtherFile`]: no descriptor of this number is open, or it stands for something
///   else.
/// - [`PassError::NotRegular`]: it is no ring that the variable names.
/// - [`PassError::Os`]: what the system says.
pub fn inherited(variable: &str) -> Result<OwnedFd, PassError> {
    inheritance::inherited(variable)
}
