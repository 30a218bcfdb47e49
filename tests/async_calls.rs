//! Each call that waits can be awaited: it waits, is woken, and ends as the same call that blocks does.

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::io::{IoSlice, Read, Write};
use std::mem::size_of;

use common::Ring;
use common::ends::trust;
use ringmain::{Async, Options, PopError, PushError, Unfinished, WaitError, message, stream};
use tasks::{ends, waits};

/// A ring of four elements that is full, the producer of which is awaited.
fn full() -> (Ring, Async<stream::Producer<u64>>, stream::Consumer<u64>) {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(4).stream_producer::<u64>().unwrap();
    let rx = ring.options().stream_consumer().unwrap();
    tx.push_slice(&[1, 2, 3, 4]).unwrap();
    (ring, tx.into_async().unwrap(), rx)
}

/// A ring of four elements that is empty, the consumer of which is awaited.
fn empty() -> (Ring, stream::Producer<u64>, Async<stream::Consumer<u64>>) {
    let ring = Ring::new();
    let tx = ring.options().capacity(4).stream_producer::<u64>().unwrap();
    let rx = ring.options().stream_consumer::<u64>().unwrap();
    (ring, tx, rx.into_async().unwrap())
}

/// Pops as many elements, and checks that they are these.
#[track_caller]
fn check_popped(rx: &mut stream::Consumer<u64>, expected: &[u64]) {
    let mut values = vec![0; expected.len()];
    assert_eq!((rx.pop_slice(&mut values), &values[..]), (Ok(expected.len()), expected));
}

#[test]
fn a_producer_of_elements_awaits_room() {
    let (_ring, mut tx, mut rx) = full();
    let mut take = |expected: &[u64]| check_popped(&mut rx, expected);
    assert_eq!(waits(tx.push(5), || take(&[1])), Ok(()));
    assert_eq!(waits(tx.push_some(&[6, 7, 8]), || take(&[2, 3])), Ok(2));
    assert_eq!(waits(tx.push_slice(&[8, 9]), || take(&[4, 5])), Ok(()));
    assert_eq!(waits(tx.until_free(2), || take(&[6, 7])), Ok(()));
    assert_eq!(ends(tx.until_free(2)), Ok(()));
    let mut claim = ends(tx.claim(2)).unwrap();
    claim.copy_from_slice(0, &[10, 11]);
    claim.commit();
    for taken in [[8, 9], [10, 11]] {
        let claim = waits(tx.claim(2), || take(&taken)).unwrap();
        assert_eq!(claim.len(), 2);
        claim.abort();
        let mut claim = ends(tx.claim_up_to(2)).unwrap();
        assert_eq!(claim.len(), 2);
        claim.fill([12, 13]);
        claim.commit();
    }
    let claim = waits(tx.claim_up_to(9), || take(&[12])).unwrap();
    assert_eq!(claim.len(), 1);
    claim.commit();
    let claim = waits(tx.claim_contiguous(9), || take(&[13])).unwrap();
    assert_eq!(claim.len(), 1);
    claim.commit();
    {
        let mut tx = trust!(tx);
        for taken in [12, 13] {
            let mut claim = waits(tx.claim(1), || take(&[taken])).unwrap();
            claim[0] = taken;
            claim.commit();
        }
        // What was claimed above held what lay there before.
        let mut claim = waits(tx.claim_up_to(4), || assert!(rx.pop().is_ok())).unwrap();
        claim.fill(1);
        claim.commit();
        let mut claim = waits(tx.claim_contiguous(4), || assert!(rx.pop().is_ok())).unwrap();
        claim.fill(1);
        claim.commit();
    }
    assert_eq!(ends(tx.claim(5)).map(drop), Err(WaitError::TooLong { len: 5, max: 4 }));
    assert_eq!(ends(tx.push_slice(&[])), Ok(()));
}

#[test]
fn all_of_a_slice_goes_by_several_steps_and_what_did_not_is_told() {
    let (_ring, mut tx, mut rx) = full();
    let values: Vec<u64> = (0..100).collect();
    let pushed = waits(tx.push_slice(&values), || {
        std::thread::spawn(move || {
            check_popped(&mut rx, &[1, 2, 3, 4]);
            (0..10).for_each(|number| assert_eq!(rx.blocking().pop(), Ok(number)));
        });
    });
    let unfinished = pushed.unwrap_err();
    assert!((10..=14).contains(&unfinished.value) && unfinished.cause == WaitError::Closed, "{unfinished:?}");

    let (_ring, mut tx, mut rx) = empty();
    let mut values = [0; 20];
    let popped = waits(rx.pop_slice(&mut values), || {
        std::thread::spawn(move || (0..15).for_each(|number| tx.blocking().push(number).unwrap()));
    });
    assert_eq!(popped, Err(Unfinished { value: 15, cause: WaitError::Closed }));
    assert_eq!(values[..15], (0..15).collect::<Vec<_>>());
}

#[test]
fn a_consumer_of_elements_awaits_them() {
    let (_ring, mut tx, mut rx) = empty();
    let mut give = |values: &[u64]| assert_eq!(tx.push_slice(values), Ok(values.len()));
    assert_eq!(waits(rx.pop(), || give(&[1])), Ok(1));
    let mut values = [0; 3];
    assert_eq!(waits(rx.pop_some(&mut values), || give(&[2, 3])), Ok(2));
    assert_eq!(values, [2, 3, 0]);
    assert_eq!(waits(rx.pop_slice(&mut values), || give(&[4, 5, 6])), Ok(()));
    assert_eq!(values, [4, 5, 6]);
    assert_eq!(waits(rx.until_available(2), || give(&[7, 8])), Ok(()));
    let peek = ends(rx.peek(2)).unwrap();
    assert_eq!(peek.iter().collect::<Vec<_>>(), [7, 8]);
    peek.release();
    let peek = waits(rx.peek(2), || give(&[9, 10])).unwrap();
    assert_eq!(peek.iter().collect::<Vec<_>>(), [9, 10]);
    peek.release();
    let peek = waits(rx.peek_up_to(4), || give(&[11])).unwrap();
    assert_eq!(peek.iter().collect::<Vec<_>>(), [11]);
    peek.release();
    let peek = waits(rx.peek_contiguous(4), || give(&[12])).unwrap();
    assert_eq!(peek.iter().collect::<Vec<_>>(), [12]);
    peek.release();
    {
        let mut rx = trust!(rx);
        let peek = waits(rx.peek(1), || give(&[13])).unwrap();
        assert_eq!(peek.as_slices(), (&[13][..], &[][..]));
        peek.release();
        let peek = waits(rx.peek_up_to(4), || give(&[14])).unwrap();
        assert_eq!(*peek, [14]);
        peek.release();
        let peek = waits(rx.peek_contiguous(4), || give(&[15])).unwrap();
        assert_eq!(*peek, [15]);
        peek.release();
    }
    assert_eq!(ends(rx.peek(5)).map(drop), Err(WaitError::TooLong { len: 5, max: 4 }));
    give(&[16]);
    assert_eq!(waits(rx.until_available(2), || drop(tx)), Err(WaitError::Short { left: 1, len: 2, crashed: false }));
    assert_eq!((ends(rx.pop()), ends(rx.pop())), (Ok(16), Err(WaitError::Closed)));
}

#[test]
fn elements_whose_size_is_known_at_run_time_are_awaited() {
    let ring = Ring::new();
    let layout = std::alloc::Layout::from_size_align(12, 4).unwrap();
    let mut tx = ring.options().capacity(2).sized_stream_producer(layout).unwrap().into_async().unwrap();
    let mut rx = ring.options().sized_stream_consumer(layout).unwrap().into_async().unwrap();
    let mut bytes = [0; 24];
    let popped = waits(rx.pop_some(&mut bytes), || assert_eq!(ends(tx.push_some(&[7; 36])), Ok(2)));
    assert_eq!((popped, bytes), (Ok(2), [7; 24]));
    assert_eq!(ends(tx.push_some(&[8; 24])), Ok(2));
    let pushed = waits(tx.push_some(&[9; 12]), || ends(rx.peek(1)).unwrap().release());
    assert_eq!(pushed, Ok(1));
    let claim = waits(tx.claim(1), || ends(rx.peek_up_to(1)).unwrap().release()).unwrap();
    assert_eq!(claim.len(), 1);
}

/// A ring of a page, the consumer of which is awaited.
fn no_messages() -> (Ring, message::Producer, Async<message::Consumer>) {
    let ring = Ring::new();
    let options = ring.options().capacity(4096).record_alignment(16);
    let (tx, rx) = (options.message_producer().unwrap(), options.message_consumer().unwrap());
    (ring, tx, rx.into_async().unwrap())
}

/// A ring of a page that has no room for a message of 128 bytes, the producer of which is awaited.
fn full_of_messages() -> (Ring, Async<message::Producer>, message::Consumer) {
    let ring = Ring::new();
    let options = ring.options().capacity(4096).record_alignment(16);
    let (mut tx, rx) = (options.message_producer().unwrap(), options.message_consumer().unwrap());
    while tx.push(&[1; 128]).is_ok() {}
    (ring, tx.into_async().unwrap(), rx)
}

#[test]
fn a_producer_of_messages_awaits_room() {
    let (_ring, mut tx, mut rx) = full_of_messages();
    let mut take = || rx.peek().unwrap().release();
    let bytes = [2; 128];
    assert_eq!(waits(tx.push(&bytes), &mut take), Ok(()));
    assert_eq!(waits(tx.push_tagged(7, &bytes), &mut take), Ok(()));
    assert_eq!(waits(tx.push_vectored(&[IoSlice::new(&bytes)]), &mut take), Ok(()));
    assert_eq!(waits(tx.push_value(&bytes), &mut take), Ok(()));
    assert_eq!(waits(tx.until_free(128), &mut take), Ok(()));
    let mut claim = ends(tx.claim(128)).unwrap();
    claim.write_all(&bytes).unwrap();
    claim.commit();
    waits(tx.claim(128), &mut take).unwrap().commit_len(128);
    let mut view = trust!(tx);
    let mut claim = waits(view.claim(128), &mut take).unwrap();
    claim.fill(3);
    claim.commit();
    let max = tx.get_ref().max_len();
    let len = max + 1;
    assert_eq!(ends(tx.push(&vec![0; len])), Err(WaitError::TooLong { len, max }));
}

#[test]
fn a_batch_of_messages_awaits_room() {
    let (_ring, mut tx, mut rx) = full_of_messages();
    let mut take = || rx.peek().unwrap().release();
    let bytes = [2; 128];
    let mut batch = tx.batch();
    assert_eq!(waits(batch.push(&bytes), &mut take), Ok(()));
    assert_eq!(waits(batch.push_tagged(7, &bytes), &mut take), Ok(()));
    assert_eq!(waits(batch.push_vectored(&[IoSlice::new(&bytes)]), &mut take), Ok(()));
    assert_eq!(waits(batch.push_value(&bytes), &mut take), Ok(()));
    assert_eq!(waits(batch.until_free(128), &mut take), Ok(()));
    ends(batch.claim(128)).unwrap().commit_len(128);
    waits(batch.claim(128), &mut take).unwrap().commit_len(128);
    batch.commit();
    while rx.peek().is_ok_and(|record| record.to_vec() == [1; 128]) {
        rx.peek().unwrap().release();
    }
    assert_eq!(rx.messages().count(), 6);
    ends(tx.batch().push(&bytes)).unwrap();
    assert!(rx.is_empty().unwrap(), "a batch that was dropped");
}

#[test]
fn a_consumer_of_messages_awaits_them() {
    let (_ring, mut tx, mut rx) = no_messages();
    let mut give = |bytes: &[u8]| tx.push_tagged(7, bytes).unwrap();
    let mut bytes = [0; 8];
    assert_eq!((waits(rx.pop(&mut bytes), || give(b"one")), &bytes[..3]), (Ok(3), &b"one"[..]));
    assert_eq!(waits(rx.pop_tagged(&mut bytes), || give(b"two")), Ok((7, 3)));
    let mut all = Vec::new();
    assert_eq!((waits(rx.pop_into(&mut all), || give(b"three")), &all[..]), (Ok(5), &b"three"[..]));
    assert_eq!(waits(rx.pop_value::<[u8; 4]>(), || give(b"four")), Ok(*b"four"));
    assert_eq!(waits(rx.until_available(), || give(b"five")), Ok(()));
    let mut record = ends(rx.peek()).unwrap();
    assert_eq!(record.read(&mut bytes).unwrap(), 4);
    record.release();
    waits(rx.peek(), || give(b"six")).unwrap().release();
    let mut lens = Vec::new();
    let drained = waits(rx.drain(8, |record| lens.push(record.len())), || {
        give(b"seven");
        give(b"eight!");
    });
    assert_eq!((drained, &lens[..]), (Ok(2), &[5, 6][..]));
    {
        let mut rx = trust!(rx);
        let record = waits(rx.peek(), || give(b"nine")).unwrap();
        assert_eq!(&*record, b"nine");
        record.release();
        let mut sum = 0;
        assert_eq!(waits(rx.drain(8, |bytes| sum += bytes.len()), || give(b"ten")), Ok(1));
        assert_eq!(sum, 3);
    }
    assert_eq!(ends(rx.drain(0, |_| {})), Ok(0));
    give(b"a long message");
    assert_eq!(ends(rx.pop(&mut bytes)), Err(WaitError::BufferTooShort { len: 14, buffer: 8 }));
    assert_eq!(ends(rx.pop_value::<u64>()), Err(WaitError::WrongSize { len: 14, size: 8 }));
    assert_eq!(ends(rx.pop_into(&mut all)), Ok(14));
    assert_eq!(waits(rx.pop_into(&mut all), || drop(tx)), Err(WaitError::Closed));
}

#[test]
fn a_batch_of_peeks_awaits_messages() {
    let (_ring, mut tx, mut rx) = no_messages();
    let mut give = |bytes: &[u8]| tx.push(bytes).unwrap();
    let (mut bytes, mut all) = ([0; 8], Vec::new());
    let mut batch = rx.peek_batch();
    assert_eq!((waits(batch.next_len(), || give(b"one")), batch.position()), (Ok(3), 0));
    // Behind a header, a word and three bytes, at a multiple of 16.
    assert_eq!((ends(batch.append_next(&mut all)), batch.position()), (Ok(3), 32));
    assert_eq!(waits(batch.append_next(&mut all), || give(b"two")), Ok(3));
    assert_eq!((waits(batch.copy_next(&mut bytes), || give(b"three")), &bytes[..5]), (Ok(5), &b"three"[..]));
    assert_eq!(all, b"onetwo");
    drop(batch);
    let mut batch = rx.peek_batch();
    for len in [3, 3, 5] {
        assert_eq!(ends(batch.append_next(&mut all)), Ok(len));
    }
    batch.release();
    assert!(tx.is_empty().unwrap());
}

#[test]
fn calls_that_do_not_wait_and_those_that_block_are_right_beside_one_that_was_dropped() {
    let (_ring, mut tx, mut rx) = empty();
    for number in 0..100 {
        let mut call = Box::pin(rx.pop());
        assert!(futures::executor::block_on(async { futures::poll!(&mut call) }).is_pending());
        drop(call);
        match number % 3 {
            0 => {
                tx.push(number).unwrap();
                assert_eq!(rx.get_mut().pop(), Ok(number));
                assert_eq!(rx.get_mut().pop(), Err(PopError::Empty));
            }
            1 => std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                    tx.push(number).unwrap();
                });
                assert_eq!(rx.get_mut().blocking().pop(), Ok(number));
            }),
            _ => {
                tx.push(number).unwrap();
                let mut plain = rx.into_inner();
                assert_eq!(plain.blocking().pop(), Ok(number));
                rx = plain.into_async().unwrap();
            }
        }
    }
    assert_eq!(tx.push_slice(&[1, 2, 3, 4, 5]), Ok(4));
    assert!(matches!(tx.push(5), Err(PushError::Full(5))));
}

#[test]
fn futures_can_go_to_another_thread() {
    fn sends(_: &(impl Send + ?Sized)) {}
    let (_ring, _, mut rx) = empty();
    sends(&rx.pop());
    sends(&rx.pop_slice(&mut [0; 4]));
    sends(&rx.peek(1));
    let (_ring, mut tx, _) = full();
    sends(&tx.push_slice(&[1]));
    sends(&tx.claim(1));
    let (_ring, mut tx, _) = full_of_messages();
    sends(&tx.claim(1));
    sends(&tx.batch().push(b"one"));
    let (_ring, _, mut rx) = no_messages();
    sends(&rx.drain(1, |_| {}));
    sends(&rx.peek_batch().append_next(&mut Vec::new()));
    assert!(size_of::<Async<message::Producer>>() - size_of::<message::Producer>() <= 32);
}

#[test]
fn a_call_of_an_anonymous_ring_is_awaited() {
    let tx = Options::anonymous().capacity(4).stream_producer::<u64>().unwrap();
    let ring = tx.descriptor().try_clone_to_owned().unwrap();
    let mut rx = Options::from_fd(ring).stream_consumer::<u64>().unwrap().into_async().unwrap();
    let mut tx = tx.into_async().unwrap();
    assert_eq!(waits(rx.pop(), || ends(tx.push(7)).unwrap()), Ok(7));
    assert_eq!(waits(rx.pop(), || drop(tx)), Err(WaitError::Closed));
}
