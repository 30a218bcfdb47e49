//! The writing end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{ClaimError, Element, PushError, PushSliceError};
use crate::error::{Broken, Error};
use crate::handle::{as_fd, handle};
use crate::ring::stream as ring;
use crate::segment::{PeerState, Segment};
use crate::trusted::{Trusted, trust_peer};
use crate::wait::{Wait, Waiter};

/// The writing end of a stream ring.
pub struct Producer<T: Element> {
    pub(super) ring: ring::Producer<T, Segment>,
    pub(super) waiter: Waiter,
    /// The last generation of the other end that its user knows of.
    seen: u64,
    /// Whether the traits of `std::io` do not wait.
    pub(super) nonblocking: bool,
}

impl<T: Element> Producer<T> {
    pub(crate) fn attach(segment: Segment, pauses: u32, mut waiter: Waiter) -> Result<Producer<T>, Error> {
        let (name, capacity) = (segment.name().to_owned(), segment.capacity());
        match ring::Producer::attach(segment, capacity, pauses) {
            Ok(mut producer) => {
                producer.memory_mut().enter();
                // Whoever sleeps at the other end may wait for this.
                producer.wake();
                waiter.ends = producer.memory().ends(producer.memory().peer_now(), false);
                let seen = producer.memory().peer_generation();
                Ok(Producer { ring: producer, waiter, seen, nonblocking: false })
            }
            Err(source) => Err(Error::Corrupted { name, source }),
        }
    }

    handle!();
    trust_peer!();

    /// Returns the number of elements that the ring holds: what was asked for, rounded up to a power of two.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Returns the position of the next element: how many were pushed before it. It only grows, across processes too.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.ring.position()
    }

    /// Pushes one element. It is visible to the consumer when this returns.
    ///
    /// # Errors
    ///
    /// - [`PushError::Full`]: there is no free slot; the element comes back.
    /// - [`PushError::Corrupted`]: the consumer's head is impossible; the element comes back, and the handle is poisoned.
    #[inline(always)]
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        self.ring.push(value)
    }

    /// Pushes as many of the elements, from the first on, as there are free slots, and returns how many that is.
    ///
    /// They become visible together. An empty slice is 0 elements pushed, also to a full ring.
    ///
    /// # Errors
    ///
    /// - [`PushSliceError::Full`]: there is no free slot.
    /// - [`PushSliceError::Corrupted`]: the consumer's head is impossible; the handle is poisoned.
    #[inline]
    pub fn push_slice(&mut self, values: &[T]) -> Result<usize, PushSliceError> {
        self.ring.push_slice(values)
    }

    /// Takes exactly `len` slots in place, in two parts where the buffer ends between them.
    ///
    /// # Errors
    ///
    /// - [`ClaimError::Full`]: fewer are free.
    /// - [`ClaimError::TooLong`]: the ring has fewer.
    /// - [`ClaimError::Corrupted`]: the consumer's head is impossible; the handle is poisoned.
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_, T>, ClaimError> {
        self.ring.claim(len).map(Claim)
    }

    /// Takes as many slots in place as are free, at least one and at most `most`, in two parts where the buffer ends
    /// between them.
    ///
    /// # Errors
    ///
    /// As [`Producer::claim`], but never [`ClaimError::TooLong`].
    #[inline]
    pub fn claim_up_to(&mut self, most: usize) -> Result<Claim<'_, T>, ClaimError> {
        self.ring.claim_up_to(most).map(Claim)
    }

    /// Takes as many slots in place as are free before the buffer ends, at least one and at most `most`: always one part.
    ///
    /// # Errors
    ///
    /// As [`Producer::claim_up_to`].
    #[inline]
    pub fn claim_contiguous(&mut self, most: usize) -> Result<Claim<'_, T>, ClaimError> {
        self.ring.claim_contiguous(most).map(Claim)
    }

    /// Looks at the consumer's head and returns how many slots are free. There may be more by the time it returns.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the consumer's head is impossible, or the handle belongs to the parent of this process.
    pub fn free(&mut self) -> Result<usize, Broken> {
        self.ring.free()
    }
}

as_fd!(Producer<T: Element>);

impl<T: Element> Drop for Producer<T> {
    fn drop(&mut self) {
        self.dropped();
    }
}

/// Slots that were taken in place and are not visible yet. Dropping it aborts it: nothing was pushed.
pub struct Claim<'a, T: Element>(pub(super) ring::Claim<'a, T, Segment>);

impl<T: Element> Claim<'_, T> {
    /// Returns the number of slots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no slot: 0 were asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many slots lie before the end of the buffer and how many after it.
    #[must_use]
    pub fn parts(&self) -> (usize, usize) {
        self.0.parts()
    }

    /// Writes the slot at `at`.
    ///
    /// # Panics
    ///
    /// If `at` is not below [`Claim::len`].
    #[inline]
    pub fn set(&mut self, at: usize, value: T) {
        self.0.set(at, value);
    }

    /// Writes the slots from `at` on.
    ///
    /// # Panics
    ///
    /// If they pass the end of the claim.
    #[inline]
    pub fn copy_from_slice(&mut self, at: usize, values: &[T]) {
        self.0.copy_from_slice(at, values);
    }

    /// Writes the slots from the first on, one for each value, until either ends, and returns how many were written.
    #[inline]
    pub fn fill(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        self.0.fill(values)
    }

    /// Pushes all slots. One that was not written holds an element of an earlier round, or zeros.
    #[inline]
    pub fn commit(self) {
        self.0.commit();
    }

    /// Pushes the first `len` slots and gives the others up.
    ///
    /// # Panics
    ///
    /// If `len` is more than [`Claim::len`].
    #[inline]
    pub fn commit_first(self, len: usize) {
        self.0.commit_first(len);
    }

    /// Gives all slots up: nothing was pushed.
    pub fn abort(self) {
        self.0.abort();
    }
}
