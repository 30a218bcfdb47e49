//! ringmain's ring of messages: one message at a time.

use anyhow::{Context, Result, bail};
use ringmain::message::{Consumer, Producer};
use ringmain::{Options, PopError, PushError};

use super::ring::{Ring, publish_fence};
use crate::bench::idle::Idle;
use crate::bench::plan::Case;
use crate::bench::station::{Receiver, Sender};

/// Bytes in the data area of each ring: as many as a ring of elements has.
const CAPACITY: usize = 512 * 1024;
/// Messages of more words than these go by reference: no copy of them by value.
const WORDS_BY_VALUE: usize = 4;

pub(super) enum Message {}

impl<const WORDS: usize> Ring<WORDS> for Message {
    type Push<const BLOCKING: bool, const FENCED: bool> = Push<BLOCKING, FENCED>;
    type Pop<const BLOCKING: bool> = Pop<BLOCKING>;

    fn sized(options: Options, case: Case) -> Options {
        options.capacity(CAPACITY).record_alignment(case.align)
    }

    fn push<const BLOCKING: bool, const FENCED: bool>(options: &Options, idle: Idle) -> Result<Push<BLOCKING, FENCED>> {
        let producer = options.message_producer().context("cannot open a ring to write to")?;
        Ok(Push { producer, idle })
    }

    fn pop<const BLOCKING: bool>(options: &Options, idle: Idle) -> Result<Pop<BLOCKING>> {
        let consumer = options.message_consumer().context("cannot open a ring to read from")?;
        Ok(Pop { consumer, idle })
    }
}

pub(super) struct Push<const BLOCKING: bool, const FENCED: bool> {
    producer: Producer,
    idle: Idle,
}

impl<const BLOCKING: bool, const FENCED: bool> Push<BLOCKING, FENCED> {
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

pub(super) struct Pop<const BLOCKING: bool> {
    consumer: Consumer,
    idle: Idle,
}

impl<const BLOCKING: bool> Pop<BLOCKING> {
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
