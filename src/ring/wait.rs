//! The turns of a wait: what an end that has to wait checks, in which order, before it sleeps and when it wakes.
//!
//! 1. It loads the other end's **presence**. The sleep compares that with what it is then: who attaches or leaves after
//!    this load either is seen by the next checks, or ends the sleep.
//! 2. It asks how the other end has **ended**, where that is in doubt.
//! 3. It checks the **ring**. What was sent before an end is there by now, since the end was observed first.
//! 4. Only then it returns that end, or that the **time** is over, or that somebody **called**.
//! 5. It **sleeps**, unless a last check of the ring and of the presence finds something.
//! 6. It checks the **length** of the ring before it loads anything again: what was cut off must not be touched.
//!
//! What only the system and the clock know is asked through [`Waits`] and [`Limit`]. All else is here, and the models
//! run it.

use core::task::Waker;
use core::time::Duration;

use super::endpoint::{Endpoint, Kind, Side};
use super::error::Broken;
use super::memory::{Memory, Role};
use super::park::GATHERING;
use super::presence::Presence;

/// When a wait is over.
pub trait Limit: Copy {
    /// Returns whether that time has come.
    fn is_over(self) -> bool;

    /// Returns how much time is left; [`Duration::MAX`] if there is no end to it.
    fn rest(self) -> Duration;

    /// Returns how long a sleep may be that nobody ends when the other end is gone.
    fn slice(self) -> Duration;
}

/// What becomes of a sleep when there is a reason to ask how the other end has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// There is one now.
    Hinted,
    /// The waker is called, so it can last.
    Lasting,
    /// Nobody may end it: it is cut into slices.
    Sliced,
}

/// An end of the other side that was not told yet.
#[derive(Clone, Copy, Debug)]
pub struct Ended<E> {
    pub error: E,
    pub peer: Presence,
}

/// What an end that waits asks of the system.
pub trait Waits {
    /// How a wait ends that does not succeed.
    type Error: From<Broken>;

    /// The error of a wait whose time is over.
    const TIMED_OUT: Self::Error;

    /// Returns how the wait has ended, if what it waits for can no longer come. What came before can still be read.
    /// Asked `closely`, it also finds a process that is gone where something keeps its lock, which takes longer.
    ///
    /// # Errors
    ///
    /// Nothing of the ring must be touched any more.
    fn ended(&self, closely: bool) -> Result<Option<Ended<Self::Error>>, Self::Error>;

    /// Returns an end to the user, and notes that it was told.
    fn tell(&self, ended: Ended<Self::Error>) -> Self::Error;

    /// Has the waker called, once, as soon as there is a hint that the other end may have ended.
    fn watch(&mut self, _waker: &Waker) -> Watched {
        Watched::Sliced
    }

    /// Takes a hint, and returns whether there was one; `None` if nobody gives any, so that the system has to be asked
    /// now and then.
    fn hinted(&self) -> Option<bool> {
        None
    }

    /// Takes a call that ends the wait, if there is one, and returns the error that says so.
    fn called(&self) -> Option<Self::Error>;

    /// Returns what is wrong with a ring that was shortened.
    fn shortened(&self) -> Option<Broken>;

    /// Refuses a ring that was shortened. Called before each load of what may be gone.
    fn check_length(&self) -> Result<(), Self::Error> {
        self.shortened().map_or(Ok(()), |cause| Err(cause.into()))
    }
}

impl<K: Kind, R: Side, M: Memory> Endpoint<K, R, M> {
    /// Returns whether the other end's own word says that the wait may have ended. Makes no system call.
    pub(crate) fn may_have_ended(&self) -> bool {
        let peer = self.peer_presence();
        match peer {
            // A set has found it out.
            _ if self.waiter.ended == Some(peer) => true,
            _ if !self.ends.concern(peer) => !self.waiter.awaits_first,
            Presence::Left { .. } => !self.waiter.awaits_successor,
            Presence::Came { .. } | Presence::Never => false,
        }
    }
}

impl<K: Kind, R: Side, M: Memory> Endpoint<K, R, M>
where
    Self: Waits,
{
    /// Sleeps until `need` units of positions are there, or free, or the wait has ended.
    pub(crate) fn sleep_until_ready(&mut self, need: u64, limit: impl Limit) -> Result<(), <Self as Waits>::Error> {
        let mut has_slept = false;
        let mut gathers = core::mem::take(&mut self.waiter.gathers);
        loop {
            let is_over = limit.is_over();
            let seen = self.peer_presence();
            // To check the other end takes a system call, which a wait that soon succeeds does without.
            let is_doubtful = has_slept || is_over || self.may_have_ended();
            if self.settle(need, is_doubtful, is_over)? {
                return Ok(());
            }
            if let Some(called) = self.called() {
                return Err(called);
            }
            let slice = if gathers { limit.slice().min(GATHERING) } else { limit.slice() };
            self.park(need, gathers, seen, slice)?;
            gathers = false;
            self.check_length()?;
            // A producer whose sleep ended with more than it needed: the consumer keeps popping.
            self.waiter.gathers = R::ROLE == Role::Producer && self.is_ready(2 * need)?;
            if self.is_ready(need)? {
                return Ok(());
            }
            has_slept = true;
        }
    }

    /// Returns whether the wait has succeeded; `false` if it goes on. What was sent before an end is found before the
    /// end is told.
    pub(crate) fn settle(
        &mut self,
        need: u64,
        is_doubtful: bool,
        is_over: bool,
    ) -> Result<bool, <Self as Waits>::Error> {
        let ended = if is_doubtful { self.ended(true)? } else { None };
        match (self.is_ready(need)?, ended) {
            (true, _) => Ok(true),
            (false, Some(ended)) => Err(self.tell(ended)),
            (false, None) if is_over => Err(Self::TIMED_OUT),
            (false, None) => Ok(false),
        }
    }
}
