//! POSIX message queues, one in each direction that a test needs.
//!
//! A queue does not tell that the other process has ended. So a receive that sleeps has a deadline, after which the
//! other process is looked for. A send that sleeps is the peer's, which the system ends with the process that started
//! it.

#![allow(unsafe_code, reason = "nix does not turn a descriptor into a queue and back")]

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_send, mq_timedreceive, mq_unlink};
use nix::sys::stat::Mode;
use nix::sys::time::{TimeSpec, TimeValLike};
use nix::time::{ClockId, clock_gettime};

use super::descriptor::{End, Ends, prepare};
use super::side::Unavailable;
use crate::bench::idle::Idle;
use crate::bench::station::{Receiver, Sender};
use crate::bench::wait::Wait;

/// One side of one queue.
pub(super) struct Queue {
    queue: MqdT,
    /// Keeps it open.
    _descriptor: OwnedFd,
    /// Of the next receive that finds the queue empty. It may be over: a call that need not wait does not look at it.
    deadline: TimeSpec,
    idle: Idle,
}

impl<const WORDS: usize> End<WORDS> for Queue {
    fn of(descriptor: OwnedFd, wait: Wait, idle: Idle) -> Result<Self> {
        prepare(&descriptor, wait)?;
        // SAFETY: on Linux a queue is a descriptor; this one is kept open, and `MqdT` does not close it.
        let queue = unsafe { MqdT::from_raw_fd(descriptor.as_raw_fd()) };
        Ok(Self { queue, _descriptor: descriptor, deadline: in_a_second()?, idle })
    }
}

fn in_a_second() -> Result<TimeSpec> {
    Ok(clock_gettime(ClockId::CLOCK_REALTIME)? + TimeSpec::seconds(1))
}

impl Queue {
    /// Handles a call that did not come to its end: waits, or says what is wrong.
    #[cold]
    fn retry(&mut self, error: Errno, what: &'static str) -> Result<()> {
        match error {
            Errno::EAGAIN => self.idle.wait(),
            Errno::EINTR => Ok(()),
            Errno::ETIMEDOUT => {
                self.deadline = in_a_second()?;
                self.idle.look()
            }
            _ => Err(error).context(what),
        }
    }
}

impl<const WORDS: usize> Sender<WORDS> for Queue {
    #[inline]
    fn send(&mut self, message: &[u64; WORDS]) -> Result<()> {
        while let Err(error) = mq_send(&self.queue, bytemuck::bytes_of(message), 0) {
            self.retry(error, "cannot send to a queue")?;
        }
        Ok(())
    }
}

impl<const WORDS: usize> Receiver<WORDS> for Queue {
    #[inline]
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        let received = loop {
            match mq_timedreceive(&self.queue, bytemuck::bytes_of_mut(message), &mut 0, &self.deadline) {
                Ok(received) => break received,
                Err(error) => self.retry(error, "cannot receive from a queue")?,
            }
        };
        ensure!(received == WORDS * 8, "a message of {received} bytes, expected {}", WORDS * 8);
        Ok(())
    }
}

/// The messages that a queue holds if the system allows as many: what an unprivileged process gets without a change.
const MESSAGES: i64 = 10;

/// Makes a queue that both processes use through its descriptor. Its name is gone when this returns.
pub(super) fn open(name: &str, bytes: usize) -> Result<Ends> {
    // If they cannot be read, they are those that Linux starts with.
    let limit = |file: &str| fs::read_to_string(format!("/proc/sys/fs/mqueue/{file}")).ok()?.trim().parse::<i64>().ok();
    check(bytes, limit("msgsize_max").unwrap_or(8192))?;
    let messages = limit("msg_max").unwrap_or(MESSAGES).min(MESSAGES);
    let queue = create(name, messages, bytes).map_err(|error| explain(error, messages, bytes))?;
    // SAFETY: on Linux a queue is a descriptor; this one is open, and nobody else's.
    let descriptor = unsafe { OwnedFd::from_raw_fd(queue.into_raw_fd()) };
    Ok((descriptor.try_clone()?, descriptor))
}

/// Checks that messages of this size can go.
fn check(bytes: usize, longest: i64) -> Result<(), Unavailable> {
    if bytes as i64 > longest {
        return Err(Unavailable(format!(
            "a queue takes messages of {longest} bytes at most, as /proc/sys/fs/mqueue/msgsize_max says, which root \
             can change"
        )));
    }
    Ok(())
}

fn create(name: &str, messages: i64, bytes: usize) -> nix::Result<MqdT> {
    let name = format!("/{name}");
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR | MQ_OFlag::O_CLOEXEC;
    let attributes = MqAttr::new(0, messages as _, bytes as _, 0);
    let queue = mq_open(&*name, flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&attributes))?;
    mq_unlink(&*name)?;
    Ok(queue)
}

fn explain(error: Errno, messages: i64, bytes: usize) -> Unavailable {
    let why = match error {
        Errno::EMFILE => "the bytes that one user may have in queues are used up (see `ulimit -q`)",
        Errno::ENOSPC => "the system has as many as /proc/sys/fs/mqueue/queues_max allows",
        Errno::EINVAL => "that is beyond the limits in /proc/sys/fs/mqueue",
        Errno::ENOSYS => "this kernel has no message queues",
        error => error.desc(),
    };
    Unavailable(format!("cannot make a queue of {messages} messages of {bytes} bytes: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_beyond_the_limit_is_refused_with_the_limit() {
        assert!(check(8192, 8192).is_ok());
        let error = check(16384, 8192).unwrap_err();
        assert!(error.0.contains("8192 bytes at most") && error.0.contains("msgsize_max"), "{}", error.0);
    }

    #[track_caller]
    fn check_explained(error: Errno, part: &str) {
        let Unavailable(reason) = explain(error, 10, 64);
        assert!(reason.contains("10 messages of 64 bytes") && reason.contains(part), "{reason}");
    }

    #[test]
    fn a_refusal_names_the_limit_that_was_met() {
        check_explained(Errno::EMFILE, "ulimit -q");
        check_explained(Errno::ENOSPC, "queues_max");
        check_explained(Errno::EINVAL, "/proc/sys/fs/mqueue");
        check_explained(Errno::EACCES, "denied");
    }
}
