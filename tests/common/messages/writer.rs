//! Calls of every kind that push messages.

use std::io::{IoSlice, Write};

use bytemuck::NoUninit;
use ringmain::PushError;
use ringmain::message::{Batch, Claim, Producer};

use super::super::elements::Kinds;
use super::{LONGEST_CALL, Messages};

/// What messages are pushed into one by one: a producer, or a batch.
trait Target {
    fn push(&mut self, bytes: &[u8]) -> Result<(), PushError>;
    fn push_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), PushError>;
    fn push_value<T: NoUninit>(&mut self, value: &T) -> Result<(), PushError>;
    fn claim(&mut self, len: usize) -> Result<Claim<'_>, PushError>;
}

macro_rules! target {
    ($($handle:ty),*) => {$(
        impl Target for $handle {
            fn push(&mut self, bytes: &[u8]) -> Result<(), PushError> {
                <$handle>::push(self, bytes)
            }

            fn push_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), PushError> {
                <$handle>::push_vectored(self, parts)
            }

            fn push_value<T: NoUninit>(&mut self, value: &T) -> Result<(), PushError> {
                <$handle>::push_value(self, value)
            }

            fn claim(&mut self, len: usize) -> Result<Claim<'_>, PushError> {
                <$handle>::claim(self, len)
            }
        }
    )*};
}

target!(Producer, Batch<'_>);

/// Pushes the messages from a position on, by every call that there is.
pub(crate) struct Writer {
    messages: Messages,
    next: u64,
    kinds: Kinds,
}

impl Writer {
    pub(crate) fn starting_at(position: u64, messages: Messages, seed: u64) -> Writer {
        Writer { messages, next: position, kinds: Kinds::new(6, seed) }
    }

    /// Returns the position of the next message.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Pushes at most `most` messages in one call, and returns how many there was room for.
    #[track_caller]
    pub(crate) fn push_some(&mut self, tx: &mut Producer, most: u64) -> u64 {
        let bytes = self.messages.at(self.next);
        let pushed = match self.kinds.choose() {
            4 => self.push_trusted(tx, bytes),
            5 => return self.push_batch(tx, most),
            kind => self.push_one(tx, bytes, kind),
        };
        u64::from(self.went(pushed))
    }

    fn push_one(&self, target: &mut impl Target, bytes: &[u8], kind: u64) -> Result<(), PushError> {
        match (kind, bytes.len()) {
            (0, _) => target.push(bytes),
            (1, _) => target.push_vectored(&parts(bytes, self.cut(bytes))),
            (2, 8) => target.push_value(&bytemuck::pod_read_unaligned::<u64>(bytes)),
            (2, 24) => target.push_value(&bytemuck::pod_read_unaligned::<[u64; 3]>(bytes)),
            (2, 40) => target.push_value(&bytemuck::pod_read_unaligned::<[u32; 10]>(bytes)),
            (2, 1) => target.push_value(&bytes[0]),
            _ => self.write(target.claim(bytes.len() + self.spare(bytes))?, bytes),
        }
    }

    /// Writes a message that was claimed, with some room to spare, and commits it.
    fn write(&self, mut claim: Claim<'_>, bytes: &[u8]) -> Result<(), PushError> {
        let random = &self.kinds.random;
        let (first, rest) = bytes.split_at(self.cut(bytes));
        match random.below(4) {
            0 => {
                claim.write_all(first).unwrap();
                claim.write_all(rest).unwrap();
                assert_eq!(claim.written(), bytes.len());
                claim.commit();
            }
            1 => {
                claim.write_at(first.len(), rest);
                if first.len() == 8 {
                    claim.write_value_at(0, &bytemuck::pod_read_unaligned::<u64>(first));
                } else {
                    claim.write_at(0, first);
                }
                claim.commit();
            }
            2 => {
                let spare = vec![0xee; claim.len()];
                claim.write_at(0, &spare);
                claim.write_at(0, bytes);
                claim.commit_len(bytes.len());
            }
            // Given up, and written anew by the next call.
            _ => {
                claim.write_all(first).unwrap();
                claim.abort();
                return Err(PushError::Full(0));
            }
        }
        Ok(())
    }

    fn push_trusted(&self, tx: &mut Producer, bytes: &[u8]) -> Result<(), PushError> {
        let len = bytes.len() + self.spare(bytes);
        // SAFETY: the processes of a test that look at this ring use its handles alone.
        let mut view = unsafe { tx.trust_peer() };
        let mut claim = view.claim(len)?;
        claim.fill(0xdd);
        claim[..bytes.len()].copy_from_slice(bytes);
        match len - bytes.len() {
            0 => claim.commit(),
            _ => claim.commit_len(bytes.len()),
        }
        Ok(())
    }

    /// Pushes some messages at once.
    #[track_caller]
    fn push_batch(&mut self, tx: &mut Producer, most: u64) -> u64 {
        let start = self.next;
        let len = 1 + self.kinds.random.below(most.min(LONGEST_CALL));
        let mut batch = tx.batch();
        for _ in 0..len {
            let kind = self.kinds.random.below(4);
            let added = self.push_one(&mut batch, self.messages.at(self.next), kind);
            if !self.went(added) {
                break;
            }
        }
        let count = batch.len() as u64;
        assert_eq!(self.messages.skip(start, count), self.next);
        // Now and then, a batch is given up, and its messages written anew by the next call.
        if self.kinds.random.below(8) == 0 {
            batch.abort();
            self.next = start;
            return 0;
        }
        batch.commit();
        count
    }

    /// Goes on to the next message if this one was pushed.
    #[track_caller]
    fn went(&mut self, pushed: Result<(), PushError>) -> bool {
        match pushed {
            Ok(()) => self.next = self.messages.after(self.next),
            Err(PushError::Full(_)) => return false,
            Err(error) => panic!("{error:?}"),
        }
        true
    }

    /// Chooses where bytes are cut.
    fn cut(&self, bytes: &[u8]) -> usize {
        match self.kinds.random.below(2) {
            0 => bytes.len().min(8),
            _ => self.kinds.random.below(bytes.len() as u64 + 1) as usize,
        }
    }

    /// Chooses how much more than these bytes is claimed.
    fn spare(&self, bytes: &[u8]) -> usize {
        let spare = self.messages.longest - bytes.len() as u64;
        self.kinds.random.below(spare.min(100) + 1) as usize
    }
}

/// Cuts bytes into three parts.
fn parts(bytes: &[u8], cut: usize) -> [IoSlice<'_>; 3] {
    let (first, rest) = bytes.split_at(cut);
    let (second, third) = rest.split_at(rest.len() / 2);
    [first, second, third].map(IoSlice::new)
}
