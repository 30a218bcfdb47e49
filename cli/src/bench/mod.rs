//! `ringmain bench`: rings in shared memory against pipes, sockets and the machine's own limit.
//!
//! Two processes, pinned to two processors, carry messages over several transports. Machines are noisy, and for longer
//! than one measurement lasts: so the transports take turns in rounds, and what counts is the ratio of two transports
//! within a round. What is a distribution, or a use of processors, is measured once.

mod arguments;
mod clock;
mod compare;
mod control;
mod export;
mod gauge;
mod host;
mod idle;
mod inputs;
mod measured;
mod message;
mod once;
mod pace;
mod peer;
mod plan;
mod plots;
mod quantiles;
mod rate;
mod regimes;
mod report;
mod results;
mod rounds;
mod station;
mod transport;
mod wait;
mod warnings;
mod worker;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::bar::Bar;
use crate::usage::UsageError;
use crate::{output, words};

use self::compare::Comparison;
use self::export::Folder;
use self::host::Host;
use self::peer::Peer;
use self::plan::Plan;
use self::report::Style;
use self::results::{FORMAT, Outcome, Recorded, Report, Run, Subject};
use self::rounds::Rounds;

pub(crate) use self::arguments::Bench;
pub(crate) use self::peer::NAME as PEER;
pub(crate) use self::worker::run as serve;

/// Measures what was asked for, or takes an earlier run, and reports on it.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    let (plan, paths) = (bench.plan()?, bench.paths());
    // What cannot be read or written is told before minutes of measurement.
    let earlier = paths.compare.map(|path| compare::read(path)).transpose()?;
    let folder = paths.export.map(|path| Folder::open(path)).transpose()?;
    let run = match paths.from {
        Some(path) => Run { report: compare::read(path)?, recorded: Vec::new() },
        None => measure(&plan)?,
    };
    let written = folder.as_ref().map(|folder| folder.write(&run)).transpose()?;
    let comparison = earlier.map(|earlier| Comparison::of(&earlier, &run.report));
    print(&run.report, comparison.as_ref(), bench.json())?;
    if let Some((folder, files)) = folder.zip(written) {
        output::say(&format!("wrote {} to {}\n", words::count(files as u64, "file"), folder.path().display()));
    }
    Ok(())
}

/// A report as JSON, with what it was compared to.
#[derive(Serialize)]
struct Compared<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<&'a Comparison>,
}

fn print(report: &Report, comparison: Option<&Comparison>, json: bool) -> Result<()> {
    let text = if json {
        serde_json::to_string(&Compared { report, comparison })? + "\n"
    } else {
        report::text(report, comparison, Style::of_stdout())
    };
    output::print(&text)
}

fn measure(plan: &Plan) -> Result<Run> {
    let processors = processors(plan.processors)?;
    let host = Host::read(processors);
    ringmain_measure::pin(processors[0])?;
    let mut peer = Peer::start(processors)?;
    let progress = progress(plan);
    let Rounds { measured, regimes, mut left_out } = rounds::measure(&mut peer, plan, &progress)?;
    let once = once::measure(&mut peer, plan, &progress)?;
    progress.finish_and_clear();
    left_out.extend(once.left_out);
    let results = Outcome::of_all(&measured, &regimes)?;
    let anything = results.iter().any(|one| one.subject.transport.carries_a_time());
    if let (Some(one), false) = (left_out.first(), anything || !once.paced.is_empty() || !once.idle.is_empty()) {
        bail!("nothing that was asked for can be measured here: {}: {}", one.subject.transport, one.reason);
    }
    let mut recorded = Vec::new();
    for one in &measured {
        for regime in &regimes.all {
            let (subject, regime, times) = (Subject::of(one.case), Some(regime.nearness), one.times_in(regime)?);
            recorded.extend(times.map(|times| Recorded { subject, rate: None, regime, times }));
        }
    }
    recorded.extend(once.recorded);
    let warnings = warnings::of(&host, &regimes);
    let (paced, idle) = (once.paced, once.idle);
    let report = Report { format: FORMAT, host, warnings, regimes, results, paced, idle, left_out };
    Ok(Run { report, recorded })
}

/// Takes what was asked for, or else the best two.
fn processors(asked: Option<[usize; 2]>) -> Result<[usize; 2]> {
    let Some(asked) = asked else { return ringmain_measure::two() };
    let allowed = ringmain_measure::allowed()?;
    let Some(processor) = asked.iter().find(|one| !allowed.contains(one)) else { return Ok(asked) };
    let ([first, second], allowed) = (asked, allowed.iter().map(usize::to_string).collect::<Vec<_>>());
    Err(UsageError(format!(
        "--cpus {first},{second}: this process may not run on processor {processor}, only on {}; name two of these, or \
         start it with another affinity (see taskset)",
        allowed.join(", ")
    ))
    .into())
}

/// A bar on stderr if that is a terminal, and else nothing.
fn progress(plan: &Plan) -> Bar {
    let count = (plan.cases.len() * (plan.rounds + 1) + plan.paced.len()) as u64;
    Bar::new(Some(count), "", |state| vec![(0, format!("{}/{}", state.pos(), state.len().unwrap_or_default()))])
}
