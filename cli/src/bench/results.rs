//! What came out: one result per case, as the JSON has it.

use serde::Serialize;

use super::host::Host;
use super::plan::{Case, Test, Transport, Wait};
use super::statistics::{Summary, pairwise_ratio};

/// A case and what each round measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) case: Case,
    /// Nanoseconds per round trip, or messages per second.
    pub(crate) values: Vec<f64>,
}

/// All of a run, as it is printed.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) host: Host,
    pub(crate) results: Vec<Outcome>,
}

/// One case's figures over all rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) transport: Transport,
    pub(crate) test: Test,
    pub(crate) wait: Wait,
    pub(crate) bytes: usize,
    /// Where the records of a message ring start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alignment: Option<usize>,
    pub(crate) unit: &'static str,
    #[serde(flatten)]
    pub(crate) summary: Summary,
    pub(crate) rounds: usize,
    pub(crate) ratios: Ratios,
}

/// Medians of the ratios to a reference in the same round. None to itself, and none to what was not measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Ratios {
    /// To the one word that the cache line carries, whatever the size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_line: Option<f64>,
    /// To the pipe at the same size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pipe: Option<f64>,
    /// To the stream ring at the same size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stream: Option<f64>,
    /// To copies on one processor at the same size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memcpy: Option<f64>,
}

impl Outcome {
    /// Summarises each case and relates it to the references among them.
    pub(crate) fn of_all(measured: &[Measured]) -> Vec<Self> {
        measured
            .iter()
            .map(|one| Self {
                transport: one.case.transport,
                test: one.case.test,
                wait: one.case.transport.wait(),
                bytes: one.case.bytes,
                alignment: (one.case.transport == Transport::Message).then_some(one.case.align),
                unit: match one.case.test {
                    Test::Rtt => "ns",
                    Test::Throughput => "msg/s",
                },
                summary: Summary::of(&one.values),
                rounds: one.values.len(),
                ratios: Ratios {
                    cache_line: ratio(measured, one, Transport::CacheLine, 8),
                    pipe: ratio(measured, one, Transport::Pipe, one.case.bytes),
                    stream: ratio(measured, one, Transport::Stream, one.case.bytes),
                    memcpy: ratio(measured, one, Transport::Memcpy, one.case.bytes),
                },
            })
            .collect()
    }
}

fn ratio(measured: &[Measured], one: &Measured, transport: Transport, bytes: usize) -> Option<f64> {
    let reference = Case { bytes, transport, ..one.case };
    measured
        .iter()
        .find(|other| other.case == reference && one.case != reference)
        .map(|other| pairwise_ratio(&one.values, &other.values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(transport: Transport, bytes: usize, values: &[f64]) -> Measured {
        Measured { case: Case { test: Test::Rtt, bytes, transport, align: 64 }, values: values.to_vec() }
    }

    #[test]
    fn ratios_are_to_one_word_and_to_the_pipe_of_the_same_size() {
        let outcomes = Outcome::of_all(&[
            measured(Transport::CacheLine, 8, &[100.0, 200.0]),
            measured(Transport::Pipe, 8, &[1.0, 1.0]),
            measured(Transport::Stream, 64, &[150.0, 300.0]),
            measured(Transport::Pipe, 64, &[1500.0, 3000.0]),
        ]);
        let ratios: Vec<Ratios> = outcomes.into_iter().map(|outcome| outcome.ratios).collect();
        let expected = |cache_line, pipe, stream| Ratios { cache_line, pipe, stream, memcpy: None };
        assert_eq!(ratios[0], expected(None, Some(150.0), None));
        assert_eq!(ratios[2], expected(Some(1.5), Some(0.1), None));
        assert_eq!(ratios[3], expected(Some(15.0), None, Some(10.0)));
    }

    #[test]
    fn an_absent_reference_leaves_no_key_in_the_json() {
        let outcomes =
            Outcome::of_all(&[measured(Transport::CacheLine, 8, &[2.0]), measured(Transport::Stream, 8, &[3.0])]);
        assert_eq!(
            serde_json::to_string(&outcomes[1]).unwrap(),
            r#"{"transport":"stream","test":"rtt","wait":"spin","bytes":8,"unit":"ns","median":3.0,"min":3.0,"max":3.0,"rounds":1,"ratios":{"cache-line":1.5}}"#
        );
    }
}
