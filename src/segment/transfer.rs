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
    loop {
        // SAFETY: the descriptor is open, and the caller's promise.
        match unsafe { libc::read(file.as_raw_fd(), bytes.cast(), len) } {
            read @ 0.. => return Ok(read as usize),
            _ => retry_if_interrupted()?,
        }
    }
}

/// Writes `len` bytes to a descriptor by one call, and returns how many it took.
///
/// # Safety
///
/// `bytes` is valid for `len` reads.
pub(crate) unsafe fn write(file: BorrowedFd<'_>, bytes: *const u8, len: usize) -> io::Result<usize> {
    loop {
        // SAFETY: the descriptor is open, and the caller's promise.
        match unsafe { libc::write(file.as_raw_fd(), bytes.cast(), len) } {
            written @ 0.. => return Ok(written as usize),
            _ => retry_if_interrupted()?,
        }
    }
}

fn retry_if_interrupted() -> io::Result<()> {
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}
