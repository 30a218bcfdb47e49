//! One end of a ring, in a process of its own: moves what it can by every call that there is until it is told to leave,
//! or killed.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ringmain::{Error, Options, PeerState, Wait, WaitError};
use ringmain_measure::Channel;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::finding::{Fault, Finding, is_before};
use super::job::Job;
use super::journal::{Entry, Journal, request};
use super::plan::{Kind, Plant, Side, Waiting};
use super::segment::Segment;
use super::work::{Choices, Went, Work};
use super::{message, stream};

/// How long a role may stay held after its holder was killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Serves the supervisor that started this process.
pub(crate) fn run() -> Result<()> {
    let channel = Channel::from_stdin().context("this process is started by `ringmain chaos`, not by hand")?;
    let Some((job, _)) = channel.receive::<Job>()? else { return Ok(()) };
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot ask to end with the supervisor")?;
    // It may have ended before that call.
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().get() != job.supervisor) {
        return Ok(());
    }
    match (job.kind, job.side) {
        (Kind::Stream, Side::Producer) => serve::<stream::Writer>(&job),
        (Kind::Stream, Side::Consumer) => serve::<stream::Reader>(&job),
        (Kind::Message, Side::Producer) => serve::<message::Writer>(&job),
        (Kind::Message, Side::Consumer) => serve::<message::Reader>(&job),
    }
}

fn serve<W: Work>(job: &Job) -> Result<()> {
    let Some(files) = &job.files else {
        let _held = attach::<W>(job)?;
        loop {
            thread::sleep(PATIENCE);
        }
    };
    let (segment, journal) = (Segment::open(&files.segment)?, Journal::open(&files.journal)?);
    let past = Past::before_attach(job, &segment, &journal)?;
    let complain = |Finding { fault, text }: Finding| journal.complain(job.side, fault, &text);
    let mut end = match attach::<W>(job) {
        Ok(work) => End { job, journal: &journal, segment: &segment, work, peer: job.side.other(), past },
        Err(error) => {
            complain(Finding::new(Fault::Other, format!("cannot attach: {error:?}")));
            return Ok(());
        }
    };
    if let Err(finding) = end.serve() {
        complain(finding);
        // It keeps its role until it is killed, so that the other end has nothing to complain of.
        loop {
            thread::sleep(PATIENCE);
        }
    }
    end.leave().unwrap_or_else(complain);
    Ok(())
}

/// Attaches. Where the last holder was killed a moment ago, the kernel may need another one to notice.
fn attach<W: Work>(job: &Job) -> Result<W, Error> {
    let mut options = Options::new(&job.name)
        .record_alignment(job.alignment)
        .wait(match job.manner.waiting {
            Waiting::Spin => Wait::Spin,
            Waiting::SpinThenPark => Wait::SpinThenPark,
            Waiting::Park => Wait::Park,
        })
        .await_successor(job.manner.awaits_successor);
    if let Some(capacity) = job.capacity {
        options = options.capacity(capacity);
    }
    let start = Instant::now();
    loop {
        match W::attach(job, &options, Choices::new(job)) {
            Err(Error::Busy { .. } | Error::HolderGone { .. }) if start.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_micros(50));
            }
            attached => return attached,
        }
    }
}

/// Which ends of the other side do not concern one that comes: those of holders up to a generation.
#[derive(Debug, Clone, Copy)]
struct Past {
    /// The last one that is known to have ended before this end came.
    ended: u64,
    /// The last one of these that is no news.
    told: u64,
}

impl Past {
    fn before_attach(job: &Job, segment: &Segment, journal: &Journal) -> Result<Past> {
        let peer = job.side.other();
        let ended = journal.read(peer, Entry::Closed).max(journal.read(peer, Entry::Dead));
        let told = match job.side {
            Side::Producer => ended,
            Side::Consumer => ended.min(journal.read(Side::Consumer, Entry::Heard)),
        };
        match (job.plant, job.side) {
            (Some(Plant::ToldTwice), Side::Consumer) => segment.mistell(0)?,
            (Some(Plant::ToldNever), Side::Consumer) => segment.mistell(u64::MAX)?,
            _ => {}
        }
        let is_vacant = journal.read(peer, Entry::Vacant) == 1;
        Ok(Past { ended, told: if told == ended && is_vacant { told } else { 0 } })
    }
}

/// How long an end that must be told may take, and how long nothing must be told.
const TOLD_WITHIN: Duration = Duration::from_secs(1);
const UNTOLD_FOR: Duration = Duration::from_millis(5);

/// In one call of so many it is looked whether what was moved is published: a system call.
const CALLS_PER_LOOK: u64 = 8;

/// After so many calls in vain a worker makes longer pauses.
const CALLS_IN_VAIN: u64 = 1000;

/// Calls that a worker makes before it makes its mistake.
const CALLS_BEFORE_A_PLANT: u64 = 300;

/// An end at work.
struct End<'a, W> {
    job: &'a Job,
    journal: &'a Journal,
    segment: &'a Segment,
    work: W,
    peer: Side,
    past: Past,
}

impl<W: Work> End<'_, W> {
    /// Works until it is asked to leave.
    fn serve(&mut self) -> Result<(), Finding> {
        let (journal, side) = (self.journal, self.job.side);
        let start = self.stored()?;
        self.work.begin(start);
        journal.start(side, start);
        // Whoever reads what a producer has left hears of its end. One that is killed while it comes has the role
        // already, but not said so: its end is taken for that of the one before it.
        let has_data = side == Side::Consumer && !self.work.is_empty()?;
        if has_data || journal.read(self.peer, Entry::Vacant) == 0 {
            self.past.told = 0;
        }
        journal.write(side, Entry::Attached, self.work.generation());
        let (mut calls, mut in_vain) = (0u64, 0u64);
        loop {
            let asked = journal.read(side, Entry::Asked);
            match asked {
                request::CLOSE => break,
                request::EMPTY => self.empty()?,
                _ => {}
            }
            let drains = asked == request::DRAIN;
            self.work.choices().may_block = !drains;
            calls += 1;
            journal.add(side, Entry::Calls, 1);
            self.plant(calls);
            // Who is gone before a call that finds nothing has left nothing.
            let was_gone = drains && self.work.peer_state() != PeerState::Alive;
            let moved = self.call()?;
            self.check_position(moved, calls)?;
            if was_gone && moved == 0 && self.work.is_empty()? {
                return self.check_end();
            }
            // A system call each: not too often.
            if calls.is_multiple_of(512) || moved == 0 && calls.is_multiple_of(8) {
                self.ask()?;
            }
            in_vain = if moved == 0 { in_vain + 1 } else { 0 };
            if moved == 0 {
                self.idle(in_vain);
            }
            if self.job.manner.pauses && calls.is_multiple_of(64) {
                let pause = Duration::from_micros(self.work.choices().rng.u64(..200));
                thread::sleep(pause);
            }
        }
        Ok(())
    }

    /// Reads all that there is and will be, is told of nothing, and stays until it is killed.
    fn empty(&mut self) -> Result<(), Finding> {
        let (journal, side, generation) = (self.journal, self.job.side, self.work.generation());
        journal.write(side, Entry::Emptying, generation);
        loop {
            let was_gone = self.work.peer_state() != PeerState::Alive;
            let reach = self.work.reach();
            journal.write(side, Entry::Reach, reach);
            let took = self.work.take()?;
            journal.write(side, Entry::Done, self.work.next());
            match took {
                Went::Moved(count) => journal.add(side, Entry::Delivered, count),
                _ if was_gone => journal.write(side, Entry::Emptied, generation),
                _ => {}
            }
            if !matches!(took, Went::Moved(_)) {
                thread::sleep(Duration::from_micros(50));
            }
        }
    }

    /// Checks that the handle stands where its calls have led, and now and then that this is published.
    fn check_position(&mut self, moved: u64, calls: u64) -> Result<(), Finding> {
        let (side, next, position) = (self.job.side, self.work.next(), self.work.position());
        if side == Side::Consumer && position != next {
            let fault = if is_before(position, next) { Fault::Repeated } else { Fault::Lost };
            return Err(Finding::new(
                fault,
                format!("a {side} has received all up to {next} and stands at {position}"),
            ));
        }
        let is_planted = self.work.choices().plant == Some(Plant::Credit) && side == Side::Consumer && moved > 0;
        if is_planted {
            self.segment.withhold(position.wrapping_sub(moved))?;
        }
        if !is_planted && !calls.is_multiple_of(CALLS_PER_LOOK) {
            return Ok(());
        }
        let stored = self.stored()?;
        if stored == position {
            return Ok(());
        }
        let text = format!("the calls of a {side} that have returned led to {position}, and {stored} is published");
        Err(Finding::new(Fault::Withheld, text))
    }

    fn stored(&self) -> Result<u64, Finding> {
        Ok(self.segment.position(self.job.side)?)
    }

    /// Checks that a consumer that has read all is told of its producer's end, at each call, or that it is told of
    /// nothing, where another consumer was told.
    fn check_end(&mut self) -> Result<(), Finding> {
        let last = self.work.peer_generation();
        let expected = match self.journal.read(self.peer, Entry::Closed) {
            closed if closed >= last => WaitError::Closed,
            _ => WaitError::Crashed,
        };
        let must_hear = last > self.past.ended || last == self.journal.read(Side::Consumer, Entry::Untold);
        for _ in 0..2 {
            if self.job.manner.awaits_successor || last <= self.past.told {
                match self.work.wait(UNTOLD_FOR) {
                    Err(WaitError::Closed | WaitError::Crashed) => return Err(self.mistold("was told again", last)),
                    _ => continue,
                }
            }
            if must_hear && self.work.wait(TOLD_WITHIN) != Err(expected) {
                return Err(self.mistold("was never told", last));
            }
            self.journal.write(Side::Consumer, Entry::Heard, last);
        }
        Ok(())
    }

    fn mistold(&self, how: &str, generation: u64) -> Finding {
        let text = format!("the {} {how} of the end of {} {generation}: {:?}", self.job.side, self.peer, self.past);
        Finding::new(Fault::Mistold, text)
    }

    /// Makes one call and notes what came of it.
    fn call(&mut self) -> Result<u64, Finding> {
        let (journal, side) = (self.journal, self.job.side);
        // A consumer that is killed in its call is judged by its note.
        if side == Side::Consumer || self.job.plant != Some(Plant::Invent) {
            let reach = self.work.reach();
            journal.write(side, Entry::Reach, reach);
        }
        let before = self.work.peer_generation();
        let went = self.work.go()?;
        if side == Side::Consumer {
            // What a producer pushes, it has announced before.
            let reach = journal.read(Side::Producer, Entry::Reach);
            if is_before(reach, self.work.next()) {
                let text = format!("all up to {} came, but nothing beyond {reach} was pushed", self.work.next());
                return Err(Finding::new(Fault::Invented, text));
            }
        }
        journal.write(side, Entry::Done, self.work.next());
        match went {
            Went::Moved(count) => {
                journal.add(side, Entry::Delivered, count);
                return Ok(count);
            }
            Went::Nothing => {}
            Went::Ended(error @ (WaitError::Closed | WaitError::Crashed)) => {
                let state = if error == WaitError::Closed { PeerState::Closed } else { PeerState::Crashed };
                self.told(before, state)?;
                let last = self.work.peer_generation();
                if last <= self.past.told {
                    return Err(self.mistold("was told again", last));
                }
                if side == Side::Consumer {
                    journal.write(side, Entry::Heard, before);
                }
            }
            // There is less than was asked for: nothing that is told, for the rest can be read.
            Went::Ended(WaitError::Short { .. }) => {}
            Went::Ended(WaitError::Orphaned) => self.told_orphaned()?,
            Went::Ended(error) => return Err(Finding::new(Fault::Other, format!("a call said: {error}"))),
        }
        Ok(0)
    }

    /// Asks who is at the other end, and whether the name still stands.
    fn ask(&self) -> Result<(), Finding> {
        let before = self.work.peer_generation();
        self.told(before, self.work.peer_state())?;
        if self.work.is_orphaned() { self.told_orphaned() } else { Ok(()) }
    }

    /// Lets others run, since nothing went in so many calls.
    fn idle(&mut self, in_vain: u64) {
        match self.work.choices().rng.u8(..8) {
            // The other end is away for long, behind a line that is cut.
            0..=3 if in_vain > CALLS_IN_VAIN => thread::sleep(Duration::from_millis(1)),
            0 => thread::sleep(Duration::from_micros(50)),
            1..=3 => thread::yield_now(),
            _ => {}
        }
    }

    /// Checks what this end was told of the other one, of which `before` was the last generation that it knew.
    fn told(&self, before: u64, state: PeerState) -> Result<(), Finding> {
        let (journal, side) = (self.journal, self.job.side);
        let (noted, told) = match state {
            PeerState::Alive => return Ok(()),
            PeerState::Closed => (Entry::Closing, Entry::ToldClosed),
            PeerState::Never | PeerState::Crashed => (Entry::Doomed, Entry::ToldCrashed),
        };
        // A holder that came after this one looked may be meant: later generations are as good.
        let latest = journal.read(self.peer, noted);
        // Both roles have had a holder before any worker came.
        if latest < before || state == PeerState::Never {
            let text = format!(
                "the {} was told that the {} is {state:?}: generation {before} or later, but {latest} is the last of \
                 which that is so",
                self.job.side, self.peer
            );
            return Err(Finding::new(Fault::Mistold, text));
        }
        journal.write(side, told, before);
        Ok(())
    }

    fn told_orphaned(&self) -> Result<(), Finding> {
        if self.journal.read(Side::Producer, Entry::Unlinked) == 0 {
            let text = format!("the {} was told that the name is gone, and it was not", self.job.side);
            return Err(Finding::new(Fault::Mistold, text));
        }
        self.journal.write(self.job.side, Entry::ToldOrphaned, 1);
        Ok(())
    }

    fn leave(self) -> Result<(), Finding> {
        let (journal, side, generation) = (self.journal, self.job.side, self.work.generation());
        if self.job.plant != Some(Plant::Untold) {
            journal.write(side, Entry::Closing, generation);
        }
        let peer = self.work.peer_generation();
        self.work.close().map_err(|error| Finding::new(Fault::Other, format!("cannot close: {error:?}")))?;
        if side == Side::Consumer {
            journal.write(side, Entry::Heard, peer);
        }
        journal.write(side, Entry::Closed, generation);
        Ok(())
    }

    /// Makes the planted mistake, where it is due.
    fn plant(&mut self, calls: u64) {
        if calls != CALLS_BEFORE_A_PLANT {
            return;
        }
        match (self.job.plant, self.job.side) {
            (Some(Plant::Hang), Side::Consumer) => loop {
                thread::sleep(PATIENCE);
            },
            (plant, _) => self.work.choices().plant = plant,
        }
    }
}
