//! What ends need to sleep, as loom watches it, and what can be wrong with it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use loom::sync::atomic::fence;
use loom::sync::{Condvar, Mutex};

use crate::checked::CheckedWord;
use crate::ring::memory::{Parking, Role, Word};
use crate::weakened::{Site, WeakenedWord};

/// What loom says where an end sleeps and nobody is left to wake it.
pub const LOST_WAKE: &str = "deadlock";

/// How long an end of a model sleeps at most, as it says: it sleeps until it is woken. A shorter sleep is a nap, from which
/// it returns at once.
pub const LIMIT: Duration = Duration::from_millis(100);

/// Who makes fences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fences {
    /// Both ends execute one. It is what `membarrier` gives: a fence in a thread that stood anywhere between two of its
    /// instructions. Loom cannot put one into another thread, but a fence that is always there is there at that place too.
    Both,
    /// Each end makes those that it makes without the system's help: the publisher one when it has said so, the sleeper its
    /// own. A sleeper that does not read that the publisher fences is not sure, and does not sleep at all here.
    Own,
}

/// What is wrong with a sleep or a wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The publisher makes no fence.
    NoFenceToPublish,
    /// The sleeper makes no fence.
    NoFenceToSleep,
    /// A wake is not counted.
    NotCounted,
    /// A wake is counted after the system was asked to wake.
    CountedLate,
    /// A holder that comes does not go on from the count that it finds.
    CountedAnew,
}

/// What an end needs to sleep, and how the system behaves. Clones share the words.
#[derive(Clone, Debug)]
pub struct CheckedParking {
    pub(crate) fences: Fences,
    fault: Fault,
    pub(crate) is_registered: bool,
    pub(crate) asks_for_fences: bool,
    pub(crate) timeouts: Rc<Cell<usize>>,
    /// Of the producer and of the consumer.
    ends: Rc<[End; 2]>,
    wanted: ParkingWord,
    /// Stored to before each fence; it orders nothing. Loom tries no other thread between a store and the fence behind it, though
    /// fences have an order like the stores to one word. These two stores are tried both ways round, and the fences with them.
    fences_made: CheckedWord,
}

/// What one end says to the other, and where that sleeps.
#[derive(Debug)]
struct End {
    parking: ParkingWord,
    wakes: ParkingWord,
    /// The kernel's queue of those who sleep on `wakes`: it looks at the word and enlists under a lock, and wakes under the same.
    queue: (Mutex<()>, Condvar),
}

impl CheckedParking {
    pub(crate) fn new(site: Option<Site>, fault: Fault) -> CheckedParking {
        let word = |sites: &[Site], fault| {
            let site = site.filter(|site| sites.contains(site));
            ParkingWord { word: site.map_or_else(WeakenedWord::default, Site::word), fault, late: Rc::default() }
        };
        let end = || End {
            parking: word(&[Site::ParkingStore, Site::ParkingLoad], Fault::None),
            wakes: word(&[Site::WakesStore], fault),
            queue: (Mutex::new(()), Condvar::new()),
        };
        CheckedParking {
            fences: Fences::Both,
            fault,
            is_registered: true,
            asks_for_fences: false,
            timeouts: Rc::default(),
            ends: Rc::new([end(), end()]),
            wanted: word(&[], Fault::None),
            fences_made: CheckedWord::default(),
        }
    }

    /// Returns how often `role` woke the other end, and how often that began to sleep.
    pub(crate) fn wakes_and_parkings(&self, role: Role) -> (u64, u64) {
        let count = |word: &ParkingWord| word.word.load(Ordering::Relaxed) / 2;
        // Each sleep is counted when it begins and when it ends.
        (count(self.wakes(role)), count(self.parking(role.peer())).div_ceil(2))
    }

    fn fence(&self) {
        self.fences_made.store(0, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    fn end(&self, role: Role) -> &End {
        &self.ends[usize::from(role == Role::Consumer)]
    }
}

/// A word of parking. Clones are the same word.
#[derive(Clone, Debug)]
pub struct ParkingWord {
    word: WeakenedWord,
    fault: Fault,
    late: Rc<Cell<Option<u64>>>,
}

impl Word for ParkingWord {
    #[track_caller]
    fn load(&self, ordering: Ordering) -> u64 {
        // The holder alone loads it so weakly, when it comes.
        let is_holder = ordering == Ordering::Relaxed;
        if is_holder && self.fault == Fault::CountedAnew { 0 } else { self.word.load(ordering) }
    }

    #[track_caller]
    fn store(&self, value: u64, ordering: Ordering) {
        match self.fault {
            Fault::NotCounted => {}
            Fault::CountedLate => self.late.set(Some(value)),
            _ => self.word.store(value, ordering),
        }
    }
}

impl Parking for CheckedParking {
    type Word = ParkingWord;

    fn parking(&self, role: Role) -> &ParkingWord {
        &self.end(role).parking
    }

    fn wakes(&self, role: Role) -> &ParkingWord {
        &self.end(role).wakes
    }

    fn wanted(&self) -> &ParkingWord {
        &self.wanted
    }

    fn wake(&self, role: Role) {
        let End { wakes, queue: (lock, sleepers), .. } = self.end(role);
        let guard = lock.lock().unwrap();
        sleepers.notify_one();
        drop(guard);
        if let Some(value) = wakes.late.take() {
            wakes.word.store(value, Ordering::Release);
        }
    }

    fn sleep(&self, role: Role, wakes: u64, limit: Duration) {
        let End { wakes: word, queue: (lock, sleepers), .. } = self.end(role);
        let timeouts = self.timeouts.get();
        self.timeouts.set(timeouts.saturating_sub(1));
        if timeouts > 0 || limit < LIMIT {
            return;
        }
        let guard = lock.lock().unwrap();
        // The system's futex has 32 bits.
        if word.word.load(Ordering::Relaxed) as u32 == wakes as u32 {
            drop(sleepers.wait(guard).unwrap());
        }
    }

    fn is_registered(&self) -> bool {
        self.is_registered
    }

    fn asks_for_fences(&self) -> bool {
        self.asks_for_fences
    }

    fn fence_to_publish(&self, full: bool) {
        if self.fault != Fault::NoFenceToPublish && (full || self.fences == Fences::Both) {
            self.fence();
        }
    }

    fn fence_to_sleep(&self, publisher_fences: bool) -> bool {
        if self.fault != Fault::NoFenceToSleep {
            self.fence();
        }
        publisher_fences || self.fences == Fences::Both
    }
}
