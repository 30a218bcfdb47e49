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
    /// Sleeps while both ends moved items by themselves.
    sleeps: u64,
    /// Waits that were ended one by one.
    rounds: u64,
    /// How many of them slept before that.
    asleep: u64,
    /// How long the other end is given before something is published, in microseconds: by role, so that every second
    /// wait is just asleep then. There, if anywhere, a wake is lost.
    pauses: [f64; 2],
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
    let mut counts = Counts { pauses: [50.0; 2], ..Counts::default() };
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
            // Half of the time by themselves, where they fall asleep at every moment, and half of it one by one.
            let start = Instant::now();
            let half = start + until.saturating_duration_since(start) / 2;
            flow(&watch, &mut tx, &mut rx, &mut track, 400)?;
            while Instant::now() < half {
                flow(&watch, &mut tx, &mut rx, &mut track, 2000)?;
            }
            counts.sleeps += watch.sleeps(Role::Producer)? + watch.sleeps(Role::Consumer)?;
            // Who spins does not sleep.
            let sleepers = [pops, pushes].map(|way| if way == "spin" { 0 } else { 16 });
            for block in 0.. {
                if block > 0 && Instant::now() >= until {
                    break;
                }
                stage.check_time()?;
                for _ in 0..sleepers[0] {
                    consumer_waits(stage, &watch, &mut tx, &mut rx, &mut track, &mut counts)?;
                }
                track.push(&mut tx, 1000)?;
                for _ in 0..sleepers[1] {
                    producer_waits(stage, &watch, &mut tx, &mut rx, &mut track, &mut counts)?;
                }
                track.pop(&mut rx, 1000)?;
            }
            late(&mut tx)?;
            late(&mut rx)
        };
        play().with_context(|| format!("{pushes} to push and {pops} to pop, {}", shape.title()))?;
    }
    let Counts { sleeps, rounds, asleep, pauses: _, mut latencies } = counts;
    latencies.sort_unstable();
    let at = |part: usize| latencies.get(latencies.len().saturating_sub(1) * part / 100).copied().unwrap_or(0);
    let (half, most, all) = (at(50), at(99), at(100));
    stage.note(format!(
        "{sleeps} sleeps, {rounds} rounds, {asleep} asleep first, awake after {half} us (99%: {most}, all: {all})"
    ));
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
fn flow(watch: &Watch, tx: &mut Peer, rx: &mut Peer, track: &mut Track, count: u64) -> Result<()> {
    let length = track.shape.length;
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

/// A wait that has begun.
struct Begun {
    /// How often the role had slept before it.
    before: u64,
    /// Whether it is known to sleep.
    sleeps: bool,
}

/// Sends the command that waits, and waits until the sleeper sleeps, or for about as long as it needs for that.
fn begin(
    stage: &mut Stage<'_>,
    watch: &Watch,
    role: Role,
    sleeper: &mut Peer,
    command: &str,
    counts: &mut Counts,
) -> Result<Begun> {
    counts.rounds += 1;
    let before = watch.sleeps(role)?;
    sleeper.send(command)?;
    if stage.random.u8(0..4) == 0 {
        let sleeps = watch.falls_asleep(role, sleeper, Duration::from_millis(5))?;
        counts.asleep += u64::from(sleeps);
        return Ok(Begun { before, sleeps });
    }
    let start = Instant::now();
    let pause = Duration::from_secs_f64(counts.pauses[role as usize] * (0.9 + 0.2 * stage.random.f64()) / 1e6);
    while start.elapsed() < pause {
        std::hint::spin_loop();
    }
    Ok(Begun { before, sleeps: false })
}

/// Hears that the wait is over, and looks where it is not.
fn finish(
    watch: &Watch,
    role: Role,
    sleeper: &mut Peer,
    publisher: &Peer,
    Begun { before, sleeps }: Begun,
    published: Instant,
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
    if sleeps {
        counts.latencies.push(sleeper.answered().saturating_duration_since(published).as_micros() as u64);
    } else {
        let pause = &mut counts.pauses[role as usize];
        let slept = watch.sleeps(role)? > before;
        *pause = (*pause * if slept { 0.97 } else { 1.03 }).clamp(0.1, 2000.0);
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
    let begun = begin(stage, watch, Role::Consumer, rx, command, counts)?;
    for _ in 1..count {
        track.push(tx, 1)?;
    }
    let published = Instant::now();
    track.push(tx, 1)?;
    finish(watch, Role::Consumer, rx, tx, begun, published, counts)?;
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
    let Length { max, .. } = track.shape.length;
    let begun = begin(stage, watch, Role::Producer, tx, &format!("park 5000 {max}"), counts)?;
    let published = Instant::now();
    // By a pop, or by what gives back several.
    if stage.random.bool() {
        let item = crate::protocol::hex(&track.shape.length.item(track.head.number));
        rx.says("pop", &item)?;
        track.head.pass(track.shape, 1);
    } else {
        track.pop(rx, 1)?;
    }
    finish(watch, Role::Producer, tx, rx, begun, published, counts)?;
    track.push(tx, 1).map(drop)
}
