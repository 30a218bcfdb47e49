//! What can go wrong when a descriptor is passed.

use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::ops::RangeInclusive;

use crate::error::Error as RingError;

/// A descriptor could not be passed.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-pass-error-{}", std::process::id());
/// use ringmain::pass::{self, PassError};
/// use ringmain::Options;
///
/// // A worker that may be started by hand, too.
/// let ring = match pass::inherited("WORKER_RING") {
///     Ok(descriptor) => Options::from_fd(descriptor),
///     Err(PassError::Missing { .. }) => Options::new(&name).capacity(64).unlink_on_close(true),
///     Err(error) => return Err(error.with_causes().into()),
/// };
/// let rx = ring.stream_consumer::<u64>()?;
/// assert_eq!(rx.capacity(), 64);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassError {
    /// A word of the greeting, or of the answer, is none that this version knows: the other end speaks another
    /// protocol.
    #[error(
        "what came through the socket has {word} {}, expected {}; both ends of it must use ringmain::pass now, of \
         versions that share it",
        number(*.found), numbers(.expected)
    )]
    OtherProtocol {
        /// Which word: `magic`, `version`, `length`, `wishes` or `answer`.
        word: &'static str,
        /// What it is.
        found: u64,
        /// What it may be.
        expected: RangeInclusive<u64>,
    },
    /// The other process received the descriptor and did not attach.
    // Escaped: it comes from another process.
    #[error("the other process did not attach to the ring, and says why: {reason:?}")]
    Refused {
        /// Why, in its own words. It may have written anything.
        reason: String,
    },
    /// The descriptor was received, and its ring could not be attached.
    #[error("the ring that was received cannot be attached")]
    NotAttached {
        /// Why.
        source: RingError,
    },
    /// Not exactly one descriptor came with the greeting.
    #[error(
        "{found} descriptors came with the greeting, expected {expected}; the other end of the socket must send one at \
         a time"
    )]
    Descriptors {
        /// How many came.
        found: usize,
        /// How many must come: 1.
        expected: usize,
    },
    /// More came with the greeting than there was room for.
    #[error(
        "what came with the greeting was cut off after {found} descriptors, expected {expected}; where one was sent, \
         let this process have more of them (ulimit -n)"
    )]
    Truncated {
        /// How many descriptors were received all the same.
        found: usize,
        /// How many must come: 1.
        expected: usize,
    },
    /// The socket ended before the greeting, or the answer, did.
    #[error("the socket ended after {found} bytes, expected {expected}; look why the other process left")]
    Ended {
        /// How many bytes came.
        found: usize,
        /// How many bytes it has.
        expected: usize,
    },
    /// A system call failed after a part of the greeting had gone through the socket.
    #[error("{found} bytes of the greeting went through the socket, expected {expected}; open a new one")]
    Unfinished {
        /// How many bytes had gone.
        found: usize,
        /// How many bytes a greeting has.
        expected: usize,
        /// What the system said.
        source: io::Error,
    },
    /// No environment variable can have this name.
    #[error("no environment variable can be named {name:?}; use a name without = and without NUL")]
    Variable {
        /// The name that was given.
        name: String,
    },
    /// The environment variable is not set.
    #[error(
        "the environment variable {variable} is not set; start this program by a command that ringmain::pass::inherit \
         prepared"
    )]
    Missing {
        /// The name of the variable.
        variable: String,
    },
    /// The environment variable does not name an inherited descriptor.
    #[error(
        "the environment variable {variable} holds {found:?}, expected NUMBER:DEVICE:INODE as ringmain::pass::inherit \
         sets it"
    )]
    Malformed {
        /// The name of the variable.
        variable: String,
        /// What it holds.
        found: OsString,
    },
    /// No descriptor of the number in the variable is open.
    #[error(
        "descriptor {number}, which {variable} names, is not open; start this program directly from the process that \
         passes it"
    )]
    NotInherited {
        /// The name of the variable.
        variable: String,
        /// The number.
        number: i32,
        /// What the system said.
        source: io::Error,
    },
    /// The descriptor of the number in the variable refers to another file than the variable says.
    #[error(
        "descriptor {number}, which {variable} names, stands for inode {} on device {}, expected inode {} on device \
         {}; do not hand the variable on without the descriptor",
        .found.1, .found.0, .expected.1, .expected.0
    )]
    OtherFile {
        /// The name of the variable.
        variable: String,
        /// The number.
        number: i32,
        /// The device and the inode behind the descriptor.
        found: (u64, u64),
        /// Those that the variable names.
        expected: (u64, u64),
    },
    /// The descriptor does not refer to a ring that can be passed: one without a name.
    #[error(
        "descriptor {number} does not stand for a ring without a name; pass one of those, and a named ring by its name"
    )]
    NotARing {
        /// The number of the descriptor.
        number: i32,
        /// What it lacks.
        source: RingError,
    },
    /// The descriptor that the variable names cannot be opened anew, which needs `/proc/self/fd`.
    #[error("an inherited descriptor is opened anew through /proc/self/fd, which is not there; mount proc at /proc")]
    NoProc {
        /// What the system said.
        source: io::Error,
    },
    /// A system call failed.
    #[error("{call} failed")]
    Os {
        /// The call.
        call: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Says which call of the system failed.
pub(super) fn failed<E: Into<io::Error>>(call: &'static str) -> impl Fn(E) -> PassError {
    move |error| PassError::Os { call, source: error.into() }
}

impl PassError {
    /// Returns the error and those behind it in one line, as an answer has them.
    #[must_use]
    pub fn with_causes(&self) -> String {
        // Not by `source`: a trait object would bring along what shows each error for debugging.
        match self {
            PassError::NotAttached { source } | PassError::NotARing { source, .. } => match source.source() {
                Some(cause) => format!("{self}: {source}: {cause}"),
                None => format!("{self}: {source}"),
            },
            PassError::Unfinished { source, .. }
            | PassError::NotInherited { source, .. }
            | PassError::NoProc { source }
            | PassError::Os { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}

/// Writes what a word may be.
fn numbers(range: &RangeInclusive<u64>) -> String {
    let (first, last) = (number(*range.start()), number(*range.end()));
    if first == last { first } else { format!("{first} to {last}") }
}

/// Writes a word: one that is as long as a magic as `docs/format.md` writes those.
fn number(word: u64) -> String {
    if word >> 32 == 0 { word.to_string() } else { format!("{word:#018x}") }
}
