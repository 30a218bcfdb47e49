//! What a call has pushed is visible when it returns, by whatever call: also to who comes after this process was killed.

mod common;

use std::io::{IoSlice, Write};

use common::ends::{LONG, small};
use common::{Child, Part, Ring, succeed, word};
use ringmain::{message, stream};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("elements", elements), ("messages", messages)]);
}

macro_rules! trust {
    ($handle:expr) => {{
        // SAFETY: the rings of these tests are touched by handles alone.
        unsafe { $handle.trust_peer() }
    }};
}

/// The name of a call, how many it pushes, and the call.
type Call<H> = (&'static str, u64, fn(&mut H));

/// Calls that push one or more elements, all of them 7, and how many.
const PUSHES: [Call<stream::Producer<u64>>; 12] = [
    ("push", 1, |tx| tx.push(7).unwrap()),
    ("push_slice", 3, |tx| assert_eq!(tx.push_slice(&[7; 3]), Ok(3))),
    ("push_blocking", 1, |tx| tx.blocking().push(7).unwrap()),
    ("push_timeout", 1, |tx| tx.within(LONG).push(7).unwrap()),
    ("claim", 3, |tx| commit(tx.claim(3).unwrap())),
    ("claim_up_to", 8, |tx| commit(tx.claim_up_to(9).unwrap())),
    ("claim_contiguous", 2, |tx| commit(tx.claim_contiguous(2).unwrap())),
    ("claim_blocking", 3, |tx| commit(tx.blocking().claim(3).unwrap())),
    ("claim_timeout", 3, |tx| commit(tx.within(LONG).claim(3).unwrap())),
    ("commit_first", 2, |tx| {
        let mut claim = tx.claim(3).unwrap();
        assert_eq!(claim.fill([7; 3]), 3);
        claim.commit_first(2);
    }),
    ("commit of a view", 3, |tx| {
        let mut view = trust!(tx);
        let mut claim = view.claim_contiguous(3).unwrap();
        claim.fill(7);
        claim.commit();
    }),
    ("abort", 0, |tx| tx.claim(3).unwrap().abort()),
];

fn commit(mut claim: stream::Claim<'_, u64>) {
    assert_eq!(claim.fill([7; 8]), claim.len());
    claim.commit();
}

/// Calls that push one or more messages of the value 7, and how many.
const MESSAGE_PUSHES: [Call<message::Producer>; 13] = [
    ("push", 1, |tx| tx.push(&SEVEN).unwrap()),
    ("push_vectored", 1, |tx| tx.push_vectored(&[IoSlice::new(&SEVEN[..3]), IoSlice::new(&SEVEN[3..])]).unwrap()),
    ("push_value", 1, |tx| tx.push_value(&7_u64).unwrap()),
    ("push_blocking", 1, |tx| tx.blocking().push(&SEVEN).unwrap()),
    ("push_timeout", 1, |tx| tx.within(LONG).push(&SEVEN).unwrap()),
    ("push_value_blocking", 1, |tx| tx.blocking().push_value(&7_u64).unwrap()),
    ("push_value_timeout", 1, |tx| tx.within(LONG).push_value(&7_u64).unwrap()),
    ("claim", 1, |tx| {
        let mut claim = tx.claim(20).unwrap();
        claim.write_all(&SEVEN).unwrap();
        claim.commit();
    }),
    ("commit_len", 1, |tx| {
        let mut claim = tx.blocking().claim(20).unwrap();
        claim.write_value_at(0, &7_u64);
        claim.commit_len(8);
    }),
    ("batch", 4, |tx| {
        let mut batch = tx.batch();
        batch.push(&SEVEN).unwrap();
        batch.push_value(&7_u64).unwrap();
        batch.push_vectored(&[IoSlice::new(&SEVEN)]).unwrap();
        let mut claim = batch.claim(8).unwrap();
        claim.write_all(&SEVEN).unwrap();
        claim.commit();
        batch.commit();
    }),
    ("commit of a view", 1, |tx| {
        let mut view = trust!(tx);
        let mut claim = view.claim(8).unwrap();
        claim.copy_from_slice(&SEVEN);
        claim.commit();
    }),
    ("abort", 0, |tx| tx.claim(8).unwrap().abort()),
    ("abort of a batch", 0, |tx| {
        let mut batch = tx.batch();
        batch.push(&SEVEN).unwrap();
        batch.abort();
    }),
];

const SEVEN: [u8; 8] = 7_u64.to_ne_bytes();

/// Makes one call, and is killed.
fn elements(part: &mut Part) {
    let mut tx = part.options().stream_producer().unwrap();
    PUSHES[part.argument::<usize>(0)].2(&mut tx);
    part.say(tx.position());
    part.hear();
}

fn messages(part: &mut Part) {
    let mut tx = part.options().message_producer().unwrap();
    MESSAGE_PUSHES[part.argument::<usize>(0)].2(&mut tx);
    part.say(tx.position());
    part.hear();
}

#[test]
fn elements_are_visible_when_the_call_returns_and_outlive_their_producer() {
    for (at, (call, count, _)) in PUSHES.into_iter().enumerate() {
        let ring = Ring::new();
        let mut rx = ring.options().capacity(8).stream_consumer::<u64>().unwrap();
        let mut child = Child::start("elements", ring.name(), &[&at]);
        child.says(count);
        assert_eq!((rx.available(), ring.word(word::TAIL)), (Ok(count as usize), count), "{call}");
        child.kill();
        (0..count).for_each(|_| assert_eq!(rx.pop(), Ok(7), "{call}"));
        assert_eq!(succeed(|| ring.options().stream_producer::<u64>()).position(), count, "{call}");
    }
}

#[test]
fn messages_are_visible_when_the_call_returns_and_outlive_their_producer() {
    for (at, (call, count, _)) in MESSAGE_PUSHES.into_iter().enumerate() {
        let ring = Ring::new();
        let mut rx = small(ring.options()).message_consumer().unwrap();
        let mut child = Child::start("messages", ring.name(), &[&at]);
        child.says(64 * count);
        assert_eq!((rx.is_empty(), ring.word(word::TAIL)), (Ok(count == 0), 64 * count), "{call}");
        child.kill();
        (0..count).for_each(|_| assert_eq!(rx.pop_value(), Ok(7_u64), "{call}"));
        assert_eq!(rx.is_empty(), Ok(true), "{call}");
        assert_eq!(succeed(|| ring.options().message_producer()).position(), 64 * count, "{call}");
    }
}
