//! A descriptor that becomes readable by an event, and stays so until that is taken.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::Wake;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{read, write};

use super::descriptor::lift;
use super::object::os;
use crate::error::Error;

/// An eventfd, which a forked child shares.
#[derive(Debug)]
pub(crate) struct Event(OwnedFd);

impl Event {
    /// Makes one that is readable.
    pub(crate) fn new() -> Result<Event, Error> {
        let event = eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).and_then(lift);
        event.map(Event).map_err(|error| os("eventfd", error))
    }

    /// Takes what has happened: it is not readable until something happens.
    pub(crate) fn clear(&self) {
        // If nothing has happened, this fails.
        let _ = read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Wake for Event {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It fails if so many events were not taken that it counts no more: then it is readable.
        let _ = write(&self.0, &1_u64.to_ne_bytes());
    }
}
