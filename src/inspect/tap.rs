//! Looks at elements and messages as they pass, without taking them.

use std::mem;

use crate::error::Corrupted;
use crate::ring::error::SharedWord;
use crate::ring::message::Geometry;
use crate::ring::position::{Window, index};
use crate::segment::Inspection;

/// How often a look is repeated if the ring moved on meanwhile.
const ATTEMPTS: usize = 16;

/// How many bytes of an element or a message are copied at most, by default.
const LONGEST: usize = 1 << 20;

/// How many bytes of small elements are read by one call.
const CHUNK: usize = 4096;

/// Looks at the elements or messages of a ring as they pass.
///
/// It takes nothing and holds nobody up, so it misses what passes too fast for it. What it returns was in the ring as
/// it is returned, with one exception: something that the consumer has given back meanwhile is returned as long as it
/// lies in the younger half of the ring, and is wrong if at that moment the producer fills more than the other half at
/// once, in place.
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
pub struct Tap<'a> {
    view: &'a Inspection,
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

/// The result of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tapped {
    /// An element or a message.
    Unit {
        /// Its position.
        position: u64,
    },
    /// Nothing new is there.
    Nothing,
    /// The ring moved on too far. The tap goes on after what it missed.
    Missed {
        /// How many elements, or bytes of records.
        count: u64,
    },
}

/// The result of a look at one unit.
enum Look {
    /// It ends here.
    Seen {
        end: u64,
    },
    Nothing,
    /// What was seen may have been overwritten.
    Passed,
}

impl Tap<'_> {
    pub(super) fn from_head(view: &Inspection) -> Tap<'_> {
        Tap::from(view, view.positions_behind_a_copy().0)
    }

    pub(super) fn from_tail(view: &Inspection) -> Tap<'_> {
        let (head, tail) = view.positions_behind_a_copy();
        // In a message ring a tail may lie behind its head.
        Tap::from(view, if is_before(tail, head) { head } else { tail })
    }

    fn from(view: &Inspection, position: u64) -> Tap<'_> {
        let geometry = (!view.is_stream()).then(|| Geometry::new(view.capacity(), view.identity.record_align as usize));
        let mask = geometry.map_or(0, |geometry| geometry.alignment() as u64 - 1);
        // A false position may start no record; the last one before it that could is as good as any.
        let position = position & !mask;
        Tap { view, position, geometry, longest: LONGEST, len: 0, read: (position, Vec::new()) }
    }

    /// Copies this many bytes of an element or a message at most; a mebibyte by default. A ring may hold messages that
    /// are as long as half of it.
    #[must_use]
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
            let look = match self.geometry {
                None => Ok(self.look_at_elements(bytes)),
                Some(geometry) => self.look_at_message(geometry, bytes),
            };
            let (head, tail) = self.view.positions_behind_a_copy();
            // What it found wrong may just have been overwritten.
            if !has_passed(self.position, head, tail, self.view.capacity()) && !matches!(look, Ok(Look::Passed)) {
                return Ok(match look? {
                    Look::Seen { end } => Tapped::Unit { position: mem::replace(&mut self.position, end) },
                    Look::Nothing | Look::Passed => Tapped::Nothing,
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
        // The ring is too fast, or damaged.
        self.view.positions()?;
        Ok(Tapped::Nothing)
    }

    /// Checks that a unit starts at a head.
    fn start_of(&self, head: u64) -> Result<u64, Corrupted> {
        self.geometry.map_or(Ok(head), |geometry| geometry.check_start(SharedWord::Head, head))
    }

    fn look_at_elements(&mut self, bytes: &mut Vec<u8>) -> Look {
        let (capacity, size) = (self.view.capacity(), self.view.identity.element_size as usize);
        let len = size.min(self.longest);
        self.len = size;
        let end = self.position.wrapping_add(1);
        let (first, read) = &mut self.read;
        // What was read before is what was there then. Whether it was overwritten before that, is asked afterwards.
        let at = self.position.wrapping_sub(*first).saturating_mul(size as u64);
        if let Some(element) = usize::try_from(at).ok().and_then(|at| read.get(at..at.checked_add(size)?)) {
            bytes.extend_from_slice(&element[..len]);
            return Look::Seen { end };
        }
        match self.view.tail().wrapping_sub(self.position) {
            0 => Look::Nothing,
            ahead if ahead > capacity as u64 => Look::Passed,
            ahead => {
                let start = index(self.position, capacity) * size;
                let count = (CHUNK / size).min(ahead as usize);
                if count < 2 {
                    self.view.copy(start, len, bytes);
                } else {
                    (*first, *read) = (self.position, Vec::new());
                    self.view.copy(start, count * size, read);
                    bytes.extend_from_slice(&read[..len]);
                }
                Look::Seen { end }
            }
        }
    }

    fn look_at_message(&mut self, geometry: Geometry, bytes: &mut Vec<u8>) -> Result<Look, Corrupted> {
        let (_, tail) = self.view.positions_behind_a_copy();
        let ahead = tail.wrapping_sub(self.position);
        if ahead > geometry.capacity() as u64 && !is_before(tail, self.position) {
            return Ok(Look::Passed);
        }
        // Records that the tail does not count yet fit the ring: more of them would be read around it for ever.
        let (lowest, step) = (self.position.wrapping_sub(geometry.most()), geometry.alignment() as u64);
        if is_before(tail, lowest) {
            let highest = self.position.wrapping_add(geometry.most());
            return Err(Window { lowest, highest, step }.refusal(SharedWord::Tail, tail));
        }
        let start = geometry.index(self.position);
        let header = self.view.record_header(start);
        // A header before the tail is that of a message, or 0 if there never was one.
        if header == 0 {
            return Ok(Look::Nothing);
        }
        let len = geometry.len(header, geometry.most())?;
        self.len = len;
        self.view.copy((start + geometry.payload_offset()) & (geometry.capacity() - 1), len.min(self.longest), bytes);
        Ok(Look::Seen { end: self.position.wrapping_add(geometry.size(len)) })
    }
}

/// Returns whether what lies at a position may have been overwritten.
fn has_passed(position: u64, head: u64, tail: u64, capacity: usize) -> bool {
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
        assert!(!has_passed(10, 10, 26, 16));
        assert!(!has_passed(u64::MAX, u64::MAX, 15, 16));
    }

    #[test]
    fn what_was_taken_is_whole_in_the_younger_half_alone() {
        assert!(!has_passed(10, 11, 18, 16));
        assert!(has_passed(10, 11, 19, 16));
        assert!(!has_passed(u64::MAX, 0, 7, 16));
        assert!(has_passed(u64::MAX, 0, 8, 16));
    }

    #[test]
    fn a_message_in_front_of_the_tail_is_whole() {
        assert!(!has_passed(32, 48, 16, 4096));
    }

    #[test]
    fn one_position_is_before_another_around_two_to_the_64() {
        assert!(is_before(1, 2) && !is_before(2, 2) && !is_before(2, 1));
        assert!(is_before(u64::MAX, 0) && !is_before(0, u64::MAX));
    }
}
