//! Elements in place, of a peer that is trusted.

#![allow(unsafe_code, reason = "refers to the ring's slots, which the user promised that nobody else writes")]

use std::io::{self, BufRead, Read};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::{fmt, slice};

use super::{Claim, ClaimError, Consumer, Element, Peek, PeekError, Producer};
use crate::trusted::Trusted;
use crate::wait::WaitError;

impl<T: Element> Trusted<'_, Producer<T>> {
    /// Takes as many slots as are free before the buffer ends, at least one and at most `most`, as a slice.
    ///
    /// It holds elements of an earlier round, or zeros.
    ///
    /// # Errors
    ///
    /// As [`Producer::claim_contiguous`].
    #[inline]
    pub fn claim_contiguous(&mut self, most: usize) -> Result<TrustedClaim<'_, T>, ClaimError> {
        let mut claim = self.handle.claim_contiguous(most)?;
        let slots = claim.0.in_place(|slots| address(slots));
        Ok(TrustedClaim { claim, slots })
    }
}

impl<T: Element> Trusted<'_, Consumer<T>> {
    /// Looks at as many elements as are there before the buffer ends, at least one and at most `most`, as a slice.
    ///
    /// # Errors
    ///
    /// As [`Consumer::peek_contiguous`].
    #[inline]
    pub fn peek_contiguous(&mut self, most: usize) -> Result<TrustedPeek<'_, T>, PeekError> {
        let peek = self.handle.peek_contiguous(most)?;
        let slots = peek.0.in_place(|slots| address(slots.cast_mut()));
        Ok(TrustedPeek { peek, slots })
    }
}

/// Reads as the [`BufRead`] does.
impl Read for Trusted<'_, Consumer<u8>> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let read = self.fill_buf()?.read(bytes)?;
        self.consume(read);
        Ok(read)
    }
}

/// Reads in place, and waits as the handle's own [`Read`] does, with the same ends.
///
/// Where the handle is nonblocking: of the methods of the standard library that read up to a delimiter, only
/// [`read_until`](BufRead::read_until) keeps what it has read when it meets [`WouldBlock`](io::ErrorKind::WouldBlock).
impl BufRead for Trusted<'_, Consumer<u8>> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let (bytes, len) = loop {
            match self.handle.ring.peek_in_view() {
                Ok(peek) => break (peek.in_place(|bytes| address::<u8>(bytes.cast_mut())), peek.len()),
                Err(PeekError::Corrupted(cause)) => return Err(WaitError::Corrupted(cause).into_read_error()),
                Err(PeekError::Forked) => return Err(WaitError::Forked.into_read_error()),
                Err(_) => {
                    if !self.handle.wait_to_read()? {
                        return Ok(&[]);
                    }
                }
            }
        };
        // SAFETY: as in the peek's own `deref`. The slots stay where they are until `consume`, which needs the view.
        Ok(unsafe { slice::from_raw_parts(bytes.as_ptr(), len) })
    }

    /// Gives the first `amount` bytes back to the producer.
    ///
    /// # Panics
    ///
    /// If `amount` is more than what is there.
    fn consume(&mut self, amount: usize) {
        if amount > 0 {
            let peek = self.handle.peek(amount).expect("no more bytes are consumed than are there");
            peek.release();
        }
    }
}

/// The address of slots, which a segment has for as long as it is mapped.
#[inline(always)]
fn address<T>(slots: *mut u8) -> NonNull<T> {
    // Slots lie in a mapping, which does not start at the null page.
    NonNull::new(slots.cast()).expect("a mapping has an address")
}

/// Slots as a slice, which is empty in a child that was forked meanwhile. Dropping it aborts it: nothing was pushed.
pub struct TrustedClaim<'a, T: Element> {
    claim: Claim<'a, T>,
    slots: NonNull<T>,
}

impl<T: Element> TrustedClaim<'_, T> {
    /// Pushes all elements of the slice.
    #[inline]
    pub fn commit(self) {
        self.claim.commit();
    }

    /// Pushes the first `len` elements of the slice and gives the other slots up.
    ///
    /// # Panics
    ///
    /// If `len` is more than the length of the slice.
    #[inline]
    pub fn commit_first(self, len: usize) {
        self.claim.commit_first(len);
    }

    /// Gives all slots up: nothing was pushed.
    pub fn abort(self) {}
}

impl<T: Element> Deref for TrustedClaim<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the claim was given these slots, which lie before the end of the buffer and are aligned, and keeps the
        // segment mapped; whatever they hold is a `T`. Until its commit nobody else touches them: whoever made the view promised
        // that all others keep to the protocol.
        unsafe { slice::from_raw_parts(self.slots.as_ptr(), self.claim.0.len_here()) }
    }
}

impl<T: Element> DerefMut for TrustedClaim<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; every bit of a `T` is plain data, so whatever is written is an element.
        unsafe { slice::from_raw_parts_mut(self.slots.as_ptr(), self.claim.0.len_here()) }
    }
}

/// Elements as a slice, which is empty in a child that was forked meanwhile. Dropping it without a release leaves them in the ring.
pub struct TrustedPeek<'a, T: Element> {
    peek: Peek<'a, T>,
    slots: NonNull<T>,
}

impl<T: Element> TrustedPeek<'_, T> {
    /// Gives all elements back to the producer, at once.
    #[inline]
    pub fn release(self) {
        self.peek.release();
    }

    /// Gives the first `len` elements back to the producer, at once, and leaves the others in the ring.
    ///
    /// # Panics
    ///
    /// If `len` is more than the length of the slice.
    #[inline]
    pub fn release_first(self, len: usize) {
        self.peek.release_first(len);
    }
}

impl<T: Element> Deref for TrustedPeek<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the elements lie before the end of the buffer and are aligned, and the peek keeps the segment mapped and
        // them in the ring; whatever they hold is a `T`. Until their release nobody writes them: whoever made the view
        // promised that all others keep to the protocol.
        unsafe { slice::from_raw_parts(self.slots.as_ptr(), self.peek.0.len_here()) }
    }
}

impl<T: Element> fmt::Debug for TrustedClaim<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.claim.fmt(formatter)
    }
}

impl<T: Element> fmt::Debug for TrustedPeek<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.peek.fmt(formatter)
    }
}
