//! The stream ring: elements of one type, no header per element, published by the tail.
//!
//! Slot `i` holds the elements whose position is `i` modulo the capacity. The producer owns the slots from its tail up to
//! the head plus the capacity, the consumer those from its head up to the tail; each learns the other's position only when
//! its own copy of it is used up. Four distances decide the speed:
//!
//! - **The producer publishes at once.** A push is visible when it returns; nothing is held back.
//! - **The consumer publishes in steps**, so that a producer at a full ring finds room for many elements at each look, and
//!   at the latest when its view is used up, so that an idle ring never looks full.
//! - **Nobody looks early.** A position is loaded only when the private view of it cannot serve the call.
//! - **The consumer paces its looks.** A consumer that is faster than the producer would take the tail's line from it at
//!   every element. It waits a little before a look that would find few, and not at all once a look found nothing, so that
//!   an idle consumer answers at once.
//!
//! The cached positions are those of rigtorp's and rtrb's queues; the stepwise head and the paced look are measured
//! additions (ARCHITECTURE.md, Performance).

mod consumer;
mod producer;

use core::fmt;

use bytemuck::{AnyBitPattern, NoUninit};

pub use consumer::{Consumer, Elements, Flow, Peek};
pub use producer::{Claim, Producer};

use super::memory::{DATA_ALIGN, Memory};
use super::position::Corrupted;

/// What a stream ring carries: plain data, every byte of which is written and every bit pattern of which is a value.
///
/// It is implemented for all types that are both [`NoUninit`] and [`AnyBitPattern`]: integers, floats, arrays of them, and
/// structs for which bytemuck's derives hold. A `bool`, a `char` or a reference is refused at compile time, because the
/// other process could write bytes that are none.
pub trait Element: NoUninit + AnyBitPattern {}

impl<T: NoUninit + AnyBitPattern> Element for T {}

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
}

impl<T> PushError<T> {
    /// Returns the element that was not pushed.
    pub fn into_value(self) -> T {
        match self {
            PushError::Full(value) | PushError::Corrupted { value, .. } => value,
        }
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PushError::Full(_) => formatter.write_str(FULL),
            PushError::Corrupted { cause, .. } => cause.fmt(formatter),
        }
    }
}

impl<T> fmt::Debug for PushError<T> {
    /// Leaves the element out, so that an error about any element can be shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PushError::Full(_) => formatter.write_str("Full(..)"),
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
}

impl fmt::Display for PushSliceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PushSliceError::Full => formatter.write_str(FULL),
            PushSliceError::Corrupted(cause) => cause.fmt(formatter),
        }
    }
}

impl core::error::Error for PushSliceError {}

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
}

impl fmt::Display for ClaimError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClaimError::Full { free } => write!(formatter, "{FULL}: {free} slots are free; claim fewer, or later"),
            ClaimError::TooLong { len, capacity } => too_long(formatter, *len, *capacity),
            ClaimError::Corrupted(cause) => cause.fmt(formatter),
        }
    }
}

impl core::error::Error for ClaimError {}

/// A pop was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PopError {
    /// Every element that was pushed has been read.
    Empty,
    /// The producer's position is not one that it can have reached.
    Corrupted(Corrupted),
}

impl fmt::Display for PopError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PopError::Empty => formatter.write_str(EMPTY),
            PopError::Corrupted(cause) => cause.fmt(formatter),
        }
    }
}

impl core::error::Error for PopError {}

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
}

impl fmt::Display for PeekError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeekError::Empty { available } => {
                write!(formatter, "{EMPTY}: {available} elements are there; peek at fewer, or later")
            }
            PeekError::TooLong { len, capacity } => too_long(formatter, *len, *capacity),
            PeekError::Corrupted(cause) => cause.fmt(formatter),
        }
    }
}

impl core::error::Error for PeekError {}

const FULL: &str = "the ring is full";
const EMPTY: &str = "the ring is empty";

fn too_long(formatter: &mut fmt::Formatter<'_>, len: usize, capacity: usize) -> fmt::Result {
    write!(formatter, "{len} slots asked for, the ring has {capacity}; ask for fewer, or create it with more")
}

/// Refuses element types and capacities that the slots cannot hold. Every later access rests on it.
///
/// # Panics
///
/// If `capacity` is no power of two or its slots do not fit the data area: the caller has checked both.
fn fits<T: Element, M: Memory>(memory: &M, capacity: usize) {
    const {
        assert!(size_of::<T>() > 0, "a zero-sized type carries nothing: count with an integer instead");
        assert!(align_of::<T>() <= DATA_ALIGN, "the alignment of an element is at most a page");
    }
    assert!(capacity.is_power_of_two(), "the capacity {capacity} is no power of two");
    let len = capacity.checked_mul(size_of::<T>());
    assert!(len.is_some_and(|len| len <= memory.len()), "{capacity} slots do not fit the data area");
}
