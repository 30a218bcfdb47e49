//! Distributions of times: how they are gathered, and the few figures that stand for one.

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Times in nanoseconds.
pub(crate) type Times = Histogram<u64>;

/// The longest time that is told from longer ones, in nanoseconds, and the digits of all.
const LONGEST: u64 = 60_000_000_000;
const DIGITS: u8 = 3;

/// Returns a histogram without a time in it.
pub(crate) fn empty() -> Result<Times> {
    Histogram::new_with_bounds(1, LONGEST, DIGITS).context("cannot make a histogram")
}

/// The times of one round: few numbers, where a histogram is half a megabyte that is mostly empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counts(Vec<(u64, u64)>);

impl Counts {
    pub(crate) fn of(times: &Times) -> Self {
        let steps = times.iter_recorded();
        Self(steps.map(|step| (step.value_iterated_to(), step.count_since_last_iteration())).collect())
    }

    pub(crate) fn add_to(&self, times: &mut Times) {
        self.0.iter().for_each(|(value, count)| times.saturating_record_n(*value, *count));
    }
}

/// Times in nanoseconds, to three digits.
///
/// A quantile that has fewer than one time above it is the longest time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    #[serde(rename = "p99.9")]
    pub(crate) p99_9: u64,
    #[serde(rename = "p99.99")]
    pub(crate) p99_99: u64,
    pub(crate) max: u64,
}

impl Quantiles {
    pub(crate) fn of(times: &Times) -> Self {
        let of = |quantile| times.value_at_quantile(quantile);
        Self { p50: of(0.5), p90: of(0.9), p99: of(0.99), p99_9: of(0.999), p99_99: of(0.9999), max: times.max() }
    }

    /// All in order, each with the number of times that it takes to tell it from the longest one.
    pub(crate) fn in_order(self) -> [(u64, u64); 6] {
        [(self.p50, 2), (self.p90, 10), (self.p99, 100), (self.p99_9, 1000), (self.p99_99, 10_000), (self.max, 1)]
    }
}

/// The times of single messages, in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Distribution {
    pub(crate) messages: u64,
    #[serde(flatten)]
    pub(crate) quantiles: Quantiles,
}

impl Distribution {
    pub(crate) fn of(times: &Times) -> Self {
        Self { messages: times.len(), quantiles: Quantiles::of(times) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_times() {
        let mut times = empty().unwrap();
        (1..=1000).for_each(|time| times.saturating_record(time));
        let quantiles = Quantiles { p50: 500, p90: 900, p99: 990, p99_9: 999, p99_99: 1000, max: 1000 };
        assert_eq!(Distribution::of(&times), Distribution { messages: 1000, quantiles });
    }

    #[test]
    fn the_counts_of_two_rounds_are_the_times_of_both() {
        let (mut one, mut both) = (empty().unwrap(), empty().unwrap());
        let mut all = empty().unwrap();
        for round in [1, 7] {
            one.reset();
            for time in 1..=1000 {
                one.saturating_record(time * round * 100);
                all.saturating_record(time * round * 100);
            }
            Counts::of(&one).add_to(&mut both);
        }
        assert_eq!(both, all);
        assert_eq!(Counts::of(&empty().unwrap()), Counts(Vec::new()));
    }

    #[test]
    fn a_time_beyond_the_longest_is_kept_as_the_longest() {
        let mut times = empty().unwrap();
        times.saturating_record(u64::MAX);
        assert!(Quantiles::of(&times).max >= LONGEST);
    }
}
