//! rtrb: a ring with cached positions, between threads.

use rtrb::{Consumer, Producer, RingBuffer};

use crate::threads::Threads;
use crate::values::{self, Value};
use crate::work::{BATCH, Receiver, Sender};

pub(crate) enum Rtrb {}

impl Threads for Rtrb {
    type Sender<const WORDS: usize> = Producer<Value<WORDS>>;
    type Receiver<const WORDS: usize> = Consumer<Value<WORDS>>;

    fn pair<const WORDS: usize>(capacity: usize) -> (Producer<Value<WORDS>>, Consumer<Value<WORDS>>) {
        RingBuffer::new(capacity)
    }
}

impl<const WORDS: usize> Sender for Producer<Value<WORDS>> {
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        Producer::push(self, values::of_number(number)).ok()
    }

    #[inline(always)]
    fn push_batch(&mut self, first: u64) -> Option<()> {
        let chunk = self.write_chunk_uninit(BATCH).ok()?;
        chunk.fill_from_iter((first..first + BATCH as u64).map(values::of_number));
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
        let chunk = self.read_chunk(BATCH).ok()?;
        Some(chunk.into_iter().fold(0, |sum: u64, value| sum.wrapping_add(values::number(&value))))
    }
}
