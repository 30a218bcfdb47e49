//! The standard streams as they are: descriptors that may be closed, may not block since somebody who shares them said
//! so, and may have nobody at their other end. Nothing is read or written through the streams of the standard library:
//! those take a descriptor that cannot be written for one that swallows everything.

#![allow(unsafe_code, reason = "an entry of `.init_array`: nothing later sees which streams were closed")]

use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::{Errno, retry_on_intr};

/// How much a pipe at stdin or stdout shall hold: at the 64 KiB that it has otherwise, its two ends take turns too
/// often.
const PIPE: usize = 1 << 20;

/// How long to wait for one end before the other one is looked at.
pub(crate) const SLICE: Duration = Duration::from_millis(100);

/// One of the standard streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    In,
    Out,
    Err,
}

/// The streams that were closed when this process began, a bit each.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Looks before the runtime does. That opens `/dev/null`, to be read and written, in the place of each stream that is
/// closed, before `main` begins. Afterwards a closed stream cannot be told from one that somebody redirected there:
/// many who start programs open `/dev/null` in the same way.
extern "C" fn look() {
    for stream in [Stream::In, Stream::Out, Stream::Err] {
        if rustix::io::fcntl_getfd(stream.descriptor()) == Err(Errno::BADF) {
            CLOSED.fetch_or(stream.bit(), Ordering::Relaxed);
        }
    }
}

// SAFETY: the C library calls the entries of this section one after the other, in the only thread, before it calls
// `main`, which is the runtime's. The function has the C calling convention, under which it may leave out the arguments
// that some libraries pass; it makes three system calls, stores one atomic, and neither allocates nor unwinds.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

impl Stream {
    pub(crate) fn descriptor(self) -> BorrowedFd<'static> {
        match self {
            Stream::In => rustix::stdio::stdin(),
            Stream::Out => rustix::stdio::stdout(),
            Stream::Err => rustix::stdio::stderr(),
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Refuses a stream that is closed, or open for the other direction alone: before anything is done for it.
    pub(crate) fn require(self) -> Result<()> {
        let (name, wanted, how, wrong) = match self {
            Stream::In => ("stdin", "read", "< FILE, or < /dev/null for nothing", OFlags::WRONLY),
            Stream::Out => ("stdout", "written", "> FILE, or > /dev/null for nobody", OFlags::RDONLY),
            Stream::Err => ("stderr", "written", "2> FILE, or 2> /dev/null for nobody", OFlags::RDONLY),
        };
        let found = match rustix::fs::fcntl_getfl(self.descriptor()) {
            _ if CLOSED.load(Ordering::Relaxed) & self.bit() != 0 => "is closed",
            Err(_) => "is closed",
            Ok(flags) if flags & OFlags::ACCMODE == wrong || flags.contains(OFlags::PATH) => "is not open for that",
            Ok(_) => return Ok(()),
        };
        bail!("{name} {found}, expected one that can be {wanted}; redirect it: {how}")
    }
}

/// Makes a pipe larger, where it is one and the system allows it.
pub(crate) fn widen(file: BorrowedFd<'_>) {
    if rustix::pipe::fcntl_getpipe_size(file).is_ok_and(|size| size < PIPE) {
        // It works without, too.
        let _ = rustix::pipe::fcntl_setpipe_size(file, PIPE);
    }
}

/// Returns whether there is nobody left at the other end of a descriptor that is written.
pub(crate) fn is_deserted(file: BorrowedFd<'_>) -> bool {
    is_ready(file, PollFlags::empty(), Some(Duration::ZERO)).unwrap_or(false)
}

/// Waits until a call for this direction would not wait, for this long at most; also where it would fail.
pub(crate) fn is_ready(file: BorrowedFd<'_>, direction: PollFlags, limit: Option<Duration>) -> io::Result<bool> {
    // No limit here is longer than a slice.
    let limit = limit.map(|limit| Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() });
    match poll(&mut [PollFd::from_borrowed_fd(file, direction)], limit.as_ref()) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Repeats a read or a write until it did something, and waits where the descriptor does not block.
pub(crate) fn patiently<R>(
    file: BorrowedFd<'_>,
    direction: PollFlags,
    mut attempt: impl FnMut() -> io::Result<R>,
) -> io::Result<R> {
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                is_ready(file, direction, None)?;
            }
            result => return result,
        }
    }
}

/// Writes all bytes.
pub(crate) fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match patiently(file, PollFlags::OUT, || Ok(retry_on_intr(|| rustix::io::write(file, bytes))?))? {
            0 => return Err(ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    Ok(())
}
