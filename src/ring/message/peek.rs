//! A message in place, while it is read.

#![allow(unsafe_code, reason = "reads a payload through the consumer")]

use core::fmt;

use bytemuck::AnyBitPattern;

use super::super::copy::copy_out;
use super::super::memory::Memory;
use super::consumer::Consumer;
use super::producer::NO_WORD;

/// A message that is looked at in place. Dropping it without a release leaves it there.
pub struct Record<'a, M> {
    consumer: &'a mut Consumer<M>,
    len: usize,
}

impl<'a, M: Memory> Record<'a, M> {
    /// Looks at the message at the head, which is `len` bytes long.
    pub(super) fn new(consumer: &'a mut Consumer<M>, len: usize) -> Record<'a, M> {
        Record { consumer, len }
    }

    /// Returns its length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns its position: how many bytes of records lie before it.
    pub fn position(&self) -> u64 {
        self.consumer.position()
    }

    /// Returns whether the bytes may be touched: not in a child that was forked meanwhile.
    #[inline(always)]
    pub fn is_here(&self) -> bool {
        self.consumer.memory().is_here()
    }

    /// Returns the length of what may be touched: 0 in a child that was forked meanwhile.
    #[inline(always)]
    pub fn len_here(&self) -> usize {
        if self.is_here() { self.len } else { 0 }
    }

    /// Returns the word that its producer gave it, 0 where it gave none or records have none.
    #[inline]
    pub fn word(&self) -> u64 {
        if self.is_here() { self.consumer.front_word() } else { NO_WORD }
    }

    /// Copies as many of its bytes as fit, from the first on, and returns how many that is.
    #[inline]
    pub fn copy_to(&self, bytes: &mut [u8]) -> usize {
        if !self.is_here() {
            return 0;
        }
        let len = self.len.min(bytes.len());
        // SAFETY: the message has as many bytes, and so has the buffer.
        unsafe { self.consumer.take(self.position(), bytes.as_mut_ptr(), len) };
        len
    }

    /// Copies its bytes.
    #[inline]
    pub fn to_vec(&self) -> Vec<u8> {
        if !self.is_here() {
            return Vec::new();
        }
        let mut bytes = Vec::with_capacity(self.len);
        // SAFETY: the message has as many bytes, and the vector room for them.
        unsafe { self.consumer.take(self.position(), bytes.as_mut_ptr(), self.len) };
        // SAFETY: as many bytes are written.
        unsafe { bytes.set_len(self.len) };
        bytes
    }

    /// Reads the value that starts at `at`; `None` where the message ends before it does.
    #[inline]
    pub fn value<T: AnyBitPattern>(&self, at: usize) -> Option<T> {
        at.checked_add(size_of::<T>()).filter(|&end| end <= self.len && self.is_here())?;
        // The payload starts at a word, so a value does that starts at a multiple of one behind it.
        let copy: unsafe fn(*const u8, *mut u8, usize) = if at & 7 == 0 { copy_out::<T> } else { bytewise::<T> };
        // SAFETY: the message has as many bytes there, aligned as the copy needs them.
        Some(unsafe { self.consumer.take_value(self.position(), at, copy) })
    }

    /// Moves the head over the message. Its space goes back to the producer as after a pop.
    #[inline]
    pub fn release(self) {
        if self.is_here() {
            self.consumer.advance(self.consumer.shape().size(self.len));
        }
    }

    /// Hands the address of all of its bytes to `access`, which only reads them.
    #[inline]
    pub fn in_place<R>(&self, access: impl FnOnce(*const u8) -> R) -> R {
        // SAFETY: the message has as many bytes.
        unsafe { self.consumer.payload(self.position(), 0, self.len, access) }
    }
}

/// Copies values that start anywhere.
///
/// # Safety
///
/// `from` is valid for reads of `count` values, `to` is private and valid for as many writes.
unsafe fn bytewise<T>(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the caller's promise; a byte is always aligned.
    unsafe { copy_out::<u8>(from, to, count * size_of::<T>()) }
}

impl<M> fmt::Debug for Record<'_, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Record").field("len", &self.len).finish_non_exhaustive()
    }
}
