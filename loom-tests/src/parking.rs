//! What ends need to sleep, as loom watches it, and what can be wrong with it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use loom::sync::atomic::fence;
use loom::sync::{Condvar, Mutex};

use crate::calls::Call;
use crate::checked::CheckedWord;
use crate::ring::memory::{Parking, Role, Word};
use crate::weakened::{Site, WeakenedWord};

/// What loom says where an end sleeps and nobody is left to wake it.
pub const LOST_WAKE: &str = "deadlock";

/// How long an end of a model sleeps at most, as it says: it sleeps until it is woken. A shorter sleep is a nap, from
/// which it returns at once.
pub const LIMIT: Duration = Duration::from_millis(100);

/// Who makes fences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fences {
    /// Both ends execute one. It is what `membarrier` gives: a fence in a thread that stood anywhere between two of its
    /// instructions. Loom cannot put one into another thread, but a fence that is always there is there at that place
    /// too.
    Both,
    /// Each end makes those that it makes without the system's help: the publisher one when it has said so, the sleeper
    /// its own. A sleeper that does not read that the publisher fences is not sure, and does not sleep at all here.
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
    /// A publisher that says that it makes fences no more makes none behind that.
    NoFenceToStop,
    /// A publisher that says that it makes fences makes none behind that.
    NoFenceToStart,
    /// A sleeper that asks for fences does not take that back.
    AskedForEver,
    /// A sleeper does not store what it wants and needs.
    GoalNotStored,
    /// A sleeper stores what it wants and needs when it has said that it sleeps, and made its fences.
    GoalStoredLate,
    /// The system is asked to wake one of those who sleep.
    WakesOne,
    /// A sleeper that announces itself over a sleep that it has given up counts one step, and so says that it is awake.
    AnnouncedOver,
}

/// The bit of a word that is about fences.
const FENCES: u64 = 1;

/// What a parking word counts by, and the bit that it has while its end sleeps.
const ASLEEP: u64 = 2;

/// What an end needs to sleep, and how the system behaves. Clones share the words.
#[derive(Clone, Debug)]
pub struct CheckedParking {
    pub(crate) fences: Fences,
    fault: Fault,
    pub(crate) is_registered: bool,
    pub(crate) asks_for_fences: bool,
    pub(crate) timeouts: Rc<Cell<usize>>,
    /// Ends a sleep of this end from outside.
    pub(crate) call: Option<Call>,
    /// Of the producer and of the consumer.
    ends: Rc<[End; 2]>,
    needed: ParkingWord,
    /// Whether the last store of `wakes` began to say that fences are made, or that they are not.
    turned: Rc<Cell<Option<bool>>>,
    full_fences: Rc<Cell<usize>>,
    /// Stored to before each fence; it orders nothing. Loom tries no other thread between a store and the fence behind
    /// it, though fences have an order like the stores to one word. These two stores are tried both ways round,
    /// and the fences with them.
    fences_made: CheckedWord,
}

/// What one end says to the other, and where that sleeps.
#[derive(Debug)]
struct End {
    parking: ParkingWord,
    wakes: ParkingWord,
    wanted: ParkingWord,
    queue: Arc<Queue>,
}

/// The kernel's queue of those who sleep on a word, or on several: it looks at the words and enlists under a lock, and
/// wakes under the same.
#[derive(Debug)]
pub(crate) struct Queue(Mutex<()>, Condvar);

impl Queue {
    /// Makes a queue of those who sleep on one word.
    pub(crate) fn new() -> Arc<Queue> {
        Arc::new(Queue(Mutex::new(()), Condvar::new()))
    }

    /// Sleeps until a wake, if the words say then that there was none.
    pub(crate) fn sleep_if(&self, is_silent: impl FnOnce() -> bool) {
        let guard = self.0.lock().unwrap();
        if is_silent() {
            drop(self.1.wait(guard).unwrap());
        }
    }

    /// Wakes one of those who sleep, or all.
    pub(crate) fn wake(&self, one: bool) {
        let guard = self.0.lock().unwrap();
        if one {
            self.1.notify_one();
        } else {
            self.1.notify_all();
        }
        drop(guard);
    }
}

impl CheckedParking {
    /// Makes the words of a ring. Whoever this role wakes sleeps in this queue, if one is given, which is that of a
    /// set.
    pub(crate) fn new(site: Option<Site>, fault: Fault, set: Option<(Role, &Arc<Queue>)>) -> CheckedParking {
        let turned: Rc<Cell<Option<bool>>> = Rc::default();
        let word = |purpose, sites: &[Site]| ParkingWord {
            word: site.filter(|site| sites.contains(site)).map_or_else(WeakenedWord::default, Site::word),
            purpose,
            fault,
            last: Rc::default(),
            late: Rc::default(),
            turned: Rc::clone(&turned),
        };
        let end = |role| End {
            parking: word(Purpose::Parking, &[Site::ParkingStore, Site::ParkingLoad]),
            wakes: word(Purpose::Wakes, &[Site::WakesStore]),
            wanted: word(Purpose::Goal, &[]),
            queue: set.filter(|(waker, _)| *waker == role).map_or_else(Queue::new, |(_, queue)| Arc::clone(queue)),
        };
        CheckedParking {
            fences: Fences::Both,
            fault,
            is_registered: true,
            asks_for_fences: false,
            timeouts: Rc::default(),
            call: None,
            ends: Rc::new([Role::Producer, Role::Consumer].map(end)),
            needed: word(Purpose::Goal, &[]),
            turned: Rc::clone(&turned),
            full_fences: Rc::default(),
            fences_made: CheckedWord::default(),
        }
    }

    /// Returns how often `role` woke the other end, and how often that began to sleep.
    pub(crate) fn wakes_and_parkings(&self, role: Role) -> (u64, u64) {
        let count = |word: &ParkingWord| word.word.load(Ordering::Relaxed) / 2;
        // Each sleep is counted when it begins and when it ends.
        (count(self.wakes(role)), count(self.parking(role.peer())).div_ceil(2))
    }

    /// Returns whether `role` says that it makes its own fences.
    pub(crate) fn says_that_it_fences(&self, role: Role) -> bool {
        self.wakes(role).word.load(Ordering::Relaxed) & FENCES != 0
    }

    /// Returns how many fences publishers have made by themselves.
    pub(crate) fn full_fences(&self) -> usize {
        self.full_fences.get()
    }

    fn fence(&self) {
        self.fences_made.store(0, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Returns the queue of those who sleep until `role` wakes them.
    pub(crate) fn queue(&self, role: Role) -> &Arc<Queue> {
        &self.end(role).queue
    }

    /// Returns whether `role` has woken nobody since it had done so as often as this says.
    pub(crate) fn is_silent(&self, role: Role, wakes: u64) -> bool {
        // The system's futex has 32 bits.
        self.wakes(role).word.load(Ordering::Relaxed) as u32 == wakes as u32
    }

    /// Returns whether the next sleep is over at once.
    pub(crate) fn times_out(&self, limit: Duration) -> bool {
        let timeouts = self.timeouts.get();
        self.timeouts.set(timeouts.saturating_sub(1));
        let is_over = timeouts > 0 || limit < LIMIT;
        if is_over && timeouts > usize::MAX / 2 {
            loom::thread::yield_now();
        }
        is_over
    }

    fn end(&self, role: Role) -> &End {
        &self.ends[usize::from(role == Role::Consumer)]
    }
}

/// What a word of parking is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Parking,
    Wakes,
    /// What a sleeper wants or needs.
    Goal,
}

/// A word of parking. Clones are the same word.
#[derive(Clone, Debug)]
pub struct ParkingWord {
    word: WeakenedWord,
    purpose: Purpose,
    fault: Fault,
    /// What was stored last.
    last: Rc<Cell<u64>>,
    /// What is to be stored later.
    late: Rc<Cell<Option<u64>>>,
    turned: Rc<Cell<Option<bool>>>,
}

impl ParkingWord {
    fn store_late(&self, ordering: Ordering) {
        if let Some(value) = self.late.take() {
            self.word.store(value, ordering);
        }
    }
}

impl Word for ParkingWord {
    #[track_caller]
    fn load(&self, ordering: Ordering) -> u64 {
        // The holder alone loads it so weakly, when it comes.
        let is_holder = self.purpose == Purpose::Wakes && ordering == Ordering::Relaxed;
        if is_holder && self.fault == Fault::CountedAnew { 0 } else { self.word.load(ordering) }
    }

    #[track_caller]
    fn store(&self, value: u64, ordering: Ordering) {
        let last = self.last.replace(value);
        if self.purpose == Purpose::Wakes && (last ^ value) & FENCES != 0 {
            self.turned.set(Some(value & FENCES != 0));
        }
        match (self.purpose, self.fault) {
            (Purpose::Wakes, Fault::NotCounted) | (Purpose::Goal, Fault::GoalNotStored) => {}
            (Purpose::Wakes, Fault::CountedLate) | (Purpose::Goal, Fault::GoalStoredLate) => self.late.set(Some(value)),
            (Purpose::Parking, Fault::AskedForEver) => {
                self.last.set(value | last & FENCES);
                self.word.store(value | last & FENCES, ordering);
            }
            (Purpose::Parking, Fault::AnnouncedOver) if value == last + 2 * ASLEEP => {
                self.last.set(last + ASLEEP);
                self.word.store(last + ASLEEP, ordering);
            }
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

    fn wanted(&self, role: Role) -> &ParkingWord {
        &self.end(role).wanted
    }

    fn needed(&self) -> &ParkingWord {
        &self.needed
    }

    fn wake(&self, role: Role, _reads: bool) {
        let End { wakes, queue, .. } = self.end(role);
        queue.wake(self.fault == Fault::WakesOne);
        wakes.store_late(Ordering::Release);
    }

    fn sleep(&self, role: Role, wakes: u64, limit: Duration) {
        if !self.times_out(limit) {
            let nobody_called = || self.call.as_ref().is_none_or(Call::is_silent);
            self.queue(role).sleep_if(|| self.is_silent(role, wakes) && nobody_called());
        }
    }

    fn is_registered(&self) -> bool {
        self.is_registered
    }

    fn asks_for_fences(&self) -> bool {
        self.asks_for_fences
    }

    fn fence_to_publish(&self, full: bool) {
        if full {
            self.full_fences.set(self.full_fences.get() + 1);
        }
        let is_missing = match self.fault {
            Fault::NoFenceToPublish => true,
            Fault::NoFenceToStop => full && self.turned.take() == Some(false),
            Fault::NoFenceToStart => full && self.turned.take() == Some(true),
            _ => false,
        };
        if !is_missing && (full || self.fences == Fences::Both) {
            self.fence();
        }
    }

    fn fence_to_sleep(&self, publisher_fences: bool) -> bool {
        if self.fault != Fault::NoFenceToSleep {
            self.fence();
        }
        self.needed.store_late(Ordering::Relaxed);
        self.ends.iter().for_each(|end| end.wanted.store_late(Ordering::Relaxed));
        publisher_fences || self.fences == Fences::Both
    }
}
