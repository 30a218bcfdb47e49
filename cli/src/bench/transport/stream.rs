//! ringmain's ring of elements: an element is a whole message, and they go one at a time, by value unless they are
//! long.

use std::alloc::Layout;
use std::os::fd::OwnedFd;
use std::slice;

use anyhow::{Context, Result, bail};
use ringmain::stream::{Consumer, Producer};
use ringmain::{Interest, Options, PopError, PushError};

use super::ring::{Readable, Ring, WORDS_BY_VALUE, publish_fence};
use crate::bench::idle::Idle;
use crate::bench::plan::Case;
use crate::bench::station::{Receiver, Sender};

/// Bytes in the data area of each ring.
const DATA: usize = 512 * 1024;
/// The capacity of a ring whose elements have `words` words.
fn capacity(words: usize) -> usize {
    (DATA / (words * 8)).clamp(2, 65_536)
}

pub(super) enum Stream {}

impl<const WORDS: usize> Ring<WORDS> for Stream {
    type Push<const BLOCKING: bool, const FENCED: bool> = Push<WORDS, BLOCKING, FENCED>;
    type Pop<const BLOCKING: bool> = Pop<WORDS, BLOCKING>;

    fn sized(options: Options, _case: Case) -> Options {
        options.capacity(capacity(WORDS))
    }

    fn ahead(options: Options, bytes: usize) -> Options {
        options.start_at((bytes / (WORDS * 8)).max(1) as u64)
    }

    fn make(options: Options) -> Result<OwnedFd> {
        Ok(options.create_stream(Layout::new::<[u64; WORDS]>())?)
    }

    fn push<const BLOCKING: bool, const FENCED: bool>(
        options: &Options,
        idle: Idle,
    ) -> Result<Push<WORDS, BLOCKING, FENCED>> {
        let producer = options.stream_producer().context("cannot open a ring to write to")?;
        Ok(Push { producer, idle })
    }

    fn pop<const BLOCKING: bool>(options: &Options, idle: Idle) -> Result<Pop<WORDS, BLOCKING>> {
        let consumer = options.stream_consumer().context("cannot open a ring to read from")?;
        Ok(Pop { consumer, idle })
    }
}

pub(super) struct Push<const WORDS: usize, const BLOCKING: bool, const FENCED: bool> {
    producer: Producer<[u64; WORDS]>,
    idle: Idle,
}

impl<const WORDS: usize, const BLOCKING: bool, const FENCED: bool> Push<WORDS, BLOCKING, FENCED> {
    #[inline(always)]
    fn push(&mut self, message: &[u64; WORDS]) -> Result<()> {
        if BLOCKING {
            let producer = self.producer.blocking();
            return if WORDS <= WORDS_BY_VALUE {
                producer.push(*message).context("cannot push")
            } else {
                producer.push_slice(slice::from_ref(message)).context("cannot push")
            };
        }
        loop {
            if WORDS <= WORDS_BY_VALUE {
                match self.producer.push(*message) {
                    Ok(()) => return Ok(()),
                    Err(PushError::Full(_)) => {}
                    Err(error) => bail!("cannot push: {error}"),
                }
            } else {
                match self.producer.push_slice(slice::from_ref(message)) {
                    Ok(_) => return Ok(()),
                    Err(PushError::Full(_)) => {}
                    Err(error) => bail!("cannot push: {error}"),
                }
            }
            self.idle.wait()?;
        }
    }
}

impl<const WORDS: usize, const BLOCKING: bool, const FENCED: bool> Sender<WORDS> for Push<WORDS, BLOCKING, FENCED> {
    #[inline(always)]
    fn send(&mut self, message: &[u64; WORDS]) -> Result<()> {
        self.push(message)?;
        if FENCED {
            publish_fence();
        }
        Ok(())
    }
}

pub(super) struct Pop<const WORDS: usize, const BLOCKING: bool> {
    consumer: Consumer<[u64; WORDS]>,
    idle: Idle,
}

impl<const WORDS: usize, const BLOCKING: bool> Readable for Pop<WORDS, BLOCKING> {
    fn readable(&mut self) -> Interest<'_> {
        self.consumer.readable()
    }

    #[inline]
    fn has_message(&self) -> bool {
        self.consumer.is_empty() == Ok(false)
    }
}

impl<const WORDS: usize, const BLOCKING: bool> Receiver<WORDS> for Pop<WORDS, BLOCKING> {
    #[inline]
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        if BLOCKING {
            return self.consumer.blocking().pop_slice(slice::from_mut(message)).context("cannot pop");
        }
        loop {
            match self.consumer.pop_slice(slice::from_mut(message)) {
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
            return match &self.consumer.blocking().pop() {
                Ok(element) => Ok(read(element)),
                Err(error) => bail!("cannot pop: {error}"),
            };
        }
        loop {
            match &self.consumer.pop() {
                Ok(element) => return Ok(read(element)),
                Err(PopError::Empty) => {}
                Err(error) => bail!("cannot pop: {error}"),
            }
            self.idle.wait()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_holds_half_a_mebibyte_in_2_to_65536_elements() {
        assert_eq!(capacity(1), 65_536);
        assert_eq!(capacity(8), 8192);
        assert_eq!(capacity(8192), 8);
    }
}
