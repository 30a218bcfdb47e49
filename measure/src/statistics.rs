//! Figures of several rounds in one.

use serde::{Deserialize, Serialize};

/// The middle and the ends of some values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as they are called")]
pub struct Summary {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Summary {
    /// Summarises at least one value.
    ///
    /// # Panics
    /// - there is none
    pub fn of(values: &[f64]) -> Summary {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
        Summary { median, min: values[0], max: values[values.len() - 1] }
    }

    /// Summarises `value / reference` of each round.
    ///
    /// A disturbance that lasts longer than a round touches both and cancels out, which it does not in a ratio of
    /// medians.
    ///
    /// # Panics
    /// - there are no rounds, or not the same number of both
    pub fn of_ratios(values: &[f64], references: &[f64]) -> Summary {
        assert_eq!(values.len(), references.len());
        let ratios: Vec<f64> = values.iter().zip(references).map(|(value, reference)| value / reference).collect();
        Summary::of(&ratios)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[f64], median: f64, min: f64, max: f64) {
        assert_eq!(Summary::of(values), Summary { median, min, max });
    }

    #[test]
    fn a_median_lies_in_the_middle_or_between_the_middle_two() {
        check(&[7.5], 7.5, 7.5, 7.5);
        check(&[9.0, 1.0, 5.0], 5.0, 1.0, 9.0);
        check(&[4.0, 1.0, 2.0, 100.0], 3.0, 1.0, 100.0);
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        // The machine is ten times slower in the second round: the ratio stays, that of the medians would be 20.
        let ratios = Summary::of_ratios(&[20.0, 200.0, 20.0], &[10.0, 100.0, 1.0]);
        assert_eq!(ratios, Summary { median: 2.0, min: 2.0, max: 20.0 });
    }
}
