//! The ends of a message ring at work.

use std::io::{IoSlice, Write};
use std::time::Duration;

use ringmain::message::{Claim, Consumer, PopError, Producer, PushError, ReceiveError};
use ringmain::{Error, Options, PeerState, WaitError};

use super::content::{Finding, Messages};
use super::plan::Plant;
use super::stream::{unexpected, waited};
use super::work::{Choices, Went, Work, common_calls};
use super::worker::Job;

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
            0 => tx.push(bytes),
            1 => {
                let (first, rest) = bytes.split_at(choices.rng.usize(..=bytes.len()));
                tx.push_vectored(&[IoSlice::new(first), IoSlice::new(rest)])
            }
            2 => match bytes.first_chunk::<8>() {
                Some(value) if bytes.len() == 8 => tx.push_value(value),
                _ => tx.push(bytes),
            },
            3 => {
                let spare = (messages.longest as usize - bytes.len()).min(choices.rng.usize(..100));
                match tx.claim(bytes.len() + spare) {
                    Ok(claim) => return Ok(finish(claim, bytes, choices).then_went(self)),
                    Err(error) => Err(error),
                }
            }
            4 => return self.batch(most),
            5 => {
                let claimed = match choices.limit() {
                    None => tx.claim_blocking(bytes.len()),
                    Some(limit) => tx.claim_timeout(bytes.len(), limit),
                };
                return match claimed {
                    Ok(claim) => Ok(finish(claim, bytes, choices).then_went(self)),
                    Err(error) => waited(error),
                };
            }
            _ => {
                let pushed = match choices.limit() {
                    None => tx.push_blocking(bytes),
                    Some(limit) => tx.push_timeout(bytes, limit),
                };
                return match pushed {
                    Ok(()) => Ok(Finished(true).then_went(self)),
                    Err(error) => waited(error),
                };
            }
        };
        match pushed {
            Ok(()) => Ok(Finished(true).then_went(self)),
            Err(PushError::Full) => Ok(Went::Nothing),
            Err(error) => Err(unexpected(error)),
        }
    }

    fn is_empty(&mut self) -> Result<bool, Finding> {
        Ok(true)
    }

    common_calls!(tx);
}

/// Whether a claim was committed.
struct Finished(bool);

impl Finished {
    fn then_went(self, writer: &mut Writer) -> Went {
        if !self.0 {
            return Went::Nothing;
        }
        writer.next = writer.messages.after(writer.next);
        Went::Moved(1)
    }
}

/// Writes a message that was claimed, and commits it, or now and then gives it up.
fn finish(mut claim: Claim<'_>, bytes: &[u8], choices: &mut Choices) -> Finished {
    let (first, rest) = bytes.split_at(choices.rng.usize(..=bytes.len()));
    match choices.rng.u8(..8) {
        0 => {
            claim.write_at(0, first);
            claim.abort();
            return Finished(false);
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
    Finished(true)
}

impl Writer {
    /// Pushes some messages at once, or now and then none.
    fn batch(&mut self, most: usize) -> Result<Went, Finding> {
        let (start, mut next) = (self.next, self.next);
        let mut batch = self.tx.batch();
        for _ in 0..most {
            self.messages.write(next, &mut self.bytes);
            match batch.push(&self.bytes) {
                Ok(()) => next = self.messages.after(next),
                Err(PushError::Full) => break,
                Err(error) => return Err(unexpected(error)),
            }
        }
        let count = batch.len() as u64;
        if count == 0 || self.choices.rng.u8(..8) == 0 {
            batch.abort();
            self.next = start;
            return Ok(Went::Nothing);
        }
        batch.commit();
        self.next = next;
        Ok(Went::Moved(count))
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
        let popped = match kind {
            0 => rx.pop(buffer).map(|len| check(&buffer[..len])),
            1 => rx.pop_into(vector).map(|_| check(vector)),
            2 => match rx.pop_value::<[u8; 8]>() {
                Err(PopError::NotThisValue { .. }) => rx.pop(buffer).map(|len| check(&buffer[..len])),
                popped => popped.map(|value| check(&value)),
            },
            3 => match rx.peek() {
                // Now and then it is left, and found again by the next call.
                Ok(_) if choices.rng.u8(..8) == 0 => return Ok(Went::Nothing),
                Ok(record) => {
                    let checked = check(&record.to_vec());
                    record.release();
                    Ok(checked)
                }
                Err(error) => Err(error),
            },
            4 => {
                let mut checked = Ok(());
                let drained = rx.drain(most, |record| {
                    if checked.is_ok() {
                        checked = check(&record.to_vec());
                    }
                });
                let count = drained.map_err(unexpected)?;
                return checked.map(|()| if count > 0 { Went::Moved(count as u64) } else { Went::Nothing });
            }
            5 => {
                let mut count = 0;
                for bytes in rx.messages().take(most) {
                    check(&bytes.map_err(unexpected)?)?;
                    count += 1;
                }
                return Ok(if count > 0 { Went::Moved(count) } else { Went::Nothing });
            }
            6 => {
                let peeked = match choices.limit() {
                    None => rx.peek_blocking(),
                    Some(limit) => rx.peek_timeout(limit),
                };
                match peeked {
                    Ok(record) => {
                        let checked = check(&record.to_vec());
                        record.release();
                        Ok(checked)
                    }
                    Err(error) => return waited(error),
                }
            }
            7 => {
                let popped = match choices.limit() {
                    None => rx.pop_blocking(buffer),
                    Some(limit) => rx.pop_timeout(buffer, limit),
                };
                match popped {
                    Ok(len) => Ok(check(&buffer[..len])),
                    Err(ReceiveError::Wait(WaitError::TimedOut)) => Err(PopError::Empty),
                    Err(ReceiveError::Wait(error)) => return Ok(Went::Ended(error)),
                    Err(error) => return Err(unexpected(error)),
                }
            }
            _ => {
                rx.release();
                rx.pop_into(vector).map(|_| check(vector))
            }
        };
        match popped {
            Ok(checked) => checked.map(|()| Went::Moved(1)),
            Err(PopError::Empty) => Ok(Went::Nothing),
            Err(error) => Err(unexpected(error)),
        }
    }

    fn take(&mut self) -> Result<Went, Finding> {
        match self.rx.pop_into(&mut self.vector) {
            Ok(_) => {
                self.messages.check(self.next, &self.vector, &mut self.scratch)?;
                self.next = self.messages.after(self.next);
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
        self.rx.is_empty().map_err(unexpected)
    }

    common_calls!(rx);
}
