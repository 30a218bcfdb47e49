//! Messages that become visible together.

#![allow(unsafe_code, reason = "writes records through the producer")]

use core::sync::atomic::Ordering;
use std::io::IoSlice;

use bytemuck::NoUninit;

use super::super::error::PushError;
use super::super::memory::{Memory, Word};
use super::geometry::header;
use super::{Claim, Producer, Push, header_at};

/// Messages that become visible together. Dropping it aborts all of them.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
/// # let options = ringmain::Options::from_fd(ring);
/// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
/// use std::io::Write;
///
/// let mut batch = tx.batch();
/// // How many follow: a consumer that finds this finds them too.
/// batch.push_value(&2_u64)?;
/// batch.push(b"buy 100")?;
/// let mut claim = batch.claim(64)?;
/// write!(claim, "sell {}", 7)?;
/// // To the batch: not visible yet.
/// claim.commit();
/// batch.commit();
/// assert_eq!(rx.pop_value::<u64>(), Ok(2));
/// assert_eq!(rx.messages().count(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a batch that is dropped pushes nothing"]
pub struct Batch<'a, M: Memory> {
    producer: &'a mut Producer<M>,
    staged: Staged,
}

/// Records after the tail that are complete except for the header of the first.
#[derive(Debug, Default)]
pub struct Staged {
    bytes: u64,
    /// The header of the first record, which is stored last.
    first: u64,
    count: usize,
}

impl Staged {
    /// Returns the size of all records.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds the record of a message of `len` bytes, which is written except for its header. Nobody sees that header
    /// before the one at the tail.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for it.
    #[inline]
    pub(super) unsafe fn add<M: Memory>(&mut self, producer: &Producer<M>, len: usize) {
        let (position, geometry) = (producer.cursor.position().wrapping_add(self.bytes), producer.kind.geometry);
        if self.count == 0 {
            self.first = header(len);
        } else {
            // SAFETY: the sizes of records are multiples of the alignment, so a record starts there.
            unsafe { header_at(&producer.memory, position, geometry) }.store(header(len), Ordering::Relaxed);
        }
        self.bytes += geometry.size(len);
        self.count += 1;
    }
}

impl<'a, M: Memory> Batch<'a, M> {
    pub(super) fn new(producer: &'a mut Producer<M>) -> Batch<'a, M> {
        Batch { producer, staged: Staged::default() }
    }

    /// Returns the number of messages in it.
    pub fn len(&self) -> usize {
        self.staged.count
    }

    /// Returns whether no message is in it.
    pub fn is_empty(&self) -> bool {
        self.staged.count == 0
    }

    /// Returns the length of the longest message that fits an empty ring after those of the batch; `None` if not even
    /// one of 0 bytes does.
    pub fn max_len(&self) -> Option<usize> {
        self.producer.max_len().checked_sub(self.staged.bytes as usize)
    }

    /// Adds one message.
    ///
    /// # Errors
    ///
    /// - [`PushError::Full`]: there is no room for it after the others until the consumer has read more. A message that
    ///   is longer than [`max_len`](Self::max_len) never fits: commit, and begin another batch.
    /// - [`PushError::TooLong`]: it is longer than the producer's `max_len`.
    /// - [`PushError::Broken`]: the handle can no longer be used.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), PushError> {
        self.push_payload(None, bytes)
    }

    /// Adds one message with a word, as the producer's `push_tagged` does.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`], and [`PushError::NoWord`].
    #[inline]
    pub fn push_tagged(&mut self, word: u64, bytes: &[u8]) -> Result<(), PushError> {
        self.push_payload(Some(word), bytes)
    }

    /// Adds one message that lies in several parts.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`].
    #[inline]
    pub fn push_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), PushError> {
        self.push_payload(None, parts)
    }

    /// Adds the bytes of a value as one message.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`].
    #[inline]
    pub fn push_value<T: NoUninit>(&mut self, value: &T) -> Result<(), PushError> {
        self.push_payload(None, value)
    }

    /// Takes room for one message of up to `len` bytes in place. Its commit adds it to the batch.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`].
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_, M>, PushError> {
        self.claim_room(len)
    }

    /// Pushes all messages at once. If a call on the batch returned [`PushError::Broken`], nothing is pushed.
    #[inline]
    pub fn commit(self) {
        if self.staged.count > 0 && self.producer.check().is_ok() {
            // SAFETY: each record has room, and is written except for the header of the first.
            unsafe { self.producer.publish_after(|_| (), self.staged.first, self.staged.bytes) };
        }
    }

    /// Drops all messages: nothing is pushed.
    pub fn abort(self) {}
}

impl<M: Memory> Push<M> for Batch<'_, M> {
    #[inline(always)]
    fn parts(&mut self) -> (&mut Producer<M>, Option<&mut Staged>) {
        (self.producer, Some(&mut self.staged))
    }
}
