//! The scenarios, and how they are played in both directions.

mod data;
mod ends;
mod hostile;
mod kills;
mod odd;
mod orders;
mod wakes;

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::golden;
use crate::peer::{Peer, Program};
use crate::ring::{Shape, Track};
use crate::stage::Stage;

/// One scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it shows.
    pub shows: &'static str,
    play: fn(&mut Stage<'_>) -> Result<()>,
    /// Its share of the time that scenarios at random are given; 0 for one that ends by itself.
    share: f64,
}

/// All scenarios, in the order in which they are played.
pub const SCENARIOS: &[Scenario] = &[
    scenario("identity", "what a ring says of itself is compared before anything else", hostile::identity, 0.0),
    scenario("orders", "either end may be started first, or both at once", orders::start, 0.0),
    scenario("alignments", "elements and records of every alignment that there can be", data::alignments, 0.0),
    scenario("words", "the user's word of a message", data::words, 0.0),
    scenario("tiny", "rings of one slot and of two, and the smallest message ring", data::tiny, 0.0),
    scenario("wraps", "positions that pass 2^32, 2^63 and 2^64", data::wraps, 0.0),
    scenario("batches", "what is sent together is there as a whole or not at all", data::batches, 0.0),
    scenario("golden", "the same calls leave the same bytes", golden::play, 0.0),
    scenario("succession", "a role is taken over from a holder that left", orders::after_leaving, 0.0),
    scenario("inheritance", "a role is taken over from a holder that was killed", orders::after_death, 0.0),
    scenario("halves", "a holder dies in the middle of a call", kills::halves, 0.0),
    scenario("ends", "an end is told once, to whom it concerns, after all data", ends::ends, 0.0),
    scenario("odd", "odd but legal: sleeps at every item, wakes in vain, visitors, stops", odd::odd, 0.0),
    scenario("hostile", "positions and headers that lie are found out", hostile::lies, 0.0),
    scenario("wakes", "no sleeper is left asleep", wakes::wakes, 0.4),
    scenario("kills", "either end, or both, killed at random", kills::kills, 0.6),
];

const fn scenario(
    name: &'static str,
    shows: &'static str,
    play: fn(&mut Stage<'_>) -> Result<()>,
    share: f64,
) -> Scenario {
    Scenario { name, shows, play, share }
}

/// What became of a scenario in one direction.
#[derive(Debug)]
pub struct Played {
    /// The scenario.
    pub scenario: Scenario,
    /// Who began, and who followed.
    pub direction: String,
    /// How long it took.
    pub took: Duration,
    /// Remarks, or what was wrong.
    pub result: Result<String>,
}

/// How long a scenario that ends by itself may take; one at random, beyond its time.
const BOUND: Duration = Duration::from_secs(60);

/// Plays one scenario in one direction. `seconds` is what scenarios at random have altogether.
#[must_use]
pub fn play(scenario: Scenario, first: &Program, second: &Program, seed: u64, seconds: f64) -> Played {
    let (start, time) = (Instant::now(), Duration::from_secs_f64(scenario.share * seconds));
    // Another choice for each scenario, and the same one whichever else is played.
    let scattered = scenario.name.bytes().fold(seed, |seed, byte| seed.rotate_left(7) ^ u64::from(byte));
    let mut stage = Stage::new(first, second, scattered, time, time + BOUND);
    let result = (scenario.play)(&mut stage).map(|()| stage.notes());
    let direction = format!("{} to {}", first.title, second.title);
    Played { scenario, direction, took: start.elapsed(), result }
}

/// Rings of both kinds, none larger than what fits a few items.
const SHAPES: [fn() -> Shape; 4] = [
    || Shape::stream(8, 8, 8),
    || Shape::stream(4, 24, 8),
    || Shape::messages(4096, 8, 0, 300),
    || Shape::messages(4096, 64, 0, 300),
];

/// Both ends take turns without a wait, and each call does exactly as much as it can.
fn take_turns(stage: &mut Stage<'_>, tx: &mut Peer, rx: &mut Peer, track: &mut Track, rounds: u64) -> Result<()> {
    let most = track.shape.capacity.min(20) + 2;
    for _ in 0..rounds {
        let (pushed, popped) = (stage.random.u64(0..most), stage.random.u64(0..most));
        track.push(tx, pushed)?;
        track.pop(rx, popped)?;
        if stage.random.u8(..) < 64 {
            track.stand(tx)?;
        }
    }
    track.stand(rx)?;
    stage.check_time()
}
