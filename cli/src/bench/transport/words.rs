//! Atomic words in memory that both processes map, for the bare transports.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use memmap2::MmapRaw;
use rustix::fs::{MemfdFlags, memfd_create};

use crate::bench::idle::Idle;

/// A mapping of `BYTES` bytes, which are words and nothing else.
#[derive(Clone)]
pub(super) struct Words<const BYTES: usize> {
    memory: Rc<MmapRaw>,
}

impl<const BYTES: usize> Words<BYTES> {
    /// Makes the memory, of zeros.
    pub(super) fn create() -> Result<OwnedFd> {
        let descriptor = memfd_create("ringmain-bench", MemfdFlags::CLOEXEC).context("cannot create shared memory")?;
        let file = File::from(descriptor);
        file.set_len(BYTES as u64).context("cannot size shared memory")?;
        Ok(file.into())
    }

    pub(super) fn map(descriptor: &OwnedFd) -> Result<Self> {
        let memory = MmapRaw::map_raw(descriptor).context("cannot map shared memory")?;
        ensure!(memory.len() >= BYTES, "shared memory has {} bytes, expected {BYTES}", memory.len());
        Ok(Self { memory: Rc::new(memory) })
    }

    /// Returns the word so many bytes after the start.
    ///
    /// # Panics
    /// - it is not all in the memory, or does not start at a multiple of 8
    #[allow(unsafe_code, reason = "an atomic at an address of a mapping")]
    #[inline(always)]
    pub(super) fn at(&self, offset: usize) -> &AtomicU64 {
        assert!(offset < BYTES / 8 * 8 && offset.is_multiple_of(8));
        let address = self.memory.as_mut_ptr().wrapping_add(offset);
        // SAFETY: the word is aligned and inside the mapping, by the assertion and the length that `map` found; the
        // mapping lives as long as `self`, and both processes use the word as an atomic only.
        unsafe { AtomicU64::from_ptr(address.cast()) }
    }
}

/// Waits until a word is as it should be, and returns it.
#[inline(always)]
pub(super) fn wait_until(word: &AtomicU64, idle: &mut Idle, wanted: impl Fn(u64) -> bool) -> Result<u64> {
    loop {
        // Observe: pairs with the Release with which either bare transport publishes.
        let value = word.load(Ordering::Acquire);
        if wanted(value) {
            return Ok(value);
        }
        idle.wait()?;
    }
}
