//! Arithmetic of positions, and the check of a number that the other process wrote.

use super::error::{Corrupted, SharedWord};

/// The values that a word can hold if its writer keeps to the protocol, both ends included.
///
/// A position only grows, so its window starts at the value seen last; it ends where the peer's own rules stop it.
/// Differences are taken modulo 2^64, so that a ring works across the wrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub lowest: u64,
    pub highest: u64,
    /// The distance between two values; a power of two.
    pub step: u64,
}

impl Window {
    /// Checks a word that the peer wrote.
    #[inline(always)]
    pub fn check(self, word: SharedWord, found: u64) -> Result<u64, Corrupted> {
        let Window { lowest, highest, step } = self;
        let above = found.wrapping_sub(lowest);
        if above <= highest.wrapping_sub(lowest) && above & (step - 1) == 0 {
            Ok(found)
        } else {
            Err(self.refusal(word, found))
        }
    }

    /// Says what is wrong with a word that is not in the window.
    pub fn refusal(self, word: SharedWord, found: u64) -> Corrupted {
        let Window { lowest, highest, step } = self;
        Corrupted { word, found, lowest, highest, step }
    }
}

/// Cuts `len` slots that start at `position` at the end of the buffer: the lengths before and after the wrap.
#[inline(always)]
pub fn split(position: u64, len: usize, capacity: usize) -> (usize, usize) {
    let first = len.min(capacity - index(position, capacity));
    (first, len - first)
}

/// Reduces a position to the buffer. `capacity` is a power of two.
#[inline(always)]
pub fn index(position: u64, capacity: usize) -> usize {
    // The capacity fits a usize, so the mask does, and the truncation takes no bit that counts.
    position as usize & (capacity - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn accepts(found: u64, lowest: u64, highest: u64) {
        assert_eq!(Window { lowest, highest, step: 1 }.check(SharedWord::Head, found), Ok(found));
    }

    #[track_caller]
    fn refuses(found: u64, lowest: u64, highest: u64) {
        let corrupted = Window { lowest, highest, step: 1 }.check(SharedWord::Tail, found).unwrap_err();
        assert_eq!(corrupted, Corrupted { word: SharedWord::Tail, found, lowest, highest, step: 1 });
    }

    #[test]
    fn a_position_within_its_window_is_accepted() {
        accepts(7, 7, 7);
        accepts(7, 3, 7);
        accepts(3, 3, 7);
        accepts(u64::MAX, u64::MAX - 1, 2);
        accepts(0, u64::MAX - 1, 2);
        accepts(2, u64::MAX - 1, 2);
    }

    #[test]
    fn a_position_outside_its_window_is_refused() {
        refuses(6, 7, 7);
        refuses(8, 7, 7);
        refuses(8, 3, 7);
        refuses(2, 3, 7);
        refuses(u64::MAX, 3, 7);
        refuses(u64::MAX - 2, u64::MAX - 1, 2);
        refuses(3, u64::MAX - 1, 2);
    }

    #[test]
    fn a_position_between_two_steps_is_refused() {
        let window = Window { lowest: 64, highest: 128, step: 16 };
        for found in 0..200 {
            let accepted = [64, 80, 96, 112, 128].contains(&found);
            assert_eq!(window.check(SharedWord::Tail, found).is_ok(), accepted, "{found}");
        }
        let across = Window { lowest: 8_u64.wrapping_neg(), highest: 8, step: 8 };
        assert_eq!(across.check(SharedWord::Tail, 0), Ok(0));
        assert!(across.check(SharedWord::Tail, 4).is_err());
    }

    #[test]
    fn a_run_of_slots_is_cut_where_the_buffer_ends() {
        assert_eq!(split(0, 8, 8), (8, 0));
        assert_eq!(split(6, 2, 8), (2, 0));
        assert_eq!(split(6, 3, 8), (2, 1));
        assert_eq!(split(7, 8, 8), (1, 7));
        assert_eq!(split(u64::MAX, 2, 8), (1, 1));
        assert_eq!(split(5, 1, 1), (1, 0));
        assert_eq!(split(13, 0, 8), (0, 0));
    }

    #[test]
    fn a_corruption_names_the_word_and_what_was_expected() {
        let tail = Window { lowest: 3, highest: 5, step: 1 }.refusal(SharedWord::Tail, 9);
        assert_eq!(
            tail.to_string(),
            "the producer's tail holds 9, expected 3 to 5: another process damaged the ring; unlink it and create it \
             anew"
        );
        let header = Window { lowest: 1, highest: 513, step: 256 }.refusal(SharedWord::Header, 2);
        let expected = "the header of a record holds 2, expected 1 to 513 in steps of 256: ";
        assert!(header.to_string().starts_with(expected), "{header}");
    }
}
