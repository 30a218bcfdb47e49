//! ringfire: a broadcast ring in a file in shared memory, here with one reader that the writer waits for.

use std::error::Error;

use ringfire::{FlowControl, RingConsumer, RingProducer, RingProducerBuilder};

use crate::processes::{self, Processes};
use crate::values::{self, Value};
use crate::work::{self, BATCH, Work};

pub(crate) enum Ringfire {}

impl Processes for Ringfire {
    type Sender<const WORDS: usize> = RingProducer<Value<WORDS>>;
    type Receiver<const WORDS: usize> = Receiver<WORDS>;

    fn create<const WORDS: usize>(name: &str, work: Work) -> Result<RingProducer<Value<WORDS>>, Box<dyn Error>> {
        let builder = RingProducerBuilder::new(work.capacity as u64);
        let builder = builder.flow_control(FlowControl::LosslessBackpressure).max_readers(1);
        Ok(builder.build(processes::path(name))?)
    }

    fn attach<const WORDS: usize>(name: &str, _work: Work) -> Result<Receiver<WORDS>, Box<dyn Error>> {
        Ok(Receiver { consumer: RingConsumer::attach(processes::path(name))?, batch: [[0; WORDS]; BATCH] })
    }
}

impl<const WORDS: usize> work::Sender for RingProducer<Value<WORDS>> {
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        self.try_push(&values::of_number(number)).ok()
    }

    /// Waits for room by itself: it spins, then yields. It copies from a slice and has no way to write in place.
    #[inline(always)]
    fn push_batch(&mut self, first: u64) -> Option<()> {
        let batch: [Value<WORDS>; BATCH] = std::array::from_fn(|at| values::of_number(first + at as u64));
        RingProducer::push_batch(self, &batch);
        Some(())
    }
}

/// The reading end, and where a batch is copied to.
pub(crate) struct Receiver<const WORDS: usize> {
    consumer: RingConsumer<Value<WORDS>>,
    batch: [Value<WORDS>; BATCH],
}

impl<const WORDS: usize> work::Receiver for Receiver<WORDS> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        self.consumer.try_recv().map(|value| values::number(&value))
    }

    #[inline(always)]
    fn pop_batch(&mut self) -> Option<u64> {
        if self.consumer.lag() < BATCH as u64 {
            return None;
        }
        let taken = self.consumer.recv_batch(&mut self.batch);
        Some(self.batch[..taken].iter().fold(0, |sum: u64, value| sum.wrapping_add(values::number(value))))
    }
}
