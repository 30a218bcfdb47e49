//! que: a ring whose capacity is part of its type, in shared memory. Its consumer takes values one by one.

#![allow(unsafe_code, reason = "its calls that attach take the layout of the memory on trust")]

use std::error::Error;

use que::lossless::consumer::Consumer;
use que::lossless::producer::Producer;
use que::page_size::PageSize;

use crate::processes::Processes;
use crate::values::{self, Value};
use crate::work::CAPACITY;
use crate::work::{Receiver, Sender, Work};

pub(crate) enum Que {}

fn check(work: Work) -> Result<(), String> {
    if work.capacity == CAPACITY { Ok(()) } else { Err(format!("its capacity is {CAPACITY} here")) }
}

impl Processes for Que {
    type Sender<const WORDS: usize> = Producer<Value<WORDS>, CAPACITY>;
    type Receiver<const WORDS: usize> = Consumer<Value<WORDS>, CAPACITY>;

    fn create<const WORDS: usize>(name: &str, work: Work) -> Result<Self::Sender<WORDS>, Box<dyn Error>> {
        check(work)?;
        // SAFETY: the name is new, and this program alone uses it, with this type at both ends.
        Ok(unsafe { Producer::join_or_create_shmem(name, PageSize::Standard) }?)
    }

    fn attach<const WORDS: usize>(name: &str, work: Work) -> Result<Self::Receiver<WORDS>, Box<dyn Error>> {
        check(work)?;
        // SAFETY: the producer has made it before it gave the name on, with this type.
        Ok(unsafe { Consumer::join_shmem(name, PageSize::Standard) }?)
    }
}

impl<const WORDS: usize> Sender for Producer<Value<WORDS>, CAPACITY> {
    /// It publishes a quarter of the ring at once otherwise, and the last values never.
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        Producer::push(self, &values::of_number(number)).ok()?;
        self.sync();
        Some(())
    }
}

impl<const WORDS: usize> Receiver for Consumer<Value<WORDS>, CAPACITY> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        Consumer::pop(self).map(|value| values::number(&value))
    }
}
