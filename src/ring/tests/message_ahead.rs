//! The scenarios of the header that a producer zeroes ahead.

use super::message::{EAGER, is_empty, pair_at, pop, push, smallest};
use super::{InSegment, Memory, OnHeap, Place};
use crate::ring::error::PushError;
use crate::ring::message::{Consumer, Producer};

/// Ways to write over the room after the tail, with bytes that are no headers, and to publish nothing.
fn writings<M: Memory>() -> [fn(&mut Producer<M>); 4] {
    [
        |producer| {
            let ones = vec![1; producer.max_len()];
            producer.claim(ones.len()).unwrap().write_at(0, &ones);
        },
        |producer| {
            let ones = vec![1; producer.max_len()];
            producer.claim(ones.len()).unwrap().write_at(0, &ones);
        },
        |producer| {
            let ones = vec![1; producer.max_len()];
            producer.batch().push(&ones).unwrap();
        },
        |producer| {
            let ones = vec![1; producer.max_len()];
            producer.batch().claim(ones.len()).unwrap().write_at(0, &ones);
        },
    ]
}

/// Pushes and pops messages of two words, with a writing between them; the producer forgets the header ahead, or
/// does not.
fn messages_around_a_writing<P: Place>(
    start: u64,
    write: fn(&mut Producer<P::Memory>),
    forgets: bool,
    check: impl Fn(&mut Consumer<P::Memory>),
) {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair_at::<P>(geometry, EAGER, start);
        push(&mut producer, 16);
        let ahead = producer.kind.zeroed;
        assert_eq!(ahead, producer.position().wrapping_add(geometry.size(16)));
        pop(&mut consumer, 16);
        write(&mut producer);
        if !forgets {
            producer.kind.zeroed = ahead;
        }
        push(&mut producer, 16);
        pop(&mut consumer, 16);
        check(&mut consumer);
    }
}

fn what_is_written_over_a_header_ahead_is_zeroed_again<P: Place>() {
    for start in [0, 128_u64.wrapping_neg()] {
        for write in writings() {
            messages_around_a_writing::<P>(start, write, true, is_empty);
        }
    }
}

fn a_header_ahead_that_is_not_forgotten_is_found_out<P: Place>() {
    for write in writings() {
        messages_around_a_writing::<P>(0, write, false, |consumer| {
            let refused = consumer.pop(&mut [0; 16]).unwrap_err().to_string();
            assert!(refused.contains("the header of a record holds"), "{refused}");
        });
    }
}

fn a_shorter_message_leaves_the_header_ahead<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair_at::<P>(geometry, EAGER, 0);
        // The second ends before the header that the first has zeroed, the third behind it.
        for len in [16, 0, 40, 16] {
            let mut claim = producer.claim(48).unwrap();
            claim.write_at(0, &[1; 48]);
            drop(claim);
            push(&mut producer, len);
            pop(&mut consumer, len);
            is_empty(&mut consumer);
        }
    }
}

fn nothing_is_zeroed_ahead_while_messages_are_unread<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair_at::<P>(geometry, EAGER, 0);
        let mut count = 0;
        while producer.can_push(0).unwrap() {
            push(&mut producer, 0);
            count += 1;
        }
        pop(&mut consumer, 0);
        // It has seen the ring with messages in it.
        push(&mut producer, 0);
        let behind = producer.kind.zeroed.wrapping_sub(producer.position());
        assert!(behind == 0 || behind > geometry.max_used(), "{behind} ahead of the tail");
        assert_eq!(producer.push(&[]), Err(PushError::Full(0)));
        (0..count).for_each(|_| pop(&mut consumer, 0));
        is_empty(&mut consumer);
        // And now empty.
        push(&mut producer, 0);
        assert_eq!(producer.kind.zeroed, producer.position() + geometry.size(0));
    }
}

fn who_follows_zeroes_anew<P: Place>() {
    for geometry in smallest::<P>() {
        let (mut producer, mut consumer) = pair_at::<P>(geometry, EAGER, 0);
        push(&mut producer, 0);
        assert_ne!(producer.kind.zeroed, producer.position());
        let mut producer = Producer::attach(producer.into_memory(), geometry, EAGER).unwrap();
        assert_eq!(producer.kind.zeroed, producer.position());
        push(&mut producer, 0);
        pop(&mut consumer, 0);
        pop(&mut consumer, 0);
        is_empty(&mut consumer);
    }
}

scenarios! {
    what_is_written_over_a_header_ahead_is_zeroed_again,
    a_header_ahead_that_is_not_forgotten_is_found_out,
    a_shorter_message_leaves_the_header_ahead,
    nothing_is_zeroed_ahead_while_messages_are_unread,
    who_follows_zeroes_anew,
}
