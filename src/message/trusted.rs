//! Messages in place, of a peer that is trusted.

#![allow(unsafe_code, reason = "refers to the ring's bytes, which the user promised that nobody else writes")]

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::{fmt, slice};

use super::{Claim, Consumer, PopError, Producer, PushError, Record};
use crate::error::Broken;
use crate::trusted::Trusted;

impl Trusted<'_, Producer> {
    /// Takes room for a message of up to `len` bytes, as a slice.
    ///
    /// It holds older bytes, of other messages.
    ///
    /// # Errors
    ///
    /// As [`Producer::claim`].
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<TrustedClaim<'_>, PushError> {
        let mut claim = self.handle.claim(len)?;
        let bytes = claim.0.in_place(address);
        Ok(TrustedClaim { claim, bytes })
    }
}

impl Trusted<'_, Consumer> {
    /// Looks at the next message, as a slice.
    ///
    /// # Errors
    ///
    /// As [`Consumer::peek`].
    #[inline]
    pub fn peek(&mut self) -> Result<TrustedRecord<'_>, PopError> {
        let record = self.handle.peek()?;
        let bytes = record.0.in_place(|bytes| address(bytes.cast_mut()));
        Ok(TrustedRecord { record, bytes })
    }

    /// Hands each message that is there, at most `max` of them, to `read`, and releases it afterwards. Returns how many there
    /// were.
    ///
    /// # Errors
    ///
    /// As [`Consumer::drain`].
    #[inline]
    pub fn drain(&mut self, max: usize, mut read: impl FnMut(&[u8])) -> Result<usize, Broken> {
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
}

/// The address of a payload, which a segment has for as long as it is mapped.
#[inline(always)]
fn address(bytes: *mut u8) -> NonNull<u8> {
    // Payloads lie in a mapping, which does not start at the null page.
    NonNull::new(bytes).expect("a mapping has an address")
}

/// Room for a message, as a slice, which is empty in a child that was forked meanwhile. Dropping it aborts it: nothing was pushed.
pub struct TrustedClaim<'a> {
    claim: Claim<'a>,
    bytes: NonNull<u8>,
}

impl TrustedClaim<'_> {
    /// Gives the message a word, as [`Claim::set_word`] does.
    ///
    /// # Errors
    ///
    /// [`PushError::NoWord`]: records of this ring have no room for it.
    #[inline]
    pub fn set_word(&mut self, word: u64) -> Result<(), PushError> {
        self.claim.set_word(word)
    }

    /// Pushes all bytes of the slice as one message.
    #[inline]
    pub fn commit(self) {
        let len = self.claim.len();
        self.commit_len(len);
    }

    /// Pushes the first `len` bytes of the slice as one message.
    ///
    /// # Panics
    ///
    /// If `len` is more than the length of the slice.
    #[inline]
    pub fn commit_len(self, len: usize) {
        self.claim.commit_len(len);
    }

    /// Gives the room back: nothing was pushed.
    pub fn abort(self) {}
}

impl Deref for TrustedClaim<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the claim was given these bytes, and keeps the segment mapped; none is uninitialised. Until its commit
        // nobody else touches them: whoever made the view promised that all others keep to the protocol.
        unsafe { slice::from_raw_parts(self.bytes.as_ptr(), self.claim.0.len_here()) }
    }
}

impl DerefMut for TrustedClaim<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`. The claim is no longer than the data area, so no byte is there twice.
        unsafe { slice::from_raw_parts_mut(self.bytes.as_ptr(), self.claim.0.len_here()) }
    }
}

/// A message, as a slice, which is empty in a child that was forked meanwhile. Dropping it without a release leaves it in the ring.
pub struct TrustedRecord<'a> {
    record: Record<'a>,
    bytes: NonNull<u8>,
}

impl TrustedRecord<'_> {
    /// Returns the word that its producer gave it, as [`Record::word`] does.
    #[must_use]
    #[inline]
    pub fn word(&self) -> u64 {
        self.record.word()
    }

    /// Gives the space of the message back to the producer, as a pop does.
    #[inline]
    pub fn release(self) {
        self.record.release();
    }
}

impl Deref for TrustedRecord<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the message has these bytes, and the record keeps the segment mapped and the message in the ring. Until its
        // release nobody writes them: whoever made the view promised that all others keep to the protocol.
        unsafe { slice::from_raw_parts(self.bytes.as_ptr(), self.record.0.len_here()) }
    }
}

impl fmt::Debug for TrustedClaim<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.claim.fmt(formatter)
    }
}

impl fmt::Debug for TrustedRecord<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record.fmt(formatter)
    }
}
