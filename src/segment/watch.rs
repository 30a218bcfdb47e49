//! How a sleeper learns without a timer that the other process may have exited.
//!
//! A thread of this process waits for hints: a writable descriptor of the object was closed (a holder that dies or
//! abandons its role closes its own), the object was truncated, its name was removed (`inotify`); or the process at the
//! other end has exited, though another one may keep its lock (`pidfd`). A hint proves nothing: the sleeper is woken,
//! and checks whether the other end is alive.
//!
//! **The kernel reports a close before it releases the lock of the closed file.** So a hint of that kind is repeated
//! after 1, 8, 64 and 512 ms. A `pidfd` becomes readable only when the process has released everything.
//!
//! The thread is started by the first sleeper of a process, and ends after a second with nothing to watch. If it cannot
//! be started, or the kernel refuses to watch more, sleeps are cut into slices. So they are if another user may read
//! the object, who could requeue a sleeper to another futex ([`FutexWaiter`](super::FutexWaiter)).

use std::cell::Cell;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fs::inotify;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open};

use super::anonymous;
use super::descriptor::avoid_stdio;
use super::holder::{Liveness, Notes};
use super::object;
use super::process::{Epoch, PerProcess, lock, start_thread};
use crate::ring::presence::Presence;
use crate::ring::wait::Watched;

/// The pause before a hint is repeated first; each pause is eight times the one before, up to the longest.
const FIRST_REPEAT: Duration = Duration::from_millis(1);
const LONGEST_REPEAT: Duration = Duration::from_millis(512);

/// How long the thread keeps running with nothing to watch.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// The waker of the thread or task that waits for a handle. Other threads call it when the other end wakes this one, or
/// to give a hint.
#[derive(Debug)]
pub(crate) struct WakerCell(Mutex<WakerState>);

#[derive(Debug, Default)]
struct WakerState {
    waker: Option<Waker>,
    is_hinted: bool,
    /// The process that is known to have exited.
    gone: Option<Notes>,
    /// Whether the watcher's thread gives hints.
    is_watched: bool,
    /// Whether a sleep at the handle needs no bound.
    is_unbounded: bool,
    /// Whether the other end wakes the waiter by a read, so that no driver needs to.
    wakes_by_read: bool,
}

impl WakerCell {
    /// Wakes the waiter, once.
    pub(crate) fn wake(&self) {
        self.take_waker().inspect(Waker::wake_by_ref);
    }

    /// Sets a hint: the waiter wakes and checks the other end.
    pub(crate) fn hint(&self) {
        self.hint_of(None);
    }

    /// The same at the end of a slice, if no watch gives hints.
    pub(crate) fn end_slice(&self) {
        if !lock(&self.0).is_watched {
            self.hint();
        }
    }

    fn hint_of(&self, gone: Option<Notes>) {
        let mut state = lock(&self.0);
        state.is_hinted = true;
        state.gone = gone.or(state.gone);
        drop(state);
        self.wake();
    }

    /// Drops the waker.
    pub(crate) fn forget_waker(&self) {
        drop(self.take_waker());
    }

    /// Takes what wakes whoever waits. It runs code of the user's when it is used or dropped: not under the lock.
    fn take_waker(&self) -> Option<Waker> {
        lock(&self.0).waker.take()
    }

    /// Returns whether a sleep at the handle needs no bound.
    pub(crate) fn is_unbounded(&self) -> bool {
        lock(&self.0).is_unbounded
    }

    /// Stores whether the other end wakes the waiter by a read, and returns what was stored before.
    pub(crate) fn set_wakes_by_read(&self, wakes_by_read: bool) -> bool {
        mem::replace(&mut lock(&self.0).wakes_by_read, wakes_by_read)
    }

    /// Returns whether the other end wakes the waiter by a read.
    pub(crate) fn wakes_by_read(&self) -> bool {
        lock(&self.0).wakes_by_read
    }

    /// Registers the waker of the waiter, unless there is a hint.
    fn register(&self, waker: &Waker) -> Watched {
        let mut state = lock(&self.0);
        if state.is_hinted {
            return Watched::Hinted;
        }
        let is_left = state.waker.as_ref().is_some_and(|left| left.will_wake(waker));
        let before = if is_left { None } else { state.waker.replace(waker.clone()) };
        let is_unbounded = state.is_unbounded;
        drop(state);
        drop(before);
        if is_unbounded { Watched::Unbounded } else { Watched::Bounded }
    }
}

/// The watch of a handle. It is dropped before the descriptor of the ring.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) waker_cell: Arc<WakerCell>,
    process: Epoch,
    /// The presence of the other end when its process was opened.
    last_presence: Cell<Presence>,
}

impl Watch {
    /// Watches the ring behind a descriptor. It starts with a hint, since the other end may have ended before.
    pub(super) fn begin(file: BorrowedFd<'_>, process: Epoch) -> Watch {
        let waker_cell = Arc::new(WakerCell(Mutex::new(WakerState { is_hinted: true, ..WakerState::default() })));
        watcher().map(|watcher| watcher.begin(&waker_cell, file));
        Watch { waker_cell, process, last_presence: Cell::new(Presence::Never) }
    }

    /// Registers a waker, which is called once, as soon as there is a hint. `presence` is that of the other end, and
    /// the notes are those of its process.
    pub(super) fn wait(
        &self,
        waker: &Waker,
        presence: Presence,
        notes: impl FnOnce() -> Notes,
        liveness: &Liveness,
    ) -> Watched {
        if self.last_presence.replace(presence) != presence && matches!(presence, Presence::Attached { .. }) {
            let notes = notes();
            watcher().inspect(|watcher| watcher.watch_process(&self.waker_cell, notes, liveness));
            if liveness.is_gone(notes) {
                self.waker_cell.hint();
            }
        }
        self.waker_cell.register(waker)
    }

    /// Takes a hint, and returns whether there was one; `None` if there was none, and no watch gives any.
    pub(super) fn take_hint(&self, file: BorrowedFd<'_>, liveness: &Liveness) -> Option<bool> {
        let mut state = lock(&self.waker_cell.0);
        if !state.is_hinted {
            return state.is_watched.then_some(false);
        }
        state.is_hinted = false;
        state.gone.take().inspect(|gone| liveness.set_gone(*gone));
        drop(state);
        let is_watched = watcher().is_some_and(|watcher| watcher.watches(&self.waker_cell));
        let is_unbounded = is_watched && !may_be_read_by_others(file);
        let mut state = lock(&self.waker_cell.0);
        (state.is_watched, state.is_unbounded) = (is_watched, is_unbounded);
        Some(true)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.process.is_of_this_process() {
            self.waker_cell.forget_waker();
            watcher().inspect(|watcher| watcher.end(&self.waker_cell));
        } else {
            // The mutex may be locked by a thread of the parent.
            mem::forget(Arc::clone(&self.waker_cell));
        }
    }
}

/// Returns whether a process may read the object that may not write it.
fn may_be_read_by_others(file: BorrowedFd<'_>) -> bool {
    object::stat(file).map_or(true, |stat| stat.st_mode & 0o077 != 0) || anonymous::may_have_readers(file)
}

fn watcher() -> Option<&'static Watcher> {
    static WATCHER: PerProcess<Watcher> = PerProcess::new();
    WATCHER.get().ok()
}

/// The watcher's thread, and what it watches.
#[derive(Debug, Default)]
struct Watcher(Mutex<Option<Poller>>);

/// What the thread polls while it runs.
#[derive(Debug)]
struct Poller {
    epoll: Arc<OwnedFd>,
    inotify: OwnedFd,
    entries: Vec<Entry>,
}

/// What is watched for a handle.
#[derive(Debug)]
struct Entry {
    /// Its address identifies the entry.
    waker_cell: Arc<WakerCell>,
    /// The `inotify` watch of the object.
    object: i32,
    /// When the hint is repeated, and the pause before that.
    repeat: Option<(Instant, Duration)>,
    /// The process at the other end.
    holder: Option<(Notes, OwnedFd)>,
}

impl Poller {
    fn open() -> Result<Poller, Errno> {
        let inotify =
            inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).and_then(avoid_stdio)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).and_then(avoid_stdio)?;
        epoll::add(&epoll, &inotify, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        Ok(Poller { epoll: Arc::new(epoll), inotify, entries: Vec::new() })
    }

    /// Returns the entry with this address.
    fn find(&mut self, address: usize) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| address_of(&entry.waker_cell) == address)
    }

    /// Stops watching the process at the other end, and returns its notes; with `if_gone`, only if it has exited: the
    /// event may be one of its predecessor.
    fn close_holder(&mut self, address: usize, if_gone: bool) -> Option<Notes> {
        let holder = &mut self.find(address)?.holder;
        if if_gone && !is_readable(&holder.as_ref()?.1) {
            return None;
        }
        let (notes, descriptor) = holder.take()?;
        // A forked child may have the descriptor, too.
        let _ = epoll::delete(&self.epoll, descriptor);
        Some(notes)
    }

    /// Reads what has happened to the objects.
    fn read(&mut self, buffer: &mut [MaybeUninit<u8>], now: Instant, hints: &mut Vec<(Arc<WakerCell>, Option<Notes>)>) {
        let mut reader = inotify::Reader::new(self.inotify.as_fd(), buffer);
        while let Ok(event) = reader.next() {
            let (object, what) = (event.wd(), event.events());
            // If the queue has overflowed, any object may have changed.
            let concerned = |entry: &&mut Entry| object == -1 || entry.object == object;
            for entry in self.entries.iter_mut().filter(concerned) {
                hints.push((Arc::clone(&entry.waker_cell), None));
                if what.intersects(inotify::ReadFlags::CLOSE_WRITE | inotify::ReadFlags::QUEUE_OVERFLOW) {
                    entry.repeat = Some((now + FIRST_REPEAT, FIRST_REPEAT));
                }
            }
        }
    }

    /// Repeats the hints that are due, and returns the time until the next one.
    fn repeat_hints(&mut self, now: Instant, hints: &mut Vec<(Arc<WakerCell>, Option<Notes>)>) -> Option<Duration> {
        for entry in &mut self.entries {
            if let Some((_, pause)) = entry.repeat.filter(|(when, _)| *when <= now) {
                hints.push((Arc::clone(&entry.waker_cell), None));
                entry.repeat = Some((now + 8 * pause, 8 * pause)).filter(|_| pause < LONGEST_REPEAT);
            }
        }
        let next = self.entries.iter().filter_map(|entry| Some(entry.repeat?.0)).min();
        next.map(|when| when.saturating_duration_since(now))
    }
}

fn is_readable(descriptor: &OwnedFd) -> bool {
    poll(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(&Timespec::default())) == Ok(1)
}

fn address_of(waker_cell: &Arc<WakerCell>) -> usize {
    Arc::as_ptr(waker_cell).addr()
}

impl Watcher {
    /// Watches an object for a handle, from now on.
    fn begin(&'static self, waker_cell: &Arc<WakerCell>, file: BorrowedFd<'_>) -> Option<()> {
        let mut guard = lock(&self.0);
        if guard.is_none() {
            let poller = Poller::open().ok()?;
            let epoll = Arc::clone(&poller.epoll);
            start_thread("ringmain-watch", move || self.run(&epoll)).ok()?;
            *guard = Some(poller);
        }
        let poller = guard.as_mut()?;
        // An open, and a close of a read-only descriptor, are no hints.
        let what = inotify::WatchFlags::CLOSE_WRITE
            | inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::ATTRIB
            | inotify::WatchFlags::MOVE_SELF;
        let object = inotify::add_watch(&poller.inotify, anonymous::path_of(file.as_raw_fd()), what).ok()?;
        poller.entries.push(Entry { waker_cell: Arc::clone(waker_cell), object, repeat: None, holder: None });
        Some(())
    }

    /// Watches the process at the other end, if its notes are of this namespace, instead of its predecessor.
    fn watch_process(&self, waker_cell: &Arc<WakerCell>, notes: Notes, liveness: &Liveness) {
        let mut guard = lock(&self.0);
        let Some(poller) = guard.as_mut() else { return };
        poller.close_holder(address_of(waker_cell), false);
        let opened = liveness
            .other_process(notes)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).and_then(avoid_stdio).ok());
        let Some(descriptor) = opened else { return };
        let data = epoll::EventData::new_u64(address_of(waker_cell) as u64);
        let is_watched = epoll::add(&poller.epoll, &descriptor, data, epoll::EventFlags::IN).is_ok();
        if let Some(entry) = poller.find(address_of(waker_cell)).filter(|_| is_watched) {
            entry.holder = Some((notes, descriptor));
        }
    }

    fn watches(&self, waker_cell: &Arc<WakerCell>) -> bool {
        lock(&self.0).as_mut().is_some_and(|poller| poller.find(address_of(waker_cell)).is_some())
    }

    /// Ends the watch of a handle.
    fn end(&self, waker_cell: &Arc<WakerCell>) {
        let mut guard = lock(&self.0);
        let Some(poller) = guard.as_mut() else { return };
        poller.close_holder(address_of(waker_cell), false);
        let Some(at) = poller.entries.iter().position(|entry| Arc::ptr_eq(&entry.waker_cell, waker_cell)) else {
            return;
        };
        let entry = poller.entries.swap_remove(at);
        if poller.entries.iter().all(|other| other.object != entry.object) {
            // The thread gets an event, and then checks whether an entry is left.
            let _ = inotify::remove_watch(&poller.inotify, entry.object);
        }
    }

    /// Runs the thread.
    fn run(&self, epoll: &OwnedFd) {
        let (mut events, mut buffer) = (Vec::with_capacity(16), [MaybeUninit::uninit(); 4096]);
        let mut limit = Some(IDLE_TIMEOUT);
        loop {
            let timeout = limit.and_then(|limit| Timespec::try_from(limit).ok());
            events.clear();
            let waited = epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref());
            let mut hints = Vec::new();
            let mut guard = lock(&self.0);
            let Some(poller) = guard.as_mut() else { return };
            let is_needed = waited != Ok(0) || !poller.entries.is_empty();
            if !is_needed || !matches!(waited, Ok(_) | Err(Errno::INTR)) {
                // If the wait fails, each handle gets a hint, and checks by itself from then on.
                let poller = guard.take();
                drop(guard);
                poller.into_iter().flat_map(|poller| poller.entries).for_each(|entry| entry.waker_cell.hint());
                return;
            }
            let now = Instant::now();
            for event in &events {
                match event.data.u64() as usize {
                    0 => poller.read(&mut buffer, now, &mut hints),
                    address => {
                        let gone = poller.close_holder(address, true);
                        hints.extend(poller.find(address).map(|entry| (Arc::clone(&entry.waker_cell), gone)));
                    }
                }
            }
            limit = poller.repeat_hints(now, &mut hints).or(poller.entries.is_empty().then_some(IDLE_TIMEOUT));
            drop(guard);
            hints.into_iter().for_each(|(waker_cell, gone)| waker_cell.hint_of(gone));
        }
    }
}
