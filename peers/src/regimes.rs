//! In which regime each round of a run was measured: how near the two processors were to each other, by the bare line.

use ringmain_measure::Regime;
use serde::{Deserialize, Serialize};

/// The bare line around each round of a run, and what follows from it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Regimes {
    /// Nanoseconds of a round trip, before the first round and after each.
    pub(crate) lines: Vec<f64>,
    /// The nearest first. None only where the line moved in every round.
    pub(crate) regimes: Vec<Regime>,
    /// The rounds, from 0, in whose course the line moved: they are of no regime.
    pub(crate) moved: Vec<usize>,
}

impl Regimes {
    /// Parts a run by its lines: before the first round, and after each.
    pub(crate) fn of(lines: Vec<f64>) -> Regimes {
        let rounds: Vec<&[f64]> = lines.windows(2).collect();
        let (moved, steady): (Vec<usize>, Vec<usize>) =
            (0..rounds.len()).partition(|&round| Regime::parts(rounds[round][0], rounds[round][1]));
        let of_round: Vec<f64> =
            steady.iter().map(|&round| f64::midpoint(rounds[round][0], rounds[round][1])).collect();
        let mut regimes = if steady.is_empty() { Vec::new() } else { Regime::of(&of_round) };
        for round in regimes.iter_mut().flat_map(|regime| &mut regime.rounds) {
            *round = steady[*round];
        }
        Regimes { lines, regimes, moved }
    }

    /// Says in a sentence or two what a reader of the figures must know.
    pub(crate) fn warning(&self) -> Option<String> {
        let moved = match self.moved.len() {
            0 => String::new(),
            1 => "in 1 round the line moved, which is in no regime".to_owned(),
            count => format!("in {count} rounds the line moved, which are in no regime"),
        };
        let parts: Vec<String> = self.regimes.iter().map(described).collect();
        match (parts.as_slice(), &*moved) {
            ([], "") | ([_], "") => None,
            ([], _) => Some("The line moved in every round: these figures mix regimes.".to_owned()),
            ([one], moved) => Some(format!("The run is {one}; {moved}.")),
            (parts, "") => Some(format!("The run mixes regimes: {}.", parts.join(", "))),
            (parts, moved) => Some(format!("The run mixes regimes: {}; {moved}.", parts.join(", "))),
        }
    }
}

/// As in `near (95 ns) in 7 rounds`.
fn described(regime: &Regime) -> String {
    let count = regime.rounds.len();
    format!("{regime} in {count} round{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[f64], regimes: &[(&str, &[usize])], moved: &[usize], warning: Option<&str>) {
        let found = Regimes::of(lines.to_vec());
        let of_each: Vec<(String, &[usize])> =
            found.regimes.iter().map(|regime| (regime.to_string(), regime.rounds.as_slice())).collect();
        let of_each: Vec<(&str, &[usize])> = of_each.iter().map(|(name, rounds)| (&**name, *rounds)).collect();
        assert_eq!((of_each.as_slice(), found.moved.as_slice()), (regimes, moved));
        assert_eq!(found.warning().as_deref(), warning);
    }

    #[test]
    fn a_steady_run_is_one_regime_without_a_warning() {
        check(&[90.0, 100.0, 110.0], &[("near (100 ns)", &[0, 1])], &[], None);
    }

    #[test]
    fn a_round_is_labelled_by_the_line_before_and_after_it() {
        check(
            &[60.0, 60.0, 450.0, 450.0, 460.0],
            &[("near (60 ns)", &[0]), ("far (452 ns)", &[2, 3])],
            &[1],
            Some(
                "The run mixes regimes: near (60 ns) in 1 round, far (452 ns) in 2 rounds; in 1 round the line moved, \
                 which is in no regime.",
            ),
        );
    }

    #[test]
    fn a_run_that_only_moves_has_no_regime() {
        check(&[60.0, 450.0, 60.0], &[], &[0, 1], Some("The line moved in every round: these figures mix regimes."));
    }

    #[test]
    fn a_single_move_is_told_beside_one_regime() {
        check(
            &[60.0, 60.0, 90.0],
            &[("near (60 ns)", &[0])],
            &[1],
            Some("The run is near (60 ns) in 1 round; in 1 round the line moved, which is in no regime."),
        );
    }

    #[test]
    fn steps_that_are_too_short_to_part_rounds_are_no_moves() {
        check(&[100.0, 100.0, 134.0, 179.0, 179.0], &[("near (137 ns)", &[0, 1, 2, 3])], &[], None);
    }
}
