//! Bytes of a ring that the system itself moves from or to a descriptor.
//!
//! The system's accesses are not the language's: no reference is made, so nothing is undefined when the peer races.

#![allow(unsafe_code, reason = "hands addresses in a mapping to the system, which rustix takes as slices only")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Reads once from a descriptor into `len` bytes, and returns how many it wrote there.
///
/// # Safety
///
/// `bytes` is valid for `len` writes, and no reference to them lives.
pub(crate) unsafe fn read(file: BorrowedFd<'_>, bytes: *mut u8, len: usize) -> io::Result<usize> {
    // SAFETY: the descriptor is open, and the caller's promise.
    retry(|| unsafe { libc::read(file.as_raw_fd(), bytes.cast(), len) })
}

/// Writes `len` bytes to a descriptor by one call, and returns how many it took.
///
/// # Safety
///
/// `bytes` is valid for `len` reads.
pub(crate) unsafe fn write(file: BorrowedFd<'_>, bytes: *const u8, len: usize) -> io::Result<usize> {
    // SAFETY: the descriptor is open, and the caller's promise.
    retry(|| unsafe { libc::write(file.as_raw_fd(), bytes.cast(), len) })
}

/// Makes a call of the C library's, again if a signal has interrupted it, and returns what it does.
pub(super) fn retry(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        if let Ok(result) = usize::try_from(call()) {
            return Ok(result);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
