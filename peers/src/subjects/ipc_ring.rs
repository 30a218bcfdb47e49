//! ipc_ring: a ring of byte messages in a mapped file. Each push and each pop calls the kernel to wake whoever sleeps.

use std::error::Error;

use ipc_ring::{RingReader, RingWriter};

use crate::processes::{self, Processes};
use crate::values::{self, Value};
use crate::work::{self, Work};

pub(crate) enum IpcRing {}

/// Both ends, with the number of words that a value has.
pub(crate) struct Sender<const WORDS: usize>(RingWriter);
pub(crate) struct Receiver<const WORDS: usize> {
    reader: RingReader,
    bytes: Vec<u8>,
}

impl Processes for IpcRing {
    type Sender<const WORDS: usize> = Sender<WORDS>;
    type Receiver<const WORDS: usize> = Receiver<WORDS>;

    fn create<const WORDS: usize>(name: &str, work: Work) -> Result<Sender<WORDS>, Box<dyn Error>> {
        Ok(Sender(RingWriter::create(processes::path(name), work.bytes())?))
    }

    fn attach<const WORDS: usize>(name: &str, work: Work) -> Result<Receiver<WORDS>, Box<dyn Error>> {
        Ok(Receiver { reader: RingReader::open(processes::path(name))?, bytes: Vec::with_capacity(work.size) })
    }
}

impl<const WORDS: usize> work::Sender for Sender<WORDS> {
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        self.0.try_push(bytemuck::bytes_of(&values::of_number::<WORDS>(number))).ok()
    }
}

impl<const WORDS: usize> work::Receiver for Receiver<WORDS> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        self.reader.try_pop(&mut self.bytes).ok()??;
        let value: Value<WORDS> = bytemuck::try_pod_read_unaligned(&self.bytes).ok()?;
        Some(values::number(&value))
    }
}
