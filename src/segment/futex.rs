//! Sleeping and waking across processes, and the fences that the system makes for others.

#![allow(unsafe_code, reason = "a futex is half of a shared word, whose address is that of a mapping")]

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags};
use rustix::thread::{MembarrierCommand, membarrier};
use rustix::time::Timespec;

use super::layout::Header;
use super::mapping::Mapping;
use crate::error::Error;
use crate::ring::memory::Role;

/// What this process may ask of the system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Barriers {
    /// Whether others may have fences made in this process.
    pub(super) is_registered: bool,
    /// Whether this process may have fences made in others.
    pub(super) is_allowed: bool,
}

impl Barriers {
    /// Registers this process, and finds out what it may do.
    pub(super) fn prepare() -> Barriers {
        let is_registered = membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok();
        Barriers { is_registered, is_allowed: membarrier(MembarrierCommand::GlobalExpedited).is_ok() }
    }
}

/// Wakes the other end of a role when it is dropped, whatever has become of the mapping by which the role was held.
#[derive(Debug)]
pub(super) struct Alarm {
    header: Mapping,
    role: Role,
}

impl Alarm {
    /// Prepares it for the ring behind a descriptor.
    pub(super) fn of(file: BorrowedFd<'_>, role: Role) -> Result<Alarm, Error> {
        Ok(Alarm { header: Mapping::new(file, size_of::<Header>())?, role })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if self.header.is_here() {
            // SAFETY: the mapping is as long as a header, and every byte of that is an atomic or padding.
            let header = unsafe { self.header.header().as_ref() };
            wake(&header.slot(self.role).wakes);
        }
    }
}

/// Makes a fence in every running thread of the processes that are registered, and returns whether it did.
pub(super) fn barrier() -> bool {
    membarrier(MembarrierCommand::GlobalExpedited).is_ok()
}

/// Sleeps for as long as the lower half of the word is that of `value`, at most for `limit`. May return earlier.
pub(super) fn wait(word: &AtomicU64, value: u64, limit: Duration) {
    /// How long a nap is if the system has no futexes for this process.
    const NAP: Duration = Duration::from_millis(1);
    let timeout = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: i64::from(limit.subsec_nanos()) };
    match futex::wait(lower_half(word), Flags::empty(), value as u32, Some(&timeout)) {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => {}
        // Also if another process has cut off the word (`EFAULT`): the caller does not get far.
        Err(_) => thread::sleep(limit.min(NAP)),
    }
}

/// Wakes all sleepers on the word. The other end need not be the first of them: any process that may read the ring can
/// wait on it.
pub(super) fn wake(word: &AtomicU64) {
    // If it is refused, the sleeper checks again after its slice.
    let _ = futex::wake(lower_half(word), Flags::empty(), i32::MAX as u32);
}

/// A futex has 32 bits: those in which a count changes.
fn lower_half(word: &AtomicU64) -> &AtomicU32 {
    let halves: *mut u32 = word.as_ptr().cast();
    let half = halves.wrapping_add(if cfg!(target_endian = "little") { 0 } else { 1 });
    // SAFETY: an aligned half of a word that outlives the reference. The kernel alone reads it.
    unsafe { AtomicU32::from_ptr(half) }
}
