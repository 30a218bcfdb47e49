//! What lies where: alignments, words, tiny rings, positions that wrap, batches.

use std::fs;

use anyhow::{Result, ensure};

use super::{SHAPES, take_turns};
use crate::memory::path;
use crate::protocol::{Kind, Length, hex};
use crate::ring::{Ring, Role, Shape};
use crate::stage::Stage;

/// Elements and records of all alignments that the document allows, and some that it does not.
pub(super) fn alignments(stage: &mut Stage<'_>) -> Result<()> {
    let elements = [
        (1, 1),
        (2, 2),
        (3, 1),
        (4, 4),
        (8, 8),
        (16, 16),
        (24, 8),
        (32, 32),
        (64, 64),
        (128, 128),
        (256, 128),
        (1024, 512),
        (4096, 4096),
        (8192, 4096),
    ];
    let streams = elements.map(|(size, align)| Shape::stream(4, size, align));
    let messages = [8, 16, 32, 64].map(|align| Shape::messages(8192, align, 0, 700));
    for shape in streams.into_iter().chain(messages) {
        let ring = Ring::new(shape);
        let (mut tx, mut rx, mut track) = stage.open(&ring)?;
        take_turns(stage, &mut tx, &mut rx, &mut track, 20)?;
        track.flow(&mut tx, &mut rx, 50)?;
    }
    let cannot_be = [
        Shape::messages(4096, 128, 0, 0),
        Shape::messages(4096, 4, 0, 0),
        Shape::messages(4096, 24, 0, 0),
        Shape::messages(4096, 16, 0, 0).at(8),
        Shape::stream(4, 8192, 8192),
        Shape::stream(4, 12, 8),
        Shape::stream(4, 24, 24),
    ];
    for program in [stage.first, stage.second] {
        if !stage.has(program, &["create"]) {
            continue;
        }
        let mut peer = stage.start(program)?;
        for shape in cannot_be {
            let ring = Ring::new(shape);
            peer.refuses(&ring.attach(Role::Producer), Kind::Usage)?;
            ensure!(!fs::exists(path(&ring.name))?, "an attach made {}", shape.title());
        }
    }
    Ok(())
}

/// Messages with a word of the user's, where records have room for one.
pub(super) fn words(stage: &mut Stage<'_>) -> Result<()> {
    let (first, second) = (stage.first, stage.second);
    for align in [8, 16, 32, 64] {
        let ring = Ring::new(Shape::messages(4096, align, 0, 0));
        let (mut tx, mut rx, _) = stage.open(&ring)?;
        let pops = if stage.has(second, &["pushw"]) { "popw" } else { "pop" };
        let mut pop = |word: u64, bytes: &str| match pops {
            "popw" => rx.says("popw", &format!("{word} {bytes}")),
            _ => rx.says("pop", bytes),
        };
        let mut tail = 0;
        // More than once round the ring.
        for round in 0..150_u64 {
            let bytes = hex(&vec![round as u8; round as usize % 90]);
            let pushed = |tail: &mut u64| {
                *tail += ring.shape.record(round % 90);
                tail.to_string()
            };
            if stage.has(first, &["pushw"]) && align > 8 {
                let word = u64::MAX - round;
                tx.says(&format!("pushw {word} {bytes}"), &pushed(&mut tail))?;
                pop(word, &bytes)?;
            }
            // Without a word it is 0, whatever stood there before.
            tx.says(&format!("push {bytes}"), &pushed(&mut tail))?;
            pop(0, &bytes)?;
        }
        if align == 8 && stage.has(first, &["pushw"]) {
            tx.refuses("pushw 7 00", Kind::Usage)?;
            rx.refuses("pop", Kind::Empty)?;
        }
    }
    Ok(())
}

/// Rings that are full at once, and the longest messages.
pub(super) fn tiny(stage: &mut Stage<'_>) -> Result<()> {
    for (capacity, size) in [(1, 1), (1, 8), (2, 8), (2, 64)] {
        let ring = Ring::new(Shape::stream(capacity, size, size));
        let (mut tx, mut rx, mut track) = stage.open(&ring)?;
        for _ in 0..6 {
            ensure!(track.push(&mut tx, 9)? == capacity, "a model of {capacity} slots that has others");
            tx.refuses(&format!("push {}", hex(&vec![0; size as usize])), Kind::Full)?;
            track.pop(&mut rx, 9)?;
            rx.refuses("pop", Kind::Empty)?;
        }
        take_turns(stage, &mut tx, &mut rx, &mut track, 30)?;
        track.flow(&mut tx, &mut rx, 500)?;
    }
    for align in [8, 16, 32, 64] {
        let longest = Shape::messages(4096, align, 0, 0).longest() as usize;
        let shape = Shape::messages(4096, align, longest, longest);
        let ring = Ring::new(shape);
        let (mut tx, mut rx, mut track) = stage.open(&ring)?;
        tx.refuses(&format!("push {}", hex(&vec![7; longest + 1])), Kind::TooLong)?;
        for _ in 0..4 {
            ensure!(track.push(&mut tx, 2)? == 1, "a model in which two of the longest messages fit");
            tx.refuses("push -", Kind::Full)?;
            track.pop(&mut rx, 2)?;
        }
        // As many as there can be, each of no byte.
        track.shape.length = Length::all(0);
        for _ in 0..3 {
            let count = track.push(&mut tx, 1000)?;
            ensure!(count == shape.most() / shape.record(0), "a model in which {count} empty messages fit");
            tx.refuses("push -", Kind::Full)?;
            track.pop(&mut rx, 1000)?;
            rx.refuses("pop", Kind::Empty)?;
        }
        track.shape.length = Length { min: 0, max: longest };
        take_turns(stage, &mut tx, &mut rx, &mut track, 30)?;
        track.flow(&mut tx, &mut rx, 100)?;
    }
    Ok(())
}

/// Positions near those where a narrower number, or a signed one, would end.
pub(super) fn wraps(stage: &mut Stage<'_>) -> Result<()> {
    for limit in [1 << 32, 1 << 63, 0_u64] {
        let streams = [1, 4].map(|capacity| Shape::stream(capacity, 8, 8).at(limit.wrapping_sub(9)));
        let messages = [8, 64].map(|align| Shape::messages(4096, align, 0, 600).at(limit.wrapping_sub(20 * align)));
        for shape in streams.into_iter().chain(messages) {
            let ring = Ring::new(shape);
            let (mut tx, mut rx, mut track) = stage.open(&ring)?;
            take_turns(stage, &mut tx, &mut rx, &mut track, 25)?;
            track.flow(&mut tx, &mut rx, 60)?;
            // Whoever comes now comes to positions behind it.
            for role in Role::BOTH {
                let mark = if role == Role::Producer { track.tail } else { track.head };
                let (peer, program) = match role {
                    Role::Producer => (&mut tx, stage.second),
                    Role::Consumer => (&mut rx, stage.first),
                };
                peer.says("close", "")?;
                *peer = stage.start(program)?;
                peer.says(&ring.attach(role), &format!("{} 2", mark.position))?;
            }
            track.flow(&mut tx, &mut rx, 20)?;
        }
    }
    Ok(())
}

/// What is sent in one publication.
pub(super) fn batches(stage: &mut Stage<'_>) -> Result<()> {
    let first = stage.first;
    if !stage.has(first, &["batch"]) {
        return Ok(());
    }
    for shape in SHAPES.iter().map(|shape| shape()) {
        let ring = Ring::new(shape);
        let (mut tx, mut rx, mut track) = stage.open(&ring)?;
        for _ in 0..40 {
            let most = if shape.is_stream() { shape.capacity } else { 12 };
            let (count, length) = (stage.random.u64(1..=most), shape.length);
            let batch = format!("batch {count} {} {length}", track.tail.number);
            if track.room(count) == count {
                let mut tail = track.tail;
                tail.pass(shape, count);
                tx.says(&batch, &tail.position.to_string())?;
                track.tail = tail;
            } else {
                // Nothing of it is there.
                tx.refuses(&batch, Kind::Full)?;
                track.stand(&mut tx)?;
            }
            let popped = stage.random.u64(0..2 * most);
            track.pop(&mut rx, popped)?;
        }
        track.flow(&mut tx, &mut rx, 20)?;
    }
    Ok(())
}
