//! outcry: a broadcast of byte frames in a file in shared memory. Its writer never waits: whoever reads more slowly
//! loses frames and is told so. One value there and back cannot be lost, so that is all it is measured with.

use std::error::Error;

use outcry::layout::MIN_CAPACITY;
use outcry::{Consumer, Producer, Queue};

use crate::processes::{self, Processes};
use crate::values::{self, Value};
use crate::work::{self, Work};

pub(crate) enum Outcry {}

/// Both ends, with the number of words that a value has.
pub(crate) struct Sender<const WORDS: usize>(Producer);
pub(crate) struct Receiver<const WORDS: usize>(Consumer);

impl Processes for Outcry {
    type Sender<const WORDS: usize> = Sender<WORDS>;
    type Receiver<const WORDS: usize> = Receiver<WORDS>;

    fn create<const WORDS: usize>(name: &str, work: Work) -> Result<Sender<WORDS>, Box<dyn Error>> {
        let bytes = (work.bytes() as u64).max(MIN_CAPACITY);
        Ok(Sender(Queue::create(processes::path(name), bytes)?.producer()?))
    }

    fn attach<const WORDS: usize>(name: &str, _work: Work) -> Result<Receiver<WORDS>, Box<dyn Error>> {
        Ok(Receiver(Queue::open(processes::path(name))?.consumer()))
    }
}

impl<const WORDS: usize> work::Sender for Sender<WORDS> {
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        self.0.write(bytemuck::bytes_of(&values::of_number::<WORDS>(number))).ok()
    }
}

impl<const WORDS: usize> work::Receiver for Receiver<WORDS> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        let mut value: Value<WORDS> = [0; WORDS];
        self.0.try_read(bytemuck::bytes_of_mut(&mut value)).ok()??;
        Some(values::number(&value))
    }
}
