//! A handle with a descriptor for an event loop.

use std::cell::Cell;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::task::Waker;

use super::{Driver, Interest, Seat, WaitError};
use crate::error::Error;
use crate::ring::endpoint::{Endpoint, Kind, Side};
use crate::ring::set::poll;
use crate::segment::{Event, Segment};

/// A handle with a descriptor that an event loop waits for, together with sockets and timers: `epoll`, `poll`, or what
/// rests on them.
///
/// The process at the other end wakes the loop itself: it reads a byte of the ring, of which the system tells whoever
/// has this descriptor (`inotify`). So whoever else reads the ring wakes it for nothing. A [`Driver`] sleeps for it
/// where the other end does not do that, where the process has more than 16 of these, or may not call `membarrier`,
/// where the system watches nothing, and where the user gave one.
///
/// The descriptor is readable at first, and from each wake on until [`is_ready`](Self::is_ready) returns `false`. It is
/// waited for as readable at either end of a ring, by level or by edge: ask `is_ready` again and again, take or send
/// what is there, and go back to the loop when it returns `false`. By level one may go back earlier. The descriptor may
/// be readable for nothing, but it is never not readable while something has come since `is_ready` returned `false`. It
/// is neither read nor written by the user.
///
/// An end of the other side, a ring that was shortened, and whatever else ends a wait counts as ready, as in a
/// [`WaitSet`](crate::WaitSet): a call of the handle that waits for no time tells what it is.
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

/// What a [`Readiness`] has beside its handle: for the library for C, whose handles stay where they are.
#[doc(hidden)]
pub struct Descriptor {
    event: Arc<Event>,
    /// Has the event happen.
    waker: Waker,
    /// Whether the next sleep asks the other end for a read.
    asks_for_reads: Cell<bool>,
    /// How often that had woken this one when this last fell asleep; `None` if the driver sleeps for it.
    woken: Cell<Option<u64>>,
    seat: Seat,
}

impl Descriptor {
    fn new(seat: Seat, event: Event) -> Descriptor {
        let event = Arc::new(event);
        Descriptor {
            waker: Arc::clone(&event).into(),
            event,
            asks_for_reads: Cell::new(false),
            woken: Cell::new(None),
            seat,
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
            // Asked behind each announcement: whoever reads may be followed by one who does not, who then wakes.
            let reads = self.event.is_of_reads() && interest.bed().is_some_and(|(segment, _)| segment.peer_reads());
            self.asks_for_reads.set(reads);
            self.seat.set_by_reads(asks && reads);
            self.woken.set(self.seat.wakes().filter(|_| asks && reads));
        } else if self.woken.get().is_none_or(|woken| self.seat.wakes() == Some(woken)) {
            // The end is awake, so the other one need not wake it, and the descriptor must say it by itself.
            self.seat.strike();
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
    /// Returns this handle with a descriptor for an event loop, for which a driver of the process's own sleeps where
    /// the other process does not wake the loop itself.
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
        let descriptor = Descriptor::new(self.take_seat(Some(driver))?, Event::new()?);
        Ok(Readiness { descriptor, handle: self })
    }

    /// Makes the descriptor of [`into_readiness`](Self::into_readiness), to be kept beside this handle and dropped
    /// before it: for the library for C.
    #[doc(hidden)]
    pub fn readiness(&mut self) -> Result<Descriptor, Error> {
        let seat = self.take_seat(None)?;
        let event = self.memory.event_of_reads().map_or_else(Event::new, Ok)?;
        Ok(Descriptor::new(seat, event))
    }
}

impl<H> Readiness<H> {
    /// Returns whether what is asked for is there, or free, or the wait for it has ended. If not, the descriptor is
    /// readable as soon as it may be; until then it is not, unless something has come meanwhile.
    ///
    /// Each question replaces the one before. A call that waits, of the handle itself, ends what this has begun: ask
    /// again before going back to the event loop.
    ///
    /// # Errors
    ///
    /// [`WaitError::TooLong`]: more is asked for than the ring can ever hold.
    pub fn is_ready(&mut self, ask: impl FnOnce(&mut H) -> Interest<'_>) -> Result<bool, WaitError> {
        self.descriptor.is_ready(ask(&mut self.handle))
    }

    /// Returns the handle. What it pushes or pops needs no question before.
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
