//! What the protocol cannot have produced, and what is to be made of it.

use ringmain::{Corrupted, SharedWord};

use super::{header, ring_of, size};
use crate::common::{Ring, word};

pub(crate) const CAPACITY: u64 = 4096;
pub(crate) const ALIGNMENTS: [u64; 4] = [8, 16, 32, 64];

/// Makes a ring with these positions.
#[track_caller]
pub(crate) fn ring_at(align: u64, tail: u64, head: u64) -> Ring {
    let ring = ring_of(CAPACITY as usize, align as usize);
    ring.set_word(word::TAIL, tail);
    ring.set_word(word::HEAD, head);
    ring
}

/// Returns where the header of the record at `position` lies.
pub(crate) fn record(position: u64) -> u64 {
    word::DATA + position % CAPACITY
}

pub(crate) fn corrupted(word: SharedWord, found: u64, lowest: u64, highest: u64, step: u64) -> Corrupted {
    Corrupted { word, found, lowest, highest, step }
}

/// What is made of a header in front of which at most `room` bytes of records can lie.
pub(crate) fn wrong_header(found: u64, align: u64, room: u64) -> Corrupted {
    corrupted(SharedWord::Header, found, 1, header(room - size(align, 0).min(16)), 256)
}

/// What a producer at `tail` makes of an impossible head, of which it has last seen `lowest`.
pub(crate) fn wrong_head(found: u64, align: u64, lowest: u64, tail: u64) -> Corrupted {
    corrupted(SharedWord::Head, found, lowest, tail, align)
}

/// What a consumer at `head` that has seen no more makes of an impossible tail.
pub(crate) fn wrong_tail(found: u64, align: u64, head: u64) -> Corrupted {
    let most = CAPACITY - align;
    corrupted(SharedWord::Tail, found, head.wrapping_sub(most), head.wrapping_add(most), align)
}

/// What a role makes of its own word that starts no record.
pub(crate) fn wrong_start(word: SharedWord, found: u64, align: u64) -> Corrupted {
    corrupted(word, found, 0, align.wrapping_neg(), align)
}

/// Headers that no record of a ring can have whose records have `room` bytes.
pub(crate) fn impossible_headers(align: u64, room: u64) -> Vec<u64> {
    let longest = room - size(align, 0).min(16);
    let lengths = [longest + 1, room, CAPACITY, CAPACITY + 1, 1 << 32, 1 << 55, (1 << 56) - 1];
    let lowest_bytes = [2, 3, 128, 255, header(8) - 1, header(8) + 1, 256 * longest, u64::MAX, u64::MAX - 1];
    lengths.into_iter().map(header).chain(lowest_bytes).collect()
}
