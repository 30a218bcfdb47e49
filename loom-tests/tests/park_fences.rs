//! Where the system makes no fences for others, a sleep is sure only with a publisher that says that it makes its own.

use loom::thread;
use loom_tests::internals::Internals;
use loom_tests::model::{assert_reached, check, consumer, fails, fails_without, pop, producer, push, reached, until};
use loom_tests::ring::error::PopError;
use loom_tests::ring::memory::Role;
use loom_tests::ring::stream::{Consumer, Producer};
use loom_tests::sleeping::{FENCED, Fault, LIMIT, LOST_WAKE, SleepingMemory, seen};
use loom_tests::weakened::Site;

/// Pops an element, and parks for as long as there is none. A nap is over at once, so this is repeated.
fn pop_parked(consumer: &mut Consumer<u64, SleepingMemory>) -> u64 {
    until(|| match consumer.pop() {
        Ok(value) => Some(value),
        Err(PopError::Empty) => {
            reached("a park");
            consumer.park(1, false, seen(consumer.memory(), Role::Producer), LIMIT).unwrap();
            None
        }
        Err(error) => panic!("{error}"),
    })
}

/// A consumer that may not ask the system for fences asks a publisher, which makes none before it has seen that.
fn fences_are_asked_for(memory: SleepingMemory, count: u64) {
    let mut producer = producer(memory.of_a_publisher(true));
    let mut consumer = consumer(memory.of_a_sleeper(true));
    let pushes = thread::spawn(move || (0..count).for_each(|value| push(&mut producer, value)));
    (0..count).for_each(|value| assert_eq!(pop_parked(&mut consumer), value));
    pushes.join().unwrap();
    memory.assert_no_wake_was_made_twice(Role::Producer);
}

#[test]
fn a_publisher_that_is_asked_for_fences_loses_no_wake() {
    check(|| fences_are_asked_for(SleepingMemory::new(1), 1));
    assert_reached(&["a park"]);
    check(|| fences_are_asked_for(SleepingMemory::new(2), 2));
    assert_reached(&["a park", "a wake"]);
}

/// A consumer asks for fences by the sleep that it is woken from, and sleeps again at once: it may trust in the fences
/// that the answer speaks of, but what it was woken for was published without.
fn an_answer_wakes_and_speaks_of_fences(memory: SleepingMemory) {
    let mut producer = producer(memory.of_a_publisher(true));
    let mut consumer = consumer(memory.of_a_sleeper(true));
    let pushes = thread::spawn(move || push(&mut producer, 0));
    // Not as in `pop_parked`: loom shows a thread that yields what it has missed so far.
    for _ in 0..2 {
        consumer.park(1, false, seen(consumer.memory(), Role::Producer), LIMIT).unwrap();
    }
    assert_eq!(pop_parked(&mut consumer), 0);
    pushes.join().unwrap();
}

#[test]
fn what_was_published_without_fences_is_seen_behind_the_answer() {
    check(|| an_answer_wakes_and_speaks_of_fences(SleepingMemory::new(1)));
}

#[test]
fn what_was_published_without_fences_needs_the_release_of_the_answer() {
    fails_without(&[Site::WakesStore], LOST_WAKE, |site| {
        an_answer_wakes_and_speaks_of_fences(SleepingMemory::new(1).without(site));
    });
}

/// A producer that makes no fences is killed. Its successor makes them, and says so when it comes; it publishes
/// nothing.
fn a_successor_says_that_it_fences(memory: SleepingMemory) {
    let mut consumer = consumer(memory.of_a_sleeper(false));
    // Both in one thread: the lock of the role orders them likewise.
    let holders = thread::spawn(move || {
        push(&mut producer(memory.of_a_publisher(true)), 0);
        drop(producer(memory.of_a_publisher(false)));
    });
    assert_eq!(pop_parked(&mut consumer), 0);
    holders.join().unwrap();
}

#[test]
fn what_a_predecessor_published_without_fences_is_seen_by_a_sleeper() {
    check(|| a_successor_says_that_it_fences(SleepingMemory::new(1)));
    assert_reached(&["a park"]);
}

#[test]
fn what_a_predecessor_published_without_fences_needs_the_release_of_the_attach() {
    fails_without(&[Site::WakesStore], LOST_WAKE, |site| {
        a_successor_says_that_it_fences(SleepingMemory::new(1).without(site));
    });
}

/// A producer that makes fences is killed. Its successor makes none. A consumer may still read that fences are made.
fn a_successor_does_not_fence(memory: SleepingMemory) {
    drop(producer(memory.of_a_publisher(false)));
    let mut consumer = consumer(memory.of_a_sleeper(false));
    let holder = thread::spawn(move || push(&mut producer(memory.of_a_publisher(true)), 0));
    assert_eq!(pop_parked(&mut consumer), 0);
    holder.join().unwrap();
}

#[test]
fn a_successor_that_does_not_fence_as_its_predecessor_did_loses_no_wake() {
    check(|| a_successor_does_not_fence(SleepingMemory::new(1)));
    assert_reached(&["a park"]);
}

#[test]
fn a_successor_that_does_not_fence_when_it_comes_is_caught() {
    fails(LOST_WAKE, || a_successor_does_not_fence(SleepingMemory::new(1).with(Fault::NoFenceToPublish)));
}

/// How a consumer ends that asked for fences.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It waits in another way from now on.
    AsksNoMore,
    Leaves,
    /// Its successor does not ask.
    Killed,
}

/// A consumer asks for fences, and is heard, until it ends. Returns both ends then: the publisher has not learned of
/// that yet, and says still that it makes fences.
fn asked_once(memory: &SleepingMemory, end: End) -> (Producer<u64, SleepingMemory>, Consumer<u64, SleepingMemory>) {
    let mut producer = producer(memory.of_a_publisher(true));
    let mut asking = consumer(memory.of_a_sleeper(true));
    push(&mut producer, 0);
    assert_eq!(pop(&mut asking), 0);
    let consumer = match end {
        End::AsksNoMore => {
            *asking.memory_mut() = memory.of_a_sleeper(false);
            asking.renew_sleeper();
            asking
        }
        End::Leaves => {
            asking.leave(1);
            consumer(memory.of_a_sleeper(false))
        }
        End::Killed => consumer(memory.of_a_sleeper(false)),
    };
    (producer, consumer)
}

/// The publisher stops to make fences, while a consumer sleeps that may trust in them still.
fn fences_end(memory: SleepingMemory, end: End) {
    let (mut producer, mut consumer) = asked_once(&memory, end);
    let pushes = thread::spawn(move || {
        (1..3).for_each(|value| push(&mut producer, value));
        producer
    });
    (1..3).for_each(|value| assert_eq!(pop_parked(&mut consumer), value));
    let mut producer = pushes.join().unwrap();
    memory.assert_no_fences(Role::Producer, || push(&mut producer, 3));
    memory.assert_no_wake_was_made_twice(Role::Producer);
}

#[test]
fn fences_end_with_whoever_asked_for_them_and_no_wake_is_lost() {
    for end in [End::AsksNoMore, End::Leaves, End::Killed] {
        check(move || fences_end(SleepingMemory::new(4), end));
        assert_reached(&["a park", "a wake"]);
    }
}

#[test]
fn a_publisher_that_stops_without_a_fence_behind_that_is_caught() {
    fails(LOST_WAKE, || fences_end(SleepingMemory::new(4).with(Fault::NoFenceToStop), End::Leaves));
}

#[test]
fn a_publisher_that_never_stops_is_caught() {
    for end in [End::AsksNoMore, End::Leaves, End::Killed] {
        fails(FENCED, move || {
            let memory = SleepingMemory::new(4).with(Fault::AskedForEver);
            let (mut producer, _consumer) = asked_once(&memory, end);
            push(&mut producer, 1);
            memory.assert_no_fences(Role::Producer, || push(&mut producer, 2));
        });
    }
}

/// The publisher may stop, and is asked once more: what it says then is what it said before.
fn fences_are_asked_for_again(memory: SleepingMemory) {
    let (mut producer, mut consumer) = asked_once(&memory, End::AsksNoMore);
    let pushes = thread::spawn(move || (1..3).for_each(|value| push(&mut producer, value)));
    *consumer.memory_mut() = memory.of_a_sleeper(true);
    consumer.renew_sleeper();
    (1..3).for_each(|value| assert_eq!(pop_parked(&mut consumer), value));
    pushes.join().unwrap();
}

#[test]
fn a_publisher_that_stops_and_starts_loses_no_wake() {
    check(|| fences_are_asked_for_again(SleepingMemory::new(4)));
    assert_reached(&["a park"]);
}

#[test]
fn a_publisher_that_starts_without_a_fence_behind_that_is_caught() {
    fails(LOST_WAKE, || fences_are_asked_for_again(SleepingMemory::new(4).with(Fault::NoFenceToStart)));
}
