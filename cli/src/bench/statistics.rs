//! Figures of several rounds in one: medians, ranges, and ratios that are taken within each round.

use serde::{Deserialize, Serialize};

/// The middle and the ends of some values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// Summarises at least one value.
    ///
    /// # Panics
    /// - there is none
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        Self { median: middle(&values), min: values[0], max: values[values.len() - 1] }
    }
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[half - 1], sorted[half]) } else { sorted[half] }
}

/// The median over the rounds of each round's `values / references`.
///
/// A disturbance that lasts longer than a round touches both and cancels out, which it does not in a ratio of medians.
///
/// # Panics
/// - there are no rounds, or not the same number of both
pub(crate) fn pairwise_ratio(values: &[f64], references: &[f64]) -> f64 {
    assert_eq!(values.len(), references.len());
    let ratios: Vec<f64> = values.iter().zip(references).map(|(value, reference)| value / reference).collect();
    Summary::of(&ratios).median
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_odd_number_is_the_middle_one() {
        let summary = Summary::of(&[9.0, 1.0, 5.0]);
        assert_eq!(summary, Summary { median: 5.0, min: 1.0, max: 9.0 });
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Summary::of(&[4.0, 1.0, 2.0, 100.0]).median, 3.0);
    }

    #[test]
    fn one_value_is_its_own_summary() {
        let summary = Summary::of(&[7.5]);
        assert_eq!((summary.median, summary.min, summary.max), (7.5, 7.5, 7.5));
    }

    #[test]
    fn a_pairwise_ratio_is_taken_within_each_round() {
        // The machine is ten times slower in the second round: the ratio stays, that of the medians would be 20.
        assert_eq!(pairwise_ratio(&[20.0, 200.0, 20.0], &[10.0, 100.0, 1.0]), 2.0);
        assert_eq!(pairwise_ratio(&[3.0, 30.0], &[1.0, 10.0]), 3.0);
    }
}
