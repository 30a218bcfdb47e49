//! Elements in place, if the peer is trusted.

#![allow(unsafe_code, reason = "refers to the ring's slots, which the user promised that nobody else writes")]

use std::io::{self, BufRead, Read};
use std::ops::{Deref, DerefMut};
use std::slice;

use super::{Claim, Consumer, Element, Peek, Producer, Slot};
use crate::ring::error::{PopError, PushError};
use crate::ring::memory::LINE;
use crate::trusted::Trusted;
use crate::wait::{WaitError, Waiting, waited};

/// The longest value in bytes that is made aside: longer ones are made in place.
const LONGEST_MADE_ASIDE: usize = 256;

/// The calls of views that work in place: with and without waiting, each as the handle's own.
macro_rules! views {
    ($($handle:ident: $guard:ident, $error:ident; $($call:ident($arg:ident)),*;)*) => {$(
        impl<T: Slot + ?Sized> Trusted<&mut $handle<T>> {$(
            #[doc = concat!(
                "As [`", stringify!($call), "`](crate::stream::", stringify!($handle), "::", stringify!($call), ").",
            )]
            ///
            /// # Errors
            ///
            /// As that call.
            #[inline]
            pub fn $call(&mut self, $arg: usize) -> Result<Trusted<$guard<'_, T>>, $error> {
                self.0.$call($arg).map(Trusted)
            }
        )*}

        impl<'a, T: Slot + ?Sized> Trusted<Waiting<'a, $handle<T>>> {$(
            #[doc = concat!("As [`", stringify!($call), "`](Waiting::", stringify!($call), "), as slices.")]
            ///
            /// # Errors
            ///
            /// As that call.
            #[inline]
            pub fn $call(self, $arg: usize) -> Result<Trusted<$guard<'a, T>>, WaitError> {
                self.0.$call($arg).map(Trusted)
            }
        )*}
    )*};
}

views! {
    Producer: Claim, PushError; claim(len), claim_up_to(max), claim_contiguous(max);
    Consumer: Peek, PopError; peek(len), peek_up_to(max), peek_contiguous(max);
}

/// Reads as the [`BufRead`] does.
impl Read for Trusted<&mut Consumer<u8>> {
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
/// If the handle is nonblocking: of the methods of the standard library that read up to a delimiter, only
/// [`read_until`](BufRead::read_until) keeps what it has read when it meets [`WouldBlock`](io::ErrorKind::WouldBlock).
impl BufRead for Trusted<&mut Consumer<u8>> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let (bytes, len) = loop {
            match self.0.peek_known() {
                Err(PopError::Empty) => {
                    if !self.0.wait_to_read()? {
                        return Ok(&[]);
                    }
                }
                result => {
                    let peek = waited(result)?;
                    break (peek.as_ptrs().0, peek.len());
                }
            }
        };
        // SAFETY: as in the peek's own slices. The slots stay where they are until `consume`, which needs the view.
        Ok(unsafe { slice::from_raw_parts(bytes, len) })
    }

    /// Gives the first `amount` bytes back to the producer.
    ///
    /// # Panics
    ///
    /// If `amount` is more than what is there.
    fn consume(&mut self, amount: usize) {
        if amount > 0 {
            let peek = self.0.peek(amount).expect("no more bytes are consumed than are there");
            peek.release();
        }
    }
}

impl<T: Element> Trusted<Claim<'_, T>> {
    /// Writes the slots from the first on, one for each value, until either ends, and returns how many were written.
    ///
    /// Values are made in the slots if that is fast. What a compiler stores in place is a mixture of pieces, some of
    /// which cross cache lines and wait for both: values of a line to 256 bytes are made aside and copied.
    ///
    /// An iterator must not fork and let the child go on here: the slots are not mapped there, and what is written in
    /// place ends the child by a signal, as it does through slices that were taken before the fork.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut tx = ringmain::Options::anonymous().capacity(64).stream_producer::<[u64; 4]>()?;
    /// // SAFETY: nobody else has the segment.
    /// let mut view = unsafe { tx.trust_peer() };
    /// let mut claim = view.claim_up_to(32)?;
    /// let filled = claim.fill_from((0..3).map(|number| [number; 4]));
    /// claim.commit_first(filled);
    /// assert_eq!(tx.len(), Ok(3));
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn fill_from(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        if (LINE..=LONGEST_MADE_ASIDE).contains(&size_of::<T>()) {
            return self.0.fill(values);
        }
        let (mut values, mut filled) = (values.into_iter().fuse(), 0);
        let (first, second) = self.as_mut_slices();
        for part in [first, second] {
            for (slot, value) in part.iter_mut().zip(&mut values) {
                *slot = value;
                filled += 1;
            }
        }
        filled
    }
}

impl<T: Slot + ?Sized> Trusted<Claim<'_, T>> {
    /// Returns the slots before the end of the buffer and those after it. They hold elements of an earlier lap, or
    /// zeros. Both are empty in a child that was forked meanwhile.
    #[inline]
    pub fn as_mut_slices(&mut self) -> (&mut [T::Unit], &mut [T::Unit]) {
        let ((first, second), (before, after)) = (self.0.as_mut_ptrs(), self.0.units_here());
        // SAFETY: the claim was given these slots, which are aligned, and keeps the segment mapped; whatever they hold
        // is a value, and so is whatever is written. Until its commit nobody else touches them: the caller of
        // `trust_peer` promised that all others keep to the protocol.
        let first = unsafe { slice::from_raw_parts_mut(first, before) };
        // SAFETY: the same, of slots that are not among the first.
        let second = unsafe { slice::from_raw_parts_mut(second, after) };
        (first, second)
    }

    /// Pushes all elements.
    #[inline]
    pub fn commit(self) {
        self.0.commit();
    }

    /// Pushes the first `len` elements and gives up the other slots.
    ///
    /// # Panics
    ///
    /// If `len` is more than there are.
    #[inline]
    pub fn commit_first(self, len: usize) {
        self.0.commit_first(len);
    }

    /// Gives all slots up: nothing was pushed.
    pub fn abort(self) {}
}

/// The slots before the end of the buffer: all that [`claim_contiguous`](crate::stream::Producer::claim_contiguous)
/// takes.
impl<T: Slot + ?Sized> Deref for Trusted<Claim<'_, T>> {
    type Target = [T::Unit];

    #[inline]
    fn deref(&self) -> &[T::Unit] {
        // SAFETY: as in `as_mut_slices`, to be read only.
        unsafe { slice::from_raw_parts(self.0.as_mut_ptrs().0, self.0.units_here().0) }
    }
}

impl<T: Slot + ?Sized> DerefMut for Trusted<Claim<'_, T>> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T::Unit] {
        self.as_mut_slices().0
    }
}

impl<T: Slot + ?Sized> Trusted<Peek<'_, T>> {
    /// Returns the elements before the end of the buffer and those after it. Both are empty in a child that was forked
    /// meanwhile.
    #[inline]
    #[must_use]
    pub fn as_slices(&self) -> (&[T::Unit], &[T::Unit]) {
        let ((first, second), (before, after)) = (self.0.as_ptrs(), self.0.units_here());
        // SAFETY: the elements are aligned, and the peek keeps the segment mapped and them in the ring; whatever they
        // hold is a value. Until their release nobody writes them: the caller of `trust_peer` promised that all others
        // keep to the protocol.
        let first = unsafe { slice::from_raw_parts(first, before) };
        // SAFETY: the same.
        let second = unsafe { slice::from_raw_parts(second, after) };
        (first, second)
    }

    /// Returns the position of the first element, as [`Peek::position`] does.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.0.position()
    }

    /// Gives all elements back to the producer, at once.
    #[inline]
    pub fn release(self) {
        self.0.release();
    }

    /// Gives the first `len` elements back to the producer, at once, and leaves the others in the ring.
    ///
    /// # Panics
    ///
    /// If `len` is more than there are.
    #[inline]
    pub fn release_first(self, len: usize) {
        self.0.release_first(len);
    }
}

/// The elements before the end of the buffer: all that [`peek_contiguous`](crate::stream::Consumer::peek_contiguous)
/// finds.
impl<T: Slot + ?Sized> Deref for Trusted<Peek<'_, T>> {
    type Target = [T::Unit];

    #[inline]
    fn deref(&self) -> &[T::Unit] {
        self.as_slices().0
    }
}
