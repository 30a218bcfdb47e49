//! How large a record is, and what its header says.

use super::super::error::{Corrupted, SharedWord};
use super::super::position::Window;

/// The smallest alignment of records in bytes: that of a header word.
pub const SMALLEST_ALIGN: usize = 8;

/// The largest alignment of records in bytes: a cache line.
pub const LARGEST_ALIGN: usize = 64;

/// How far after a header the user's word lies, if records have one.
pub(super) const WORD_OFFSET: usize = 8;

/// The lowest byte of the header of a record that is there.
const COMMITTED: u64 = 1;

/// The distance between the headers of two lengths.
const LEN_STEP: u64 = 256;

/// The sizes of a ring and of its records, in bytes: in the form that each call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The capacity less one.
    mask: usize,
    /// `!(align - 1)`.
    starts: usize,
    /// How far after its header a payload starts.
    payload: usize,
    /// What is added to the length of a message before it is rounded down to the size of its record.
    more: usize,
}

impl Geometry {
    /// Describes a ring of `capacity` bytes whose records start at multiples of `align`.
    ///
    /// # Panics
    ///
    /// If `align` is not a power of two from 8 to 64, or `capacity` is not one of at least four times that.
    pub fn new(capacity: usize, align: usize) -> Geometry {
        let aligned = align.is_power_of_two() && (SMALLEST_ALIGN..=LARGEST_ALIGN).contains(&align);
        assert!(aligned, "records start at multiples of {align}");
        assert!(capacity.is_power_of_two() && capacity >= 4 * align, "a ring of {capacity} bytes");
        let payload = if align == SMALLEST_ALIGN { 8 } else { 16 };
        Geometry { mask: capacity - 1, starts: !(align - 1), payload, more: payload + align - 1 }
    }

    #[inline(always)]
    pub fn capacity(self) -> usize {
        self.mask + 1
    }

    #[inline(always)]
    pub fn alignment(self) -> usize {
        !self.starts + 1
    }

    /// Returns how far after its header a payload starts: 8 bytes, or 16 if records are aligned to more than 8.
    #[inline(always)]
    pub fn payload_offset(self) -> usize {
        self.payload
    }

    /// Returns whether there is room for a word of the user's between a header and its payload.
    #[inline(always)]
    pub fn has_words(self) -> bool {
        self.payload > WORD_OFFSET
    }

    /// Returns how far ahead of a position a line is prefetched: far enough to arrive in time, and in a small ring not
    /// as far as the lines that the other end works on.
    pub fn prefetch_distance(self) -> usize {
        (self.capacity() / 16).min(512)
    }

    /// Returns where in the data area a position lies.
    #[inline(always)]
    pub fn index(self, position: u64) -> usize {
        // The mask fits a usize, so the truncation takes no bit that counts.
        position as usize & self.mask
    }

    /// Returns the length of the largest message.
    #[inline(always)]
    pub fn max_len(self) -> usize {
        self.max_used() as usize - self.payload_offset()
    }

    /// Returns how far the tail can be ahead of the head: the header at the tail is 0, and needs room before the head.
    #[inline(always)]
    pub fn max_used(self) -> u64 {
        (self.capacity() - self.alignment()) as u64
    }

    /// Returns the size of the record of a message, which is no longer than the longest slice.
    #[inline(always)]
    pub fn size(self, len: usize) -> u64 {
        ((len + self.more) & self.starts) as u64
    }

    /// Reads the length of a message out of a header that is not 0, or that lies before the tail. Its record takes at
    /// most `room` bytes, a multiple of the alignment.
    #[inline(always)]
    pub fn len(self, header: u64, room: u64) -> Result<usize, Corrupted> {
        // A wrong lowest byte is rotated to the top, where it is larger than any length. The room of a record is at
        // least its alignment, and that is no smaller than what lies before the payload.
        let len = header.wrapping_sub(COMMITTED).rotate_right(LEN_STEP.trailing_zeros());
        let longest = room - self.payload_offset() as u64;
        if len <= longest { Ok(len as usize) } else { Err(Self::refusal(header, longest)) }
    }

    #[cold]
    fn refusal(header: u64, longest: u64) -> Corrupted {
        let window = Window { lowest: COMMITTED, highest: COMMITTED + LEN_STEP * longest, step: LEN_STEP };
        window.refusal(SharedWord::Header, header)
    }

    /// Checks a position that this role's last holder stored: it starts a record.
    pub fn check_start(self, word: SharedWord, position: u64) -> Result<u64, Corrupted> {
        let step = self.alignment() as u64;
        Window { lowest: 0, highest: step.wrapping_neg(), step }.check(word, position)
    }
}

/// Makes the header of a record that is there.
#[inline(always)]
pub fn header(len: usize) -> u64 {
    len as u64 * LEN_STEP + COMMITTED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_header_and_a_payload_up_to_the_next_start() {
        let sizes = |align| [0, 1, 8, 9, 24, 32, 48, 49].map(|len| Geometry::new(4096, align).size(len));
        assert_eq!(sizes(8), [8, 16, 16, 24, 32, 40, 56, 64]);
        assert_eq!(sizes(16), [16, 32, 32, 32, 48, 48, 64, 80]);
        assert_eq!(sizes(64), [64, 64, 64, 64, 64, 64, 64, 128]);
    }

    #[test]
    fn records_have_a_word_where_a_payload_starts_behind_it() {
        assert_eq!([8, 16, 32, 64].map(|align| Geometry::new(4096, align).has_words()), [false, true, true, true]);
    }

    #[test]
    fn the_largest_record_leaves_room_for_the_next_header() {
        for align in [8, 16, 32, 64] {
            for capacity in [256, 4096, 1 << 20] {
                let geometry = Geometry::new(capacity, align);
                assert_eq!(geometry.size(geometry.max_len()), geometry.max_used());
                assert_eq!(geometry.max_used() + align as u64, capacity as u64);
            }
        }
        assert_eq!(Geometry::new(4096, 8).max_len(), 4096 - 16);
        assert_eq!(Geometry::new(4096, 64).max_len(), 4096 - 80);
    }

    #[test]
    fn a_header_holds_any_length_that_fits() {
        let geometry = Geometry::new(4096, 8);
        for len in 0..=56 {
            assert_eq!(geometry.len(header(len), 64), Ok(len));
            assert_eq!(geometry.len(header(len), geometry.size(len)), Ok(len));
        }
        assert!(geometry.len(header(57), 64).is_err());
    }

    #[test]
    fn a_header_that_no_record_can_have_is_refused() {
        let geometry = Geometry::new(4096, 64);
        for found in
            [0, 2, 3, 255, 256, header(49), header(4096), header(1 << 55), u64::MAX, u64::MAX << 8 | 1, 1 << 63]
        {
            let refused = Corrupted { word: SharedWord::Header, found, lowest: 1, highest: 1 + 48 * 256, step: 256 };
            assert_eq!(geometry.len(found, 64), Err(refused), "{found:#x}");
        }
    }

    #[test]
    fn a_position_that_starts_no_record_is_refused() {
        let geometry = Geometry::new(4096, 16);
        assert_eq!(geometry.check_start(SharedWord::Tail, 16_u64.wrapping_neg()), Ok(16_u64.wrapping_neg()));
        assert_eq!(geometry.check_start(SharedWord::Tail, 0), Ok(0));
        for position in [1, 8, 17, u64::MAX] {
            assert!(geometry.check_start(SharedWord::Head, position).is_err(), "{position}");
        }
    }
}
