//! How a segment is published: the rows that say what it is, and its first positions, are written first, the magic
//! last.
//!
//! A process that loads the magic can load every row; one that does not find it has an unfinished segment, and accesses
//! nothing else.

use core::sync::atomic::Ordering;

use super::memory::Word;

/// Writes the rows, then the magic.
pub fn publish<M: Word, W: Word>(magic: &M, value: u64, rows: &[W], values: &[u64]) {
    for (row, &value) in rows.iter().zip(values) {
        // No process reads a row before the magic is stored.
        row.store(value, Ordering::Relaxed);
    }
    // Publish: pairs with the Acquire in `observe`.
    magic.store(value, Ordering::Release);
}

/// Loads the magic and copies the rows, which are valid only if the magic is the expected one.
pub fn observe<M: Word, W: Word, const ROWS: usize>(magic: &M, rows: &[W; ROWS]) -> (u64, [u64; ROWS]) {
    // Observe: pairs with the Release in `publish`.
    let found = magic.load(Ordering::Acquire);
    // Each row is loaded once; every check and every later use is of this copy.
    (found, core::array::from_fn(|row| rows[row].load(Ordering::Relaxed)))
}
