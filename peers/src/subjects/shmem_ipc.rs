//! shmem-ipc: a ring in a memfd with one counter that both ends change. Used without its eventfds, so that nobody
//! sleeps.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;

use shmem_ipc::sharedring::{self, Sender as SharedSender};

use crate::processes::{self, Processes};
use crate::values::{self, Value};
use crate::work::{self, BATCH, Work};

pub(crate) enum ShmemIpc {}

/// Both ends.
pub(crate) struct Sender<const WORDS: usize>(SharedSender<Value<WORDS>>);
pub(crate) struct Receiver<const WORDS: usize>(sharedring::Receiver<Value<WORDS>>);

/// Returns how many values to ask for: it takes a cache line for its counter and rounds up to whole pages.
fn capacity(work: Work) -> usize {
    work.capacity - 64_usize.div_ceil(work.size)
}

impl Processes for ShmemIpc {
    type Sender<const WORDS: usize> = Sender<WORDS>;
    type Receiver<const WORDS: usize> = Receiver<WORDS>;

    /// A memfd has no name: a link to this process's descriptor gives it one.
    fn create<const WORDS: usize>(name: &str, work: Work) -> Result<Sender<WORDS>, Box<dyn Error>> {
        let sender = SharedSender::new(capacity(work))?;
        let descriptor = sender.memfd().as_file().as_raw_fd();
        symlink(format!("/proc/{}/fd/{descriptor}", std::process::id()), processes::path(name))?;
        Ok(Sender(sender))
    }

    fn attach<const WORDS: usize>(name: &str, work: Work) -> Result<Receiver<WORDS>, Box<dyn Error>> {
        let memfd = OpenOptions::new().read(true).write(true).open(processes::path(name))?;
        // Nobody signals: the ends below the signals are used.
        let signal = || File::open("/dev/null");
        Ok(Receiver(sharedring::Receiver::open(capacity(work), memfd, signal()?, signal()?)?))
    }
}

impl<const WORDS: usize> Sender<WORDS> {
    #[inline(always)]
    fn push_many(&mut self, first: u64, count: usize) -> Option<()> {
        let sender = self.0.sender_mut();
        if sender.write_count().ok()? < count {
            return None;
        }
        let mut numbers = first..;
        sender.send_foreach(count, || values::of_number(numbers.next().unwrap_or_default()));
        Some(())
    }
}

impl<const WORDS: usize> Receiver<WORDS> {
    #[inline(always)]
    fn pop_many(&mut self, count: usize) -> Option<u64> {
        let receiver = self.0.receiver_mut();
        // A receive that finds nothing would still write the counter.
        if receiver.read_count().ok()? < count {
            return None;
        }
        let mut sum = 0_u64;
        receiver.recv_foreach(count, |value| sum = sum.wrapping_add(values::number(&value)));
        Some(sum)
    }
}

impl<const WORDS: usize> work::Sender for Sender<WORDS> {
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        self.push_many(number, 1)
    }

    #[inline(always)]
    fn push_batch(&mut self, first: u64) -> Option<()> {
        self.push_many(first, BATCH)
    }
}

impl<const WORDS: usize> work::Receiver for Receiver<WORDS> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        self.pop_many(1)
    }

    #[inline(always)]
    fn pop_batch(&mut self) -> Option<u64> {
        self.pop_many(BATCH)
    }
}
