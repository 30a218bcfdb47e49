//! The reading end.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bytemuck::AnyBitPattern;

use super::PopError;
use crate::error::{Broken, Error};
use crate::handle::{as_fd, handle};
use crate::ring::message as ring;
use crate::segment::{PeerState, Segment};
use crate::trusted::{Trusted, trust_peer};
use crate::wait::{Wait, Waiter};

/// The reading end of a message ring.
pub struct Consumer {
    pub(super) ring: ring::Consumer<Segment>,
    pub(super) waiter: Waiter,
    /// The last generation of the other end that its user knows of.
    seen: u64,
}

impl Consumer {
    pub(crate) fn attach(segment: Segment, pauses: u32, mut waiter: Waiter) -> Result<Consumer, Error> {
        let (name, shape) = (segment.name().to_owned(), ring::Shape::new(segment.capacity(), segment.record_align()));
        match ring::Consumer::attach(segment, shape, pauses) {
            Ok(mut consumer) => {
                consumer.memory_mut().enter();
                // Whoever sleeps at the other end may wait for this.
                consumer.wake();
                let peer = consumer.memory().peer_now();
                let has_data = consumer.is_empty() == Ok(false);
                waiter.ends = consumer.memory().ends(peer, has_data);
                let seen = consumer.memory().peer_generation();
                Ok(Consumer { ring: consumer, waiter, seen })
            }
            Err(source) => Err(Error::Corrupted { name, source }),
        }
    }

    handle!();
    trust_peer!();

    /// Returns the size of the ring in bytes: what was asked for, rounded up to a power of two and a page.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.shape().capacity()
    }

    /// Returns of what number of bytes the starts of records are multiples.
    #[must_use]
    pub fn alignment(&self) -> usize {
        self.ring.shape().align()
    }

    /// Returns the length of the largest message that there can be, in bytes.
    #[must_use]
    pub fn max_len(&self) -> usize {
        self.ring.shape().max_len()
    }

    /// Returns the position of the next message: how many bytes of records lie before it. It only grows, across processes too.
    ///
    /// Whoever stores it with what he made of the messages before it can tell, after a crash, which he has seen.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.ring.position()
    }

    /// Returns whether there is no message.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the producer's tail, or the header of a record, is impossible; the handle is poisoned.
    #[inline]
    pub fn is_empty(&mut self) -> Result<bool, Broken> {
        self.ring.is_empty()
    }

    /// Pops one message into a buffer, and returns its length. The rest of the buffer is left as it is.
    ///
    /// # Errors
    ///
    /// - [`PopError::Empty`]: there is no message.
    /// - [`PopError::BufferTooShort`]: the message is longer than the buffer, and stays in the ring.
    /// - [`PopError::Corrupted`]: the producer's tail, or the header of a record, is impossible; the handle is poisoned.
    #[inline]
    pub fn pop(&mut self, bytes: &mut [u8]) -> Result<usize, PopError> {
        self.ring.pop(bytes)
    }

    /// Pops one message into a buffer, and returns the word that its producer gave it and its length. The word is 0 where none
    /// was given, and in a ring with an [`alignment`](crate::Options::alignment) of 8.
    ///
    /// # Errors
    ///
    /// As [`Consumer::pop`].
    #[inline]
    pub fn pop_tagged(&mut self, bytes: &mut [u8]) -> Result<(u64, usize), PopError> {
        self.ring.pop_tagged(bytes)
    }

    /// Pops one message into a vector, which then holds the message and nothing else, and returns its length.
    ///
    /// # Errors
    ///
    /// As [`Consumer::pop`], but never [`PopError::BufferTooShort`]. The vector is left as it is.
    #[inline]
    pub fn pop_into(&mut self, bytes: &mut Vec<u8>) -> Result<usize, PopError> {
        self.ring.pop_into(bytes)
    }

    /// Pops one message as a value: the fastest way for plain data, since the number of bytes is known at compile time.
    ///
    /// # Errors
    ///
    /// - [`PopError::NotThisValue`]: the message has another length than the value, and stays in the ring.
    /// - [`PopError::Empty`], [`PopError::Corrupted`]: as [`Consumer::pop`].
    #[inline(always)]
    pub fn pop_value<T: AnyBitPattern>(&mut self) -> Result<T, PopError> {
        self.ring.pop_value()
    }

    /// Looks at the next message in place.
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`], [`PopError::Corrupted`]: as [`Consumer::pop`].
    #[inline]
    pub fn peek(&mut self) -> Result<Record<'_>, PopError> {
        self.ring.peek().map(Record)
    }

    /// Hands each message that is there, at most `max` of them, to `read`, and releases it afterwards. Returns how many there
    /// were.
    ///
    /// Where `read` panics, its message stays in the ring.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the producer's tail, or the header of a record, is impossible; the handle is poisoned. The messages in
    /// front of it were handed over.
    #[inline]
    pub fn drain(&mut self, max: usize, mut read: impl FnMut(&Record<'_>)) -> Result<usize, Broken> {
        for count in 0..max {
            match self.peek() {
                Ok(record) => {
                    read(&record);
                    record.release();
                }
                Err(PopError::Corrupted(cause)) => return Err(cause.into()),
                Err(PopError::Forked) => return Err(Broken::Forked),
                Err(_) => return Ok(count),
            }
        }
        Ok(max)
    }

    /// Begins to look at messages one after the other that are given back together, or not at all.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
    /// # let options = ringmain::Options::from_fd(ring);
    /// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
    /// tx.push(b"one")?;
    /// tx.push(b"two")?;
    /// let mut text = Vec::new();
    /// let mut batch = rx.peek_batch();
    /// while batch.append_next(&mut text).is_ok() {}
    /// assert_eq!((batch.len(), &text[..]), (2, &b"onetwo"[..]));
    /// // Once they are safe elsewhere. A crash before it leaves both to the next consumer.
    /// batch.release();
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn peek_batch(&mut self) -> PeekBatch<'_> {
        PeekBatch(self.ring.peek_batch())
    }

    /// Pops the messages that are there, one after the other, until there is none.
    #[inline]
    pub fn messages(&mut self) -> Messages<'_> {
        Messages { consumer: self, broken: false }
    }

    /// Says that this consumer pauses: a producer that sleeps at a full ring and has what it asked for is woken now. Without it,
    /// that may take until a quarter of the ring is free, or 5 ms.
    ///
    /// Every pop has given its space back already.
    #[inline]
    pub fn release(&mut self) {
        self.ring.release();
    }
}

as_fd!(Consumer);

impl Drop for Consumer {
    fn drop(&mut self) {
        self.dropped();
    }
}

/// A message that is looked at in place. Dropping or forgetting it without a release leaves it in the ring.
pub struct Record<'a>(pub(super) ring::Record<'a, Segment>);

impl Record<'_> {
    /// Returns its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns its position: how many bytes of records lie before it.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.0.position()
    }

    /// Returns the word that its producer gave it ([`Producer::push_tagged`](super::Producer::push_tagged)); 0 where none was
    /// given, and in a ring with an [`alignment`](crate::Options::alignment) of 8.
    #[must_use]
    #[inline]
    pub fn word(&self) -> u64 {
        self.0.word()
    }

    /// Copies as many of its bytes as fit, from the first on, and returns how many that is.
    #[inline]
    pub fn copy_to(&self, bytes: &mut [u8]) -> usize {
        self.0.copy_to(bytes)
    }

    /// Copies its bytes.
    #[must_use]
    #[inline]
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Copies the value that starts at byte `at`; `None` where the message ends before it does.
    #[must_use]
    #[inline]
    pub fn value<T: AnyBitPattern>(&self, at: usize) -> Option<T> {
        self.0.value(at)
    }

    /// Gives the space of the message back to the producer, as a pop does.
    #[inline]
    pub fn release(self) {
        self.0.release();
    }
}

/// Messages that were read and are in the ring still. Dropping or forgetting it without a release leaves all of them there.
pub struct PeekBatch<'a>(pub(super) ring::PeekBatch<'a, Segment>);

impl PeekBatch<'_> {
    /// Returns how many messages were read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether none was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the position of the next message: how many bytes of records lie before it.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.0.position()
    }

    /// Returns the length of the next message.
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`], [`PopError::Corrupted`]: as [`Consumer::pop`].
    #[inline]
    pub fn next_len(&mut self) -> Result<usize, PopError> {
        self.0.next_len()
    }

    /// Copies the next message to the end of a vector, and returns its length.
    ///
    /// # Errors
    ///
    /// As [`PeekBatch::next_len`]. The vector is left as it is.
    #[inline]
    pub fn append_next(&mut self, bytes: &mut Vec<u8>) -> Result<usize, PopError> {
        self.0.append_next(bytes)
    }

    /// Gives all messages that were read back to the producer, at once.
    #[inline]
    pub fn release(self) {
        self.0.release();
    }
}

/// The messages of a [`Consumer`], popped one after the other.
///
/// It ends where there is no message, and after an error; a later one may find more.
pub struct Messages<'a> {
    consumer: &'a mut Consumer,
    broken: bool,
}

impl Iterator for Messages<'_> {
    type Item = Result<Vec<u8>, Broken>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        match self.consumer.peek() {
            Ok(record) => {
                let bytes = record.to_vec();
                record.release();
                Some(Ok(bytes))
            }
            Err(PopError::Corrupted(cause)) => {
                self.broken = true;
                Some(Err(cause.into()))
            }
            Err(PopError::Forked) => {
                self.broken = true;
                Some(Err(Broken::Forked))
            }
            Err(_) => None,
        }
    }
}

impl fmt::Debug for Messages<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Messages").field("consumer", &self.consumer).finish_non_exhaustive()
    }
}
