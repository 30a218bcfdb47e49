//! Messages that are read one after the other and given back together.

#![allow(unsafe_code, reason = "reads payloads through the consumer")]

use core::fmt;

use super::super::error::PopError;
use super::super::memory::Memory;
use super::Consumer;

/// Messages that were read and are still in the ring. The consumer's cursor stays where it is until the release: a
/// batch that is dropped or forgotten leaves all of them there.
#[must_use = "a batch that is dropped releases nothing"]
pub struct PeekBatch<'a, M: Memory> {
    consumer: &'a mut Consumer<M>,
    /// How many bytes of records were read.
    passed: u64,
    len: usize,
}

impl<'a, M: Memory> PeekBatch<'a, M> {
    pub(super) fn new(consumer: &'a mut Consumer<M>) -> PeekBatch<'a, M> {
        PeekBatch { consumer, passed: 0, len: 0 }
    }

    /// Returns how many messages were read.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether none was read.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the position of the next message: how many bytes of records lie before it.
    pub fn position(&self) -> u64 {
        self.consumer.position().wrapping_add(self.passed)
    }

    /// Returns the length of the next message.
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`], [`PopError::Broken`]: as the consumer's `pop`.
    #[inline]
    pub fn next_len(&mut self) -> Result<usize, PopError> {
        self.consumer.front(self.passed).map_err(|nothing| self.consumer.refusal(nothing))
    }

    /// Copies the next message to the end of a vector, and returns its length.
    ///
    /// # Errors
    ///
    /// As [`PeekBatch::next_len`]. The vector is left as it is.
    #[inline]
    pub fn append_next(&mut self, bytes: &mut Vec<u8>) -> Result<usize, PopError> {
        let len = self.next_len()?;
        bytes.reserve(len);
        let end = bytes.len();
        // SAFETY: the vector has room for `len` bytes after its end, and the message after those passed has as many.
        unsafe { self.consumer.take(self.position(), bytes.as_mut_ptr().wrapping_add(end), len) };
        // SAFETY: as many bytes are written.
        unsafe { bytes.set_len(end + len) };
        self.passed += self.consumer.kind.geometry.size(len);
        self.len += 1;
        Ok(len)
    }

    /// Copies the next message to a buffer, and returns its length. The rest of `bytes` is left as it is.
    ///
    /// # Errors
    ///
    /// As [`PeekBatch::next_len`], and [`PopError::BufferTooShort`]: the message stays the next one.
    #[inline]
    pub fn copy_next(&mut self, bytes: &mut [u8]) -> Result<usize, PopError> {
        let len = self.next_len()?;
        let Some(target) = bytes.get_mut(..len) else {
            return Err(PopError::BufferTooShort { len, buffer: bytes.len() });
        };
        // SAFETY: the message after those passed has as many bytes.
        unsafe { self.consumer.take(self.position(), target.as_mut_ptr(), len) };
        self.passed += self.consumer.kind.geometry.size(len);
        self.len += 1;
        Ok(len)
    }

    /// Returns the consumer, and how many bytes of records were read.
    pub(crate) fn parts(&mut self) -> (&mut Consumer<M>, u64) {
        (self.consumer, self.passed)
    }

    /// Gives all messages that were read back to the producer, at once.
    pub fn release(self) {
        if self.len > 0 && self.consumer.check().is_ok() {
            self.consumer.pass(self.consumer.position(), self.passed);
        }
    }
}

impl<M: Memory> fmt::Debug for PeekBatch<'_, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PeekBatch").field("len", &self.len).finish_non_exhaustive()
    }
}
