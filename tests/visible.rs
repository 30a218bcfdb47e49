//! What a call has pushed is visible when it returns, by whatever call: also to who comes after this process was
//! killed.

mod common;

use std::io::{IoSlice, Write};

use common::ends::{End, LONG, for_each_ring, small, trust};
use common::{Child, Part, Ring, succeed, word};
use ringmain::{message, stream};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("stream_producer", pusher::<stream::Producer<u64>>),
        ("message_producer", pusher::<message::Producer>),
    ]);
}

/// The name of a call, how many it pushes, and the call.
type Push<P> = (&'static str, u64, fn(&mut P));

/// A producer, and its calls, which push 7 again and again.
trait Pushes: End {
    const CALLS: &'static [Push<Self>];
}

impl Pushes for stream::Producer<u64> {
    const CALLS: &'static [Push<Self>] = &PUSHES;
}

impl Pushes for message::Producer {
    const CALLS: &'static [Push<Self>] = &MESSAGE_PUSHES;
}

const PUSHES: [Push<stream::Producer<u64>>; 12] = [
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

const MESSAGE_PUSHES: [Push<message::Producer>; 13] = [
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
fn pusher<P: Pushes>(part: &mut Part) {
    let mut tx = P::attach(&small(part.options())).unwrap();
    P::CALLS[part.argument::<usize>(0)].2(&mut tx);
    part.say(tx.position());
    part.hear();
}

#[test]
fn what_was_pushed_is_visible_when_the_call_returns_and_outlives_its_producer() {
    fn check<P: Pushes>() {
        for (at, &(call, count, _)) in P::CALLS.iter().enumerate() {
            let ring = Ring::new();
            let mut rx = P::Peer::attach(&small(ring.options())).unwrap();
            let mut child = Child::start(P::PART, ring.name(), &[&at]);
            let position = P::STEP * count;
            child.says(position);
            assert_eq!((rx.known(), ring.word(word::TAIL)), (Ok(count.min(P::KNOWN)), position), "{call}");
            child.kill();
            (0..count).for_each(|_| assert!(rx.try_go(7), "{call}"));
            assert_eq!(rx.known(), Ok(0), "{call}");
            assert_eq!(succeed(|| P::attach(&small(ring.options()))).position(), position, "{call}");
        }
    }
    for_each_ring!(check);
}
