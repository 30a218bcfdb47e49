//! Messages as [`Write`], while they are written, and batches that wait.

use std::io::{self, Write};
use std::time::Duration;

use super::{Batch, Claim, PeekBatch};
use crate::wait::Waiting;

/// Writes after what was written. What no longer fits the claim is not taken.
impl Write for Claim<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check_here()?;
        Ok(self.append(bytes))
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Batch<'_> {
    /// Returns this batch with calls that wait for as long as it takes.
    #[inline(always)]
    pub fn blocking(&mut self) -> Waiting<'_, Self> {
        Waiting::new(self, None)
    }

    /// Returns this batch with calls that wait for `limit` at most.
    #[inline(always)]
    pub fn within(&mut self, limit: Duration) -> Waiting<'_, Self> {
        Waiting::new(self, Some(limit))
    }
}

impl PeekBatch<'_> {
    /// Returns this batch with calls that wait for as long as it takes.
    #[inline(always)]
    pub fn blocking(&mut self) -> Waiting<'_, Self> {
        Waiting::new(self, None)
    }

    /// Returns this batch with calls that wait for `limit` at most.
    #[inline(always)]
    pub fn within(&mut self, limit: Duration) -> Waiting<'_, Self> {
        Waiting::new(self, Some(limit))
    }
}
