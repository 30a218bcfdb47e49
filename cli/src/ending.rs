//! How the program ends, as its exit code says: the one place that knows the codes.

use std::fmt;

use ringmain::Error;

use crate::usage::UsageError;

/// What stands at the end of each help: lines that fit a narrow terminal, of which nothing is moved.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    all was done
  1    something went wrong, and stderr says what; ls: some
       objects could not be read; doctor --strict: something
       needs attention
  2    the command line asks for what cannot be
  3    read: the writer was killed or failed; all that it
       had sent was read
  141  nobody takes what comes: nobody reads stdout any
       more; write: the reader left";

/// An end that is neither success nor an error like any other.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Nobody takes what comes.
    BrokenPipe,
    /// The process at the other end is gone and has not closed the ring.
    Crashed { ring: String },
    /// Something went wrong that was said already.
    Said,
    /// The command line was refused, and that was said already.
    Refused,
}

impl Ending {
    /// As a shell shows the end of a process by `SIGPIPE`.
    const BROKEN_PIPE: u8 = 141;

    fn code(&self) -> u8 {
        match self {
            Ending::BrokenPipe => Ending::BROKEN_PIPE,
            Ending::Crashed { .. } => 3,
            Ending::Said => 1,
            Ending::Refused => 2,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::BrokenPipe => formatter.write_str("nobody reads any more"),
            Ending::Crashed { ring } => write!(
                formatter,
                "the writer of ring {ring:?} ended before it had sent all: it was killed, or it failed; what it had \
                 sent is written. Start it again and read again, or read with --follow to wait for its successor"
            ),
            Ending::Said | Ending::Refused => formatter.write_str("see above"),
        }
    }
}

impl std::error::Error for Ending {}

/// Returns whether there is nothing to say of an error, or it was said.
pub(crate) fn is_silent(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Ending::BrokenPipe | Ending::Said | Ending::Refused))
}

/// Returns the exit code of a program that an error ends.
pub(crate) fn code(error: &anyhow::Error) -> u8 {
    if let Some(ending) = error.downcast_ref::<Ending>() {
        return ending.code();
    }
    let cannot_be = matches!(error.downcast_ref(), Some(Error::InvalidName { .. } | Error::InvalidOption { .. }));
    if cannot_be || error.is::<UsageError>() { 2 } else { 1 }
}
