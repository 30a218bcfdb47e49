//! What a message is pushed from, and what it is pushed into.

#![allow(unsafe_code, reason = "writes payloads through the producer")]

use std::io::IoSlice;

use bytemuck::NoUninit;

use super::super::copy::{In, copy, copy_bytes};
use super::super::error::PushError;
use super::super::memory::Memory;
use super::batch::Staged;
use super::{Claim, NO_WORD, Producer};

/// What a message is pushed from: bytes, bytes in several parts, or a value.
///
/// # Safety
///
/// `len` returns the same at each call; `write` writes that many bytes, and nothing after the last word of these.
pub unsafe trait Payload {
    /// Returns its length in bytes.
    fn len(&self) -> usize;

    /// Copies it to shared memory.
    ///
    /// # Safety
    ///
    /// `to` is aligned to 8 and valid for writes of `len` bytes, rounded up to whole words.
    unsafe fn write(&self, to: *mut u8);
}

// SAFETY: `len` is the number of bytes that `write` copies; the rest of the last word follows them.
unsafe impl Payload for [u8] {
    #[inline(always)]
    fn len(&self) -> usize {
        self.len()
    }

    #[inline(always)]
    unsafe fn write(&self, to: *mut u8) {
        // SAFETY: the caller's promise, and the bytes are private.
        unsafe { copy_bytes::<In>(self.as_ptr(), to, self.len()) };
    }
}

// SAFETY: `len` is the number of bytes that `write` copies. If no address space could hold that many, it is the longest
// length of a slice: no ring has room for such a message, so it is not written.
unsafe impl Payload for [IoSlice<'_>] {
    #[inline]
    fn len(&self) -> usize {
        self.iter().fold(0, |len: usize, part| len.saturating_add(part.len())).min(isize::MAX as usize)
    }

    #[inline]
    unsafe fn write(&self, to: *mut u8) {
        let mut at = 0;
        for part in self {
            // SAFETY: the caller's promise for all parts, one after the other; a part is private.
            unsafe { copy::<In, u8>(part.as_ptr(), to.wrapping_add(at), part.len()) };
            at += part.len();
        }
    }
}

// SAFETY: `len` is the number of bytes that `write` copies.
unsafe impl<T: NoUninit> Payload for T {
    #[inline(always)]
    fn len(&self) -> usize {
        size_of::<T>()
    }

    #[inline(always)]
    unsafe fn write(&self, to: *mut u8) {
        // SAFETY: the caller's promise, and every byte of the value is initialised and private.
        unsafe { copy::<In, T>(core::ptr::from_ref(self).cast(), to, 1) };
    }
}

/// What messages are pushed into: a producer, or a batch of one.
pub trait Push<M: Memory> {
    /// Returns the producer, and the records that are staged after its tail, if this is a batch.
    fn parts(&mut self) -> (&mut Producer<M>, Option<&mut Staged>);

    /// Pushes one message, with the user's word or without.
    #[inline(always)]
    fn push_payload<P: Payload + ?Sized>(&mut self, word: Option<u64>, payload: &P) -> Result<(), PushError> {
        let (producer, batch) = self.parts();
        if word.is_some() {
            producer.check_words()?;
        }
        let (staged, len) = (batch.as_deref().map_or(0, Staged::bytes), payload.len());
        let size = producer.room(staged, len)?;
        if batch.is_some() {
            producer.invalidate_zeroed(staged + size);
        }
        // SAFETY: there is room for the record.
        let put = |producer: &Producer<M>, staged| unsafe { producer.put(staged, word.unwrap_or(NO_WORD), payload) };
        // SAFETY: the same, and `put` writes it.
        unsafe { producer.push_record(batch, len, put) };
        Ok(())
    }

    /// Takes room for one message of up to `len` bytes in place.
    #[inline]
    fn claim_room(&mut self, len: usize) -> Result<Claim<'_, M>, PushError> {
        let (producer, batch) = self.parts();
        let (staged, max) = (batch.as_deref().map_or(0, Staged::bytes), producer.max_len());
        // First: the size of a record would overflow for a length that no slice can have.
        if len > max {
            return Err(PushError::TooLong { len, max });
        }
        let size = producer.room(staged, len)?;
        producer.invalidate_zeroed(staged + size);
        Ok(Claim::new(producer, batch, len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_of_parts_add_up() {
        let parts = [&[1_u8, 2][..], &[], &[3]].map(IoSlice::new);
        assert_eq!(Payload::len(&parts[..]), 3);
        assert_eq!(Payload::len(&[][..] as &[IoSlice<'_>]), 0);
    }
}
