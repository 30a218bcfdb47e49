//! Where a consumer reads, and how far it may.
//!
//! ```text
//!   given back          may be read            not known of
//! ─────────────────┬─────────────────────┬──────────────────────>  positions
//!                 head               known end
//! ```
//!
//! The head is private and authoritative: the shared head is a copy of it, stored by each call that moves it. The known end is
//! what was last observed of the producer, and may be stale: then it is too low. Whatever a guard has only looked at lies at or
//! behind the head, so a guard that is forgotten has changed nothing here.

/// The reader's two positions. Every way to change them keeps what follows, and a debug build looks:
///
/// - the known end is never before the head, and never further from it than the ring holds.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    head: u64,
    known_end: u64,
    /// How far the known end can be from the head.
    most: u64,
}

impl Cursor {
    /// Begins at `head`, of a ring that holds `most` units of positions, and knows of nothing.
    pub fn new(head: u64, most: u64) -> Cursor {
        Cursor { head, known_end: head, most }
    }

    /// Returns the position of what is read next.
    #[inline(always)]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Returns the end of what is known to be there.
    #[inline(always)]
    pub fn known_end(&self) -> u64 {
        self.known_end
    }

    /// Returns how much is known to be there.
    #[inline(always)]
    pub fn known(&self) -> u64 {
        self.known_end.wrapping_sub(self.head)
    }

    /// Returns whether nothing is known to be there.
    #[inline(always)]
    pub fn is_used_up(&self) -> bool {
        self.head == self.known_end
    }

    /// Moves the head over `len` units that were read, and returns where it is now.
    #[inline(always)]
    pub fn advance(&mut self, len: u64) -> u64 {
        debug_assert!(len <= self.known(), "{len} units read of {}", self.known());
        self.head = self.head.wrapping_add(len);
        self.check();
        self.head
    }

    /// Learns that everything up to `end` is there.
    #[inline(always)]
    pub fn learn(&mut self, end: u64) {
        debug_assert!(end.wrapping_sub(self.head) >= self.known(), "the end goes back to {end}");
        self.known_end = end;
        self.check();
    }

    /// Takes nothing for known.
    #[inline]
    pub fn forget(&mut self) {
        self.known_end = self.head;
        self.check();
    }

    #[inline(always)]
    fn check(&self) {
        debug_assert!(self.known() <= self.most, "{self:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_knows_what_lies_between_its_positions_also_across_the_wrap() {
        let mut cursor = Cursor::new(u64::MAX, 8);
        assert!(cursor.is_used_up());
        cursor.learn(3);
        assert_eq!((cursor.known(), cursor.known_end()), (4, 3));
        assert_eq!(cursor.advance(2), 1);
        assert_eq!((cursor.head(), cursor.known()), (1, 2));
        cursor.forget();
        assert_eq!((cursor.known_end(), cursor.known()), (1, 0));
    }

    #[test]
    #[should_panic(expected = "3 units read of 2")]
    #[cfg(debug_assertions)]
    fn a_cursor_does_not_pass_what_is_known() {
        let mut cursor = Cursor::new(0, 8);
        cursor.learn(2);
        cursor.advance(3);
    }

    #[test]
    #[should_panic(expected = "known_end: 9")]
    #[cfg(debug_assertions)]
    fn a_cursor_does_not_know_more_than_the_ring_holds() {
        Cursor::new(0, 8).learn(9);
    }
}
