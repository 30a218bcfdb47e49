//! gil: a ring with cached positions, between threads. Batches are slices of the ring, written and read in place.

#![allow(unsafe_code, reason = "what was written into its buffer is published by an unsafe call")]

use std::num::NonZeroUsize;

use gil::spsc::{Receiver, Sender, channel};

use crate::threads::Threads;
use crate::values::{self, Value};
use crate::work::{self, BATCH};

pub(crate) enum Gil {}

impl Threads for Gil {
    type Sender<const WORDS: usize> = Sender<Value<WORDS>>;
    type Receiver<const WORDS: usize> = Receiver<Value<WORDS>>;

    fn pair<const WORDS: usize>(capacity: usize) -> (Sender<Value<WORDS>>, Receiver<Value<WORDS>>) {
        channel(NonZeroUsize::new(capacity).expect("a ring has room for something"))
    }
}

impl<const WORDS: usize> work::Sender for Sender<Value<WORDS>> {
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        self.try_send(values::of_number(number)).ok()
    }

    /// The buffer ends where the ring does, and it looks for more room only when there is none: with batches alone it
    /// is always a whole number of them.
    #[inline(always)]
    fn push_batch(&mut self, first: u64) -> Option<()> {
        let slots = self.write_buffer().get_mut(..BATCH)?;
        for (number, slot) in (first..).zip(slots) {
            slot.write(values::of_number(number));
        }
        // SAFETY: the buffer had as many slots, and all of them are written.
        unsafe { self.commit(BATCH) };
        Some(())
    }
}

impl<const WORDS: usize> work::Receiver for Receiver<Value<WORDS>> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        self.try_recv().map(|value| values::number(&value))
    }

    #[inline(always)]
    fn pop_batch(&mut self) -> Option<u64> {
        let mut guard = self.read_guard();
        let batch = guard.as_slice().get(..BATCH)?;
        let sum = batch.iter().fold(0, |sum: u64, value| sum.wrapping_add(values::number(value)));
        guard.advance(BATCH);
        Some(sum)
    }
}
