//! The seam between the algorithms and the memory that they run on.
//!
//! Everything that two processes share is reached through [`Memory`]: two positions, two presence words, `told`, what
//! an end needs to sleep ([`Parking`]), the words of records, and ranges of bytes. The mapped segment implements it for
//! production, a heap allocation for unit tests, and a checked memory for the loom models. Orderings are arguments:
//! they are chosen in `src/ring/` alone, an implementation passes them on.

#![allow(unsafe_code, reason = "declares the trait whose implementations hand out raw pointers")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

/// Which end of a ring a process holds.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain::{Error, Options, Role};
///
/// let tx = Options::anonymous().capacity(64).stream_producer::<u64>()?;
/// let ring = Options::from_fd(tx.descriptor().try_clone_to_owned()?);
/// match ring.stream_producer::<u64>() {
///     Err(Error::Busy { role, .. }) => {
///         assert_eq!(role, Role::Producer);
///         println!("there is a {role} already, be the {}", role.peer());
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Writes elements and owns the tail.
    Producer,
    /// Reads elements and owns the head.
    Consumer,
}

impl Role {
    /// Returns the role at the other end.
    #[must_use]
    pub fn peer(self) -> Role {
        match self {
            Role::Producer => Role::Consumer,
            Role::Consumer => Role::Producer,
        }
    }
}

impl core::fmt::Display for Role {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Role::Producer => "producer",
            Role::Consumer => "consumer",
        })
    }
}

/// One shared 64-bit word with a single writer.
pub trait Word {
    /// Loads the word.
    fn load(&self, ordering: Ordering) -> u64;
    /// Stores the word.
    fn store(&self, value: u64, ordering: Ordering);
}

impl Word for AtomicU64 {
    #[inline(always)]
    fn load(&self, ordering: Ordering) -> u64 {
        AtomicU64::load(self, ordering)
    }

    #[inline(always)]
    fn store(&self, value: u64, ordering: Ordering) {
        AtomicU64::store(self, value, ordering);
    }
}

impl<W: Word> Word for &W {
    #[inline(always)]
    fn load(&self, ordering: Ordering) -> u64 {
        (**self).load(ordering)
    }

    #[inline(always)]
    fn store(&self, value: u64, ordering: Ordering) {
        (**self).store(value, ordering);
    }
}

/// What an end needs to sleep until the other one publishes, and to be woken.
pub trait Parking {
    /// How this memory keeps a shared word.
    type Word: Word;

    /// Returns the word in which `role` says that it sleeps. The holder alone stores it.
    fn parking(&self, role: Role) -> &Self::Word;

    /// Returns the word in which `role` counts how often it woke the other end. The holder alone stores it.
    fn wakes(&self, role: Role) -> &Self::Word;

    /// Returns the position of the other end at which `role`, when it sleeps, wants to be woken. The holder alone
    /// stores it.
    fn wanted(&self, role: Role) -> &Self::Word;

    /// Returns the head that gives a producer that sleeps what it asked for. The producer alone stores it.
    fn needed(&self) -> &Self::Word;

    /// Wakes the other end of `role`, which has just counted a wake: by a read, if that asks for it.
    fn wake(&self, role: Role, reads: bool);

    /// Sleeps for as long as the count of `role` is `wakes`, at most for `limit`. May return earlier.
    fn sleep(&self, role: Role, wakes: u64, limit: Duration);

    /// Returns whether this process is registered with `membarrier`, so that a sleeper can make its fences.
    fn is_registered(&self) -> bool;

    /// Returns whether this end, when it sleeps, wants the other one to make its own fences.
    fn asks_for_fences(&self) -> bool;

    /// Orders what was published before the load of the other end's parking word. With `full`, without the other end's
    /// help.
    fn fence_to_publish(&self, full: bool);

    /// Loads the parking word of `role` after what was published before, in the order of the compiler: what
    /// [`fence_to_publish`] without `full` and a load do. This is done at each publication, so a memory may have a
    /// cheaper way.
    ///
    /// [`fence_to_publish`]: Parking::fence_to_publish
    #[inline(always)]
    fn load_after_publish(&self, role: Role) -> u64 {
        self.fence_to_publish(false);
        self.parking(role).load(Ordering::Relaxed)
    }

    /// Orders the store of the parking word before the last check of the ring, here and, unless the other end does it
    /// itself, there. Returns whether it did so.
    fn fence_to_sleep(&self, publisher_fences: bool) -> bool;
}

/// An access to bytes of the data area: it lasts until this is dropped.
///
/// A closure that is given the address is no substitute: the compiler may not inline it, and then copies by a call.
pub trait Access<Pointer> {
    /// Returns the address of the first of the bytes.
    fn address(&self) -> Pointer;
}

/// A plain address: nothing is done when the access ends.
impl<Pointer: Copy> Access<Pointer> for Pointer {
    #[inline(always)]
    fn address(&self) -> Pointer {
        *self
    }
}

/// What the algorithms need of shared memory.
///
/// # Safety
///
/// - Every call that returns a word, and each of `read` and `write`, refers to the same memory for as long as the value
///   lives, also after it has moved.
/// - `len` and `is_mirrored` never change.
/// - The address of what `read` and `write` return is valid for `len` bytes until that is dropped, and what is written
///   there until then is at `offset` afterwards. It is as aligned as `offset` is, up to 8.
/// - If `len` is 0, it is where `offset` lies for as long as the value lives, which is what users get as a pointer;
///   that of offset 0 is aligned to [`DATA_ALIGN`].
/// - If the memory is mirrored, `len` is a multiple of eight, and what is read and written at `len() + offset` are the
///   bytes at `offset`.
/// - What `own` points to is valid and aligned for as long as the value lives, also after it has moved, and touched by
///   nothing but the holder of that role through this pointer.
/// - Nothing but this protocol, and a peer in another process, touches those bytes.
pub unsafe trait Memory {
    /// How this memory keeps a shared word.
    type Word: Word;

    /// How an end sleeps here.
    type Parking: Parking;

    /// An access to bytes that are read.
    type Read<'a>: Access<*const u8>
    where
        Self: 'a;

    /// An access to bytes that are written.
    type Write<'a>: Access<*mut u8>
    where
        Self: 'a;

    /// The smallest slot in bytes whose lines are fetched ahead: round trips of smaller ones gain nothing, and each
    /// push would pay for it.
    const SMALLEST_AHEAD: usize = LINE / 2;

    /// Returns the position at which the producer writes next. The producer alone stores it.
    fn tail(&self) -> &Self::Word;

    /// Returns the position at which the consumer reads next. The consumer alone stores it.
    fn head(&self) -> &Self::Word;

    /// Returns the word in which the holder of `role` says that it attached and that it left. The holder alone stores
    /// it.
    fn presence(&self, role: Role) -> &Self::Word;

    /// Returns the generation of the last producer whose end a consumer was told. The consumer alone stores it.
    fn told(&self) -> &Self::Word;

    /// Returns what the ends need to sleep until the other one publishes; `None` if none ever sleeps.
    fn parking(&self) -> Option<&Self::Parking>;

    /// Returns the length of the data area in bytes.
    fn len(&self) -> usize;

    /// Returns whether the data area is mapped twice in a row, so that no range is cut at its end.
    fn is_mirrored(&self) -> bool;

    /// Returns whether this memory is that of the process that attached it. In a forked child it is not there: its
    /// addresses may have another use, and none of its words and ranges must be touched.
    #[inline(always)]
    fn in_own_process(&self) -> bool {
        true
    }

    /// Returns two words in which the holder of `role` keeps its own positions. A forked child finds zeros there.
    fn own(&self, role: Role) -> NonNull<[u64; 2]>;

    /// Detaches the holder, whose handle is dropped: by [`leave`](super::leave::leave), or as a crash would.
    fn detach(&mut self) {}

    /// Returns the word at `offset` of the data area, as the header of a record. The producer alone stores it.
    ///
    /// # Safety
    ///
    /// `offset` is a multiple of eight and below [`Memory::len`].
    unsafe fn header(&self, offset: usize) -> &Self::Word;

    /// Accesses the `len` bytes at `offset`, which are only read.
    ///
    /// # Safety
    ///
    /// - `offset + len` is at most [`Memory::len`], twice that if the memory is mirrored, and `len` at most once.
    /// - The bytes are committed: the tail or the header that covers them was observed, and the head has not passed
    ///   them.
    unsafe fn read(&self, offset: usize, len: usize) -> Self::Read<'_>;

    /// Accesses the `len` bytes at `offset`, which may be written.
    ///
    /// # Safety
    ///
    /// - `offset + len` is at most [`Memory::len`], twice that if the memory is mirrored, and `len` at most once.
    /// - The bytes are free: the head that gave them back was observed, and the tail does not cover them yet.
    unsafe fn write(&self, offset: usize, len: usize) -> Self::Write<'_>;

    /// Prefetches the line of the byte at `offset` for a read. A hint: it may do nothing.
    #[inline(always)]
    fn prefetch(&self, offset: usize) {
        let _ = offset;
    }

    /// Prefetches the line of the byte at `offset` for a write. A hint: it may do nothing.
    #[inline(always)]
    fn prefetch_to_write(&self, offset: usize) {
        let _ = offset;
    }
}

/// A cache line in bytes.
pub const LINE: usize = 64;

/// How many bytes of a slot or a record a producer fetches ahead at most.
pub const LONGEST_AHEAD: usize = 512;

/// The alignment of a data area in bytes, and so the largest alignment that an element can have.
pub const DATA_ALIGN: usize = 4096;
