//! When a consumer looks at the tail.

use core::hint::spin_loop;
use core::mem;

/// A look that finds this many elements, or half of the ring, is worth its cost.
const ENOUGH: usize = 1024;

/// A bound on pauses that no reasonable time reaches.
const MOST_PAUSES: u32 = 1 << 24;

/// How long to wait before the next look at the tail.
///
/// A look that finds a few elements cost as much as one that finds many, so the wait grows until looks are worth it; one
/// that finds nothing ends it, because then an element in flight would be delayed by it.
#[derive(Debug)]
pub(super) struct Pace {
    /// The pauses before the next look.
    wait: u32,
    limit: u32,
    /// How many elements make a look worth its cost.
    enough: u64,
}

impl Pace {
    /// Begins without a wait, and never waits longer than `pauses`.
    pub(super) fn new(pauses: u32, capacity: usize) -> Pace {
        Pace { wait: 0, limit: pauses.min(MOST_PAUSES), enough: (capacity / 2).clamp(1, ENOUGH) as u64 }
    }

    /// Is never idle, until its next wait.
    pub(super) fn never_idle() -> Pace {
        Pace { wait: 1, limit: 0, enough: 0 }
    }

    /// Returns whether the next look need not wait.
    #[inline(always)]
    pub(super) fn is_idle(&self) -> bool {
        self.wait == 0
    }

    /// Waits, and returns for how many pauses. It is idle afterwards, unless it learns that elements came.
    pub(super) fn wait(&mut self) -> u32 {
        for _ in 0..self.wait {
            spin_loop();
        }
        mem::take(&mut self.wait)
    }

    /// Learns from a look that found elements after so many pauses.
    #[inline(always)]
    pub(super) fn learn(&mut self, waited: u32, found: u64) {
        let longer = (2 * waited + 1).min(self.limit);
        self.wait = if found < self.enough { longer } else { waited / 2 };
    }
}
