//! What a stranger can do to the ends of a ring that it may read: wake them in vain.

#![allow(unsafe_code, reason = "a futex is an address in a mapping")]

use std::io;
use std::sync::atomic::AtomicU32;

use memmap2::MmapOptions;
use rustix::thread::futex::{self, Flags};

use crate::memory::{Memory, slot, word};

/// Wakes whoever sleeps at either end, and changes nothing.
///
/// # Errors
///
/// The ring cannot be mapped, or the system refuses the call.
pub fn wake_spuriously(memory: &Memory) -> io::Result<()> {
    // SAFETY: the mapping lies in this function alone, which never reads its bytes: the kernel compares addresses.
    let header = unsafe { MmapOptions::new().len(4096).map(memory.file())? };
    for role in [word::PRODUCER, word::CONSUMER] {
        let low = if cfg!(target_endian = "little") { 0 } else { 4 };
        let half = header.as_ptr().wrapping_add((role + slot::WAKES + low) as usize).cast::<AtomicU32>();
        // SAFETY: the address lies in the page that is mapped, at a multiple of 4, and every value is one of an atomic.
        let half = unsafe { &*half };
        futex::wake(half, Flags::empty(), i32::MAX as u32)?;
    }
    Ok(())
}
