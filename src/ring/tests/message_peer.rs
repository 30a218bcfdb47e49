//! The scenarios of the message ring with a peer that was killed, and with one that lies.

use std::fmt::Debug;
use std::io::IoSlice;
use std::sync::atomic::Ordering;

use super::message::{ALIGNS, EAGER, PACED, filled, is_empty, message, pair, pair_at, pop, published, push, smallest};
use super::{InSegment, Memory, OnHeap, Place, Word, start_at};
use crate::ring::error::{Broken, Corrupted, PopError, PushError, SharedWord};
use crate::ring::message::{Consumer, Geometry, Producer};

fn tail<M: Memory>(producer: &Producer<M>) -> u64 {
    producer.memory.tail().load(Ordering::Relaxed)
}

/// Stores the header of the record at `position`.
fn store_header<M: Memory>(memory: &M, position: u64, header: u64) {
    let offset = position as usize % memory.len();
    // SAFETY: records start at multiples of eight, and nobody else is there.
    unsafe { memory.header(offset) }.store(header, Ordering::Relaxed);
}

/// Replaces a producer that ends without a word. The tail that it leaves behind is `stored`.
#[track_caller]
fn succeeds_at<M: Memory>(producer: Producer<M>, stored: u64) -> Producer<M> {
    let (geometry, true_tail) = (producer.kind.geometry, tail(&producer));
    producer.memory.tail().store(stored, Ordering::Relaxed);
    let producer = Producer::attach(producer.into_memory(), geometry, EAGER).expect("the records are whole");
    assert_eq!(tail(&producer), true_tail);
    producer
}

/// Replaces a consumer that ends without a word.
#[track_caller]
fn succeeds<M: Memory>(consumer: Consumer<M>, pauses: u32) -> Consumer<M> {
    let geometry = consumer.kind.geometry;
    Consumer::attach(consumer.into_memory(), geometry, pauses).expect("the positions are possible")
}

/// Every call of a producer that found out that the consumer lies.
#[track_caller]
fn is_poisoned_producer<M: Memory + Debug>(producer: &mut Producer<M>, cause: Corrupted) {
    let refused = PushError::Broken { value: 0, cause: Broken::Corrupted(cause) };
    for _ in 0..2 {
        assert_eq!(producer.can_push(0), Err(cause.into()));
        assert_eq!(producer.push(&[]), Err(refused));
        assert_eq!(producer.push_vectored(&[IoSlice::new(&[7_u8])]), Err(refused));
        assert_eq!(producer.push_value(&7_u64), Err(refused));
        assert_eq!(producer.claim(1).unwrap_err(), refused);
        let mut batch = producer.batch();
        assert_eq!(batch.push(&[]), Err(refused));
        assert_eq!(batch.claim(1).unwrap_err(), refused);
        batch.commit();
    }
}

/// Every call of a consumer that found out that the producer lies.
#[track_caller]
fn is_poisoned_consumer<M: Memory + Debug>(consumer: &mut Consumer<M>, cause: Corrupted) {
    let refused = PopError::Broken(Broken::Corrupted(cause));
    let head = consumer.memory.head().load(Ordering::Relaxed);
    for _ in 0..2 {
        assert_eq!(consumer.is_empty(), Err(cause.into()));
        assert_eq!(consumer.pop(&mut [0; 300]), Err(refused));
        assert_eq!(consumer.pop_into(&mut vec![]), Err(refused));
        assert_eq!(consumer.pop_value::<u64>(), Err(refused));
        assert_eq!(consumer.peek().unwrap_err(), refused);
    }
    assert_eq!(consumer.memory.head().load(Ordering::Relaxed), head);
}

fn who_follows_goes_on_where_the_last_one_stopped<P: Place>() {
    for geometry in ALIGNS.map(|align| Geometry::new(4096, align)) {
        let (mut producer, consumer) = filled::<P>(geometry, PACED, [1, 2]);
        let mut consumer = succeeds(consumer, PACED);
        drop(consumer.peek().unwrap());
        // What was looked at comes again, what was popped does not.
        let mut consumer = succeeds(consumer, EAGER);
        pop(&mut consumer, 1);
        let mut consumer = succeeds(consumer, EAGER);
        let end = tail(&producer);
        producer = succeeds_at(producer, end);
        push(&mut producer, 3);
        pop(&mut consumer, 2);
        let mut consumer = succeeds(consumer, PACED);
        pop(&mut consumer, 3);
        is_empty(&mut consumer);
        is_empty(&mut succeeds(consumer, PACED));
    }
}

fn a_producer_killed_between_header_and_tail_is_succeeded_at_the_true_tail<P: Place>() {
    for geometry in smallest::<P>() {
        for start in [0, (geometry.alignment() as u64).wrapping_neg()] {
            let (mut producer, mut consumer) = pair_at::<P>(geometry, EAGER, start);
            // Several times around.
            for round in 0..3 * P::SMALLEST / 16 {
                let (first, second, third) = (round % 9, round % 31, round % 5);
                push(&mut producer, first);
                let stored = tail(&producer);
                push(&mut producer, second);
                producer = succeeds_at(producer, stored);
                push(&mut producer, third);
                [first, second, third].into_iter().for_each(|len| pop(&mut consumer, len));
            }
            is_empty(&mut consumer);
        }
    }
}

fn a_producer_killed_after_the_first_header_of_a_batch_is_succeeded_behind_it<P: Place>() {
    for geometry in smallest::<P>() {
        for start in [0, (geometry.alignment() as u64).wrapping_neg()] {
            let (mut producer, mut consumer) = pair_at::<P>(geometry, EAGER, start);
            for round in 0..P::SMALLEST / 16 {
                let stored = tail(&producer);
                let lens = [round % 9, round % 31, 8];
                let mut batch = producer.batch();
                lens.into_iter().for_each(|len| batch.push(&message(len)).unwrap());
                batch.commit();
                producer = succeeds_at(producer, stored);
                lens.into_iter().for_each(|len| pop(&mut consumer, len));
            }
            is_empty(&mut consumer);
            // The largest batch that there is.
            let stored = tail(&producer);
            let count = (geometry.max_used() / geometry.size(0)) as usize;
            let mut batch = producer.batch();
            (0..count).for_each(|_| batch.push(&[]).unwrap());
            assert!(matches!(batch.push(&[]), Err(PushError::Full(_))));
            batch.commit();
            producer = succeeds_at(producer, stored);
            assert!(matches!(producer.push(&[]), Err(PushError::Full(_))));
            (0..count).for_each(|_| pop(&mut consumer, 0));
            is_empty(&mut consumer);
            push(&mut producer, geometry.max_len());
            pop(&mut consumer, geometry.max_len());
        }
    }
}

fn a_message_that_was_read_before_its_tail_was_stored_is_not_sent_again<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair_at::<P>(geometry, EAGER, (geometry.alignment() as u64).wrapping_neg());
        for len in [5, 24, geometry.max_len(), 0] {
            let stored = tail(&producer);
            push(&mut producer, len);
            pop(&mut consumer, len);
            assert_eq!(published(&producer), tail(&producer));
            producer.memory.tail().store(stored, Ordering::Relaxed);
            // Whoever comes in between finds a tail behind its own head.
            consumer = succeeds(consumer, EAGER);
            is_empty(&mut consumer);
            producer.memory.tail().store(stored.wrapping_add(geometry.size(len)), Ordering::Relaxed);
            producer = succeeds_at(producer, stored);
            is_empty(&mut consumer);
            push(&mut producer, 7);
            pop(&mut consumer, 7);
        }
    }
}

fn a_consumer_that_comes_before_the_killed_producer_is_succeeded_reads_all<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, PACED);
        push(&mut producer, 3);
        let mut batch = producer.batch();
        batch.push(&message(4)).unwrap();
        batch.push(&message(5)).unwrap();
        let stored = geometry.size(3);
        batch.commit();
        producer.memory.tail().store(stored, Ordering::Relaxed);
        pop(&mut consumer, 3);
        let mut consumer = succeeds(consumer, EAGER);
        [4, 5].into_iter().for_each(|len| pop(&mut consumer, len));
        is_empty(&mut consumer);
        is_empty(&mut succeeds(consumer, EAGER));
    }
}

fn a_producer_killed_in_a_claim_or_a_batch_is_succeeded_as_if_it_had_not_begun<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair_at::<P>(geometry, EAGER, (geometry.alignment() as u64).wrapping_neg());
        // Bytes that would be headers, were they taken for some.
        let hostile = [1; 40];
        for round in 0..P::SMALLEST / 16 {
            push(&mut producer, round % 13);
            let end = tail(&producer);
            producer.claim(40).unwrap().write_at(0, &hostile);
            producer = succeeds_at(producer, end);
            pop(&mut consumer, round % 13);
            is_empty(&mut consumer);
            let mut batch = producer.batch();
            batch.push(&hostile).unwrap();
            batch.push(&message(0)).unwrap();
            batch.claim(9).unwrap().commit_len(9);
            batch.abort();
            producer = succeeds_at(producer, end);
            is_empty(&mut consumer);
        }
    }
}

fn a_tail_that_lies_behind_the_view_in_a_flow_is_no_news<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) =
            pair_at::<P>(geometry, PACED, (2 * geometry.alignment() as u64).wrapping_neg());
        for round in 0..P::SMALLEST / 8 {
            // The consumer always looks between the header and the tail.
            let stored = tail(&producer);
            let mut batch = producer.batch();
            let lens = [round % 7, round % 19, 3];
            lens[..1 + round % 3].iter().for_each(|&len| batch.push(&message(len)).unwrap());
            batch.commit();
            let end = tail(&producer);
            producer.memory.tail().store(stored, Ordering::Relaxed);
            lens[..1 + round % 3].iter().for_each(|&len| pop(&mut consumer, len));
            if round % 4 == 0 {
                is_empty(&mut consumer);
            }
            producer.memory.tail().store(end, Ordering::Relaxed);
        }
        is_empty(&mut consumer);
    }
}

/// A ring with three messages of 8 bytes of which one was read, which both sides know: where they start, and their
/// size.
#[track_caller]
fn one_of_three_read<P: Place>(geometry: Geometry, start: u64) -> (super::message::Pair<P>, u64) {
    let (mut producer, mut consumer) = pair_at::<P>(geometry, EAGER, start);
    [8; 2].into_iter().for_each(|len| push(&mut producer, len));
    pop(&mut consumer, 8);
    assert_eq!(producer.can_push(geometry.max_len()), Ok(false));
    ((producer, consumer), geometry.size(8))
}

fn an_impossible_head_poisons_the_producer<P: Place>() {
    for geometry in smallest::<P>() {
        let step = geometry.alignment() as u64;
        for start in [0, 64 * 1000, 64_u64.wrapping_neg()] {
            let size = geometry.size(8);
            let (lowest, highest) = (start.wrapping_add(size), start.wrapping_add(2 * size));
            let beyond = highest.wrapping_add(step);
            for found in [beyond, start, lowest.wrapping_add(1), highest.wrapping_sub(step / 2), start ^ (1 << 63)] {
                let ((mut producer, mut consumer), _) = one_of_three_read::<P>(geometry, start);
                producer.memory.head().store(found, Ordering::Relaxed);
                let cause = Corrupted { word: SharedWord::Head, found, lowest, highest, step };
                assert_eq!(producer.can_push(geometry.max_len()), Err(cause.into()));
                is_poisoned_producer(&mut producer, cause);
                // It stays so, also when the word is right again.
                producer.memory.head().store(lowest, Ordering::Relaxed);
                is_poisoned_producer(&mut producer, cause);
                // What was sent is there.
                pop(&mut consumer, 8);
                is_empty(&mut consumer);
            }
        }
    }
}

fn an_impossible_head_in_a_batch_pushes_nothing_of_it<P: Place>() {
    let geometry = smallest::<P>()[0];
    let (mut producer, consumer) = pair::<P>(geometry, EAGER);
    let mut batch = producer.batch();
    batch.push(&message(8)).unwrap();
    consumer.memory.head().store(8, Ordering::Relaxed);
    let cause = Corrupted { word: SharedWord::Head, found: 8, lowest: 0, highest: 0, step: 8 };
    assert_eq!(
        batch.push(&message(geometry.max_len())),
        Err(PushError::Broken { value: 0, cause: Broken::Corrupted(cause) })
    );
    assert_eq!(batch.push(&[]), Err(PushError::Broken { value: 0, cause: Broken::Corrupted(cause) }));
    batch.commit();
    is_poisoned_producer(&mut producer, cause);
    assert_eq!(consumer.is_empty(), Ok(true));
}

/// A ring of which two messages were read, one right after the other, so that the consumer takes the tail.
#[track_caller]
fn in_a_flow<P: Place>(geometry: Geometry, start: u64) -> (super::message::Pair<P>, u64) {
    let (mut producer, mut consumer) = pair_at::<P>(geometry, EAGER, start);
    for _ in 0..2 {
        push(&mut producer, 8);
        pop(&mut consumer, 8);
    }
    ((producer, consumer), start.wrapping_add(2 * geometry.size(8)))
}

fn an_impossible_tail_poisons_the_consumer<P: Place>() {
    for geometry in smallest::<P>() {
        let (step, most) = (geometry.alignment() as u64, geometry.max_used());
        for start in [0, 64 * 1000, 128_u64.wrapping_neg()] {
            let lies: [fn(u64, u64, u64) -> u64; 5] = [
                |head, most, step| head.wrapping_add(most + step),
                |head, most, step| head.wrapping_sub(most + step),
                |head, _, _| head.wrapping_add(1),
                |head, _, step| head.wrapping_sub(step / 2),
                |head, _, _| head ^ (1 << 63),
            ];
            for lie in lies {
                let ((producer, mut consumer), head) = in_a_flow::<P>(geometry, start);
                let found = lie(head, most, step);
                producer.memory.tail().store(found, Ordering::Relaxed);
                let (lowest, highest) = (head.wrapping_sub(most), head.wrapping_add(most));
                let cause = Corrupted { word: SharedWord::Tail, found, lowest, highest, step };
                assert_eq!(consumer.is_empty(), Err(cause.into()));
                is_poisoned_consumer(&mut consumer, cause);
                // It stays so, also when the word is right again.
                producer.memory.tail().store(head, Ordering::Relaxed);
                is_poisoned_consumer(&mut consumer, cause);
            }
        }
    }
}

fn a_tail_as_far_off_as_it_can_be_is_accepted<P: Place>() {
    for geometry in smallest::<P>() {
        let ((producer, mut consumer), head) = in_a_flow::<P>(geometry, 0);
        producer.memory.tail().store(head.wrapping_sub(geometry.max_used()), Ordering::Relaxed);
        is_empty(&mut consumer);
        let ((producer, mut consumer), head) = in_a_flow::<P>(geometry, 0);
        store_header(&producer.memory, head, 256 * geometry.max_len() as u64 + 1);
        producer.memory.tail().store(head.wrapping_add(geometry.max_used()), Ordering::Relaxed);
        assert_eq!(consumer.peek().map(|record| record.len()), Ok(geometry.max_len()));
    }
}

fn impossible_positions_are_refused_at_attach<P: Place>() {
    for geometry in smallest::<P>() {
        let (step, most) = (geometry.alignment() as u64, geometry.max_used());
        let attach = |tail: u64, head: u64| {
            let (first, second) = P::message_memories(geometry);
            first.tail().store(tail, Ordering::Relaxed);
            second.head().store(head, Ordering::Relaxed);
            (Producer::attach(first, geometry, EAGER).map(drop), Consumer::attach(second, geometry, EAGER).map(drop))
        };
        let is = |word, found, lowest: u64, highest: u64| {
            Broken::Corrupted(Corrupted { word, found, lowest, highest, step })
        };
        let head = |found, tail: u64| Err(is(SharedWord::Head, found, tail.wrapping_sub(most), tail));
        let tail =
            |found, head: u64| Err(is(SharedWord::Tail, found, head.wrapping_sub(most), head.wrapping_add(most)));
        let own = |word, found| Err(is(word, found, 0, step.wrapping_neg()));
        assert_eq!(attach(most, 0), (Ok(()), Ok(())));
        assert_eq!(attach(most + step, 0), (head(0, most + step), tail(most + step, 0)));
        // A head beyond the stored tail is possible, and beyond the true one not. A consumer cannot tell.
        assert_eq!(attach(0, step), (head(step, 0), Ok(())));
        assert_eq!(attach(0, most + step), (head(most + step, 0), tail(0, most + step)));
        assert_eq!(attach(1 << 63, 0), (head(0, 1 << 63), tail(1 << 63, 0)));
        for off in [1, step / 2, step - 1, u64::MAX] {
            assert_eq!(attach(off, 0), (own(SharedWord::Tail, off), tail(off, 0)));
            assert_eq!(attach(0, off), (head(off, 0), own(SharedWord::Head, off)));
        }
    }
}

/// Headers that no record can have of which `longest` bytes would be there, and which is the next one or not.
fn impossible_headers(longest: u64) -> [u64; 9] {
    let too_long = 256 * (longest + 1) + 1;
    [too_long, 256 * (1 << 40) + 1, u64::MAX, u64::MAX - 254, 2, 3, 255, 256, 1 << 63]
}

#[track_caller]
fn refused_header(found: u64, longest: u64) -> Corrupted {
    Corrupted { word: SharedWord::Header, found, lowest: 1, highest: 1 + 256 * longest, step: 256 }
}

fn an_impossible_header_at_the_head_poisons_the_consumer<P: Place>() {
    for geometry in smallest::<P>() {
        let longest = geometry.max_len() as u64;
        for start in [0, 64_u64.wrapping_neg()] {
            for found in impossible_headers(longest) {
                let (producer, mut consumer) = pair_at::<P>(geometry, EAGER, start);
                store_header(&producer.memory, start, found);
                let cause = refused_header(found, longest);
                assert_eq!(consumer.peek().unwrap_err(), PopError::Broken(Broken::Corrupted(cause)));
                is_poisoned_consumer(&mut consumer, cause);
                // It stays so, also when the word is right again.
                store_header(&producer.memory, start, 1);
                is_poisoned_consumer(&mut consumer, cause);
            }
        }
    }
}

fn an_impossible_header_in_front_of_the_tail_poisons_the_consumer<P: Place>() {
    for geometry in smallest::<P>() {
        let size = geometry.size(8);
        // What is left in front of the tail where the second record starts.
        let longest = 2 * size - geometry.payload_offset() as u64;
        if 3 * size > geometry.max_used() {
            continue;
        }
        for found in impossible_headers(longest).into_iter().chain([0, 256 * geometry.max_len() as u64 + 1]) {
            let (producer, mut consumer) = filled::<P>(geometry, PACED, [8, 8, 8]);
            pop(&mut consumer, 8);
            store_header(&producer.memory, size, found);
            let cause = refused_header(found, longest);
            assert_eq!(consumer.pop_value::<u64>(), Err(PopError::Broken(Broken::Corrupted(cause))));
            is_poisoned_consumer(&mut consumer, cause);
            store_header(&producer.memory, size, 256 * 8 + 1);
            is_poisoned_consumer(&mut consumer, cause);
            // It gives back what it read, and who follows it finds what is there now.
            consumer.release();
            assert_eq!(published(&producer), size);
            pop(&mut succeeds(consumer, PACED), 8);
        }
    }
}

fn a_header_that_reaches_the_tail_exactly_is_accepted<P: Place>() {
    for geometry in smallest::<P>() {
        let (producer, mut consumer) = filled::<P>(geometry, PACED, [8, 8]);
        let longest = 2 * geometry.size(8) - geometry.payload_offset() as u64;
        store_header(&producer.memory, 0, 256 * longest + 1);
        assert_eq!(consumer.peek().map(|record| record.len() as u64), Ok(longest));
        consumer.peek().unwrap().release();
        is_empty(&mut consumer);
    }
}

fn a_header_that_changes_after_it_was_seen_harms_nothing<P: Place>() {
    let geometry = smallest::<P>()[0];
    let (producer, mut consumer) = filled::<P>(geometry, PACED, [40]);
    let len = consumer.peek().unwrap().len();
    // Shorter: the record in it ends before the view, where a payload is taken for a header.
    store_header(&producer.memory, 0, 256 * 8 + 1);
    assert_eq!((len, consumer.pop(&mut [0; 8])), (40, Ok(8)));
    assert!(matches!(consumer.pop(&mut [0; 8]), Err(PopError::Broken(Broken::Corrupted(_)))));
}

fn a_producer_that_comes_walks_over_no_impossible_header<P: Place>() {
    for geometry in smallest::<P>() {
        let longest = geometry.max_len() as u64;
        let size = geometry.size(8);
        for start in [0, 64_u64.wrapping_neg()] {
            for found in impossible_headers(longest) {
                let (first, _) = P::message_memories(geometry);
                start_at(&first, start);
                store_header(&first, start, found);
                assert_eq!(
                    Producer::attach(first, geometry, EAGER).unwrap_err(),
                    refused_header(found, longest).into()
                );
            }
            // Behind a record there is less room.
            for found in impossible_headers(longest - size) {
                let (first, _) = P::message_memories(geometry);
                start_at(&first, start);
                store_header(&first, start, 256 * 8 + 1);
                store_header(&first, start.wrapping_add(size), found);
                assert_eq!(
                    Producer::attach(first, geometry, EAGER).unwrap_err(),
                    refused_header(found, longest - size).into()
                );
            }
        }
    }
}

fn a_walk_over_records_ends_where_the_ring_does<P: Place>() {
    for align in ALIGNS {
        let geometry = Geometry::new(P::SMALLEST, align);
        let (first, second) = P::message_memories(geometry);
        // Every record has none behind it, all around.
        (0..P::SMALLEST).step_by(align).for_each(|position| store_header(&first, position as u64, 1));
        let mut producer = Producer::attach(first, geometry, EAGER).unwrap();
        assert_eq!(tail(&producer), geometry.max_used());
        assert!(matches!(producer.push(&[]), Err(PushError::Full(_))));
        let mut consumer = Consumer::attach(second, geometry, EAGER).unwrap();
        (0..geometry.max_used() / align as u64).for_each(|_| pop(&mut consumer, 0));
        push(&mut producer, 8);
        pop(&mut consumer, 8);
    }
}

fn a_consumer_that_lied_is_found_out_by_the_next_producer<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, consumer) = pair::<P>(geometry, EAGER);
        push(&mut producer, 8);
        let (end, step) = (tail(&producer), geometry.alignment() as u64);
        consumer.memory.head().store(end + step, Ordering::Relaxed);
        let cause = Corrupted {
            word: SharedWord::Head,
            found: end + step,
            lowest: end.wrapping_sub(geometry.max_used()),
            highest: end,
            step,
        };
        assert_eq!(Producer::attach(producer.into_memory(), geometry, EAGER).unwrap_err(), cause.into());
    }
}

fn whatever_a_peer_writes_into_the_ring_nothing_panics<P: Place>() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, PACED);
        for _ in 0..if cfg!(miri) { 200 } else { 20_000 } {
            let near = next() % (2 * geometry.capacity() as u64);
            let word = match next() % 4 {
                0 => next(),
                1 => near.wrapping_sub(geometry.capacity() as u64) & !7,
                2 => 256 * near + 1,
                _ => near & !(geometry.alignment() as u64 - 1),
            };
            match next() % 16 {
                0 => producer.memory.tail().store(word, Ordering::Relaxed),
                1 => producer.memory.head().store(word, Ordering::Relaxed),
                2..=4 => store_header(&producer.memory, next() & !7, word),
                5..=8 => {
                    let _ = producer.push(&message(next() as usize % 100));
                }
                9 => {
                    let mut batch = producer.batch();
                    let _ = batch.push(&message(next() as usize % 100));
                    let _ = batch.claim(next() as usize % 50).map(|claim| claim.commit_len(0));
                    batch.commit();
                }
                10 => match Producer::attach(producer.into_memory(), geometry, EAGER) {
                    Ok(attached) => producer = attached,
                    Err(_) => (producer, consumer) = pair::<P>(geometry, PACED),
                },
                11 => match Consumer::attach(consumer.into_memory(), geometry, EAGER) {
                    Ok(attached) => consumer = attached,
                    Err(_) => (producer, consumer) = pair::<P>(geometry, PACED),
                },
                _ => {
                    let len = consumer.peek().map(|record| record.to_vec().len());
                    assert!(len.is_ok_and(|len| consumer.pop(&mut vec![0; len]) == Ok(len)) || len.is_err());
                }
            }
        }
    }
}

scenarios! {
    who_follows_goes_on_where_the_last_one_stopped,
    a_producer_killed_between_header_and_tail_is_succeeded_at_the_true_tail,
    a_producer_killed_after_the_first_header_of_a_batch_is_succeeded_behind_it,
    a_message_that_was_read_before_its_tail_was_stored_is_not_sent_again,
    a_consumer_that_comes_before_the_killed_producer_is_succeeded_reads_all,
    a_producer_killed_in_a_claim_or_a_batch_is_succeeded_as_if_it_had_not_begun,
    a_tail_that_lies_behind_the_view_in_a_flow_is_no_news,
    an_impossible_head_poisons_the_producer,
    an_impossible_head_in_a_batch_pushes_nothing_of_it,
    an_impossible_tail_poisons_the_consumer,
    a_tail_as_far_off_as_it_can_be_is_accepted,
    impossible_positions_are_refused_at_attach,
    an_impossible_header_at_the_head_poisons_the_consumer,
    an_impossible_header_in_front_of_the_tail_poisons_the_consumer,
    a_header_that_reaches_the_tail_exactly_is_accepted,
    a_header_that_changes_after_it_was_seen_harms_nothing,
    a_producer_that_comes_walks_over_no_impossible_header,
    a_walk_over_records_ends_where_the_ring_does,
    a_consumer_that_lied_is_found_out_by_the_next_producer,
    whatever_a_peer_writes_into_the_ring_nothing_panics,
}
