//! Who comes first, and who comes after whom.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{SHAPES, take_turns};
use crate::protocol::Kind;
use crate::ring::{Ring, Role, Shape, Track};
use crate::stage::Stage;

/// Either end comes first, waits for the ring of the other one, or comes at the same time.
pub(super) fn start(stage: &mut Stage<'_>) -> Result<()> {
    for (round, shape) in SHAPES.iter().map(|shape| shape()).enumerate() {
        for order in [Role::Producer, Role::Consumer] {
            waits(stage, shape, order)?;
            comes_first(stage, shape, order, round % 2 == 0)?;
        }
        for _ in 0..4 {
            come_together(stage, shape)?;
        }
    }
    Ok(())
}

/// One end makes the ring, and the other one comes to what stands.
fn comes_first(stage: &mut Stage<'_>, shape: Shape, order: Role, says_capacity: bool) -> Result<()> {
    let ring = Ring::new(shape);
    let programs = [stage.first, stage.second];
    let [early, late] = if order == Role::Producer { programs } else { [programs[1], programs[0]] };
    let [mut early, mut late] = [stage.start(early)?, stage.start(late)?];
    stage.make_for(if order == Role::Producer { stage.first } else { stage.second }, &ring)?;
    early.says(&ring.attach(order), &format!("{} 1", shape.start))?;
    early.says("peer", "never")?;
    let capacity = if says_capacity { shape.capacity } else { 0 };
    late.says(&ring.attach_with(order.other(), capacity, 0), &format!("{} 1", shape.start))?;
    let (tx, rx) = if order == Role::Producer { (&mut early, &mut late) } else { (&mut late, &mut early) };
    tx.says("peer", "alive")?;
    rx.says("peer", "alive")?;
    let mut track = Track::new(shape);
    take_turns(stage, tx, rx, &mut track, 10)?;
    track.flow(tx, rx, 100)?;
    tx.says("close", "")?;
    rx.refuses("park 0", Kind::Closed)?;
    rx.says("close", "")
}

/// One end waits for a ring that the other one makes later.
fn waits(stage: &mut Stage<'_>, shape: Shape, order: Role) -> Result<()> {
    let ring = Ring::new(shape);
    let (patient, maker) = match order {
        Role::Producer => (stage.first, stage.second),
        Role::Consumer => (stage.second, stage.first),
    };
    let [mut patient, mut late] = [stage.start(patient)?, stage.start(maker)?];
    patient.refuses(&ring.attach_with(order, 0, 0), Kind::NotFound)?;
    patient.send(&ring.attach_with(order, 0, 8000))?;
    thread::sleep(Duration::from_micros(stage.random.u64(0..5000)));
    ensure!(patient.answer_within(Duration::ZERO)?.is_none(), "an attach came to a ring that is not there");
    stage.attach(&mut late, maker, &ring, order.other())?;
    patient.answers(&format!("{} 1", shape.start))?;
    let (tx, rx) = if order == Role::Producer { (&mut patient, &mut late) } else { (&mut late, &mut patient) };
    Track::new(shape).flow(tx, rx, 20)
}

/// Both come at once, and either makes the ring.
fn come_together(stage: &mut Stage<'_>, shape: Shape) -> Result<()> {
    let ring = Ring::new(shape);
    let [mut tx, mut rx] = [stage.start(stage.first)?, stage.start(stage.second)?];
    let (first, second) = (stage.first, stage.second);
    if [first, second].iter().all(|program| program.lacks.iter().any(|lack| lack == "create")) {
        ring.create()?;
    }
    tx.send(&ring.attach(Role::Producer))?;
    rx.send(&ring.attach(Role::Consumer))?;
    tx.answers(&format!("{} 1", shape.start))?;
    rx.answers(&format!("{} 1", shape.start))?;
    Track::new(shape).flow(&mut tx, &mut rx, 20)
}

/// How a holder goes.
#[derive(Clone, Copy, PartialEq)]
enum Leaving {
    Close,
    EndOfInput,
    Abandon,
    Death,
    Kill,
}

/// A role passes from one program to the other, whose holder left in order.
pub(super) fn after_leaving(stage: &mut Stage<'_>) -> Result<()> {
    pass_roles(stage, &[Leaving::Close, Leaving::EndOfInput])
}

/// A role passes from one program to the other, whose holder died.
pub(super) fn after_death(stage: &mut Stage<'_>) -> Result<()> {
    let abandons = stage.has(stage.first, &["abandon"]);
    pass_roles(
        stage,
        if abandons { &[Leaving::Abandon, Leaving::Death, Leaving::Kill] } else { &[Leaving::Death, Leaving::Kill] },
    )
}

fn pass_roles(stage: &mut Stage<'_>, ways: &[Leaving]) -> Result<()> {
    for shape in SHAPES.iter().map(|shape| shape()) {
        for role in Role::BOTH {
            for &way in ways {
                pass_role(stage, shape, role, way)?;
            }
        }
    }
    Ok(())
}

/// The first program holds both roles, the second one follows in one of them, and the first one in that again.
fn pass_role(stage: &mut Stage<'_>, shape: Shape, role: Role, way: Leaving) -> Result<()> {
    let ring = Ring::new(shape);
    let mut holder = stage.enter(stage.first, &ring, role)?;
    let mut partner = stage.enter(stage.first, &ring, role.other())?;
    let mut track = Track::new(shape);
    for (generation, program) in [(2, stage.second), (3, stage.first)] {
        let ends = [&mut holder, &mut partner];
        let [tx, rx] = if role == Role::Producer {
            ends
        } else {
            let [rx, tx] = ends;
            [tx, rx]
        };
        track.flow(tx, rx, 30)?;
        track.push(tx, 3)?;
        let said = if matches!(way, Leaving::Close | Leaving::EndOfInput) { "closed" } else { "crashed" };
        match way {
            Leaving::Close => holder.says("close", "")?,
            Leaving::EndOfInput => holder.ends()?,
            Leaving::Abandon => holder.says("abandon", "")?,
            Leaving::Death => holder.dies("die")?,
            Leaving::Kill => holder.kill()?,
        }
        partner.says("peer", said)?;
        holder = stage.start(program)?;
        let mark = if role == Role::Producer { track.tail } else { track.head };
        holder.says(&ring.attach(role), &format!("{} {generation}", mark.position))?;
        partner.says("peer", "alive")?;
        if role == Role::Producer {
            // What the one before sent is all there, and what follows it lies behind.
            track.push(&mut holder, 1)?;
            track.pop(&mut partner, 9)?;
            partner.refuses("park 10", Kind::Timeout)?;
        } else {
            track.pop(&mut holder, 2)?;
            track.push(&mut partner, 2)?;
            track.pop(&mut holder, 9)?;
            holder.refuses("pop", Kind::Empty)?;
        }
    }
    stage.check_time()
}
