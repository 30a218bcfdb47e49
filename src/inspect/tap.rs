//! Copies elements and messages as they pass, without taking them.

use std::mem;

use crate::error::Corrupted;
use crate::ring::error::SharedWord;
use crate::ring::message::Geometry;
use crate::ring::position::{Window, index};
use crate::segment::Inspection;

/// How often a copy is repeated if it was overwritten meanwhile.
const ATTEMPTS: usize = 16;

/// How many bytes of an element or a message are copied at most, by default.
const LONGEST: usize = 1 << 20;

/// How many bytes of small elements are read by one call.
const CHUNK: usize = 4096;

/// Copies the elements or messages of a ring as they pass.
///
/// It takes nothing and delays neither end, so it misses what passes too fast. What it returns was in the ring as it is
/// returned, with one exception: an element or message that the consumer has released meanwhile is returned as long as
/// it lies in the younger half of the ring, and is wrong if the producer is writing more than the other half at once,
/// in place.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-tap-{}", std::process::id());
/// use ringmain::{Options, inspect::{Inspection, Tapped}};
///
/// let mut tx = Options::new(&name).capacity(64).unlink_on_close(true).stream_producer::<u64>()?;
/// let ring = Inspection::open(&name)?;
/// let (mut tap, mut element) = (ring.tap_new(), Vec::new());
/// assert_eq!(tap.next(&mut element)?, Tapped::Nothing);
/// tx.push(7)?;
/// assert_eq!(tap.next(&mut element)?, Tapped::Unit { position: 0 });
/// assert_eq!(element, 7_u64.to_ne_bytes());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a tap that is dropped shows nothing"]
pub struct Tap<'a> {
    ring: &'a Inspection,
    position: u64,
    /// The sizes of records, in a message ring.
    geometry: Option<Geometry>,
    /// How many bytes of each are copied at most.
    longest: usize,
    /// How many bytes the last one had.
    len: usize,
    /// Elements that were read together with an earlier one, and the position of the first.
    read: (u64, Vec<u8>),
}

/// The result of [`Tap::next`].
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-tapped-{}", std::process::id());
/// use ringmain::{Options, inspect::{Inspection, Tapped}};
///
/// let mut tx = Options::new(&name).capacity(4).unlink_on_close(true).stream_producer::<u64>()?;
/// # let mut rx = Options::new(&name).stream_consumer::<u64>()?;
/// let ring = Inspection::open(&name)?;
/// let (mut tap, mut element, mut missed) = (ring.tap(), Vec::new(), 0);
/// # for value in 0..6 {
/// #     tx.push(value)?;
/// #     rx.pop()?;
/// # }
/// # tx.push(6)?;
/// loop {
///     match tap.next(&mut element)? {
///         Tapped::Unit { position } => println!("{position}: {element:?}"),
///         // It was slower than both ends.
///         Tapped::Missed { count } => missed += count,
///         Tapped::Nothing => break,
///     }
/// }
/// # assert_eq!(missed, 6);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tapped {
    /// An element or a message.
    Unit {
        /// Its position.
        position: u64,
    },
    /// Nothing new is there.
    Nothing,
    /// The next elements or messages were overwritten. The tap continues after them.
    Missed {
        /// How many elements, or bytes of records.
        count: u64,
    },
}

/// The result of a copy of one element or message.
enum UnitCopy {
    /// It was copied, and ends here.
    Complete {
        end: u64,
    },
    Nothing,
    /// What was copied may have been overwritten.
    Overwritten,
}

impl Tap<'_> {
    pub(super) fn from_head(ring: &Inspection) -> Tap<'_> {
        Tap::from(ring, ring.positions_after_copy().0)
    }

    pub(super) fn from_tail(ring: &Inspection) -> Tap<'_> {
        let (head, tail) = ring.positions_after_copy();
        // In a message ring a tail may lie behind its head.
        Tap::from(ring, if is_before(tail, head) { head } else { tail })
    }

    fn from(ring: &Inspection, position: u64) -> Tap<'_> {
        let geometry = (!ring.is_stream()).then(|| Geometry::new(ring.capacity(), ring.identity.record_align as usize));
        let mask = geometry.map_or(0, |geometry| geometry.alignment() as u64 - 1);
        // An impossible position may not start a record: round it down to the alignment.
        let position = position & !mask;
        Tap { ring, position, geometry, longest: LONGEST, len: 0, read: (position, Vec::new()) }
    }

    /// Copies this many bytes of an element or a message at most; a mebibyte by default. A ring may hold messages that
    /// are as long as half of it.
    pub fn longest(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// Returns how many bytes the element or message has that was copied last, also if that was cut.
    #[must_use]
    pub fn last_len(&self) -> usize {
        self.len
    }

    /// Copies the next element or message to `bytes`, replacing its contents.
    ///
    /// # Errors
    ///
    /// [`Corrupted`]: the ring holds an impossible number.
    pub fn next(&mut self, bytes: &mut Vec<u8>) -> Result<Tapped, Corrupted> {
        for _ in 0..ATTEMPTS {
            bytes.clear();
            let copy = match self.geometry {
                None => Ok(self.copy_element(bytes)),
                Some(geometry) => self.copy_message(geometry, bytes),
            };
            let (head, tail) = self.ring.positions_after_copy();
            // What seems wrong may have been overwritten meanwhile.
            if !is_overwritten(self.position, head, tail, self.ring.capacity())
                && !matches!(copy, Ok(UnitCopy::Overwritten))
            {
                return Ok(match copy? {
                    UnitCopy::Complete { end } => Tapped::Unit { position: mem::replace(&mut self.position, end) },
                    UnitCopy::Nothing | UnitCopy::Overwritten => Tapped::Nothing,
                });
            }
            if is_before(self.position, head) {
                bytes.clear();
                let start = self.start_of(head)?;
                let count = head.wrapping_sub(mem::replace(&mut self.position, start));
                return Ok(Tapped::Missed { count });
            }
        }
        bytes.clear();
        // The ring moves too fast, or is damaged.
        self.ring.positions()?;
        Ok(Tapped::Nothing)
    }

    /// Checks that a unit starts at a head.
    fn start_of(&self, head: u64) -> Result<u64, Corrupted> {
        self.geometry.map_or(Ok(head), |geometry| geometry.check_start(SharedWord::Head, head))
    }

    fn copy_element(&mut self, bytes: &mut Vec<u8>) -> UnitCopy {
        let (capacity, size) = (self.ring.capacity(), self.ring.identity.element_size as usize);
        let len = size.min(self.longest);
        self.len = size;
        let end = self.position.wrapping_add(1);
        let (first, read) = &mut self.read;
        // Elements that were read before are used as they are. Whether they had been overwritten is checked afterwards.
        let at = self.position.wrapping_sub(*first).saturating_mul(size as u64);
        if let Some(element) = usize::try_from(at).ok().and_then(|at| read.get(at..at.checked_add(size)?)) {
            bytes.extend_from_slice(&element[..len]);
            return UnitCopy::Complete { end };
        }
        match self.ring.tail().wrapping_sub(self.position) {
            0 => UnitCopy::Nothing,
            ahead if ahead > capacity as u64 => UnitCopy::Overwritten,
            ahead => {
                let start = index(self.position, capacity) * size;
                let count = (CHUNK / size).min(ahead as usize);
                if count < 2 {
                    self.ring.copy(start, len, bytes);
                } else {
                    (*first, *read) = (self.position, Vec::new());
                    self.ring.copy(start, count * size, read);
                    bytes.extend_from_slice(&read[..len]);
                }
                UnitCopy::Complete { end }
            }
        }
    }

    fn copy_message(&mut self, geometry: Geometry, bytes: &mut Vec<u8>) -> Result<UnitCopy, Corrupted> {
        let (_, tail) = self.ring.positions_after_copy();
        let ahead = tail.wrapping_sub(self.position);
        if ahead > geometry.capacity() as u64 && !is_before(tail, self.position) {
            return Ok(UnitCopy::Overwritten);
        }
        // Records that the tail does not count yet fit the ring: more of them would be read around it for ever.
        let (lowest, step) = (self.position.wrapping_sub(geometry.max_used()), geometry.alignment() as u64);
        if is_before(tail, lowest) {
            let highest = self.position.wrapping_add(geometry.max_used());
            return Err(Window { lowest, highest, step }.refusal(SharedWord::Tail, tail));
        }
        let start = geometry.index(self.position);
        let header = self.ring.record_header(start);
        // A header before the tail is that of a message, or 0 if there never was one.
        if header == 0 {
            return Ok(UnitCopy::Nothing);
        }
        let len = geometry.len(header, geometry.max_used())?;
        self.len = len;
        self.ring.copy((start + geometry.payload_offset()) & (geometry.capacity() - 1), len.min(self.longest), bytes);
        Ok(UnitCopy::Complete { end: self.position.wrapping_add(geometry.size(len)) })
    }
}

/// Returns whether what lies at a position may have been overwritten.
fn is_overwritten(position: u64, head: u64, tail: u64, capacity: usize) -> bool {
    let is_taken = is_before(position, head);
    is_taken && !is_before(tail, position) && tail.wrapping_sub(position) > capacity as u64 / 2
}

/// Returns whether a position lies before another one, modulo 2^64.
fn is_before(position: u64, other: u64) -> bool {
    other.wrapping_sub(position).wrapping_sub(1) < u64::MAX / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_consumer_has_is_whole_wherever_it_lies() {
        assert!(!is_overwritten(10, 10, 26, 16));
        assert!(!is_overwritten(u64::MAX, u64::MAX, 15, 16));
    }

    #[test]
    fn what_was_taken_is_whole_in_the_younger_half_alone() {
        assert!(!is_overwritten(10, 11, 18, 16));
        assert!(is_overwritten(10, 11, 19, 16));
        assert!(!is_overwritten(u64::MAX, 0, 7, 16));
        assert!(is_overwritten(u64::MAX, 0, 8, 16));
    }

    #[test]
    fn a_message_in_front_of_the_tail_is_whole() {
        assert!(!is_overwritten(32, 48, 16, 4096));
    }

    #[test]
    fn one_position_is_before_another_around_two_to_the_64() {
        assert!(is_before(1, 2) && !is_before(2, 2) && !is_before(2, 1));
        assert!(is_before(u64::MAX, 0) && !is_before(0, u64::MAX));
    }
}
