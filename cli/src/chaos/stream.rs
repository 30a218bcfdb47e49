//! The ends of a stream ring at work.

use std::time::Duration;

use ringmain::stream::{Claim, ClaimError, Consumer, Peek, PeekError, PopError, Producer, PushError, PushSliceError};
use ringmain::{Error, Options, PeerState, WaitError};

use super::content::{Element, Finding, check_element, element};
use super::journal::Fault;
use super::plan::Plant;
use super::work::{Choices, Went, Work, common_calls};
use super::worker::Job;

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
        let (salt, next, capacity) = (self.salt, self.next, self.tx.capacity());
        let (kind, len) = self.choices.take(KINDS, LONGEST_CALL);
        let elements = (0..len as u64).map(|at| element(salt, next.wrapping_add(at)));
        match kind {
            0 => match self.tx.push(element(salt, next)) {
                Ok(()) => Ok(self.pushed(1)),
                Err(PushError::Full(_)) => Ok(Went::Nothing),
                Err(error) => Err(unexpected(error)),
            },
            1 => match self.tx.push_slice(&elements.collect::<Vec<_>>()) {
                Ok(len) => Ok(self.pushed(len)),
                Err(PushSliceError::Full) => Ok(Went::Nothing),
                Err(error) => Err(unexpected(error)),
            },
            2 => {
                let claimed = self.tx.claim_up_to(len);
                finish(claimed.map_err(claim_refused), &mut self.choices, elements).map(|went| self.went(went))
            }
            3 => {
                let claimed = self.tx.claim_contiguous(len);
                finish(claimed.map_err(claim_refused), &mut self.choices, elements).map(|went| self.went(went))
            }
            4 => {
                let claimed = self.tx.claim(len.min(capacity));
                finish(claimed.map_err(claim_refused), &mut self.choices, elements).map(|went| self.went(went))
            }
            5 => {
                // Not more than half of the ring: the consumer may wait for as much.
                let (len, limit) = (len.min(capacity / 2).max(1), self.choices.limit());
                let claimed = match limit {
                    None => self.tx.claim_blocking(len),
                    Some(limit) => self.tx.claim_timeout(len, limit),
                };
                finish(claimed.map_err(waited), &mut self.choices, elements).map(|went| self.went(went))
            }
            _ => {
                let pushed = match self.choices.limit() {
                    None => self.tx.push_blocking(element(salt, next)),
                    Some(limit) => self.tx.push_timeout(element(salt, next), limit),
                };
                match pushed.map_err(|unsent| unsent.cause) {
                    Ok(()) => Ok(self.pushed(1)),
                    Err(WaitError::TimedOut) => Ok(Went::Nothing),
                    Err(error) => Ok(Went::Ended(error)),
                }
            }
        }
    }

    fn is_empty(&mut self) -> Result<bool, Finding> {
        Ok(true)
    }

    common_calls!(tx);
}

impl Writer {
    fn pushed(&mut self, len: usize) -> Went {
        self.next = self.next.wrapping_add(len as u64);
        Went::Moved(len as u64)
    }

    fn went(&mut self, went: Went) -> Went {
        if let Went::Moved(len) = went {
            self.next = self.next.wrapping_add(len);
        }
        went
    }

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

/// Fills a claim and commits it, or a part of it, or nothing.
fn finish(
    claimed: Result<Claim<'_, Element>, Result<Went, Finding>>,
    choices: &mut Choices,
    elements: impl Iterator<Item = Element>,
) -> Result<Went, Finding> {
    let mut claim = match claimed {
        Ok(claim) => claim,
        Err(refused) => return refused,
    };
    let len = claim.fill(elements);
    match choices.rng.u8(..16) {
        0 => {
            claim.abort();
            return Ok(Went::Nothing);
        }
        1 => {
            claim.commit_first(len.div_ceil(2));
            return Ok(Went::Moved(len.div_ceil(2) as u64));
        }
        _ => claim.commit(),
    }
    Ok(Went::Moved(len as u64))
}

fn claim_refused(error: ClaimError) -> Result<Went, Finding> {
    match error {
        ClaimError::Full { .. } => Ok(Went::Nothing),
        error => Err(unexpected(error)),
    }
}

fn peek_refused(error: PeekError) -> Result<Went, Finding> {
    match error {
        PeekError::Empty { .. } => Ok(Went::Nothing),
        error => Err(unexpected(error)),
    }
}

pub(crate) fn waited(error: WaitError) -> Result<Went, Finding> {
    match error {
        WaitError::TimedOut => Ok(Went::Nothing),
        error => Ok(Went::Ended(error)),
    }
}

pub(crate) fn unexpected(error: impl std::fmt::Debug) -> Finding {
    Finding::new(Fault::Other, format!("a call said {error:?}"))
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
        let capacity = self.rx.capacity();
        let read = match kind {
            0 => match self.rx.pop() {
                Ok(element) => self.keep(element),
                Err(PopError::Empty) => return Ok(Went::Nothing),
                Err(error) => return Err(unexpected(error)),
            },
            1 => match self.rx.pop_slice(&mut self.values[..len]) {
                Ok(len) => len,
                Err(PopError::Empty) => return Ok(Went::Nothing),
                Err(error) => return Err(unexpected(error)),
            },
            2 => take(self.rx.peek_up_to(len).map_err(peek_refused), &mut self.choices, &mut self.values)?,
            3 => take(self.rx.peek_contiguous(len).map_err(peek_refused), &mut self.choices, &mut self.values)?,
            4 => take(self.rx.peek(len.min(capacity)).map_err(peek_refused), &mut self.choices, &mut self.values)?,
            5 => {
                let (len, limit) = (len.min(capacity / 2).max(1), self.choices.limit());
                let peeked = match limit {
                    None => self.rx.peek_blocking(len),
                    Some(limit) => self.rx.peek_timeout(len, limit),
                };
                match peeked {
                    Err(error) if error != WaitError::TimedOut => return Ok(Went::Ended(error)),
                    peeked => take(peeked.map_err(waited), &mut self.choices, &mut self.values)?,
                }
            }
            6 => {
                let popped = match self.choices.limit() {
                    None => self.rx.pop_blocking(),
                    Some(limit) => self.rx.pop_timeout(limit),
                };
                match popped {
                    Ok(element) => self.keep(element),
                    Err(WaitError::TimedOut) => return Ok(Went::Nothing),
                    Err(error) => return Ok(Went::Ended(error)),
                }
            }
            _ => {
                self.rx.release();
                match self.rx.pop() {
                    Ok(element) => self.keep(element),
                    Err(PopError::Empty) => return Ok(Went::Nothing),
                    Err(error) => return Err(unexpected(error)),
                }
            }
        };
        for &element in &self.values[..read] {
            check_element(self.salt, self.next, element)?;
            self.next = self.next.wrapping_add(1);
        }
        Ok(if read > 0 { Went::Moved(read as u64) } else { Went::Nothing })
    }

    fn take(&mut self) -> Result<Went, Finding> {
        match self.rx.pop() {
            Ok(element) => {
                check_element(self.salt, self.next, element)?;
                self.next = self.next.wrapping_add(1);
                Ok(Went::Moved(1))
            }
            Err(PopError::Empty) => Ok(Went::Nothing),
            Err(error) => Err(unexpected(error)),
        }
    }

    fn wait(&mut self, limit: Duration) -> Result<(), WaitError> {
        self.rx.wait_readable(limit)
    }

    fn is_empty(&mut self) -> Result<bool, Finding> {
        self.rx.available().map(|available| available == 0).map_err(unexpected)
    }

    common_calls!(rx);
}

impl Reader {
    fn keep(&mut self, element: Element) -> usize {
        self.values[0] = element;
        1
    }
}

/// Copies what is peeked at, and gives it back, or a part of it, or nothing; returns how many.
fn take(
    peeked: Result<Peek<'_, Element>, Result<Went, Finding>>,
    choices: &mut Choices,
    values: &mut [Element],
) -> Result<usize, Finding> {
    let peek = match peeked {
        Ok(peek) => peek,
        Err(refused) => return refused.map(|_| 0),
    };
    let len = peek.len();
    peek.copy_to_slice(0, &mut values[..len]);
    Ok(match choices.rng.u8(..16) {
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
    })
}
