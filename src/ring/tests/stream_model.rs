//! Random calls of the stream ring against a `VecDeque`.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use proptest::collection::vec;
use proptest::prelude::*;

use super::detach::detach;
use super::{InSegment, Memory, OnHeap, Place, Word, start_at};
use crate::error::Role;
use crate::ring::error::{PopError, PushError};
use crate::ring::stream::{Consumer, Producer};

/// One call of either end.
#[derive(Clone, Debug)]
enum Call {
    Push,
    PushSlice(usize),
    Claim { len: usize, commit: usize },
    ClaimUpTo(usize),
    ClaimAndDrop(usize),
    Pop,
    PopSlice(usize),
    Peek { len: usize, release: usize },
    PeekUpTo(usize),
    Release,
    ForgetPeek(usize),
    ProducerIsSucceeded,
    ConsumerIsSucceeded,
}

fn call() -> impl Strategy<Value = Call> {
    let len = 0..12_usize;
    prop_oneof![
        4 => Just(Call::Push),
        2 => len.clone().prop_map(Call::PushSlice),
        2 => (len.clone(), len.clone()).prop_map(|(len, commit)| Call::Claim { len, commit }),
        2 => len.clone().prop_map(Call::ClaimUpTo),
        1 => len.clone().prop_map(Call::ClaimAndDrop),
        4 => Just(Call::Pop),
        2 => len.clone().prop_map(Call::PopSlice),
        2 => (len.clone(), len.clone()).prop_map(|(len, release)| Call::Peek { len, release }),
        2 => len.prop_map(Call::PeekUpTo),
        1 => Just(Call::Release),
        1 => (0..12_usize).prop_map(Call::ForgetPeek),
        1 => Just(Call::ProducerIsSucceeded),
        1 => Just(Call::ConsumerIsSucceeded),
    ]
}

/// What the ring must do.
struct Model {
    queue: VecDeque<u64>,
    next: u64,
    capacity: usize,
}

impl Model {
    /// Takes the next `len` numbers.
    fn numbers(&mut self, len: usize) -> Vec<u64> {
        self.next += len as u64;
        (self.next - len as u64..self.next).collect()
    }

    /// Checks how many slots the producer found free: all that are, as many as it wanted.
    #[track_caller]
    fn found_free(&self, found: usize, wanted: usize) {
        assert_eq!(found, (self.capacity - self.queue.len()).min(wanted));
    }

    fn take(&mut self, len: usize) -> Vec<u64> {
        self.queue.drain(..len).collect()
    }
}

fn agrees<P: Place>(capacity: usize, pauses: u32, start: u64, calls: Vec<Call>) {
    let (first, second) = P::memories::<u64>(capacity);
    start_at(&first, start);
    let mut producer = Producer::<u64, _>::attach(first, capacity, pauses).unwrap();
    let mut consumer = Consumer::<u64, _>::attach(second, capacity, pauses).unwrap();
    let mut model = Model { queue: VecDeque::new(), next: 0, capacity };
    for call in calls {
        match call {
            Call::Push => {
                let number = model.next;
                match producer.push(number) {
                    Ok(()) => {
                        model.found_free(1, 1);
                        let numbers = model.numbers(1);
                        model.queue.extend(numbers);
                    }
                    Err(PushError::Full(back)) => {
                        assert_eq!(back, number);
                        model.found_free(0, 1);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            Call::PushSlice(len) => {
                let numbers: Vec<u64> = (model.next..).take(len).collect();
                let pushed = match producer.push_slice(&numbers) {
                    Ok(pushed) => pushed,
                    Err(PushError::Full(_)) => 0,
                    Err(error) => panic!("{error}"),
                };
                model.found_free(pushed, len);
                let numbers = model.numbers(pushed);
                model.queue.extend(numbers);
            }
            Call::Claim { len, commit } => match producer.claim(len) {
                Ok(mut claim) => {
                    model.found_free(len, len);
                    let commit = commit.min(len);
                    let numbers = model.numbers(commit);
                    assert_eq!(claim.fill(numbers.iter().copied()), commit);
                    claim.commit_first(commit);
                    model.queue.extend(numbers);
                }
                Err(PushError::Full(free)) => model.found_free(free, len),
                Err(PushError::TooLong { .. }) => assert!(len > capacity),
                Err(error) => panic!("{error}"),
            },
            Call::ClaimUpTo(most) => match producer.claim_up_to(most) {
                Ok(mut claim) => {
                    let len = claim.len();
                    model.found_free(len, most);
                    let numbers = model.numbers(len);
                    let (first, second) = claim.parts();
                    assert_eq!(first + second, len);
                    claim.copy_from_slice(first, &numbers[first..]);
                    claim.copy_from_slice(0, &numbers[..first]);
                    claim.commit();
                    model.queue.extend(numbers);
                }
                Err(PushError::Full(free)) => model.found_free(free, most),
                Err(error) => panic!("{error}"),
            },
            Call::ClaimAndDrop(most) => {
                if let Ok(mut claim) = producer.claim_up_to(most) {
                    claim.fill(std::iter::repeat(u64::MAX));
                }
            }
            Call::Pop => match consumer.pop() {
                Ok(number) => assert_eq!(Some(number), model.queue.pop_front()),
                Err(PopError::Empty) => assert!(model.queue.is_empty()),
                Err(error) => panic!("{error}"),
            },
            Call::PopSlice(len) => {
                let mut numbers = vec![0; len];
                let popped = match consumer.pop_slice(&mut numbers) {
                    Ok(popped) => popped,
                    Err(PopError::Empty) => 0,
                    Err(error) => panic!("{error}"),
                };
                assert_eq!(popped, model.queue.len().min(len));
                assert_eq!(numbers[..popped], model.take(popped));
            }
            Call::Peek { len, release } => match consumer.peek(len) {
                Ok(peek) => {
                    let numbers: Vec<u64> = model.queue.iter().copied().take(len).collect();
                    assert_eq!(peek.iter().collect::<Vec<_>>(), numbers);
                    let release = release.min(len);
                    peek.release_first(release);
                    model.take(release);
                }
                Err(PopError::Empty) => assert!(model.queue.is_empty()),
                Err(PopError::Short { available, .. }) => assert_eq!(available, model.queue.len()),
                Err(PopError::TooLong { .. }) => assert!(len > capacity),
                Err(error) => panic!("{error}"),
            },
            Call::PeekUpTo(most) => match consumer.peek_up_to(most) {
                Ok(peek) => {
                    let mut numbers = vec![0; peek.len()];
                    peek.copy_to_slice(0, &mut numbers);
                    peek.release();
                    assert_eq!(numbers.len(), model.queue.len().min(most));
                    assert_eq!(numbers, model.take(numbers.len()));
                }
                Err(PopError::Empty) => assert!(model.queue.is_empty()),
                Err(error) => panic!("{error}"),
            },
            Call::ForgetPeek(most) => {
                if let Ok(peek) = consumer.peek_up_to(most) {
                    std::mem::forget(peek);
                }
            }
            Call::Release => {
                consumer.release();
                assert_eq!(producer.free(), Ok(capacity - model.queue.len()));
            }
            Call::ProducerIsSucceeded => {
                producer = Producer::attach(producer.into_memory(), capacity, pauses).unwrap();
            }
            Call::ConsumerIsSucceeded => {
                detach(&consumer.memory, Role::Consumer, 1, true);
                consumer = Consumer::attach(consumer.into_memory(), capacity, pauses).unwrap();
            }
        }
        let end = start.wrapping_add(model.next);
        assert_eq!(producer.position(), end);
        assert_eq!(consumer.position(), end.wrapping_sub(model.queue.len() as u64));
        assert_eq!(consumer.memory.head().load(Ordering::Relaxed), consumer.position());
    }
    let mut rest = vec![0; capacity];
    let popped = consumer.pop_slice(&mut rest).unwrap_or(0);
    assert_eq!(rest[..popped], model.queue.make_contiguous()[..]);
}

fn capacity() -> impl Strategy<Value = usize> {
    (0..6_u32).prop_map(|power| 1 << power)
}

fn start() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), any::<u64>(), u64::MAX - 40..=u64::MAX]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_calls_on_the_heap_agree_with_a_queue(
        capacity in capacity(), pauses in 0..3_u32, start in start(), calls in vec(call(), 0..200),
    ) {
        agrees::<OnHeap>(capacity, pauses, start, calls);
    }

    #[cfg(not(miri))]
    #[test]
    fn random_calls_in_a_segment_agree_with_a_queue(
        capacity in capacity(), pauses in 0..3_u32, start in start(), calls in vec(call(), 0..200),
    ) {
        agrees::<InSegment>(capacity, pauses, start, calls);
    }
}
