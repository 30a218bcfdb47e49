//! The calls of a stream ring that are awaited.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;

use super::{Async, calls, calls_in_place};
use crate::stream::{Claim, Consumer, Element, Peek, Producer, Slot};
use crate::trusted::Trusted;
use crate::wait::{Unfinished, WaitError};

impl<T: Element> Async<Producer<T>> {
    /// As [`push`](crate::Waiting::push).
    ///
    /// # Errors
    ///
    /// As that call.
    #[inline(always)]
    pub fn push(&mut self, value: T) -> impl Future<Output = Result<(), Unfinished<T>>> {
        self.until(move |waiting| waiting.push_from(&value))
    }
}

/// For any kind of slot.
impl<T: Slot + ?Sized> Async<Producer<T>> {
    calls! {
        push_some(values: &[T::Unit]) -> Result<usize, WaitError>;
        until_free(len: usize) -> Result<(), WaitError>;
    }

    calls_in_place! {
        claim(len: usize) -> Claim<'_, T>, until_free(len);
        claim_up_to(max: usize) -> Claim<'_, T>, until_free(max.min(1));
        claim_contiguous(max: usize) -> Claim<'_, T>, until_free(max.min(1));
    }

    /// As [`push_slice`](crate::Waiting::push_slice). If it is dropped before it is ready, some of the values may be
    /// pushed.
    ///
    /// # Errors
    ///
    /// As that call.
    pub async fn push_slice(&mut self, values: &[T::Unit]) -> Result<(), Unfinished<usize>> {
        let (count, units, mut pushed) = (self.handle.kind.whole(values.len()), self.handle.kind.units(), 0);
        loop {
            match self.push_some(&values[pushed * units..]).await {
                Ok(len) if pushed + len == count => return Ok(()),
                Ok(len) => pushed += len,
                Err(cause) => return Err(Unfinished { value: pushed, cause }),
            }
        }
    }
}

impl<T: Element> Async<Consumer<T>> {
    /// As [`pop`](crate::Waiting::pop).
    ///
    /// # Errors
    ///
    /// As that call.
    #[inline(always)]
    pub fn pop(&mut self) -> impl Future<Output = Result<T, WaitError>> {
        Pop(self)
    }

    #[inline(always)]
    fn poll_pop(&mut self, context: &mut Context<'_>) -> Poll<Result<T, WaitError>> {
        loop {
            if self.task.budget > 0 && self.handle.known_len() > 0 {
                if let Ok(value) = self.handle.pop() {
                    self.task.budget -= 1;
                    return Poll::Ready(Ok(value));
                }
            }
            if let Err(error) = ready!(self.poll_available(context)) {
                return Poll::Ready(Err(error));
            }
        }
    }

    /// Waits for one element.
    #[inline(never)]
    fn poll_available(&mut self, context: &mut Context<'_>) -> Poll<Result<(), WaitError>> {
        let poll = self.poll(context, |waiting| waiting.until_available(1));
        if let Poll::Ready(Ok(())) = poll {
            // The pop that follows is the same call.
            self.task.budget += 1;
        }
        poll
    }
}

/// A pop that is awaited.
// Of its own, and not by `until`: an element that shares a result with an error from the start is taken apart where the
// error has its tag, and goes by memory.
#[must_use = "a call that is not awaited does nothing"]
struct Pop<'a, T: Element>(&'a mut Async<Consumer<T>>);

impl<T: Element> Future for Pop<'_, T> {
    type Output = Result<T, WaitError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.poll_pop(context)
    }
}

/// For any kind of slot.
impl<T: Slot + ?Sized> Async<Consumer<T>> {
    calls! {
        pop_some(values: &mut [T::Unit]) -> Result<usize, WaitError>;
        until_available(len: usize) -> Result<(), WaitError>;
    }

    calls_in_place! {
        peek(len: usize) -> Peek<'_, T>, until_available(len);
        peek_up_to(max: usize) -> Peek<'_, T>, until_available(max.min(1));
        peek_contiguous(max: usize) -> Peek<'_, T>, until_available(max.min(1));
    }

    /// As [`pop_slice`](crate::Waiting::pop_slice). If it is dropped before it is ready, some of the values may be
    /// popped.
    ///
    /// # Errors
    ///
    /// As that call.
    pub async fn pop_slice(&mut self, values: &mut [T::Unit]) -> Result<(), Unfinished<usize>> {
        let (count, units, mut popped) = (self.handle.kind.whole(values.len()), self.handle.kind.units(), 0);
        loop {
            match self.pop_some(&mut values[popped * units..]).await {
                Ok(len) if popped + len == count => return Ok(()),
                Ok(len) => popped += len,
                Err(cause) => return Err(Unfinished { value: popped, cause }),
            }
        }
    }
}

/// The elements, popped one after the other as they come. It ends when the producer has closed the ring and all is
/// read, and after the first error; if it is asked for more after that, it goes on.
impl<T: Element> Stream for Async<Consumer<T>> {
    type Item = Result<T, WaitError>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(|rx| rx.poll_pop(context))
    }
}

/// Pushes elements one after the other. Each is visible at once, so there is nothing to flush. A close leaves the ring,
/// as a drop does.
impl<T: Element> Sink<T> for Async<Producer<T>> {
    type Error = WaitError;

    #[inline]
    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), WaitError>> {
        self.poll(context, |waiting| waiting.until_free(1))
    }

    /// # Errors
    ///
    /// [`WaitError::TimedOut`]: it was not ready, and there is no room.
    #[inline]
    fn start_send(mut self: Pin<&mut Self>, value: T) -> Result<(), WaitError> {
        self.or_fail(&WaitError::TimedOut).push(value).map_err(|unfinished| unfinished.cause)
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Result<(), WaitError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Result<(), WaitError>> {
        self.get_mut().handle.leave_for_good();
        Poll::Ready(Ok(()))
    }
}

/// Views of handles whose peer is trusted.
macro_rules! views {
    ($($handle:ident: $guard:ident, $($call:ident($argument:ident)),*;)*) => {$(
        impl<T: Slot + ?Sized> Trusted<&mut Async<$handle<T>>> {$(
            #[doc = concat!("As [`", stringify!($call), "`](Async::", stringify!($call), "), as slices.")]
            ///
            /// # Errors
            ///
            /// As that call.
            #[inline]
            pub async fn $call(&mut self, $argument: usize) -> Result<Trusted<$guard<'_, T>>, WaitError> {
                self.0.$call($argument).await.map(Trusted)
            }
        )*}
    )*};
}

views! {
    Producer: Claim, claim(len), claim_up_to(max), claim_contiguous(max);
    Consumer: Peek, peek(len), peek_up_to(max), peek_contiguous(max);
}
