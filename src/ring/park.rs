//! How one end sleeps until the other one publishes, and what that costs the one that publishes: a load.
//!
//! The end that publishes must not miss an end that goes to sleep, and vice versa. Each stores one word and loads the
//! other's, and of two such pairs at least one has to see the store of the other; that takes a fence on both sides
//! between the store and the load. The publisher's fence would cost more than all else that it does. So the sleeper
//! makes both: the system call `membarrier` puts a fence into every running thread of the processes that registered for
//! it. What is left for the publisher is a compiler fence.
//!
//! | word | written by | holds |
//! |---|---|---|
//! | parking | the sleeper | how often it began and ended a sleep, times 2; plus 1 to ask for fences, 2^63 for a read |
//! | wanted | the sleeper | the position of the other end at which it wants to be woken |
//! | needed | a producer that sleeps | the head that gives it what it asked for; never beyond the one that it wants |
//! | wakes | the end that publishes | how often it woke the other one, times 2; plus 1 while it makes its own fences |
//!
//! **No wake is lost.** The sleeper loads `wakes`, stores `parking`, makes the fences, checks the ring a last time and
//! then sleeps in the kernel for as long as `wakes` is what it loaded. The publisher stores its position or header, is
//! fenced, and loads `parking`. Either the last check sees what was published, or the publisher sees the sleep; then it
//! changes `wakes` first and wakes afterwards, so a sleep that has not begun does not begin. A presence is published
//! and checked like a position: a process that attaches or leaves wakes the other end, whatever that wants.
//!
//! **No sleeper is woken for less than it asked for.** A sleeper stores what it wants before its `parking`, and the
//! publisher compares what it has published with that. A producer whose last sleep at a full ring ended with more than
//! it needed wants a quarter of the ring next time, so that a consumer that keeps popping wakes it once for many slots.
//! If the consumer says that it pauses, by a release or a wait, the producer is woken as soon as the head has reached
//! what it needs; and after [`GATHERING`] it wants no more than that.
//!
//! **No wake is made twice.** The publisher remembers the last `parking` that it answered. It wakes all waiters on the
//! word: a single one could be a stranger that may read the ring.
//!
//! **Who makes which fence.** A publisher that could not register makes its own fences, and says so in `wakes` before
//! it publishes anything. A sleeper that may not call `membarrier`, or that sleeps at every message, asks for fences in
//! `parking`; a publisher that loads it sets the bit in `wakes`, and fences each publication from then on. A sleeper
//! that finds the bit there need not call `membarrier`. One that may not call it, and does not find the bit, sleeps for
//! [`NAP`] at most.
//!
//! **Fences end with the sleeper that asked for them.** A sleeper that leaves, or changes how it waits, clears its bit,
//! and one that follows a killed holder does not repeat it. A publisher that fences and finds the request gone clears
//! its bit in `wakes`, and makes one more fence between that store and what it publishes next: a sleeper that still
//! relied on its fences then either is seen by the load after that fence, or finds `wakes` changed and does not sleep.
//! A publisher that starts to fence makes one, too, and loads `parking` again: `wakes` may again be what it was before
//! it stopped, and a sleeper that loaded that must be seen, or see what was published in between.
//!
//! **Wakes by a read.** An event loop sleeps on descriptors, and on no word. In the word that announces its sleep, its
//! end asks the other one to read a byte of the object instead, which `inotify` reports to the loop
//! (`segment/event.rs`). The argument above holds: the event of a read that comes before the loop sleeps keeps it
//! awake.
//!
//! The death of a process wakes nobody. So the caller cuts a sleep into slices, unless a watch reports the death
//! (`segment/watch.rs`).

use core::sync::atomic::{Ordering, compiler_fence, fence};
use core::time::Duration;

use super::memory::{Memory, Parking, Role, Word};

/// The bit of `parking` and `wakes` that is about fences.
pub(super) const FENCES: u64 = 1;
/// The bit of `parking` that asks to be woken by a read, and not on a word.
pub(super) const READS: u64 = 1 << 63;
/// The distance between two counts.
pub(super) const COUNT: u64 = 2;
/// A value that no parking word reaches: that would take too many sleeps.
const NEVER: u64 = u64::MAX;
/// Set in `parking` while its writer sleeps.
pub(super) const ASLEEP: u64 = COUNT;

/// The longest sleep if a wake may be lost.
pub const NAP: Duration = Duration::from_millis(1);

/// How long a producer at a full ring waits for a quarter of it before what it needs is enough.
pub const GATHERING: Duration = Duration::from_millis(5);

/// What was published, and which sleepers that wakes.
#[derive(Clone, Copy, Debug)]
enum Published {
    /// A position: wakes a sleeper whose wanted position it has reached.
    Position(u64),
    /// A head whose consumer pauses: wakes a producer whose needed position it has reached.
    Pause(u64),
    /// A presence: wakes any sleeper.
    Presence,
}

/// Returns whether a position is at another one, or past it.
fn has_reached(position: u64, goal: u64) -> bool {
    position.wrapping_sub(goal) <= u64::MAX / 2
}

/// A fence that a processor executes.
#[inline(always)]
pub fn full_fence() {
    fence(Ordering::SeqCst);
}

/// A compiler fence: a sleeper makes that of the processor, by `membarrier`.
#[inline(always)]
pub fn light_fence() {
    compiler_fence(Ordering::SeqCst);
}

/// The end that publishes: wakes the other one if it sleeps.
#[derive(Debug)]
pub struct Notifier {
    role: Role,
    /// The value of the other end's parking word at which there is nothing to do: the last one that was answered, or
    /// [`NEVER`] if this end makes its own fences, so that each publication checks it after one.
    expected: u64,
    /// The last parking word of the other end that was answered.
    answered: u64,
    /// Whether this process is registered with `membarrier`, so that it need not make fences.
    is_registered: bool,
    /// Whether this end makes its own fences: the other one asks for them, or this process is not registered.
    fences: bool,
    /// What this end's word of wakes holds: how many it has made, and whether it makes fences.
    wakes: u64,
}

impl Notifier {
    /// Begins to wake. The caller holds the role.
    pub fn attach<M: Memory>(memory: &M, role: Role) -> Notifier {
        let mut notifier = Notifier { role, expected: 0, answered: 0, is_registered: true, fences: false, wakes: 0 };
        if let Some(parking) = memory.parking() {
            notifier.is_registered = parking.is_registered();
            notifier.remember(0, false);
            let word = parking.wakes(role);
            // The word is the role's own; its last writer released the role's lock before this process took it.
            notifier.wakes = (word.load(Ordering::Relaxed) & !FENCES).wrapping_add(u64::from(notifier.fences));
            // Publish: pairs with the Acquire in `Sleeper::announce`. This holder has published nothing without its
            // fences.
            word.store(notifier.wakes, Ordering::Release);
            // A sleeper that relies on the word of an earlier holder, which may have made its own fences, is seen from
            // here on.
            parking.fence_to_publish(true);
        }
        notifier
    }

    /// Wakes the other end after a position was published, if it sleeps and wants that position or an earlier one. Its
    /// role is an argument because callers know it at compile time.
    #[inline(always)]
    pub fn published<M: Memory>(&mut self, memory: &M, peer: Role, position: u64) {
        self.notify(memory, peer, Published::Position(position));
    }

    /// Wakes a producer that sleeps if this head is all that it needs, though it may want more: the consumer pauses.
    #[inline]
    pub fn paused<M: Memory>(&mut self, memory: &M, head: u64) {
        self.notify(memory, Role::Producer, Published::Pause(head));
    }

    /// Wakes the other end, if it sleeps, after a presence was published.
    #[inline]
    pub fn presence_changed<M: Memory>(&mut self, memory: &M) {
        self.notify(memory, self.role.peer(), Published::Presence);
    }

    #[inline(always)]
    fn notify<M: Memory>(&mut self, memory: &M, peer: Role, published: Published) {
        let Some(parking) = memory.parking() else { return };
        let word = parking.load_after_publish(peer);
        if word != self.expected {
            self.answer(parking, word, published);
        }
    }

    /// Answers a parking word that has changed, or may have.
    #[cold]
    #[inline(never)]
    fn answer<P: Parking>(&mut self, parking: &P, mut word: u64, published: Published) {
        let role = self.role.peer();
        let peer = parking.parking(role);
        if self.fences {
            parking.fence_to_publish(true);
            word = peer.load(Ordering::Relaxed);
            if word == self.answered {
                return;
            }
        }
        if word & ASLEEP != 0 && !matches!(published, Published::Presence) {
            // Observe: pairs with the Release in `Sleeper::announce`. What it wants was stored before.
            word = peer.load(Ordering::Acquire);
            let is_enough = match published {
                Published::Position(position) => has_reached(position, parking.wanted(role).load(Ordering::Relaxed)),
                Published::Pause(head) => has_reached(head, parking.needed().load(Ordering::Relaxed)),
                Published::Presence => true,
            };
            if word & ASLEEP != 0 && !is_enough {
                // Not yet: the next publication is compared again. If the sleeper asks for fences, too, they begin
                // then.
                return;
            }
        }
        let (asleep, fenced) = (word & ASLEEP != 0, self.fences);
        self.remember(word, word & FENCES != 0);
        if !asleep && self.fences == fenced {
            return;
        }
        self.wakes = (self.wakes & !FENCES) | u64::from(self.fences);
        if asleep {
            self.wakes = self.wakes.wrapping_add(COUNT);
        }
        // Publish: pairs with the Acquire in `Sleeper::announce`. A sleeper that loads that fences are made sees what
        // was published without.
        parking.wakes(self.role).store(self.wakes, Ordering::Release);
        if fenced && !self.fences {
            // A sleeper that relies on the fences of this end is seen by the next load, or sees the store before this
            // fence.
            parking.fence_to_publish(true);
        }
        if asleep {
            parking.wake(self.role, word & READS != 0);
        } else if self.fences && !fenced {
            // `wakes` may say now what it said before this end stopped, and a sleeper may rely on that: load again,
            // after a fence.
            self.answer(parking, word, published);
        }
    }

    /// Remembers what was answered, and makes its own fences from now on if it has to or is asked to.
    fn remember(&mut self, word: u64, asks: bool) {
        self.answered = word;
        self.fences = asks || !self.is_registered;
        self.expected = if self.fences { NEVER } else { word };
    }
}

/// The end that sleeps until the other one publishes.
#[derive(Debug)]
pub struct Sleeper {
    role: Role,
    word: u64,
}

/// A sleep that was announced.
#[derive(Clone, Copy, Debug)]
pub struct PreparedSleep {
    wakes: u64,
    /// Whether no wake can be lost.
    is_fenced: bool,
}

impl Sleeper {
    /// Starts awake. The caller holds the role.
    pub fn attach<M: Memory>(memory: &M, role: Role) -> Sleeper {
        let mut sleeper = Sleeper { role, word: 0 };
        if let Some(parking) = memory.parking() {
            // The word is the role's own; its last writer released the role's lock before this process took it. It may
            // have been killed asleep.
            let stored = parking.parking(role).load(Ordering::Relaxed);
            sleeper.word = stored.wrapping_add(stored & ASLEEP) & !READS;
            sleeper.renew(memory);
        }
        sleeper
    }

    /// Asks the other end for fences, or stops asking, as this memory says now.
    pub fn renew<M: Memory>(&mut self, memory: &M) {
        if let Some(parking) = memory.parking() {
            self.store(memory, (self.word & !FENCES) | u64::from(parking.asks_for_fences()));
        }
    }

    /// Announces a sleep until the other end has published the position `wanted`, and makes the fences: from now on
    /// each publication finds the announcement. A producer that needs less stores that in `needed`.
    ///
    /// The caller then checks the ring a last time, calls [`Sleeper::sleep`] if that found nothing, and
    /// [`Sleeper::finish`] in any case.
    pub fn prepare<M: Memory>(&mut self, memory: &M, wanted: u64, needed: u64) -> PreparedSleep {
        let Some(parking) = memory.parking() else { return PreparedSleep { wakes: 0, is_fenced: false } };
        let wakes = self.announce(parking, wanted, needed, false);
        PreparedSleep { wakes, is_fenced: parking.fence_to_sleep(wakes & FENCES != 0) }
    }

    /// Announces a sleep, and returns the word `wakes` of the other end as it was before: a count, and the bit that
    /// says whether that end makes its own fences. The caller makes the missing ones before the last check. With
    /// `reads` it asks to be woken by a read.
    pub fn announce<P: Parking>(&mut self, parking: &P, wanted: u64, needed: u64, reads: bool) -> u64 {
        parking.wanted(self.role).store(wanted, Ordering::Relaxed);
        if self.role == Role::Producer {
            parking.needed().store(needed, Ordering::Relaxed);
        }
        // Observe: pairs with the Release in `Notifier::answer`. What was published without fences is seen.
        let wakes = parking.wakes(self.role.peer()).load(Ordering::Acquire);
        // A sleep that was announced and not ended, because a driver sleeps for this end, is replaced.
        let awake = self.word.wrapping_add(self.word & ASLEEP) & !READS;
        self.word = awake.wrapping_add(ASLEEP) | if reads { READS } else { 0 };
        // Publish: pairs with the Acquire in `Notifier::answer`, which then finds what is wanted.
        parking.parking(self.role).store(self.word, Ordering::Release);
        wakes
    }

    /// Sleeps until the first wake since it was announced, at most for `limit`.
    pub fn sleep<M: Memory>(&self, memory: &M, prepared: PreparedSleep, limit: Duration) {
        if let Some(parking) = memory.parking() {
            parking.sleep(self.role.peer(), prepared.wakes, if prepared.is_fenced { limit } else { limit.min(NAP) });
        }
    }

    /// Announces that it is awake, if it has announced a sleep.
    pub fn finish<M: Memory>(&mut self, memory: &M) {
        if self.word & ASLEEP != 0 {
            self.store(memory, self.word.wrapping_add(ASLEEP));
        }
    }

    fn store<M: Memory>(&mut self, memory: &M, word: u64) {
        if let Some(parking) = memory.parking() {
            self.word = word;
            parking.parking(self.role).store(word, Ordering::Relaxed);
        }
    }
}
