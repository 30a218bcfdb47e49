//! Whether this process is the one that attached a handle.
//!
//! A fork copies handles into a process where their mapping is not. A process id does not tell the two apart: it
//! repeats, and in a PID namespace at once. So each process that attaches numbers itself, in a page that the kernel
//! wipes in a forked child (`MADV_WIPEONFORK`, also if the child was made by `clone` without a library's knowledge),
//! and each mapping keeps the number. If the kernel has no such advice, a handler that `fork` calls in the child wipes
//! it; both are always asked for, since an emulator may accept the advice and ignore it.
//!
//! The counter of numbers is copied by a fork. So a child's number is higher than those of all its ancestors, whose
//! handles keep failing when the child has attached rings of its own. A child that shares the memory (`vfork`,
//! `posix_spawn`) is no fork.
//!
//! The check is one load and one comparison, and its orderings concern this process alone: these words are not shared.

#![allow(unsafe_code, reason = "tells the system what to do with a page of this process in a forked child")]

use std::ptr::{from_ref, null_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{io, mem, thread};

use crate::error::Error;

/// The number of no process: this one has not attached since the last fork.
const NOBODY: u64 = 0;

/// The number of no process: this one has begun to exit.
const EXITING: u64 = u64::MAX;

/// A word on a page of its own, however long a page is here.
#[repr(C)]
#[cfg_attr(target_arch = "x86_64", repr(align(4096)))]
#[cfg_attr(not(target_arch = "x86_64"), repr(align(65536)))]
struct Page(AtomicU64);

/// The number of this process. Zero at the start, so that it lies where the kernel may wipe it: in memory that no file
/// backs.
static CURRENT: Page = Page(AtomicU64::new(NOBODY));

/// The highest number that was given out, by this process and its ancestors.
static LAST: AtomicU64 = AtomicU64::new(NOBODY);

/// The number of a process that has attached. The handles of the library for C keep it beside what a guard borrows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(u64);

impl Epoch {
    /// Returns the number of this process.
    ///
    /// # Errors
    ///
    /// [`Error::Exiting`], and [`Error::Os`] if the system has no memory for the handler.
    pub fn current() -> Result<Epoch, Error> {
        loop {
            // Nothing is read that this word publishes.
            let found = CURRENT.0.load(Ordering::Relaxed);
            match found {
                EXITING => return Err(Error::Exiting),
                NOBODY => {}
                number => return Ok(Epoch(number)),
            }
            // Counted before the advice, which waits for a fork that another thread makes at this moment: a child that
            // could find a handle of this number finds the count too.
            let next = LAST.fetch_add(1, Ordering::Relaxed) + 1;
            wipe_in_children()?;
            // A thread that was faster has taken a number that is as good.
            let _ = CURRENT.0.compare_exchange(NOBODY, next, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Returns whether this is still the process, and it is not exiting.
    #[inline(always)]
    #[must_use]
    pub fn is_current(self) -> bool {
        // Set by this thread before its handle was made, by the thread that the handle came from, or by the kernel in a
        // fork.
        CURRENT.0.load(Ordering::Relaxed) == self.0
    }

    /// Returns whether this is still the process, also while it exits.
    pub(super) fn is_of_this_process(self) -> bool {
        let found = CURRENT.0.load(Ordering::Relaxed);
        found == self.0 || found == EXITING
    }
}

/// A value of which each process has its own. A forked child does not get its parent's, whose mutexes another thread
/// may have locked.
#[derive(Debug)]
pub(crate) struct PerProcess<T>(AtomicPtr<Own<T>>);

#[derive(Debug)]
struct Own<T> {
    process: Epoch,
    value: T,
    /// The value of the parent process. It is never dropped; kept here so that a leak checker finds it reachable.
    _before: *mut Own<T>,
}

impl<T: Default + Sync> PerProcess<T> {
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess(AtomicPtr::new(null_mut()))
    }

    /// Returns the value of this process, which makes it at the first call. It is never dropped.
    ///
    /// # Errors
    ///
    /// As [`Epoch::current`].
    pub(crate) fn get(&self) -> Result<&'static T, Error> {
        Epoch::current().map(|own| self.of(own))
    }

    /// The same for a process that knows its number, also while it exits.
    pub(super) fn of(&self, own: Epoch) -> &'static T {
        // Pairs with the Release below.
        let mut found = self.0.load(Ordering::Acquire);
        loop {
            // SAFETY: null, or made below from a box that nobody drops.
            if let Some(found) = unsafe { found.as_ref() }.filter(|found| found.process == own) {
                return &found.value;
            }
            let made = Box::into_raw(Box::new(Own { process: own, value: T::default(), _before: found }));
            found = match self.0.compare_exchange(found, made, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => made,
                Err(faster) => {
                    // SAFETY: made from a box a moment ago, and seen by nobody.
                    drop(unsafe { Box::from_raw(made) });
                    faster
                }
            };
        }
    }
}

/// Locks a mutex, also if it is poisoned: no code panics halfway through a change.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a closure with all signals blocked.
pub(super) fn without_signals<R>(run: impl FnOnce() -> R) -> R {
    // SAFETY: zero is a value of this struct of integers.
    let mut all: libc::sigset_t = unsafe { mem::zeroed() };
    let mut before = all;
    // SAFETY: it fills the set.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: it reads one set and writes another one.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
    let result = run();
    // SAFETY: it reads one set.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, null_mut()) };
    result
}

/// Starts a thread of the library's, on which no signal is handled.
pub(crate) fn start_thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // A thread starts with the mask of the one that starts it.
    without_signals(|| thread::Builder::new().name(name.to_owned()).spawn(run)).map(drop)
}

/// Makes all handles of this process fail from here on, and returns its number; `None` if it has none, or is exiting
/// already.
pub(super) fn begin_to_exit() -> Option<Epoch> {
    let attached = |number| !matches!(number, NOBODY | EXITING);
    let exit = |number| attached(number).then_some(EXITING);
    CURRENT.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, exit).ok().map(Epoch)
}

/// Has the number of this process wiped in each forked child.
fn wipe_in_children() -> Result<(), Error> {
    // In a child the advice is inherited, and given again: that changes nothing.
    advise(libc::MADV_WIPEONFORK);
    static HAS_HANDLER: AtomicBool = AtomicBool::new(false);
    if HAS_HANDLER.load(Ordering::Relaxed) {
        return Ok(());
    }
    // SAFETY: the handler stores a word that lives as long as the code, and no more; so it may run in any child.
    let status = unsafe { libc::pthread_atfork(None, None, Some(wipe)) };
    if status != 0 {
        return Err(Error::Os { call: "pthread_atfork", source: io::Error::from_raw_os_error(status) });
    }
    // Set when it is there: a fork of another thread in between finds neither or both. Twice is as good as once.
    HAS_HANDLER.store(true, Ordering::Relaxed);
    Ok(())
}

/// Gives the kernel an advice for the page, and returns whether it accepts it.
fn advise(advice: libc::c_int) -> bool {
    let (start, len) = (from_ref(&CURRENT).cast_mut().cast::<libc::c_void>(), size_of::<Page>());
    // The loader may not know the alignment, or a page may be longer: then something else would be wiped.
    let page = rustix::param::page_size();
    if start.addr() % page != 0 || len % page != 0 {
        return false;
    }
    // SAFETY: these are whole pages, and `CURRENT` alone lies there. The advice changes them in children that do not
    // exist yet.
    unsafe { libc::madvise(start, len, advice) == 0 }
}

/// Called by `fork` in the child.
extern "C" fn wipe() {
    CURRENT.0.store(NOBODY, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what `is_true` says in a child that was made by `fork`, by its exit code.
    fn in_a_child(fork: fn() -> libc::pid_t, is_true: impl Fn() -> bool) -> bool {
        let child = fork();
        assert!(child >= 0, "{}", io::Error::last_os_error());
        if child == 0 {
            let code = i32::from(is_true());
            // SAFETY: takes any number, runs nothing of this process, and does not return.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: waits for the child that was just made, and writes one number.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(waited, child);
        assert!(libc::WIFEXITED(status), "{status:#x}");
        libc::WEXITSTATUS(status) == 1
    }

    fn fork() -> libc::pid_t {
        // SAFETY: the child loads and stores words and exits.
        unsafe { libc::fork() }
    }

    /// Forks without the C library: none of its handlers runs.
    fn clone() -> libc::pid_t {
        // SAFETY: no stack and no flag but the signal at the end: the same as a fork. The child loads and stores words
        // and exits.
        unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as libc::pid_t }
    }

    #[test]
    fn a_process_stays_the_same_and_its_child_is_another_one() {
        let epoch = Epoch::current().unwrap();
        assert!(epoch.is_current() && epoch.is_of_this_process());
        assert_eq!(Epoch::current().unwrap(), epoch);
        for fork in [fork, clone] {
            assert!(in_a_child(fork, || !epoch.is_current() && !epoch.is_of_this_process()));
            assert!(epoch.is_current());
        }
    }

    #[test]
    fn a_child_that_attaches_does_not_become_its_ancestors() {
        let parent = Epoch::current().unwrap();
        let is_apart = |own: &Epoch, ancestors: &[Epoch]| {
            own.is_current() && ancestors.iter().all(|ancestor| !ancestor.is_current() && ancestor != own)
        };
        assert!(in_a_child(clone, || {
            let child = Epoch::current().unwrap();
            is_apart(&child, &[parent])
                && in_a_child(clone, || is_apart(&Epoch::current().unwrap(), &[parent, child]))
                && child.is_current()
        }));
    }

    #[test]
    fn either_way_to_wipe_the_page_is_enough() {
        let epoch = Epoch::current().unwrap();
        assert!(advise(libc::MADV_WIPEONFORK), "the page cannot be wiped here");
        assert!(in_a_child(clone, || !epoch.is_current()), "the kernel wipes it");
        // In a child of its own, since other tests fork; by the C library, whose locks a `fork` of the child needs.
        assert!(in_a_child(fork, || {
            let epoch = Epoch::current().unwrap();
            let is_kept = advise(libc::MADV_KEEPONFORK) && in_a_child(clone, || epoch.is_current());
            is_kept && in_a_child(fork, || !epoch.is_current())
        }));
    }

    #[test]
    fn a_signal_is_handled_after_what_it_may_not_interrupt() {
        static HANDLED: AtomicBool = AtomicBool::new(false);
        extern "C" fn handle(_: libc::c_int) {
            HANDLED.store(true, Ordering::Relaxed);
        }
        // SAFETY: the handler stores a word, and nothing else here uses this signal.
        unsafe { libc::signal(libc::SIGUSR2, handle as *const () as libc::sighandler_t) };
        let was_handled = without_signals(|| {
            // SAFETY: the signal has a handler, and is this thread's.
            unsafe { libc::raise(libc::SIGUSR2) };
            HANDLED.load(Ordering::Relaxed)
        });
        assert!(!was_handled && HANDLED.load(Ordering::Relaxed));
    }

    #[test]
    fn a_process_that_exits_refuses_its_handles_and_makes_no_new_ones() {
        Epoch::current().unwrap();
        assert!(in_a_child(fork, || {
            let nobody = begin_to_exit().is_none();
            let epoch = Epoch::current().unwrap();
            nobody
                && begin_to_exit() == Some(epoch)
                && !epoch.is_current()
                && epoch.is_of_this_process()
                && begin_to_exit().is_none()
                && matches!(Epoch::current(), Err(Error::Exiting))
                // Its own child may live on.
                && in_a_child(fork, || Epoch::current().is_ok_and(|own| own != epoch && !epoch.is_of_this_process()))
        }));
    }
}
