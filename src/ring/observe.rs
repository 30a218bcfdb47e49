//! How an observer reads a ring: it holds no role and writes nothing.
//!
//! Neither end waits for an observer. What it copies may be overwritten during the copy, so it loads the positions
//! again after it: an element that the consumer has not passed by then was intact all the time. For that the copy must
//! be made before the second load, which the fence ensures; and an observer that sees bytes of a producer that saw a
//! head must see that head. Processors whose stores reach all others at once, such as x86_64 and ARMv8, ensure that;
//! the language alone does not promise it for bytes that are stored without an ordering.

use core::sync::atomic::{Ordering, fence};

use super::error::{Corrupted, SharedWord};
use super::memory::Word;
use super::park::{ASLEEP, COUNT, FENCES, READS};
use super::position::Window;

/// A word of memory which this process has not mapped: the system copies it.
pub trait Observed {
    /// Copies the word as it stands.
    fn copy(&self) -> u64;

    /// Orders what was copied before, of this word and of all others, in front of what is copied next.
    #[inline(always)]
    fn fence(&self) {
        fence(Ordering::Acquire);
    }
}

impl<F: Fn() -> u64> Observed for F {
    fn copy(&self) -> u64 {
        self()
    }
}

/// A word that is copied when it is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Copied<W>(pub W);

impl<W: Observed> Word for Copied<W> {
    fn load(&self, ordering: Ordering) -> u64 {
        let value = self.0.copy();
        if ordering != Ordering::Relaxed {
            // Observe: pairs with whatever the load pairs with. The copy was a load of this thread's, made by the
            // system.
            self.0.fence();
        }
        value
    }

    fn store(&self, value: u64, _ordering: Ordering) {
        unreachable!("a word that is only read is stored as {value}");
    }
}

/// How often the positions are loaded until they belong together.
const ATTEMPTS: usize = 64;

/// Both positions of a ring, at one moment.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-positions-{}", std::process::id());
/// use ringmain::{Options, inspect::Inspection};
///
/// let mut tx = Options::new(&name).capacity(64).unlink_on_close(true).stream_producer::<u64>()?;
/// let ring = Inspection::open(&name)?;
/// let before = ring.positions()?;
/// tx.push_slice(&[7; 16])?;
/// let after = ring.positions()?;
/// assert_eq!(after.tail - before.tail, 16);
/// assert_eq!(100 * after.used / ring.capacity() as u64, 25, "percent full");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Positions {
    /// Where the consumer reads next, as it has published it.
    pub head: u64,
    /// Where the producer writes next.
    pub tail: u64,
    /// How many elements, or bytes of records, lie between them.
    pub used: u64,
}

/// Loads both positions. A tail may lie behind its head by up to `behind`: for messages that are there but not counted
/// yet.
///
/// If the consumer publishes faster than two words are loaded, the ring counts as empty, which it nearly is.
pub fn positions<W: Word>(head: &W, tail: &W, capacity: u64, behind: u64) -> Result<Positions, Corrupted> {
    let mut refused = None;
    for _ in 0..ATTEMPTS {
        // Observe: pairs with the Release in `Reader::advance_from`, so that the tail is none from before it.
        let found_head = head.load(Ordering::Acquire);
        // Observe: pairs with the Release that published it, so that the head loaded after it is none from before it.
        let found_tail = tail.load(Ordering::Acquire);
        if head.load(Ordering::Relaxed) != found_head {
            continue;
        }
        let used = found_tail.wrapping_sub(found_head);
        let found = Positions { head: found_head, tail: found_tail, used };
        if used <= capacity {
            return Ok(found);
        }
        if used.wrapping_neg() <= behind {
            return Ok(Positions { used: 0, ..found });
        }
        let window = Window { lowest: found_head, highest: found_head.wrapping_add(capacity), step: 1 };
        refused = Some(window.refusal(SharedWord::Tail, found_tail));
        break;
    }
    match refused {
        Some(corrupted) => Err(corrupted),
        None => {
            let head = head.load(Ordering::Relaxed);
            Ok(Positions { head, tail: head, used: 0 })
        }
    }
}

/// Loads the tail of a stream ring, after which the elements before it can be copied.
pub fn tail<W: Word>(tail: &W) -> u64 {
    // Observe: pairs with the Release in `Producer::publish_from`. The elements before it are written.
    tail.load(Ordering::Acquire)
}

/// Loads the header of a record, after which its payload can be copied.
pub fn header<W: Word>(word: &W) -> u64 {
    // Observe: pairs with the Release in `Producer::publish_after`.
    word.load(Ordering::Acquire)
}

/// Loads both positions after a copy.
pub fn positions_after_copy<W: Observed>(head: &Copied<W>, tail: &Copied<W>) -> (u64, u64) {
    head.0.fence();
    (head.load(Ordering::Relaxed), tail.load(Ordering::Relaxed))
}

/// What an end says of its sleeps.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-sleeps-{}", std::process::id());
/// use std::time::Duration;
///
/// use ringmain::{Options, Role, Wait, WaitError, inspect::Inspection};
///
/// let mut rx = Options::new(&name).capacity(64).unlink_on_close(true).wait(Wait::Park).stream_consumer::<u64>()?;
/// let ring = Inspection::open(&name)?;
/// let before = ring.end(Role::Consumer)?.sleeps;
/// assert_eq!(rx.within(Duration::from_millis(1)).pop(), Err(WaitError::TimedOut));
/// let after = ring.end(Role::Consumer)?.sleeps;
/// assert!(!after.is_asleep);
/// println!("the consumer has slept {} times", after.count - before.count);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sleeps {
    /// Whether it sleeps now.
    pub is_asleep: bool,
    /// How often it has begun to sleep.
    pub count: u64,
    /// Whether it asks the other end to make a fence with each publication.
    pub asks_for_fences: bool,
}

/// Loads what an end says of its sleeps.
pub fn sleeps<W: Word>(parking: &W) -> Sleeps {
    let word = parking.load(Ordering::Relaxed);
    Sleeps {
        is_asleep: word & ASLEEP != 0,
        count: (word & !READS).wrapping_add(ASLEEP) / (2 * COUNT),
        asks_for_fences: word & FENCES != 0,
    }
}

/// Loads how often an end has woken the other one.
pub fn wakes<W: Word>(wakes: &W) -> u64 {
    wakes.load(Ordering::Relaxed) / COUNT
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicU64;

    use super::super::{identity, presence};
    use super::*;

    fn seen(head: u64, tail: u64, behind: u64) -> Result<Positions, Corrupted> {
        positions(&AtomicU64::new(head), &AtomicU64::new(tail), 8, behind)
    }

    #[test]
    fn words_that_are_copied_are_loaded_one_after_the_other() {
        let next = core::cell::Cell::new(0);
        let word = || Copied(|| next.replace(next.get() + 1));
        assert_eq!(identity::observe(&word(), &[word(), word()]), (0, [1, 2]));
        assert_eq!(positions_after_copy(&word(), &word()), (3, 4));
        assert_eq!((tail(&word()), header(&word())), (5, 6));
        assert_eq!(presence::observe(&word()).generation(), 4);
        assert_eq!((sleeps(&word()).count, wakes(&word())), (2, 4));
    }

    #[test]
    fn what_lies_between_head_and_tail_is_used_also_across_the_wrap() {
        assert_eq!(seen(3, 3, 0), Ok(Positions { head: 3, tail: 3, used: 0 }));
        assert_eq!(seen(3, 11, 0), Ok(Positions { head: 3, tail: 11, used: 8 }));
        assert_eq!(seen(u64::MAX - 1, 2, 0), Ok(Positions { head: u64::MAX - 1, tail: 2, used: 4 }));
    }

    #[test]
    fn a_tail_behind_its_head_is_an_empty_ring_only_where_that_can_be() {
        assert_eq!(seen(8, 0, 8), Ok(Positions { head: 8, tail: 0, used: 0 }));
        assert!(seen(8, 0, 0).is_err());
        assert!(seen(9, 0, 8).is_err());
        let refused = seen(0, 9, 8).unwrap_err();
        assert_eq!((refused.word, refused.found, refused.lowest, refused.highest), (SharedWord::Tail, 9, 0, 8));
    }

    #[test]
    fn a_parking_word_tells_of_sleeps() {
        let words = [0, 1, 2, 3, 4, 6 + READS].map(|word| sleeps(&AtomicU64::new(word)));
        assert_eq!(words.map(|sleeps| sleeps.is_asleep), [false, false, true, true, false, true]);
        assert_eq!(words.map(|sleeps| sleeps.count), [0, 0, 1, 1, 1, 2]);
        assert_eq!(words.map(|sleeps| sleeps.asks_for_fences), [false, true, false, true, false, false]);
        assert_eq!(wakes(&AtomicU64::new(7)), 3);
    }
}
