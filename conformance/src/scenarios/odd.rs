//! What is odd, but legal, or costs nothing but time.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;

use super::{SHAPES, take_turns};
use crate::memory::slot;
use crate::protocol::Kind;
use crate::ring::{Ring, Role, Shape, Watch, flowed};
use crate::stage::Stage;
use crate::stranger::wake_spuriously;

/// All of it.
pub(super) fn odd(stage: &mut Stage<'_>) -> Result<()> {
    for shape in SHAPES.iter().map(|shape| shape()) {
        sleeps_at_every_item(stage, shape)?;
        wakes_in_vain(stage, shape)?;
        visitors(stage, shape)?;
        stops(stage, shape)?;
        lies_that_cost_time(stage, shape)?;
    }
    Ok(())
}

/// Each end waits in its own way, and changes it.
fn sleeps_at_every_item(stage: &mut Stage<'_>, shape: Shape) -> Result<()> {
    let ring = Ring::new(shape);
    let (mut tx, mut rx, mut track) = stage.open(&ring)?;
    for (pushes, pops) in [("park", "park"), ("park", "spin"), ("spin", "park"), ("auto", "park"), ("auto", "auto")] {
        tx.says(&format!("wait {pushes}"), "")?;
        rx.says(&format!("wait {pops}"), "")?;
        track.flow(&mut tx, &mut rx, 300)?;
    }
    Ok(())
}

/// A wake is no item. It comes from a stranger who may read the ring, and from the other end.
fn wakes_in_vain(stage: &mut Stage<'_>, shape: Shape) -> Result<()> {
    let ring = Ring::new(shape);
    let (first, second) = (stage.first, stage.second);
    let (mut tx, mut rx, mut track) = stage.open(&ring)?;
    let memory = ring.memory()?;
    let (wakes_first, wakes_second) = (stage.has(first, &["wake"]), stage.has(second, &["wake"]));
    for role in Role::BOTH {
        let limit = Duration::from_millis(120);
        if role == Role::Producer {
            track.push(&mut tx, 1000)?;
        }
        let (sleeper, waker, other, wakes) = match role {
            Role::Producer => (&mut tx, &mut rx, Role::Consumer, wakes_second),
            Role::Consumer => (&mut rx, &mut tx, Role::Producer, wakes_first),
        };
        let made = || memory.word(other.slot() + slot::WAKES).map(|wakes| wakes / 2);
        let (start, before, mut chances) = (Instant::now(), made()?, 0);
        sleeper.send(&format!("park {} {}", limit.as_millis(), shape.longest().min(300)))?;
        for round in 0.. {
            if start.elapsed() >= limit / 2 {
                break;
            }
            // By turns: whoever the stranger has just woken is awake when the other end looks.
            if round % 2 == 0 {
                wake_spuriously(&memory)?;
            } else if wakes {
                chances += u64::from(memory.word(role.slot() + slot::PARKING)? & 2 != 0);
                waker.says("wake", "")?;
            }
            thread::sleep(Duration::from_micros(stage.random.u64(0..4000)));
        }
        // Once or twice it may have been awake just then.
        let count = made()?.wrapping_sub(before);
        ensure!(count > 0 || chances < 4, "{role:?}: `wake` found it asleep {chances} times, and made no wake");
        sleeper.is_refused(&[Kind::Timeout])?;
        let took = start.elapsed();
        ensure!(took >= limit, "{role:?}: a wait of {limit:?} was over after {took:?}");
        track.pop(&mut rx, 1000)?;
    }
    // In the middle of a flow, too.
    tx.says("wait park", "")?;
    rx.says("wait park", "")?;
    let (count, length) = (400, shape.length);
    rx.send(&format!("flow pop {count} {} {length} 8000", track.head.number))?;
    tx.send(&format!("flow push {count} {} {length} 8000", track.tail.number))?;
    flowed(&mut [(&mut tx, count), (&mut rx, count)], || Ok(wake_spuriously(&memory)?))
}

/// Others open the ring, are refused, and leave; a flow does not notice.
fn visitors(stage: &mut Stage<'_>, shape: Shape) -> Result<()> {
    let ring = Ring::new(shape);
    let (first, second) = (stage.first, stage.second);
    let (mut tx, mut rx, mut track) = stage.open(&ring)?;
    rx.send("park 8000")?;
    Watch::new(&ring)?.falls_asleep(Role::Consumer, &rx, Duration::from_millis(100))?;
    for program in [first, second] {
        let mut visitor = stage.start(program)?;
        for role in Role::BOTH {
            visitor.refuses(&ring.attach_with(role, shape.capacity, 0), Kind::Busy)?;
            visitor.refuses(&ring.attach_with(role, 0, 20), Kind::Busy)?;
            visitor.refuses("pop", Kind::NotHere)?;
        }
        visitor.ends()?;
    }
    ensure!(rx.answer_within(Duration::ZERO)?.is_none(), "a visitor without a role ended the sleep of a consumer");
    track.push(&mut tx, 1)?;
    rx.answers("")?;
    track.pop(&mut rx, 1)?;
    // A consumer that comes and leaves without a word while a producer sleeps at a full ring.
    rx.says("close", "")?;
    track.push(&mut tx, 1000)?;
    for _ in 0..3 {
        let mut rx = stage.enter(second, &ring, Role::Consumer)?;
        tx.send(&format!("park 8000 {}", shape.longest().min(300)))?;
        rx.says("close", "")?;
        tx.is_refused(&[Kind::Closed])?;
    }
    stage.attach(&mut rx, second, &ring, Role::Consumer)?;
    take_turns(stage, &mut tx, &mut rx, &mut track, 10)
}

/// Either end is stopped in a flow, and goes on.
fn stops(stage: &mut Stage<'_>, shape: Shape) -> Result<()> {
    let ring = Ring::new(shape);
    let (mut tx, mut rx, mut track) = stage.open(&ring)?;
    let (count, length) = (3000, shape.length);
    rx.send(&format!("flow pop {count} {} {length} 8000", track.head.number))?;
    tx.send(&format!("flow push {count} {} {length} 8000", track.tail.number))?;
    for at in 0..10 {
        let peer = if at % 2 == 0 { &tx } else { &rx };
        peer.signal(Signal::STOP)?;
        thread::sleep(Duration::from_micros(stage.random.u64(0..2000)));
        peer.signal(Signal::CONT)?;
        thread::sleep(Duration::from_micros(stage.random.u64(0..500)));
    }
    flowed(&mut [(&mut tx, count), (&mut rx, count)], || Ok(()))?;
    track.tail.pass(shape, count);
    track.head.pass(shape, count);
    track.stand(&mut tx)
}

/// Lies about how an end sleeps, and about what was told, cost time at most.
fn lies_that_cost_time(stage: &mut Stage<'_>, shape: Shape) -> Result<()> {
    let ring = Ring::new(shape);
    let (mut tx, mut rx, mut track) = stage.open(&ring)?;
    let memory = ring.memory()?;
    for _ in 0..3 {
        let (count, length) = (60, shape.length);
        rx.send(&format!("flow pop {count} {} {length} 8000", track.head.number))?;
        tx.send(&format!("flow push {count} {} {length} 8000", track.tail.number))?;
        for role in Role::BOTH {
            // Parking, wakes, wanted, and needed or told.
            let at = stage.random.choice([slot::PARKING, slot::WAKES, slot::WANTED, slot::TOLD]).unwrap_or(0);
            let lie = stage.random.choice([0, 1, 2, 3, 7, u64::MAX, 1 << 63]).unwrap_or(0);
            memory.set_word(role.slot() + at, lie)?;
        }
        flowed(&mut [(&mut tx, count), (&mut rx, count)], || Ok(()))?;
        track.tail.pass(shape, count);
        track.head.pass(shape, count);
        take_turns(stage, &mut tx, &mut rx, &mut track, 3)?;
        track.pop(&mut rx, 1000)?;
    }
    Ok(())
}
