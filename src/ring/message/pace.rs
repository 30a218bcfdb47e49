//! Where a consumer of messages looks next: at a header, or at the tail.

use core::hint::spin_loop;
use core::mem;

/// From this wait on, messages flow.
const FLOW: u32 = 3;

/// A bound on pauses that no reasonable time reaches.
const MOST_PAUSES: u32 = 1 << 24;

/// Decides between the header, which answers soonest, and the tail, which tells of many messages at once.
///
/// A message that was found at a header right after another one begins a flow, in which each look is at the tail and waits
/// until it is worth its cost: a look takes the line of the tail from the producer, which stands still until it has it
/// back. A look that finds nothing, or a single message, ends the flow.
#[derive(Debug)]
pub(super) struct Pace {
    /// 0: the last look found nothing. 1: it found a message at its header. More: messages flow.
    wait: u32,
    longest: u32,
    /// The longest wait in pauses.
    pauses: u32,
    /// How many bytes make a look at the tail worth its cost.
    enough: u64,
}

impl Pace {
    /// Begins without a flow, and never waits longer than `pauses`.
    pub(super) fn new(pauses: u32, enough: u64) -> Pace {
        let pauses = pauses.min(MOST_PAUSES);
        Pace { wait: 0, longest: pauses.max(FLOW), pauses, enough }
    }

    /// Poisoned: flows, so that the next look goes where the handle's cause is told.
    pub(super) fn poisoned() -> Pace {
        Pace { wait: FLOW, longest: FLOW, pauses: 0, enough: 0 }
    }

    /// Returns whether the next look is at the tail.
    #[inline(always)]
    pub(super) fn is_flowing(&self) -> bool {
        self.wait >= FLOW
    }

    /// Waits before a look at the tail, and returns how long. There is no flow afterwards, unless it learns of one.
    pub(super) fn wait(&mut self) -> u32 {
        for _ in 0..self.wait.min(self.pauses) {
            spin_loop();
        }
        mem::take(&mut self.wait)
    }

    /// Learns from a look at a header that was 0.
    #[inline(always)]
    pub(super) fn found_nothing(&mut self) {
        self.wait = 0;
    }

    /// Learns from a look at a header that found a message.
    #[inline(always)]
    pub(super) fn found_one(&mut self) {
        self.wait = 2 * self.wait + 1;
    }

    /// Learns from a look at the tail that found a single message. More waiting would not find more, only later.
    #[inline(always)]
    pub(super) fn found_single(&mut self) {
        self.wait = 1;
    }

    /// Learns from a look at the tail that found so many bytes.
    #[inline(always)]
    pub(super) fn learn(&mut self, waited: u32, found: u64) {
        let next = if found < self.enough { 2 * waited + 1 } else { waited / 2 };
        self.wait = next.clamp(FLOW, self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at the tail, and learns that so many bytes were found; returns the next wait.
    fn look(pace: &mut Pace, found: u64) -> u32 {
        let waited = pace.wait();
        pace.learn(waited, found);
        pace.wait
    }

    #[test]
    fn a_second_message_right_after_another_begins_a_flow() {
        let mut pace = Pace::new(20, 512);
        pace.found_one();
        assert!(!pace.is_flowing());
        pace.found_nothing();
        pace.found_one();
        assert!(!pace.is_flowing());
        pace.found_one();
        assert!(pace.is_flowing());
    }

    #[test]
    fn looks_that_find_little_wait_longer_each_time_up_to_the_limit() {
        let mut pace = Pace { wait: 3, ..Pace::new(20, 512) };
        assert_eq!([5; 4].map(|found| look(&mut pace, found)), [7, 15, 20, 20]);
    }

    #[test]
    fn looks_that_find_enough_wait_less_each_time_and_stay_in_the_flow() {
        let mut pace = Pace { wait: 20, ..Pace::new(20, 32) };
        assert_eq!([32; 4].map(|found| look(&mut pace, found)), [10, 5, 3, 3]);
    }

    #[test]
    fn a_look_at_the_tail_that_finds_nothing_ends_a_flow() {
        let mut pace = Pace { wait: 20, ..Pace::new(20, 512) };
        pace.wait();
        assert!(!pace.is_flowing());
    }

    #[test]
    fn a_look_at_the_tail_that_finds_a_single_message_ends_a_flow() {
        let mut pace = Pace { wait: 20, ..Pace::new(20, 512) };
        pace.wait();
        pace.found_single();
        assert!(!pace.is_flowing());
    }

    #[test]
    fn without_pauses_there_is_a_flow_all_the_same() {
        let mut pace = Pace::new(0, 512);
        pace.found_one();
        pace.found_one();
        assert!(pace.is_flowing());
        assert_eq!(look(&mut pace, 5), FLOW);
    }

    #[test]
    fn the_longest_wait_is_bounded_whatever_is_asked_for() {
        let mut pace = Pace::new(u32::MAX, u64::MAX);
        pace.learn(MOST_PAUSES, 1);
        assert_eq!(pace.wait, MOST_PAUSES);
    }
}
