//! `ringmain bench`: rings in shared memory against pipes, sockets and the machine's own limit.
//!
//! Two processes, pinned to two processors, carry messages over several transports. Machines are noisy, and for longer
//! than one measurement lasts: so the transports take turns in rounds, and what counts is the ratio of two transports
//! within a round. What is a distribution, or a use of processors, is measured once.

mod clock;
mod control;
mod host;
mod idle;
mod inputs;
mod message;
mod once;
mod pace;
mod peer;
mod plan;
mod processors;
mod quantiles;
mod ratios;
mod report;
mod results;
mod rounds;
mod station;
mod statistics;
mod transport;
mod wait;
mod worker;

use std::fmt;
use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::host::Host;
use self::peer::Peer;
use self::processors::Processors;
use self::results::{FORMAT, Outcome, Recorded, Report, Subject};

pub(crate) use self::inputs::{parse_align, parse_processors, parse_rate, parse_size};
pub(crate) use self::peer::SUBCOMMAND;
pub(crate) use self::plan::{Choice, Plan, Test, Transport};
pub(crate) use self::wait::Wait;
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
    let Run { report, recorded } = measure(plan, processors, host)?;
    let _ = recorded;
    let text = if json { serde_json::to_string(&report)? + "\n" } else { report::text(&report) };
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write the report"),
    }
}

/// All that came out of a run: what is printed, and the times behind its percentiles.
struct Run {
    report: Report,
    recorded: Vec<Recorded>,
}

fn measure(plan: &Plan, processors: Processors, host: Host) -> Result<Run> {
    let mut peer = Peer::start(processors)?;
    let progress = progress(plan);
    let (mut measured, mut left_out) = rounds::measure(&mut peer, plan, &progress)?;
    let once = once::measure(&mut peer, plan, &progress)?;
    progress.finish_and_clear();
    left_out.extend(once.left_out);
    let results = Outcome::of_all(&measured);
    let anything = results.iter().any(|one| one.subject.transport.carries_a_time());
    if let (Some(one), false) = (left_out.first(), anything || !once.paced.is_empty() || !once.idle.is_empty()) {
        bail!("nothing that was asked for can be measured here: {}: {}", one.subject.transport, one.reason);
    }
    let mut recorded = Vec::new();
    for one in &mut measured {
        let subject = Subject::of(one.case);
        recorded.extend(one.times.take().map(|times| Recorded { subject, rate: None, times }));
    }
    recorded.extend(once.recorded);
    let report =
        Report { format: FORMAT, host, warnings: Vec::new(), results, paced: once.paced, idle: once.idle, left_out };
    Ok(Run { report, recorded })
}

/// A bar on stderr where that is a terminal, and else nothing.
fn progress(plan: &Plan) -> ProgressBar {
    let steps = plan.cases.len() * (plan.rounds + 1) + plan.paced.len();
    let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(steps as u64), target);
    match ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
