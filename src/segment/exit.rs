//! What a process that exits does for the handles that it still has: those in statics, and those that were leaked.
//!
//! `exit`, and `main` when it returns, call a handler that is registered once per process. It first makes all handles
//! of the process fail ([`process::begin_to_exit`]), then detaches each in order and wakes its peer, then removes the
//! names that were to be removed.
//!
//! It finds them in a list that each process has for itself. An entry is valid for as long as it is in the list: the
//! mapping and the descriptor of a handle are given back after its [`Registration`], whose drop waits for a handler
//! that runs. A thread that changes the list blocks signals meanwhile, so that a signal handler which calls `exit`
//! waits for other threads only. Those may still run: each handle fails when it next loads the other end's position,
//! and until then may publish after its end was told.

#![allow(unsafe_code, reason = "a handler of the C library's, which reaches headers by their addresses")]

use std::ffi::{c_int, c_void};
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::detach::Detaching;
use super::layout::Header;
use super::process::{self, Epoch, PerProcess, lock, without_signals};
use super::removal;
use crate::ring::memory::Role;

/// How long the handler waits at most for its turns to remove names, however many there are.
const UNLINK_TIMEOUT: Duration = Duration::from_millis(100);

/// The exit status of a Rust program whose `main` has panicked.
const PANICKED: c_int = 101;

/// The handles of this process that are to be left when it exits.
static ENTRIES: PerProcess<Mutex<Vec<Entry>>> = PerProcess::new();

/// What the handler needs of a handle. Nothing of it moves when the handle does.
pub(super) struct Entry {
    /// The header of a mapping that outlives the registration.
    pub(super) header: NonNull<Header>,
    /// A descriptor that outlives it.
    pub(super) descriptor: RawFd,
    pub(super) role: Role,
    pub(super) generation: u64,
    /// The name that is to be removed.
    pub(super) name: Option<String>,
}

// SAFETY: the mapping is the same from every thread of the process, and a header is made of atomics.
unsafe impl Send for Entry {}

impl Entry {
    /// # Safety
    ///
    /// The entry is in the list, which is locked for as long as the result is used.
    unsafe fn detaching(&self) -> Detaching<'_> {
        // SAFETY: the mapping outlives the registration, and every byte of a header is an atomic or padding.
        let header = unsafe { self.header.as_ref() };
        // SAFETY: the descriptor outlives the registration.
        let file = unsafe { BorrowedFd::borrow_raw(self.descriptor) };
        Detaching { header, file, role: self.role }
    }
}

/// A handle that is left in order when its process exits. Dropping it ends that.
///
/// It is dropped before the mapping and the descriptor that its entry names.
pub(super) struct Registration {
    header: NonNull<Header>,
    process: Epoch,
}

impl Registration {
    /// Registers a handle to be left when the process exits.
    ///
    /// # Safety
    ///
    /// Header and descriptor are there until the registration is dropped, or for ever if it is leaked.
    pub(super) unsafe fn new(entry: Entry, process: Epoch) -> Registration {
        install();
        let header = entry.header;
        without_signals(|| lock(ENTRIES.of(process)).push(entry));
        Registration { header, process }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // The list of a forked child is another one.
        if self.process.is_of_this_process() {
            without_signals(|| lock(ENTRIES.of(self.process)).retain(|entry| entry.header != self.header));
        }
    }
}

/// Leaves all handles of this process.
fn leave_all(is_orderly: bool) {
    let Some(process) = process::begin_to_exit().filter(|_| is_orderly) else { return };
    let entries = lock(ENTRIES.of(process));
    for entry in &*entries {
        // SAFETY: it is in the list, which is locked.
        unsafe { entry.detaching() }.leave(entry.generation, false);
    }
    // All peers are woken by now.
    let end = Instant::now() + UNLINK_TIMEOUT;
    for entry in &*entries {
        if let Some(name) = &entry.name {
            // SAFETY: the same.
            let file = unsafe { entry.detaching() }.file;
            // The handler has no caller to return an error to: the name stays.
            let _ = removal::unlink_own(name, file, end.saturating_duration_since(Instant::now()));
        }
    }
}

/// Installs the handler, called when the process exits, or when this code is unloaded.
fn install() {
    static IS_INSTALLED: AtomicBool = AtomicBool::new(false);
    if !IS_INSTALLED.load(Ordering::Relaxed) {
        // Set afterwards: a fork of another thread in between finds neither or both. The second call does nothing. If
        // there is no memory for it, peers get `Crashed`.
        IS_INSTALLED.store(handler::install(), Ordering::Relaxed);
    }
}

/// The C library of GNU, which tells its handlers the status.
#[cfg(target_env = "gnu")]
mod handler {
    use super::{PANICKED, c_int, c_void, leave_all};

    unsafe extern "C" {
        // The usual declaration of this function lacks the status: glibc has always passed it as second argument to
        // handlers that `exit` calls, and 0 if the code is unloaded. A test would see it if that changed.
        fn __cxa_atexit(
            handler: extern "C" fn(*mut c_void, c_int),
            argument: *mut c_void,
            code: *const c_void,
        ) -> c_int;

        /// Identifies the code that this is a part of: `dlclose` calls the handlers of what it unloads.
        static __dso_handle: u8;
    }

    extern "C" fn exit(_: *mut c_void, status: c_int) {
        leave_all(status != PANICKED);
    }

    /// Returns whether there is a handler now.
    pub(super) fn install() -> bool {
        let code = (&raw const __dso_handle).cast();
        // SAFETY: the handler lives as long as the code that is named, takes no argument, and may be called at any
        // time.
        unsafe { __cxa_atexit(exit, std::ptr::null_mut(), code) == 0 }
    }
}

/// Any C library: the exit status is unknown.
#[cfg(not(target_env = "gnu"))]
mod handler {
    use super::leave_all;

    extern "C" fn exit() {
        leave_all(true);
    }

    /// Returns whether there is a handler now.
    pub(super) fn install() -> bool {
        // SAFETY: the handler may be called at any time.
        unsafe { libc::atexit(exit) == 0 }
    }
}
