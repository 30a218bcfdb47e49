//! A message in place, while it is written.

#![allow(unsafe_code, reason = "writes a payload through the producer")]

use core::fmt;

use bytemuck::NoUninit;

use super::super::error::{Broken, PushError};
use super::super::memory::Memory;
use super::batch::Staged;
use super::geometry::header;
use super::{NO_WORD, Producer};

/// Room for a message that was taken in place and is not visible yet. Dropping it aborts it.
#[must_use = "a claim that is dropped pushes nothing"]
pub struct Claim<'a, M: Memory> {
    producer: &'a mut Producer<M>,
    /// The records before it that become visible with it, if it is one of a batch.
    batch: Option<&'a mut Staged>,
    len: usize,
    /// How far the payload was written.
    written: usize,
    /// The user's word.
    word: u64,
}

impl<'a, M: Memory> Claim<'a, M> {
    /// Takes room that was checked.
    pub(super) fn new(producer: &'a mut Producer<M>, batch: Option<&'a mut Staged>, len: usize) -> Claim<'a, M> {
        Claim { producer, batch, len, written: 0, word: NO_WORD }
    }

    /// Returns the number of bytes that were taken.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether no byte was taken.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fails in a child that was forked meanwhile.
    pub(crate) fn check_here(&self) -> Result<(), Broken> {
        self.producer.check_here()
    }

    /// Returns whether the room may be touched: not in a child that was forked meanwhile, in which every call does
    /// nothing.
    #[inline(always)]
    fn is_here(&self) -> bool {
        self.producer.is_here()
    }

    /// Returns the length of what may be touched: 0 in a child that was forked meanwhile.
    #[inline(always)]
    pub(crate) fn len_here(&self) -> usize {
        if self.is_here() { self.len } else { 0 }
    }

    /// Returns the end of the last byte that was written: where [`io::Write`](std::io::Write) goes on, and the length
    /// that [`Claim::commit`] gives the message.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Writes as many of `bytes` as there is room for after what was written, and returns how many that is.
    #[inline]
    pub(crate) fn append(&mut self, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.len - self.written);
        self.write_at(self.written, &bytes[..len]);
        len
    }

    /// Writes `bytes` from `at` on. Bytes before it that are never written hold older ones, of other messages.
    ///
    /// # Panics
    ///
    /// If they pass the end of the claim.
    #[inline]
    pub fn write_at(&mut self, at: usize, bytes: &[u8]) {
        let end = self.end(at, bytes.len());
        if bytes.is_empty() || !self.is_here() {
            // No byte is written, so none is the last one.
            return;
        }
        let staged = self.staged();
        if at == 0 && bytes.len() == self.len {
            // SAFETY: the claim was given as many bytes of room.
            unsafe { self.producer.put(staged, bytes) };
        } else {
            // SAFETY: the same.
            unsafe { self.producer.put_at(staged, at, bytes) };
        }
        self.written = self.written.max(end);
    }

    /// Writes the bytes of a value from `at` on.
    ///
    /// # Panics
    ///
    /// If they pass the end of the claim.
    #[inline]
    pub fn write_value_at<T: NoUninit>(&mut self, at: usize, value: &T) {
        self.write_at(at, bytemuck::bytes_of(value));
    }

    /// Gives the message a word, as the producer's `push_tagged` does; 0 by default.
    ///
    /// # Errors
    ///
    /// [`PushError::NoWord`]: the [`record_alignment`](crate::Options::record_alignment) of the ring is 8: records have
    /// no room for it.
    #[inline]
    pub fn set_word(&mut self, word: u64) -> Result<(), PushError> {
        self.producer.check_words()?;
        self.word = word;
        Ok(())
    }

    /// Pushes the message, [`Claim::written`] bytes long.
    #[inline]
    pub fn commit(self) {
        let len = self.written;
        self.commit_len(len);
    }

    /// Pushes the message, `len` bytes long. Those that were not written hold older ones, of other messages.
    ///
    /// # Panics
    ///
    /// If `len` is more than [`Claim::len`].
    #[inline]
    pub fn commit_len(self, len: usize) {
        assert!(len <= self.len, "commit of {len} bytes of a claim of {}", self.len);
        if self.producer.check().is_err() {
            return;
        }
        let size = self.producer.kind.geometry.size(len);
        match self.batch {
            // SAFETY: the claim was given room for a longer record, or for this one.
            None => unsafe { self.producer.publish(header(len), Some(self.word), size) },
            // SAFETY: the same.
            Some(batch) => unsafe { batch.add(self.producer, len, self.word, size) },
        }
    }

    /// Gives the room back: nothing was pushed.
    pub fn abort(self) {}

    /// Returns the address of the bytes that were taken, which is good as long as the claim.
    ///
    /// Another process may write what lies there at any moment, and in a child that was forked meanwhile nothing does.
    #[inline]
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.address()
    }

    /// Returns the address of the bytes that were taken.
    #[inline]
    pub(crate) fn address(&self) -> *mut u8 {
        // SAFETY: the claim was given as many bytes of room; none is accessed here.
        unsafe { self.producer.payload(self.staged(), 0, 0, |bytes| bytes) }
    }

    fn staged(&self) -> u64 {
        self.batch.as_ref().map_or(0, |batch| batch.bytes())
    }

    /// Returns the end of a write.
    #[track_caller]
    fn end(&self, at: usize, len: usize) -> usize {
        let end = at.checked_add(len).filter(|&end| end <= self.len);
        end.unwrap_or_else(|| panic!("{len} bytes at {at} of a claim of {}", self.len))
    }
}

impl<M: Memory> fmt::Debug for Claim<'_, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Claim").field("len", &self.len).field("written", &self.written).finish_non_exhaustive()
    }
}
