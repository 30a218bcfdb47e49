//! Batches out of ring A, and what their answers mean for it. It knows no network.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use ringmain::Broken;

use crate::fault::Fault;
use crate::metrics::Metrics;
use crate::object::Object;
use crate::protocol::{End, LARGEST_BATCH, Query, SMALLER_BATCH, SenderId, Shape};
use crate::source::Ahead;
use crate::window::{Lost, Window};

/// Why batches no longer flow.
#[derive(Debug)]
pub enum Failure {
    /// The receiver's ring has less than was given back to the producer.
    Lost(Lost),
    /// The receiver's ring ends where no record of this one does.
    Impossible(u64),
    /// The ring can no longer be used.
    Broken(Broken),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Lost(Lost { tail, head }) => write!(
                formatter,
                "the receiver's ring ends at position {tail}, and this one begins at {head}: what lies between is \
                 gone. It was made anew, or it never was a copy of this one: remove it, and start the receiver again"
            ),
            Failure::Impossible(tail) => write!(
                formatter,
                "the receiver's ring ends at position {tail}, where no record of this one ends: it is no copy of this \
                 one. Remove it, and start the receiver again"
            ),
            Failure::Broken(broken) => broken.fmt(formatter),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Failure {
        Failure::Broken(broken)
    }
}

/// Batches out of a ring, and what their answers mean for it. It knows no network.
#[derive(Debug)]
pub struct Flow {
    shape: Shape,
    sender: SenderId,
    name: String,
    object: Object,
    window: Window,
    /// The bytes of records of the batches under way, by number.
    lengths: Vec<(u64, usize)>,
    /// What a batch was begun in for which there was nothing.
    spare: Vec<u8>,
    /// How many bytes of records a batch has at most, unless one record has more.
    most: usize,
    fault: Option<Fault>,
    metrics: Arc<Metrics>,
}

impl Flow {
    /// Begins at the head of a ring, where `window` begins.
    #[must_use]
    pub fn new(
        shape: Shape,
        sender: SenderId,
        name: String,
        object: Object,
        window: Window,
        fault: Option<Fault>,
        metrics: Arc<Metrics>,
    ) -> Flow {
        metrics.position.store(window.head(), Relaxed);
        Flow {
            most: most(&shape),
            shape,
            sender,
            name,
            object,
            window,
            lengths: Vec::new(),
            spare: Vec::new(),
            fault,
            metrics,
        }
    }

    /// Returns what is under way.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Makes the next batch, with what the ring has, and returns its number and its bytes; `None` if the ring has
    /// nothing. With `greets` it has no records, and may say how the producer has ended.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the ring can no longer be used.
    pub fn next(
        &mut self,
        source: &mut impl Ahead,
        greets: bool,
        end: Option<End>,
        now: Instant,
    ) -> Result<Option<(u64, Vec<u8>)>, Broken> {
        let first = self.window.next();
        let query = Query {
            shape: self.shape.clone(),
            sender: self.sender,
            name: self.name.clone(),
            object: self.object,
            first,
            head: self.window.head(),
            end,
            records: &[],
        };
        let mut payload = mem::take(&mut self.spare);
        if !greets {
            // Once, and not again and again while it grows.
            payload.reserve(self.most + 256);
        }
        query.begin(&mut payload);
        let len = if greets { 0 } else { source.read(&mut payload, self.most)? };
        if len == 0 && !greets {
            self.spare = payload;
            return Ok(None);
        }
        if self.fault == Some(Fault::ReleaseEarly) {
            source.release_to(source.position())?;
        }
        let behind = first.wrapping_add((len / self.shape.kind.unit()) as u64);
        let (number, is_again) = self.window.send(behind, now);
        self.lengths.push((number, len));
        if is_again {
            self.metrics.retries.fetch_add(1, Relaxed);
        }
        self.note();
        Ok(Some((number, payload)))
    }

    /// Takes the answer to a batch: gives back what has arrived, and goes back to what has not.
    ///
    /// # Errors
    ///
    /// A [`Failure`], after which nothing more can be sent.
    pub fn answered(&mut self, source: &mut impl Ahead, number: u64, tail: u64, now: Instant) -> Result<(), Failure> {
        let len = self.forget(number);
        let before = self.window.head();
        let goes_back = self.window.answered(number, tail, now).map_err(Failure::Lost)?;
        let head = self.window.head();
        if len.is_some_and(|len| len > 0) && head != before {
            self.metrics.batches.fetch_add(1, Relaxed);
        }
        if self.fault == Some(Fault::ReleaseEarly) {
            source.release_to(head)?;
        } else if !reach(source, head)? || !source.release_to(head)? {
            return Err(Failure::Impossible(tail));
        }
        let moved = head.wrapping_sub(before).saturating_mul(self.shape.kind.unit() as u64);
        self.metrics.bytes.fetch_add(moved, Relaxed);
        self.metrics.position.store(head, Relaxed);
        if goes_back {
            source.rewind();
        }
        self.note();
        Ok(())
    }

    /// Returns whether what is under way takes a quarter of the ring at most.
    #[must_use]
    pub fn is_ring_free(&self) -> bool {
        self.window.next().wrapping_sub(self.window.head()) <= self.shape.capacity / 4
    }

    /// Sends at once: somebody is there who was not before.
    pub fn hurry(&mut self) {
        self.window.hurry();
    }

    /// Takes that a batch was refused, or ended without an answer. Returns whether that was new.
    pub fn failed(&mut self, source: &mut impl Ahead, number: u64, now: Instant) -> bool {
        self.forget(number);
        let failed = self.window.failed(number, now);
        if failed == Some(true) {
            source.rewind();
        }
        self.note();
        failed.is_some()
    }

    /// Returns the length of a batch that is no longer under way.
    fn forget(&mut self, number: u64) -> Option<usize> {
        let at = self.lengths.iter().position(|&(it, _)| it == number)?;
        Some(self.lengths.swap_remove(at).1)
    }

    fn note(&self) {
        self.metrics.under_way(self.window.len(), self.window.oldest());
    }
}

/// Returns how many bytes of records a batch of this ring has at most, unless one record has more.
fn most(shape: &Shape) -> usize {
    let capacity = shape.capacity.saturating_mul(shape.kind.unit() as u64);
    // If one batch took much of the ring, its producer would wait for each answer.
    usize::try_from(capacity / 8).unwrap_or(usize::MAX).clamp(SMALLER_BATCH, LARGEST_BATCH)
}

/// Reads on where the receiver is ahead of what was read: it has that from a sender before this one.
fn reach(source: &mut impl Ahead, position: u64) -> Result<bool, Broken> {
    if (source.position().wrapping_sub(position) as i64) < 0 { source.skip_to(position) } else { Ok(true) }
}

#[cfg(test)]
mod tests {
    use std::alloc::Layout;

    use super::*;
    use crate::protocol::Kind;

    #[test]
    fn a_batch_has_an_eighth_of_its_ring_within_bounds() {
        let element = Kind::Stream(Layout::new::<[u64; 3]>());
        for (kind, capacity, expected) in [
            (Kind::Message(8), 1 << 12, SMALLER_BATCH),
            (Kind::Message(8), 1 << 20, 1 << 17),
            (Kind::Message(64), 1 << 26, LARGEST_BATCH),
            (element, 1 << 15, 3 << 15),
            (element, 1 << 63, LARGEST_BATCH),
        ] {
            let shape = Shape { ring_id: 7, kind, capacity, tag: String::new() };
            assert_eq!(most(&shape), expected, "{kind:?}, {capacity}");
        }
    }
}
