//! A POSIX message queue: the calls, and the limits that the system sets to it.

#![allow(unsafe_code, reason = "calls of the C library, which no crate of this tree wraps")]

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use rustix::time::{ClockId, clock_gettime};

use super::super::Unavailable;

/// The messages that a queue holds where the system allows as many: what an unprivileged process gets without a change.
const MESSAGES: usize = 10;

/// What `/proc/sys/fs/mqueue` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// The most messages in a queue.
    messages: usize,
    /// The longest message in bytes.
    bytes: usize,
}

impl Limits {
    /// Reads them; where they cannot be read, they are those that Linux starts with.
    pub(super) fn read() -> Self {
        let read = |file: &str| {
            let text = fs::read_to_string(format!("/proc/sys/fs/mqueue/{file}")).ok()?;
            text.trim().parse().ok()
        };
        Self { messages: read("msg_max").unwrap_or(10), bytes: read("msgsize_max").unwrap_or(8192) }
    }

    /// Checks that messages of this size can go.
    fn check(self, bytes: usize) -> Result<(), Unavailable> {
        if bytes > self.bytes {
            return Err(Unavailable(format!(
                "a queue takes messages of {} bytes at most, as /proc/sys/fs/mqueue/msgsize_max says, which root can change",
                self.bytes
            )));
        }
        Ok(())
    }
}

/// Makes a queue that both processes use through its descriptor. Its name is gone when this returns.
pub(super) fn open(name: &str, bytes: usize, limits: Limits) -> Result<OwnedFd, Unavailable> {
    limits.check(bytes)?;
    let messages = limits.messages.min(MESSAGES);
    create(name, messages, bytes).map_err(|error| explain(&error, messages, bytes))
}

fn explain(error: &io::Error, messages: usize, bytes: usize) -> Unavailable {
    let wanted = format!("cannot make a queue of {messages} messages of {bytes} bytes");
    Unavailable(match error.raw_os_error() {
        Some(libc::EMFILE) => {
            format!("{wanted}: the bytes that one user may have in queues are used up (see `ulimit -q`)")
        }
        Some(libc::ENOSPC) => format!("{wanted}: the system has as many as /proc/sys/fs/mqueue/queues_max allows"),
        Some(libc::EINVAL) => format!("{wanted}: that is beyond the limits in /proc/sys/fs/mqueue"),
        Some(libc::ENOSYS) => format!("{wanted}: this kernel has no message queues"),
        _ => format!("{wanted}: {error}"),
    })
}

fn create(name: &str, messages: usize, bytes: usize) -> io::Result<OwnedFd> {
    let name = CString::new(format!("/{name}")).map_err(io::Error::other)?;
    // SAFETY: the struct is of integers only, for which zero is a value.
    let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
    attributes.mq_maxmsg = messages as _;
    attributes.mq_msgsize = bytes as _;
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
    let mode: libc::mode_t = 0o600;
    // SAFETY: the name ends with a zero, and the attributes live until the call returns.
    let descriptor = unsafe { libc::mq_open(name.as_ptr(), flags, mode, &raw mut attributes) };
    if descriptor == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: on Linux a queue is a descriptor; this one is open, and nobody else's.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    // SAFETY: the name ends with a zero.
    if unsafe { libc::mq_unlink(name.as_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(descriptor)
}

/// A time of the real clock.
pub(super) type Deadline = libc::timespec;

/// Returns the time that is a second from now.
pub(super) fn in_a_second() -> Deadline {
    let now = clock_gettime(ClockId::Realtime);
    libc::timespec { tv_sec: (now.tv_sec + 1) as _, tv_nsec: now.tv_nsec as _ }
}

/// Sends a message. Where the queue blocks, it does so until the deadline.
#[inline]
pub(super) fn send(queue: &OwnedFd, message: &[u8], deadline: &Deadline) -> io::Result<()> {
    // SAFETY: the message has as many bytes as are named, and the deadline lives until the call returns.
    let result = unsafe { libc::mq_timedsend(queue.as_raw_fd(), message.as_ptr().cast(), message.len(), 0, deadline) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Receives a message, and returns its length. Where the queue blocks, it does so until the deadline.
#[inline]
pub(super) fn receive(queue: &OwnedFd, message: &mut [u8], deadline: &Deadline) -> io::Result<usize> {
    let (address, length) = (message.as_mut_ptr().cast(), message.len());
    // SAFETY: the buffer has as many bytes as are named, a null pointer asks for no priority, and the deadline lives
    // until the call returns.
    let received = unsafe { libc::mq_timedreceive(queue.as_raw_fd(), address, length, std::ptr::null_mut(), deadline) };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_beyond_the_limit_is_refused_with_the_limit() {
        let limits = Limits { messages: 10, bytes: 8192 };
        assert!(limits.check(8192).is_ok());
        let error = limits.check(16384).unwrap_err();
        assert!(error.0.contains("8192 bytes at most") && error.0.contains("msgsize_max"), "{}", error.0);
    }

    #[track_caller]
    fn check_explained(number: i32, part: &str) {
        let Unavailable(reason) = explain(&io::Error::from_raw_os_error(number), 10, 64);
        assert!(reason.contains("10 messages of 64 bytes") && reason.contains(part), "{reason}");
    }

    #[test]
    fn a_refusal_names_the_limit_that_was_met() {
        check_explained(libc::EMFILE, "ulimit -q");
        check_explained(libc::ENOSPC, "queues_max");
        check_explained(libc::EINVAL, "/proc/sys/fs/mqueue");
        check_explained(libc::EACCES, "denied");
    }
}
