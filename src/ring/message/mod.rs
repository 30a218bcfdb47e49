//! The message ring: byte messages of any length, each published by the header of its record.
//!
//! A record is a header word and a payload, and starts at a multiple of the alignment. The header is 0 while nothing is
//! there; the producer writes the payload, zeroes the header of the *next* record unless it has done so before, stores
//! this one's header, then its tail. So the header at the true tail is always 0, and there are two ways to learn of a
//! message:
//!
//! - **An idle consumer polls the header at its head.** Flag, length and a short payload travel in one cache line, and
//!   the line of the tail is never touched: one miss for each message.
//! - **In a flow it loads the tail.** A consumer that finds one message right after another loads the published tail
//!   instead, not too soon, and reads all records up to it without a poll. Polling alone would share the line that the
//!   producer is writing, for every message.
//!
//! The data area is mirrored: it is mapped twice in a row, so a record never splits, and there is no path for the end
//! of the buffer. A record may take the space up to the head plus the capacity, less room for the zero after it.
//!
//! A batch fills its first header last: until then nothing of it can be seen, and from then on all of it. When a
//! producer is killed between a header and the tail, the next one walks from the stored tail over the records that are
//! there.
//!
//! Aeron's log buffers also commit a record by a length that is stored last.

#![allow(unsafe_code, reason = "finds the words of records")]

mod batch;
mod claim;
mod consumer;
mod geometry;
mod peek_batch;
mod producer;
mod push;
mod record;

use core::sync::atomic::Ordering;

pub use batch::{Batch, Staged};
pub use claim::Claim;
pub use consumer::Messages;
pub use geometry::{Geometry, LARGEST_ALIGN, SMALLEST_ALIGN};
pub use peek_batch::PeekBatch;
pub use push::{Payload, Push};
pub use record::Record;

use super::endpoint::{Endpoint, Internal, Kind, Reader, Side, Writer};
use super::error::Broken;
use super::memory::{Memory, Word};
use consumer::if_any;
use geometry::WORD_OFFSET;

/// The user's word of a record if none was given.
const NO_WORD: u64 = 0;

/// Messages, as the [`Kind`] of a ring.
#[derive(Debug)]
pub struct Message {
    pub(super) geometry: Geometry,
    /// How far ahead of its position an end prefetches a line.
    prefetch_distance: usize,
    /// Where a producer has stored the header 0 already, if that lies beyond its tail: nothing was written there since.
    /// A consumer has no use for it.
    pub(crate) zeroed: u64,
}

impl Message {
    /// Describes messages in this memory. Every later access relies on these checks.
    ///
    /// # Panics
    ///
    /// If the memory is not mirrored or not as long as the capacity: the caller has checked both.
    fn new<M: Memory>(memory: &M, geometry: Geometry) -> Message {
        assert!(memory.is_mirrored(), "the memory of a message ring is mirrored");
        assert_eq!(memory.len(), geometry.capacity(), "the data area of a message ring is as long as its capacity");
        Message { geometry, prefetch_distance: geometry.prefetch_distance(), zeroed: 0 }
    }
}

impl Kind for Message {
    #[inline(always)]
    fn max_used(&self) -> u64 {
        self.geometry.max_used()
    }

    #[inline(always)]
    fn step(&self) -> u64 {
        self.geometry.alignment() as u64
    }

    fn capacity(&self) -> usize {
        self.geometry.capacity()
    }

    /// Returns whether a message is there whose record ends at least `need` bytes after the head; no record is smaller
    /// than the alignment. `need` is at least the alignment, and a multiple of it.
    #[inline]
    fn has_arrived<M: Memory>(reader: &mut Consumer<M>, need: u64, _: Internal) -> Result<bool, Broken> {
        let peeked = need - reader.kind.step();
        Ok(if_any(reader.next_len(peeked))?.is_some())
    }

    fn available<M: Memory>(reader: &Consumer<M>, _: Internal) -> Result<u64, Broken> {
        reader.available_now()
    }
}

/// The writing end.
pub type Producer<M> = Endpoint<Message, Writer, M>;

/// The reading end.
pub type Consumer<M> = Endpoint<Message, Reader, M>;

/// # The records of a message ring
impl<R: Side, M: Memory> Endpoint<Message, R, M> {
    /// Returns the alignment of the records in bytes.
    #[must_use]
    pub fn record_alignment(&self) -> usize {
        self.kind.geometry.alignment()
    }

    /// Returns the length of the largest message that there can be, in bytes.
    #[must_use]
    pub fn max_len(&self) -> usize {
        self.kind.geometry.max_len()
    }
}

/// Returns the header of the record at `position`.
///
/// # Safety
///
/// `position` is a multiple of the alignment.
#[inline(always)]
unsafe fn header_at<M: Memory>(memory: &M, position: u64, geometry: Geometry) -> &M::Word {
    // SAFETY: the index is below the capacity, and a multiple of the alignment like the position.
    unsafe { memory.header(geometry.index(position)) }
}

/// Returns the user's word of the record at `position`, if records have one.
///
/// # Safety
///
/// `position` is a multiple of the alignment.
#[inline(always)]
unsafe fn word_at<M: Memory>(memory: &M, position: u64, geometry: Geometry) -> Option<&M::Word> {
    // SAFETY: the index is below the capacity, and a multiple of 16 like the position if records have words, so a word
    // follows the header.
    geometry.has_words().then(|| unsafe { memory.header(geometry.index(position) + WORD_OFFSET) })
}

/// Loads a header that was observed already, with the tail or the header that the known end comes from; or to check for
/// one, without reading its message.
///
/// # Safety
///
/// `position` is a multiple of the alignment.
#[inline(always)]
unsafe fn load_observed<M: Memory>(memory: &M, position: u64, geometry: Geometry) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { header_at(memory, position, geometry) }.load(Ordering::Relaxed)
}
