//! The shared segment, and the only place that talks to the operating system.
//!
//! A [`Segment`] is one role in one ring: the mapping, which keeps the lock on the role, and a second descriptor, which
//! holds no lock. It is the [`Memory`] of the algorithms in production.

#![allow(unsafe_code, reason = "implements the unsafe trait Memory over a mapping")]

pub(crate) mod anonymous;
mod attach;
pub(crate) mod descriptor;
mod detach;
mod directory;
mod event;
mod exit;
mod futex;
mod holder;
mod inspection;
mod layout;
mod mapping;
mod object;
mod path;
mod process;
mod removal;
mod request;
mod requirements;
mod reserved;
mod roles;
pub(crate) mod transfer;
mod unmapped;
mod waker;
mod watch;

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task;
use std::time::Duration;

pub(crate) use event::Event;
pub(crate) use futex::{FutexWaiter, Membarrier, WakeWord};
pub(crate) use inspection::names;
pub use inspection::{End, Inspection, Permissions};
pub use layout::Features;
pub(crate) use layout::Identity;
pub use process::Epoch;
pub(crate) use process::{PerProcess, lock, start_thread};
pub use removal::{unlink, unlink_if_free, unlink_within};
pub use request::Creation;
pub(crate) use request::{Place, Request};
pub(crate) use requirements::{Parameters, Requirements};
pub use roles::PeerState;
pub use waker::Waker;
pub(crate) use watch::WakerCell;

pub(crate) use rustix::param::page_size;

use crate::error::{ANONYMOUS, Error};
use crate::ring::ends::Ends;
use crate::ring::memory::{Memory, Parking, Role};
use crate::ring::park;
use crate::ring::presence::{self, Presence};
use crate::ring::wait::Watched;
use attach::Attached;
use detach::Detaching;
use exit::{Entry, Registration};
use futex::WakeOnDrop;
use holder::{Liveness, Notes};
use layout::Header;
use mapping::{Mapping, WipedOnFork};
use roles::Lock;
use watch::Watch;

/// Returns the effective user of this process.
pub(crate) fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// One role in one mapped ring.
pub struct Segment {
    /// Leaves the role when the process exits. The first field, so dropped first: it refers to the header and the
    /// descriptor.
    at_exit: Option<Registration>,
    /// Points into `mapping`.
    header: NonNull<Header>,
    /// Points into `mapping`, after the header.
    data: NonNull<u8>,
    len: usize,
    /// The identity of the ring, as it was checked at attach: these words are never loaded again.
    pub(crate) identity: Box<Identity>,
    role: Role,
    /// Counts the holders of the role; 0 before this one has stored that it attached, and after it has stored that it
    /// detached.
    pub(crate) generation: u64,
    /// `None` if it has none. The descriptor that led to it is not kept: its owner closes it.
    name: Option<String>,
    unlink_on_close: bool,
    close_on_exit: bool,
    membarrier: Membarrier,
    /// Whether this end sleeps at every message.
    parks_always: bool,
    /// Checks whether the process at the other end is alive.
    liveness: Liveness,
    futex_waiter: FutexWaiter,
    /// Ends a wait of this end from another thread; `None` if there is none.
    waker: Option<Waker>,
    /// Gives hints that the other process may have exited; `None` if this end has not slept in a set or by a driver.
    watch: Option<Watch>,
    /// Holds no lock.
    descriptor: OwnedFd,
    /// Where the handle keeps its positions.
    own: WipedOnFork,
    /// Keeps the addresses, and the lock on the role. Dropped after all that needs them: the role is given back last.
    mapping: Mapping,
    /// Wakes the other end after the lock on the role is given back, so it is dropped after the mapping.
    wake_on_drop: Option<WakeOnDrop>,
}

// SAFETY: the addresses are those of the mapping that it owns, which is the same from every thread of the process, and
// the role follows the open file description, not the thread.
unsafe impl Send for Segment {}

impl Segment {
    /// Attaches as `role` to the ring that is asked for.
    pub(crate) fn attach(request: &Request, role: Role, requirements: &Requirements) -> Result<Segment, Error> {
        let Attached { mapping, identity, descriptor } = attach::attach(request, Some(role), requirements)?;
        let (data, len) = mapping.data();
        Ok(Segment {
            at_exit: None,
            header: mapping.header(),
            data,
            len,
            identity,
            role,
            generation: 0,
            name: request.place.is_named().then(|| request.place.name().to_owned()),
            unlink_on_close: request.unlink_on_close,
            close_on_exit: request.close_on_exit,
            membarrier: Membarrier::register(),
            parks_always: request.parks_always,
            liveness: Liveness::new(),
            futex_waiter: FutexWaiter::default(),
            waker: None,
            watch: None,
            descriptor,
            own: WipedOnFork::new()?,
            mapping,
            wake_on_drop: None,
        })
    }

    /// Creates the ring that is asked for, if it is missing, and returns a descriptor of it that holds no lock.
    pub(crate) fn create(request: &Request, requirements: &Requirements) -> Result<OwnedFd, Error> {
        Ok(attach::attach(request, None, requirements)?.descriptor)
    }

    /// Stores that this process is attached.
    pub(crate) fn enter(&mut self) {
        self.generation = presence::store_attached(&self.header().slot(self.role).presence, &[]);
        if self.close_on_exit {
            let entry = Entry {
                header: self.header,
                descriptor: self.descriptor.as_raw_fd(),
                role: self.role,
                generation: self.generation,
                name: self.name.clone().filter(|_| self.unlink_on_close),
            };
            // SAFETY: mapping and descriptor are fields after the registration: they are dropped after it, or leaked
            // with it.
            self.at_exit = Some(unsafe { Registration::new(entry, self.mapping.process) });
        }
    }

    /// Returns the presence of the other role, and whether its holder is alive. By the same check as waits make: an end
    /// that a wait has reported must not be reported to a handle that attaches after it.
    pub(crate) fn peer_now(&self) -> (Presence, bool) {
        let presence = presence::observe(self.presence(self.role.peer()));
        (presence, self.peer_state(true) == PeerState::Alive)
    }

    /// Returns which ends of the other role this holder has to report, which has just attached and found the other role
    /// so. Whether a consumer has something to read is checked after that, so that it finds all that a producer sent
    /// before it detached.
    pub(crate) fn ends(&self, (presence, is_there): (Presence, bool), has_data: bool) -> Ends {
        Ends::attach(self, self.role, presence, is_there, has_data)
    }

    /// Says whether this end sleeps at every message.
    pub(crate) fn set_parks_always(&mut self, parks_always: bool) {
        self.parks_always = parks_always;
    }

    /// Returns the waker that ends a wait of this end.
    pub(crate) fn waker(&mut self) -> Waker {
        self.waker.get_or_insert_with(Waker::new).clone()
    }

    /// Takes a call of that waker, and returns whether there was one.
    pub(crate) fn was_called(&self) -> bool {
        self.waker.as_ref().is_some_and(Waker::take)
    }

    /// Registers a waker, which is called once when the other process may have exited.
    pub(crate) fn watch(&mut self, waker: &task::Waker) -> Watched {
        self.waker_cell();
        let slot = self.header().slot(self.role.peer());
        let (presence, notes) = (presence::observe(&slot.presence), || Notes::read(slot));
        self.watch.as_ref().map_or(Watched::Bounded, |watch| watch.wait(waker, presence, notes, &self.liveness))
    }

    /// Takes such a hint, and returns whether there was one; `None` if there was none, and no watch gives any.
    pub(crate) fn take_hint(&self) -> Option<bool> {
        self.watch.as_ref()?.take_hint(self.descriptor.as_fd(), &self.liveness)
    }

    /// Returns the cell in which a waiter registers its waker.
    pub(crate) fn waker_cell(&mut self) -> &Arc<WakerCell> {
        let begin = || Watch::begin(self.descriptor.as_fd(), self.mapping.process);
        &self.watch.get_or_insert_with(begin).waker_cell
    }

    /// Maps the word by which the other end wakes this one.
    pub(crate) fn wake_word(&self) -> Result<WakeWord, Error> {
        WakeWord::map(self.descriptor.as_fd(), self.role.peer())
    }

    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(ANONYMOUS)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.identity.capacity as usize
    }

    /// Finds out the state of the other role, in at most two system calls; `closely` for a wait, which has the time to
    /// read `/proc`: once in 100 ms. If this is not the process of the handle, nobody has attached.
    pub(crate) fn peer_state(&self, closely: bool) -> PeerState {
        if !self.in_own_process() {
            return PeerState::Never;
        }
        let (peer, liveness) = (self.role.peer(), &self.liveness);
        let is_gone = |notes| if closely { liveness.is_gone_rate_limited(notes) } else { liveness.is_absent(notes) };
        // The same call on the same kind of descriptor worked at attach. If it ever fails, a peer that may be alive
        // must not count as dead.
        roles::state(peer, || self.header().slot(peer), self.descriptor.as_fd(), is_gone).unwrap_or(PeerState::Alive)
    }

    /// Returns whether the name of the ring was removed, or refers to another object: no other process can attach. A
    /// ring without a name is never orphaned: a process with a descriptor can attach.
    pub(crate) fn is_orphaned(&self) -> bool {
        let name = self.name.as_ref();
        name.is_some_and(|name| object::is_orphaned(name, self.descriptor.as_fd()).unwrap_or(false))
    }

    /// Returns the length of the object and its length at attach, if another process has truncated it.
    pub(crate) fn truncated(&self) -> Option<(u64, u64)> {
        let data_offset = self.data.as_ptr() as usize - self.header.as_ptr() as usize;
        let expected = (data_offset + self.len) as u64;
        let len = object::stat(self.descriptor.as_fd()).ok()?.st_size as u64;
        (len < expected).then_some((len, expected))
    }

    /// Takes the generation, for the one time that its holder detaches.
    ///
    /// `None` if it has detached, in a forked child, and if the process is exiting: the mapping may be missing, and
    /// must not be accessed.
    fn take_generation(&mut self) -> Option<u64> {
        if !self.in_own_process() {
            return None;
        }
        Some(std::mem::take(&mut self.generation)).filter(|&generation| generation > 0)
    }

    /// Stores once that this holder detached in order, and returns whether it did so now. If it hands the ring over,
    /// nothing counts as told.
    pub(crate) fn leave(&mut self, hands_over: bool) -> bool {
        let Some(generation) = self.take_generation() else { return false };
        self.detaching().leave(generation, hands_over);
        self.at_exit = None;
        true
    }

    fn detaching(&self) -> Detaching<'_> {
        Detaching { header: self.header(), file: self.descriptor.as_fd(), role: self.role }
    }

    /// Gives the role back, when this is dropped, as a killed process would: no presence is stored, the name stays, and
    /// the other end is woken to check.
    pub(crate) fn abandon(&mut self) {
        if self.take_generation().is_some() {
            self.at_exit = None;
            self.unlink_on_close = false;
            self.detaching().clear_requests();
            // Without it a sleeper checks after its slice.
            self.wake_on_drop = WakeWord::map(self.descriptor.as_fd(), self.role).ok().map(WakeOnDrop);
        }
    }

    /// Keeps all processes that are not attached from writing the ring.
    pub(crate) fn seal(&self) -> Result<(), Error> {
        let refused = |reason| Err(Error::Unsealable { name: self.name().to_owned(), reason });
        if !self.in_own_process() {
            refused("is that of the parent of this process")
        } else if self.name.is_some() {
            refused("has a name, and the system seals no object that has one")
        } else if !anonymous::seal_against_writers(self.descriptor.as_fd())? {
            refused("was not created by Options::sealable(true)")
        } else {
            Ok(())
        }
    }

    /// Removes the name, if that was asked for and it still refers to this ring.
    pub(crate) fn unlink_if_asked(&mut self) -> Result<(), Error> {
        match (std::mem::take(&mut self.unlink_on_close), &self.name) {
            (true, Some(name)) => removal::unlink_own(name, self.descriptor.as_fd(), removal::UNLINK_TIMEOUT),
            _ => Ok(()),
        }
    }

    /// Returns the descriptor that holds no lock.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Returns an event of reads of the object, if the kernel allows this process one more.
    pub(crate) fn event_of_reads(&self) -> Option<Event> {
        // A driver that may not call `membarrier` loads the word a thousand times a second.
        if self.membarrier.is_allowed { Event::of_reads(self.descriptor.as_fd()) } else { None }
    }

    /// Returns whether the holder of the other role reads the object when it wakes this one, if this one asks for that.
    pub(crate) fn peer_reads(&self) -> bool {
        Lock::Reads(self.role.peer()).is_held(self.descriptor.as_fd()).unwrap_or(false)
    }

    /// Returns one more descriptor that holds no lock.
    pub(crate) fn descriptor_to_keep(&self) -> Result<OwnedFd, Error> {
        self.descriptor.try_clone().map_err(|error| object::os("fcntl(F_DUPFD_CLOEXEC)", error))
    }

    #[inline(always)]
    fn header(&self) -> &Header {
        // SAFETY: the mapping is at least as long as a header, lives as long as `self`, and every byte of a header is
        // an atomic or padding, so whatever a peer writes there is a value.
        unsafe { self.header.as_ref() }
    }

    /// Returns the address of the `len` bytes at `offset` of the data area.
    ///
    /// # Safety
    ///
    /// They lie within the data area, or within it and its mirror.
    #[inline(always)]
    unsafe fn address(&self, offset: usize, len: usize) -> *mut u8 {
        debug_assert!(offset + len <= self.len || self.mapping.is_mirrored() && offset + len <= 2 * self.len);
        // SAFETY: the caller's promise.
        unsafe { self.data.add(offset) }.as_ptr()
    }
}

// SAFETY: header and data lie in the mapping, which is never moved, resized or given up before the segment is dropped;
// the data area starts at a page, and `len` is what the mapping holds of it once; if it is mirrored, the same pages are
// mapped again after it. The role's lock keeps others of this protocol away from the words and bytes of this role.
// `own` points into a page that lives as long as the segment, and is used by this handle's cursor alone.
unsafe impl Memory for Segment {
    type Word = AtomicU64;
    type Parking = Segment;
    type Read<'a> = *const u8;
    type Write<'a> = *mut u8;

    #[inline(always)]
    fn tail(&self) -> &AtomicU64 {
        &self.header().tail
    }

    #[inline(always)]
    fn head(&self) -> &AtomicU64 {
        &self.header().head
    }

    fn presence(&self, role: Role) -> &AtomicU64 {
        &self.header().slot(role).presence
    }

    fn told(&self) -> &AtomicU64 {
        &self.header().consumer.needed_or_told
    }

    #[inline(always)]
    fn parking(&self) -> Option<&Segment> {
        Some(self)
    }

    fn len(&self) -> usize {
        self.len
    }

    fn is_mirrored(&self) -> bool {
        self.mapping.is_mirrored()
    }

    #[inline(always)]
    fn in_own_process(&self) -> bool {
        self.mapping.process.is_current()
    }

    fn own(&self, _role: Role) -> NonNull<[u64; 2]> {
        self.own.words()
    }

    /// Detaches by system calls: another process may have truncated the object, and a store would raise `SIGBUS`.
    fn detach(&mut self) {
        if std::thread::panicking() {
            // A handle that a panic drops does not leave in order.
            self.abandon();
        } else if self.leave(false) {
            // A name that cannot be removed stays; `close` returns the error.
            drop(self.unlink_if_asked());
        }
    }

    #[inline(always)]
    unsafe fn header(&self, offset: usize) -> &AtomicU64 {
        debug_assert!(offset % 8 == 0 && offset < self.len);
        // SAFETY: the caller stays within the data area.
        let word = unsafe { self.data.add(offset) };
        // SAFETY: the word is aligned, like the data area and the offset, and mapped for as long as `self` lives; every
        // other access to it is atomic, or one that the compiler cannot see into.
        unsafe { AtomicU64::from_ptr(word.as_ptr().cast()) }
    }

    #[inline(always)]
    unsafe fn read(&self, offset: usize, len: usize) -> *const u8 {
        // SAFETY: the caller stays within the data area, or within it and its mirror.
        unsafe { self.address(offset, len) }
    }

    #[inline(always)]
    unsafe fn write(&self, offset: usize, len: usize) -> *mut u8 {
        // SAFETY: the caller stays within the data area, or within it and its mirror.
        unsafe { self.address(offset, len) }
    }

    #[inline(always)]
    fn prefetch(&self, offset: usize) {
        let address = self.data.as_ptr().wrapping_add(offset);
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch accesses nothing, whatever the address is.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = address;
    }

    #[inline(always)]
    fn prefetch_to_write(&self, offset: usize) {
        let address = self.data.as_ptr().wrapping_add(offset);
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: a prefetch accesses nothing, whatever the address is; a processor that lacks it does nothing. The
        // hint of the standard library takes the line for reading only, which does not help.
        unsafe {
            std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = address;
    }
}

impl Parking for Segment {
    type Word = AtomicU64;

    #[inline(always)]
    fn parking(&self, role: Role) -> &AtomicU64 {
        &self.header().slot(role).parking
    }

    #[inline(always)]
    fn wakes(&self, role: Role) -> &AtomicU64 {
        &self.header().slot(role).wakes
    }

    #[inline(always)]
    fn wanted(&self, role: Role) -> &AtomicU64 {
        &self.header().slot(role).wanted
    }

    fn needed(&self) -> &AtomicU64 {
        &self.header().producer.needed_or_told
    }

    fn wake(&self, role: Role, reads: bool) {
        if !(if reads { object::read(self.descriptor.as_fd()) } else { futex::wake(self.wakes(role)) }) {
            // A handle that sleeps checks again after its slice, and any other sleeper gets a hint by this.
            object::touch(self.descriptor.as_fd());
        }
    }

    fn sleep(&self, role: Role, wakes: u64, limit: Duration) {
        self.futex_waiter.sleep(self.wakes(role), wakes, self.waker.as_ref().map(Waker::word), limit);
    }

    fn is_registered(&self) -> bool {
        self.membarrier.is_registered
    }

    fn asks_for_fences(&self) -> bool {
        self.parks_always || !self.membarrier.is_allowed
    }

    /// A compiler fence would make it load the handle's own positions again at each call, which costs more than all
    /// else (docs/performance.md). Assembly that reads memory and writes none keeps the same order: what was stored
    /// before is stored before it, and what was known stays known.
    #[cfg(all(target_arch = "x86_64", not(any(miri, portable_copies))))]
    #[inline(always)]
    fn load_after_publish(&self, role: Role) -> u64 {
        use std::mem::offset_of;

        /// Where in the header a slot keeps its parking word.
        const PARKING: usize = offset_of!(layout::RoleWords, parking);

        /// Loads the word at this offset of a header.
        #[inline(always)]
        fn load<const OFFSET: usize>(header: NonNull<Header>) -> u64 {
            let word: u64;
            // SAFETY: the offset is that of a word of the header, which is mapped for as long as its segment lives; an
            // aligned load of eight bytes is atomic, and has no other effect.
            unsafe {
                std::arch::asm!(
                    "mov {word}, qword ptr [{header} + {offset}]",
                    word = lateout(reg) word,
                    header = in(reg) header.as_ptr(),
                    offset = const OFFSET,
                    options(nostack, preserves_flags, readonly)
                );
            }
            word
        }

        match role {
            Role::Producer => load::<{ offset_of!(Header, producer) + PARKING }>(self.header),
            Role::Consumer => load::<{ offset_of!(Header, consumer) + PARKING }>(self.header),
        }
    }

    #[inline(always)]
    fn fence_to_publish(&self, full: bool) {
        if full { park::full_fence() } else { park::light_fence() }
    }

    fn fence_to_sleep(&self, publisher_fences: bool) -> bool {
        park::full_fence();
        publisher_fences || (self.membarrier.is_allowed && futex::barrier())
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Segment")
            .field("name", &self.name())
            .field("role", &self.role)
            .field("generation", &self.generation)
            .field("capacity", &self.identity.capacity)
            .finish_non_exhaustive()
    }
}
