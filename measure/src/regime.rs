//! How near the two processors were to each other, round by round.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::statistics::Summary;

/// A gap between two lines of a run, in order of their lengths, parts two regimes if one is so many times the other.
const GAP: f64 = 1.35;

/// A regime is far, and not in the middle, if its line takes so many times as long as the nearest one.
const FAR: f64 = 2.5;

/// How near the two processors were, beside the other rounds of the run.
///
/// On a virtual machine they move: from two threads of a core to two clusters, within minutes. Figures of one regime
/// say nothing of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "as they are called")]
pub enum Nearness {
    Near,
    Middle,
    Far,
}

impl fmt::Display for Nearness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Nearness::Near => "near",
            Nearness::Middle => "middle",
            Nearness::Far => "far",
        })
    }
}

/// The rounds of a run in which the bare line took about as long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Regime {
    /// Beside the other regimes of the run: the nearest one is near, however long its line takes.
    pub nearness: Nearness,
    /// The round trip of the bare line in these rounds, in nanoseconds.
    pub line: Summary,
    /// Which rounds, from 0, in order.
    pub rounds: Vec<usize>,
}

impl Regime {
    /// Parts the rounds of a run by their bare lines: three regimes at most, the nearest first.
    ///
    /// # Panics
    /// - there are no rounds
    pub fn of(lines: &[f64]) -> Vec<Regime> {
        let mut order: Vec<usize> = (0..lines.len()).collect();
        order.sort_by(|&one, &other| lines[one].total_cmp(&lines[other]));
        let gap = |at: &usize| lines[order[*at]] / lines[order[*at - 1]];
        let parts = |at: &usize| Regime::parts(lines[order[*at]], lines[order[*at - 1]]);
        let mut gaps: Vec<usize> = (1..order.len()).filter(parts).collect();
        // The widest two.
        gaps.sort_by(|one, other| gap(other).total_cmp(&gap(one)));
        gaps.truncate(2);
        gaps.sort_unstable();
        let mut regimes: Vec<Regime> = Vec::new();
        let mut start = 0;
        for end in gaps.into_iter().chain([order.len()]) {
            let mut rounds = order[start..end].to_vec();
            rounds.sort_unstable();
            let line = Summary::of(&rounds.iter().map(|&round| lines[round]).collect::<Vec<f64>>());
            let nearness = match regimes.as_slice() {
                [] => Nearness::Near,
                [near] if line.median < FAR * near.line.median => Nearness::Middle,
                _ => Nearness::Far,
            };
            regimes.push(Regime { nearness, line, rounds });
            start = end;
        }
        // Two that are far are one.
        if let [.., one, other] = regimes.as_mut_slice()
            && one.nearness == other.nearness
        {
            one.rounds.append(&mut other.rounds);
            one.rounds.sort_unstable();
            one.line = Summary::of(&one.rounds.iter().map(|&round| lines[round]).collect::<Vec<f64>>());
            regimes.pop();
        }
        regimes
    }

    /// Returns whether two round trips of the bare line are too far apart for one regime.
    pub fn parts(one: f64, other: f64) -> bool {
        one.max(other) > GAP * one.min(other)
    }

    /// Returns those of the values, one of each round of the run, that are of this regime.
    ///
    /// # Panics
    /// - there are fewer than rounds
    pub fn select<T: Copy>(&self, values: &[T]) -> Vec<T> {
        self.rounds.iter().map(|&round| values[round]).collect()
    }
}

/// As a column's or a row's head: `near (95 ns)`.
impl fmt::Display for Regime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{} ({:.0} ns)", self.nearness, self.line.median))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[f64], expected: &[(Nearness, f64, &[usize])]) {
        let regimes = Regime::of(lines);
        let found: Vec<(Nearness, f64, &[usize])> =
            regimes.iter().map(|regime| (regime.nearness, regime.line.median, regime.rounds.as_slice())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_run_at_one_distance_is_one_regime() {
        check(&[450.0], &[(Nearness::Near, 450.0, &[0])]);
        check(&[100.0, 90.0, 110.0], &[(Nearness::Near, 100.0, &[0, 1, 2])]);
    }

    #[test]
    fn rounds_are_parted_by_the_widest_gaps() {
        check(&[460.0, 60.0, 440.0, 62.0], &[(Nearness::Near, 61.0, &[1, 3]), (Nearness::Far, 450.0, &[0, 2])]);
        check(&[90.0, 60.0], &[(Nearness::Near, 60.0, &[1]), (Nearness::Middle, 90.0, &[0])]);
        check(
            &[90.0, 460.0, 60.0, 95.0],
            &[(Nearness::Near, 60.0, &[2]), (Nearness::Middle, 92.5, &[0, 3]), (Nearness::Far, 460.0, &[1])],
        );
    }

    #[test]
    fn two_regimes_that_are_far_are_one() {
        check(&[900.0, 60.0, 260.0, 62.0], &[(Nearness::Near, 61.0, &[1, 3]), (Nearness::Far, 580.0, &[0, 2])]);
    }

    #[test]
    fn two_lines_are_parted_whichever_is_longer() {
        for (one, other, parted) in [(100.0, 134.0, false), (100.0, 136.0, true), (460.0, 60.0, true)] {
            assert_eq!([Regime::parts(one, other), Regime::parts(other, one)], [parted; 2]);
        }
    }

    #[test]
    fn a_regime_selects_its_rounds() {
        let regimes = Regime::of(&[460.0, 60.0, 61.0]);
        assert_eq!(regimes[0].select(&['a', 'b', 'c']), ['b', 'c']);
        assert_eq!(regimes[1].to_string(), "far (460 ns)");
    }
}
