//! The reading end of a stream ring.
//!
//! A pop checks its `cursor`, copies by `take`, and stores the head by `advance_from` (`reader.rs`), which checks for a
//! sleeper. Only if no element is known to be there does it call `load_tail`.

#![allow(unsafe_code, reason = "reads slots through raw pointers")]

use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;

use super::super::copy::{Out, by_value, copy_words, is_small};
use super::super::endpoint::{Endpoint, Internal, Kind, Reader};
use super::super::error::{Broken, PopError, SharedWord};
use super::super::memory::{Access, Memory, Word};
use super::super::pace::{Bound, Pace};
use super::super::position::{Window, split};
use super::{Consumer, Element, Peek, Slot, Stream};

/// The handle can no longer be used: its `broken` says why. A unit error keeps the load of the tail small.
struct Unusable;

/// A load that finds this many elements, or half of the ring, is worth its cost; for a producer, half as much.
pub(super) const ENOUGH: usize = 1024;

/// # The reading end of a stream ring
impl<T: Element, M: Memory> Endpoint<Stream<T>, Reader, M> {
    /// Continues at the stored head, and pauses up to `bound` before a load of the tail. The caller holds the
    /// consumer's role.
    ///
    /// # Panics
    ///
    /// If `capacity` is not a power of two, or its slots do not fit the memory.
    pub(crate) fn attach(memory: M, capacity: usize, bound: impl Into<Bound>) -> Result<Self, Broken> {
        Self::attach_sized(memory, capacity, Stream::<T>::SIZE, bound)
    }

    /// Pops one element, of 64 KiB at most ([`LARGEST_BY_VALUE`](crate::LARGEST_BY_VALUE)). Its slot is free when this
    /// returns, and no other consumer gets the element.
    ///
    /// # Errors
    ///
    /// - [`PopError::Empty`]: none is there.
    /// - [`PopError::Broken`]: the handle can no longer be used.
    #[inline(always)]
    pub fn pop(&mut self) -> Result<T, PopError> {
        if self.cursor.known() == 0 {
            // Possibly empty: only the tail itself tells.
            self.load_tail()?;
            if self.cursor.known() == 0 {
                return Err(PopError::Empty);
            }
        }
        // Loaded after the tail, for speed only: a processor that has the head already reads the slot ahead of time,
        // and takes its line from the producer.
        let head = self.cursor.position();
        // SAFETY: the head is before the known end.
        let value = unsafe { self.take(head) };
        self.advance_from(head, 1);
        Ok(value)
    }

    /// Reads the element at `position`.
    ///
    /// # Safety
    ///
    /// It lies between the head and the tail.
    #[inline(always)]
    pub(super) unsafe fn take(&self, position: u64) -> T {
        by_value::<T>();
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the caller's promise; a single element never passes the end of the buffer.
        unsafe { self.copy(position, value.as_mut_ptr(), 1) };
        // SAFETY: every byte is written, and every bit pattern is a `T`.
        unsafe { value.assume_init() }
    }
}

/// # The reading end of a stream ring, for any kind of slot
impl<T: Slot + ?Sized, M: Memory> Endpoint<Stream<T>, Reader, M> {
    /// Continues at the stored head of a ring of slots of `size` bytes.
    pub(crate) fn attach_sized(
        memory: M,
        capacity: usize,
        size: usize,
        bound: impl Into<Bound>,
    ) -> Result<Self, Broken> {
        let kind = Stream::new(&memory, capacity, size);
        // The word is the role's own; its last writer released the role's lock before this process took it.
        let head = memory.head().load(Ordering::Relaxed);
        let pace = Pace::new(bound.into(), (capacity / 2).clamp(1, ENOUGH) as u64);
        let mut consumer: Consumer<T, M> = Endpoint::begin(memory, kind, head, pace);
        consumer.load_tail()?;
        Ok(consumer)
    }

    /// Pops as many elements as are there and fit, and returns how many that is. The rest of `values` is left as it is.
    ///
    /// An empty slice pops 0 elements, also from an empty ring. If the size of elements is known at run time, only
    /// whole ones are popped.
    ///
    /// # Errors
    ///
    /// - [`PopError::Empty`]: none is there.
    /// - [`PopError::Broken`]: the handle can no longer be used.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-pop-slice-{}", std::process::id());
    /// use ringmain::Options;
    ///
    /// let mut tx = Options::new(&name).capacity(8).stream_producer::<u64>()?;
    /// let mut rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?;
    /// tx.push_slice(&[1, 2, 3])?;
    /// let mut values = [0; 4];
    /// assert_eq!(rx.pop_slice(&mut values)?, 3);
    /// assert_eq!(values, [1, 2, 3, 0]);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn pop_slice(&mut self, values: &mut [T::Unit]) -> Result<usize, PopError> {
        let wanted = self.kind.whole(values.len());
        let len = self.known_up_to(wanted)?;
        if len == 0 {
            return if wanted == 0 { Ok(0) } else { Err(PopError::Empty) };
        }
        let head = self.cursor.position();
        // SAFETY: that many elements lie between the head and the known end.
        unsafe { self.take_slice(head, values.as_mut_ptr(), len) };
        self.advance_from(head, len as u64);
        Ok(len)
    }

    /// Peeks at elements in place if as many are known to be there: nothing is loaded.
    #[doc(hidden)]
    #[inline(always)]
    pub fn peek_if_known(&mut self, len: usize) -> Option<Peek<'_, T, M>> {
        if self.cursor.known() < len as u64 { None } else { Some(Peek::new(self, len)) }
    }

    /// Copies `count` elements from `position` on, in two parts if the buffer ends between them.
    ///
    /// # Safety
    ///
    /// They lie between the head and the tail, and `to` is private and valid for as many.
    #[inline(always)]
    pub(super) unsafe fn take_slice(&self, position: u64, to: *mut T::Unit, count: usize) {
        let (first, second) = split(position, count, self.kind.capacity());
        // SAFETY: the first part ends where the buffer does, or before.
        unsafe { self.copy(position, to, first) };
        if second > 0 {
            let rest = to.wrapping_add(first * self.kind.units());
            // SAFETY: the second part begins where the buffer does.
            unsafe { self.copy(position.wrapping_add(first as u64), rest, second) };
        }
    }

    /// Copies `count` elements from `position` on to private memory.
    ///
    /// # Safety
    ///
    /// - They lie between the head and the tail and do not pass the end of the buffer.
    /// - `to` is private and valid for as many.
    #[inline(always)]
    unsafe fn copy(&self, position: u64, to: *mut T::Unit, count: usize) {
        // SAFETY: the caller's promise.
        let slots = unsafe { self.slots_to_read(position, count) };
        // SAFETY: the slots are valid for that many elements; each starts at a multiple of its size from a page on, so
        // it has every alignment up to 8 that divides the size. The other side is private.
        unsafe { T::copy::<Out>(&self.kind, slots.address(), to.cast(), count, Internal::TOKEN) };
    }

    /// Peeks at exactly `len` elements in place, in two parts if the buffer ends between them.
    ///
    /// # Errors
    ///
    /// - [`PopError::Empty`], [`PopError::Short`]: none is there, or fewer are.
    /// - [`PopError::TooLong`]: the ring has fewer slots.
    /// - [`PopError::Broken`]: the handle can no longer be used.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-peek-{}", std::process::id());
    /// use ringmain::Options;
    ///
    /// let mut tx = Options::new(&name).capacity(8).stream_producer::<u64>()?;
    /// let mut rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?;
    /// tx.push_slice(&[1, 2, 3])?;
    /// let peek = rx.peek(3)?;
    /// assert_eq!(peek.iter().sum::<u64>(), 6);
    /// // A crash before this leaves them to the next consumer.
    /// peek.release();
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn peek(&mut self, len: usize) -> Result<Peek<'_, T, M>, PopError> {
        let max = self.kind.capacity();
        if len > max {
            return Err(PopError::TooLong { len, max });
        }
        match self.known_up_to(len)? {
            0 if len > 0 => Err(PopError::Empty),
            available if available < len => Err(PopError::Short { available, len }),
            _ => Ok(Peek::new(self, len)),
        }
    }

    /// Peeks at as many elements in place as are there, at least one and at most `max`, in two parts if the buffer
    /// ends between them.
    ///
    /// # Errors
    ///
    /// - [`PopError::Empty`]: none is there.
    /// - [`PopError::Broken`]: the handle can no longer be used.
    #[inline]
    pub fn peek_up_to(&mut self, max: usize) -> Result<Peek<'_, T, M>, PopError> {
        let len = self.known_up_to(max)?;
        if len == 0 && max > 0 { Err(PopError::Empty) } else { Ok(Peek::new(self, len)) }
    }

    /// Peeks at as many elements in place as are there before the buffer ends, at least one and at most `max`: always
    /// one part.
    ///
    /// # Errors
    ///
    /// As [`peek_up_to`](Self::peek_up_to).
    #[inline]
    pub fn peek_contiguous(&mut self, max: usize) -> Result<Peek<'_, T, M>, PopError> {
        let (before_the_end, _) = split(self.cursor.position(), max, self.kind.capacity());
        self.peek_up_to(before_the_end)
    }

    /// Peeks at the elements that are known to be there before the end of the buffer, at least one. Loads the tail only
    /// if none is known.
    #[inline]
    pub(crate) fn peek_known(&mut self) -> Result<Peek<'_, T, M>, PopError> {
        self.known_up_to(1)?;
        match split(self.cursor.position(), self.cursor.known() as usize, self.kind.capacity()) {
            (0, _) => Err(PopError::Empty),
            (len, _) => Ok(Peek::new(self, len)),
        }
    }

    /// Returns how many of `wanted` elements are there. Loads the tail only if too few are known to be, or none: a
    /// poisoned handle fails even for 0 elements.
    #[inline(always)]
    pub(super) fn known_up_to(&mut self, wanted: usize) -> Result<usize, Broken> {
        if self.cursor.known() < wanted.max(1) as u64 {
            self.load_tail()?;
        }
        // At most the capacity, so it fits.
        Ok((self.cursor.known() as usize).min(wanted))
    }

    /// Loads the producer's tail, paced. An impossible one poisons the handle.
    #[inline]
    fn load_tail(&mut self) -> Result<(), Broken> {
        self.find_tail().map_err(|Unusable| self.cause())
    }

    /// The same, with a unit error.
    ///
    /// A ping-pong takes this path for every element, so its two cases are kept short and inline: nothing new, and one
    /// element.
    #[inline(always)]
    fn find_tail(&mut self) -> Result<(), Unusable> {
        let (head, known_end) = (self.cursor.position(), self.cursor.known_end());
        if !self.memory.in_own_process() {
            return Err(Unusable);
        }
        let waited = if self.pace.is_idle() { 0 } else { self.wait()? };
        // Observe: pairs with the Release in `Producer::publish_from`. The elements before it are written.
        let found = self.memory.tail().load(Ordering::Acquire);
        if found == known_end {
            return Ok(());
        }
        if head == known_end && found == head.wrapping_add(1) {
            // One element beyond a known end that is used up always lies within the ring: there is nothing to check.
            self.cursor.learn(found);
            self.pace.found_one();
            return Ok(());
        }
        self.learn_tail(found, waited)
    }

    /// Waits before a load, as long as recent loads were not worth it. A poisoned handle always takes this path.
    #[inline(never)]
    fn wait(&mut self) -> Result<u32, Unusable> {
        if self.broken.is_some() { Err(Unusable) } else { Ok(self.pace.wait()) }
    }

    /// Checks a tail that has moved, and extends the known end.
    #[inline(never)]
    fn learn_tail(&mut self, found: u64, waited: u32) -> Result<(), Unusable> {
        let lowest = self.cursor.known_end();
        match self.window().check(SharedWord::Tail, found) {
            Ok(tail) => {
                self.pace.learn(waited, tail.wrapping_sub(lowest));
                self.cursor.learn(tail);
                Ok(())
            }
            Err(cause) => {
                self.poison(cause);
                Err(Unusable)
            }
        }
    }

    /// Returns where the tail can be.
    fn window(&self) -> Window {
        let highest = self.cursor.position().wrapping_add(self.kind.capacity() as u64);
        Window { lowest: self.cursor.known_end(), highest, step: 1 }
    }

    /// Loads the producer's tail and returns how many elements are there, without learning from it.
    pub(super) fn available_now(&self) -> Result<u64, Broken> {
        self.check()?;
        let tail = self.window().check(SharedWord::Tail, self.memory.tail().load(Ordering::Relaxed))?;
        Ok(tail.wrapping_sub(self.cursor.position()))
    }

    /// Accesses `len` elements from `position` on, which are only read.
    ///
    /// # Safety
    ///
    /// They lie between the head and the tail and do not pass the end of the buffer.
    #[inline(always)]
    pub(super) unsafe fn slots_to_read(&self, position: u64, len: usize) -> M::Read<'_> {
        let offset = self.kind.offset(position);
        // SAFETY: `attach` checked that the slots fit the memory, and these are committed.
        unsafe { self.memory.read(offset, len * T::size(&self.kind)) }
    }
}

/// # The reading end of a stream ring of elements whose size is known at run time
impl<M: Memory> Endpoint<Stream<[u8]>, Reader, M> {
    /// Pops one small element if one is known to be there, or does nothing: what is inlined into the library for C.
    #[doc(hidden)]
    #[inline(always)]
    pub fn pop_if_known(&mut self, bytes: &mut [u8]) -> bool {
        let (size, head) = (self.kind.size, self.cursor.position());
        if bytes.len() != size || !is_small(size) || head == self.cursor.known_end() {
            return false;
        }
        // SAFETY: the head is before the known end.
        let slot = unsafe { self.slots_to_read(head, 1) };
        // SAFETY: the slot is valid for that many bytes and aligned as its size allows, and the buffer is private.
        unsafe { copy_words::<Out>(slot.address(), bytes.as_mut_ptr(), size) };
        drop(slot);
        self.advance_from(head, 1);
        true
    }
}
