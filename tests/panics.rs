//! A panic in the middle of a claim or a peek: the claim is aborted, what was looked at stays, and the other process
//! sees nothing of it.

mod common;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use common::messages::ring_of;
use common::{Child, Part, Ring, wait_for};
use ringmain::PeerState;
use ringmain::PopError;
use ringmain::stream::{Consumer, Producer};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("stream_producer", stream_producer),
        ("stream_consumer", stream_consumer),
        ("message_producer", message_producer),
        ("message_consumer", message_consumer),
    ]);
}

/// Runs what must panic.
#[track_caller]
fn panics(attempt: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(attempt)).is_err(), "it did not panic");
}

/// Panics, without a message.
fn stumble() -> ! {
    resume_unwind(Box::new(()))
}

/// Says that it has panicked, and waits until the test has looked.
fn let_look(part: &mut Part) {
    part.say("panicked");
    part.hear();
}

/// Numbers that end in a panic.
fn three_numbers() -> impl Iterator<Item = u64> {
    [97, 98, 99].into_iter().chain(std::iter::from_fn(|| stumble()))
}

fn stream_producer(part: &mut Part) {
    let mut tx: Producer<u64> = part.options().stream_producer().unwrap();
    tx.push(0).unwrap();
    panics(|| {
        tx.claim(4).unwrap().fill(three_numbers());
    });
    panics(|| {
        tx.claim_contiguous(4).unwrap().fill(three_numbers());
    });
    panics(|| {
        let mut claim = tx.claim_up_to(8).unwrap();
        claim.copy_from_slice(0, &[99; 7]);
        stumble();
    });
    panics(|| {
        // SAFETY: nobody else writes to this ring while the view is used.
        let mut view = unsafe { tx.trust_peer() };
        view.claim_contiguous(4).unwrap().fill(99);
        let _claim = view.claim_contiguous(4).unwrap();
        stumble();
    });
    let_look(part);
    assert_eq!(tx.free(), Ok(7));
    (1..8).for_each(|number| tx.push(number).unwrap());
    part.say("pushed");
    part.hear();
}

#[test]
fn a_claim_of_elements_in_which_its_user_panics_is_aborted() {
    let ring = Ring::new();
    ring.make::<u64>(8);
    let mut rx: Consumer<u64> = ring.options().stream_consumer().unwrap();
    let mut clumsy = Child::start("stream_producer", ring.name(), &[]);
    clumsy.says("panicked");
    assert_eq!((rx.available(), rx.peer_state()), (Ok(1), PeerState::Alive));
    clumsy.say("looked");
    clumsy.says("pushed");
    (0..8).for_each(|number| assert_eq!(rx.pop(), Ok(number)));
    assert_eq!(rx.pop(), Err(PopError::Empty));
    clumsy.say("end");
    clumsy.join();
    assert_eq!(rx.peer_state(), PeerState::Closed);
}

fn stream_consumer(part: &mut Part) {
    let mut rx: Consumer<u64> = part.options().stream_consumer().unwrap();
    assert_eq!(wait_for("an element", || rx.pop().ok()), 0);
    rx.release();
    panics(|| {
        rx.peek(7).unwrap().iter().for_each(|number| {
            if number == 3 {
                stumble();
            }
        });
    });
    panics(|| {
        let peek = rx.peek_up_to(3).unwrap();
        assert_eq!(peek.get(0), Some(1));
        stumble();
    });
    panics(|| {
        let _peek = rx.peek_contiguous(3).unwrap();
        stumble();
    });
    panics(|| {
        // SAFETY: nobody else writes to this ring while the view is used.
        let mut view = unsafe { rx.trust_peer() };
        let _peek = view.peek_contiguous(3).unwrap();
        stumble();
    });
    let_look(part);
    (1..8).for_each(|number| assert_eq!(rx.pop(), Ok(number)));
    part.say("popped");
    part.hear();
}

#[test]
fn elements_at_which_their_user_panics_stay() {
    let ring = Ring::new();
    ring.make::<u64>(8);
    let mut tx: Producer<u64> = ring.options().stream_producer().unwrap();
    (0..8).for_each(|number| tx.push(number).unwrap());
    let mut clumsy = Child::start("stream_consumer", ring.name(), &[]);
    clumsy.says("panicked");
    assert_eq!((tx.free(), tx.peer_state()), (Ok(1), PeerState::Alive));
    clumsy.say("looked");
    clumsy.says("popped");
    clumsy.say("end");
    clumsy.join();
    assert_eq!((tx.free(), tx.peer_state()), (Ok(8), PeerState::Closed));
}

fn message_producer(part: &mut Part) {
    let mut tx = part.options().message_producer().unwrap();
    tx.push(b"first").unwrap();
    panics(|| {
        let mut claim = tx.claim(100).unwrap();
        claim.write_all(&[99; 50]).unwrap();
        stumble();
    });
    panics(|| {
        let mut batch = tx.batch();
        batch.push(&[99; 10]).unwrap();
        batch.push_value(&99_u64).unwrap();
        stumble();
    });
    panics(|| {
        let mut batch = tx.batch();
        batch.push(&[99; 10]).unwrap();
        let mut claim = batch.claim(10).unwrap();
        claim.write_all(&[99; 10]).unwrap();
        stumble();
    });
    panics(|| {
        // SAFETY: nobody else writes to this ring while the view is used.
        let mut view = unsafe { tx.trust_peer() };
        view.claim(100).unwrap().fill(99);
        let _claim = view.claim(100).unwrap();
        stumble();
    });
    let_look(part);
    tx.push(b"second").unwrap();
    part.say("pushed");
    part.hear();
}

#[test]
fn a_claim_or_a_batch_of_messages_in_which_its_user_panics_is_aborted() {
    for alignment in [8, 64] {
        let ring = ring_of(4096, alignment);
        let mut rx = ring.options().message_consumer().unwrap();
        let mut clumsy = Child::start("message_producer", ring.name(), &[]);
        clumsy.says("panicked");
        let mut bytes = Vec::new();
        assert_eq!(rx.pop_into(&mut bytes), Ok(5));
        assert_eq!((bytes.as_slice(), rx.pop_into(&mut Vec::new())), (&b"first"[..], Err(PopError::Empty)));
        assert_eq!(rx.peer_state(), PeerState::Alive);
        clumsy.say("looked");
        clumsy.says("pushed");
        bytes.clear();
        assert_eq!(rx.pop_into(&mut bytes), Ok(6));
        assert_eq!((bytes.as_slice(), rx.is_empty()), (&b"second"[..], Ok(true)));
        clumsy.say("end");
        clumsy.join();
        assert_eq!(rx.peer_state(), PeerState::Closed);
    }
}

fn message_consumer(part: &mut Part) {
    let mut rx = part.options().message_consumer().unwrap();
    panics(|| {
        let record = rx.peek().unwrap();
        assert_eq!(record.to_vec(), [0; 8]);
        stumble();
    });
    // What it has read before stays read; what it panics at does not.
    let mut seen = 0;
    panics(|| {
        rx.drain(9, |record| {
            seen += 1;
            assert_eq!(record.value::<u64>(0), Some(seen - 1));
            if seen == 3 {
                stumble();
            }
        })
        .unwrap();
    });
    panics(|| {
        // SAFETY: nobody else writes to this ring while the view is used.
        let mut view = unsafe { rx.trust_peer() };
        view.drain(9, |_| stumble()).unwrap();
    });
    panics(|| {
        // SAFETY: nobody else writes to this ring while the view is used.
        let mut view = unsafe { rx.trust_peer() };
        let _record = view.peek().unwrap();
        stumble();
    });
    rx.release();
    let_look(part);
    (2..5).for_each(|number| assert_eq!(rx.pop_value::<u64>(), Ok(number)));
    assert_eq!(rx.is_empty(), Ok(true));
}

#[test]
fn a_message_at_which_its_user_panics_stays() {
    for alignment in [8, 64] {
        let ring = ring_of(4096, alignment);
        let mut tx = ring.options().message_producer().unwrap();
        (0..5_u64).for_each(|number| tx.push_value(&number).unwrap());
        let before = ring.word(common::word::HEAD);
        let mut clumsy = Child::start("message_consumer", ring.name(), &[]);
        clumsy.says("panicked");
        let record = (ring.word(common::word::TAIL) - before) / 5;
        assert_eq!(ring.word(common::word::HEAD) - before, 2 * record);
        assert_eq!((tx.can_push(8), tx.peer_state()), (Ok(true), PeerState::Alive));
        clumsy.say("looked");
        clumsy.join();
        assert_eq!(
            (ring.word(common::word::HEAD), tx.peer_state()),
            (ring.word(common::word::TAIL), PeerState::Closed)
        );
    }
}
