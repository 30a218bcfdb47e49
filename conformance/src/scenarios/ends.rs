//! An end is told once, to whom it concerns, after everything that was sent before it.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::peer::Peer;
use crate::protocol::Kind;
use crate::ring::{Ring, Role, Shape, Track, Watch};
use crate::stage::Stage;

/// Rings of which three or four items fill all.
pub(super) fn ends(stage: &mut Stage<'_>) -> Result<()> {
    for shape in [Shape::stream(4, 8, 8), Shape::messages(4096, 64, 1000, 1000)] {
        what_a_consumer_hears(stage, shape)?;
        what_does_not_concern_a_consumer(stage, shape)?;
        what_a_producer_hears(stage, shape)?;
        what_a_sleeper_hears(stage, shape)?;
    }
    what_is_left(stage)
}

/// Has a new producer come to a ring, push items and leave in order.
fn visit(stage: &Stage<'_>, ring: &Ring, track: &mut Track, count: u64) -> Result<()> {
    let mut tx = stage.enter(stage.first, ring, Role::Producer)?;
    track.push(&mut tx, count)?;
    tx.says("close", "")
}

/// Checks that a peer hears this, and hears it again.
fn hears(peer: &mut Peer, kind: Kind) -> Result<()> {
    for limit in [0, 3000] {
        peer.refuses(&format!("park {limit}"), kind)?;
    }
    Ok(())
}

/// Checks that a peer hears of no end.
fn hears_nothing(peer: &mut Peer) -> Result<()> {
    peer.refuses("park 0", Kind::Timeout)?;
    peer.refuses("park 30", Kind::Timeout).map(drop)
}

fn what_a_consumer_hears(stage: &mut Stage<'_>, shape: Shape) -> Result<()> {
    let (ring, mut track) = (Ring::new(shape), Track::new(shape));
    let (first, second) = (stage.first, stage.second);
    let mut rx = stage.enter(second, &ring, Role::Consumer)?;
    rx.says("peer", "never")?;
    hears_nothing(&mut rx)?;
    // After all that was sent, and at each further call.
    let mut tx = stage.enter(first, &ring, Role::Producer)?;
    rx.says("peer", "alive")?;
    hears_nothing(&mut rx)?;
    track.push(&mut tx, 2)?;
    tx.says("close", "")?;
    rx.says("peer", "closed")?;
    rx.says("park 0", "")?;
    track.pop(&mut rx, 9)?;
    rx.refuses("pop", Kind::Empty)?;
    hears(&mut rx, Kind::Closed)?;
    rx.refuses_with(&format!("flow pop 1 {} {} 3000", track.head.number, shape.length), Kind::Closed, 0)?;
    // Until somebody comes, whose end concerns it again.
    stage.attach(&mut tx, first, &ring, Role::Producer)?;
    hears_nothing(&mut rx)?;
    track.push(&mut tx, 3)?;
    rx.send(&format!("flow pop 9 {} {} 8000", track.head.number, shape.length))?;
    tx.says("close", "")?;
    let popped = rx.is_refused(&[Kind::Closed])?;
    ensure!(popped.split(' ').next() == Some("3"), "a flow of 3 items to the end of the producer popped {popped}");
    track.head = track.tail;
    hears(&mut rx, Kind::Closed)?;
    // A death is told as one, by whatever means.
    for means in ["abandon", "die", "kill"] {
        let mut tx = stage.enter(first, &ring, Role::Producer)?;
        track.push(&mut tx, 1)?;
        match means {
            "abandon" if !stage.has(first, &["abandon"]) => tx.kill()?,
            "abandon" => tx.says("abandon", "")?,
            "die" => tx.dies("die")?,
            _ => tx.kill()?,
        }
        rx.says("peer", "crashed")?;
        track.pop(&mut rx, 9)?;
        hears(&mut rx, Kind::Crashed)?;
    }
    // The end of the input is one in order.
    let mut tx = stage.enter(first, &ring, Role::Producer)?;
    track.push(&mut tx, 1)?;
    tx.ends()?;
    rx.says("peer", "closed")?;
    track.pop(&mut rx, 9)?;
    hears(&mut rx, Kind::Closed)
}

fn what_does_not_concern_a_consumer(stage: &mut Stage<'_>, shape: Shape) -> Result<()> {
    let (ring, mut track) = (Ring::new(shape), Track::new(shape));
    let second = stage.second;
    stage.make_for(stage.first, &ring)?;
    // The end of the last producer before it concerns it, with data and without, unless another one was told.
    for count in [2, 0] {
        visit(stage, &ring, &mut track, count)?;
        let mut rx = stage.enter(second, &ring, Role::Consumer)?;
        track.pop(&mut rx, 9)?;
        hears(&mut rx, Kind::Closed)?;
        rx.says("close", "")?;
        for _ in 0..2 {
            stage.attach(&mut rx, second, &ring, Role::Consumer)?;
            rx.says("peer", "closed")?;
            hears_nothing(&mut rx)?;
            rx.says("close", "")?;
        }
    }
    // Whoever leaves in order has heard it; whoever dies has not.
    for dies in [false, true] {
        let mut rx = stage.enter(second, &ring, Role::Consumer)?;
        visit(stage, &ring, &mut track, 0)?;
        match dies {
            true => rx.dies("die")?,
            false => rx.says("close", "")?,
        }
        let mut rx = stage.enter(second, &ring, Role::Consumer)?;
        if dies { hears(&mut rx, Kind::Closed)? } else { hears_nothing(&mut rx)? }
    }
    // What was told stays told, however the one who heard it ends.
    let mut rx = stage.enter(second, &ring, Role::Consumer)?;
    visit(stage, &ring, &mut track, 1)?;
    track.pop(&mut rx, 1)?;
    hears(&mut rx, Kind::Closed)?;
    rx.kill()?;
    let mut rx = stage.enter(second, &ring, Role::Consumer)?;
    hears_nothing(&mut rx)?;
    rx.says("close", "")?;
    // Data that is left behind brings the end back.
    visit(stage, &ring, &mut track, 2)?;
    stage.attach(&mut rx, second, &ring, Role::Consumer)?;
    track.pop(&mut rx, 1)?;
    rx.says("close", "")?;
    stage.attach(&mut rx, second, &ring, Role::Consumer)?;
    track.pop(&mut rx, 1)?;
    hears(&mut rx, Kind::Closed)
}

fn what_a_producer_hears(stage: &mut Stage<'_>, shape: Shape) -> Result<()> {
    let (ring, mut track) = (Ring::new(shape), Track::new(shape));
    let second = stage.second;
    let wait = format!("{} {}", 3000, shape.longest().min(1000));
    let hears = |tx: &mut Peer, kind| {
        tx.refuses(&format!("park {wait}"), kind)?;
        tx.refuses(&format!("park 0 {}", shape.longest().min(1000)), kind)
    };
    // One that was there before is none of its business.
    let mut rx = stage.enter(second, &ring, Role::Consumer)?;
    rx.says("close", "")?;
    let mut tx = stage.enter(stage.first, &ring, Role::Producer)?;
    let all = track.push(&mut tx, 9)?;
    tx.refuses(&format!("park 30 {}", shape.longest().min(1000)), Kind::Timeout)?;
    for death in [false, true] {
        stage.attach(&mut rx, second, &ring, Role::Consumer)?;
        track.pop(&mut rx, 1)?;
        tx.says("peer", "alive")?;
        let (said, kind) = if death { ("crashed", Kind::Crashed) } else { ("closed", Kind::Closed) };
        match death {
            false => rx.says("close", "")?,
            true => {
                rx.dies("die")?;
                rx = stage.start(second)?;
            }
        }
        tx.says("peer", said)?;
        // As long as there is room, no end is told.
        tx.says(&format!("park {wait}"), "")?;
        track.push(&mut tx, 9)?;
        hears(&mut tx, kind)?;
        tx.refuses_with(&format!("flow push 1 {} {} 3000", track.tail.number, shape.length), kind, 0)?;
    }
    stage.attach(&mut rx, second, &ring, Role::Consumer)?;
    ensure!(track.pop(&mut rx, 9)? == all, "a model that was full of another number of items");
    tx.says(&format!("park {wait}"), "")?;
    track.flow(&mut tx, &mut rx, 20)
}

fn what_a_sleeper_hears(stage: &mut Stage<'_>, shape: Shape) -> Result<()> {
    let (first, second) = (stage.first, stage.second);
    for leaves in [true, false] {
        let ring = Ring::new(shape);
        let (mut tx, mut rx, mut track) = stage.open(&ring)?;
        let watch = Watch::new(&ring)?;
        rx.send("park 8000")?;
        watch.falls_asleep(Role::Consumer, &rx, Duration::from_millis(200))?;
        let kind = if leaves {
            tx.says("close", "")?;
            Kind::Closed
        } else {
            tx.dies("die")?;
            Kind::Crashed
        };
        rx.is_refused(&[kind])?;
        let mut tx = stage.enter(first, &ring, Role::Producer)?;
        track.push(&mut tx, 9)?;
        tx.send(&format!("park 8000 {}", shape.longest().min(1000)))?;
        watch.falls_asleep(Role::Producer, &tx, Duration::from_millis(200))?;
        if leaves {
            rx.says("close", "")?
        } else {
            rx.kill()?
        };
        tx.is_refused(&[kind])?;
        // Who comes is no end, and gives room.
        let mut rx = stage.enter(second, &ring, Role::Consumer)?;
        track.pop(&mut rx, 1)?;
        track.push(&mut tx, 1)?;
        tx.send(&format!("park 8000 {}", shape.longest().min(1000)))?;
        track.pop(&mut rx, 1)?;
        tx.answers("")?;
    }
    Ok(())
}

/// A consumer that waits for several elements hears how many are left.
fn what_is_left(stage: &mut Stage<'_>) -> Result<()> {
    let (first, second) = (stage.first, stage.second);
    if !stage.has(second, &["parkn"]) {
        return Ok(());
    }
    let ring = Ring::new(Shape::stream(8, 8, 8));
    let (mut tx, mut rx, mut track) = stage.open(&ring)?;
    track.push(&mut tx, 3)?;
    rx.says("parkn 3 1000", "")?;
    rx.refuses("parkn 4 30", Kind::Timeout)?;
    tx.says("close", "")?;
    rx.refuses_with("parkn 4 1000", Kind::Closed, 3)?;
    rx.says("parkn 2 1000", "")?;
    track.pop(&mut rx, 9)?;
    rx.refuses_with("parkn 4 1000", Kind::Closed, 0)?;
    let mut tx = stage.enter(first, &ring, Role::Producer)?;
    track.push(&mut tx, 1)?;
    tx.kill()?;
    rx.refuses_with("parkn 2 1000", Kind::Crashed, 1)?;
    track.pop(&mut rx, 9)?;
    hears(&mut rx, Kind::Crashed)
}
