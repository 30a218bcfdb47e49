//! A wait at several rings: whichever end does something, and whoever calls, ends it.

use std::rc::Rc;

use loom::sync::atomic::AtomicBool;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;
use loom_tests::calls::{Call, CallFault};
use loom_tests::internals::Internals;
use loom_tests::model::{assert_reached, check, consumer, fails, pop, producer, push, reached};
use loom_tests::ring::memory::{Memory, Role};
use loom_tests::ring::presence;
use loom_tests::ring::set::Woken;
use loom_tests::sets::{CheckedSet, Turns};
use loom_tests::sleeping::{Fault, LOST_WAKE, SleepingMemory};
use loom_tests::waits::{CheckedLimit, Order, WaitError, WaitsInOrder};

/// Returns the places of what is ready; none if somebody called.
fn ready(woken: Woken) -> Vec<usize> {
    match woken {
        Woken::Ready(ready) => ready.collect(),
        Woken::Called => Vec::new(),
        Woken::TimedOut => panic!("its time is never over"),
    }
}

/// A set waits at two rings. Another process sends an element over each, over the second one first.
fn elements_come() {
    let mut set = CheckedSet::new(Turns::Shipped, CallFault::None);
    let memories = [(); 2].map(|()| set.ring(1, Fault::None, Role::Producer));
    let [mut first, mut second] = memories.clone().map(consumer);
    let mut producers = memories.map(producer);
    let sender = thread::spawn(move || producers.iter_mut().rev().for_each(|producer| push(producer, 7)));
    let mut popped = 0;
    while popped < 2 {
        let ready = ready(set.wait(&mut [(&mut first, 1), (&mut second, 1)]));
        if ready == [0, 1] {
            reached("both are ready");
        }
        for at in ready {
            assert_eq!([&mut first, &mut second][at].pop(), Ok(7));
            popped += 1;
        }
    }
    sender.join().unwrap();
}

#[test]
fn a_set_returns_all_that_is_ready() {
    check(elements_come);
    assert_reached(&["both are ready"]);
}

/// A set waits at two rings. Another process sends one element over one of them.
fn an_element_comes(at: usize, turns: Turns, fault: Fault) {
    let mut set = CheckedSet::new(turns, CallFault::None);
    let memories = [(); 2].map(|()| set.ring(1, fault, Role::Producer));
    let [mut first, mut second] = memories.clone().map(consumer);
    let mut producer = producer(memories[at].clone());
    let sender = thread::spawn(move || push(&mut producer, 7));
    assert_eq!(ready(set.wait(&mut [(&mut first, 1), (&mut second, 1)])), [at]);
    assert_eq!([&mut first, &mut second][at].pop(), Ok(7));
    sender.join().unwrap();
}

/// A set waits for an element of one ring, and for room in another one, which is full. Another process makes room.
fn room_comes(turns: Turns, fault: Fault) {
    let mut set = CheckedSet::new(turns, CallFault::None);
    let mut rx = consumer(set.ring(1, fault, Role::Producer));
    let outgoing = set.ring(1, fault, Role::Consumer);
    let (mut tx, mut from) = (producer(outgoing.clone()), consumer(outgoing));
    push(&mut tx, 1);
    let other = thread::spawn(move || assert_eq!(pop(&mut from), 1));
    assert_eq!(ready(set.wait(&mut [(&mut rx, 1), (&mut tx, 1)])), [1]);
    assert_eq!(tx.push(2), Ok(()));
    other.join().unwrap();
}

#[test]
fn a_set_is_woken_by_whichever_ring_has_something_and_at_both_ends() {
    for at in [0, 1] {
        check(move || an_element_comes(at, Turns::Shipped, Fault::None));
    }
    check(|| room_comes(Turns::Shipped, Fault::None));
}

#[test]
fn a_set_needs_the_fences_and_the_counts_of_wakes() {
    for fault in [Fault::NoFenceToPublish, Fault::NoFenceToSleep, Fault::NotCounted, Fault::CountedLate] {
        fails(LOST_WAKE, move || an_element_comes(1, Turns::Shipped, fault));
        fails(LOST_WAKE, move || room_comes(Turns::Shipped, fault));
    }
}

#[test]
fn a_set_that_sleeps_in_another_order_is_caught() {
    for turns in [Turns::FencesEarly, Turns::AnnouncesAtOne, Turns::LooksAtOne, Turns::LooksEarly, Turns::SleepsOnOne] {
        fails(LOST_WAKE, move || an_element_comes(1, turns, Fault::None));
        fails(LOST_WAKE, move || room_comes(turns, Fault::None));
    }
}

/// A set waits at two rings. The producer of the second one ends.
fn a_producer_ends(turns: Turns, leaves: bool) {
    let mut set = CheckedSet::new(turns, CallFault::None);
    let memories = [(); 2].map(|()| set.ring(1, Fault::None, Role::Producer));
    let memory = memories[1].clone();
    let [mut first, mut second] = memories.map(|memory| consumer(if leaves { memory } else { memory.that_naps() }));
    memory.hold(Role::Producer, true);
    let mut ending = producer(memory.clone());
    let generation = presence::store_attached(memory.presence(Role::Producer), &[]);
    let holder = thread::spawn(move || {
        if leaves {
            ending.leave(generation);
        }
        memory.hold(Role::Producer, false);
    });
    for _ in 0..2 {
        // It stays ready.
        assert_eq!(ready(set.wait(&mut [(&mut first, 1), (&mut second, 1)])), [1]);
    }
    let error = if leaves { WaitError::Closed } else { WaitError::Crashed };
    assert_eq!(second.wait(1, CheckedLimit::Endless, Order::Shipped), Err(error));
    holder.join().unwrap();
}

#[test]
fn a_set_is_told_of_an_end() {
    for leaves in [true, false] {
        check(move || a_producer_ends(Turns::Shipped, leaves));
    }
    fails(LOST_WAKE, || a_producer_ends(Turns::LooksAtOne, true));
    fails(LOST_WAKE, || a_producer_ends(Turns::SleepsOnOne, true));
}

/// So many threads do something and call. Whoever is called looks at what they did each time.
fn threads_call(calls: usize, call: &Call, mut wait: impl FnMut()) {
    let flags: Vec<_> = (0..calls).map(|_| Rc::new(AtomicBool::new(false))).collect();
    let callers: Vec<_> = flags
        .iter()
        .map(|flag| {
            let (flag, call) = (Rc::clone(flag), call.clone());
            thread::spawn(move || {
                flag.store(true, Relaxed);
                call.wake();
            })
        })
        .collect();
    while !flags.iter().all(|flag| flag.load(Relaxed)) {
        wait();
    }
    callers.into_iter().for_each(|caller| caller.join().unwrap());
}

/// A set with a ring to which nothing comes is called.
fn a_set_is_called(calls: usize, turns: Turns, fault: CallFault) {
    let mut set = CheckedSet::new(turns, fault);
    let mut rx = consumer(set.ring(1, Fault::None, Role::Producer));
    let call = set.call();
    threads_call(calls, &call, || assert_eq!(set.wait(&mut [(&mut rx, 1)]), Woken::Called));
}

/// What is wrong with a call that comes too early or too late for a sleeper.
const FAULTS: [CallFault; 3] = [CallFault::NotPublished, CallFault::NotObserved, CallFault::WokenFirst];

/// What is wrong with one of two calls at once.
const FAULTS_OF_TWO: [CallFault; 2] = [CallFault::Stored, CallFault::TakenByStore];

#[test]
fn a_set_that_is_called_wakes_and_sees_what_was_done_before() {
    check(|| a_set_is_called(1, Turns::Shipped, CallFault::None));
    check(|| a_set_is_called(2, Turns::Shipped, CallFault::None));
}

#[test]
fn a_call_that_a_set_does_not_hear_or_sees_nothing_of_is_caught() {
    fails(LOST_WAKE, || a_set_is_called(1, Turns::SleepsThroughCalls, CallFault::None));
    for fault in FAULTS {
        fails(LOST_WAKE, move || a_set_is_called(1, Turns::Shipped, fault));
    }
    for fault in FAULTS_OF_TWO {
        fails(LOST_WAKE, move || a_set_is_called(2, Turns::Shipped, fault));
    }
}

/// A consumer that waits at its ring, to which nothing comes, is called.
fn an_end_is_called(calls: usize, fault: CallFault) {
    let (memory, call) = SleepingMemory::new(1).of_one_who_is_called(Role::Consumer, fault);
    let mut rx = consumer(memory);
    threads_call(calls, &call, || {
        assert_eq!(rx.wait(1, CheckedLimit::Endless, Order::Shipped), Err(WaitError::Called));
    });
}

#[test]
fn an_end_that_is_called_wakes_and_sees_what_was_done_before() {
    check(|| an_end_is_called(1, CallFault::None));
    check(|| an_end_is_called(2, CallFault::None));
}

#[test]
fn a_call_that_an_end_does_not_hear_or_sees_nothing_of_is_caught() {
    for fault in FAULTS {
        fails(LOST_WAKE, move || an_end_is_called(1, fault));
    }
    for fault in FAULTS_OF_TWO {
        fails(LOST_WAKE, move || an_end_is_called(2, fault));
    }
}

/// A consumer waits at its ring, to which an element comes while it is called: it gets both.
#[test]
fn an_end_that_is_called_loses_nothing() {
    check(|| {
        let memory = SleepingMemory::new(1);
        let (called, call) = memory.of_one_who_is_called(Role::Consumer, CallFault::None);
        let (mut rx, mut tx) = (consumer(called), producer(memory));
        let other = thread::spawn(move || {
            push(&mut tx, 7);
            call.wake();
        });
        let (mut popped, mut was_called) = (false, false);
        while !popped || !was_called {
            match rx.wait(1, CheckedLimit::Endless, Order::Shipped) {
                Ok(()) => popped = rx.pop() == Ok(7),
                Err(error) => {
                    assert_eq!(error, WaitError::Called);
                    was_called = true;
                }
            }
        }
        other.join().unwrap();
    });
}
