//! What the rounds of a case measured, and its ratios to its references, each taken within a round.

use anyhow::Result;
use ringmain_measure::{Regime, Summary};
use serde::{Deserialize, Serialize};

use super::plan::{Case, Transport};
use super::quantiles::{self, Counts, Times};
use super::wait::Wait;

/// A case and what each round measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) case: Case,
    /// Nanoseconds per round trip, or messages per second, of each round.
    pub(crate) values: Vec<f64>,
    /// Of single round trips, which are taken apart from the values: of each round, or none at all.
    pub(crate) times: Vec<Counts>,
}

impl Measured {
    /// The times of the rounds of one regime.
    pub(crate) fn times_in(&self, regime: &Regime) -> Result<Option<Times>> {
        if self.times.is_empty() {
            return Ok(None);
        }
        let mut times = quantiles::empty()?;
        regime.rounds.iter().for_each(|round| self.times[*round].add_to(&mut times));
        Ok(Some(times))
    }
}

/// Medians of the ratios to a reference in the same round of a regime. None to itself, and none to what was not
/// measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Ratios {
    /// To the one word that the cache line carries, whatever the size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_line: Option<f64>,
    /// To the one word that takes a fresh line each time, whatever the size. In `rtt` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_lines: Option<f64>,
    /// To the pipe at the same size: the spinning one for what spins, the blocking one for what sleeps, and the other
    /// one where that was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pipe: Option<f64>,
    /// To the stream ring at the same size: one that waits in the same way, and else the most alike that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stream: Option<f64>,
    /// To copies on one processor at the same size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memcpy: Option<f64>,
    /// To the same transport at the same size where it spins, without fences: by its own calls, if that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spin: Option<f64>,
    /// To one ring of the same kind whose ends wait by themselves, in the same way. In `waitset` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alone: Option<f64>,
}

impl Ratios {
    /// Relates one case to the references that were measured, in the rounds of one regime.
    pub(crate) fn of(one: &Measured, measured: &[Measured], regime: &Regime) -> Self {
        let ratio = |transport, waits: &[Wait]| ratio(measured, one, regime, transport, waits);
        Self {
            cache_line: ratio(Transport::CacheLine, &[Wait::Spin]),
            cache_lines: ratio(Transport::CacheLines, &[Wait::Spin]),
            pipe: ratio(Transport::Pipe, &one.case.wait.alike()),
            stream: ratio(Transport::Stream, &one.case.wait.alike()),
            memcpy: ratio(Transport::Memcpy, &[Wait::Never]),
            spin: ratio(one.case.transport, one.case.wait.spinning()),
            alone: related(measured, one, regime, Case { rings: 0, ..one.case }).filter(|_| one.case.rings > 0),
        }
    }
}

/// The ratio to a transport that waits in the first of these ways in which it was measured, without fences.
fn ratio(measured: &[Measured], one: &Measured, regime: &Regime, transport: Transport, waits: &[Wait]) -> Option<f64> {
    let bytes = if transport.is_bare() { 8 } else { one.case.bytes };
    let reference = |wait| Case { bytes, transport, wait, fenced: false, ..one.case };
    let is_measured = |wait: &&Wait| measured.iter().any(|other| other.case == reference(**wait));
    related(measured, one, regime, reference(*waits.iter().find(is_measured)?))
}

/// The ratio to a case, if that was measured.
fn related(measured: &[Measured], one: &Measured, regime: &Regime, case: Case) -> Option<f64> {
    let other = measured.iter().find(|other| other.case == case)?;
    let [values, references] = [one, other].map(|one| regime.select(&one.values));
    (other.case != one.case).then(|| Summary::of_ratios(&values, &references).median)
}

#[cfg(test)]
mod tests {
    use super::super::plan::Test;
    use super::*;

    fn measured(transport: Transport, wait: Wait, bytes: usize, values: &[f64]) -> Measured {
        let case = Case { test: Test::Rtt, bytes, transport, align: 64, wait, fenced: false, rings: 0, rate: None };
        Measured { case, values: values.to_vec(), times: Vec::new() }
    }

    fn ratios(measured: &[Measured]) -> Vec<Ratios> {
        let all = Regime::of(&vec![100.0; measured[0].values.len()]);
        measured.iter().map(|one| Ratios::of(one, measured, &all[0])).collect()
    }

    const NONE: Ratios =
        Ratios { cache_line: None, cache_lines: None, pipe: None, stream: None, memcpy: None, spin: None, alone: None };

    #[test]
    fn ratios_are_to_one_word_and_to_the_pipe_of_the_same_size() {
        let ratios = ratios(&[
            measured(Transport::CacheLine, Wait::Spin, 8, &[100.0, 200.0]),
            measured(Transport::CacheLines, Wait::Spin, 8, &[120.0, 240.0]),
            measured(Transport::Pipe, Wait::Sleep, 8, &[1.0, 1.0]),
            measured(Transport::Stream, Wait::Spin, 64, &[150.0, 300.0]),
            measured(Transport::Pipe, Wait::Sleep, 64, &[1500.0, 3000.0]),
        ]);
        let expected = |cache_line, cache_lines, pipe| Ratios { cache_line, cache_lines, pipe, ..NONE };
        assert_eq!(ratios[0], expected(None, Some(100.0 / 120.0), Some(150.0)));
        assert_eq!(ratios[1], expected(Some(1.2), None, Some(180.0)));
        assert_eq!(ratios[3], expected(Some(1.5), Some(1.25), Some(0.1)));
        assert_eq!(ratios[4], Ratios { stream: Some(10.0), ..expected(Some(15.0), Some(12.5), None) });
    }

    #[test]
    fn like_is_compared_with_like_and_each_with_its_own_that_spins() {
        let fenced = measured(Transport::Stream, Wait::Spin, 8, &[8.0]);
        let fenced = Measured { case: Case { fenced: true, ..fenced.case }, ..fenced };
        let ratios = ratios(&[
            measured(Transport::Stream, Wait::Spin, 8, &[2.0]),
            fenced,
            measured(Transport::Stream, Wait::Adaptive, 8, &[4.0]),
            measured(Transport::Message, Wait::Adaptive, 8, &[6.0]),
            measured(Transport::Pipe, Wait::Spin, 8, &[10.0]),
            measured(Transport::Pipe, Wait::Sleep, 8, &[40.0]),
        ]);
        let expected = |pipe, stream, spin| Ratios { pipe, stream, spin, ..NONE };
        assert_eq!(ratios[0], expected(Some(0.2), None, None));
        assert_eq!(ratios[1], expected(Some(0.8), Some(4.0), Some(4.0)));
        assert_eq!(ratios[2], expected(Some(0.1), None, Some(2.0)));
        assert_eq!(ratios[3], expected(Some(0.15), Some(1.5), None));
        assert_eq!(ratios[4], expected(None, Some(5.0), None));
        assert_eq!(ratios[5], expected(None, Some(10.0), Some(4.0)));
    }

    #[test]
    fn a_set_is_compared_with_one_ring_alone() {
        let at = |rings, values: &[f64]| {
            let one = measured(Transport::Stream, Wait::Park, 64, values);
            Measured { case: Case { test: Test::Waitset, rings, ..one.case }, ..one }
        };
        let ratios = ratios(&[at(0, &[10.0, 30.0]), at(1, &[11.0, 33.0]), at(8, &[20.0, 60.0])]);
        assert_eq!(ratios, [None, Some(1.1), Some(2.0)].map(|alone| Ratios { alone, ..NONE }));
    }

    #[test]
    fn a_ratio_is_of_the_rounds_of_one_regime() {
        let measured = [
            measured(Transport::CacheLine, Wait::Spin, 8, &[60.0, 450.0, 60.0]),
            measured(Transport::Stream, Wait::Spin, 64, &[180.0, 540.0, 180.0]),
        ];
        let regimes = Regime::of(&[60.0, 450.0, 60.0]);
        let ratios: Vec<_> =
            regimes.iter().map(|regime| Ratios::of(&measured[1], &measured, regime).cache_line).collect();
        assert_eq!(ratios, [Some(3.0), Some(1.2)]);
    }
}
