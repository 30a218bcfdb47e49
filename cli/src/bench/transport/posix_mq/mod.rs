//! POSIX message queues, one in each direction that a test needs.
//!
//! A queue does not tell that the other process has ended. So a call that sleeps is one with a deadline, after which
//! the other process is looked for.

mod queue;

use std::io::ErrorKind;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, ensure};

use self::queue::{Deadline, Limits};
use super::descriptor::prepare;
use super::{Created, Left};
use crate::bench::idle::Idle;
use crate::bench::plan::Case;
use crate::bench::station::{Receiver, Sender, Station, first, second};
use crate::bench::wait::Wait;

/// One side of one queue.
struct Queue {
    descriptor: OwnedFd,
    /// Of the next call that finds the queue full or empty. It may be over: a call that need not wait does not look at
    /// it.
    deadline: Deadline,
    idle: Idle,
}

impl Queue {
    fn new(descriptor: OwnedFd, wait: Wait, idle: Idle) -> Result<Self> {
        prepare(&descriptor, wait)?;
        Ok(Self { descriptor, deadline: queue::in_a_second(), idle })
    }

    /// Handles a call that did not come to its end: waits, or says what is wrong.
    #[cold]
    fn retry(&mut self, error: std::io::Error, what: &'static str) -> Result<()> {
        match error.kind() {
            ErrorKind::WouldBlock => self.idle.wait(),
            ErrorKind::Interrupted => Ok(()),
            ErrorKind::TimedOut => {
                self.deadline = queue::in_a_second();
                self.idle.look()
            }
            _ => Err(error).context(what),
        }
    }
}

impl<const WORDS: usize> Sender<WORDS> for Queue {
    #[inline]
    fn send(&mut self, message: &[u64; WORDS]) -> Result<()> {
        while let Err(error) = queue::send(&self.descriptor, bytemuck::bytes_of(message), &self.deadline) {
            self.retry(error, "cannot send to a queue")?;
        }
        Ok(())
    }
}

impl<const WORDS: usize> Receiver<WORDS> for Queue {
    #[inline]
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        let received = loop {
            match queue::receive(&self.descriptor, bytemuck::bytes_of_mut(message), &self.deadline) {
                Ok(received) => break received,
                Err(error) => self.retry(error, "cannot receive from a queue")?,
            }
        };
        ensure!(received == WORDS * 8, "a message of {received} bytes, expected {}", WORDS * 8);
        Ok(())
    }
}

pub(super) fn create<const WORDS: usize>(case: Case, name: &str, idle: Idle) -> Result<Created> {
    let limits = Limits::read();
    let open = |end: &str| queue::open(&format!("{name}.{end}"), WORDS * 8, limits);
    let from_peer = open("a")?;
    let mut descriptors = vec![from_peer.try_clone()?];
    let receiver = Queue::new(from_peer, case.wait, idle.clone())?;
    let station = first::<_, _, WORDS>(case.test, receiver, || {
        let to_peer = open("b")?;
        descriptors.push(to_peer.try_clone()?);
        Queue::new(to_peer, case.wait, idle)
    })?;
    Ok(Created { station, descriptors, rings: Vec::new() })
}

pub(super) fn attach<const WORDS: usize>(case: Case, mut left: Left, idle: Idle) -> Result<Box<dyn Station>> {
    let sender = Queue::new(left.descriptor()?, case.wait, idle.clone())?;
    let receiver = || Queue::new(left.descriptor()?, case.wait, idle.clone());
    second::<_, _, WORDS>(case, sender, receiver, idle.clone())
}
