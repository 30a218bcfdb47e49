//! What goes through the rings: elements and messages that are made of their position, so that one that is lost,
//! repeated, swapped, torn or of another ring is seen; and the judgement of what came.

use std::sync::OnceLock;

use fastrand::Rng;

use super::finding::{Fault, Finding, is_before};

/// Something else than the expected came, whole: that of another position.
fn misplaced(what: &str, found: u64, expected: u64) -> Finding {
    let fault = if is_before(expected, found) { Fault::Lost } else { Fault::Repeated };
    Finding::new(fault, format!("the {what} at {found} came, expected that at {expected}"))
}

/// An element: its position, two words made of it, and their checksum.
pub(crate) type Element = [u64; 4];

pub(crate) fn element(salt: u64, position: u64) -> Element {
    let first = mixed(position ^ salt);
    let second = mixed(first);
    [position, first, second, position ^ first.rotate_left(21) ^ second.rotate_left(42) ^ salt]
}

/// Checks that this is the element at `position`.
pub(crate) fn check_element(salt: u64, position: u64, found: Element) -> Result<(), Finding> {
    if found == element(salt, position) {
        return Ok(());
    }
    Err(match found == element(salt, found[0]) {
        true => misplaced("element", found[0], position),
        false => Finding::new(Fault::Torn, format!("{found:x?} came, expected {:x?}", element(salt, position))),
    })
}

/// The messages of a ring: length and bytes of each follow from the position of its record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Messages {
    pub(crate) salt: u64,
    pub(crate) alignment: u64,
    pub(crate) longest: u64,
}

/// Lengths that are those of values, too.
const VALUES: [u64; 4] = [1, 8, 24, 40];

/// Where the bytes of messages come from, and how many come from one place.
const NOISE: usize = 1 << 14;
const PIECE: usize = 1 << 12;

/// A message that is at least so long begins with its position.
const NUMBERED: usize = 8;

impl Messages {
    /// Returns the length of the message at `position`.
    pub(crate) fn len(&self, position: u64) -> usize {
        let random = mixed(position ^ self.salt);
        let len = match random % 32 {
            0 => 0,
            1 => self.longest,
            2..=9 => VALUES[random as usize / 32 % VALUES.len()].min(self.longest),
            // Mostly short ones, so that many go through.
            10..=27 => random / 32 % (self.longest.min(300) + 1),
            _ => random / 32 % (self.longest + 1),
        };
        len as usize
    }

    /// Writes the message at `position` into `bytes`.
    pub(crate) fn write(&self, position: u64, bytes: &mut Vec<u8>) {
        let (mut random, mut left) = (mixed(position ^ self.salt), self.len(position));
        bytes.clear();
        while left > 0 {
            random = mixed(random);
            let len = left.min(PIECE);
            bytes.extend_from_slice(&noise()[random as usize % (NOISE - PIECE)..][..len]);
            left -= len;
        }
        if bytes.len() >= NUMBERED {
            bytes[..NUMBERED].copy_from_slice(&position.to_le_bytes());
        }
    }

    /// Returns whether the message at `position` says where it belongs.
    pub(crate) fn is_numbered(&self, position: u64) -> bool {
        self.len(position) >= NUMBERED
    }

    /// Returns the position of the message that follows the one at `position`.
    pub(crate) fn after(&self, position: u64) -> u64 {
        position.wrapping_add(self.size(self.len(position) as u64))
    }

    /// Returns the position behind `count` messages from here on.
    pub(crate) fn skip(&self, position: u64, count: usize) -> u64 {
        (0..count).fold(position, |position, _| self.after(position))
    }

    /// Counts the messages from one position to another; `None` where no message starts at that one.
    pub(crate) fn count(&self, from: u64, to: u64) -> Option<u64> {
        let (mut position, mut count) = (from, 0);
        while is_before(position, to) {
            (position, count) = (self.after(position), count + 1);
        }
        (position == to).then_some(count)
    }

    /// Checks that these are the bytes of the message at `position`.
    pub(crate) fn check(&self, position: u64, found: &[u8], scratch: &mut Vec<u8>) -> Result<(), Finding> {
        self.write(position, scratch);
        if found == scratch {
            return Ok(());
        }
        let same = found.iter().zip(&*scratch).take_while(|(came, expected)| came == expected).count();
        let expected = scratch.len();
        if let Some(number) = found.first_chunk::<NUMBERED>().copied().map(u64::from_le_bytes) {
            self.write(number, scratch);
            if number != position && found == scratch {
                return Err(misplaced("message", number, position));
            }
        }
        let len = found.len();
        let text = format!("{len} bytes came, expected {expected} at {position}, of which the first {same} are right");
        Err(Finding::new(Fault::Torn, text))
    }

    /// Returns the size of the record of a message, by docs/format.md.
    fn size(&self, len: u64) -> u64 {
        let payload = if self.alignment == 8 { 8 } else { 16 };
        (payload + len).next_multiple_of(self.alignment)
    }
}

fn mixed(number: u64) -> u64 {
    Rng::with_seed(number).u64(..)
}

/// Bytes without a pattern.
fn noise() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let mut bytes = vec![0; NOISE];
        Rng::with_seed(0).fill(&mut bytes);
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: Messages = Messages { salt: 5, alignment: 8, longest: 1000 };

    /// Returns the first position from here on where a message and the next one say where they belong.
    fn numbered(mut position: u64) -> u64 {
        while !MESSAGES.is_numbered(position) || !MESSAGES.is_numbered(MESSAGES.after(position)) {
            position = MESSAGES.after(position);
        }
        position
    }

    #[track_caller]
    fn check_message(position: u64, found: &[u8], expected: Fault) {
        let finding = MESSAGES.check(position, found, &mut Vec::new()).unwrap_err();
        assert_eq!(finding.fault, expected, "{}", finding.text);
    }

    #[test]
    fn what_was_made_for_a_position_is_accepted_there() {
        let (mut bytes, mut position) = (Vec::new(), u64::MAX - 7);
        for _ in 0..1000 {
            check_element(5, position, element(5, position)).unwrap();
            MESSAGES.write(position, &mut bytes);
            MESSAGES.check(position, &bytes, &mut Vec::new()).unwrap();
            position = MESSAGES.after(position);
        }
    }

    #[test]
    fn elements_out_of_place_are_lost_or_repeated() {
        let fault = |expected, found| check_element(5, expected, element(5, found)).unwrap_err().fault;
        assert_eq!(fault(7, 8), Fault::Lost);
        assert_eq!(fault(u64::MAX, 0), Fault::Lost);
        assert_eq!(fault(8, 7), Fault::Repeated);
        assert_eq!(fault(0, u64::MAX), Fault::Repeated);
    }

    #[test]
    fn an_element_of_two_is_torn() {
        let (one, other) = (element(5, 7), element(5, 8));
        let torn = [one[0], one[1], other[2], other[3]];
        assert_eq!(check_element(5, 7, torn).unwrap_err().fault, Fault::Torn);
        assert_eq!(check_element(6, 7, one).unwrap_err().fault, Fault::Torn);
    }

    #[test]
    fn messages_out_of_place_are_lost_or_repeated() {
        let (first, mut bytes) = (numbered(0), Vec::new());
        let second = MESSAGES.after(first);
        MESSAGES.write(second, &mut bytes);
        check_message(first, &bytes, Fault::Lost);
        MESSAGES.write(first, &mut bytes);
        check_message(second, &bytes, Fault::Repeated);
    }

    #[test]
    fn a_message_with_another_byte_or_length_is_torn() {
        let (first, mut bytes) = (numbered(0), Vec::new());
        MESSAGES.write(first, &mut bytes);
        bytes.push(0);
        check_message(first, &bytes, Fault::Torn);
        bytes.pop();
        *bytes.last_mut().unwrap() ^= 1;
        check_message(first, &bytes, Fault::Torn);
    }
}
