//! Bytes between a ring and a descriptor, without a copy in this process.

#![allow(unsafe_code, reason = "hands addresses of slots to the system")]

use std::io;
use std::os::fd::AsFd;

use super::{Claim, Peek};
use crate::segment::transfer;

impl Claim<'_, u8> {
    /// Reads once from a descriptor into the slots before the end of the buffer, and returns how many bytes came: 0 at
    /// the end of the file. [`commit_first`](Claim::commit_first) makes them visible.
    ///
    /// # Errors
    ///
    /// That of the system call, which is repeated if a signal interrupts it. In a forked child,
    /// [`Broken::Forked`](crate::Broken::Forked).
    pub fn read_from(&mut self, file: impl AsFd) -> io::Result<usize> {
        self.check_process()?;
        let (len, _) = self.parts();
        // SAFETY: the claim has `len` slots there, which nobody refers to.
        unsafe { transfer::read(file.as_fd(), self.as_mut_ptrs().0, len) }
    }
}

impl Peek<'_, u8> {
    /// Writes the bytes before the end of the buffer to a descriptor by one call, and returns how many it took.
    /// [`release_first`](Peek::release_first) gives them back.
    ///
    /// # Errors
    ///
    /// That of the system call, which is repeated if a signal interrupts it. In a forked child,
    /// [`Broken::Forked`](crate::Broken::Forked).
    pub fn write_to(&self, file: impl AsFd) -> io::Result<usize> {
        self.check_process()?;
        let (len, _) = self.parts();
        // SAFETY: the peek has `len` bytes there.
        unsafe { transfer::write(file.as_fd(), self.as_ptrs().0, len) }
    }
}
