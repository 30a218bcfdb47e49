//! What a slot of a stream ring holds, and how that is copied.

#![allow(unsafe_code, reason = "copies through raw pointers")]

use bytemuck::{AnyBitPattern, NoUninit};

use super::super::copy::{Direction, copy, copy_slots};
use super::Stream;

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
    /// The slots are aligned as elements of this size can be; the other side is private to this process. Both are valid
    /// for as many elements.
    #[doc(hidden)]
    unsafe fn copy<D: Direction>(stream: &Stream<Self>, from: *const u8, to: *mut u8, count: usize);
}

impl<T: Element> Slot for T {
    type Unit = T;

    #[inline(always)]
    fn size(_stream: &Stream<T>) -> usize {
        size_of::<T>()
    }

    #[inline(always)]
    unsafe fn copy<D: Direction>(_stream: &Stream<T>, from: *const u8, to: *mut u8, count: usize) {
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
    unsafe fn copy<D: Direction>(stream: &Stream<[u8]>, from: *const u8, to: *mut u8, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { copy_slots::<D>(from, to, count * stream.size, stream.size) }
    }
}
