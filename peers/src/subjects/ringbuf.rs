//! ringbuf: a ring with cached positions, between threads.

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::threads::Threads;
use crate::values::{self, Value};
use crate::work::{BATCH, Receiver, Sender};

pub(crate) enum Ringbuf {}

impl Threads for Ringbuf {
    type Sender<const WORDS: usize> = HeapProd<Value<WORDS>>;
    type Receiver<const WORDS: usize> = HeapCons<Value<WORDS>>;

    fn pair<const WORDS: usize>(capacity: usize) -> (HeapProd<Value<WORDS>>, HeapCons<Value<WORDS>>) {
        HeapRb::new(capacity).split()
    }
}

impl<const WORDS: usize> Sender for HeapProd<Value<WORDS>> {
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        self.try_push(values::of_number(number)).ok()
    }

    #[inline(always)]
    fn push_batch(&mut self, first: u64) -> Option<()> {
        if self.vacant_len() < BATCH {
            return None;
        }
        self.push_iter((first..first + BATCH as u64).map(values::of_number));
        Some(())
    }
}

impl<const WORDS: usize> Receiver for HeapCons<Value<WORDS>> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        self.try_pop().map(|value| values::number(&value))
    }

    #[inline(always)]
    fn pop_batch(&mut self) -> Option<u64> {
        let (first, second) = self.as_slices();
        if first.len() + second.len() < BATCH {
            return None;
        }
        let batch = first.iter().chain(second).take(BATCH);
        let sum = batch.fold(0, |sum: u64, value| sum.wrapping_add(values::number(value)));
        self.skip(BATCH);
        Some(sum)
    }
}
