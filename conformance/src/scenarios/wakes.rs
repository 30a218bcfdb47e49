//! No sleeper is left asleep.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::peer::Peer;
use crate::protocol::Length;
use crate::ring::{Ring, Role, Shape, Track, Watch};
use crate::stage::Stage;

/// A sleeper that was woken answers within this time, as a rule; else it is looked at.
const SOON: Duration = Duration::from_millis(20);

/// How long a sleeper has to sleep on to be one whose wake was lost. The longest sleep is 100 ms.
const ON: Duration = Duration::from_millis(15);

/// What was counted.
#[derive(Default)]
struct Counts {
    rounds: u64,
    asleep: u64,
    /// From the command that publishes to the answer of a sleeper that slept before it, in microseconds.
    latencies: Vec<u64>,
}

/// One end waits, and the other one gives it what it waits for: when it sleeps, or just as it falls asleep.
pub(super) fn wakes(stage: &mut Stage<'_>) -> Result<()> {
    let shapes = [
        Shape::stream(1, 8, 8),
        Shape::stream(8, 8, 8),
        Shape::messages(4096, 8, 1000, 1000),
        Shape::messages(4096, 64, 40, 40),
    ];
    let end = Instant::now() + stage.time;
    let mut counts = Counts::default();
    let ways = [("park", "park"), ("auto", "auto"), ("park", "spin"), ("spin", "park")];
    let parts = (shapes.len() * ways.len()) as u32;
    for (part, (shape, (pushes, pops))) in (0..).zip(shapes.into_iter().flat_map(|shape| ways.map(|way| (shape, way))))
    {
        let until = Instant::now() + end.saturating_duration_since(Instant::now()) / (parts - part);
        let ring = Ring::new(shape);
        let (mut tx, mut rx, mut track) = stage.open(&ring)?;
        tx.says(&format!("wait {pushes}"), "")?;
        rx.says(&format!("wait {pops}"), "")?;
        let watch = Watch::new(&ring)?;
        let mut play = || -> Result<()> {
            flow(&watch, &mut tx, &mut rx, &mut track)?;
            for round in 0.. {
                if round > 1 && Instant::now() >= until {
                    break;
                }
                stage.check_time()?;
                consumer_waits(stage, &watch, &mut tx, &mut rx, &mut track, &mut counts)?;
                producer_waits(stage, &watch, &mut tx, &mut rx, &mut track, &mut counts)?;
            }
            late(&mut tx)?;
            late(&mut rx)
        };
        play().with_context(|| format!("{pushes} to push and {pops} to pop, {}", shape.title()))?;
    }
    let Counts { rounds, asleep, mut latencies, .. } = counts;
    latencies.sort_unstable();
    let at = |part: usize| latencies.get(latencies.len().saturating_sub(1) * part / 100).copied().unwrap_or(0);
    let (half, most, all) = (at(50), at(99), at(100));
    stage.note(format!("{rounds} rounds, {asleep} asleep first, awake after {half} us (99%: {most}, all: {all})"));
    Ok(())
}

/// Checks that nobody sleeps on although what it wants is there.
fn stays_awake(watch: &Watch, role: Role, sleeper: &Peer, publisher: &Peer) -> Result<()> {
    let lost = watch.sleeps_on(role, sleeper, publisher, ON)?;
    ensure!(!lost, "the {} slept on although what it wants was there for {ON:?}", role.name());
    Ok(())
}

/// Compares what a peer counted itself, where it does: hardly a sleep may run to its end although there was something.
fn late(peer: &mut Peer) -> Result<()> {
    let Ok(said) = peer.ask("stats")? else { return Ok(()) };
    let (sleeps, late) = said.split_once(' ').context("stats of one number")?;
    let (sleeps, late): (u64, u64) = (sleeps.parse()?, late.parse()?);
    ensure!(late <= 10 + sleeps / 100, "{late} of {sleeps} sleeps ran to their end although there was something");
    Ok(())
}

/// Both ends wait for each other all the time, and somebody looks whether one sleeps on.
fn flow(watch: &Watch, tx: &mut Peer, rx: &mut Peer, track: &mut Track) -> Result<()> {
    let (count, length) = (400, track.shape.length);
    rx.send(&format!("flow pop {count} {} {length} 8000", track.head.number))?;
    tx.send(&format!("flow push {count} {} {length} 8000", track.tail.number))?;
    loop {
        let done = rx.answers_within(Duration::from_millis(2), &count.to_string())?;
        if done {
            break;
        }
        for (role, sleeper, publisher) in [(Role::Producer, &*tx, &*rx), (Role::Consumer, &*rx, &*tx)] {
            stays_awake(watch, role, sleeper, publisher)?;
        }
    }
    tx.answers(&count.to_string())?;
    track.tail.pass(track.shape, count);
    track.head.pass(track.shape, count);
    Ok(())
}

/// Sends the command that waits, and now and then lets the other end go ahead before it sleeps.
fn begin(
    stage: &mut Stage<'_>,
    watch: &Watch,
    role: Role,
    sleeper: &mut Peer,
    command: &str,
    counts: &mut Counts,
) -> Result<bool> {
    counts.rounds += 1;
    sleeper.send(command)?;
    if stage.random.u8(0..4) == 0 {
        let sleeps = watch.falls_asleep(role, sleeper, Duration::from_millis(5))?;
        counts.asleep += u64::from(sleeps);
        return Ok(sleeps);
    }
    let (start, pause) = (Instant::now(), Duration::from_micros(stage.random.u64(0..120)));
    while start.elapsed() < pause {
        std::hint::spin_loop();
    }
    Ok(false)
}

/// Hears that the wait is over, and looks where it is not.
fn finish(
    watch: &Watch,
    role: Role,
    sleeper: &mut Peer,
    publisher: &Peer,
    published: Option<Instant>,
    counts: &mut Counts,
) -> Result<()> {
    let answer = match sleeper.answer_within(SOON)? {
        Some(answer) => answer,
        None => {
            stays_awake(watch, role, sleeper, publisher)?;
            sleeper.answer()?
        }
    };
    ensure!(answer == Ok(String::new()), "{role:?} waits for what is there, and hears {answer:?}");
    if let Some(published) = published {
        counts.latencies.push(sleeper.answered().saturating_duration_since(published).as_micros() as u64);
    }
    Ok(())
}

fn consumer_waits(
    stage: &mut Stage<'_>,
    watch: &Watch,
    tx: &mut Peer,
    rx: &mut Peer,
    track: &mut Track,
    counts: &mut Counts,
) -> Result<()> {
    let has_parkn = !stage.second.lacks.iter().any(|lack| lack == "parkn");
    let several = has_parkn && track.shape.is_stream() && track.shape.capacity > 3 && stage.random.bool();
    let (count, command) = if several { (3, "parkn 3 5000") } else { (1, "park 5000") };
    let sleeps = begin(stage, watch, Role::Consumer, rx, command, counts)?;
    for _ in 1..count {
        track.push(tx, 1)?;
    }
    let published = Instant::now();
    track.push(tx, 1)?;
    finish(watch, Role::Consumer, rx, tx, sleeps.then_some(published), counts)?;
    track.pop(rx, count).map(drop)
}

fn producer_waits(
    stage: &mut Stage<'_>,
    watch: &Watch,
    tx: &mut Peer,
    rx: &mut Peer,
    track: &mut Track,
    counts: &mut Counts,
) -> Result<()> {
    while track.push(tx, 100)? > 0 {}
    let Length { max, .. } = track.shape.length;
    let sleeps = begin(stage, watch, Role::Producer, tx, &format!("park 5000 {max}"), counts)?;
    let published = Instant::now();
    // By a pop, or by what gives back several.
    if stage.random.bool() {
        let item = crate::protocol::hex(&track.shape.length.item(track.head.number));
        rx.says("pop", &item)?;
        track.head.pass(track.shape, 1);
    } else {
        track.pop(rx, 1)?;
    }
    finish(watch, Role::Producer, tx, rx, sleeps.then_some(published), counts)?;
    track.pop(rx, 1000).map(drop)
}
