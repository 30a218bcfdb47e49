//! What came out: one result per case, as the JSON has it.

use ringmain_measure::Summary;
use serde::{Deserialize, Serialize};

use super::host::Host;
use super::measured::{Measured, Ratios};
use super::plan::{Case, Test, Transport};
use super::quantiles::{Distribution, Quantiles, Times};
use super::wait::Wait;

/// The version of the JSON. It changes when a reader of an earlier one would be wrong about it.
pub(crate) const FORMAT: u32 = 1;

/// All that came out of a run: what is printed, and the times behind its percentiles.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) report: Report,
    pub(crate) recorded: Vec<Recorded>,
}

/// All of a run, as it is printed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Report {
    pub(crate) format: u32,
    pub(crate) host: Host,
    /// What should be known before the figures are believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
    /// Of the tests that are in rounds.
    pub(crate) results: Vec<Outcome>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) paced: Vec<Paced>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) idle: Vec<Idle>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) left_out: Vec<LeftOut>,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub(crate) transport: Transport,
    pub(crate) test: Test,
    pub(crate) wait: Wait,
    /// Whether the sender made a fence after each message; no key where it did not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) fenced: bool,
    pub(crate) bytes: usize,
    /// Where the records of a message ring start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alignment: Option<usize>,
}

impl Subject {
    pub(crate) fn of(case: Case) -> Self {
        Self {
            transport: case.transport,
            test: case.test,
            wait: case.wait,
            fenced: case.fenced,
            bytes: case.bytes,
            alignment: (case.transport == Transport::Message).then_some(case.align),
        }
    }

    /// How it waits, and whether its sender makes fences.
    pub(crate) fn waits_by(self) -> String {
        if self.fenced { format!("{} +fence", self.wait) } else { self.wait.to_string() }
    }
}

/// What a figure is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unit {
    #[serde(rename = "ns")]
    Nanoseconds,
    #[serde(rename = "msg/s")]
    MessagesPerSecond,
    #[serde(rename = "%")]
    Percent,
}

/// One case's figures over all rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    #[serde(flatten)]
    pub(crate) subject: Subject,
    pub(crate) unit: Unit,
    #[serde(flatten)]
    pub(crate) summary: Summary,
    pub(crate) rounds: usize,
    /// One for each round, in their order.
    pub(crate) values: Vec<f64>,
    pub(crate) ratios: Ratios,
    /// Of single round trips, of all rounds together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<Distribution>,
}

impl Outcome {
    /// Summarises each case and relates it to the references among them.
    pub(crate) fn of_all(measured: &[Measured]) -> Vec<Self> {
        measured
            .iter()
            .map(|one| Self {
                subject: Subject::of(one.case),
                unit: match one.case.test {
                    Test::Rtt => Unit::Nanoseconds,
                    _ => Unit::MessagesPerSecond,
                },
                summary: Summary::of(&one.values),
                rounds: one.values.len(),
                values: one.values.clone(),
                ratios: Ratios::of(one, measured),
                times: one.times.as_ref().map(Distribution::of),
            })
            .collect()
    }
}

/// How long messages at a fixed rate were under way, and what that took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Paced {
    #[serde(flatten)]
    pub(crate) subject: Subject,
    /// Messages per second that were asked for, and that the source sent.
    pub(crate) rate: u64,
    pub(crate) achieved: f64,
    pub(crate) messages: u64,
    pub(crate) unit: Unit,
    #[serde(flatten)]
    pub(crate) quantiles: Quantiles,
    /// Of the process that receives: 1 is one processor all the time.
    pub(crate) sink_processor: f64,
    /// Of the process that sends. It keeps a rate of more than 1000/s by spinning, which is part of this.
    pub(crate) source_processor: f64,
}

/// What it takes to wait for what does not come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Idle {
    #[serde(flatten)]
    pub(crate) subject: Subject,
    pub(crate) unit: Unit,
    /// Of the process that waits: 100 is one processor all the time.
    pub(crate) percent: f64,
    pub(crate) seconds: f64,
}

/// A case that this system does not allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    #[serde(flatten)]
    pub(crate) subject: Subject,
    /// Messages per second, where they are paced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<u64>,
    pub(crate) reason: String,
}

impl LeftOut {
    pub(crate) fn new(case: Case, reason: &str) -> Self {
        let rate = case.rate.filter(|_| case.test == Test::Paced);
        Self { subject: Subject::of(case), rate, reason: reason.to_owned() }
    }
}

/// The times of one case, with which its percentiles can be exported.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) subject: Subject,
    /// Messages per second, where they are paced.
    pub(crate) rate: Option<u64>,
    pub(crate) times: Times,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(transport: Transport, value: f64) -> Measured {
        let (test, wait) = (Test::Rtt, Wait::Spin);
        let case = Case { test, bytes: 8, transport, align: 64, wait, fenced: false, rate: None };
        Measured { case, values: vec![value], times: None }
    }

    #[test]
    fn an_absent_reference_leaves_no_key_in_the_json() {
        let outcomes = Outcome::of_all(&[measured(Transport::CacheLine, 2.0), measured(Transport::Stream, 3.0)]);
        let text = serde_json::to_string(&outcomes[1]).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"transport":"stream","test":"rtt","wait":"spin","bytes":8,"unit":"ns","median":3.0,"min":3.0,"#,
                r#""max":3.0,"rounds":1,"values":[3.0],"ratios":{"cache-line":1.5}}"#
            )
        );
        assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcomes[1]);
    }

    #[test]
    fn single_round_trips_are_figures_beside_the_median() {
        let mut one = measured(Transport::Pipe, 3.0);
        let mut times = super::super::quantiles::empty().unwrap();
        times.saturating_record(7);
        one.times = Some(times);
        let value = serde_json::to_value(&Outcome::of_all(&[one])[0]).unwrap();
        assert_eq!((&value["times"]["messages"], &value["times"]["p99.99"]), (&1.into(), &7.into()));
    }

    #[test]
    fn what_was_left_out_has_its_reason_and_a_rate_where_it_is_paced() {
        let case = Case { test: Test::Paced, rate: Some(7), ..measured(Transport::PosixMq, 1.0).case };
        assert_eq!(
            serde_json::to_string(&LeftOut::new(case, "no")).unwrap(),
            r#"{"transport":"posix-mq","test":"paced","wait":"spin","bytes":8,"rate":7,"reason":"no"}"#
        );
        assert_eq!(LeftOut::new(Case { test: Test::Idle, ..case }, "no").rate, None);
    }
}
