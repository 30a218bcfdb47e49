//! What a process that exits does for the handles that it still has: those in statics, and those that were leaked.
//!
//! `exit`, and `main` when it returns, call a handler that is registered once per process. It first refuses all handles
//! of the process ([`process::begin_to_exit`]), then says for each that it leaves and wakes its peer, then
//! removes the names that were to be removed.
//!
//! The handler takes no lock and allocates nothing: nodes are linked once, for ever, and are used again. A node passes
//! from one owner to the next by its state, which names the process, so that a forked child leaves the nodes of its
//! parent alone. What a node says stays true while it is armed: the mapping and the descriptor of a handle are given
//! back after its [`Registration`], and a drop that meets the handler waits for it. Other threads may still run: each
//! handle is refused when it next loads the other end's position, and until then may publish after its end was told.

#![allow(unsafe_code, reason = "a handler of the C library's, which reaches headers by their addresses")]

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::hint::spin_loop;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::layout::Header;
use super::leave::Parting;
use super::object::{self, NAME_MAX};
use super::process::{self, Epoch};
use crate::ring::memory::Role;

/// How long the handler waits at most for its turns to remove names, however many there are.
const PATIENCE: Duration = Duration::from_millis(100);

/// The exit status of a Rust program whose `main` has panicked.
const PANICKED: c_int = 101;

/// What the handler needs of a handle. Nothing of it moves when the handle does.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    /// The header of a mapping that outlives the registration.
    pub(super) header: NonNull<Header>,
    /// A descriptor that outlives it.
    pub(super) descriptor: BorrowedFd<'a>,
    pub(super) role: Role,
    pub(super) generation: u64,
    /// The name that is to be removed.
    pub(super) name: Option<&'a str>,
}

/// The same, kept in a node.
#[derive(Clone, Copy)]
struct Kept {
    header: NonNull<Header>,
    descriptor: RawFd,
    role: Role,
    generation: u64,
    /// As long as `name_len` says; 0 if no name is to be removed.
    name: [u8; NAME_MAX],
    name_len: usize,
}

impl Kept {
    fn of(entry: Entry<'_>) -> Kept {
        let mut kept = Kept {
            header: entry.header,
            descriptor: entry.descriptor.as_raw_fd(),
            role: entry.role,
            generation: entry.generation,
            name: [0; NAME_MAX],
            name_len: 0,
        };
        if let Some(name) = entry.name {
            kept.name[..name.len()].copy_from_slice(name.as_bytes());
            kept.name_len = name.len();
        }
        kept
    }

    /// # Safety
    ///
    /// The node that this was read from is not given back yet.
    unsafe fn descriptor(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor outlives the registration.
        unsafe { BorrowedFd::borrow_raw(self.descriptor) }
    }

    /// Says that the handle leaves in order, and wakes its peer.
    ///
    /// # Safety
    ///
    /// The node that this was read from is not given back yet.
    unsafe fn leave(&self) {
        // SAFETY: the same promise.
        let descriptor = unsafe { self.descriptor() };
        // SAFETY: the mapping outlives the registration, and every byte of a header is an atomic or padding.
        let header = unsafe { self.header.as_ref() };
        Parting { header, file: descriptor, role: self.role }.leave(self.generation, false);
    }

    /// Removes the name, if that was asked for and it still refers to this ring. Waits for its turn up to `patience`.
    ///
    /// # Safety
    ///
    /// The node that this was read from is not given back yet.
    unsafe fn unlink(&self, patience: Duration) {
        // It was a `str` when it was kept, and is empty if none is to be removed.
        if let Some(name) = std::str::from_utf8(&self.name[..self.name_len]).ok().filter(|name| !name.is_empty()) {
            // SAFETY: the same promise.
            let descriptor = unsafe { self.descriptor() };
            // There is nobody to tell of a name that stays.
            let _ = object::unlink_own(name, descriptor, patience);
        }
    }
}

/// Where a handle is kept.
struct Node {
    next: *const Node,
    /// The number of the process times 4, plus the state of the node.
    state: AtomicU64,
    kept: UnsafeCell<MaybeUninit<Kept>>,
}

// SAFETY: `next` never changes once the node is linked, and only the owner that the state names accesses what is kept.
unsafe impl Sync for Node {}

/// Nobody's.
const FREE: u64 = 0;

/// Written by the thread that registers.
fn filling(epoch: Epoch) -> u64 {
    4 * epoch.number() + 1
}

/// Its handle is left when the process exits.
fn armed(epoch: Epoch) -> u64 {
    4 * epoch.number() + 2
}

/// Read by the handler.
fn leaving(epoch: Epoch) -> u64 {
    4 * epoch.number() + 3
}

/// The node that was linked last.
static NODES: AtomicPtr<Node> = AtomicPtr::new(ptr::null_mut());

/// Visits all nodes.
fn nodes() -> impl Iterator<Item = &'static Node> {
    // Pairs with the Release in `Node::link`.
    let mut node = NODES.load(Ordering::Acquire).cast_const();
    std::iter::from_fn(move || {
        // SAFETY: null, or a node that was linked: it is never freed, and never changed except through its atomics and
        // its cell.
        let found = unsafe { node.as_ref() }?;
        node = found.next;
        Some(found)
    })
}

impl Node {
    /// Links a new node, which has this state.
    fn link(state: u64) -> &'static Node {
        let mut node = Box::new(Node {
            next: ptr::null(),
            state: AtomicU64::new(state),
            kept: UnsafeCell::new(MaybeUninit::uninit()),
        });
        loop {
            let last = NODES.load(Ordering::Relaxed);
            node.next = last;
            let address = Box::into_raw(node);
            // The nodes after it were linked by Releases that this one continues.
            match NODES.compare_exchange(last, address, Ordering::Release, Ordering::Relaxed) {
                // SAFETY: made from a box a moment ago, and never freed.
                Ok(_) => return unsafe { &*address },
                // SAFETY: made from a box a moment ago, and seen by nobody.
                Err(_) => node = unsafe { Box::from_raw(address) },
            }
        }
    }

    /// Passes the node from one state to another, if it has the first.
    fn pass(&self, from: u64, to: u64) -> bool {
        // Acquire: what the owner before did with the node is done.
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Reads what is kept.
    ///
    /// # Safety
    ///
    /// The caller has passed the node from armed to leaving, and not given it back.
    unsafe fn read(&self) -> Kept {
        // SAFETY: nobody writes while the state is leaving.
        let kept = unsafe { self.kept.get().read() };
        // SAFETY: written before the node was armed.
        unsafe { kept.assume_init() }
    }
}

/// A handle that is left in order when its process exits. Dropping it ends that.
///
/// It is dropped before the mapping and the descriptor that its entry names.
#[derive(Debug)]
pub(super) struct Registration {
    node: &'static Node,
    epoch: Epoch,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Node").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Registration {
    /// Registers a handle to be left when the process exits.
    ///
    /// # Safety
    ///
    /// Header and descriptor are there until the registration is dropped, or for ever if it is leaked.
    pub(super) unsafe fn new(entry: Entry<'_>, epoch: Epoch) -> Registration {
        install();
        let free = nodes().find(|node| node.pass(FREE, filling(epoch)));
        let node = free.unwrap_or_else(|| Node::link(filling(epoch)));
        // SAFETY: the state is filling, by this thread: nobody else accesses it.
        unsafe { node.kept.get().write(MaybeUninit::new(Kept::of(entry))) };
        // Pairs with the Acquire in `pass`.
        node.state.store(armed(epoch), Ordering::Release);
        Registration { node, epoch }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // In a forked child the node is a copy of the parent's, which nobody reads.
        if !self.epoch.is_of_this_process() || self.node.pass(armed(self.epoch), FREE) {
            return;
        }
        // The handler reads the header and the descriptor, and is soon done.
        let mut looks = 0_u32;
        while self.node.state.load(Ordering::Acquire) == leaving(self.epoch) {
            looks = looks.saturating_add(1);
            if looks < 100 { spin_loop() } else { thread::yield_now() }
        }
    }
}

/// Leaves all handles of this process.
fn leave_all(is_orderly: bool) {
    let Some(epoch) = process::begin_to_exit() else { return };
    if !is_orderly {
        return;
    }
    for node in nodes().filter(|node| node.pass(armed(epoch), leaving(epoch))) {
        // SAFETY: passed to leaving just now.
        let kept = unsafe { node.read() };
        // SAFETY: the node is given back below.
        unsafe { kept.leave() };
    }
    // All peers know by now.
    let end = Instant::now() + PATIENCE;
    for node in nodes().filter(|node| node.state.load(Ordering::Relaxed) == leaving(epoch)) {
        // SAFETY: passed to leaving above, by this thread: the others have found that the process exits already.
        let kept = unsafe { node.read() };
        // SAFETY: the node is given back below.
        unsafe { kept.unlink(end.saturating_duration_since(Instant::now())) };
        // Pairs with the Acquire of a drop that waits.
        node.state.store(FREE, Ordering::Release);
    }
}

/// Installs the handler, called when the process exits, or when this code is unloaded.
fn install() {
    static IS_INSTALLED: AtomicBool = AtomicBool::new(false);
    if !IS_INSTALLED.load(Ordering::Relaxed) {
        // Set afterwards: a fork of another thread in between finds neither or both. The second call does nothing. If
        // there is no memory for it, peers are told of a crash.
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
