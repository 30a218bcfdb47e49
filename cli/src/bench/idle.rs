//! What a spinning transport does between two looks: as little as can be, without ever spinning for a dead peer.

use std::hint;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::thread;

use anyhow::{Context, Result, bail};
use ringmain_measure::{Awaited, Channel};

/// Polls between two looks at whether the other process still lives.
const POLLS_PER_LOOK: u32 = 1 << 20;
/// Polls between two yields where both processes share one processor.
const POLLS_PER_YIELD: u32 = 16;

/// How one spinning end waits.
#[derive(Debug, Clone)]
pub(crate) struct Idle {
    control: Rc<Channel>,
    shared_processor: bool,
    polls: u32,
}

impl Idle {
    /// On a shared processor the wait yields every few polls, since the other process cannot run meanwhile.
    pub(crate) fn new(control: Rc<Channel>, shared_processor: bool) -> Self {
        Self { control, shared_processor, polls: 0 }
    }

    /// To be called after each poll that found nothing.
    ///
    /// # Errors
    /// - the other process has ended, as seen once in about a million polls
    #[inline]
    pub(crate) fn wait(&mut self) -> Result<()> {
        self.polls = self.polls.wrapping_add(1);
        if self.polls.is_multiple_of(POLLS_PER_YIELD) {
            return self.rest();
        }
        hint::spin_loop();
        Ok(())
    }

    #[cold]
    fn rest(&self) -> Result<()> {
        if self.shared_processor {
            thread::yield_now();
        }
        if self.polls.is_multiple_of(POLLS_PER_LOOK) { self.look() } else { Ok(()) }
    }

    /// Sleeps until a descriptor can be read.
    ///
    /// # Errors
    /// - the other process has ended, and nothing can be read
    pub(crate) fn sleep(&self, descriptor: BorrowedFd<'_>) -> Result<()> {
        match self.control.wait_for(descriptor).context("cannot wait for a descriptor")? {
            Awaited::Readable => Ok(()),
            Awaited::Ended => bail!("the other process has ended"),
        }
    }

    /// Looks whether the other process still lives, with a system call.
    ///
    /// # Errors
    /// - it has ended
    pub(crate) fn look(&self) -> Result<()> {
        if self.control.closes_within(0) {
            bail!("the other process has ended");
        }
        Ok(())
    }
}
