//! The reading end.

use std::iter::FusedIterator;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Element, PeekError, PopError};
use crate::error::{Broken, Error};
use crate::handle::{as_fd, handle};
use crate::ring::stream as ring;
use crate::segment::{PeerState, Segment};
use crate::trusted::{Trusted, trust_peer};
use crate::wait::{Wait, Waiter};

/// The reading end of a stream ring.
pub struct Consumer<T: Element> {
    pub(super) ring: ring::Consumer<T, Segment>,
    pub(super) waiter: Waiter,
    /// The last generation of the other end that its user knows of.
    seen: u64,
    /// Whether the traits of `std::io` do not wait.
    pub(super) nonblocking: bool,
}

impl<T: Element> Consumer<T> {
    pub(crate) fn attach(segment: Segment, pauses: u32, mut waiter: Waiter) -> Result<Consumer<T>, Error> {
        let (name, capacity) = (segment.name().to_owned(), segment.capacity());
        match ring::Consumer::attach(segment, capacity, pauses) {
            Ok(mut consumer) => {
                consumer.memory_mut().enter();
                // Whoever sleeps at the other end may wait for this.
                consumer.wake();
                let peer = consumer.memory().peer_now();
                let has_data = consumer.available().is_ok_and(|available| available > 0);
                waiter.ends = consumer.memory().ends(peer, has_data);
                let seen = consumer.memory().peer_generation();
                Ok(Consumer { ring: consumer, waiter, seen, nonblocking: false })
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

    /// Returns the position of the next element: how many were popped before it. It only grows, across processes too.
    ///
    /// Whoever stores it with what he made of the elements before it can tell, after a crash, which he has seen.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.ring.position()
    }

    /// Pops one element. Its slot is the producer's when this returns, and no other consumer gets it.
    ///
    /// # Errors
    ///
    /// - [`PopError::Empty`]: none is there.
    /// - [`PopError::Corrupted`]: the producer's tail is impossible; the handle is poisoned.
    #[inline(always)]
    pub fn pop(&mut self) -> Result<T, PopError> {
        self.ring.pop()
    }

    /// Pops as many elements as are there and fit, and returns how many that is. The rest of `values` is left as it is.
    ///
    /// An empty slice is 0 elements popped, also from an empty ring.
    ///
    /// # Errors
    ///
    /// - [`PopError::Empty`]: none is there.
    /// - [`PopError::Corrupted`]: the producer's tail is impossible; the handle is poisoned.
    #[inline]
    pub fn pop_slice(&mut self, values: &mut [T]) -> Result<usize, PopError> {
        self.ring.pop_slice(values)
    }

    /// Looks at exactly `len` elements in place, in two parts where the buffer ends between them.
    ///
    /// # Errors
    ///
    /// - [`PeekError::Empty`]: fewer are there.
    /// - [`PeekError::TooLong`]: the ring has fewer slots.
    /// - [`PeekError::Corrupted`]: the producer's tail is impossible; the handle is poisoned.
    #[inline]
    pub fn peek(&mut self, len: usize) -> Result<Peek<'_, T>, PeekError> {
        self.ring.peek(len).map(Peek)
    }

    /// Looks at as many elements in place as are there, at least one and at most `most`, in two parts where the buffer ends
    /// between them.
    ///
    /// # Errors
    ///
    /// As [`Consumer::peek`], but never [`PeekError::TooLong`].
    #[inline]
    pub fn peek_up_to(&mut self, most: usize) -> Result<Peek<'_, T>, PeekError> {
        self.ring.peek_up_to(most).map(Peek)
    }

    /// Looks at as many elements in place as are there before the buffer ends, at least one and at most `most`: always one
    /// part.
    ///
    /// # Errors
    ///
    /// As [`Consumer::peek_up_to`].
    #[inline]
    pub fn peek_contiguous(&mut self, most: usize) -> Result<Peek<'_, T>, PeekError> {
        self.ring.peek_contiguous(most).map(Peek)
    }

    /// Says that this consumer pauses: a producer that sleeps at a full ring and has what it asked for is woken now. Without it,
    /// that may take until a quarter of the ring is free, or 5 ms.
    ///
    /// Every pop has given its slot back already.
    #[inline]
    pub fn release(&mut self) {
        self.ring.release();
    }

    /// Looks at the producer's tail and returns how many elements are there. There may be more by the time it returns.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the producer's tail is impossible; the handle is poisoned.
    pub fn available(&mut self) -> Result<usize, Broken> {
        self.ring.available()
    }
}

as_fd!(Consumer<T: Element>);

impl<T: Element> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.dropped();
    }
}

/// Elements that are looked at in place. Dropping or forgetting it without a release leaves them in the ring.
pub struct Peek<'a, T: Element>(pub(super) ring::Peek<'a, T, Segment>);

impl<T: Element> Peek<'_, T> {
    /// Returns the number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no element: 0 were asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many elements lie before the end of the buffer and how many after it.
    #[must_use]
    pub fn parts(&self) -> (usize, usize) {
        self.0.parts()
    }

    /// Returns the position of the first element.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.0.position()
    }

    /// Copies the element at `at`; `None` where there is none.
    #[must_use]
    #[inline]
    pub fn get(&self, at: usize) -> Option<T> {
        self.0.get(at)
    }

    /// Copies the elements from `at` on.
    ///
    /// # Panics
    ///
    /// If `values` passes the end of the peek.
    #[inline]
    pub fn copy_to_slice(&self, at: usize, values: &mut [T]) {
        self.0.copy_to_slice(at, values);
    }

    /// Copies the elements one after the other.
    #[inline]
    pub fn iter(&self) -> Elements<'_, T> {
        Elements(self.0.iter())
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
    /// If `len` is more than [`Peek::len`].
    #[inline]
    pub fn release_first(self, len: usize) {
        self.0.release_first(len);
    }
}

impl<'a, T: Element> IntoIterator for &'a Peek<'_, T> {
    type Item = T;
    type IntoIter = Elements<'a, T>;

    #[inline]
    fn into_iter(self) -> Elements<'a, T> {
        self.iter()
    }
}

/// The elements of a [`Peek`], copied one after the other.
pub struct Elements<'a, T: Element>(pub(super) ring::Elements<'a, T, Segment>);

impl<T: Element> Iterator for Elements<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.0.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T: Element> ExactSizeIterator for Elements<'_, T> {}
impl<T: Element> FusedIterator for Elements<'_, T> {}
