//! The steps of a wait: what an end that has to wait checks, in which order, before it sleeps and after it wakes.
//!
//! 1. It loads the other end's **presence**, and loads it again before the sleep: an attach or a detach after this load
//!    is either found by the next checks, or ends the sleep.
//! 2. It checks whether the other end has **ended**, if that is not known.
//! 3. It checks the **ring**. What was sent before an end is in the ring by now, since the end was observed first.
//! 4. Only then does it return that end, or that the **time** is over, or that a waker was **called**.
//! 5. It **sleeps**, unless a last check of the ring and of the presence finds something.
//! 6. It checks the **length** of the object before it loads anything again: a truncated part must not be accessed.
//!
//! What needs the operating system or the clock is behind [`Waits`] and [`Limit`]. All else is here, and the models run
//! it.

use core::task::Waker;
use core::time::Duration;

use super::endpoint::{Endpoint, Kind, Side};
use super::error::Broken;
use super::memory::{Memory, Role};
use super::park::GATHERING;
use super::presence::Presence;

/// The limit of a wait.
pub trait Limit: Copy {
    /// Returns whether that time has come.
    fn is_over(self) -> bool;

    /// Returns how much time is left; [`Duration::MAX`] if there is no limit.
    fn rest(self) -> Duration;

    /// Returns the longest sleep if no watch ends it when the other process exits.
    fn slice(self) -> Duration;
}

/// How a sleep learns that the other end may have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// There is a hint already: do not sleep.
    Hinted,
    /// A watch calls the waker, so the sleep needs no bound.
    Unbounded,
    /// There may be no watch: the sleep is cut into slices.
    Bounded,
}

/// An end of the other side that was not reported yet.
#[derive(Clone, Copy, Debug)]
pub struct Ended<E> {
    pub error: E,
    pub peer: Presence,
}

/// What a wait at one ring needs of the operating system.
pub trait Waits {
    /// Why a wait did not succeed.
    type Error: From<Broken>;

    /// The error of a wait whose time is over.
    const TIMED_OUT: Self::Error;

    /// Returns how the wait ends, if no more can be sent or read by the other end. What was sent before can still be
    /// read. If `thorough`, it also finds that a process has exited whose lock another one keeps, which takes longer.
    ///
    /// # Errors
    ///
    /// The ring must not be accessed any more.
    fn ended(&self, thorough: bool) -> Result<Option<Ended<Self::Error>>, Self::Error>;

    /// Returns the error that reports an end, and records that it was told.
    fn report(&self, ended: Ended<Self::Error>) -> Self::Error;

    /// Registers a waker, which is called once when the other end may have ended.
    fn watch(&mut self, _waker: &Waker) -> Watched {
        Watched::Bounded
    }

    /// Takes a hint, and returns whether there was one; `None` if there is no watch, so that the other end has to be
    /// checked now and then.
    fn take_hint(&self) -> Option<bool> {
        None
    }

    /// Takes a call that ends the wait, if there is one, and returns the error that says so.
    fn called(&self) -> Option<Self::Error>;

    /// Returns the error if the ring was truncated.
    fn truncated(&self) -> Option<Broken>;

    /// Refuses a ring that was truncated. Called before each load from memory that may be missing.
    fn check_length(&self) -> Result<(), Self::Error> {
        self.truncated().map_or(Ok(()), |cause| Err(cause.into()))
    }
}

impl<K: Kind, R: Side, M: Memory> Endpoint<K, R, M> {
    /// Returns whether the presence of the other end says that the wait may have ended. Makes no system call.
    pub(crate) fn may_have_ended(&self) -> bool {
        let peer = self.peer_presence();
        match peer {
            // A set has found it out.
            _ if self.waiter.ended == Some(peer) => true,
            _ if !self.ends.concern(peer) => !self.waiter.awaits_first,
            Presence::Left { .. } => !self.waiter.awaits_successor,
            Presence::Attached { .. } | Presence::Never => false,
        }
    }
}

impl<K: Kind, R: Side, M: Memory> Endpoint<K, R, M>
where
    Self: Waits,
{
    /// Sleeps until `need` units of positions can be read, or are free, or the wait has ended.
    pub(crate) fn sleep_until_ready(&mut self, need: u64, limit: impl Limit) -> Result<(), <Self as Waits>::Error> {
        let mut has_slept = false;
        let mut gathers = core::mem::take(&mut self.waiter.gathers);
        loop {
            let is_over = limit.is_over();
            let seen = self.peer_presence();
            // The check takes a system call, which a short wait saves.
            let checks_peer = has_slept || is_over || self.may_have_ended();
            if self.settle(need, checks_peer, is_over)? {
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
    /// end is reported.
    pub(crate) fn settle(
        &mut self,
        need: u64,
        checks_peer: bool,
        is_over: bool,
    ) -> Result<bool, <Self as Waits>::Error> {
        let ended = if checks_peer { self.ended(true)? } else { None };
        match (self.is_ready(need)?, ended) {
            (true, _) => Ok(true),
            (false, Some(ended)) => Err(self.report(ended)),
            (false, None) if is_over => Err(Self::TIMED_OUT),
            (false, None) => Ok(false),
        }
    }
}
