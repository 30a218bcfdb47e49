//! A ring that lies: of itself, and about its positions.

use anyhow::{Context, Result, ensure};

use crate::memory::{Memory, word};
use crate::peer::{Peer, Program};
use crate::protocol::{Kind, hex};
use crate::ring::{Ring, Role, Shape, Track};
use crate::stage::Stage;

/// What a ring says of itself is compared, each word of it, by whoever comes.
pub(super) fn identity(stage: &mut Stage<'_>) -> Result<()> {
    let shapes = [Shape::stream(8, 8, 8), Shape::messages(4096, 16, 0, 8)];
    for shape in shapes {
        let ring = Ring::new(shape);
        stage.make_for(stage.first, &ring)?;
        let mut maker = stage.enter(stage.first, &ring, Role::Producer)?;
        maker.says("close", "")?;
        let memory = ring.memory()?;
        let mut guest = stage.start(stage.second)?;
        // What stands is another ring than the one that is asked for.
        let mut others = vec![Shape { capacity: 2 * shape.capacity, ..shape }, shapes[usize::from(shape.is_stream())]];
        match shape.is_stream() {
            true => others.extend([Shape::stream(8, 16, 8), Shape::stream(8, 8, 4), Shape::stream(8, 4, 4)]),
            false => others.push(Shape { align: 8, ..shape }),
        }
        for other in others {
            for role in Role::BOTH {
                let refused = guest.refuses(&other.attach(&ring.name, role, other.capacity, 0), Kind::Mismatch);
                refused.with_context(|| format!("{} is asked for where {} stands", other.title(), shape.title()))?;
            }
        }
        for at in [
            word::VERSION,
            word::KIND,
            word::LENGTH,
            word::CAPACITY,
            word::ELEMENT_SIZE,
            word::ELEMENT_ALIGN,
            word::TYPE_ID,
            word::RECORD_ALIGN,
            word::DATA_OFFSET,
            word::TAG_LENGTH,
            word::INCOMPATIBLE,
            word::READ_ONLY_COMPATIBLE,
            word::MAGIC,
        ] {
            let right = memory.word(at)?;
            memory.set_word(at, right + 1)?;
            let kinds: &[Kind] = if at == word::MAGIC { &[Kind::Other, Kind::Mismatch] } else { &[Kind::Mismatch] };
            for role in Role::BOTH {
                guest.send(&ring.attach_with(role, 0, 0))?;
                guest.is_refused(kinds).with_context(|| format!("the word at {at:#x} is {}", right + 1))?;
            }
            memory.set_word(at, right)?;
        }
        // What a later version may add is ignored.
        memory.set_word(word::COMPATIBLE, 1 << 40)?;
        memory.set_word(word::HEADER_LENGTH, 0x400)?;
        for role in Role::BOTH {
            guest.ok(&ring.attach(role))?;
            guest.says("close", "")?;
        }
    }
    Ok(())
}

/// A lie: a word, and what it says.
struct Lie {
    at: u64,
    says: u64,
}

/// Positions and headers that no peer can have written are found out by whoever loads them, and end the handle.
pub(super) fn lies(stage: &mut Stage<'_>) -> Result<()> {
    for program in [stage.first, stage.second] {
        for shape in
            [Shape::stream(4, 8, 8), Shape::messages(4096, 8, 1000, 1000), Shape::messages(4096, 64, 1000, 1000)]
        {
            let found = lies_to_a_consumer(stage, program, shape)
                .and_then(|()| lies_to_a_producer(stage, program, shape))
                .and_then(|()| lies_to_a_guest(stage, program, shape));
            found.with_context(|| format!("{} at {}", program.title, shape.title()))?;
        }
    }
    Ok(())
}

/// Writes a lie, has a command meet it, and checks that the handle is of no use any more. The truth stands afterwards.
fn meets(peer: &mut Peer, memory: &Memory, lie: &Lie, command: &str, harmless: &[Kind]) -> Result<()> {
    let truth = memory.word(lie.at)?;
    memory.set_word(lie.at, lie.says)?;
    peer.send(command)?;
    let mut kinds = vec![Kind::Corrupted];
    kinds.extend(harmless);
    let said = peer.is_refused(&kinds);
    said.with_context(|| format!("the word at {:#x} says {} instead of {truth}", lie.at, lie.says.cast_signed()))?;
    if harmless.is_empty() {
        for command in [command, "park 1000"] {
            peer.refuses(command, Kind::Corrupted).context("again")?;
        }
    }
    memory.set_word(lie.at, truth)?;
    peer.says("close", "")
}

fn lies_to_a_consumer(stage: &mut Stage<'_>, program: &Program, shape: Shape) -> Result<()> {
    let ring = Ring::new(shape);
    ring.create()?;
    let (mut tx, mut rx) = (stage.enter(stage.first, &ring, Role::Producer)?, stage.start(program)?);
    let mut track = Track::new(shape);
    let memory = ring.memory()?;
    let step = if shape.is_stream() { 1 } else { shape.align };
    let mut lies = vec![(word::TAIL, shape.most() + step), (word::TAIL, 1 << 63), (word::TAIL, (1 << 63) + 8 * step)];
    if shape.is_stream() {
        lies.push((word::TAIL, u64::MAX));
    } else {
        let longest = shape.longest();
        lies.push((word::TAIL, step / 2));
        lies.extend([2, 256, 258, 256 * longest, 256 * (longest + 1) + 1, 1 << 63 | 1].map(|says| (0, says)));
    }
    for (at, says) in lies {
        rx.ok(&ring.attach(Role::Consumer))?;
        track.push(&mut tx, 1)?;
        track.pop(&mut rx, 1)?;
        rx.refuses("pop", Kind::Empty)?;
        let head = track.head.position;
        if at == word::TAIL {
            let lie = Lie { at, says: head.wrapping_add(says) };
            // Messages can be found by their headers alone.
            let harmless: &[Kind] = if shape.is_stream() { &[] } else { &[Kind::Empty] };
            meets(&mut rx, &memory, &lie, "pop", harmless)?;
        } else {
            let at = memory.word(word::DATA_OFFSET)? + head % shape.capacity;
            meets(&mut rx, &memory, &Lie { at, says }, "pop", &[])?;
        }
    }
    Ok(())
}

fn lies_to_a_producer(stage: &mut Stage<'_>, program: &Program, shape: Shape) -> Result<()> {
    let ring = Ring::new(shape);
    ring.create()?;
    let (mut tx, mut rx) = (stage.start(program)?, stage.enter(stage.second, &ring, Role::Consumer)?);
    let mut track = Track::new(shape);
    let memory = ring.memory()?;
    let step = if shape.is_stream() { 1 } else { shape.align };
    let item = hex(&shape.length.item(0));
    // Beyond the tail, behind what was known, far away, no record's start.
    let mut lies = vec![shape.most() + step, step.wrapping_neg(), 1 << 63];
    if !shape.is_stream() {
        lies.push(step / 2);
    }
    for says in lies {
        tx.ok(&ring.attach(Role::Producer))?;
        track.push(&mut tx, 9)?;
        track.pop(&mut rx, 2)?;
        track.push(&mut tx, 9)?;
        tx.refuses(&format!("push {item}"), Kind::Full)?;
        let lie = Lie { at: word::HEAD, says: track.head.position.wrapping_add(says) };
        meets(&mut tx, &memory, &lie, &format!("push {item}"), &[])?;
    }
    Ok(())
}

/// Whoever comes to a ring that lies is refused, and its role stays free.
fn lies_to_a_guest(stage: &mut Stage<'_>, program: &Program, shape: Shape) -> Result<()> {
    let ring = Ring::new(shape);
    ring.create()?;
    let mut tx = stage.enter(stage.first, &ring, Role::Producer)?;
    let mut track = Track::new(shape);
    track.push(&mut tx, 2)?;
    tx.says("close", "")?;
    let memory = ring.memory()?;
    let (tail, most) = (track.tail.position, shape.most());
    let step = if shape.is_stream() { 1 } else { shape.align };
    let mut guest = stage.start(program)?;
    let mut lies = vec![(Role::Producer, Lie { at: word::HEAD, says: tail + step })];
    if shape.is_stream() {
        lies.push((Role::Producer, Lie { at: word::HEAD, says: tail.wrapping_sub(most + step) }));
        lies.push((Role::Consumer, Lie { at: word::TAIL, says: most + step }));
        lies.push((Role::Consumer, Lie { at: word::TAIL, says: u64::MAX }));
    } else {
        lies.push((Role::Producer, Lie { at: word::TAIL, says: tail + step / 2 }));
        lies.push((Role::Consumer, Lie { at: word::HEAD, says: step / 2 }));
        // What lies behind the tail is walked over.
        let behind = memory.word(word::DATA_OFFSET)? + tail % shape.capacity;
        for says in [2, 255, 256 * (shape.longest() + 1) + 1] {
            lies.push((Role::Producer, Lie { at: behind, says }));
        }
    }
    for (role, Lie { at, says }) in lies {
        let truth = memory.word(at)?;
        memory.set_word(at, says)?;
        let refused = guest.refuses(&ring.attach_with(role, 0, 0), Kind::Corrupted);
        refused.with_context(|| format!("the word at {at:#x} says {says} instead of {truth}"))?;
        memory.set_word(at, truth)?;
        guest.ok(&ring.attach_with(role, 0, 0)).context("once the truth stands")?;
        guest.says("close", "")?;
    }
    let mut rx = stage.enter(program, &ring, Role::Consumer)?;
    ensure!(track.pop(&mut rx, 9)? == 2, "a model of two items that has another number");
    Ok(())
}
