//! Positions and headers that the protocol cannot have produced, under the name of a message ring: refused at attach.

mod common;

use common::messages::corrupted::{
    ALIGNMENTS, CAPACITY, impossible_headers, record, ring_at, wrong_head, wrong_header, wrong_start, wrong_tail,
};
use common::messages::{header, size};
use common::{refuses, word};
use ringmain::PushError;
use ringmain::{Corrupted, Error, SharedWord};

#[track_caller]
fn check_attach<H: std::fmt::Debug>(attach: Result<H, Error>, expected: Corrupted) {
    refuses!(attach, Error::Corrupted { source, .. } if source == expected);
}

#[test]
fn positions_that_start_no_record_are_refused_at_attach() {
    for align in ALIGNMENTS {
        for wrong in [1, 4, align - 1, align / 2, align + 1, u64::MAX] {
            let ring = ring_at(align, wrong, wrong);
            check_attach(ring.options().message_producer(), wrong_start(SharedWord::Tail, wrong, align));
            check_attach(ring.options().message_consumer(), wrong_start(SharedWord::Head, wrong, align));
            // The other side's word is as wrong as its own.
            ring.set_word(word::HEAD, 0);
            check_attach(ring.options().message_consumer(), wrong_tail(wrong, align, 0));
            ring.set_word(word::TAIL, 0);
            ring.set_word(word::HEAD, wrong);
            let lowest = 0_u64.wrapping_sub(CAPACITY - align);
            check_attach(ring.options().message_producer(), wrong_head(wrong, align, lowest, 0));
            // The roles were let go, and nobody entered.
            ring.set_word(word::HEAD, 0);
            assert_eq!(ring.options().message_producer().unwrap().generation(), 2);
            assert_eq!(ring.options().message_consumer().unwrap().generation(), 1);
        }
    }
}

#[test]
fn positions_that_are_too_far_apart_are_refused_at_attach() {
    for align in ALIGNMENTS {
        let most = CAPACITY - align;
        let too_far = [CAPACITY, 2 * CAPACITY, 1 << 32, 1 << 63];
        for (tail, head) in too_far.map(|far| (far, 0)).into_iter().chain([(64, 64_u64.wrapping_sub(CAPACITY))]) {
            let ring = ring_at(align, tail, head);
            check_attach(ring.options().message_producer(), wrong_head(head, align, tail.wrapping_sub(most), tail));
            check_attach(ring.options().message_consumer(), wrong_tail(tail, align, head));
        }
    }
}

#[test]
fn a_head_beyond_the_tail_is_refused_at_attach() {
    let most = CAPACITY - 8;
    let ring = ring_at(8, 0, 64);
    // A consumer cannot know it: its producer may have been killed before it said how far it was.
    drop(ring.options().message_consumer().unwrap());
    check_attach(ring.options().message_producer(), wrong_head(64, 8, 0_u64.wrapping_sub(most), 0));
    let ring = ring_at(8, 0, CAPACITY);
    check_attach(ring.options().message_consumer(), wrong_tail(0, 8, CAPACITY));
}

#[test]
fn unusual_positions_are_accepted_at_attach() {
    for align in ALIGNMENTS {
        let most = CAPACITY - align;
        for (tail, head) in [(0, 0), (64, 0_u64.wrapping_sub(most - 64)), (align.wrapping_neg(), align.wrapping_neg())]
        {
            let ring = ring_at(align, tail, head);
            let mut tx = ring.options().message_producer().unwrap();
            drop(ring.options().message_consumer().unwrap());
            assert_eq!(tx.can_push(0), Ok(tail == head));
        }
    }
}

#[test]
fn an_impossible_header_at_the_tail_is_refused_at_attach_of_a_producer() {
    for align in ALIGNMENTS {
        let most = CAPACITY - align;
        for wrong in impossible_headers(align, most) {
            let ring = ring_at(align, 640, 640);
            ring.set_word(record(640), wrong);
            check_attach(ring.options().message_producer(), wrong_header(wrong, align, most));
            // One record further, and there is room for so much less.
            let ring = ring_at(align, 640, 640);
            ring.set_word(record(640), header(3));
            ring.set_word(record(640 + size(align, 3)), wrong);
            check_attach(ring.options().message_producer(), wrong_header(wrong, align, most - size(align, 3)));
            assert_eq!(ring.word(word::TAIL), 640);
        }
    }
}

#[test]
fn records_without_end_are_no_hang_at_attach_of_a_producer() {
    let ring = ring_at(8, 0, 0);
    for at in (0..CAPACITY).step_by(8) {
        ring.set_word(record(at), header(0));
    }
    let mut tx = ring.options().message_producer().unwrap();
    assert_eq!(ring.word(word::TAIL), CAPACITY - 8);
    assert!(matches!(tx.push(&[]), Err(PushError::Full(_))));
}
