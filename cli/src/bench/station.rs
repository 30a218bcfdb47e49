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

    /// Waits for the next message and hands it to `read`: as a value where it comes as one, and else in `buffer`.
    #[inline(always)]
    fn receive_with<T>(&mut self, buffer: &mut [u64; WORDS], read: impl FnOnce(&[u64; WORDS]) -> T) -> Result<T> {
        self.receive(buffer)?;
        Ok(read(buffer))
    }
}

/// How many messages come before these, on both sides.
fn warm_up(messages: u64) -> u64 {
    messages / 16 + 1
}

/// One process's part in a measurement.
pub(crate) trait Station {
    /// Handles one message: the unit that is counted.
    fn step(&mut self) -> Result<()>;

    /// Handles so many messages.
    fn steps(&mut self, messages: u64) -> Result<()> {
        (0..messages).try_for_each(|_| self.step())
    }

    /// Looks at what was gathered about the messages so far.
    ///
    /// # Errors
    /// - one of them was damaged
    fn finish(&self) -> Result<()> {
        Ok(())
    }

    /// Handles a few messages as a warm-up, then `messages` more, and returns how long the latter took.
    ///
    /// A receiver's time therefore runs from the last message of the warm-up to the last of all.
    fn run(&mut self, messages: u64) -> Result<Usage> {
        self.steps(warm_up(messages))?;
        let stopwatch = Stopwatch::start();
        self.steps(messages)?;
        let usage = stopwatch.stop();
        self.finish()?;
        Ok(usage)
    }

    /// Handles as many, and takes the time of each after the warm-up. A reading of the clock is part of each time.
    fn run_timed(&mut self, messages: u64, times: &mut Times) -> Result<()> {
        self.steps(warm_up(messages))?;
        for _ in 0..messages {
            let start = clock::now();
            self.step()?;
            times.saturating_record(clock::now() - start);
        }
        self.finish()
    }

    /// The times in nanoseconds that each message of the last run was under way, where they are taken.
    fn times(&self) -> Option<&Times> {
        None
    }
}

/// The part of a process where the other one does all.
pub(crate) struct Nothing;

impl Station for Nothing {
    fn step(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What one end sends, and how.
struct Sending<S, const WORDS: usize> {
    sender: S,
    outgoing: Outgoing<WORDS>,
}

impl<S: Sender<WORDS>, const WORDS: usize> Sending<S, WORDS> {
    fn new(sender: S) -> Self {
        Self { sender, outgoing: Outgoing::new() }
    }

    #[inline(always)]
    fn send(&mut self) -> Result<()> {
        self.outgoing.next(|message| self.sender.send(message))
    }
}

/// What one end receives, and how.
struct Receiving<R, const WORDS: usize> {
    receiver: R,
    incoming: Incoming<WORDS>,
}

impl<R: Receiver<WORDS>, const WORDS: usize> Receiving<R, WORDS> {
    fn new(receiver: R) -> Self {
        Self { receiver, incoming: Incoming::new() }
    }

    #[inline(always)]
    fn receive(&mut self) -> Result<()> {
        let Incoming { buffer, check } = &mut self.incoming;
        self.receiver.receive_with(buffer, |message| check.message(message))?
    }
}

struct Ping<S, R, const WORDS: usize>(Sending<S, WORDS>, Receiving<R, WORDS>);
struct Pong<S, R, const WORDS: usize>(Sending<S, WORDS>, Receiving<R, WORDS>);
struct Source<S, const WORDS: usize>(Sending<S, WORDS>);
struct Sink<R, const WORDS: usize>(Receiving<R, WORDS>);

impl<S: Sender<WORDS>, R: Receiver<WORDS>, const WORDS: usize> Station for Ping<S, R, WORDS> {
    #[inline]
    fn step(&mut self) -> Result<()> {
        self.0.send()?;
        self.1.receive()
    }

    fn finish(&self) -> Result<()> {
        self.1.incoming.check.finish()
    }
}

impl<S: Sender<WORDS>, R: Receiver<WORDS>, const WORDS: usize> Station for Pong<S, R, WORDS> {
    #[inline]
    fn step(&mut self) -> Result<()> {
        self.1.receive()?;
        self.0.send()
    }

    fn finish(&self) -> Result<()> {
        self.1.incoming.check.finish()
    }
}

impl<S: Sender<WORDS>, const WORDS: usize> Station for Source<S, WORDS> {
    #[inline]
    fn step(&mut self) -> Result<()> {
        self.0.send()
    }

    fn steps(&mut self, messages: u64) -> Result<()> {
        let Sending { sender, outgoing } = &mut self.0;
        outgoing.each(messages, |message| sender.send(message))
    }
}

impl<R: Receiver<WORDS>, const WORDS: usize> Station for Sink<R, WORDS> {
    #[inline]
    fn step(&mut self) -> Result<()> {
        self.0.receive()
    }

    fn steps(&mut self, messages: u64) -> Result<()> {
        let Receiving { receiver, incoming } = &mut self.0;
        let mut check = incoming.check;
        for _ in 0..messages {
            receiver.receive_with(&mut incoming.buffer, |message| check.message(message))??;
        }
        incoming.check = check;
        Ok(())
    }

    fn finish(&self) -> Result<()> {
        self.0.incoming.check.finish()
    }
}

/// Sends a message and waits for the answer.
pub(crate) fn ping<const WORDS: usize>(
    sender: impl Sender<WORDS> + 'static,
    receiver: impl Receiver<WORDS> + 'static,
) -> Box<dyn Station> {
    Box::new(Ping(Sending::new(sender), Receiving::new(receiver)))
}

/// Waits for a message and answers with one of its own.
pub(crate) fn pong<const WORDS: usize>(
    sender: impl Sender<WORDS> + 'static,
    receiver: impl Receiver<WORDS> + 'static,
) -> Box<dyn Station> {
    Box::new(Pong(Sending::new(sender), Receiving::new(receiver)))
}

/// Sends one message after another.
pub(crate) fn source<const WORDS: usize>(sender: impl Sender<WORDS> + 'static) -> Box<dyn Station> {
    Box::new(Source(Sending::new(sender)))
}

/// Receives one message after another.
pub(crate) fn sink<const WORDS: usize>(receiver: impl Receiver<WORDS> + 'static) -> Box<dyn Station> {
    Box::new(Sink(Receiving::new(receiver)))
}
