//! The calls of a message ring that are awaited.

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytemuck::{AnyBitPattern, NoUninit};
use futures_core::Stream;
use futures_sink::Sink;

use super::{Async, Awaited, Task, calls, calls_in_place};
use crate::message::{Batch, Claim, Consumer, PeekBatch, Producer, Record};
use crate::ring::endpoint::Internal;
use crate::ring::message::Push;
use crate::segment::Segment;
use crate::trusted::Trusted;
use crate::wait::WaitError;

impl<'a> Awaited for Batch<'a> {
    type Task = &'a mut Task;

    fn check_length(&mut self, token: Internal) {
        Awaited::check_length(self.parts().0, token);
    }

    fn poll_ready(&mut self, context: &mut Context<'_>, token: Internal) -> Poll<Result<(), WaitError>> {
        self.parts().0.poll_ready(context, token)
    }
}

impl<'a> Awaited for PeekBatch<'a> {
    type Task = &'a mut Task;

    fn check_length(&mut self, token: Internal) {
        Awaited::check_length(self.parts().0, token);
    }

    fn poll_ready(&mut self, context: &mut Context<'_>, token: Internal) -> Poll<Result<(), WaitError>> {
        self.parts().0.poll_ready(context, token)
    }
}

/// For a producer and for a batch of it.
impl<H: Push<Segment> + Awaited> Async<H> {
    calls! {
        push(bytes: &[u8]) -> Result<(), WaitError>;
        push_tagged(word: u64, bytes: &[u8]) -> Result<(), WaitError>;
        push_vectored(parts: &[IoSlice<'_>]) -> Result<(), WaitError>;
        push_value<T: NoUninit>(value: &T) -> Result<(), WaitError>;
        until_free(len: usize) -> Result<(), WaitError>;
    }

    calls_in_place! {
        claim(len: usize) -> Claim<'_>, until_free(len);
    }
}

impl Async<Producer> {
    /// Begins a batch, whose messages become visible together.
    pub fn batch(&mut self) -> Async<Batch<'_>> {
        Async { task: &mut self.task, handle: self.handle.batch() }
    }

    /// Returns a sink of messages of up to `longest` bytes: it is ready when there is room for one of those.
    pub fn into_sink(self, longest: usize) -> MessageSink {
        MessageSink { tx: self, longest }
    }
}

impl Async<Batch<'_>> {
    /// Pushes all messages at once, as [`commit`](Batch::commit) does.
    pub fn commit(self) {
        self.handle.commit();
    }

    /// Gives up all messages: nothing was pushed.
    pub fn abort(self) {}
}

impl Async<Consumer> {
    calls! {
        pop(bytes: &mut [u8]) -> Result<usize, WaitError>;
        pop_tagged(bytes: &mut [u8]) -> Result<(u64, usize), WaitError>;
        pop_into(bytes: &mut Vec<u8>) -> Result<usize, WaitError>;
        pop_value<T: AnyBitPattern>() -> Result<T, WaitError>;
        until_available() -> Result<(), WaitError>;
    }

    calls_in_place! {
        peek() -> Record<'_>, until_available();
    }

    /// As [`drain`](crate::Waiting::drain).
    ///
    /// # Errors
    ///
    /// As that call.
    pub async fn drain(&mut self, max: usize, mut read: impl FnMut(&Record<'_>)) -> Result<usize, WaitError> {
        self.until(|waiting| waiting.drain(max, &mut read)).await
    }

    /// Begins a batch of peeks, which are released together.
    pub fn peek_batch(&mut self) -> Async<PeekBatch<'_>> {
        Async { task: &mut self.task, handle: self.handle.peek_batch() }
    }
}

impl Async<PeekBatch<'_>> {
    calls! {
        next_len() -> Result<usize, WaitError>;
        append_next(bytes: &mut Vec<u8>) -> Result<usize, WaitError>;
        copy_next(bytes: &mut [u8]) -> Result<usize, WaitError>;
    }

    /// Returns the position of the next message, as [`position`](PeekBatch::position) does.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.handle.position()
    }

    /// Gives all messages that were read back to the producer, at once.
    pub fn release(self) {
        self.handle.release();
    }
}

impl Trusted<&mut Async<Producer>> {
    /// As [`claim`](Async::claim), as a slice.
    ///
    /// # Errors
    ///
    /// As that call.
    pub async fn claim(&mut self, len: usize) -> Result<Trusted<Claim<'_>>, WaitError> {
        self.0.claim(len).await.map(Trusted)
    }
}

impl Trusted<&mut Async<Consumer>> {
    /// As [`peek`](Async::peek), as a slice.
    ///
    /// # Errors
    ///
    /// As that call.
    pub async fn peek(&mut self) -> Result<Trusted<Record<'_>>, WaitError> {
        self.0.peek().await.map(Trusted)
    }

    /// As [`drain`](Async::drain), with slices.
    ///
    /// # Errors
    ///
    /// As that call.
    pub async fn drain(&mut self, max: usize, mut read: impl FnMut(&[u8])) -> Result<usize, WaitError> {
        self.0.until(|waiting| Trusted(waiting).drain(max, &mut read)).await
    }
}

/// The messages, popped one after the other as they come. It ends when the producer has closed the ring and all is
/// read, and after the first error; if it is asked for more after that, it goes on.
impl Stream for Async<Consumer> {
    type Item = Result<Vec<u8>, WaitError>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut bytes = Vec::new();
        let poll = self.poll_item(|rx| rx.poll(context, |waiting| waiting.pop_into(&mut bytes)));
        poll.map(|item| item.map(|result| result.map(|_| bytes)))
    }
}

/// Pushes messages one after the other. Each is visible at once, so there is nothing to flush. A close leaves the ring,
/// as a drop does.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
/// # let options = ringmain::Options::from_fd(ring);
/// # let (tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
/// use futures::{StreamExt, executor::block_on, stream};
///
/// let sink = tx.into_async()?.into_sink(64);
/// block_on(stream::iter(["buy 100", "sell 7"]).map(Ok).forward(sink))?;
/// // The sink is closed, and so is the ring.
/// let orders: Vec<Vec<u8>> = rx.blocking().messages().collect::<Result<_, _>>()?;
/// assert_eq!(orders, [&b"buy 100"[..], b"sell 7"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping it gives the role of its handle back"]
pub struct MessageSink {
    tx: Async<Producer>,
    longest: usize,
}

impl MessageSink {
    /// Returns the handle.
    pub fn into_inner(self) -> Async<Producer> {
        self.tx
    }
}

impl<B: AsRef<[u8]>> Sink<B> for MessageSink {
    type Error = WaitError;

    #[inline]
    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), WaitError>> {
        let longest = self.longest;
        self.tx.poll(context, |waiting| waiting.until_free(longest))
    }

    /// # Errors
    ///
    /// [`WaitError::TooLong`]: the message is longer than those that the sink waits for.
    #[inline]
    fn start_send(mut self: Pin<&mut Self>, bytes: B) -> Result<(), WaitError> {
        let (len, max) = (bytes.as_ref().len(), self.longest);
        if len > max {
            return Err(WaitError::TooLong { len, max });
        }
        self.tx.or_fail(&WaitError::TimedOut).push(bytes.as_ref())
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Result<(), WaitError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Result<(), WaitError>> {
        self.tx.handle.leave_for_good();
        Poll::Ready(Ok(()))
    }
}
