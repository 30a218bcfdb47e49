//! What is read and handed on: bytes to a descriptor, messages that are given back together.

#![allow(clippy::drop_non_drop, reason = "a batch of looks ends by a drop")]

mod common;

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;

use common::{Ring, word, write_word};
use ringmain::Broken;
use ringmain::PopError;

#[test]
fn bytes_go_from_one_descriptor_to_another_through_a_ring() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(16).stream_producer::<u8>().unwrap();
    let mut rx = ring.options().stream_consumer::<u8>().unwrap();
    let (input, mut feeder) = UnixStream::pair().unwrap();
    let (mut drain, output) = UnixStream::pair().unwrap();
    for text in [&b"0123456789"[..], b"abcdefghij"] {
        io::Write::write_all(&mut feeder, text).unwrap();
        let (mut left, mut seen) = (text.len(), vec![0; text.len()]);
        while left > 0 {
            // The second text passes the end of the buffer, so it takes two of them.
            let mut claim = tx.claim_up_to(left).unwrap();
            let read = claim.read_from(&input).unwrap();
            assert_eq!(read, claim.parts().0);
            claim.commit_first(read);
            left -= read;
        }
        while let Ok(peek) = rx.peek_up_to(16) {
            let written = peek.write_to(&output).unwrap();
            assert_eq!(written, peek.parts().0);
            peek.release_first(written);
        }
        io::Read::read_exact(&mut drain, &mut seen).unwrap();
        assert_eq!(seen, text);
    }
    drop(feeder);
    assert_eq!(tx.claim(1).unwrap().read_from(&input).unwrap(), 0);
    drop(drain);
    tx.push(7).unwrap();
    assert_eq!(rx.peek(1).unwrap().write_to(&output).unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(rx.pop(), Ok(7));
}

#[test]
fn a_batch_that_is_dropped_leaves_its_messages() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(4096).message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    // Rounds enough to pass the end of the ring at many places.
    for round in 0..300_u32 {
        let texts: Vec<String> =
            (0..round % 9).map(|at| format!("{round} {at} {}", "x".repeat(at as usize * 40))).collect();
        texts.iter().for_each(|text| tx.push(text.as_bytes()).unwrap());
        let head = ring.word(word::HEAD);
        for taken in [texts.len() / 2, texts.len()] {
            let (mut batch, mut bytes) = (rx.peek_batch(), Vec::new());
            for text in &texts[..taken] {
                assert_eq!(batch.next_len(), Ok(text.len()));
                assert_eq!(batch.append_next(&mut bytes), Ok(text.len()));
            }
            assert_eq!((batch.len(), batch.is_empty()), (taken, taken == 0));
            assert_eq!(bytes, texts[..taken].concat().into_bytes());
            drop(batch);
            assert_eq!(ring.word(word::HEAD), head);
        }
        let (mut batch, mut bytes) = (rx.peek_batch(), Vec::new());
        while batch.append_next(&mut bytes).is_ok() {}
        assert_eq!((batch.next_len(), batch.len()), (Err(PopError::Empty), texts.len()));
        batch.release();
        assert_eq!(bytes, texts.concat().into_bytes());
        assert_eq!(ring.word(word::HEAD), ring.word(word::TAIL));
        assert_eq!(rx.is_empty(), Ok(true));
    }
}

#[test]
fn a_batch_gives_back_up_to_a_position_and_keeps_what_it_read_after_that() {
    for (align, word) in [(8, 0), (16, 7), (64, 7)] {
        let ring = Ring::new();
        let mut tx = ring.options().capacity(4096).record_alignment(align).message_producer().unwrap();
        let mut rx = ring.options().message_consumer().unwrap();
        let mut ends = Vec::new();
        for len in [0, 1, 100, 31] {
            match word {
                0 => tx.push(&vec![len; len as usize]).unwrap(),
                word => tx.push_tagged(word, &vec![len; len as usize]).unwrap(),
            }
            ends.push(tx.position());
        }
        let mut batch = rx.peek_batch();
        for &end in &ends[..3] {
            assert_eq!(batch.next_word(), Ok(word));
            batch.append_next(&mut Vec::new()).unwrap();
            assert_eq!(batch.position(), end);
        }
        // Where no record ends, what was not read yet, and what lies before the head.
        for nowhere in [ends[2] - 1, ends[1] + 1, ends[3], 0_u64.wrapping_sub(align as u64)] {
            assert_eq!(batch.release_to(nowhere), Ok(None), "{nowhere}");
        }
        assert_eq!((batch.release_to(0), ring.word(word::HEAD)), (Ok(Some(0)), 0));
        assert_eq!((batch.release_to(ends[1]), ring.word(word::HEAD)), (Ok(Some(2)), ends[1]));
        assert_eq!((batch.len(), batch.position()), (1, ends[2]));
        assert_eq!(batch.release_to(ends[0]), Ok(None));
        // The one that is under way is read again after that.
        batch.rewind();
        let mut bytes = Vec::new();
        while batch.append_next(&mut bytes).is_ok() {}
        assert_eq!((bytes.len(), batch.position()), (131, ends[3]));
        assert_eq!((batch.release_to(ends[3]), batch.is_empty()), (Ok(Some(2)), true));
        assert_eq!((ring.word(word::HEAD), batch.next_word()), (ends[3], Err(PopError::Empty)));
    }
}

#[test]
fn a_batch_after_a_lie_is_refused_and_gives_nothing_back() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(4096).message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    tx.push(b"one").unwrap();
    let mut batch = rx.peek_batch();
    let mut bytes = Vec::new();
    batch.append_next(&mut bytes).unwrap();
    drop(batch);
    // A tail at which no record can end.
    write_word(ring.name(), word::TAIL, 13);
    let mut batch = rx.peek_batch();
    let mut refused = batch.append_next(&mut bytes);
    while refused.is_ok() {
        refused = batch.append_next(&mut bytes);
    }
    drop(batch);
    assert!(matches!(refused, Err(PopError::Empty | PopError::Broken(Broken::Corrupted(_)))), "{refused:?}");
    assert_eq!(ring.word(word::HEAD), 0);
}
