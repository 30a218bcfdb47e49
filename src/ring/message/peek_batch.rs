//! Messages that are looked at one after the other and given back together.

#![allow(unsafe_code, reason = "reads payloads through the consumer")]

use core::fmt;

use super::super::memory::Memory;
use super::consumer::Consumer;
use super::error::PopError;

/// Messages that were read and are in the ring still. Dropping it without a release leaves all of them there.
pub struct PeekBatch<'a, M: Memory> {
    consumer: &'a mut Consumer<M>,
    /// The head when it began.
    start: u64,
    len: usize,
}

impl<'a, M: Memory> PeekBatch<'a, M> {
    pub(super) fn new(consumer: &'a mut Consumer<M>) -> PeekBatch<'a, M> {
        let start = consumer.head();
        PeekBatch { consumer, start, len: 0 }
    }

    /// Returns how many messages were read.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether none was read.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the length of the next message.
    #[inline]
    pub fn next_len(&mut self) -> Result<usize, PopError> {
        let len = self.consumer.front().map_err(|nothing| self.consumer.refusal(nothing))?;
        let passed = self.consumer.head().wrapping_sub(self.start);
        // The producer cannot have filled what it has not got back: beyond the ring there is nothing, whatever it says.
        match passed + self.consumer.shape().size(len) <= self.consumer.shape().capacity() as u64 {
            true => Ok(len),
            false => Err(PopError::Empty),
        }
    }

    /// Copies the next message to the end of a vector, and returns its length.
    #[inline]
    pub fn append_next(&mut self, bytes: &mut Vec<u8>) -> Result<usize, PopError> {
        let len = self.next_len()?;
        bytes.reserve(len);
        let end = bytes.len();
        // SAFETY: the vector has room for `len` bytes behind its end, and the message at the head has as many.
        unsafe { self.consumer.take(bytes.as_mut_ptr().wrapping_add(end), len) };
        // SAFETY: as many bytes are written.
        unsafe { bytes.set_len(end + len) };
        self.consumer.pass(self.consumer.shape().size(len));
        self.len += 1;
        Ok(len)
    }

    /// Gives all messages that were read back to the producer, at once.
    pub fn release(mut self) {
        self.start = self.consumer.head();
        if self.len > 0 {
            self.consumer.release();
        }
    }
}

impl<M: Memory> Drop for PeekBatch<'_, M> {
    fn drop(&mut self) {
        if self.start != self.consumer.head() {
            self.consumer.return_to(self.start);
        }
    }
}

impl<M: Memory> fmt::Debug for PeekBatch<'_, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PeekBatch").field("len", &self.len).finish_non_exhaustive()
    }
}
