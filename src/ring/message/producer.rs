//! The writing end of a message ring.

#![allow(unsafe_code, reason = "writes records through raw pointers")]

use core::sync::atomic::Ordering;

use std::io::IoSlice;

use bytemuck::NoUninit;

use super::super::copy::{In, SHORT, copy, copy_bytes, whole_words};
use super::super::endpoint::{Endpoint, Kind, Writer};
use super::super::error::{Broken, PushError, SharedWord};
use super::super::memory::{LINE, LONGEST_AHEAD, Memory, Role, Word};
use super::super::pace::{Bound, Pace};
use super::consumer::ENOUGH;
use super::geometry::header;
use super::{Batch, Claim, Geometry, Message, NO_WORD, Producer, Sends, header_at, load_observed, word_at};

/// # The writing end of a message ring
impl<M: Memory> Endpoint<Message, Writer, M> {
    /// Continues after the last record that is there, and pauses up to `bound` before a load of the head. The
    /// caller holds the producer's role.
    ///
    /// # Panics
    ///
    /// If the memory is not that of a ring of this geometry.
    pub(crate) fn attach(memory: M, geometry: Geometry, bound: impl Into<Bound>) -> Result<Self, Broken> {
        let kind = Message::new(&memory, geometry);
        // The word is the role's own; its last writer released the role's lock before this process took it.
        let stored = memory.tail().load(Ordering::Relaxed);
        let mut tail = geometry.check_start(SharedWord::Tail, stored)?;
        // That writer may have been killed between a header and its tail.
        let mut room = geometry.most();
        while room > 0 {
            // SAFETY: the tail starts a record.
            let header = unsafe { load_observed(&memory, tail, geometry) };
            if header == 0 {
                break;
            }
            let size = geometry.size(geometry.len(header, room)?);
            tail = tail.wrapping_add(size);
            room -= size;
        }
        let pace = Pace::new(bound.into(), (geometry.capacity() as u64 / 4).min(ENOUGH / 2));
        let kind = Message { zeroed: tail, ..kind };
        let mut producer: Producer<M> = Endpoint::begin(memory, kind, tail, pace);
        producer.load_head()?;
        if tail != stored {
            // From here on the stored tail is behind by one publication at most, as consumers expect it.
            store_tail(producer.memory.tail(), tail);
        }
        Ok(producer)
    }

    /// Returns whether a message of `len` bytes could be pushed now. If so, it can until the next push.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the handle can no longer be used.
    #[inline]
    pub fn can_push(&mut self, len: usize) -> Result<bool, Broken> {
        match self.needed(0, len) {
            Ok(need) => self.is_ready(need),
            Err(_) => self.check().map(|()| false),
        }
    }

    /// Returns how many bytes have to be free for a message of `len` bytes after `staged` bytes of records.
    pub(crate) fn needed(&self, staged: u64, len: usize) -> Result<u64, PushError> {
        let max = self.kind.geometry.max_len();
        let size = self.kind.geometry.size(len.min(max));
        if len > max || staged + size > self.kind.most() {
            return Err(PushError::TooLong { len, max: max.saturating_sub(staged as usize) });
        }
        Ok(staged + size)
    }

    /// Pushes one message. It is visible to the consumer when this returns.
    ///
    /// # Errors
    ///
    /// - [`PushError::Full`]: there is no room for it until the consumer has read more.
    /// - [`PushError::TooLong`]: it is longer than [`max_len`](Self::max_len).
    /// - [`PushError::Broken`]: the handle can no longer be used.
    #[inline(always)]
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), PushError> {
        self.push_with(NO_WORD, bytes)
    }

    /// Pushes one short message if room for it is known, or does nothing: what is inlined into the library for C.
    #[doc(hidden)]
    #[inline(always)]
    pub fn push_if_known(&mut self, bytes: &[u8]) -> bool {
        let size = self.kind.geometry.size(bytes.len().min(SHORT));
        if bytes.len() > SHORT || self.cursor.known() < size {
            return false;
        }
        // SAFETY: there is room for a record of as many bytes.
        let put = |producer: &Self| unsafe { producer.put(0, bytes) };
        // SAFETY: the same, and `put` writes them.
        unsafe { self.publish_after(put, header(bytes.len()), Some(NO_WORD), size) };
        true
    }

    /// Takes room for a message if that is known: the same for a claim.
    #[doc(hidden)]
    #[inline(always)]
    pub fn claim_if_known(&mut self, len: usize) -> Option<Claim<'_, M>> {
        if len > self.kind.geometry.max_len() {
            return None;
        }
        let size = self.kind.geometry.size(len);
        if self.cursor.known() < size {
            return None;
        }
        self.write_over(size);
        Some(Claim::new(self, None, len))
    }

    /// Pushes one message with a word beside its header: a type, a time, a number, which takes no byte of the payload.
    ///
    /// [`Consumer::pop_tagged`](crate::message::Consumer::pop_tagged) and
    /// [`Record::word`](crate::message::Record::word) read it. A message that is pushed in any other way has the word
    /// 0.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ring = ringmain::Options::anonymous().capacity(4096).record_alignment(64).create_message()?;
    /// # let options = ringmain::Options::from_fd(ring);
    /// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
    /// const ORDER: u64 = 7;
    ///
    /// tx.push_tagged(ORDER, b"buy 100")?;
    /// let mut bytes = [0; 64];
    /// assert_eq!(rx.pop_tagged(&mut bytes), Ok((ORDER, 7)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`PushError::NoWord`]: the [`record_alignment`](crate::Options::record_alignment) of the ring is 8: records
    ///   have no room for it.
    /// - Otherwise as [`push`](Self::push).
    #[inline]
    pub fn push_tagged(&mut self, word: u64, bytes: &[u8]) -> Result<(), PushError> {
        self.check_words()?;
        self.push_with(word, bytes)
    }

    #[inline(always)]
    fn push_with(&mut self, word: u64, bytes: &[u8]) -> Result<(), PushError> {
        let size = self.room(0, bytes.len())?;
        // SAFETY: there is room for a record of as many bytes.
        let put = |producer: &Self| unsafe { producer.put(0, bytes) };
        // SAFETY: the same, and `put` writes them.
        unsafe { self.publish_after(put, header(bytes.len()), Some(word), size) };
        Ok(())
    }

    /// Refuses a word of the user's if records have no room for it.
    #[inline]
    pub(super) fn check_words(&self) -> Result<(), PushError> {
        match self.kind.geometry.has_words() {
            true => Ok(()),
            false => Err(PushError::NoWord { record_alignment: self.kind.geometry.alignment() }),
        }
    }

    /// Pushes one message that lies in several parts.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
    /// # let options = ringmain::Options::from_fd(ring);
    /// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
    /// use std::io::IoSlice;
    ///
    /// tx.push_vectored(&[IoSlice::new(b"price: "), IoSlice::new(b"100")])?;
    /// assert_eq!(rx.peek()?.to_vec(), b"price: 100");
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn push_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), PushError> {
        let len = total_len(parts);
        let size = self.room(0, len)?;
        // SAFETY: there is room for a record of as many bytes.
        let put = |producer: &Self| unsafe { producer.put_parts(0, parts) };
        // SAFETY: the same, and `put` writes them.
        unsafe { self.publish_after(put, header(len), Some(NO_WORD), size) };
        Ok(())
    }

    /// Pushes the bytes of a value as one message: the fastest way for plain data, since their number is known at
    /// compile time.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
    /// # let options = ringmain::Options::from_fd(ring);
    /// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
    /// #[derive(Clone, Copy, Debug, PartialEq, bytemuck::NoUninit, bytemuck::AnyBitPattern)]
    /// #[repr(C)]
    /// struct Order {
    ///     id: u64,
    ///     price: f64,
    /// }
    ///
    /// tx.push_value(&Order { id: 7, price: 2.5 })?;
    /// assert_eq!(rx.pop_value(), Ok(Order { id: 7, price: 2.5 }));
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn push_value<T: NoUninit>(&mut self, value: &T) -> Result<(), PushError> {
        let size = self.room(0, size_of::<T>())?;
        // SAFETY: there is room for a record of as many bytes.
        let put = |producer: &Self| unsafe { producer.put_value(0, value) };
        // SAFETY: the same, and `put` writes them.
        unsafe { self.publish_after(put, header(size_of::<T>()), Some(NO_WORD), size) };
        Ok(())
    }

    /// Takes room for a message of up to `len` bytes in place.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push) for a message of `len` bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
    /// # let options = ringmain::Options::from_fd(ring);
    /// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
    /// let mut claim = tx.claim(64)?;
    /// claim.write_at(0, b"buy ");
    /// claim.write_at(4, b"100");
    /// // The message ends at the last byte that was written.
    /// claim.commit();
    /// assert_eq!(rx.peek()?.to_vec(), b"buy 100");
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_, M>, PushError> {
        let size = self.room_to_claim(0, len)?;
        self.write_over(size);
        Ok(Claim::new(self, None, len))
    }

    /// Begins a batch: messages that become visible together at its commit, or not at all.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
    /// # let options = ringmain::Options::from_fd(ring);
    /// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
    /// use ringmain::PopError;
    ///
    /// let mut batch = tx.batch();
    /// batch.push(b"debit 7")?;
    /// batch.push(b"credit 7")?;
    /// assert!(matches!(rx.peek(), Err(PopError::Empty)));
    /// batch.commit();
    /// assert_eq!(rx.messages().count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn batch(&mut self) -> Batch<'_, M> {
        Batch::new(self)
    }

    /// Makes sure that there is room for a message of `len` bytes after `staged` bytes of records that are not
    /// published, and returns the size of its record.
    #[inline(always)]
    pub(super) fn room(&mut self, staged: u64, len: usize) -> Result<u64, PushError> {
        let size = self.kind.geometry.size(len);
        // Both are less than half of what a position can be.
        if self.cursor.known() < staged + size {
            self.make_room(staged, len)?;
        }
        Ok(size)
    }

    /// The same for a length that may be longer than any slice.
    #[inline(always)]
    pub(super) fn room_to_claim(&mut self, staged: u64, len: usize) -> Result<u64, PushError> {
        let max = self.kind.geometry.max_len();
        if len > max { Err(PushError::TooLong { len, max }) } else { self.room(staged, len) }
    }

    /// Loads the head, and checks for room again.
    #[inline(never)]
    fn make_room(&mut self, staged: u64, len: usize) -> Result<(), PushError> {
        let max = self.kind.geometry.max_len();
        if len > max {
            return Err(PushError::TooLong { len, max });
        }
        self.load_head()?;
        if self.cursor.known() < staged + self.kind.geometry.size(len) {
            Err(PushError::Full(self.cursor.known() as usize))
        } else {
            Ok(())
        }
    }

    /// Hands `len` bytes of the payload of the record `staged` bytes after the tail, from `at` on, to `access`, which
    /// may write them.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for a record with as many bytes there.
    #[inline(always)]
    pub(super) unsafe fn payload<R>(&self, staged: u64, at: usize, len: usize, access: impl FnOnce(*mut u8) -> R) -> R {
        let start = self.kind.geometry.index(self.cursor.position().wrapping_add(staged));
        // SAFETY: the record starts before the end of the data area and is no longer than that, and all of it is free.
        unsafe { self.memory.write(start + self.kind.geometry.payload() + at, len, access) }
    }

    /// Writes a payload.
    ///
    /// # Safety
    ///
    /// As [`Producer::payload`].
    #[inline(always)]
    pub(super) unsafe fn put(&self, staged: u64, bytes: &[u8]) {
        let write = |payload: *mut u8| {
            // SAFETY: the payload starts at a word, whole words of it are the record's, and the bytes are private.
            unsafe { copy_bytes::<In>(bytes.as_ptr(), payload, bytes.len()) }
        };
        // SAFETY: the caller's promise; a record consists of whole words.
        unsafe { self.payload(staged, 0, whole_words(bytes.len()), write) };
    }

    /// Writes a value as a payload.
    ///
    /// # Safety
    ///
    /// As [`Producer::payload`].
    #[inline(always)]
    pub(super) unsafe fn put_value<T: NoUninit>(&self, staged: u64, value: &T) {
        let write = |payload: *mut u8| {
            // SAFETY: the payload starts at a word, and every byte of the value is initialised and private.
            unsafe { copy::<In, T>(core::ptr::from_ref(value).cast(), payload, 1) }
        };
        // SAFETY: the caller's promise; a record consists of whole words.
        unsafe { self.payload(staged, 0, whole_words(size_of::<T>()), write) };
    }

    /// Writes a payload that lies in several parts.
    ///
    /// # Safety
    ///
    /// As [`Producer::payload`], for all parts together.
    #[inline]
    pub(super) unsafe fn put_parts(&self, staged: u64, parts: &[IoSlice<'_>]) {
        let mut at = 0;
        for part in parts {
            // SAFETY: the parts lie one after the other.
            unsafe { self.put_at(staged, at, part) };
            at += part.len();
        }
    }

    /// Writes `bytes` into a payload, from `at` on.
    ///
    /// # Safety
    ///
    /// As [`Producer::payload`].
    #[inline]
    pub(super) unsafe fn put_at(&self, staged: u64, at: usize, bytes: &[u8]) {
        let write = |payload: *mut u8| {
            // SAFETY: the payload is valid for as many bytes, and the bytes are private.
            unsafe { copy::<In, u8>(bytes.as_ptr(), payload, bytes.len()) }
        };
        // SAFETY: the caller's promise.
        unsafe { self.payload(staged, at, bytes.len(), write) };
    }

    /// Stores the header of a record `staged` bytes after the tail. Nobody sees it before the header at the tail.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for it.
    #[inline(always)]
    pub(super) unsafe fn stage(&self, staged: u64, header: u64) {
        // SAFETY: the sizes of records are multiples of the alignment, so a record starts there.
        let word = unsafe { header_at(&self.memory, self.cursor.position().wrapping_add(staged), self.kind.geometry) };
        word.store(header, Ordering::Relaxed);
    }

    /// Stores the user's word of a record `staged` bytes after the tail, if records have one. Nobody sees it before the
    /// header at the tail.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for the record.
    #[inline(always)]
    pub(super) unsafe fn stage_word(&self, staged: u64, word: u64) {
        if self.kind.geometry.has_words() {
            // SAFETY: the sizes of records are multiples of the alignment, so a record starts there, and records have
            // words.
            let shared =
                unsafe { word_at(&self.memory, self.cursor.position().wrapping_add(staged), self.kind.geometry) };
            shared.store(word, Ordering::Relaxed);
        }
    }

    /// Makes records of `size` bytes visible: the first gets this header, the others have theirs already. If no word is
    /// given, the first has its own already, too.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for them.
    #[inline(always)]
    pub(super) unsafe fn publish(&mut self, header: u64, word: Option<u64>, size: u64) {
        // SAFETY: the caller's promise; the records are written.
        unsafe { self.publish_after(|_| (), header, word, size) };
    }

    /// Writes records of `size` bytes by `put`, all except the header of the first, and makes them visible with this
    /// one. The word is that of the first record, if it has none yet.
    ///
    /// What is needed after `put` is computed before it: for the compiler it may write anything.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for the records, and `put` writes them.
    #[inline(always)]
    unsafe fn publish_after(&mut self, put: impl FnOnce(&Self), header: u64, word: Option<u64>, size: u64) {
        let (start, geometry) = (self.cursor.position(), self.kind.geometry);
        let end = start.wrapping_add(size);
        // SAFETY: the tail starts a record.
        let first = unsafe { header_at(&self.memory, start, geometry) };
        // SAFETY: the sizes of records are multiples of the alignment.
        let next = unsafe { header_at(&self.memory, end, geometry) };
        let word = word.filter(|_| geometry.has_words());
        let tail = self.memory.tail();
        let is_zeroed = self.kind.zeroed == end;
        put(self);
        if let Some(word) = word {
            // SAFETY: the tail starts a record, and records have words. It lies in the line of this record's header.
            unsafe { word_at(&self.memory, start, geometry) }.store(word, Ordering::Relaxed);
        }
        if !is_zeroed {
            // `room` left room for this header. It is seen before or with the next one that is published.
            next.store(0, Ordering::Relaxed);
        }
        // Publish: pairs with the Acquire in `Consumer::poll` and `poll_for_value`. The payload is written, and the
        // next header is 0.
        first.store(header, Ordering::Release);
        store_tail(tail, end);
        self.cursor.advance_from(start, size);
        self.notifier.published(&self.memory, Role::Consumer, end);
        self.prepare(end, size);
    }

    /// Takes lines that will be written soon, after a record of `size` bytes that ends at `end`. The consumer read them
    /// one round ago.
    ///
    /// Stores leave a processor in order, so a header waits until the lines of the stores before it have come. While
    /// the consumer waits for each message, the next record is written to lines that were taken when nobody waited: the
    /// next header but one is 0 before the record in front of it is begun, and a word of each further line is stored.
    /// In a flow such a store would stand in front of all that follow; a prefetch does not.
    #[inline(always)]
    fn prepare(&mut self, end: u64, size: u64) {
        let geometry = self.kind.geometry;
        if !self.pace.is_awaited() {
            if 4 * size <= self.kind.prefetch_distance as u64 {
                self.memory.prefetch_to_write(geometry.index(end) + self.kind.prefetch_distance);
            }
        } else if 2 * size <= self.cursor.known().min(2 * LONGEST_AHEAD as u64) {
            let next = end.wrapping_add(size);
            // SAFETY: the sizes of records are multiples of the alignment.
            unsafe { header_at(&self.memory, next, geometry) }.store(0, Ordering::Relaxed);
            self.kind.zeroed = next;
            for at in (LINE as u64..size).step_by(LINE) {
                // SAFETY: the same, and so are lines.
                unsafe { header_at(&self.memory, next.wrapping_add(at), geometry) }.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Forgets that a header beyond the tail is 0, if it lies within `size` bytes of records that are written now and
    /// may never be published.
    #[inline(always)]
    pub(super) fn write_over(&mut self, size: u64) {
        let tail = self.cursor.position();
        if self.kind.zeroed.wrapping_sub(tail) < size {
            self.kind.zeroed = tail;
        }
    }
}

#[inline(always)]
fn store_tail(tail: &impl Word, position: u64) {
    // Publish: pairs with the Acquire in `Consumer::load_tail` and `available_now`. The records before it are written.
    tail.store(position, Ordering::Release);
    // A successor after a crash begins at the stored tail, so no later write may come before it: it could wrap over the
    // record there. Of the instructions of one processor, a crash cuts off the last ones; only the compiler could swap
    // them, and the check for a sleeper that follows prevents that (`Notifier::published`).
}

impl<M: Memory> Sends<M> for Producer<M> {
    #[inline(always)]
    fn parts(&mut self) -> (&mut Producer<M>, u64) {
        (self, 0)
    }

    #[inline(always)]
    fn send(&mut self, word: Option<u64>, bytes: &[u8]) -> Result<(), PushError> {
        match word {
            None => self.push(bytes),
            Some(word) => self.push_tagged(word, bytes),
        }
    }

    #[inline(always)]
    fn send_parts(&mut self, parts: &[IoSlice<'_>]) -> Result<(), PushError> {
        self.push_vectored(parts)
    }

    #[inline(always)]
    fn send_value<T: NoUninit>(&mut self, value: &T) -> Result<(), PushError> {
        self.push_value(value)
    }
}

/// Adds up the lengths of parts. Parts that no address space could hold count as the longest slice.
pub(crate) fn total_len(parts: &[IoSlice<'_>]) -> usize {
    parts.iter().fold(0, |len: usize, part| len.saturating_add(part.len())).min(isize::MAX as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_of_parts_add_up() {
        let parts = [&[1_u8, 2][..], &[], &[3]].map(IoSlice::new);
        assert_eq!(total_len(&parts), 3);
        assert_eq!(total_len(&[]), 0);
    }
}
