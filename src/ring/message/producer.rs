//! The writing end of a message ring.

#![allow(unsafe_code, reason = "writes records through raw pointers")]

use core::fmt;
use core::sync::atomic::{Ordering, compiler_fence};
use core::time::Duration;

use std::io::IoSlice;

use bytemuck::NoUninit;

use super::super::broken::Broken;
use super::super::copy::{bytes_in, copy_in, whole_words};
use super::super::cursor::Room;
use super::super::ends::Ends;
use super::super::memory::{Memory, Role, Word};
use super::super::pace::Pace;
use super::super::park::{Sleeper, Waker};
use super::super::position::{Corrupted, SharedWord, Window};
use super::super::presence::{self, Presence};
use super::batch::Batch;
use super::claim::Claim;
use super::consumer::ENOUGH;
use super::record::{WORD_OFFSET, header};
use super::{PushError, Shape, fits};

/// What the user's word of a record holds where nobody gave one.
pub(super) const NO_WORD: u64 = 0;

/// The writing end.
pub struct Producer<M> {
    memory: M,
    /// Where the next record starts, and its header is 0; and up to where records may reach, less the header behind them. The
    /// shared tail follows at each move.
    room: Room,
    shape: Shape,
    reach: usize,
    pace: Pace,
    /// Why the handle is of no use, once it is.
    broken: Option<Broken>,
    waker: Waker,
    sleeper: Sleeper,
}

impl<M: Memory> Producer<M> {
    /// Continues behind the last record that is there, and pauses at most so often before a look at the head. The caller holds the
    /// producer's role.
    ///
    /// # Panics
    ///
    /// If the memory is not that of a ring of this shape.
    pub fn attach(memory: M, shape: Shape, pauses: u32) -> Result<Self, Corrupted> {
        fits(&memory, shape);
        // The word is the role's own; its last writer released the role's lock before this process took it.
        let stored = memory.tail().load(Ordering::Relaxed);
        let mut tail = shape.check_start(SharedWord::Tail, stored)?;
        // That writer may have been killed between a header and its tail.
        let mut room = shape.most();
        loop {
            // SAFETY: the tail starts a record.
            let header = unsafe { record(&memory, tail, shape) }.load(Ordering::Relaxed);
            if header == 0 {
                break;
            }
            let size = shape.size(shape.len(header, room)?);
            tail = tail.wrapping_add(size);
            room -= size;
            if room == 0 {
                break;
            }
        }
        let (waker, sleeper) = (Waker::attach(&memory, Role::Producer), Sleeper::attach(&memory, Role::Producer));
        // SAFETY: it lies in the handle beside the memory, whose only one it is.
        let room = unsafe { Room::new(&memory, tail, shape.most()) };
        let mut producer = Producer {
            memory,
            room,
            shape,
            reach: shape.reach(),
            pace: Pace::new(pauses, (shape.capacity() as u64 / 4).min(ENOUGH / 2)),
            broken: None,
            waker,
            sleeper,
        };
        producer.look()?;
        if tail != stored {
            // From here on the stored tail is behind by one publication at most, as consumers expect it.
            store_tail(producer.memory.tail(), tail);
        }
        Ok(producer)
    }

    /// Returns the memory.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Returns the memory for a change that does not move it.
    pub fn memory_mut(&mut self) -> &mut M {
        &mut self.memory
    }

    /// Returns the memory to whoever follows in the role.
    #[cfg(test)]
    pub fn into_memory(self) -> M {
        self.memory
    }

    /// Returns the sizes of the ring.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Returns the position of the next message: how many bytes of records lie before it.
    pub fn position(&self) -> u64 {
        self.room.tail()
    }

    /// Returns whether there is room for a message of `len` bytes, looking at the head only if it is not known to be.
    pub fn can_push(&mut self, len: usize) -> Result<bool, Broken> {
        match self.room_to_claim(0, len) {
            Ok(_) => Ok(true),
            Err(PushError::Full | PushError::TooLong { .. } | PushError::NoWord { .. }) => Ok(false),
            Err(PushError::Corrupted(cause)) => Err(cause.into()),
            Err(PushError::Forked) => Err(Broken::Forked),
        }
    }

    /// Writes one message and publishes it.
    #[inline(always)]
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), PushError> {
        self.push_with(NO_WORD, bytes)
    }

    /// Writes one message, with a word of the user's beside its header, and publishes it.
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

    /// Refuses a word of the user's where records have no room for it.
    #[inline]
    pub(super) fn check_words(&self) -> Result<(), PushError> {
        match self.shape.has_words() {
            true => Ok(()),
            false => Err(PushError::NoWord { alignment: self.shape.align() }),
        }
    }

    /// Writes one message that lies in several parts, and publishes it.
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

    /// Writes the bytes of a value as one message and publishes it.
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
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_, M>, PushError> {
        self.room_to_claim(0, len)?;
        Ok(Claim::new(self, None, len))
    }

    /// Begins a batch.
    #[inline]
    pub fn batch(&mut self) -> Batch<'_, M> {
        Batch::new(self)
    }

    /// Says that this holder of the role leaves in order. Every push published itself.
    pub fn leave(&mut self, generation: u64, ends: Option<&Ends>) {
        if let Some(ends) = ends {
            ends.leave(&self.memory, Role::Producer);
        }
        self.sleeper.leave(&self.memory);
        presence::leave(self.memory.presence(Role::Producer), generation);
        self.wake();
    }

    /// Wakes the consumer, if it sleeps, since the presence of this role has changed.
    pub fn wake(&mut self) {
        self.waker.came_or_left(&self.memory);
    }

    /// Asks the other end for fences, or asks no more, as the memory says now.
    pub fn renew_sleeper(&mut self) {
        if self.memory.is_here() {
            self.sleeper.renew(&self.memory);
        }
    }

    /// Sleeps until there is room for a message of `len` bytes, or for `limit`; not at all where that room is there. While it
    /// `gathers`, a consumer that keeps popping wakes it only when a quarter of the ring is free. May return earlier, and does
    /// where the consumer's presence is no more what was `seen`.
    pub fn park(&mut self, len: usize, gathers: bool, seen: Presence, limit: Duration) -> Result<(), Broken> {
        if !self.memory.is_here() {
            return Err(Broken::Forked);
        }
        let size = self.shape.size(len.min(self.shape.max_len()));
        let head_for = |free: u64| self.room.tail().wrapping_add(free).wrapping_sub(self.shape.most());
        let (needed, enough) = (head_for(size), head_for(size.max(self.shape.capacity() as u64 / 4)));
        let begun = self.sleeper.begin(&self.memory, if gathers { enough } else { needed }, needed);
        let room = self.can_push(len);
        let peer = presence::observe(self.memory.presence(Role::Consumer));
        if peer == seen && room == Ok(false) {
            self.sleeper.sleep(&self.memory, begun, limit);
        }
        self.sleeper.end(&self.memory);
        room.map(|_| ())
    }

    /// Makes sure that there is room for a message of `len` bytes behind `staged` bytes of records that are not published,
    /// and returns the size of its record.
    #[inline(always)]
    pub(super) fn room(&mut self, staged: u64, len: usize) -> Result<u64, PushError> {
        let size = self.shape.size(len);
        // Both are less than half of what a position can be.
        if self.known_free() < staged + size {
            self.make_room(staged, len)?;
        }
        Ok(size)
    }

    /// The same for a length that may be that of no slice.
    #[inline(always)]
    pub(super) fn room_to_claim(&mut self, staged: u64, len: usize) -> Result<u64, PushError> {
        let max = self.shape.max_len();
        if len > max { Err(PushError::TooLong { len, max }) } else { self.room(staged, len) }
    }

    /// Looks whether there is room that is not known of.
    #[inline(never)]
    fn make_room(&mut self, staged: u64, len: usize) -> Result<(), PushError> {
        let max = self.shape.max_len();
        if len > max {
            return Err(PushError::TooLong { len, max });
        }
        self.refresh()?;
        if self.known_free() < staged + self.shape.size(len) { Err(PushError::Full) } else { Ok(()) }
    }

    /// Returns how many bytes behind the tail are free as far as is known without a look at the head.
    #[inline(always)]
    fn known_free(&self) -> u64 {
        self.room.free()
    }

    /// Looks at the consumer's head, not too soon. A number that it cannot have reached poisons the handle.
    fn refresh(&mut self) -> Result<(), Broken> {
        match self.broken {
            None if !self.memory.is_here() => Err(Broken::Forked),
            None => Ok(self.look()?),
            Some(broken) => Err(broken),
        }
    }

    fn look(&mut self) -> Result<(), Corrupted> {
        let waited = self.pace.wait();
        let (most, step) = (self.shape.most(), self.shape.align() as u64);
        // Observe: pairs with the Release in `Consumer::advance_from`. The records before it have been read.
        let found = self.memory.head().load(Ordering::Acquire);
        let lowest = self.room.limit().wrapping_sub(most);
        match (Window { lowest, highest: self.room.tail(), step }).check(SharedWord::Head, found) {
            Ok(head) => {
                self.room.learn(head.wrapping_add(most));
                self.pace.learn(waited, head.wrapping_sub(lowest));
                Ok(())
            }
            Err(cause) => {
                // Nothing is free from here on, so every call comes here, and is refused.
                self.room.forget();
                self.broken = Some(cause.into());
                Err(cause)
            }
        }
    }

    /// Returns whether the ring may be touched.
    #[inline(always)]
    pub(super) fn is_usable(&self) -> bool {
        self.broken.is_none() && self.memory.is_here()
    }

    /// Hands `len` bytes of the payload of the record `staged` bytes behind the tail, from `at` on, to `access`, which may
    /// write them.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for a record with as many bytes there.
    #[inline(always)]
    pub(super) unsafe fn payload<R>(&self, staged: u64, at: usize, len: usize, access: impl FnOnce(*mut u8) -> R) -> R {
        let start = self.shape.index(self.room.tail().wrapping_add(staged));
        // SAFETY: the record starts before the end of the data area and is no longer than that, and all of it is free.
        unsafe { self.memory.write(start + self.shape.payload() + at, len, access) }
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
            unsafe { bytes_in(bytes.as_ptr(), payload, bytes.len()) }
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
            unsafe { copy_in::<T>(core::ptr::from_ref(value).cast(), payload, 1) }
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
            // SAFETY: the parts lie one behind the other.
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
            unsafe { copy_in::<u8>(bytes.as_ptr(), payload, bytes.len()) }
        };
        // SAFETY: the caller's promise.
        unsafe { self.payload(staged, at, bytes.len(), write) };
    }

    /// Stores the header of a record `staged` bytes behind the tail. Nobody sees it before the header at the tail.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for it.
    #[inline(always)]
    pub(super) unsafe fn stage(&self, staged: u64, header: u64) {
        // SAFETY: the sizes of records are multiples of the alignment, so a record starts there.
        let word = unsafe { record(&self.memory, self.room.tail().wrapping_add(staged), self.shape) };
        word.store(header, Ordering::Relaxed);
    }

    /// Stores the user's word of a record `staged` bytes behind the tail, where records have one. Nobody sees it before the header
    /// at the tail.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for the record.
    #[inline(always)]
    pub(super) unsafe fn stage_word(&self, staged: u64, word: u64) {
        if self.shape.has_words() {
            // SAFETY: the sizes of records are multiples of the alignment, so a record starts there, and records have words.
            let shared = unsafe { word_of(&self.memory, self.room.tail().wrapping_add(staged), self.shape) };
            shared.store(word, Ordering::Relaxed);
        }
    }

    /// Makes records of `size` bytes visible, of which the first has this header, and the others have theirs already. Where no word
    /// is given, the first has its own already, too.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for them.
    #[inline(always)]
    pub(super) unsafe fn publish(&mut self, header: u64, word: Option<u64>, size: u64) {
        // SAFETY: the caller's promise; the records are written.
        unsafe { self.publish_after(|_| (), header, word, size) };
    }

    /// Writes records of `size` bytes by `put`, all but the header of the first, and makes them visible with this one. The word is
    /// that of the first record, where it has none yet.
    ///
    /// What is needed after `put` is found before it: the compiler takes it for a write of anything.
    ///
    /// # Safety
    ///
    /// There is [`Producer::room`] for the records, and `put` writes them.
    #[inline(always)]
    unsafe fn publish_after(&mut self, put: impl FnOnce(&Self), header: u64, word: Option<u64>, size: u64) {
        let start = self.room.tail();
        let end = start.wrapping_add(size);
        if let Some(word) = word {
            // SAFETY: the caller's promise. It lies in the line of this record's header.
            unsafe { self.stage_word(0, word) };
        }
        // SAFETY: the tail starts a record.
        let first = unsafe { record(&self.memory, start, self.shape) };
        // SAFETY: the sizes of records are multiples of the alignment.
        let next = unsafe { record(&self.memory, end, self.shape) };
        let tail = self.memory.tail();
        put(self);
        // `room` left room for this header. It is seen before or with the next one that is published.
        next.store(0, Ordering::Relaxed);
        // Publish: pairs with the Acquire in `Consumer::poll` and `look_for_value`. The payload is written, and the next header is 0.
        first.store(header, Ordering::Release);
        store_tail(tail, end);
        self.room.advance_from(start, size);
        self.waker.published(&self.memory, Role::Consumer, end);
        // The consumer has read what lies there, one round ago: taking the line back takes as long as many records.
        if size as usize <= self.reach / 4 {
            self.memory.prefetch_to_write(self.shape.index(end) + self.reach);
        }
    }
}

#[inline(always)]
fn store_tail(tail: &impl Word, position: u64) {
    // Publish: pairs with the Acquire in `Consumer::look_at_tail`. The records before it are written.
    tail.store(position, Ordering::Release);
    // Whoever follows after a crash begins at the stored tail, so no later write may come before it: it could wrap over the
    // record there. Of the instructions of one processor, a crash cuts off the last ones; only the compiler could swap them.
    compiler_fence(Ordering::SeqCst);
}

/// Returns the user's word of the record at `position`.
///
/// # Safety
///
/// `position` is a multiple of the alignment, and records [have words](Shape::has_words).
#[inline(always)]
pub(super) unsafe fn word_of<M: Memory>(memory: &M, position: u64, shape: Shape) -> &M::Word {
    // SAFETY: the index is below the capacity, and a multiple of 16 like the position, so a word follows.
    unsafe { memory.header(shape.index(position) + WORD_OFFSET) }
}

/// Returns the header of the record at `position`.
///
/// # Safety
///
/// `position` is a multiple of the alignment.
#[inline(always)]
pub(super) unsafe fn record<M: Memory>(memory: &M, position: u64, shape: Shape) -> &M::Word {
    // SAFETY: the index is below the capacity, and a multiple of the alignment like the position.
    unsafe { memory.header(shape.index(position)) }
}

/// Adds up the lengths of parts. Parts that no address space could hold count as the longest slice that can be.
pub(super) fn total_len(parts: &[IoSlice<'_>]) -> usize {
    parts.iter().fold(0, |len: usize, part| len.saturating_add(part.len())).min(isize::MAX as usize)
}

impl<M> fmt::Debug for Producer<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Producer")
            .field("room", &self.room)
            .field("shape", &self.shape)
            .field("pace", &self.pace)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
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
