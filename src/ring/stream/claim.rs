//! Slots in place, while they are written.

#![allow(unsafe_code, reason = "writes slots through the producer")]

use core::fmt;
use core::mem::MaybeUninit;

use super::super::copy::by_value;
use super::super::endpoint::Kind;
use super::super::error::Broken;
use super::super::memory::{Access, Memory};
use super::super::position::split;
use super::{CHUNK, Element, Producer, SMALL_ELEMENT, Slot};

/// Slots that were taken in place and are not visible yet. Dropping it aborts it.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use ringmain::stream::Producer;
/// # let mut tx = ringmain::Options::anonymous().capacity(64).stream_producer()?;
/// fn push_all(tx: &mut Producer<u64>, lines: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
///     let mut claim = tx.claim(lines.len())?;
///     for (at, line) in lines.iter().enumerate() {
///         // An error drops the claim: no line of these is pushed.
///         claim.set(at, line.parse()?);
///     }
///     claim.commit();
///     Ok(())
/// }
///
/// assert!(push_all(&mut tx, &["12", "thirteen"]).is_err());
/// push_all(&mut tx, &["12", "13"])?;
/// assert_eq!(tx.len(), Ok(2));
/// # Ok(())
/// # }
/// ```
#[must_use = "a claim that is dropped pushes nothing"]
pub struct Claim<'a, T: Slot + ?Sized, M: Memory> {
    producer: &'a mut Producer<T, M>,
    len: usize,
}

impl<'a, T: Slot + ?Sized, M: Memory> Claim<'a, T, M> {
    /// Takes `len` slots that lie between the tail and the known end.
    pub(super) fn new(producer: &'a mut Producer<T, M>, len: usize) -> Claim<'a, T, M> {
        Claim { producer, len }
    }

    /// Returns the number of slots.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no slot: 0 were asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many slots lie before the end of the buffer and how many after it.
    #[must_use]
    #[inline]
    pub fn parts(&self) -> (usize, usize) {
        split(self.producer.cursor.position(), self.len, self.producer.kind.capacity())
    }

    /// Returns whether the slots may be touched: not in a child that was forked meanwhile, in which every call does
    /// nothing.
    #[inline(always)]
    fn in_own_process(&self) -> bool {
        self.producer.memory.in_own_process()
    }

    /// Fails in a child that was forked meanwhile.
    pub(crate) fn check_process(&self) -> Result<(), Broken> {
        self.producer.check_process()
    }

    /// Returns the addresses of the slots before the end of the buffer and of those after it; [`parts`](Self::parts)
    /// says how many lie there. They are valid as long as the claim.
    ///
    /// Another process may write what lies there at any moment; in a child that was forked meanwhile nothing is mapped
    /// there.
    #[inline]
    #[must_use]
    pub fn as_mut_ptrs(&self) -> (*mut T::Unit, *mut T::Unit) {
        let first = self.producer.cursor.position();
        // SAFETY: a run of 0 slots; the offset of any position lies in the data area.
        let address = |position| unsafe { self.producer.slots_to_write(position, 0) }.address().cast();
        (address(first), address(first.wrapping_add(self.parts().0 as u64)))
    }

    /// Returns how many units lie in the two parts as far as they may be touched: 0 in a child that was forked
    /// meanwhile.
    #[inline(always)]
    pub(crate) fn units_here(&self) -> (usize, usize) {
        let ((first, second), units) = (self.parts(), self.producer.kind.units());
        if self.in_own_process() { (first * units, second * units) } else { (0, 0) }
    }

    /// Pushes all slots. One that was not written holds an element of an earlier lap, or zeros.
    #[inline]
    pub fn commit(self) {
        let len = self.len;
        self.commit_first(len);
    }

    /// Pushes the first `len` slots and gives up the others.
    ///
    /// # Panics
    ///
    /// If `len` is more than [`Claim::len`].
    #[inline]
    pub fn commit_first(self, len: usize) {
        assert!(len <= self.len, "commit of {len} slots of a claim of {}", self.len);
        if len > 0 && self.in_own_process() {
            self.producer.publish_from(self.producer.cursor.position(), len);
        }
    }

    /// Drops the claim: nothing is pushed.
    pub fn abort(self) {}

    /// Writes the slots from `at` on. If the size of elements is known at run time, bytes after the last whole one are
    /// left out.
    ///
    /// # Panics
    ///
    /// If they pass the end of the claim.
    #[inline]
    pub fn copy_from_slice(&mut self, at: usize, values: &[T::Unit]) {
        let count = self.producer.kind.whole(values.len());
        let fits = self.len.checked_sub(at).is_some_and(|rest| count <= rest);
        assert!(fits, "{count} elements at slot {at} of a claim of {}", self.len);
        if !self.in_own_process() {
            return;
        }
        let position = self.producer.cursor.position().wrapping_add(at as u64);
        // SAFETY: the slots are among the claim's.
        unsafe { self.producer.put_slice(position, values.as_ptr(), count) };
    }
}

impl<T: Element, M: Memory> Claim<'_, T, M> {
    /// Writes the slot at `at`.
    ///
    /// # Panics
    ///
    /// If `at` is not below [`Claim::len`].
    #[inline]
    pub fn set(&mut self, at: usize, value: T) {
        by_value::<T>();
        assert!(at < self.len, "slot {at} of a claim of {}", self.len);
        // SAFETY: the slot is one of the claim's.
        unsafe { self.put(at, &value) };
    }

    /// Writes the slots from the first on, one for each value, until either ends, and returns how many were written.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut tx = ringmain::Options::anonymous().capacity(64).stream_producer::<u64>()?;
    /// let mut claim = tx.claim_up_to(32)?;
    /// let filled = claim.fill([1, 2, 3]);
    /// claim.commit_first(filled);
    /// assert_eq!(tx.len(), Ok(3));
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn fill(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        by_value::<T>();
        let mut values = values.into_iter().fuse();
        let mut filled = 0;
        while filled < self.len {
            // The iterator may fork, so the check comes after it.
            let len = match size_of::<T>() <= SMALL_ELEMENT {
                true => self.fill_chunk(filled, &mut values),
                false => values.next().map_or(0, |value| {
                    // SAFETY: the slot is one of the claim's.
                    unsafe { self.put(filled, &value) };
                    1
                }),
            };
            if len == 0 {
                break;
            }
            filled += len;
        }
        filled
    }

    /// Writes a chunk of slots from `at` on, and returns how many. In a build that is not optimised, the chunk must not
    /// lie in the frame of a caller whose elements are large.
    #[cfg_attr(debug_assertions, inline(never))]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn fill_chunk(&mut self, at: usize, values: &mut impl Iterator<Item = T>) -> usize {
        let (mut some, mut len) = ([MaybeUninit::<T>::uninit(); CHUNK], 0);
        for (place, value) in some[..CHUNK.min(self.len - at)].iter_mut().zip(values) {
            place.write(value);
            len += 1;
        }
        // SAFETY: the first `len` are written.
        let some = unsafe { core::slice::from_raw_parts(some.as_ptr().cast(), len) };
        self.copy_from_slice(at, some);
        len
    }

    /// # Safety
    ///
    /// `at` is below the number of slots.
    #[inline(always)]
    unsafe fn put(&mut self, at: usize, value: &T) {
        if !self.in_own_process() {
            return;
        }
        let position = self.producer.cursor.position().wrapping_add(at as u64);
        // SAFETY: the slot lies between the tail and the known end; a single one never passes the end of the buffer.
        unsafe { self.producer.put(position, value, 1) };
    }
}

impl<T: Slot + ?Sized, M: Memory> fmt::Debug for Claim<'_, T, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Claim").field("len", &self.len).finish_non_exhaustive()
    }
}
