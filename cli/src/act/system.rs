//! Stdin and stdout as they are: descriptors, which may be set not to block by whoever shares them.

use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;

/// How much a pipe at stdin or stdout shall hold: at the 64 KiB that it has otherwise, its two ends take turns too
/// often.
const PIPE: usize = 1 << 20;

/// Makes a pipe larger, where it is one and the system allows it.
pub(super) fn widen(file: BorrowedFd<'_>) {
    if rustix::pipe::fcntl_getpipe_size(file).is_ok_and(|size| size < PIPE) {
        // It works without, too.
        let _ = rustix::pipe::fcntl_setpipe_size(file, PIPE);
    }
}

/// Repeats a read or a write until it did something, and waits where the descriptor does not block.
pub(super) fn patiently<R>(
    file: BorrowedFd<'_>,
    direction: PollFlags,
    mut attempt: impl FnMut() -> io::Result<R>,
) -> io::Result<R> {
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                retry_on_intr(|| poll(&mut [PollFd::from_borrowed_fd(file, direction)], None))?;
            }
            result => return result,
        }
    }
}

/// Reads once, and returns how many bytes came; 0 at the end.
pub(super) fn read(file: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<usize> {
    patiently(file, PollFlags::IN, || Ok(retry_on_intr(|| rustix::io::read(file, &mut *bytes))?))
}

/// Writes all bytes.
pub(super) fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = patiently(file, PollFlags::OUT, || Ok(retry_on_intr(|| rustix::io::write(file, bytes))?))?;
        bytes = &bytes[written..];
    }
    Ok(())
}
