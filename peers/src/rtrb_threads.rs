//! rtrb, between two threads.

use std::mem;
use std::sync::{Arc, Barrier};
use std::thread;

use rtrb::chunks::ChunkError;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::processors;
use crate::values::{self, Value};
use crate::work::{self, BATCH, End, Receiver, Sender, Work};

impl<T> End for Producer<T> {
    fn is_alive(&self) -> bool {
        !self.is_abandoned()
    }
}

impl<T> End for Consumer<T> {
    fn is_alive(&self) -> bool {
        !self.is_abandoned()
    }
}

impl Sender for Producer<u64> {
    #[inline(always)]
    fn push(&mut self, value: u64) -> Option<()> {
        Producer::push(self, value).ok()
    }

    #[inline(always)]
    fn push_batch(&mut self, first: u64) -> Option<()> {
        let chunk = self.write_chunk_uninit(BATCH).ok()?;
        chunk.fill_from_iter(first..first + BATCH as u64);
        Some(())
    }
}

impl Receiver for Consumer<u64> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        Consumer::pop(self).ok()
    }

    #[inline(always)]
    fn pop_batch(&mut self) -> Option<u64> {
        match self.read_chunk(BATCH) {
            Ok(chunk) => Some(chunk.into_iter().fold(0, u64::wrapping_add)),
            Err(ChunkError::TooFewSlots(_)) => None,
        }
    }
}

impl Sender for Producer<Value> {
    #[inline(always)]
    fn push(&mut self, value: u64) -> Option<()> {
        Producer::push(self, values::of_number(value)).ok()
    }

    #[inline(always)]
    fn push_batch(&mut self, first: u64) -> Option<()> {
        let chunk = self.write_chunk_uninit(BATCH).ok()?;
        chunk.fill_from_iter((first..first + BATCH as u64).map(values::of_number));
        Some(())
    }
}

impl Receiver for Consumer<Value> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        Consumer::pop(self).ok().map(values::number)
    }

    #[inline(always)]
    fn pop_batch(&mut self) -> Option<u64> {
        let chunk = self.read_chunk(BATCH).ok()?;
        Some(chunk.into_iter().fold(0, |sum: u64, value| sum.wrapping_add(values::number(value))))
    }
}

/// Measures once; the other end runs on `processor`.
///
/// How fast a line moves depends on its physical address. A segment has new pages each time, so a ring here must not reuse the
/// memory of the last one either: each is kept until the end.
pub(crate) fn measure(work: Work, processor: usize) -> Result<f64, String> {
    if work.test.has_values() {
        run::<Value>(work, work.capacity / size_of::<Value>(), processor)
    } else {
        run::<u64>(work, work.capacity, processor)
    }
}

fn run<T>(work: Work, capacity: usize, processor: usize) -> Result<f64, String>
where
    T: Send + 'static,
    Producer<T>: Sender,
    Consumer<T>: Receiver,
{
    let (tx, rx) = RingBuffer::<T>::new(capacity);
    let mut tx = work::apart(tx);
    // The other thread begins on this processor, so nothing may spin here before it has moved.
    let both = Arc::new(Barrier::new(2));
    let moved = Arc::clone(&both);
    let arrive = move || {
        processors::pin(processor);
        moved.wait();
    };
    if work.test.is_rtt() {
        let (back_tx, back_rx) = RingBuffer::<T>::new(capacity);
        let mut back_rx = work::apart(back_rx);
        let other = thread::spawn(move || {
            arrive();
            let (mut back_tx, mut rx) = (work::apart(back_tx), work::apart(rx));
            work::pong(work, &mut *back_tx, &mut *rx)
        });
        both.wait();
        let result = work::ping(work, &mut *tx, &mut *back_rx);
        other.join().map_err(|_| "the other thread panicked")??;
        mem::forget((tx, back_rx));
        return result;
    }
    let other = thread::spawn(move || {
        arrive();
        let mut rx = work::apart(rx);
        work::receive(work, &mut *rx)
    });
    both.wait();
    work::send(work, &mut *tx)?;
    mem::forget(tx);
    other.join().map_err(|_| "the other thread panicked")?
}
