//! How an end detaches, through words that need not be mapped: when its handle is closed or dropped, or its process
//! exits.

use core::sync::atomic::Ordering;

use super::memory::Word;
use super::park::{COUNT, FENCES, READS, full_fence};
use super::presence;

/// The words of the role that is given up, and the presence of the other end.
#[derive(Debug)]
pub struct Words<'a, W, P = W> {
    /// The presence of the holder.
    pub presence: &'a W,
    /// If its memory has them: the word by which the holder sleeps and asks for fences, and the one that counts how
    /// often it woke the other end.
    pub parking_and_wakes: Option<(&'a P, &'a P)>,
    /// Of a consumer: the last generation of producers whose end was told.
    pub told: Option<&'a W>,
    /// The presence of the other end.
    pub peer: &'a W,
}

/// A word that is accessed by a call, such as a system call, and not by a load or a store.
pub trait IndirectAccess {
    /// Reads the word.
    fn get(&self) -> u64;
    /// Writes the word.
    fn put(&self, value: u64);
}

/// Such a word as a [`Word`]. Each access is between two full fences, whatever the ordering is: a system call costs far
/// more than the fences.
#[derive(Clone, Copy, Debug)]
pub struct IndirectWord<R>(pub R);

impl<R: IndirectAccess> Word for IndirectWord<R> {
    fn load(&self, _ordering: Ordering) -> u64 {
        let value = self.0.get();
        full_fence();
        value
    }

    fn store(&self, value: u64, _ordering: Ordering) {
        full_fence();
        self.0.put(value);
        full_fence();
    }
}

/// Stores that the holder of `generation` detached in order, and counts a wake. The caller then wakes the sleepers on
/// `wakes`.
///
/// Every push and every pop published itself, so the positions are final. Another thread may use the handle at this
/// moment. Then one of two stores to the same word is lost: a wake that is not counted is made up for at the end of the
/// slice, or by the hint of the exit; a sleep that is not ended costs a spurious wake.
pub fn leave<W: Word, P: Word>(words: &Words<'_, W, P>, generation: u64) {
    if let Some(told) = words.told {
        // The end does not concern a handle whose role has been told already.
        let last = presence::observe(words.peer).generation();
        if told.load(Ordering::Relaxed) < last {
            // Only the next holder of this role reads it, which takes the lock after this one has given it back.
            told.store(last, Ordering::Relaxed);
        }
    }
    if let Some((parking, _)) = words.parking_and_wakes {
        clear_requests(parking);
    }
    presence::store_detached(words.presence, generation);
    if let Some((_, wakes)) = words.parking_and_wakes {
        let counted = wakes.load(Ordering::Relaxed).wrapping_add(COUNT);
        // Publish: pairs with the Acquire in `Sleeper::announce`. A sleeper that loads this count sees the presence by
        // its last check. One that loaded the count before does not fall asleep, or is woken.
        wakes.store(counted, Ordering::Release);
    }
}

/// Clears the requests for fences and reads, for a holder that detaches.
pub fn clear_requests<W: Word>(parking: &W) {
    parking.store(parking.load(Ordering::Relaxed) & !(FENCES | READS), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::presence::Presence;
    use core::sync::atomic::AtomicU64;

    #[test]
    fn all_is_said_that_a_handle_says_when_it_leaves() {
        let [presence, parking, wakes, told, peer] =
            [0, 12 + FENCES + READS, 7 * COUNT + FENCES, 0, 0].map(AtomicU64::new);
        let generation = presence::store_attached(&presence, &[]);
        presence::store_attached(&peer, &[]);
        let last = presence::store_attached(&peer, &[]);
        let consumer =
            Words { presence: &presence, parking_and_wakes: Some((&parking, &wakes)), told: Some(&told), peer: &peer };
        leave(&consumer, generation);
        assert_eq!(presence::observe(&presence), Presence::Left { generation });
        let value = |word| Word::load(word, Ordering::Relaxed);
        assert_eq!((value(&parking), value(&wakes), value(&told)), (12, 8 * COUNT + FENCES, last));
        // What was told is not told again.
        Word::store(&told, 9, Ordering::Relaxed);
        leave(&consumer, generation);
        assert_eq!(value(&told), 9);
        leave(&Words { told: None, ..consumer }, generation);
    }
}
