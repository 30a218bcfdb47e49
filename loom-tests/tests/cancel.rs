//! Calls of a task that are dropped, at each of their polls: nothing is lost or done twice, and the next call is woken.

use std::rc::Rc;

use loom::thread;
use loom_tests::calls::Call;
use loom_tests::drivers::{CheckedDriver, CheckedWakerCell, DriverFault, Task};
use loom_tests::model::{assert_reached, check_large, consumer, fails, pop, producer, push, reached};
use loom_tests::ring::memory::Role;
use loom_tests::ring::stream::{Consumer, Producer};
use loom_tests::sleeping::{Fault, LOST_WAKE, SleepingMemory};
use loom_tests::waits::{CheckedLimit, Order, WaitsInOrder};

/// What is wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallFault {
    None,
    /// It lets other tasks go first when it has moved an element, and not before.
    YieldsBehind,
    /// It leaves no waker if there is one.
    KeepsWaker,
}

/// An end whose user moves an element by each call.
trait Moves {
    /// Moves an element, unless it would have to wait.
    fn try_move(&mut self) -> bool;
    fn poll(&mut self, task: &Task) -> bool;
    fn block(&mut self);
}

impl Moves for Consumer<u64, SleepingMemory> {
    fn try_move(&mut self) -> bool {
        let popped = self.pop();
        assert!(popped.is_err() || popped == Ok(7));
        popped.is_ok()
    }

    fn poll(&mut self, task: &Task) -> bool {
        task.poll(self, 1)
    }

    fn block(&mut self) {
        assert_eq!(self.wait(1, CheckedLimit::Endless, Order::Shipped), Ok(()));
        assert!(self.try_move());
    }
}

impl Moves for Producer<u64, SleepingMemory> {
    fn try_move(&mut self) -> bool {
        self.push(8).is_ok()
    }

    fn poll(&mut self, task: &Task) -> bool {
        task.poll(self, 1)
    }

    fn block(&mut self) {
        assert_eq!(self.wait(1, CheckedLimit::Endless, Order::Shipped), Ok(()));
        assert!(self.try_move());
    }
}

/// A future of a call, which a task of its own polls.
struct Future<'a> {
    task: Task,
    /// That of the call before, if a fault leaves its waker.
    kept: Option<&'a Task>,
    has_moved: bool,
    fault: CallFault,
}

impl Future<'_> {
    fn new(fault: CallFault) -> Self {
        Future { task: Task::default(), kept: None, has_moved: false, fault }
    }

    /// Returns whether it has moved an element, as `src/awaiting` polls a call.
    fn poll(&mut self, end: &mut impl Moves) -> bool {
        if self.has_moved {
            return true;
        }
        while !end.try_move() {
            if !end.poll(self.kept.unwrap_or(&self.task)) {
                reached("a call waits");
                return false;
            }
        }
        self.has_moved = true;
        self.fault != CallFault::YieldsBehind
    }
}

/// What follows a call that was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A call that is awaited.
    Awaited,
    /// One that is dropped when it is woken, and then one that is awaited.
    DroppedAwake,
    /// One that blocks.
    Blocking,
}

/// Moves one element by calls of which the first is dropped at its first poll.
fn move_one(end: &mut impl Moves, next: Next, fault: CallFault) {
    let mut first = Future::new(fault);
    if first.poll(end) {
        return;
    }
    let Future { task: dropped, .. } = first;
    let mut second = Future::new(fault);
    second.kept = (fault == CallFault::KeepsWaker).then_some(&dropped);
    match next {
        Next::Blocking => return end.block(),
        Next::Awaited => {}
        Next::DroppedAwake => {
            if second.poll(end) {
                return;
            }
            second.task.sleep();
            second = Future::new(fault);
        }
    }
    while !second.poll(end) {
        second.task.sleep();
    }
}

/// Runs a driver for the end that `waker` wakes.
fn driven(memory: &SleepingMemory, waker: Role, waker_cell: &Rc<CheckedWakerCell>, act: impl FnOnce()) {
    let (driver, end): (CheckedDriver, Call) = CheckedDriver::new(memory, waker, DriverFault::None);
    let waker_cell = Rc::clone(waker_cell);
    let thread = thread::spawn(move || driver.run(&waker_cell));
    act();
    end.wake();
    thread.join().unwrap();
}

/// A task that waits for an element, which another process sends, drops its calls.
fn an_element_comes(next: Next, call: CallFault, fault: Fault) {
    let memory = SleepingMemory::new(1).with(fault);
    let waker_cell = Rc::new(CheckedWakerCell::new(DriverFault::None));
    let (mut rx, mut tx) = (consumer(memory.with_waker_cell(&waker_cell)), producer(memory.clone()));
    driven(&memory, Role::Producer, &waker_cell, move || {
        let sender = thread::spawn(move || push(&mut tx, 7));
        move_one(&mut rx, next, call);
        sender.join().unwrap();
        assert!(!rx.try_move(), "an element came twice");
    });
}

/// A task that waits for room in a full ring, which another process makes, drops its calls.
fn room_comes(next: Next, call: CallFault, fault: Fault) {
    let memory = SleepingMemory::new(1).with(fault);
    let waker_cell = Rc::new(CheckedWakerCell::new(DriverFault::None));
    let (mut tx, mut rx) = (producer(memory.with_waker_cell(&waker_cell)), consumer(memory.clone()));
    push(&mut tx, 7);
    driven(&memory, Role::Consumer, &waker_cell, move || {
        let other = thread::spawn(move || {
            assert_eq!(pop(&mut rx), 7);
            rx
        });
        move_one(&mut tx, next, call);
        let mut rx = other.join().unwrap();
        assert_eq!((rx.pop().ok(), rx.pop().ok()), (Some(8), None), "what was pushed once");
    });
}

#[test]
fn calls_that_are_dropped_at_each_poll_lose_nothing_and_the_next_one_is_woken() {
    for next in [Next::Awaited, Next::DroppedAwake, Next::Blocking] {
        check_large(move || an_element_comes(next, CallFault::None, Fault::None));
        check_large(move || room_comes(next, CallFault::None, Fault::None));
    }
    assert_reached(&["a call waits"]);
}

#[test]
fn a_call_that_moves_something_before_it_is_ready_is_caught() {
    fails(LOST_WAKE, || an_element_comes(Next::Awaited, CallFault::YieldsBehind, Fault::None));
    fails(LOST_WAKE, || room_comes(Next::Awaited, CallFault::YieldsBehind, Fault::None));
}

#[test]
fn a_call_that_is_woken_by_the_waker_of_a_dropped_one_is_caught() {
    fails(LOST_WAKE, || an_element_comes(Next::Awaited, CallFault::KeepsWaker, Fault::None));
    fails(LOST_WAKE, || room_comes(Next::Awaited, CallFault::KeepsWaker, Fault::None));
}

#[test]
fn a_sleep_that_is_announced_over_that_of_a_dropped_call_and_reads_as_awake_is_caught() {
    for next in [Next::Awaited, Next::Blocking] {
        fails(LOST_WAKE, move || an_element_comes(next, CallFault::None, Fault::AnnouncedOver));
        fails(LOST_WAKE, move || room_comes(next, CallFault::None, Fault::AnnouncedOver));
    }
}
