//! What a run has done and found, as text and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::finding::Fault;
use super::plan::{Kind, Side};
use crate::output::serialize_number;

/// Counts of both lanes together.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Totals {
    pub(crate) producers_killed: u64,
    pub(crate) consumers_killed: u64,
    /// Creators killed before a ring was made.
    pub(crate) creators_killed: u64,
    /// Workers that took a role over from another one.
    pub(crate) restarts: u64,
    /// Workers that left in order.
    pub(crate) closes: u64,
    pub(crate) rings: u64,
    /// Names removed while both ends were attached.
    pub(crate) unlinks: u64,
    /// What was left in rings whose name and consumer were gone.
    pub(crate) left_in_orphans: u64,
    pub(crate) refused: u64,
    pub(crate) stops: u64,
    /// Rings whose positions passed 2^64.
    pub(crate) wraps: u64,
    pub(crate) elements: u64,
    pub(crate) messages: u64,
    /// The longest that the supervisor had to wait for an end to come, to leave or to be told of something, in seconds.
    pub(crate) longest_wait: f64,
}

impl Totals {
    pub(crate) fn waited(&mut self, time: Duration) {
        self.longest_wait = self.longest_wait.max(time.as_secs_f64());
    }

    pub(crate) fn killed(&mut self, side: Side) {
        match side {
            Side::Producer => self.producers_killed += 1,
            Side::Consumer => self.consumers_killed += 1,
        }
    }

    pub(crate) fn kills(&self) -> u64 {
        self.producers_killed + self.consumers_killed + self.creators_killed
    }

    pub(crate) fn moved(&mut self, kind: Kind, count: u64) {
        match kind {
            Kind::Stream => self.elements += count,
            Kind::Message => self.messages += count,
        }
    }
}

/// A whole run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Report {
    #[serde(serialize_with = "serialize_number")]
    pub(crate) seed: u64,
    pub(crate) seconds: f64,
    pub(crate) kills: u64,
    #[serde(flatten)]
    pub(crate) totals: Totals,
    pub(crate) lost: u64,
    pub(crate) torn: u64,
    pub(crate) invented: u64,
    pub(crate) repeated: u64,
    pub(crate) withheld: u64,
    pub(crate) told_wrongly: u64,
    pub(crate) hangs: u64,
    pub(crate) other_failures: u64,
}

impl Report {
    pub(crate) fn new(seed: u64, seconds: f64, totals: Totals, faults: &[Fault]) -> Report {
        let count = |fault| faults.iter().filter(|&&found| found == fault).count() as u64;
        Report {
            seed,
            seconds,
            kills: totals.kills(),
            totals,
            lost: count(Fault::Lost),
            torn: count(Fault::Torn),
            invented: count(Fault::Invented),
            repeated: count(Fault::Repeated),
            withheld: count(Fault::Withheld),
            told_wrongly: count(Fault::Mistold),
            hangs: count(Fault::Hang),
            other_failures: count(Fault::Other),
        }
    }

    /// Writes a line for each figure, none of which is wider than a narrow terminal.
    pub(crate) fn text(&self) -> String {
        let totals = &self.totals;
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            // Writing into a string does not fail.
            let _ = writeln!(text, "{name:<26}{value}");
        };
        line("kills", self.kills.to_string());
        line("producers killed", totals.producers_killed.to_string());
        line("consumers killed", totals.consumers_killed.to_string());
        line("creators killed", totals.creators_killed.to_string());
        line("restarts", totals.restarts.to_string());
        line("orderly closes", totals.closes.to_string());
        line("rings", format!("{}, of which {} passed 2^64", totals.rings, totals.wraps));
        line("unlinks while attached", totals.unlinks.to_string());
        line("left in orphans", totals.left_in_orphans.to_string());
        line("second holders refused", totals.refused.to_string());
        line("stops", totals.stops.to_string());
        line("elements moved", totals.elements.to_string());
        line("messages moved", totals.messages.to_string());
        line("lost", self.lost.to_string());
        line("torn", self.torn.to_string());
        line("invented", self.invented.to_string());
        line("repeated", self.repeated.to_string());
        line("withheld", self.withheld.to_string());
        line("told wrongly", self.told_wrongly.to_string());
        line("hangs", self.hangs.to_string());
        line("other failures", self.other_failures.to_string());
        line("longest wait", format!("{:.3} s", totals.longest_wait));
        line("seconds", format!("{:.1}", self.seconds));
        line("seed", self.seed.to_string());
        text
    }
}
