//! Batches whose calls wait.

use std::time::Duration;

use super::{Batch, PeekBatch};
use crate::wait::Waiting;

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
