//! Medians and how far the rounds lie apart.

use serde::{Deserialize, Serialize};

/// What the rounds of one measurement have in common.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Returns that of all rounds; `None` where there is none.
    pub(crate) fn of(values: &[f64]) -> Option<Spread> {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Some(Spread { median, min, max })
    }

    /// Returns that of the ratios within each round.
    pub(crate) fn of_ratios(values: &[f64], others: &[f64]) -> Option<Spread> {
        let ratios: Vec<f64> = values.iter().zip(others).map(|(value, other)| value / other).collect();
        Spread::of(&ratios)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Spread::of(&[4.0, 1.0, 3.0, 2.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let ratios = Spread::of_ratios(&[100.0, 900.0, 10.0], &[50.0, 300.0, 10.0]);
        assert_eq!(ratios, Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
    }
}
