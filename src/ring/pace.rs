//! How long an end pauses before it loads the position of the other one.

use core::hint::spin_loop;
use core::mem;

/// A bound on pauses that no reasonable time reaches.
const MOST_PAUSES: u32 = 1 << 24;

/// How long to wait before the next look at the other end's position: a consumer's at the tail when it has read all that it knew
/// of, a producer's at the head when it has filled all that it knew to be free.
///
/// A look that finds a little costs as much as one that finds much, so the wait grows until looks are worth it. A consumer whose
/// look finds nothing, or a single element, waits no more: then its producer is slow, and a wait would only delay what is in
/// flight. A producer goes on waiting at a ring that is still full: it delays nothing but itself, and each of its looks would
/// take the line of the head from the consumer.
#[derive(Debug)]
pub struct Pace {
    /// The pauses before the next look.
    wait: u32,
    limit: u32,
    /// How much makes a look worth its cost, in units of positions.
    enough: u64,
}

impl Pace {
    /// Begins without a wait, and never waits longer than `pauses`.
    pub fn new(pauses: u32, enough: u64) -> Pace {
        Pace { wait: 0, limit: pauses.min(MOST_PAUSES), enough }
    }

    /// Poisoned: the next look waits, and so goes where the handle's cause is told.
    pub fn poisoned() -> Pace {
        Pace { wait: 1, limit: 0, enough: 0 }
    }

    /// Returns whether the next look need not wait.
    #[inline(always)]
    pub fn is_idle(&self) -> bool {
        self.wait == 0
    }

    /// Waits, and returns for how many pauses. It is idle afterwards, unless it learns that elements came.
    pub fn wait(&mut self) -> u32 {
        for _ in 0..self.wait {
            spin_loop();
        }
        mem::take(&mut self.wait)
    }

    /// Learns from a look that found one element. The other end is slow, or was just waited for: more waiting would not find
    /// more, only later.
    #[inline(always)]
    pub fn found_one(&mut self) {
        self.wait = self.limit.min(1);
    }

    /// Learns from a look that found this much after so many pauses.
    #[inline(always)]
    pub fn learn(&mut self, waited: u32, found: u64) {
        let longer = (2 * waited + 1).min(self.limit);
        self.wait = if found < self.enough { longer } else { waited / 2 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits, and learns that so many elements were found; returns the next wait.
    fn look(pace: &mut Pace, found: u64) -> u32 {
        let waited = pace.wait();
        pace.learn(waited, found);
        pace.wait
    }

    #[test]
    fn looks_that_find_a_few_wait_longer_each_time_up_to_the_limit() {
        let mut pace = Pace::new(20, 512);
        assert_eq!([5; 6].map(|found| look(&mut pace, found)), [1, 3, 7, 15, 20, 20]);
    }

    #[test]
    fn looks_that_find_enough_wait_less_each_time() {
        let mut pace = Pace { wait: 20, ..Pace::new(20, 32) };
        assert_eq!([32; 4].map(|found| look(&mut pace, found)), [10, 5, 2, 1]);
    }

    #[test]
    fn a_look_that_finds_nothing_or_one_element_ends_a_long_wait() {
        let mut pace = Pace { wait: 20, ..Pace::new(20, 512) };
        pace.wait();
        assert!(pace.is_idle());
        pace.found_one();
        assert_eq!(pace.wait, 1);
    }

    #[test]
    fn without_pauses_nothing_waits() {
        let mut pace = Pace::new(0, 512);
        assert_eq!(look(&mut pace, 5), 0);
        pace.found_one();
        assert!(pace.is_idle());
    }
}
