//! shaq: a queue in a mapped file. One at a time, it reads the other end's position at each call.

#![allow(unsafe_code, reason = "its calls that attach take the layout of the memory on trust")]

use std::error::Error;
use std::fs::OpenOptions;
use std::num::NonZeroUsize;

use shaq::spsc::{Consumer, Producer, minimum_file_size};

use crate::processes::{self, Processes};
use crate::values::{self, Value};
use crate::work::{BATCH, Receiver, Sender, Work};

const WHOLE_BATCH: NonZeroUsize = NonZeroUsize::new(BATCH).unwrap();

pub(crate) enum Shaq {}

impl Processes for Shaq {
    type Sender<const WORDS: usize> = Producer<Value<WORDS>>;
    type Receiver<const WORDS: usize> = Consumer<Value<WORDS>>;

    fn create<const WORDS: usize>(name: &str, work: Work) -> Result<Producer<Value<WORDS>>, Box<dyn Error>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(processes::path(name))?;
        let size = minimum_file_size::<Value<WORDS>>(work.capacity);
        // SAFETY: the file is new, so this is the only one that initializes it, and its only producer.
        Ok(unsafe { Producer::create(&file, size.next_multiple_of(4096)) }?)
    }

    fn attach<const WORDS: usize>(name: &str, _work: Work) -> Result<Consumer<Value<WORDS>>, Box<dyn Error>> {
        let file = OpenOptions::new().read(true).write(true).open(processes::path(name))?;
        // SAFETY: the producer has made it, with this type, and this is its only consumer.
        Ok(unsafe { Consumer::join(&file) }?)
    }
}

impl<const WORDS: usize> Sender for Producer<Value<WORDS>> {
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        self.try_write(values::of_number(number)).ok()
    }

    #[inline(always)]
    fn push_batch(&mut self, first: u64) -> Option<()> {
        if self.capacity() - self.len() < BATCH {
            // The length is what was seen last; an empty batch looks again.
            drop(self.write_batch());
            if self.capacity() - self.len() < BATCH {
                return None;
            }
        }
        let mut batch = self.write_batch();
        for number in first..first + BATCH as u64 {
            batch.try_write(values::of_number(number)).ok()?;
        }
        Some(())
    }
}

impl<const WORDS: usize> Receiver for Consumer<Value<WORDS>> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        self.try_read().map(|value| values::number(&value))
    }

    /// Batches are published whole, so that what is there is a whole number of them.
    #[inline(always)]
    fn pop_batch(&mut self) -> Option<u64> {
        let batch = self.try_reserve_read_batch(WHOLE_BATCH)?;
        Some(batch.iter().fold(0, |sum: u64, value| sum.wrapping_add(values::number(value))))
    }
}
