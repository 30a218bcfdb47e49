//! The reading end of a message ring.

#![allow(unsafe_code, reason = "reads records through raw pointers")]

use core::fmt;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;
use core::time::Duration;

use bytemuck::AnyBitPattern;

use super::super::broken::Broken;
use super::super::copy::{bytes_out, copy_out, whole_words};
use super::super::cursor::Cursor;
use super::super::ends::Ends;
use super::super::memory::{Memory, Role, Word};
use super::super::park::{Sleeper, Waker};
use super::super::position::{Corrupted, SharedWord, Window};
use super::super::presence::{self, Presence};
use super::pace::Pace;
use super::peek::Record;
use super::peek_batch::PeekBatch;
use super::producer::{NO_WORD, record, word_of};
use super::record::header;
use super::{PopError, Shape, fits};

/// A look that finds this many bytes, or half of the ring, is worth its cost; for a producer, half as much.
pub(super) const ENOUGH: u64 = 8192;

const LINE: usize = 64;

/// The reading end.
pub struct Consumer<M> {
    memory: M,
    /// Where the next record starts, and up to where records are known to be, each with its header. The shared head follows at
    /// each move.
    cursor: Cursor,
    shape: Shape,
    reach: usize,
    pace: Pace,
    /// How far behind the header another line may have to come.
    ahead: usize,
    /// Why the handle is of no use, once it is.
    broken: Option<Broken>,
    waker: Waker,
    sleeper: Sleeper,
}

/// What a look at the ring came to, if there is no message. It fits a register; the cause stays in the handle.
pub(super) enum Nothing {
    Empty,
    Unusable,
}

impl<M: Memory> Consumer<M> {
    /// Continues at the stored head, and pauses at most so often before a look at the tail. The caller holds the consumer's role.
    ///
    /// # Panics
    ///
    /// If the memory is not that of a ring of this shape.
    pub fn attach(memory: M, shape: Shape, pauses: u32) -> Result<Self, Corrupted> {
        fits(&memory, shape);
        // The word is the role's own; its last writer released the role's lock before this process took it.
        let stored = memory.head().load(Ordering::Relaxed);
        let head = shape.check_start(SharedWord::Head, stored)?;
        let (waker, sleeper) = (Waker::attach(&memory, Role::Consumer), Sleeper::attach(&memory, Role::Consumer));
        // SAFETY: it lies in the handle beside the memory, whose only one it is.
        let cursor = unsafe { Cursor::new(&memory, head, shape.most()) };
        let mut consumer = Consumer {
            memory,
            cursor,
            shape,
            reach: shape.reach(),
            pace: Pace::new(pauses, (shape.capacity() as u64 / 2).min(ENOUGH)),
            ahead: 0,
            broken: None,
            waker,
            sleeper,
        };
        consumer.look_at_tail()?;
        Ok(consumer)
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
        self.cursor.head()
    }

    /// Looks whether a message is there.
    pub fn is_empty(&mut self) -> Result<bool, Broken> {
        match self.front(0) {
            Ok(_) => Ok(false),
            Err(Nothing::Empty) => Ok(true),
            Err(Nothing::Unusable) => Err(self.cause()),
        }
    }

    /// Reads one message into a buffer, and returns its length.
    #[inline]
    pub fn pop(&mut self, bytes: &mut [u8]) -> Result<usize, PopError> {
        let head = self.cursor.head();
        let len = self.front_from(head, 0).map_err(|nothing| self.refusal(nothing))?;
        let Some(target) = bytes.get_mut(..len) else {
            return Err(PopError::BufferTooShort { len, buffer: bytes.len() });
        };
        // SAFETY: the message at the head has as many bytes.
        unsafe { self.take(head, target.as_mut_ptr(), len) };
        self.advance_from(head, self.shape.size(len));
        Ok(len)
    }

    /// Reads one message into a buffer, and returns its word and its length.
    #[inline]
    pub fn pop_tagged(&mut self, bytes: &mut [u8]) -> Result<(u64, usize), PopError> {
        self.front(0).map_err(|nothing| self.refusal(nothing))?;
        // Before the space of the record is given back.
        let word = self.front_word();
        Ok((word, self.pop(bytes)?))
    }

    /// Reads one message into a vector, which it replaces the contents of, and returns its length.
    #[inline]
    pub fn pop_into(&mut self, bytes: &mut Vec<u8>) -> Result<usize, PopError> {
        let len = self.front(0).map_err(|nothing| self.refusal(nothing))?;
        bytes.clear();
        bytes.reserve(len);
        // SAFETY: the message at the head has as many bytes, and the vector room for them.
        unsafe { self.take(self.cursor.head(), bytes.as_mut_ptr(), len) };
        // SAFETY: as many bytes are written.
        unsafe { bytes.set_len(len) };
        self.advance(self.shape.size(len));
        Ok(len)
    }

    /// Reads one message as a value.
    #[inline(always)]
    pub fn pop_value<T: AnyBitPattern>(&mut self) -> Result<T, PopError> {
        let (size, head) = (self.shape.size(size_of::<T>()), self.cursor.head());
        if self.cursor.known_end().wrapping_sub(head) < size {
            return self.look_for_value();
        }
        // SAFETY: the head starts a record.
        let word = unsafe { record(&self.memory, head, self.shape) };
        // It was observed with the tail or the header that the view comes from. It can only be that of the value, if its record
        // ends in view.
        if word.load(Ordering::Relaxed) != header(size_of::<T>()) {
            return self.look_further_for_value();
        }
        // SAFETY: the message at the head has as many bytes, and starts at a word.
        let value = unsafe { self.take_value(head, 0, copy_out::<T>) };
        self.advance_from(head, size);
        Ok(value)
    }

    /// Reads one message as a value, where none is in view.
    ///
    /// A ping-pong comes here for each poll and each message, so the two cases that it meets come first.
    #[inline(never)]
    fn look_for_value<T: AnyBitPattern>(&mut self) -> Result<T, PopError> {
        let head = self.cursor.head();
        if self.pace.is_flowing() || head != self.cursor.known_end() || !self.memory.is_here() {
            return self.look_further_for_value();
        }
        // SAFETY: the head starts a record.
        let word = unsafe { record(&self.memory, head, self.shape) };
        // Observe: pairs with the Release in `Producer::publish_after`. The payload is written, and the next header is 0.
        let found = word.load(Ordering::Acquire);
        if found == 0 {
            self.stay_idle(head);
            return Err(PopError::Empty);
        }
        let size = self.shape.size(size_of::<T>());
        if found != header(size_of::<T>()) || size > self.shape.most() {
            return self.look_further_for_value();
        }
        self.arrive(head.wrapping_add(size), size);
        // SAFETY: the message at the head has as many bytes, and starts at a word.
        let value = unsafe { self.take_value(head, 0, copy_out::<T>) };
        self.advance_from(head, size);
        Ok(value)
    }

    /// Reads one message as a value, where it may be another one, or the tail has to be looked at.
    #[inline(never)]
    fn look_further_for_value<T: AnyBitPattern>(&mut self) -> Result<T, PopError> {
        let len = self.front(0).map_err(|nothing| self.refusal(nothing))?;
        if len != size_of::<T>() {
            return Err(PopError::NotThisValue { len, size: size_of::<T>() });
        }
        // SAFETY: the message at the head has as many bytes, and starts at a word.
        let value = unsafe { self.take_value(self.cursor.head(), 0, copy_out::<T>) };
        self.advance(self.shape.size(len));
        Ok(value)
    }

    /// Looks at the next message in place.
    #[inline]
    pub fn peek(&mut self) -> Result<Record<'_, M>, PopError> {
        let len = self.front(0).map_err(|nothing| self.refusal(nothing))?;
        Ok(Record::new(self, len))
    }

    /// Begins to look at messages that are given back together.
    #[inline]
    pub fn peek_batch(&mut self) -> PeekBatch<'_, M> {
        PeekBatch::new(self)
    }

    /// Says that the consumer pauses: a producer that sleeps and has what it needs is woken now, though it may wait for more.
    #[inline]
    pub fn release(&mut self) {
        if self.memory.is_here() {
            self.waker.paused(&self.memory, self.cursor.head());
        }
    }

    /// Says that this holder of the role leaves in order. `ends` notes whom it leaves; `None` hands the role on.
    pub fn leave(&mut self, generation: u64, ends: Option<&Ends>) {
        if let Some(ends) = ends {
            ends.leave(&self.memory, Role::Consumer);
        }
        self.sleeper.leave(&self.memory);
        presence::leave(self.memory.presence(Role::Consumer), generation);
        self.wake();
    }

    /// Wakes the producer, if it sleeps, since the presence of this role has changed.
    pub fn wake(&mut self) {
        self.waker.came_or_left(&self.memory);
    }

    /// Asks the other end for fences, or asks no more, as the memory says now.
    pub fn renew_sleeper(&mut self) {
        if self.memory.is_here() {
            self.sleeper.renew(&self.memory);
        }
    }

    /// Sleeps until the producer has published a message, or for `limit`; not at all where one is there, or where the
    /// producer's presence is no more what was `seen`. May return earlier.
    pub fn park(&mut self, seen: Presence, limit: Duration) -> Result<(), Broken> {
        if !self.memory.is_here() {
            return Err(Broken::Forked);
        }
        // Neither end shall sleep while the other one waits for what is there.
        self.release();
        let tail = self.cursor.head().wrapping_add(self.shape.align() as u64);
        let begun = self.sleeper.begin(&self.memory, tail, tail);
        let is_empty = self.is_empty();
        let peer = presence::observe(self.memory.presence(Role::Producer));
        if peer == seen && is_empty == Ok(true) {
            self.sleeper.sleep(&self.memory, begun, limit);
        }
        self.sleeper.end(&self.memory);
        is_empty.map(|_| ())
    }

    /// Says why there is no message.
    #[inline(always)]
    pub(super) fn refusal(&self, nothing: Nothing) -> PopError {
        match nothing {
            Nothing::Empty => PopError::Empty,
            Nothing::Unusable => self.cause().into(),
        }
    }

    /// Returns whether the ring may be touched.
    pub(super) fn is_usable(&self) -> bool {
        self.broken.is_none() && self.memory.is_here()
    }

    /// Says why the handle is of no use.
    #[cold]
    fn cause(&self) -> Broken {
        self.broken.unwrap_or(Broken::Forked)
    }

    /// Returns the length of the message behind `passed` bytes of records that were looked at.
    #[inline(always)]
    pub(super) fn front(&mut self, passed: u64) -> Result<usize, Nothing> {
        self.front_from(self.cursor.head(), passed)
    }

    /// The same for a caller that has the head in a register.
    #[inline(always)]
    fn front_from(&mut self, head: u64, passed: u64) -> Result<usize, Nothing> {
        let known = self.cursor.known_end().wrapping_sub(head);
        // Not less: a batch may have passed more than is known after a fork, or once the handle is poisoned. The look refuses both.
        if known <= passed {
            return self.look(passed);
        }
        self.known(head.wrapping_add(passed), known - passed)
    }

    /// Returns the length of the message at `position`, which is in view, `room` bytes in front of its end.
    #[inline(always)]
    fn known(&mut self, position: u64, room: u64) -> Result<usize, Nothing> {
        // SAFETY: a record starts there, as one does at the head.
        let word = unsafe { record(&self.memory, position, self.shape) };
        // It was observed with the tail or the header that the view comes from.
        let header = word.load(Ordering::Relaxed);
        self.shape.len(header, room).map_err(|cause| self.poison(cause))
    }

    /// Finds out whether there is a message behind a view that is used up, and returns its length.
    #[inline]
    fn look(&mut self, passed: u64) -> Result<usize, Nothing> {
        if !self.memory.is_here() {
            return Err(Nothing::Unusable);
        }
        if self.pace.is_flowing() { self.look_in_flow(passed) } else { self.poll(passed) }
    }

    /// Looks at the header behind the view.
    #[inline(always)]
    fn poll(&mut self, passed: u64) -> Result<usize, Nothing> {
        let room = self.shape.most() - passed;
        if room == 0 {
            // The ring is full of what was looked at: there is no header behind it.
            return Err(Nothing::Empty);
        }
        let position = self.cursor.head().wrapping_add(passed);
        // SAFETY: a record starts there, as one does at the head.
        let word = unsafe { record(&self.memory, position, self.shape) };
        // Observe: pairs with the Release in `Producer::publish_after`. The payload is written, and the next header is 0.
        let header = word.load(Ordering::Acquire);
        if header == 0 {
            self.stay_idle(position);
            return Err(Nothing::Empty);
        }
        match self.shape.len(header, room) {
            Ok(len) => {
                let size = self.shape.size(len);
                self.arrive(position.wrapping_add(size), size);
                Ok(len)
            }
            Err(cause) => Err(self.poison(cause)),
        }
    }

    /// Learns that the header at a position is 0.
    #[inline(always)]
    fn stay_idle(&mut self, position: u64) {
        // Where the last message was longer than a line, the second line of the next one is on its way already.
        self.memory.prefetch(self.shape.index(position) + self.ahead);
        self.pace.found_nothing();
    }

    /// Takes over a record of `size` bytes that ends at `end`, the header of which was found behind the view.
    #[inline(always)]
    fn arrive(&mut self, end: u64, size: u64) {
        self.cursor.learn(end);
        self.ahead = (size as usize - 1).min(LINE);
        self.pace.found_one();
    }

    /// Looks at the tail, and where it tells nothing, at the header.
    #[inline(never)]
    fn look_in_flow(&mut self, passed: u64) -> Result<usize, Nothing> {
        if self.broken.is_some() {
            return Err(Nothing::Unusable);
        }
        let waited = self.pace.wait();
        let found = self.look_at_tail().map_err(|cause| self.poison(cause))?;
        if found == 0 {
            return self.poll(passed);
        }
        let len = self.known(self.cursor.head().wrapping_add(passed), found)?;
        if self.shape.size(len) == found {
            self.pace.found_single();
        } else {
            self.pace.learn(waited, found);
        }
        Ok(len)
    }

    /// Looks at the producer's tail, and returns how many bytes of records it found.
    ///
    /// The tail follows the header, so it may lie behind a view that came from a header: by a batch at most.
    fn look_at_tail(&mut self) -> Result<u64, Corrupted> {
        let (most, step) = (self.shape.most(), self.shape.align() as u64);
        let known_end = self.cursor.known_end();
        // Observe: pairs with the Release in `Producer::store_tail`. The records before it are written.
        let found = self.memory.tail().load(Ordering::Acquire);
        let (lowest, highest) = (known_end.wrapping_sub(most), self.cursor.head().wrapping_add(most));
        let tail = Window { lowest, highest, step }.check(SharedWord::Tail, found)?;
        let ahead = tail.wrapping_sub(known_end);
        if ahead > most {
            return Ok(0);
        }
        self.cursor.learn(tail);
        Ok(ahead)
    }

    #[cold]
    fn poison(&mut self, cause: Corrupted) -> Nothing {
        // Nothing is there and everything flows from here on: every call comes by `look_in_flow`, and is refused there.
        self.cursor.forget();
        self.pace = Pace::poisoned();
        self.broken = Some(cause.into());
        Nothing::Unusable
    }

    /// Moves the head over records of this size that were read, and gives their space back.
    #[inline(always)]
    pub(super) fn advance(&mut self, size: u64) {
        self.advance_from(self.cursor.head(), size);
    }

    /// The same for a caller that has the head in a register.
    #[inline(always)]
    fn advance_from(&mut self, head: u64, size: u64) {
        self.memory.prefetch(self.shape.index(head) + self.reach);
        let head = self.cursor.advance_from(head, size);
        // Publish: pairs with the Acquire in `Producer::look`. The records before it have been read.
        self.memory.head().store(head, Ordering::Release);
        self.waker.published(&self.memory, Role::Producer, head);
    }

    /// Reads the user's word of the record at the head, which is there: 0 where records have none.
    #[inline(always)]
    pub(super) fn front_word(&self) -> u64 {
        if !self.shape.has_words() {
            return NO_WORD;
        }
        // SAFETY: the head starts a record, and records have words.
        let word = unsafe { word_of(&self.memory, self.cursor.head(), self.shape) };
        // It was observed with the tail or the header by which the record was found.
        word.load(Ordering::Relaxed)
    }

    /// Hands `len` bytes of the payload of the record at `position`, from `at` on, to `access`, which only reads them.
    ///
    /// # Safety
    ///
    /// That message was found by [`Consumer::front`] and has as many bytes, or as many up to the next whole word.
    #[inline(always)]
    pub(super) unsafe fn payload<R>(
        &self,
        position: u64,
        at: usize,
        len: usize,
        access: impl FnOnce(*const u8) -> R,
    ) -> R {
        let start = self.shape.index(position);
        // SAFETY: the record starts before the end of the data area and is no longer than that, and all of it is there.
        unsafe { self.memory.read(start + self.shape.payload() + at, len, access) }
    }

    /// Copies the first `len` bytes of the message at `position` to private memory.
    ///
    /// # Safety
    ///
    /// - That message was found by [`Consumer::front`] and has as many bytes.
    /// - `to` is valid for as many writes.
    #[inline(always)]
    pub(super) unsafe fn take(&self, position: u64, to: *mut u8, len: usize) {
        let read = |payload: *const u8| {
            // SAFETY: the payload starts at a word, whole words of it are the record's, and `to` is private.
            unsafe { bytes_out(payload, to, len) }
        };
        // SAFETY: the caller's promise; a record consists of whole words.
        unsafe { self.payload(position, 0, whole_words(len), read) };
    }

    /// Reads a value from byte `at` of the message at `position` on.
    ///
    /// # Safety
    ///
    /// That message was found by [`Consumer::front`] and has a value's bytes there, and `copy` may copy them.
    #[inline(always)]
    pub(super) unsafe fn take_value<T: AnyBitPattern>(
        &self,
        position: u64,
        at: usize,
        copy: unsafe fn(*const u8, *mut u8, usize),
    ) -> T {
        let mut value = MaybeUninit::<T>::uninit();
        let read = |payload: *const u8| {
            // SAFETY: the caller's promise, and the value is private.
            unsafe { copy(payload, value.as_mut_ptr().cast(), 1) }
        };
        // SAFETY: the caller's promise.
        unsafe { self.payload(position, at, size_of::<T>(), read) };
        // SAFETY: every byte is written, and every bit pattern is a `T`.
        unsafe { value.assume_init() }
    }
}

impl<M> fmt::Debug for Consumer<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Consumer")
            .field("cursor", &self.cursor)
            .field("shape", &self.shape)
            .field("pace", &self.pace)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}
