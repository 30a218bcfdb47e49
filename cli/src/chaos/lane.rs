//! One of the two lanes of a run: rings of one kind, one after the other, and what is done to the ends of each.

use std::sync::atomic::Ordering;
use std::thread;

use fastrand::Rng;

use super::finding::Finding;
use super::plan::{End, Kind, Life, Moment, Side, Step};
use super::ring::Ring;
use super::shared::Shared;

/// A finding, and the state in which it was found.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) finding: Finding,
    pub(crate) state: String,
}

/// Runs rings of one kind until the time is over or something is wrong.
pub(crate) fn run(shared: &Shared, kind: Kind, name: &str, seed: u64) -> Result<(), Failure> {
    let mut rng = Rng::with_seed(seed);
    let mut ring: Option<Ring<'_>> = None;
    while !shared.is_over() {
        let life = Life::draw(&mut rng, kind);
        let next = match ring.take() {
            // It is an orphan by now: the next one has its name, and both are alive for a while.
            Some(mut orphan) => {
                let next = begin(shared, name, life)?;
                settle(&mut orphan)?;
                next
            }
            None => begin(shared, name, life)?,
        };
        ring = live(next)?;
    }
    ring.map_or(Ok(()), |mut orphan| settle(&mut orphan))
}

/// Makes a ring, with both ends.
fn begin<'a>(shared: &'a Shared, name: &str, life: Life) -> Result<Ring<'a>, Failure> {
    let text = format!("  {life:?}\n");
    let mut ring = Ring::make(shared, name, life).map_err(|finding| Failure { finding, state: text })?;
    let started = Side::BOTH.into_iter().try_for_each(|side| ring.start(side));
    let started = started.and_then(|()| Side::BOTH.into_iter().try_for_each(|side| ring.await_attached(side)));
    explained(started, &ring)?;
    Ok(ring)
}

/// Takes a ring through its steps. Returns it where it is an orphan that has yet to be settled.
fn live(mut ring: Ring<'_>) -> Result<Option<Ring<'_>>, Failure> {
    let steps = ring.life.steps.clone();
    for (number, step) in steps.into_iter().enumerate() {
        if ring.shared.is_over() {
            break;
        }
        ring.step = format!("{number}: {step:?}");
        let done = act(&mut ring, step);
        explained(done, &ring)?;
    }
    ring.step = format!("{:?}", ring.life.end);
    if let End::Drained { .. } = ring.life.end {
        settle(&mut ring)?;
        return Ok(None);
    }
    explained(ring.unlink(), &ring)?;
    Ok(Some(ring))
}

fn settle(ring: &mut Ring<'_>) -> Result<(), Failure> {
    let settled = match ring.life.end {
        End::Drained { killed, .. } | End::Orphaned { killed } => drain(ring, killed),
        End::Abandoned => abandon(ring),
    };
    explained(settled.and_then(|()| ring.remove()), ring)
}

fn act(ring: &mut Ring<'_>, step: Step) -> Result<(), Finding> {
    match step {
        Step::Kill { side, moment: Moment::Starting(after), noticed } => {
            ring.kill(side)?;
            if noticed {
                ring.await_crash_told(side)?;
            }
            ring.start(side)?;
            thread::sleep(after);
            ring.kill(side)?;
            ring.start(side)?;
            ring.await_attached(side)
        }
        Step::Kill { side, moment: Moment::Running(after), noticed } => {
            thread::sleep(after);
            ring.kill(side)?;
            if noticed {
                ring.await_crash_told(side)?;
            }
            ring.start(side)?;
            ring.await_attached(side)
        }
        Step::KillBoth { first, moment } => {
            if let Moment::Running(after) = moment {
                thread::sleep(after);
            }
            ring.kill(first)?;
            ring.kill(first.other())?;
            ring.start(first)?;
            ring.start(first.other())?;
            if let Moment::Starting(after) = moment {
                thread::sleep(after);
                ring.kill(first.other())?;
                ring.start(first.other())?;
            }
            ring.await_attached(first)?;
            ring.await_attached(first.other())
        }
        Step::Close { side, after, noticed } => {
            thread::sleep(after);
            ring.close(side)?;
            if noticed {
                ring.await_close_told(side)?;
            }
            ring.start(side)?;
            ring.await_attached(side)
        }
        Step::Stop { side, after, pause, killed } => {
            thread::sleep(after);
            ring.stop(side)?;
            thread::sleep(pause);
            if !killed {
                return ring.go_on(side);
            }
            ring.kill(side)?;
            ring.start(side)?;
            ring.await_attached(side)
        }
        Step::Intrude { side } => ring.intrude(side),
    }
}

/// Lets the consumer read all that the producer leaves.
fn drain(ring: &mut Ring<'_>, killed: bool) -> Result<(), Finding> {
    if matches!(ring.life.end, End::Orphaned { .. }) {
        ring.await_orphan_told(Side::Producer)?;
        ring.await_orphan_told(Side::Consumer)?;
    }
    let by_others = matches!(ring.life.end, End::Drained { by_others: true, .. });
    if by_others {
        ring.empty()?;
    }
    if killed {
        ring.kill(Side::Producer)?
    } else {
        ring.close(Side::Producer)?
    }
    if by_others {
        ring.kill_untold()?;
        // The next one is told, and leaves; the one after it is not.
        ring.start_to_drain()?;
        ring.drain()?;
        ring.start_to_drain()?;
    }
    ring.drain()
}

/// Lets a producer find out that nobody will read what it has pushed.
fn abandon(ring: &mut Ring<'_>) -> Result<(), Finding> {
    ring.kill(Side::Consumer)?;
    ring.await_crash_told(Side::Consumer)?;
    ring.await_orphan_told(Side::Producer)?;
    ring.close(Side::Producer)?;
    ring.count_left()
}

fn explained(result: Result<(), Finding>, ring: &Ring<'_>) -> Result<(), Failure> {
    result.map_err(|finding| {
        // The other lane gives up at its next wait.
        ring.shared.failed.store(true, Ordering::Relaxed);
        Failure { state: ring.describe(), finding }
    })
}
