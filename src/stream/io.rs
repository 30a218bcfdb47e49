//! Streams of bytes as [`Read`] and [`Write`].

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use super::waiting::wait;
use super::{Consumer, Producer};
use crate::ring::error::PopError;
use crate::wait::{WaitError, Waiting, waited};

impl Waiting<'_, Producer<u8>> {
    /// Pushes some of the bytes, as a write has to.
    pub(crate) fn write_some(self, bytes: &[u8]) -> Result<usize, WaitError> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.handle.check_process()?;
        if self.handle.peer_detached() { Err(WaitError::Closed) } else { self.push_some(bytes) }
    }
}

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
        let limit = self.waiter.is_nonblocking.then_some(Duration::ZERO);
        match Waiting::new(self, limit).write_some(bytes) {
            Err(WaitError::TimedOut) => Err(ErrorKind::WouldBlock.into()),
            result => result.map_err(WaitError::into_write_error),
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
        let limit = self.waiter.is_nonblocking.then_some(Duration::ZERO);
        let Waiting { handle, mut deadline } = Waiting::new(self, limit);
        match wait(handle, 1, &mut deadline) {
            Ok(()) => Ok(true),
            Err(WaitError::TimedOut) => Err(ErrorKind::WouldBlock.into()),
            Err(WaitError::Closed) => Ok(false),
            Err(error) => Err(error.into()),
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
                result => return Ok(waited(result)?),
            }
        }
    }
}
