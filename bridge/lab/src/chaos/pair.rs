//! A pair of rings, the processes at it, and the judgement of what they do.

use std::alloc::Layout;
use std::os::unix::process::CommandExt;
use std::process::{self, Command};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::Context;
use fastrand::Rng;
use ringmain::Options;
use rustix::process::Signal;

use super::lane::parts;
use super::plan::{Life, Part};
use super::{Shared, WORKER};
use crate::ends::content::{Element, Messages};
use crate::ends::finding::{Fault, Finding, is_before};
use crate::ends::job::{Files, Job};
use crate::ends::journal::{Entry, Journal, request};
use crate::ends::judge::Left;
use crate::ends::plan::{Kind, Manner, Plant, Side};
use crate::ends::segment::Segment;
use crate::network::Machine;
use crate::process::{Log, Process};
use crate::site::{Program, Site};
use crate::wire::Wire;

/// Pauses between two looks at what workers note.
const LOOK: Duration = Duration::from_millis(2);

/// How long a worker may take to see what it was given.
const SETTLED: Duration = Duration::from_millis(500);

/// A pair of rings with the processes at it. They are killed when it is dropped.
pub(super) struct Pair<'a> {
    pub(super) shared: &'a Shared,
    pub(super) life: Life,
    pub(super) site: Site,
    /// What is being done, in words.
    pub(super) step: String,
    /// By the number of the part.
    running: [Option<Process>; 5],
    journal: Journal,
    /// Ring A, and ring B once the receiver has made it.
    segments: [Option<Segment>; 2],
    messages: Messages,
    longest: usize,
    log: Log,
    rng: Rng,
}

impl<'a> Pair<'a> {
    /// Makes two machines, and ring A on one of them.
    pub(super) fn make(shared: &'a Shared, names: &[String; 2], life: Life) -> Result<Pair<'a>, Finding> {
        let program = env::current_exe().context("cannot find this program's own file")?;
        let mut site = Site::with_names(program, life.way, names.clone())?;
        site.plant.clone_from(&shared.settings.plant);
        let options = Options::new(&names[0]).capacity(life.capacity).start_at(life.first);
        let options = options.record_alignment(life.alignment);
        // A consumer comes and leaves, so that no end is told that there was never another one.
        let longest = match life.kind {
            Kind::Stream => options.create_stream(Layout::new::<Element>()).and_then(|_| {
                options.stream_consumer::<Element>()?.close()?;
                Ok(0)
            }),
            Kind::Message => options.create_message().and_then(|_| {
                let rx = options.message_consumer()?;
                let longest = rx.max_len().min(life.longest);
                rx.close()?;
                Ok(longest)
            }),
        };
        let longest = longest.context("cannot make ring A")?;
        let journal = Journal::new()?;
        for side in Side::BOTH {
            journal.start(side, life.first);
            // Each end has a program of the bridge at its other side, which may come and go in any manner.
            for entry in [Entry::Closing, Entry::Doomed] {
                journal.write(side, entry, u64::MAX);
            }
        }
        shared.count(|totals| totals.lives += 1);
        Ok(Pair {
            shared,
            site,
            step: "beginning".to_owned(),
            running: Default::default(),
            journal,
            segments: [Some(Segment::of(&names[0])?), None],
            messages: Messages { salt: life.salt, alignment: life.alignment as u64, longest: longest as u64 },
            longest,
            log: Log::new()?,
            rng: Rng::with_seed(life.seed),
            life,
        })
    }

    /// Starts all that are not there.
    pub(super) fn revive(&mut self) -> Result<(), Finding> {
        parts(&self.life).try_for_each(|part| self.start(part))
    }

    /// Starts one part, if it is not there. A consumer is not started before there is a ring B.
    pub(super) fn start(&mut self, part: Part) -> Result<(), Finding> {
        if self.running[part as usize].is_some() {
            return Ok(());
        }
        let window = self.life.window.to_string();
        let process = match part {
            Part::Producer => self.worker(Side::Producer)?,
            Part::Consumer => match self.open_b()? {
                true => self.worker(Side::Consumer)?,
                false => return Ok(()),
            },
            Part::Sender => self.site.start(Program::Sender, &["--window", &window])?,
            Part::Receiver => self.site.start(Program::Receiver, &[])?,
            Part::Router => self.site.start(Program::Router, &[])?,
        };
        self.running[part as usize] = Some(process);
        Ok(())
    }

    fn worker(&mut self, side: Side) -> Result<Process, Finding> {
        let machine = [Machine::A, Machine::B][side as usize];
        self.journal.write(side, Entry::Asked, request::GO_ON);
        self.journal.write(side, Entry::Attached, 0);
        let manner = Manner { waiting: self.life.waiting, pauses: true, ..Manner::draw(&mut self.rng) };
        let segment = self.segments[side as usize].as_ref().context("no ring yet")?;
        let job = Job {
            supervisor: process::id().cast_signed(),
            kind: self.life.kind,
            side,
            name: self.site.rings[side as usize].clone(),
            files: Some(Files { segment: segment.path(), journal: self.journal.path() }),
            capacity: None,
            alignment: self.life.alignment,
            longest: self.longest,
            salt: self.life.salt,
            manner,
            // Not a mistake here: ends are told by the bridge, with the generations of the other ring, which the notes
            // of this one's leaving would contradict.
            plant: Some(Plant::Untold),
        };
        let mut command: Command = self.site.lab(machine, [""; 0]);
        command.arg0(WORKER);
        Ok(Process::start_with(&side.to_string(), command, &job, &self.log)?)
    }

    /// Opens ring B, if there is one by now whose producer has said that it came: workers take it that both ends were
    /// held before.
    fn open_b(&mut self) -> Result<bool, Finding> {
        let name = &self.site.rings[1];
        // The magic is there last: before that the ring is in the making.
        if self.segments[1].is_none() && ringmain::inspect::Inspection::open(name).is_ok() {
            let segment = Segment::of(name)?;
            self.segments[1] = (segment.generation(Side::Producer)?.0 > 0).then_some(segment);
        }
        Ok(self.segments[1].is_some())
    }

    /// Kills one part, whatever it is doing, and judges what it leaves behind.
    pub(super) fn kill(&mut self, part: Part) -> Result<(), Finding> {
        // Who ended by itself must not pass for one that was killed.
        self.look()?;
        let Some(process) = self.running[part as usize].take() else { return Ok(()) };
        process.kill().context("cannot kill a process")?;
        self.shared.count(|totals| totals.kills[part as usize] += 1);
        match part {
            Part::Producer => self.left(Side::Producer)?.judge_tail(),
            Part::Consumer => self.left(Side::Consumer)?.judge_head(|from, to| self.count(from, to)),
            Part::Sender | Part::Router | Part::Receiver => self.look(),
        }
    }

    fn left(&self, side: Side) -> Result<Left, Finding> {
        let position = self.position(side as usize, side)?.context("no ring yet")?;
        let note = |entry| self.journal.read(side, entry);
        Ok(Left { position, start: note(Entry::Start), done: note(Entry::Done), reach: note(Entry::Reach) })
    }

    /// Stops one part for a while.
    pub(super) fn stop(&mut self, part: Part, pause: Duration) -> Result<(), Finding> {
        let Some(process) = &self.running[part as usize] else { return Ok(()) };
        process.signal(Signal::STOP)?;
        thread::sleep(pause);
        process.signal(Signal::CONT)?;
        self.shared.count(|totals| totals.stops += 1);
        Ok(())
    }

    /// Waits until what ring A holds now has been read from ring B.
    pub(super) fn progress(&mut self) -> Result<(), Finding> {
        // A producer that has just come may have nothing yet: at least one more than was read.
        let read = self.journal.read(Side::Consumer, Entry::Done);
        self.wait("a producer to push", |pair| Ok(is_before(read, pair.tail(0)?)))?;
        let tail = self.tail(0)?;
        self.wait(&format!("ring B to hold what lies before {tail}"), |pair| {
            pair.start(Part::Consumer)?;
            let done = pair.journal.read(Side::Consumer, Entry::Done);
            Ok(!is_before(done, tail))
        })
    }

    /// Lets the producer leave, waits until all has arrived and its end was told, and compares both rings.
    pub(super) fn finish(&mut self) -> Result<(), Finding> {
        self.revive()?;
        self.progress()?;
        self.leave(Side::Producer, request::CLOSE)?;
        let tail = self.tail(0)?;
        self.wait("ring B to hold all", |pair| Ok(pair.tail(1)? == tail))?;
        self.wait("the end of ring A's producer to be told at ring B", |pair| {
            let segment = pair.segments[1].as_ref().context("no ring B")?;
            Ok(!segment.generation(Side::Producer)?.1)
        })?;
        // Whoever closes last has closed.
        self.journal.write(Side::Producer, Entry::Closed, u64::MAX);
        self.leave(Side::Consumer, request::DRAIN)?;
        let head = |pair: &Pair<'_>, ring| -> Result<u64, Finding> {
            Ok(pair.position(ring, Side::Consumer)?.context("no ring B")?)
        };
        self.wait("ring A to be released", |pair| Ok(head(pair, 0)? == tail))?;
        let ends = [self.tail(0)?, head(self, 0)?, self.tail(1)?, head(self, 1)?];
        if ends != [tail; 4] {
            let text =
                format!("tail and head of ring A, tail and head of ring B: {ends:?}, expected {tail} four times");
            return Err(Finding::new(if is_before(ends[2], tail) { Fault::Lost } else { Fault::Repeated }, text));
        }
        self.look()?;
        for process in &mut self.running {
            drop(process.take());
        }
        let moved = self.journal.read(Side::Consumer, Entry::Delivered);
        let positions = tail.wrapping_sub(self.life.first);
        let unit = if self.life.kind == Kind::Stream { size_of::<Element>() as u64 } else { 1 };
        self.shared.count(|totals| {
            totals.moved(self.life.kind, moved, positions * unit);
            totals.wraps += u64::from(tail < self.life.first);
            for (total, count) in
                totals.packets.iter_mut().zip(self.site.network.wire().into_iter().flat_map(Wire::counts))
            {
                *total += count;
            }
        });
        Ok(self.site.remove_rings()?)
    }

    /// Asks an end to leave, and waits for that.
    fn leave(&mut self, side: Side, asked: u64) -> Result<(), Finding> {
        let part = [Part::Producer, Part::Consumer][side as usize];
        self.journal.write(side, Entry::Closed, 0);
        self.journal.write(side, Entry::Asked, asked);
        self.wait(&format!("the {side} to leave"), |pair| {
            let Some(process) = &mut pair.running[part as usize] else { return Ok(true) };
            let Some(status) = process.ended()? else { return Ok(false) };
            pair.running[part as usize] = None;
            pair.complaints()?;
            match status.success() {
                true => Ok(true),
                false => Err(Finding::new(Fault::Other, format!("the {side} ended with {status}"))),
            }
        })
    }

    /// Waits until `found` says so, and looks at all that runs meanwhile.
    fn wait(
        &mut self,
        what: &str,
        mut found: impl FnMut(&mut Pair<'a>) -> Result<bool, Finding>,
    ) -> Result<(), Finding> {
        let start = Instant::now();
        loop {
            if found(self)? {
                let after = || format!("for {what}, {:?}, step {}", self.life.way, self.step);
                self.shared.count(|totals| totals.waited(start.elapsed(), after));
                return self.look();
            }
            self.look()?;
            if self.shared.has_failed() {
                return Err(Finding::new(Fault::GivenUp, "the other lane has failed"));
            }
            if start.elapsed() > self.shared.patience() {
                return Err(Finding::new(Fault::Hang, format!("waited {:?} in vain for {what}", start.elapsed())));
            }
            thread::sleep(LOOK);
        }
    }

    /// Finds what is wrong by now.
    pub(super) fn look(&mut self) -> Result<(), Finding> {
        self.complaints()?;
        self.compare()?;
        for part in Part::ALL {
            let Some(process) = &mut self.running[part as usize] else { continue };
            let Some(status) = process.ended()? else { continue };
            let asked = match part {
                Part::Producer => self.journal.read(Side::Producer, Entry::Asked),
                Part::Consumer => self.journal.read(Side::Consumer, Entry::Asked),
                _ => request::GO_ON,
            };
            if asked == request::GO_ON {
                // What a worker finds out by then says more than that a program has given up because of it.
                thread::sleep(SETTLED);
                self.complaints()?;
                self.compare()?;
                let text = format!("the {part:?} has ended by itself, with {status}");
                return Err(Finding::new(Fault::Other, text));
            }
        }
        Ok(())
    }

    /// Compares both rings: nothing may be released from A that B does not hold, and B holds nothing that A does not.
    fn compare(&mut self) -> Result<(), Finding> {
        let Some(released) = self.position(0, Side::Consumer)? else { return Ok(()) };
        if !self.open_b()? {
            return match released == self.life.first {
                true => Ok(()),
                false => Err(Finding::new(Fault::Lost, format!("{released} is released and there is no ring B"))),
            };
        }
        // Both only grow, and are read in this order: what was released before is held by now.
        let held = self.tail(1)?;
        if is_before(held, released) {
            let text = format!("ring A has released all before {released}, and ring B holds what lies before {held}");
            return Err(Finding::new(Fault::Lost, text));
        }
        Ok(())
    }

    /// Returns what a worker has found wrong.
    fn complaints(&self) -> Result<(), Finding> {
        let complaints = Side::BOTH.into_iter().filter_map(|side| self.journal.complaint(side));
        let complaint = complaints.min_by_key(|(fault, _)| *fault == Fault::Other);
        complaint.map_or(Ok(()), |(fault, text)| Err(Finding { fault, text }))
    }

    fn tail(&self, ring: usize) -> Result<u64, Finding> {
        Ok(self.position(ring, Side::Producer)?.unwrap_or(self.life.first))
    }

    fn position(&self, ring: usize, side: Side) -> Result<Option<u64>, Finding> {
        Ok(self.segments[ring].as_ref().map(|segment| segment.position(side)).transpose()?)
    }

    /// Counts the elements or messages from one position to another.
    fn count(&self, from: u64, to: u64) -> Result<u64, Finding> {
        match self.life.kind {
            Kind::Stream => Ok(to.wrapping_sub(from)),
            Kind::Message => self.messages.count(from, to).ok_or_else(|| {
                Finding::new(Fault::Torn, format!("no message that follows the one at {from} starts at {to}"))
            }),
        }
    }

    /// Describes all, for whoever has to find out what went wrong.
    pub(super) fn describe(&self) -> String {
        // The steps follow from the seed.
        let life = Life { steps: Vec::new(), ..self.life.clone() };
        let mut text = format!("  rings {:?}, step {}\n  {life:?}\n", self.site.rings, self.step);
        for (ring, segment) in ["A", "B"].iter().zip(&self.segments) {
            text += &format!("  ring {ring}:\n{}", segment.as_ref().map_or("  none\n".into(), Segment::describe));
        }
        for side in Side::BOTH {
            let notes = [
                ("start", Entry::Start),
                ("done", Entry::Done),
                ("reach", Entry::Reach),
                ("asked", Entry::Asked),
                ("calls", Entry::Calls),
            ];
            let notes = notes.map(|(name, entry)| format!("{name} {}", self.journal.read(side, entry))).join(", ");
            text += &format!("  journal, {side}: {notes}\n");
        }
        for part in Part::ALL {
            if let Some(process) = &self.running[part as usize] {
                let read = |file| fs::read_to_string(format!("/proc/{}/{file}", process.id())).unwrap_or_default();
                text += &format!("  {part:?}: pid {}, in {:?}\n", process.id(), read("wchan"));
            }
        }
        for (name, log) in ["sender", "receiver", "router"].iter().zip(&self.site.logs) {
            text += &format!("  said by the {name}:\n{}", log.last().unwrap_or_default());
        }
        text + &format!("  said by workers:\n{}", self.log.last().unwrap_or_default())
    }
}
