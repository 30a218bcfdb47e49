//! Arithmetic of positions, and the check of the number that the other process wrote.

use core::fmt;

/// A word that the other process writes and that failed its check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SharedWord {
    /// The position at which the producer writes next.
    Tail,
    /// The position at which the consumer reads next.
    Head,
}

/// The other process wrote a number that this protocol cannot have produced.
///
/// The handle that found it is poisoned: each later call says the same, and nothing of the ring is touched again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Corrupted {
    /// The word that was wrong.
    pub word: SharedWord,
    /// What it held.
    pub found: u64,
    /// The lowest value that it could have held.
    pub lowest: u64,
    /// The highest value that it could have held; smaller than `lowest` where positions pass 2^64.
    pub highest: u64,
}

impl fmt::Display for Corrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.word {
            SharedWord::Tail => "the producer's tail",
            SharedWord::Head => "the consumer's head",
        };
        write!(
            formatter,
            "{word} holds {}, expected {} to {}: another process damaged the ring; unlink it and create it anew",
            self.found, self.lowest, self.highest
        )
    }
}

impl core::error::Error for Corrupted {}

/// Checks a position that the peer wrote against the window in which it must lie, both ends included.
///
/// A position only grows, so the window starts at the value seen last; it ends where the peer's own rules stop it. The
/// difference is taken modulo 2^64, so that a ring works across the wrap.
#[inline(always)]
pub fn check(word: SharedWord, found: u64, lowest: u64, highest: u64) -> Result<u64, Corrupted> {
    if found.wrapping_sub(lowest) <= highest.wrapping_sub(lowest) {
        Ok(found)
    } else {
        Err(Corrupted { word, found, lowest, highest })
    }
}

/// Cuts `len` slots that start at `position` where the buffer ends: the lengths before and after the wrap.
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
        assert_eq!(check(SharedWord::Head, found, lowest, highest), Ok(found));
    }

    #[track_caller]
    fn refuses(found: u64, lowest: u64, highest: u64) {
        let corrupted = check(SharedWord::Tail, found, lowest, highest).unwrap_err();
        assert_eq!(corrupted, Corrupted { word: SharedWord::Tail, found, lowest, highest });
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
        let corrupted = Corrupted { word: SharedWord::Tail, found: 9, lowest: 3, highest: 5 };
        assert_eq!(
            corrupted.to_string(),
            "the producer's tail holds 9, expected 3 to 5: another process damaged the ring; unlink it and create it anew"
        );
    }
}
