//! The calls that wait.

use std::time::Duration;

use super::{Claim, ClaimError, Consumer, Element, Peek, PeekError, Producer};
use crate::error::Broken;
use crate::ring::presence::Presence;
use crate::ring::stream as ring;
use crate::segment::Segment;
use crate::wait::{Deadline, End, Lazy, Unsent, WaitError};

impl<T: Element> End for ring::Producer<T, Segment> {
    fn segment(&self) -> &Segment {
        self.memory()
    }

    fn park(&mut self, wanted: usize, gathers: bool, seen: Presence, limit: Duration) -> Result<(), Broken> {
        ring::Producer::park(self, wanted, gathers, seen, limit)
    }

    fn release(&mut self) {
        // What it has sent is published.
    }

    fn has_more_than(&mut self, wanted: usize) -> bool {
        self.free().is_ok_and(|free| free > wanted)
    }
}

impl<T: Element> End for ring::Consumer<T, Segment> {
    fn segment(&self) -> &Segment {
        self.memory()
    }

    fn park(&mut self, wanted: usize, _gathers: bool, seen: Presence, limit: Duration) -> Result<(), Broken> {
        ring::Consumer::park(self, wanted, seen, limit)
    }

    fn release(&mut self) {
        ring::Consumer::release(self);
    }

    fn has_more_than(&mut self, _wanted: usize) -> bool {
        // It is woken by what it wants.
        false
    }
}

impl<T: Element> Producer<T> {
    /// Pushes one element, as soon as there is room.
    ///
    /// # Errors
    ///
    /// [`Unsent`] returns the element, and says with a [`WaitError`] why there will be no room.
    #[inline]
    pub fn push_blocking(&mut self, value: T) -> Result<(), Unsent<T>> {
        self.push_until(value, || Deadline::NEVER)
    }

    /// Pushes one element, as soon as there is room, within `limit`.
    ///
    /// # Errors
    ///
    /// As [`Producer::push_blocking`], and [`WaitError::TimedOut`].
    #[inline]
    pub fn push_timeout(&mut self, value: T, limit: Duration) -> Result<(), Unsent<T>> {
        self.push_until(value, || Deadline::after(limit))
    }

    /// Takes exactly `len` slots in place, as soon as they are free.
    ///
    /// # Errors
    ///
    /// [`WaitError::TooLong`] at once; else one that says why they will not be free.
    pub fn claim_blocking(&mut self, len: usize) -> Result<Claim<'_, T>, WaitError> {
        self.wait_for_room(len, Deadline::NEVER)?;
        // They are: nobody else takes them.
        self.claim(len).map_err(claim_refused)
    }

    /// Takes exactly `len` slots in place, as soon as they are free, within `limit`.
    ///
    /// # Errors
    ///
    /// As [`Producer::claim_blocking`], and [`WaitError::TimedOut`].
    pub fn claim_timeout(&mut self, len: usize, limit: Duration) -> Result<Claim<'_, T>, WaitError> {
        self.wait_for_room(len, Deadline::after(limit))?;
        self.claim(len).map_err(claim_refused)
    }

    /// Waits until a slot is free, at most for `limit`.
    ///
    /// # Errors
    ///
    /// A [`WaitError`] that says why none is.
    pub fn wait_writable(&mut self, limit: Duration) -> Result<(), WaitError> {
        self.wait_for_room(1, Deadline::after(limit))
    }

    /// The wait is a call apart, so that a value does not go by memory for it.
    #[inline(always)]
    fn push_until(&mut self, mut value: T, deadline: impl Fn() -> Deadline) -> Result<(), Unsent<T>> {
        let mut deadline = Lazy::new(deadline);
        loop {
            match self.push(value) {
                Ok(()) => return Ok(()),
                Err(error) => value = error.into_value(),
            }
            // A wrong head is told by the wait as well.
            if let Err(cause) = self.wait_for_room(1, deadline.get()) {
                return Err(Unsent { value, cause });
            }
        }
    }

    #[inline(never)]
    pub(super) fn wait_for_room(&mut self, len: usize, deadline: Deadline) -> Result<(), WaitError> {
        let max = self.capacity();
        if len > max {
            return Err(WaitError::TooLong { len, max });
        }
        let found = self.waiter.until(&mut self.ring, len, deadline, |ring| match ring.free() {
            Ok(free) if free < len => None,
            Ok(_) => Some(Ok(())),
            Err(broken) => Some(Err(broken.into())),
        });
        found.and_then(|result| result)
    }
}

fn claim_refused(error: ClaimError) -> WaitError {
    match error {
        ClaimError::TooLong { len, capacity } => WaitError::TooLong { len, max: capacity },
        ClaimError::Corrupted(cause) => WaitError::Corrupted(cause),
        ClaimError::Forked => WaitError::Forked,
        ClaimError::Full { .. } => WaitError::TimedOut,
    }
}

impl<T: Element> Consumer<T> {
    /// Pops one element, as soon as one is there.
    ///
    /// # Errors
    ///
    /// A [`WaitError`] that says why none will come, when all that was pushed has been popped.
    #[inline]
    pub fn pop_blocking(&mut self) -> Result<T, WaitError> {
        self.pop_until(|| Deadline::NEVER)
    }

    /// Pops one element, as soon as one is there, within `limit`.
    ///
    /// # Errors
    ///
    /// As [`Consumer::pop_blocking`], and [`WaitError::TimedOut`].
    #[inline]
    pub fn pop_timeout(&mut self, limit: Duration) -> Result<T, WaitError> {
        self.pop_until(|| Deadline::after(limit))
    }

    /// Looks at exactly `len` elements in place, as soon as they are there.
    ///
    /// # Errors
    ///
    /// [`WaitError::TooLong`] at once; else one that says why they will not come.
    pub fn peek_blocking(&mut self, len: usize) -> Result<Peek<'_, T>, WaitError> {
        self.wait_for_elements(len, Deadline::NEVER)?;
        // They are: nobody else takes them.
        self.peek(len).map_err(peek_refused)
    }

    /// Looks at exactly `len` elements in place, as soon as they are there, within `limit`.
    ///
    /// # Errors
    ///
    /// As [`Consumer::peek_blocking`], and [`WaitError::TimedOut`].
    pub fn peek_timeout(&mut self, len: usize, limit: Duration) -> Result<Peek<'_, T>, WaitError> {
        self.wait_for_elements(len, Deadline::after(limit))?;
        self.peek(len).map_err(peek_refused)
    }

    /// Waits until an element is there, at most for `limit`.
    ///
    /// # Errors
    ///
    /// A [`WaitError`] that says why none is.
    pub fn wait_readable(&mut self, limit: Duration) -> Result<(), WaitError> {
        self.wait_for_elements(1, Deadline::after(limit))
    }

    /// The wait is a call apart, so that a value does not go by memory for it.
    #[inline(always)]
    fn pop_until(&mut self, deadline: impl Fn() -> Deadline) -> Result<T, WaitError> {
        let mut deadline = Lazy::new(deadline);
        loop {
            if let Ok(value) = self.pop() {
                return Ok(value);
            }
            // A wrong tail is told by the wait as well.
            self.wait_for_elements(1, deadline.get())?;
        }
    }

    #[inline(never)]
    pub(super) fn wait_for_elements(&mut self, len: usize, deadline: Deadline) -> Result<(), WaitError> {
        let max = self.capacity();
        if len > max {
            return Err(WaitError::TooLong { len, max });
        }
        let found = self.waiter.until(&mut self.ring, len, deadline, |ring| match ring.available() {
            Ok(available) if available < len => None,
            Ok(_) => Some(Ok(())),
            Err(broken) => Some(Err(broken.into())),
        });
        match found.and_then(|result| result) {
            Err(ended @ (WaitError::Closed | WaitError::Crashed)) => Err(match self.available() {
                // Not all has been read: some are left, and fewer than are wanted.
                Ok(left @ 1..) => WaitError::Short { left, len, crashed: ended == WaitError::Crashed },
                _ => ended,
            }),
            result => result,
        }
    }
}

fn peek_refused(error: PeekError) -> WaitError {
    match error {
        PeekError::TooLong { len, capacity } => WaitError::TooLong { len, max: capacity },
        PeekError::Corrupted(cause) => WaitError::Corrupted(cause),
        PeekError::Forked => WaitError::Forked,
        PeekError::Empty { .. } => WaitError::TimedOut,
    }
}
