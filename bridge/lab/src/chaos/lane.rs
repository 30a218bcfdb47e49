//! One of the two lanes of a run: pairs of rings of one kind, one after the other, and what is done to each.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::Shared;
use super::pair::Pair;
use super::plan::{Life, Part, Step};
use crate::ends::finding::Finding;
use crate::ends::plan::Kind;

/// A finding, and the state in which it was found.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) finding: Finding,
    pub(super) state: String,
}

/// Runs pairs of rings of one kind until the run is over or something is wrong.
pub(super) fn run(shared: &Shared, kind: Kind, names: &[String; 2], seed: u64) -> Result<(), Failure> {
    let mut rng = Rng::with_seed(seed);
    while !shared.is_over() {
        let life = Life::draw(&mut rng, kind, Duration::from_secs(shared.settings.longest_cut));
        let text = format!("  {life:?}\n");
        let fail = |finding| {
            shared.failed.store(true, Ordering::Relaxed);
            finding
        };
        let made = Pair::make(shared, names, life).map_err(fail);
        let mut pair = made.map_err(|finding| Failure { finding, state: text })?;
        let lived = live(&mut pair).map_err(fail);
        lived.map_err(|finding| Failure { state: pair.describe(), finding })?;
    }
    Ok(())
}

fn live(pair: &mut Pair<'_>) -> Result<(), Finding> {
    pair.revive()?;
    pair.progress()?;
    for (number, step) in pair.life.steps.clone().into_iter().enumerate() {
        if pair.shared.is_over() {
            break;
        }
        pair.step = format!("{number}: {step:?}");
        act(pair, step)?;
        pair.look()?;
    }
    pair.step = "the end".to_owned();
    pair.finish()
}

fn act(pair: &mut Pair<'_>, step: Step) -> Result<(), Finding> {
    match step {
        Step::Kill { parts, after, pause } => {
            thread::sleep(after);
            for part in parts {
                pair.kill(part)?;
                thread::sleep(pause);
            }
            pair.revive()
        }
        Step::Cut { machine, length, killed } => {
            let start = Instant::now();
            pair.site.network.cut(machine)?;
            if let Some(part) = killed {
                thread::sleep(length / 3);
                pair.kill(part)?;
                thread::sleep(length / 10);
                pair.start(part)?;
            }
            thread::sleep(length.saturating_sub(start.elapsed()));
            pair.site.network.mend(machine)?;
            pair.shared.count(|totals| {
                totals.cuts += 1;
                totals.cut_for += start.elapsed();
            });
            pair.revive()?;
            pair.progress()
        }
        Step::Stop { part, after, pause } => {
            thread::sleep(after);
            pair.stop(part, pause)
        }
        Step::Progress => pair.progress(),
    }
}

/// All parts in the order in which they are started.
pub(super) fn parts(life: &Life) -> impl Iterator<Item = Part> + use<> {
    let is_routed = matches!(life.way, crate::network::Way::Routed);
    Part::ALL.into_iter().filter(move |&part| part != Part::Router || is_routed)
}
