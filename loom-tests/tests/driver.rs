//! A driver sleeps for an end: whatever comes wakes whoever waits there, and so does a hint that the other end is gone.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use loom::sync::atomic::AtomicU32;
use loom::thread;
use loom_tests::calls::{Call, CallFault};
use loom_tests::drivers::{Asks, CheckedDriver, CheckedWakerCell, DriverFault, Task};
use loom_tests::internals::Internals;
use loom_tests::model::{assert_reached, check, consumer, fails, pop, producer, push, reached};
use loom_tests::ring::memory::{Memory, Role};
use loom_tests::ring::presence;
use loom_tests::ring::set::Woken;
use loom_tests::sets::{CheckedSet, Turns};
use loom_tests::sleeping::{Fault, LOST_WAKE, SleepingMemory};
use loom_tests::waits::{CheckedLimit, Order, WaitError, WaitsInOrder};

/// Runs a driver for the ring until it is ended, and then makes sure that it does end.
fn driven(
    memory: &SleepingMemory,
    waker: Role,
    waker_cell: &Rc<CheckedWakerCell>,
    fault: DriverFault,
    act: impl FnOnce(),
) {
    let (driver, end): (CheckedDriver, Call) = CheckedDriver::new(memory, waker, fault);
    let waker_cell = Rc::clone(waker_cell);
    let thread = thread::spawn(move || driver.run(&waker_cell));
    act();
    end.wake();
    thread.join().unwrap();
}

/// A task waits for elements, which another process sends over a ring with as many slots.
fn elements_come(slots: usize, count: u64, asks: Asks, fault: Fault, driver: DriverFault) {
    let memory = SleepingMemory::new(slots).with(fault);
    let waker_cell = Rc::new(CheckedWakerCell::new(driver));
    let (mut rx, mut tx) = (consumer(memory.with_waker_cell(&waker_cell)), producer(memory.clone()));
    driven(&memory, Role::Producer, &waker_cell, driver, move || {
        let sender = thread::spawn(move || (0..count).for_each(|value| push(&mut tx, value)));
        let task = Task::default();
        for value in 0..count {
            task.wait(&mut rx, 1, asks);
            assert_eq!(rx.pop(), Ok(value));
        }
        sender.join().unwrap();
    });
}

/// A task waits for room in a full ring, which another process makes.
fn room_comes(asks: Asks, fault: Fault, driver: DriverFault) {
    let memory = SleepingMemory::new(1).with(fault);
    let waker_cell = Rc::new(CheckedWakerCell::new(driver));
    let (mut tx, mut rx) = (producer(memory.with_waker_cell(&waker_cell)), consumer(memory.clone()));
    push(&mut tx, 1);
    driven(&memory, Role::Consumer, &waker_cell, driver, move || {
        let other = thread::spawn(move || assert_eq!(pop(&mut rx), 1));
        Task::default().wait(&mut tx, 1, asks);
        assert_eq!(tx.push(2), Ok(()));
        other.join().unwrap();
    });
}

#[test]
fn a_driver_wakes_a_task_for_all_that_comes_and_for_all_room() {
    check(|| elements_come(2, 2, Asks::Shipped, Fault::None, DriverFault::None));
    check(|| room_comes(Asks::Shipped, Fault::None, DriverFault::None));
}

#[test]
fn a_task_that_asks_in_another_order_is_caught() {
    for asks in [Asks::LeavesLate, Asks::LooksEarly, Asks::LooksOnce] {
        fails(LOST_WAKE, move || elements_come(1, 1, asks, Fault::None, DriverFault::None));
        fails(LOST_WAKE, move || room_comes(asks, Fault::None, DriverFault::None));
    }
}

#[test]
fn a_task_needs_the_fences_and_the_counts_of_wakes() {
    for fault in [Fault::NoFenceToPublish, Fault::NoFenceToSleep, Fault::NotCounted, Fault::CountedLate] {
        fails(LOST_WAKE, move || elements_come(1, 1, Asks::Shipped, fault, DriverFault::None));
        fails(LOST_WAKE, move || room_comes(Asks::Shipped, fault, DriverFault::None));
    }
}

#[test]
fn a_driver_that_misses_a_wake_or_its_end_is_caught() {
    fails(LOST_WAKE, || elements_come(1, 2, Asks::Shipped, Fault::None, DriverFault::LoadsAgain));
    for fault in [DriverFault::BeginsLate, DriverFault::SleepsThroughCalls] {
        fails(LOST_WAKE, move || elements_come(1, 1, Asks::Shipped, Fault::None, fault));
    }
}

/// A producer leaves, or is killed, while a task waits that a driver sleeps for. Of a kill a hint tells.
fn a_producer_ends(leaves: bool, asks: Asks, fault: DriverFault) {
    let memory = SleepingMemory::new(1);
    memory.hold(Role::Producer, true);
    let waker_cell = Rc::new(CheckedWakerCell::new(fault));
    let (mut rx, mut ending) = (consumer(memory.with_waker_cell(&waker_cell)), producer(memory.clone()));
    let generation = presence::store_attached(memory.presence(Role::Producer), &[]);
    let (held, hinting) = (memory.clone(), Rc::clone(&waker_cell));
    driven(&memory, Role::Producer, &waker_cell, fault, move || {
        let holder = thread::spawn(move || {
            if leaves {
                ending.leave(generation);
            }
            held.hold(Role::Producer, false);
            if !leaves {
                hinting.hint();
            }
        });
        Task::default().wait(&mut rx, 1, asks);
        let error = if leaves { WaitError::Closed } else { WaitError::Crashed };
        assert_eq!(rx.wait(1, CheckedLimit::Endless, Order::Shipped), Err(error));
        holder.join().unwrap();
    });
}

#[test]
fn a_task_is_told_of_an_end_by_a_wake_or_by_a_hint() {
    for leaves in [true, false] {
        check(move || a_producer_ends(leaves, Asks::Shipped, DriverFault::None));
    }
}

#[test]
fn a_hint_that_is_not_kept_for_the_next_look_is_caught() {
    for fault in [DriverFault::HintNotKept, DriverFault::HintKeptLate] {
        fails(LOST_WAKE, move || a_producer_ends(false, Asks::Shipped, fault));
    }
    fails(LOST_WAKE, || a_producer_ends(true, Asks::LooksOnce, DriverFault::None));
}

/// A set waits at a ring whose producer is killed, of which a hint tells; another thread may call it.
fn a_set_is_hinted(calls: bool, fault: CallFault, driver: DriverFault) {
    let mut set = CheckedSet::new(Turns::Shipped, fault);
    let memory = set.ring(1, Fault::None, Role::Producer);
    memory.hold(Role::Producer, true);
    presence::store_attached(memory.presence(Role::Producer), &[]);
    let waker_cell = Rc::new(CheckedWakerCell::new(driver));
    let mut rx = consumer(memory.with_waker_cell(&waker_cell));
    let call = set.call();
    let holder = thread::spawn(move || {
        memory.hold(Role::Producer, false);
        waker_cell.hint();
    });
    let caller = calls.then(|| thread::spawn(move || call.wake()));
    let (mut is_told, mut is_called) = (false, !calls);
    while !is_told || !is_called {
        match set.wait(&mut [(&mut rx, 1)]) {
            Woken::Called => {
                reached("a call");
                is_called = true;
            }
            woken => {
                assert!(matches!(woken, Woken::Ready(_)), "{woken:?}");
                reached("a hint");
                is_told = true;
                // From here on it is ready: the call is heard all the same, since it comes first.
                if !is_called {
                    break;
                }
            }
        }
    }
    [Some(holder), caller].into_iter().flatten().for_each(|thread| thread.join().unwrap());
    if !is_called {
        assert_eq!(set.wait(&mut [(&mut rx, 1)]), Woken::Called, "a call was lost");
    }
}

#[test]
fn a_set_hears_a_hint_and_no_hint_hides_a_call() {
    check(|| a_set_is_hinted(false, CallFault::None, DriverFault::None));
    check(|| a_set_is_hinted(true, CallFault::None, DriverFault::None));
    assert_reached(&["a call", "a hint"]);
}

/// A thread does something, and nudges; another one that takes the nudge looks at it.
fn a_nudge_is_taken(fault: CallFault) {
    let set = CheckedSet::new(Turns::Shipped, fault);
    let call = set.call();
    let done = Arc::new(AtomicU32::new(0));
    let other = thread::spawn({
        let (nudger, done) = (call.nudger(), Arc::clone(&done));
        move || {
            done.store(1, Ordering::Relaxed);
            nudger.wake();
        }
    });
    if !call.is_silent() {
        assert!(!call.take(), "a nudge is no call");
        assert_eq!(done.load(Ordering::Relaxed), 1, "what was done before a nudge is not seen");
        reached("a nudge");
    }
    other.join().unwrap();
}

#[test]
fn what_was_done_before_a_nudge_is_seen_by_whoever_takes_it() {
    check(|| a_nudge_is_taken(CallFault::None));
    assert_reached(&["a nudge"]);
    for fault in [CallFault::NotPublished, CallFault::NotObserved] {
        fails("what was done before a nudge is not seen", move || a_nudge_is_taken(fault));
    }
}

#[test]
fn a_nudge_that_is_not_kept_or_hides_a_call_is_caught() {
    fails(LOST_WAKE, || a_set_is_hinted(false, CallFault::NudgeNotKept, DriverFault::None));
    fails("a call was lost", || a_set_is_hinted(true, CallFault::NudgeStored, DriverFault::None));
    for fault in [DriverFault::HintNotKept, DriverFault::HintKeptLate] {
        fails(LOST_WAKE, move || a_set_is_hinted(false, CallFault::None, fault));
    }
}
