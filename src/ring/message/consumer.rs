//! The reading end of a message ring.

#![allow(unsafe_code, reason = "reads records through raw pointers")]

use core::fmt;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;
use core::time::Duration;

use bytemuck::AnyBitPattern;

use super::super::copy::{bytes_out, copy_out, whole_words};
use super::super::memory::{Memory, Role, Word};
use super::super::pace::Flow;
use super::super::park::{Sleeper, Waker};
use super::super::position::{Corrupted, SharedWord, Window};
use super::super::presence::{self, Presence};
use super::pace::Pace;
use super::peek::Record;
use super::peek_batch::PeekBatch;
use super::producer::{NO_WORD, record, word_of};
use super::record::header;
use super::{PopError, Shape, fits};

/// A look at the tail that finds this many bytes, or half of the ring, is worth its cost.
const ENOUGH: u64 = 8192;

const LINE: usize = 64;

/// The reading end.
pub struct Consumer<M> {
    memory: M,
    /// Where the next record starts. Private and authoritative; the shared head follows it in steps.
    pub(super) head: u64,
    /// Up to where records are known to be there, each with its header. It may be stale, and then it is too low.
    view: u64,
    shape: Shape,
    reach: usize,
    /// The head is published when it comes here, or over it: at the end of the view, or a quarter of the ring further on.
    stop: u64,
    quarter: u64,
    /// It is published after this many messages more, of `step`.
    left: usize,
    step: usize,
    pace: Pace,
    /// How far behind the header another line may have to come.
    ahead: usize,
    poisoned: bool,
    /// What was found, once the handle is poisoned.
    cause: Corrupted,
    waker: Waker,
    sleeper: Sleeper,
}

/// What a look at the ring came to, where there is no message. It fits a register; the cause stays in the handle.
pub(super) enum Nothing {
    Empty,
    Poisoned,
}

impl<M: Memory> Consumer<M> {
    /// Continues at the stored head. The caller holds the consumer's role.
    ///
    /// # Panics
    ///
    /// If the memory is not that of a ring of this shape.
    pub fn attach(memory: M, shape: Shape, flow: Flow) -> Result<Self, Corrupted> {
        fits(&memory, shape);
        // The word is the role's own; its last writer released the role's lock before this process took it.
        let stored = memory.head().load(Ordering::Relaxed);
        let head = shape.check_start(SharedWord::Head, stored)?;
        let (waker, sleeper) = (Waker::attach(&memory, Role::Consumer), Sleeper::attach(&memory, Role::Consumer));
        let mut consumer = Consumer {
            memory,
            head,
            // As if the ring were empty.
            view: head,
            shape,
            reach: shape.reach(),
            stop: head,
            quarter: shape.capacity() as u64 / 4,
            left: flow.step.max(1),
            step: flow.step.max(1),
            pace: Pace::new(flow.pauses, (shape.capacity() as u64 / 2).min(ENOUGH)),
            ahead: 0,
            poisoned: false,
            cause: Window { lowest: head, highest: head, step: 1 }.refusal(SharedWord::Tail, head),
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

    /// Looks whether a message is there.
    pub fn is_empty(&mut self) -> Result<bool, Corrupted> {
        match self.front() {
            Ok(_) => Ok(false),
            Err(Nothing::Empty) => Ok(true),
            Err(Nothing::Poisoned) => Err(self.cause),
        }
    }

    /// Reads one message into a buffer, and returns its length.
    #[inline]
    pub fn pop(&mut self, bytes: &mut [u8]) -> Result<usize, PopError> {
        let len = self.front().map_err(|nothing| self.refusal(nothing))?;
        let Some(target) = bytes.get_mut(..len) else {
            return Err(PopError::BufferTooShort { len, buffer: bytes.len() });
        };
        // SAFETY: the message at the head has as many bytes.
        unsafe { self.take(target.as_mut_ptr(), len) };
        self.advance(self.shape.size(len));
        Ok(len)
    }

    /// Reads one message into a buffer, and returns its word and its length.
    #[inline]
    pub fn pop_tagged(&mut self, bytes: &mut [u8]) -> Result<(u64, usize), PopError> {
        self.front().map_err(|nothing| self.refusal(nothing))?;
        // Before the space of the record is given back.
        let word = self.front_word();
        Ok((word, self.pop(bytes)?))
    }

    /// Reads one message into a vector, which it replaces the contents of, and returns its length.
    #[inline]
    pub fn pop_into(&mut self, bytes: &mut Vec<u8>) -> Result<usize, PopError> {
        let len = self.front().map_err(|nothing| self.refusal(nothing))?;
        bytes.clear();
        bytes.reserve(len);
        // SAFETY: the message at the head has as many bytes, and the vector room for them.
        unsafe { self.take(bytes.as_mut_ptr(), len) };
        // SAFETY: as many bytes are written.
        unsafe { bytes.set_len(len) };
        self.advance(self.shape.size(len));
        Ok(len)
    }

    /// Reads one message as a value.
    #[inline(always)]
    pub fn pop_value<T: AnyBitPattern>(&mut self) -> Result<T, PopError> {
        let size = self.shape.size(size_of::<T>());
        let known = self.stop.wrapping_sub(self.head);
        // SAFETY: the head starts a record.
        let word = unsafe { record(&self.memory, self.head, self.shape) };
        // Observe: pairs with the Release in `Producer::publish_after`, where the record is not in view.
        let found = word.load(Ordering::Acquire);
        // This header can only be that of the value, if its record ends in view.
        if found != header(size_of::<T>()) || known < size {
            return self.look_for_value(found);
        }
        // SAFETY: the message at the head has as many bytes, and starts at a word.
        let value = unsafe { self.take_value(0, copy_out::<T>) };
        self.advance(size);
        Ok(value)
    }

    /// Reads one message as a value, where none is in view. `found` is the header at the head.
    ///
    /// A ping-pong comes here for each poll and each message, so the two cases that it meets come first.
    #[inline(never)]
    fn look_for_value<T: AnyBitPattern>(&mut self, found: u64) -> Result<T, PopError> {
        if self.pace.is_flowing() || self.head != self.view {
            return self.look_further_for_value();
        }
        if found == 0 {
            self.stay_idle();
            return Err(PopError::Empty);
        }
        let size = self.shape.size(size_of::<T>());
        if found != header(size_of::<T>()) || size > self.shape.most() {
            return self.look_further_for_value();
        }
        self.arrive(size);
        // SAFETY: the message at the head has as many bytes, and starts at a word.
        let value = unsafe { self.take_value(0, copy_out::<T>) };
        self.advance(size);
        Ok(value)
    }

    /// Reads one message as a value, where it may be another one, or the tail has to be looked at.
    #[inline(never)]
    fn look_further_for_value<T: AnyBitPattern>(&mut self) -> Result<T, PopError> {
        let len = self.front().map_err(|nothing| self.refusal(nothing))?;
        if len != size_of::<T>() {
            return Err(PopError::NotThisValue { len, size: size_of::<T>() });
        }
        // SAFETY: the message at the head has as many bytes, and starts at a word.
        let value = unsafe { self.take_value(0, copy_out::<T>) };
        self.advance(self.shape.size(len));
        Ok(value)
    }

    /// Looks at the next message in place.
    #[inline]
    pub fn peek(&mut self) -> Result<Record<'_, M>, PopError> {
        let len = self.front().map_err(|nothing| self.refusal(nothing))?;
        Ok(Record::new(self, len))
    }

    /// Begins to look at messages that are given back together.
    #[inline]
    pub fn peek_batch(&mut self) -> PeekBatch<'_, M> {
        PeekBatch::new(self)
    }

    /// Publishes the head: the space of every message that was read is the producer's again.
    #[inline]
    pub fn release(&mut self) {
        self.left = self.step;
        self.stop_in_view();
        // Publish: pairs with the Acquire in `Producer::refresh`. The records before it have been read.
        self.memory.head().store(self.head, Ordering::Release);
        self.waker.released(&self.memory, self.head);
    }

    /// Gives back what was read, then says that this holder of the role leaves in order.
    pub fn leave(&mut self, generation: u64) {
        self.release();
        presence::leave(self.memory.presence(Role::Consumer), generation);
        self.wake();
    }

    /// Publishes the head, and wakes the producer if it sleeps, though it may want more: neither end shall sleep when the other
    /// one does.
    pub fn give_back(&mut self) {
        self.release();
        self.wake();
    }

    /// Wakes the producer, if it sleeps, since something else than the head has changed.
    pub fn wake(&mut self) {
        self.waker.published(&self.memory, Role::Producer);
    }

    /// Gives back what was read, then sleeps until the producer publishes, or for `limit`; not at all where a message is there,
    /// or where the producer's presence is no more what was `seen`. May return earlier.
    pub fn park(&mut self, seen: Presence, limit: Duration) -> Result<(), Corrupted> {
        self.give_back();
        let begun = self.sleeper.begin(&self.memory);
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
            Nothing::Poisoned => PopError::Corrupted(self.cause),
        }
    }

    /// Finds out where the head is to be published next.
    #[inline(always)]
    fn stop_in_view(&mut self) {
        let known = self.view.wrapping_sub(self.head);
        self.stop = self.head.wrapping_add(known.min(self.quarter));
    }

    /// Returns the length of the next message.
    #[inline(always)]
    pub(super) fn front(&mut self) -> Result<usize, Nothing> {
        if self.head == self.view {
            return self.look();
        }
        self.known()
    }

    /// Returns the length of the next message, which is in view.
    #[inline(always)]
    fn known(&mut self) -> Result<usize, Nothing> {
        // SAFETY: the head starts a record.
        let word = unsafe { record(&self.memory, self.head, self.shape) };
        // It was observed with the tail or the header that the view comes from.
        let header = word.load(Ordering::Relaxed);
        let room = self.view.wrapping_sub(self.head);
        self.shape.len(header, room).map_err(|cause| self.poison(cause))
    }

    /// Finds out whether there is a message behind a view that is used up, and returns its length.
    #[inline]
    fn look(&mut self) -> Result<usize, Nothing> {
        if self.pace.is_flowing() { self.look_in_flow() } else { self.poll() }
    }

    /// Looks at the header at the head.
    #[inline(always)]
    fn poll(&mut self) -> Result<usize, Nothing> {
        // SAFETY: the head starts a record.
        let word = unsafe { record(&self.memory, self.head, self.shape) };
        // Observe: pairs with the Release in `Producer::publish_after`. The payload is written, and the next header is 0.
        let header = word.load(Ordering::Acquire);
        if header == 0 {
            self.stay_idle();
            return Err(Nothing::Empty);
        }
        match self.shape.len(header, self.shape.most()) {
            Ok(len) => {
                self.arrive(self.shape.size(len));
                Ok(len)
            }
            Err(cause) => Err(self.poison(cause)),
        }
    }

    /// Learns that the header at the head is 0.
    #[inline(always)]
    fn stay_idle(&mut self) {
        // Where the last message was longer than a line, the second line of the next one is on its way already.
        self.memory.prefetch(self.shape.index(self.head) + self.ahead);
        self.pace.found_nothing();
    }

    /// Takes over a record of this size, the header of which was found at the head.
    #[inline(always)]
    fn arrive(&mut self, size: u64) {
        self.view = self.head.wrapping_add(size);
        self.stop_in_view();
        self.ahead = (size as usize - 1).min(LINE);
        self.pace.found_one();
    }

    /// Looks at the tail, and where it tells nothing, at the header.
    #[inline(never)]
    fn look_in_flow(&mut self) -> Result<usize, Nothing> {
        if self.poisoned {
            return Err(Nothing::Poisoned);
        }
        let waited = self.pace.wait();
        let found = self.look_at_tail().map_err(|cause| self.poison(cause))?;
        if found == 0 {
            return self.poll();
        }
        let len = self.known()?;
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
        // Observe: pairs with the Release in `Producer::store_tail`. The records before it are written.
        let found = self.memory.tail().load(Ordering::Acquire);
        let window = Window { lowest: self.view.wrapping_sub(most), highest: self.head.wrapping_add(most), step };
        let tail = window.check(SharedWord::Tail, found)?;
        let ahead = tail.wrapping_sub(self.view);
        if ahead > most {
            return Ok(0);
        }
        self.view = tail;
        self.stop_in_view();
        Ok(ahead)
    }

    #[cold]
    fn poison(&mut self, cause: Corrupted) -> Nothing {
        // Nothing is there and everything flows from here on: every call comes by `look_in_flow`, and is refused there.
        self.view = self.head;
        self.stop = self.head;
        self.pace = Pace::flowing();
        self.poisoned = true;
        self.cause = cause;
        Nothing::Poisoned
    }

    /// Returns the private head.
    #[inline(always)]
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// Moves the head over a record of this size, and publishes nothing.
    #[inline(always)]
    pub(super) fn pass(&mut self, size: u64) {
        self.head = self.head.wrapping_add(size);
    }

    /// Moves the head back to where it was. What lies behind it is looked at anew.
    pub(super) fn return_to(&mut self, head: u64) {
        self.head = head;
        // Not what is known: no more than the ring may be in view, whatever the peer said meanwhile.
        self.view = head;
        self.stop = head;
    }

    /// Moves the head over a record of this size. Publishes it where a step is full, or the head comes to its stop.
    #[inline(always)]
    pub(super) fn advance(&mut self, size: u64) {
        let known = self.stop.wrapping_sub(self.head);
        self.memory.prefetch(self.shape.index(self.head) + self.reach);
        self.head = self.head.wrapping_add(size);
        self.left -= 1;
        if known <= size || self.left == 0 {
            self.release();
        }
    }

    /// Reads the user's word of the record at the head, which is there: 0 where records have none.
    #[inline(always)]
    pub(super) fn front_word(&self) -> u64 {
        if !self.shape.has_words() {
            return NO_WORD;
        }
        // SAFETY: the head starts a record, and records have words.
        let word = unsafe { word_of(&self.memory, self.head, self.shape) };
        // It was observed with the tail or the header by which the record was found.
        word.load(Ordering::Relaxed)
    }

    /// Hands `len` bytes of the payload at the head, from `at` on, to `access`, which only reads them.
    ///
    /// # Safety
    ///
    /// The message at the head has as many bytes, or as many up to the next whole word.
    #[inline(always)]
    pub(super) unsafe fn payload<R>(&self, at: usize, len: usize, access: impl FnOnce(*const u8) -> R) -> R {
        let start = self.shape.index(self.head);
        // SAFETY: the record starts before the end of the data area and is no longer than that, and all of it is there.
        unsafe { self.memory.read(start + self.shape.payload() + at, len, access) }
    }

    /// Copies the first `len` bytes of the message at the head to private memory.
    ///
    /// # Safety
    ///
    /// - The message at the head has as many bytes.
    /// - `to` is valid for as many writes.
    #[inline(always)]
    pub(super) unsafe fn take(&self, to: *mut u8, len: usize) {
        let read = |payload: *const u8| {
            // SAFETY: the payload starts at a word, whole words of it are the record's, and `to` is private.
            unsafe { bytes_out(payload, to, len) }
        };
        // SAFETY: the caller's promise; a record consists of whole words.
        unsafe { self.payload(0, whole_words(len), read) };
    }

    /// Reads a value from `at` on.
    ///
    /// # Safety
    ///
    /// The message at the head has a value's bytes there, and `copy` may copy them.
    #[inline(always)]
    pub(super) unsafe fn take_value<T: AnyBitPattern>(
        &self,
        at: usize,
        copy: unsafe fn(*const u8, *mut u8, usize),
    ) -> T {
        let mut value = MaybeUninit::<T>::uninit();
        let read = |payload: *const u8| {
            // SAFETY: the caller's promise, and the value is private.
            unsafe { copy(payload, value.as_mut_ptr().cast(), 1) }
        };
        // SAFETY: the caller's promise.
        unsafe { self.payload(at, size_of::<T>(), read) };
        // SAFETY: every byte is written, and every bit pattern is a `T`.
        unsafe { value.assume_init() }
    }
}

impl<M> fmt::Debug for Consumer<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Consumer")
            .field("head", &self.head)
            .field("view", &self.view)
            .field("shape", &self.shape)
            .field("step", &self.step)
            .field("pace", &self.pace)
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}
