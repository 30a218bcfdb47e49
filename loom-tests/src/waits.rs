//! What the system tells an end that waits, and what may be wrong with the order in which it asks.

use std::task::Waker;
use std::time::Duration;

use crate::drivers::CheckedWakerCell;
use crate::internals::Internals;
use crate::model::reached;
use crate::ring::endpoint::{Endpoint, Kind, Side};
use crate::ring::error::Broken;
use crate::ring::memory::{Memory, Role};
use crate::ring::message::PeekBatch;
use crate::ring::presence::{self, Presence};
use crate::ring::wait::{Ended, Limit, Waits, Watched};
use crate::sleeping::{LIMIT, SleepingMemory};

/// How a wait ends that does not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// The time is over.
    TimedOut,
    /// Somebody called.
    Called,
    /// The other end has left.
    Closed,
    /// The other end is gone.
    Crashed,
    /// The handle is of no use any more.
    Broken(Broken),
}

impl From<Broken> for WaitError {
    fn from(broken: Broken) -> WaitError {
        WaitError::Broken(broken)
    }
}

/// How long a wait of a model may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckedLimit {
    /// For ever.
    Endless,
    /// Its time is over when it begins.
    Over,
}

impl Limit for CheckedLimit {
    fn is_over(self) -> bool {
        self == CheckedLimit::Over
    }

    fn rest(self) -> Duration {
        LIMIT
    }

    fn slice(self) -> Duration {
        LIMIT
    }
}

impl<K: Kind, R: Side> Waits for Endpoint<K, R, SleepingMemory> {
    type Error = WaitError;

    const TIMED_OUT: WaitError = WaitError::TimedOut;

    fn ended(&self, _closely: bool) -> Result<Option<Ended<WaitError>>, WaitError> {
        let peer = self.peer_presence();
        let error = match peer {
            Presence::Left { .. } => WaitError::Closed,
            // The lock is asked for between two looks: the word is of the one who held it.
            Presence::Attached { .. } if !self.memory.is_held(R::ROLE.peer()) && self.peer_presence() == peer => {
                WaitError::Crashed
            }
            _ => return Ok(None),
        };
        let is_told = self.ends.concern(peer) && !self.waiter.awaits_successor;
        Ok(is_told.then_some(Ended { error, peer }))
    }

    fn report(&self, Ended { error, peer }: Ended<WaitError>) -> WaitError {
        self.ends.mark_told(&self.memory, R::ROLE, peer);
        error
    }

    fn watch(&mut self, waker: &Waker) -> Watched {
        self.memory.waker_cell().map_or(Watched::Bounded, |waker_cell| waker_cell.register(waker))
    }

    fn take_hint(&self) -> Option<bool> {
        self.memory.waker_cell().map(CheckedWakerCell::take_hint)
    }

    fn called(&self) -> Option<WaitError> {
        self.memory.was_called().then_some(WaitError::Called)
    }

    fn truncated(&self) -> Option<Broken> {
        None
    }
}

/// In which order an end that waits checks what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the library does it.
    Shipped,
    /// It asks how the other end has ended when it has checked the ring.
    RingBeforeEnd,
    /// It loads the presence with which the sleep compares when it has asked how the other end has ended.
    EndBeforePresence,
    /// It does not ask how the other end has ended before it has slept.
    EndAfterSleep,
    /// It returns that the time is over before it checks the ring.
    TimeBeforeRing,
}

/// An end that waits, in one order or another.
pub trait WaitsInOrder {
    /// Waits until `need` units of positions are there, or free.
    ///
    /// # Errors
    ///
    /// Why they are not, and will not be.
    fn wait(&mut self, need: u64, limit: CheckedLimit, order: Order) -> Result<(), WaitError>;

    /// Says that this end waits for a successor of the other one.
    fn await_successor(&mut self);
}

impl<K: Kind, R: Side> WaitsInOrder for Endpoint<K, R, SleepingMemory> {
    fn wait(&mut self, need: u64, limit: CheckedLimit, order: Order) -> Result<(), WaitError> {
        if self.is_ready(need)? {
            return Ok(());
        }
        if order == Order::Shipped {
            return self.sleep_until_ready(need, limit);
        }
        let mut has_slept = false;
        loop {
            if order == Order::TimeBeforeRing && limit.is_over() {
                return Err(WaitError::TimedOut);
            }
            let mut seen = self.peer_presence();
            let mut is_ready = order == Order::RingBeforeEnd && self.is_ready(need)?;
            let ended = if order != Order::EndAfterSleep || has_slept { self.ended(true)? } else { None };
            if order == Order::EndBeforePresence {
                seen = self.peer_presence();
            }
            is_ready = is_ready || order != Order::RingBeforeEnd && self.is_ready(need)?;
            match ended {
                _ if is_ready => return Ok(()),
                Some(ended) => return Err(self.report(ended)),
                None if limit.is_over() => return Err(WaitError::TimedOut),
                None => self.park(need, false, seen, limit.slice())?,
            }
            has_slept = true;
        }
    }

    fn await_successor(&mut self) {
        self.waiter.awaits_successor = true;
    }
}

/// Parks a consumer that has read a batch and not given it back, until there is one more message behind that. A need
/// that does not count what was read is wrong.
///
/// # Errors
///
/// The consumer is of no use any more.
pub fn park_in_batch(batch: &mut PeekBatch<'_, SleepingMemory>, step: u64, counts: bool) -> Result<(), Broken> {
    let (consumer, passed) = batch.parts();
    let seen = presence::observe(consumer.memory().presence(Role::Producer));
    reached("a consumer parks");
    consumer.park(if counts { passed + step } else { step }, false, seen, LIMIT)
}
