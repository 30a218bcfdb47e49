//! The two parts in the tests `paced` and `idle`: a source that keeps a schedule, and a sink that takes the times.
//!
//! A message carries the time at which it was sent in its first word. Both processes read the same clock.

use std::time::Duration;

use anyhow::Result;

use super::clock::{self, Stopwatch, Usage};
use super::idle::Idle;
use super::message::{Incoming, Outgoing};
use super::quantiles::{self, Times};
use super::station::{Receiver, Sender, Station};

/// Messages before the measurement, and the longest time between two of them.
const WARM_UP: u64 = 16;
const WARM_UP_INTERVAL: Duration = Duration::from_millis(1);

/// An interval from which on the source sleeps until each message is due. Its processor time is then that of sending.
///
/// Where it is shorter, the source spins for the rest of a sleep, since sleeps end late by about 50 us.
const RELAXED: Duration = Duration::from_millis(1);
const REST: Duration = Duration::from_micros(200);

/// Sends a message whenever one is due.
///
/// One that is due while the last one still waits for room is sent right after it; the wait is part of the last one's
/// time.
pub(crate) struct PacedSource<const WORDS: usize> {
    sender: Box<dyn Sender<WORDS>>,
    outgoing: Outgoing<WORDS>,
    interval: Duration,
    idle: Idle,
}

impl<const WORDS: usize> PacedSource<WORDS> {
    /// # Panics
    /// - the rate is 0
    pub(crate) fn new(sender: Box<dyn Sender<WORDS>>, rate: u64, idle: Idle) -> Self {
        let interval = Duration::from_nanos(1_000_000_000 / rate);
        Self { sender, outgoing: Outgoing::new(), interval, idle }
    }

    /// Sends messages, the first of them one interval from now.
    fn send(&mut self, messages: u64, interval: Duration) -> Result<()> {
        let start = clock::now();
        let nanoseconds = interval.as_nanos() as u64;
        for number in 1..=messages {
            self.wait_until(start + number * nanoseconds, interval >= RELAXED)?;
            self.step()?;
        }
        Ok(())
    }

    fn wait_until(&mut self, due: u64, relaxed: bool) -> Result<()> {
        if relaxed {
            clock::sleep_until(due);
            // A ring would take what nobody reads any more.
            return self.idle.look();
        }
        let rest = due.saturating_sub(REST.as_nanos() as u64);
        if clock::now() < rest {
            clock::sleep_until(rest);
        }
        while clock::now() < due {
            self.idle.wait()?;
        }
        Ok(())
    }
}

impl<const WORDS: usize> Station for PacedSource<WORDS> {
    fn step(&mut self) -> Result<()> {
        self.outgoing.next_with(clock::now, |message| self.sender.send(message))
    }

    fn run(&mut self, messages: u64) -> Result<Usage> {
        self.send(WARM_UP, self.interval.min(WARM_UP_INTERVAL))?;
        let stopwatch = Stopwatch::start();
        self.send(messages, self.interval)?;
        Ok(stopwatch.stop())
    }
}

/// Receives messages and takes the time that each was under way.
pub(crate) struct PacedSink<R, const WORDS: usize> {
    receiver: R,
    incoming: Incoming<WORDS>,
    times: Times,
}

impl<R, const WORDS: usize> PacedSink<R, WORDS> {
    pub(crate) fn new(receiver: R) -> Result<Self> {
        Ok(Self { receiver, incoming: Incoming::new(), times: quantiles::empty()? })
    }
}

impl<R: Receiver<WORDS>, const WORDS: usize> Station for PacedSink<R, WORDS> {
    fn step(&mut self) -> Result<()> {
        let Incoming { buffer, check } = &mut self.incoming;
        let (received, sent) =
            self.receiver.receive_with(buffer, |message| (clock::now(), check.message_with_time(message)))?;
        let sent = sent?;
        self.times.saturating_record(received.saturating_sub(sent));
        Ok(())
    }

    fn run(&mut self, messages: u64) -> Result<Usage> {
        for _ in 0..WARM_UP {
            self.step()?;
        }
        self.times.reset();
        let stopwatch = Stopwatch::start();
        for _ in 0..messages {
            self.step()?;
        }
        let usage = stopwatch.stop();
        self.incoming.check.finish()?;
        Ok(usage)
    }

    fn times(&self) -> Option<&Times> {
        Some(&self.times)
    }
}
