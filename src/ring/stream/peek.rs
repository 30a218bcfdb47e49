//! Elements in place, while they are read.

#![allow(unsafe_code, reason = "reads slots through the consumer")]

use core::fmt;
use core::iter::FusedIterator;
use core::mem::MaybeUninit;
use std::io;

use super::super::endpoint::Kind;
use super::super::error::Broken;
use super::super::memory::{Access, Memory};
use super::super::position::split;
use super::{CHUNK, Consumer, Element, SMALL_ELEMENT, Slot};

/// Elements that are read in place. Dropping it without a release leaves them in the ring.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ring = ringmain::Options::anonymous().capacity(64).create_stream(std::alloc::Layout::new::<u64>())?;
/// # let options = ringmain::Options::from_fd(ring);
/// # let (mut tx, mut rx) = (options.stream_producer::<u64>()?, options.stream_consumer::<u64>()?);
/// // Keys and values in turn. The last pair has not come as a whole.
/// tx.push_slice(&[1, 10, 2, 20, 3])?;
/// let peek = rx.peek_up_to(64)?;
/// let mut pairs = vec![0; peek.len() / 2 * 2];
/// peek.copy_to_slice(0, &mut pairs);
/// peek.release_first(pairs.len());
/// assert_eq!(pairs, [1, 10, 2, 20]);
/// // This peek is dropped: the key stays in the ring.
/// assert_eq!(rx.peek_up_to(64)?.get(0), Some(3));
/// assert_eq!(rx.len(), Ok(1));
/// # Ok(())
/// # }
/// ```
#[must_use = "a peek that is dropped releases nothing"]
pub struct Peek<'a, T: Slot + ?Sized, M: Memory> {
    consumer: &'a mut Consumer<T, M>,
    len: usize,
    /// How far it was read as an [`io::Read`].
    read: usize,
}

impl<'a, T: Slot + ?Sized, M: Memory> Peek<'a, T, M> {
    /// Peeks at `len` elements that lie between the head and the tail.
    pub(super) fn new(consumer: &'a mut Consumer<T, M>, len: usize) -> Peek<'a, T, M> {
        Peek { consumer, len, read: 0 }
    }

    /// Returns the number of elements.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no element: 0 were asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many elements lie before the end of the buffer and how many after it.
    #[must_use]
    #[inline]
    pub fn parts(&self) -> (usize, usize) {
        split(self.consumer.cursor.position(), self.len, self.consumer.kind.capacity())
    }

    /// Returns the position of the first element.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.consumer.position()
    }

    /// Returns whether the elements may be touched: not in a child that was forked meanwhile.
    #[inline(always)]
    fn in_own_process(&self) -> bool {
        self.consumer.memory.in_own_process()
    }

    /// Fails in a child that was forked meanwhile.
    pub(crate) fn check_process(&self) -> Result<(), Broken> {
        self.consumer.check_process()
    }

    /// Returns the addresses of the elements before the end of the buffer and of those after it;
    /// [`parts`](Self::parts) says how many lie there. They are valid as long as the peek.
    ///
    /// Another process may write what lies there at any moment; in a child that was forked meanwhile nothing is mapped
    /// there.
    #[inline]
    #[must_use]
    pub fn as_ptrs(&self) -> (*const T::Unit, *const T::Unit) {
        let first = self.consumer.cursor.position();
        // SAFETY: a run of 0 slots; the offset of any position lies in the data area.
        let address = |position| unsafe { self.consumer.slots_to_read(position, 0) }.address().cast();
        (address(first), address(first.wrapping_add(self.parts().0 as u64)))
    }

    /// Returns how many units lie in the two parts as far as they may be touched: 0 in a child that was forked
    /// meanwhile.
    #[inline(always)]
    pub(crate) fn units_here(&self) -> (usize, usize) {
        let ((first, second), units) = (self.parts(), self.consumer.kind.units());
        if self.in_own_process() { (first * units, second * units) } else { (0, 0) }
    }

    /// Copies the elements from `at` on. If their size is known at run time, only whole ones are copied.
    ///
    /// # Panics
    ///
    /// If `values` passes the end of the peek.
    #[inline]
    pub fn copy_to_slice(&self, at: usize, values: &mut [T::Unit]) {
        let count = self.consumer.kind.whole(values.len());
        let fits = self.len.checked_sub(at).is_some_and(|rest| count <= rest);
        assert!(fits, "{count} elements at {at} of a peek at {}", self.len);
        if !self.in_own_process() {
            return;
        }
        let position = self.consumer.cursor.position().wrapping_add(at as u64);
        // SAFETY: the elements are among the peek's.
        unsafe { self.consumer.take_slice(position, values.as_mut_ptr(), count) };
    }

    /// Gives all elements back to the producer, at once.
    #[inline]
    pub fn release(self) {
        let len = self.len;
        self.release_first(len);
    }

    /// Gives the first `len` elements back to the producer, at once, and leaves the others in the ring.
    ///
    /// # Panics
    ///
    /// If `len` is more than [`Peek::len`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-release-first-{}", std::process::id());
    /// use ringmain::Options;
    ///
    /// let mut tx = Options::new(&name).capacity(8).stream_producer::<u64>()?;
    /// let mut rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?;
    /// tx.push_slice(&[3, 4, 100, 5])?;
    /// let peek = rx.peek_up_to(8)?;
    /// let small = peek.iter().take_while(|&value| value < 10).count();
    /// peek.release_first(small);
    /// assert_eq!(rx.pop()?, 100);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn release_first(self, len: usize) {
        assert!(len <= self.len, "release of {len} elements of a peek at {}", self.len);
        if len > 0 && self.in_own_process() {
            self.consumer.advance_from(self.position(), len as u64);
        }
    }
}

impl<T: Element, M: Memory> Peek<'_, T, M> {
    /// Copies the element at `at`; `None` if there is none.
    #[inline]
    #[must_use]
    pub fn get(&self, at: usize) -> Option<T> {
        if at >= self.len || !self.in_own_process() {
            return None;
        }
        let position = self.consumer.cursor.position().wrapping_add(at as u64);
        // SAFETY: the element is one of the peek's.
        Some(unsafe { self.consumer.take(position) })
    }

    /// Copies the elements one after the other.
    #[inline]
    pub fn iter(&self) -> Elements<'_, T, M> {
        let start = self.consumer.cursor.position();
        Elements { consumer: self.consumer, next: start, end: start.wrapping_add(self.len as u64) }
    }
}

/// Reads from the first byte on, and then continues where it stopped. It gives nothing back.
impl<M: Memory> io::Read for Peek<'_, u8, M> {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.check_process()?;
        let len = bytes.len().min(self.len - self.read);
        self.copy_to_slice(self.read, &mut bytes[..len]);
        self.read += len;
        Ok(len)
    }
}

impl<'a, T: Element, M: Memory> IntoIterator for &'a Peek<'_, T, M> {
    type Item = T;
    type IntoIter = Elements<'a, T, M>;

    fn into_iter(self) -> Elements<'a, T, M> {
        self.iter()
    }
}

impl<T: Slot + ?Sized, M: Memory> fmt::Debug for Peek<'_, T, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Peek").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The elements of a [`Peek`], read one after the other.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ring = ringmain::Options::anonymous().capacity(64).create_stream(std::alloc::Layout::new::<u64>())?;
/// # let options = ringmain::Options::from_fd(ring);
/// # let (mut tx, mut rx) = (options.stream_producer::<u64>()?, options.stream_consumer::<u64>()?);
/// tx.push_slice(&[5, 1, 9])?;
/// let peek = rx.peek(3)?;
/// let mut elements = peek.iter();
/// assert_eq!((elements.next(), elements.len()), (Some(5), 2));
/// assert_eq!(elements.max(), Some(9));
/// // They can be read again, and stay in the ring until the peek is released.
/// for (number, expected) in peek.iter().zip([5, 1, 9]) {
///     assert_eq!(number, expected);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "iterators are lazy"]
pub struct Elements<'a, T: Element, M: Memory> {
    consumer: &'a Consumer<T, M>,
    next: u64,
    end: u64,
}

impl<T: Element, M: Memory> Elements<'_, T, M> {
    /// Copies a chunk of elements. The caller may have forked since the last one.
    #[inline(always)]
    fn take_chunk<'a>(&mut self, some: &'a mut [MaybeUninit<T>; CHUNK]) -> &'a [T] {
        let len = if self.consumer.memory.in_own_process() { CHUNK.min(self.len()) } else { 0 };
        let to = some.as_mut_ptr().cast();
        // SAFETY: the elements are among the peek's, and there is room for `CHUNK`.
        unsafe { self.consumer.take_slice(self.next, to, len) };
        self.next = self.next.wrapping_add(len as u64);
        // SAFETY: the first `len` are written, and every bit pattern is a `T`.
        unsafe { core::slice::from_raw_parts(to, len) }
    }

    /// Folds small elements, of which some are copied at once. In a build that is not optimised, their room must not
    /// lie in the frame of a caller whose elements are large.
    #[cfg_attr(debug_assertions, inline(never))]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn fold_chunks<B>(mut self, init: B, mut fold: impl FnMut(B, T) -> B) -> B {
        let mut folded = init;
        loop {
            let mut some = [MaybeUninit::uninit(); CHUNK];
            let some = self.take_chunk(&mut some);
            if some.is_empty() {
                return folded;
            }
            folded = some.iter().fold(folded, |folded, element| fold(folded, *element));
        }
    }
}

impl<T: Element, M: Memory> Iterator for Elements<'_, T, M> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.next == self.end || !self.consumer.memory.in_own_process() {
            return None;
        }
        // SAFETY: the element is one of the peek's.
        let value = unsafe { self.consumer.take(self.next) };
        self.next = self.next.wrapping_add(1);
        Some(value)
    }

    #[inline]
    fn fold<B, F: FnMut(B, T) -> B>(self, init: B, mut fold: F) -> B {
        if size_of::<T>() <= SMALL_ELEMENT {
            return self.fold_chunks(init, fold);
        }
        let mut folded = init;
        for element in self {
            folded = fold(folded, element);
        }
        folded
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.end.wrapping_sub(self.next) as usize;
        (len, Some(len))
    }
}

impl<T: Element, M: Memory> ExactSizeIterator for Elements<'_, T, M> {}
impl<T: Element, M: Memory> FusedIterator for Elements<'_, T, M> {}

impl<T: Element, M: Memory> fmt::Debug for Elements<'_, T, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Elements").field("next", &self.next).field("end", &self.end).finish_non_exhaustive()
    }
}
