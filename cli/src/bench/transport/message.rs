//! ringmain's ring of messages: one message at a time.

use anyhow::{Context, Result, bail};
use ringmain::message::{Consumer, PopError, Producer, PushError};
use ringmain::{Creation, Options};

use super::{Created, Left};
use crate::bench::idle::Idle;
use crate::bench::plan::{Case, Test};
use crate::bench::station::{Ping, Pong, Receiver, Sender, Sink, Source, Station};

/// Bytes in the data area of each ring: as many as a ring of elements has.
const CAPACITY: usize = 512 * 1024;
/// Messages of more words than these go by reference: no copy of them by value.
const WORDS_BY_VALUE: usize = 8;

struct Push {
    producer: Producer,
    idle: Idle,
}

impl<const WORDS: usize> Sender<WORDS> for Push {
    #[inline]
    fn send(&mut self, message: &[u64; WORDS]) -> Result<()> {
        loop {
            match self.producer.push_value(message) {
                Ok(()) => return Ok(()),
                Err(PushError::Full) => {}
                Err(error) => bail!("cannot push: {error}"),
            }
            self.idle.wait()?;
        }
    }
}

struct Pop {
    consumer: Consumer,
    idle: Idle,
}

impl<const WORDS: usize> Receiver<WORDS> for Pop {
    #[inline]
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        loop {
            if WORDS <= WORDS_BY_VALUE {
                match self.consumer.pop_value() {
                    Ok(value) => {
                        *message = value;
                        return Ok(());
                    }
                    Err(PopError::Empty) => {}
                    Err(error) => bail!("cannot pop: {error}"),
                }
            } else {
                match self.consumer.pop(bytemuck::bytes_of_mut(message)) {
                    Ok(_) => return Ok(()),
                    Err(PopError::Empty) => {}
                    Err(error) => bail!("cannot pop: {error}"),
                }
            }
            self.idle.wait()?;
        }
    }
}

/// What both sides ask for.
fn options(name: &str) -> Options {
    Options::new(name).unlink_on_close(true)
}

fn push(options: &Options, idle: Idle) -> Result<Push> {
    let producer = options.message_producer().context("cannot open a ring to write to")?;
    Ok(Push { producer, idle })
}

fn pop(options: &Options, idle: Idle) -> Result<Pop> {
    let consumer = options.message_consumer().context("cannot open a ring to read from")?;
    Ok(Pop { consumer, idle })
}

pub(super) fn create<const WORDS: usize>(case: Case, name: &str, idle: Idle) -> Result<Created> {
    let mut rings = vec![format!("{name}.a")];
    let sized = |name: &str| options(name).capacity(CAPACITY).alignment(case.align).create(Creation::New);
    let receiver = pop(&sized(&rings[0]), idle.clone())?;
    let station: Box<dyn Station> = match case.test {
        Test::Rtt => {
            rings.push(format!("{name}.b"));
            let sender = push(&sized(&rings[1]), idle)?;
            Box::new(Ping::<_, _, WORDS>::new(sender, receiver))
        }
        Test::Throughput => Box::new(Sink::<_, WORDS>::new(receiver)),
    };
    Ok(Created { station, descriptors: Vec::new(), rings })
}

pub(super) fn attach<const WORDS: usize>(test: Test, mut left: Left, idle: Idle) -> Result<Box<dyn Station>> {
    let sender = push(&options(&left.ring()?), idle.clone())?;
    Ok(match test {
        Test::Rtt => {
            let receiver = pop(&options(&left.ring()?), idle)?;
            Box::new(Pong::<_, _, WORDS>::new(sender, receiver))
        }
        Test::Throughput => Box::new(Source::<_, WORDS>::new(sender)),
    })
}
