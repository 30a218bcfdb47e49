//! How an end leaves whose handle cannot do it itself, because its process exits.

use core::sync::atomic::Ordering;

use super::memory::Word;
use super::park::COUNT;
use super::presence;

/// Says that the holder of `generation` leaves in order, and counts a wake. The caller then wakes whoever sleeps on `wakes`.
///
/// Every push and every pop published itself, so there is nothing else to say. The handle may count its wakes in another
/// thread at this moment, and one of the two counts is lost: that sleep ends with its slice.
pub fn leave<W: Word>(presence: &W, wakes: &W, generation: u64) {
    presence::leave(presence, generation);
    let counted = wakes.load(Ordering::Relaxed).wrapping_add(COUNT);
    // Publish: pairs with the Acquire in `Sleeper::begin`. Whoever reads this count finds the presence by its last look. Whoever
    // read the one before does not fall asleep, or is woken.
    wakes.store(counted, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::presence::Presence;
    use core::sync::atomic::AtomicU64;

    #[test]
    fn the_presence_says_left_and_the_bit_about_fences_stays() {
        let (presence, wakes) = (AtomicU64::new(0), AtomicU64::new(7 * COUNT + 1));
        let generation = presence::enter(&presence, &[]);
        leave(&presence, &wakes, generation);
        assert_eq!(presence::observe(&presence), Presence::Left { generation });
        assert_eq!(Word::load(&wakes, Ordering::Relaxed), 8 * COUNT + 1);
    }
}
