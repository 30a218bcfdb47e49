//! Elements in place.

#![allow(unsafe_code, reason = "reads slots through the consumer")]

use core::fmt;
use core::iter::FusedIterator;

use super::super::memory::Memory;
use super::super::position::split;
use super::Element;
use super::consumer::Consumer;

/// Elements that are looked at in place. Dropping it without a release leaves them there.
pub struct Peek<'a, T, M> {
    consumer: &'a mut Consumer<T, M>,
    len: usize,
}

impl<'a, T: Element, M: Memory> Peek<'a, T, M> {
    /// Looks at `len` elements that lie between the head and the tail.
    pub(super) fn new(consumer: &'a mut Consumer<T, M>, len: usize) -> Peek<'a, T, M> {
        Peek { consumer, len }
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many elements lie before the end of the buffer and how many after it.
    pub fn parts(&self) -> (usize, usize) {
        split(self.consumer.cursor.head(), self.len, self.consumer.capacity)
    }

    /// Returns the position of the first element.
    pub fn position(&self) -> u64 {
        self.consumer.position()
    }

    /// Returns whether the elements may be touched: not in a child that was forked meanwhile.
    #[inline(always)]
    pub fn is_here(&self) -> bool {
        self.consumer.memory().is_here()
    }

    /// Returns the length of what may be touched: 0 in a child that was forked meanwhile.
    #[inline(always)]
    pub fn len_here(&self) -> usize {
        if self.is_here() { self.len } else { 0 }
    }

    /// Reads the element at `at`; `None` if there is none, or in a forked child.
    #[inline]
    pub fn get(&self, at: usize) -> Option<T> {
        if at >= self.len || !self.is_here() {
            return None;
        }
        let position = self.consumer.cursor.head().wrapping_add(at as u64);
        // SAFETY: the element is one of those looked at.
        Some(unsafe { self.consumer.take(position) })
    }

    /// Reads the elements from `at` on; leaves `values` as it is in a forked child.
    ///
    /// # Panics
    ///
    /// If `values` passes the end of the elements.
    #[inline]
    pub fn copy_to_slice(&self, at: usize, values: &mut [T]) {
        let fits = self.len.checked_sub(at).is_some_and(|rest| values.len() <= rest);
        assert!(fits, "{} elements at {at} of a peek at {}", values.len(), self.len);
        if !self.is_here() {
            return;
        }
        let position = self.consumer.cursor.head().wrapping_add(at as u64);
        // SAFETY: the elements are among those looked at.
        unsafe { self.consumer.take_slice(position, values) };
    }

    /// Reads the elements one after the other.
    #[inline]
    pub fn iter(&self) -> Elements<'_, T, M> {
        let start = self.consumer.cursor.head();
        Elements { consumer: self.consumer, next: start, end: start.wrapping_add(self.len as u64) }
    }

    /// Hands the address of the elements before the end of the buffer to `access`, which only reads them.
    #[inline]
    pub fn in_place<R>(&self, access: impl FnOnce(*const u8) -> R) -> R {
        let (first, _) = self.parts();
        // SAFETY: the elements are among those looked at.
        unsafe { self.consumer.slots(self.consumer.cursor.head(), first, access) }
    }

    /// Gives all elements back to the producer, at once.
    #[inline]
    pub fn release(self) {
        let len = self.len;
        self.release_first(len);
    }

    /// Gives the first `len` elements back to the producer, at once, and leaves the others where they are.
    ///
    /// # Panics
    ///
    /// If `len` is more than the number of elements.
    #[inline]
    pub fn release_first(self, len: usize) {
        assert!(len <= self.len, "release of {len} elements of a peek at {}", self.len);
        if len > 0 && self.is_here() {
            self.consumer.advance(len);
        }
    }
}

impl<'a, T: Element, M: Memory> IntoIterator for &'a Peek<'_, T, M> {
    type Item = T;
    type IntoIter = Elements<'a, T, M>;

    fn into_iter(self) -> Elements<'a, T, M> {
        self.iter()
    }
}

impl<T, M> fmt::Debug for Peek<'_, T, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Peek").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The elements of a [`Peek`], read one after the other.
pub struct Elements<'a, T, M> {
    consumer: &'a Consumer<T, M>,
    next: u64,
    end: u64,
}

impl<T: Element, M: Memory> Iterator for Elements<'_, T, M> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.next == self.end || !self.consumer.memory().is_here() {
            return None;
        }
        // SAFETY: the element is one of those looked at.
        let value = unsafe { self.consumer.take(self.next) };
        self.next = self.next.wrapping_add(1);
        Some(value)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.end.wrapping_sub(self.next) as usize;
        (len, Some(len))
    }
}

impl<T: Element, M: Memory> ExactSizeIterator for Elements<'_, T, M> {}
impl<T: Element, M: Memory> FusedIterator for Elements<'_, T, M> {}

impl<T, M> fmt::Debug for Elements<'_, T, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Elements").field("next", &self.next).field("end", &self.end).finish_non_exhaustive()
    }
}
