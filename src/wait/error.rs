//! Why a wait did not succeed.

use std::fmt;
use std::io::{self, ErrorKind};

use crate::ring::error::{Broken, PopError, PushError, buffer_too_short, no_word, too_long, truncated, wrong_size};

/// A call that waited did not succeed.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-wait-error-{}", std::process::id());
/// use std::time::Duration;
/// use ringmain::{Options, WaitError};
///
/// let mut tx = Options::new(&name).capacity(64).stream_producer::<u64>()?;
/// let mut rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?;
/// assert_eq!(rx.within(Duration::from_millis(1)).pop(), Err(WaitError::TimedOut));
/// tx.push(7)?;
/// tx.close()?;
/// assert_eq!(rx.blocking().pop(), Ok(7));
/// assert_eq!(rx.blocking().pop(), Err(WaitError::Closed));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The limit has passed.
    #[error("the time that was given is over, and what was waited for has not come")]
    TimedOut,
    /// A [`Waker`](crate::Waker) of the handle was used. Nothing was lost: the call can be made again.
    #[error("a waker of the handle has ended the wait")]
    Called,
    /// The other end detached in order. All that it sent has been read.
    #[error("the other end has closed the ring")]
    Closed,
    /// The other end exited, or gave its role up, without closing the ring. All that it sent has been read.
    #[error("the process at the other end is gone without having closed the ring")]
    Crashed,
    /// No process has attached to the other end yet, and this handle does not wait for the first one.
    #[error("nobody is attached to the other end of the ring yet")]
    NotConnected,
    /// No process is attached to the other end, and none can attach: the name of the ring was removed.
    #[error("nobody is at the other end, and the ring's name is gone: create it anew")]
    Orphaned,
    /// More was asked for than the ring can ever hold.
    #[error("{}", too_long(*.len, *.max))]
    TooLong {
        /// How many elements, or bytes of a message.
        len: usize,
        /// How many there can be.
        max: usize,
    },
    /// A set was given more rings than one sleep can wait for.
    #[error("a wait at {len} rings, a set can wait at {max}; wait by several sets and threads")]
    TooMany {
        /// How many it was given.
        len: usize,
        /// How many it can wait for.
        max: usize,
    },
    /// Another process truncated the object of the ring. A further access to it may end this process with `SIGBUS`:
    /// drop the handle, and create the ring again.
    #[error("{}", truncated(*.len, *.expected))]
    Truncated {
        /// How many bytes are left.
        len: u64,
        /// How many there were.
        expected: u64,
    },
    /// The other end closed or crashed and left fewer elements than were asked for.
    #[error("the other end {}, and left {left} of the {len} that were asked for", gone(*.crashed))]
    Short {
        /// How many elements are left. They can still be read.
        left: usize,
        /// How many were asked for.
        len: usize,
        /// Whether the other end exited without closing the ring.
        crashed: bool,
    },
    /// The message does not fit the buffer, and stays in the ring.
    #[error("{}", buffer_too_short(*.len, *.buffer))]
    BufferTooShort {
        /// The length of the message in bytes.
        len: usize,
        /// The length of the buffer.
        buffer: usize,
    },
    /// The message is not as long as the value that was asked for, and stays in the ring.
    #[error("{}", wrong_size(*.len, *.size))]
    WrongSize {
        /// The length of the message in bytes.
        len: usize,
        /// The size of the value.
        size: usize,
    },
    /// A message was given a word, but the records of this ring have no room for one.
    #[error("{}", no_word(*.record_alignment))]
    NoWord {
        /// The alignment of its records in bytes.
        record_alignment: usize,
    },
    /// The handle can no longer be used.
    #[error(transparent)]
    Broken(Broken),
}

impl From<Broken> for WaitError {
    fn from(broken: Broken) -> WaitError {
        match broken {
            Broken::Truncated { len, expected } => WaitError::Truncated { len, expected },
            broken => WaitError::Broken(broken),
        }
    }
}

/// The error of a call that does not wait.
pub(crate) trait Refused {
    /// Returns why the call can never succeed; `None` if it can succeed later.
    fn permanent(&self) -> Option<WaitError>;
}

impl<T> Refused for PushError<T> {
    fn permanent(&self) -> Option<WaitError> {
        match *self {
            PushError::Full(_) => None,
            PushError::TooLong { len, max } => Some(WaitError::TooLong { len, max }),
            PushError::NoWord { record_alignment } => Some(WaitError::NoWord { record_alignment }),
            PushError::Broken { cause, .. } => Some(cause.into()),
        }
    }
}

impl Refused for PopError {
    fn permanent(&self) -> Option<WaitError> {
        match *self {
            PopError::Empty | PopError::Short { .. } => None,
            PopError::TooLong { len, max } => Some(WaitError::TooLong { len, max }),
            PopError::BufferTooShort { len, buffer } => Some(WaitError::BufferTooShort { len, buffer }),
            PopError::WrongSize { len, size } => Some(WaitError::WrongSize { len, size }),
            PopError::Broken(cause) => Some(cause.into()),
        }
    }
}

/// Converts the result of a call after a successful wait: only this handle takes what was found, so the call succeeds,
/// or it can never succeed.
pub(crate) fn waited<R, E: Refused>(result: Result<R, E>) -> Result<R, WaitError> {
    result.map_err(|error| error.permanent().unwrap_or(WaitError::TimedOut))
}

impl WaitError {
    /// Returns the error of a write: `BrokenPipe` if the reader is gone.
    pub(crate) fn into_write_error(self) -> io::Error {
        match self {
            WaitError::Closed | WaitError::Crashed => io::Error::new(ErrorKind::BrokenPipe, self),
            _ => self.into(),
        }
    }
}

impl From<WaitError> for io::Error {
    fn from(error: WaitError) -> io::Error {
        let kind = match error {
            WaitError::TimedOut => ErrorKind::TimedOut,
            WaitError::Closed | WaitError::Short { .. } => ErrorKind::UnexpectedEof,
            WaitError::Crashed => ErrorKind::ConnectionAborted,
            WaitError::NotConnected | WaitError::Orphaned => ErrorKind::NotConnected,
            WaitError::Truncated { .. } => ErrorKind::InvalidData,
            WaitError::Broken(broken) => io::Error::from(broken).kind(),
            // Not `Interrupted`: `read_exact` and `write_all` would go on.
            WaitError::Called => ErrorKind::Other,
            _ => ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}

/// Says how the other end ended.
fn gone(crashed: bool) -> &'static str {
    if crashed { "is gone without having closed the ring" } else { "has closed the ring" }
}

/// A call that waited ended early: it returns what it did not send, or how far it got.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use ringmain::{Options, WaitError};
///
/// let mut tx = Options::anonymous().capacity(2).stream_producer::<u64>()?;
/// let unfinished = tx.within(Duration::from_millis(1)).push_slice(&[1, 2, 3]).unwrap_err();
/// assert_eq!((unfinished.value, unfinished.cause), (2, WaitError::TimedOut));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Unfinished<T> {
    /// The element that was not pushed; or how many elements were pushed, or popped, before the wait ended.
    pub value: T,
    /// How the wait ended.
    pub cause: WaitError,
}

impl<T> fmt::Debug for Unfinished<T> {
    /// Leaves the value out: it need not be `Debug`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Unfinished").field("cause", &self.cause).finish_non_exhaustive()
    }
}

impl<T> From<Unfinished<T>> for io::Error {
    fn from(error: Unfinished<T>) -> io::Error {
        error.cause.into()
    }
}
