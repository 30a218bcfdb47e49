//! Waiting at many rings at once.

use std::fmt;
use std::hint::spin_loop;
use std::time::{Duration, Instant};
use std::{mem, task};

use super::{Deadline, POLLS_PER_CLOCK, SLICE, Wait, WaitError, Waiter, waiter};
use crate::ring::memory::{Memory, Parking, Role};
use crate::ring::set::{self, SetSystem, pause, settle, sleep_until_ready};
use crate::ring::wait::Limit;
use crate::segment::{FutexWaiter, Segment, Waker};

pub use crate::ring::set::{Ready, Woken};

/// What a [`WaitSet`] waits for at one handle, which it borrows: `rx.readable()`, `rx.readable_for(len)` of a stream,
/// `tx.writable(len)`.
///
/// It is ready as soon as a call of the handle that waits for as much would return: because the elements can be read,
/// or the space is free; or because the wait ends: the other end detached (`Closed`) or exited without that (`Crashed`)
/// and the handle does not await a successor, no process can attach any more (`Orphaned`), the ring was truncated
/// (`Truncated`), or the handle can no longer be used. The call that you make then returns which; one with a limit of
/// zero, `rx.within(Duration::ZERO)`, reports ends too. A handle that awaits a successor is not ready when the other
/// end detaches or crashes: it is once the next one has sent something, or made room.
///
/// It is ready too if no process has attached to the other end and the handle does not wait for the first one
/// (`NotConnected`). `Closed` and `Crashed` last until the next process attaches, the other reasons for ever, and a
/// list with such a handle is ready at once: take it out of the list. A waker of the handle itself does not end the
/// wait of a set.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use ringmain::{Options, WaitSet, Woken};
///
/// let mut orders = Options::anonymous().capacity(4096).message_consumer()?;
/// let mut ticks = Options::anonymous().capacity(64).stream_consumer::<u64>()?;
/// let mut fills = Options::anonymous().capacity(64).stream_producer::<u64>()?;
/// // A message; eight elements at once; room for two.
/// let mut interests = [orders.readable(), ticks.readable_for(8), fills.writable(2)];
/// match WaitSet::new().wait(&mut interests, Duration::from_secs(1))? {
///     Woken::Ready(ready) => assert!(ready.eq([2])),
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
pub type Interest<'a> = set::Interest<'a, <Segment as Memory>::Parking>;

/// Waits at many rings at once, of either kind, at either end.
///
/// Each wait is given a list of interests and returns all that are ready. Readiness is level triggered: what you leave
/// in a ring is ready again at the next wait, and between two waits the set borrows nothing. A busy ring does not
/// starve the others: all that are ready are returned, and each can be served once between two waits.
///
/// It spins and sleeps as [`set_wait`](Self::set_wait) says, at first as [`Wait::SpinThenPark`] does, whatever the
/// strategies of the handles are; but a handle with [`Wait::Park`] has the other end make its own fences, and if all of
/// a list do, the set makes none. The longest spin takes as long for many rings as for one.
///
/// # What it costs
///
/// A sleep costs a load and one or two stores for each ring, one `membarrier` for all of them, and one `futex_waitv`,
/// which takes longer the more rings there are. It lasts until something is published: while nothing is, a set makes no
/// system call.
///
/// The death of a process wakes nobody, so a thread of the library tells the set when to check the other ends: one
/// thread per process, started by the first sleep in a set, which watches the rings (`inotify`) and the processes at
/// their other ends (`pidfd`). A crash, an `abandon`, a truncated ring and a removed name are reported within 10 ms; a
/// process that exited while another one keeps its lock, as soon as its core is written. The first sleep at a handle
/// takes some 50 us more, and a handle that has slept keeps a `pidfd` of the other process.
///
/// If the kernel refuses that (`fs.inotify.max_user_instances`, a filter, no `/proc`, no more threads), a sleep lasts
/// at most 100 ms. After each one the set checks the length of each ring and whether the process at its other end is
/// alive: about 140 + 30 N system calls a second for N rings. What is said above is then reported within 100 ms, and a
/// process whose lock another one keeps within N times that. Sleeps are limited, too, at a ring that users may read who
/// may not write it, by its [`mode`](crate::Options::mode) or a [sealed](crate::Options::sealable) descriptor: they
/// could requeue the sleeper to another futex.
///
/// If another process truncates a ring, the set may access the missing part before it has checked the length
/// (SECURITY.md); a ring without a name cannot be truncated.
///
/// If the system has no `futex_waitv` (before Linux 5.16), or a filter refuses it, the set sleeps for 1 ms at a time.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let [orders, ticks] = ["orders", "ticks"].map(|name| format!("doc-{name}-{}", std::process::id()));
/// use std::time::Duration;
/// use ringmain::{Options, WaitSet, Woken};
///
/// let mut tx = Options::new(&orders).capacity(4096).message_producer()?;
/// let mut orders = Options::new(&orders).unlink_on_close(true).message_consumer()?;
/// let mut ticks = Options::new(&ticks).capacity(64).unlink_on_close(true).stream_consumer::<u64>()?;
/// let mut set = WaitSet::new();
/// let stop = set.waker();
/// tx.push(b"buy 100")?;
/// let mut got = Vec::new();
/// loop {
///     match set.wait(&mut [orders.readable(), ticks.readable()], Duration::from_secs(1))? {
///         Woken::Ready(ready) => {
///             for at in ready {
///                 match at {
///                     0 => got.extend(orders.pop_into(&mut Vec::new())),
///                     _ => drop(ticks.pop()),
///                 }
///             }
///             // From any thread, or a handler of a signal.
///             stop.wake();
///         }
///         Woken::Called => break,
///         Woken::TimedOut => {}
///     }
/// }
/// assert_eq!(got, [7]);
/// # Ok(())
/// # }
/// ```
#[must_use = "a set that is dropped waits for nothing"]
pub struct WaitSet {
    waker: Waker,
    /// Makes the wait check its rings again, and is no call.
    nudger: task::Waker,
    futex_waiter: FutexWaiter,
    /// The strategy, and how long recent waits spun.
    waiter: Waiter,
    /// When it last checked whether the other ends are alive.
    asked: Option<Instant>,
    /// Counts those checks.
    round: usize,
    /// Whether the last wait ended by a call.
    rings_first: bool,
}

impl WaitSet {
    /// Makes a set. It holds no descriptor and refers to no ring.
    pub fn new() -> WaitSet {
        let waker = Waker::new();
        WaitSet {
            nudger: waker.nudger(),
            waker,
            futex_waiter: FutexWaiter::default(),
            waiter: waiter(Wait::default()),
            asked: None,
            round: 0,
            rings_first: false,
        }
    }

    /// Returns a waker that ends a wait of this set from another thread or a signal handler. Each call returns the same
    /// waker.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Changes how the set waits.
    pub fn set_wait(&mut self, strategy: Wait) {
        self.waiter.strategy = strategy;
    }

    /// Waits until an interest of the list is ready, a waker is used, or the limit is over; with `None` without a
    /// limit. With an empty list it waits for a waker.
    ///
    /// A call by a waker comes first; the next wait then checks the rings before it takes another one. With a limit of
    /// 0 it only checks what is ready, and every 100 ms also whether the processes at the other ends are alive, for
    /// handles at which no set has slept.
    ///
    /// # Errors
    ///
    /// - [`WaitError::TooMany`]: the list has more than 127 entries.
    /// - [`WaitError::TooLong`]: one of them asks for more than its ring can ever hold.
    pub fn wait(
        &mut self,
        interests: &mut [Interest<'_>],
        limit: impl Into<Option<Duration>>,
    ) -> Result<Woken, WaitError> {
        let (len, max) = (interests.len(), set::MAX_RINGS);
        if len > max {
            return Err(WaitError::TooMany { len, max });
        }
        if let Some((len, max)) = interests.iter().find_map(set::Interest::too_long) {
            return Err(WaitError::TooLong { len, max });
        }
        let deadline = Deadline::of(limit.into()).begin();
        if let Some(woken) = settle(interests, self, true, deadline.is_over()) {
            return Ok(woken);
        }
        pause(interests);
        match self.waiter.strategy {
            Wait::Spin => loop {
                if let Some(woken) = self.spin(interests, u32::MAX, deadline) {
                    return Ok(woken);
                }
            },
            Wait::SpinThenPark => {
                // A poll takes longer the more rings there are.
                let polls = self.waiter.spins / len.max(1) as u32;
                if let Some(woken) = self.spin(interests, polls, deadline) {
                    self.waiter.spins = (2 * self.waiter.spins).min(self.waiter.longest);
                    return Ok(woken);
                }
                self.waiter.spins = (self.waiter.spins / 2).max(self.waiter.shortest);
            }
            Wait::Park => {}
        }
        Ok(sleep_until_ready(interests, self, deadline))
    }

    /// Polls this many times, and reads the clock now and then.
    fn spin(&mut self, interests: &mut [Interest<'_>], polls: u32, deadline: Deadline<'_>) -> Option<Woken> {
        (1..=polls).find_map(|poll| {
            spin_loop();
            let reads_clock = poll % POLLS_PER_CLOCK == 0;
            settle(interests, self, reads_clock, reads_clock && deadline.is_over())
        })
    }
}

impl Default for WaitSet {
    fn default() -> WaitSet {
        WaitSet::new()
    }
}

impl fmt::Debug for WaitSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WaitSet").field("strategy", &self.waiter.strategy).finish_non_exhaustive()
    }
}

impl SetSystem<<Segment as Memory>::Parking> for WaitSet {
    fn waker(&self) -> &task::Waker {
        &self.nudger
    }

    fn was_called(&mut self) -> bool {
        self.rings_first = self.waker.take();
        self.rings_first
    }

    fn rings_first(&mut self) -> bool {
        mem::take(&mut self.rings_first)
    }

    fn check_round(&mut self) -> Option<usize> {
        let now = Instant::now();
        if self.asked.is_some_and(|asked| now - asked < SLICE) {
            return None;
        }
        self.asked = Some(now);
        self.round = self.round.wrapping_add(1);
        Some(self.round)
    }

    fn sleep<'a>(
        &mut self,
        wake_words: impl Iterator<Item = (&'a <Segment as Memory>::Parking, Role, u64)>,
        limit: Duration,
        is_unbounded: bool,
    ) {
        let until_asked = || self.asked.map_or(SLICE, |asked| SLICE.saturating_sub(asked.elapsed()));
        let limit = if is_unbounded { limit } else { limit.min(until_asked()) };
        let words = wake_words.map(|(parking, role, wakes)| (parking.wakes(role), wakes));
        self.futex_waiter.sleep_on_all(words, self.waker.word(), limit);
    }
}
