//! Sleeping and waking across processes by futexes, and `membarrier`.

#![allow(unsafe_code, reason = "a futex is half of a shared word, whose address is that of a mapping")]

use std::cell::Cell;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, WaitFlags, WaitPtr, WaitvFlags, WakeOp, WakeOpCmp};
use rustix::thread::{MembarrierCommand, membarrier};
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::layout::Header;
use super::mapping::Mapping;
use crate::error::Error;
use crate::ring::call::NO_CALL;
use crate::ring::memory::Role;
use crate::ring::set::MAX_RINGS;

/// What this process may do with `membarrier`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Membarrier {
    /// Whether this process is registered: others can make fences in it.
    pub(super) is_registered: bool,
    /// Whether this process may make fences in others.
    pub(crate) is_allowed: bool,
}

impl Membarrier {
    /// Registers this process, and checks whether it may call `membarrier`.
    pub(crate) fn register() -> Membarrier {
        let is_registered = membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok();
        Membarrier { is_registered, is_allowed: membarrier(MembarrierCommand::GlobalExpedited).is_ok() }
    }
}

/// The `wakes` word of one end, in a mapping that does not hold the role.
#[derive(Debug)]
pub(crate) struct WakeWord {
    header: Mapping,
    /// The role of the end that wakes.
    role: Role,
}

impl WakeWord {
    /// Maps the header of the ring behind a descriptor.
    pub(super) fn map(file: BorrowedFd<'_>, role: Role) -> Result<WakeWord, Error> {
        Ok(WakeWord { header: Mapping::new(file, size_of::<Header>())?, role })
    }

    /// Returns the word. Not to be called in a forked child.
    pub(crate) fn word(&self) -> &AtomicU64 {
        // SAFETY: the mapping is as long as a header, and every byte of that is an atomic or padding.
        unsafe { &self.header.header().as_ref().slot(self.role).wakes }
    }
}

/// Wakes the other end when it is dropped.
#[derive(Debug)]
pub(super) struct WakeOnDrop(pub(super) WakeWord);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        if self.0.header.process.is_current() {
            wake(self.0.word());
        }
    }
}

/// Makes a fence in every running thread of the registered processes, and returns whether it did.
pub(super) fn barrier() -> bool {
    membarrier(MembarrierCommand::GlobalExpedited).is_ok()
}

/// Waits on futexes from which another process may requeue the waiter.
///
/// A process that may read the ring can move its sleepers to another word (`FUTEX_REQUEUE`), where no wake reaches
/// them, and the kernel does not report that. So a sleep that ends without a wake checks whether there was one: the
/// word has changed then. If so, sleeps poll for a while: they are short, and each checks the word again.
#[derive(Debug, Default)]
pub(crate) struct FutexWaiter {
    /// When a sleep last ended without the wake that had been made.
    missed: Cell<Option<Instant>>,
}

impl FutexWaiter {
    /// Sleeps for as long as the lower half of the word is that of `value`, and there is none of the calls, if a waker
    /// counts them, at most for `limit`. May return earlier.
    pub(super) fn sleep(&self, word: &AtomicU64, value: u64, calls: Option<&AtomicU32>, limit: Duration) {
        match calls {
            None => self.sleep_by(limit, |timeout| wait(word, value, timeout)),
            Some(calls) => self.sleep_on_all([(word, value)].into_iter(), calls, limit),
        }
    }

    /// Sleeps for as long as the lower half of each word is that of its value, and there is no call of a waker, at most
    /// for `limit`. May return earlier, and does so at once if there are more than [`MAX_RINGS`] words.
    pub(crate) fn sleep_on_all<'a>(
        &self,
        words: impl Iterator<Item = (&'a AtomicU64, u64)>,
        calls: &AtomicU32,
        limit: Duration,
    ) {
        let mut waits = [futex::Wait::new(); MAX_RINGS + 1];
        waits[0] = wait_of(calls, NO_CALL, WaitFlags::SIZE_U32 | WaitFlags::PRIVATE);
        let mut len = 1;
        for (word, value) in words {
            let Some(place) = waits.get_mut(len) else { return };
            *place = wait_of(lower_half(word), value as u32, WaitFlags::SIZE_U32);
            len += 1;
        }
        self.sleep_by(limit, |timeout| wait_for_any(&waits[..len], timeout));
    }

    /// Sleeps by a system call, which is given the time that it waits at most.
    fn sleep_by(&self, limit: Duration, wait: impl Fn(Duration) -> Result<(), Errno>) {
        /// For how long sleeps poll after a missed wake.
        const POLLING_PERIOD: Duration = Duration::from_secs(10);
        /// The time between two polls, to which the timer adds some 50 us: polling takes a few percent of a processor.
        const POLL_INTERVAL: Duration = Duration::from_micros(30);
        let polls = self.missed.get().is_some_and(|missed| missed.elapsed() < POLLING_PERIOD);
        let start = Instant::now();
        let (timeout, mut has_slept) = (if polls { POLL_INTERVAL } else { limit }, false);
        loop {
            let left = limit.saturating_sub(start.elapsed());
            match wait(timeout.min(left)) {
                // With no time left, this call has only checked whether the word has changed.
                Err(Errno::TIMEDOUT) if left.is_zero() => return,
                Err(Errno::TIMEDOUT) => {}
                // Changed before the sleep began, or while it lasted: then the wake went elsewhere.
                Err(Errno::AGAIN) => {
                    if has_slept {
                        self.missed.set(Some(Instant::now()));
                    }
                    return;
                }
                Ok(()) | Err(Errno::INTR) => return,
                // This process may not use futexes, or not `futex_waitv` (before Linux 5.16, or behind a filter); or
                // another process has truncated the object (`EFAULT`), which the caller finds by its length.
                Err(_) => return thread::sleep(limit.min(Duration::from_millis(1))),
            }
            has_slept = true;
        }
    }
}

/// Waits for a wake for as long as the lower half of the word is that of `value`, at most for `limit`.
fn wait(word: &AtomicU64, value: u64, limit: Duration) -> Result<(), Errno> {
    // A time beyond the range of the clock is no limit.
    let timeout = Timespec::try_from(limit).ok();
    futex::wait(lower_half(word), Flags::empty(), value as u32, timeout.as_ref()).map(drop)
}

/// Says that the system is to wait for a word of 32 bits for as long as it holds this value.
fn wait_of(word: &AtomicU32, value: u32, flags: WaitFlags) -> futex::Wait {
    let mut wait = futex::Wait::new();
    (wait.val, wait.uaddr, wait.flags) = (value.into(), WaitPtr::new(word.as_ptr().cast()), flags);
    wait
}

/// Waits for a wake of any of these words for as long as all of them hold their values, at most for `limit`.
fn wait_for_any(waits: &[futex::Wait], limit: Duration) -> Result<(), Errno> {
    let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
    // A time beyond the range of the clock is no limit.
    let end = now.checked_add(limit).and_then(|end| Timespec::try_from(end).ok());
    futex::waitv(waits, WaitvFlags::empty(), end.as_ref(), ClockId::Monotonic).map(|_| ())
}

/// Wakes all sleepers on a word of this process.
pub(super) fn wake_own(word: &AtomicU32) {
    // If it is refused, the sleeper polls.
    let _ = futex::wake(word, Flags::PRIVATE, i32::MAX as u32);
}

/// Wakes all sleepers on the word, and returns whether the call succeeded. Not one alone: any process that may read the
/// ring can wait on the word.
pub(super) fn wake(word: &AtomicU64) -> bool {
    futex::wake(lower_half(word), Flags::empty(), i32::MAX as u32).is_ok()
}

/// Changes a word from `old` to `new` by a system call: if its page is missing, that is an error (`EFAULT`), and no
/// signal.
///
/// If a half changes by a small difference, it changes at once, otherwise bit by bit.
pub(super) fn store_by_syscall(word: &AtomicU64, old: u64, new: u64) -> Result<(), Errno> {
    store_half_by_syscall(lower_half(word), old as u32, new as u32)?;
    store_half_by_syscall(upper_half(word), (old >> 32) as u32, (new >> 32) as u32)
}

fn store_half_by_syscall(half: &AtomicU32, old: u32, new: u32) -> Result<(), Errno> {
    // The call wakes the sleepers on one word and changes another one: there is no sleeper on this one.
    let nobody = AtomicU32::new(0);
    let operate = |operation, argument| {
        let (comparison, flags) = (WakeOpCmp::Eq, Flags::empty());
        futex::wake_op(&nobody, flags, 0, 0, half, operation, comparison, argument, 0).map(|_| ())
    };
    // The argument has 12 bits, and a sign.
    match new.wrapping_sub(old) as i32 {
        0 => Ok(()),
        difference @ -2048..2048 => operate(WakeOp::Add, difference as u16 & 0xfff),
        _ => (0..32).filter(|bit| (old ^ new) & 1 << bit != 0).try_for_each(|bit| operate(WakeOp::XOrShift, bit)),
    }
}

/// A futex has 32 bits: those in which a count changes.
fn lower_half(word: &AtomicU64) -> &AtomicU32 {
    half(word, if cfg!(target_endian = "little") { 0 } else { 1 })
}

fn upper_half(word: &AtomicU64) -> &AtomicU32 {
    half(word, if cfg!(target_endian = "little") { 1 } else { 0 })
}

fn half(word: &AtomicU64, at: usize) -> &AtomicU32 {
    let halves: *mut u32 = word.as_ptr().cast();
    // SAFETY: an aligned half of a word that outlives the reference. The kernel alone accesses it.
    unsafe { AtomicU32::from_ptr(halves.wrapping_add(at)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_changes_a_word_to_any_other() {
        let values = [0, 1, 2, 7, 2047, 2048, 4095, u64::from(u32::MAX), 1 << 32, u64::MAX - 1, u64::MAX, 0x5a5a << 30];
        for old in values {
            for new in values {
                let word = AtomicU64::new(old);
                store_by_syscall(&word, old, new).unwrap();
                assert_eq!(word.into_inner(), new, "from {old:#x}");
            }
        }
    }
}
