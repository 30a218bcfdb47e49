//! The writing end.

use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bytemuck::NoUninit;

use super::PushError;
use crate::error::{Broken, Error};
use crate::handle::{as_fd, handle};
use crate::ring::message as ring;
use crate::segment::{PeerState, Segment};
use crate::trusted::{Trusted, trust_peer};
use crate::wait::{Wait, WaitError, Waiter};

/// The writing end of a message ring.
pub struct Producer {
    pub(super) ring: ring::Producer<Segment>,
    pub(super) waiter: Waiter,
    /// The last generation of the other end that its user knows of.
    seen: u64,
}

impl Producer {
    pub(crate) fn attach(segment: Segment, pauses: u32, mut waiter: Waiter) -> Result<Producer, Error> {
        let (name, shape) = (segment.name().to_owned(), ring::Shape::new(segment.capacity(), segment.record_align()));
        match ring::Producer::attach(segment, shape, pauses) {
            Ok(mut producer) => {
                producer.memory_mut().enter();
                // Whoever sleeps at the other end may wait for this.
                producer.wake();
                waiter.ends = producer.memory().ends(producer.memory().peer_now(), false);
                let seen = producer.memory().peer_generation();
                Ok(Producer { ring: producer, waiter, seen })
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

    /// Returns the length of the largest message in bytes.
    #[must_use]
    pub fn max_len(&self) -> usize {
        self.ring.shape().max_len()
    }

    /// Returns the position of the next message: how many bytes of records lie before it. It only grows, across processes too.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.ring.position()
    }

    /// Pushes one message. It is visible to the consumer when this returns.
    ///
    /// # Errors
    ///
    /// - [`PushError::Full`]: there is no room for it until the consumer has read more.
    /// - [`PushError::TooLong`]: it is longer than [`Producer::max_len`].
    /// - [`PushError::Corrupted`]: the consumer's head is impossible; the handle is poisoned.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), PushError> {
        self.ring.push(bytes)
    }

    /// Pushes one message with a word beside its header: a type, a time, a number, without a byte of the payload.
    ///
    /// [`Consumer::pop_tagged`](super::Consumer::pop_tagged) and [`Record::word`](super::Record::word) read it. A message that is
    /// pushed in any other way has the word 0.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ring = ringmain::Options::anonymous().capacity(4096).alignment(64).create_message()?;
    /// # let options = ringmain::Options::from_fd(ring);
    /// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
    /// const ORDER: u64 = 7;
    ///
    /// tx.push_tagged(ORDER, b"buy 100")?;
    /// let mut bytes = [0; 64];
    /// assert_eq!(rx.pop_tagged(&mut bytes), Ok((ORDER, 7)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`PushError::NoWord`]: the [`alignment`](crate::Options::alignment) of the ring is 8, where records have no room for it.
    /// - Otherwise as [`Producer::push`].
    #[inline]
    pub fn push_tagged(&mut self, word: u64, bytes: &[u8]) -> Result<(), PushError> {
        self.ring.push_tagged(word, bytes)
    }

    /// Pushes one message that lies in several parts.
    ///
    /// # Errors
    ///
    /// As [`Producer::push`].
    #[inline]
    pub fn push_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), PushError> {
        self.ring.push_vectored(parts)
    }

    /// Pushes the bytes of a value as one message: the fastest way for plain data, since their number is known at compile time.
    ///
    /// # Errors
    ///
    /// As [`Producer::push`].
    #[inline(always)]
    pub fn push_value<T: NoUninit>(&mut self, value: &T) -> Result<(), PushError> {
        self.ring.push_value(value)
    }

    /// Takes room for a message of up to `len` bytes in place.
    ///
    /// # Errors
    ///
    /// As [`Producer::push`] for a message of `len` bytes.
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_>, PushError> {
        self.ring.claim(len).map(Claim)
    }

    /// Begins a batch: messages that become visible together at its commit, or not at all.
    #[inline]
    pub fn batch(&mut self) -> Batch<'_> {
        Batch(self.ring.batch())
    }

    /// Returns whether a message of `len` bytes could be pushed now. Once it could, it can until the next push.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the consumer's head is impossible, or the handle belongs to the parent of this process.
    #[inline]
    pub fn can_push(&mut self, len: usize) -> Result<bool, Broken> {
        self.ring.can_push(len)
    }
}

as_fd!(Producer);

impl Drop for Producer {
    fn drop(&mut self) {
        self.dropped();
    }
}

/// Room for a message that was taken in place and is not visible yet. Dropping it aborts it: nothing was pushed.
///
/// It is written from its start on as an [`io::Write`], or anywhere by [`Claim::write_at`].
pub struct Claim<'a>(pub(super) ring::Claim<'a, Segment>);

impl Claim<'_> {
    /// Returns the number of bytes that were taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether no byte was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the end of the last byte that was written: where [`io::Write`] goes on, and the length that
    /// [`Claim::commit`] gives the message.
    #[must_use]
    pub fn written(&self) -> usize {
        self.0.written()
    }

    /// Writes `bytes` from `at` on. Bytes in front of it that are never written hold older ones, of other messages.
    ///
    /// # Panics
    ///
    /// If they pass the end of the claim.
    #[inline]
    pub fn write_at(&mut self, at: usize, bytes: &[u8]) {
        self.0.write_at(at, bytes);
    }

    /// Writes the bytes of a value from `at` on.
    ///
    /// # Panics
    ///
    /// If they pass the end of the claim.
    #[inline]
    pub fn write_value_at<T: NoUninit>(&mut self, at: usize, value: &T) {
        self.0.write_value_at(at, value);
    }

    /// Gives the message a word, as [`Producer::push_tagged`] does; 0 by default.
    ///
    /// # Errors
    ///
    /// [`PushError::NoWord`]: the [`alignment`](crate::Options::alignment) of the ring is 8, where records have no room for it.
    #[inline]
    pub fn set_word(&mut self, word: u64) -> Result<(), PushError> {
        self.0.set_word(word)
    }

    /// Pushes the message, [`Claim::written`] bytes long.
    #[inline]
    pub fn commit(self) {
        self.0.commit();
    }

    /// Pushes the message, `len` bytes long. Those that were not written hold older ones, of other messages.
    ///
    /// # Panics
    ///
    /// If `len` is more than [`Claim::len`].
    #[inline]
    pub fn commit_len(self, len: usize) {
        self.0.commit_len(len);
    }

    /// Gives the room back: nothing was pushed.
    pub fn abort(self) {
        self.0.abort();
    }
}

impl Write for Claim<'_> {
    /// Writes behind what was written; 0 bytes where the claim is full. In a forked child that is [`WaitError::Forked`].
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.is_here() {
            true => Ok(self.0.write(bytes)),
            false => Err(io::Error::other(WaitError::Forked)),
        }
    }

    /// Does nothing: only a commit makes bytes visible.
    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Messages that become visible together. Dropping it aborts all of them: nothing was pushed.
pub struct Batch<'a>(pub(super) ring::Batch<'a, Segment>);

impl Batch<'_> {
    /// Returns the number of messages in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether no message is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one message.
    ///
    /// # Errors
    ///
    /// - [`PushError::Full`]: there is no room for it behind the others until the consumer has read more. A batch larger than
    ///   the ring never gets it: commit, and begin another one.
    /// - [`PushError::TooLong`]: it is longer than [`Producer::max_len`].
    /// - [`PushError::Corrupted`]: the consumer's head is impossible; the handle is poisoned.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), PushError> {
        self.0.push(bytes)
    }

    /// Adds one message with a word, as [`Producer::push_tagged`] does.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`], and [`PushError::NoWord`].
    #[inline]
    pub fn push_tagged(&mut self, word: u64, bytes: &[u8]) -> Result<(), PushError> {
        self.0.push_tagged(word, bytes)
    }

    /// Adds one message that lies in several parts.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`].
    #[inline]
    pub fn push_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), PushError> {
        self.0.push_vectored(parts)
    }

    /// Adds the bytes of a value as one message.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`].
    #[inline]
    pub fn push_value<T: NoUninit>(&mut self, value: &T) -> Result<(), PushError> {
        self.0.push_value(value)
    }

    /// Takes room for one message of up to `len` bytes in place. Its commit adds it to the batch.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`].
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_>, PushError> {
        self.0.claim(len).map(Claim)
    }

    /// Pushes all messages at once. Where a call on the batch has said [`PushError::Corrupted`], nothing is pushed.
    #[inline]
    pub fn commit(self) {
        self.0.commit();
    }

    /// Gives all messages up: nothing was pushed.
    pub fn abort(self) {
        self.0.abort();
    }
}
