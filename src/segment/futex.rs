//! Sleeping and waking across processes, and the fences that the system makes for others.

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
use super::waker::Waker;
use crate::error::Error;
use crate::ring::call::SILENT;
use crate::ring::memory::Role;
use crate::ring::set::MOST;

/// What this process may ask of the system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Barriers {
    /// Whether others may have fences made in this process.
    pub(super) is_registered: bool,
    /// Whether this process may have fences made in others.
    pub(crate) is_allowed: bool,
}

impl Barriers {
    /// Registers this process, and finds out what it may do.
    pub(crate) fn prepare() -> Barriers {
        let is_registered = membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok();
        Barriers { is_registered, is_allowed: membarrier(MembarrierCommand::GlobalExpedited).is_ok() }
    }
}

/// The word by which one end wakes the other, whatever becomes of the mapping by which a role is held.
#[derive(Debug)]
pub(crate) struct Wakes {
    header: Mapping,
    /// The role of the end that wakes.
    role: Role,
}

impl Wakes {
    /// Maps the header of the ring behind a descriptor.
    pub(super) fn of(file: BorrowedFd<'_>, role: Role) -> Result<Wakes, Error> {
        Ok(Wakes { header: Mapping::new(file, size_of::<Header>())?, role })
    }

    /// Returns the word. The process is the one that made this.
    pub(crate) fn word(&self) -> &AtomicU64 {
        // SAFETY: the mapping is as long as a header, and every byte of that is an atomic or padding.
        unsafe { &self.header.header().as_ref().slot(self.role).wakes }
    }
}

/// Wakes the other end when it is dropped.
#[derive(Debug)]
pub(super) struct Alarm(pub(super) Wakes);

impl Drop for Alarm {
    fn drop(&mut self) {
        if self.0.header.is_here() {
            wake(self.0.word());
        }
    }
}

/// Makes a fence in every running thread of the processes that are registered, and returns whether it did.
pub(super) fn barrier() -> bool {
    membarrier(MembarrierCommand::GlobalExpedited).is_ok()
}

/// How a process sleeps on words from which a stranger may take it away.
///
/// Whoever may read the ring can move its sleepers to another word (`FUTEX_REQUEUE`), where no wake reaches them, and
/// the system tells nobody. So a sleep that was not ended by a wake asks whether there was one: the word has changed
/// then. If so, sleeps are cut into naps for a while, and each looks at the word again.
#[derive(Debug, Default)]
pub(crate) struct Bed {
    /// When a sleeper found last that a wake had not reached it.
    missed: Cell<Option<Instant>>,
}

impl Bed {
    /// Sleeps for as long as the lower half of the word is that of `value`, and nobody calls by the waker, if there is
    /// one, at most for `limit`. May return earlier.
    pub(super) fn sleep(&self, word: &AtomicU64, value: u64, waker: Option<&Waker>, limit: Duration) {
        match waker {
            None => self.sleep_by(limit, |nap| wait(word, value, nap)),
            Some(waker) => self.sleep_on_all([(word, value)].into_iter(), waker, limit),
        }
    }

    /// Sleeps for as long as the lower half of each word is that of its value, and nobody calls by the waker, at most
    /// for `limit`. May return earlier, and does so at once if there are more than [`MOST`] words.
    pub(crate) fn sleep_on_all<'a>(
        &self,
        words: impl Iterator<Item = (&'a AtomicU64, u64)>,
        waker: &Waker,
        limit: Duration,
    ) {
        let mut waits = [futex::Wait::new(); MOST + 1];
        waits[0] = wait_of(waker.word(), SILENT, WaitFlags::SIZE_U32 | WaitFlags::PRIVATE);
        let mut len = 1;
        for (word, value) in words {
            let Some(place) = waits.get_mut(len) else { return };
            *place = wait_of(lower_half(word), value as u32, WaitFlags::SIZE_U32);
            len += 1;
        }
        self.sleep_by(limit, |nap| wait_for_any(&waits[..len], nap));
    }

    /// Sleeps by a call of the system that waits for a nap at most.
    fn sleep_by(&self, limit: Duration, wait: impl Fn(Duration) -> Result<(), Errno>) {
        /// For how long sleeps are cut into naps after a wake that was missed.
        const WARY: Duration = Duration::from_secs(10);
        /// How long a nap is. The system adds some 50 us. Whoever naps takes some percent of a processor.
        const NAP: Duration = Duration::from_micros(30);
        let is_wary = self.missed.get().is_some_and(|missed| missed.elapsed() < WARY);
        let start = Instant::now();
        let (nap, mut has_slept) = (if is_wary { NAP } else { limit }, false);
        loop {
            let left = limit.saturating_sub(start.elapsed());
            match wait(nap.min(left)) {
                // With no time left, this was the question whether the word has changed.
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
                // The system has no futexes for this process, or none that it can wait for several of (before Linux
                // 5.16, or behind a filter); or another process has cut off a word (`EFAULT`): then the caller does not
                // get far.
                Err(_) => return thread::sleep(limit.min(Duration::from_millis(1))),
            }
            has_slept = true;
        }
    }
}

/// Waits for a wake for as long as the lower half of the word is that of `value`, at most for `limit`.
fn wait(word: &AtomicU64, value: u64, limit: Duration) -> Result<(), Errno> {
    // A time that no clock reaches is none.
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
    // A time that no clock reaches is none.
    let end = now.checked_add(limit).and_then(|end| Timespec::try_from(end).ok());
    futex::waitv(waits, WaitvFlags::empty(), end.as_ref(), ClockId::Monotonic).map(|_| ())
}

/// Wakes all sleepers on a word of this process.
pub(super) fn wake_own(word: &AtomicU32) {
    // If it is refused, a sleeper naps.
    let _ = futex::wake(word, Flags::PRIVATE, i32::MAX as u32);
}

/// Wakes all sleepers on the word, and returns whether it was let. The other end need not be the first of them: any
/// process that may read the ring can wait on it.
pub(super) fn wake(word: &AtomicU64) -> bool {
    futex::wake(lower_half(word), Flags::empty(), i32::MAX as u32).is_ok()
}

/// Has the system change a word from `old` to `new`: where the memory for it is gone, that is an error (`EFAULT`), and
/// no signal.
///
/// A word of which a few of the lower bits change, or which is counted on by a little, changes at once. Others change
/// bit by bit.
pub(super) fn change(word: &AtomicU64, old: u64, new: u64) -> Result<(), Errno> {
    change_half(lower_half(word), old as u32, new as u32)?;
    change_half(upper_half(word), (old >> 32) as u32, (new >> 32) as u32)
}

fn change_half(half: &AtomicU32, old: u32, new: u32) -> Result<(), Errno> {
    // The call wakes sleepers of one word and changes another one: nobody sleeps on this one.
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
                change(&word, old, new).unwrap();
                assert_eq!(word.into_inner(), new, "from {old:#x}");
            }
        }
    }
}
