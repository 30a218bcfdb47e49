//! Messages in place, if the peer is trusted.

#![allow(unsafe_code, reason = "refers to the ring's bytes, which the user promised that nobody else writes")]

use std::ops::{Deref, DerefMut};

use super::{Claim, Consumer, Producer, Record};
use crate::ring::error::{Broken, PopError, PushError};
use crate::trusted::Trusted;
use crate::wait::{WaitError, Waiting};

impl Trusted<&mut Producer> {
    /// Takes room for a message of up to `len` bytes, as a slice. It holds older bytes, of other messages.
    ///
    /// # Errors
    ///
    /// As [`claim`](crate::message::Producer::claim).
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Trusted<Claim<'_>>, PushError> {
        self.0.claim(len).map(Trusted)
    }
}

impl<'a> Trusted<Waiting<'a, Producer>> {
    /// Takes room for a message of up to `len` bytes, as a slice, as soon as it is free.
    ///
    /// # Errors
    ///
    /// As [`claim`](Waiting::claim).
    #[inline]
    pub fn claim(self, len: usize) -> Result<Trusted<Claim<'a>>, WaitError> {
        self.0.claim(len).map(Trusted)
    }
}

impl Trusted<&mut Consumer> {
    /// Peeks at the next message, as a slice.
    ///
    /// # Errors
    ///
    /// As [`peek`](crate::message::Consumer::peek).
    #[inline]
    pub fn peek(&mut self) -> Result<Trusted<Record<'_>>, PopError> {
        self.0.peek().map(Trusted)
    }

    /// Hands each message that is there, at most `max` of them, to `read`, and releases it afterwards. Returns how many
    /// there were.
    ///
    /// # Errors
    ///
    /// As [`drain`](crate::message::Consumer::drain).
    #[inline]
    pub fn drain(&mut self, max: usize, mut read: impl FnMut(&[u8])) -> Result<usize, Broken> {
        // SAFETY: the record was taken by this view.
        self.0.drain(max, |record| read(unsafe { slice_of(record) }))
    }
}

impl<'a> Trusted<Waiting<'a, Consumer>> {
    /// Peeks at the next message, as a slice, as soon as one is there.
    ///
    /// # Errors
    ///
    /// As [`peek`](Waiting::peek).
    #[inline]
    pub fn peek(self) -> Result<Trusted<Record<'a>>, WaitError> {
        self.0.peek().map(Trusted)
    }

    /// Hands each message that is there, at most `max` of them, to `read`, as soon as one is, and releases it
    /// afterwards. Returns how many there were.
    ///
    /// # Errors
    ///
    /// As [`drain`](Waiting::drain).
    #[inline]
    pub fn drain(self, max: usize, mut read: impl FnMut(&[u8])) -> Result<usize, WaitError> {
        // SAFETY: the record was taken by this view.
        self.0.drain(max, |record| read(unsafe { slice_of(record) }))
    }
}

/// Returns the bytes of a record.
///
/// # Safety
///
/// The record was taken by a view.
#[inline]
unsafe fn slice_of<'r>(record: &'r Record<'_>) -> &'r [u8] {
    // SAFETY: the message has these bytes, and the record keeps the segment mapped and the message in the ring. Until
    // its release nobody writes them: the caller of `trust_peer` promised that all others keep to the protocol.
    unsafe { &*record.in_place() }
}

/// All bytes that were taken; none in a child that was forked meanwhile.
impl Deref for Trusted<Claim<'_>> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the claim was given these bytes, and keeps the segment mapped; none is uninitialised. Until its
        // commit nobody else touches them: the caller of `trust_peer` promised that all others keep to the protocol.
        unsafe { &*self.0.in_place() }
    }
}

impl DerefMut for Trusted<Claim<'_>> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`. The claim is no longer than the data area, so no byte is there twice.
        unsafe { &mut *self.0.in_place() }
    }
}

impl Trusted<Claim<'_>> {
    /// Gives the message a word, as [`Claim::set_word`] does.
    ///
    /// # Errors
    ///
    /// [`PushError::NoWord`]: records of this ring have no room for it.
    #[inline]
    pub fn set_word(&mut self, word: u64) -> Result<(), PushError> {
        self.0.set_word(word)
    }

    /// Pushes all bytes of the slice as one message.
    #[inline]
    pub fn commit(self) {
        let len = self.0.len();
        self.0.commit_len(len);
    }

    /// Pushes the first `len` bytes of the slice as one message.
    ///
    /// # Panics
    ///
    /// If `len` is more than the length of the slice.
    #[inline]
    pub fn commit_len(self, len: usize) {
        self.0.commit_len(len);
    }

    /// Gives the room back: nothing was pushed.
    pub fn abort(self) {}
}

/// All bytes of the message; none in a child that was forked meanwhile.
impl Deref for Trusted<Record<'_>> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the record was taken by a view.
        unsafe { slice_of(&self.0) }
    }
}

impl Trusted<Record<'_>> {
    /// Returns the word that its producer gave it, as [`Record::word`] does.
    #[must_use]
    #[inline]
    pub fn word(&self) -> u64 {
        self.0.word()
    }

    /// Returns its position, as [`Record::position`] does.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.0.position()
    }

    /// Gives the space of the message back to the producer, as a pop does.
    #[inline]
    pub fn release(self) {
        self.0.release();
    }
}
