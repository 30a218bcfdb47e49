//! The writing end of a message ring.

#![allow(unsafe_code, reason = "writes records through raw pointers")]

use core::sync::atomic::Ordering;

use std::io::IoSlice;

use bytemuck::NoUninit;

use super::super::copy::{SHORT, whole_words};
use super::super::endpoint::{Endpoint, Kind, Writer};
use super::super::error::{Broken, PushError, SharedWord};
use super::super::memory::{Access, LINE, LONGEST_AHEAD, Memory, Role, Word};
use super::super::pace::{Bound, Pace};
use super::batch::Staged;
use super::consumer::ENOUGH;
use super::geometry::header;
use super::push::Payload;
use super::{Batch, Claim, Geometry, Message, NO_WORD, Producer, Push, header_at, load_observed, word_at};

/// # The writing end of a message ring
impl<M: Memory> Endpoint<Message, Writer, M> {
    /// Continues after the last committed record, and pauses up to `bound` before a load of the head. The caller holds
    /// the producer's role.
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
        let mut room = geometry.max_used();
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
        if len > max || staged + size > self.kind.max_used() {
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
        self.push_payload(None, bytes)
    }

    /// Pushes one short message if room for it is known, or does nothing: what is inlined into the library for C.
    #[doc(hidden)]
    #[inline(always)]
    pub fn push_if_known(&mut self, bytes: &[u8]) -> bool {
        let len = bytes.len();
        let is_known = len <= SHORT && self.cursor.known() >= self.kind.geometry.size(len);
        if is_known {
            // SAFETY: there is room for the record.
            let put = |producer: &Self, staged| unsafe { producer.put(staged, NO_WORD, bytes) };
            // SAFETY: the same, and `put` writes it.
            unsafe { self.push_record(None, len, put) };
        }
        is_known
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
        self.invalidate_zeroed(size);
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
        self.push_payload(Some(word), bytes)
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
        self.push_payload(None, parts)
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
        self.push_payload(None, value)
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
        self.claim_room(len)
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
        // The sum does not overflow: `staged` is less than the capacity, and a size is at most 2^63 + 64.
        if self.cursor.known() < staged + size {
            self.make_room(staged, len)?;
        }
        Ok(size)
    }

    /// Loads the head, and checks for room again.
    #[inline(never)]
    fn make_room(&mut self, staged: u64, len: usize) -> Result<(), PushError> {
        let max = self.kind.geometry.max_len();
        if len > max {
            return Err(PushError::TooLong { len, max });
        }
        self.load_head()?;
        let known = self.cursor.known();
        let fits = known >= staged + self.kind.geometry.size(len);
        if fits { Ok(()) } else { Err(PushError::Full(known as usize)) }
    }

    /// Accesses `len` bytes of the payload of the record `staged` bytes after the tail, from `at` on, which may be
    /// written.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for a record with that many bytes there.
    #[inline(always)]
    pub(super) unsafe fn payload(&self, staged: u64, at: usize, len: usize) -> M::Write<'_> {
        let start = self.kind.geometry.index(self.cursor.position().wrapping_add(staged));
        // SAFETY: the record starts before the end of the data area and is no longer than that, and all of it is free.
        unsafe { self.memory.write(start + self.kind.geometry.payload_offset() + at, len) }
    }

    /// Writes a payload, and the user's word if records have one, into the record `staged` bytes after the tail. Nobody
    /// sees either before the header at the tail.
    ///
    /// # Safety
    ///
    /// As [`Producer::payload`].
    #[inline(always)]
    pub(super) unsafe fn put<P: Payload + ?Sized>(&self, staged: u64, word: u64, payload: &P) {
        let position = self.cursor.position().wrapping_add(staged);
        // SAFETY: the sizes of records are multiples of the alignment, so a record starts there.
        let shared = unsafe { word_at(&self.memory, position, self.kind.geometry) };
        // SAFETY: the caller's promise.
        unsafe { self.put_payload(staged, payload) };
        if let Some(shared) = shared {
            // It lies in the line of the header, which is stored next.
            shared.store(word, Ordering::Relaxed);
        }
    }

    /// Writes a payload.
    ///
    /// # Safety
    ///
    /// As [`Producer::payload`].
    #[inline(always)]
    pub(super) unsafe fn put_payload<P: Payload + ?Sized>(&self, staged: u64, payload: &P) {
        // SAFETY: the caller's promise; a record consists of whole words.
        let to = unsafe { self.payload(staged, 0, whole_words(payload.len())) };
        // SAFETY: a payload starts at a word, and is valid for as many whole words.
        unsafe { payload.write(to.address()) };
    }

    /// Writes a record by `put`, all except its header, and publishes it, or adds it to a batch. `put` is told how many
    /// bytes of records are staged before it.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for a message of `len` bytes after those of the batch, and its record is written
    /// when `put` returns.
    #[inline(always)]
    pub(super) unsafe fn push_record(&mut self, batch: Option<&mut Staged>, len: usize, put: impl FnOnce(&Self, u64)) {
        match batch {
            // SAFETY: the caller's promise.
            None => unsafe { self.publish_after(|this| put(this, 0), header(len), self.kind.geometry.size(len)) },
            Some(batch) => {
                put(self, batch.bytes());
                // SAFETY: the caller's promise.
                unsafe { batch.add(self, len) };
            }
        }
    }

    /// Writes records of `size` bytes by `put`, all except the header of the first, and makes them visible with this
    /// one.
    ///
    /// What is needed after `put` is computed before it: for the compiler it may write anything.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for the records, and they are written when `put` returns.
    #[inline(always)]
    pub(super) unsafe fn publish_after(&mut self, put: impl FnOnce(&Self), header: u64, size: u64) {
        let (start, geometry) = (self.cursor.position(), self.kind.geometry);
        let end = start.wrapping_add(size);
        // SAFETY: the tail starts a record.
        let first = unsafe { header_at(&self.memory, start, geometry) };
        // SAFETY: the sizes of records are multiples of the alignment.
        let next = unsafe { header_at(&self.memory, end, geometry) };
        let tail = self.memory.tail();
        let is_zeroed = self.kind.zeroed == end;
        put(self);
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
        self.fetch_ahead(end, size);
    }

    /// Fetches lines that will be written soon, after a record of `size` bytes that ends at `end`. The consumer read
    /// them one lap ago.
    ///
    /// Stores leave a processor in order, so a header waits until the lines of the stores before it have come. While
    /// the consumer waits for each message, the next record is written to lines that were fetched while the consumer
    /// did not wait: the next header but one is 0 before the record in front of it is begun, and a word of each further
    /// line is stored. In a flow such a store would stand in front of all that follow; a prefetch does not.
    #[inline(always)]
    fn fetch_ahead(&mut self, end: u64, size: u64) {
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

    /// Forgets the header that was zeroed ahead, if it lies within `size` bytes after the tail: these are written now
    /// and may never be published.
    #[inline(always)]
    pub(super) fn invalidate_zeroed(&mut self, size: u64) {
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

impl<M: Memory> Push<M> for Producer<M> {
    #[inline(always)]
    fn parts(&mut self) -> (&mut Producer<M>, Option<&mut Staged>) {
        (self, None)
    }
}
