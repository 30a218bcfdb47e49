//! The writing end of a stream ring.

#![allow(unsafe_code, reason = "writes slots through raw pointers")]

use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::Ordering;
use core::time::Duration;

use super::super::broken::Broken;
use super::super::copy::copy_in;
use super::super::cursor::Room;
use super::super::ends::Ends;
use super::super::memory::{Memory, Role, Word};
use super::super::pace::Pace;
use super::super::park::{Sleeper, Waker};
use super::super::position::{Corrupted, SharedWord, Window, index, split};
use super::super::presence::{self, Presence};
use super::claim::Claim;
use super::consumer::ENOUGH;
use super::{ClaimError, Element, PushError, PushSliceError, fits};

/// A producer does not pause at a full ring of fewer slots.
const FEW: usize = 32;

/// The writing end.
pub struct Producer<T, M> {
    memory: M,
    /// Where the next element goes, and up to where slots are known to be free. The shared tail follows at each move.
    pub(super) room: Room,
    pub(super) capacity: usize,
    pace: Pace,
    /// Why the handle is of no use, once it is.
    broken: Option<Broken>,
    waker: Waker,
    sleeper: Sleeper,
    element: PhantomData<fn(T)>,
}

impl<T: Element, M: Memory> Producer<T, M> {
    /// Continues at the stored tail, and pauses at most so often before a look at the head. The caller holds the producer's role.
    ///
    /// # Panics
    ///
    /// If `capacity` is no power of two, or its slots do not fit the memory.
    pub fn attach(memory: M, capacity: usize, pauses: u32) -> Result<Self, Corrupted> {
        fits::<T, M>(&memory, capacity);
        // The word is the role's own; its last writer released the role's lock before this process took it.
        let tail = memory.tail().load(Ordering::Relaxed);
        let (waker, sleeper) = (Waker::attach(&memory, Role::Producer), Sleeper::attach(&memory, Role::Producer));
        // SAFETY: it lies in the handle beside the memory, whose only one it is.
        let room = unsafe { Room::new(&memory, tail, capacity as u64) };
        let mut producer = Producer {
            memory,
            room,
            capacity,
            // In a ring of a few slots a pause outlasts all that the consumer can read meanwhile.
            pace: Pace::new(if capacity < FEW { 0 } else { pauses }, (capacity / 4).clamp(1, ENOUGH / 2) as u64),
            broken: None,
            waker,
            sleeper,
            element: PhantomData,
        };
        producer.look()?;
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

    /// Returns the number of slots.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the position of the next element: how many were pushed before it.
    pub fn position(&self) -> u64 {
        self.room.tail()
    }

    /// Looks at the consumer's head and returns how many slots are free.
    pub fn free(&mut self) -> Result<usize, Broken> {
        self.refresh()?;
        Ok(self.known_free())
    }

    /// Writes one element and publishes it.
    #[inline(always)]
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        let tail = self.room.tail();
        if tail == self.room.limit() {
            // Possibly full. Only the head itself tells whether it is so.
            match self.refresh() {
                Err(broken) => return Err(PushError::broken(value, broken)),
                Ok(()) if self.room.is_used_up() => return Err(PushError::Full(value)),
                Ok(()) => {}
            }
        }
        // SAFETY: the tail is below the limit, so its slot is free.
        unsafe { self.put(tail, core::slice::from_ref(&value)) };
        self.publish_from(tail, 1);
        Ok(())
    }

    /// Writes as many elements as there are slots free, publishes them together, and returns how many that is.
    #[inline]
    pub fn push_slice(&mut self, values: &[T]) -> Result<usize, PushSliceError> {
        let free = self.free_up_to(values.len())?;
        if free == 0 {
            return if values.is_empty() { Ok(0) } else { Err(PushSliceError::Full) };
        }
        // SAFETY: as many slots are free from the tail on.
        unsafe { self.put_slice(self.room.tail(), &values[..free]) };
        self.publish(free);
        Ok(free)
    }

    /// Takes `len` slots in place.
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_, T, M>, ClaimError> {
        if len > self.capacity {
            return Err(ClaimError::TooLong { len, capacity: self.capacity });
        }
        let free = self.free_up_to(len)?;
        if free < len {
            return Err(ClaimError::Full { free });
        }
        Ok(Claim::new(self, len))
    }

    /// Takes as many slots as are free, at least one and at most `most`.
    #[inline]
    pub fn claim_up_to(&mut self, most: usize) -> Result<Claim<'_, T, M>, ClaimError> {
        let len = self.free_up_to(most)?;
        if len == 0 && most > 0 {
            return Err(ClaimError::Full { free: 0 });
        }
        Ok(Claim::new(self, len))
    }

    /// Takes as many slots as are free before the end of the buffer, at least one and at most `most`.
    #[inline]
    pub fn claim_contiguous(&mut self, most: usize) -> Result<Claim<'_, T, M>, ClaimError> {
        let (before_the_end, _) = split(self.room.tail(), most, self.capacity);
        self.claim_up_to(before_the_end)
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

    /// Sleeps until `wanted` slots are free, or for `limit`; not at all where they are. While it `gathers`, a consumer that keeps
    /// popping wakes it only when a quarter of the ring is free. May return earlier, and does where the consumer's presence is
    /// no more what was `seen`.
    pub fn park(&mut self, wanted: usize, gathers: bool, seen: Presence, limit: Duration) -> Result<(), Broken> {
        if !self.memory.is_here() {
            return Err(Broken::Forked);
        }
        let head_for = |free: usize| self.room.tail().wrapping_add(free as u64).wrapping_sub(self.capacity as u64);
        let (needed, enough) = (head_for(wanted), head_for(wanted.max(self.capacity / 4)));
        let begun = self.sleeper.begin(&self.memory, if gathers { enough } else { needed }, needed);
        let free = self.free();
        let peer = presence::observe(self.memory.presence(Role::Consumer));
        if peer == seen && free.is_ok_and(|free| free < wanted) {
            self.sleeper.sleep(&self.memory, begun, limit);
        }
        self.sleeper.end(&self.memory);
        free.map(|_| ())
    }

    /// Returns how many slots are free as far as is known without a look at the head.
    #[inline(always)]
    fn known_free(&self) -> usize {
        // At most the capacity, so it fits.
        self.room.free() as usize
    }

    /// Returns how many of `wanted` slots are free, looking at the head only if too few are known to be, or none: a handle that
    /// is of no use fails even for 0 slots.
    #[inline(always)]
    fn free_up_to(&mut self, wanted: usize) -> Result<usize, Broken> {
        if self.known_free() < wanted.max(1) {
            self.refresh()?;
        }
        Ok(self.known_free().min(wanted))
    }

    /// Looks at the consumer's head, not too soon. A number that it cannot have reached poisons the handle.
    #[inline(never)]
    fn refresh(&mut self) -> Result<(), Broken> {
        match self.broken {
            None if !self.memory.is_here() => Err(Broken::Forked),
            None => Ok(self.look()?),
            Some(broken) => Err(broken),
        }
    }

    fn look(&mut self) -> Result<(), Corrupted> {
        let waited = self.pace.wait();
        let capacity = self.capacity as u64;
        // Observe: pairs with the Release in `Consumer::advance_from`. The slots before it have been read.
        let found = self.memory.head().load(Ordering::Acquire);
        let lowest = self.room.limit().wrapping_sub(capacity);
        match (Window { lowest, highest: self.room.tail(), step: 1 }).check(SharedWord::Head, found) {
            Ok(head) => {
                self.room.learn(head.wrapping_add(capacity));
                self.pace.learn(waited, head.wrapping_sub(lowest));
                Ok(())
            }
            Err(cause) => {
                // Nothing is free from here on, so every call comes by `refresh` and is refused there.
                self.room.forget();
                self.broken = Some(cause.into());
                Err(cause)
            }
        }
    }

    /// Writes `values` into the slots from `position` on; they do not pass the end of the buffer.
    ///
    /// # Safety
    ///
    /// The slots lie between the tail and the limit, and before the end of the buffer.
    #[inline(always)]
    pub(super) unsafe fn put(&mut self, position: u64, values: &[T]) {
        let write = |slot: *mut u8| {
            // SAFETY: the slot is valid for as many bytes, aligned as `T` is or better, and the values are private.
            unsafe { copy_in::<T>(values.as_ptr().cast(), slot, values.len()) }
        };
        // SAFETY: the caller's promise.
        unsafe { self.slots(position, values.len(), write) };
    }

    /// Hands the address of `len` slots from `position` on to `access`, which may write them.
    ///
    /// # Safety
    ///
    /// The slots lie between the tail and the limit, and before the end of the buffer.
    #[inline(always)]
    pub(super) unsafe fn slots<R>(&self, position: u64, len: usize, access: impl FnOnce(*mut u8) -> R) -> R {
        let offset = index(position, self.capacity) * size_of::<T>();
        // SAFETY: `attach` checked that the slots fit the memory, and these are free.
        unsafe { self.memory.write(offset, len * size_of::<T>(), access) }
    }

    /// Writes `values` into the slots from `position` on.
    ///
    /// # Safety
    ///
    /// The slots lie between the tail and the limit.
    #[inline(always)]
    pub(super) unsafe fn put_slice(&mut self, position: u64, values: &[T]) {
        let (first, second) = values.split_at(split(position, values.len(), self.capacity).0);
        // SAFETY: the first part ends where the buffer does, or before.
        unsafe { self.put(position, first) };
        if !second.is_empty() {
            // SAFETY: the second part begins where the buffer does.
            unsafe { self.put(position.wrapping_add(first.len() as u64), second) };
        }
    }

    /// Makes `len` more elements visible.
    #[inline(always)]
    pub(super) fn publish(&mut self, len: usize) {
        self.publish_from(self.room.tail(), len);
    }

    /// The same for a caller that has the tail in a register.
    #[inline(always)]
    fn publish_from(&mut self, tail: u64, len: usize) {
        let tail = self.room.advance_from(tail, len as u64);
        // Publish: pairs with the Acquire in `Consumer::refresh_from`. The elements before it are written.
        self.memory.tail().store(tail, Ordering::Release);
        self.waker.published(&self.memory, Role::Consumer, tail);
    }
}

impl<T, M> fmt::Debug for Producer<T, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Producer")
            .field("room", &self.room)
            .field("capacity", &self.capacity)
            .field("pace", &self.pace)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}
