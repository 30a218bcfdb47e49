//! The writing end of a stream ring.
//!
//! A push checks its `cursor`, copies by `put`, and publishes by `publish_from`, which checks for a sleeper
//! (`park.rs`). Only if no slot is known to be free does it call `load_head` (`writer.rs`).

#![allow(unsafe_code, reason = "writes slots through raw pointers")]

use core::sync::atomic::Ordering;

use super::super::copy::{In, by_value, copy, is_small, units};
use super::super::endpoint::{Endpoint, Internal, Kind, Writer};
use super::super::error::{Broken, PushError};
use super::super::memory::{Access, LINE, LONGEST_AHEAD, Memory, Role, Word};
use super::super::pace::{Bound, Pace};
use super::super::position::split;
use super::consumer::ENOUGH;
use super::{Claim, Element, Producer, Slot, Stream};

/// A producer does not pause at a full ring of fewer slots, or of no more lines, than these.
const MIN_PACED_SLOTS: usize = 32;
const MIN_PACED_LINES: usize = 8;

/// # The writing end of a stream ring
impl<T: Element, M: Memory> Endpoint<Stream<T>, Writer, M> {
    /// Continues at the stored tail, and pauses up to `bound` before a load of the head. The caller holds the
    /// producer's role.
    ///
    /// # Panics
    ///
    /// If `capacity` is not a power of two, or its slots do not fit the memory.
    pub(crate) fn attach(memory: M, capacity: usize, bound: impl Into<Bound>) -> Result<Self, Broken> {
        Self::attach_sized(memory, capacity, Stream::<T>::SIZE, bound)
    }

    /// Pushes one element, of 64 KiB at most ([`LARGEST_BY_VALUE`](crate::LARGEST_BY_VALUE)). It is visible to the
    /// consumer when this returns.
    ///
    /// # Errors
    ///
    /// - [`PushError::Full`]: there is no free slot; the element comes back.
    /// - [`PushError::Broken`]: the handle can no longer be used; the element comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-push-{}", std::process::id());
    /// use ringmain::{Options, PushError};
    ///
    /// #[derive(Clone, Copy, Debug, PartialEq, bytemuck::NoUninit, bytemuck::AnyBitPattern)]
    /// #[repr(C)]
    /// struct Tick {
    ///     time: u64,
    ///     price: f64,
    /// }
    ///
    /// let mut tx = Options::new(&name).capacity(1).unlink_on_close(true).stream_producer::<Tick>()?;
    /// let tick = Tick { time: 1, price: 2.5 };
    /// tx.push(tick)?;
    /// assert_eq!(tx.push(tick), Err(PushError::Full(tick)));
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        by_value::<T>();
        let tail = self.cursor.position();
        if tail == self.cursor.known_end() {
            match self.load_head() {
                Err(cause) => return Err(PushError::Broken { value, cause }),
                Ok(()) if self.cursor.known() == 0 => return Err(PushError::Full(value)),
                Ok(()) => {}
            }
        }
        // SAFETY: the tail is before the known end, so its slot is free.
        unsafe { self.put(tail, &raw const value, 1) };
        self.publish_from(tail, 1);
        Ok(())
    }
}

/// # The writing end of a stream ring, for any kind of slot
impl<T: Slot + ?Sized, M: Memory> Endpoint<Stream<T>, Writer, M> {
    /// Continues at the stored tail of a ring of slots of `size` bytes.
    pub(crate) fn attach_sized(
        memory: M,
        capacity: usize,
        size: usize,
        bound: impl Into<Bound>,
    ) -> Result<Self, Broken> {
        let kind = Stream::new(&memory, capacity, size);
        // The word is the role's own; its last writer released the role's lock before this process took it.
        let tail = memory.tail().load(Ordering::Relaxed);
        // In a ring of a few slots, or lines, a pause is longer than the consumer needs to read them all.
        let is_unpaced = capacity < MIN_PACED_SLOTS || capacity * size <= MIN_PACED_LINES * LINE;
        let bound = if is_unpaced { Bound::Pauses(0) } else { bound.into() };
        let pace = Pace::new(bound, (capacity / 4).clamp(1, ENOUGH / 2) as u64);
        let mut producer: Producer<T, M> = Endpoint::begin(memory, kind, tail, pace);
        producer.load_head()?;
        Ok(producer)
    }

    /// Pushes as many of the elements, from the first on, as there are free slots, and returns how many that is.
    ///
    /// They become visible together. An empty slice pushes 0 elements, also to a full ring. If the size of elements is
    /// known at run time, bytes after the last whole one are left out.
    ///
    /// # Errors
    ///
    /// - [`PushError::Full`]: there is no free slot.
    /// - [`PushError::Broken`]: the handle can no longer be used.
    #[inline]
    pub fn push_slice(&mut self, values: &[T::Unit]) -> Result<usize, PushError> {
        let wanted = self.kind.whole(values.len());
        let free = self.free_up_to(wanted)?;
        if free == 0 {
            return if wanted == 0 { Ok(0) } else { Err(PushError::Full(0)) };
        }
        let tail = self.cursor.position();
        // SAFETY: that many slots are free from the tail on.
        unsafe { self.put_slice(tail, values.as_ptr(), free) };
        self.publish_from(tail, free);
        Ok(free)
    }

    /// Takes slots in place if as many are known to be free: nothing is loaded.
    #[doc(hidden)]
    #[inline(always)]
    pub fn claim_if_known(&mut self, len: usize) -> Option<Claim<'_, T, M>> {
        if self.cursor.known() < len as u64 { None } else { Some(Claim::new(self, len)) }
    }

    /// Writes `count` elements into the slots from `position` on.
    ///
    /// # Safety
    ///
    /// - The slots lie between the tail and the known end, and before the end of the buffer.
    /// - `from` is private and valid for that many elements.
    #[inline(always)]
    pub(super) unsafe fn put(&mut self, position: u64, from: *const T::Unit, count: usize) {
        // SAFETY: the caller's promise.
        let slots = unsafe { self.slots_to_write(position, count) };
        // SAFETY: the slots are valid for that many elements; each starts at a multiple of its size from a page on, so
        // it has every alignment up to 8 that divides the size. The other side is private, and initialised.
        unsafe { T::copy::<In>(&self.kind, from.cast(), slots.address(), count, Internal::TOKEN) };
    }

    /// Writes `count` elements into the slots from `position` on, in two parts if the buffer ends between them.
    ///
    /// # Safety
    ///
    /// - The slots lie between the tail and the known end.
    /// - `from` is private and valid for that many elements.
    #[inline(always)]
    pub(super) unsafe fn put_slice(&mut self, position: u64, from: *const T::Unit, count: usize) {
        let (first, second) = split(position, count, self.kind.capacity());
        // SAFETY: the first part ends where the buffer does, or before.
        unsafe { self.put(position, from, first) };
        if second > 0 {
            let rest = from.wrapping_add(first * self.kind.units());
            // SAFETY: the second part begins where the buffer does.
            unsafe { self.put(position.wrapping_add(first as u64), rest, second) };
        }
    }

    /// Takes exactly `len` slots in place, in two parts if the buffer ends between them.
    ///
    /// # Errors
    ///
    /// - [`PushError::Full`]: fewer are free; it says how many.
    /// - [`PushError::TooLong`]: the ring has fewer.
    /// - [`PushError::Broken`]: the handle can no longer be used.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-claim-{}", std::process::id());
    /// use ringmain::Options;
    ///
    /// let mut tx = Options::new(&name).capacity(8).stream_producer::<u64>()?;
    /// let mut rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?;
    /// let mut claim = tx.claim(3)?;
    /// claim.set(0, 7);
    /// claim.copy_from_slice(1, &[8, 9]);
    /// claim.commit();
    /// assert_eq!([rx.pop()?, rx.pop()?, rx.pop()?], [7, 8, 9]);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_, T, M>, PushError> {
        let max = self.kind.capacity();
        if len > max {
            return Err(PushError::TooLong { len, max });
        }
        let free = self.free_up_to(len)?;
        if free < len { Err(PushError::Full(free)) } else { Ok(Claim::new(self, len)) }
    }

    /// Takes as many slots in place as are free, at least one and at most `max`, in two parts if the buffer ends
    /// between them.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim), but never [`PushError::TooLong`].
    #[inline]
    pub fn claim_up_to(&mut self, max: usize) -> Result<Claim<'_, T, M>, PushError> {
        let len = self.free_up_to(max)?;
        if len == 0 && max > 0 { Err(PushError::Full(0)) } else { Ok(Claim::new(self, len)) }
    }

    /// Takes as many slots in place as are free before the buffer ends, at least one and at most `max`: always one
    /// part.
    ///
    /// # Errors
    ///
    /// As [`claim_up_to`](Self::claim_up_to).
    #[inline]
    pub fn claim_contiguous(&mut self, max: usize) -> Result<Claim<'_, T, M>, PushError> {
        let (before_the_end, _) = split(self.cursor.position(), max, self.kind.capacity());
        self.claim_up_to(before_the_end)
    }

    /// Returns how many of `wanted` slots are free. Loads the head only if too few are known to be, or none: a poisoned
    /// handle fails even for 0 slots.
    #[inline(always)]
    fn free_up_to(&mut self, wanted: usize) -> Result<usize, Broken> {
        if self.cursor.known() < wanted.max(1) as u64 {
            self.load_head()?;
        }
        // At most the capacity, so it fits.
        Ok((self.cursor.known() as usize).min(wanted))
    }

    /// Accesses `len` slots from `position` on, which may be written.
    ///
    /// # Safety
    ///
    /// The slots lie between the tail and the known end, and before the end of the buffer.
    #[inline(always)]
    pub(super) unsafe fn slots_to_write(&self, position: u64, len: usize) -> M::Write<'_> {
        let offset = self.kind.offset(position);
        // SAFETY: `attach` checked that the slots fit the memory, and these are free.
        unsafe { self.memory.write(offset, len * T::size(&self.kind)) }
    }

    /// Makes `len` more elements visible. The caller has the tail in a register.
    #[inline(always)]
    pub(super) fn publish_from(&mut self, tail: u64, len: usize) {
        let tail = self.cursor.advance_from(tail, len as u64);
        // Publish: pairs with the Acquire in `Consumer::find_tail`. The elements before it are written.
        self.memory.tail().store(tail, Ordering::Release);
        self.notifier.published(&self.memory, Role::Consumer, tail);
        // For speed only: may be deleted.
        if T::size(&self.kind) >= M::SMALLEST_AHEAD && self.pace.is_awaited() && self.kind.ahead < self.cursor.known() {
            // SAFETY: that many slots and one more are free from the tail on.
            unsafe { self.fetch_ahead(tail.wrapping_add(self.kind.ahead)) };
        }
    }

    /// Fetches the lines of a slot that will be written soon, which the consumer read one lap ago, by a store to a byte
    /// of each. Only if the consumer waits for each element: then it reads this one meanwhile. In a flow such stores
    /// would delay all that follow.
    ///
    /// # Safety
    ///
    /// The slot is free.
    #[inline(always)]
    pub(crate) unsafe fn fetch_ahead(&self, position: u64) {
        let size = T::size(&self.kind);
        // SAFETY: the caller's promise; one slot does not pass the end of the buffer.
        let slot = unsafe { self.slots_to_write(position, 1) };
        for at in (0..size.min(LONGEST_AHEAD)).step_by(LINE) {
            // SAFETY: the byte lies within the slot.
            unsafe { copy::<In, u8>([0].as_ptr(), slot.address().wrapping_add(at), 1) };
        }
    }
}

/// # The writing end of a stream ring of elements whose size is known at run time
impl<M: Memory> Endpoint<Stream<[u8]>, Writer, M> {
    /// Pushes one small element if a slot is known to be free, or does nothing: what is inlined into the library for C.
    #[doc(hidden)]
    #[inline(always)]
    pub fn push_if_known(&mut self, bytes: &[u8]) -> bool {
        let (size, tail) = (self.kind.size, self.cursor.position());
        if bytes.len() != size || !is_small(size) || tail == self.cursor.known_end() {
            return false;
        }
        // SAFETY: the tail is before the known end, so its slot is free.
        let slot = unsafe { self.slots_to_write(tail, 1) };
        // SAFETY: the slot is valid for that many bytes and aligned as its size allows, and these are private.
        unsafe { units::<In, u64>(bytes.as_ptr(), slot.address(), size) };
        drop(slot);
        self.publish_from(tail, 1);
        true
    }
}
