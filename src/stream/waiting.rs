//! The calls of a stream ring that wait.

use super::{Claim, Consumer, Element, Peek, Producer, Slot};
use crate::ring::endpoint::{Endpoint, Side};
use crate::ring::error::PushError;
use crate::ring::memory::Role;
use crate::ring::stream::Stream;
use crate::segment::Segment;
use crate::wait::{Deadline, Interest, Unfinished, WaitError, Waiting, all, next, waited};

/// # In a set
impl<T: Slot + ?Sized> Producer<T> {
    /// Waits in a [`WaitSet`](crate::WaitSet) until `len` slots are free.
    #[inline]
    pub fn writable(&mut self, len: usize) -> Interest<'_> {
        let max = self.capacity();
        Interest::new(self, len as u64, len, max)
    }
}

/// # In a set
impl<T: Slot + ?Sized> Consumer<T> {
    /// Waits in a [`WaitSet`](crate::WaitSet) until an element is there.
    #[inline]
    pub fn readable(&mut self) -> Interest<'_> {
        self.readable_for(1)
    }

    /// Waits in a [`WaitSet`](crate::WaitSet) until `len` elements are there, or the producer is gone and fewer are.
    #[inline]
    pub fn readable_for(&mut self, len: usize) -> Interest<'_> {
        let max = self.capacity();
        Interest::new(self, len as u64, len, max)
    }
}

impl<T: Element> Waiting<'_, Producer<T>> {
    /// Pushes one element, as soon as there is room.
    ///
    /// # Errors
    ///
    /// [`Unfinished`] returns the element, and says with a [`WaitError`] why there will be no room.
    // The wait is out of line, so that the value stays in registers.
    #[inline(always)]
    pub fn push(mut self, mut value: T) -> Result<(), Unfinished<T>> {
        loop {
            match self.handle.push(value) {
                Ok(()) => return Ok(()),
                Err(PushError::Full(back) | PushError::Broken { value: back, .. }) => value = back,
                Err(PushError::TooLong { .. } | PushError::NoWord { .. }) => unreachable!("a slot holds any element"),
            }
            // If the handle can no longer be used, the wait says so too.
            if let Err(cause) = self.handle.wait_until_ready(1, &mut self.deadline) {
                return Err(Unfinished { value, cause });
            }
        }
    }

    /// The same, for a task: the element stays where the task has it, and is copied from there. A push that need not
    /// wait stores nothing but the element and the positions: in a flow each other store would wait for those of the
    /// lines that the other end has.
    #[cfg(feature = "async")]
    #[inline(always)]
    pub(crate) fn push_from(self, value: &T) -> Result<(), Unfinished<T>> {
        let Waiting { handle, mut deadline } = self;
        while handle.known_len() == 0 || handle.push(*value).is_err() {
            let mut begun = deadline;
            if let Err(cause) = handle.wait_until_ready(1, &mut begun) {
                return Err(Unfinished { value: *value, cause });
            }
            deadline = begun;
        }
        Ok(())
    }
}

/// For any kind of slot.
impl<'a, T: Slot + ?Sized> Waiting<'a, Producer<T>> {
    /// Pushes all of the elements, as room becomes free. They become visible in as many parts as that takes.
    ///
    /// # Errors
    ///
    /// [`Unfinished`] says how many were pushed, and why there will be no room for the others.
    pub fn push_slice(mut self, values: &[T::Unit]) -> Result<(), Unfinished<usize>> {
        let (count, units) = (self.handle.kind.whole(values.len()), self.handle.kind.units());
        all(count, |pushed| self.until(|tx| tx.push_slice(&values[pushed * units..]), wait_for_one))
    }

    /// Pushes some of the elements, from the first on, as soon as there is room for one, and returns how many.
    ///
    /// # Errors
    ///
    /// A [`WaitError`] that says why there will be no room.
    pub fn push_some(mut self, values: &[T::Unit]) -> Result<usize, WaitError> {
        self.until(|tx| tx.push_slice(values), wait_for_one)
    }

    /// Waits until `len` slots are free.
    ///
    /// # Errors
    ///
    /// [`WaitError::TooLong`] at once; else one that says why they will not be free.
    pub fn until_free(mut self, len: usize) -> Result<(), WaitError> {
        wait(self.handle, len, &mut self.deadline)
    }

    /// Takes exactly `len` slots in place, as soon as they are free.
    ///
    /// # Errors
    ///
    /// As [`until_free`](Self::until_free).
    pub fn claim(mut self, len: usize) -> Result<Claim<'a, T>, WaitError> {
        wait(self.handle, len, &mut self.deadline)?;
        waited(self.handle.claim(len))
    }

    /// Takes as many slots in place as are free, at least one and at most `max`, as soon as one is.
    ///
    /// # Errors
    ///
    /// As [`until_free`](Self::until_free).
    pub fn claim_up_to(mut self, max: usize) -> Result<Claim<'a, T>, WaitError> {
        wait(self.handle, max.min(1), &mut self.deadline)?;
        waited(self.handle.claim_up_to(max))
    }

    /// Takes as many slots in place as are free before the buffer ends, at least one and at most `max`, as soon as one
    /// is.
    ///
    /// # Errors
    ///
    /// As [`until_free`](Self::until_free).
    pub fn claim_contiguous(mut self, max: usize) -> Result<Claim<'a, T>, WaitError> {
        wait(self.handle, max.min(1), &mut self.deadline)?;
        waited(self.handle.claim_contiguous(max))
    }
}

impl<'a, T: Element> Waiting<'a, Consumer<T>> {
    /// Pops one element, as soon as one is there.
    ///
    /// # Errors
    ///
    /// A [`WaitError`] that says why none will come, when all that was pushed has been popped.
    // The wait is out of line, so that the value stays in registers.
    #[inline(always)]
    pub fn pop(mut self) -> Result<T, WaitError> {
        loop {
            if let Ok(value) = self.handle.pop() {
                return Ok(value);
            }
            // If the handle can no longer be used, the wait says so too.
            wait(self.handle, 1, &mut self.deadline)?;
        }
    }

    /// Pops the elements one after the other, and waits for each. It ends when the producer has closed the ring and all
    /// is read.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-iter-{}", std::process::id());
    /// use ringmain::Options;
    ///
    /// let mut tx = Options::new(&name).capacity(4).stream_producer::<u64>()?;
    /// let mut rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?;
    /// tx.push_slice(&[1, 2, 3])?;
    /// tx.close()?;
    /// let mut sum = 0;
    /// for number in rx.blocking().iter() {
    ///     sum += number?;
    /// }
    /// assert_eq!(sum, 6);
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(self) -> Iter<'a, T> {
        Iter { waiting: Some(self) }
    }
}

/// For any kind of slot.
impl<'a, T: Slot + ?Sized> Waiting<'a, Consumer<T>> {
    /// Fills a slice with elements, as they come.
    ///
    /// # Errors
    ///
    /// [`Unfinished`] says how many were popped into the slice, and why no more will come.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-wait-slice-{}", std::process::id());
    /// use ringmain::{Options, WaitError};
    ///
    /// let mut tx = Options::new(&name).capacity(8).stream_producer::<u64>()?;
    /// let mut rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?;
    /// tx.push_slice(&[1, 2, 3])?;
    /// tx.close()?;
    /// let mut values = [0; 4];
    /// let unfinished = rx.blocking().pop_slice(&mut values).unwrap_err();
    /// assert_eq!((unfinished.value, unfinished.cause), (3, WaitError::Closed));
    /// assert_eq!(values, [1, 2, 3, 0]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn pop_slice(mut self, values: &mut [T::Unit]) -> Result<(), Unfinished<usize>> {
        let (count, units) = (self.handle.kind.whole(values.len()), self.handle.kind.units());
        all(count, |popped| self.until(|rx| rx.pop_slice(&mut values[popped * units..]), wait_for_one))
    }

    /// Pops as many elements as are there and fit, as soon as one is there, and returns how many.
    ///
    /// # Errors
    ///
    /// A [`WaitError`] that says why none will come, when all that was pushed has been popped.
    pub fn pop_some(mut self, values: &mut [T::Unit]) -> Result<usize, WaitError> {
        self.until(|rx| rx.pop_slice(values), wait_for_one)
    }

    /// Waits until `len` elements are there.
    ///
    /// # Errors
    ///
    /// [`WaitError::TooLong`] at once; [`WaitError::Short`] if fewer are left and no more will come; else one that says
    /// why none will.
    pub fn until_available(mut self, len: usize) -> Result<(), WaitError> {
        wait(self.handle, len, &mut self.deadline)
    }

    /// Peeks at exactly `len` elements in place, as soon as they are there.
    ///
    /// # Errors
    ///
    /// As [`until_available`](Self::until_available).
    pub fn peek(mut self, len: usize) -> Result<Peek<'a, T>, WaitError> {
        wait(self.handle, len, &mut self.deadline)?;
        waited(self.handle.peek(len))
    }

    /// Peeks at as many elements in place as are there, at least one and at most `max`, as soon as one is there.
    ///
    /// # Errors
    ///
    /// As [`until_available`](Self::until_available).
    pub fn peek_up_to(mut self, max: usize) -> Result<Peek<'a, T>, WaitError> {
        wait(self.handle, max.min(1), &mut self.deadline)?;
        waited(self.handle.peek_up_to(max))
    }

    /// Peeks at as many elements in place as are there before the buffer ends, at least one and at most `max`, as soon
    /// as one is there.
    ///
    /// # Errors
    ///
    /// As [`until_available`](Self::until_available).
    pub fn peek_contiguous(mut self, max: usize) -> Result<Peek<'a, T>, WaitError> {
        wait(self.handle, max.min(1), &mut self.deadline)?;
        waited(self.handle.peek_contiguous(max))
    }
}

/// Waits for `len` slots: free ones, or elements.
#[inline(never)]
pub(super) fn wait<T: Slot + ?Sized, R: Side>(
    end: &mut Endpoint<Stream<T>, R, Segment>,
    len: usize,
    deadline: &mut Deadline<'_>,
) -> Result<(), WaitError> {
    let max = end.capacity();
    if len > max {
        return Err(WaitError::TooLong { len, max });
    }
    match end.wait_until_ready(len as u64, deadline) {
        // Fewer than are wanted were there at the wait's last load. A successor may have pushed since.
        Err(ended @ (WaitError::Closed | WaitError::Crashed)) if R::ROLE == Role::Consumer => {
            Err(match end.known_len() as usize {
                0 => ended,
                left => WaitError::Short { left, len, crashed: ended == WaitError::Crashed },
            })
        }
        result => result,
    }
}

fn wait_for_one<T: Slot + ?Sized, R: Side>(
    end: &mut Endpoint<Stream<T>, R, Segment>,
    deadline: &mut Deadline<'_>,
) -> Result<(), WaitError> {
    wait(end, 1, deadline)
}

/// The elements of a ring, popped one after the other as they come.
///
/// Each element has the whole limit of [`within`](crate::stream::Consumer::within). It ends after the first error.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ring = ringmain::Options::anonymous().capacity(64).create_stream(std::alloc::Layout::new::<u64>())?;
/// # let options = ringmain::Options::from_fd(ring);
/// # let (mut tx, mut rx) = (options.stream_producer::<u64>()?, options.stream_consumer::<u64>()?);
/// use std::time::Duration;
///
/// use ringmain::WaitError;
///
/// tx.push(7)?;
/// let mut numbers = rx.within(Duration::from_millis(1)).iter();
/// assert_eq!(numbers.next(), Some(Ok(7)));
/// assert_eq!(numbers.next(), Some(Err(WaitError::TimedOut)));
/// assert_eq!(numbers.next(), None);
/// // The handle goes on.
/// tx.push(8)?;
/// assert_eq!(rx.blocking().iter().next(), Some(Ok(8)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct Iter<'a, T: Element> {
    waiting: Option<Waiting<'a, Consumer<T>>>,
}

impl<T: Element> Iterator for Iter<'_, T> {
    type Item = Result<T, WaitError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        next(&mut self.waiting, |rx| rx.pop())
    }
}
