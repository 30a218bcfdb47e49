//! Waiting at many rings at once.

use std::fmt;
use std::hint::spin_loop;
use std::time::{Duration, Instant};
use std::{mem, task};

use super::{Deadline, POLLS_PER_CLOCK, SLICE, Wait, WaitError, Waiter, waiter};
use crate::ring::memory::{Memory, Parking, Role};
use crate::ring::set::{self, Sleeps, pause, settle, sleep_until_ready};
use crate::ring::wait::Limit;
use crate::segment::{Bed, Segment, Waker};

pub use crate::ring::set::{Ready, Woken};

/// What a [`WaitSet`] waits for at one handle, which it borrows: `rx.readable()`, `rx.readable_for(len)` of a stream,
/// `tx.writable(len)`.
///
/// It is ready as soon as a call of the handle that waits for as much would not wait: because that is there, or free;
/// or because the wait has ended: the other end has left (`Closed`) or is gone (`Crashed`) and the handle does not
/// await a successor, nobody can come any more (`Orphaned`), the ring was shortened (`Truncated`), or the handle can no
/// longer be used. Which it is, the call that the user makes then tells; one that waits for no time,
/// `rx.within(Duration::ZERO)`, tells of ends too. A handle that awaits a successor is not ready when the other end
/// leaves or crashes: it is when the next one has sent something, or made room.
///
/// It is ready too if nobody is at the other end and the handle does not wait for the first one (`NotConnected`). An
/// end that was told stays until the next process attaches there, the others for ever, and a list with such a handle is
/// ready at once. So take it out of the list. A waker of the handle itself ends no wait of a set.
pub type Interest<'a> = set::Interest<'a, <Segment as Memory>::Parking>;

/// Waits at many rings at once, of either kind, at either end.
///
/// Each wait is given a list of what is waited for, and returns all that is ready. That is asked anew each time, so
/// what the user leaves in a ring is ready again (level triggered), and between two waits the set borrows nothing. A
/// ring that always has something does not hide the others: all that are ready are told, and each can be served once
/// between two waits.
///
/// It spins and sleeps as [`set_wait`](Self::set_wait) says, at first as [`Wait::SpinThenPark`] does, however the
/// handles themselves wait; but a handle that waits by [`Wait::Park`] has the other end make its own fences, and if all
/// of a list do, the set makes none. The longest spin is as long at many rings as at one.
///
/// # What it costs
///
/// A sleep costs a load and a store or two for each ring, one `membarrier` for all of them, and one `futex_waitv`,
/// which takes the system longer the more rings there are. It lasts until something comes: a set to whose rings nothing
/// comes makes no system call.
///
/// The death of a process wakes nobody, so a thread of the library's tells the set to ask how the other end is: one per
/// process, started by its first sleep in a set, in which the system watches the rings (`inotify`) and the processes at
/// their other ends. A crash, an `abandon`, a ring that is shortened and a name that is removed are told within 10 ms;
/// a process that is gone though something keeps its lock, as soon as the system has written its core. The first sleep
/// at a handle takes some 50 us more, and a handle that has slept keeps a descriptor of that process.
///
/// Where the system refuses that (`fs.inotify.max_user_instances`, a filter, no `/proc`, no more threads), sleeps are
/// cut into slices of 100 ms. After each one the set asks the system for each ring how long it is and whether the
/// process at the other end lives: about 140 + 30 N system calls a second at N rings. What is said above is told within
/// 100 ms then, and a process whose lock something keeps within N times that. Sleeps are cut, too, at a ring that users
/// may read who may not write it, by its [`mode`](crate::Options::mode) or a descriptor that is
/// [sealed](crate::Options::sealable): they could take the sleeper from the word by which it is woken.
///
/// When another process has shortened a ring, the set may touch what is gone, if another ring wakes it before it knows
/// (SECURITY.md); a ring without a name cannot be shortened.
///
/// If the system has no `futex_waitv` (before Linux 5.16), or a filter refuses it, the set sleeps in naps of 1 ms.
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
pub struct WaitSet {
    waker: Waker,
    /// Has it look again, and is no call.
    nudger: task::Waker,
    bed: Bed,
    /// How it waits, and how long it spun lately.
    waiter: Waiter,
    /// When it last asked whether the other ends live.
    asked: Option<Instant>,
    /// How often it has.
    round: usize,
    /// Whether the last wait ended by a call.
    looks_first: bool,
}

impl WaitSet {
    /// Makes a set. It holds no descriptor, and nothing of any ring.
    #[must_use]
    pub fn new() -> WaitSet {
        let waker = Waker::new();
        WaitSet {
            nudger: waker.nudger(),
            waker,
            bed: Bed::default(),
            waiter: waiter(Wait::default()),
            asked: None,
            round: 0,
            looks_first: false,
        }
    }

    /// Returns what ends a wait of this set from another thread, or from a handler of a signal. Each call of this
    /// returns the same waker.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Changes how the set waits.
    pub fn set_wait(&mut self, strategy: Wait) {
        self.waiter.strategy = strategy;
    }

    /// Waits until something of the list is ready, or a waker is used, or the limit is over; with `None` for as long as
    /// it takes. A list of nothing waits for a waker.
    ///
    /// A call by a waker comes first; the next wait then looks at the rings before it takes another one. With a limit
    /// of 0 it only asks what is ready, and each 100 ms the system about handles at which no set has slept.
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
        let (len, max) = (interests.len(), set::MOST);
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
                // A poll of many rings takes as much longer.
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

    /// Polls so many times, and reads the clock now and then.
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

impl Sleeps<<Segment as Memory>::Parking> for WaitSet {
    fn waker(&self) -> &task::Waker {
        &self.nudger
    }

    fn was_called(&mut self) -> bool {
        self.looks_first = self.waker.take();
        self.looks_first
    }

    fn looks_first(&mut self) -> bool {
        mem::take(&mut self.looks_first)
    }

    fn doubt(&mut self) -> Option<usize> {
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
        beds: impl Iterator<Item = (&'a <Segment as Memory>::Parking, Role, u64)>,
        limit: Duration,
        lasts: bool,
    ) {
        let until_asked = || self.asked.map_or(SLICE, |asked| SLICE.saturating_sub(asked.elapsed()));
        let limit = if lasts { limit } else { limit.min(until_asked()) };
        let words = beds.map(|(parking, role, wakes)| (parking.wakes(role), wakes));
        self.bed.sleep_on_all(words, &self.waker, limit);
    }
}
