//! Messages that become visible together.

#![allow(unsafe_code, reason = "writes records through the producer")]

use core::fmt;

use std::io::IoSlice;

use bytemuck::NoUninit;

use super::super::error::PushError;
use super::super::memory::Memory;
use super::geometry::header;
use super::{Claim, NO_WORD, Producer, Sends, total_len};

/// Messages that become visible together. Dropping it aborts all of them.
#[must_use = "a batch that is dropped pushes nothing"]
pub struct Batch<'a, M: Memory> {
    producer: &'a mut Producer<M>,
    staged: Staged,
}

/// Records after the tail that are complete except for the header of the first.
#[derive(Debug, Default)]
pub(super) struct Staged {
    bytes: u64,
    /// The header of the first record, which is stored last.
    first: u64,
    count: usize,
}

impl Staged {
    /// Returns the size of all records.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds the record of a message of `len` bytes, whose payload is written, with the user's word.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for it.
    #[inline]
    pub(super) unsafe fn add<M: Memory>(&mut self, producer: &mut Producer<M>, len: usize, word: u64, size: u64) {
        // SAFETY: the caller's promise.
        unsafe { producer.stage_word(self.bytes, word) };
        if self.count == 0 {
            self.first = header(len);
        } else {
            // SAFETY: the caller's promise.
            unsafe { producer.stage(self.bytes, header(len)) };
        }
        self.bytes += size;
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

    /// Returns the length of the longest message that an empty ring has room for after those of the batch; `None` if it
    /// has none for any.
    pub fn max_len(&self) -> Option<usize> {
        self.producer.max_len().checked_sub(self.staged.bytes as usize)
    }

    /// Adds one message.
    ///
    /// # Errors
    ///
    /// - [`PushError::Full`]: there is no room for it after the others until the consumer has read more. One that is
    ///   longer than [`max_len`](Self::max_len) never gets it: commit, and begin another batch.
    /// - [`PushError::TooLong`]: it is longer than the producer's `max_len`.
    /// - [`PushError::Broken`]: the handle can no longer be used.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), PushError> {
        // SAFETY: `add` made sure of the room.
        self.add(bytes.len(), NO_WORD, |producer, staged| unsafe { producer.put(staged, bytes) })
    }

    /// Adds one message with a word, as the producer's `push_tagged` does.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`], and [`PushError::NoWord`].
    #[inline]
    pub fn push_tagged(&mut self, word: u64, bytes: &[u8]) -> Result<(), PushError> {
        self.producer.check_words()?;
        // SAFETY: `add` made sure of the room.
        self.add(bytes.len(), word, |producer, staged| unsafe { producer.put(staged, bytes) })
    }

    /// Adds one message that lies in several parts.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`].
    #[inline]
    pub fn push_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), PushError> {
        // SAFETY: `add` made sure of the room.
        self.add(total_len(parts), NO_WORD, |producer, staged| unsafe { producer.put_parts(staged, parts) })
    }

    /// Adds the bytes of a value as one message.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`].
    #[inline]
    pub fn push_value<T: NoUninit>(&mut self, value: &T) -> Result<(), PushError> {
        // SAFETY: `add` made sure of the room.
        self.add(size_of::<T>(), NO_WORD, |producer, staged| unsafe { producer.put_value(staged, value) })
    }

    /// Takes room for one message of up to `len` bytes in place. Its commit adds it to the batch.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`].
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_, M>, PushError> {
        let size = self.producer.room_to_claim(self.staged.bytes, len)?;
        self.producer.write_over(self.staged.bytes + size);
        Ok(Claim::new(self.producer, Some(&mut self.staged), len))
    }

    /// Pushes all messages at once. If a call on the batch returned [`PushError::Broken`], nothing is pushed.
    #[inline]
    pub fn commit(self) {
        if self.staged.count > 0 && self.producer.check().is_ok() {
            // SAFETY: `add` made sure of the room for each.
            unsafe { self.producer.publish(self.staged.first, None, self.staged.bytes) };
        }
    }

    /// Gives up all messages: nothing was pushed.
    pub fn abort(self) {}

    #[inline(always)]
    fn add(&mut self, len: usize, word: u64, put: impl FnOnce(&mut Producer<M>, u64)) -> Result<(), PushError> {
        let size = self.producer.room(self.staged.bytes, len)?;
        self.producer.write_over(self.staged.bytes + size);
        put(self.producer, self.staged.bytes);
        // SAFETY: there is room, and the payload is written.
        unsafe { self.staged.add(self.producer, len, word, size) };
        Ok(())
    }
}

impl<M: Memory> Sends<M> for Batch<'_, M> {
    #[inline(always)]
    fn parts(&mut self) -> (&mut Producer<M>, u64) {
        (self.producer, self.staged.bytes)
    }

    #[inline(always)]
    fn send(&mut self, word: Option<u64>, bytes: &[u8]) -> Result<(), PushError> {
        match word {
            None => self.push(bytes),
            Some(word) => self.push_tagged(word, bytes),
        }
    }

    #[inline(always)]
    fn send_parts(&mut self, parts: &[IoSlice<'_>]) -> Result<(), PushError> {
        self.push_vectored(parts)
    }

    #[inline(always)]
    fn send_value<T: NoUninit>(&mut self, value: &T) -> Result<(), PushError> {
        self.push_value(value)
    }
}

impl<M: Memory> fmt::Debug for Batch<'_, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Batch")
            .field("count", &self.staged.count)
            .field("bytes", &self.staged.bytes)
            .finish_non_exhaustive()
    }
}
