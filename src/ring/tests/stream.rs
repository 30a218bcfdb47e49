//! The scenarios of the stream ring.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use super::detach::detach;
use super::{InSegment, Memory, OnHeap, Place, Word, start_at};
use crate::error::Role;
use crate::ring::error::{Broken, Corrupted, PopError, PushError, SharedWord};
use crate::ring::presence::{self, Presence};
use crate::ring::stream::{Consumer, Element, Producer};

/// Pauses before some looks, at most so often.
const PACED: u32 = 3;
/// Pauses before no look.
const EAGER: u32 = 0;

type Pair<T, P> = (Producer<T, <P as Place>::Memory>, Consumer<T, <P as Place>::Memory>);

fn pair<T: Element, P: Place>(capacity: usize, pauses: u32) -> Pair<T, P> {
    pair_at::<T, P>(capacity, pauses, 0)
}

#[track_caller]
fn pair_at<T: Element, P: Place>(capacity: usize, pauses: u32, position: u64) -> Pair<T, P> {
    let (producer, consumer) = P::memories::<T>(capacity);
    start_at(&producer, position);
    let producer = Producer::attach(producer, capacity, EAGER).expect("the positions are equal");
    (producer, Consumer::attach(consumer, capacity, pauses).expect("the positions are equal"))
}

/// Misuses one of the ends.
type Attempt<P> = fn(&mut Producer<u64, <P as Place>::Memory>, &mut Consumer<u64, <P as Place>::Memory>);

/// Pushes consecutive numbers.
#[track_caller]
fn push_all<M: Memory>(producer: &mut Producer<u64, M>, numbers: std::ops::Range<u64>) {
    numbers.for_each(|number| assert_eq!(producer.push(number), Ok(())));
}

/// Pops consecutive numbers.
#[track_caller]
fn pop_all<M: Memory>(consumer: &mut Consumer<u64, M>, numbers: std::ops::Range<u64>) {
    numbers.for_each(|number| assert_eq!(consumer.pop(), Ok(number)));
}

fn a_new_ring_is_empty_and_holds_its_capacity<P: Place>() {
    for capacity in [1, 2, 8, 1024] {
        let (mut producer, mut consumer) = pair::<u64, P>(capacity, PACED);
        assert_eq!((consumer.pop(), consumer.available()), (Err(PopError::Empty), Ok(0)));
        assert_eq!((producer.free(), producer.capacity()), (Ok(capacity), capacity));
        push_all(&mut producer, 0..capacity as u64);
        assert_eq!((producer.free(), consumer.available()), (Ok(0), Ok(capacity)));
        pop_all(&mut consumer, 0..capacity as u64);
        assert_eq!(consumer.pop(), Err(PopError::Empty));
        assert_eq!(producer.free(), Ok(capacity));
    }
}

fn push_to_a_full_ring_returns_the_element<P: Place>() {
    let (mut producer, mut consumer) = pair::<u64, P>(2, EAGER);
    push_all(&mut producer, 0..2);
    assert_eq!(producer.push(7), Err(PushError::Full(7)));
    assert_eq!(producer.push(8).unwrap_err().into_value(), Some(8));
    pop_all(&mut consumer, 0..1);
    assert_eq!(producer.push(2), Ok(()));
    pop_all(&mut consumer, 1..3);
}

fn elements_arrive_once_and_in_order_across_the_wraps<P: Place>() {
    for capacity in [1, 2, 4, 64] {
        for start in [0, 5, u64::MAX - 2, u64::MAX] {
            let (mut producer, mut consumer) = pair_at::<u64, P>(capacity, PACED, start);
            let mut next = 0;
            for round in 0..4 * capacity {
                let len = (1 + round % capacity) as u64;
                push_all(&mut producer, next..next + len);
                pop_all(&mut consumer, next..next + len);
                next += len;
            }
        }
    }
}

fn every_geometry_of_element_arrives_as_it_was<P: Place>() {
    #[track_caller]
    fn arrives<T: Element + PartialEq + Debug, P: Place>(values: [T; 3]) {
        let (mut producer, mut consumer) = pair::<T, P>(2, EAGER);
        for value in values {
            assert_eq!(producer.push(value), Ok(()));
            assert_eq!(consumer.pop(), Ok(value));
        }
    }
    arrives::<u8, P>([1, 2, 255]);
    arrives::<[u8; 3], P>([[1, 2, 3], [4, 5, 6], [7, 8, 9]]);
    arrives::<u16, P>([1, 256, u16::MAX]);
    arrives::<f32, P>([1.5, -0.0, f32::MAX]);
    arrives::<u128, P>([1, 1 << 64, u128::MAX]);
    arrives::<[u64; 8], P>([[1; 8], [2; 8], [u64::MAX; 8]]);
    arrives::<[u32; 5], P>([[1; 5], [2; 5], [u32::MAX; 5]]);
    arrives::<[u64; 512], P>([[1; 512], [2; 512], [u64::MAX; 512]]);
}

fn a_slice_is_pushed_as_far_as_it_fits<P: Place>() {
    let (mut producer, mut consumer) = pair_at::<u64, P>(4, EAGER, 3);
    let numbers: Vec<u64> = (0..6).collect();
    assert_eq!(producer.push_slice(&numbers[..3]), Ok(3));
    assert_eq!(producer.push_slice(&numbers[3..]), Ok(1));
    assert!(matches!(producer.push_slice(&numbers[4..]), Err(PushError::Full(_))));
    assert_eq!(producer.push_slice(&[]), Ok(0));
    let mut popped = [9; 6];
    assert_eq!(consumer.pop_slice(&mut popped[..1]), Ok(1));
    assert_eq!(consumer.pop_slice(&mut popped[1..]), Ok(3));
    assert_eq!(popped, [0, 1, 2, 3, 9, 9]);
    assert_eq!(consumer.pop_slice(&mut popped), Err(PopError::Empty));
    assert_eq!(consumer.pop_slice(&mut []), Ok(0));
}

fn a_claim_is_visible_once_it_is_committed<P: Place>() {
    let (mut producer, mut consumer) = pair_at::<u64, P>(4, EAGER, 2);
    let mut claim = producer.claim(3).unwrap();
    assert_eq!((claim.len(), claim.is_empty(), claim.parts()), (3, false, (2, 1)));
    claim.set(2, 12);
    claim.copy_from_slice(0, &[10, 11]);
    assert_eq!(consumer.pop(), Err(PopError::Empty));
    claim.commit();
    pop_all(&mut consumer, 10..13);
    assert_eq!(consumer.pop(), Err(PopError::Empty));
}

fn a_claim_that_is_dropped_was_never_there<P: Place>() {
    let (mut producer, mut consumer) = pair::<u64, P>(4, EAGER);
    producer.claim(4).unwrap().set(0, 99);
    producer.claim(4).unwrap().abort();
    assert_eq!(consumer.pop(), Err(PopError::Empty));
    assert_eq!(producer.free(), Ok(4));
    push_all(&mut producer, 0..4);
    pop_all(&mut consumer, 0..4);
}

fn a_claim_is_committed_in_part<P: Place>() {
    let (mut producer, mut consumer) = pair::<u64, P>(8, EAGER);
    let mut claim = producer.claim(8).unwrap();
    let filled = claim.fill(0..3);
    assert_eq!(filled, 3);
    claim.commit_first(filled);
    let mut claim = producer.claim(2).unwrap();
    assert_eq!(claim.fill(3..), 2);
    claim.commit();
    producer.claim(3).unwrap().commit_first(0);
    pop_all(&mut consumer, 0..5);
    assert_eq!(consumer.pop(), Err(PopError::Empty));
}

fn a_claim_takes_what_is_free_and_no_more<P: Place>() {
    let (mut producer, mut consumer) = pair_at::<u64, P>(4, EAGER, 3);
    assert_eq!(producer.claim(5).unwrap_err(), PushError::TooLong { len: 5, max: 4 });
    assert_eq!(producer.claim_up_to(9).unwrap().len(), 4);
    assert_eq!(producer.claim_contiguous(9).unwrap().parts(), (1, 0));
    assert!(producer.claim(0).unwrap().is_empty());
    push_all(&mut producer, 0..3);
    assert_eq!(producer.claim(2).unwrap_err(), PushError::Full(1));
    assert_eq!(producer.claim_up_to(2).unwrap().len(), 1);
    push_all(&mut producer, 3..4);
    assert_eq!(producer.claim_up_to(1).unwrap_err(), PushError::Full(0));
    assert!(producer.claim_up_to(0).unwrap().is_empty());
    pop_all(&mut consumer, 0..4);
}

fn a_peek_leaves_the_elements_until_they_are_released<P: Place>() {
    let (mut producer, mut consumer) = pair_at::<u64, P>(4, PACED, 2);
    push_all(&mut producer, 0..4);
    assert_eq!(consumer.peek(3).unwrap().len(), 3);
    let peek = consumer.peek(3).unwrap();
    assert_eq!((peek.len(), peek.is_empty(), peek.parts()), (3, false, (2, 1)));
    assert_eq!((peek.get(0), peek.get(2), peek.get(3)), (Some(0), Some(2), None));
    let mut elements = [9; 2];
    peek.copy_to_slice(1, &mut elements);
    assert_eq!((elements, peek.iter().len()), ([1, 2], 3));
    assert_eq!(peek.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(producer.push(4), Err(PushError::Full(4)));
    peek.release_first(2);
    push_all(&mut producer, 4..6);
    assert_eq!(consumer.peek_up_to(9).unwrap().iter().collect::<Vec<_>>(), [2, 3, 4, 5]);
    consumer.peek(4).unwrap().release();
    assert_eq!(consumer.pop(), Err(PopError::Empty));
    assert_eq!(producer.free(), Ok(4));
}

fn a_peek_takes_what_is_there_and_no_more<P: Place>() {
    let (mut producer, mut consumer) = pair_at::<u64, P>(4, EAGER, 3);
    assert_eq!(consumer.peek(5).unwrap_err(), PopError::TooLong { len: 5, max: 4 });
    assert_eq!(consumer.peek(1).unwrap_err(), PopError::Empty);
    assert_eq!(consumer.peek_up_to(1).unwrap_err(), PopError::Empty);
    assert!(consumer.peek(0).unwrap().is_empty());
    assert!(consumer.peek_up_to(0).unwrap().is_empty());
    push_all(&mut producer, 0..3);
    assert_eq!(consumer.peek(4).unwrap_err(), PopError::Short { available: 3, len: 4 });
    assert_eq!(consumer.peek_up_to(4).unwrap().parts(), (1, 2));
    assert_eq!(consumer.peek_contiguous(4).unwrap().parts(), (1, 0));
}

fn an_index_outside_a_claim_or_a_peek_panics_and_harms_nothing<P: Place>() {
    let (mut producer, mut consumer) = pair::<u64, P>(4, EAGER);
    let mut panics = |attempt: Attempt<P>| {
        let attempt = catch_unwind(AssertUnwindSafe(|| attempt(&mut producer, &mut consumer)));
        assert!(attempt.is_err());
    };
    panics(|producer, _| producer.claim(2).unwrap().set(2, 0));
    panics(|producer, _| producer.claim(2).unwrap().copy_from_slice(1, &[0, 0]));
    panics(|producer, _| producer.claim(2).unwrap().copy_from_slice(usize::MAX, &[0, 0]));
    panics(|producer, _| producer.claim(2).unwrap().commit_first(3));
    panics(|producer, _| {
        producer.claim(2).unwrap().fill((0..2).inspect(|&number| assert_eq!(number, 0)));
    });
    panics(|_, consumer| consumer.peek_up_to(0).unwrap().copy_to_slice(0, &mut [0]));
    panics(|_, consumer| consumer.peek_up_to(0).unwrap().release_first(1));
    assert_eq!(consumer.pop(), Err(PopError::Empty));
    push_all(&mut producer, 0..4);
    pop_all(&mut consumer, 0..4);
}

fn a_slot_is_free_when_its_pop_returns<P: Place>() {
    for pauses in [EAGER, PACED] {
        let (mut producer, mut consumer) = pair::<u64, P>(16, pauses);
        push_all(&mut producer, 0..16);
        for popped in 1..=4 {
            pop_all(&mut consumer, popped - 1..popped);
            assert_eq!(producer.free(), Ok(popped as usize));
        }
        assert_eq!(consumer.pop_slice(&mut [0; 3]), Ok(3));
        assert_eq!(producer.free(), Ok(7));
        consumer.peek(4).unwrap().release_first(2);
        assert_eq!(producer.free(), Ok(9));
        drop(consumer.peek(4).unwrap());
        std::mem::forget(consumer.peek(4).unwrap());
        assert_eq!((producer.free(), consumer.position()), (Ok(9), 9));
        push_all(&mut producer, 16..25);
        assert_eq!(producer.push(25), Err(PushError::Full(25)));
        pop_all(&mut consumer, 9..25);
    }
}

fn an_end_that_leaves_says_so<P: Place>() {
    let (mut producer, mut consumer) = pair::<u64, P>(64, PACED);
    push_all(&mut producer, 0..64);
    pop_all(&mut consumer, 0..5);
    detach(&consumer.memory, Role::Consumer, 1, true);
    assert_eq!(producer.free(), Ok(5));
    assert_eq!(presence::observe(producer.memory.presence(Role::Consumer)), Presence::Left { generation: 1 });
    detach(&producer.memory, Role::Producer, 1, true);
    assert_eq!(presence::observe(consumer.memory.presence(Role::Producer)), Presence::Left { generation: 1 });
}

fn who_follows_goes_on_where_the_last_one_stopped<P: Place>() {
    let (first, memory) = P::memories::<u64>(64);
    let mut producer = Producer::<u64, _>::attach(first, 64, EAGER).unwrap();
    let mut consumer = Consumer::<u64, _>::attach(memory, 64, EAGER).unwrap();
    push_all(&mut producer, 0..20);
    pop_all(&mut consumer, 0..10);
    // Both end without a word; the memory stays.
    let mut producer = Producer::<u64, _>::attach(producer.into_memory(), 64, EAGER).unwrap();
    let mut consumer = Consumer::<u64, _>::attach(consumer.into_memory(), 64, PACED).unwrap();
    push_all(&mut producer, 20..22);
    // What was popped never comes again.
    pop_all(&mut consumer, 10..22);
    assert_eq!(consumer.pop(), Err(PopError::Empty));
}

fn an_impossible_head_poisons_the_producer<P: Place>() {
    for start in [0, 1000, u64::MAX - 1] {
        for lie in [5, u64::MAX, 1 << 63] {
            let (mut producer, mut consumer) = pair_at::<u64, P>(4, EAGER, start);
            push_all(&mut producer, 0..4);
            pop_all(&mut consumer, 0..2);
            assert_eq!(producer.is_ready(2), Ok(true));
            let found = start.wrapping_add(lie);
            producer.memory.head().store(found, Ordering::Relaxed);
            let cause = Corrupted {
                word: SharedWord::Head,
                found,
                lowest: start.wrapping_add(2),
                highest: start.wrapping_add(4),
                step: 1,
            };
            assert_eq!(producer.free(), Err(cause.into()));
            assert_eq!(producer.is_ready(3), Err(cause.into()));
            // It stays so, also when the word is right again.
            producer.memory.head().store(start.wrapping_add(2), Ordering::Relaxed);
            assert_eq!(producer.push(7), Err(PushError::Broken { value: 7, cause: Broken::Corrupted(cause) }));
            assert_eq!(producer.push_slice(&[7]), Err(PushError::Broken { value: 0, cause: Broken::Corrupted(cause) }));
            assert_eq!(producer.claim(1).unwrap_err(), PushError::Broken { value: 0, cause: Broken::Corrupted(cause) });
            assert_eq!(
                producer.claim_up_to(1).unwrap_err(),
                PushError::Broken { value: 0, cause: Broken::Corrupted(cause) }
            );
        }
    }
}

fn a_head_that_goes_back_poisons_the_producer<P: Place>() {
    let (mut producer, mut consumer) = pair::<u64, P>(4, EAGER);
    push_all(&mut producer, 0..4);
    pop_all(&mut consumer, 0..2);
    assert_eq!((producer.free(), producer.is_ready(2)), (Ok(2), Ok(true)));
    producer.memory.head().store(1, Ordering::Relaxed);
    let cause = Corrupted { word: SharedWord::Head, found: 1, lowest: 2, highest: 4, step: 1 };
    assert_eq!(producer.free(), Err(cause.into()));
}

fn an_impossible_tail_poisons_the_consumer<P: Place>() {
    for start in [0, 1000, u64::MAX - 1] {
        for lie in [5, u64::MAX, 1 << 63] {
            let (producer, mut consumer) = pair_at::<u64, P>(4, EAGER, start);
            let found = start.wrapping_add(lie);
            producer.memory.tail().store(found, Ordering::Relaxed);
            let (lowest, highest) = (start, start.wrapping_add(4));
            let cause = Corrupted { word: SharedWord::Tail, found, lowest, highest, step: 1 };
            assert_eq!(consumer.pop(), Err(PopError::Broken(Broken::Corrupted(cause))));
            // It stays so, also when the word is right again.
            producer.memory.tail().store(start.wrapping_add(1), Ordering::Relaxed);
            assert_eq!(consumer.pop(), Err(PopError::Broken(Broken::Corrupted(cause))));
            assert_eq!(consumer.pop_slice(&mut [0]), Err(PopError::Broken(Broken::Corrupted(cause))));
            assert_eq!(consumer.peek(1).unwrap_err(), PopError::Broken(Broken::Corrupted(cause)));
            assert_eq!(consumer.peek_up_to(1).unwrap_err(), PopError::Broken(Broken::Corrupted(cause)));
            assert_eq!(consumer.available(), Err(cause.into()));
        }
    }
}

fn impossible_positions_are_refused_at_attach<P: Place>() {
    let (first, second) = P::memories::<u64>(4);
    first.tail().store(5, Ordering::Relaxed);
    assert!(Producer::<u64, _>::attach(first, 4, EAGER).is_err());
    assert!(Consumer::<u64, _>::attach(second, 4, EAGER).is_err());
}

fn two_threads_see_every_element_once_and_in_order<P: Place>()
where
    P::Memory: Send,
{
    // Miri runs every step by hand.
    const COUNT: u64 = if cfg!(miri) { 200 } else { 20_000 };
    for capacity in [1, 2, 64, 1024] {
        let (mut producer, mut consumer) = pair::<u64, P>(capacity, PACED);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for number in 0..COUNT {
                    while producer.push(number).is_err() {
                        std::thread::yield_now();
                    }
                }
            });
            for number in 0..COUNT {
                let popped = loop {
                    match consumer.pop() {
                        Ok(popped) => break popped,
                        Err(PopError::Empty) => std::thread::yield_now(),
                        Err(broken) => panic!("{broken}"),
                    }
                };
                assert_eq!(popped, number);
            }
        });
    }
}

fn many_elements_are_filled_and_folded_as_they_are<P: Place>() {
    fn check<T: Element + PartialEq + Debug, P: Place>(make: fn(u64) -> T) {
        for (start, len) in [(0, 0), (0, 1), (0, 31), (7, 32), (40, 33), (60, 64)] {
            let (mut producer, mut consumer) = pair_at::<T, P>(64, EAGER, start);
            let mut claim = producer.claim(len).unwrap();
            // As many as there are slots, and no value more.
            let mut made = 0;
            let filled = claim.fill((0..100).map(|number| {
                made += 1;
                make(number)
            }));
            assert_eq!((filled, made), (len, len));
            // Fewer than there are slots.
            assert_eq!(claim.fill((0..len as u64 / 2).map(make)), len / 2);
            claim.commit();
            let peek = consumer.peek(len).unwrap();
            let expected: Vec<T> = (0..len as u64).map(make).collect();
            let folded = peek.iter().fold(Vec::new(), |mut all, element| {
                all.push(element);
                all
            });
            assert_eq!((folded, peek.iter().collect::<Vec<T>>()), (expected.clone(), expected));
            let mut rest = peek.iter();
            assert_eq!(rest.next(), (len > 0).then(|| make(0)));
            assert_eq!(rest.count(), len.saturating_sub(1));
        }
    }
    check::<u64, P>(|number| number);
    check::<[u8; 3], P>(|number| [number as u8; 3]);
    check::<[u64; 4], P>(|number| [number; 4]);
}

scenarios! {
    many_elements_are_filled_and_folded_as_they_are,
    a_new_ring_is_empty_and_holds_its_capacity,
    push_to_a_full_ring_returns_the_element,
    elements_arrive_once_and_in_order_across_the_wraps,
    every_geometry_of_element_arrives_as_it_was,
    a_slice_is_pushed_as_far_as_it_fits,
    a_claim_is_visible_once_it_is_committed,
    a_claim_that_is_dropped_was_never_there,
    a_claim_is_committed_in_part,
    a_claim_takes_what_is_free_and_no_more,
    a_peek_leaves_the_elements_until_they_are_released,
    a_peek_takes_what_is_there_and_no_more,
    an_index_outside_a_claim_or_a_peek_panics_and_harms_nothing,
    a_slot_is_free_when_its_pop_returns,
    an_end_that_leaves_says_so,
    who_follows_goes_on_where_the_last_one_stopped,
    an_impossible_head_poisons_the_producer,
    a_head_that_goes_back_poisons_the_producer,
    an_impossible_tail_poisons_the_consumer,
    impossible_positions_are_refused_at_attach,
    two_threads_see_every_element_once_and_in_order,
}
