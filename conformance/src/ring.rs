//! A ring under test: its shape, its name, what must lie where, and what its words say from outside.

use std::alloc::Layout;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, process};

use anyhow::{Context, Result, ensure};
use ringmain::Options;

use crate::memory::{Memory, path, slot, word};
use crate::peer::Peer;
use crate::protocol::Length;

/// One of the two roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It pushes.
    Producer,
    /// It pops.
    Consumer,
}

impl Role {
    /// Both.
    pub const BOTH: [Role; 2] = [Role::Producer, Role::Consumer];

    /// Returns the other one.
    #[must_use]
    pub fn other(self) -> Role {
        if self == Role::Producer { Role::Consumer } else { Role::Producer }
    }

    /// Returns its word in the protocol.
    #[must_use]
    pub fn name(self) -> &'static str {
        if self == Role::Producer { "producer" } else { "consumer" }
    }

    /// Returns where its slot begins.
    #[must_use]
    pub fn slot(self) -> u64 {
        if self == Role::Producer { word::PRODUCER } else { word::CONSUMER }
    }

    /// Returns where its position lies.
    #[must_use]
    pub fn position(self) -> u64 {
        if self == Role::Producer { word::TAIL } else { word::HEAD }
    }
}

/// What a ring is, and what flows through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Slots of a stream, bytes of a message ring.
    pub capacity: u64,
    /// The alignment of elements, or of records.
    pub align: u64,
    /// The size of an element; 0 for a message ring.
    pub size: u64,
    /// The first position.
    pub start: u64,
    /// How long its numbered items are.
    pub length: Length,
}

impl Shape {
    /// A stream ring.
    #[must_use]
    pub fn stream(capacity: u64, size: u64, align: u64) -> Shape {
        Shape { capacity, align, size, start: 0, length: Length::all(size as usize) }
    }

    /// A message ring with messages of these lengths.
    #[must_use]
    pub fn messages(capacity: u64, align: u64, min: usize, max: usize) -> Shape {
        Shape { capacity, align, size: 0, start: 0, length: Length { min, max } }
    }

    /// The same that begins at another position.
    #[must_use]
    pub fn at(self, start: u64) -> Shape {
        Shape { start, ..self }
    }

    /// Returns whether it is a stream ring.
    #[must_use]
    pub fn is_stream(self) -> bool {
        self.size > 0
    }

    /// Returns how far the tail can be ahead of the head.
    #[must_use]
    pub fn most(self) -> u64 {
        if self.is_stream() { self.capacity } else { self.capacity - self.align }
    }

    /// Returns how far an item moves a position.
    #[must_use]
    pub fn step(self, number: u64) -> u64 {
        if self.is_stream() { 1 } else { self.record(self.length.of(number) as u64) }
    }

    /// Returns the length of a record in front of the payload.
    #[must_use]
    pub fn header(self) -> u64 {
        if self.align == 8 { 8 } else { 16 }
    }

    /// Returns the size of the record of a message.
    #[must_use]
    pub fn record(self, len: u64) -> u64 {
        (self.header() + len).next_multiple_of(self.align)
    }

    /// Returns the length of the longest message, or the size of an element.
    #[must_use]
    pub fn longest(self) -> u64 {
        if self.is_stream() { self.size } else { self.most() - self.header() }
    }

    /// Returns the command that attaches to a ring of this shape.
    #[must_use]
    pub fn attach(self, name: &str, role: Role, capacity: u64, wait_ms: u64) -> String {
        let Shape { align, size, start, .. } = self;
        let kind = if self.is_stream() { "stream" } else { "message" };
        format!("attach {} {kind} {name} {capacity} {align} {size} {wait_ms} {start}", role.name())
    }

    /// Returns the ring in a few words.
    #[must_use]
    pub fn title(self) -> String {
        let Shape { capacity, align, size, start, length } = self;
        let at = if start == 0 { String::new() } else { format!(" from {start}") };
        match self.is_stream() {
            true => format!("a stream of {capacity} elements of {size} bytes aligned to {align}{at}"),
            false => format!("{capacity} bytes of records aligned to {align}, messages of {length}{at}"),
        }
    }
}

/// How many rings this process has named.
static RINGS: AtomicU64 = AtomicU64::new(0);

/// A name for a ring, which is removed with it.
#[derive(Debug)]
pub struct Ring {
    /// The name.
    pub name: String,
    /// What it is.
    pub shape: Shape,
}

impl Drop for Ring {
    fn drop(&mut self) {
        _ = fs::remove_file(path(&self.name));
    }
}

impl Ring {
    /// Chooses a name for a ring, and makes none.
    #[must_use]
    pub fn new(shape: Shape) -> Ring {
        let number = RINGS.fetch_add(1, Ordering::Relaxed);
        Ring { name: format!("conform-{}-{number}", process::id()), shape }
    }

    /// Makes it, for a peer that makes none itself.
    ///
    /// # Errors
    ///
    /// The library refuses.
    pub fn create(&self) -> Result<()> {
        let Shape { capacity, align, size, start, .. } = self.shape;
        let options = Options::new(&*self.name).capacity(capacity as usize).start_at(start);
        let made = match self.shape.is_stream() {
            true => options.create_stream(Layout::from_size_align(size as usize, align as usize)?),
            false => options.record_alignment(align as usize).create_message(),
        };
        made.map(drop).with_context(|| format!("making {}", self.shape.title()))
    }

    /// Returns the command that attaches, with this capacity and this patience.
    #[must_use]
    pub fn attach_with(&self, role: Role, capacity: u64, wait_ms: u64) -> String {
        self.shape.attach(&self.name, role, capacity, wait_ms)
    }

    /// Returns the command that attaches, and makes the ring if it is not there.
    #[must_use]
    pub fn attach(&self, role: Role) -> String {
        self.attach_with(role, self.shape.capacity, 10_000)
    }

    /// Opens its bytes.
    ///
    /// # Errors
    ///
    /// It is not there.
    pub fn memory(&self) -> Result<Memory> {
        Memory::open(&self.name).with_context(|| format!("opening the ring {}", self.name))
    }

    /// Returns both positions, as the words stand.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn positions(&self) -> Result<(u64, u64)> {
        let memory = self.memory()?;
        Ok((memory.word(word::HEAD)?, memory.word(word::TAIL)?))
    }
}

/// The next item of one side, and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its number.
    pub number: u64,
    /// Its position.
    pub position: u64,
}

impl Mark {
    /// Goes over items.
    pub fn pass(&mut self, shape: Shape, count: u64) {
        for _ in 0..count {
            self.position = self.position.wrapping_add(shape.step(self.number));
            self.number += 1;
        }
    }

    /// Goes on to a position, where an item must begin that lies no further than `most` items from here.
    ///
    /// # Errors
    ///
    /// None begins there.
    pub fn reach(&mut self, shape: Shape, position: u64, most: u64) -> Result<()> {
        let from = *self;
        while self.position != position {
            self.pass(shape, 1);
            ensure!(
                self.number - from.number <= most && position.wrapping_sub(from.position) < 1 << 63,
                "a position of {position}, expected the start of one of {most} items from {} on",
                from.position
            );
        }
        Ok(())
    }
}

/// What must lie in a ring: the next item of either side.
#[derive(Clone, Copy, Debug)]
pub struct Track {
    /// The shape of the ring.
    pub shape: Shape,
    /// What is pushed next.
    pub tail: Mark,
    /// What is popped next.
    pub head: Mark,
}

impl Track {
    /// The track of a new ring.
    #[must_use]
    pub fn new(shape: Shape) -> Track {
        let mark = Mark { number: 0, position: shape.start };
        Track { shape, tail: mark, head: mark }
    }

    /// Returns how many of `count` items there is room for.
    #[must_use]
    pub fn room(&self, count: u64) -> u64 {
        let mut used = self.tail.position.wrapping_sub(self.head.position);
        (0..count)
            .take_while(|at| {
                used += self.shape.step(self.tail.number + at);
                used <= self.shape.most()
            })
            .count() as u64
    }

    /// Returns how many items are there.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.tail.number - self.head.number
    }

    /// Returns whether none is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Has the producer push items without a wait: exactly as many as there is room for.
    ///
    /// # Errors
    ///
    /// It pushes another number of them.
    pub fn push(&mut self, tx: &mut Peer, count: u64) -> Result<u64> {
        let room = self.room(count);
        tx.says(&format!("pushn {count} {} {}", self.tail.number, self.shape.length), &room.to_string())?;
        self.tail.pass(self.shape, room);
        Ok(room)
    }

    /// Has the consumer pop items without a wait: all that are there, up to `count`, and each as it was pushed.
    ///
    /// # Errors
    ///
    /// It pops another number of them, or other bytes.
    pub fn pop(&mut self, rx: &mut Peer, count: u64) -> Result<u64> {
        let there = self.len().min(count);
        rx.says(&format!("popn {count} {} {}", self.head.number, self.shape.length), &there.to_string())?;
        self.head.pass(self.shape, there);
        Ok(there)
    }

    /// Has items flow through the ring, both ends waiting. What is there already flows first.
    ///
    /// # Errors
    ///
    /// Not all arrive, or not as they were pushed.
    pub fn flow(&mut self, tx: &mut Peer, rx: &mut Peer, count: u64) -> Result<()> {
        let (pushed, popped) = (count, count + self.len());
        let length = self.shape.length;
        rx.send(&format!("flow pop {popped} {} {length} 8000", self.head.number))?;
        tx.send(&format!("flow push {pushed} {} {length} 8000", self.tail.number))?;
        flowed(&mut [(tx, pushed), (rx, popped)], || Ok(()))?;
        self.tail.pass(self.shape, pushed);
        self.head.pass(self.shape, popped);
        self.stand(tx)?;
        self.stand(rx)
    }

    /// Checks the positions that a peer sees.
    ///
    /// # Errors
    ///
    /// They are others.
    pub fn stand(&self, peer: &mut Peer) -> Result<()> {
        peer.says("position", &format!("{} {}", self.head.position, self.tail.position))
    }
}

/// Waits until all of these have done as many items as is said with each, and does something again and again meanwhile.
/// Whatever else one of them says is heard at once.
///
/// # Errors
///
/// One of them says something else, or nothing.
pub fn flowed(ends: &mut [(&mut Peer, u64)], mut meanwhile: impl FnMut() -> Result<()>) -> Result<()> {
    let (mut rest, end) = (ends.len(), Instant::now() + Duration::from_secs(12));
    let mut done = vec![false; rest];
    while rest > 0 {
        for ((peer, count), done) in ends.iter_mut().zip(&mut done) {
            if !*done && peer.answers_within(Duration::from_micros(100), &count.to_string())? {
                *done = true;
                rest -= 1;
            }
        }
        meanwhile()?;
        ensure!(Instant::now() < end, "a flow lasts on, though its own limit is over");
    }
    Ok(())
}

/// Looks at how the ends of a ring sleep.
#[derive(Debug)]
pub struct Watch {
    memory: Memory,
}

impl Watch {
    /// Begins to look at a ring.
    ///
    /// # Errors
    ///
    /// It is not there.
    pub fn new(ring: &Ring) -> Result<Watch> {
        Ok(Watch { memory: ring.memory()? })
    }

    /// Returns the parking word of a role if that says that it sleeps.
    ///
    /// # Errors
    ///
    /// The ring cannot be read.
    pub fn asleep(&self, role: Role) -> Result<Option<u64>> {
        let parking = self.memory.word(role.slot() + slot::PARKING)?;
        Ok((parking & 2 != 0).then_some(parking))
    }

    /// Returns how often a role has slept.
    ///
    /// # Errors
    ///
    /// The ring cannot be read.
    pub fn sleeps(&self, role: Role) -> Result<u64> {
        Ok(self.memory.word(role.slot() + slot::PARKING)? / 4)
    }

    /// Waits until a role sleeps; returns whether it does.
    ///
    /// # Errors
    ///
    /// The ring cannot be read.
    pub fn falls_asleep(&self, role: Role, peer: &Peer, limit: Duration) -> Result<bool> {
        let end = Instant::now() + limit;
        loop {
            if self.asleep(role)?.is_some() && peer.rests() {
                return Ok(true);
            }
            if Instant::now() >= end {
                return Ok(false);
            }
            thread::sleep(Duration::from_micros(50));
        }
    }

    /// Returns the parking word of a role that sleeps in the kernel although what it wants is there.
    ///
    /// # Errors
    ///
    /// The ring cannot be read.
    pub fn missed(&self, role: Role, peer: &Peer) -> Result<Option<u64>> {
        let Some(parking) = self.asleep(role)? else { return Ok(None) };
        let wanted = self.memory.word(role.slot() + slot::WANTED)?;
        let reached = self.memory.word(role.other().position())?.wrapping_sub(wanted) < 1 << 63;
        Ok((reached && peer.rests() && self.asleep(role)? == Some(parking)).then_some(parking))
    }

    /// Returns whether a role sleeps on although what it wants is there and nobody is about to wake it: the same sleep
    /// all along, for as long as `while_`, and neither process running.
    ///
    /// # Errors
    ///
    /// The ring cannot be read.
    pub fn sleeps_on(&self, role: Role, sleeper: &Peer, publisher: &Peer, lasts: Duration) -> Result<bool> {
        let Some(first) = self.missed(role, sleeper)? else { return Ok(false) };
        let end = Instant::now() + lasts;
        while Instant::now() < end {
            if self.missed(role, sleeper)? != Some(first) || !publisher.rests() {
                return Ok(false);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(true)
    }
}
