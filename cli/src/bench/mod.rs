//! `ringmain bench`: rings in shared memory against pipes, sockets and the machine's own limit.
//!
//! Two processes, pinned to two processors, carry messages over several transports. Machines are noisy, and for longer
//! than one measurement lasts: so the transports take turns in rounds, and what counts is the ratio of two transports
//! within a round.

mod control;
mod host;
mod idle;
mod message;
mod peer;
mod plan;
mod processors;
mod report;
mod results;
mod station;
mod statistics;
mod transport;
mod worker;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::host::Host;
use self::peer::Peer;
use self::processors::Processors;
use self::results::{Measured, Outcome, Report};

pub(crate) use self::peer::SUBCOMMAND;
pub(crate) use self::plan::{Plan, Test, Transport, cases, parse_align, parse_processors, parse_size};
pub(crate) use self::worker::run as serve;

/// Something the user asked for that cannot be.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl fmt::Display for UsageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Measures all of a plan and prints the report, as JSON if asked.
pub(crate) fn run(plan: &Plan, json: bool) -> Result<()> {
    let processors = Processors::choose(plan.processors)?;
    let host = Host::read(processors);
    processors::pin(processors.first)?;
    let measured = measure(plan, processors)?;
    let report = Report { host, results: Outcome::of_all(&measured) };
    let text = if json { serde_json::to_string(&report)? + "\n" } else { report::text(&report) };
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write the report"),
    }
}

/// Runs all rounds.
fn measure(plan: &Plan, processors: Processors) -> Result<Vec<Measured>> {
    let mut peer = Peer::start(processors)?;
    let progress = progress(plan);
    let mut rates = Vec::new();
    for (station, case) in plan.cases.iter().enumerate() {
        progress.set_message(format!("warm-up: {case}"));
        peer.open(*case).with_context(|| case.to_string())?;
        let rate = calibrate(&mut peer, station, plan.duration).with_context(|| case.to_string())?;
        rates.push(rate);
        progress.inc(1);
    }
    let mut measured: Vec<Measured> =
        plan.cases.iter().map(|case| Measured { case: *case, values: Vec::with_capacity(plan.rounds) }).collect();
    for round in 1..=plan.rounds {
        for (station, one) in measured.iter_mut().enumerate() {
            let name = one.case.to_string();
            progress.set_message(format!("round {round} of {}: {name}", plan.rounds));
            let messages = rates[station].messages(plan.duration);
            let elapsed = peer.run(station, messages).context(name)?;
            rates[station] = Rate { messages, elapsed };
            one.values.push(rates[station].value(one.case.test));
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    Ok(measured)
}

/// How many messages took how long.
#[derive(Debug, Clone, Copy)]
struct Rate {
    messages: u64,
    elapsed: Duration,
}

impl Rate {
    /// How many messages will take about `duration`, at most 16 times as many as before.
    fn messages(self, duration: Duration) -> u64 {
        let factor = duration.as_secs_f64() / self.elapsed.as_secs_f64().max(1e-9);
        ((self.messages as f64 * factor.min(16.0)) as u64).max(1)
    }

    /// Nanoseconds per message in `rtt`, messages per second in `throughput`.
    fn value(self, test: Test) -> f64 {
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        match test {
            Test::Rtt => seconds * 1e9 / self.messages as f64,
            Test::Throughput => self.messages as f64 / seconds,
        }
    }
}

/// Finds out how many messages fill a measurement. This is also the warm-up of processors, memory and kernel.
fn calibrate(peer: &mut Peer, station: usize, duration: Duration) -> Result<Rate> {
    let mut messages = 8;
    loop {
        let elapsed = peer.run(station, messages)?;
        let rate = Rate { messages, elapsed };
        if elapsed >= duration / 4 {
            return Ok(rate);
        }
        messages = rate.messages(duration).max(messages * 2);
    }
}

/// A bar on stderr where that is a terminal, and else nothing.
fn progress(plan: &Plan) -> ProgressBar {
    let steps = plan.cases.len() * (plan.rounds + 1);
    let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(steps as u64), target);
    match ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_says_how_many_messages_fill_a_measurement() {
        let rate = Rate { messages: 100, elapsed: Duration::from_millis(10) };
        assert_eq!(rate.messages(Duration::from_millis(20)), 200);
        assert_eq!(rate.messages(Duration::from_secs(20)), 1600);
        assert_eq!(rate.messages(Duration::from_nanos(1)), 1);
    }

    #[test]
    fn a_rate_is_a_time_per_round_trip_or_messages_per_second() {
        let rate = Rate { messages: 1000, elapsed: Duration::from_millis(1) };
        assert!((rate.value(Test::Rtt) - 1000.0).abs() < 1e-6);
        assert!((rate.value(Test::Throughput) - 1e6).abs() < 1e-3);
    }
}
