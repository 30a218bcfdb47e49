//! How a sleeper learns that the other end may have ended, without a timer.
//!
//! A thread of this process waits for hints: that a descriptor of the ring was closed that could write it (a holder
//! that dies or abandons its role closes its own), that the ring was shortened, that its name was removed (`inotify`);
//! or that the process at the other end is gone, though something may keep its lock (a descriptor of that process). A
//! hint proves nothing. Whoever sleeps is woken, and asks the system how the other end is.
//!
//! **The system tells of a close before it gives back the lock of what is closed.** So a hint of that kind is given
//! again, after 1, 8, 64 and 512 ms. The descriptor of a process becomes readable only when all that was its own is
//! given back.
//!
//! The thread is started by the first sleeper of a process, and ends when there has been nothing to watch for a second.
//! If it cannot be started, or the system watches no more, sleeps are cut into slices. They are so too where another
//! user may read the ring, who could move a sleeper away from the word by which it is woken ([`Bed`](super::Bed)).

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
use super::descriptor::lift;
use super::holder::{Looker, Notes};
use super::object;
use super::process::{Epoch, PerProcess, lock, start_thread};
use crate::ring::presence::Presence;
use crate::ring::wait::Watched;

/// After how long a hint is given again first; each time after eight times as long, up to the longest.
const AGAIN: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(512);

/// For how long the thread stays when there is nothing to watch.
const LINGER: Duration = Duration::from_secs(1);

/// Where whoever waits at a handle leaves what wakes it. Other threads find it there, when there is a wake of the other
/// end, or a hint.
#[derive(Debug)]
pub(crate) struct Bell(Mutex<BellState>);

#[derive(Debug, Default)]
struct BellState {
    waker: Option<Waker>,
    is_hinted: bool,
    /// The process that is known to be gone.
    gone: Option<Notes>,
    /// Whether the thread gives hints.
    is_watched: bool,
    /// Whether sleeps at the handle may last.
    lasts: bool,
    /// Whether the other end wakes whoever waits by reads, so that no driver needs to.
    by_reads: bool,
}

impl Bell {
    /// Wakes whoever waits, once.
    pub(crate) fn strike(&self) {
        self.take_waker().inspect(Waker::wake_by_ref);
    }

    /// Has whoever waits ask the system about the other end.
    pub(crate) fn hint(&self) {
        self.hint_of(None);
    }

    /// The same at the end of a slice, if nobody else gives hints.
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
        self.strike();
    }

    /// Forgets whom to wake.
    pub(crate) fn forget_waker(&self) {
        drop(self.take_waker());
    }

    /// Takes what wakes whoever waits. It runs code of the user's when it is used or dropped: not under the lock.
    fn take_waker(&self) -> Option<Waker> {
        lock(&self.0).waker.take()
    }

    /// Returns whether sleeps at the handle may last.
    pub(crate) fn lasts(&self) -> bool {
        lock(&self.0).lasts
    }

    /// Says whether the other end wakes whoever waits by reads, and returns whether it did before.
    pub(crate) fn set_by_reads(&self, by_reads: bool) -> bool {
        mem::replace(&mut lock(&self.0).by_reads, by_reads)
    }

    /// Returns whether the other end wakes whoever waits by reads.
    pub(crate) fn is_by_reads(&self) -> bool {
        lock(&self.0).by_reads
    }

    /// Leaves what wakes whoever waits, unless there is a hint.
    fn wait(&self, waker: &Waker) -> Watched {
        let mut state = lock(&self.0);
        if state.is_hinted {
            return Watched::Hinted;
        }
        let is_left = state.waker.as_ref().is_some_and(|left| left.will_wake(waker));
        let before = if is_left { None } else { state.waker.replace(waker.clone()) };
        let lasts = state.lasts;
        drop(state);
        drop(before);
        if lasts { Watched::Lasting } else { Watched::Sliced }
    }
}

/// What a handle has of the thread. It is dropped before the descriptor of the ring.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) bell: Arc<Bell>,
    process: Epoch,
    /// What the other end said of itself when its process was looked up.
    followed: Cell<Presence>,
}

impl Watch {
    /// Watches the ring behind a descriptor. It starts with a hint, since the other end may have ended before.
    pub(super) fn begin(file: BorrowedFd<'_>, process: Epoch) -> Watch {
        let bell = Arc::new(Bell(Mutex::new(BellState { is_hinted: true, ..BellState::default() })));
        watcher().map(|watcher| watcher.begin(&bell, file));
        Watch { bell, process, followed: Cell::new(Presence::Never) }
    }

    /// Has the waker called, once, as soon as there is a hint. `said` is what the other end says of itself, and the
    /// notes are those of its process.
    pub(super) fn wait(
        &self,
        waker: &Waker,
        said: Presence,
        notes: impl FnOnce() -> Notes,
        looker: &Looker,
    ) -> Watched {
        if self.followed.replace(said) != said && matches!(said, Presence::Came { .. }) {
            let notes = notes();
            watcher().inspect(|watcher| watcher.follow(&self.bell, notes, looker));
            if looker.is_gone(notes) {
                self.bell.hint();
            }
        }
        self.bell.wait(waker)
    }

    /// Takes a hint, and returns whether there was one; `None` if there was none, and nobody gives any.
    pub(super) fn hinted(&self, file: BorrowedFd<'_>, looker: &Looker) -> Option<bool> {
        let mut state = lock(&self.bell.0);
        if !state.is_hinted {
            return state.is_watched.then_some(false);
        }
        state.is_hinted = false;
        state.gone.take().inspect(|gone| looker.learn_of(*gone));
        drop(state);
        let is_watched = watcher().is_some_and(|watcher| watcher.watches(&self.bell));
        let lasts = is_watched && !may_be_read_by_others(file);
        let mut state = lock(&self.bell.0);
        (state.is_watched, state.lasts) = (is_watched, lasts);
        Some(true)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.process.is_of_this_process() {
            self.bell.forget_waker();
            watcher().inspect(|watcher| watcher.end(&self.bell));
        } else {
            // The lock may be held by a thread that is not there.
            mem::forget(Arc::clone(&self.bell));
        }
    }
}

/// Returns whether somebody may read the ring who is neither its owner nor given its descriptor to write it.
fn may_be_read_by_others(file: BorrowedFd<'_>) -> bool {
    object::stat(file).map_or(true, |stat| stat.st_mode & 0o077 != 0) || anonymous::has_onlookers(file)
}

fn watcher() -> Option<&'static Watcher> {
    static WATCHER: PerProcess<Watcher> = PerProcess::new();
    WATCHER.get().ok()
}

/// The thread, and what it watches.
#[derive(Debug, Default)]
struct Watcher(Mutex<Option<Running>>);

/// What the thread waits on while it runs.
#[derive(Debug)]
struct Running {
    epoll: Arc<OwnedFd>,
    inotify: OwnedFd,
    entries: Vec<Entry>,
}

/// What is watched for a handle.
#[derive(Debug)]
struct Entry {
    /// Its address tells it from others.
    bell: Arc<Bell>,
    /// The system's number for the object.
    object: i32,
    /// When the hint is given again, and how long after the one before.
    again: Option<(Instant, Duration)>,
    /// The process at the other end.
    holder: Option<(Notes, OwnedFd)>,
}

impl Running {
    fn open() -> Result<Running, Errno> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).and_then(lift)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).and_then(lift)?;
        epoll::add(&epoll, &inotify, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        Ok(Running { epoll: Arc::new(epoll), inotify, entries: Vec::new() })
    }

    /// Returns what has this address.
    fn find(&mut self, address: usize) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| address_of(&entry.bell) == address)
    }

    /// Watches the process at the other end of an entry no more, and returns which it was; with `if_gone`, only if it
    /// is gone: an event may be that of the one before it.
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
    fn read(&mut self, room: &mut [MaybeUninit<u8>], now: Instant, hints: &mut Vec<(Arc<Bell>, Option<Notes>)>) {
        let mut reader = inotify::Reader::new(self.inotify.as_fd(), room);
        while let Ok(event) = reader.next() {
            let (object, what) = (event.wd(), event.events());
            // Where too much has happened at once, anything may have.
            let concerned = |entry: &&mut Entry| object == -1 || entry.object == object;
            for entry in self.entries.iter_mut().filter(concerned) {
                hints.push((Arc::clone(&entry.bell), None));
                if what.intersects(inotify::ReadFlags::CLOSE_WRITE | inotify::ReadFlags::QUEUE_OVERFLOW) {
                    entry.again = Some((now + AGAIN, AGAIN));
                }
            }
        }
    }

    /// Gives hints again whose time has come, and returns how long it is until the next one.
    fn again(&mut self, now: Instant, hints: &mut Vec<(Arc<Bell>, Option<Notes>)>) -> Option<Duration> {
        for entry in &mut self.entries {
            if let Some((_, pause)) = entry.again.filter(|(when, _)| *when <= now) {
                hints.push((Arc::clone(&entry.bell), None));
                entry.again = Some((now + 8 * pause, 8 * pause)).filter(|_| pause < LONGEST);
            }
        }
        let next = self.entries.iter().filter_map(|entry| Some(entry.again?.0)).min();
        next.map(|when| when.saturating_duration_since(now))
    }
}

fn is_readable(descriptor: &OwnedFd) -> bool {
    poll(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(&Timespec::default())) == Ok(1)
}

fn address_of(bell: &Arc<Bell>) -> usize {
    Arc::as_ptr(bell).addr()
}

impl Watcher {
    /// Watches an object for a handle, from now on.
    fn begin(&'static self, bell: &Arc<Bell>, file: BorrowedFd<'_>) -> Option<()> {
        let mut guard = lock(&self.0);
        if guard.is_none() {
            let running = Running::open().ok()?;
            let epoll = Arc::clone(&running.epoll);
            start_thread("ringmain-watch", move || self.run(&epoll)).ok()?;
            *guard = Some(running);
        }
        let running = guard.as_mut()?;
        // That it was opened, or closed by who could only read it, tells nothing.
        let what = inotify::WatchFlags::CLOSE_WRITE
            | inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::ATTRIB
            | inotify::WatchFlags::MOVE_SELF;
        let object = inotify::add_watch(&running.inotify, anonymous::path_of(file.as_raw_fd()), what).ok()?;
        running.entries.push(Entry { bell: Arc::clone(bell), object, again: None, holder: None });
        Some(())
    }

    /// Watches the process at the other end, if it can be told from here, instead of the one before it.
    fn follow(&self, bell: &Arc<Bell>, notes: Notes, looker: &Looker) {
        let mut guard = lock(&self.0);
        let Some(running) = guard.as_mut() else { return };
        running.close_holder(address_of(bell), false);
        let opened = looker.other(notes).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).and_then(lift).ok());
        let Some(descriptor) = opened else { return };
        let data = epoll::EventData::new_u64(address_of(bell) as u64);
        let is_watched = epoll::add(&running.epoll, &descriptor, data, epoll::EventFlags::IN).is_ok();
        if let Some(entry) = running.find(address_of(bell)).filter(|_| is_watched) {
            entry.holder = Some((notes, descriptor));
        }
    }

    fn watches(&self, bell: &Arc<Bell>) -> bool {
        lock(&self.0).as_mut().is_some_and(|running| running.find(address_of(bell)).is_some())
    }

    /// Ends what was begun for a handle.
    fn end(&self, bell: &Arc<Bell>) {
        let mut guard = lock(&self.0);
        let Some(running) = guard.as_mut() else { return };
        running.close_holder(address_of(bell), false);
        let Some(at) = running.entries.iter().position(|entry| Arc::ptr_eq(&entry.bell, bell)) else { return };
        let entry = running.entries.swap_remove(at);
        if running.entries.iter().all(|other| other.object != entry.object) {
            // The system tells the thread, which then looks whether anything is left.
            let _ = inotify::remove_watch(&running.inotify, entry.object);
        }
    }

    /// What the thread does.
    fn run(&self, epoll: &OwnedFd) {
        let (mut events, mut room) = (Vec::with_capacity(16), [MaybeUninit::uninit(); 4096]);
        let mut limit = Some(LINGER);
        loop {
            let timeout = limit.and_then(|limit| Timespec::try_from(limit).ok());
            events.clear();
            let waited = epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref());
            let mut hints = Vec::new();
            let mut guard = lock(&self.0);
            let Some(running) = guard.as_mut() else { return };
            let is_needed = waited != Ok(0) || !running.entries.is_empty();
            if !is_needed || !matches!(waited, Ok(_) | Err(Errno::INTR)) {
                // If the system does not let it wait, whoever is watched is told to ask by itself.
                let running = guard.take();
                drop(guard);
                running.into_iter().flat_map(|running| running.entries).for_each(|entry| entry.bell.hint());
                return;
            }
            let now = Instant::now();
            for event in &events {
                match event.data.u64() as usize {
                    0 => running.read(&mut room, now, &mut hints),
                    address => {
                        let gone = running.close_holder(address, true);
                        hints.extend(running.find(address).map(|entry| (Arc::clone(&entry.bell), gone)));
                    }
                }
            }
            limit = running.again(now, &mut hints).or(running.entries.is_empty().then_some(LINGER));
            drop(guard);
            hints.into_iter().for_each(|(bell, gone)| bell.hint_of(gone));
        }
    }
}
