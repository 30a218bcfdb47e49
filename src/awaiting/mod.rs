//! The calls that wait, as futures for any runtime.
//!
//! Each future makes the call of [`Waiting`] itself again at each poll. If the call would sleep, it returns, and the
//! [`Driver`] at which the handle is registered sleeps in its place and wakes the task. Elements move in the poll that
//! returns `Ready`, and in no poll before: a future that is dropped has done nothing.

#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod io;
mod message;
mod stream;

use std::borrow::BorrowMut;
use std::cell::OnceCell;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::error::Error;
use crate::ring::endpoint::{Endpoint, Internal, Kind, Side};
use crate::ring::set::poll;
use crate::segment::Segment;
use crate::trusted::Trusted;
use crate::wait::{Deadline, Driver, DriverRegistration, Interest, Unfinished, WaitError, Waiting, Waits};

pub use message::MessageSink;

/// The budget of a task: how many calls in a row may be ready at once before one yields.
const BUDGET: u32 = 128;

/// A handle, or a batch of it, whose calls that wait are awaited: `rx.pop().await`.
///
/// `into_async` makes it of a handle, in any runtime and outside of one. It has the calls of [`Waiting`], with the same
/// results. A consumer is a [`Stream`](futures_core::Stream) too, and a producer of elements a
/// [`Sink`](futures_sink::Sink); [`into_sink`](Async::into_sink) makes one of a producer of messages. With the features
/// `tokio` and `futures-io` the ends of a stream of `u8` are the `AsyncRead` and `AsyncWrite` of those.
///
/// # Cancel safety
///
/// A call that is dropped before it is ready has done nothing: what it would have popped is in the ring, and what it
/// would have pushed is not. A value that is to be pushed goes with the future, so claim first: what
/// [`claim`](Async::claim) returns is a permit, and its commit does not wait. Two calls make several steps,
/// [`push_slice`](Async::push_slice) and [`pop_slice`](Async::pop_slice): if they are dropped, those that were made
/// stay made.
///
/// # Other tasks
///
/// After 128 calls in a row that were ready at once, one yields to other tasks of its thread. A call that has to wait
/// spins before it yields, for 50 us at most, and for less if recent spins found nothing; it does not if the handle
/// [waits](crate::Wait) by [`Wait::Park`](crate::Wait::Park).
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-async-{}", std::process::id());
/// use ringmain::{Options, WaitError};
///
/// let mut tx = Options::new(&name).capacity(64).stream_producer::<u64>()?.into_async()?;
/// let mut rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?.into_async()?;
/// futures::executor::block_on(async {
///     tx.push(7).await?;
///     let mut claim = tx.claim(2).await?;
///     claim.copy_from_slice(0, &[8, 9]);
///     claim.commit();
///     drop(tx);
///     let mut values = [0; 3];
///     rx.pop_slice(&mut values).await?;
///     assert_eq!(values, [7, 8, 9]);
///     assert_eq!(rx.pop().await, Err(WaitError::Closed));
///     Ok(())
/// })
/// # }
/// ```
#[must_use = "dropping it gives the role of its handle back"]
pub struct Async<H: Awaited> {
    /// The first field: the registration ends before the handle is dropped.
    task: H::Task,
    handle: H,
}

/// The state of the task that has an end.
pub struct Task {
    /// The registration at the driver that wakes it.
    _registration: DriverRegistration,
    /// How many calls may still be ready before one yields; 0 also if the last one waits, or was dropped while it did.
    budget: u32,
    /// Whether the last call returned `Pending`.
    is_pending: bool,
    /// Whether the stream of items returned an error, and its end is still to be returned.
    has_failed: bool,
}

impl fmt::Debug for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Task").field("budget", &self.budget).finish_non_exhaustive()
    }
}

/// What can be awaited: an end of a ring, or a batch of it. Nothing of it can be called by users:
///
/// ```compile_fail,E0061
/// fn poll(rx: &mut ringmain::message::Consumer, context: &mut std::task::Context<'_>) {
///     let _ = ringmain::generic::Awaited::poll_ready(rx, context);
/// }
/// ```
pub trait Awaited: Sized {
    /// Its task; a batch borrows that of its end.
    type Task: BorrowMut<Task>;

    /// Refuses a ring that was truncated while the task slept, before an access to the missing part.
    #[doc(hidden)]
    fn check_length(&mut self, _: Internal);

    /// Returns whether the last call would be ready now; if not, the task is woken when it may be.
    #[doc(hidden)]
    fn poll_ready(&mut self, context: &mut Context<'_>, _: Internal) -> Poll<Result<(), WaitError>>;
}

impl<K: Kind, R: Side> Awaited for Endpoint<K, R, Segment> {
    type Task = Task;

    fn check_length(&mut self, _: Internal) {
        if let Some(cause) = self.truncated() {
            self.poison(cause);
        }
    }

    fn poll_ready(&mut self, context: &mut Context<'_>, _: Internal) -> Poll<Result<(), WaitError>> {
        let need = self.waiter.need;
        if poll(&mut Interest::new(self, need, 0, 0), context.waker(), false, || ()) {
            if self.settle(need, true, false)? {
                return Poll::Ready(Ok(()));
            }
            // It was ready because the other end had ended, and the next holder has attached since.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// No field is ever pinned.
impl<H: Awaited> Unpin for Async<H> {}

impl<H: Awaited + fmt::Debug> fmt::Debug for Async<H> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Async").field(&self.handle).finish()
    }
}

/// # For tasks
impl<K: Kind, R: Side> Endpoint<K, R, Segment> {
    /// Returns this handle with calls that are awaited. A thread of this process wakes their tasks, one for 32 handles,
    /// which is started when it is needed.
    ///
    /// # Errors
    ///
    /// An error of the system. The handle is closed then.
    pub fn into_async(self) -> Result<Async<Self>, Error> {
        self.awaited(None)
    }

    /// The same, with tasks that are woken by a driver that the user runs.
    ///
    /// # Errors
    ///
    /// As [`into_async`](Self::into_async), and [`Error::Undriven`].
    pub fn into_async_with(self, driver: &Driver) -> Result<Async<Self>, Error> {
        self.awaited(Some(driver))
    }

    fn awaited(mut self, driver: Option<&Driver>) -> Result<Async<Self>, Error> {
        let task =
            Task { _registration: self.register_with(driver)?, budget: BUDGET, is_pending: false, has_failed: false };
        Ok(Async { task, handle: self })
    }
}

impl<K: Kind, R: Side> Async<Endpoint<K, R, Segment>> {
    /// Returns the plain handle.
    pub fn into_inner(self) -> Endpoint<K, R, Segment> {
        self.handle
    }

    /// Refers to the plain handle, which says how much is there or free.
    pub fn get_ref(&self) -> &Endpoint<K, R, Segment> {
        &self.handle
    }

    /// Refers to the plain handle, for calls that do not wait. It must not be swapped for another handle: the task
    /// would not be woken.
    pub fn get_mut(&mut self) -> &mut Endpoint<K, R, Segment> {
        &mut self.handle
    }

    /// Returns a view that refers to the ring's bytes in place.
    ///
    /// # Safety
    ///
    /// As `trust_peer` of the plain handle: the list of facts is at [`Trusted`].
    #[allow(unsafe_code, reason = "the promise that the view rests on")]
    pub unsafe fn trust_peer(&mut self) -> Trusted<&mut Self> {
        Trusted(self)
    }
}

impl<H: Awaited> Async<H> {
    /// Makes a call at each poll, until it does not have to wait.
    #[inline(always)]
    fn until<T, E: Cause, C>(&mut self, call: C) -> Until<'_, H, C>
    where
        C: FnMut(Waiting<'_, H>) -> Result<T, E>,
    {
        Until { end: self, call }
    }

    /// Makes a call once. If it has to wait, it has done nothing, and the task is woken when it is to be made again.
    // The call is made at one place, and all that a call that finds at once what it asks for does not need is out of
    // line, so that this is inlined and an element stays in registers.
    #[inline(always)]
    fn poll<T, E: Cause>(
        &mut self,
        context: &mut Context<'_>,
        mut call: impl FnMut(Waiting<'_, H>) -> Result<T, E>,
    ) -> Poll<Result<T, E>> {
        if self.task.borrow_mut().budget == 0 {
            ready!(self.renew_budget(context));
        }
        self.task.borrow_mut().budget -= 1;
        let (ended, mut error) = (OnceCell::new(), &WaitError::TimedOut);
        loop {
            match call(self.or_fail(error)) {
                Err(error) if error.cause() == WaitError::TimedOut => {}
                result => return Poll::Ready(result),
            }
            if let Err(end) = ready!(self.poll_ready(context)) {
                error = ended.get_or_init(|| end);
            }
        }
    }

    /// Yields if the budget is used up; otherwise the task was woken.
    #[cold]
    #[inline(never)]
    fn renew_budget(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let task = self.task.borrow_mut();
        task.budget = BUDGET;
        if mem::take(&mut task.is_pending) {
            self.handle.check_length(Internal::TOKEN);
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    #[cold]
    #[inline(never)]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), WaitError>> {
        let poll = self.handle.poll_ready(context, Internal::TOKEN);
        if poll.is_pending() {
            let task = self.task.borrow_mut();
            (task.budget, task.is_pending) = (0, true);
        }
        poll
    }

    /// Returns the handle with calls that fail with this error where they would sleep.
    #[inline(always)]
    fn or_fail<'a>(&'a mut self, error: &'a WaitError) -> Waiting<'a, H> {
        Waiting { handle: &mut self.handle, deadline: Deadline::BySleep(error) }
    }

    /// Polls for the next item. The items end when the other end has closed the ring, and after an error.
    #[inline]
    fn poll_item<T>(
        &mut self,
        poll: impl FnOnce(&mut Self) -> Poll<Result<T, WaitError>>,
    ) -> Poll<Option<Result<T, WaitError>>> {
        if mem::take(&mut self.task.borrow_mut().has_failed) {
            return Poll::Ready(None);
        }
        poll(self).map(|result| match result {
            Err(WaitError::Closed) => None,
            result => {
                self.task.borrow_mut().has_failed = result.is_err();
                Some(result)
            }
        })
    }
}

/// A call that is awaited.
// A type of its own whose poll is inlined where it is awaited. Where an `async fn` is not, an element of 64 bytes goes
// by memory from one result to the next, and each time is loaded in other pieces than it was stored in.
#[must_use = "a call that is not awaited does nothing"]
struct Until<'a, H: Awaited, C> {
    end: &'a mut Async<H>,
    call: C,
}

/// No field is ever pinned.
impl<H: Awaited, C> Unpin for Until<'_, H, C> {}

impl<H: Awaited, T, E: Cause, C> Future for Until<'_, H, C>
where
    C: FnMut(Waiting<'_, H>) -> Result<T, E>,
{
    type Output = Result<T, E>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Until { end, call } = self.get_mut();
        end.poll(context, call)
    }
}

/// An error of a call that waits.
trait Cause {
    fn cause(&self) -> WaitError;
}

impl Cause for WaitError {
    fn cause(&self) -> WaitError {
        *self
    }
}

impl<T> Cause for Unfinished<T> {
    fn cause(&self) -> WaitError {
        self.cause
    }
}

/// Calls that are made at each poll.
macro_rules! calls {
    ($($call:ident $(<$type:ident: $bound:ident>)? ($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {$(
        #[doc = concat!("As [`", stringify!($call), "`](crate::Waiting::", stringify!($call), ").")]
        ///
        /// # Errors
        ///
        /// As that call.
        #[inline(always)]
        pub fn $call $(<$type: $bound>)? (&mut self, $($argument: $kind),*) -> impl Future<Output = $result> {
            self.until(move |waiting| waiting.$call($($argument),*))
        }
    )*};
}

/// Calls whose result borrows the handle: as much as they need is awaited, and then they are made.
macro_rules! calls_in_place {
    ($($call:ident($($argument:ident: $kind:ty)?) -> $guard:ty, $wait:ident($($len:expr)?);)*) => {$(
        #[doc = concat!("As [`", stringify!($call), "`](crate::Waiting::", stringify!($call), ").")]
        ///
        /// # Errors
        ///
        /// As that call.
        #[inline]
        pub async fn $call(&mut self $(, $argument: $kind)?) -> Result<$guard, WaitError> {
            self.$wait($($len)?).await?;
            self.or_fail(&WaitError::TimedOut).$call($($argument)?)
        }
    )*};
}

use {calls, calls_in_place};
