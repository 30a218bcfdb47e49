//! What came out: one result per case, as the JSON has it.

use anyhow::Result;
use ringmain_measure::{Nearness, Regime, Summary};
use serde::{Deserialize, Serialize};

use super::host::Host;
use super::measured::{Measured, Ratios};
use super::plan::{Case, Test, Transport};
use super::quantiles::{Distribution, Quantiles, Times};
use super::regimes::{Regimes, STEADY};
use super::wait::Wait;

/// The version of the JSON. It changes when a reader of an earlier one would be wrong about it.
pub(crate) const FORMAT: u32 = 2;

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
    #[serde(flatten)]
    pub(crate) regimes: Regimes,
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
    /// Over how many rings each way, where a set waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rings: Option<usize>,
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
            rings: Some(case.rings).filter(|rings| *rings > 0),
            alignment: (case.transport == Transport::Message).then_some(case.align),
        }
    }

    /// How it waits, at how many rings, and whether its sender makes fences.
    pub(crate) fn waits_by(self) -> String {
        if let Some(rings) = self.rings {
            return format!("{}, set of {rings}", self.wait);
        }
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

/// One case's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Outcome {
    #[serde(flatten)]
    pub(crate) subject: Subject,
    pub(crate) unit: Unit,
    /// One for each round, in their order.
    pub(crate) values: Vec<f64>,
    /// In the order of the regimes of the run.
    pub(crate) by_regime: Vec<Figures>,
}

/// One case's figures over the rounds of one regime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) regime: Nearness,
    #[serde(flatten)]
    pub(crate) summary: Summary,
    pub(crate) rounds: usize,
    pub(crate) ratios: Ratios,
    /// Of single round trips, of these rounds together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<Distribution>,
}

impl Outcome {
    /// Summarises each case in each regime, and relates it to the references among them.
    pub(crate) fn of_all(measured: &[Measured], regimes: &Regimes) -> Result<Vec<Self>> {
        let outcome = |one: &Measured| {
            let figures = |regime: &Regime| {
                let values = regime.select(&one.values);
                Ok(Figures {
                    regime: regime.nearness,
                    summary: Summary::of(&values),
                    rounds: values.len(),
                    ratios: Ratios::of(one, measured, regime),
                    times: one.times_in(regime)?.as_ref().map(Distribution::of),
                })
            };
            let unit = match one.case.test {
                Test::Rtt | Test::Waitset => Unit::Nanoseconds,
                _ => Unit::MessagesPerSecond,
            };
            let by_regime = regimes.all.iter().map(figures).collect::<Result<_>>()?;
            Ok(Self { subject: Subject::of(one.case), unit, values: one.values.clone(), by_regime })
        };
        measured.iter().map(outcome).collect()
    }
}

/// One case in one regime.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    pub(crate) subject: Subject,
    pub(crate) unit: Unit,
    /// Those of the rounds of the regime.
    pub(crate) values: Vec<f64>,
    pub(crate) figures: Figures,
}

impl Cell {
    /// All cases in one regime, in order. A damaged report may lack one.
    pub(crate) fn of(outcomes: &[Outcome], regime: &Regime) -> Vec<Self> {
        let cell = |one: &Outcome| {
            let figures = one.by_regime.iter().find(|figures| figures.regime == regime.nearness)?.clone();
            let values = regime.rounds.iter().map(|round| one.values.get(*round).copied());
            let (subject, unit, values) = (one.subject, one.unit, values.collect::<Option<Vec<f64>>>()?);
            (!values.is_empty()).then_some(Self { subject, unit, values, figures })
        };
        outcomes.iter().filter_map(cell).collect()
    }

    /// Whether half of the rounds, those in the middle, are within the factor that counts as steady.
    pub(crate) fn is_steady(&self) -> bool {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        let aside = values.len() / 4;
        values[values.len() - 1 - aside] <= STEADY * values[aside]
    }

    /// All cases of a run whose rounds are of one regime.
    #[cfg(test)]
    pub(crate) fn of_one_regime(measured: &[Measured]) -> Vec<Self> {
        let rounds = measured.first().map_or(1, |one| one.values.len());
        let regimes = Regimes::of(&vec![100.0; rounds + 1]);
        Self::of(&Outcome::of_all(measured, &regimes).unwrap(), &regimes.all[0])
    }
}

impl Report {
    /// All cases of the tests in rounds, in one regime of the run.
    pub(crate) fn cells(&self, regime: &Regime) -> Vec<Cell> {
        Cell::of(&self.results, regime)
    }
}

/// The share of a rate that must be kept.
const KEPT: f64 = 0.99;

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

impl Paced {
    /// Whether the source sent as many messages per second as it was to.
    pub(crate) fn kept_its_rate(&self) -> bool {
        self.achieved >= KEPT * self.rate as f64
    }
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
    /// Which rounds they are of, where they are of rounds.
    pub(crate) regime: Option<Nearness>,
    pub(crate) times: Times,
}

#[cfg(test)]
mod tests {
    use super::super::quantiles::{self, Counts};
    use super::*;

    fn measured(transport: Transport, values: &[f64]) -> Measured {
        let (test, wait) = (Test::Rtt, Wait::Spin);
        let case = Case { test, bytes: 8, transport, align: 64, wait, fenced: false, rings: 0, rate: None };
        Measured { case, values: values.to_vec(), times: Vec::new() }
    }

    #[test]
    fn a_case_has_figures_in_each_regime_and_no_key_for_an_absent_reference() {
        let regimes = Regimes::of(&[60.0, 60.0, 450.0, 450.0]);
        let measured =
            [measured(Transport::CacheLine, &[2.0, 3.0, 4.0]), measured(Transport::Stream, &[3.0, 9.0, 5.0])];
        let outcomes = Outcome::of_all(&measured, &regimes).unwrap();
        let text = serde_json::to_string(&outcomes[1]).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"transport":"stream","test":"rtt","wait":"spin","bytes":8,"unit":"ns","values":[3.0,9.0,5.0],"#,
                r#""by-regime":[{"regime":"near","median":3.0,"min":3.0,"max":3.0,"rounds":1,"#,
                r#""ratios":{"cache-line":1.5}},{"regime":"far","median":5.0,"min":5.0,"max":5.0,"rounds":1,"#,
                r#""ratios":{"cache-line":1.25}}]}"#
            )
        );
        assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcomes[1]);
        let far = Cell::of(&outcomes, &regimes.all[1]);
        assert_eq!((&*far[1].values, far[1].figures.summary.median), (&[5.0][..], 5.0));
    }

    #[test]
    fn a_figure_is_steady_if_half_of_its_rounds_are_near_each_other() {
        let is_steady = |values: &[f64]| Cell::of_one_regime(&[measured(Transport::Pipe, values)])[0].is_steady();
        assert!(is_steady(&[100.0]) && is_steady(&[100.0, 149.0]));
        assert!(!is_steady(&[100.0, 151.0]) && !is_steady(&[100.0, 110.0, 200.0]));
        // One round of four may be as it likes, at either end.
        assert!(is_steady(&[1.0, 100.0, 110.0, 9000.0]));
        assert!(!is_steady(&[100.0, 100.0, 300.0, 300.0]));
    }

    #[test]
    fn single_round_trips_are_figures_of_the_rounds_of_a_regime() {
        let mut one = measured(Transport::Pipe, &[3.0, 3.0, 3.0]);
        let mut times = quantiles::empty().unwrap();
        for time in [7, 8, 90] {
            times.reset();
            times.saturating_record(time);
            one.times.push(Counts::of(&times));
        }
        let regimes = Regimes::of(&[60.0, 60.0, 60.0, 60.0]);
        let value = |regimes| serde_json::to_value(&Outcome::of_all(std::slice::from_ref(&one), regimes).unwrap()[0]);
        let value = value(&regimes).unwrap();
        let times = &value["by-regime"][0]["times"];
        assert_eq!((&times["messages"], &times["p50"], &times["p99.99"]), (&3.into(), &8.into(), &90.into()));
        let regimes = Regimes { all: Regime::of(&[60.0, 60.0, 450.0]), ..regimes };
        let outcomes = Outcome::of_all(&[one], &regimes).unwrap();
        let most = |at: usize| outcomes[0].by_regime[at].times.unwrap().quantiles.max;
        assert_eq!((most(0), most(1)), (8, 90));
    }

    #[test]
    fn what_was_left_out_has_its_reason_and_a_rate_where_it_is_paced() {
        let case = Case { test: Test::Paced, rate: Some(7), ..measured(Transport::PosixMq, &[1.0]).case };
        assert_eq!(
            serde_json::to_string(&LeftOut::new(case, "no")).unwrap(),
            r#"{"transport":"posix-mq","test":"paced","wait":"spin","bytes":8,"rate":7,"reason":"no"}"#
        );
        assert_eq!(LeftOut::new(Case { test: Test::Idle, ..case }, "no").rate, None);
    }
}
