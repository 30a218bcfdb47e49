//! A process that changes positions while another one reads them: wrong elements, errors, and nothing worse.

mod common;

use std::sync::atomic::Ordering;

use common::hostile::Words;
use common::outcomes::{Outcomes, attach_if_allowed};
use common::{Child, Part, Random, Ring, path, word};
use ringmain::stream::{ClaimError, Consumer, PeekError, PopError, Producer, PushError, PushSliceError};

/// How often a victim comes, and how many calls it makes while its handle is not poisoned.
const VISITS: u64 = 2000;
const CALLS: u64 = 100;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("liar", liar)]);
}

/// Writes whatever into tail and head, for ever: most of it near to what could be.
fn liar(part: &mut Part) {
    let (words, random) = (Words::of(&path(part.name())), Random::seeded(part.argument(0)));
    let capacity: u64 = part.argument(1);
    part.say("lies");
    loop {
        let [position, other] = match random.below(2) {
            0 => [word::TAIL, word::HEAD],
            _ => [word::HEAD, word::TAIL],
        };
        let stood = words.at(position).load(Ordering::Relaxed);
        let lie = match random.below(16) {
            0 => random.any(),
            1..=5 => stood.wrapping_add(random.below(2 * capacity)),
            6 => stood.wrapping_sub(random.below(2 * capacity)),
            _ => words.at(other).load(Ordering::Relaxed),
        };
        words.at(position).store(lie, Ordering::Relaxed);
        for _ in 0..random.below(64) {
            std::hint::spin_loop();
        }
    }
}

/// Makes one call of a producer; returns whether it may make another.
fn push(tx: &mut Producer<u64>, random: &Random, outcomes: &mut Outcomes) -> bool {
    let len = 1 + random.below(tx.capacity() as u64) as usize;
    let corrupted = match random.below(6) {
        0 => match tx.push(7) {
            Ok(()) => Ok(1),
            Err(PushError::Corrupted { .. }) => Err(()),
            Err(_) => Ok(0),
        },
        1 => match tx.push_slice(&vec![7; len]) {
            Ok(pushed) => Ok(pushed),
            Err(PushSliceError::Corrupted(_)) => Err(()),
            Err(_) => Ok(0),
        },
        2 => tx.free().map_err(drop).map(|free| {
            assert!(free <= tx.capacity());
            0
        }),
        kind => {
            let claimed = match kind {
                3 => tx.claim(len),
                4 => tx.claim_up_to(len),
                _ => tx.claim_contiguous(len),
            };
            match claimed {
                Ok(mut claim) => {
                    let filled = claim.fill(std::iter::repeat(7));
                    assert!(filled == claim.len() && filled <= len);
                    claim.commit();
                    Ok(filled)
                }
                Err(ClaimError::Corrupted(_)) => Err(()),
                Err(_) => Ok(0),
            }
        }
    };
    note(corrupted, len, outcomes)
}

/// Makes one call of a consumer; returns whether it may make another.
fn pop(rx: &mut Consumer<u64>, random: &Random, outcomes: &mut Outcomes) -> bool {
    let len = 1 + random.below(rx.capacity() as u64) as usize;
    let popped = match random.below(6) {
        0 => match rx.pop() {
            Ok(_) => Ok(1),
            Err(PopError::Corrupted(_)) => Err(()),
            Err(_) => Ok(0),
        },
        1 => match rx.pop_slice(&mut vec![0; len]) {
            Ok(popped) => Ok(popped),
            Err(PopError::Corrupted(_)) => Err(()),
            Err(_) => Ok(0),
        },
        2 => rx.available().map_err(drop).map(|available| {
            assert!(available <= rx.capacity());
            0
        }),
        kind => {
            let peeked = match kind {
                3 => rx.peek(len),
                4 => rx.peek_up_to(len),
                _ => rx.peek_contiguous(len),
            };
            match peeked {
                Ok(peek) => {
                    let seen = peek.iter().count();
                    assert_eq!(seen, peek.len());
                    peek.release();
                    Ok(seen)
                }
                Err(PeekError::Corrupted(_)) => Err(()),
                Err(_) => Ok(0),
            }
        }
    };
    note(popped, len, outcomes)
}

/// Notes how many elements a call moved, of `most`, or that it found a lie; returns whether it may make another.
#[track_caller]
fn note(moved: Result<usize, ()>, most: usize, outcomes: &mut Outcomes) -> bool {
    match moved {
        Ok(0) => outcomes.refused += 1,
        Ok(moved) => {
            assert!(moved <= most);
            outcomes.done += 1;
        }
        Err(()) => outcomes.corrupted += 1,
    }
    moved.is_ok()
}

#[track_caller]
fn check_victims(capacity: usize) {
    let (ring, random) = (Ring::new(), Random::new());
    ring.make::<u64>(capacity);
    let mut liar = Child::start("liar", ring.name(), &[&random.any(), &capacity]);
    liar.says("lies");
    let (mut pushes, mut pops) = (Outcomes::default(), Outcomes::default());
    for _ in 0..VISITS {
        // Poisoned or not, one call more never hurts.
        if let Some(mut tx) = attach_if_allowed(ring.options().stream_producer()) {
            while push(&mut tx, &random, &mut pushes) && random.below(CALLS) > 0 {}
            push(&mut tx, &random, &mut pushes);
        }
        if let Some(mut rx) = attach_if_allowed(ring.options().stream_consumer()) {
            while pop(&mut rx, &random, &mut pops) && random.below(CALLS) > 0 {}
            pop(&mut rx, &random, &mut pops);
        }
    }
    liar.kill();
    pushes.check("pushes");
    pops.check("pops");
}

#[test]
fn one_slot_of_lies_is_survived() {
    check_victims(1);
}

#[test]
fn a_small_ring_of_lies_is_survived() {
    check_victims(8);
}

#[test]
fn a_large_ring_of_lies_is_survived() {
    check_victims(1024);
}
