//! The views of those who trust their peer: elements and messages as slices in place.

mod common;

use std::fs;

use common::messages::ring_of;
use common::{Child, Numbered, Part, Random, Ring, Tick, Wait, word};
use ringmain::Trusted;
use ringmain::stream::{Consumer, Element, Producer};
use ringmain::{PopError, PushError};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("producer", producer)]);
}

/// The handles of which there are views.
trait Trust: Sized {
    fn trust(&mut self) -> Trusted<&mut Self>;
}

macro_rules! trust {
    ($($handle:ty),*) => {$(
        impl Trust for $handle {
            fn trust(&mut self) -> Trusted<&mut Self> {
                // SAFETY: whoever writes to the ring of a test keeps to the protocol while a view is used, or is this
                // thread, while nothing is borrowed from the view.
                unsafe { self.trust_peer() }
            }
        }
    )*};
}

trust!(
    Producer<u64>,
    Consumer<u64>,
    Producer<Tick>,
    Consumer<Tick>,
    ringmain::message::Producer,
    ringmain::message::Consumer
);

/// Pushes elements by slices in place, of any length, and leaves.
fn producer(part: &mut Part) {
    let (count, random): (u64, _) = (part.argument(0), Random::seeded(part.argument(1)));
    let mut tx = part.options().stream_producer::<Tick>().unwrap();
    let (mut next, mut wait) = (0, Wait::default());
    while next < count {
        let mut view = tx.trust();
        match view.claim_contiguous(1 + random.below((count - next).min(20)) as usize) {
            Ok(mut claim) => {
                (next..).zip(claim.iter_mut()).for_each(|(position, slot)| *slot = Tick::at(position));
                // Now and then, part of a claim is given up, or all of it.
                let kept = random.below(claim.len() as u64 + 1);
                claim.commit_first(kept as usize);
                (next, wait) = (next + kept, Wait::default());
            }
            Err(PushError::Full(_)) => wait.pause("room in the ring"),
            Err(error) => panic!("{error:?}"),
        }
    }
    tx.close().unwrap();
}

/// Checks that bytes of the data area of a ring are these.
#[track_caller]
fn check_in_place(ring: &Ring, at: usize, expected: &[u8]) {
    let object = fs::read(ring.path()).unwrap();
    let data = &object[ring.word(word::DATA_OFFSET) as usize..];
    assert_eq!(&data[at..][..expected.len()], expected);
}

#[test]
fn a_claim_of_slots_is_a_slice_in_place_that_is_seen_from_its_commit_on() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(8).stream_producer::<u64>().unwrap();
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    let mut view = tx.trust();
    let mut claim = view.claim_contiguous(3).unwrap();
    assert_eq!(*claim, [0; 3]);
    claim.copy_from_slice(&[7, 8, 9]);
    check_in_place(&ring, 0, bytemuck::bytes_of(&[7_u64, 8, 9]));
    assert_eq!((rx.pop(), ring.word(word::TAIL)), (Err(PopError::Empty), 0));
    claim.commit();
    assert_eq!([rx.pop(), rx.pop(), rx.pop()], [Ok(7), Ok(8), Ok(9)]);
    // Up to the end of the buffer, and from there on.
    assert_eq!(tx.trust().claim_contiguous(100).unwrap().len(), 5);
    tx.trust().claim_contiguous(100).unwrap().commit();
    assert_eq!(tx.trust().claim_contiguous(100).unwrap().len(), 3);
    tx.trust().claim_contiguous(100).unwrap().commit();
    assert!(matches!(tx.trust().claim_contiguous(1), Err(PushError::Full(_))));
}

/// Fills a claim that passes the end of the buffer by values of this many words, in place or by a copy.
#[track_caller]
fn check_filled<const WORDS: usize>()
where
    [u64; WORDS]: Element,
{
    let ring = Ring::new();
    let mut tx = ring.options().capacity(8).stream_producer::<[u64; WORDS]>().unwrap();
    let mut rx = ring.options().stream_consumer::<[u64; WORDS]>().unwrap();
    let numbers = |from: u64| (from..).map(|number| [number; WORDS]);
    // SAFETY: nobody but this thread writes to the ring.
    let mut view = unsafe { tx.trust_peer() };
    let mut claim = view.claim(5).unwrap();
    // As many as there are slots, and no value more is asked for.
    let mut asked = 0;
    assert_eq!(claim.fill_from(numbers(0).inspect(|_| asked += 1)), 5);
    claim.commit();
    assert_eq!(asked, 5);
    for number in 0..5 {
        assert_eq!(rx.pop(), Ok([number; WORDS]));
    }
    // Three slots before the end of the buffer, and five behind it, of which one stays.
    let mut claim = view.claim(8).unwrap();
    assert_eq!(claim.fill_from(numbers(5).take(7)), 7);
    claim.commit_first(7);
    for number in 5..12 {
        assert_eq!(rx.pop(), Ok([number; WORDS]));
    }
    assert_eq!(view.claim(1).unwrap().fill_from([]), 0);
}

#[test]
fn a_claim_of_slots_is_filled_by_values_of_any_size() {
    check_filled::<1>();
    check_filled::<4>();
    check_filled::<8>();
    check_filled::<32>();
    check_filled::<64>();
    check_filled::<128>();
}

#[test]
fn part_of_a_claim_of_slots_or_all_of_it_is_given_up() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(8).stream_producer::<u64>().unwrap();
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    let mut view = tx.trust();
    view.claim_contiguous(8).unwrap().fill(1);
    view.claim_contiguous(8).unwrap().abort();
    assert_eq!(rx.available(), Ok(0));
    let mut claim = view.claim_contiguous(8).unwrap();
    claim.fill(2);
    claim.commit_first(2);
    let mut claim = view.claim_contiguous(8).unwrap();
    assert_eq!(*claim, [2; 6]);
    claim.fill(3);
    claim.commit_first(0);
    assert_eq!(rx.pop_slice(&mut [0; 8]), Ok(2));
}

#[test]
#[should_panic(expected = "3")]
fn more_than_a_claim_of_slots_is_no_commit() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(8).stream_producer::<u64>().unwrap();
    tx.trust().claim_contiguous(2).unwrap().commit_first(3);
}

#[test]
fn a_peek_at_elements_is_a_slice_in_place_that_stays_until_its_release() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(8).stream_producer::<u64>().unwrap();
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    assert!(matches!(rx.trust().peek_contiguous(1), Err(PopError::Empty | PopError::Short { .. })));
    tx.push_slice(&[7, 8, 9, 10]).unwrap();
    let mut view = rx.trust();
    assert_eq!(*view.peek_contiguous(100).unwrap(), [7, 8, 9, 10]);
    assert_eq!(*view.peek_contiguous(2).unwrap(), [7, 8]);
    assert_eq!(ring.word(word::HEAD), 0);
    view.peek_contiguous(3).unwrap().release_first(1);
    assert_eq!(ring.word(word::HEAD), 1);
    view.peek_contiguous(2).unwrap().release();
    assert_eq!(ring.word(word::HEAD), 3);
    tx.push_slice(&[11, 12, 13, 14, 15, 16, 17]).unwrap();
    let mut view = rx.trust();
    // Up to the end of the buffer, and from there on.
    let peek = view.peek_contiguous(100).unwrap();
    assert_eq!((peek.position(), &*peek), (3, &[10, 11, 12, 13, 14][..]));
    peek.release();
    assert_eq!(*view.peek_contiguous(100).unwrap(), [15, 16, 17]);
    assert_eq!(rx.pop(), Ok(15));
}

#[test]
fn elements_flow_in_place_from_one_process_to_another() {
    for capacity in [1, 8, 1024] {
        let (ring, random, count) = (Ring::new(), Random::new(), 100_000);
        let mut rx = ring.options().capacity(capacity).stream_consumer::<Tick>().unwrap();
        let producer = Child::start("producer", ring.name(), &[&count, &random.any()]);
        let (mut next, mut wait) = (0, Wait::default());
        while next < count {
            let mut view = rx.trust();
            match view.peek_contiguous(1 + random.below(20) as usize) {
                Ok(peek) => {
                    let kept = random.below(peek.len() as u64 + 1);
                    (next..next + kept).zip(peek.iter()).for_each(|(at, element)| assert_eq!(*element, Tick::at(at)));
                    peek.release_first(kept as usize);
                    (next, wait) = (next + kept, Wait::default());
                }
                Err(PopError::Empty | PopError::Short { .. }) => wait.pause("elements"),
                Err(error) => panic!("{error:?}"),
            }
        }
        producer.join();
        assert_eq!(rx.available(), Ok(0));
    }
}

#[test]
fn a_claim_of_a_message_is_a_slice_in_place_that_is_seen_from_its_commit_on() {
    for (alignment, payload) in [(8, 8), (16, 16), (64, 16)] {
        let ring = ring_of(4096, alignment);
        let mut tx = ring.options().message_producer().unwrap();
        let mut rx = ring.options().message_consumer().unwrap();
        let mut view = tx.trust();
        let mut claim = view.claim(100).unwrap();
        assert_eq!(*claim, [0; 100]);
        claim.fill(7);
        check_in_place(&ring, payload, &[7; 100]);
        assert_eq!((rx.is_empty(), ring.word(word::DATA), ring.word(word::TAIL)), (Ok(true), 0, 0));
        claim.commit();
        let mut claim = view.claim(100).unwrap();
        claim.fill(8);
        claim.commit_len(30);
        view.claim(100).unwrap().fill(9);
        view.claim(100).unwrap().abort();
        view.claim(0).unwrap().commit();
        let max = tx.max_len();
        let mut view = tx.trust();
        assert_eq!(view.claim(max + 1).map(drop), Err(PushError::TooLong { len: max + 1, max }));
        assert!(matches!(view.claim(max).map(drop), Err(PushError::Full(_))));
        let messages: Vec<_> = rx.messages().map(Result::unwrap).collect();
        assert_eq!(messages, [vec![7; 100], vec![8; 30], vec![]]);
    }
}

#[test]
#[should_panic(expected = "commit of 101 bytes of a claim of 100")]
fn more_than_a_claim_of_a_message_is_no_commit() {
    let ring = ring_of(4096, 8);
    let mut tx = ring.options().message_producer().unwrap();
    tx.trust().claim(100).unwrap().commit_len(101);
}

#[test]
fn a_message_is_a_slice_in_place_that_stays_until_its_release() {
    let ring = ring_of(4096, 8);
    let mut tx = ring.options().message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    assert!(matches!(rx.trust().peek(), Err(PopError::Empty)));
    [&b"one"[..], b"", b"three", b"four"].iter().for_each(|bytes| tx.push(bytes).unwrap());
    let mut view = rx.trust();
    assert_eq!(*view.peek().unwrap(), *b"one");
    view.peek().unwrap().release();
    let record = view.peek().unwrap();
    // Behind a header and three bytes, at a multiple of 8.
    assert_eq!((record.position(), &*record), (16, &b""[..]));
    let mut seen = Vec::new();
    assert_eq!(view.drain(2, |bytes| seen.push(bytes.to_vec())), Ok(2));
    assert_eq!(seen, [&b""[..], b"three"]);
    assert_eq!(view.drain(9, |bytes| assert_eq!(bytes, b"four")), Ok(1));
    assert_eq!(view.drain(9, |_| {}), Ok(0));
}

#[test]
fn messages_start_at_multiples_of_sixteen_where_records_are_aligned_to_more_than_eight() {
    for (alignment, payload) in [(8, 8), (16, 16), (32, 16), (64, 16)] {
        let ring = ring_of(4096, alignment);
        let mut tx = ring.options().message_producer().unwrap();
        let mut rx = ring.options().message_consumer().unwrap();
        for len in (0..200).chain([3000, 3000, 3000]) {
            let mut view = tx.trust();
            let claim = view.claim(len).unwrap();
            assert!(claim.as_ptr().addr() % payload == 0, "{len} bytes at {alignment}");
            claim.commit();
            let mut view = rx.trust();
            let record = view.peek().unwrap();
            assert!(record.as_ptr().addr() % payload == 0, "{len} bytes at {alignment}");
            record.release();
        }
    }
}

#[test]
fn a_view_gives_both_parts_of_what_passes_the_end_of_the_buffer_and_waits() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(8).stream_producer::<u64>().unwrap();
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    tx.push_slice(&[0; 6]).unwrap();
    rx.pop_slice(&mut [0; 6]).unwrap();
    let (mut tx, mut rx) = (tx.trust(), rx.trust());
    let mut claim = tx.blocking().claim(5).unwrap();
    {
        let (first, second) = claim.as_mut_slices();
        first.copy_from_slice(&[1, 2]);
        second.copy_from_slice(&[3, 4, 5]);
    }
    assert_eq!(claim.len(), 2);
    claim.commit_first(4);
    let peek = rx.blocking().peek(4).unwrap();
    assert_eq!((peek.position(), peek.as_slices()), (6, (&[1, 2][..], &[3, 4][..])));
    peek.release_first(1);
    assert_eq!(rx.peek_contiguous(8).unwrap().to_vec(), [2]);
    assert_eq!(rx.peek(4).map(|_| ()), Err(PopError::Short { available: 3, len: 4 }));
    assert_eq!(tx.claim_up_to(8).unwrap().as_mut_slices().0.len(), 5);
}
