//! The ends of a message ring at work.

use std::io::{IoSlice, Write};
use std::time::Duration;

use ringmain::message::{Claim, Consumer, Producer, Record};
use ringmain::{Error, Options, PeerState, PopError, PushError, WaitError};

use super::content::Messages;
use super::finding::Finding;
use super::job::Job;
use super::plan::Plant;
use super::work::{
    Choices, Moved, Went, Work, common_calls, pop_refused, push_refused, unexpected, wait_ended, waiting,
};

/// How many messages a call moves at most.
const LONGEST_CALL: usize = 10;

/// How many kinds of calls there are.
const PUSHES: u8 = 8;
const POPS: u8 = 9;

fn messages(job: &Job, max_len: usize) -> Messages {
    Messages { salt: job.salt, alignment: job.alignment as u64, longest: job.longest.min(max_len) as u64 }
}

/// Pushes messages by every call that there is.
pub(crate) struct Writer {
    tx: Producer,
    messages: Messages,
    next: u64,
    choices: Choices,
    bytes: Vec<u8>,
}

impl Work for Writer {
    fn attach(job: &Job, options: &Options, choices: Choices) -> Result<Writer, Error> {
        let tx = options.message_producer()?;
        Ok(Writer { messages: messages(job, tx.max_len()), tx, next: 0, choices, bytes: Vec::new() })
    }

    fn reach(&mut self) -> u64 {
        let (kind, most) = self.choices.choose(PUSHES, LONGEST_CALL);
        self.messages.skip(self.next, if kind == 4 { most } else { 1 })
    }

    fn go(&mut self) -> Result<Went, Finding> {
        if let Some(plant) = self.choices.plant.take() {
            self.blunder(plant);
        }
        self.messages.write(self.next, &mut self.bytes);
        let (kind, most) = self.choices.take(PUSHES, LONGEST_CALL);
        let Writer { tx, bytes, choices, messages, .. } = self;
        let pushed = match kind {
            0 => tx.push(bytes).map(|()| 1).map_err(push_refused),
            1 => {
                let (first, rest) = bytes.split_at(choices.rng.usize(..=bytes.len()));
                let pushed = tx.push_vectored(&[IoSlice::new(first), IoSlice::new(rest)]);
                pushed.map(|()| 1).map_err(push_refused)
            }
            2 => {
                let pushed = match bytes.first_chunk::<8>() {
                    Some(value) if bytes.len() == 8 => tx.push_value(value),
                    _ => tx.push(bytes),
                };
                pushed.map(|()| 1).map_err(push_refused)
            }
            3 => {
                let spare = (messages.longest as usize - bytes.len()).min(choices.rng.usize(..100));
                let claimed = tx.claim(bytes.len() + spare);
                claimed.map(|claim| finish(claim, bytes, choices)).map_err(push_refused)
            }
            4 => self.batch(most),
            5 => {
                let claimed = waiting!(tx, choices.limit()).claim(bytes.len());
                claimed.map(|claim| finish(claim, bytes, choices)).map_err(wait_ended)
            }
            _ => waiting!(tx, choices.limit()).push(bytes).map(|()| 1).map_err(wait_ended),
        };
        if let Ok(count) = pushed {
            self.next = self.messages.skip(self.next, count);
        }
        Went::of(pushed)
    }

    common_calls!(tx);
}

/// Writes a message that was claimed, and commits it, or now and then gives it up; returns how many were pushed.
fn finish(mut claim: Claim<'_>, bytes: &[u8], choices: &mut Choices) -> usize {
    let (first, rest) = bytes.split_at(choices.rng.usize(..=bytes.len()));
    match choices.rng.u8(..8) {
        0 => {
            claim.write_at(0, first);
            claim.abort();
            return 0;
        }
        1..=3 => {
            claim.write_at(first.len(), rest);
            claim.write_at(0, first);
            claim.commit_len(bytes.len());
        }
        _ => {
            // It has the room: `write` on a claim that has fails nowhere.
            let whole = claim.write_all(first).and_then(|()| claim.write_all(rest));
            debug_assert!(whole.is_ok());
            claim.commit();
        }
    }
    1
}

impl Writer {
    /// Pushes some messages at once, or now and then none.
    fn batch(&mut self, most: usize) -> Moved {
        let mut next = self.next;
        let mut batch = self.tx.batch();
        for _ in 0..most {
            self.messages.write(next, &mut self.bytes);
            match batch.push(&self.bytes) {
                Ok(()) => next = self.messages.after(next),
                Err(PushError::Full(_)) => break,
                Err(error) => return Err(Err(unexpected(error))),
            }
        }
        let count = batch.len();
        if count == 0 || self.choices.rng.u8(..8) == 0 {
            batch.abort();
            return Ok(0);
        }
        batch.commit();
        Ok(count)
    }

    /// Makes a planted mistake.
    fn blunder(&mut self, plant: Plant) {
        let (here, after) = (self.next, self.messages.after(self.next));
        self.messages.write(here, &mut self.bytes);
        // A message that says where it belongs is told from others.
        let mut made = self.messages.is_numbered(here) && self.messages.is_numbered(after);
        match plant {
            Plant::Lose | Plant::Invent if made => self.next = after,
            Plant::Tear if made => {
                let last = self.bytes.len() - 1;
                self.bytes[last] ^= 0x40;
                made = self.tx.push(&self.bytes).is_ok();
                self.next = if made { after } else { here };
            }
            // Twice the same: the second is at another position.
            Plant::Twice if made => made = self.tx.push(&self.bytes).is_ok() && self.tx.push(&self.bytes).is_ok(),
            _ => {}
        }
        if !made {
            self.choices.plant = Some(plant);
        }
    }
}

/// Pops messages by every call that there is, and checks them.
pub(crate) struct Reader {
    rx: Consumer,
    messages: Messages,
    next: u64,
    choices: Choices,
    buffer: Vec<u8>,
    vector: Vec<u8>,
    scratch: Vec<u8>,
}

impl Work for Reader {
    fn attach(job: &Job, options: &Options, choices: Choices) -> Result<Reader, Error> {
        let rx = options.message_consumer()?;
        let messages = messages(job, rx.max_len());
        let buffer = vec![0; messages.longest as usize];
        Ok(Reader { rx, messages, next: 0, choices, buffer, vector: Vec::new(), scratch: Vec::new() })
    }

    fn reach(&mut self) -> u64 {
        let (kind, most) = self.choices.choose(POPS, LONGEST_CALL);
        self.messages.skip(self.next, if matches!(kind, 4 | 5) { most } else { 1 })
    }

    fn go(&mut self) -> Result<Went, Finding> {
        if self.choices.plant == Some(Plant::Repeat) && self.rx.peek().is_ok() && self.messages.is_numbered(self.next) {
            (self.choices.plant, self.next) = (None, self.messages.after(self.next));
            return Ok(Went::Moved(1));
        }
        let (kind, most) = self.choices.take(POPS, LONGEST_CALL);
        let Reader { rx, messages, next, choices, buffer, vector, scratch } = self;
        let mut check = |bytes: &[u8]| {
            messages.check(*next, bytes, scratch)?;
            *next = messages.after(*next);
            Ok(())
        };
        let checked = match kind {
            0 => rx.pop(buffer).map(|len| check(&buffer[..len])).map_err(pop_refused),
            1 => rx.pop_into(vector).map(|_| check(vector)).map_err(pop_refused),
            2 => match rx.pop_value::<[u8; 8]>() {
                Err(PopError::WrongSize { .. }) => rx.pop(buffer).map(|len| check(&buffer[..len])).map_err(pop_refused),
                popped => popped.map(|value| check(&value)).map_err(pop_refused),
            },
            // Now and then it is left, and found again by the next call.
            3 => match rx.peek() {
                Ok(_) if choices.rng.u8(..8) == 0 => Err(Ok(Went::Nothing)),
                peeked => peeked.map(|record| check_and_release(record, check)).map_err(pop_refused),
            },
            4 => {
                let mut checked = Ok(());
                let drained = rx.drain(most, |record| {
                    if checked.is_ok() {
                        checked = check(&record.to_vec());
                    }
                });
                let count = drained.map_err(unexpected)?;
                return checked.and_then(|()| Went::of(Ok(count)));
            }
            5 => {
                let mut count = 0;
                for bytes in rx.messages().take(most) {
                    check(&bytes.map_err(unexpected)?)?;
                    count += 1;
                }
                return Went::of(Ok(count));
            }
            6 => {
                let peeked = waiting!(rx, choices.limit()).peek();
                peeked.map(|record| check_and_release(record, check)).map_err(wait_ended)
            }
            7 => {
                let popped = waiting!(rx, choices.limit()).pop(buffer);
                popped.map(|len| check(&buffer[..len])).map_err(wait_ended)
            }
            _ => {
                rx.release();
                rx.pop_into(vector).map(|_| check(vector)).map_err(pop_refused)
            }
        };
        match checked {
            Ok(checked) => checked.map(|()| Went::Moved(1)),
            Err(refused) => refused,
        }
    }

    fn take(&mut self) -> Result<Went, Finding> {
        match self.rx.pop_into(&mut self.vector) {
            Ok(_) => {
                self.messages.check(self.next, &self.vector, &mut self.scratch)?;
                self.next = self.messages.after(self.next);
                Ok(Went::Moved(1))
            }
            Err(error) => pop_refused(error),
        }
    }

    fn wait(&mut self, limit: Duration) -> Result<(), WaitError> {
        self.rx.within(limit).until_available()
    }

    fn is_empty(&self) -> Result<bool, Finding> {
        self.rx.is_empty().map_err(unexpected)
    }

    common_calls!(rx);
}

/// Checks a message in place, and gives it back whatever it is.
fn check_and_release<R>(record: Record<'_>, check: impl FnOnce(&[u8]) -> R) -> R {
    let checked = check(&record.to_vec());
    record.release();
    checked
}
