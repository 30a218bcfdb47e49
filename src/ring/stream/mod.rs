//! The stream ring: elements of one type, no header per element, published by the tail.
//!
//! Slot `i` holds the elements whose position is `i` modulo the capacity. The producer owns the slots from its tail up
//! to the head plus the capacity, the consumer those from its head up to the tail; each loads the other's position only
//! when its own copy of it is used up. Four rules decide the speed:
//!
//! - **The producer publishes at once.** A push is visible when it returns; nothing is held back.
//! - **The consumer gives back at once.** A slot is the producer's when its pop returns.
//! - **Nobody loads early.** A position is loaded only if the private copy of it cannot serve the call.
//! - **Both pace their loads.** An end that is faster than the other one would take the line of that one's position
//!   from it at every element. It waits a little before a load that would find few, and not at all once a load found
//!   nothing, so that an idle end answers at once.
//!
//! A push is in `producer.rs`, a pop in `consumer.rs`, a peek in `peek.rs`. Each moves its `cursor`, copies by `copy`,
//! and checks for a sleeper by `park`. A push calls `writer.rs` only if its known end is used up; a pop loads the tail
//! in `consumer.rs` only then, and always stores the head by `reader.rs`. The memory is `segment/mod.rs`.
//!
//! The cached positions are those of rigtorp's and rtrb's queues; the paced load is a measured addition
//! (docs/performance.md).

#![allow(unsafe_code, reason = "copies elements through raw pointers")]

mod claim;
mod consumer;
mod peek;
mod producer;

use core::fmt;
use core::marker::PhantomData;

use bytemuck::{AnyBitPattern, NoUninit};

pub use claim::Claim;
pub use peek::{Elements, Peek};

use super::copy::{Direction, copy, copy_slots};
use super::endpoint::{Endpoint, Internal, Kind, Reader, Side, Writer};
use super::error::Broken;
use super::memory::{DATA_ALIGN, LINE, Memory};

/// What a stream ring carries: plain data, every byte of which is written and every bit pattern of which is a value.
///
/// It is implemented for all types that are both [`NoUninit`] and [`AnyBitPattern`]: integers, floats, arrays of them,
/// and structs for which bytemuck's derives hold. A `bool`, a `char` or a reference is refused at compile time, because
/// the other process could write bytes that are no value of it:
///
/// ```compile_fail,E0277
/// let tx = ringmain::Options::new("flags").capacity(8).stream_producer::<bool>();
/// ```
///
/// So is a type of size zero, which carries nothing:
///
/// ```compile_fail,E0080
/// let tx = ringmain::Options::new("nothing").capacity(8).stream_producer::<()>();
/// ```
pub trait Element: NoUninit + AnyBitPattern {}

impl<T: NoUninit + AnyBitPattern> Element for T {}

/// What a slot holds: one [`Element`], or, as `[u8]`, as many bytes as the ring says.
pub trait Slot {
    /// What slices of elements consist of: the elements, or, for `[u8]`, their bytes.
    type Unit: Element;

    /// Returns how many bytes a slot has.
    fn size(stream: &Stream<Self>) -> usize;

    /// Copies `count` elements out of slots, or into them.
    ///
    /// # Safety
    ///
    /// The slots are aligned to the largest power of two up to 8 that divides their size; the other side is private to
    /// this process, and initialised if it is copied in. Both are valid for that many elements.
    #[doc(hidden)]
    unsafe fn copy<D: Direction>(stream: &Stream<Self>, from: *const u8, to: *mut u8, count: usize, _: Internal);
}

impl<T: Element> Slot for T {
    type Unit = T;

    #[inline(always)]
    fn size(_stream: &Stream<T>) -> usize {
        size_of::<T>()
    }

    #[inline(always)]
    unsafe fn copy<D: Direction>(_stream: &Stream<T>, from: *const u8, to: *mut u8, count: usize, _: Internal) {
        // SAFETY: the caller's promise.
        unsafe { copy::<D, T>(from, to, count) }
    }
}

impl Slot for [u8] {
    type Unit = u8;

    #[inline(always)]
    fn size(stream: &Stream<[u8]>) -> usize {
        stream.size
    }

    #[inline(always)]
    unsafe fn copy<D: Direction>(stream: &Stream<[u8]>, from: *const u8, to: *mut u8, count: usize, _: Internal) {
        // SAFETY: the caller's promise.
        unsafe { copy_slots::<D>(from, to, count * stream.size, stream.size) }
    }
}

/// Elements of this many bytes at most are copied in chunks between a guard and an iterator.
const SMALL_ELEMENT: usize = 64;

/// The elements of a chunk.
const CHUNK: usize = 64;

/// Elements of one type, or of one size, as the [`Kind`] of a ring.
pub struct Stream<T: ?Sized> {
    /// The number of slots, a power of two, less one.
    mask: usize,
    /// The size of a slot in bytes.
    size: usize,
    /// The distance in slots from the tail to the slot whose lines a producer fetches ahead: two lines, or one slot.
    pub(crate) ahead: u64,
    element: PhantomData<fn(&T)>,
}

impl<T: Slot + ?Sized> Kind for Stream<T> {
    #[inline(always)]
    fn max_used(&self) -> u64 {
        self.capacity() as u64
    }

    #[inline(always)]
    fn step(&self) -> u64 {
        1
    }

    fn capacity(&self) -> usize {
        self.mask + 1
    }

    #[inline]
    fn has_arrived<M: Memory>(reader: &mut Consumer<T, M>, need: u64, _: Internal) -> Result<bool, Broken> {
        // No call asks for more than the capacity.
        reader.known_up_to(need as usize).map(|known| known as u64 == need)
    }

    fn available<M: Memory>(reader: &Consumer<T, M>, _: Internal) -> Result<u64, Broken> {
        reader.available_now()
    }
}

impl<T: ?Sized> fmt::Debug for Stream<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stream").field("capacity", &(self.mask + 1)).finish()
    }
}

/// The writing end.
pub type Producer<T, M> = Endpoint<Stream<T>, Writer, M>;

/// The reading end.
pub type Consumer<T, M> = Endpoint<Stream<T>, Reader, M>;

impl<T: Slot + ?Sized> Stream<T> {
    /// Describes a ring of `capacity` slots in this memory. Every later access relies on these checks.
    ///
    /// # Panics
    ///
    /// If `capacity` is not a power of two or its slots do not fit the data area: the caller has checked both.
    fn new<M: Memory>(memory: &M, capacity: usize, size: usize) -> Stream<T> {
        assert!(capacity.is_power_of_two(), "the capacity {capacity} is no power of two");
        let len = capacity.checked_mul(size);
        assert!(size > 0 && len.is_some_and(|len| len <= memory.len()), "{capacity} slots do not fit the data area");
        let ahead = (2 * LINE / size).max(1) as u64;
        Stream { mask: capacity - 1, size, ahead, element: PhantomData }
    }

    /// Returns where in the data area the slot of a position starts.
    #[inline(always)]
    fn offset(&self, position: u64) -> usize {
        // The mask fits a usize, so the truncation takes no bit that counts.
        (position as usize & self.mask) * T::size(self)
    }

    /// Returns how many units an element has: 1, or its bytes.
    #[inline(always)]
    pub(crate) fn units(&self) -> usize {
        T::size(self) / size_of::<T::Unit>()
    }

    /// Returns how many whole elements so many units are.
    #[inline(always)]
    pub(crate) fn whole(&self, units: usize) -> usize {
        // For speed only: a division takes longer than all else in a push of one element.
        if units == self.units() { 1 } else { units / self.units() }
    }
}

impl<T: Slot + ?Sized, R: Side, M: Memory> Endpoint<Stream<T>, R, M> {
    /// Returns the size of an element in bytes.
    #[must_use]
    pub fn element_size(&self) -> usize {
        T::size(&self.kind)
    }
}

impl<T: Element> Stream<T> {
    /// The size of a slot for elements of this type.
    const SIZE: usize = {
        assert!(size_of::<T>() > 0, "a zero-sized type carries nothing: count with an integer instead");
        assert!(align_of::<T>() <= DATA_ALIGN, "the alignment of an element is at most a page");
        size_of::<T>()
    };
}
