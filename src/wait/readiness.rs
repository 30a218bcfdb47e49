//! A handle with a descriptor for an event loop.

use std::cell::Cell;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::task::Waker;

use super::{Driver, DriverRegistration, Interest, WaitError};
use crate::error::Error;
use crate::ring::endpoint::{Endpoint, Kind, Side};
use crate::ring::set::poll;
use crate::segment::{Event, Segment};

/// A handle with a descriptor that an event loop waits for, beside sockets and timers: `epoll`, `poll`, or what is
/// built on them.
///
/// The process at the other end wakes the loop itself: it reads a byte of the ring's object, and the kernel reports
/// that read to this descriptor (`inotify`). So any other read of the object is a spurious wake. A [`Driver`] sleeps
/// for the handle instead if the other end does not wake by a read, if the process has more than 16 of these or may not
/// call `membarrier`, if the kernel refuses to watch the object, and if the user gave one.
///
/// The descriptor is readable at first, and from each wake on until [`is_ready`](Self::is_ready) returns `false`. Wait
/// for it to be readable, at either end of a ring, level or edge triggered: call `is_ready`, pop or push, until it
/// returns `false`, then go back to the loop. With level triggering you may go back earlier. A wake may be spurious,
/// but none is lost: whatever was published after `is_ready` returned `false` makes the descriptor readable. Do not
/// read or write it.
///
/// A handle is also ready if the other end closed or crashed, if the ring was truncated, and whenever a wait would end,
/// as in a [`WaitSet`](crate::WaitSet): a call with a limit of zero returns the reason.
///
/// A forked child has the descriptor too, and should close it: drop this.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-readiness-{}", std::process::id());
/// use std::os::fd::AsFd;
/// use std::time::Duration;
/// use ringmain::{Options, WaitError};
/// use rustix::event::{PollFd, PollFlags, poll};
///
/// let mut tx = Options::new(&name).capacity(64).stream_producer::<u64>()?;
/// let rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?;
/// let mut rx = rx.into_readiness()?;
/// let other = std::thread::spawn(move || tx.push_slice(&[1, 2, 3]));
/// let mut popped = Vec::new();
/// loop {
///     // Any event loop.
///     poll(&mut [PollFd::new(&rx.as_fd(), PollFlags::IN)], None)?;
///     while rx.is_ready(|rx| rx.readable())? {
///         match rx.handle().within(Duration::ZERO).pop() {
///             Ok(element) => popped.push(element),
///             Err(WaitError::Closed) => {
///                 assert_eq!(popped, [1, 2, 3]);
///                 return Ok(());
///             }
///             Err(error) => return Err(error.into()),
///         }
///     }
/// }
/// # }
/// ```
#[must_use = "dropping it gives the role of its handle back"]
pub struct Readiness<H> {
    /// Before the handle, and so dropped before it.
    descriptor: Descriptor,
    handle: H,
}

/// What a [`Readiness`] has beside its handle: for the library for C, whose handles do not move.
#[doc(hidden)]
pub struct Descriptor {
    event: Arc<Event>,
    /// Signals the event.
    waker: Waker,
    /// Whether the next sleep asks the other end to wake by a read.
    asks_for_reads: Cell<bool>,
    /// The count of wakes by the other end when this end announced its last sleep; `None` if the driver sleeps for it.
    woken: Cell<Option<u64>>,
    registration: DriverRegistration,
}

impl Descriptor {
    fn new(registration: DriverRegistration, event: Event) -> Descriptor {
        let event = Arc::new(event);
        Descriptor {
            waker: Arc::clone(&event).into(),
            event,
            asks_for_reads: Cell::new(false),
            woken: Cell::new(None),
            registration,
        }
    }

    /// As [`Readiness::is_ready`], of the handle that this was made for.
    #[doc(hidden)]
    pub fn is_ready(&self, mut interest: Interest<'_>) -> Result<bool, WaitError> {
        if let Some((len, max)) = interest.too_long() {
            return Err(WaitError::TooLong { len, max });
        }
        let asks = self.asks_for_reads.get();
        let is_ready = poll(&mut interest, &self.waker, asks, || self.event.clear());
        if !is_ready {
            // Checked after each announcement: a holder that wakes by a read may be followed by one that does not.
            let reads =
                self.event.is_of_reads() && interest.wake_word().is_some_and(|(segment, _)| segment.peer_reads());
            self.asks_for_reads.set(reads);
            self.registration.set_wakes_by_read(asks && reads);
            self.woken.set(self.registration.wakes().filter(|_| asks && reads));
        } else if self.woken.get().is_none_or(|woken| self.registration.wakes() == Some(woken)) {
            // The end is awake, so the other one need not wake it, and the descriptor must say it by itself.
            self.registration.wake();
        }
        Ok(is_ready)
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Descriptor").finish_non_exhaustive()
    }
}

/// # In an event loop
impl<K: Kind, R: Side> Endpoint<K, R, Segment> {
    /// Returns this handle with a descriptor for an event loop. If the other process does not wake the loop itself, a
    /// driver of the library's does.
    ///
    /// # Errors
    ///
    /// - [`Error::Os`]: the process can have no more threads, descriptors or mappings.
    /// - [`Error::Undriven`]: this is a forked child.
    ///
    /// The role is left then, as by a drop.
    pub fn into_readiness(mut self) -> Result<Readiness<Self>, Error> {
        let descriptor = self.readiness()?;
        Ok(Readiness { descriptor, handle: self })
    }

    /// The same, with a driver of the user's.
    ///
    /// # Errors
    ///
    /// As [`into_readiness`](Self::into_readiness); [`Error::Undriven`] also if the driver has no room.
    pub fn into_readiness_with(mut self, driver: &Driver) -> Result<Readiness<Self>, Error> {
        let descriptor = Descriptor::new(self.register_with(Some(driver))?, Event::new()?);
        Ok(Readiness { descriptor, handle: self })
    }

    /// Makes the descriptor of [`into_readiness`](Self::into_readiness), to be kept beside this handle and dropped
    /// before it: for the library for C.
    #[doc(hidden)]
    pub fn readiness(&mut self) -> Result<Descriptor, Error> {
        let registration = self.register_with(None)?;
        let event = self.memory.event_of_reads().map_or_else(Event::new, Ok)?;
        Ok(Descriptor::new(registration, event))
    }
}

impl<H> Readiness<H> {
    /// Returns whether a wait for this would succeed or end now. If not, the descriptor becomes readable as soon as
    /// that may have changed.
    ///
    /// Each call replaces the interest of the one before. A call of the handle that waits cancels it: call this again
    /// before you go back to the event loop.
    ///
    /// # Errors
    ///
    /// [`WaitError::TooLong`]: more is asked for than the ring can ever hold.
    pub fn is_ready(&mut self, ask: impl FnOnce(&mut H) -> Interest<'_>) -> Result<bool, WaitError> {
        self.descriptor.is_ready(ask(&mut self.handle))
    }

    /// Returns the handle. It can push and pop without a call of `is_ready` before.
    pub fn handle(&mut self) -> &mut H {
        &mut self.handle
    }

    /// Returns the handle alone, and closes the descriptor.
    pub fn into_handle(self) -> H {
        self.handle
    }
}

impl<H> AsFd for Readiness<H> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl<H> AsRawFd for Readiness<H> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<H: fmt::Debug> fmt::Debug for Readiness<H> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Readiness").field("handle", &self.handle).finish_non_exhaustive()
    }
}
