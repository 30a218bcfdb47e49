//! How one end sleeps until the other one publishes, and what that costs the one that publishes: a load.
//!
//! The end that publishes must not miss an end that goes to sleep, and the other way round. Each stores one word and loads the
//! other's, and of two such pairs at least one has to see the store of the other; that takes a fence on both sides between
//! the store and the load. The fence of the publisher would cost more than all else that it does. So the sleeper makes
//! both: the system call `membarrier` puts a fence into every running thread of the processes that registered for it. What
//! is left for the publisher is a fence of the compiler.
//!
//! | word | written by | holds |
//! |---|---|---|
//! | parking | the sleeper | how often it began and ended a sleep, times 2: odd while it sleeps; plus 1 if it asks for fences |
//! | wanted | a producer that sleeps | the head at which it wants to be woken |
//! | wakes | the end that publishes | how often it woke the other one, times 2; plus 1 once it makes its own fences |
//!
//! **No wake is lost.** The sleeper reads `wakes`, stores `parking`, makes the fences, looks at the ring a last time and
//! then sleeps in the kernel for as long as `wakes` is what it read. The publisher stores its position or header, is fenced,
//! and loads `parking`. Either the last look sees what was published, or the publisher sees the sleep; then it changes
//! `wakes` first and wakes afterwards, so a sleep that has not begun does not begin. A presence is published and looked at
//! like a position: who comes or leaves wakes the other end.
//!
//! **No wake is made twice.** The publisher remembers the last `parking` that it answered.
//!
//! **Who makes which fence.** A publisher that could not register fences itself, and says so in `wakes` before it publishes
//! anything. A sleeper that may not call `membarrier`, or that sleeps at every message, asks for that in `parking` when it comes;
//! a publisher that sees it says so in `wakes` and fences from its next publication on. A sleeper that reads there that the
//! publisher fences need not call `membarrier`. One that may not call it, and does not read it, naps.
//!
//! A sleep is cut into slices by its caller, because the death of a process wakes nobody.

use core::sync::atomic::{Ordering, compiler_fence, fence};
use core::time::Duration;

use super::memory::{Memory, Parking, Role, Word};

/// The bit of `parking` and `wakes` that is about fences.
pub(super) const FENCES: u64 = 1;
/// The distance of two counts.
pub(super) const COUNT: u64 = 2;
/// What a parking word never holds: it would have slept and woken too often.
const NEVER: u64 = u64::MAX;
/// Set in `parking` while its writer sleeps.
pub(super) const ASLEEP: u64 = COUNT;

/// A fence that a processor executes.
#[inline(always)]
pub fn full_fence() {
    fence(Ordering::SeqCst);
}

/// A fence for the compiler alone: that of a processor is made by whoever needs it, by `membarrier`.
#[inline(always)]
pub fn light_fence() {
    compiler_fence(Ordering::SeqCst);
}

/// The end that publishes: wakes the other one if it sleeps.
#[derive(Debug)]
pub struct Waker {
    role: Role,
    /// What the parking word of the other end holds while there is nothing to do: what was answered last, or where this end
    /// makes its own fences, what it never holds.
    expected: u64,
    answered: u64,
    fences: bool,
    wakes: u64,
}

impl Waker {
    /// Begins to wake. The caller holds the role.
    pub fn attach<M: Memory>(memory: &M, role: Role) -> Waker {
        let mut waker = Waker { role, expected: 0, answered: 0, fences: false, wakes: 0 };
        if let Some(parking) = memory.parking() {
            waker.answered(0, !parking.is_registered());
            let word = parking.wakes(role);
            // The word is the role's own; its last writer released the role's lock before this process took it.
            waker.wakes = (word.load(Ordering::Relaxed) & !FENCES).wrapping_add(u64::from(waker.fences));
            // Publish: pairs with the Acquire in `Sleeper::begin`. This holder has published nothing without its fences.
            word.store(waker.wakes, Ordering::Release);
            // Whoever sleeps by the word of a holder before this one, which may have made its own fences, is seen from here on.
            parking.fence_to_publish(true);
        }
        waker
    }

    /// Wakes the other end, if it sleeps, after something was published that it waits for. Its role is an argument because the
    /// compiler knows it where this is called.
    #[inline(always)]
    pub fn published<M: Memory>(&mut self, memory: &M, peer: Role) {
        let Some(parking) = memory.parking() else { return };
        parking.fence_to_publish(false);
        let word = parking.parking(peer).load(Ordering::Relaxed);
        if word != self.expected {
            self.notice(parking, word, None);
        }
    }

    /// Wakes the producer, if it sleeps and wants no head beyond this one, after the consumer has published it.
    #[inline(always)]
    pub fn released<M: Memory>(&mut self, memory: &M, head: u64) {
        let Some(parking) = memory.parking() else { return };
        parking.fence_to_publish(false);
        let word = parking.parking(Role::Producer).load(Ordering::Relaxed);
        if word != self.expected {
            self.notice(parking, word, Some(head));
        }
    }

    /// Answers a parking word that is not as it was, or may not be. A head is compared with the one that is wanted.
    #[cold]
    #[inline(never)]
    fn notice<P: Parking>(&mut self, parking: &P, mut word: u64, head: Option<u64>) {
        let peer = parking.parking(self.role.peer());
        if self.fences {
            parking.fence_to_publish(true);
            word = peer.load(Ordering::Relaxed);
            if word == self.answered {
                return;
            }
        }
        if let Some(head) = head.filter(|_| word & ASLEEP != 0) {
            // Observe: pairs with the Release in `Sleeper::begin`. What it wants was stored before.
            word = peer.load(Ordering::Acquire);
            let wanted = parking.wanted().load(Ordering::Relaxed);
            if word & ASLEEP != 0 && head.wrapping_sub(wanted) > u64::MAX / 2 {
                // Not yet. The next head is compared again.
                return;
            }
        }
        let (asleep, asks) = (word & ASLEEP != 0, word & FENCES != 0);
        let has_news = asleep || (asks && !self.fences);
        self.answered(word, asks);
        if !has_news {
            return;
        }
        self.wakes |= u64::from(self.fences);
        if asleep {
            self.wakes = self.wakes.wrapping_add(COUNT);
        }
        // Publish: pairs with the Acquire in `Sleeper::begin`. Whoever reads that fences are made sees what was published without.
        parking.wakes(self.role).store(self.wakes, Ordering::Release);
        if asleep {
            parking.wake(self.role);
        }
    }

    /// Remembers what was answered, and makes its own fences from now on if it is asked to.
    fn answered(&mut self, word: u64, asks: bool) {
        self.answered = word;
        self.fences |= asks;
        self.expected = if self.fences { NEVER } else { word };
    }
}

/// The end that sleeps until the other one publishes.
#[derive(Debug)]
pub struct Sleeper {
    role: Role,
    word: u64,
}

/// A sleep that has begun.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    wakes: u64,
    /// Whether no wake can be lost.
    sure: bool,
}

impl Sleeper {
    /// Comes awake. The caller holds the role.
    pub fn attach<M: Memory>(memory: &M, role: Role) -> Sleeper {
        let mut sleeper = Sleeper { role, word: 0 };
        if let Some(parking) = memory.parking() {
            let word = parking.parking(role);
            // The word is the role's own; its last writer released the role's lock before this process took it. It may have
            // been killed asleep.
            let stored = word.load(Ordering::Relaxed) & !FENCES;
            sleeper.word = stored.wrapping_add(stored & ASLEEP).wrapping_add(u64::from(parking.asks_for_fences()));
            word.store(sleeper.word, Ordering::Relaxed);
        }
        sleeper
    }

    /// Says that it will sleep, and makes sure that whoever publishes from now on sees it.
    ///
    /// A last look at the ring follows, then [`Sleeper::sleep`] if that found nothing, and [`Sleeper::end`] in any case.
    pub fn begin<M: Memory>(&mut self, memory: &M) -> Begun {
        let Some(parking) = memory.parking() else { return Begun { wakes: 0, sure: false } };
        // Observe: pairs with the Release in `Waker::notice`. What was published without fences is seen.
        let wakes = parking.wakes(self.role.peer()).load(Ordering::Acquire);
        self.word = self.word.wrapping_add(ASLEEP);
        // Publish: pairs with the Acquire in `Waker::notice`, which then finds what is wanted.
        parking.parking(self.role).store(self.word, Ordering::Release);
        Begun { wakes, sure: parking.fence_to_sleep(wakes & FENCES != 0) }
    }

    /// The same for a producer, which is woken when the consumer has published this head.
    pub fn begin_for<M: Memory>(&mut self, memory: &M, head: u64) -> Begun {
        if let Some(parking) = memory.parking() {
            parking.wanted().store(head, Ordering::Relaxed);
        }
        self.begin(memory)
    }

    /// Sleeps until it is woken for the first time since it began, at most for `limit`.
    pub fn sleep<M: Memory>(&self, memory: &M, begun: Begun, limit: Duration) {
        /// How long a sleep is at most where a wake may be lost.
        const NAP: Duration = Duration::from_millis(1);
        if let Some(parking) = memory.parking() {
            parking.sleep(self.role.peer(), begun.wakes, if begun.sure { limit } else { limit.min(NAP) });
        }
    }

    /// Says that it is awake.
    pub fn end<M: Memory>(&mut self, memory: &M) {
        if let Some(parking) = memory.parking() {
            self.word = self.word.wrapping_add(ASLEEP);
            parking.parking(self.role).store(self.word, Ordering::Relaxed);
        }
    }
}
