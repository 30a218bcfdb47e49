//! The word beside a header arrives with its message, however that is published and found.

use loom::thread;
use loom_tests::checked::CheckedMemory;
use loom_tests::message::{aligned_ring, when_free, when_there};
use loom_tests::model::{assert_reached, check, fails, fails_without};
use loom_tests::planted::Bug;
use loom_tests::ring::memory::Memory;
use loom_tests::ring::message::Consumer;
use loom_tests::weakened::Site;

/// What a consumer says that finds another word than that of its message.
const OTHER_WORD: &str = "not the word that was expected";

/// The alignment of the records of every model.
const ALIGN: usize = 16;

fn word(number: u64) -> u64 {
    0x7700 + number
}

/// Pops the next message, as soon as it is there. It has no bytes, so its word alone tells of a race.
#[track_caller]
fn expect<M: Memory>(consumer: &mut Consumer<M>, expected: u64) {
    assert_eq!(when_there(|| consumer.pop_tagged(&mut [])), (expected, 0), "{OTHER_WORD}");
}

/// Messages with words pass, and one without, where each lap stores other words over the last ones.
fn words<M: Memory + Clone + 'static>(memory: M) {
    let (mut producer, mut consumer) = aligned_ring(memory, ALIGN, 32);
    let pushes = thread::spawn(move || {
        when_free(|| producer.push_tagged(word(0), &[]));
        when_free(|| producer.push(&[]));
        when_free(|| producer.push_tagged(word(2), &[]));
    });
    [word(0), 0, word(2)].into_iter().for_each(|expected| expect(&mut consumer, expected));
    pushes.join().unwrap();
}

#[test]
fn a_word_arrives_with_its_message() {
    check(|| words(CheckedMemory::of_records(64)));
    assert_reached(&["empty"]);
}

#[test]
fn a_word_needs_both_orderings_of_the_header() {
    fails_without(&[Site::HeaderStore, Site::HeaderLoad], OTHER_WORD, |site| words(site.records(64)));
}

/// A batch passes, with a word in each message, and one in a claim.
fn a_batch<M: Memory + Clone + 'static>(memory: M) {
    let (mut producer, mut consumer) = aligned_ring(memory, ALIGN, 32);
    let pushes = thread::spawn(move || {
        let mut batch = producer.batch();
        batch.push_tagged(word(0), &[]).unwrap();
        let mut claim = batch.claim(0).unwrap();
        claim.set_word(word(1)).unwrap();
        claim.commit();
        batch.commit();
    });
    [word(0), word(1)].into_iter().for_each(|expected| expect(&mut consumer, expected));
    pushes.join().unwrap();
}

#[test]
fn the_words_of_a_batch_arrive_with_it() {
    check(|| a_batch(CheckedMemory::of_records(64)));
    assert_reached(&["empty"]);
}

#[test]
fn the_words_of_a_batch_need_both_orderings_of_the_header() {
    fails_without(&[Site::HeaderStore, Site::HeaderLoad], OTHER_WORD, |site| a_batch(site.records(64)));
}

#[test]
fn a_word_that_is_stored_after_its_message_is_caught() {
    fails(OTHER_WORD, || words(Bug::WordAfterHeader.records(64)));
}
