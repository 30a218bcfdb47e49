//! How the program ends, as its exit code says.

/// What stands at the end of each help.
pub const CODES: &str = "\
Exit codes:
  0    with --once: the producer of ring A closed it, and all was delivered
  1    something went wrong, and stderr says what
  2    the command line, or a configuration that it names, asks for what cannot be
  3    with --once: the producer of ring A was killed or failed; all that it had pushed was delivered
  4    with --give-up: nothing got through for so long, or there was no ring A

No signal is caught: whoever is stopped leaves the rings as after a crash, and the next bridge goes on there.";

/// An end that is no error like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is delivered.
    Done,
    /// All is delivered of a producer that is gone without having closed its ring.
    Crashed,
    /// Nothing got through for as long as the user wanted to wait.
    GivenUp,
}

impl Exit {
    /// Returns the exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Crashed => 3,
            Exit::GivenUp => 4,
        }
    }
}
