//! The reading end of a stream ring.

#![allow(unsafe_code, reason = "reads slots through raw pointers")]

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;
use core::time::Duration;

use super::super::copy::copy_out;
use super::super::memory::{Memory, Role, Word};
use super::super::pace::{Flow, Pace};
use super::super::park::{Sleeper, Waker};
use super::super::position::{Corrupted, SharedWord, Window, index, split};
use super::super::presence::{self, Presence};
use super::peek::Peek;
use super::{Element, PeekError, PopError, fits};

/// The handle is poisoned: its `cause` says why. A round trip is shorter without the cause on every way back from a look.
struct Poisoned;

/// A look that finds this many elements, or half of the ring, is worth its cost.
const ENOUGH: usize = 1024;

/// The reading end.
pub struct Consumer<T, M> {
    memory: M,
    /// Where the next element comes from. Private and authoritative; the shared head follows it in steps.
    pub(super) head: u64,
    /// The tail as last observed. It may be stale, and then it is too low: there may be more elements, never fewer.
    tail: u64,
    /// What the shared head says.
    published: u64,
    pub(super) capacity: usize,
    step: u64,
    pace: Pace,
    poisoned: bool,
    /// What was found, once the handle is poisoned.
    cause: Corrupted,
    waker: Waker,
    sleeper: Sleeper,
    element: PhantomData<fn() -> T>,
}

impl<T: Element, M: Memory> Consumer<T, M> {
    /// Continues at the stored head. The caller holds the consumer's role.
    ///
    /// # Panics
    ///
    /// If `capacity` is no power of two, or its slots do not fit the memory.
    pub fn attach(memory: M, capacity: usize, flow: Flow) -> Result<Self, Corrupted> {
        fits::<T, M>(&memory, capacity);
        // The word is the role's own; its last writer released the role's lock before this process took it.
        let head = memory.head().load(Ordering::Relaxed);
        let (waker, sleeper) = (Waker::attach(&memory, Role::Consumer), Sleeper::attach(&memory, Role::Consumer));
        let mut consumer = Consumer {
            memory,
            head,
            // As if the ring were empty: the lowest tail that there can be.
            tail: head,
            published: head,
            capacity,
            step: flow.step.min(capacity / 4).max(1) as u64,
            pace: Pace::new(flow.pauses, (capacity / 2).clamp(1, ENOUGH) as u64),
            poisoned: false,
            cause: Window { lowest: head, highest: head, step: 1 }.refusal(SharedWord::Tail, head),
            waker,
            sleeper,
            element: PhantomData,
        };
        match consumer.refresh() {
            Ok(()) => Ok(consumer),
            Err(Poisoned) => Err(consumer.cause),
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

    /// Looks at the producer's tail and returns how many elements are there.
    pub fn available(&mut self) -> Result<usize, Corrupted> {
        self.refresh().map_err(|Poisoned| self.cause)?;
        Ok(self.known())
    }

    /// Reads one element.
    #[inline(always)]
    pub fn pop(&mut self) -> Result<T, PopError> {
        if self.head == self.tail {
            // The view is used up. Only the tail itself tells whether the ring is empty.
            self.refresh().map_err(|Poisoned| PopError::Corrupted(self.cause))?;
            if self.head == self.tail {
                return Err(PopError::Empty);
            }
        }
        // SAFETY: the head is below the tail.
        let value = unsafe { self.take(self.head) };
        self.advance(1);
        Ok(value)
    }

    /// Reads as many elements as are there and fit, and returns how many that is.
    #[inline]
    pub fn pop_slice(&mut self, values: &mut [T]) -> Result<usize, PopError> {
        let len = self.known_up_to(values.len()).map_err(PopError::Corrupted)?;
        if len == 0 && !values.is_empty() {
            return Err(PopError::Empty);
        }
        // SAFETY: as many elements lie between the head and the tail.
        unsafe { self.take_slice(self.head, &mut values[..len]) };
        self.advance(len);
        Ok(len)
    }

    /// Looks at `len` elements in place.
    #[inline]
    pub fn peek(&mut self, len: usize) -> Result<Peek<'_, T, M>, PeekError> {
        if len > self.capacity {
            return Err(PeekError::TooLong { len, capacity: self.capacity });
        }
        let available = self.known_up_to(len).map_err(PeekError::Corrupted)?;
        if available < len {
            return Err(PeekError::Empty { available });
        }
        Ok(Peek::new(self, len))
    }

    /// Looks at as many elements as are there, at least one and at most `most`.
    #[inline]
    pub fn peek_up_to(&mut self, most: usize) -> Result<Peek<'_, T, M>, PeekError> {
        let len = self.known_up_to(most).map_err(PeekError::Corrupted)?;
        if len == 0 && most > 0 {
            return Err(PeekError::Empty { available: 0 });
        }
        Ok(Peek::new(self, len))
    }

    /// Looks at as many elements as are there before the end of the buffer, at least one and at most `most`.
    #[inline]
    pub fn peek_contiguous(&mut self, most: usize) -> Result<Peek<'_, T, M>, PeekError> {
        let (before_the_end, _) = split(self.head, most, self.capacity);
        self.peek_up_to(before_the_end)
    }

    /// Looks at the elements that are known to be there before the end of the buffer, at least one. Looks at the tail only
    /// where none is known.
    #[inline]
    pub fn peek_in_view(&mut self) -> Result<Peek<'_, T, M>, PeekError> {
        self.known_up_to(1).map_err(PeekError::Corrupted)?;
        match split(self.head, self.known(), self.capacity) {
            (0, _) => Err(PeekError::Empty { available: 0 }),
            (len, _) => Ok(Peek::new(self, len)),
        }
    }

    /// Publishes the head: every slot that was read is the producer's again.
    #[inline]
    pub fn release(&mut self) {
        self.published = self.head;
        // Publish: pairs with the Acquire in `Producer::refresh`. The elements before it have been read.
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

    /// Gives back what was read, then sleeps until the producer publishes, or for `limit`; not at all where so many elements are
    /// there, or where the producer's presence is no more what was `seen`. May return earlier.
    pub fn park(&mut self, wanted: usize, seen: Presence, limit: Duration) -> Result<(), Corrupted> {
        self.give_back();
        let begun = self.sleeper.begin(&self.memory);
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
        self.tail.wrapping_sub(self.head) as usize
    }

    /// Returns how many of `wanted` elements are there, looking at the tail only if too few are known to be, or none: of a
    /// handle that is poisoned not even no element can be had.
    #[inline(always)]
    fn known_up_to(&mut self, wanted: usize) -> Result<usize, Corrupted> {
        if self.known() < wanted.max(1) {
            self.refresh().map_err(|Poisoned| self.cause)?;
        }
        Ok(self.known().min(wanted))
    }

    /// Looks at the producer's tail, not too soon. A number that it cannot have reached poisons the handle.
    ///
    /// A ping-pong goes through here for every element, so the two cases that it meets are kept short and in line: nothing
    /// new, and one element.
    #[inline(always)]
    fn refresh(&mut self) -> Result<(), Poisoned> {
        let waited = if self.pace.is_idle() { 0 } else { self.wait()? };
        // Observe: pairs with the Release in `Producer::publish`. The elements before it are written.
        let found = self.memory.tail().load(Ordering::Acquire);
        if found == self.tail {
            // Once the tail moves, the line of the next slot is on its way already: one miss to wait for instead of two.
            self.memory.prefetch(index(self.head, self.capacity) * size_of::<T>());
            return Ok(());
        }
        if self.head == self.tail && found == self.tail.wrapping_add(1) {
            // One element beyond a view that is used up always lies within the ring: there is nothing to check.
            self.tail = found;
            self.pace.found_one();
            return Ok(());
        }
        self.arrive(found, waited)
    }

    /// Waits before a look, as long as looks lately were not worth it.
    #[inline(never)]
    fn wait(&mut self) -> Result<u32, Poisoned> {
        if self.poisoned { Err(Poisoned) } else { Ok(self.pace.wait()) }
    }

    /// Takes over a tail that moved.
    #[inline(never)]
    fn arrive(&mut self, found: u64, waited: u32) -> Result<(), Poisoned> {
        let highest = self.head.wrapping_add(self.capacity as u64);
        let window = Window { lowest: self.tail, highest, step: 1 };
        match window.check(SharedWord::Tail, found) {
            Ok(tail) => {
                self.pace.learn(waited, tail.wrapping_sub(self.tail));
                self.tail = tail;
                Ok(())
            }
            Err(cause) => {
                // Nothing is there and no look is idle from here on: every call comes by `wait`, and is refused there.
                self.tail = self.head;
                self.pace = Pace::never_idle();
                self.poisoned = true;
                self.cause = cause;
                Err(Poisoned)
            }
        }
    }

    /// Moves the head over `len` elements. Publishes it if the view is used up, or a step is full.
    #[inline(always)]
    fn advance(&mut self, len: usize) {
        self.head = self.head.wrapping_add(len as u64);
        if self.head == self.tail || self.head.wrapping_sub(self.published) >= self.step {
            self.release();
        }
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
            .field("head", &self.head)
            .field("tail", &self.tail)
            .field("capacity", &self.capacity)
            .field("step", &self.step)
            .field("pace", &self.pace)
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}
