//! One ring, the processes at its ends, and the judgement of what each of them leaves behind.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use fastrand::Rng;
use ringmain::{Error, Options, Role};
use rustix::process::{Pid, Signal, kill_process};

use super::content::{Element, Messages};
use super::finding::{Fault, Finding, is_before};
use super::job::Files;
use super::journal::{Entry, Journal, request};
use super::judge::{Left, misplaced};
use super::plan::{Kind, Life, Manner, Side};
use super::process::{create, is_running, job, process_state, spawn};
use super::segment::Segment;
use super::shared::Shared;

/// Pauses between two looks at what workers note.
const LOOK: Duration = Duration::from_micros(100);

/// A ring with the processes at its ends. They are killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Ring<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) life: Life,
    /// What is being done to it, in words.
    pub(crate) step: String,
    name: String,
    segment: Segment,
    journal: Journal,
    holders: [Option<Child>; 2],
    /// Where the next holder of each role has to begin: at the first position or beyond it, up to the second.
    expected: [(u64, u64); 2],
    messages: Messages,
    rng: Rng,
    begun: u64,
}

impl<'a> Ring<'a> {
    /// Makes a ring. Some of its creators may be killed before.
    pub(crate) fn make(shared: &'a Shared, name: &str, life: Life) -> Result<Ring<'a>, Finding> {
        let mut rng = Rng::with_seed(life.seed);
        for &after in &life.stillborn {
            let job = job(name, &life, Side::Producer, Manner::draw(&mut rng), shared, None);
            let mut creator = spawn(shared, &job)?;
            thread::sleep(after);
            let _ = creator.kill();
            creator.wait().context("cannot wait for a worker")?;
            shared.count(|totals| totals.creators_killed += 1);
        }
        let longest = create(name, &life).context("cannot make a ring")?;
        let segment = Segment::of(name)?;
        let (salt, alignment) = (life.salt, life.alignment as u64);
        let messages = Messages { salt, alignment, longest: longest as u64 };
        let begun = life.before_the_wrap.map_or(0, |units| (units * alignment).wrapping_neg());
        segment.begin_at(begun)?;
        let journal = Journal::new()?;
        for side in Side::BOTH {
            journal.start(side, begun);
            // Those that made it have left in order.
            let (generation, _) = segment.generation(side)?;
            journal.write(side, Entry::Closing, generation);
            journal.write(side, Entry::Closed, generation);
            journal.write(side, Entry::Vacant, 1);
        }
        shared.count(|totals| totals.rings += 1);
        Ok(Ring {
            shared,
            life,
            step: "beginning".to_owned(),
            name: name.to_owned(),
            segment,
            journal,
            holders: [None, None],
            expected: [(begun, begun); 2],
            messages,
            rng,
            begun,
        })
    }

    /// Starts a process that takes a role.
    pub(crate) fn start(&mut self, side: Side) -> Result<(), Finding> {
        self.start_asked(side, request::GO_ON)
    }

    /// Starts a consumer that reads what there is, and leaves.
    pub(crate) fn start_to_drain(&mut self) -> Result<(), Finding> {
        // It knows that from the first call on: where there is nothing to be told, a call without a limit does not end.
        self.start_asked(Side::Consumer, request::DRAIN)?;
        self.await_attached(Side::Consumer)
    }

    fn start_asked(&mut self, side: Side, asked: u64) -> Result<(), Finding> {
        self.journal.write(side, Entry::Vacant, 0);
        self.journal.write(side, Entry::Asked, asked);
        for entry in [Entry::Attached, Entry::ToldOrphaned] {
            self.journal.write(side, entry, 0);
        }
        let manner = Manner::draw(&mut self.rng);
        let files = Files { segment: self.segment.path(), journal: self.journal.path() };
        let job = job(&self.name, &self.life, side, manner, self.shared, Some(files));
        self.holders[side as usize] = Some(spawn(self.shared, &job)?);
        Ok(())
    }

    /// Waits until a role is held, and judges where its holder has begun.
    pub(crate) fn await_attached(&mut self, side: Side) -> Result<(), Finding> {
        self.wait(&format!("a {side} to attach"), |ring| ring.note(side, Entry::Attached) != 0)?;
        let (start, (lowest, highest)) = (self.note(side, Entry::Start), self.expected[side as usize]);
        if is_before(start, lowest) || is_before(highest, start) {
            let text = format!("a {side} began at {start}, expected {lowest} to {highest}");
            return Err(Finding::new(misplaced(side, is_before(start, lowest)), text));
        }
        // The first holder made the ring, and the second one was the first to work.
        let restarted = u64::from(self.note(side, Entry::Attached) > 2);
        self.shared.count(|totals| totals.restarts += restarted);
        Ok(())
    }

    /// Kills an end, whatever it is doing, and judges what it leaves behind.
    pub(crate) fn kill(&mut self, side: Side) -> Result<(), Finding> {
        // Who ended by itself must not pass for one that was killed.
        self.check_ends()?;
        let (last, doomed) = (self.segment.generation(side)?.0, self.note(side, Entry::Doomed));
        // Whether it has come yet is not known before it is dead.
        self.journal.write(side, Entry::Doomed, last + 1);
        let Some(mut holder) = self.holders[side as usize].take() else { return Ok(()) };
        holder.kill().and_then(|()| holder.wait()).context("cannot kill a worker")?;
        let (generation, has_come) = self.segment.generation(side)?;
        self.journal.write(side, Entry::Doomed, if has_come { generation } else { doomed });
        if has_come {
            self.journal.write(side, Entry::Dead, generation);
        }
        self.journal.write(side, Entry::Vacant, 1);
        self.shared.count(|totals| totals.killed(side));
        self.check_complaints()?;
        let left = Left {
            position: self.position(side)?,
            start: self.note(side, Entry::Start),
            done: self.note(side, Entry::Done),
            reach: self.note(side, Entry::Reach),
        };
        match side {
            Side::Producer => left.judge_tail()?,
            Side::Consumer => left.judge_head(|from, to| self.count(from, to))?,
        }
        // The stored tail of a message ring may lack what the last call has made visible.
        let is_behind = side == Side::Producer && self.life.kind == Kind::Message;
        self.expected[side as usize] = (left.position, if is_behind { left.reach } else { left.position });
        Ok(())
    }

    /// Lets an end leave in order, and judges what it leaves behind.
    pub(crate) fn close(&mut self, side: Side) -> Result<(), Finding> {
        self.ask(side, request::CLOSE)
    }

    /// Lets the consumer read all that there is, and judges that it did.
    pub(crate) fn drain(&mut self) -> Result<(), Finding> {
        self.ask(Side::Consumer, request::DRAIN)?;
        let (tail, end) = (self.position(Side::Producer)?, self.note(Side::Consumer, Entry::Done));
        let reach = self.expected[Side::Producer as usize].1;
        if is_before(end, tail) {
            let text =
                format!("what lies from {end} to {tail} never came: the consumer was told that there is no more");
            return Err(Finding::new(Fault::Lost, text));
        }
        if is_before(reach, end) {
            return Err(Finding::new(Fault::Invented, format!("all up to {end} came, only {reach} was pushed")));
        }
        Ok(())
    }

    /// Lets the consumer read without a wait from now on.
    pub(crate) fn empty(&mut self) -> Result<(), Finding> {
        self.journal.write(Side::Consumer, Entry::Asked, request::EMPTY);
        self.wait("the consumer to read without a wait", |ring| ring.is_of_consumer(Entry::Emptying))
    }

    /// Waits until it has read all, and kills it: it was told of nothing.
    pub(crate) fn kill_untold(&mut self) -> Result<(), Finding> {
        self.wait("the consumer to read all", |ring| ring.is_of_consumer(Entry::Emptied))?;
        let (last, _) = self.segment.generation(Side::Producer)?;
        self.journal.write(Side::Consumer, Entry::Untold, last);
        self.kill(Side::Consumer)
    }

    fn is_of_consumer(&self, entry: Entry) -> bool {
        self.note(Side::Consumer, entry) == self.note(Side::Consumer, Entry::Attached)
    }

    /// Counts what nobody can read any more.
    pub(crate) fn count_left(&self) -> Result<(), Finding> {
        let (head, tail) = (self.position(Side::Consumer)?, self.position(Side::Producer)?);
        let left = self.count(head, tail)?;
        self.shared.count(|totals| totals.left_in_orphans += left);
        Ok(())
    }

    pub(crate) fn stop(&self, side: Side) -> Result<(), Finding> {
        self.shared.count(|totals| totals.stops += 1);
        self.signal(side, Signal::STOP)
    }

    pub(crate) fn go_on(&self, side: Side) -> Result<(), Finding> {
        self.signal(side, Signal::CONT)
    }

    /// Tries to take a role that is held, which must be refused, naming its holder.
    pub(crate) fn intrude(&self, side: Side) -> Result<(), Finding> {
        let options = Options::new(&self.name);
        let attached = match (self.life.kind, side) {
            (Kind::Stream, Side::Producer) => options.stream_producer::<Element>().err(),
            (Kind::Stream, Side::Consumer) => options.stream_consumer::<Element>().err(),
            (Kind::Message, Side::Producer) => options.message_producer().err(),
            (Kind::Message, Side::Consumer) => options.message_consumer().err(),
        };
        let pid = self.holders[side as usize].as_ref().map(Child::id);
        let expected = if side == Side::Producer { Role::Producer } else { Role::Consumer };
        match attached {
            Some(Error::Busy { role, holder, .. }) if role == expected && holder == pid => {
                self.shared.count(|totals| totals.refused += 1);
                Ok(())
            }
            None => Err(Finding::new(Fault::Other, format!("a second {side} was let in beside process {pid:?}"))),
            Some(error) => {
                let text = format!("a second {side} was refused with {error:?}, expected Busy with process {pid:?}");
                Err(Finding::new(Fault::Other, text))
            }
        }
    }

    /// Removes the name while both ends are attached.
    pub(crate) fn unlink(&self) -> Result<(), Finding> {
        self.journal.write(Side::Producer, Entry::Unlinked, 1);
        self.shared.count(|totals| totals.unlinks += 1);
        Ok(ringmain::unlink(&self.name).context("cannot unlink")?)
    }

    /// Takes leave of a ring at which nobody is any more.
    pub(crate) fn remove(&self) -> Result<(), Finding> {
        self.check_complaints()?;
        let moved = self.note(Side::Consumer, Entry::Delivered);
        let has_wrapped = self.note(Side::Consumer, Entry::Done) < self.begun;
        self.shared.count(|totals| {
            totals.moved(self.life.kind, moved);
            totals.wraps += u64::from(has_wrapped);
        });
        if self.note(Side::Producer, Entry::Unlinked) != 0 {
            return Ok(());
        }
        Ok(ringmain::unlink(&self.name).context("cannot unlink")?)
    }

    /// Waits until the other end was told that the last holder of this one has crashed, if there was one.
    pub(crate) fn await_crash_told(&self, side: Side) -> Result<(), Finding> {
        let (generation, has_come) = self.segment.generation(side)?;
        if !has_come {
            return Ok(());
        }
        self.await_told(side, Entry::ToldCrashed, generation)
    }

    /// Waits until the other end was told that the last holder of this one has left.
    pub(crate) fn await_close_told(&self, side: Side) -> Result<(), Finding> {
        self.await_told(side, Entry::ToldClosed, self.note(side, Entry::Closed))
    }

    fn await_told(&self, side: Side, told: Entry, generation: u64) -> Result<(), Finding> {
        let what = format!("the {} to be told of the {side}'s end", side.other());
        self.wait(&what, |ring| ring.note(side.other(), told) >= generation)
    }

    pub(crate) fn await_orphan_told(&self, side: Side) -> Result<(), Finding> {
        let what = format!("the {side} to be told that the name is gone");
        self.wait(&what, |ring| ring.note(side, Entry::ToldOrphaned) != 0)
    }

    /// Describes the ring and both ends, for whoever has to find out what went wrong.
    pub(crate) fn describe(&self) -> String {
        // The steps follow from the seed.
        let life = Life { steps: Vec::new(), ..self.life.clone() };
        let mut text = format!("  ring {}, step {}\n  {life:?}\n", self.name, self.step);
        for side in Side::BOTH {
            let entries = [
                ("start", Entry::Start),
                ("done", Entry::Done),
                ("reach", Entry::Reach),
                ("attached", Entry::Attached),
                ("asked", Entry::Asked),
                ("closing", Entry::Closing),
                ("closed", Entry::Closed),
                ("doomed", Entry::Doomed),
                ("told of a crash", Entry::ToldCrashed),
                ("told of a close", Entry::ToldClosed),
                ("calls", Entry::Calls),
            ];
            let notes: Vec<_> =
                entries.iter().map(|(name, entry)| format!("{name} {}", self.note(side, *entry))).collect();
            text += &format!("  journal, {side}: {}\n", notes.join(", "));
            text += &match &self.holders[side as usize] {
                Some(holder) => format!("  process, {side}: {}\n", process_state(holder.id())),
                None => format!("  process, {side}: none\n"),
            };
        }
        text + &self.segment.describe()
    }

    /// Asks an end to leave, waits for that, and judges what it leaves behind.
    fn ask(&mut self, side: Side, asked: u64) -> Result<(), Finding> {
        self.journal.write(side, Entry::Asked, asked);
        let generation = self.note(side, Entry::Attached);
        self.wait(&format!("the {side} to leave"), |ring| ring.note(side, Entry::Closed) == generation)?;
        let Some(mut holder) = self.holders[side as usize].take() else { return Ok(()) };
        let status = holder.wait().context("cannot wait for a worker")?;
        self.journal.write(side, Entry::Vacant, 1);
        self.check_complaints()?;
        if !status.success() {
            return Err(Finding::new(Fault::Other, format!("a {side} that was asked to leave ended with {status}")));
        }
        let (position, done) = (self.position(side)?, self.note(side, Entry::Done));
        if position != done {
            let text = format!("a {side} left at {position}, but its calls ended at {done}");
            return Err(Finding::new(misplaced(side, is_before(position, done)), text));
        }
        self.expected[side as usize] = (done, done);
        self.shared.count(|totals| totals.closes += 1);
        Ok(())
    }

    /// Waits until `found` says so, and watches both ends meanwhile.
    fn wait(&self, what: &str, found: impl Fn(&Ring<'_>) -> bool) -> Result<(), Finding> {
        let start = Instant::now();
        loop {
            if found(self) {
                self.shared.count(|totals| totals.waited(start.elapsed()));
                return self.check_complaints();
            }
            self.check_ends()?;
            if self.shared.has_failed() {
                return Err(Finding::new(Fault::GivenUp, "the other lane has failed"));
            }
            if start.elapsed() > self.shared.patience {
                return Err(Finding::new(Fault::Hang, format!("waited {:?} in vain for {what}", start.elapsed())));
            }
            thread::sleep(LOOK);
        }
    }

    /// Returns what a worker has found wrong.
    fn check_complaints(&self) -> Result<(), Finding> {
        // What an end found out says more than that another one was refused because of it.
        let complaints = Side::BOTH.into_iter().filter_map(|side| self.journal.complaint(side));
        let complaint = complaints.min_by_key(|(fault, _)| *fault == Fault::Other);
        complaint.map_or(Ok(()), |(fault, text)| Err(Finding { fault, text }))
    }

    /// Finds workers that have ended though nobody asked them to.
    fn check_ends(&self) -> Result<(), Finding> {
        self.check_complaints()?;
        for side in Side::BOTH {
            let Some(holder) = &self.holders[side as usize] else { continue };
            if self.note(side, Entry::Asked) != request::GO_ON || is_running(holder.id()) {
                continue;
            }
            // It may have complained since the first look.
            self.check_complaints()?;
            let text = format!("the {side}, process {}, has ended by itself", holder.id());
            return Err(Finding::new(Fault::Other, text));
        }
        Ok(())
    }

    fn note(&self, side: Side, entry: Entry) -> u64 {
        self.journal.read(side, entry)
    }

    fn position(&self, side: Side) -> Result<u64, Finding> {
        Ok(self.segment.position(side)?)
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

    fn signal(&self, side: Side, signal: Signal) -> Result<(), Finding> {
        let Some(holder) = &self.holders[side as usize] else { return Ok(()) };
        Ok(kill_process(Pid::from_child(holder), signal).context("cannot signal a worker")?)
    }
}

impl Drop for Ring<'_> {
    fn drop(&mut self) {
        for mut holder in self.holders.iter_mut().filter_map(Option::take) {
            // Nothing fails here but for one that is gone already. Names are the keeper's.
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}
