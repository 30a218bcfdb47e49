//! Streams of bytes as [`Read`] and [`Write`].

use std::io::{self, ErrorKind, Read, Write};

use super::{Consumer, PopError, Producer, PushSliceError};
use crate::ring::memory::Memory;
use crate::wait::{Deadline, WaitError};

impl Producer<u8> {
    /// Lets [`Write`] say [`WouldBlock`](ErrorKind::WouldBlock) where it would have to wait for room.
    pub fn set_nonblocking(&mut self, nonblocking: bool) {
        self.nonblocking = nonblocking;
    }
}

/// Writes as many bytes as there is room for, at least one, and waits for that as the handle does.
///
/// If the consumer has closed its end, or has crashed and left no room, that is [`BrokenPipe`](ErrorKind::BrokenPipe), unless
/// a successor is awaited.
impl Write for Producer<u8> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if !self.ring.memory().is_here() {
            return Err(WaitError::Forked.into_write_error());
        }
        if self.waiter.was_left(self.ring.memory()) {
            return Err(WaitError::Closed.into_write_error());
        }
        loop {
            match self.push_slice(bytes) {
                Ok(written) => return Ok(written),
                Err(PushSliceError::Corrupted(cause)) => return Err(WaitError::Corrupted(cause).into_write_error()),
                Err(PushSliceError::Forked) => return Err(WaitError::Forked.into_write_error()),
                Err(PushSliceError::Full) if self.nonblocking => {
                    let ended = self.waiter.ended(self.ring.memory()).map_err(WaitError::into_write_error)?;
                    return Err(match ended {
                        Some(end) => end.tell(&self.waiter, self.ring.memory()).into_write_error(),
                        None => ErrorKind::WouldBlock.into(),
                    });
                }
                Err(PushSliceError::Full) => {
                    self.wait_for_room(1, Deadline::NEVER).map_err(WaitError::into_write_error)?;
                }
            }
        }
    }

    /// Does nothing: what is written is visible.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Consumer<u8> {
    /// Lets [`Read`] say [`WouldBlock`](ErrorKind::WouldBlock) where it would have to wait for bytes.
    pub fn set_nonblocking(&mut self, nonblocking: bool) {
        self.nonblocking = nonblocking;
    }

    /// Waits for a byte as [`Read`] has to; `false` at the end.
    pub(super) fn wait_to_read(&mut self) -> io::Result<bool> {
        if !self.nonblocking {
            return match self.wait_for_elements(1, Deadline::NEVER) {
                Ok(()) => Ok(true),
                Err(WaitError::Closed) => Ok(false),
                Err(error) => Err(error.into_read_error()),
            };
        }
        if !self.ring.memory().is_here() {
            return Err(WaitError::Forked.into_read_error());
        }
        let ended = self.waiter.ended(self.ring.memory()).map_err(WaitError::into_read_error)?;
        // Whoever left pushed before; so what it pushed last is found by one more look.
        match (self.available().map_err(|broken| WaitError::from(broken).into_read_error())?, ended) {
            (1.., _) => Ok(true),
            (0, None) => Err(ErrorKind::WouldBlock.into()),
            (0, Some(end)) => match end.tell(&self.waiter, self.ring.memory()) {
                WaitError::Closed => Ok(false),
                error => Err(error.into_read_error()),
            },
        }
    }
}

/// Reads as many bytes as are there and fit, at least one, and waits for that as the handle does.
///
/// It ends, with 0 bytes, when all is read and the producer has closed its end. If that crashed instead, the end is an error,
/// [`ConnectionAborted`](ErrorKind::ConnectionAborted), unless a successor is awaited.
impl Read for Consumer<u8> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.pop_slice(bytes) {
                Ok(read) => return Ok(read),
                Err(PopError::Corrupted(cause)) => return Err(WaitError::Corrupted(cause).into_read_error()),
                Err(PopError::Forked) => return Err(WaitError::Forked.into_read_error()),
                Err(PopError::Empty) => {
                    if !self.wait_to_read()? {
                        return Ok(0);
                    }
                }
            }
        }
    }
}

impl WaitError {
    fn into_write_error(self) -> io::Error {
        let kind = match self {
            WaitError::Closed | WaitError::Crashed => ErrorKind::BrokenPipe,
            _ => self.kind(),
        };
        io::Error::new(kind, self)
    }

    pub(super) fn into_read_error(self) -> io::Error {
        io::Error::new(self.kind(), self)
    }

    fn kind(self) -> ErrorKind {
        match self {
            WaitError::TimedOut => ErrorKind::TimedOut,
            WaitError::Closed | WaitError::Short { .. } => ErrorKind::UnexpectedEof,
            WaitError::Crashed => ErrorKind::ConnectionAborted,
            WaitError::NotConnected | WaitError::Orphaned => ErrorKind::NotConnected,
            WaitError::TooLong { .. } => ErrorKind::InvalidInput,
            WaitError::Truncated { .. } | WaitError::Corrupted(_) => ErrorKind::InvalidData,
            WaitError::Forked => ErrorKind::Other,
        }
    }
}
