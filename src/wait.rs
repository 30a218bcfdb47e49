//! How a handle waits for the other end, and how a wait ends.

use std::error::Error;
use std::fmt;
use std::hint::spin_loop;
use std::time::{Duration, Instant};

use crate::error::{Broken, Corrupted};
use crate::pause;
use crate::ring::broken::FORKED;
use crate::ring::ends::Ends;
use crate::ring::park::GATHERING;
use crate::ring::presence::Presence;
use crate::segment::{PeerState, Segment};

/// How a handle waits for the other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Wait {
    /// Keeps its processor busy, and makes no system call; but for one look every 100 ms at whether the other end still lives,
    /// where nothing came for as long.
    Spin,
    /// Spins for about as long as a wake takes, then sleeps. It spins for a shorter time where that was in vain lately.
    #[default]
    SpinThenPark,
    /// Sleeps at once, and has the other end make a fence with each thing that it publishes: dear for that, but cheaper than
    /// what a sleeper has to do otherwise, where there is a sleep for each.
    Park,
}

/// A wait ended without what it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// The time is over.
    TimedOut,
    /// The other end said that it left. All that it sent has been read.
    Closed,
    /// The other end is gone and did not say so. All that it sent has been read.
    Crashed,
    /// Nobody has come to the other end yet, and this handle does not wait for that.
    NotConnected,
    /// Nobody is at the other end, and the name of the ring is gone, so that nobody can come.
    Orphaned,
    /// More was asked for than the ring can ever hold.
    TooLong {
        /// How many elements, or bytes of a message.
        len: usize,
        /// How many there can be.
        max: usize,
    },
    /// Another process has shortened the memory of the ring. Whatever else touches it may end this process with `SIGBUS`: drop
    /// the handle, and create the ring anew.
    Truncated {
        /// How many bytes are left.
        len: u64,
        /// How many there were.
        expected: u64,
    },
    /// The other end is gone, and there is less than was asked for, and no more will come.
    Short {
        /// How many elements are left. They can be read still.
        left: usize,
        /// How many were asked for.
        len: usize,
        /// Whether the other end is gone without having said so.
        crashed: bool,
    },
    /// The handle belongs to the process that this one was forked from: nothing was touched.
    Forked,
    /// The other end wrote a position or a length that cannot be.
    Corrupted(Corrupted),
}

impl From<Broken> for WaitError {
    fn from(broken: Broken) -> WaitError {
        match broken {
            Broken::Corrupted(cause) => WaitError::Corrupted(cause),
            Broken::Forked => WaitError::Forked,
        }
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            WaitError::TimedOut => "nothing came within the time that was given",
            WaitError::Closed => "the other end has closed the ring",
            WaitError::Crashed => "the process at the other end is gone without having closed the ring",
            WaitError::NotConnected => "nobody has come to the other end of the ring yet",
            WaitError::Orphaned => "nobody is at the other end, and the ring's name is gone: create it anew",
            WaitError::TooLong { len, max } => {
                return write!(
                    formatter,
                    "{len} asked for, the ring can hold {max}; ask for less, or create a larger one"
                );
            }
            WaitError::Truncated { len, expected } => {
                return write!(
                    formatter,
                    "another process has shortened the ring to {len} bytes, expected {expected}; drop the handle and create the ring anew"
                );
            }
            WaitError::Short { left, len, crashed } => {
                let gone = if *crashed { "is gone without having closed the ring" } else { "has closed the ring" };
                return write!(formatter, "the other end {gone}, and left {left} of the {len} that were asked for");
            }
            WaitError::Forked => FORKED,
            WaitError::Corrupted(cause) => return cause.fmt(formatter),
        })
    }
}

impl Error for WaitError {}

/// A push that waited was refused. What was not pushed comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Unsent<T> {
    /// What was not pushed.
    pub value: T,
    /// How the wait ended.
    pub cause: WaitError,
}

impl<T> fmt::Display for Unsent<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(formatter)
    }
}

impl<T> fmt::Debug for Unsent<T> {
    /// Leaves the value out, so that an error about any value can be shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Unsent").field("cause", &self.cause).finish_non_exhaustive()
    }
}

impl<T> Error for Unsent<T> {}

/// The longest sleep: what wakes nobody, such as a crash, is noticed after it.
pub(crate) const SLICE: Duration = Duration::from_millis(100);

/// The longest spin before a sleep, about the time that a wake takes, and the shortest one.
const LONGEST_SPIN: Duration = Duration::from_micros(50);
const SHORTEST_SPIN: Duration = Duration::from_micros(2);

/// Polls between two looks at the clock.
const POLLS_PER_LOOK: u32 = 64;

/// A spin makes longer pauses the longer it lasts: one more after so many polls, up to the longest.
const POLLS_PER_PAUSE: u32 = 1024;
const LONGEST_PAUSE: u32 = 32;

/// When a wait is to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) const NEVER: Deadline = Deadline(None);

    pub(crate) fn after(limit: Duration) -> Deadline {
        // What no clock can reach is never.
        Deadline(Instant::now().checked_add(limit))
    }

    fn is_over(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }

    /// Returns how long a sleep may be.
    fn slice(self) -> Duration {
        self.0.map_or(SLICE, |end| end.saturating_duration_since(Instant::now()).min(SLICE))
    }
}

/// A deadline that is counted from the first time that it is asked for: a call that need not wait asks no clock.
pub(crate) struct Lazy<F> {
    make: F,
    made: Option<Deadline>,
}

impl<F: Fn() -> Deadline> Lazy<F> {
    #[inline(always)]
    pub(crate) fn new(make: F) -> Lazy<F> {
        Lazy { make, made: None }
    }

    pub(crate) fn get(&mut self) -> Deadline {
        *self.made.get_or_insert_with(&self.make)
    }
}

/// One end of a ring, as far as waiting is concerned.
pub(crate) trait End {
    fn segment(&self) -> &Segment;

    /// Sleeps until there is what is `wanted` of the ring, or for `limit`; while it `gathers`, perhaps until there is more. May
    /// return earlier.
    ///
    /// It returns at once where the other end's presence is no more what was `seen`.
    fn park(&mut self, wanted: usize, gathers: bool, seen: Presence, limit: Duration) -> Result<(), Broken>;

    /// Wakes the other end if it sleeps and has what it asked for, before a wait without a sleep.
    fn release(&mut self);

    /// Returns whether there is more than is `wanted`, so that a sleep may wait for more than that as well: a full ring, the
    /// consumer of which keeps popping.
    fn has_more_than(&mut self, wanted: usize) -> bool;
}

/// An end of the other side, which nobody was told yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    error: WaitError,
    peer: Presence,
}

impl Ended {
    /// Returns it for the user, who knows it from now on.
    pub(crate) fn tell(self, waiter: &Waiter, segment: &Segment) -> WaitError {
        if matches!(self.error, WaitError::Closed | WaitError::Crashed) {
            segment.told_of(&waiter.ends, self.peer);
        }
        self.error
    }
}

/// How a handle waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) strategy: Wait,
    /// Whether it waits for the first holder of the other role.
    pub(crate) awaits_first: bool,
    /// Whether it waits for one that follows a holder that left or crashed.
    pub(crate) awaits_successor: bool,
    /// Which ends of the other side concern this handle.
    pub(crate) ends: Ends,
    /// Whether the next sleep waits for more than is wanted, [`GATHERING`] at most, because the last one found more.
    gathers: bool,
    /// How many pauses it spins before it sleeps.
    spins: u32,
    longest: u32,
    shortest: u32,
}

impl Waiter {
    pub(crate) fn new(strategy: Wait, awaits_first: bool, awaits_successor: bool) -> Waiter {
        let longest = pause::count_within(LONGEST_SPIN).max(1);
        let shortest = pause::count_within(SHORTEST_SPIN).max(1);
        let ends = Ends::default();
        Waiter { strategy, awaits_first, awaits_successor, ends, gathers: false, spins: longest, longest, shortest }
    }

    /// Repeats `attempt` until it returns something, and waits in between.
    pub(crate) fn until<E: End, R>(
        &mut self,
        end: &mut E,
        wanted: usize,
        deadline: Deadline,
        mut attempt: impl FnMut(&mut E) -> Option<R>,
    ) -> Result<R, WaitError> {
        if let Some(result) = attempt(end) {
            return Ok(result);
        }
        match self.strategy {
            Wait::Spin => return self.spin(end, deadline, attempt),
            Wait::SpinThenPark => {
                let spins = if deadline.is_over() { 0 } else { self.spins };
                for _ in 0..spins {
                    spin_loop();
                    if let Some(result) = attempt(end) {
                        self.spins = (2 * self.spins).min(self.longest);
                        return Ok(result);
                    }
                }
                self.spins = (self.spins / 2).max(self.shortest);
            }
            Wait::Park => {}
        }
        let mut has_slept = false;
        let mut gathers = std::mem::take(&mut self.gathers);
        loop {
            let is_over = deadline.is_over();
            // Who comes or goes after this look is seen by the next two, or by the last one before the sleep.
            let seen = end.segment().peer_presence();
            // Whether the other end is still there takes a system call, which a wait that soon succeeds does without.
            let is_doubtful = has_slept || is_over || self.may_have_ended(end.segment());
            // What was sent before the end is read before it is told.
            let ended = if is_doubtful { self.ended(end.segment())? } else { None };
            if let Some(result) = attempt(end) {
                return Ok(result);
            }
            if let Some(ended) = ended {
                return Err(ended.tell(self, end.segment()));
            }
            if is_over {
                return Err(WaitError::TimedOut);
            }
            let slice = if gathers { deadline.slice().min(GATHERING) } else { deadline.slice() };
            end.park(wanted, gathers, seen, slice)?;
            gathers = false;
            check_length(end.segment())?;
            self.gathers = end.has_more_than(wanted);
            if let Some(result) = attempt(end) {
                return Ok(result);
            }
            has_slept = true;
        }
    }

    /// Repeats `attempt` without a sleep.
    fn spin<E: End, R>(
        &mut self,
        end: &mut E,
        deadline: Deadline,
        mut attempt: impl FnMut(&mut E) -> Option<R>,
    ) -> Result<R, WaitError> {
        end.release();
        let mut next_look = Instant::now() + SLICE;
        let mut polls = 0_u32;
        loop {
            for _ in 0..(polls / POLLS_PER_PAUSE).clamp(1, LONGEST_PAUSE) {
                spin_loop();
            }
            if let Some(result) = attempt(end) {
                return Ok(result);
            }
            polls = polls.saturating_add(1);
            if polls % POLLS_PER_LOOK != 0 {
                continue;
            }
            let now = Instant::now();
            let is_over = deadline.is_over();
            let ended = if is_over || now >= next_look || self.may_have_ended(end.segment()) {
                next_look = now + SLICE;
                self.ended(end.segment())?
            } else {
                None
            };
            if let Some(result) = attempt(end) {
                return Ok(result);
            }
            if let Some(ended) = ended {
                return Err(ended.tell(self, end.segment()));
            }
            if is_over {
                return Err(WaitError::TimedOut);
            }
        }
    }

    /// Returns whether the other end's own word says that the wait may have ended. Makes no system call.
    fn may_have_ended(&self, segment: &Segment) -> bool {
        let peer = segment.peer_presence();
        match peer {
            _ if !self.ends.concern(peer) => !self.awaits_first,
            Presence::Left { .. } => !self.awaits_successor,
            Presence::Came { .. } | Presence::Never => false,
        }
    }

    /// Returns whether the other end has said that it left, in an end that is to be told. Makes no system call.
    pub(crate) fn was_left(&self, segment: &Segment) -> bool {
        let peer = segment.peer_presence();
        matches!(peer, Presence::Left { .. }) && self.ends.concern(peer) && !self.awaits_successor
    }

    /// Returns how the wait has ended, if nothing that is waited for can come any more. What came before can be read still.
    ///
    /// # Errors
    ///
    /// [`WaitError::Truncated`]: nothing must be looked at any more.
    pub(crate) fn ended(&self, segment: &Segment) -> Result<Option<Ended>, WaitError> {
        check_length(segment)?;
        let peer = segment.peer_presence();
        let ended = |error| Ok(Some(Ended { error, peer }));
        match segment.examine_peer() {
            PeerState::Alive => return Ok(None),
            _ if !self.ends.concern(peer) => {
                if !self.awaits_first {
                    return ended(WaitError::NotConnected);
                }
            }
            PeerState::Closed if !self.awaits_successor => return ended(WaitError::Closed),
            PeerState::Crashed if !self.awaits_successor => return ended(WaitError::Crashed),
            PeerState::Never | PeerState::Closed | PeerState::Crashed => {}
        }
        if segment.is_orphaned() { ended(WaitError::Orphaned) } else { Ok(None) }
    }
}

/// Refuses a ring that is not as long as it was. The next look may be at what is gone, so this comes in front of it.
fn check_length(segment: &Segment) -> Result<(), WaitError> {
    match segment.truncated() {
        None => Ok(()),
        Some((len, expected)) => Err(WaitError::Truncated { len, expected }),
    }
}
