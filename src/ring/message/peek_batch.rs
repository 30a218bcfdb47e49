//! Messages that are peeked at one after the other and given back together.

#![allow(unsafe_code, reason = "reads payloads through the consumer")]

use super::super::error::PopError;
use super::super::memory::Memory;
use super::Consumer;

/// Messages that were peeked at and are still in the ring. The consumer's cursor stays where it is until the release: a
/// batch that is dropped or forgotten leaves all of them there.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
/// # let options = ringmain::Options::from_fd(ring);
/// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
/// tx.push(b"debit 7")?;
/// tx.push(b"credit 7")?;
/// let mut batch = rx.peek_batch();
/// let mut bytes = [0; 64];
/// assert_eq!(batch.copy_next(&mut bytes), Ok(7));
/// assert_eq!(batch.copy_next(&mut bytes), Ok(8));
/// // They could not be stored: once more from the first one.
/// batch.rewind();
/// assert_eq!(batch.next_len(), Ok(7));
/// // Or later: a batch that is dropped leaves them in the ring.
/// drop(batch);
/// assert_eq!(rx.messages().count(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a batch that is dropped releases nothing"]
pub struct PeekBatch<'a, M: Memory> {
    consumer: &'a mut Consumer<M>,
    /// How many bytes of records were peeked at.
    peeked: u64,
    len: usize,
}

impl<'a, M: Memory> PeekBatch<'a, M> {
    pub(super) fn new(consumer: &'a mut Consumer<M>) -> PeekBatch<'a, M> {
        PeekBatch { consumer, peeked: 0, len: 0 }
    }

    /// Returns how many messages were peeked at.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether none was peeked at.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the position of the next message: how many bytes of records lie before it.
    pub fn position(&self) -> u64 {
        self.consumer.position().wrapping_add(self.peeked)
    }

    /// Begins anew with the first message that is in the ring: what was peeked at comes again.
    pub fn rewind(&mut self) {
        (self.peeked, self.len) = (0, 0);
    }

    /// Returns the length of the next message.
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`], [`PopError::Broken`]: as the consumer's `pop`.
    #[inline]
    pub fn next_len(&mut self) -> Result<usize, PopError> {
        self.consumer.next_len(self.peeked)
    }

    /// Returns the word that the producer gave the next message; 0 if none was given, and in a ring with a
    /// [`record_alignment`](crate::Options::record_alignment) of 8.
    ///
    /// # Errors
    ///
    /// As [`PeekBatch::next_len`].
    #[inline]
    pub fn next_word(&mut self) -> Result<u64, PopError> {
        self.next_len()?;
        Ok(self.consumer.word_of(self.position()))
    }

    /// Copies the next message to the end of a vector, and returns its length.
    ///
    /// # Errors
    ///
    /// As [`PeekBatch::next_len`]. The vector is left as it is.
    #[inline]
    pub fn append_next(&mut self, bytes: &mut Vec<u8>) -> Result<usize, PopError> {
        let len = self.next_len()?;
        // SAFETY: the message after those peeked at has that many bytes.
        unsafe { self.consumer.append_to(self.position(), len, bytes) };
        Ok(self.advance(len))
    }

    /// Copies the next message to a buffer, and returns its length. The rest of `bytes` is left as it is.
    ///
    /// # Errors
    ///
    /// As [`PeekBatch::next_len`], and [`PopError::BufferTooShort`]: the message stays the next one.
    #[inline]
    pub fn copy_next(&mut self, bytes: &mut [u8]) -> Result<usize, PopError> {
        let len = self.next_len()?;
        // SAFETY: the message after those peeked at has that many bytes.
        unsafe { self.consumer.copy_whole(self.position(), len, bytes) }?;
        Ok(self.advance(len))
    }

    /// Counts the next message, of `len` bytes, as peeked at, and returns its length.
    fn advance(&mut self, len: usize) -> usize {
        self.peeked += self.consumer.kind.geometry.size(len);
        self.len += 1;
        len
    }

    /// Returns the consumer, and how many bytes of records were peeked at.
    pub(crate) fn parts(&mut self) -> (&mut Consumer<M>, u64) {
        (self.consumer, self.peeked)
    }

    /// Gives the messages before `position` back to the producer, at once, and keeps those that were peeked at after
    /// it. Returns how many it gave back; `None`, with nothing given back, if none of those that were peeked at starts
    /// or ends at `position`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
    /// # let options = ringmain::Options::from_fd(ring);
    /// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
    /// tx.push(b"one")?;
    /// tx.push(b"two")?;
    /// let mut sent = Vec::new();
    /// let mut batch = rx.peek_batch();
    /// batch.append_next(&mut sent)?;
    /// let first = batch.position();
    /// batch.append_next(&mut sent)?;
    /// // The first one has arrived, the second one is under way.
    /// assert_eq!(batch.release_to(first)?, Some(1));
    /// assert_eq!((batch.len(), batch.release_to(first + 1)?), (1, None));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PopError::Broken`]: the handle can no longer be used.
    pub fn release_to(&mut self, position: u64) -> Result<Option<usize>, PopError> {
        self.consumer.check()?;
        let released = position.wrapping_sub(self.consumer.position());
        if released > self.peeked {
            return Ok(None);
        }
        // Each header is loaded a second time, and checked as at the first one: the producer may have changed it.
        let (mut walked, mut count) = (0, 0);
        while walked < released {
            let len = self.consumer.next_len(walked)?;
            walked += self.consumer.kind.geometry.size(len);
            count += 1;
        }
        if walked != released {
            return Ok(None);
        }
        if count > 0 {
            self.consumer.release_from(self.consumer.position(), released);
            self.peeked -= released;
            self.len = self.len.saturating_sub(count);
        }
        Ok(Some(count))
    }

    /// Gives all messages that were peeked at back to the producer, at once.
    pub fn release(self) {
        if self.len > 0 && self.consumer.check().is_ok() {
            self.consumer.release_from(self.consumer.position(), self.peeked);
        }
    }
}
