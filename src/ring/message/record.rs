//! A message in place, while it is read.

#![allow(unsafe_code, reason = "reads a payload through the consumer")]

use core::fmt;
use std::io;

use bytemuck::AnyBitPattern;

use super::super::copy::{Out, copy};
use super::super::memory::Memory;
use super::{Consumer, NO_WORD};

/// A message that is read in place. Dropping it without a release leaves it in the ring.
#[must_use = "a record that is dropped releases nothing"]
pub struct Record<'a, M: Memory> {
    consumer: &'a mut Consumer<M>,
    len: usize,
    /// How far it was read as an [`io::Read`].
    read: usize,
}

impl<'a, M: Memory> Record<'a, M> {
    /// Peeks at the message at the head, which is `len` bytes long.
    pub(super) fn new(consumer: &'a mut Consumer<M>, len: usize) -> Record<'a, M> {
        Record { consumer, len, read: 0 }
    }

    /// Returns its length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns its position: how many bytes of records lie before it.
    #[inline]
    pub fn position(&self) -> u64 {
        self.consumer.position()
    }

    /// Returns whether the bytes may be touched: not in a child that was forked meanwhile.
    #[inline(always)]
    fn is_here(&self) -> bool {
        self.consumer.is_here()
    }

    /// Returns the length of what may be touched: 0 in a child that was forked meanwhile.
    #[inline(always)]
    pub(crate) fn len_here(&self) -> usize {
        if self.is_here() { self.len } else { 0 }
    }

    /// Returns the word that its producer gave it ([`Producer::push_tagged`](crate::message::Producer::push_tagged)); 0
    /// if none was given, and in a ring with a [`record_alignment`](crate::Options::record_alignment) of 8.
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

    /// Copies the value that starts at byte `at`; `None` if the message ends before it does.
    #[inline]
    pub fn value<T: AnyBitPattern>(&self, at: usize) -> Option<T> {
        at.checked_add(size_of::<T>()).filter(|&end| end <= self.len && self.is_here())?;
        // The payload starts at a word, so a value at a multiple of a word does too.
        let copy: unsafe fn(*const u8, *mut u8, usize) = if at & 7 == 0 { copy::<Out, T> } else { bytewise::<T> };
        // SAFETY: the message has as many bytes there, aligned as the copy needs them.
        Some(unsafe { self.consumer.take_value(self.position(), at, copy) })
    }

    /// Gives the space of the message back to the producer, as a pop does.
    #[inline]
    pub fn release(self) {
        if self.is_here() {
            self.consumer.pass(self.consumer.position(), self.consumer.kind.geometry.size(self.len));
        }
    }

    /// Returns the address of its bytes, which is good as long as the record.
    ///
    /// Another process may write what lies there at any moment, and in a child that was forked meanwhile nothing does.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.address()
    }

    /// Returns the address of its bytes.
    #[inline]
    pub(crate) fn address(&self) -> *const u8 {
        // SAFETY: the message was found there; none of its bytes is accessed here.
        unsafe { self.consumer.payload(self.position(), 0, 0, |bytes| bytes) }
    }
}

/// Reads from the first byte on, and then continues where it stopped.
impl<M: Memory> io::Read for Record<'_, M> {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.consumer.check_here()?;
        let len = bytes.len().min(self.len - self.read);
        let read = |payload: *const u8| {
            // SAFETY: as many bytes of the message are there, and the buffer has room for them and is private.
            unsafe { copy::<Out, u8>(payload, bytes.as_mut_ptr(), len) }
        };
        // SAFETY: the message has as many bytes from there on.
        unsafe { self.consumer.payload(self.position(), self.read, len, read) };
        self.read += len;
        Ok(len)
    }
}

/// Copies values that start anywhere.
///
/// # Safety
///
/// `from` is valid for reads of `count` values, `to` is private and valid for as many writes.
unsafe fn bytewise<T>(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the caller's promise; a byte is always aligned.
    unsafe { copy::<Out, u8>(from, to, count * size_of::<T>()) }
}

impl<M: Memory> fmt::Debug for Record<'_, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Record").field("len", &self.len).finish_non_exhaustive()
    }
}
