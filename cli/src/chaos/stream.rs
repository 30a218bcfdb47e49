//! The ends of a stream ring at work.

use std::time::Duration;

use ringmain::stream::{Claim, Consumer, Peek, Producer};
use ringmain::{Error, Options, PeerState, WaitError};

use super::content::{Element, check_element, element};
use super::finding::Finding;
use super::job::Job;
use super::plan::Plant;
use super::work::{Choices, Went, Work, common_calls, pop_refused, push_refused, unexpected, wait_ended, waiting};

/// How many elements a call moves at most.
const LONGEST_CALL: usize = 100;

/// How many kinds of calls there are at either end. The first and the last two move one element.
const KINDS: u8 = 8;

/// Pushes elements by every call that there is.
pub(crate) struct Writer {
    tx: Producer<Element>,
    salt: u64,
    next: u64,
    choices: Choices,
}

impl Work for Writer {
    fn attach(job: &Job, options: &Options, choices: Choices) -> Result<Writer, Error> {
        Ok(Writer { tx: options.stream_producer()?, salt: job.salt, next: 0, choices })
    }

    fn reach(&mut self) -> u64 {
        let (kind, len) = self.choices.choose(KINDS, LONGEST_CALL);
        self.next.wrapping_add(if matches!(kind, 0 | 6..) { 1 } else { len as u64 })
    }

    fn go(&mut self) -> Result<Went, Finding> {
        if let Some(plant) = self.choices.plant.take() {
            self.blunder(plant);
        }
        let (kind, len) = self.choices.take(KINDS, LONGEST_CALL);
        let Writer { tx, salt, next, choices } = self;
        let (salt, start, capacity) = (*salt, *next, tx.capacity());
        let elements = (0..len as u64).map(|at| element(salt, start.wrapping_add(at)));
        let pushed = match kind {
            0 => tx.push(element(salt, start)).map(|()| 1).map_err(push_refused),
            1 => tx.push_slice(&elements.collect::<Vec<_>>()).map_err(push_refused),
            2 => tx.claim_up_to(len).map(|claim| finish(claim, choices, elements)).map_err(push_refused),
            3 => tx.claim_contiguous(len).map(|claim| finish(claim, choices, elements)).map_err(push_refused),
            4 => tx.claim(len.min(capacity)).map(|claim| finish(claim, choices, elements)).map_err(push_refused),
            5 => {
                // Not more than half of the ring: the consumer may wait for as much.
                let claimed = waiting!(tx, choices.limit()).claim(len.min(capacity / 2).max(1));
                claimed.map(|claim| finish(claim, choices, elements)).map_err(wait_ended)
            }
            _ => {
                let pushed = waiting!(tx, choices.limit()).push(element(salt, start));
                pushed.map(|()| 1).map_err(|unfinished| wait_ended(unfinished.cause))
            }
        };
        if let Ok(count) = pushed {
            *next = start.wrapping_add(count as u64);
        }
        Went::of(pushed)
    }

    common_calls!(tx);
}

impl Writer {
    /// Makes a planted mistake.
    fn blunder(&mut self, plant: Plant) {
        let mut torn = element(self.salt, self.next);
        torn[2] ^= 1 << 40;
        match plant {
            Plant::Lose => self.next = self.next.wrapping_add(1),
            Plant::Tear if self.tx.push(torn).is_ok() => self.next = self.next.wrapping_add(1),
            Plant::Twice if self.tx.push(element(self.salt, self.next.wrapping_sub(1))).is_ok() => {}
            // There was no room: another time.
            Plant::Tear | Plant::Twice => self.choices.plant = Some(plant),
            _ => {}
        }
    }
}

/// Fills a claim and commits it, or a part of it, or nothing; returns how many.
fn finish(mut claim: Claim<'_, Element>, choices: &mut Choices, elements: impl Iterator<Item = Element>) -> usize {
    let len = claim.fill(elements);
    match choices.rng.u8(..16) {
        0 => {
            claim.abort();
            0
        }
        1 => {
            claim.commit_first(len.div_ceil(2));
            len.div_ceil(2)
        }
        _ => {
            claim.commit();
            len
        }
    }
}

/// Pops elements by every call that there is, and checks them.
pub(crate) struct Reader {
    rx: Consumer<Element>,
    salt: u64,
    next: u64,
    choices: Choices,
    values: [Element; LONGEST_CALL],
}

impl Work for Reader {
    fn attach(job: &Job, options: &Options, choices: Choices) -> Result<Reader, Error> {
        let rx = options.stream_consumer()?;
        Ok(Reader { rx, salt: job.salt, next: 0, choices, values: [[0; 4]; LONGEST_CALL] })
    }

    fn reach(&mut self) -> u64 {
        let (kind, len) = self.choices.choose(KINDS, LONGEST_CALL);
        self.next.wrapping_add(if matches!(kind, 0 | 6..) { 1 } else { len as u64 })
    }

    fn go(&mut self) -> Result<Went, Finding> {
        if self.choices.plant == Some(Plant::Repeat) && self.rx.peek(1).is_ok() {
            (self.choices.plant, self.next) = (None, self.next.wrapping_add(1));
            return Ok(Went::Moved(1));
        }
        let (kind, len) = self.choices.take(KINDS, LONGEST_CALL);
        let Reader { rx, choices, values, .. } = self;
        let capacity = rx.capacity();
        let popped = match kind {
            0 => rx.pop().map(|element| keep(element, values)).map_err(pop_refused),
            1 => rx.pop_slice(&mut values[..len]).map_err(pop_refused),
            2 => rx.peek_up_to(len).map(|peek| take(peek, choices, values)).map_err(pop_refused),
            3 => rx.peek_contiguous(len).map(|peek| take(peek, choices, values)).map_err(pop_refused),
            4 => rx.peek(len.min(capacity)).map(|peek| take(peek, choices, values)).map_err(pop_refused),
            5 => {
                let peeked = waiting!(rx, choices.limit()).peek(len.min(capacity / 2).max(1));
                peeked.map(|peek| take(peek, choices, values)).map_err(wait_ended)
            }
            6 => {
                let popped = waiting!(rx, choices.limit()).pop();
                popped.map(|element| keep(element, values)).map_err(wait_ended)
            }
            _ => {
                rx.release();
                rx.pop().map(|element| keep(element, values)).map_err(pop_refused)
            }
        };
        if let Ok(count) = popped {
            self.check(count)?;
        }
        Went::of(popped)
    }

    fn take(&mut self) -> Result<Went, Finding> {
        let popped = self.rx.pop().map(|element| keep(element, &mut self.values)).map_err(pop_refused);
        if let Ok(count) = popped {
            self.check(count)?;
        }
        Went::of(popped)
    }

    fn wait(&mut self, limit: Duration) -> Result<(), WaitError> {
        self.rx.within(limit).until_available(1)
    }

    fn is_empty(&self) -> Result<bool, Finding> {
        self.rx.is_empty().map_err(unexpected)
    }

    common_calls!(rx);
}

impl Reader {
    /// Checks the elements that were kept.
    fn check(&mut self, count: usize) -> Result<(), Finding> {
        for &element in &self.values[..count] {
            check_element(self.salt, self.next, element)?;
            self.next = self.next.wrapping_add(1);
        }
        Ok(())
    }
}

/// Keeps one element; returns how many that is.
fn keep(element: Element, values: &mut [Element]) -> usize {
    values[0] = element;
    1
}

/// Copies what is peeked at, and gives it back, or a part of it, or nothing; returns how many.
fn take(peek: Peek<'_, Element>, choices: &mut Choices, values: &mut [Element]) -> usize {
    let len = peek.len();
    peek.copy_to_slice(0, &mut values[..len]);
    match choices.rng.u8(..16) {
        // Dropped: the elements stay.
        0 => 0,
        1 => {
            peek.release_first(len.div_ceil(2));
            len.div_ceil(2)
        }
        _ => {
            peek.release();
            len
        }
    }
}
