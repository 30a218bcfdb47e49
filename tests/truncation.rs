//! Another process shortens the object of a named ring: who sleeps is told, who asks is told, and who touches what is
//! gone ends by `SIGBUS`, as it is documented.

mod common;

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use common::ends::{End, STRATEGIES, for_each_end, parts_of_ends, small};
use common::{Child, Part, Ring, wait_for};
use ringmain::WaitError;
use ringmain::stream::{Consumer, Producer};

/// What is left if the data area alone is cut off.
const HEADER: u64 = 4096;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[&parts_of_ends!(waiter)[..], &[("toucher", toucher)]].concat());
}

/// Waits for the other end, and says how that ended.
fn waiter<E: End>(part: &mut Part) {
    let mut end = E::attach(&small(part.options()).wait(STRATEGIES[part.argument::<usize>(0)])).unwrap();
    let moved = end.exhaust();
    part.say("waits");
    part.say(format!("{:?}", end.go(moved, None)));
    part.say(end.is_truncated());
    end.close();
    part.say("closed");
}

/// Pushes, when the memory for it is gone.
fn toucher(part: &mut Part) {
    let mut tx = part.options().stream_producer::<u64>().unwrap();
    part.say("attached");
    part.hear();
    let pushed = tx.push(7);
    part.say(format!("{pushed:?}"));
}

fn len(ring: &Ring) -> u64 {
    ring.path().metadata().unwrap().len()
}

fn truncate(ring: &Ring, len: u64) {
    File::options().write(true).open(ring.path()).unwrap().set_len(len).unwrap();
}

/// Starts an end that waits, beside one of this process.
fn meet<E: End>(ring: &Ring, strategy: usize) -> (E::Peer, Child) {
    let peer = E::Peer::attach(&small(ring.options())).unwrap();
    let mut waiter = Child::start(E::PART, ring.name(), &[&strategy]);
    waiter.says("waits");
    (peer, waiter)
}

/// Shortens the ring while the end sleeps: stopped in its sleep, it looks at nothing meanwhile.
#[track_caller]
fn truncate_asleep<E: End>(ring: &Ring, waiter: &Child, len: u64) {
    wait_for("a sleep", || {
        let word = ring.word(E::PARKING);
        // All that a thread can sleep in, between the words that say so, is the wait for the other end.
        if word & 2 == 0 || !waiter.all_threads('S') || ring.word(E::PARKING) != word {
            return None;
        }
        waiter.stop();
        if ring.word(E::PARKING) == word {
            truncate(ring, len);
            return Some(());
        }
        waiter.go_on();
        None
    });
    waiter.go_on();
}

#[test]
fn a_sleeper_is_told_that_its_ring_was_shortened() {
    fn check<E: End>(strategy: usize, left: fn(u64) -> u64) {
        let ring = Ring::new();
        let (peer, mut waiter) = meet::<E>(&ring, strategy);
        let expected = len(&ring);
        let len = left(expected);
        truncate_asleep::<E>(&ring, &waiter, len);
        waiter.says(format_args!("{:?}", Err::<(), _>(WaitError::Truncated { len, expected })));
        waiter.says(true);
        waiter.says("closed");
        waiter.join();
        assert!(peer.is_truncated());
    }
    for strategy in [1, 2] {
        for left in [|whole| whole - 1, |_| HEADER, |_| HEADER - 1, |_| 1] {
            for_each_end!(at once: check(strategy, left));
        }
    }
}

#[test]
fn a_sleeper_whose_header_was_cut_off_is_ended_by_a_signal() {
    fn check<E: End>() {
        let ring = Ring::new();
        let (peer, mut waiter) = meet::<E>(&ring, 2);
        truncate_asleep::<E>(&ring, &waiter, 0);
        assert_eq!(waiter.end().signal(), Some(libc::SIGBUS));
        assert!(peer.is_truncated());
    }
    for_each_end!(check);
}

#[test]
fn an_end_that_spins_at_the_header_is_told_and_one_that_spins_at_the_data_is_ended() {
    fn check<E: End>() {
        let ring = Ring::new();
        let (_peer, mut waiter) = meet::<E>(&ring, 0);
        let expected = len(&ring);
        truncate(&ring, HEADER);
        if E::PART == "message_consumer" {
            // Its next record lies where nothing is any more.
            assert_eq!(waiter.end().signal(), Some(libc::SIGBUS));
        } else {
            waiter.says(format_args!("{:?}", Err::<(), _>(WaitError::Truncated { len: HEADER, expected })));
            waiter.says(true);
            waiter.says("closed");
        }
    }
    for_each_end!(check);
}

#[test]
fn whoever_touches_what_is_gone_is_ended_by_a_signal() {
    let ring = Ring::new();
    ring.make::<u64>(1024);
    let mut toucher = Child::start("toucher", ring.name(), &[]);
    toucher.says("attached");
    truncate(&ring, HEADER);
    toucher.say("push");
    assert_eq!(toucher.end().signal(), Some(libc::SIGBUS));
}

#[test]
fn a_handle_tells_that_its_ring_was_shortened_and_can_be_dropped() {
    fn check<E: End>(left: u64) {
        let ring = Ring::new();
        let end = E::attach(&small(ring.options()).unlink_on_close(true)).unwrap();
        let peer = E::Peer::attach(&ring.options()).unwrap();
        assert!(!end.is_truncated() && !peer.is_truncated());
        truncate(&ring, left);
        assert!(end.is_truncated() && peer.is_truncated());
        drop(peer);
        end.close();
        assert!(!ring.exists());
    }
    for left in [0, 1, HEADER - 1, HEADER, HEADER + 1] {
        for_each_end!(check, left);
    }
}

#[test]
fn a_ring_that_grew_is_whole() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options())).unwrap();
        truncate(&ring, 2 * len(&ring));
        assert!(!end.is_truncated());
        let moved = end.exhaust();
        assert_eq!(end.go(moved, Some(Duration::ZERO)), Err(WaitError::TimedOut));
    }
    for_each_end!(check);
}

#[test]
fn bytes_of_a_shortened_ring_are_invalid_data_for_those_who_do_not_wait() {
    let ring = Ring::new();
    let mut tx: Producer<u8> = ring.options().capacity(8).stream_producer().unwrap();
    let mut rx: Consumer<u8> = ring.options().stream_consumer().unwrap();
    tx.set_nonblocking(true);
    rx.set_nonblocking(true);
    assert_eq!(rx.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    truncate(&ring, HEADER);
    assert_eq!(rx.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::InvalidData);
    let ring = Ring::new();
    let mut tx: Producer<u8> = ring.options().capacity(8).stream_producer().unwrap();
    tx.set_nonblocking(true);
    assert_eq!(tx.write(&[7; 9]).unwrap(), 8);
    assert_eq!(tx.write(&[7]).unwrap_err().kind(), ErrorKind::WouldBlock);
    truncate(&ring, HEADER);
    assert_eq!(tx.write(&[7]).unwrap_err().kind(), ErrorKind::InvalidData);
}
