//! Calls that wait, and give back what they were given: more than a ring can hold, too late, too short a buffer.

mod common;

use std::thread;

use common::ends::{LONG, SOON};
use common::messages::ring_of;
use common::{Ring, word};
use ringmain::stream::{Consumer, Producer};
use ringmain::{Broken, Corrupted, SharedWord, Unfinished, WaitError};

#[test]
fn more_than_a_ring_can_hold_is_refused_at_once() {
    let ring = Ring::new();
    let mut tx: Producer<u64> = ring.options().capacity(8).stream_producer().unwrap();
    let mut rx: Consumer<u64> = ring.options().stream_consumer().unwrap();
    let too_long = WaitError::TooLong { len: 9, max: 8 };
    assert_eq!(tx.blocking().claim(9).unwrap_err(), too_long);
    assert_eq!(tx.within(LONG).claim(9).unwrap_err(), too_long);
    assert_eq!(rx.blocking().peek(9).unwrap_err(), too_long);
    assert_eq!(rx.within(LONG).peek(9).unwrap_err(), too_long);
    tx.blocking().claim(8).unwrap().commit();
    assert_eq!(rx.blocking().peek(8).unwrap().len(), 8);
    let ring = ring_of(4096, 8);
    let mut tx = ring.options().message_producer().unwrap();
    let max = tx.max_len();
    let too_long = Err(WaitError::TooLong { len: max + 1, max });
    let bytes = vec![7; max + 1];
    tx.push(&[]).unwrap();
    assert_eq!(tx.blocking().push(&bytes), too_long);
    assert_eq!(tx.within(LONG).push(&bytes), too_long);
    assert_eq!(tx.blocking().push_value(&[0_u64; 1024]), Err(WaitError::TooLong { len: 8192, max }));
    assert_eq!(tx.within(LONG).until_free(max + 1), too_long);
    assert_eq!(tx.blocking().claim(max + 1).map(drop), too_long);
    assert_eq!(tx.within(LONG).claim(usize::MAX).map(drop), Err(WaitError::TooLong { len: usize::MAX, max }));
}

#[test]
fn a_push_that_timed_out_returns_the_element() {
    let ring = Ring::new();
    let mut tx: Producer<u64> = ring.options().capacity(1).stream_producer().unwrap();
    tx.blocking().push(6).unwrap();
    assert_eq!(tx.within(SOON).push(7), Err(Unfinished { value: 7, cause: WaitError::TimedOut }));
    ring.set_word(word::HEAD, 5);
    let Unfinished { value, cause } = tx.blocking().push(8).unwrap_err();
    assert!(
        matches!(cause, WaitError::Broken(Broken::Corrupted(Corrupted { word: SharedWord::Head, found: 5, .. }))),
        "{cause:?}"
    );
    assert_eq!(value, 8);
}

#[test]
fn a_message_that_does_not_fit_stays() {
    let ring = ring_of(4096, 8);
    let mut tx = ring.options().message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(SOON);
            tx.push(b"seven").unwrap();
        });
        assert_eq!(rx.blocking().pop(&mut [0; 4]), Err(WaitError::BufferTooShort { len: 5, buffer: 4 }));
    });
    assert_eq!(rx.within(LONG).pop(&mut []), Err(WaitError::BufferTooShort { len: 5, buffer: 0 }));
    assert_eq!(rx.blocking().pop_value::<u32>(), Err(WaitError::WrongSize { len: 5, size: 4 }));
    assert_eq!(rx.within(LONG).pop_value::<u64>(), Err(WaitError::WrongSize { len: 5, size: 8 }));
    assert_eq!(rx.blocking().peek().unwrap().to_vec(), b"seven");
    let mut bytes = [0; 5];
    assert_eq!(rx.blocking().pop(&mut bytes), Ok(5));
    assert_eq!(&bytes, b"seven");
    assert_eq!(rx.within(SOON).pop(&mut bytes), Err(WaitError::TimedOut));
}
