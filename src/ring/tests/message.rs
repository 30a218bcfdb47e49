//! The scenarios of the message ring: what is sent is what arrives.

use std::fmt::Debug;
use std::io::IoSlice;
use std::sync::atomic::Ordering;

use bytemuck::{AnyBitPattern, NoUninit};

use super::detach::detach;
use super::{InSegment, Memory, OnHeap, Place, Word, start_at};
use crate::error::Role;
use crate::ring::error::{PopError, PushError};
use crate::ring::message::{Consumer, Geometry, Producer};
use crate::ring::presence::{self, Presence};

/// Pauses before some looks, at most so often.
pub(super) const PACED: u32 = 3;
/// Pauses before no look.
pub(super) const EAGER: u32 = 0;

/// Distances of which the starts of records are multiples.
pub(super) const ALIGNS: [usize; 4] = [8, 16, 32, 64];

pub(super) type Pair<P> = (Producer<<P as Place>::Memory>, Consumer<<P as Place>::Memory>);

/// The smallest rings that there can be.
pub(super) fn smallest<P: Place>() -> [Geometry; 4] {
    ALIGNS.map(|align| Geometry::new(P::SMALLEST, align))
}

pub(super) fn pair<P: Place>(geometry: Geometry, pauses: u32) -> Pair<P> {
    pair_at::<P>(geometry, pauses, 0)
}

#[track_caller]
pub(super) fn pair_at<P: Place>(geometry: Geometry, pauses: u32, position: u64) -> Pair<P> {
    let (producer, consumer) = P::message_memories(geometry);
    start_at(&producer, position);
    let producer = Producer::attach(producer, geometry, EAGER).expect("the positions are equal");
    (producer, Consumer::attach(consumer, geometry, pauses).expect("the positions are equal"))
}

/// Makes a ring with messages of these lengths in it, all of which the consumer saw when it came.
#[track_caller]
pub(super) fn filled<P: Place>(geometry: Geometry, pauses: u32, lens: impl IntoIterator<Item = usize>) -> Pair<P> {
    let (producer, consumer) = P::message_memories(geometry);
    let mut producer = Producer::attach(producer, geometry, EAGER).expect("the positions are equal");
    lens.into_iter().for_each(|len| push(&mut producer, len));
    (producer, Consumer::attach(consumer, geometry, pauses).expect("the messages fit the ring"))
}

/// Returns a message of `len` bytes, unlike any that is a little shorter or longer.
pub(super) fn message(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 256 + len * 31 + 1) as u8).collect()
}

#[track_caller]
pub(super) fn push<M: Memory>(producer: &mut Producer<M>, len: usize) {
    assert_eq!(producer.push(&message(len)), Ok(()), "{len} bytes");
}

#[track_caller]
pub(super) fn pop<M: Memory>(consumer: &mut Consumer<M>, len: usize) {
    let mut bytes = vec![0; len];
    assert_eq!((consumer.pop(&mut bytes), bytes), (Ok(len), message(len)));
}

#[track_caller]
pub(super) fn is_empty<M: Memory>(consumer: &mut Consumer<M>) {
    assert_eq!((consumer.is_empty(), consumer.pop(&mut [])), (Ok(true), Err(PopError::Empty)));
}

/// Returns the head that the producer can see.
pub(super) fn published<M: Memory>(producer: &Producer<M>) -> u64 {
    producer.memory.head().load(Ordering::Relaxed)
}

fn a_new_ring_is_empty<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, PACED);
        is_empty(&mut consumer);
        assert_eq!(consumer.pop_into(&mut vec![7]), Err(PopError::Empty));
        assert_eq!(consumer.pop_value::<u64>(), Err(PopError::Empty));
        assert_eq!(consumer.peek().map(|record| record.len()), Err(PopError::Empty));
        assert_eq!(producer.can_push(geometry.max_len()), Ok(true));
        assert_eq!((producer.kind.geometry, consumer.kind.geometry), (geometry, geometry));
    }
}

fn a_message_of_every_length_arrives_as_it_was<P: Place>() {
    for geometry in smallest::<P>() {
        let max = geometry.max_len();
        let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
        let mut bytes = Vec::new();
        for len in (0..=130).chain([max - 1, max]) {
            push(&mut producer, len);
            assert_eq!((consumer.pop_into(&mut bytes), &bytes), (Ok(len), &message(len)));
        }
        is_empty(&mut consumer);
    }
}

fn messages_of_every_length_lie_side_by_side<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, PACED);
        for len in 0..=130.min(geometry.max_len() - 2 * geometry.alignment()) {
            // The ends of all three are told apart, and a neighbour that was written over is seen.
            let lens = [len, 0, len % 9];
            let fits = lens.iter().map(|&len| geometry.size(len)).sum::<u64>() <= geometry.max_used();
            let lens = if fits { &lens[..] } else { &lens[..2] };
            lens.iter().for_each(|&len| push(&mut producer, len));
            lens.iter().for_each(|&len| pop(&mut consumer, len));
        }
        is_empty(&mut consumer);
    }
}

fn a_message_that_is_too_long_is_refused<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
        let max = geometry.max_len();
        let long = message(max + 1);
        let refused = PushError::TooLong { len: max + 1, max };
        assert_eq!(producer.push(&long), Err(refused));
        assert_eq!(producer.push_vectored(&[&long[..max], &long[max..]].map(IoSlice::new)), Err(refused));
        assert_eq!(producer.claim(max + 1).unwrap_err(), refused);
        assert_eq!(producer.push_value(&[[0_u8; 4096]; 2]), Err(PushError::TooLong { len: 8192, max }));
        assert_eq!((producer.can_push(max + 1), producer.can_push(usize::MAX)), (Ok(false), Ok(false)));
        assert_eq!(producer.claim(usize::MAX).unwrap_err(), PushError::TooLong { len: usize::MAX, max });
        let mut batch = producer.batch();
        assert_eq!(batch.push(&long), Err(refused));
        assert_eq!(batch.push_vectored(&[IoSlice::new(&long)]), Err(refused));
        assert_eq!(batch.push_value(&[[0_u8; 4096]; 2]), Err(PushError::TooLong { len: 8192, max }));
        assert_eq!(batch.claim(max + 1).unwrap_err(), refused);
        batch.commit();
        is_empty(&mut consumer);
        push(&mut producer, max);
        pop(&mut consumer, max);
    }
}

fn exactly_the_largest_record_fits_an_empty_ring<P: Place>() {
    for geometry in smallest::<P>() {
        let (max, align) = (geometry.max_len(), geometry.alignment());
        for start in [0, (align as u64).wrapping_neg()] {
            let (mut producer, mut consumer) = pair_at::<P>(geometry, EAGER, start);
            push(&mut producer, max);
            assert!(matches!((producer.push(&[]), producer.can_push(0)), (Err(PushError::Full(_)), Ok(false))));
            pop(&mut consumer, max);
            push(&mut producer, 0);
            assert!(matches!(producer.push(&message(max)), Err(PushError::Full(_))));
            assert!(matches!(producer.push(&message(max - align + 1)), Err(PushError::Full(_))));
            push(&mut producer, max - align);
            assert!(matches!(producer.push(&[]), Err(PushError::Full(_))));
            pop(&mut consumer, 0);
            pop(&mut consumer, max - align);
            is_empty(&mut consumer);
        }
    }
}

fn a_full_ring_has_room_again_after_a_read<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
        let count = (geometry.max_used() / geometry.size(24)) as usize;
        (0..count).for_each(|_| push(&mut producer, 24));
        assert!(matches!((producer.push(&message(24)), producer.can_push(24)), (Err(PushError::Full(_)), Ok(false))));
        assert!(matches!(producer.push_value(&[0_u64; 3]), Err(PushError::Full(_))));
        assert!(matches!(producer.push_vectored(&[IoSlice::new(&message(24))]), Err(PushError::Full(_))));
        assert!(matches!(producer.claim(24), Err(PushError::Full(_))));
        for _ in 0..count {
            pop(&mut consumer, 24);
            assert_eq!(producer.can_push(24), Ok(true));
            push(&mut producer, 24);
        }
    }
}

fn messages_arrive_once_and_in_order_across_the_wraps<P: Place>() {
    for geometry in smallest::<P>() {
        let align = geometry.alignment() as u64;
        for start in [0, 5 * align, (3 * align).wrapping_neg(), align.wrapping_neg()] {
            let (mut producer, mut consumer) = pair_at::<P>(geometry, PACED, start);
            for round in 0..3 * P::SMALLEST / 16 {
                let lens = [round % 23, (round * 7) % 49, 40];
                lens.into_iter().for_each(|len| push(&mut producer, len.min(geometry.max_len() / 4)));
                lens.into_iter().for_each(|len| pop(&mut consumer, len.min(geometry.max_len() / 4)));
            }
            is_empty(&mut consumer);
        }
    }
}

/// A value with a size of 65 bytes.
#[derive(Clone, Copy, Debug, PartialEq, NoUninit, AnyBitPattern)]
#[repr(C)]
struct Odd([u8; 32], [u8; 32], u8);

fn a_value_of_every_size_arrives_as_it_was<P: Place>() {
    #[track_caller]
    fn arrives<T: NoUninit + AnyBitPattern + PartialEq + Debug, P: Place>(value: T) {
        for geometry in smallest::<P>() {
            let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
            let len = size_of::<T>();
            if len > geometry.max_len() {
                assert_eq!(producer.push_value(&value), Err(PushError::TooLong { len, max: geometry.max_len() }));
                continue;
            }
            for _ in 0..P::SMALLEST / geometry.size(len) as usize + 1 {
                assert_eq!(producer.push_value(&value), Ok(()));
                assert_eq!(consumer.pop_value(), Ok(value));
                // A value is its bytes.
                assert_eq!(producer.push(bytemuck::bytes_of(&value)), Ok(()));
                assert_eq!(consumer.peek().unwrap().value(0), Some(value));
                assert_eq!(consumer.pop_value(), Ok(value));
                assert_eq!(producer.push_value(&value), Ok(()));
                assert_eq!(consumer.peek().unwrap().to_vec(), bytemuck::bytes_of(&value));
                consumer.peek().unwrap().release();
            }
        }
    }
    arrives::<[u8; 0], P>([]);
    arrives::<u8, P>(201);
    arrives::<u16, P>(0x1234);
    arrives::<[u8; 3], P>([1, 2, 3]);
    arrives::<f32, P>(-1.5);
    arrives::<u64, P>(u64::MAX - 5);
    arrives::<[u32; 3], P>([1, 2, u32::MAX]);
    arrives::<[u64; 3], P>([1, 2, u64::MAX]);
    arrives::<[u64; 4], P>([1, 2, 3, u64::MAX]);
    arrives::<[u64; 7], P>([7; 7]);
    arrives::<[u64; 8], P>([1, 2, 3, 4, 5, 6, 7, u64::MAX]);
    arrives::<[u128; 4], P>([1, 1 << 64, 3, u128::MAX]);
    arrives::<Odd, P>(Odd([1; 32], [2; 32], 3));
    arrives::<[u64; 25], P>([25; 25]);
}

fn a_message_in_several_parts_is_one_message<P: Place>() {
    let whole = message(100);
    let cuts: [&[usize]; 7] = [&[], &[0], &[100], &[1, 2], &[0, 0, 50, 50, 100, 100], &[7, 8, 9, 64], &[33, 99]];
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
        for cuts in cuts {
            let ends = cuts.iter().copied().chain([100]);
            let starts = [0].into_iter().chain(cuts.iter().copied());
            let parts: Vec<_> = starts.zip(ends).map(|(start, end)| IoSlice::new(&whole[start..end])).collect();
            assert_eq!(producer.push_vectored(&parts), Ok(()));
            pop(&mut consumer, 100);
        }
        assert_eq!(producer.push_vectored(&[]), Ok(()));
        assert_eq!(producer.push_vectored(&[IoSlice::new(&[]), IoSlice::new(&[])]), Ok(()));
        pop(&mut consumer, 0);
        pop(&mut consumer, 0);
        is_empty(&mut consumer);
    }
}

fn a_buffer_that_is_too_short_leaves_the_message<P: Place>() {
    let (mut producer, mut consumer) = pair::<P>(smallest::<P>()[0], EAGER);
    push(&mut producer, 20);
    push(&mut producer, 0);
    for buffer in [0, 1, 19] {
        let mut bytes = vec![7; buffer];
        assert_eq!(consumer.pop(&mut bytes), Err(PopError::BufferTooShort { len: 20, buffer }));
        assert_eq!(bytes, vec![7; buffer]);
    }
    let mut bytes = [7; 22];
    assert_eq!(consumer.pop(&mut bytes), Ok(20));
    assert_eq!((&bytes[..20], &bytes[20..]), (&message(20)[..], &[7, 7][..]));
    assert_eq!(consumer.pop(&mut []), Ok(0));
    is_empty(&mut consumer);
}

fn a_vector_holds_the_message_and_nothing_else<P: Place>() {
    let (mut producer, mut consumer) = pair::<P>(smallest::<P>()[0], EAGER);
    let mut bytes = vec![7; 90];
    for len in [0, 3, 100, 8] {
        push(&mut producer, len);
        assert_eq!((consumer.pop_into(&mut bytes), &bytes), (Ok(len), &message(len)));
    }
    assert_eq!((consumer.pop_into(&mut bytes), bytes), (Err(PopError::Empty), message(8)));
}

fn a_value_of_another_size_leaves_the_message<P: Place>() {
    let (mut producer, mut consumer) = pair::<P>(smallest::<P>()[0], EAGER);
    push(&mut producer, 8);
    assert_eq!(consumer.pop_value::<u32>(), Err(PopError::WrongSize { len: 8, size: 4 }));
    assert_eq!(consumer.pop_value::<[u32; 3]>(), Err(PopError::WrongSize { len: 8, size: 12 }));
    assert_eq!(consumer.pop_value::<[u8; 0]>(), Err(PopError::WrongSize { len: 8, size: 0 }));
    pop(&mut consumer, 8);
}

fn the_space_of_a_message_is_free_when_its_pop_returns<P: Place>() {
    for geometry in ALIGNS.map(|align| Geometry::new(4 * P::SMALLEST, align)) {
        let size = geometry.size(24);
        let count = geometry.max_used() / size;
        let (mut producer, mut consumer) = filled::<P>(geometry, PACED, vec![24; count as usize]);
        for popped in 1..count - 4 {
            pop(&mut consumer, 24);
            assert_eq!((published(&producer), consumer.position()), (popped * size, popped * size));
            assert_eq!(producer.can_push(24), Ok(true));
        }
        let record = consumer.peek().unwrap();
        assert_eq!(record.position(), (count - 5) * size);
        record.release();
        assert_eq!(published(&producer), (count - 4) * size);
        drop(consumer.peek().unwrap());
        std::mem::forget(consumer.peek().unwrap());
        assert_eq!(published(&producer), (count - 4) * size);
        (0..4).for_each(|_| pop(&mut consumer, 24));
        is_empty(&mut consumer);
    }
}

fn a_consumer_that_leaves_says_so<P: Place>() {
    let (producer, mut consumer) = filled::<P>(smallest::<P>()[0], PACED, [8, 8, 8]);
    pop(&mut consumer, 8);
    detach(&consumer.memory, Role::Consumer, 1, true);
    assert_eq!(published(&producer), 16);
    assert_eq!(presence::observe(producer.memory.presence(Role::Consumer)), Presence::Left { generation: 1 });
}

fn a_producer_that_leaves_says_so<P: Place>() {
    let (mut producer, mut consumer) = pair::<P>(smallest::<P>()[0], PACED);
    push(&mut producer, 5);
    detach(&producer.memory, Role::Producer, 1, true);
    assert_eq!(presence::observe(consumer.memory.presence(Role::Producer)), Presence::Left { generation: 1 });
    pop(&mut consumer, 5);
    is_empty(&mut consumer);
}

fn two_threads_see_every_message_once_and_in_order<P: Place>()
where
    P::Memory: Send,
{
    // Miri runs every step by hand.
    const COUNT: usize = if cfg!(miri) { 200 } else { 20_000 };
    for (capacity, align, pauses) in [(1, 8, PACED), (1, 64, EAGER), (4, 8, EAGER), (16, 16, PACED), (16, 64, PACED)] {
        let geometry = Geometry::new(P::SMALLEST * capacity, align);
        let (mut producer, mut consumer) = pair::<P>(geometry, pauses);
        let len = move |number: usize| (number * 37 + number / 5) % geometry.max_len().min(300);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for number in 0..COUNT {
                    let message = message(len(number));
                    while let Err(error) = producer.push(&message) {
                        assert!(matches!(error, PushError::Full(_)));
                        std::thread::yield_now();
                    }
                }
            });
            let mut bytes = Vec::new();
            for number in 0..COUNT {
                while let Err(error) = consumer.pop_into(&mut bytes) {
                    assert_eq!(error, PopError::Empty);
                    std::thread::yield_now();
                }
                assert_eq!(bytes, message(len(number)), "message {number}");
            }
        });
    }
}

fn two_threads_see_every_batch_as_a_whole<P: Place>()
where
    P::Memory: Send,
{
    const COUNT: usize = if cfg!(miri) { 50 } else { 5_000 };
    for align in [8, 64] {
        let geometry = Geometry::new(4 * P::SMALLEST, align);
        let (mut producer, mut consumer) = pair::<P>(geometry, PACED);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for number in 0..COUNT {
                    let lens = (0..=number % 5).map(|at| (number + at * 11) % 60);
                    loop {
                        let mut batch = producer.batch();
                        let full = lens.clone().any(|len| matches!(batch.push(&message(len)), Err(PushError::Full(_))));
                        if !full {
                            break batch.commit();
                        }
                        batch.abort();
                        std::thread::yield_now();
                    }
                }
            });
            for number in 0..COUNT {
                for at in 0..=number % 5 {
                    let found = loop {
                        match consumer.peek() {
                            Ok(record) => {
                                let bytes = record.to_vec();
                                record.release();
                                break bytes;
                            }
                            Err(PopError::Empty) => assert_eq!(at, 0, "a batch is there as a whole"),
                            Err(error) => panic!("{error}"),
                        }
                        std::thread::yield_now();
                    };
                    assert_eq!(found, message((number + at * 11) % 60), "message {at} of batch {number}");
                }
            }
        });
    }
}

scenarios! {
    a_new_ring_is_empty,
    a_message_of_every_length_arrives_as_it_was,
    messages_of_every_length_lie_side_by_side,
    a_message_that_is_too_long_is_refused,
    exactly_the_largest_record_fits_an_empty_ring,
    a_full_ring_has_room_again_after_a_read,
    messages_arrive_once_and_in_order_across_the_wraps,
    a_value_of_every_size_arrives_as_it_was,
    a_message_in_several_parts_is_one_message,
    a_buffer_that_is_too_short_leaves_the_message,
    a_vector_holds_the_message_and_nothing_else,
    a_value_of_another_size_leaves_the_message,
    the_space_of_a_message_is_free_when_its_pop_returns,
    a_consumer_that_leaves_says_so,
    a_producer_that_leaves_says_so,
    two_threads_see_every_message_once_and_in_order,
    two_threads_see_every_batch_as_a_whole,
}
