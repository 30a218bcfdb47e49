//! Elements that are written and read in place: a claim is seen when it is committed, a peek gives back what it
//! released.

use loom::thread;
use loom_tests::checked::CheckedMemory;
use loom_tests::model::{
    NO_PROGRESS, RACE, assert_reached, check, fails, fails_without, pop, push, reached, ring, until,
};
use loom_tests::planted::Bug;
use loom_tests::ring::error::{PopError, PushError};
use loom_tests::ring::memory::Memory;
use loom_tests::ring::stream::{Claim, Consumer, Peek, Producer};
use loom_tests::weakened::Site;

/// Runs `fill` on a claim of `len` slots as soon as they are free.
fn claim<M: Memory>(producer: &mut Producer<u64, M>, len: usize, fill: impl FnOnce(Claim<'_, u64, M>)) {
    until(|| match producer.claim(len).err() {
        None => Some(()),
        Some(PushError::Full(_)) => {
            reached("full");
            None
        }
        Some(error) => panic!("{error}"),
    });
    fill(producer.claim(len).unwrap());
}

/// Slots are claimed, aborted, claimed again, committed in two parts and in part.
fn claims<M: Memory + Clone + 'static>(memory: M) {
    let (mut producer, mut consumer) = ring(memory, 3);
    let pushes = thread::spawn(move || {
        claim(&mut producer, 2, |mut claim| claim.copy_from_slice(0, &[90, 91]));
        claim(&mut producer, 2, |mut claim| {
            assert_eq!(claim.parts(), (1, 1));
            claim.copy_from_slice(0, &[0, 1]);
            claim.commit();
        });
        claim(&mut producer, 3, |mut claim| {
            assert_eq!(claim.fill([2, 3, 92]), 3);
            claim.commit_first(2);
        });
        claim(&mut producer, 2, |mut claim| {
            claim.set(1, 5);
            claim.set(0, 4);
            claim.commit();
        });
    });
    for value in 0..6 {
        assert_eq!(pop(&mut consumer), value);
    }
    pushes.join().unwrap();
}

#[test]
fn a_claim_is_seen_as_far_as_it_is_committed() {
    check(|| claims(CheckedMemory::new(4)));
    assert_reached(&["full", "empty"]);
}

#[test]
fn claims_need_every_ordering_of_the_positions() {
    fails_without(&Site::POSITIONS, RACE, |site| claims(site.memory(4)));
}

#[test]
fn a_claim_that_is_published_before_it_is_written_is_caught() {
    fails(RACE, || claims(Bug::PublishBeforeWrite.memory(4)));
}

/// Runs `look` on a peek at `len` elements as soon as they are there.
fn peek<M: Memory>(consumer: &mut Consumer<u64, M>, len: usize, look: impl FnOnce(Peek<'_, u64, M>)) {
    until(|| match consumer.peek(len).err() {
        None => Some(()),
        Some(PopError::Empty | PopError::Short { .. }) => {
            reached("empty");
            None
        }
        Some(error) => panic!("{error}"),
    });
    look(consumer.peek(len).unwrap());
}

/// Elements are looked at, left, looked at again, given back in part and as a whole.
fn peeks<M: Memory + Clone + 'static>(memory: M) {
    let (mut producer, mut consumer) = ring(memory, 3);
    let pushes = thread::spawn(move || (0..5).for_each(|value| push(&mut producer, value)));
    peek(&mut consumer, 2, |peek| {
        assert_eq!(peek.parts(), (1, 1));
        assert!(peek.iter().eq(0..2));
    });
    peek(&mut consumer, 2, |peek| {
        let mut values = [9; 2];
        peek.copy_to_slice(0, &mut values);
        assert_eq!(values, [0, 1]);
        peek.release_first(1);
    });
    peek(&mut consumer, 3, |peek| {
        assert_eq!([0, 1, 2, 3].map(|at| peek.get(at)), [Some(1), Some(2), Some(3), None]);
        peek.release();
    });
    assert_eq!(pop(&mut consumer), 4);
    pushes.join().unwrap();
}

#[test]
fn a_peek_gives_back_what_it_released_and_leaves_the_rest() {
    check(|| peeks(CheckedMemory::new(4)));
    assert_reached(&["full", "empty"]);
}

#[test]
fn peeks_need_every_ordering_of_the_positions() {
    fails_without(&Site::POSITIONS, RACE, |site| peeks(site.memory(4)));
}

#[test]
fn a_peek_that_is_never_given_back_is_caught() {
    fails(NO_PROGRESS, || peeks(Bug::NoRelease.memory(4)));
}
