//! How long an end pauses before it loads the position of the other one.

use core::hint::spin_loop;
use core::mem;
use std::time::Instant;

/// A bound on pauses, beyond any reasonable time.
const MOST_PAUSES: u32 = 1 << 24;

/// The longest wait, in times of a miss: a load of a line that the other end wrote last.
const MISSES: u32 = 8;

/// The longest miss that is accepted, in pauses: with pauses of 50 ns, eight of them are less than a millisecond.
const LONGEST_MISS: u32 = 2048;

/// Waits of fewer pauses tell nothing about a pause.
const PAUSES_TO_MEASURE: u32 = 8;

/// A miss is measured again after this many loads: the scheduler moves processes, and with them the distance of a line.
const LOADS_TO_MEASURE: u32 = 64;

/// The longest wait before the next load.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// This many pauses.
    Pauses(u32),
    /// A multiple of the time of a load that misses, which is measured now and then.
    Measured,
}

impl From<u32> for Bound {
    fn from(pauses: u32) -> Bound {
        Bound::Pauses(pauses)
    }
}

/// From this wait on, messages flow.
const FLOW: u32 = 3;

/// How long to wait before the next load of the other end's position: a consumer's of the tail when it has read all
/// that it knew of, a producer's of the head when it has filled all that it knew to be free.
///
/// A load that finds a little costs as much as one that finds much, so the wait grows until loads are worth it. A
/// consumer whose load finds nothing, or a single element, stops waiting: then its producer is slow, and a wait would
/// only delay what is in flight. A producer goes on waiting at a ring that is still full: it delays nothing but itself,
/// and each of its loads would take the line of the head from the consumer.
///
/// A consumer of messages has two words to load: the header at its head, which answers soonest, and the tail, which
/// tells of many messages at once. A message that it finds at a header right after another one begins a flow, in which
/// it loads the tail, and waits before that. A load that finds nothing, or a single message, ends the flow.
#[derive(Debug)]
pub struct Pace {
    /// The pauses before the next load.
    wait: u32,
    shortest: u32,
    longest: u32,
    /// The most pauses that are made, whatever the wait is.
    pauses: u32,
    /// How much makes a load worth its cost, in units of positions.
    enough: u64,
    /// Of a producer: whether the ring was empty at the last load of the head, so that the consumer waits.
    is_awaited: bool,
    miss: Option<Miss>,
}

/// How long a miss takes.
#[derive(Debug)]
struct Miss {
    /// In pauses, smoothed.
    pauses: u32,
    /// The loads until it is measured again.
    loads: u32,
    /// When a load began that is being measured, what reading the clock takes, and a pause, in nanoseconds.
    begun: Option<(Instant, f32, f32)>,
}

impl Miss {
    /// A first guess, for the first few loads.
    const GUESS: Miss = Miss { pauses: PAUSES_TO_MEASURE, loads: 0, begun: None };

    /// Makes `pauses`, and begins to measure the load that follows, if it is time for that.
    #[inline(never)]
    fn wait(&mut self, pauses: u32) {
        self.begun = None;
        if self.loads > 0 || pauses < PAUSES_TO_MEASURE {
            return (0..pauses).for_each(|_| spin_loop());
        }
        let times = [Instant::now(), Instant::now()];
        (0..pauses).for_each(|_| spin_loop());
        let begun = Instant::now();
        let clock = (times[1] - times[0]).as_nanos() as f32;
        let pause = ((begun - times[1]).as_nanos() as f32 - clock) / pauses as f32;
        self.begun = Some((begun, clock, pause.max(1.0)));
    }

    /// Learns how long the load took, if it was measured and found something, and returns the longest wait.
    #[inline(never)]
    fn end(&mut self, found: u64) -> u32 {
        if let Some((begun, clock, pause)) = self.begun.take().filter(|_| found > 0) {
            self.took((begun.elapsed().as_nanos() as f32 - clock) / pause);
        }
        self.loads = self.loads.saturating_sub(1);
        MISSES * self.pauses
    }

    /// Learns that a miss took as long as this many pauses.
    fn took(&mut self, pauses: f32) {
        // An interruption is no miss. Not by `clamp`, whose panic needs the code that prints floats.
        let pauses = pauses.max(1.0).min(4.0 * self.pauses as f32) as u32;
        self.pauses = ((3 * self.pauses + pauses) / 4).clamp(1, LONGEST_MISS);
        self.loads = LOADS_TO_MEASURE;
    }
}

impl Pace {
    /// Begins without a wait, and never waits longer than `bound`.
    pub fn new(bound: Bound, enough: u64) -> Pace {
        let (pauses, miss) = match bound {
            Bound::Pauses(pauses) => (pauses.min(MOST_PAUSES), None),
            Bound::Measured => (MOST_PAUSES, Some(Miss::GUESS)),
        };
        let longest = miss.as_ref().map_or(pauses, |miss| MISSES * miss.pauses);
        Pace { wait: 0, shortest: 0, longest, pauses, enough, is_awaited: false, miss }
    }

    /// Begins without a flow, for a consumer of messages.
    pub fn of_flow(bound: Bound, enough: u64) -> Pace {
        let pace = Pace::new(bound, enough);
        Pace { shortest: FLOW, longest: pace.longest.max(FLOW), ..pace }
    }

    /// Poisoned: sends each call through the path that waits, or flows, which returns the error.
    pub fn poisoned() -> Pace {
        Pace { wait: FLOW, shortest: FLOW, longest: FLOW, pauses: 0, enough: 0, is_awaited: false, miss: None }
    }

    /// Returns whether the next load need not wait.
    #[inline(always)]
    pub fn is_idle(&self) -> bool {
        self.wait == 0
    }

    /// Returns whether messages flow, so that the next load is that of the tail.
    #[inline(always)]
    pub fn is_flowing(&self) -> bool {
        self.wait >= FLOW
    }

    /// Returns whether the consumer waited for this producer at the last load of the head.
    #[inline(always)]
    pub fn is_awaited(&self) -> bool {
        self.is_awaited
    }

    /// Learns from a load of the head how much lies unread before the tail.
    pub fn found_unread(&mut self, unread: u64) {
        self.is_awaited = unread == 0;
    }

    /// Waits, and returns for how long. It is idle afterwards, unless it learns that elements came.
    pub fn wait(&mut self) -> u32 {
        let pauses = self.wait.min(self.pauses);
        match &mut self.miss {
            Some(miss) => miss.wait(pauses),
            None => (0..pauses).for_each(|_| spin_loop()),
        }
        mem::take(&mut self.wait)
    }

    /// Learns from a load of a header that was 0.
    #[inline(always)]
    pub fn found_nothing(&mut self) {
        self.wait = 0;
    }

    /// Learns from a load of the position that found one element or message. The other end is slow, or was just waited
    /// for: more waiting would not find more, only later.
    #[inline(always)]
    pub fn found_one(&mut self) {
        self.wait = self.longest.min(1);
    }

    /// Learns from a load of a header that found a message.
    #[inline(always)]
    pub fn found_header(&mut self) {
        self.wait = 2 * self.wait + 1;
    }

    /// Learns from a load of the position that found this much after so long a wait.
    #[inline(always)]
    pub fn learn(&mut self, waited: u32, found: u64) {
        if let Some(miss) = &mut self.miss {
            self.longest = miss.end(found).max(self.shortest);
        }
        let next = if found < self.enough { 2 * waited + 1 } else { waited / 2 };
        self.wait = next.clamp(self.shortest, self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits, and learns that so much was found; returns the next wait.
    fn load(pace: &mut Pace, found: u64) -> u32 {
        let waited = pace.wait();
        pace.learn(waited, found);
        pace.wait
    }

    #[test]
    fn loads_that_find_a_few_wait_longer_each_time_up_to_the_limit() {
        let mut pace = Pace::new(Bound::Pauses(20), 512);
        assert_eq!([5; 6].map(|found| load(&mut pace, found)), [1, 3, 7, 15, 20, 20]);
        let mut flow = Pace { wait: 3, ..Pace::of_flow(Bound::Pauses(20), 512) };
        assert_eq!([5; 4].map(|found| load(&mut flow, found)), [7, 15, 20, 20]);
    }

    #[test]
    fn loads_that_find_enough_wait_less_each_time_and_stay_in_a_flow() {
        let mut pace = Pace { wait: 20, ..Pace::new(Bound::Pauses(20), 32) };
        assert_eq!([32; 4].map(|found| load(&mut pace, found)), [10, 5, 2, 1]);
        let mut flow = Pace { wait: 20, ..Pace::of_flow(Bound::Pauses(20), 32) };
        assert_eq!([32; 4].map(|found| load(&mut flow, found)), [10, 5, 3, 3]);
    }

    #[test]
    fn a_load_that_finds_nothing_or_one_ends_a_long_wait_and_a_flow() {
        for pace in [Pace::new(Bound::Pauses(20), 512), Pace::of_flow(Bound::Pauses(20), 512)] {
            let mut pace = Pace { wait: 20, ..pace };
            pace.wait();
            assert!(pace.is_idle() && !pace.is_flowing());
            pace.found_one();
            assert!(pace.wait == 1 && !pace.is_flowing());
        }
    }

    #[test]
    fn a_second_message_right_after_another_begins_a_flow() {
        let mut pace = Pace::of_flow(Bound::Pauses(20), 512);
        pace.found_header();
        assert!(!pace.is_flowing());
        pace.found_nothing();
        pace.found_header();
        assert!(!pace.is_flowing());
        pace.found_header();
        assert!(pace.is_flowing());
    }

    #[test]
    fn without_pauses_nothing_waits_and_messages_flow_all_the_same() {
        let mut pace = Pace::new(Bound::Pauses(0), 512);
        assert_eq!(load(&mut pace, 5), 0);
        pace.found_one();
        assert!(pace.is_idle());
        let mut flow = Pace::of_flow(Bound::Pauses(0), 512);
        flow.found_header();
        flow.found_header();
        assert!(flow.is_flowing());
        assert_eq!(load(&mut flow, 5), FLOW);
    }

    #[test]
    fn the_longest_wait_is_bounded_whatever_is_asked_for() {
        let mut pace = Pace::of_flow(Bound::Pauses(u32::MAX), u64::MAX);
        pace.learn(MOST_PAUSES, 1);
        assert_eq!(pace.wait, MOST_PAUSES);
    }

    #[test]
    fn a_poisoned_pace_is_neither_idle_nor_without_a_flow() {
        assert!(!Pace::poisoned().is_idle() && Pace::poisoned().is_flowing());
    }

    /// A miss that took this many pauses, this many times.
    fn miss(pauses: f32, times: u32) -> Miss {
        let mut miss = Miss::GUESS;
        (0..times).for_each(|_| miss.took(pauses));
        miss
    }

    #[test]
    fn the_longest_wait_follows_a_measured_miss() {
        for (pauses, smoothed) in [(100.0, 97), (2.0, 2), (0.0, 1)] {
            let mut miss = miss(pauses, 40);
            assert_eq!((miss.pauses, miss.end(1)), (smoothed, MISSES * smoothed));
        }
    }

    #[test]
    fn a_single_interruption_is_hardly_a_miss() {
        assert_eq!(miss(f32::INFINITY, 1).pauses, (3 + 4) * Miss::GUESS.pauses / 4);
    }

    #[test]
    fn no_miss_makes_a_wait_longer_than_a_millisecond() {
        assert_eq!(miss(f32::INFINITY, 100).end(1), MISSES * LONGEST_MISS);
    }

    #[test]
    fn a_load_that_found_nothing_tells_nothing_of_a_miss() {
        let mut miss = Miss::GUESS;
        miss.wait(PAUSES_TO_MEASURE);
        assert!(miss.begun.is_some());
        assert_eq!(miss.end(0), MISSES * Miss::GUESS.pauses);
        miss.wait(PAUSES_TO_MEASURE - 1);
        assert!(miss.begun.is_none(), "so few pauses are not measured");
    }

    #[test]
    fn a_miss_is_measured_in_a_flow_now_and_then() {
        let mut pace = Pace::new(Bound::Measured, 512);
        let mut measured = 0;
        for _ in 0..LOADS_TO_MEASURE + 10 {
            let waited = pace.wait();
            measured += u32::from(pace.miss.as_ref().unwrap().begun.is_some());
            pace.learn(waited, 5);
        }
        assert_eq!(measured, 2);
    }
}
