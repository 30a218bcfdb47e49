//! The rounds of a run, told apart by how near the two processors were.

use ringmain_measure::{Nearness, Regime, Summary};
use serde::{Deserialize, Serialize};

/// A bare line that differs by more than this between rounds of one regime is not steady, nor is a figure of which half
/// of the rounds do.
pub(crate) const STEADY: f64 = 1.5;

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

    /// By how much the bare line differed between rounds of one regime, at most: the longest over the shortest.
    pub(crate) fn spread(&self) -> f64 {
        self.all.iter().map(spread).fold(1.0, f64::max)
    }

    /// Says in a few words why figures are not to be relied on as those of a steady machine: those of a regime, or else
    /// of what was measured once, at whichever distance there was.
    pub(crate) fn unsteady(&self, of: Option<&Regime>) -> Option<String> {
        let (moved, rounds) = (self.moved.len(), self.lines.len());
        let moved = match (self.never_rested(), of) {
            (true, _) => Some("the processors moved in every round".to_owned()),
            (false, of) if moved > 0 => {
                let left_out = if of.is_some() { ", which are left out" } else { "" };
                Some(format!("the processors moved in {moved} of {rounds} rounds{left_out}"))
            }
            _ => None,
        };
        let mixed = (of.is_none() && self.is_mixed()).then(|| {
            let all: Vec<String> = self.all.iter().map(Regime::to_string).collect();
            format!("the run was at {}", all.join(" and "))
        });
        let spread = of.map_or_else(|| self.spread(), spread);
        let noisy = (spread > STEADY).then(|| format!("the bare line differed by a factor of {spread:.1}"));
        let causes: Vec<String> = [mixed, moved, noisy].into_iter().flatten().collect();
        (!causes.is_empty()).then(|| causes.join("; "))
    }

    /// Whether the processors moved in every round, so that the figures are mixed.
    pub(crate) fn never_rested(&self) -> bool {
        !self.lines.is_empty() && self.moved.len() == self.lines.len()
    }
}

fn spread(regime: &Regime) -> f64 {
    regime.line.max / regime.line.min
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
    fn figures_of_a_machine_that_was_not_steady_say_why() {
        let unsteady = |readings: &[f64]| {
            let regimes = Regimes::of(readings);
            let each = regimes.all.iter().map(|regime| regimes.unsteady(Some(regime)));
            (each.collect::<Vec<_>>(), regimes.unsteady(None))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(unsteady(&[100.0, 120.0, 110.0]), (vec![None], None));
        assert_eq!(unsteady(&[]), (vec![], None));
        let noisy = some("the bare line differed by a factor of 1.8");
        assert_eq!(unsteady(&[100.0, 120.0, 150.0, 200.0, 200.0]), (vec![noisy.clone()], noisy));
        assert_eq!(
            unsteady(&[60.0, 60.0, 450.0, 450.0]),
            (
                vec![some("the processors moved in 1 of 3 rounds, which are left out"); 2],
                some("the run was at near (60 ns) and far (450 ns); the processors moved in 1 of 3 rounds")
            )
        );
        let never = some("the processors moved in every round");
        assert_eq!(unsteady(&[60.0, 450.0]), (vec![never.clone()], never));
    }

    #[test]
    fn a_run_without_rounds_has_no_regime() {
        assert_eq!([Regimes::of(&[]), Regimes::of(&[100.0])], [Regimes::default(), Regimes::default()]);
        assert!(!Regimes::default().never_rested());
    }
}
