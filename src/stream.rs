//! A ring of elements of one type: samples, bytes, fixed structs, one by one or in bulk.
//!
//! A [`Producer`] and a [`Consumer`] are attached by [`Options`](crate::Options). Their calls never block and make no
//! system call, except where it is said. Both are [`Send`] and not [`Sync`]: the role follows the handle, not the thread.
//!
//! A process that forks keeps its handles; the child must not use the copies that it gets, which are not mapped there, and may
//! drop them: the parent's role is undisturbed.
//!
//! # What the other process sees, and when
//!
//! - A push, or the commit of a claim, is visible when it returns. Nothing is held back.
//! - A pop gives its slot back in steps: at the latest when all that was seen has been popped, after a quarter of the ring,
//!   after [`publish_every`](crate::Options::publish_every) elements, at [`Consumer::release`], or on drop.
//! - After a crash of the consumer, the next one starts at the last published head: the elements popped since then are
//!   delivered again, [`publish_every`](crate::Options::publish_every) of them at most, or those of one peek or one slice.
//! - After a crash of the producer, all that was pushed or committed is there, and nothing else.
//!
//! # In place
//!
//! A [`Claim`] and a [`Peek`] work on the slots themselves, one element at a time or by slices, and copy each only once. No
//! reference into the ring is handed out: the other process could write what it refers to.

use std::fmt;
use std::iter::FusedIterator;

use crate::error::Error;
use crate::ring::position::Corrupted;
use crate::ring::stream as ring;
use crate::segment::{PeerState, Segment};

pub use crate::ring::stream::{ClaimError, Element, PeekError, PopError, PushError, PushSliceError};

/// What both handles can say of their ring.
macro_rules! handle {
    () => {
        /// Returns the name of the ring.
        #[must_use]
        pub fn name(&self) -> &str {
            self.0.memory().name()
        }

        /// Returns the number of elements that the ring holds: what was asked for, rounded up to a power of two.
        #[must_use]
        pub fn capacity(&self) -> usize {
            self.0.capacity()
        }

        /// Returns how many holders this role has had, this one included.
        #[must_use]
        pub fn generation(&self) -> u64 {
            self.0.memory().generation()
        }

        /// Returns how many holders the other role has had. A change means that a new process has come.
        #[must_use]
        pub fn peer_generation(&self) -> u64 {
            self.0.memory().peer_generation()
        }

        /// Finds out who is at the other end. Makes a system call, about 0.2 us.
        #[must_use]
        pub fn peer_state(&self) -> PeerState {
            self.0.memory().peer_state()
        }

        /// Returns whether the name of the ring was removed, so that nobody else can attach. Makes a system call.
        ///
        /// Two handles that are attached go on working.
        #[must_use]
        pub fn is_orphaned(&self) -> bool {
            self.0.memory().is_orphaned()
        }

        /// Leaves the role in order, and removes the name if
        /// [`unlink_on_close`](crate::Options::unlink_on_close) was asked for. Dropping the handle does the same silently.
        ///
        /// # Errors
        ///
        /// [`Error::PermissionDenied`] or another error of the system where the name cannot be removed. The role is left all
        /// the same.
        pub fn close(mut self) -> Result<(), Error> {
            self.leave()
        }

        fn leave(&mut self) -> Result<(), Error> {
            let Some(generation) = self.0.memory_mut().take_generation() else { return Ok(()) };
            self.0.leave(generation);
            self.0.memory_mut().unlink_if_asked()
        }
    };
}

/// The writing end of a stream ring.
pub struct Producer<T: Element>(ring::Producer<T, Segment>);

/// The reading end of a stream ring.
pub struct Consumer<T: Element>(ring::Consumer<T, Segment>);

impl<T: Element> Producer<T> {
    pub(crate) fn attach(segment: Segment) -> Result<Producer<T>, Error> {
        let (name, capacity) = (segment.name().to_owned(), segment.capacity());
        match ring::Producer::attach(segment, capacity) {
            Ok(mut producer) => {
                producer.memory_mut().enter();
                Ok(Producer(producer))
            }
            Err(source) => Err(Error::Corrupted { name, source }),
        }
    }

    handle!();

    /// Pushes one element. It is visible to the consumer when this returns.
    ///
    /// # Errors
    ///
    /// - [`PushError::Full`]: there is no free slot; the element comes back.
    /// - [`PushError::Corrupted`]: the consumer's head is impossible; the element comes back, and the handle is poisoned.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        self.0.push(value)
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
        self.0.push_slice(values)
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
        self.0.claim(len).map(Claim)
    }

    /// Takes as many slots in place as are free, at least one and at most `most`, in two parts where the buffer ends
    /// between them.
    ///
    /// # Errors
    ///
    /// As [`Producer::claim`], but never [`ClaimError::TooLong`].
    #[inline]
    pub fn claim_up_to(&mut self, most: usize) -> Result<Claim<'_, T>, ClaimError> {
        self.0.claim_up_to(most).map(Claim)
    }

    /// Takes as many slots in place as are free before the buffer ends, at least one and at most `most`: always one part.
    ///
    /// # Errors
    ///
    /// As [`Producer::claim_up_to`].
    #[inline]
    pub fn claim_contiguous(&mut self, most: usize) -> Result<Claim<'_, T>, ClaimError> {
        self.0.claim_contiguous(most).map(Claim)
    }

    /// Looks at the consumer's head and returns how many slots are free. There may be more by the time it returns.
    ///
    /// # Errors
    ///
    /// [`Corrupted`]: the consumer's head is impossible; the handle is poisoned.
    pub fn free(&mut self) -> Result<usize, Corrupted> {
        self.0.free()
    }
}

impl<T: Element> Consumer<T> {
    pub(crate) fn attach(segment: Segment, flow: ring::Flow) -> Result<Consumer<T>, Error> {
        let (name, capacity) = (segment.name().to_owned(), segment.capacity());
        match ring::Consumer::attach(segment, capacity, flow) {
            Ok(mut consumer) => {
                consumer.memory_mut().enter();
                Ok(Consumer(consumer))
            }
            Err(source) => Err(Error::Corrupted { name, source }),
        }
    }

    handle!();

    /// Pops one element.
    ///
    /// # Errors
    ///
    /// - [`PopError::Empty`]: none is there.
    /// - [`PopError::Corrupted`]: the producer's tail is impossible; the handle is poisoned.
    #[inline]
    pub fn pop(&mut self) -> Result<T, PopError> {
        self.0.pop()
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
        self.0.pop_slice(values)
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
        self.0.peek(len).map(Peek)
    }

    /// Looks at as many elements in place as are there, at least one and at most `most`, in two parts where the buffer ends
    /// between them.
    ///
    /// # Errors
    ///
    /// As [`Consumer::peek`], but never [`PeekError::TooLong`].
    #[inline]
    pub fn peek_up_to(&mut self, most: usize) -> Result<Peek<'_, T>, PeekError> {
        self.0.peek_up_to(most).map(Peek)
    }

    /// Looks at as many elements in place as are there before the buffer ends, at least one and at most `most`: always one
    /// part.
    ///
    /// # Errors
    ///
    /// As [`Consumer::peek_up_to`].
    #[inline]
    pub fn peek_contiguous(&mut self, most: usize) -> Result<Peek<'_, T>, PeekError> {
        self.0.peek_contiguous(most).map(Peek)
    }

    /// Publishes the head now: the producer has every slot back that was popped, and the next consumer starts here.
    #[inline]
    pub fn release(&mut self) {
        self.0.release();
    }

    /// Looks at the producer's tail and returns how many elements are there. There may be more by the time it returns.
    ///
    /// # Errors
    ///
    /// [`Corrupted`]: the producer's tail is impossible; the handle is poisoned.
    pub fn available(&mut self) -> Result<usize, Corrupted> {
        self.0.available()
    }
}

impl<T: Element> Drop for Producer<T> {
    fn drop(&mut self) {
        // A name that cannot be removed stays; `close` says so to those who ask.
        let _ = self.leave();
    }
}

impl<T: Element> Drop for Consumer<T> {
    fn drop(&mut self) {
        // A name that cannot be removed stays; `close` says so to those who ask.
        let _ = self.leave();
    }
}

/// Slots that were taken in place and are not visible yet. Dropping it aborts it: nothing was pushed.
pub struct Claim<'a, T: Element>(ring::Claim<'a, T, Segment>);

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

/// Elements that are looked at in place. Dropping it without a release leaves them in the ring.
pub struct Peek<'a, T: Element>(ring::Peek<'a, T, Segment>);

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
pub struct Elements<'a, T: Element>(ring::Elements<'a, T, Segment>);

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

macro_rules! debug {
    ($($handle:ident $(<$life:lifetime>)?),*) => {$(
        impl<T: Element> fmt::Debug for $handle<$($life,)? T> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    )*};
}

debug!(Producer, Consumer, Claim<'_>, Peek<'_>, Elements<'_>);
