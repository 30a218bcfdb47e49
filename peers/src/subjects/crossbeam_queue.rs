//! crossbeam-queue's ArrayQueue: a bounded queue for many producers and consumers, between threads.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::threads::Threads;
use crate::values::{self, Value};
use crate::work::{Receiver, Sender};

pub(crate) enum Crossbeam {}

impl Threads for Crossbeam {
    type Sender<const WORDS: usize> = Arc<ArrayQueue<Value<WORDS>>>;
    type Receiver<const WORDS: usize> = Arc<ArrayQueue<Value<WORDS>>>;

    fn pair<const WORDS: usize>(capacity: usize) -> (Self::Sender<WORDS>, Self::Receiver<WORDS>) {
        let queue = Arc::new(ArrayQueue::new(capacity));
        (Arc::clone(&queue), queue)
    }
}

impl<const WORDS: usize> Sender for Arc<ArrayQueue<Value<WORDS>>> {
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        ArrayQueue::push(self, values::of_number(number)).ok()
    }
}

impl<const WORDS: usize> Receiver for Arc<ArrayQueue<Value<WORDS>>> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        ArrayQueue::pop(self).map(|value| values::number(&value))
    }
}
