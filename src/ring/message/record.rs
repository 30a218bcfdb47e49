//! A message in place, while it is read.

#![allow(unsafe_code, reason = "reads a payload through the consumer")]

use core::mem::MaybeUninit;
use core::ptr::slice_from_raw_parts;
use std::io;

use bytemuck::AnyBitPattern;

use super::super::copy::{Out, copy};
use super::super::memory::{Access, Memory};
use super::{Consumer, NO_WORD};

/// A message that is read in place. Dropping it without a release leaves it in the ring.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
/// # let options = ringmain::Options::from_fd(ring);
/// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
/// use std::io::Read;
///
/// tx.push(b"buy 100")?;
/// let mut record = rx.peek()?;
/// let (mut verb, mut rest) = ([0; 4], String::new());
/// record.read_exact(&mut verb)?;
/// record.read_to_string(&mut rest)?;
/// assert_eq!((&verb, &rest[..]), (b"buy ", "100"));
/// // If the process ended here, the next consumer would get the message.
/// record.release();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
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

    /// Returns the word that its producer gave it ([`Producer::push_tagged`](crate::message::Producer::push_tagged)); 0
    /// if none was given, and in a ring with a [`record_alignment`](crate::Options::record_alignment) of 8.
    #[inline]
    pub fn word(&self) -> u64 {
        if self.consumer.memory.in_own_process() { self.consumer.word_of(self.position()) } else { NO_WORD }
    }

    /// Copies as many of its bytes as fit, from the first on, and returns how many that is.
    #[inline]
    pub fn copy_to(&self, bytes: &mut [u8]) -> usize {
        if !self.consumer.memory.in_own_process() {
            return 0;
        }
        let len = self.len.min(bytes.len());
        // SAFETY: the message has that many bytes, and so has the buffer.
        unsafe { self.consumer.take(self.position(), bytes.as_mut_ptr(), len) };
        len
    }

    /// Copies its bytes.
    #[inline]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len);
        if self.consumer.memory.in_own_process() {
            // SAFETY: the message has that many bytes.
            unsafe { self.consumer.append_to(self.position(), self.len, &mut bytes) };
        }
        bytes
    }

    /// Copies the value that starts at byte `at`; `None` if the message ends before it does.
    #[inline]
    pub fn value<T: AnyBitPattern>(&self, at: usize) -> Option<T> {
        at.checked_add(size_of::<T>()).filter(|&end| end <= self.len && self.consumer.memory.in_own_process())?;
        let mut value = MaybeUninit::uninit();
        match at & 7 {
            // SAFETY: the message has that many bytes there, which start at a word, as its payload does.
            0 => unsafe { self.consumer.copy_value::<T, T>(self.position(), at, &mut value) },
            // SAFETY: the message has that many bytes there, and a byte is always aligned.
            _ => unsafe { self.consumer.copy_value::<T, u8>(self.position(), at, &mut value) },
        }
        // SAFETY: every byte is written, and every bit pattern is a `T`.
        Some(unsafe { value.assume_init() })
    }

    /// Gives the space of the message back to the producer, as a pop does.
    #[inline]
    pub fn release(self) {
        if self.consumer.memory.in_own_process() {
            self.consumer.release_from(self.consumer.position(), self.consumer.kind.geometry.size(self.len));
        }
    }

    /// Returns the address of its bytes. It is valid as long as the record.
    ///
    /// Another process may write there at any moment. In a child that was forked meanwhile nothing is mapped there.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        // SAFETY: the message was found there; none of its bytes is accessed here.
        unsafe { self.consumer.payload(self.position(), 0, 0) }.address()
    }

    /// Returns its bytes: none in a child that was forked meanwhile.
    #[inline]
    pub(crate) fn in_place(&self) -> *const [u8] {
        slice_from_raw_parts(self.as_ptr(), if self.consumer.memory.in_own_process() { self.len } else { 0 })
    }
}

/// Reads from the first byte on, and then continues where it stopped.
impl<M: Memory> io::Read for Record<'_, M> {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.consumer.check_process()?;
        let len = bytes.len().min(self.len - self.read);
        // SAFETY: the message has as many bytes from there on.
        let payload = unsafe { self.consumer.payload(self.position(), self.read, len) };
        // SAFETY: as many bytes of the message are there, and the buffer has room for them and is private.
        unsafe { copy::<Out, u8>(payload.address(), bytes.as_mut_ptr(), len) };
        drop(payload);
        self.read += len;
        Ok(len)
    }
}
