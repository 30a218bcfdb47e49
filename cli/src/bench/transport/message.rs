//! ringmain's ring of messages: one message at a time, as a value unless it is long.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail};
use ringmain::message::{Consumer, Producer};
use ringmain::{Interest, Options, PopError, PushError};

use super::ring::{Readable, Ring, WORDS_BY_VALUE, publish_fence};
use crate::bench::idle::Idle;
use crate::bench::plan::Case;
use crate::bench::station::{Receiver, Sender};

/// Bytes in the data area of each ring: as many as a ring of elements has.
const CAPACITY: usize = 512 * 1024;
pub(super) enum Message {}

impl<const WORDS: usize> Ring<WORDS> for Message {
    type Push<const BLOCKING: bool, const FENCED: bool> = Push<BLOCKING, FENCED>;
    type Pop<const BLOCKING: bool> = Pop<BLOCKING>;

    fn sized(options: Options, case: Case) -> Options {
        options.capacity(CAPACITY).record_alignment(case.align)
    }

    fn ahead(options: Options, bytes: usize) -> Options {
        options.start_at(bytes as u64)
    }

    fn make(options: Options) -> Result<OwnedFd> {
        Ok(options.create_message()?)
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
    #[inline(always)]
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
    #[inline(always)]
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

impl<const BLOCKING: bool> Readable for Pop<BLOCKING> {
    fn readable(&mut self) -> Interest<'_> {
        self.consumer.readable()
    }

    #[inline]
    fn has_message(&self) -> bool {
        self.consumer.is_empty() == Ok(false)
    }
}

impl<const WORDS: usize, const BLOCKING: bool> Receiver<WORDS> for Pop<BLOCKING> {
    #[inline]
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        if BLOCKING {
            self.consumer.blocking().pop(bytemuck::bytes_of_mut(message)).context("cannot pop")?;
            return Ok(());
        }
        loop {
            match self.consumer.pop(bytemuck::bytes_of_mut(message)) {
                Ok(_) => return Ok(()),
                Err(PopError::Empty) => {}
                Err(error) => bail!("cannot pop: {error}"),
            }
            self.idle.wait()?;
        }
    }

    #[inline(always)]
    fn receive_with<T>(&mut self, buffer: &mut [u64; WORDS], read: impl FnOnce(&[u64; WORDS]) -> T) -> Result<T> {
        if WORDS > WORDS_BY_VALUE {
            self.receive(buffer)?;
            return Ok(read(buffer));
        }
        if BLOCKING {
            // Read where it is: an error of another type would have the value copied once more.
            return match &self.consumer.blocking().pop_value() {
                Ok(value) => Ok(read(value)),
                Err(error) => bail!("cannot pop: {error}"),
            };
        }
        loop {
            match &self.consumer.pop_value() {
                Ok(value) => return Ok(read(value)),
                Err(PopError::Empty) => {}
                Err(error) => bail!("cannot pop: {error}"),
            }
            self.idle.wait()?;
        }
    }
}
