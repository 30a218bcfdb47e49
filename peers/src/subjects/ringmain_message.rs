//! ringmain's message ring, with records at multiples of 8 or of 64 bytes.

use std::error::Error;

use ringmain::Options;
use ringmain::message::{Consumer, Producer};

use crate::processes::Processes;
use crate::values::{self, Value};
use crate::work::{self, BATCH, Work};

/// With records at multiples of `ALIGN`.
pub(crate) enum Message<const ALIGN: usize> {}

/// Both ends, with the number of words that a value has.
pub(crate) struct Sender<const WORDS: usize>(Producer);
pub(crate) struct Receiver<const WORDS: usize>(Consumer);

impl<const ALIGN: usize> Processes for Message<ALIGN> {
    type Sender<const WORDS: usize> = Sender<WORDS>;
    type Receiver<const WORDS: usize> = Receiver<WORDS>;

    fn create<const WORDS: usize>(name: &str, work: Work) -> Result<Sender<WORDS>, Box<dyn Error>> {
        let options = Options::new(name).capacity(work.bytes()).record_alignment(ALIGN).unlink_on_close(true);
        Ok(Sender(options.message_producer()?))
    }

    fn attach<const WORDS: usize>(name: &str, _work: Work) -> Result<Receiver<WORDS>, Box<dyn Error>> {
        Ok(Receiver(Options::new(name).message_consumer()?))
    }
}

impl<const WORDS: usize> work::Sender for Sender<WORDS> {
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        self.0.push_value(&values::of_number::<WORDS>(number)).ok()
    }

    #[inline(always)]
    fn push_batch(&mut self, first: u64) -> Option<()> {
        let mut batch = self.0.batch();
        for number in first..first + BATCH as u64 {
            batch.push_value(&values::of_number::<WORDS>(number)).ok()?;
        }
        batch.commit();
        Some(())
    }
}

impl<const WORDS: usize> work::Receiver for Receiver<WORDS> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        self.0.pop_value::<Value<WORDS>>().ok().map(|value| values::number(&value))
    }

    /// A batch is visible at once: where its first message is, all of them are.
    #[inline(always)]
    fn pop_batch(&mut self) -> Option<u64> {
        (0..BATCH).try_fold(0, |sum: u64, _| Some(sum.wrapping_add(work::Receiver::pop(self)?)))
    }
}
