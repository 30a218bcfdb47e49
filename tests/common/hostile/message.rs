//! The calls of a message ring's victims.

use std::io::{IoSlice, Read, Write};
use std::mem;

use ringmain::message::{Batch, Claim, Consumer, Producer, Record};
use ringmain::{Error, Options, PopError, PushError};

use super::stream::{glance, in_a_set, of_pop as pop_refused, of_push as push_refused, strategy, taken};
use super::{Choices, Outcome, Shape, Victim, word};

/// What is sent: more than some rings can hold.
const BYTES: [u8; 10_000] = [7; 10_000];

/// Most of what is sent and asked for is shorter.
const USUAL: u64 = 600;

impl Victim for Producer {
    fn make(options: &Options, shape: Shape) {
        let options = options.clone().capacity(shape.capacity as usize).record_alignment(shape.align as usize);
        drop(options.message_producer().unwrap());
    }

    fn attach(options: &Options) -> Result<Self, Error> {
        options.message_producer()
    }

    fn call(&mut self, choices: &impl Choices, patience: u64) -> Outcome {
        push(self, choices, patience)
    }

    fn block(&mut self, choices: &impl Choices) -> Outcome {
        match choices.below(3) {
            0 => Outcome::of(self.blocking().push(&BYTES[..600]), Outcome::of_wait),
            1 => Outcome::of(self.blocking().push_value(&[7_u64; 5]), Outcome::of_wait),
            _ => taken(self.blocking().claim(choices.len(USUAL)), |claim| claimed(Ok(claim), choices)),
        }
    }

    fn close(self, keeps: bool) -> Result<(), Error> {
        if keeps { self.into_fd().map(drop) } else { Producer::close(self) }
    }

    fn owns(offset: u64) -> bool {
        let slot = word::PRODUCER_PRESENCE..word::CONSUMER_PRESENCE;
        slot.contains(&offset) || offset == word::TAIL || offset >= word::DATA
    }
}

impl Victim for Consumer {
    fn make(options: &Options, shape: Shape) {
        Producer::make(options, shape);
    }

    fn attach(options: &Options) -> Result<Self, Error> {
        options.message_consumer()
    }

    fn call(&mut self, choices: &impl Choices, patience: u64) -> Outcome {
        pop(self, choices, patience)
    }

    fn block(&mut self, choices: &impl Choices) -> Outcome {
        let max = self.max_len();
        match choices.below(3) {
            0 => Outcome::of(self.blocking().pop_value::<u64>(), Outcome::of_wait),
            1 => Outcome::of(self.blocking().pop(&mut vec![0; choices.below(USUAL) as usize]), Outcome::of_wait),
            _ => Outcome::of(self.blocking().peek().map(|record| look(&record, max)), Outcome::of_wait),
        }
    }

    fn close(self, keeps: bool) -> Result<(), Error> {
        if keeps { self.into_fd().map(drop) } else { Consumer::close(self) }
    }

    fn owns(offset: u64) -> bool {
        (word::CONSUMER_PRESENCE..word::TAIL).contains(&offset) || offset == word::HEAD
    }
}

/// Makes one call of a producer. One in `patience` waits.
#[track_caller]
fn push(tx: &mut Producer, choices: &impl Choices, patience: u64) -> Outcome {
    if choices.below(patience) == patience - 1 {
        return push_patiently(tx, choices);
    }
    let bytes = &BYTES[..choices.len(USUAL).min(BYTES.len())];
    match choices.below(9) {
        0 if choices.below(2) == 0 => known(tx.push_if_known(bytes).then_some(())),
        0 => of_push(tx.push(bytes)),
        1 if tx.record_alignment() > 8 => of_push(tx.push_tagged(7, bytes)),
        1 => of_push(tx.push_vectored(&[bytes, &[], bytes].map(IoSlice::new))),
        2 => of_push(tx.push_value(&7_u64)),
        3 => of_push(tx.push_value(&[7_u64; 5])),
        4 if choices.below(2) == 0 => match tx.claim_if_known(choices.len(USUAL)) {
            Some(mut claim) => {
                assert!(!claim.as_mut_ptr().is_null());
                claimed(Ok(claim), choices)
            }
            None => Outcome::Never,
        },
        4 => claimed(tx.claim(choices.len(USUAL)), choices),
        5 | 6 => {
            let max = tx.max_len();
            let mut batch = tx.batch();
            let mut outcome = Outcome::Never;
            for _ in 0..choices.below(4) {
                outcome = add(&mut batch, bytes, choices);
            }
            assert_eq!(batch.is_empty(), matches!(batch.len(), 0));
            assert!(batch.max_len().is_none_or(|len| len <= max));
            match choices.below(5) {
                0..=2 => batch.commit(),
                3 => mem::forget(batch),
                _ => batch.abort(),
            }
            outcome
        }
        7 => match choices.below(3) {
            0 => Outcome::of_glance(tx.free(), tx.capacity()),
            1 => glance(tx.len(), [tx.is_full(), tx.is_empty()], tx.capacity()),
            _ => Outcome::of_look(tx.can_push(choices.len(USUAL).min(tx.max_len()))),
        },
        _ => {
            let _ = (tx.peer_state(), tx.peer_generation(), tx.peer_changed(), tx.is_orphaned(), tx.is_truncated());
            let _ = (tx.name(), tx.generation(), tx.position(), tx.capacity(), tx.record_alignment());
            let _ = (tx.ring_id(), tx.first_position(), tx.peer(), tx.descriptor(), tx.is_forked());
            tx.set_wait(strategy(choices));
            let _ = tx.wake_spuriously();
            if choices.below(4) == 0 {
                drop(tx.waker());
            }
            Outcome::Never
        }
    }
}

/// A call that only does what is known to be possible says nothing of all else.
fn known<T>(done: Option<T>) -> Outcome {
    done.map_or(Outcome::Never, |_| Outcome::Done)
}

fn add(batch: &mut Batch<'_>, bytes: &[u8], choices: &impl Choices) -> Outcome {
    match choices.below(4) {
        // If records have no word, that is refused, and nothing else is.
        0 if choices.below(2) == 0 => match batch.push_tagged(7, bytes) {
            Err(PushError::NoWord { .. }) => Outcome::Never,
            pushed => of_push(pushed),
        },
        0 => of_push(batch.push(bytes)),
        1 => of_push(batch.push_value(&7_u64)),
        2 => of_push(batch.push_vectored(&[bytes, bytes].map(IoSlice::new))),
        _ => claimed(batch.claim(choices.len(USUAL)), choices),
    }
}

fn push_patiently(tx: &mut Producer, choices: &impl Choices) -> Outcome {
    tx.set_wait(strategy(choices));
    let (len, limit) = (choices.len(USUAL), choices.wait());
    let bytes = &BYTES[..len.min(BYTES.len())];
    match choices.below(9) {
        8 => in_a_set(tx.writable(len), limit),
        0 => Outcome::of(tx.within(limit).push(bytes), Outcome::of_wait),
        1 => Outcome::of(tx.within(limit).push_value(&[7_u64; 5]), Outcome::of_wait),
        2 => taken(tx.within(limit).claim(len), |claim| claimed(Ok(claim), choices)),
        // If records have no word, that is refused, and nothing else is.
        3 if tx.record_alignment() > 8 => Outcome::of(tx.within(limit).push_tagged(7, bytes), Outcome::of_wait),
        3 | 4 => Outcome::of(tx.within(limit).push_vectored(&[bytes, bytes].map(IoSlice::new)), Outcome::of_wait),
        5 | 6 => {
            let mut batch = tx.batch();
            let outcome = match choices.below(4) {
                0 => Outcome::of(batch.within(limit).push(bytes), Outcome::of_wait),
                1 => Outcome::of(batch.within(limit).push_value(&7_u64), Outcome::of_wait),
                2 => taken(batch.within(limit).claim(len), |claim| claimed(Ok(claim), choices)),
                _ => Outcome::of(batch.within(limit).until_free(len), Outcome::of_wait),
            };
            batch.commit();
            outcome
        }
        _ => Outcome::of(tx.within(limit).until_free(len), Outcome::of_wait),
    }
}

fn of_push(result: Result<(), PushError>) -> Outcome {
    Outcome::of(result, push_refused)
}

fn claimed(claim: Result<Claim<'_>, PushError>, choices: &impl Choices) -> Outcome {
    let mut claim = match claim {
        Ok(claim) => claim,
        Err(error) => return of_push(Err(error)),
    };
    let len = claim.len();
    let written = claim.write(&BYTES[..choices.len(USUAL).min(BYTES.len())]).unwrap();
    assert!(written <= len);
    assert_eq!((claim.written(), claim.is_empty()), (written, len == 0));
    claim.write_at(len - len.min(9), &BYTES[..len.min(9)]);
    if len >= 8 {
        claim.write_value_at(len - 8, &7_u64);
    }
    let _ = claim.set_word(7);
    match choices.below(5) {
        0 => claim.commit(),
        1 => claim.commit_len(choices.below(len as u64 + 1) as usize),
        2 => claim.abort(),
        3 => mem::forget(claim),
        // Dropping it does the same.
        _ => {}
    }
    Outcome::Done
}

/// Makes one call of a consumer. One in `patience` waits.
#[track_caller]
fn pop(rx: &mut Consumer, choices: &impl Choices, patience: u64) -> Outcome {
    if choices.below(patience) == patience - 1 {
        return pop_patiently(rx, choices);
    }
    let max = rx.max_len();
    let mut bytes = vec![0; choices.below(USUAL) as usize];
    match choices.below(12) {
        0 if choices.below(2) == 0 => {
            let popped = rx.pop_tagged(&mut bytes);
            assert!(popped.is_ok_and(|(_, len)| len <= bytes.len()) || popped.is_err());
            of_pop(popped)
        }
        0 if choices.below(8) == 0 => known(rx.pop_if_known(&mut bytes).inspect(|&len| assert!(len <= bytes.len()))),
        0 => {
            let popped = rx.pop(&mut bytes);
            assert!(popped.is_ok_and(|len| len <= bytes.len()) || popped.is_err());
            of_pop(popped)
        }
        1 => {
            let popped = rx.pop_into(&mut bytes);
            assert!(popped.is_ok_and(|len| len <= max && len == bytes.len()) || popped.is_err());
            of_pop(popped)
        }
        2 => of_pop(rx.pop_value::<u64>()),
        3 => of_pop(rx.pop_value::<[u64; 5]>()),
        4 if choices.below(8) == 0 => known(rx.peek_if_known().map(|record| {
            assert!(!record.as_ptr().is_null());
            look(&record, max);
        })),
        4 => of_pop(rx.peek().map(|record| look(&record, max))),
        5 => of_pop(rx.peek().map(|mut record| {
            look(&record, max);
            let mut part = [0; 9];
            assert_eq!(record.read(&mut part).unwrap(), record.len().min(9));
            assert_eq!(record.read(&mut part).unwrap(), record.len().saturating_sub(9).min(9));
            record.release();
        })),
        6 => {
            let drained = rx.drain(3, |record| look(record, max));
            assert!(drained.is_ok_and(|count| count <= 3) || drained.is_err());
            if matches!(drained, Ok(0)) { Outcome::NotNow } else { Outcome::of_look(drained) }
        }
        7 => match rx.messages().take(3).last() {
            Some(Ok(bytes)) => {
                assert!(bytes.len() <= max);
                Outcome::Done
            }
            Some(Err(broken)) => Outcome::of_broken(broken),
            None => Outcome::NotNow,
        },
        8 => match choices.below(2) {
            0 => Outcome::of_glance(rx.available(), rx.capacity()),
            _ => glance(rx.len(), [rx.is_empty(); 2], rx.capacity()),
        },
        9 => of_pop(rx.peek().map(mem::forget)),
        10 => look_at_several(rx, choices),
        _ => {
            rx.release();
            let _ = (rx.peer_state(), rx.peer_generation(), rx.peer_changed(), rx.is_orphaned(), rx.is_truncated());
            let _ = (rx.name(), rx.generation(), rx.position(), rx.capacity(), rx.record_alignment());
            let _ = (rx.ring_id(), rx.first_position(), rx.peer(), rx.descriptor(), rx.is_forked());
            rx.set_wait(strategy(choices));
            let _ = rx.wake_spuriously();
            if choices.below(4) == 0 {
                drop(rx.waker());
            }
            Outcome::Never
        }
    }
}

/// Reads some messages that are given back together, or left.
fn look_at_several(rx: &mut Consumer, choices: &impl Choices) -> Outcome {
    let (max, start) = (rx.max_len(), rx.position());
    let (mut batch, mut bytes, mut outcome) = (rx.peek_batch(), Vec::new(), Outcome::Never);
    for count in 0..choices.below(4) as usize {
        let before = bytes.len();
        let read = match choices.below(3) {
            0 => batch.next_len(),
            1 => batch.append_next(&mut bytes),
            _ => batch.copy_next(&mut [0; 64]),
        };
        assert!(batch.len() <= count + 1 && batch.is_empty() == matches!(batch.len(), 0));
        assert!(bytes.len() - before <= max);
        let found = of_pop(read);
        // One that is poisoned stays so.
        outcome = if matches!(outcome, Outcome::Corrupted(_)) { outcome } else { found };
    }
    assert!(batch.position().wrapping_sub(start) < 1 << 32);
    match choices.below(3) {
        0 => batch.release(),
        1 => mem::forget(batch),
        // Dropping it does the same.
        _ => {}
    }
    outcome
}

fn pop_patiently(rx: &mut Consumer, choices: &impl Choices) -> Outcome {
    rx.set_wait(strategy(choices));
    let (max, limit) = (rx.max_len(), choices.wait());
    let mut bytes = vec![0; choices.below(USUAL) as usize];
    match choices.below(10) {
        9 => in_a_set(rx.readable(), limit),
        0 => Outcome::of(rx.within(limit).pop(&mut bytes), Outcome::of_wait),
        1 => Outcome::of(rx.within(limit).pop_value::<u64>(), Outcome::of_wait),
        2 => Outcome::of(rx.within(limit).peek().map(|record| look(&record, max)), Outcome::of_wait),
        3 => Outcome::of(rx.within(limit).pop_tagged(&mut bytes), Outcome::of_wait),
        4 => Outcome::of(rx.within(limit).pop_into(&mut bytes), Outcome::of_wait),
        5 => Outcome::of(rx.within(limit).drain(3, |record| look(record, max)), Outcome::of_wait),
        6 => match rx.within(limit).messages().take(3).last() {
            Some(popped) => Outcome::of(popped, Outcome::of_wait),
            None => Outcome::NotNow,
        },
        7 => {
            let mut batch = rx.peek_batch();
            let outcome = match choices.below(3) {
                0 => Outcome::of(batch.within(limit).next_len(), Outcome::of_wait),
                1 => Outcome::of(batch.within(limit).append_next(&mut bytes), Outcome::of_wait),
                _ => Outcome::of(batch.within(limit).copy_next(&mut [0; 64]), Outcome::of_wait),
            };
            let read = batch.position();
            match (batch.append_next(&mut bytes), batch.release_to(read)) {
                (_, Ok(Some(released))) => assert!(released <= 1),
                // The header was changed since it was read, or the handle is poisoned.
                (_, Ok(None)) | (_, Err(PopError::Broken(_) | PopError::Empty)) => {}
                (read, released) => panic!("{read:?}, {released:?}"),
            }
            batch.rewind();
            assert!(matches!(batch.next_word(), Ok(_) | Err(PopError::Broken(_) | PopError::Empty)));
            batch.release();
            outcome
        }
        _ => Outcome::of(rx.within(limit).until_available(), Outcome::of_wait),
    }
}

/// Reads a message in every way. Its bytes may change meanwhile, its length must not.
fn look(record: &Record<'_>, max: usize) {
    let len = record.len();
    assert!(len <= max && record.is_empty() == (len == 0));
    assert_eq!(record.to_vec().len(), len);
    assert_eq!(record.copy_to(&mut vec![0; len + 9]), len);
    assert_eq!(record.value::<u64>(len / 2).is_some(), len / 2 + 8 <= len);
    assert!(record.value::<u64>(usize::MAX).is_none());
    let _ = (record.position(), record.word());
}

fn of_pop<T>(result: Result<T, PopError>) -> Outcome {
    Outcome::of(result, pop_refused)
}
