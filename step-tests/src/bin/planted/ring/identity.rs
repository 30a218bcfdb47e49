//! How a segment comes to be, wrongly where that is planted.

pub(crate) use crate::shipped_ring::identity::observe;

use std::sync::atomic::Ordering;

use crate::bug::{Bug, is_planted};
use crate::shipped_ring::identity;
use crate::shipped_ring::memory::Word;

/// Writes the rows and the magic.
pub(crate) fn publish<M: Word, W: Word>(magic: &M, value: u64, rows: &[W], values: &[u64]) {
    if is_planted(Bug::MagicFirst) {
        magic.store(value, Ordering::Release);
    }
    identity::publish(magic, value, rows, values);
}
