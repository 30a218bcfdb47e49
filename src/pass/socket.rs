//! Bytes and ancillary data through a socket, with one timeout for the whole call.

#![allow(unsafe_code, reason = "rustix knows no descriptor of a process that comes beside bytes, and would leak it")]

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, send as send_bytes, sendmsg};

use super::error::{PassError, failed};
use crate::segment::descriptor::avoid_stdio;

/// The descriptor of a process that sent something (`SO_PASSPIDFD`), which libc does not name.
const SCM_PIDFD: libc::c_int = 4;

/// The room for what comes beside the bytes, in words: one descriptor, and all that the owner of a socket can ask the
/// system for (credentials, a security label, the descriptor of a process). So many descriptors that they do not fit
/// are cut off by the system, which says so.
const ROOM: usize = 64;

/// How long a call may wait: the timeout of the socket, once for the whole call.
#[derive(Clone, Copy, Debug)]
pub(super) struct SocketTimeout {
    /// What it waits for.
    event: PollFlags,
    /// Whether it waits at all.
    waits: bool,
    /// `None` for as long as it takes.
    until: Option<Instant>,
}

impl SocketTimeout {
    /// Waits for bytes to read, for the read timeout of the socket.
    pub(super) fn to_read(socket: &UnixStream) -> Result<SocketTimeout, PassError> {
        SocketTimeout::of(socket, PollFlags::IN, socket.read_timeout())
    }

    /// Waits for room to write, for the write timeout of the socket.
    pub(super) fn to_write(socket: &UnixStream) -> Result<SocketTimeout, PassError> {
        SocketTimeout::of(socket, PollFlags::OUT, socket.write_timeout())
    }

    /// Never waits.
    pub(super) const NONE: SocketTimeout = SocketTimeout { event: PollFlags::empty(), waits: false, until: None };

    fn of(
        socket: &UnixStream,
        event: PollFlags,
        timeout: io::Result<Option<Duration>>,
    ) -> Result<SocketTimeout, PassError> {
        let timeout = timeout.map_err(failed("getsockopt"))?;
        let flags = fcntl_getfl(socket).map_err(failed("fcntl(F_GETFL)"))?;
        // A limit beyond the range of the clock is no limit.
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Ok(SocketTimeout { event, waits: !flags.contains(OFlags::NONBLOCK), until })
    }

    /// Makes a call that does not wait, again and again until it does what it should, or the limit is over.
    fn call<R>(&self, socket: &UnixStream, mut call: impl FnMut() -> Result<R, Errno>) -> Result<R, Errno> {
        loop {
            match call() {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if self.waits => self.wait(socket)?,
                done => return done,
            }
        }
    }

    fn wait(&self, socket: &UnixStream) -> Result<(), Errno> {
        let rest = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        if rest == Some(Duration::ZERO) {
            return Err(Errno::AGAIN);
        }
        let rest = rest.map(|rest| Timespec { tv_sec: rest.as_secs() as i64, tv_nsec: rest.subsec_nanos().into() });
        match poll(&mut [PollFd::new(socket, self.event)], rest.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Sends all bytes, and beside the first of them a descriptor.
pub(super) fn send(
    socket: &UnixStream,
    timeout: SocketTimeout,
    bytes: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> Result<(), PassError> {
    // A signal for a socket that is closed would end the process.
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let mut sent = 0;
    while sent < bytes.len() {
        let more = timeout.call(socket, || match descriptor {
            Some(descriptor) if sent == 0 => {
                let descriptors = [descriptor];
                let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)), "there is room for a descriptor");
                sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags)
            }
            _ => send_bytes(socket, &bytes[sent..], flags),
        });
        sent += more.map_err(|error| match sent {
            0 => failed("sendmsg")(error),
            _ => PassError::Unfinished { found: sent, expected: bytes.len(), source: error.into() },
        })?;
    }
    Ok(())
}

/// Receives some bytes, and nothing of what comes beside them. Returns how many; 0 at the end.
pub(super) fn receive_bytes(socket: &UnixStream, timeout: SocketTimeout, bytes: &mut [u8]) -> Result<usize, PassError> {
    // Without room for them, the system closes descriptors that come.
    let received = timeout.call(socket, || recv(socket, &mut *bytes, RecvFlags::DONTWAIT).map(|(len, _)| len));
    received.map_err(failed("recv"))
}

/// What came beside bytes.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// The first descriptor. Others are closed.
    pub(super) first: Option<OwnedFd>,
    /// How many came.
    pub(super) count: usize,
    /// Whether some were lost.
    pub(super) is_truncated: bool,
}

/// Receives some bytes, and what comes beside them. Returns how many bytes; 0 at the end.
pub(super) fn receive(
    socket: &UnixStream,
    timeout: SocketTimeout,
    bytes: &mut [u8],
    beside: &mut Beside,
) -> Result<usize, Errno> {
    let mut room = [0_u64; ROOM];
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: zero is a value of this struct of pointers and integers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    let len = timeout.call(socket, || {
        message.msg_control = room.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&room) as _;
        let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
        // SAFETY: the message names one part of private bytes, and private room, each as long as it says.
        match unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) } {
            len @ 0.. => Ok(len as usize),
            _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
        }
    })?;
    // SAFETY: the system has filled the message and the room that it names.
    unsafe { take(&message, beside) };
    beside.is_truncated |= message.msg_flags & libc::MSG_CTRUNC != 0;
    Ok(len)
}

/// Takes the first descriptor that came with a message, and closes all others, whatever they stand for.
///
/// # Safety
///
/// The system has just filled the message, whose room is there.
unsafe fn take(message: &libc::msghdr, beside: &mut Beside) {
    // SAFETY: the caller's promise.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: a header within the room, aligned as the room is.
        let found = unsafe { header.read() };
        if found.cmsg_level == libc::SOL_SOCKET && [libc::SCM_RIGHTS, SCM_PIDFD].contains(&found.cmsg_type) {
            // SAFETY: only computes an address, within the room.
            let data = unsafe { libc::CMSG_DATA(header) };
            let before = data as usize - header as usize;
            for at in 0..(found.cmsg_len as usize).saturating_sub(before) / size_of::<RawFd>() {
                // SAFETY: that many numbers lie there, at any alignment.
                let number: RawFd = unsafe { data.cast::<RawFd>().wrapping_add(at).read_unaligned() };
                // SAFETY: the system has opened this descriptor for this process, and nobody else knows of it.
                let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
                if found.cmsg_type == libc::SCM_RIGHTS {
                    beside.count += 1;
                    beside.first.get_or_insert(descriptor);
                }
            }
        }
        // SAFETY: the header is one of this message.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
}

/// Keeps a descriptor that came, under a number that no standard stream has.
pub(super) fn keep(descriptor: OwnedFd) -> Result<OwnedFd, PassError> {
    avoid_stdio(descriptor).map_err(failed("fcntl(F_DUPFD_CLOEXEC)"))
}
