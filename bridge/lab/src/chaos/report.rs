//! What a run has done and found.

use std::fmt::Write as _;
use std::time::Duration;

use super::plan::Part;
use crate::ends::finding::Fault;
use crate::ends::plan::Kind;

/// Counts of both lanes together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    /// By the number of the part.
    pub(crate) kills: [u64; 5],
    pub(crate) cuts: u64,
    pub(crate) cut_for: Duration,
    pub(crate) stops: u64,
    pub(crate) lives: u64,
    pub(crate) wraps: u64,
    pub(crate) elements: u64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// What lines that are bad have carried, lost, repeated, and how much was overtaken there.
    pub(crate) packets: [u64; 4],
    /// The longest that the supervisor had to wait for something to arrive, or to come, and for what, after what.
    pub(crate) longest_wait: (Duration, String),
}

impl Totals {
    pub(crate) fn kills(&self) -> u64 {
        self.kills.iter().sum()
    }

    pub(crate) fn waited(&mut self, length: Duration, what: impl FnOnce() -> String) {
        if length > self.longest_wait.0 {
            self.longest_wait = (length, what());
        }
    }

    pub(crate) fn moved(&mut self, kind: Kind, count: u64, bytes: u64) {
        match kind {
            Kind::Stream => self.elements += count,
            Kind::Message => self.messages += count,
        }
        self.bytes += bytes;
    }

    /// One line for whoever watches a run.
    pub(crate) fn progress(&self, elapsed: Duration) -> String {
        format!(
            "{:>5} s: {} kills, {} cuts, {} pairs of rings, {} elements, {} messages",
            elapsed.as_secs(),
            self.kills(),
            self.cuts,
            self.lives,
            self.elements,
            self.messages
        )
    }

    pub(crate) fn report(&self, seed: u64, elapsed: Duration, faults: &[Fault]) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            // Writing into a string does not fail.
            let _ = writeln!(text, "{name:<22}{value}");
        };
        let kills = |part: Part| self.kills[part as usize];
        let parts = Part::ALL.map(|part| format!("{} {part:?}s", kills(part)).to_lowercase()).join(", ");
        line("kills", format!("{} ({parts})", self.kills()));
        line("cuts", format!("{}, {:.1} s together", self.cuts, self.cut_for.as_secs_f64()));
        line("stops", self.stops.to_string());
        let [carried, lost, repeated, overtaken] = self.packets;
        let packets = format!("{carried}, {lost} lost, {repeated} repeated, {overtaken} overtaken");
        line("packets on bad lines", packets);
        line("pairs of rings", format!("{}, of which {} passed 2^64", self.lives, self.wraps));
        line("elements moved", self.elements.to_string());
        line("messages moved", self.messages.to_string());
        line("bytes of records", self.bytes.to_string());
        let kinds = [Fault::Lost, Fault::Repeated, Fault::Torn, Fault::Invented, Fault::Withheld, Fault::Mistold];
        for fault in kinds.into_iter().chain([Fault::Hang, Fault::Other]) {
            line(fault.name(), faults.iter().filter(|&&found| found == fault).count().to_string());
        }
        let (length, what) = &self.longest_wait;
        line("longest wait", format!("{:.3} s {what}", length.as_secs_f64()));
        line("seconds", format!("{:.1}", elapsed.as_secs_f64()));
        line("seed", seed.to_string());
        text
    }
}
