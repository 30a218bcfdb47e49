//! Calls that wait, and give back what they were given: more than a ring can hold, too late, too short a buffer.

mod common;

use std::thread;
use std::time::Duration;

use common::messages::ring_of;
use common::{Ring, word};
use ringmain::message::ReceiveError;
use ringmain::stream::{Consumer, Producer};
use ringmain::{Corrupted, SharedWord, Unsent, WaitError};

/// A limit that is over soon.
const SOON: Duration = Duration::from_millis(20);

/// A limit that is reached where something went wrong alone.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn more_than_a_ring_can_hold_is_refused_at_once() {
    let ring = Ring::new();
    let mut tx: Producer<u64> = ring.options().capacity(8).stream_producer().unwrap();
    let mut rx: Consumer<u64> = ring.options().stream_consumer().unwrap();
    let too_long = WaitError::TooLong { len: 9, max: 8 };
    assert_eq!(tx.claim_blocking(9).unwrap_err(), too_long);
    assert_eq!(tx.claim_timeout(9, LONG).unwrap_err(), too_long);
    assert_eq!(rx.peek_blocking(9).unwrap_err(), too_long);
    assert_eq!(rx.peek_timeout(9, LONG).unwrap_err(), too_long);
    tx.claim_blocking(8).unwrap().commit();
    assert_eq!(rx.peek_blocking(8).unwrap().len(), 8);
    let ring = ring_of(4096, 8);
    let mut tx = ring.options().message_producer().unwrap();
    let max = tx.max_len();
    let too_long = Err(WaitError::TooLong { len: max + 1, max });
    let bytes = vec![7; max + 1];
    tx.push(&[]).unwrap();
    assert_eq!(tx.push_blocking(&bytes), too_long);
    assert_eq!(tx.push_timeout(&bytes, LONG), too_long);
    assert_eq!(tx.push_value_blocking(&[0_u64; 1024]), Err(WaitError::TooLong { len: 8192, max }));
    assert_eq!(tx.wait_writable(max + 1, LONG), too_long);
    assert_eq!(tx.claim_blocking(max + 1).map(drop), too_long);
    assert_eq!(tx.claim_timeout(usize::MAX, LONG).map(drop), Err(WaitError::TooLong { len: usize::MAX, max }));
}

#[test]
fn a_push_that_timed_out_returns_the_element() {
    let ring = Ring::new();
    let mut tx: Producer<u64> = ring.options().capacity(1).stream_producer().unwrap();
    tx.push_blocking(6).unwrap();
    assert_eq!(tx.push_timeout(7, SOON), Err(Unsent { value: 7, cause: WaitError::TimedOut }));
    ring.set_word(word::HEAD, 5);
    let Unsent { value, cause } = tx.push_blocking(8).unwrap_err();
    assert!(matches!(cause, WaitError::Corrupted(Corrupted { word: SharedWord::Head, found: 5, .. })), "{cause:?}");
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
        assert_eq!(rx.pop_blocking(&mut [0; 4]), Err(ReceiveError::BufferTooShort { len: 5, buffer: 4 }));
    });
    assert_eq!(rx.pop_timeout(&mut [], LONG), Err(ReceiveError::BufferTooShort { len: 5, buffer: 0 }));
    assert_eq!(rx.pop_value_blocking::<u32>(), Err(ReceiveError::NotThisValue { len: 5, size: 4 }));
    assert_eq!(rx.pop_value_timeout::<u64>(LONG), Err(ReceiveError::NotThisValue { len: 5, size: 8 }));
    assert_eq!(rx.peek_blocking().unwrap().to_vec(), b"seven");
    let mut bytes = [0; 5];
    assert_eq!(rx.pop_blocking(&mut bytes), Ok(5));
    assert_eq!(&bytes, b"seven");
    assert_eq!(rx.pop_timeout(&mut bytes, SOON), Err(ReceiveError::Wait(WaitError::TimedOut)));
}
