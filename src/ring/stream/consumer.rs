//! The reading end of a stream ring.

#![allow(unsafe_code, reason = "reads slots through raw pointers")]

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;

use super::super::copy::copy_out;
use super::super::memory::{Memory, Role, Word};
use super::super::position::{Corrupted, SharedWord, check, index, split};
use super::super::presence;
use super::pace::Pace;
use super::peek::Peek;
use super::{Element, PeekError, PopError, fits};

/// How a consumer spaces what it tells the producer and how often it looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// The head is published at the latest after this many elements, and after a quarter of the ring.
    pub step: usize,
    /// The longest wait before a look at the tail, in pauses of the processor.
    pub pauses: u32,
}

/// The reading end.
pub struct Consumer<T, M> {
    memory: M,
    /// Where the next element comes from. Private and authoritative; the shared head follows it in steps.
    pub(super) head: u64,
    /// The tail as last observed. It may be stale, and then it is too low: there may be more elements, never fewer.
    tail: u64,
    /// What the shared head says.
    published: u64,
    /// At this head the shared one is due: a step is full, or the view is used up.
    due: u64,
    pub(super) capacity: usize,
    step: u64,
    pace: Pace,
    poison: Option<Corrupted>,
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
        let mut consumer = Consumer {
            memory,
            head,
            // As if the ring were empty: the lowest tail that there can be.
            tail: head,
            published: head,
            due: head,
            capacity,
            step: flow.step.min(capacity / 4).max(1) as u64,
            pace: Pace::new(flow.pauses, capacity),
            poison: None,
            element: PhantomData,
        };
        consumer.refresh()?;
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

    /// Returns the number of slots.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Looks at the producer's tail and returns how many elements are there.
    pub fn available(&mut self) -> Result<usize, Corrupted> {
        self.refresh()?;
        Ok(self.known())
    }

    /// Reads one element.
    #[inline]
    pub fn pop(&mut self) -> Result<T, PopError> {
        if self.head == self.tail {
            // The view is used up. Only the tail itself tells whether the ring is empty.
            self.refresh().map_err(PopError::Corrupted)?;
            if self.head == self.tail {
                return Err(PopError::Empty);
            }
        }
        // SAFETY: the head is below the tail.
        let value = unsafe { self.take(self.head) };
        self.head = self.head.wrapping_add(1);
        if self.head == self.due {
            self.release();
        }
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

    /// Publishes the head: every slot that was read is the producer's again.
    #[inline]
    pub fn release(&mut self) {
        self.published = self.head;
        self.schedule();
        // Publish: pairs with the Acquire in `Producer::refresh`. The elements before it have been read.
        self.memory.head().store(self.head, Ordering::Release);
    }

    /// Gives back what was read, then says that this holder of the role leaves in order.
    pub fn leave(&mut self, generation: u64) {
        self.release();
        presence::leave(self.memory.presence(Role::Consumer), generation);
    }

    /// Returns how many elements are there as far as is known without a look at the tail.
    #[inline(always)]
    fn known(&self) -> usize {
        // At most the capacity, so it fits.
        self.tail.wrapping_sub(self.head) as usize
    }

    /// Returns how many of `wanted` elements are there, looking at the tail only if too few are known to be.
    #[inline(always)]
    fn known_up_to(&mut self, wanted: usize) -> Result<usize, Corrupted> {
        if self.known() < wanted {
            self.refresh()?;
        }
        Ok(self.known().min(wanted))
    }

    /// Looks at the producer's tail, not too soon. A number that it cannot have reached poisons the handle.
    ///
    /// A ping-pong goes through here for every element: the way of an idle ring has one branch that depends on the tail.
    #[inline]
    fn refresh(&mut self) -> Result<(), Corrupted> {
        if let Some(cause) = self.poison {
            return Err(cause);
        }
        self.pace.pause();
        // Observe: pairs with the Release in `Producer::publish`. The elements before it are written.
        let found = self.memory.tail().load(Ordering::Acquire);
        if found == self.tail {
            self.pace.rest();
            // Once the tail moves, the line of the next slot is on its way already: one miss to wait for instead of two.
            self.memory.prefetch(index(self.head, self.capacity) * size_of::<T>());
            return Ok(());
        }
        let highest = self.head.wrapping_add(self.capacity as u64);
        match check(SharedWord::Tail, found, self.tail, highest) {
            Ok(tail) => {
                self.pace.learn(tail.wrapping_sub(self.tail));
                self.tail = tail;
                self.schedule();
                Ok(())
            }
            Err(cause) => Err(self.poison(cause)),
        }
    }

    #[cold]
    fn poison(&mut self, cause: Corrupted) -> Corrupted {
        // Nothing is there from here on, so every call comes by `refresh` and is refused there.
        self.tail = self.head;
        self.poison = Some(cause);
        cause
    }

    /// Sets the head at which the shared one is due.
    #[inline(always)]
    fn schedule(&mut self) {
        let unpublished_view = self.tail.wrapping_sub(self.published);
        self.due = self.published.wrapping_add(unpublished_view.min(self.step));
    }

    /// Moves the head over `len` elements, and publishes it if that is due.
    #[inline(always)]
    fn advance(&mut self, len: usize) {
        let until_due = self.due.wrapping_sub(self.head);
        self.head = self.head.wrapping_add(len as u64);
        if len as u64 >= until_due {
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
        let offset = index(position, self.capacity) * size_of::<T>();
        let read = |slot: *const u8| {
            // SAFETY: the slots are valid for as many bytes, aligned as `T` is or better, and `to` is private.
            unsafe { copy_out::<T>(slot, to.cast(), len) }
        };
        // SAFETY: `attach` checked that the slots fit the memory, and these are committed.
        unsafe { self.memory.read(offset, len * size_of::<T>(), read) };
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
            .field("poison", &self.poison)
            .finish_non_exhaustive()
    }
}
