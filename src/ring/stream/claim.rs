//! Slots in place.

#![allow(unsafe_code, reason = "writes slots through the producer")]

use core::fmt;

use super::super::memory::Memory;
use super::super::position::split;
use super::Element;
use super::producer::Producer;

/// Slots that were taken in place and are not visible yet. Dropping it aborts it.
pub struct Claim<'a, T, M> {
    producer: &'a mut Producer<T, M>,
    len: usize,
}

impl<'a, T: Element, M: Memory> Claim<'a, T, M> {
    /// Takes `len` slots that lie between the tail and the limit.
    pub(super) fn new(producer: &'a mut Producer<T, M>, len: usize) -> Claim<'a, T, M> {
        Claim { producer, len }
    }

    /// Returns the number of slots.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no slot.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many slots lie before the end of the buffer and how many after it.
    pub fn parts(&self) -> (usize, usize) {
        split(self.producer.room.tail(), self.len, self.producer.capacity)
    }

    /// Returns whether the slots may be touched: not in a child that was forked meanwhile, in which every call does nothing.
    #[inline(always)]
    pub fn is_here(&self) -> bool {
        self.producer.memory().is_here()
    }

    /// Returns the length of what may be touched: 0 in a child that was forked meanwhile.
    #[inline(always)]
    pub fn len_here(&self) -> usize {
        if self.is_here() { self.len } else { 0 }
    }

    /// Writes the slot at `at`.
    ///
    /// # Panics
    ///
    /// If `at` is not below the number of slots.
    #[inline]
    pub fn set(&mut self, at: usize, value: T) {
        assert!(at < self.len, "slot {at} of a claim of {}", self.len);
        // SAFETY: the slot is one of the claim's.
        unsafe { self.put(at, &value) };
    }

    /// Writes the slots from `at` on.
    ///
    /// # Panics
    ///
    /// If the slots pass the end of the claim.
    #[inline]
    pub fn copy_from_slice(&mut self, at: usize, values: &[T]) {
        let fits = self.len.checked_sub(at).is_some_and(|rest| values.len() <= rest);
        assert!(fits, "{} elements at slot {at} of a claim of {}", values.len(), self.len);
        if !self.is_here() {
            return;
        }
        let position = self.producer.room.tail().wrapping_add(at as u64);
        // SAFETY: the slots are among the claim's.
        unsafe { self.producer.put_slice(position, values) };
    }

    /// Writes the slots from the first on, one for each value, until either ends, and returns how many were written.
    #[inline]
    pub fn fill(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        let mut values = values.into_iter();
        for at in 0..self.len {
            let Some(value) = values.next() else { return at };
            // SAFETY: the slot is one of the claim's.
            unsafe { self.put(at, &value) };
        }
        self.len
    }

    /// Makes all slots visible. One that was not written holds what was in it before.
    #[inline]
    pub fn commit(self) {
        let len = self.len;
        self.commit_first(len);
    }

    /// Makes the first `len` slots visible and gives the others up.
    ///
    /// # Panics
    ///
    /// If `len` is more than the number of slots.
    #[inline]
    pub fn commit_first(self, len: usize) {
        assert!(len <= self.len, "commit of {len} slots of a claim of {}", self.len);
        if len > 0 && self.is_here() {
            self.producer.publish(len);
        }
    }

    /// Gives all slots up. Dropping the claim does the same.
    pub fn abort(self) {}

    /// Hands the address of the slots before the end of the buffer to `access`, which may write them.
    #[inline]
    pub fn in_place<R>(&mut self, access: impl FnOnce(*mut u8) -> R) -> R {
        let (first, _) = self.parts();
        // SAFETY: the slots are the claim's.
        unsafe { self.producer.slots(self.producer.room.tail(), first, access) }
    }

    /// # Safety
    ///
    /// `at` is below the number of slots.
    #[inline(always)]
    unsafe fn put(&mut self, at: usize, value: &T) {
        if !self.is_here() {
            return;
        }
        let position = self.producer.room.tail().wrapping_add(at as u64);
        // SAFETY: the slot lies between the tail and the limit; a single one never passes the end of the buffer.
        unsafe { self.producer.put(position, core::slice::from_ref(value)) };
    }
}

impl<T, M> fmt::Debug for Claim<'_, T, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Claim").field("len", &self.len).finish_non_exhaustive()
    }
}
