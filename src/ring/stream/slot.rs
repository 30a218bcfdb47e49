//! What a slot of a stream ring holds, and how that is copied.

#![allow(unsafe_code, reason = "copies through raw pointers")]

use bytemuck::{AnyBitPattern, NoUninit};

use super::super::copy::{copy_in, copy_out, slots_in, slots_out};
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

    /// Copies `count` elements into slots.
    ///
    /// # Safety
    ///
    /// Both are valid for as many elements, `from` is private, and `slots` is aligned as an element of this size can be.
    #[doc(hidden)]
    unsafe fn copy_in(stream: &Stream<Self>, from: *const Self::Unit, slots: *mut u8, count: usize);

    /// Copies `count` elements out of slots.
    ///
    /// # Safety
    ///
    /// As [`copy_in`](Self::copy_in); `to` is private.
    #[doc(hidden)]
    unsafe fn copy_out(stream: &Stream<Self>, slots: *const u8, to: *mut Self::Unit, count: usize);
}

impl<T: Element> Slot for T {
    type Unit = T;

    #[inline(always)]
    fn size(_stream: &Stream<T>) -> usize {
        size_of::<T>()
    }

    #[inline(always)]
    unsafe fn copy_in(_stream: &Stream<T>, from: *const T, slots: *mut u8, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { copy_in::<T>(from.cast(), slots, count) }
    }

    #[inline(always)]
    unsafe fn copy_out(_stream: &Stream<T>, slots: *const u8, to: *mut T, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { copy_out::<T>(slots, to.cast(), count) }
    }
}

impl Slot for [u8] {
    type Unit = u8;

    #[inline(always)]
    fn size(stream: &Stream<[u8]>) -> usize {
        stream.size
    }

    #[inline(always)]
    unsafe fn copy_in(stream: &Stream<[u8]>, from: *const u8, slots: *mut u8, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { slots_in(from, slots, count * stream.size, stream.size) }
    }

    #[inline(always)]
    unsafe fn copy_out(stream: &Stream<[u8]>, slots: *const u8, to: *mut u8, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { slots_out(slots, to, count * stream.size, stream.size) }
    }
}
