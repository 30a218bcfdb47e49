//! Messages that are made of their position, calls of every kind that move them, and the check of what arrives.
//!
//! Length and bytes of a message follow from the position of its record, and so the position of the next one. Whoever
//! takes a role over knows from its own word which message comes next, and one that is lost, repeated, swapped or torn
//! is seen.

pub(crate) mod corrupted;
mod reader;
mod writer;

use std::sync::OnceLock;

use ringmain::message::{Consumer, Producer};

use super::{Ring, Wait};
pub(crate) use reader::Reader;
pub(crate) use writer::Writer;

/// How many messages a call of [`Writer`] or [`Reader`] moves at most.
const LONGEST_CALL: u64 = 10;

/// Lengths that are those of values, too.
const VALUES: [u64; 4] = [1, 8, 24, 40];

/// Where the bytes of messages come from: each message is a part of them.
const NOISE: usize = 1 << 18;

/// The messages of a ring whose records start at multiples of `align`, of lengths up to `longest`.
#[derive(Clone, Copy)]
pub(crate) struct Messages {
    align: u64,
    longest: u64,
}

impl Messages {
    pub(crate) fn new(align: usize, longest: usize) -> Messages {
        assert!(longest < NOISE);
        noise();
        Messages { align: align as u64, longest: longest as u64 }
    }

    /// Returns the bytes of the message whose record lies at `position`.
    pub(crate) fn at(&self, position: u64) -> &'static [u8] {
        let random = mixed(position);
        let len = match random % 16 {
            0 => 0,
            1 => self.longest,
            2..=5 => VALUES[random as usize / 16 % VALUES.len()].min(self.longest),
            _ => random / 16 % (self.longest + 1),
        };
        &noise()[(random >> 32) as usize % NOISE..][..len as usize]
    }

    /// Returns the position of the message that follows the one at `position`.
    pub(crate) fn after(&self, position: u64) -> u64 {
        position.wrapping_add(size(self.align, self.at(position).len() as u64))
    }

    /// Returns the position that is `count` messages behind this one.
    pub(crate) fn skip(&self, position: u64, count: u64) -> u64 {
        (0..count).fold(position, |position, _| self.after(position))
    }

    /// Counts the messages from one position to another.
    #[track_caller]
    pub(crate) fn count(&self, from: u64, to: u64) -> u64 {
        let (mut position, mut count) = (from, 0);
        while position != to {
            assert!(position < to, "no message starts at {to}");
            (position, count) = (self.after(position), count + 1);
        }
        count
    }

    /// Returns a position that no call passes which begins at this one.
    pub(crate) fn reach(&self, position: u64) -> u64 {
        position + LONGEST_CALL * size(self.align, self.longest)
    }

    /// Checks that these are the bytes of the message at `position`.
    #[track_caller]
    fn check(&self, position: u64, bytes: &[u8]) {
        let expected = self.at(position);
        if bytes != expected {
            let same = bytes.iter().zip(expected).take_while(|(came, expected)| came == expected).count();
            let (len, expected) = (bytes.len(), expected.len());
            panic!("{len} bytes came, expected {expected} at {position}, of which the first {same} are right");
        }
    }
}

/// Returns the size of the record of a message, by `docs/format.md`.
pub(crate) fn size(align: u64, len: u64) -> u64 {
    let payload = if align == 8 { 8 } else { 16 };
    (payload + len).next_multiple_of(align)
}

/// Returns the header of a record, by `docs/format.md`.
pub(crate) fn header(len: u64) -> u64 {
    256 * len + 1
}

pub(crate) fn mixed(number: u64) -> u64 {
    let mixed = (number ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd129_0669_0c1b_6ead);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 8
}

fn noise() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        (0..2 * NOISE as u64).step_by(8).flat_map(|at| mixed(at).wrapping_mul(at | 1).to_le_bytes()).collect()
    })
}

/// Makes a ring, and leaves it to whoever comes.
#[track_caller]
pub(crate) fn ring_of(capacity: usize, alignment: usize) -> Ring {
    let ring = Ring::new();
    drop(ring.options().capacity(capacity).record_alignment(alignment).message_producer().unwrap());
    ring
}

/// Pushes `count` messages from `position` on, waiting for room; returns the position behind them.
#[track_caller]
pub(crate) fn send(tx: &mut Producer, messages: Messages, position: u64, count: u64, seed: u64) -> u64 {
    let mut writer = Writer::starting_at(position, messages, seed);
    let (mut left, mut wait) = (count, Wait::default());
    while left > 0 {
        match writer.push_some(tx, left) {
            0 => wait.pause("room in the ring"),
            pushed => (left, wait) = (left - pushed, Wait::default()),
        }
    }
    writer.next()
}

/// Pops `count` messages from `position` on, waiting for them; returns the position behind them.
#[track_caller]
pub(crate) fn receive(rx: &mut Consumer, messages: Messages, position: u64, count: u64, seed: u64) -> u64 {
    let mut reader = Reader::starting_at(position, messages, seed);
    let (mut left, mut wait) = (count, Wait::default());
    while left > 0 {
        match reader.pop_some(rx) {
            0 => wait.pause("messages"),
            popped => {
                left = left.checked_sub(popped).expect("no more messages than were sent");
                wait = Wait::default();
            }
        }
    }
    reader.next()
}
