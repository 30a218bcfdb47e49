//! Where an end reads or writes, and how far it may.
//!
//! ```text
//!   given back          may be read            not known of
//! ─────────────────┬─────────────────────┬──────────────────────>  positions of a consumer: Cursor
//!                 head               known end
//!
//!   published           may be written         perhaps unread
//! ─────────────────┬─────────────────────┬──────────────────────>  positions of a producer: Room
//!                 tail                 limit
//! ```
//!
//! The first of each is private and authoritative: the shared word is a copy of it. The second is what was last observed of the
//! other end, and may be stale: then it is too low. Whatever a guard has only looked at or filled lies at or behind the first, so
//! a guard that is forgotten has changed nothing here.
//!
//! Both lie in memory that a fork wipes ([`Memory::own`]). A forked child finds two zeros: nothing may be read or written there,
//! so each call of the child goes where a call goes that finds too little, and is refused there. That costs the others nothing.

#![allow(unsafe_code, reason = "the positions lie behind a pointer")]

use core::fmt;
use core::ptr::NonNull;

use super::memory::{Memory, Role};

/// Two words behind a pointer.
struct Own(NonNull<[u64; 2]>);

// SAFETY: the words are this value's alone, whichever thread it is in.
unsafe impl Send for Own {}

impl Own {
    /// Takes the words of `role`, and fills them.
    ///
    /// # Safety
    ///
    /// The memory outlives this value, and nothing else has taken these words.
    unsafe fn take<M: Memory>(memory: &M, role: Role, words: [u64; 2]) -> Own {
        let own = memory.own(role);
        // SAFETY: valid for as long as the memory lives, and the caller's alone.
        unsafe { own.write(words) };
        Own(own)
    }

    #[inline(always)]
    fn get(&self, at: usize) -> u64 {
        // SAFETY: valid for as long as the memory lives, which outlives this value.
        let words = unsafe { self.0.as_ref() };
        words[at]
    }

    #[inline(always)]
    fn set(&mut self, at: usize, position: u64) {
        // SAFETY: as in `get`; borrowed uniquely.
        let words = unsafe { self.0.as_mut() };
        words[at] = position;
    }
}

/// A consumer's two positions. Every way to change them keeps what follows, and a debug build looks: the known end is never
/// before the head, and never further from it than the ring holds.
pub struct Cursor {
    /// Head and known end.
    own: Own,
    /// How far the known end can be from the head.
    most: u64,
}

impl Cursor {
    /// Begins at `head`, of a ring that holds `most` units of positions, and knows of nothing.
    ///
    /// # Safety
    ///
    /// The memory outlives this value, and this is its only cursor.
    pub unsafe fn new<M: Memory>(memory: &M, head: u64, most: u64) -> Cursor {
        // SAFETY: the caller's promise.
        Cursor { own: unsafe { Own::take(memory, Role::Consumer, [head, head]) }, most }
    }

    /// Returns the position of what is read next.
    #[inline(always)]
    pub fn head(&self) -> u64 {
        self.own.get(0)
    }

    /// Returns the end of what is known to be there.
    #[inline(always)]
    pub fn known_end(&self) -> u64 {
        self.own.get(1)
    }

    /// Returns how much is known to be there.
    #[inline(always)]
    pub fn known(&self) -> u64 {
        self.known_end().wrapping_sub(self.head())
    }

    /// Moves the head, which is at `head`, over `len` units that were read, and returns where it is now.
    #[inline(always)]
    pub fn advance_from(&mut self, head: u64, len: u64) -> u64 {
        debug_assert!(head == self.head() && len <= self.known(), "{len} units read of {}", self.known());
        let head = head.wrapping_add(len);
        self.own.set(0, head);
        self.check();
        head
    }

    /// Learns that everything up to `end` is there.
    #[inline(always)]
    pub fn learn(&mut self, end: u64) {
        debug_assert!(end.wrapping_sub(self.head()) >= self.known(), "the end goes back to {end}");
        self.own.set(1, end);
        self.check();
    }

    /// Takes nothing for known.
    #[inline]
    pub fn forget(&mut self) {
        self.own.set(1, self.head());
        self.check();
    }

    #[inline(always)]
    fn check(&self) {
        debug_assert!(self.known() <= self.most, "{self:?}");
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, known_end) = (self.head(), self.known_end());
        formatter.debug_struct("Cursor").field("head", &head).field("known_end", &known_end).finish_non_exhaustive()
    }
}

/// A producer's two positions. The limit is never before the tail, and never further from it than the ring holds.
pub struct Room {
    /// Tail and limit.
    own: Own,
    /// How far the limit can be from the tail.
    most: u64,
}

impl Room {
    /// Begins at `tail`, of a ring that holds `most` units of positions, as if it were full.
    ///
    /// # Safety
    ///
    /// The memory outlives this value, and this is its only room.
    pub unsafe fn new<M: Memory>(memory: &M, tail: u64, most: u64) -> Room {
        // SAFETY: the caller's promise.
        Room { own: unsafe { Own::take(memory, Role::Producer, [tail, tail]) }, most }
    }

    /// Returns the position of what is written next.
    #[inline(always)]
    pub fn tail(&self) -> u64 {
        self.own.get(0)
    }

    /// Returns the first position that may still be unread.
    #[inline(always)]
    pub fn limit(&self) -> u64 {
        self.own.get(1)
    }

    /// Returns how much is known to be free.
    #[inline(always)]
    pub fn free(&self) -> u64 {
        self.limit().wrapping_sub(self.tail())
    }

    /// Returns whether nothing is known to be free.
    #[inline(always)]
    pub fn is_used_up(&self) -> bool {
        self.tail() == self.limit()
    }

    /// Moves the tail, which is at `tail`, over `len` units that were written, and returns where it is now.
    #[inline(always)]
    pub fn advance_from(&mut self, tail: u64, len: u64) -> u64 {
        debug_assert!(tail == self.tail() && len <= self.free(), "{len} units written of {}", self.free());
        let tail = tail.wrapping_add(len);
        self.own.set(0, tail);
        self.check();
        tail
    }

    /// Learns that everything up to `limit` is free.
    #[inline(always)]
    pub fn learn(&mut self, limit: u64) {
        debug_assert!(limit.wrapping_sub(self.tail()) >= self.free(), "the limit goes back to {limit}");
        self.own.set(1, limit);
        self.check();
    }

    /// Takes nothing for free.
    #[inline]
    pub fn forget(&mut self) {
        self.own.set(1, self.tail());
        self.check();
    }

    #[inline(always)]
    fn check(&self) {
        debug_assert!(self.free() <= self.most, "{self:?}");
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tail, limit) = (self.tail(), self.limit());
        formatter.debug_struct("Room").field("tail", &tail).field("limit", &limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a test over two words, both 0.
    fn with_words(test: impl FnOnce(Own)) {
        let mut words = [0; 2];
        test(Own(NonNull::from(&mut words)));
    }

    #[test]
    fn a_cursor_knows_what_lies_between_its_positions_also_across_the_wrap() {
        with_words(|mut own| {
            own.set(0, u64::MAX);
            own.set(1, u64::MAX);
            let mut cursor = Cursor { own, most: 8 };
            assert_eq!(cursor.known(), 0);
            cursor.learn(3);
            assert_eq!((cursor.known(), cursor.known_end()), (4, 3));
            assert_eq!(cursor.advance_from(u64::MAX, 2), 1);
            assert_eq!((cursor.head(), cursor.known()), (1, 2));
            cursor.forget();
            assert_eq!((cursor.known_end(), cursor.known()), (1, 0));
        });
    }

    #[test]
    fn wiped_positions_give_nothing_to_read_or_to_write() {
        with_words(|own| {
            let mut room = Room { own, most: 8 };
            room.learn(5);
            room.own.set(1, 0);
            assert!(room.is_used_up());
            assert_eq!(room.free(), 0);
        });
    }

    #[test]
    #[should_panic(expected = "3 units read of 2")]
    #[cfg(debug_assertions)]
    fn a_cursor_does_not_pass_what_is_known() {
        with_words(|own| {
            let mut cursor = Cursor { own, most: 8 };
            cursor.learn(2);
            cursor.advance_from(0, 3);
        });
    }

    #[test]
    #[should_panic(expected = "known_end: 9")]
    #[cfg(debug_assertions)]
    fn a_cursor_does_not_know_more_than_the_ring_holds() {
        with_words(|own| Cursor { own, most: 8 }.learn(9));
    }

    #[test]
    #[should_panic(expected = "limit: 9")]
    #[cfg(debug_assertions)]
    fn a_producer_does_not_take_more_for_free_than_the_ring_holds() {
        with_words(|own| Room { own, most: 8 }.learn(9));
    }
}
