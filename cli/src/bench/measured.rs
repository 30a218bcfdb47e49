//! What the rounds of a case measured, and its ratios to its references, each taken within a round.

use ringmain_measure::Summary;
use serde::{Deserialize, Serialize};

use super::plan::{Case, Transport};
use super::quantiles::Times;
use super::wait::Wait;

/// A case and what each round measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) case: Case,
    /// Nanoseconds per round trip, or messages per second.
    pub(crate) values: Vec<f64>,
    /// Of single round trips, which are taken apart from the values.
    pub(crate) times: Option<Times>,
}

/// Medians of the ratios to a reference in the same round. None to itself, and none to what was not measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Ratios {
    /// To the one word that the cache line carries, whatever the size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_line: Option<f64>,
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
}

impl Ratios {
    /// Relates one case to the references that were measured.
    pub(crate) fn of(one: &Measured, measured: &[Measured]) -> Self {
        Self {
            cache_line: ratio(measured, one, Transport::CacheLine, &[Wait::Spin]),
            pipe: ratio(measured, one, Transport::Pipe, &one.case.wait.alike()),
            stream: ratio(measured, one, Transport::Stream, &one.case.wait.alike()),
            memcpy: ratio(measured, one, Transport::Memcpy, &[Wait::Never]),
            spin: ratio(measured, one, one.case.transport, one.case.wait.spinning()),
        }
    }
}

/// The ratio to a transport that waits in the first of these ways in which it was measured, without fences.
fn ratio(measured: &[Measured], one: &Measured, transport: Transport, waits: &[Wait]) -> Option<f64> {
    let bytes = if transport.is_bare() { 8 } else { one.case.bytes };
    let reference = |wait| Case { bytes, transport, wait, fenced: false, ..one.case };
    let find = |wait: &Wait| measured.iter().find(|other| other.case == reference(*wait));
    let other = waits.iter().find_map(find)?;
    (other.case != one.case).then(|| Summary::of_ratios(&one.values, &other.values).median)
}

#[cfg(test)]
mod tests {
    use super::super::plan::Test;
    use super::super::results::Outcome;
    use super::*;

    fn measured(transport: Transport, wait: Wait, bytes: usize, values: &[f64]) -> Measured {
        let case = Case { test: Test::Rtt, bytes, transport, align: 64, wait, fenced: false, rate: None };
        Measured { case, values: values.to_vec(), times: None }
    }

    fn ratios(measured: &[Measured]) -> Vec<Ratios> {
        Outcome::of_all(measured).into_iter().map(|outcome| outcome.ratios).collect()
    }

    #[test]
    fn ratios_are_to_one_word_and_to_the_pipe_of_the_same_size() {
        let ratios = ratios(&[
            measured(Transport::CacheLine, Wait::Spin, 8, &[100.0, 200.0]),
            measured(Transport::Pipe, Wait::Sleep, 8, &[1.0, 1.0]),
            measured(Transport::Stream, Wait::Spin, 64, &[150.0, 300.0]),
            measured(Transport::Pipe, Wait::Sleep, 64, &[1500.0, 3000.0]),
        ]);
        let expected = |cache_line, pipe, stream| Ratios { cache_line, pipe, stream, memcpy: None, spin: None };
        assert_eq!(ratios[0], expected(None, Some(150.0), None));
        assert_eq!(ratios[2], expected(Some(1.5), Some(0.1), None));
        assert_eq!(ratios[3], expected(Some(15.0), None, Some(10.0)));
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
        let expected = |pipe, stream, spin| Ratios { cache_line: None, pipe, stream, memcpy: None, spin };
        assert_eq!(ratios[0], expected(Some(0.2), None, None));
        assert_eq!(ratios[1], expected(Some(0.8), Some(4.0), Some(4.0)));
        assert_eq!(ratios[2], expected(Some(0.1), None, Some(2.0)));
        assert_eq!(ratios[3], expected(Some(0.15), Some(1.5), None));
        assert_eq!(ratios[4], expected(None, Some(5.0), None));
        assert_eq!(ratios[5], expected(None, Some(10.0), Some(4.0)));
    }
}
