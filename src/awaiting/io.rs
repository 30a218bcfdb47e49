//! Streams of bytes as the traits of runtimes read and write them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::Async;
use crate::stream::{Consumer, Producer};
use crate::wait::WaitError;

impl Async<Consumer<u8>> {
    /// Reads as many bytes as are there and fit; none at the end.
    fn poll_into(&mut self, context: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        Poll::Ready(match ready!(self.poll(context, |waiting| waiting.pop_some(bytes))) {
            Err(WaitError::Closed) => Ok(0),
            result => Ok(result?),
        })
    }
}

impl Async<Producer<u8>> {
    /// Writes as many bytes as there is room for.
    fn poll_from(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(context, |waiting| waiting.write_some(bytes)).map_err(WaitError::into_write_error)
    }

    fn poll_end(&mut self) -> Poll<io::Result<()>> {
        self.handle.leave_for_good();
        Poll::Ready(Ok(()))
    }
}

/// Reads as many bytes as are there and fit, at least one. It ends when all is read and the producer has closed its
/// end; if that crashed instead, this is an error, [`ConnectionAborted`](io::ErrorKind::ConnectionAborted), unless a
/// successor is awaited.
#[cfg(feature = "tokio")]
impl tokio::io::AsyncRead for Async<Consumer<u8>> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(self.poll_into(context, buffer.initialize_unfilled()))?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

/// Writes as many bytes as there is room for, at least one. If the consumer has closed its end, or has crashed and left
/// no room, the error is [`BrokenPipe`](io::ErrorKind::BrokenPipe), unless a successor is awaited. There is nothing to
/// flush, and a shutdown leaves the ring.
#[cfg(feature = "tokio")]
impl tokio::io::AsyncWrite for Async<Producer<u8>> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_from(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_end()
    }
}

/// As tokio's `AsyncRead`.
#[cfg(feature = "futures-io")]
impl futures_io::AsyncRead for Async<Consumer<u8>> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_into(context, bytes)
    }
}

/// As tokio's `AsyncWrite`. A close leaves the ring.
#[cfg(feature = "futures-io")]
impl futures_io::AsyncWrite for Async<Producer<u8>> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_from(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_end()
    }
}
