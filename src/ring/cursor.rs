//! Where an end reads or writes, and how far it may.
//!
//! ```text
//!   given back     may be read        not known of
//! --------------+------------------+---------------->  a consumer: position = head, known end = tail when last loaded
//!               |                  |
//! --------------+------------------+---------------->  a producer: position = tail, known end = head + max_used
//!   published      may be written     perhaps unread
//! ```
//!
//! The position is exact. The shared word is its copy, which is stored at the end of the call that moves it; a
//! successor starts from the shared word. The known end is never too high. It may be too low, by what the other end has
//! moved since it was loaded, `max_used` less what is known at the furthest. It is loaded at attach, and by a call that
//! needs more than is known; a consumer of messages learns it from headers too. `len`, `free` and `available` load the
//! word and do not change it. What a guard has read or filled lies at the position or after it, so a guard that is
//! forgotten has changed nothing here.
//!
//! Both lie in memory that a fork wipes ([`Memory::own`]). A forked child finds two zeros: nothing may be read or
//! written there, so each call of the child takes the path of a call that finds too little, and is refused there. That
//! costs the others nothing.

#![allow(unsafe_code, reason = "the positions lie behind a pointer")]

use core::fmt;
use core::ptr::NonNull;

use super::memory::{Memory, Role};

/// An end's own position, and the end of what it knows that it may read or write.
///
/// Every way to change them keeps what follows, and a debug build checks it: the known end is never before the
/// position, and never further from it than the ring holds.
pub struct Cursor {
    /// Position and known end.
    own: NonNull<[u64; 2]>,
    /// How far the known end can be from the position.
    max_used: u64,
}

// SAFETY: the words are this value's alone, whichever thread it is in.
unsafe impl Send for Cursor {}

impl Cursor {
    /// Begins at `position`, of a ring that holds `max_used` units of positions, and knows of nothing.
    ///
    /// # Safety
    ///
    /// The memory outlives this value, and this is the only cursor of that role over it.
    pub unsafe fn new<M: Memory>(memory: &M, role: Role, position: u64, max_used: u64) -> Cursor {
        let own = memory.own(role);
        // SAFETY: valid for as long as the memory lives, and this value's alone.
        unsafe { own.write([position; 2]) };
        Cursor { own, max_used }
    }

    /// Returns the position at which this end reads or writes next.
    #[inline(always)]
    pub fn position(&self) -> u64 {
        self.words()[0]
    }

    /// Returns the end of what is known to be there, or to be free.
    #[inline(always)]
    pub fn known_end(&self) -> u64 {
        self.words()[1]
    }

    /// Returns how much is known to be there, or to be free.
    #[inline(always)]
    pub fn known(&self) -> u64 {
        self.known_end().wrapping_sub(self.position())
    }

    /// Returns how far the known end can be from the position.
    pub fn max_used(&self) -> u64 {
        self.max_used
    }

    /// Moves the position, which is `position`, by `len` units, and returns the new one.
    #[inline(always)]
    pub fn advance_from(&mut self, position: u64, len: u64) -> u64 {
        debug_assert!(position == self.position() && len <= self.known(), "{len} units passed of {}", self.known());
        let position = position.wrapping_add(len);
        self.words_mut()[0] = position;
        self.check();
        position
    }

    /// Learns that everything up to `end` is there, or free.
    #[inline(always)]
    pub fn learn(&mut self, end: u64) {
        debug_assert!(end.wrapping_sub(self.position()) >= self.known(), "the end goes back to {end}");
        self.words_mut()[1] = end;
        self.check();
    }

    /// Forgets what is known.
    #[inline]
    pub fn forget(&mut self) {
        self.words_mut()[1] = self.position();
    }

    #[inline(always)]
    fn words(&self) -> &[u64; 2] {
        // SAFETY: valid for as long as the memory lives, which outlives this value.
        unsafe { self.own.as_ref() }
    }

    #[inline(always)]
    fn words_mut(&mut self) -> &mut [u64; 2] {
        // SAFETY: as in `words`; borrowed uniquely.
        unsafe { self.own.as_mut() }
    }

    #[inline(always)]
    fn check(&self) {
        debug_assert!(self.known() <= self.max_used, "{self:?}");
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (position, known_end) = (self.position(), self.known_end());
        formatter
            .debug_struct("Cursor")
            .field("position", &position)
            .field("known_end", &known_end)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a test over a cursor of a ring of 8, with both words at `position`.
    fn with_cursor(position: u64, test: impl FnOnce(Cursor)) {
        let mut words = [position; 2];
        test(Cursor { own: NonNull::from(&mut words), max_used: 8 });
    }

    #[test]
    fn a_cursor_knows_what_lies_between_its_positions_also_across_the_wrap() {
        with_cursor(u64::MAX, |mut cursor| {
            assert_eq!(cursor.known(), 0);
            cursor.learn(3);
            assert_eq!((cursor.known(), cursor.known_end()), (4, 3));
            assert_eq!(cursor.advance_from(u64::MAX, 2), 1);
            assert_eq!((cursor.position(), cursor.known()), (1, 2));
            cursor.forget();
            assert_eq!((cursor.known_end(), cursor.known()), (1, 0));
        });
    }

    #[test]
    fn wiped_positions_give_nothing_to_read_or_to_write() {
        with_cursor(0, |mut cursor| {
            cursor.learn(5);
            *cursor.words_mut() = [0; 2];
            assert_eq!(cursor.known(), 0);
        });
    }

    #[test]
    #[should_panic(expected = "3 units passed of 2")]
    #[cfg(debug_assertions)]
    fn a_cursor_does_not_pass_what_is_known() {
        with_cursor(0, |mut cursor| {
            cursor.learn(2);
            cursor.advance_from(0, 3);
        });
    }

    #[test]
    #[should_panic(expected = "known_end: 9")]
    #[cfg(debug_assertions)]
    fn a_cursor_does_not_know_more_than_the_ring_holds() {
        with_cursor(0, |mut cursor| cursor.learn(9));
    }
}
