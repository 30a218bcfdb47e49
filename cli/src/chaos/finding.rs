//! What a run finds wrong.

use clap::ValueEnum;

/// What can be wrong with what arrives, or with what is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    Lost,
    Torn,
    Invented,
    Repeated,
    /// What a call has moved is not visible, or not free, when it has returned.
    Withheld,
    /// An end was told something of the other one that is not so, or that was told before, or was not told.
    Mistold,
    /// Something came to a stand.
    Hang,
    /// Anything else.
    Other,
    /// Nothing by itself: the other lane has failed.
    GivenUp,
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::Lost => "lost",
            Fault::Torn => "torn",
            Fault::Invented => "invented",
            Fault::Repeated => "repeated",
            Fault::Withheld => "withheld",
            Fault::Mistold => "told wrongly",
            Fault::Hang => "hang",
            Fault::Other => "failed",
            Fault::GivenUp => "given up",
        }
    }
}

/// Something is wrong: what kind of fault, and what was seen.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) fault: Fault,
    pub(crate) text: String,
}

impl Finding {
    pub(crate) fn new(fault: Fault, text: impl Into<String>) -> Finding {
        Finding { fault, text: text.into() }
    }
}

/// An error of the process that looks.
impl From<anyhow::Error> for Finding {
    fn from(error: anyhow::Error) -> Finding {
        Finding::new(Fault::Other, format!("{error:#}"))
    }
}

/// Compares positions, which may have passed 2^64.
pub(crate) fn is_before(position: u64, other: u64) -> bool {
    (other.wrapping_sub(position) as i64) > 0
}
