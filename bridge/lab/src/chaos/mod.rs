//! `ringmain-bridge-lab chaos`: bridges whose parts are killed and whose lines are cut, and the proof that nothing is
//! lost, repeated or torn.
//!
//! A pair of stream rings and a pair of message rings live at the same time, each between two machines of their own. A
//! supervisor kills, stops and replaces producers, senders, routers, receivers and consumers, and cuts machines off, by
//! a plan that is drawn from a seed. What goes through the rings is made of its position, and the positions of both
//! rings are the same numbers: a consumer of ring B sees by itself what is lost, torn, repeated or was never sent.

mod lane;
mod pair;
mod plan;
mod report;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use self::lane::Failure;
use self::report::Totals;
use crate::ends::finding::Fault;
use crate::ends::keeper::Keeper;
use crate::ends::plan::Kind;

pub(crate) use crate::ends::job::NAME as WORKER;

/// What a run is to be.
#[derive(Debug, Args)]
pub struct Chaos {
    /// How long to run, in seconds, where no number of kills is given
    #[arg(long, value_name = "N", default_value = "60")]
    seconds: u64,
    /// Run until so many were killed, and so many lines cut
    #[arg(long, value_name = "N", default_value = "0")]
    kills: u64,
    /// Run until so many lines were cut, and so many processes killed
    #[arg(long, value_name = "N", default_value = "0")]
    cuts: u64,
    /// The longest cut, in seconds; the shortest is one
    #[arg(long, value_name = "N", default_value = "10")]
    longest_cut: u64,
    /// What the plan is drawn from [default: another one each time, which is printed]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// How many seconds anything that must happen may take
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    patience: u64,
    /// Let the bridge make a planted mistake: release-early, no-position-check or answer-early
    #[arg(long, value_name = "MISTAKE")]
    plant: Option<String>,
}

/// What both lanes of a run share.
#[derive(Debug)]
struct Shared {
    settings: Chaos,
    start: Instant,
    totals: Mutex<Totals>,
    /// Removes the names of the rings, however this process ends.
    _keeper: Keeper,
    /// Set when a lane has failed: the other one stops.
    failed: AtomicBool,
}

impl Shared {
    fn count<T>(&self, change: impl FnOnce(&mut Totals) -> T) -> T {
        // Nothing panics while it is locked.
        change(&mut self.totals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.settings.patience)
    }

    fn is_over(&self) -> bool {
        let Chaos { seconds, kills, cuts, .. } = self.settings;
        let is_counted = kills > 0 || cuts > 0;
        self.has_failed()
            || is_counted && self.count(|totals| totals.kills() >= kills && totals.cuts >= cuts)
            || !is_counted && self.start.elapsed() >= Duration::from_secs(seconds)
    }
}

/// How often a run says how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

/// Runs, prints the report, and fails where anything was wrong.
///
/// # Errors
/// - something was lost, repeated or torn, or did not arrive, or cannot be looked at
pub fn run(settings: Chaos) -> Result<()> {
    let seed = settings.seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("seed {seed}");
    let names = ["s", "m"].map(|kind| ["a", "b"].map(|ring| format!("lab-chaos.{}.{kind}{ring}", std::process::id())));
    let shared = Shared {
        settings,
        start: Instant::now(),
        totals: Mutex::default(),
        _keeper: Keeper::start(&names.concat())?,
        failed: AtomicBool::new(false),
    };
    let failures: Vec<Failure> = thread::scope(|scope| {
        let lanes = [(Kind::Stream, &names[0], seed), (Kind::Message, &names[1], seed.rotate_left(32) ^ 1)];
        let lanes = lanes.map(|(kind, names, seed)| {
            let shared = &shared;
            scope.spawn(move || lane::run(shared, kind, names, seed))
        });
        let mut said = Instant::now();
        while lanes.iter().any(|lane| !lane.is_finished()) {
            thread::sleep(Duration::from_millis(20));
            if said.elapsed() >= PROGRESS {
                said = Instant::now();
                eprintln!("{}", shared.count(|totals| totals.progress(shared.start.elapsed())));
            }
        }
        let ended = lanes.into_iter().filter_map(|lane| lane.join().expect("a lane does not panic").err());
        ended.filter(|failure| failure.finding.fault != Fault::GivenUp).collect()
    });
    let faults: Vec<_> = failures.iter().map(|failure| failure.finding.fault).collect();
    print!("{}", shared.count(|totals| totals.report(seed, shared.start.elapsed(), &faults)));
    if failures.is_empty() {
        return Ok(());
    }
    for Failure { finding, state } in &failures {
        eprintln!("{}: {}\n{state}", finding.fault.name(), finding.text);
    }
    bail!("{} of 2 lanes failed; the same plan again: --seed {seed}", failures.len())
}
