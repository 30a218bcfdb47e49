//! ringmain's stream ring.

use std::error::Error;

use ringmain::Options;
use ringmain::stream::{Consumer, Producer};

use crate::processes::Processes;
use crate::values::{self, Value};
use crate::work::{BATCH, Receiver, Sender, Work};

pub(crate) enum Stream {}

impl Processes for Stream {
    type Sender<const WORDS: usize> = Producer<Value<WORDS>>;
    type Receiver<const WORDS: usize> = Consumer<Value<WORDS>>;

    fn create<const WORDS: usize>(name: &str, work: Work) -> Result<Producer<Value<WORDS>>, Box<dyn Error>> {
        Ok(Options::new(name).capacity(work.capacity).unlink_on_close(true).stream_producer()?)
    }

    fn attach<const WORDS: usize>(name: &str, _work: Work) -> Result<Consumer<Value<WORDS>>, Box<dyn Error>> {
        Ok(Options::new(name).stream_consumer()?)
    }
}

impl<const WORDS: usize> Sender for Producer<Value<WORDS>> {
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        Producer::push(self, values::of_number(number)).ok()
    }

    #[inline(always)]
    fn push_batch(&mut self, first: u64) -> Option<()> {
        let mut claim = self.claim(BATCH).ok()?;
        claim.fill((first..first + BATCH as u64).map(values::of_number));
        claim.commit();
        Some(())
    }
}

impl<const WORDS: usize> Receiver for Consumer<Value<WORDS>> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        Consumer::pop(self).ok().map(|value| values::number(&value))
    }

    #[inline(always)]
    fn pop_batch(&mut self) -> Option<u64> {
        let peek = self.peek(BATCH).ok()?;
        let sum = peek.iter().fold(0, |sum: u64, value| sum.wrapping_add(values::number(&value)));
        peek.release();
        Some(sum)
    }
}
