//! The rounds of a run, told apart by how near the two processors were.

use ringmain_measure::{Nearness, Regime, Summary};
use serde::{Deserialize, Serialize};

/// The round trip of the bare line before a round and after it, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) start: f64,
    pub(crate) end: f64,
}

impl Line {
    /// Whether the processors came nearer or went apart meanwhile.
    fn moved(self) -> bool {
        Regime::parts(self.start, self.end)
    }

    fn mean(self) -> f64 {
        (self.start * self.end).sqrt()
    }
}

/// What the bare line said about the rounds.
///
/// A round in which the processors moved has cases of both distances, and ratios between them. It is of no regime,
/// unless all rounds are like it: then there is nothing else to tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Regimes {
    /// The nearest first; none where there were no rounds.
    #[serde(default, rename = "regimes", skip_serializing_if = "Vec::is_empty")]
    pub(crate) all: Vec<Regime>,
    /// Of each round.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lines: Vec<Line>,
    /// The rounds in which the processors moved, from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) moved: Vec<usize>,
}

impl Regimes {
    /// Takes what was measured before the first round, and after each.
    pub(crate) fn of(readings: &[f64]) -> Self {
        let lines: Vec<Line> = readings.windows(2).map(|ends| Line { start: ends[0], end: ends[1] }).collect();
        if lines.is_empty() {
            return Self::default();
        }
        let (moved, counted): (Vec<usize>, Vec<usize>) = (0..lines.len()).partition(|round| lines[*round].moved());
        let means = |rounds: &[usize]| rounds.iter().map(|round| lines[*round].mean()).collect::<Vec<f64>>();
        if counted.is_empty() {
            let line = Summary::of(&means(&moved));
            let all = vec![Regime { nearness: Nearness::Near, line, rounds: moved.clone() }];
            return Self { all, lines, moved };
        }
        let mut all = Regime::of(&means(&counted));
        for round in all.iter_mut().flat_map(|regime| &mut regime.rounds) {
            *round = counted[*round];
        }
        Self { all, lines, moved }
    }

    /// Whether the run has figures of more than one regime.
    pub(crate) fn is_mixed(&self) -> bool {
        self.all.len() > 1
    }

    /// Whether the processors moved in every round, so that the figures are mixed.
    pub(crate) fn never_rested(&self) -> bool {
        !self.lines.is_empty() && self.moved.len() == self.lines.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(readings: &[f64], regimes: &[(Nearness, &[usize])], moved: &[usize]) {
        let found = Regimes::of(readings);
        let all: Vec<(Nearness, &[usize])> =
            found.all.iter().map(|regime| (regime.nearness, regime.rounds.as_slice())).collect();
        assert_eq!((all.as_slice(), found.moved.as_slice()), (regimes, moved));
        assert_eq!(found.is_mixed(), regimes.len() > 1);
    }

    #[test]
    fn rounds_at_one_distance_are_of_one_regime() {
        check(&[100.0, 110.0, 95.0], &[(Nearness::Near, &[0, 1])], &[]);
    }

    #[test]
    fn a_round_in_which_the_processors_moved_is_of_no_regime() {
        let (near, far): (&[usize], &[usize]) = (&[0, 4], &[2]);
        check(&[60.0, 61.0, 450.0, 460.0, 62.0, 60.0], &[(Nearness::Near, near), (Nearness::Far, far)], &[1, 3]);
        check(&[60.0, 61.0, 450.0], &[(Nearness::Near, &[0])], &[1]);
    }

    #[test]
    fn where_the_processors_never_rested_all_rounds_are_taken_and_this_is_known() {
        check(&[60.0, 450.0, 60.0], &[(Nearness::Near, &[0, 1])], &[0, 1]);
        check(&[60.0, 100.0, 450.0], &[(Nearness::Near, &[0, 1])], &[0, 1]);
        assert!(Regimes::of(&[60.0, 450.0]).never_rested());
        assert!(!Regimes::of(&[60.0, 450.0, 460.0]).never_rested());
    }

    #[test]
    fn the_line_of_a_round_lies_between_its_two_ends() {
        let regimes = Regimes::of(&[90.0, 110.0]);
        assert_eq!(regimes.lines, [Line { start: 90.0, end: 110.0 }]);
        assert!((regimes.all[0].line.median - 99.5).abs() < 0.1, "{regimes:?}");
    }

    #[test]
    fn a_run_without_rounds_has_no_regime() {
        assert_eq!([Regimes::of(&[]), Regimes::of(&[100.0])], [Regimes::default(), Regimes::default()]);
        assert!(!Regimes::default().never_rested());
    }
}
