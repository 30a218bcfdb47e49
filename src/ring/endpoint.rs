//! One end of a ring: what the writing and the reading end of both rings share.
//!
//! An [`Endpoint`] is the memory, the end's own positions, how long it pauses, and how it wakes and sleeps. Its first
//! parameter says what the ring holds ([`Stream`](super::stream::Stream) or [`Message`](super::message::Message)), its
//! second which end it is, its third what memory it lies in. A unit of positions is a slot in a stream ring and a byte
//! in a message ring.
//!
//! A third kind of ring adds `src/ring/KIND/`: a type that implements [`Kind`], an attach for each end, push and pop;
//! and `src/KIND/` with its aliases, its calls that wait and its views. This file, `writer.rs`, `reader.rs`,
//! `handle.rs` and `wait/` serve it as they are. It gets a number in `segment/layout.rs` and `requirements.rs`, its
//! calls in `options.rs` and `inspect/`, its awaited calls in `awaiting/`, its aliases in `generic` (`lib.rs`), its
//! bytes in docs/format.md, `capi/`, `conformance/` and `bridge/`, its verbs in `cli/`, its place in the orders of
//! `tests/house.rs`, and its models, steps, fuzz targets and hostile peers.

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use super::cursor::Cursor;
use super::ends::Ends;
use super::error::Broken;
use super::memory::{Memory, Role};
use super::pace::Pace;
use super::park::{Notifier, Sleeper};
use super::presence::{self, Presence};
use super::waiter::Waiter;

/// The writing end, as a parameter of [`Endpoint`].
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain::generic::{Endpoint, Writer};
/// use ringmain::stream::Stream;
///
/// // What `stream::Producer<u64>` is an alias of. In a signature, write the alias: only that names the memory.
/// let mut tx: Endpoint<Stream<u64>, Writer, _> = ringmain::Options::anonymous().capacity(64).stream_producer()?;
/// tx.push(7)?;
/// assert_eq!(tx.free(), Ok(63));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub enum Writer {}

/// The reading end, as a parameter of [`Endpoint`].
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain::Role;
/// use ringmain::generic::{Endpoint, Reader, Side};
/// use ringmain::message::Message;
///
/// // What `message::Consumer` is an alias of.
/// let rx: Endpoint<Message, Reader, _> = ringmain::Options::anonymous().capacity(4096).message_consumer()?;
/// assert_eq!(rx.available(), Ok(0));
/// assert_eq!(Reader::ROLE, Role::Consumer);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub enum Reader {}

/// What calls of public traits take that are none for users. Only this library can make it, so nobody else can make
/// such a call, or implement such a trait.
#[derive(Clone, Copy, Debug)]
pub struct Internal(());

impl Internal {
    pub(crate) const TOKEN: Internal = Internal(());
}

/// One of the two ends. Nothing of it can be called by users:
///
/// ```compile_fail,E0061
/// use ringmain::generic::{Reader, Side};
///
/// let mut rx = ringmain::Options::anonymous().capacity(4096).message_consumer().unwrap();
/// <Reader as Side>::is_ready(&mut rx, 12);
/// ```
pub trait Side: Sized {
    /// The role of this end.
    const ROLE: Role;

    /// Returns whether `need` units of positions can be read, or are free. Loads the other end's word if fewer are
    /// known, or if `need` is 0 (in a stream ring only): a poisoned handle fails even then.
    #[doc(hidden)]
    fn is_ready<K: Kind, M: Memory>(end: &mut Endpoint<K, Self, M>, need: u64, _: Internal) -> Result<bool, Broken>;

    /// Loads the other end's word and returns how many units of positions hold what was sent and not yet read.
    #[doc(hidden)]
    fn len<K: Kind, M: Memory>(end: &Endpoint<K, Self, M>, _: Internal) -> Result<u64, Broken>;
}

/// What a ring holds.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::marker::PhantomData;
/// # use ringmain::{Error, Options, message::{self, Message}, stream::{self, Element, Stream}};
/// use ringmain::generic::Kind;
///
/// /// Where a program finds a ring, and what that holds.
/// struct Address<K: Kind>(Options, PhantomData<K>);
///
/// impl<T: Element> Address<Stream<T>> {
///     fn producer(&self) -> Result<stream::Producer<T>, Error> { self.0.stream_producer() }
/// }
///
/// impl Address<Message> {
///     fn producer(&self) -> Result<message::Producer, Error> { self.0.message_producer() }
/// }
///
/// let prices: Address<Stream<f64>> = Address(Options::anonymous().capacity(64), PhantomData);
/// prices.producer()?.push(2.5)?;
/// # Ok(())
/// # }
/// ```
pub trait Kind: Sized {
    /// Returns how far the tail can be ahead of the head.
    fn max_used(&self) -> u64;

    /// Returns the power of two that all positions are multiples of.
    fn step(&self) -> u64;

    /// Returns the number of slots, or of bytes of the data area.
    fn capacity(&self) -> usize;

    /// Returns whether `need` units of positions are there to be read.
    #[doc(hidden)]
    fn has_arrived<M: Memory>(reader: &mut Endpoint<Self, Reader, M>, need: u64, _: Internal) -> Result<bool, Broken>;

    /// Loads the producer's word and returns how many units of positions are there, without learning from it.
    #[doc(hidden)]
    fn available<M: Memory>(reader: &Endpoint<Self, Reader, M>, _: Internal) -> Result<u64, Broken>;
}

/// One end of a ring.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain::Options;
/// use ringmain::generic::Endpoint;
///
/// let mut prices = Options::anonymous().capacity(64).stream_producer::<f64>()?;
/// let mut orders = Options::anonymous().capacity(4096).message_producer()?;
/// prices.push_slice(&[2.5, 2.75])?;
/// orders.push(b"buy 100")?;
/// // One call for the ends of both rings, in elements and in bytes of records.
/// assert_eq!((Endpoint::len(&prices), Endpoint::len(&orders)), (Ok(2), Ok(16)));
/// assert_eq!((Endpoint::capacity(&prices), Endpoint::capacity(&orders)), (64, 4096));
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping a handle gives its role back"]
pub struct Endpoint<K: Kind, R: Side, M: Memory> {
    pub(crate) memory: M,
    pub(crate) kind: K,
    /// Where this end is, and how far it may go. The call that moves it also stores the shared tail or head.
    pub(super) cursor: Cursor,
    /// How long to wait before the next load of the other end's word: adapts to what the loads before found.
    pub(super) pace: Pace,
    /// Set once, by [`poison`](Self::poison). A forked child has `None` too: [`check`](Self::check) asks for that.
    pub(super) broken: Option<Broken>,
    /// Wakes the other end: which of its parking words was answered, and whether this end makes fences.
    pub(super) notifier: Notifier,
    /// This end's own parking word.
    sleeper: Sleeper,
    /// Which closings and crashes of the other side this handle reports; fixed at attach.
    pub(crate) ends: Ends,
    /// The last generation of the other side that `peer_changed` reported.
    pub(crate) seen: u64,
    /// How its calls wait, and how long they spun lately.
    pub(crate) waiter: Waiter,
    side: PhantomData<R>,
}

impl<K: Kind, R: Side, M: Memory> Endpoint<K, R, M> {
    /// Starts at `position`, with the known end there too. The caller holds the role.
    pub(super) fn begin(memory: M, kind: K, position: u64, pace: Pace) -> Endpoint<K, R, M> {
        let (notifier, sleeper) = (Notifier::attach(&memory, R::ROLE), Sleeper::attach(&memory, R::ROLE));
        // SAFETY: it lies in the handle beside the memory, and is the only cursor of this role over it.
        #[allow(unsafe_code, reason = "the memory outlives the cursor, being in the same value")]
        let cursor = unsafe { Cursor::new(&memory, R::ROLE, position, kind.max_used()) };
        Endpoint {
            memory,
            kind,
            cursor,
            pace,
            broken: None,
            notifier,
            sleeper,
            ends: Ends::default(),
            seen: 0,
            waiter: Waiter::default(),
            side: PhantomData,
        }
    }

    /// Returns the capacity: what was asked for, rounded up to a power of two. For a stream ring it is a number of
    /// elements. For a message ring it is a number of bytes, at least a page, and includes the headers of the records.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.kind.capacity()
    }

    /// Returns the position of what this end writes or reads next: of elements, how many lie before it; of messages,
    /// how many bytes their records have. It only grows, across processes too. Always 0 in a forked child.
    ///
    /// A program that stores a consumer's position with the result of the elements before it knows, after a crash,
    /// which were used.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.cursor.position()
    }

    /// Loads the other end's position and returns how much lies in the ring: elements, or bytes of records. There may
    /// be more, or less, by the time it returns.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the handle can no longer be used, or the other end's position is impossible.
    pub fn len(&self) -> Result<usize, Broken> {
        // At most the capacity, so it fits.
        R::len(self, Internal::TOKEN).map(|len| len as usize)
    }

    /// Loads the other end's position and returns whether nothing lies in the ring.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool, Broken> {
        self.len().map(|len| len == 0)
    }

    /// Returns how often the other role has been taken. A change means that a new process is attached. Always 0 in a
    /// forked child.
    #[must_use]
    pub fn peer_generation(&self) -> u64 {
        self.peer_presence().generation()
    }

    /// Returns whether another process has attached to the other end since the last call, or since this handle
    /// attached. Always `false` in a forked child.
    pub fn peer_changed(&mut self) -> bool {
        // Loaded once: what comes after this load is the next call's.
        let generation = self.peer_generation();
        generation != 0 && core::mem::replace(&mut self.seen, generation) != generation
    }

    /// Loads the presence of the other role; `Never` in a forked child.
    pub(crate) fn peer_presence(&self) -> Presence {
        match self.memory.in_own_process() {
            true => presence::observe(self.memory.presence(R::ROLE.peer())),
            false => Presence::Never,
        }
    }

    /// Wakes the other end, if it sleeps, since the presence of this role has changed.
    pub(crate) fn wake(&mut self) {
        self.notifier.presence_changed(&self.memory);
    }

    /// Requests fences from the other end, or clears the request, as the memory says now.
    pub(crate) fn renew_sleeper(&mut self) {
        if self.memory.in_own_process() {
            self.sleeper.renew(&self.memory);
        }
    }

    /// Announces that this end pauses: a producer that sleeps and has what it needs is woken now, though it may want
    /// more. A producer announces nothing: all that it sent is published.
    #[inline]
    pub(crate) fn pause(&mut self) {
        if R::ROLE == Role::Consumer && self.memory.in_own_process() {
            self.notifier.paused(&self.memory, self.cursor.position());
        }
    }

    /// Returns how many units of positions can be read, or are free, by the cached position.
    #[inline(always)]
    pub(crate) fn known_len(&self) -> u64 {
        self.cursor.known()
    }

    /// Returns whether `need` units of positions can be read, or are free.
    #[inline]
    pub(crate) fn is_ready(&mut self, need: u64) -> Result<bool, Broken> {
        R::is_ready(self, need, Internal::TOKEN)
    }

    /// Sleeps until `need` units of positions can be read, or are free, or for `limit`; not at all if they are. While
    /// it `gathers`, a consumer that keeps popping wakes a producer only when a quarter of the ring is free. May return
    /// earlier, and does if the other end's presence is no longer what was `seen`.
    pub(crate) fn park(&mut self, need: u64, gathers: bool, seen: Presence, limit: Duration) -> Result<(), Broken> {
        self.check_process()?;
        let (wanted, needed) = self.goals(need, gathers);
        let prepared = self.sleeper.prepare(&self.memory, wanted, needed);
        let is_ready = self.is_ready(need);
        if is_ready == Ok(false) && presence::observe(self.memory.presence(R::ROLE.peer())) == seen {
            self.sleeper.sleep(&self.memory, prepared, limit);
            // A handler of a signal may have forked meanwhile.
            self.check_process()?;
        }
        self.sleeper.finish(&self.memory);
        is_ready.map(|_| ())
    }

    /// Announces that this end pauses, and returns the position of the other end at which it wants to be woken and the
    /// one that it needs.
    fn goals(&mut self, need: u64, gathers: bool) -> (u64, u64) {
        // Neither end may sleep while the other one waits for what is published already.
        self.pause();
        let max_used = self.kind.max_used();
        let goal = |units: u64| match R::ROLE {
            Role::Producer => self.cursor.position().wrapping_add(units).wrapping_sub(max_used),
            Role::Consumer => self.cursor.position().wrapping_add(units),
        };
        (goal(if gathers { need.max(max_used / 4) } else { need }), goal(need))
    }

    /// Announces a sleep in a set, which makes the fences for all of its ends, and returns the count of wakes that it
    /// loaded before. With `reads` it asks to be woken by a read.
    pub(super) fn announce_sleep(&mut self, need: u64, reads: bool) -> u64 {
        if !self.memory.in_own_process() {
            return 0;
        }
        let (wanted, needed) = self.goals(need, false);
        self.memory.parking().map_or(0, |parking| self.sleeper.announce(parking, wanted, needed, reads))
    }

    /// Announces that this end is awake.
    pub(super) fn end_sleep(&mut self) {
        if self.memory.in_own_process() {
            self.sleeper.finish(&self.memory);
        }
    }

    /// Fails in a child that was forked meanwhile.
    #[inline(always)]
    pub(crate) fn check_process(&self) -> Result<(), Broken> {
        if self.memory.in_own_process() { Ok(()) } else { Err(Broken::Forked) }
    }

    /// Fails if the handle can no longer be used.
    #[inline(always)]
    pub(crate) fn check(&self) -> Result<(), Broken> {
        match self.broken {
            None => self.check_process(),
            Some(broken) => Err(broken),
        }
    }

    /// Returns why the handle can no longer be used.
    #[cold]
    pub(super) fn cause(&self) -> Broken {
        self.broken.unwrap_or(Broken::Forked)
    }

    /// Poisons the handle: from here on the cursor knows of no unit to read or to write, so every call takes the path
    /// that loads the other end's word, and fails before the load.
    #[cold]
    pub(crate) fn poison(&mut self, cause: impl Into<Broken>) -> Broken {
        self.cursor.forget();
        self.pace = Pace::poisoned();
        let broken = cause.into();
        self.broken = Some(broken);
        broken
    }

    /// Returns the memory, for the next holder of the role.
    #[cfg(test)]
    #[allow(unsafe_code, reason = "moves a field out of a value that has a drop")]
    pub(super) fn into_memory(self) -> M {
        let end = core::mem::ManuallyDrop::new(self);
        // SAFETY: the value is neither used nor dropped any more, and no other field of it owns anything.
        unsafe { core::ptr::read(&end.memory) }
    }
}

impl<K: Kind, R: Side, M: Memory> Drop for Endpoint<K, R, M> {
    fn drop(&mut self) {
        self.memory.detach();
    }
}

impl<K: Kind + fmt::Debug, R: Side, M: Memory> fmt::Debug for Endpoint<K, R, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match R::ROLE {
            Role::Producer => "Producer",
            Role::Consumer => "Consumer",
        };
        formatter
            .debug_struct(name)
            .field("kind", &self.kind)
            .field("cursor", &self.cursor)
            .field("pace", &self.pace)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}
