//! How a bridge ends, and what stands still without its ends.

mod common;

use std::thread;
use std::time::Duration;

use common::{KINDS, Kind, check_equal, make, options, pop, push, push_until_full, site};
use ringmain::{Options, WaitError};
use ringmain_bridge_lab::network::Way;
use ringmain_bridge_lab::process::PATIENCE;

/// How many go before an end.
const COUNT: u64 = 3000;

/// Pushes, ends ring A's producer by `end`, and checks what ring B's consumer is told and how both programs exit.
#[track_caller]
fn check_end(kind: Kind, is_crash: bool) {
    let Some(site) = site(Way::ToReceiver) else { return };
    make(&site, kind);
    let mut running = site.start_all(&["--once"]).unwrap();
    let [a, b] = site.rings.clone();
    let consumer = thread::spawn(move || {
        let options = Options::new(&b).wait_for(PATIENCE);
        match kind {
            Kind::Stream => {
                let mut rx = options.stream_consumer::<u64>().unwrap();
                (0..COUNT).for_each(|number| assert_eq!(rx.within(PATIENCE).pop(), Ok(number)));
                rx.within(PATIENCE).pop().unwrap_err()
            }
            Kind::Message => {
                let mut rx = options.message_consumer().unwrap();
                (0..COUNT).for_each(|number| assert_eq!(rx.within(PATIENCE).pop_value(), Ok(number)));
                rx.within(PATIENCE).pop_value::<u64>().unwrap_err()
            }
        }
    });
    match kind {
        Kind::Stream => {
            let mut tx = options(&a).stream_producer::<u64>().unwrap();
            (0..COUNT).for_each(|number| tx.within(PATIENCE).push(number).unwrap());
            if is_crash { tx.abandon() } else { tx.close().unwrap() }
        }
        Kind::Message => {
            let mut tx = options(&a).message_producer().unwrap();
            (0..COUNT).for_each(|number| tx.within(PATIENCE).push_value(&number).unwrap());
            if is_crash { tx.abandon() } else { tx.close().unwrap() }
        }
    }
    let (told, code) = if is_crash { (WaitError::Crashed, 3) } else { (WaitError::Closed, 0) };
    assert_eq!(consumer.join().unwrap(), told);
    for process in &mut running {
        assert_eq!(process.end_within(PATIENCE).unwrap().code(), Some(code));
    }
    check_equal(&site);
}

#[test]
fn a_close_of_ring_a_is_told_at_ring_b_after_all_that_was_pushed() {
    KINDS.into_iter().for_each(|kind| check_end(kind, false));
}

#[test]
fn a_crash_at_ring_a_is_told_at_ring_b_after_all_that_was_pushed() {
    KINDS.into_iter().for_each(|kind| check_end(kind, true));
}

#[test]
fn without_a_consumer_of_ring_b_the_producer_of_ring_a_is_held_up_until_one_comes() {
    for kind in KINDS {
        let Some(site) = site(Way::ToReceiver) else { return };
        make(&site, kind);
        let _running = site.start_all(&[]).unwrap();
        let [a, b] = &site.rings;
        push(kind, a, 0..10);
        pop(kind, b, 0..10);
        let next = push_until_full(kind, a, 10, Duration::from_secs(2));
        pop(kind, b, 10..next);
        let producer = thread::spawn({
            let a = a.clone();
            move || push(kind, &a, next..next + COUNT)
        });
        pop(kind, b, next..next + COUNT);
        producer.join().unwrap();
        check_equal(&site);
    }
}
