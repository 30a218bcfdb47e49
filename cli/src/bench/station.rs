//! One process's part in a measurement, written once for all transports and sizes.
//!
//! The process that the user started runs [`ping`] and [`sink`] and keeps the time; its peer runs [`pong`] and
//! [`source`]. Both sides of a pair are told the same number of messages. What is paced is in `pace.rs`.

use anyhow::Result;

use super::clock::{self, Stopwatch, Usage};
use super::message::{Incoming, Outgoing};
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

/// A station that only takes steps.
struct Steps<F>(F);

impl<F: FnMut() -> Result<()>> Station for Steps<F> {
    #[inline]
    fn step(&mut self) -> Result<()> {
        (self.0)()
    }
}

/// Sends a message and waits for the answer.
pub(crate) fn ping<const WORDS: usize>(
    mut sender: impl Sender<WORDS> + 'static,
    mut receiver: impl Receiver<WORDS> + 'static,
) -> Box<dyn Station> {
    let (mut outgoing, mut incoming) = (Outgoing::new(), Incoming::new());
    Box::new(Steps(move || {
        sender.send(outgoing.next())?;
        receiver.receive(incoming.buffer())?;
        incoming.check()
    }))
}

/// Waits for a message and answers with one of its own.
pub(crate) fn pong<const WORDS: usize>(
    mut sender: impl Sender<WORDS> + 'static,
    mut receiver: impl Receiver<WORDS> + 'static,
) -> Box<dyn Station> {
    let (mut outgoing, mut incoming) = (Outgoing::new(), Incoming::new());
    Box::new(Steps(move || {
        receiver.receive(incoming.buffer())?;
        incoming.check()?;
        sender.send(outgoing.next())
    }))
}

/// Sends one message after another.
pub(crate) fn source<const WORDS: usize>(mut sender: impl Sender<WORDS> + 'static) -> Box<dyn Station> {
    let mut outgoing = Outgoing::new();
    Box::new(Steps(move || sender.send(outgoing.next())))
}

/// Receives one message after another.
pub(crate) fn sink<const WORDS: usize>(mut receiver: impl Receiver<WORDS> + 'static) -> Box<dyn Station> {
    let mut incoming = Incoming::new();
    Box::new(Steps(move || {
        receiver.receive(incoming.buffer())?;
        incoming.check()
    }))
}
