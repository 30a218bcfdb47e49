//! Deaths: in the middle of a call, and at random.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::SHAPES;
use crate::peer::Peer;
use crate::protocol::{Kind, Length, Refusal, hex};
use crate::ring::{Mark, Ring, Role, Shape, Track};
use crate::stage::Stage;

/// A holder dies between two steps of a push or a pop, and the next one finds what the document says.
pub(super) fn halves(stage: &mut Stage<'_>) -> Result<()> {
    let (first, second) = (stage.first, stage.second);
    for shape in SHAPES.iter().map(|shape| shape()) {
        let steps: &[&str] =
            if shape.is_stream() { &["slots", "tail", "read"] } else { &["payload", "header", "tail", "read"] };
        for step in steps {
            let lack = format!("half-{step}");
            if !stage.has(first, &["half", &lack]) {
                continue;
            }
            let ring = Ring::new(shape);
            let (mut tx, mut rx, mut track) = stage.open(&ring)?;
            for round in 0..4 {
                // Whatever lies in free space from before must not be taken for something.
                track.flow(&mut tx, &mut rx, 40 + round)?;
                let left = stage.random.u64(0..=track.room(2));
                track.push(&mut tx, left)?;
                match *step {
                    "read" => {
                        track.push(&mut tx, 1)?;
                        rx.says("close", "")?;
                        stage.enter(first, &ring, Role::Consumer)?.dies("half read -")?;
                        stage.attach(&mut rx, second, &ring, Role::Consumer)?;
                        track.pop(&mut rx, 99)?;
                    }
                    _ => die_in_a_push(stage, &ring, &mut track, step, &mut tx, &mut rx)?,
                }
            }
        }
        if !shape.is_stream() {
            die_at_a_full_ring(stage, shape)?;
        }
    }
    Ok(())
}

fn die_in_a_push(
    stage: &mut Stage<'_>,
    ring: &Ring,
    track: &mut Track,
    step: &str,
    tx: &mut Peer,
    rx: &mut Peer,
) -> Result<()> {
    let (first, second, shape) = (stage.first, stage.second, ring.shape);
    if track.room(1) == 0 {
        track.pop(rx, 1)?;
    }
    let item = hex(&shape.length.item(track.tail.number));
    let is_sent = matches!(step, "header" | "tail");
    let dying = std::mem::replace(tx, stage.start(second)?);
    dying.dies(&format!("half {step} {item}"))?;
    if is_sent {
        track.tail.pass(shape, 1);
    }
    // The consumer finds it before the next producer comes, or after that.
    let looks_first = stage.random.bool();
    if looks_first {
        track.pop(rx, 99)?;
    }
    // The next one walks over what is there.
    tx.ok(&ring.attach(Role::Producer)).and_then(|said| {
        let position = track.tail.position.to_string();
        ensure!(said.split(' ').next() == Some(&*position), "came to {said} after `half {step}`, expected {position}");
        Ok(())
    })?;
    track.stand(tx)?;
    track.push(tx, 1)?;
    track.pop(rx, 99)?;
    rx.refuses("pop", Kind::Empty)?;
    tx.says("close", "")?;
    *tx = stage.enter(first, ring, Role::Producer)?;
    Ok(())
}

/// The record that fills the ring has its header and is not counted: the next producer stops behind it.
fn die_at_a_full_ring(stage: &mut Stage<'_>, shape: Shape) -> Result<()> {
    let (first, second) = (stage.first, stage.second);
    if !stage.has(first, &["half", "half-header"]) {
        return Ok(());
    }
    let parts = 4;
    let len = (shape.most() / parts / shape.align * shape.align - shape.header()) as usize;
    let ring = Ring::new(Shape { length: Length::all(len), ..shape });
    let (mut tx, mut rx, mut track) = stage.open(&ring)?;
    track.flow(&mut tx, &mut rx, 9)?;
    // What is left behind the equal parts goes to the last one.
    track.push(&mut tx, parts - 1)?;
    let rest = shape.most() - track.tail.position.wrapping_sub(track.head.position) - shape.header();
    let item = hex(&vec![0xaa; rest as usize]);
    tx.dies(&format!("half header {item}"))?;
    let full = track.head.position.wrapping_add(shape.most());
    let mut tx = stage.start(second)?;
    tx.says(&ring.attach(Role::Producer), &format!("{full} 2"))?;
    tx.refuses("push -", Kind::Full)?;
    track.pop(&mut rx, parts - 1)?;
    rx.says("pop", &item)?;
    rx.refuses("pop", Kind::Empty)?;
    tx.says("push 01", &full.wrapping_add(shape.record(1)).to_string())?;
    rx.says("pop", "01")
}

/// How many items a flow under kills may have: more than ever pass.
const ENDLESS: u64 = 1 << 40;

/// An end of a flow that is killed and followed.
struct End {
    role: Role,
    peer: Peer,
    /// The next item, when it came.
    mark: Mark,
    generation: u64,
}

impl End {
    /// Starts the flow from what is next.
    fn flow(&mut self, length: Length) -> Result<()> {
        let verb = if self.role == Role::Producer { "push" } else { "pop" };
        self.peer.send(&format!("flow {verb} {ENDLESS} {} {length} 600000", self.mark.number))
    }
}

/// Processes of both programs, in both roles, are killed at random moments of a flow. Whoever follows goes on where the
/// position says, and an item has its number in it: what is lost, torn or there twice does not fit.
pub(super) fn kills(stage: &mut Stage<'_>) -> Result<()> {
    let end = Instant::now() + stage.time;
    let shapes = [
        Shape::stream(64, 8, 8).at(u64::MAX - 1000),
        Shape::messages(4096, 8, 0, 200),
        Shape::stream(2, 64, 64),
        Shape::messages(8192, 64, 8, 120).at((1 << 32) - 64 * 50),
    ];
    let (mut kills, mut items) = (0, 0);
    for (rest, shape) in (1..=shapes.len() as u32).rev().zip(shapes) {
        let until = Instant::now() + end.saturating_duration_since(Instant::now()) / rest;
        let (killed, passed) = campaign(stage, shape, until).with_context(|| shape.title())?;
        kills += killed;
        items += passed;
    }
    stage.note(format!("{kills} kills, {items} items"));
    Ok(())
}

fn campaign(stage: &mut Stage<'_>, shape: Shape, until: Instant) -> Result<(u64, u64)> {
    let ring = Ring::new(shape);
    if [stage.first, stage.second].iter().any(|program| program.lacks.iter().any(|lack| lack == "create")) {
        ring.create()?;
    }
    let mut kills = 0;
    let enter = |stage: &mut Stage<'_>, role, mark: Mark, generation: u64| -> Result<End> {
        // The first program begins as the producer, the second one as the consumer, and then they change.
        let program = if (role == Role::Producer) == generation.is_multiple_of(2) { stage.first } else { stage.second };
        let peer = stage.start(program)?;
        let mut end = End { role, peer, mark, generation };
        end.peer.send(&ring.attach(role))?;
        Ok(end)
    };
    let start = Mark { number: 0, position: shape.start };
    let mut ends = [enter(stage, Role::Producer, start, 0)?, enter(stage, Role::Consumer, start, 0)?];
    for end in &mut ends {
        end.peer.answer()?.map_err(|refusal| anyhow::anyhow!("{refusal:?} to an attach"))?;
        end.flow(shape.length)?;
    }
    while Instant::now() < until || kills == 0 {
        stage.check_time()?;
        // From 10 us to 10 ms, each length of time as likely as its double.
        let micros = 10.0 * 1000_f64.powf(stage.random.f64());
        thread::sleep(Duration::from_micros(micros as u64));
        let victims = match stage.random.u8(0..5) {
            0 | 1 => vec![0],
            2 | 3 => vec![1],
            _ => vec![0, 1],
        };
        let seen = [ring.positions()?.1, ring.positions()?.0];
        for &victim in &victims {
            ends[victim].peer.signal(rustix::process::Signal::KILL)?;
        }
        for &victim in &victims {
            let (role, mark, mut generation) = (ends[victim].role, ends[victim].mark, ends[victim].generation + 1);
            let mut next = enter(stage, role, mark, generation)?;
            while stage.random.u8(..) < 64 {
                // It dies while it comes.
                thread::sleep(Duration::from_micros(stage.random.u64(0..600)));
                next.peer.signal(rustix::process::Signal::KILL)?;
                kills += 1;
                generation += 1;
                next = enter(stage, role, mark, generation)?;
            }
            let said = next.peer.answer()?;
            let said =
                said.map_err(|refusal| anyhow::anyhow!("{refusal:?} to an attach after a death, expected ok"))?;
            let position: u64 = said.split(' ').next().unwrap_or_default().parse().context(said.clone())?;
            next.mark.reach(shape, position, 1 << 26).with_context(|| format!("{role:?} after a death"))?;
            let lost = seen[victim].wrapping_sub(position);
            ensure!(lost == 0 || lost >= 1 << 63, "{role:?} came to {position}, expected {} at least", seen[victim]);
            next.flow(shape.length)?;
            ends[victim] = next;
            kills += 1;
        }
        for end in &mut ends {
            survive(&ring, end)?;
        }
    }
    let items = finish(stage, &ring, ends)?;
    Ok((kills, items))
}

/// Looks whether an end was told that the other one died, checks what it did until then, and has it go on.
fn survive(ring: &Ring, end: &mut End) -> Result<()> {
    let Some(answer) = end.peer.answer_within(Duration::ZERO)? else { return Ok(()) };
    let Err(Refusal { kind: Kind::Crashed, text }) = answer else {
        bail!("{:?} answers {answer:?} in a flow whose ends are killed, expected err crashed", end.role);
    };
    let done: u64 = text.split(' ').next().unwrap_or_default().parse().context("how many were done")?;
    end.mark.pass(ring.shape, done);
    let (head, tail) = ring.positions()?;
    let position = if end.role == Role::Producer { tail } else { head };
    ensure!(
        position == end.mark.position,
        "{:?} did {done} items, and stands at {position}, expected {:?}",
        end.role,
        end.mark
    );
    end.flow(ring.shape.length)
}

/// Ends both, and reads what is left.
fn finish(stage: &mut Stage<'_>, ring: &Ring, ends: [End; 2]) -> Result<u64> {
    let shape = ring.shape;
    let marks = ends.each_ref().map(|end| end.mark);
    drop(ends);
    let mut tx = stage.start(stage.second)?;
    let mut rx = stage.start(stage.first)?;
    let mut track = Track { shape, tail: marks[0], head: marks[1] };
    for (peer, role, mark) in [(&mut tx, Role::Producer, &mut track.tail), (&mut rx, Role::Consumer, &mut track.head)] {
        let said = peer.ok(&ring.attach(role))?;
        mark.reach(shape, said.split(' ').next().unwrap_or_default().parse()?, 1 << 26)?;
    }
    track.stand(&mut tx)?;
    track.flow(&mut tx, &mut rx, 50)?;
    rx.refuses("pop", Kind::Empty)?;
    Ok(track.tail.number)
}
