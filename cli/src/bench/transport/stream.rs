//! ringmain's ring of elements: an element is a whole message, and they go one at a time.

use std::slice;

use anyhow::{Context, Result, bail};
use ringmain::stream::{Consumer, Producer};
use ringmain::{Creation, Options, PopError, PushError};

use super::ring::{options, publish_fence, with_form};
use super::{Created, Left};
use crate::bench::idle::Idle;
use crate::bench::plan::{Case, Test};
use crate::bench::station::{Receiver, Sender, Station, first, second};

/// Bytes in the data area of each ring.
const DATA: usize = 512 * 1024;
/// Elements of more words than these go by reference, in slices of one: no copy of them by value.
const WORDS_BY_VALUE: usize = 4;

/// The capacity of a ring whose elements have `words` words.
fn capacity(words: usize) -> usize {
    (DATA / (words * 8)).clamp(2, 65_536)
}

struct Push<const WORDS: usize, const BLOCKING: bool, const FENCED: bool> {
    producer: Producer<[u64; WORDS]>,
    idle: Idle,
}

impl<const WORDS: usize, const BLOCKING: bool, const FENCED: bool> Push<WORDS, BLOCKING, FENCED> {
    fn open(options: &Options, idle: Idle) -> Result<Self> {
        let producer = options.stream_producer().context("cannot open a ring to write to")?;
        Ok(Self { producer, idle })
    }

    #[inline]
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
    #[inline]
    fn send(&mut self, message: &[u64; WORDS]) -> Result<()> {
        self.push(message)?;
        if FENCED {
            publish_fence();
        }
        Ok(())
    }
}

struct Pop<const WORDS: usize, const BLOCKING: bool> {
    consumer: Consumer<[u64; WORDS]>,
    idle: Idle,
}

impl<const WORDS: usize, const BLOCKING: bool> Pop<WORDS, BLOCKING> {
    fn open(options: &Options, idle: Idle) -> Result<Self> {
        let consumer = options.stream_consumer().context("cannot open a ring to read from")?;
        Ok(Self { consumer, idle })
    }

    #[inline]
    fn pop_blocking(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        if WORDS > WORDS_BY_VALUE {
            return self.consumer.blocking().pop_slice(slice::from_mut(message)).context("cannot pop");
        }
        // Taken out of the result at once: an error of another type would have the value copied once more.
        match self.consumer.blocking().pop() {
            Ok(element) => {
                *message = element;
                Ok(())
            }
            Err(error) => bail!("cannot pop: {error}"),
        }
    }
}

impl<const WORDS: usize, const BLOCKING: bool> Receiver<WORDS> for Pop<WORDS, BLOCKING> {
    #[inline]
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        if BLOCKING {
            return self.pop_blocking(message);
        }
        loop {
            if WORDS <= WORDS_BY_VALUE {
                match self.consumer.pop() {
                    Ok(element) => {
                        *message = element;
                        return Ok(());
                    }
                    Err(PopError::Empty) => {}
                    Err(error) => bail!("cannot pop: {error}"),
                }
            } else {
                match self.consumer.pop_slice(slice::from_mut(message)) {
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
    let sized = |name: &str| options(name, case).capacity(capacity(WORDS)).create(Creation::New);
    let receiver = Pop::<WORDS, BLOCKING>::open(&sized(&rings[0]), idle.clone())?;
    if case.test == Test::Rtt {
        rings.push(format!("{name}.b"));
    }
    let sender = || Push::<WORDS, BLOCKING, FENCED>::open(&sized(&rings[1]), idle);
    let station = first(case.test, receiver, sender)?;
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
    let sender = Push::<WORDS, BLOCKING, FENCED>::open(&options(&left.ring()?, case), idle.clone())?;
    let receiver = || Pop::<WORDS, BLOCKING>::open(&options(&left.ring()?, case), idle.clone());
    second(case, sender, receiver, idle.clone())
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
