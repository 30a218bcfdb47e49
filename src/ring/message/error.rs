//! Why a call on a message ring was refused.

use core::fmt;

use super::super::broken::{Broken, FORKED};
use super::super::position::Corrupted;

/// A push or a claim was refused: nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushError {
    /// The free space is too small for this message. The consumer has not given enough back.
    Full,
    /// The message is longer than any that this ring can hold.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The length of the largest message in bytes.
        max: usize,
    },
    /// The consumer's position is not one that it can have reached.
    Corrupted(Corrupted),
    /// The handle belongs to the process that this one was forked from: nothing was touched.
    Forked,
    /// The records of this ring have no room for a word.
    NoWord {
        /// The alignment of its records in bytes.
        alignment: usize,
    },
}

impl fmt::Display for PushError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PushError::Full => formatter.write_str("the ring has no room for this message until more are read"),
            PushError::TooLong { len, max } => write!(
                formatter,
                "a message of {len} bytes, the longest that fits this ring has {max}; split it, or create a larger ring"
            ),
            PushError::Corrupted(cause) => cause.fmt(formatter),
            PushError::Forked => formatter.write_str(FORKED),
            PushError::NoWord { alignment } => write!(
                formatter,
                "records aligned to {alignment} bytes have no word, those of 16 and more have one; create the ring with an alignment of 16, 32 or 64"
            ),
        }
    }
}

impl core::error::Error for PushError {}

impl From<Broken> for PushError {
    #[cold]
    fn from(broken: Broken) -> PushError {
        match broken {
            Broken::Corrupted(cause) => PushError::Corrupted(cause),
            Broken::Forked => PushError::Forked,
        }
    }
}

/// A pop was refused: the message, if there is one, is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PopError {
    /// Every message that was sent has been read.
    Empty,
    /// The message does not fit the buffer.
    BufferTooShort {
        /// The length of the message in bytes.
        len: usize,
        /// That of the buffer.
        buffer: usize,
    },
    /// The message is not as long as the value that was asked for.
    NotThisValue {
        /// The length of the message in bytes.
        len: usize,
        /// The size of the value.
        size: usize,
    },
    /// The producer wrote a position or a length that cannot be.
    Corrupted(Corrupted),
    /// The handle belongs to the process that this one was forked from: nothing was touched.
    Forked,
}

impl fmt::Display for PopError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PopError::Empty => formatter.write_str("the ring is empty"),
            PopError::BufferTooShort { len, buffer } => {
                write!(formatter, "a message of {len} bytes, the buffer has {buffer}; use a larger one, or peek")
            }
            PopError::NotThisValue { len, size } => write!(
                formatter,
                "a message of {len} bytes, the value has {size}; use the same type on both sides, or pop bytes"
            ),
            PopError::Corrupted(cause) => cause.fmt(formatter),
            PopError::Forked => formatter.write_str(FORKED),
        }
    }
}

impl core::error::Error for PopError {}

impl From<Broken> for PopError {
    #[cold]
    fn from(broken: Broken) -> PopError {
        match broken {
            Broken::Corrupted(cause) => PopError::Corrupted(cause),
            Broken::Forked => PopError::Forked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::position::SharedWord;
    use super::*;

    #[test]
    fn a_refusal_says_what_was_found_and_what_to_do() {
        let long = PushError::TooLong { len: 9, max: 8 }.to_string();
        assert_eq!(
            long,
            "a message of 9 bytes, the longest that fits this ring has 8; split it, or create a larger ring"
        );
        let narrow = PushError::NoWord { alignment: 8 }.to_string();
        assert_eq!(
            narrow,
            "records aligned to 8 bytes have no word, those of 16 and more have one; create the ring with an alignment of 16, 32 or 64"
        );
        let short = PopError::BufferTooShort { len: 9, buffer: 8 }.to_string();
        assert_eq!(short, "a message of 9 bytes, the buffer has 8; use a larger one, or peek");
        let other = PopError::NotThisValue { len: 9, size: 8 }.to_string();
        assert_eq!(other, "a message of 9 bytes, the value has 8; use the same type on both sides, or pop bytes");
    }

    #[test]
    fn a_corruption_is_told_as_it_was_found() {
        let cause = Corrupted { word: SharedWord::Header, found: 2, lowest: 1, highest: 257, step: 256 };
        assert_eq!(PushError::Corrupted(cause).to_string(), cause.to_string());
        assert_eq!(PopError::Corrupted(cause).to_string(), cause.to_string());
    }
}
