//! Calls that wait: `tx.blocking().push(7)`, `rx.within(limit).pop()`. How a handle waits, and how a wait ends.

mod driver;
mod error;
mod readiness;
mod set;

use std::fmt;
use std::hint::spin_loop;
use std::task;
use std::time::{Duration, Instant};

use crate::pause;
use crate::ring::endpoint::{Endpoint, Kind, Side};
use crate::ring::error::Broken;
use crate::ring::memory::Memory;
use crate::ring::presence::Presence;
use crate::ring::wait::{Ended, Limit, Watched};
use crate::segment::{PeerState, Segment, Waker};

pub(crate) use crate::ring::wait::Waits;
pub use crate::ring::waiter::Wait;
pub(crate) use crate::ring::waiter::Waiter;
pub use driver::Driver;
pub(crate) use driver::DriverRegistration;
pub(crate) use error::{Refused, waited};
pub use error::{Unfinished, WaitError};
pub use readiness::{Descriptor, Readiness};
pub use set::{Interest, Ready, WaitSet, Woken};

/// A handle, a batch or a view whose calls wait: for as long as it takes (`blocking`), or up to a limit (`within`).
///
/// It has the same calls as what it was made from. Each call takes it by value, so a limit holds for one call.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-waiting-{}", std::process::id());
/// use std::time::Duration;
/// use ringmain::{Options, WaitError};
///
/// let mut tx = Options::new(&name).capacity(2).stream_producer::<u64>()?;
/// let mut rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?;
/// tx.blocking().push(7)?;
/// assert_eq!(rx.blocking().pop()?, 7);
/// assert_eq!(rx.within(Duration::from_millis(1)).pop(), Err(WaitError::TimedOut));
/// # Ok(())
/// # }
/// ```
#[must_use = "it waits when a call is made on it"]
pub struct Waiting<'a, H> {
    pub(crate) handle: &'a mut H,
    pub(crate) deadline: Deadline<'a>,
}

impl<'a, H> Waiting<'a, H> {
    #[inline(always)]
    pub(crate) fn new(handle: &'a mut H, limit: Option<Duration>) -> Waiting<'a, H> {
        Waiting { handle, deadline: Deadline::of(limit) }
    }

    /// Borrows it for one more call.
    #[inline(always)]
    pub(crate) fn again(&mut self) -> Waiting<'_, H> {
        Waiting { handle: self.handle, deadline: self.deadline }
    }

    /// Repeats a call until it succeeds or can never succeed, and calls `wait` between two attempts.
    #[inline(always)]
    pub(crate) fn until<R, E: Refused>(
        &mut self,
        mut call: impl FnMut(&mut H) -> Result<R, E>,
        wait: impl Fn(&mut H, &mut Deadline<'a>) -> Result<(), WaitError>,
    ) -> Result<R, WaitError> {
        loop {
            match call(self.handle) {
                Ok(result) => return Ok(result),
                Err(error) => error.permanent().map_or(Ok(()), Err)?,
            }
            wait(self.handle, &mut self.deadline)?;
        }
    }
}

/// Makes the call behind one step of an iterator that waits. The iterator ends after the first error; if the other end
/// closed the ring, it ends without one.
#[inline]
pub(crate) fn next<H, T>(
    waiting: &mut Option<Waiting<'_, H>>,
    call: impl FnOnce(Waiting<'_, H>) -> Result<T, WaitError>,
) -> Option<Result<T, WaitError>> {
    let result = call(waiting.as_mut()?.again());
    if result.is_err() {
        *waiting = None;
    }
    if let Err(WaitError::Closed) = result { None } else { Some(result) }
}

/// Repeats a call for the rest of `len` elements until all of them are moved.
pub(crate) fn all(
    len: usize,
    mut some: impl FnMut(usize) -> Result<usize, WaitError>,
) -> Result<(), Unfinished<usize>> {
    let mut value = 0;
    loop {
        match some(value) {
            Ok(more) if value + more == len => return Ok(()),
            Ok(more) => value += more,
            Err(cause) => return Err(Unfinished { value, cause }),
        }
    }
}

impl<H: fmt::Debug> fmt::Debug for Waiting<'_, H> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Waiting")
            .field("handle", &self.handle)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// # How to wait
impl<K: Kind, R: Side> Endpoint<K, R, Segment> {
    /// Returns this handle with calls that wait without a limit.
    #[inline(always)]
    pub fn blocking(&mut self) -> Waiting<'_, Self> {
        Waiting::new(self, None)
    }

    /// Returns this handle with calls that wait for `limit` at most, and then fail with [`WaitError::TimedOut`]. The
    /// time runs from when a call has to wait.
    #[inline(always)]
    pub fn within(&mut self, limit: Duration) -> Waiting<'_, Self> {
        Waiting::new(self, Some(limit))
    }

    /// Changes the wait strategy, as [`Options::wait`](crate::Options::wait) does at attach.
    pub fn set_wait(&mut self, strategy: Wait) {
        self.waiter.strategy = strategy;
        self.memory.set_parks_always(strategy == Wait::Park);
        self.renew_sleeper();
    }

    /// Returns what ends a call of this handle that waits, with [`WaitError::Called`], from another thread or from a
    /// handler of a signal. Each call of this returns the same waker.
    ///
    /// A call that need not wait is not ended. After the first call of this, each sleep uses `futex_waitv`, which Linux
    /// has since 5.16; if it is missing or refused, the handle sleeps for 1 ms at a time.
    pub fn waker(&mut self) -> Waker {
        self.memory.waker()
    }
}

/// The longest sleep between two checks of the other end: a crash wakes nobody.
pub(crate) const SLICE: Duration = Duration::from_millis(100);

/// The longest spin before a sleep, about the time that a wake takes, and the shortest one.
const LONGEST_SPIN: Duration = Duration::from_micros(50);
const SHORTEST_SPIN: Duration = Duration::from_micros(2);

/// Polls between two readings of the clock.
const POLLS_PER_CLOCK: u32 = 64;

/// A spin makes longer pauses the longer it lasts: one more after this many polls, up to the longest.
const POLLS_PER_PAUSE: u32 = 1024;
const LONGEST_PAUSE: u32 = 32;

/// Makes the state of a handle's waits.
pub(crate) fn waiter(strategy: Wait) -> Waiter {
    Waiter::new(strategy, pause::count_within(LONGEST_SPIN), pause::count_within(SHORTEST_SPIN))
}

/// When a wait ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deadline<'a> {
    Never,
    /// This long after the wait begins. The clock is read when the end is first needed: a call that need not wait reads
    /// no clock.
    After(Duration),
    At(Instant),
    /// When it would sleep, with this error: a task waits. A reference, so that a call that need not wait copies
    /// nothing.
    #[cfg_attr(not(feature = "async"), allow(dead_code, reason = "there are no tasks"))]
    BySleep(&'a WaitError),
}

impl<'a> Deadline<'a> {
    pub(crate) fn of(limit: Option<Duration>) -> Deadline<'a> {
        limit.map_or(Deadline::Never, Deadline::After)
    }

    /// Returns the deadline with its end fixed.
    pub(crate) fn begin(&mut self) -> Deadline<'a> {
        if let Deadline::After(limit) = *self {
            // A limit beyond the range of the clock is no limit.
            *self = Instant::now().checked_add(limit).map_or(Deadline::Never, Deadline::At);
        }
        *self
    }
}

impl Limit for Deadline<'_> {
    fn is_over(self) -> bool {
        matches!(self, Deadline::At(end) if Instant::now() >= end)
    }

    fn rest(self) -> Duration {
        match self {
            Deadline::At(end) => end.saturating_duration_since(Instant::now()),
            _ => Duration::MAX,
        }
    }

    fn slice(self) -> Duration {
        self.rest().min(SLICE)
    }
}

impl<K: Kind, R: Side> Endpoint<K, R, Segment> {
    /// Waits until `need` units of positions can be read, or are free.
    #[inline(never)]
    pub(crate) fn wait_until_ready(&mut self, need: u64, deadline: &mut Deadline<'_>) -> Result<(), WaitError> {
        let deadline = deadline.begin();
        if self.is_ready(need)? {
            return Ok(());
        }
        match self.waiter.strategy {
            Wait::Spin if !matches!(deadline, Deadline::BySleep(_)) => return self.spin(need, deadline),
            Wait::Spin | Wait::SpinThenPark => {
                let spins = if deadline.is_over() { 0 } else { self.waiter.spins };
                for _ in 0..spins {
                    spin_loop();
                    if self.is_ready(need)? {
                        self.waiter.spins = (2 * self.waiter.spins).min(self.waiter.longest);
                        return Ok(());
                    }
                }
                self.waiter.spins = (self.waiter.spins / 2).max(self.waiter.shortest);
            }
            Wait::Park => {}
        }
        if let Deadline::BySleep(error) = deadline {
            self.waiter.need = need;
            return Err(*error);
        }
        self.sleep_until_ready(need, deadline)
    }

    /// Waits without a sleep.
    fn spin(&mut self, need: u64, deadline: Deadline<'_>) -> Result<(), WaitError> {
        self.pause();
        let mut next_check = Instant::now() + SLICE;
        let mut polls = 0_u32;
        loop {
            for _ in 0..(polls / POLLS_PER_PAUSE).clamp(1, LONGEST_PAUSE) {
                spin_loop();
            }
            if self.is_ready(need)? {
                return Ok(());
            }
            polls = polls.saturating_add(1);
            if polls % POLLS_PER_CLOCK != 0 {
                continue;
            }
            let now = Instant::now();
            let is_over = deadline.is_over();
            let checks_peer = is_over || now >= next_check || self.may_have_ended();
            if checks_peer {
                next_check = now + SLICE;
            }
            if self.settle(need, checks_peer, is_over)? {
                return Ok(());
            }
            if let Some(called) = self.called() {
                return Err(called);
            }
        }
    }

    /// Returns whether the other end detached in order and this handle has to report it. Makes no system call.
    pub(crate) fn peer_detached(&self) -> bool {
        let peer = self.peer_presence();
        matches!(peer, Presence::Left { .. }) && self.ends.concern(peer) && !self.waiter.awaits_successor
    }
}

impl<K: Kind, R: Side> Waits for Endpoint<K, R, Segment> {
    type Error = WaitError;

    const TIMED_OUT: WaitError = WaitError::TimedOut;

    fn ended(&self, thorough: bool) -> Result<Option<Ended<WaitError>>, WaitError> {
        self.check_length()?;
        let peer = self.peer_presence();
        let ended = |error| Ok(Some(Ended { error, peer }));
        let state = self.memory.peer_state(thorough);
        // The state may be that of a holder that attached or detached in between: the next check tells which.
        if self.peer_presence() != peer {
            return Ok(None);
        }
        match state {
            PeerState::Alive => return Ok(None),
            _ if !self.ends.concern(peer) => {
                if !self.waiter.awaits_first {
                    return ended(WaitError::NotConnected);
                }
            }
            PeerState::Closed if !self.waiter.awaits_successor => return ended(WaitError::Closed),
            PeerState::Crashed if !self.waiter.awaits_successor => return ended(WaitError::Crashed),
            PeerState::Never | PeerState::Closed | PeerState::Crashed => {}
        }
        if self.memory.is_orphaned() { ended(WaitError::Orphaned) } else { Ok(None) }
    }

    fn report(&self, Ended { error, peer }: Ended<WaitError>) -> WaitError {
        if matches!(error, WaitError::Closed | WaitError::Crashed) && self.memory.in_own_process() {
            self.ends.mark_told(&self.memory, R::ROLE, peer);
        }
        error
    }

    fn watch(&mut self, waker: &task::Waker) -> Watched {
        self.memory.watch(waker)
    }

    fn take_hint(&self) -> Option<bool> {
        self.memory.take_hint()
    }

    fn called(&self) -> Option<WaitError> {
        self.memory.was_called().then_some(WaitError::Called)
    }

    fn truncated(&self) -> Option<Broken> {
        self.memory.truncated().map(|(len, expected)| Broken::Truncated { len, expected })
    }
}
