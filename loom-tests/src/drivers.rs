//! A driver, which sleeps for an end, and what may be wrong with it.

use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::sync::{Mutex, Notify};

use crate::calls::Call;
use crate::parking::CheckedParking;
use crate::ring::memory::{Parking, Role};
use crate::ring::presence::Presence;
use crate::ring::set::{Interest, Member, PeerCheck, load_wakes, poll};
use crate::ring::wait::Watched;
use crate::sleeping::SleepingMemory;

/// In which order an end checks whether it is ready, and registers its waker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// As the library does it.
    Shipped,
    /// It registers its waker after it has announced its sleep, and checked a last time.
    LeavesLate,
    /// It checks a last time before it announces its sleep.
    LooksEarly,
    /// It announces its sleep before it checks that it is not ready, and checks no more.
    LooksOnce,
}

/// What is wrong with a driver, or with a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverFault {
    /// Nothing.
    None,
    /// When it has woken somebody, it loads anew how often the end was woken.
    LoadsAgain,
    /// It knows only since it sleeps how often the end was woken.
    BeginsLate,
    /// It sleeps on the rings, and not on the word that ends it.
    SleepsThroughCalls,
    /// A hint wakes the waiter, and is not kept.
    HintNotKept,
    /// A hint is kept only after the waiter was woken.
    HintKeptLate,
}

/// The cell of a waker, as in `segment/watch.rs`.
#[derive(Debug)]
pub struct CheckedWakerCell {
    waker_and_hint: Mutex<(Option<Waker>, bool)>,
    fault: DriverFault,
}

impl CheckedWakerCell {
    /// Makes one with nothing in it.
    #[must_use]
    pub fn new(fault: DriverFault) -> CheckedWakerCell {
        CheckedWakerCell { waker_and_hint: Mutex::new((None, false)), fault }
    }

    pub(crate) fn register(&self, waker: &Waker) -> Watched {
        let mut left = self.waker_and_hint.lock().unwrap();
        if left.1 {
            return Watched::Hinted;
        }
        left.0 = Some(waker.clone());
        Watched::Unbounded
    }

    pub(crate) fn take_hint(&self) -> bool {
        std::mem::take(&mut self.waker_and_hint.lock().unwrap().1)
    }

    /// Wakes the waiter, once.
    ///
    /// # Panics
    ///
    /// If a thread of the model has panicked.
    pub fn wake(&self) {
        let waker = self.waker_and_hint.lock().unwrap().0.take();
        waker.inspect(Waker::wake_by_ref);
    }

    /// Sets a hint: the waiter wakes and checks the other end.
    ///
    /// # Panics
    ///
    /// If a thread of the model has panicked.
    pub fn hint(&self) {
        let waker = {
            let mut left = self.waker_and_hint.lock().unwrap();
            left.1 = !matches!(self.fault, DriverFault::HintNotKept | DriverFault::HintKeptLate);
            left.0.take()
        };
        waker.inspect(Waker::wake_by_ref);
        if self.fault == DriverFault::HintKeptLate {
            self.waker_and_hint.lock().unwrap().1 = true;
        }
    }
}

/// A driver of one ring.
#[derive(Debug)]
pub struct CheckedDriver {
    parking: CheckedParking,
    role: Role,
    /// The count of wakes when the end was registered.
    first: u64,
    call: Call,
    fault: DriverFault,
}

impl CheckedDriver {
    /// Makes a driver of this ring, where the end of `role` wakes the other one, and what ends it.
    #[must_use]
    pub fn new(memory: &SleepingMemory, role: Role, fault: DriverFault) -> (CheckedDriver, Call) {
        let parking = memory.words().clone();
        let call = Call::new(parking.queue(role), crate::calls::CallFault::None);
        let first = load_wakes(parking.wakes(role)).0;
        (CheckedDriver { parking, role, first, call: call.clone(), fault }, call)
    }

    /// Sleeps for an end, and wakes its waiter, until it is ended.
    pub fn run(&self, waker_cell: &CheckedWakerCell) {
        let load = || load_wakes(self.parking.wakes(self.role)).0;
        let mut known = if self.fault == DriverFault::BeginsLate { load() } else { self.first };
        while !self.call.take() {
            let wakes = load();
            if std::mem::replace(&mut known, wakes) != wakes {
                waker_cell.wake();
                if self.fault == DriverFault::LoadsAgain {
                    known = load();
                }
            }
            self.call.queue().sleep_if(|| {
                let nobody_called = self.fault == DriverFault::SleepsThroughCalls || self.call.is_silent();
                nobody_called && self.parking.is_silent(self.role, known)
            });
        }
    }
}

/// A task that waits for an end for which a driver sleeps.
#[derive(Debug, Default)]
pub struct Task(Arc<Woken>);

#[derive(Debug, Default)]
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

impl Task {
    /// Returns whether an end is ready. If it is not, the driver wakes this task.
    pub fn poll(&self, end: &mut dyn Member<CheckedParking>, need: u64) -> bool {
        ask(end, need, Asks::Shipped, &Arc::clone(&self.0).into())
    }

    /// Sleeps until it is woken.
    pub fn sleep(&self) {
        self.0.0.wait();
    }

    /// Waits until an end is ready.
    pub fn wait(&self, end: &mut dyn Member<CheckedParking>, need: u64, asks: Asks) {
        let waker = Arc::clone(&self.0).into();
        while !ask(end, need, asks, &waker) {
            self.sleep();
        }
    }
}

/// Asks whether an end is ready, in one order or another.
fn ask(end: &mut dyn Member<CheckedParking>, need: u64, asks: Asks, waker: &Waker) -> bool {
    if asks == Asks::Shipped {
        return poll(&mut Interest::new(end, need, 0, 0), waker, false, || ());
    }
    let announce = |end: &mut dyn Member<CheckedParking>| {
        end.announce(need, false);
        end.wake_word().expect("memory to sleep on").0.fence_to_sleep(false);
    };
    let leave = |end: &mut dyn Member<CheckedParking>| {
        if end.watch(waker) == Watched::Hinted {
            waker.wake_by_ref();
        }
    };
    let look_again = |end: &mut dyn Member<CheckedParking>, seen: Presence| {
        if end.has_changed(need, seen) {
            waker.wake_by_ref();
        }
    };
    let (seen, is_ready) = end.check_ready(need, PeerCheck::IfHinted);
    if is_ready {
        end.end_sleep();
        return true;
    }
    match asks {
        Asks::LeavesLate => {
            announce(end);
            look_again(end, seen);
            leave(end);
        }
        Asks::LooksEarly => {
            leave(end);
            look_again(end, seen);
            announce(end);
        }
        Asks::Shipped | Asks::LooksOnce => {
            leave(end);
            announce(end);
        }
    }
    false
}
