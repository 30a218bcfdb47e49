//! Nothing at all: one process fills messages and checks messages, and carries none. What the bench's own work costs,
//! which is part of the figures of all others.

use std::hint::black_box;

use anyhow::{Result, bail};

use super::side::Created;
use crate::bench::message::{Check, Outgoing};
use crate::bench::plan::Test;
use crate::bench::station::Station;

/// Bytes of the messages that are checked again and again: they stay in the nearest cache.
const READY: usize = 16 * 1024;

/// The own work of one direction. What is filled is not what is checked, as there is time between the two everywhere
/// else.
struct Way<const WORDS: usize> {
    outgoing: Outgoing<WORDS>,
    /// The first messages, as they arrive.
    ready: Vec<[u64; WORDS]>,
}

impl<const WORDS: usize> Way<WORDS> {
    fn new() -> Self {
        let mut others = Outgoing::new();
        let ready = (0..(READY / (WORDS * 8)).max(1)).map(|_| others.next(|message| *message)).collect();
        Self { outgoing: Outgoing::new(), ready }
    }

    /// Works on so many messages: those that are ready, again and again.
    fn work(&mut self, messages: u64) -> Result<()> {
        let (whole, rest) = (messages / self.ready.len() as u64, messages % self.ready.len() as u64);
        (0..whole).try_for_each(|_| self.work_on_the_first(self.ready.len()))?;
        self.work_on_the_first(rest as usize)
    }

    fn work_on_the_first(&mut self, messages: usize) -> Result<()> {
        let (mut check, mut ready) = (Check::new(), self.ready[..messages].iter());
        self.outgoing.each(messages as u64, |message| {
            // Without these, the compiler would see that nobody looks at one message, and what is in the other.
            if Outgoing::<WORDS>::IN_REGISTERS {
                // That its words are stored is the transport's work.
                black_box(message[0]);
            } else {
                black_box(message);
            }
            ready.next().map_or(Ok(()), |message| check.message(black_box(message)))
        })?;
        check.finish()
    }
}

/// Both ways of a round trip, or one.
struct Work<const WORDS: usize, const WAYS: usize>([Way<WORDS>; WAYS]);

impl<const WORDS: usize, const WAYS: usize> Station for Work<WORDS, WAYS> {
    fn step(&mut self) -> Result<()> {
        self.steps(1)
    }

    fn steps(&mut self, messages: u64) -> Result<()> {
        self.0.iter_mut().try_for_each(|way| way.work(messages))
    }
}

pub(super) fn create<const WORDS: usize>(test: Test) -> Result<Created> {
    let station: Box<dyn Station> = match test {
        Test::Rtt => Box::new(Work::<WORDS, 2>([Way::new(), Way::new()])),
        Test::Throughput => Box::new(Work::<WORDS, 1>([Way::new()])),
        Test::Waitset | Test::Paced | Test::Idle => bail!("what is carried nowhere is not under way"),
    };
    Ok(Created { station, descriptors: Vec::new() })
}
