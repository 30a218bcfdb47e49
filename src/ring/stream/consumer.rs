//! The reading end of a stream ring.

#![allow(unsafe_code, reason = "reads slots through raw pointers")]

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;
use core::time::Duration;

use super::super::broken::Broken;
use super::super::copy::copy_out;
use super::super::cursor::Cursor;
use super::super::ends::Ends;
use super::super::memory::{Memory, Role, Word};
use super::super::pace::Pace;
use super::super::park::{Sleeper, Waker};
use super::super::position::{Corrupted, SharedWord, Window, index, split};
use super::super::presence::{self, Presence};
use super::peek::Peek;
use super::{Element, PeekError, PopError, fits};

/// The handle is of no use: its `broken` says why. A unit error keeps `refresh` small.
struct Unusable;

/// A look that finds this many elements, or half of the ring, is worth its cost; for a producer, half as much.
pub(super) const ENOUGH: usize = 1024;

/// The reading end.
pub struct Consumer<T, M> {
    memory: M,
    /// Where the next element comes from, and up to where elements are known to be. The shared head follows at each move.
    pub(super) cursor: Cursor,
    pub(super) capacity: usize,
    pace: Pace,
    /// Why the handle is of no use, once it is.
    broken: Option<Broken>,
    waker: Waker,
    sleeper: Sleeper,
    element: PhantomData<fn() -> T>,
}

impl<T: Element, M: Memory> Consumer<T, M> {
    /// Continues at the stored head, and pauses at most so often before a look at the tail. The caller holds the consumer's
    /// role.
    ///
    /// # Panics
    ///
    /// If `capacity` is no power of two, or its slots do not fit the memory.
    pub fn attach(memory: M, capacity: usize, pauses: u32) -> Result<Self, Corrupted> {
        fits::<T, M>(&memory, capacity);
        // The word is the role's own; its last writer released the role's lock before this process took it.
        let head = memory.head().load(Ordering::Relaxed);
        let (waker, sleeper) = (Waker::attach(&memory, Role::Consumer), Sleeper::attach(&memory, Role::Consumer));
        // SAFETY: it lies in the handle beside the memory, whose only one it is.
        let cursor = unsafe { Cursor::new(&memory, head, capacity as u64) };
        let mut consumer = Consumer {
            memory,
            cursor,
            capacity,
            pace: Pace::new(pauses, (capacity / 2).clamp(1, ENOUGH) as u64),
            broken: None,
            waker,
            sleeper,
            element: PhantomData,
        };
        match (consumer.refresh(), consumer.broken) {
            (Err(Unusable), Some(Broken::Corrupted(cause))) => Err(cause),
            _ => Ok(consumer),
        }
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

    /// Returns the number of slots.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the position of the next element: how many were read or passed over before it.
    pub fn position(&self) -> u64 {
        self.cursor.head()
    }

    /// Looks at the producer's tail and returns how many elements are there.
    pub fn available(&mut self) -> Result<usize, Broken> {
        self.refresh().map_err(|Unusable| self.cause())?;
        Ok(self.known())
    }

    /// Reads one element.
    #[inline(always)]
    pub fn pop(&mut self) -> Result<T, PopError> {
        let head = self.cursor.head();
        if head == self.cursor.known_end() {
            // Only the tail itself tells whether the ring is empty.
            let known_end = self.refresh_from(head, head).map_err(|Unusable| self.cause())?;
            if head == known_end {
                return Err(PopError::Empty);
            }
        }
        // SAFETY: the head is below the known end.
        let value = unsafe { self.take(head) };
        self.advance_from(head, 1);
        Ok(value)
    }

    /// Reads as many elements as are there and fit, and returns how many that is.
    #[inline]
    pub fn pop_slice(&mut self, values: &mut [T]) -> Result<usize, PopError> {
        let len = self.known_up_to(values.len())?;
        if len == 0 {
            return if values.is_empty() { Ok(0) } else { Err(PopError::Empty) };
        }
        // SAFETY: as many elements lie between the head and the known end.
        unsafe { self.take_slice(self.cursor.head(), &mut values[..len]) };
        self.advance(len);
        Ok(len)
    }

    /// Looks at `len` elements in place.
    #[inline]
    pub fn peek(&mut self, len: usize) -> Result<Peek<'_, T, M>, PeekError> {
        if len > self.capacity {
            return Err(PeekError::TooLong { len, capacity: self.capacity });
        }
        let available = self.known_up_to(len)?;
        if available < len {
            return Err(PeekError::Empty { available });
        }
        Ok(Peek::new(self, len))
    }

    /// Looks at as many elements as are there, at least one and at most `most`.
    #[inline]
    pub fn peek_up_to(&mut self, most: usize) -> Result<Peek<'_, T, M>, PeekError> {
        let len = self.known_up_to(most)?;
        if len == 0 && most > 0 {
            return Err(PeekError::Empty { available: 0 });
        }
        Ok(Peek::new(self, len))
    }

    /// Looks at as many elements as are there before the end of the buffer, at least one and at most `most`.
    #[inline]
    pub fn peek_contiguous(&mut self, most: usize) -> Result<Peek<'_, T, M>, PeekError> {
        let (before_the_end, _) = split(self.cursor.head(), most, self.capacity);
        self.peek_up_to(before_the_end)
    }

    /// Looks at the elements that are known to be there before the end of the buffer, at least one. Looks at the tail only
    /// where none is known.
    #[inline]
    pub fn peek_in_view(&mut self) -> Result<Peek<'_, T, M>, PeekError> {
        self.known_up_to(1)?;
        match split(self.cursor.head(), self.known(), self.capacity) {
            (0, _) => Err(PeekError::Empty { available: 0 }),
            (len, _) => Ok(Peek::new(self, len)),
        }
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

    /// Sleeps until the producer has published `wanted` elements, or for `limit`; not at all where so many are there, or where
    /// the producer's presence is no more what was `seen`. May return earlier.
    pub fn park(&mut self, wanted: usize, seen: Presence, limit: Duration) -> Result<(), Broken> {
        if !self.memory.is_here() {
            return Err(Broken::Forked);
        }
        // Neither end shall sleep while the other one waits for what is there.
        self.release();
        let tail = self.cursor.head().wrapping_add(wanted as u64);
        let begun = self.sleeper.begin(&self.memory, tail, tail);
        let available = self.available();
        let peer = presence::observe(self.memory.presence(Role::Producer));
        if peer == seen && available.is_ok_and(|available| available < wanted) {
            self.sleeper.sleep(&self.memory, begun, limit);
        }
        self.sleeper.end(&self.memory);
        available.map(|_| ())
    }

    /// Returns how many elements are there as far as is known without a look at the tail.
    #[inline(always)]
    fn known(&self) -> usize {
        // At most the capacity, so it fits.
        self.cursor.known() as usize
    }

    /// Returns how many of `wanted` elements are there, looking at the tail only if too few are known to be, or none: a handle
    /// that is of no use fails even for 0 elements.
    #[inline(always)]
    fn known_up_to(&mut self, wanted: usize) -> Result<usize, Broken> {
        if self.known() < wanted.max(1) {
            self.refresh().map_err(|Unusable| self.cause())?;
        }
        Ok(self.known().min(wanted))
    }

    /// Says why the handle is of no use.
    #[cold]
    fn cause(&self) -> Broken {
        self.broken.unwrap_or(Broken::Forked)
    }

    /// Looks at the producer's tail, not too soon. A number that it cannot have reached poisons the handle.
    #[inline]
    fn refresh(&mut self) -> Result<(), Unusable> {
        self.refresh_from(self.cursor.head(), self.cursor.known_end()).map(|_| ())
    }

    /// The same for a caller that has both positions in registers; returns the end of what is known to be there.
    ///
    /// A ping-pong goes through here for every element, so the two cases that it meets are kept short and in line: nothing
    /// new, and one element.
    #[inline(always)]
    fn refresh_from(&mut self, head: u64, known_end: u64) -> Result<u64, Unusable> {
        if !self.memory.is_here() {
            return Err(Unusable);
        }
        let waited = if self.pace.is_idle() { 0 } else { self.wait()? };
        // Observe: pairs with the Release in `Producer::publish_from`. The elements before it are written.
        let found = self.memory.tail().load(Ordering::Acquire);
        if found == known_end {
            // Once the tail moves, the line of the next slot is on its way already: one miss to wait for instead of two.
            self.memory.prefetch(index(head, self.capacity) * size_of::<T>());
            return Ok(known_end);
        }
        if head == known_end && found == head.wrapping_add(1) {
            // One element beyond a view that is used up always lies within the ring: there is nothing to check.
            self.cursor.learn(found);
            self.pace.found_one();
            return Ok(found);
        }
        self.arrive(found, waited)
    }

    /// Waits before a look, as long as looks lately were not worth it. A handle that is of no use always comes by here.
    #[inline(never)]
    fn wait(&mut self) -> Result<u32, Unusable> {
        if self.broken.is_some() { Err(Unusable) } else { Ok(self.pace.wait()) }
    }

    /// Takes over a tail that moved.
    #[inline(never)]
    fn arrive(&mut self, found: u64, waited: u32) -> Result<u64, Unusable> {
        let (lowest, highest) = (self.cursor.known_end(), self.cursor.head().wrapping_add(self.capacity as u64));
        let window = Window { lowest, highest, step: 1 };
        match window.check(SharedWord::Tail, found) {
            Ok(tail) => {
                self.pace.learn(waited, tail.wrapping_sub(lowest));
                self.cursor.learn(tail);
                Ok(tail)
            }
            Err(cause) => {
                self.cursor.forget();
                self.pace = Pace::poisoned();
                self.broken = Some(cause.into());
                Err(Unusable)
            }
        }
    }

    /// Moves the head over `len` elements that were read, and gives their slots back.
    #[inline(always)]
    pub(super) fn advance(&mut self, len: usize) {
        self.advance_from(self.cursor.head(), len);
    }

    /// The same for a caller that has the head in a register.
    #[inline(always)]
    fn advance_from(&mut self, head: u64, len: usize) {
        let head = self.cursor.advance_from(head, len as u64);
        // Publish: pairs with the Acquire in `Producer::look`. The elements before it have been read.
        self.memory.head().store(head, Ordering::Release);
        self.waker.published(&self.memory, Role::Producer, head);
    }

    /// Reads the element at `position`.
    ///
    /// # Safety
    ///
    /// It lies between the head and the tail.
    #[inline(always)]
    pub(super) unsafe fn take(&self, position: u64) -> T {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the caller's promise; a single element never passes the end of the buffer.
        unsafe { self.copy(position, value.as_mut_ptr(), 1) };
        // SAFETY: every byte is written, and every bit pattern is a `T`.
        unsafe { value.assume_init() }
    }

    /// Reads the elements from `position` on.
    ///
    /// # Safety
    ///
    /// They lie between the head and the tail.
    #[inline(always)]
    pub(super) unsafe fn take_slice(&self, position: u64, values: &mut [T]) {
        let (first, second) = values.split_at_mut(split(position, values.len(), self.capacity).0);
        // SAFETY: the first part ends where the buffer does, or before.
        unsafe { self.copy(position, first.as_mut_ptr(), first.len()) };
        if !second.is_empty() {
            // SAFETY: the second part begins where the buffer does.
            unsafe { self.copy(position.wrapping_add(first.len() as u64), second.as_mut_ptr(), second.len()) };
        }
    }

    /// Copies `len` elements from `position` on to private memory.
    ///
    /// # Safety
    ///
    /// - They lie between the head and the tail and do not pass the end of the buffer.
    /// - `to` is valid for `len` writes.
    #[inline(always)]
    unsafe fn copy(&self, position: u64, to: *mut T, len: usize) {
        let read = |slot: *const u8| {
            // SAFETY: the slots are valid for as many bytes, aligned as `T` is or better, and `to` is private.
            unsafe { copy_out::<T>(slot, to.cast(), len) }
        };
        // SAFETY: the caller's promise.
        unsafe { self.slots(position, len, read) };
    }

    /// Hands the address of `len` elements from `position` on to `access`, which only reads them.
    ///
    /// # Safety
    ///
    /// They lie between the head and the tail and do not pass the end of the buffer.
    #[inline(always)]
    pub(super) unsafe fn slots<R>(&self, position: u64, len: usize, access: impl FnOnce(*const u8) -> R) -> R {
        let offset = index(position, self.capacity) * size_of::<T>();
        // SAFETY: `attach` checked that the slots fit the memory, and these are committed.
        unsafe { self.memory.read(offset, len * size_of::<T>(), access) }
    }
}

impl<T, M> fmt::Debug for Consumer<T, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Consumer")
            .field("cursor", &self.cursor)
            .field("capacity", &self.capacity)
            .field("pace", &self.pace)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}
