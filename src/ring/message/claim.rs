//! A message in place, while it is written.

#![allow(unsafe_code, reason = "writes a payload through the producer")]

use core::ptr::slice_from_raw_parts_mut;
use std::io;

use bytemuck::NoUninit;

use super::super::copy::{In, copy};
use super::super::error::PushError;
use super::super::memory::{Access, Memory};
use super::batch::Staged;
use super::{NO_WORD, Producer};

/// Room for a message that was taken in place and is not visible yet. Dropping it aborts it.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
/// # let options = ringmain::Options::from_fd(ring);
/// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
/// let mut claim = tx.claim(64)?;
/// // The body first, then a header that depends on it.
/// claim.write_at(8, b"buy 100");
/// let len = claim.written() as u64 - 8;
/// claim.write_value_at(0, &len);
/// claim.commit();
///
/// // This one is dropped.
/// tx.claim(64)?.write_at(0, b"sell 7");
///
/// let record = rx.peek()?;
/// assert_eq!((record.len(), record.value::<u64>(0)), (15, Some(7)));
/// record.release();
/// assert_eq!(rx.is_empty(), Ok(true));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
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

    /// Returns the end of the last byte that was written: where [`io::Write`] goes on, and the length
    /// that [`Claim::commit`] gives the message.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Writes `bytes` from `at` on. Bytes that are never written keep what older messages left there.
    ///
    /// # Panics
    ///
    /// If they pass the end of the claim.
    #[inline]
    pub fn write_at(&mut self, at: usize, bytes: &[u8]) {
        let len = bytes.len();
        let end = at.checked_add(len).filter(|&end| end <= self.len);
        let end = end.unwrap_or_else(|| panic!("{len} bytes at {at} of a claim of {}", self.len));
        // Without a byte, `written` stays as it is.
        if len == 0 || !self.producer.memory.in_own_process() {
            return;
        }
        if len == self.len {
            // SAFETY: the claim was given as many bytes of room.
            unsafe { self.producer.put_payload(self.staged(), bytes) };
        } else {
            // SAFETY: they lie within the room of the claim.
            let payload = unsafe { self.producer.payload(self.staged(), at, len) };
            // SAFETY: the payload is valid for that many bytes, and the bytes are private.
            unsafe { copy::<In, u8>(bytes.as_ptr(), payload.address(), len) };
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

    /// Pushes the message, `len` bytes long. Bytes that were not written keep what older messages left there.
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
        // SAFETY: the claim was given room for a longer record, or for this one. The payload is written.
        let put = |producer: &Producer<M>, staged| unsafe { producer.put(staged, self.word, &()) };
        // SAFETY: the same.
        unsafe { self.producer.push_record(self.batch, len, put) };
    }

    /// Drops the claim: nothing is pushed.
    pub fn abort(self) {}

    /// Returns the address of the bytes that were taken. It is valid as long as the claim.
    ///
    /// Another process may write there at any moment. In a child that was forked meanwhile nothing is mapped there.
    #[inline]
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.address()
    }

    /// Returns the bytes that were taken: none in a child that was forked meanwhile.
    #[inline]
    pub(crate) fn in_place(&self) -> *mut [u8] {
        slice_from_raw_parts_mut(self.address(), if self.producer.memory.in_own_process() { self.len } else { 0 })
    }

    #[inline]
    fn address(&self) -> *mut u8 {
        // SAFETY: the claim was given as many bytes of room; none is accessed here.
        unsafe { self.producer.payload(self.staged(), 0, 0) }.address()
    }

    fn staged(&self) -> u64 {
        self.batch.as_deref().map_or(0, Staged::bytes)
    }
}

/// Writes after what was written. What no longer fits the claim is not taken.
impl<M: Memory> io::Write for Claim<'_, M> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.producer.check_process()?;
        let len = bytes.len().min(self.len - self.written);
        self.write_at(self.written, &bytes[..len]);
        Ok(len)
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
