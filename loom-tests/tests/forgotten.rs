//! A guard that is forgotten has changed nothing: what follows goes on as if it had been dropped, or never taken.

#![allow(unsafe_code, reason = "makes a cursor of its own")]
#![allow(clippy::forget_non_drop, reason = "whether a guard has a destructor is not for its user to know")]

use std::mem::forget;
use std::sync::atomic::Ordering;

use loom::thread;
use loom_tests::checked::CheckedMemory;
use loom_tests::message::{self, OTHER_MESSAGE, expect, expect_none, message, when_there};
use loom_tests::model::{
    NO_PROGRESS, RACE, assert_reached, check, fails, fails_without, pop, push, reached, ring, until,
};
use loom_tests::planted::Bug;
use loom_tests::ring::cursor::Cursor;
use loom_tests::ring::error::PopError;
use loom_tests::ring::memory::{Memory, Role, Word};
use loom_tests::ring::message::Consumer;
use loom_tests::weakened::Site;

/// Reads up to `most` messages into a batch, and forgets it. Returns how many it has read.
fn forget_a_batch<M: Memory>(consumer: &mut Consumer<M>, most: usize) -> usize {
    let mut batch = consumer.peek_batch();
    let mut read = Vec::new();
    while batch.len() < most {
        match batch.append_next(&mut read) {
            Ok(_) => {}
            Err(PopError::Empty) => break,
            Err(error) => panic!("{error}"),
        }
    }
    let len = batch.len();
    assert_eq!(read, (0..len as u64).flat_map(|number| message(number).to_ne_bytes()).collect::<Vec<_>>());
    forget(batch);
    len
}

/// Messages are looked at in a batch, which is forgotten, then popped, or given back by another batch.
fn a_batch_is_forgotten<M: Memory + Clone + 'static>(memory: M, count: u64, released: usize) {
    let (mut producer, mut consumer) = message::ring(memory, 32);
    let pushes = thread::spawn(move || (0..count).for_each(|number| message::push(&mut producer, message(number))));
    reached(match forget_a_batch(&mut consumer, 3) {
        0 => "nothing was looked at",
        3 => "all that fits was looked at",
        _ => "some were looked at",
    });
    let mut batch = consumer.peek_batch();
    for _ in 0..released {
        when_there(|| batch.append_next(&mut Vec::new()));
    }
    batch.release();
    expect(&mut consumer, released as u64..count);
    pushes.join().unwrap();
    expect_none(&mut consumer);
}

#[test]
fn pops_go_on_behind_a_batch_that_was_forgotten() {
    for released in [0, 1] {
        check(move || a_batch_is_forgotten(CheckedMemory::of_records(64), 4, released));
        assert_reached(&["nothing was looked at", "some were looked at", "all that fits was looked at", "empty"]);
    }
}

#[test]
fn pops_behind_a_forgotten_batch_need_every_ordering_of_the_headers_and_the_head() {
    fails_without(&Site::HEADERS, RACE, |site| a_batch_is_forgotten(site.records(64), 5, 0));
}

#[test]
fn a_head_that_is_not_stored_behind_a_forgotten_batch_is_caught() {
    fails(NO_PROGRESS, || a_batch_is_forgotten(Bug::NoRelease.records(64), 5, 0));
}

/// A peek at elements is forgotten, and a claim of slots.
fn a_peek_and_a_claim_are_forgotten<M: Memory + Clone + 'static>(memory: M) {
    let (mut producer, mut consumer) = ring(memory, 0);
    let pushes = thread::spawn(move || {
        for value in 0..3 {
            if let Ok(mut claim) = producer.claim_up_to(2) {
                claim.set(0, 90);
                forget(claim);
            }
            push(&mut producer, value);
        }
    });
    for value in 0..3 {
        if let Ok(peek) = consumer.peek_up_to(2) {
            reached("a peek");
            assert_eq!(peek.get(0), Some(value));
            forget(peek);
        }
        assert_eq!(pop(&mut consumer), value);
    }
    pushes.join().unwrap();
}

#[test]
fn a_peek_and_a_claim_that_are_forgotten_change_nothing() {
    check(|| a_peek_and_a_claim_are_forgotten(CheckedMemory::new(2)));
    assert_reached(&["a peek", "full", "empty"]);
}

#[test]
fn forgotten_peeks_and_claims_need_every_ordering_of_the_positions() {
    fails_without(&Site::POSITIONS, RACE, |site| a_peek_and_a_claim_are_forgotten(site.memory(2)));
}

/// A record that is looked at is forgotten, and a claim and a batch of messages.
fn a_record_and_a_batch_are_forgotten<M: Memory + Clone + 'static>(memory: M) {
    let (mut producer, mut consumer) = message::ring(memory, 24);
    let pushes = thread::spawn(move || {
        for number in 0..2 {
            let mut batch = producer.batch();
            if batch.push_value(&message(90)).is_ok() {
                forget(batch);
            }
            if let Ok(mut claim) = producer.claim(16) {
                claim.write_value_at(0, &[message(91), message(92)]);
                forget(claim);
            }
            message::push(&mut producer, message(number));
        }
    });
    for number in 0..2 {
        if let Ok(record) = consumer.peek() {
            reached("a peek");
            assert_eq!(record.value(0), Some(message(number)), "{OTHER_MESSAGE}");
            forget(record);
        }
        expect(&mut consumer, number..number + 1);
    }
    pushes.join().unwrap();
    expect_none(&mut consumer);
}

#[test]
fn a_record_a_claim_and_a_batch_that_are_forgotten_change_nothing() {
    check(|| a_record_and_a_batch_are_forgotten(CheckedMemory::of_records(32)));
    assert_reached(&["a peek", "full", "empty"]);
}

/// A reader of positions alone, which looks at some of them and forgets that.
struct Positions<M> {
    memory: M,
    cursor: Cursor,
    /// How much a guard has looked at that was not given back: what a guard must not leave behind.
    looked_at: u64,
}

impl<M: Memory> Positions<M> {
    /// Looks at all there is.
    fn look(&mut self) {
        // As `Consumer::load_tail` does it.
        self.cursor.learn(self.memory.tail().load(Ordering::Acquire));
    }

    /// Reads one position behind what was looked at.
    fn pop(&mut self) -> Option<u64> {
        if self.cursor.known() == 0 {
            self.look();
        }
        let position = self.cursor.position();
        if self.cursor.known() == 0 {
            return None;
        }
        let head = self.cursor.advance_from(position, std::mem::take(&mut self.looked_at) + 1);
        self.memory.head().store(head, Ordering::Release);
        Some(position)
    }
}

/// A reader looks, and pops two positions. `forget` is what the forgotten guard leaves behind.
fn a_cursor_goes_on<M: Memory + Clone + 'static>(memory: M, forget: fn(&mut Positions<M>)) {
    let (mut producer, consumer) = ring(memory.clone(), 0);
    drop(consumer);
    let pushes = thread::spawn(move || (0..2).for_each(|value| push(&mut producer, value)));
    // SAFETY: the memory outlives the cursor beside it, and the consumer that had one is gone.
    let cursor = unsafe { Cursor::new(&memory, Role::Consumer, 0, 2) };
    let mut reader = Positions { cursor, memory, looked_at: 0 };
    reader.look();
    forget(&mut reader);
    assert_eq!([(); 2].map(|()| until(|| reader.pop())), [0, 1]);
    pushes.join().unwrap();
}

#[test]
fn a_cursor_that_passes_its_view_is_caught() {
    check(|| a_cursor_goes_on(CheckedMemory::new(2), |_| ()));
    // A guard that leaves its own place behind: the next one to move the cursor moves it by that, too.
    fails("units passed of", || {
        a_cursor_goes_on(CheckedMemory::new(2), |reader| reader.looked_at = reader.cursor.known());
    });
}

#[test]
fn a_cursor_whose_view_goes_back_or_beyond_the_ring_is_caught() {
    fails("the end goes back", || {
        a_cursor_goes_on(CheckedMemory::new(2), |reader| {
            until(|| {
                reader.look();
                (reader.cursor.known() > 0).then_some(())
            });
            // A view that another one has used up, as if it were as before.
            reader.cursor.learn(0);
        });
    });
    fails("known_end", || {
        a_cursor_goes_on(CheckedMemory::new(2), |reader| reader.cursor.learn(3));
    });
}
