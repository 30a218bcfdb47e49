//! ringmain's ring of messages: one message at a time.

use anyhow::{Context, Result, bail};
use ringmain::message::{Consumer, Producer};
use ringmain::{Creation, Options, PopError, PushError};

use super::ring::{options, publish_fence, with_form};
use super::{Created, Left};
use crate::bench::idle::Idle;
use crate::bench::plan::{Case, Test};
use crate::bench::station::{Receiver, Sender, Station, first, second};

/// Bytes in the data area of each ring: as many as a ring of elements has.
const CAPACITY: usize = 512 * 1024;
/// Messages of more words than these go by reference: no copy of them by value.
const WORDS_BY_VALUE: usize = 4;

struct Push<const BLOCKING: bool, const FENCED: bool> {
    producer: Producer,
    idle: Idle,
}

impl<const BLOCKING: bool, const FENCED: bool> Push<BLOCKING, FENCED> {
    fn open(options: &Options, idle: Idle) -> Result<Self> {
        let producer = options.message_producer().context("cannot open a ring to write to")?;
        Ok(Self { producer, idle })
    }

    #[inline]
    fn push<const WORDS: usize>(&mut self, message: &[u64; WORDS]) -> Result<()> {
        if BLOCKING {
            return self.producer.blocking().push_value(message).context("cannot push");
        }
        loop {
            match self.producer.push_value(message) {
                Ok(()) => return Ok(()),
                Err(PushError::Full(_)) => {}
                Err(error) => bail!("cannot push: {error}"),
            }
            self.idle.wait()?;
        }
    }
}

impl<const WORDS: usize, const BLOCKING: bool, const FENCED: bool> Sender<WORDS> for Push<BLOCKING, FENCED> {
    #[inline]
    fn send(&mut self, message: &[u64; WORDS]) -> Result<()> {
        self.push(message)?;
        if FENCED {
            publish_fence();
        }
        Ok(())
    }
}

struct Pop<const BLOCKING: bool> {
    consumer: Consumer,
    idle: Idle,
}

impl<const BLOCKING: bool> Pop<BLOCKING> {
    fn open(options: &Options, idle: Idle) -> Result<Self> {
        let consumer = options.message_consumer().context("cannot open a ring to read from")?;
        Ok(Self { consumer, idle })
    }

    #[inline]
    fn pop_blocking<const WORDS: usize>(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        if WORDS > WORDS_BY_VALUE {
            self.consumer.blocking().pop(bytemuck::bytes_of_mut(message)).context("cannot pop")?;
            return Ok(());
        }
        // Taken out of the result at once: an error of another type would have the value copied once more.
        match self.consumer.blocking().pop_value() {
            Ok(value) => {
                *message = value;
                Ok(())
            }
            Err(error) => bail!("cannot pop: {error}"),
        }
    }
}

impl<const WORDS: usize, const BLOCKING: bool> Receiver<WORDS> for Pop<BLOCKING> {
    #[inline]
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        if BLOCKING {
            return self.pop_blocking(message);
        }
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

pub(super) fn create<const WORDS: usize>(case: Case, name: &str, idle: Idle) -> Result<Created> {
    with_form!(case, create_formed::<WORDS>(case, name, idle))
}

fn create_formed<const WORDS: usize, const BLOCKING: bool, const FENCED: bool>(
    case: Case,
    name: &str,
    idle: Idle,
) -> Result<Created> {
    let mut rings = vec![format!("{name}.a")];
    let sized = |name: &str| options(name, case).capacity(CAPACITY).record_alignment(case.align).create(Creation::New);
    let receiver = Pop::<BLOCKING>::open(&sized(&rings[0]), idle.clone())?;
    if case.test == Test::Rtt {
        rings.push(format!("{name}.b"));
    }
    let sender = || Push::<BLOCKING, FENCED>::open(&sized(&rings[1]), idle);
    let station = first::<_, _, WORDS>(case.test, receiver, sender)?;
    Ok(Created { station, descriptors: Vec::new(), rings })
}

pub(super) fn attach<const WORDS: usize>(case: Case, left: Left, idle: Idle) -> Result<Box<dyn Station>> {
    with_form!(case, attach_formed::<WORDS>(case, left, idle))
}

fn attach_formed<const WORDS: usize, const BLOCKING: bool, const FENCED: bool>(
    case: Case,
    mut left: Left,
    idle: Idle,
) -> Result<Box<dyn Station>> {
    let sender = Push::<BLOCKING, FENCED>::open(&options(&left.ring()?, case), idle.clone())?;
    let receiver = || Pop::<BLOCKING>::open(&options(&left.ring()?, case), idle.clone());
    second::<_, _, WORDS>(case, sender, receiver, idle.clone())
}
