//! ringmain's ring of elements: an element is a whole message, and they go one at a time.

use anyhow::{Context, Result, bail};
use ringmain::stream::{Consumer, PopError, Producer, PushError, PushSliceError};
use ringmain::{Creation, Options};

use super::{Created, Left};
use crate::bench::idle::Idle;
use crate::bench::plan::Test;
use crate::bench::station::{Ping, Pong, Receiver, Sender, Sink, Source, Station};

/// Bytes in the data area of each ring.
const DATA: usize = 512 * 1024;
/// Elements of more words than these go by reference, in slices of one: no copy of them by value.
const WORDS_BY_VALUE: usize = 8;

/// The capacity of a ring whose elements have `words` words.
fn capacity(words: usize) -> usize {
    (DATA / (words * 8)).clamp(2, 65_536)
}

struct Push<const WORDS: usize> {
    producer: Producer<[u64; WORDS]>,
    idle: Idle,
}

impl<const WORDS: usize> Sender<WORDS> for Push<WORDS> {
    #[inline]
    fn send(&mut self, message: &[u64; WORDS]) -> Result<()> {
        loop {
            if WORDS <= WORDS_BY_VALUE {
                match self.producer.push(*message) {
                    Ok(()) => return Ok(()),
                    Err(PushError::Full(_)) => {}
                    Err(error) => bail!("cannot push: {error}"),
                }
            } else {
                match self.producer.push_slice(std::slice::from_ref(message)) {
                    Ok(_) => return Ok(()),
                    Err(PushSliceError::Full) => {}
                    Err(error) => bail!("cannot push: {error}"),
                }
            }
            self.idle.wait()?;
        }
    }
}

struct Pop<const WORDS: usize> {
    consumer: Consumer<[u64; WORDS]>,
    idle: Idle,
}

impl<const WORDS: usize> Receiver<WORDS> for Pop<WORDS> {
    #[inline]
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
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
                match self.consumer.pop_slice(std::slice::from_mut(message)) {
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

fn push<const WORDS: usize>(options: &Options, idle: Idle) -> Result<Push<WORDS>> {
    let producer = options.stream_producer().context("cannot open a ring to write to")?;
    Ok(Push { producer, idle })
}

fn pop<const WORDS: usize>(options: &Options, idle: Idle) -> Result<Pop<WORDS>> {
    let consumer = options.stream_consumer().context("cannot open a ring to read from")?;
    Ok(Pop { consumer, idle })
}

pub(super) fn create<const WORDS: usize>(test: Test, name: &str, idle: Idle) -> Result<Created> {
    let mut rings = vec![format!("{name}.a")];
    let sized = |name: &str| options(name).capacity(capacity(WORDS)).create(Creation::New);
    let receiver = pop::<WORDS>(&sized(&rings[0]), idle.clone())?;
    let station: Box<dyn Station> = match test {
        Test::Rtt => {
            rings.push(format!("{name}.b"));
            let sender = push::<WORDS>(&sized(&rings[1]), idle)?;
            Box::new(Ping::new(sender, receiver))
        }
        Test::Throughput => Box::new(Sink::new(receiver)),
    };
    Ok(Created { station, descriptors: Vec::new(), rings })
}

pub(super) fn attach<const WORDS: usize>(test: Test, mut left: Left, idle: Idle) -> Result<Box<dyn Station>> {
    let sender = push::<WORDS>(&options(&left.ring()?), idle.clone())?;
    Ok(match test {
        Test::Rtt => {
            let receiver = pop::<WORDS>(&options(&left.ring()?), idle)?;
            Box::new(Pong::new(sender, receiver))
        }
        Test::Throughput => Box::new(Source::new(sender)),
    })
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
