//! One process's part in a measurement, written once for all transports and sizes.
//!
//! The process that the user started runs [`Ping`] and [`Sink`] and keeps the time; its peer runs [`Pong`] and
//! [`Source`]. Both sides of a pair are told the same number of messages. What is paced is in `pace.rs`.

use anyhow::{Context, Result};

use super::clock::{self, Stopwatch, Usage};
use super::idle::Idle;
use super::message::{Incoming, Outgoing};
use super::pace::{PacedSink, PacedSource};
use super::plan::{Case, Test};
use super::quantiles::Times;

/// Sends messages of `WORDS` words.
pub(crate) trait Sender<const WORDS: usize> {
    /// Waits for space where there is a limit, and returns when the transport has the whole message.
    fn send(&mut self, message: &[u64; WORDS]) -> Result<()>;
}

/// Receives messages of `WORDS` words.
pub(crate) trait Receiver<const WORDS: usize> {
    /// Waits for the next message and copies it into `message`.
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()>;
}

/// How many messages come before these, on both sides.
fn warm_up(messages: u64) -> u64 {
    messages / 16 + 1
}

/// One process's part in a measurement.
pub(crate) trait Station {
    /// Handles one message: the unit that is counted.
    fn step(&mut self) -> Result<()>;

    /// Handles a few messages as a warm-up, then `messages` more, and returns how long the latter took.
    ///
    /// A receiver's time therefore runs from the last message of the warm-up to the last of all.
    fn run(&mut self, messages: u64) -> Result<Usage> {
        for _ in 0..warm_up(messages) {
            self.step()?;
        }
        let stopwatch = Stopwatch::start();
        for _ in 0..messages {
            self.step()?;
        }
        Ok(stopwatch.stop())
    }

    /// Handles as many, and takes the time of each after the warm-up. A reading of the clock is part of each time.
    fn run_timed(&mut self, messages: u64, times: &mut Times) -> Result<()> {
        for _ in 0..warm_up(messages) {
            self.step()?;
        }
        for _ in 0..messages {
            let start = clock::now();
            self.step()?;
            times.saturating_record(clock::now() - start);
        }
        Ok(())
    }

    /// The times in nanoseconds that each message of the last run was under way, where they are taken.
    fn times(&self) -> Option<&Times> {
        None
    }
}

/// The station of the process that keeps the time. It needs a sender only in a round trip.
pub(crate) fn first<S, R, const WORDS: usize>(
    test: Test,
    receiver: R,
    sender: impl FnOnce() -> Result<S>,
) -> Result<Box<dyn Station>>
where
    S: Sender<WORDS> + 'static,
    R: Receiver<WORDS> + 'static,
{
    Ok(match test {
        Test::Rtt => Box::new(Ping::new(sender()?, receiver)),
        Test::Throughput => Box::new(Sink::new(receiver)),
        Test::Paced | Test::Idle => Box::new(PacedSink::new(receiver)?),
    })
}

/// The station of its peer, which needs a receiver only in a round trip.
pub(crate) fn second<S, R, const WORDS: usize>(
    case: Case,
    sender: S,
    receiver: impl FnOnce() -> Result<R>,
    idle: Idle,
) -> Result<Box<dyn Station>>
where
    S: Sender<WORDS> + 'static,
    R: Receiver<WORDS> + 'static,
{
    Ok(match case.test {
        Test::Rtt => Box::new(Pong::new(sender, receiver()?)),
        Test::Throughput => Box::new(Source::new(sender)),
        Test::Paced | Test::Idle => {
            let rate = case.rate.filter(|rate| *rate > 0).context("a rate is missing")?;
            Box::new(PacedSource::new(Box::new(sender), rate, idle))
        }
    })
}

/// Sends a message and waits for the answer.
pub(crate) struct Ping<S, R, const WORDS: usize> {
    sender: S,
    receiver: R,
    outgoing: Outgoing<WORDS>,
    incoming: Incoming<WORDS>,
}

impl<S, R, const WORDS: usize> Ping<S, R, WORDS> {
    pub(crate) fn new(sender: S, receiver: R) -> Self {
        Self { sender, receiver, outgoing: Outgoing::new(), incoming: Incoming::new() }
    }
}

impl<S: Sender<WORDS>, R: Receiver<WORDS>, const WORDS: usize> Station for Ping<S, R, WORDS> {
    #[inline]
    fn step(&mut self) -> Result<()> {
        self.sender.send(self.outgoing.next())?;
        self.receiver.receive(self.incoming.buffer())?;
        self.incoming.check()
    }
}

/// Waits for a message and answers with one of its own.
pub(crate) struct Pong<S, R, const WORDS: usize> {
    sender: S,
    receiver: R,
    outgoing: Outgoing<WORDS>,
    incoming: Incoming<WORDS>,
}

impl<S, R, const WORDS: usize> Pong<S, R, WORDS> {
    pub(crate) fn new(sender: S, receiver: R) -> Self {
        Self { sender, receiver, outgoing: Outgoing::new(), incoming: Incoming::new() }
    }
}

impl<S: Sender<WORDS>, R: Receiver<WORDS>, const WORDS: usize> Station for Pong<S, R, WORDS> {
    #[inline]
    fn step(&mut self) -> Result<()> {
        self.receiver.receive(self.incoming.buffer())?;
        self.incoming.check()?;
        self.sender.send(self.outgoing.next())
    }
}

/// Sends one message after another.
pub(crate) struct Source<S, const WORDS: usize> {
    sender: S,
    outgoing: Outgoing<WORDS>,
}

impl<S, const WORDS: usize> Source<S, WORDS> {
    pub(crate) fn new(sender: S) -> Self {
        Self { sender, outgoing: Outgoing::new() }
    }
}

impl<S: Sender<WORDS>, const WORDS: usize> Station for Source<S, WORDS> {
    #[inline]
    fn step(&mut self) -> Result<()> {
        self.sender.send(self.outgoing.next())
    }
}

/// Receives one message after another.
pub(crate) struct Sink<R, const WORDS: usize> {
    receiver: R,
    incoming: Incoming<WORDS>,
}

impl<R, const WORDS: usize> Sink<R, WORDS> {
    pub(crate) fn new(receiver: R) -> Self {
        Self { receiver, incoming: Incoming::new() }
    }
}

impl<R: Receiver<WORDS>, const WORDS: usize> Station for Sink<R, WORDS> {
    #[inline]
    fn step(&mut self) -> Result<()> {
        self.receiver.receive(self.incoming.buffer())?;
        self.incoming.check()
    }
}
