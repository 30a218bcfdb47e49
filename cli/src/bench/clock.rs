//! Clocks: the one that both processes share, and that of the processor time that a process uses.

use std::time::Duration;

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::{Deserialize, Serialize};

/// Nanoseconds of `CLOCK_MONOTONIC`, which is the same in all processes.
#[inline]
pub(crate) fn now() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// Sleeps until `CLOCK_MONOTONIC` has come to this many nanoseconds.
pub(crate) fn sleep_until(end: u64) {
    const SECOND: u64 = 1_000_000_000;
    // A time that no clock reaches is as good as any other.
    let tv_sec = i64::try_from(end / SECOND).unwrap_or(i64::MAX);
    let tv_nsec = (end % SECOND) as _;
    // A signal is the only failure, after which the same end still holds.
    while clock_nanosleep_absolute(ClockId::Monotonic, &Timespec { tv_sec, tv_nsec }).is_err() && now() < end {}
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // Neither clock counts below zero.
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// How long something took, and how much processor time this process used meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) elapsed: Duration,
    pub(crate) processor: Duration,
}

impl Usage {
    /// The part of the time in which one processor was used, 1 for all of it.
    pub(crate) fn share(self) -> f64 {
        self.processor.as_secs_f64() / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Measures a [`Usage`].
#[derive(Debug)]
pub(crate) struct Stopwatch {
    start: u64,
    processor: u64,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        let processor = nanoseconds(ClockId::ProcessCPUTime);
        Self { start: now(), processor }
    }

    pub(crate) fn stop(self) -> Usage {
        let elapsed = now() - self.start;
        let processor = nanoseconds(ClockId::ProcessCPUTime) - self.processor;
        Usage { elapsed: Duration::from_nanos(elapsed), processor: Duration::from_nanos(processor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_lasts_until_its_end() {
        let end = now() + 1_000_000;
        sleep_until(end);
        assert!(now() >= end);
    }

    #[test]
    fn an_end_that_has_passed_is_no_sleep() {
        sleep_until(0);
    }

    #[test]
    fn the_share_is_of_one_processor() {
        let usage = Usage { elapsed: Duration::from_secs(2), processor: Duration::from_millis(500) };
        assert_eq!(usage.share(), 0.25);
        assert_eq!(Usage { elapsed: Duration::ZERO, processor: Duration::ZERO }.share(), 0.0);
    }
}
