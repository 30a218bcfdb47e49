//! What a caller requires of a ring: what is written at its creation, and what an existing one is compared with.

use std::alloc::Layout;
use std::num::NonZeroU64;

use super::layout::{
    DATA_OFFSET, Features, HEADER_LENGTH, INCOMPATIBLE, Identity, LAYOUT_VERSION, LONGEST_TAG, MESSAGE,
    READ_ONLY_COMPATIBLE, STREAM, Tag,
};
use super::page_size;
use crate::error::{Attribute, Error};
use crate::ring::memory::DATA_ALIGN;
use crate::ring::message::{LARGEST_ALIGN, SMALLEST_ALIGN};

/// What a ring must be.
#[derive(Debug)]
pub(crate) struct Requirements {
    /// The identity of a ring that is created by these requirements, except for its stamp.
    made: Identity,
    /// If there is none, any is accepted, and no ring is created.
    capacity: Option<u64>,
    /// If there is none, any is accepted that records can have.
    record_align: Option<u64>,
    /// Whether any type is accepted, if its elements have the same size.
    any_type: bool,
    /// Whether the ring is only read.
    is_read_only: bool,
}

/// What is chosen anew for each ring that is created.
#[derive(Clone, Copy, Debug)]
pub(super) struct CreationStamp {
    /// Unless the caller gives another one.
    pub(super) ring_id: u64,
    /// In nanoseconds since 1970.
    pub(super) time: u64,
}

/// The parameters of a ring of either kind, as the caller gave them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) type_tag: String,
    /// Whether any type is accepted, if its elements have the same size.
    pub(crate) any_type: bool,
    /// In elements or bytes. It is rounded up to a power of two.
    pub(crate) capacity: Option<usize>,
    /// Of messages.
    pub(crate) record_align: Option<usize>,
    /// Of a ring that is created.
    pub(crate) first_position: u64,
    /// The same, in place of a random one.
    pub(crate) ring_id: Option<NonZeroU64>,
}

impl Requirements {
    /// A ring of elements of this layout.
    pub(crate) fn stream(parameters: &Parameters, element: Layout) -> Result<Requirements, Error> {
        let (size, align) = (element.size(), element.align());
        if size == 0 || size % align != 0 || align > DATA_ALIGN {
            let expected = format!("at least 1 byte, a multiple of the alignment, which is at most {DATA_ALIGN}");
            return Err(Error::invalid("elements", format_args!("{size} bytes aligned to {align}"), expected));
        }
        // Half of the address space is more than any machine maps, and leaves room for the header.
        let capacity = round_up(parameters.capacity, size, isize::MAX as usize / 2)?;
        Requirements::of(parameters, STREAM, element, capacity)
    }

    /// A ring of messages, which are made of bytes.
    pub(crate) fn messages(parameters: &Parameters) -> Result<Requirements, Error> {
        let alignment = parameters.record_align.unwrap_or(SMALLEST_ALIGN);
        if !can_be_aligned(alignment as u64) {
            return Err(Error::invalid("record alignment", format_args!("{alignment} bytes"), "8, 16, 32 or 64"));
        }
        let position = parameters.first_position;
        if position % alignment as u64 != 0 {
            let expected = format!("a multiple of the record alignment of {alignment} bytes");
            return Err(Error::invalid("first position", position, expected));
        }
        // The data area is mapped twice, by whole pages, and fits half of the address space.
        let capacity = round_up(parameters.capacity, 1, isize::MAX as usize / 4)?.map(|bytes| bytes.max(page_size()));
        Requirements::of(parameters, MESSAGE, Layout::new::<u8>(), capacity)
    }

    fn of(parameters: &Parameters, kind: u64, element: Layout, capacity: Option<usize>) -> Result<Requirements, Error> {
        let record_align = if kind == STREAM { Some(0) } else { parameters.record_align };
        let (size, align) = (element.size(), element.align());
        let text = &parameters.type_tag;
        let mut made = Identity {
            layout_version: LAYOUT_VERSION,
            kind,
            data_offset: data_offset(kind),
            segment_length: 0,
            capacity: capacity.unwrap_or(0) as u64,
            element_size: size as u64,
            element_align: align as u64,
            type_id: type_id(text, size, align),
            record_align: record_align.unwrap_or(SMALLEST_ALIGN) as u64,
            header_length: HEADER_LENGTH,
            features: Features::default(),
            ring_id: parameters.ring_id.map_or(0, NonZeroU64::get),
            created: 0,
            first_position: parameters.first_position,
            tag: Tag::of(text).ok_or_else(|| {
                Error::invalid("type tag", format_args!("{} bytes", text.len()), format!("at most {LONGEST_TAG}"))
            })?,
        };
        made.segment_length = length(&made, made.capacity);
        Ok(Requirements {
            made,
            capacity: capacity.map(|capacity| capacity as u64),
            record_align: record_align.map(|align| align as u64),
            any_type: parameters.any_type,
            is_read_only: false,
        })
    }

    /// Requires what a segment says of itself, as far as there can be such a ring.
    pub(super) fn from_identity(found: Identity) -> Requirements {
        let is_stream = found.kind == STREAM;
        let kind = if is_stream { STREAM } else { MESSAGE };
        let element_size = if is_stream { found.element_size.max(1) } else { 1 };
        let aligns = |align: u64| align.is_power_of_two() && element_size % align == 0;
        let element_align = Some(found.element_align).filter(|&align| is_stream && aligns(align)).unwrap_or(1);
        Requirements {
            made: Identity { kind, data_offset: data_offset(kind), element_size, element_align, ..found },
            capacity: None,
            record_align: is_stream.then_some(0),
            any_type: false,
            is_read_only: true,
        }
    }

    /// Returns whether enough is known to create it.
    pub(super) fn is_complete(&self) -> bool {
        self.capacity.is_some()
    }

    /// Returns the identity of a ring that is created now.
    pub(super) fn identity(&self, creation_stamp: CreationStamp) -> Identity {
        let ring_id = if self.made.ring_id == 0 { creation_stamp.ring_id } else { self.made.ring_id };
        Identity { ring_id, created: creation_stamp.time, ..self.made }
    }

    /// Compares the identity of a segment with the requirements, and its length with that of the object.
    pub(super) fn check(&self, name: &str, found: Identity, object_length: u64) -> Result<(), Error> {
        let compare = |checks: &[(Attribute, u64, u64)]| {
            let differs = checks.iter().find(|(_, found, expected)| found != expected);
            differs.map_or(Ok(()), |&difference| Err(mismatch(name, difference)))
        };
        // In a ring of another version, or with features that change the rest, nothing else means what it does here.
        compare(&[(Attribute::LayoutVersion, found.layout_version, LAYOUT_VERSION)])?;
        self.check_features(name, found.features)?;
        let record_align = self.record_align.unwrap_or_else(|| possible_align(found.record_align));
        let (element_align, type_id) = match self.any_type {
            true => (found.element_align, found.type_id),
            false => (self.made.element_align, self.made.type_id),
        };
        let header_length = found.header_length.clamp(HEADER_LENGTH, self.made.data_offset);
        compare(&[
            (Attribute::HeaderLength, found.header_length, header_length),
            (Attribute::Kind, found.kind, self.made.kind),
            (Attribute::ElementSize, found.element_size, self.made.element_size),
            (Attribute::ElementAlign, found.element_align, element_align),
        ])?;
        self.check_tag(name, found.tag)?;
        compare(&[
            (Attribute::TypeId, found.type_id, type_id),
            (Attribute::RecordAlign, found.record_align, record_align),
            (Attribute::FirstPosition, found.first_position, start_below(found.first_position, record_align)),
            (Attribute::Capacity, found.capacity, self.capacity.unwrap_or(found.capacity)),
            (Attribute::DataOffset, found.data_offset, self.made.data_offset),
            (Attribute::SegmentLength, found.segment_length, length(&self.made, found.capacity)),
            // An impossible capacity, in an object that was truncated to nothing meanwhile.
            (Attribute::SegmentLength, found.segment_length, found.segment_length.max(DATA_OFFSET as u64)),
            (Attribute::ObjectLength, object_length, found.segment_length),
        ])
    }

    /// Refuses unknown features that a process must know.
    fn check_features(&self, name: &str, found: Features) -> Result<(), Error> {
        let refuse = |can_be_inspected, found: u64, known: u64| match found & !known {
            0 => Ok(()),
            _ => Err(Error::UnknownFeatures { name: name.to_owned(), found, known, can_be_inspected }),
        };
        refuse(false, found.incompatible, INCOMPATIBLE)?;
        match self.is_read_only {
            true => Ok(()),
            false => refuse(true, found.read_only_compatible, READ_ONLY_COMPATIBLE),
        }
    }

    /// Compares the type tags, and refuses an invalid one.
    fn check_tag(&self, name: &str, found: Tag) -> Result<(), Error> {
        let text_of = |tag: Tag| tag.text().map_err(|difference| mismatch(name, difference));
        let text = text_of(found)?;
        if self.any_type || found == self.made.tag {
            return Ok(());
        }
        Err(Error::OtherTypeTag { name: name.to_owned(), found: text, expected: text_of(self.made.tag)? })
    }
}

/// Says what differs: what was found, and what was expected.
fn mismatch(name: &str, (what, found, expected): (Attribute, u64, u64)) -> Error {
    Error::Mismatch { name: name.to_owned(), what, found, expected }
}

/// Returns where the data area of a ring of this kind starts: if it is mapped twice, at a page.
fn data_offset(kind: u64) -> u64 {
    if kind == STREAM { DATA_OFFSET as u64 } else { DATA_OFFSET.max(page_size()) as u64 }
}

/// Returns the length of a segment like this one with this capacity; 0 for a capacity that none can have.
fn length(like: &Identity, capacity: u64) -> u64 {
    let whole_pages = like.kind != MESSAGE || capacity % page_size() as u64 == 0;
    let data = (capacity.is_power_of_two() && whole_pages).then(|| capacity.checked_mul(like.element_size)).flatten();
    let length = data.and_then(|data| data.checked_add(like.data_offset));
    // A data area that is mapped twice fits the address space too.
    length.filter(|&length| isize::try_from(length).is_ok_and(|length| length <= isize::MAX / 2)).unwrap_or(0)
}

/// Rounds a capacity up to a power of two, for a data area of at most `longest` bytes.
fn round_up(capacity: Option<usize>, element_size: usize, longest: usize) -> Result<Option<usize>, Error> {
    let Some(capacity) = capacity else { return Ok(None) };
    let fits = |slots: &usize| slots.checked_mul(element_size).is_some_and(|len| len <= longest);
    let slots = (capacity > 0).then(|| capacity.checked_next_power_of_two()).flatten().filter(fits);
    slots.map(Some).ok_or_else(|| {
        const EXPECTED: &str = "at least 1, and a ring that fits the address space";
        match element_size {
            1 => Error::invalid("capacity", format_args!("{capacity} bytes"), EXPECTED),
            _ => Error::invalid("capacity", format_args!("{capacity} elements of {element_size} bytes"), EXPECTED),
        }
    })
}

/// Returns the last start of a record at a position or before it; the position itself if there are no records.
fn start_below(position: u64, record_align: u64) -> u64 {
    position - position % record_align.max(1)
}

/// Returns whether records can start at multiples of this number.
fn can_be_aligned(align: u64) -> bool {
    align.is_power_of_two() && (SMALLEST_ALIGN as u64..=LARGEST_ALIGN as u64).contains(&align)
}

/// Returns an alignment that records can have: this one, if they can.
fn possible_align(align: u64) -> u64 {
    if can_be_aligned(align) { align } else { SMALLEST_ALIGN as u64 }
}

/// Makes the type id: FNV-1a over the tag's bytes, then size and alignment as little-endian 64-bit words.
///
/// The name that the compiler gives a type is no part of it: it may differ between two programs with the same struct.
fn type_id(tag: &str, size: usize, align: usize) -> u64 {
    let (size, align) = ((size as u64).to_le_bytes(), (align as u64).to_le_bytes());
    let bytes = tag.bytes().chain(size).chain(align);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIRTH: CreationStamp = CreationStamp { ring_id: 7, time: 8 };

    fn parameters() -> Parameters {
        Parameters { capacity: Some(8), ..Parameters::default() }
    }

    fn stream() -> Requirements {
        Requirements::stream(&parameters(), Layout::new::<u64>()).unwrap()
    }

    /// Checks a ring that differs from another one by a change, once to attach and once to look.
    #[track_caller]
    fn check(change: impl FnOnce(&mut Identity)) -> [Result<(), Error>; 2] {
        let mut found = stream().identity(BIRTH);
        change(&mut found);
        [stream(), Requirements::from_identity(found)].map(|wanted| wanted.check("none", found, 4096 + 64))
    }

    #[test]
    fn an_unknown_incompatible_feature_is_refused_to_all() {
        for refused in check(|found| found.features.incompatible = 1 << 63 | 2) {
            let Err(Error::UnknownFeatures { found, known: 0, can_be_inspected: false, .. }) = refused else {
                panic!("{refused:?}")
            };
            assert_eq!(found, 1 << 63 | 2);
        }
    }

    #[test]
    fn an_unknown_read_only_compatible_feature_is_refused_to_those_who_attach() {
        let [attached, looked] = check(|found| found.features.read_only_compatible = 4);
        let Err(Error::UnknownFeatures { found: 4, known: 0, can_be_inspected: true, .. }) = attached else {
            panic!("{attached:?}")
        };
        looked.unwrap();
    }

    #[test]
    fn an_unknown_compatible_feature_is_ignored() {
        for accepted in check(|found| found.features.compatible = u64::MAX) {
            accepted.unwrap();
        }
    }

    #[test]
    fn nothing_but_the_version_counts_in_a_ring_of_another_one() {
        let everything_else = |found: &mut Identity| {
            *found = Identity::from_rows([u64::MAX; super::super::layout::ROWS]);
            found.layout_version = 3;
        };
        for refused in check(everything_else) {
            let Err(Error::Mismatch { what: Attribute::LayoutVersion, found: 3, expected: 4, .. }) = refused else {
                panic!("{refused:?}")
            };
        }
    }

    #[test]
    fn a_header_is_as_long_as_this_version_needs_and_ends_before_the_data() {
        for header_length in [HEADER_LENGTH, HEADER_LENGTH + 8, 4096] {
            for accepted in check(|found| found.header_length = header_length) {
                accepted.unwrap();
            }
        }
        for (header_length, nearest) in
            [(0, HEADER_LENGTH), (HEADER_LENGTH - 1, HEADER_LENGTH), (4097, 4096), (u64::MAX, 4096)]
        {
            for refused in check(|found| found.header_length = header_length) {
                let Err(Error::Mismatch { what: Attribute::HeaderLength, found, expected, .. }) = refused else {
                    panic!("{refused:?}")
                };
                assert_eq!((found, expected), (header_length, nearest));
            }
        }
    }

    #[test]
    fn a_ring_has_the_number_that_was_asked_for() {
        let numbered = Parameters { ring_id: NonZeroU64::new(9), ..parameters() };
        let wanted = Requirements::stream(&numbered, Layout::new::<u64>()).unwrap();
        assert_eq!(wanted.identity(BIRTH).ring_id, 9);
        assert_eq!(stream().identity(BIRTH).ring_id, BIRTH.ring_id);
        // One that stands keeps its own.
        let found = stream().identity(BIRTH);
        wanted.check("none", found, found.segment_length).unwrap();
    }

    #[test]
    fn a_first_position_starts_a_record() {
        let wanted = Requirements::messages(&Parameters {
            capacity: Some(4096),
            record_align: Some(64),
            first_position: 128,
            ..parameters()
        })
        .unwrap();
        let found = wanted.identity(BIRTH);
        let length = found.segment_length;
        assert_eq!(found.first_position, 128);
        wanted.check("none", found, length).unwrap();
        let damaged = Identity { first_position: 130, ..found };
        let refused = wanted.check("none", damaged, length).unwrap_err();
        let Error::Mismatch { what: Attribute::FirstPosition, found: 130, expected: 128, .. } = refused else {
            panic!("{refused:?}")
        };
        // Elements may start anywhere.
        for accepted in check(|found| found.first_position = 131) {
            accepted.unwrap();
        }
    }

    #[test]
    fn the_documented_type_ids_are_those_of_the_code() {
        let document = include_str!("../../docs/format.md");
        for (tag, id) in [("", 0x083a_95b1_a22d_d565), ("trade", 0x90da_5a27_3433_1219)] {
            assert_eq!(type_id(tag, 8, 8), id, "{tag:?}");
            assert!(document.contains(&format!("`{id:#018x}`")), "docs/format.md lacks {id:#x}");
        }
    }

    #[test]
    fn a_type_id_depends_on_tag_size_and_alignment() {
        let ids = [type_id("", 8, 8), type_id("tick", 8, 8), type_id("", 16, 8), type_id("", 8, 4)];
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[..at].contains(id));
        }
    }

    #[test]
    fn a_ring_without_bytes_is_refused_also_where_its_object_has_none() {
        // The header was seen, then the object was cut to nothing.
        for wanted in [
            Requirements::stream(&Parameters::default(), Layout::new::<u64>()),
            Requirements::messages(&Parameters::default()),
        ] {
            let wanted = wanted.unwrap();
            let found = Identity { segment_length: 0, capacity: 3, ..wanted.identity(BIRTH) };
            for wanted in [wanted, Requirements::from_identity(found)] {
                let refused = wanted.check("none", found, 0).unwrap_err();
                let Error::Mismatch { what: Attribute::SegmentLength, found: 0, .. } = refused else {
                    panic!("{refused:?}")
                };
            }
        }
    }

    #[test]
    fn a_type_id_is_the_documented_hash() {
        // FNV-1a of sixteen bytes: 08 00 .. 00, 08 00 .. 00.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for word in [8_u64, 8] {
            for byte in word.to_le_bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
        assert_eq!(type_id("", 8, 8), hash);
    }
}
