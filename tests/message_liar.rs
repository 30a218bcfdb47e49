//! A process that changes headers and positions while another one reads them: wrong messages, errors, and nothing worse.

mod common;

use std::io::{IoSlice, Write};
use std::sync::atomic::Ordering;

use common::hostile::Words;
use common::messages::{header, ring_of};
use common::outcomes::{Outcomes, attach_if_allowed};
use common::{Child, Part, Random, Ring, path, word};
use ringmain::Broken;
use ringmain::message::{Batch, Consumer, PopError, Producer, PushError};

/// How often a victim comes, and how many calls it makes while its handle is not poisoned.
const VISITS: u64 = 2000;
const CALLS: u64 = 100;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("liar", liar)]);
}

/// Writes whatever into tail, head and data area, for ever: most of it near to what could be.
fn liar(part: &mut Part) {
    let (words, random) = (Words::of(&path(part.name())), Random::seeded(part.argument(0)));
    let align: u64 = part.argument(1);
    part.say("lies");
    loop {
        let position = [word::TAIL, word::HEAD][random.below(2) as usize];
        let stood = words.at(position).load(Ordering::Relaxed);
        let near = random.below(64) * align;
        match random.below(16) {
            0 => words.at(position).store(random.any(), Ordering::Relaxed),
            1 => words.at(position).store(stood.wrapping_add(random.below(9)), Ordering::Relaxed),
            2 => words.at(word::TAIL).store(words.at(word::HEAD).load(Ordering::Relaxed), Ordering::Relaxed),
            3 | 4 => words.at(position).store(stood.wrapping_add(near), Ordering::Relaxed),
            5 => words.at(position).store(stood.wrapping_sub(near), Ordering::Relaxed),
            kind => {
                let data = words.len() - word::DATA;
                // At a record that is about to be read, or anywhere.
                let at = if kind < 11 { stood.wrapping_add(near) } else { random.any() };
                let record = words.at(word::DATA + at % data / 8 * 8);
                let lie = match random.below(8) {
                    0 => random.any(),
                    1 => header(random.below(2 * data)),
                    2 => u64::MAX,
                    3 => 0,
                    _ => header(random.below(256)),
                };
                record.store(lie, Ordering::Relaxed);
            }
        }
    }
}

/// Notes what a push came to; returns whether there may be another.
#[track_caller]
fn note_push(outcomes: &mut Outcomes, pushed: Result<(), PushError>) -> bool {
    match pushed {
        Ok(()) => outcomes.done += 1,
        Err(PushError::Full) => outcomes.refused += 1,
        Err(PushError::Corrupted(_)) => outcomes.corrupted += 1,
        Err(error) => panic!("{error:?}"),
    }
    !matches!(pushed, Err(PushError::Corrupted(_)))
}

/// Notes what a pop came to; returns whether there may be another.
fn note_pop<T>(outcomes: &mut Outcomes, popped: Result<T, PopError>) -> bool {
    let corrupted = matches!(popped, Err(PopError::Corrupted(_)));
    match popped {
        Ok(_) => outcomes.done += 1,
        Err(PopError::Corrupted(_)) => outcomes.corrupted += 1,
        Err(_) => outcomes.refused += 1,
    }
    !corrupted
}

/// What a broken handle says, as a pop says it.
fn popped(broken: Broken) -> PopError {
    match broken {
        Broken::Corrupted(cause) => PopError::Corrupted(cause),
        _ => PopError::Forked,
    }
}

/// Makes one call of a producer; returns whether it may make another.
fn push(tx: &mut Producer, random: &Random, outcomes: &mut Outcomes) -> bool {
    let bytes = [7; 600];
    let bytes = &bytes[..random.below(600) as usize];
    match random.below(5) {
        0 => note_push(outcomes, tx.push(bytes)),
        1 => note_push(outcomes, tx.push_vectored(&[bytes, bytes].map(IoSlice::new))),
        2 => note_push(outcomes, tx.push_value(&[7_u64; 5])),
        3 => note_push(
            outcomes,
            tx.claim(600).map(|mut claim| {
                claim.write_all(bytes).unwrap();
                claim.commit();
            }),
        ),
        _ => {
            let mut batch = tx.batch();
            let goes_on = note_push(outcomes, fill(&mut batch, bytes));
            batch.commit();
            goes_on
        }
    }
}

fn fill(batch: &mut Batch<'_>, bytes: &[u8]) -> Result<(), PushError> {
    batch.push(bytes)?;
    batch.push_value(&7_u64)?;
    batch.claim(600)?.commit_len(bytes.len());
    batch.push_vectored(&[bytes, bytes].map(IoSlice::new))
}

/// Makes one call of a consumer; returns whether it may make another.
fn pop(rx: &mut Consumer, random: &Random, outcomes: &mut Outcomes, bytes: &mut [u8]) -> bool {
    let max = rx.max_len();
    match random.below(7) {
        0 => note_pop(outcomes, rx.pop(&mut bytes[..random.below(600) as usize])),
        1 => {
            let mut bytes = Vec::new();
            let popped = rx.pop_into(&mut bytes);
            assert!(bytes.len() <= max);
            note_pop(outcomes, popped)
        }
        2 => note_pop(outcomes, rx.pop_value::<[u64; 5]>()),
        3 => note_pop(
            outcomes,
            rx.peek().map(|record| {
                let word = record.value::<u64>(record.len() / 2);
                assert!(record.to_vec().len() == record.len() && record.copy_to(bytes) <= max);
                assert_eq!(word.is_some(), record.len() / 2 + 8 <= record.len());
                record.release();
            }),
        ),
        4 => note_pop(outcomes, rx.drain(3, |record| assert!(record.to_vec().len() <= max)).map_err(popped)),
        5 => note_pop(outcomes, rx.messages().take(3).try_for_each(|bytes| bytes.map(drop)).map_err(popped)),
        _ => note_pop(outcomes, rx.is_empty().map_err(popped)),
    }
}

#[track_caller]
fn check_victims(capacity: usize, align: usize) {
    let (ring, random): (Ring, _) = (ring_of(capacity, align), Random::new());
    let mut liar = Child::start("liar", ring.name(), &[&random.any(), &align]);
    liar.says("lies");
    let (mut pushes, mut pops, mut bytes) = (Outcomes::default(), Outcomes::default(), vec![0; capacity]);
    let mut attached = (0, 0);
    for _ in 0..VISITS {
        let tx = attach_if_allowed(ring.options().message_producer());
        let rx = attach_if_allowed(ring.options().message_consumer());
        attached = (attached.0 + u64::from(tx.is_some()), attached.1 + u64::from(rx.is_some()));
        // Poisoned or not, one call more never hurts.
        if let Some(mut tx) = tx {
            while push(&mut tx, &random, &mut pushes) && random.below(CALLS) > 0 {}
            push(&mut tx, &random, &mut pushes);
        }
        if let Some(mut rx) = rx {
            while pop(&mut rx, &random, &mut pops, &mut bytes) && random.below(CALLS) > 0 {}
            pop(&mut rx, &random, &mut pops, &mut bytes);
        }
        // The next ones may come: what lies in the past is right again.
        if random.below(2) == 0 {
            let words = Words::of(&path(ring.name()));
            for at in (word::DATA..words.len()).step_by(8).chain([word::TAIL, word::HEAD]) {
                words.at(at).store(0, Ordering::Relaxed);
            }
        }
    }
    liar.kill();
    println!("attached: {attached:?}");
    assert!(attached.0.min(attached.1) > 0, "nobody could attach");
    pushes.check("pushes");
    pops.check("pops");
}

#[test]
fn a_small_ring_of_lies_is_survived() {
    check_victims(4096, 8);
}

#[test]
fn a_ring_of_lies_with_lines_of_their_own_is_survived() {
    check_victims(16_384, 64);
}
