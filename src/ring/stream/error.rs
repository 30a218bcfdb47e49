//! Why a call on a stream ring was refused.

use core::fmt;

use super::super::broken::{Broken, FORKED};
use super::super::position::Corrupted;

/// A push was refused. The element comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PushError<T> {
    /// Every slot holds an element that the consumer has not given back.
    Full(T),
    /// The consumer's position is not one that it can have reached.
    Corrupted {
        /// The element that was not pushed.
        value: T,
        /// What was found.
        cause: Corrupted,
    },
    /// The handle belongs to the process that this one was forked from: nothing was touched.
    Forked(T),
}

impl<T> PushError<T> {
    /// Returns the element that was not pushed.
    pub fn into_value(self) -> T {
        match self {
            PushError::Full(value) | PushError::Corrupted { value, .. } | PushError::Forked(value) => value,
        }
    }

    #[cold]
    pub(super) fn broken(value: T, broken: Broken) -> PushError<T> {
        match broken {
            Broken::Corrupted(cause) => PushError::Corrupted { value, cause },
            Broken::Forked => PushError::Forked(value),
        }
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PushError::Full(_) => formatter.write_str(FULL),
            PushError::Corrupted { cause, .. } => cause.fmt(formatter),
            PushError::Forked(_) => formatter.write_str(FORKED),
        }
    }
}

impl<T> fmt::Debug for PushError<T> {
    /// Leaves the element out, so that an error about any element can be shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PushError::Full(_) => formatter.write_str("Full(..)"),
            PushError::Forked(_) => formatter.write_str("Forked(..)"),
            PushError::Corrupted { cause, .. } => {
                formatter.debug_struct("Corrupted").field("cause", cause).finish_non_exhaustive()
            }
        }
    }
}

impl<T> core::error::Error for PushError<T> {}

/// A push of a slice was refused: not one element was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushSliceError {
    /// Every slot holds an element that the consumer has not given back.
    Full,
    /// The consumer's position is not one that it can have reached.
    Corrupted(Corrupted),
    /// The handle belongs to the process that this one was forked from: nothing was touched.
    Forked,
}

impl fmt::Display for PushSliceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PushSliceError::Full => formatter.write_str(FULL),
            PushSliceError::Corrupted(cause) => cause.fmt(formatter),
            PushSliceError::Forked => formatter.write_str(FORKED),
        }
    }
}

impl core::error::Error for PushSliceError {}

impl From<Broken> for PushSliceError {
    #[cold]
    fn from(broken: Broken) -> PushSliceError {
        match broken {
            Broken::Corrupted(cause) => PushSliceError::Corrupted(cause),
            Broken::Forked => PushSliceError::Forked,
        }
    }
}

/// A claim was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimError {
    /// Fewer slots are free than were asked for.
    Full {
        /// How many are.
        free: usize,
    },
    /// More slots were asked for than the ring has.
    TooLong {
        /// How many were asked for.
        len: usize,
        /// How many there are.
        capacity: usize,
    },
    /// The consumer's position is not one that it can have reached.
    Corrupted(Corrupted),
    /// The handle belongs to the process that this one was forked from: nothing was touched.
    Forked,
}

impl fmt::Display for ClaimError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClaimError::Full { free } => write!(formatter, "{FULL}: {free} slots are free; claim fewer, or later"),
            ClaimError::TooLong { len, capacity } => too_long(formatter, *len, *capacity),
            ClaimError::Corrupted(cause) => cause.fmt(formatter),
            ClaimError::Forked => formatter.write_str(FORKED),
        }
    }
}

impl core::error::Error for ClaimError {}

impl From<Broken> for ClaimError {
    #[cold]
    fn from(broken: Broken) -> ClaimError {
        match broken {
            Broken::Corrupted(cause) => ClaimError::Corrupted(cause),
            Broken::Forked => ClaimError::Forked,
        }
    }
}

/// A pop was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PopError {
    /// Every element that was pushed has been read.
    Empty,
    /// The producer's position is not one that it can have reached.
    Corrupted(Corrupted),
    /// The handle belongs to the process that this one was forked from: nothing was touched.
    Forked,
}

impl fmt::Display for PopError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PopError::Empty => formatter.write_str(EMPTY),
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

/// A peek was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeekError {
    /// Fewer elements are there than were asked for.
    Empty {
        /// How many are.
        available: usize,
    },
    /// More elements were asked for than the ring has slots.
    TooLong {
        /// How many were asked for.
        len: usize,
        /// How many slots there are.
        capacity: usize,
    },
    /// The producer's position is not one that it can have reached.
    Corrupted(Corrupted),
    /// The handle belongs to the process that this one was forked from: nothing was touched.
    Forked,
}

impl fmt::Display for PeekError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeekError::Empty { available } => {
                write!(formatter, "{EMPTY}: {available} elements are there; peek at fewer, or later")
            }
            PeekError::TooLong { len, capacity } => too_long(formatter, *len, *capacity),
            PeekError::Corrupted(cause) => cause.fmt(formatter),
            PeekError::Forked => formatter.write_str(FORKED),
        }
    }
}

impl core::error::Error for PeekError {}

impl From<Broken> for PeekError {
    #[cold]
    fn from(broken: Broken) -> PeekError {
        match broken {
            Broken::Corrupted(cause) => PeekError::Corrupted(cause),
            Broken::Forked => PeekError::Forked,
        }
    }
}

const FULL: &str = "the ring is full";
const EMPTY: &str = "the ring is empty";

fn too_long(formatter: &mut fmt::Formatter<'_>, len: usize, capacity: usize) -> fmt::Result {
    write!(formatter, "{len} slots asked for, the ring has {capacity}; ask for fewer, or create it with more")
}
