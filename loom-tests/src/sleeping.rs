//! Checked memory on which the ends can sleep.

#![allow(unsafe_code, reason = "implements the unsafe trait Memory by passing it on")]

use std::cell::Cell;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;

use loom::sync::Mutex;

use crate::access::TestAccess;
use crate::calls::{Call, CallFault};
use crate::checked::{CheckedMemory, CheckedWord};
use crate::drivers::CheckedWakerCell;
use crate::model::reached;
use crate::parking::{CheckedParking, Fences, Queue};
use crate::ring::memory::{Memory, Role};
use crate::ring::presence::{self, Presence};
use crate::weakened::Site;

pub use crate::parking::{Fault, LIMIT, LOST_WAKE};

/// What [`SleepingMemory::assert_no_fences`] says.
pub const FENCED: &str = "fences that nobody asks for";

/// Checked memory on which the ends can sleep. Clones are the same memory.
#[derive(Clone, Debug)]
pub struct SleepingMemory {
    memory: CheckedMemory,
    /// Whether the lock of a role is held, as the kernel answers that.
    held: Rc<[Mutex<bool>; 2]>,
    parking: Option<CheckedParking>,
    /// Where this end leaves what wakes it, if something else sleeps for it, or it sleeps until there is a hint.
    waker_cell: Option<Rc<CheckedWakerCell>>,
}

impl SleepingMemory {
    /// Makes the memory of a stream ring with as many slots.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        SleepingMemory::over(CheckedMemory::new(slots), None, Fault::None, None)
    }

    /// Makes the memory of a message ring of as many bytes.
    #[must_use]
    pub fn of_records(bytes: usize) -> Self {
        SleepingMemory::over(CheckedMemory::of_records(bytes), None, Fault::None, None)
    }

    /// Makes the memory of a stream ring with as many slots and this fault, where a set sleeps in this queue until the
    /// end of `role` wakes it.
    pub(crate) fn in_set(slots: usize, fault: Fault, role: Role, queue: &Arc<Queue>) -> Self {
        SleepingMemory::over(CheckedMemory::new(slots), None, fault, Some((role, queue)))
    }

    fn over(memory: CheckedMemory, site: Option<Site>, fault: Fault, set: Option<(Role, &Arc<Queue>)>) -> Self {
        let parking = Some(CheckedParking::new(site, fault, set));
        SleepingMemory { memory, held: Rc::default(), parking, waker_cell: None }
    }

    /// Returns the memory as an end sees it that leaves there what wakes it.
    #[must_use]
    pub fn with_waker_cell(&self, waker_cell: &Rc<CheckedWakerCell>) -> Self {
        SleepingMemory { waker_cell: Some(Rc::clone(waker_cell)), ..self.clone() }
    }

    pub(crate) fn waker_cell(&self) -> Option<&CheckedWakerCell> {
        self.waker_cell.as_deref()
    }

    pub(crate) fn words(&self) -> &CheckedParking {
        self.parking.as_ref().expect("memory to sleep on")
    }

    /// Returns the memory as the end of `role` sees it, whose waits are ended by a call, and that call.
    #[must_use]
    pub fn of_one_who_is_called(&self, role: Role, fault: CallFault) -> (Self, Call) {
        let call = Call::new(self.words().queue(role.peer()), fault);
        (self.as_seen(|parking| parking.call = Some(call.clone())), call)
    }

    /// Takes a call that ends a wait of this end, and returns whether there was one.
    pub(crate) fn was_called(&self) -> bool {
        self.words().call.as_ref().is_some_and(Call::take)
    }

    /// Takes or gives back the lock of a role. The kernel gives it back for a holder that is killed.
    ///
    /// # Panics
    ///
    /// If a thread of the model has panicked.
    pub fn hold(&self, role: Role, is_held: bool) {
        *self.held[usize::from(role == Role::Consumer)].lock().unwrap() = is_held;
    }

    /// Returns whether the lock of a role is held.
    ///
    /// # Panics
    ///
    /// If a thread of the model has panicked.
    #[must_use]
    pub fn is_held(&self, role: Role) -> bool {
        *self.held[usize::from(role == Role::Consumer)].lock().unwrap()
    }

    /// Turns it into one with this fault.
    #[must_use]
    pub fn with(self, fault: Fault) -> Self {
        SleepingMemory::over(self.memory, None, fault, None)
    }

    /// Turns it into one that is too weak at this site.
    #[must_use]
    pub fn without(self, site: Site) -> Self {
        SleepingMemory::over(self.memory, Some(site), Fault::None, None)
    }

    /// Returns the memory as an end sees it that neither sleeps nor wakes.
    #[must_use]
    pub fn of_a_stranger(&self) -> Self {
        SleepingMemory { parking: None, ..self.clone() }
    }

    /// Returns the memory as a publisher sees it on a system where each end makes its own fences alone, see
    /// [`Fences::Own`]: one that is registered makes none until it is asked to.
    #[must_use]
    pub fn of_a_publisher(&self, is_registered: bool) -> Self {
        self.as_seen(|parking| {
            parking.fences = Fences::Own;
            parking.is_registered = is_registered;
        })
    }

    /// Returns the memory as a sleeper sees it on such a system, which asks the publisher for fences or does not.
    #[must_use]
    pub fn of_a_sleeper(&self, asks_for_fences: bool) -> Self {
        self.as_seen(|parking| {
            parking.fences = Fences::Own;
            parking.asks_for_fences = asks_for_fences;
        })
    }

    /// Returns the memory as an end sees it all sleeps of which are over as soon as others had their turn: a death,
    /// which wakes nobody, is found by the next one.
    #[must_use]
    pub fn that_naps(&self) -> Self {
        self.that_times_out(usize::MAX)
    }

    /// Returns the memory as an end sees it the first sleeps of which, so many, are over at once.
    #[must_use]
    pub fn that_times_out(&self, timeouts: usize) -> Self {
        self.as_seen(|parking| parking.timeouts = Rc::new(Cell::new(timeouts)))
    }

    fn as_seen(&self, change: impl FnOnce(&mut CheckedParking)) -> Self {
        let mut seen = self.clone();
        seen.parking.as_mut().map(change);
        seen
    }

    /// Returns how often `role` woke the other end, and how often that began to sleep.
    ///
    /// # Panics
    ///
    /// If it is that of a stranger.
    #[must_use]
    pub fn wakes_and_parkings(&self, role: Role) -> (u64, u64) {
        self.words().wakes_and_parkings(role)
    }

    /// Makes sure that `role` makes no fences by itself when it publishes: `publish` does that once.
    ///
    /// # Panics
    ///
    /// If it does, or says so, or it is that of a stranger.
    #[track_caller]
    pub fn assert_no_fences(&self, role: Role, publish: impl FnOnce()) {
        let parking = self.words();
        let fences = parking.full_fences();
        publish();
        assert!(parking.full_fences() == fences && !parking.says_that_it_fences(role), "{FENCED}");
    }

    /// Makes sure that `role` answered no parking by more than one wake. Whether one needed it, or none, is noted.
    ///
    /// # Panics
    ///
    /// If it did, or it is that of a stranger.
    #[track_caller]
    pub fn assert_no_wake_was_made_twice(&self, role: Role) {
        let (wakes, parkings) = self.wakes_and_parkings(role);
        assert!(wakes <= parkings, "{wakes} wakes for {parkings} parkings");
        if wakes > 0 {
            reached("a wake");
        }
        if wakes < parkings {
            reached("a parking that needs no wake");
        }
    }
}

// SAFETY: everything but the parking is that of the checked memory.
unsafe impl Memory for SleepingMemory {
    type Word = CheckedWord;
    type Parking = CheckedParking;
    type Read<'a> = TestAccess<'a, *const u8>;
    type Write<'a> = TestAccess<'a, *mut u8>;

    fn tail(&self) -> &CheckedWord {
        self.memory.tail()
    }

    fn head(&self) -> &CheckedWord {
        self.memory.head()
    }

    fn presence(&self, role: Role) -> &CheckedWord {
        self.memory.presence(role)
    }

    fn told(&self) -> &CheckedWord {
        self.memory.told()
    }

    fn parking(&self) -> Option<&CheckedParking> {
        self.parking.as_ref()
    }

    fn len(&self) -> usize {
        self.memory.len()
    }

    fn is_mirrored(&self) -> bool {
        self.memory.is_mirrored()
    }

    fn own(&self, role: Role) -> NonNull<[u64; 2]> {
        self.memory.own(role)
    }

    unsafe fn header(&self, offset: usize) -> &CheckedWord {
        // SAFETY: the same promise.
        unsafe { self.memory.header(offset) }
    }

    #[track_caller]
    unsafe fn read(&self, offset: usize, len: usize) -> TestAccess<'_, *const u8> {
        // SAFETY: the same promise.
        unsafe { self.memory.read(offset, len) }
    }

    #[track_caller]
    unsafe fn write(&self, offset: usize, len: usize) -> TestAccess<'_, *mut u8> {
        // SAFETY: the same promise.
        unsafe { self.memory.write(offset, len) }
    }
}

/// Returns what the holder of a role said of itself, as an end looks at it before it parks.
pub fn seen<M: Memory>(memory: &M, role: Role) -> Presence {
    presence::observe(memory.presence(role))
}
