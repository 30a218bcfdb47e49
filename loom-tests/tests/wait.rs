//! The turns of a wait: what was sent is found before an end is told, an end before the time is over, and nobody sleeps
//! through either.

use loom::thread;
use loom_tests::internals::Internals;
use loom_tests::model::{assert_reached, check, consumer, fails, pop, producer, push, reached};
use loom_tests::ring::memory::{Memory, Role};
use loom_tests::ring::presence;
use loom_tests::ring::stream::{Consumer, Producer};
use loom_tests::sleeping::{Fault, LOST_WAKE, SleepingMemory};
use loom_tests::waits::{CheckedLimit, Order, WaitError, WaitsInOrder};

/// What a model says of an end that is told in front of what was sent.
const TOLD_EARLY: &str = "told of an end before the data";

/// What a model says of a wait that does not find what is there.
const NOT_FOUND: &str = "a wait did not find what is there";

/// How a holder ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Leaves,
    Killed,
}

impl End {
    fn error(self) -> WaitError {
        match self {
            End::Leaves => WaitError::Closed,
            End::Killed => WaitError::Crashed,
        }
    }

    /// Returns the memory as the end sees it that waits: a death wakes nobody.
    fn as_seen(self, memory: &SleepingMemory) -> SleepingMemory {
        match self {
            End::Leaves => memory.clone(),
            End::Killed => memory.that_naps(),
        }
    }
}

/// A producer that is attached.
struct Sender {
    producer: Producer<u64, SleepingMemory>,
    generation: u64,
}

impl Sender {
    fn comes(memory: &SleepingMemory) -> Sender {
        memory.hold(Role::Producer, true);
        let mut producer = producer(memory.clone());
        let generation = presence::store_attached(memory.presence(Role::Producer), &[]);
        producer.wake();
        Sender { producer, generation }
    }

    /// Sends an element, and stays.
    fn sends(mut self, value: u64) -> Sender {
        push(&mut self.producer, value);
        self
    }

    /// Sends an element, and ends.
    fn ends(mut self, value: u64, end: End) {
        push(&mut self.producer, value);
        if end == End::Leaves {
            self.producer.leave(self.generation);
        }
        self.producer.memory().hold(Role::Producer, false);
    }
}

/// A consumer that is attached.
struct Receiver {
    consumer: Consumer<u64, SleepingMemory>,
    generation: u64,
}

impl Receiver {
    fn comes(memory: &SleepingMemory) -> Receiver {
        memory.hold(Role::Consumer, true);
        let mut consumer = consumer(memory.clone());
        let generation = presence::store_attached(memory.presence(Role::Consumer), &[]);
        consumer.wake();
        Receiver { consumer, generation }
    }

    /// Takes an element, and stays.
    fn takes(mut self, value: u64) -> Receiver {
        assert_eq!(pop(&mut self.consumer), value);
        self
    }

    /// Takes an element, and ends.
    fn ends(mut self, value: u64, end: End) {
        assert_eq!(pop(&mut self.consumer), value);
        if end == End::Leaves {
            self.consumer.leave(self.generation);
        }
        self.consumer.memory().hold(Role::Consumer, false);
    }
}

/// Pops all that comes, and returns it with the reason why no more will come.
fn receive(consumer: &mut Consumer<u64, SleepingMemory>, order: Order) -> (Vec<u64>, WaitError) {
    let mut popped = Vec::new();
    loop {
        match consumer.wait(1, CheckedLimit::Endless, order) {
            Ok(()) => popped.push(consumer.pop().expect(NOT_FOUND)),
            Err(error) => return (popped, error),
        }
    }
}

/// A consumer waits for all that a producer sends, and for its end.
fn a_producer_ends(memory: SleepingMemory, end: End, order: Order) {
    let mut consumer = consumer(end.as_seen(&memory));
    let sender = Sender::comes(&memory);
    let holder = thread::spawn(move || sender.ends(0, end));
    let received = receive(&mut consumer, order);
    assert_eq!(received, (vec![0], end.error()), "{TOLD_EARLY}");
    // It is told again by each further call.
    assert_eq!(consumer.wait(1, CheckedLimit::Endless, order), Err(end.error()));
    holder.join().unwrap();
}

#[test]
fn a_consumer_that_waits_finds_the_data_before_the_end() {
    for end in [End::Leaves, End::Killed] {
        check(move || a_producer_ends(SleepingMemory::new(1), end, Order::Shipped));
    }
}

#[test]
fn a_wait_that_asks_for_the_end_after_it_has_checked_the_ring_is_caught() {
    for end in [End::Leaves, End::Killed] {
        fails(TOLD_EARLY, move || a_producer_ends(SleepingMemory::new(1), end, Order::RingBeforeEnd));
    }
}

#[test]
fn a_wait_that_sleeps_through_an_end_is_caught() {
    for order in [Order::EndBeforePresence, Order::EndAfterSleep] {
        fails(LOST_WAKE, move || a_producer_ends(SleepingMemory::new(1), End::Leaves, order));
    }
}

#[test]
fn a_wait_for_an_end_needs_the_count_of_wakes() {
    for fault in [Fault::NotCounted, Fault::CountedLate] {
        fails(LOST_WAKE, move || {
            a_producer_ends(SleepingMemory::new(1).with(fault), End::Leaves, Order::Shipped);
        });
    }
}

/// A producer waits at a full ring. The consumer takes an element and ends.
fn a_consumer_ends(memory: SleepingMemory, end: End, order: Order) {
    let mut producer = producer(end.as_seen(&memory));
    push(&mut producer, 0);
    let receiver = Receiver::comes(&memory);
    let holder = thread::spawn(move || receiver.ends(0, end));
    assert_eq!(producer.wait(1, CheckedLimit::Endless, order), Ok(()), "{TOLD_EARLY}");
    producer.push(1).expect(NOT_FOUND);
    assert_eq!(producer.wait(1, CheckedLimit::Endless, order), Err(end.error()));
    holder.join().unwrap();
}

#[test]
fn a_producer_that_waits_finds_the_room_before_the_end() {
    for end in [End::Leaves, End::Killed] {
        check(move || a_consumer_ends(SleepingMemory::new(1), end, Order::Shipped));
    }
}

#[test]
fn a_producer_that_waits_in_another_order_is_caught() {
    fails(TOLD_EARLY, || a_consumer_ends(SleepingMemory::new(1), End::Leaves, Order::RingBeforeEnd));
    fails(LOST_WAKE, || a_consumer_ends(SleepingMemory::new(1), End::Leaves, Order::EndBeforePresence));
    fails(LOST_WAKE, || a_consumer_ends(SleepingMemory::new(1), End::Leaves, Order::EndAfterSleep));
}

/// The time of a wait is over when it begins. What is there by then is found, and an end is told.
fn the_time_is_over(memory: SleepingMemory, order: Order) {
    let mut consumer = consumer(memory.clone());
    let sender = Sender::comes(&memory);
    let holder = thread::spawn(move || sender.ends(0, End::Leaves));
    if consumer.wait(1, CheckedLimit::Over, order) == Err(WaitError::TimedOut) {
        reached("nothing is there");
    }
    holder.join().unwrap();
    assert_eq!(consumer.wait(1, CheckedLimit::Over, order), Ok(()), "{NOT_FOUND}");
    assert_eq!(consumer.pop(), Ok(0));
    assert_eq!(consumer.wait(1, CheckedLimit::Over, order), Err(WaitError::Closed), "{NOT_FOUND}");
}

#[test]
fn a_wait_whose_time_is_over_finds_what_is_there_and_then_the_end() {
    check(|| the_time_is_over(SleepingMemory::new(1), Order::Shipped));
    assert_reached(&["nothing is there"]);
}

#[test]
fn a_wait_that_looks_at_the_time_first_is_caught() {
    fails(NOT_FOUND, || the_time_is_over(SleepingMemory::new(1), Order::TimeBeforeRing));
}

/// A consumer awaits a successor of its producer, which has sent an element and ended.
fn a_producer_is_succeeded(memory: SleepingMemory, end: End, order: Order) {
    let mut consumer = consumer(memory.clone());
    consumer.await_successor();
    Sender::comes(&memory).ends(0, end);
    assert_eq!(consumer.wait(1, CheckedLimit::Endless, order), Ok(()));
    assert_eq!(consumer.pop(), Ok(0));
    // It stays: an end that leaves wakes in any case.
    let holder = thread::spawn(move || Sender::comes(&memory).sends(1));
    assert_eq!(consumer.wait(1, CheckedLimit::Endless, order), Ok(()));
    assert_eq!(consumer.pop(), Ok(1));
    holder.join().unwrap();
}

/// A producer waits at a full ring for a successor of its consumer, which has taken an element and ended.
fn a_consumer_is_succeeded(memory: SleepingMemory, end: End, order: Order) {
    let mut producer = producer(memory.clone());
    producer.await_successor();
    push(&mut producer, 0);
    Receiver::comes(&memory).ends(0, end);
    push(&mut producer, 1);
    let holder = thread::spawn(move || Receiver::comes(&memory).takes(1));
    assert_eq!(producer.wait(1, CheckedLimit::Endless, order), Ok(()));
    producer.push(2).expect(NOT_FOUND);
    holder.join().unwrap();
}

#[test]
fn a_wait_for_the_successor_of_a_producer_outlasts_the_end_of_the_first() {
    for end in [End::Leaves, End::Killed] {
        check(move || a_producer_is_succeeded(SleepingMemory::new(1), end, Order::Shipped));
    }
}

#[test]
fn a_wait_for_the_successor_of_a_consumer_outlasts_the_end_of_the_first() {
    for end in [End::Leaves, End::Killed] {
        check(move || a_consumer_is_succeeded(SleepingMemory::new(1), end, Order::Shipped));
    }
}

#[test]
fn a_successor_that_wakes_nobody_or_too_early_is_caught() {
    for fault in [Fault::NoFenceToPublish, Fault::NoFenceToSleep, Fault::NotCounted, Fault::CountedLate] {
        let memory = move || SleepingMemory::new(1).with(fault);
        fails(LOST_WAKE, move || a_producer_is_succeeded(memory(), End::Killed, Order::Shipped));
        fails(LOST_WAKE, move || a_consumer_is_succeeded(memory(), End::Killed, Order::Shipped));
    }
}
