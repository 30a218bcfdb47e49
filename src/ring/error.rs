//! Why a call that does not wait was refused, on either ring.

use core::fmt;
use std::io;

/// A word that the other process writes and that failed its check.
///
/// # Examples
///
/// ```
/// use ringmain::{Corrupted, Role, SharedWord};
///
/// /// Returns the end that writes the word, for a report.
/// fn writer(cause: Corrupted) -> Option<Role> {
///     match cause.word {
///         SharedWord::Tail | SharedWord::Header => Some(Role::Producer),
///         SharedWord::Head => Some(Role::Consumer),
///         // Of a later version.
///         _ => None,
///     }
/// }
///
/// let cause = Corrupted { word: SharedWord::Head, found: 99, lowest: 0, highest: 64, step: 1 };
/// assert_eq!(writer(cause), Some(Role::Consumer));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SharedWord {
    /// The position at which the producer writes next.
    Tail,
    /// The position at which the consumer reads next.
    Head,
    /// The first word of a message's record: its length in bytes times 256, plus 1 once it is there.
    Header,
}

/// The other process wrote a number that this protocol cannot have produced.
///
/// The handle that found it is poisoned: each later call returns the same, and nothing of the ring is touched again.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain::{Broken, Options, PopError, SharedWord};
///
/// let tx = Options::anonymous().capacity(64).stream_producer::<u64>()?;
/// let descriptor = tx.descriptor().try_clone_to_owned()?;
/// let mut rx = Options::from_fd(descriptor).stream_consumer::<u64>()?;
/// # let object = std::fs::File::from(tx.descriptor().try_clone_to_owned()?);
/// # std::os::unix::fs::FileExt::write_all_at(&object, &999_u64.to_ne_bytes(), 0x180)?;
/// // Another process has written 999 over the tail of the empty ring. It can be 64 at most.
/// let Err(PopError::Broken(Broken::Corrupted(cause))) = rx.pop() else { panic!("the ring is damaged") };
/// assert_eq!((cause.word, cause.found), (SharedWord::Tail, 999));
/// assert_eq!((cause.lowest, cause.highest), (0, 64));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Corrupted {
    /// The word that was wrong.
    pub word: SharedWord,
    /// What it held.
    pub found: u64,
    /// The lowest value that it could have held.
    pub lowest: u64,
    /// The highest value that it could have held; smaller than `lowest` if positions pass 2^64.
    pub highest: u64,
    /// The distance between two values that it could have held; a power of two.
    pub step: u64,
}

impl fmt::Display for Corrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.word {
            SharedWord::Tail => "the producer's tail",
            SharedWord::Head => "the consumer's head",
            SharedWord::Header => "the header of a record",
        };
        write!(formatter, "{word} holds {}, expected {} to {}", self.found, self.lowest, self.highest)?;
        if self.step > 1 {
            write!(formatter, " in steps of {}", self.step)?;
        }
        formatter.write_str(": another process damaged the ring; unlink it and create it anew")
    }
}

impl core::error::Error for Corrupted {}

/// A handle can no longer be used: each later call returns the same, and nothing of the ring is touched again.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain::{Broken, Options, PushError};
///
/// let mut tx = Options::anonymous().capacity(1).stream_producer::<u64>()?;
/// # tx.push(6)?;
/// # // Another process writes over the head.
/// # let object = std::fs::File::from(tx.descriptor().try_clone_to_owned()?);
/// # std::os::unix::fs::FileExt::write_all_at(&object, &999_u64.to_ne_bytes(), 0x200)?;
/// if let Err(PushError::Broken { value, cause }) = tx.push(7) {
///     match cause {
///         // The ring is whole: this process can attach.
///         Broken::Forked | Broken::Left => eprintln!("{cause}"),
///         // Corrupted or truncated.
///         _ => {
///             tx = Options::anonymous().capacity(1).stream_producer()?;
///             tx.push(value)?;
///         }
///     }
/// }
/// # assert_eq!(tx.free()?, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// The other process wrote a number that this protocol cannot have produced.
    #[error(transparent)]
    Corrupted(Corrupted),
    /// A [`WaitSet`](crate::WaitSet) has found that another process has shortened the memory of the ring. Drop the
    /// handle, and create the ring again.
    #[error("{}", truncated(*.len, *.expected))]
    Truncated {
        /// How many bytes are left.
        len: u64,
        /// How many there were.
        expected: u64,
    },
    /// The handle belongs to the parent of this process, which was forked.
    ///
    /// Dropping or closing it does nothing here, and does not disturb the parent. The child can attach once the parent
    /// has left the role.
    #[error(
        "the handle belongs to the process that this one was forked from: attach anew here, once that one has left the \
         role"
    )]
    Forked,
    /// The handle has left the ring: a task has closed it, or shut it down, and has not dropped it.
    #[error("the handle was closed before: attach anew")]
    Left,
}

impl From<Corrupted> for Broken {
    fn from(cause: Corrupted) -> Broken {
        Broken::Corrupted(cause)
    }
}

/// A push or a claim was refused: nothing was sent.
///
/// `T` is what comes back. A push of one element returns the element. All other calls return how much is free: slots of
/// a stream ring, or bytes for records in a message ring.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain::{Options, PushError};
///
/// let mut tx = Options::anonymous().capacity(1).stream_producer::<u64>()?;
/// tx.push(7)?;
/// match tx.push(8) {
///     Err(PushError::Full(value)) => assert_eq!(value, 8),
///     other => panic!("{other:?}"),
/// }
/// assert!(matches!(tx.claim(2), Err(PushError::TooLong { len: 2, max: 1 })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError<T = usize> {
    /// There is too little free space: the consumer has not given enough back.
    #[error("the ring is full: it has too little room until more is read")]
    Full(T),
    /// More was asked for than the ring can ever hold.
    #[error("{}", too_long(*.len, *.max))]
    TooLong {
        /// How many slots were asked for, or the length of the message in bytes.
        len: usize,
        /// The most that the ring can hold.
        max: usize,
    },
    /// A message was given a word, but the records of this ring have no room for one.
    #[error("{}", no_word(*.record_alignment))]
    NoWord {
        /// The alignment of its records in bytes.
        record_alignment: usize,
    },
    /// The handle can no longer be used.
    #[error("{cause}")]
    Broken {
        /// What was not sent; 0 if it is how much is free.
        value: T,
        /// Why.
        cause: Broken,
    },
}

impl<T> PushError<T> {
    /// Returns the element that was not pushed, or how much is free; `None` if the call can never succeed.
    pub fn into_value(self) -> Option<T> {
        match self {
            PushError::Full(value) | PushError::Broken { value, .. } => Some(value),
            PushError::TooLong { .. } | PushError::NoWord { .. } => None,
        }
    }
}

impl<T> fmt::Debug for PushError<T> {
    /// Leaves the value out: it need not be `Debug`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PushError::Full(_) => formatter.write_str("Full(..)"),
            PushError::TooLong { len, max } => {
                formatter.debug_struct("TooLong").field("len", len).field("max", max).finish()
            }
            PushError::NoWord { record_alignment } => {
                formatter.debug_struct("NoWord").field("record_alignment", record_alignment).finish()
            }
            PushError::Broken { cause, .. } => {
                formatter.debug_struct("Broken").field("cause", cause).finish_non_exhaustive()
            }
        }
    }
}

impl From<Broken> for PushError {
    #[cold]
    fn from(cause: Broken) -> PushError {
        PushError::Broken { value: 0, cause }
    }
}

impl<T> From<PushError<T>> for io::Error {
    fn from(error: PushError<T>) -> io::Error {
        let kind = match error {
            PushError::Full(_) => io::ErrorKind::WouldBlock,
            PushError::TooLong { .. } | PushError::NoWord { .. } => io::ErrorKind::InvalidInput,
            PushError::Broken { cause, .. } => return cause.into(),
        };
        io::Error::new(kind, error.to_string())
    }
}

/// A pop or a peek was refused: what is there, if anything, stays there.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-pop-error-{}", std::process::id());
/// use ringmain::{Options, PopError};
///
/// let mut tx = Options::new(&name).capacity(4096).message_producer()?;
/// let mut rx = Options::new(&name).unlink_on_close(true).message_consumer()?;
/// let mut bytes = [0; 4];
/// assert_eq!(rx.pop(&mut bytes), Err(PopError::Empty));
/// tx.push(b"hello")?;
/// assert_eq!(rx.pop(&mut bytes), Err(PopError::BufferTooShort { len: 5, buffer: 4 }));
/// // It is still there.
/// assert_eq!(rx.peek()?.to_vec(), b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PopError {
    /// All that was sent has been read.
    #[error("the ring is empty")]
    Empty,
    /// Fewer elements are there than were asked for.
    #[error("{len} elements asked for, {available} are there; ask for fewer, or later")]
    Short {
        /// How many are there.
        available: usize,
        /// How many were asked for.
        len: usize,
    },
    /// More was asked for than the ring can ever hold.
    #[error("{}", too_long(*.len, *.max))]
    TooLong {
        /// How many elements were asked for.
        len: usize,
        /// The most that the ring can hold.
        max: usize,
    },
    /// The message does not fit the buffer.
    #[error("{}", buffer_too_short(*.len, *.buffer))]
    BufferTooShort {
        /// The length of the message in bytes.
        len: usize,
        /// The length of the buffer.
        buffer: usize,
    },
    /// The message is not as long as the value that was asked for.
    #[error("{}", wrong_size(*.len, *.size))]
    WrongSize {
        /// The length of the message in bytes.
        len: usize,
        /// The size of the value.
        size: usize,
    },
    /// The handle can no longer be used.
    #[error(transparent)]
    Broken(Broken),
}

impl From<Broken> for PopError {
    #[cold]
    fn from(cause: Broken) -> PopError {
        PopError::Broken(cause)
    }
}

impl From<PopError> for io::Error {
    fn from(error: PopError) -> io::Error {
        let kind = match error {
            PopError::Empty | PopError::Short { .. } => io::ErrorKind::WouldBlock,
            PopError::Broken(cause) => return cause.into(),
            _ => io::ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> io::Error {
        let kind = match broken {
            Broken::Corrupted(_) | Broken::Truncated { .. } => io::ErrorKind::InvalidData,
            Broken::Forked => io::ErrorKind::Other,
            Broken::Left => io::ErrorKind::BrokenPipe,
        };
        io::Error::new(kind, broken)
    }
}

pub fn too_long(len: usize, max: usize) -> String {
    format!("{len} asked for, the ring can hold {max}; ask for less, or create a larger one")
}

pub fn truncated(len: u64, expected: u64) -> String {
    format!(
        "another process has shortened the ring to {len} bytes, expected {expected}; drop the handle and create the \
         ring anew"
    )
}

pub fn no_word(record_alignment: usize) -> String {
    format!(
        "records aligned to {record_alignment} bytes have no word, those of 16 and more have one; create the ring with \
         a record alignment of 16, 32 or 64"
    )
}

pub fn buffer_too_short(len: usize, buffer: usize) -> String {
    format!("a message of {len} bytes, the buffer has {buffer}; use a larger one, or peek")
}

pub fn wrong_size(len: usize, size: usize) -> String {
    format!("a message of {len} bytes, the value has {size}; use the same type on both sides, or pop bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_found_and_what_to_do() {
        let said = [
            PushError::Full(0).to_string(),
            PushError::<usize>::TooLong { len: 9, max: 8 }.to_string(),
            PushError::<usize>::NoWord { record_alignment: 8 }.to_string(),
            PopError::Short { available: 8, len: 9 }.to_string(),
            PopError::BufferTooShort { len: 9, buffer: 8 }.to_string(),
            PopError::WrongSize { len: 9, size: 8 }.to_string(),
        ];
        assert_eq!(
            said,
            [
                "the ring is full: it has too little room until more is read",
                "9 asked for, the ring can hold 8; ask for less, or create a larger one",
                "records aligned to 8 bytes have no word, those of 16 and more have one; \
                 create the ring with a record alignment of 16, 32 or 64",
                "9 elements asked for, 8 are there; ask for fewer, or later",
                "a message of 9 bytes, the buffer has 8; use a larger one, or peek",
                "a message of 9 bytes, the value has 8; use the same type on both sides, or pop bytes",
            ]
        );
    }

    #[test]
    fn a_handle_of_the_parent_says_what_the_child_can_do() {
        let said = Broken::Forked.to_string();
        assert!(said.contains("belongs to the process that this one was forked from"), "{said}");
        assert!(said.contains("attach anew"), "{said}");
    }

    #[test]
    fn a_corruption_is_told_once_as_it_was_found() {
        let cause = Corrupted { word: SharedWord::Header, found: 2, lowest: 1, highest: 257, step: 256 };
        let broken = Broken::from(cause);
        let push = PushError::from(broken);
        for said in [broken.to_string(), push.to_string(), PopError::Broken(broken).to_string()] {
            assert_eq!(said, cause.to_string());
        }
        // Its text is there already, so printing the chain of sources does not repeat it.
        assert!(core::error::Error::source(&push).is_none());
    }

    #[test]
    fn refusals_are_errors_of_io_by_what_the_caller_can_do() {
        use io::ErrorKind;
        assert_eq!(io::Error::from(PushError::Full(7)).kind(), ErrorKind::WouldBlock);
        assert_eq!(io::Error::from(PopError::Empty).kind(), ErrorKind::WouldBlock);
        assert_eq!(io::Error::from(PopError::WrongSize { len: 1, size: 2 }).kind(), ErrorKind::InvalidInput);
        assert_eq!(io::Error::from(PopError::Broken(Broken::Forked)).kind(), ErrorKind::Other);
    }
}
