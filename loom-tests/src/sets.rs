//! A wait at several rings, and what may be wrong with the order of its turns.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::calls::{Call, CallFault};
use crate::parking::{CheckedParking, Fault, Queue};
use crate::ring::memory::{Parking, Role};
use crate::ring::set::{Interest, Member, PeerCheck, SetSystem, Woken, settle, sleep_until_ready};
use crate::sleeping::{LIMIT, SleepingMemory};
use crate::waits::CheckedLimit;

/// An end at which a set waits, and for how many units of positions.
pub type Wanted<'a> = (&'a mut dyn Member<CheckedParking>, u64);

/// In which order a set sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// As the library does it.
    Shipped,
    /// It makes the fence when it has announced itself at the first ring.
    FencesEarly,
    /// It announces itself at the first ring alone.
    AnnouncesAtOne,
    /// It checks the first ring alone a last time.
    LooksAtOne,
    /// It checks a last time before it announces its sleep.
    LooksEarly,
    /// It sleeps on the first ring alone.
    SleepsOnOne,
    /// It sleeps on the rings, and not on the word of calls.
    SleepsThroughCalls,
}

/// A set, and how the system behaves.
#[derive(Debug)]
pub struct CheckedSet {
    call: Call,
    nudger: Waker,
    turns: Turns,
}

impl CheckedSet {
    /// Makes a set.
    #[must_use]
    pub fn new(turns: Turns, fault: CallFault) -> CheckedSet {
        let call = Call::new(&Queue::new(), fault);
        CheckedSet { nudger: call.nudger(), call, turns }
    }

    /// Makes the memory of a stream ring with as many slots and this fault, for a set that waits for what the end of
    /// `role` does.
    #[must_use]
    pub fn ring(&self, slots: usize, fault: Fault, role: Role) -> SleepingMemory {
        SleepingMemory::in_set(slots, fault, role, self.call.queue())
    }

    /// Returns what ends a wait of this set.
    #[must_use]
    pub fn call(&self) -> Call {
        self.call.clone()
    }

    /// Waits until one of these ends is ready, or somebody calls.
    pub fn wait(&mut self, wanted: &mut [Wanted<'_>]) -> Woken {
        if self.turns == Turns::Shipped {
            let mut interests = interests(wanted);
            return sleep_until_ready(&mut interests, self, CheckedLimit::Endless);
        }
        loop {
            if let Some(woken) = settle(&mut interests(wanted), self, true, false) {
                return woken;
            }
            self.sleep_otherwise(wanted);
        }
    }

    /// Sleeps once, in an order that is wrong.
    fn sleep_otherwise(&mut self, wanted: &mut [Wanted<'_>]) {
        let turns = self.turns;
        let seen: Vec<_> = wanted.iter_mut().map(|(end, need)| end.check_ready(*need, PeerCheck::None).0).collect();
        let len = wanted.len();
        let up_to = |limits: bool| if limits { 1 } else { len };
        let has_changed = |wanted: &mut [Wanted<'_>]| {
            let looked_at = wanted.iter_mut().zip(&seen).take(up_to(turns == Turns::LooksAtOne));
            looked_at.into_iter().any(|((end, need), seen)| end.has_changed(*need, *seen))
        };
        let was_early = turns == Turns::LooksEarly && has_changed(wanted);
        let announced = up_to(turns == Turns::AnnouncesAtOne);
        let mut wakes = Vec::new();
        for (at, (end, need)) in wanted.iter_mut().take(announced).enumerate() {
            wakes.push(end.announce(*need, false));
            if at + 1 == (if turns == Turns::FencesEarly { 1 } else { announced }) {
                end.wake_word().expect("memory to sleep on").0.fence_to_sleep(false);
            }
        }
        if !was_early && (turns == Turns::LooksEarly || !has_changed(wanted)) {
            let wake_words = wanted.iter().zip(&wakes).map(|((end, _), wakes)| {
                let (parking, role) = end.wake_word().expect("memory to sleep on");
                (parking, role, *wakes)
            });
            self.sleep(wake_words.take(up_to(turns == Turns::SleepsOnOne)), LIMIT, true);
        }
        wanted.iter_mut().take(announced).for_each(|(end, _)| end.end_sleep());
    }
}

fn interests<'a>(wanted: &'a mut [Wanted<'_>]) -> Vec<Interest<'a, CheckedParking>> {
    wanted.iter_mut().map(|(end, need)| Interest::new(&mut **end, *need, 0, 0)).collect()
}

impl SetSystem<CheckedParking> for CheckedSet {
    fn waker(&self) -> &Waker {
        &self.nudger
    }

    fn was_called(&mut self) -> bool {
        self.call.take()
    }

    fn rings_first(&mut self) -> bool {
        false
    }

    /// It asks each time: what has not changed by then is asked about when it has slept.
    fn check_round(&mut self) -> Option<usize> {
        Some(0)
    }

    fn sleep<'a>(
        &mut self,
        wake_words: impl Iterator<Item = (&'a CheckedParking, Role, u64)>,
        limit: Duration,
        _: bool,
    ) {
        let wake_words: Vec<_> = wake_words.collect();
        if wake_words.iter().any(|(parking, ..)| parking.times_out(limit)) {
            return;
        }
        let queue = self.call.queue();
        assert!(wake_words.iter().all(|(parking, role, _)| Arc::ptr_eq(parking.queue(*role), queue)), "another queue");
        queue.sleep_if(|| {
            let nobody_called = self.turns == Turns::SleepsThroughCalls || self.call.is_silent();
            nobody_called && wake_words.iter().all(|(parking, role, wakes)| parking.is_silent(*role, *wakes))
        });
    }
}
