//! What the library does with an end and shows to nobody.

use std::time::Duration;

use crate::detach::detach;
use crate::ring::endpoint::{Endpoint, Kind, Side};
use crate::ring::ends::Ends;
use crate::ring::error::Broken;
use crate::ring::memory::Memory;
use crate::ring::presence::Presence;

/// Calls of an end that are private in the library: its handles make them for their users.
pub trait Internals {
    /// What the end lies in.
    type Memory: Memory;

    /// Returns the memory.
    fn memory(&self) -> &Self::Memory;

    /// Returns the memory for a change that does not move it.
    fn memory_mut(&mut self) -> &mut Self::Memory;

    /// Returns which ends of the other side concern this one.
    fn ends(&self) -> &Ends;

    /// Says which ends of the other side concern this one, which has just come.
    fn set_ends(&mut self, ends: Ends);

    /// Returns whether `need` units of positions are there, or free. Loads the other end's word unless as much is
    /// known.
    ///
    /// # Errors
    ///
    /// The end is of no use any more.
    fn is_ready(&mut self, need: u64) -> Result<bool, Broken>;

    /// Sleeps once, until `need` units of positions are there, or free; a producer that `gathers`, until a quarter of
    /// the ring is.
    ///
    /// # Errors
    ///
    /// The end is of no use any more.
    fn park(&mut self, need: u64, gathers: bool, seen: Presence, limit: Duration) -> Result<(), Broken>;

    /// Wakes the other end, since the presence of this one has changed.
    fn wake(&mut self);

    /// Asks the other end for fences, or asks no more, as the memory says now.
    fn renew_sleeper(&mut self);

    /// Says that this holder leaves in order. It counts as told of how the other side ends.
    fn leave(&mut self, generation: u64);

    /// Says that this holder leaves in order, and gives the ring to whoever follows.
    fn hand_on(&mut self, generation: u64);
}

impl<K: Kind, R: Side, M: Memory> Internals for Endpoint<K, R, M> {
    type Memory = M;

    fn memory(&self) -> &M {
        &self.memory
    }

    fn memory_mut(&mut self) -> &mut M {
        &mut self.memory
    }

    fn ends(&self) -> &Ends {
        &self.ends
    }

    fn set_ends(&mut self, ends: Ends) {
        self.ends = ends;
    }

    fn is_ready(&mut self, need: u64) -> Result<bool, Broken> {
        Endpoint::is_ready(self, need)
    }

    fn park(&mut self, need: u64, gathers: bool, seen: Presence, limit: Duration) -> Result<(), Broken> {
        Endpoint::park(self, need, gathers, seen, limit)
    }

    fn wake(&mut self) {
        Endpoint::wake(self);
    }

    fn renew_sleeper(&mut self) {
        Endpoint::renew_sleeper(self);
    }

    fn leave(&mut self, generation: u64) {
        detach(&self.memory, R::ROLE, generation, false);
    }

    fn hand_on(&mut self, generation: u64) {
        detach(&self.memory, R::ROLE, generation, true);
    }
}
