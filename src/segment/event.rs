//! A descriptor that becomes readable by an event, and stays so until that is taken.
//!
//! An event of one kind is a count: a thread of this process writes it (an eventfd). One of the other kind is a read of
//! the ring's object, which `inotify` reports. The other end reads a byte when it wakes this one, so the event loop
//! that sleeps on the descriptor is woken by that process itself.
//!
//! **No other process has this descriptor.** An eventfd that two processes shared would have one description: either
//! could take the other's events, fill the count, and clear `O_NONBLOCK`, and then a write of the other one would
//! block, for which the system has no flag (`RWF_NOWAIT` is for its reads alone). A read of the object never waits for
//! a process, and all that a stranger can do is to read it, too: a spurious wake.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::Wake;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{OFlags, inotify};
use rustix::io::{read, write};

use super::anonymous::{open_number, path_of};
use super::descriptor::avoid_stdio;
use super::object::{self, os};
use super::process::{Epoch, PerProcess, start_thread};
use crate::error::Error;

/// How many events of reads a process has at most: the kernel allows each user 128 `inotify` instances, by default.
const MAX_READ_EVENTS: usize = 16;

/// A descriptor of events, which a forked child shares.
#[derive(Debug)]
pub(crate) struct Event {
    /// `None` when it is dropped.
    descriptor: Option<OwnedFd>,
    reads: Option<Reads>,
}

/// What an event is a read of.
#[derive(Debug)]
struct Reads {
    object: OwnedFd,
    /// The system's number for the watch.
    watch: i32,
    process: Epoch,
    /// A clone for each event of reads that this process has: they are counted by it.
    _counted: Arc<()>,
}

impl Event {
    /// Makes an event that is a count. It starts readable.
    pub(crate) fn new() -> Result<Event, Error> {
        let made = eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).and_then(avoid_stdio);
        let descriptor = made.map_err(|error| os("eventfd", error))?;
        Ok(Event { descriptor: Some(descriptor), reads: None })
    }

    /// Makes an event that is a read of this object. It starts readable. `None` if this process has [`MAX_READ_EVENTS`]
    /// of them, or the system cannot watch the object.
    pub(crate) fn of_reads(object: BorrowedFd<'_>) -> Option<Event> {
        static ALL: PerProcess<Arc<()>> = PerProcess::new();
        let (process, one) = (Epoch::current().ok()?, Arc::clone(ALL.get().ok()?));
        if Arc::strong_count(&one) > 1 + MAX_READ_EVENTS {
            return None;
        }
        let number = object.as_raw_fd();
        // The end of a descriptor that cannot write is no hint of a death.
        let object = open_number(number, OFlags::RDONLY).ok()?;
        let descriptor = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK);
        let descriptor = descriptor.and_then(avoid_stdio).ok()?;
        let watch = inotify::add_watch(&descriptor, path_of(number), inotify::WatchFlags::ACCESS).ok()?;
        let event =
            Event { descriptor: Some(descriptor), reads: Some(Reads { object, watch, process, _counted: one }) };
        event.signal();
        Some(event)
    }

    /// Returns whether its events are reads.
    pub(crate) fn is_of_reads(&self) -> bool {
        self.reads.is_some()
    }

    /// Takes all events: the descriptor is not readable until the next one.
    pub(crate) fn clear(&self) {
        // If nothing has happened, this fails. Reads that were not taken are one event, of 16 bytes.
        let _ = read(self.as_fd(), &mut [0; 256]);
    }

    fn signal(&self) {
        match &self.reads {
            Some(reads) => drop(object::read(reads.object.as_fd())),
            // It fails if the counter is at its maximum: then the descriptor is readable.
            None => drop(write(self.as_fd(), &1_u64.to_ne_bytes())),
        }
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_ref().expect("it is taken by the drop").as_fd()
    }
}

impl Drop for Event {
    /// Has a thread close a descriptor of reads: the kernel takes milliseconds for that. An event loop that still has
    /// it gets no more events.
    fn drop(&mut self) {
        let Some(reads) = self.reads.take().filter(|reads| reads.process.is_of_this_process()) else { return };
        let _ = inotify::remove_watch(self.as_fd(), reads.watch);
        // The kernel also reports that the watch has ended.
        self.clear();
        let closed = (self.descriptor.take(), reads);
        // If there can be no thread, it is closed here.
        let _ = start_thread("ringmain-close", move || drop(closed));
    }
}

impl Wake for Event {
    fn wake(self: Arc<Self>) {
        self.signal();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.signal();
    }
}
