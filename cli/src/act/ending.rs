//! How a verb ends, as its exit code says.

use std::{fmt, io};

use anyhow::Result;

use crate::output;

/// What stands at the end of the help.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    all was done; read: the writer left and all was read
  1    something went wrong, and stderr says what; doctor --strict: something needs attention
  2    the command line asks for what cannot be
  3    read: the writer was killed; all that it had sent was read
  141  write: the reader left; read and others: nobody reads stdout any more";

/// An end that is neither success nor an error like any other.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Nobody takes what comes.
    BrokenPipe,
    /// The process at the other end is gone without a word.
    Crashed { ring: String },
    /// Something was found that was said already.
    Said,
}

impl Ending {
    /// As a shell shows the end of a process by `SIGPIPE`.
    const BROKEN_PIPE: u8 = 141;

    /// Returns the exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Ending::BrokenPipe => Ending::BROKEN_PIPE,
            Ending::Crashed { .. } => 3,
            Ending::Said => 1,
        }
    }

    /// Returns whether there is nothing to be said.
    pub(crate) fn is_quiet(&self) -> bool {
        !matches!(self, Ending::Crashed { .. })
    }

    /// Sorts an error of stdout.
    pub(super) fn of_output(error: io::Error) -> anyhow::Error {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Ending::BrokenPipe.into(),
            _ => anyhow::Error::new(error).context("cannot write to stdout"),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::BrokenPipe => formatter.write_str("nobody reads any more"),
            Ending::Crashed { ring } => write!(
                formatter,
                "the writer of ring {ring:?} was killed before it had sent all; what it had sent is written. Start it \
                 again and read again, or read with --follow to wait for its successor"
            ),
            Ending::Said => formatter.write_str("see above"),
        }
    }
}

impl std::error::Error for Ending {}

/// Prints a text. That whoever reads it has seen enough is an ending of its own.
pub(super) fn print(text: &str) -> Result<()> {
    output::write(text.as_bytes()).map_err(Ending::of_output)
}
