//! How a segment comes to be: the rows that say what it is, and its first positions, are written first, the magic last.
//!
//! Whoever sees the magic sees every row; whoever does not sees a segment that is not made yet, and touches nothing else.

use core::sync::atomic::Ordering;

use super::memory::Word;

/// Writes the rows, then the magic.
pub fn publish<M: Word, W: Word>(magic: &M, value: u64, rows: &[W], values: &[u64]) {
    for (row, &value) in rows.iter().zip(values) {
        // Nobody reads a row before the magic stands.
        row.store(value, Ordering::Relaxed);
    }
    // Publish: pairs with the Acquire in `observe`.
    magic.store(value, Ordering::Release);
}

/// Reads the magic and copies the rows. They mean something only if the magic is the expected one.
pub fn observe<M: Word, W: Word, const ROWS: usize>(magic: &M, rows: &[W; ROWS]) -> (u64, [u64; ROWS]) {
    // Observe: pairs with the Release in `publish`.
    let found = magic.load(Ordering::Acquire);
    // Each row is read once; every check and every later use is of this copy.
    (found, core::array::from_fn(|row| rows[row].load(Ordering::Relaxed)))
}
