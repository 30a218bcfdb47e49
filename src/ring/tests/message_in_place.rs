//! The scenarios of the message ring in place: claims, batches and peeks.

use std::io::{IoSlice, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::message::{EAGER, PACED, is_empty, message, pair, pair_at, pop, published, push, smallest};
use super::{InSegment, OnHeap, Place};
use crate::ring::error::{PopError, PushError};
use crate::ring::message::{Consumer, Producer};

/// Misuses one of the ends.
type Attempt<P> = fn(&mut Producer<<P as Place>::Memory>, &mut Consumer<<P as Place>::Memory>);

fn a_claim_is_visible_once_it_is_committed<P: Place>() {
    for geometry in smallest::<P>() {
        let align = geometry.alignment() as u64;
        for start in [0, align.wrapping_neg()] {
            let (mut producer, mut consumer) = pair_at::<P>(geometry, EAGER, start);
            for len in [0, 1, 8, 50, geometry.max_len()] {
                let mut claim = producer.claim(len).unwrap();
                assert_eq!((claim.len(), claim.is_empty(), claim.written()), (len, len == 0, 0));
                claim.write_at(0, &message(len));
                assert_eq!(claim.written(), len);
                is_empty(&mut consumer);
                claim.commit();
                pop(&mut consumer, len);
                is_empty(&mut consumer);
            }
        }
    }
}

fn a_claim_that_is_dropped_was_never_there<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
        // Its bytes could be taken for records.
        let bytes = vec![1; geometry.max_len()];
        producer.claim(bytes.len()).unwrap().write_at(0, &bytes);
        let mut claim = producer.claim(bytes.len()).unwrap();
        claim.write_at(0, &bytes);
        claim.abort();
        is_empty(&mut consumer);
        for len in [0, 5, 24, 0] {
            push(&mut producer, len);
            pop(&mut consumer, len);
            is_empty(&mut consumer);
        }
        push(&mut producer, geometry.max_len());
        pop(&mut consumer, geometry.max_len());
    }
}

fn a_claim_is_committed_shorter_than_it_was_taken<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
        for len in [0, 1, 7, 8, 9, 60, 100] {
            let mut claim = producer.claim(geometry.max_len()).unwrap();
            claim.write_at(0, &vec![0xee; geometry.max_len()]);
            claim.write_at(0, &message(len));
            claim.commit_len(len);
            let mut claim = producer.claim(10).unwrap();
            assert_eq!(claim.write(&message(len)[..len.min(3)]).unwrap(), len.min(3));
            claim.commit();
            pop(&mut consumer, len);
            assert_eq!(consumer.peek().unwrap().to_vec(), message(len)[..len.min(3)]);
            consumer.peek().unwrap().release();
            is_empty(&mut consumer);
        }
        // Only the bytes that it has are taken.
        producer.claim(geometry.max_len()).unwrap().commit();
        assert_eq!(producer.can_push(geometry.max_len() - geometry.alignment()), Ok(true));
        pop(&mut consumer, 0);
        let mut claim = producer.claim(9).unwrap();
        claim.write_at(0, &message(9));
        claim.commit_len(9);
        pop(&mut consumer, 9);
    }
}

fn a_write_goes_on_where_the_last_one_ended_until_the_claim_is_full<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
        let bytes = message(70);
        let mut claim = producer.claim(70).unwrap();
        for (start, end) in [(0, 3), (3, 3), (3, 12), (12, 62), (62, 70), (70, 70)] {
            assert_eq!(claim.written(), start);
            assert_eq!(claim.write(&bytes[start..end]).unwrap(), end - start);
        }
        assert_eq!(claim.write(&bytes).unwrap(), 0);
        claim.commit();
        pop(&mut consumer, 70);
        // More than there is room for is cut.
        let mut claim = producer.claim(4).unwrap();
        assert_eq!((claim.write(&bytes).unwrap(), claim.written()), (4, 4));
        claim.commit();
        assert_eq!(consumer.peek().unwrap().to_vec(), bytes[..4]);
    }
}

fn a_claim_is_written_anywhere<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
        let mut claim = producer.claim(40).unwrap();
        claim.write_at(30, &[9; 5]);
        assert_eq!(claim.written(), 35);
        claim.write_at(1, &[7; 3]);
        claim.write_value_at(8, &u64::MAX);
        claim.write_value_at(21, &0x0102_0304_u32.to_le());
        claim.write_at(0, &[8]);
        // It goes on behind the last byte that was written.
        assert_eq!((claim.written(), claim.write(&[6; 9]).unwrap()), (35, 5));
        claim.commit();
        let bytes = consumer.peek().unwrap().to_vec();
        assert_eq!((bytes.len(), &bytes[..4], &bytes[8..16]), (40, &[8, 7, 7, 7][..], &[255; 8][..]));
        assert_eq!((&bytes[21..25], &bytes[30..]), (&[4, 3, 2, 1][..], &[9, 9, 9, 9, 9, 6, 6, 6, 6, 6][..]));
    }
}

fn a_claim_of_which_nothing_was_written_is_as_long_as_it_is_said<P: Place>() {
    let (mut producer, mut consumer) = pair::<P>(smallest::<P>()[0], EAGER);
    producer.claim(20).unwrap().commit();
    pop(&mut consumer, 0);
    // These bytes were never written, by any message.
    producer.claim(20).unwrap().commit_len(12);
    assert_eq!(consumer.peek().unwrap().to_vec(), [0; 12]);
    consumer.peek().unwrap().release();
    let mut claim = producer.claim(20).unwrap();
    claim.write_at(13, &[]);
    assert_eq!(claim.written(), 0);
    claim.commit();
    pop(&mut consumer, 0);
}

fn what_lies_outside_a_claim_panics_and_harms_nothing<P: Place>() {
    let (mut producer, mut consumer) = pair::<P>(smallest::<P>()[0], EAGER);
    let mut panics = |attempt: Attempt<P>| {
        let attempt = catch_unwind(AssertUnwindSafe(|| attempt(&mut producer, &mut consumer)));
        assert!(attempt.is_err());
    };
    panics(|producer, _| producer.claim(2).unwrap().write_at(0, &[1; 3]));
    panics(|producer, _| producer.claim(2).unwrap().write_at(2, &[1]));
    panics(|producer, _| producer.claim(2).unwrap().write_at(3, &[]));
    panics(|producer, _| producer.claim(2).unwrap().write_at(usize::MAX, &[1; 2]));
    panics(|producer, _| producer.claim(9).unwrap().write_value_at(2, &7_u64));
    panics(|producer, _| producer.claim(2).unwrap().commit_len(3));
    panics(|producer, _| producer.claim(2).unwrap().commit_len(usize::MAX));
    panics(|producer, _| {
        let mut batch = producer.batch();
        batch.push(&[1]).unwrap();
        batch.claim(2).unwrap().commit_len(3);
    });
    is_empty(&mut consumer);
    [3, 40, 0].into_iter().for_each(|len| push(&mut producer, len));
    [3, 40, 0].into_iter().for_each(|len| pop(&mut consumer, len));
    is_empty(&mut consumer);
}

fn a_batch_is_visible_once_it_is_committed<P: Place>() {
    for geometry in smallest::<P>() {
        let align = geometry.alignment() as u64;
        for start in [0, align.wrapping_neg(), (2 * align).wrapping_neg()] {
            let (mut producer, mut consumer) = pair_at::<P>(geometry, PACED, start);
            for _ in 0..5 {
                let mut batch = producer.batch();
                assert_eq!((batch.len(), batch.is_empty()), (0, true));
                assert_eq!(batch.push(&message(5)), Ok(()));
                assert_eq!(batch.push_value(&[7_u64; 3]), Ok(()));
                assert_eq!(batch.push_vectored(&[&message(30)[..7], &message(30)[7..]].map(IoSlice::new)), Ok(()));
                assert_eq!((batch.len(), batch.is_empty()), (3, false));
                is_empty(&mut consumer);
                batch.commit();
                pop(&mut consumer, 5);
                assert_eq!(consumer.pop_value(), Ok([7_u64; 3]));
                pop(&mut consumer, 30);
                is_empty(&mut consumer);
            }
        }
    }
}

fn a_batch_that_is_dropped_was_never_there<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
        for lens in [[1, 2, 3], [40, 0, 8], [24, 24, 24]] {
            {
                let mut batch = producer.batch();
                lens.into_iter().for_each(|len| batch.push(&message(len)).unwrap());
            }
            is_empty(&mut consumer);
            let mut batch = producer.batch();
            batch.push(&message(9)).unwrap();
            batch.abort();
            is_empty(&mut consumer);
            // What stands behind it is not taken for records.
            for len in [0, 8, 24] {
                push(&mut producer, len);
                pop(&mut consumer, len);
                is_empty(&mut consumer);
            }
        }
    }
}

fn an_empty_batch_commits_nothing<P: Place>() {
    let (mut producer, mut consumer) = pair::<P>(smallest::<P>()[0], EAGER);
    producer.batch().commit();
    producer.batch().abort();
    is_empty(&mut consumer);
    push(&mut producer, 3);
    producer.batch().commit();
    pop(&mut consumer, 3);
    is_empty(&mut consumer);
}

fn a_claim_in_a_batch_is_one_of_its_messages<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
        for _ in 0..9 {
            let mut batch = producer.batch();
            let mut claim = batch.claim(6).unwrap();
            claim.write_at(0, &message(6));
            claim.commit();
            // Given up, and then shortened: the next message lies in the same place.
            batch.claim(20).unwrap().write_at(0, &[0xee; 20]);
            assert_eq!(batch.len(), 1);
            let mut claim = batch.claim(30).unwrap();
            claim.write_at(0, &message(2));
            claim.write_at(20, &[0xee; 10]);
            claim.commit_len(2);
            batch.push(&message(4)).unwrap();
            assert_eq!(batch.len(), 3);
            is_empty(&mut consumer);
            batch.commit();
            [6, 2, 4].into_iter().for_each(|len| pop(&mut consumer, len));
            is_empty(&mut consumer);
        }
    }
}

fn a_batch_with_nothing_but_a_claim_that_was_given_up_is_empty<P: Place>() {
    let (mut producer, mut consumer) = pair::<P>(smallest::<P>()[0], EAGER);
    let mut batch = producer.batch();
    batch.claim(8).unwrap().write_at(0, &[1; 8]);
    batch.claim(8).unwrap().abort();
    assert!(batch.is_empty());
    batch.commit();
    is_empty(&mut consumer);
}

fn a_batch_that_finds_the_ring_full_keeps_what_it_has<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
        let count = (geometry.max_used() / geometry.size(20)) as usize;
        for round in 0..5 {
            let taken = round.min(count);
            (0..taken).for_each(|_| push(&mut producer, 20));
            let mut batch = producer.batch();
            (taken..count).for_each(|_| batch.push(&message(20)).unwrap());
            assert!(matches!(batch.push(&message(20)), Err(PushError::Full(_))));
            assert!(matches!(batch.push_value(&[0_u32; 5]), Err(PushError::Full(_))));
            assert!(matches!(batch.push_vectored(&[IoSlice::new(&message(20))]), Err(PushError::Full(_))));
            assert!(matches!(batch.claim(20), Err(PushError::Full(_))));
            assert_eq!(batch.len(), count - taken);
            batch.commit();
            (0..count).for_each(|_| pop(&mut consumer, 20));
            is_empty(&mut consumer);
        }
    }
}

fn a_batch_knows_what_can_never_be_added_to_it<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
        let mut batch = producer.batch();
        assert_eq!(batch.max_len(), Some(geometry.max_len()));
        batch.push(&message(20)).unwrap();
        let max = batch.max_len().unwrap();
        assert!(matches!(batch.push(&message(max + 1)), Err(PushError::Full(_))));
        batch.push(&message(max)).unwrap();
        assert!(batch.max_len().is_none() && matches!(batch.push(&[]), Err(PushError::Full(_))));
        batch.commit();
        [20, max].into_iter().for_each(|len| pop(&mut consumer, len));
    }
}

fn a_batch_finds_the_room_that_was_given_back_since_it_began<P: Place>() {
    let geometry = smallest::<P>()[0];
    let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
    let half = geometry.max_len() / 2 - 8;
    push(&mut producer, half);
    let mut batch = producer.batch();
    batch.push(&message(3)).unwrap();
    batch.push(&message(half - 16)).unwrap();
    assert!(matches!(batch.push(&message(half)), Err(PushError::Full(_))));
    pop(&mut consumer, half);
    assert_eq!(batch.push(&message(half - 16)), Ok(()));
    is_empty(&mut consumer);
    batch.commit();
    [3, half - 16, half - 16].into_iter().for_each(|len| pop(&mut consumer, len));
}

fn a_peek_leaves_the_message_until_it_is_released<P: Place>() {
    let (mut producer, mut consumer) = pair::<P>(smallest::<P>()[0], EAGER);
    push(&mut producer, 30);
    push(&mut producer, 0);
    for _ in 0..3 {
        let record = consumer.peek().unwrap();
        assert_eq!((record.len(), record.is_empty(), record.to_vec()), (30, false, message(30)));
    }
    assert_eq!(published(&producer), 0);
    consumer.peek().unwrap().release();
    assert_eq!(published(&producer), 40);
    let record = consumer.peek().unwrap();
    assert_eq!((record.len(), record.is_empty(), record.to_vec()), (0, true, vec![]));
    record.release();
    is_empty(&mut consumer);
    assert_eq!(consumer.peek().unwrap_err(), PopError::Empty);
}

fn a_peek_is_copied_as_far_as_there_is_room<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair::<P>(geometry, EAGER);
        for len in [0, 1, 8, 30, 90] {
            push(&mut producer, len);
            let record = consumer.peek().unwrap();
            for room in [0, 1, 7, 8, 9, 29, 30, 31, 65, 100] {
                let (mut bytes, copied) = ([0xee; 100], len.min(room));
                assert_eq!(record.copy_to(&mut bytes[..room]), copied);
                assert_eq!(bytes[..copied], message(len)[..copied]);
                assert_eq!(bytes[copied..], [0xee; 100][copied..]);
            }
            record.release();
        }
    }
}

fn a_value_of_a_peek_may_start_anywhere_and_ends_within_it<P: Place>() {
    let bytes = message(100);
    let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair_at::<P>(geometry, EAGER, (geometry.alignment() as u64).wrapping_neg());
        push(&mut producer, 100);
        let record = consumer.peek().unwrap();
        for at in 0..=92 {
            assert_eq!(record.value(at), Some(word(at)), "at {at}");
        }
        for at in [93, 100, 101, usize::MAX - 7, usize::MAX] {
            assert_eq!(record.value::<u64>(at), None, "at {at}");
        }
        for at in [0, 1, 8, 20] {
            let long = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(|index| word(at + 8 * index));
            assert_eq!(record.value(at), Some(long), "at {at}");
        }
        assert_eq!((record.value(99), record.value::<u8>(100)), (Some(bytes[99]), None));
        assert_eq!((record.value::<[u8; 0]>(100), record.value::<[u8; 0]>(101)), (Some([]), None));
    }
}

scenarios! {
    a_claim_is_visible_once_it_is_committed,
    a_claim_that_is_dropped_was_never_there,
    a_claim_is_committed_shorter_than_it_was_taken,
    a_write_goes_on_where_the_last_one_ended_until_the_claim_is_full,
    a_claim_is_written_anywhere,
    a_claim_of_which_nothing_was_written_is_as_long_as_it_is_said,
    what_lies_outside_a_claim_panics_and_harms_nothing,
    a_batch_is_visible_once_it_is_committed,
    a_batch_that_is_dropped_was_never_there,
    an_empty_batch_commits_nothing,
    a_claim_in_a_batch_is_one_of_its_messages,
    a_batch_with_nothing_but_a_claim_that_was_given_up_is_empty,
    a_batch_that_finds_the_ring_full_keeps_what_it_has,
    a_batch_knows_what_can_never_be_added_to_it,
    a_batch_finds_the_room_that_was_given_back_since_it_began,
    a_peek_leaves_the_message_until_it_is_released,
    a_peek_is_copied_as_far_as_there_is_room,
    a_value_of_a_peek_may_start_anywhere_and_ends_within_it,
}
