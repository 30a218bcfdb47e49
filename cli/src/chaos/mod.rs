//! `ringmain chaos`: rings whose ends are killed all the time, and the proof that nothing is lost.
//!
//! A stream ring and a message ring live at the same time, each with a producer and a consumer in processes of their
//! own. A supervisor kills, stops, restarts and replaces these by a plan that is drawn from a seed. Workers note in a
//! journal, which survives them, what they are about to do and what they have done; the supervisor compares it with
//! what a kill leaves in the ring. What goes through the rings is made of its position, so consumers see by themselves
//! what is lost, torn or repeated.

mod arguments;
mod content;
mod finding;
mod job;
mod journal;
mod judge;
mod keeper;
mod lane;
mod message;
mod plan;
mod process;
mod report;
mod ring;
mod segment;
mod shared;
mod stream;
mod work;
mod worker;

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use self::finding::Fault;
use self::keeper::Keeper;
use self::lane::Failure;
use self::plan::Kind;
use self::report::{Report, Totals};
use self::shared::Shared;
use crate::output;

pub(crate) use self::arguments::Chaos;
pub(crate) use self::job::NAME as WORKER;
pub(crate) use self::keeper::{NAME as KEEPER, run as keep};
pub(crate) use self::worker::run as work;

/// How often a run says how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

/// Runs, prints the report, and fails where anything was wrong.
pub(crate) fn run(chaos: &Chaos) -> Result<()> {
    let settings = chaos.settings();
    let seed = settings.seed.unwrap_or_else(|| fastrand::u64(..));
    output::say(&format!("seed {seed}\n"));
    let names = ["s", "m"].map(|lane| format!("ringmain-chaos.{}.{lane}", std::process::id()));
    let start = Instant::now();
    let shared = Shared {
        totals: Mutex::new(Totals::default()),
        keeper: Keeper::start(&names)?,
        failed: AtomicBool::new(false),
        deadline: start + settings.duration,
        patience: settings.patience,
        plant: settings.plant,
    };
    let failures = thread::scope(|scope| {
        let lanes = [(Kind::Stream, &names[0], seed), (Kind::Message, &names[1], seed.rotate_left(32) ^ 1)];
        let lanes = lanes.map(|(kind, name, seed)| {
            let shared = &shared;
            scope.spawn(move || lane::run(shared, kind, name, seed))
        });
        let mut said = Instant::now();
        while lanes.iter().any(|lane| !lane.is_finished()) {
            thread::sleep(Duration::from_millis(20));
            if said.elapsed() >= PROGRESS {
                said = Instant::now();
                shared.count(|totals| progress(start.elapsed(), totals));
            }
        }
        let ended = lanes.into_iter().filter_map(|lane| lane.join().expect("a lane does not panic").err());
        ended.filter(|failure| failure.finding.fault != Fault::GivenUp).collect::<Vec<_>>()
    });
    let faults: Vec<_> = failures.iter().map(|failure| failure.finding.fault).collect();
    let mut totals = Totals::default();
    shared.count(|counted| totals = counted.clone());
    let report = Report::new(seed, start.elapsed().as_secs_f64(), totals, &faults);
    let text = if settings.json { serde_json::to_string(&report)? + "\n" } else { report.text() };
    output::print(&text)?;
    if failures.is_empty() {
        return Ok(());
    }
    for Failure { finding, state } in &failures {
        output::say(&format!("{}: {}\n{state}", finding.fault.name(), finding.text));
    }
    bail!("{} of 2 rings failed; the same plan again: ringmain chaos --seed {seed}", failures.len())
}

fn progress(elapsed: Duration, totals: &Totals) {
    output::say(&format!(
        "{:>4} s: {} kills, {} restarts, {} rings, {} elements, {} messages\n",
        elapsed.as_secs(),
        totals.kills(),
        totals.restarts,
        totals.rings,
        totals.elements,
        totals.messages
    ));
}
