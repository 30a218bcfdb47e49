//! The presence word of a role: whether its holder attached or detached, and its generation.
//!
//! One word holds it all, so that it cannot be seen half changed: 0 = no process ever attached, `2 * generation - 1` =
//! the holder of this generation attached, `2 * generation` = it detached in order. Whether a holder that attached is
//! still alive, only the role's lock tells.

use core::sync::atomic::Ordering;

use super::memory::Word;

/// The state in a presence word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// No process has held the role yet.
    Never,
    /// The holder of this generation attached and has not detached.
    Attached {
        /// Counts the holders of the role, from 1.
        generation: u64,
    },
    /// The holder of this generation detached in order.
    Left {
        /// Counts the holders of the role, from 1.
        generation: u64,
    },
}

impl Presence {
    fn from_word(word: u64) -> Presence {
        let generation = word.div_ceil(2);
        match word {
            0 => Presence::Never,
            _ if word % 2 == 1 => Presence::Attached { generation },
            _ => Presence::Left { generation },
        }
    }

    /// Returns how often the role has been taken.
    #[must_use]
    pub fn generation(self) -> u64 {
        match self {
            Presence::Never => 0,
            Presence::Attached { generation } | Presence::Left { generation } => generation,
        }
    }
}

/// Stores the notes of a holder (pid and the like), before its presence.
///
/// The caller holds the role's lock.
pub fn store_notes<W: Word>(notes: &[(&W, u64)]) {
    for &(note, value) in notes {
        // A reader relies on a note only with the presence stored after it: one that is early loads the presence again.
        note.store(value, Ordering::Relaxed);
    }
}

/// Stores the notes of a new holder, then that it attached, and returns its generation.
///
/// The caller holds the role's lock.
pub fn store_attached<W: Word>(presence: &W, notes: &[(&W, u64)]) -> u64 {
    store_notes(notes);
    // The word is the role's own; its last writer released the role's lock before this process took it.
    let generation = Presence::from_word(presence.load(Ordering::Relaxed)).generation().wrapping_add(1);
    // Publish: pairs with the Acquire in `observe`, which then finds the notes.
    presence.store(generation.wrapping_mul(2).wrapping_sub(1), Ordering::Release);
    generation
}

/// Stores that the holder of `generation` detached in order. Its last position was stored before.
pub fn store_detached<W: Word>(presence: &W, generation: u64) {
    // Publish: pairs with the Acquire in `observe`, which then finds the last position.
    presence.store(generation.wrapping_mul(2), Ordering::Release);
}

/// Loads the presence of a role.
pub fn observe<W: Word>(presence: &W) -> Presence {
    // Observe: pairs with the Releases in `store_attached` and `store_detached`.
    Presence::from_word(presence.load(Ordering::Acquire))
}

/// Loads one of the notes of a presence that was observed before.
pub fn load_note<W: Word>(note: &W) -> u64 {
    note.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU64;

    #[test]
    fn each_holder_has_the_next_generation_however_the_last_one_ended() {
        let (word, pid) = (AtomicU64::new(0), AtomicU64::new(0));
        assert_eq!(observe(&word), Presence::Never);
        assert_eq!(store_attached(&word, &[(&pid, 7)]), 1);
        assert_eq!((observe(&word), Word::load(&pid, Ordering::Relaxed)), (Presence::Attached { generation: 1 }, 7));
        store_detached(&word, 1);
        assert_eq!(observe(&word), Presence::Left { generation: 1 });
        assert_eq!(store_attached(&word, &[]), 2);
        // The second holder is killed: the third follows without a word from it.
        assert_eq!(store_attached(&word, &[]), 3);
        assert_eq!(observe(&word), Presence::Attached { generation: 3 });
    }

    #[test]
    fn an_absurd_word_is_read_without_a_panic() {
        assert_eq!(Presence::from_word(u64::MAX).generation(), 1 << 63);
        let word = AtomicU64::new(u64::MAX);
        let generation = store_attached(&word, &[]);
        store_detached(&word, generation);
        observe(&word);
    }
}
