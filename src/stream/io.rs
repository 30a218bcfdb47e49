//! Streams of bytes as [`Read`] and [`Write`].

use std::io::{self, ErrorKind, Read, Write};

use super::waiting::{refused_pop, refused_push, wait};
use super::{Consumer, Producer};
use crate::ring::error::{PopError, PushError};
use crate::wait::{WaitError, Waiting, Waits};

impl Producer<u8> {
    /// Says whether [`Write`] returns [`WouldBlock`](ErrorKind::WouldBlock) instead of waiting for room.
    pub fn set_nonblocking(&mut self, nonblocking: bool) {
        self.waiter.is_nonblocking = nonblocking;
    }
}

/// Writes as many bytes as there is room for, at least one, and waits for that as the handle does.
///
/// If the consumer has closed its end, or has crashed and left no room, the error is
/// [`BrokenPipe`](ErrorKind::BrokenPipe), unless a successor is awaited.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-write-{}", std::process::id());
/// use std::io::{Read, Write};
/// use ringmain::Options;
///
/// let mut tx = Options::new(&name).capacity(4096).stream_producer::<u8>()?;
/// let mut rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u8>()?;
/// write!(tx, "{} bottles", 99)?;
/// tx.close()?;
/// let mut text = String::new();
/// rx.read_to_string(&mut text)?;
/// assert_eq!(text, "99 bottles");
/// # Ok(())
/// # }
/// ```
impl Write for Producer<u8> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.check_here().map_err(WaitError::from)?;
        if self.was_left() {
            return Err(WaitError::Closed.into_write_error());
        }
        loop {
            match self.push_slice(bytes) {
                Err(PushError::Full(_)) if self.waiter.is_nonblocking => {
                    return Err(match self.ended(true).map_err(WaitError::into_write_error)? {
                        Some(end) => self.tell(end).into_write_error(),
                        None => ErrorKind::WouldBlock.into(),
                    });
                }
                Err(PushError::Full(_)) => self.blocking().until_free(1).map_err(WaitError::into_write_error)?,
                result => return refused_push(result).map_err(WaitError::into_write_error),
            }
        }
    }

    /// Does nothing: what is written is visible.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Consumer<u8> {
    /// Says whether [`Read`] returns [`WouldBlock`](ErrorKind::WouldBlock) instead of waiting for bytes.
    pub fn set_nonblocking(&mut self, nonblocking: bool) {
        self.waiter.is_nonblocking = nonblocking;
    }

    /// Waits for a byte as [`Read`] has to; `false` at the end.
    pub(super) fn wait_to_read(&mut self) -> io::Result<bool> {
        let found = if self.waiter.is_nonblocking { self.find_now() } else { self.find_later() };
        match found {
            Ok(true) => Ok(true),
            Ok(false) => Err(ErrorKind::WouldBlock.into()),
            Err(WaitError::Closed) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn find_later(&mut self) -> Result<bool, WaitError> {
        let Waiting { handle, mut deadline } = self.blocking();
        wait(handle, 1, &mut deadline).map(|()| true)
    }

    fn find_now(&mut self) -> Result<bool, WaitError> {
        self.check_here()?;
        let ended = self.ended(true)?;
        // A producer that left pushed before that, so one more load finds what it pushed last.
        match (self.is_ready(1)?, ended) {
            (false, Some(end)) => Err(self.tell(end)),
            (found, _) => Ok(found),
        }
    }
}

/// Reads as many bytes as are there and fit, at least one, and waits for that as the handle does.
///
/// It ends, with 0 bytes, when all is read and the producer has closed its end. If the producer crashed instead, that
/// is an error, [`ConnectionAborted`](ErrorKind::ConnectionAborted), unless a successor is awaited.
impl Read for Consumer<u8> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.pop_slice(bytes) {
                Err(PopError::Empty) => {
                    if !self.wait_to_read()? {
                        return Ok(0);
                    }
                }
                result => return Ok(refused_pop(result)?),
            }
        }
    }
}
