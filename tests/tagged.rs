//! Messages with a word beside their header.

mod common;

use std::io::Write;

use common::{Ring, Wait};
use ringmain::PushError;
use ringmain::message::{Consumer, Producer};
use ringmain::{Options, Trusted};

/// The alignments whose records have a word.
const WITH_WORDS: [usize; 3] = [16, 32, 64];

fn ends(alignment: usize) -> (Producer, Consumer) {
    let ring = Options::anonymous().capacity(4096).record_alignment(alignment).create_message().unwrap();
    let options = Options::from_fd(ring);
    (options.message_producer().unwrap(), options.message_consumer().unwrap())
}

/// Pops a message, and returns its word and its bytes.
#[track_caller]
fn pop(rx: &mut Consumer) -> (u64, Vec<u8>) {
    let mut bytes = vec![0; 4096];
    let (word, len) = rx.pop_tagged(&mut bytes).unwrap();
    bytes.truncate(len);
    (word, bytes)
}

#[test]
fn a_word_arrives_with_its_message() {
    for alignment in WITH_WORDS {
        let (mut tx, mut rx) = ends(alignment);
        for word in [1, u64::MAX, 0, 1 << 63] {
            for len in [0, 1, 15, 16, 17, 100, tx.max_len()] {
                let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
                tx.push_tagged(word, &bytes).unwrap();
                assert_eq!(pop(&mut rx), (word, bytes));
            }
        }
    }
}

#[test]
fn a_record_tells_its_word_in_place() {
    let (mut tx, mut rx) = ends(16);
    tx.push_tagged(7, b"seven").unwrap();
    let record = rx.peek().unwrap();
    assert_eq!((record.word(), record.to_vec()), (7, b"seven".to_vec()));
    assert_eq!(rx.drain(1, |record| assert_eq!(record.word(), 7)), Ok(1));
}

#[test]
fn every_other_way_to_push_stores_the_word_zero() {
    for alignment in WITH_WORDS {
        let (mut tx, mut rx) = ends(alignment);
        // Every word of the ring is one that was given, until it is stored anew.
        for _ in 0..4096 / alignment {
            tx.push_tagged(u64::MAX, b"").unwrap();
            assert_eq!(pop(&mut rx), (u64::MAX, Vec::new()));
        }
        for _ in 0..4096 / alignment {
            tx.push(b"a").unwrap();
            assert_eq!(pop(&mut rx), (0, b"a".to_vec()));
            tx.push_value(&7_u64).unwrap();
            assert_eq!(pop(&mut rx), (0, 7_u64.to_ne_bytes().to_vec()));
            tx.push_vectored(&[std::io::IoSlice::new(b"b"), std::io::IoSlice::new(b"c")]).unwrap();
            assert_eq!(pop(&mut rx), (0, b"bc".to_vec()));
            let mut claim = tx.claim(4).unwrap();
            claim.write_all(b"d").unwrap();
            claim.commit();
            assert_eq!(pop(&mut rx), (0, b"d".to_vec()));
            let mut batch = tx.batch();
            batch.push(b"e").unwrap();
            batch.push_value(&1_u8).unwrap();
            batch.push_vectored(&[std::io::IoSlice::new(b"f")]).unwrap();
            batch.claim(0).unwrap().commit();
            batch.commit();
            let words: Vec<u64> = (0..4).map(|_| pop(&mut rx).0).collect();
            assert_eq!(words, [0; 4]);
            for _ in 0..5 {
                tx.push_tagged(u64::MAX, &[0xff; 40]).unwrap();
                assert_eq!(pop(&mut rx).0, u64::MAX);
            }
        }
    }
}

#[test]
fn claims_and_batches_give_words() {
    for alignment in WITH_WORDS {
        let (mut tx, mut rx) = ends(alignment);
        let mut claim = tx.claim(8).unwrap();
        claim.set_word(1).unwrap();
        claim.set_word(2).unwrap();
        claim.write_all(b"claim").unwrap();
        claim.commit();
        let mut aborted = tx.claim(8).unwrap();
        aborted.set_word(3).unwrap();
        aborted.abort();
        let mut batch = tx.batch();
        batch.push_tagged(4, b"first").unwrap();
        batch.push(b"second").unwrap();
        batch.push_tagged(5, b"third").unwrap();
        let mut claim = batch.claim(8).unwrap();
        claim.set_word(6).unwrap();
        claim.write_all(b"last").unwrap();
        claim.commit();
        batch.commit();
        let mut dropped = tx.batch();
        dropped.push_tagged(7, b"dropped").unwrap();
        dropped.abort();
        tx.push(b"end").unwrap();
        let expected: [(u64, &[u8]); 6] =
            [(2, b"claim"), (4, b"first"), (0, b"second"), (5, b"third"), (6, b"last"), (0, b"end")];
        for (word, bytes) in expected {
            assert_eq!(pop(&mut rx), (word, bytes.to_vec()));
        }
    }
}

#[test]
fn records_of_eight_have_no_word() {
    let (mut tx, mut rx) = ends(8);
    let none = PushError::NoWord { record_alignment: 8 };
    assert_eq!(tx.push_tagged(1, b"refused"), Err(none));
    assert_eq!(tx.push_tagged(0, b"refused"), Err(none));
    assert_eq!(tx.batch().push_tagged(1, b"refused"), Err(none));
    let mut claim = tx.claim(8).unwrap();
    assert_eq!(claim.set_word(1), Err(none));
    claim.write_all(b"claim").unwrap();
    claim.commit();
    assert!(none.to_string().contains("alignment of 16, 32 or 64"), "{none}");
    assert_eq!(rx.peek().unwrap().word(), 0);
    assert_eq!(pop(&mut rx), (0, b"claim".to_vec()));
    assert!(rx.is_empty().unwrap());
}

#[test]
fn a_message_that_is_refused_leaves_its_word() {
    let (mut tx, mut rx) = ends(64);
    tx.push_tagged(9, b"too long").unwrap();
    let mut short = [0; 4];
    for _ in 0..2 {
        assert!(rx.pop_tagged(&mut short).is_err());
    }
    assert_eq!(pop(&mut rx), (9, b"too long".to_vec()));
    let long = vec![0; tx.max_len() + 1];
    assert!(matches!(tx.push_tagged(1, &long), Err(PushError::TooLong { .. })));
    assert_eq!(tx.push_tagged(1, &long[1..]), Ok(()));
    assert!(matches!(tx.push_tagged(1, b""), Err(PushError::Full(_))));
}

#[test]
fn whoever_trusts_its_peer_has_words_too() {
    let (mut tx, mut rx) = ends(16);
    // SAFETY: both ends are this process's.
    let mut view: Trusted<&mut Producer> = unsafe { tx.trust_peer() };
    let mut claim = view.claim(3).unwrap();
    claim.set_word(11).unwrap();
    claim.copy_from_slice(b"abc");
    claim.commit();
    // SAFETY: the same.
    let mut view: Trusted<&mut Consumer> = unsafe { rx.trust_peer() };
    let record = view.peek().unwrap();
    assert_eq!((record.word(), &record[..]), (11, &b"abc"[..]));
    record.release();
}

#[test]
fn words_of_many_messages_arrive_in_order_in_another_thread() {
    const COUNT: u64 = 100_000;
    let ring = Ring::new();
    let mut tx = ring.options().capacity(4096).record_alignment(16).message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..COUNT {
                let bytes = number.to_ne_bytes();
                let mut wait = Wait::default();
                while matches!(tx.push_tagged(!number, &bytes[..(number % 9) as usize]), Err(PushError::Full(_))) {
                    wait.pause("room");
                }
            }
        });
        for number in 0..COUNT {
            let (mut bytes, mut wait) = ([0; 8], Wait::default());
            let (word, len) = loop {
                match rx.pop_tagged(&mut bytes) {
                    Ok(popped) => break popped,
                    Err(_) => wait.pause("a message"),
                }
            };
            assert_eq!((word, len as u64), (!number, number % 9));
        }
    });
}
