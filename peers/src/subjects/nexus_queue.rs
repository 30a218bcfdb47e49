//! nexus-queue: a ring with cached positions, between threads.

use nexus_queue::spsc::{Consumer, Producer, ring_buffer};

use crate::threads::Threads;
use crate::values::{self, Value};
use crate::work::{Receiver, Sender};

pub(crate) enum NexusQueue {}

impl Threads for NexusQueue {
    type Sender<const WORDS: usize> = Producer<Value<WORDS>>;
    type Receiver<const WORDS: usize> = Consumer<Value<WORDS>>;

    fn pair<const WORDS: usize>(capacity: usize) -> (Producer<Value<WORDS>>, Consumer<Value<WORDS>>) {
        ring_buffer(capacity)
    }
}

impl<const WORDS: usize> Sender for Producer<Value<WORDS>> {
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        Producer::push(self, values::of_number(number)).ok()
    }
}

impl<const WORDS: usize> Receiver for Consumer<Value<WORDS>> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        Consumer::pop(self).map(|value| values::number(&value))
    }
}
