//! The calls that wait.

use std::fmt;
use std::time::Duration;

use bytemuck::{AnyBitPattern, NoUninit};

use super::{Claim, Consumer, PopError, Producer, PushError, Record};
use crate::error::Broken;
use crate::ring::message as ring;
use crate::ring::presence::Presence;
use crate::segment::Segment;
use crate::wait::{Deadline, End, Lazy, WaitError};

/// A pop that waited was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// The message does not fit the buffer, and stays in the ring.
    BufferTooShort {
        /// The length of the message in bytes.
        len: usize,
        /// That of the buffer.
        buffer: usize,
    },
    /// The message is not as long as the value that was asked for, and stays in the ring.
    NotThisValue {
        /// The length of the message in bytes.
        len: usize,
        /// The size of the value.
        size: usize,
    },
    /// There is no message, and none will come.
    Wait(WaitError),
}

impl ReceiveError {
    /// Sorts what a pop said; `None` where it is to be repeated.
    fn of(error: PopError) -> Option<ReceiveError> {
        match error {
            PopError::Empty => None,
            PopError::BufferTooShort { len, buffer } => Some(ReceiveError::BufferTooShort { len, buffer }),
            PopError::NotThisValue { len, size } => Some(ReceiveError::NotThisValue { len, size }),
            PopError::Corrupted(cause) => Some(ReceiveError::Wait(WaitError::Corrupted(cause))),
            PopError::Forked => Some(ReceiveError::Wait(WaitError::Forked)),
        }
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ReceiveError::BufferTooShort { len, buffer } => PopError::BufferTooShort { len, buffer }.fmt(formatter),
            ReceiveError::NotThisValue { len, size } => PopError::NotThisValue { len, size }.fmt(formatter),
            ReceiveError::Wait(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for ReceiveError {}

impl End for ring::Producer<Segment> {
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
        self.can_push(2 * wanted + 1) == Ok(true)
    }
}

impl End for ring::Consumer<Segment> {
    fn segment(&self) -> &Segment {
        self.memory()
    }

    fn park(&mut self, _wanted: usize, _gathers: bool, seen: Presence, limit: Duration) -> Result<(), Broken> {
        ring::Consumer::park(self, seen, limit)
    }

    fn release(&mut self) {
        ring::Consumer::release(self);
    }

    fn has_more_than(&mut self, _wanted: usize) -> bool {
        // It is woken by what it wants.
        false
    }
}

impl Producer {
    /// Pushes one message, as soon as there is room.
    ///
    /// # Errors
    ///
    /// [`WaitError::TooLong`] at once; else one that says why there will be no room.
    #[inline]
    pub fn push_blocking(&mut self, bytes: &[u8]) -> Result<(), WaitError> {
        match self.push(bytes) {
            Ok(()) => Ok(()),
            Err(error) => self.push_until(error, bytes.len(), Deadline::NEVER, |ring| ring.push(bytes)),
        }
    }

    /// Pushes one message, as soon as there is room, within `limit`.
    ///
    /// # Errors
    ///
    /// As [`Producer::push_blocking`], and [`WaitError::TimedOut`].
    #[inline]
    pub fn push_timeout(&mut self, bytes: &[u8], limit: Duration) -> Result<(), WaitError> {
        match self.push(bytes) {
            Ok(()) => Ok(()),
            Err(error) => self.push_until(error, bytes.len(), Deadline::after(limit), |ring| ring.push(bytes)),
        }
    }

    /// Pushes the bytes of a value as one message, as soon as there is room.
    ///
    /// # Errors
    ///
    /// As [`Producer::push_blocking`].
    #[inline]
    pub fn push_value_blocking<T: NoUninit>(&mut self, value: &T) -> Result<(), WaitError> {
        match self.push_value(value) {
            Ok(()) => Ok(()),
            Err(error) => self.push_until(error, size_of::<T>(), Deadline::NEVER, |ring| ring.push_value(value)),
        }
    }

    /// Pushes the bytes of a value as one message, as soon as there is room, within `limit`.
    ///
    /// # Errors
    ///
    /// As [`Producer::push_timeout`].
    #[inline]
    pub fn push_value_timeout<T: NoUninit>(&mut self, value: &T, limit: Duration) -> Result<(), WaitError> {
        match self.push_value(value) {
            Ok(()) => Ok(()),
            Err(error) => self.push_until(error, size_of::<T>(), Deadline::after(limit), |ring| ring.push_value(value)),
        }
    }

    /// Takes room for a message of up to `len` bytes in place, as soon as it is free.
    ///
    /// # Errors
    ///
    /// As [`Producer::push_blocking`] for a message of `len` bytes.
    pub fn claim_blocking(&mut self, len: usize) -> Result<Claim<'_>, WaitError> {
        self.wait_for_room(len, Deadline::NEVER)?;
        // It is: nobody else takes it.
        self.claim(len).map_err(|error| refused(error).unwrap_or(WaitError::TimedOut))
    }

    /// Takes room for a message of up to `len` bytes in place, as soon as it is free, within `limit`.
    ///
    /// # Errors
    ///
    /// As [`Producer::push_timeout`] for a message of `len` bytes.
    pub fn claim_timeout(&mut self, len: usize, limit: Duration) -> Result<Claim<'_>, WaitError> {
        self.wait_for_room(len, Deadline::after(limit))?;
        self.claim(len).map_err(|error| refused(error).unwrap_or(WaitError::TimedOut))
    }

    /// Waits until there is room for a message of `len` bytes, at most for `limit`.
    ///
    /// # Errors
    ///
    /// As [`Producer::push_timeout`].
    pub fn wait_writable(&mut self, len: usize, limit: Duration) -> Result<(), WaitError> {
        self.wait_for_room(len, Deadline::after(limit))
    }

    fn wait_for_room(&mut self, len: usize, deadline: Deadline) -> Result<(), WaitError> {
        let max = self.max_len();
        if len > max {
            return Err(WaitError::TooLong { len, max });
        }
        self.push_until(PushError::Full, len, deadline, |ring| match ring.can_push(len) {
            Ok(true) => Ok(()),
            Ok(false) => Err(PushError::Full),
            Err(broken) => Err(broken.into()),
        })
    }

    #[inline(never)]
    fn push_until(
        &mut self,
        error: PushError,
        len: usize,
        deadline: Deadline,
        mut push: impl FnMut(&mut ring::Producer<Segment>) -> Result<(), PushError>,
    ) -> Result<(), WaitError> {
        if let Some(error) = refused(error) {
            return Err(error);
        }
        let pushed = self.waiter.until(&mut self.ring, len, deadline, |ring| match push(ring) {
            Ok(()) => Some(Ok(())),
            Err(error) => refused(error).map(Err),
        });
        pushed.and_then(|result| result)
    }
}

/// Sorts what a push said; `None` where it is to be repeated.
fn refused(error: PushError) -> Option<WaitError> {
    match error {
        PushError::Full => None,
        PushError::TooLong { len, max } => Some(WaitError::TooLong { len, max }),
        PushError::Corrupted(cause) => Some(WaitError::Corrupted(cause)),
        PushError::Forked => Some(WaitError::Forked),
        PushError::NoWord { .. } => unreachable!("no call that waits gives a message a word"),
    }
}

impl Consumer {
    /// Pops one message into a buffer, as soon as one is there, and returns its length.
    ///
    /// # Errors
    ///
    /// - [`ReceiveError::BufferTooShort`]: the message is longer than the buffer, and stays in the ring.
    /// - [`ReceiveError::Wait`]: none will come, and all that was sent has been read.
    #[inline]
    pub fn pop_blocking(&mut self, bytes: &mut [u8]) -> Result<usize, ReceiveError> {
        self.pop_until(|| Deadline::NEVER, |consumer| consumer.pop(bytes))
    }

    /// Pops one message into a buffer, as soon as one is there, within `limit`, and returns its length.
    ///
    /// # Errors
    ///
    /// As [`Consumer::pop_blocking`], and [`WaitError::TimedOut`].
    #[inline]
    pub fn pop_timeout(&mut self, bytes: &mut [u8], limit: Duration) -> Result<usize, ReceiveError> {
        self.pop_until(|| Deadline::after(limit), |consumer| consumer.pop(bytes))
    }

    /// Pops one message as a value, as soon as one is there.
    ///
    /// # Errors
    ///
    /// - [`ReceiveError::NotThisValue`]: the message has another length than the value, and stays in the ring.
    /// - [`ReceiveError::Wait`]: none will come, and all that was sent has been read.
    #[inline]
    pub fn pop_value_blocking<T: AnyBitPattern>(&mut self) -> Result<T, ReceiveError> {
        self.pop_until(|| Deadline::NEVER, Consumer::pop_value)
    }

    /// Pops one message as a value, as soon as one is there, within `limit`.
    ///
    /// # Errors
    ///
    /// As [`Consumer::pop_value_blocking`], and [`WaitError::TimedOut`].
    #[inline]
    pub fn pop_value_timeout<T: AnyBitPattern>(&mut self, limit: Duration) -> Result<T, ReceiveError> {
        self.pop_until(|| Deadline::after(limit), Consumer::pop_value)
    }

    /// Looks at the next message in place, as soon as one is there.
    ///
    /// # Errors
    ///
    /// A [`WaitError`] that says why none will come, when all that was sent has been read.
    pub fn peek_blocking(&mut self) -> Result<Record<'_>, WaitError> {
        self.wait_for_message(Deadline::NEVER)?;
        // It is there: nobody else takes it.
        self.peek().map_err(peek_refused)
    }

    /// Looks at the next message in place, as soon as one is there, within `limit`.
    ///
    /// # Errors
    ///
    /// As [`Consumer::peek_blocking`], and [`WaitError::TimedOut`].
    pub fn peek_timeout(&mut self, limit: Duration) -> Result<Record<'_>, WaitError> {
        self.wait_for_message(Deadline::after(limit))?;
        self.peek().map_err(peek_refused)
    }

    /// Waits until a message is there, at most for `limit`.
    ///
    /// # Errors
    ///
    /// As [`Consumer::peek_timeout`].
    pub fn wait_readable(&mut self, limit: Duration) -> Result<(), WaitError> {
        self.wait_for_message(Deadline::after(limit))
    }

    #[inline(never)]
    fn wait_for_message(&mut self, deadline: Deadline) -> Result<(), WaitError> {
        let found = self.waiter.until(&mut self.ring, 1, deadline, |ring| match ring.is_empty() {
            Ok(true) => None,
            Ok(false) => Some(Ok(())),
            Err(broken) => Some(Err(broken.into())),
        });
        found.and_then(|result| result)
    }

    /// The wait is a call apart, so that a value does not go by memory for it.
    #[inline(always)]
    fn pop_until<R>(
        &mut self,
        deadline: impl Fn() -> Deadline,
        mut pop: impl FnMut(&mut Consumer) -> Result<R, PopError>,
    ) -> Result<R, ReceiveError> {
        let mut deadline = Lazy::new(deadline);
        loop {
            match pop(self) {
                Ok(result) => return Ok(result),
                Err(error) => ReceiveError::of(error).map_or(Ok(()), Err)?,
            }
            self.wait_for_message(deadline.get()).map_err(ReceiveError::Wait)?;
        }
    }
}

fn peek_refused(error: PopError) -> WaitError {
    match error {
        PopError::Corrupted(cause) => WaitError::Corrupted(cause),
        PopError::Forked => WaitError::Forked,
        _ => WaitError::TimedOut,
    }
}
