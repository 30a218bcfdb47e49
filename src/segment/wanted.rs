//! What a caller wants a ring to be: what is written at its creation, and what one that stands is compared with.

use std::alloc::Layout;

use super::layout::{DATA_OFFSET, Identity, LAYOUT_VERSION, MESSAGE, STREAM};
use super::page_size;
use crate::error::{Attribute, Error};
use crate::options::Options;
use crate::ring::message::{LARGEST_ALIGN, SMALLEST_ALIGN};

/// What a ring must be. Where the capacity is `None`, whatever stands will do, and none is created.
#[derive(Debug)]
pub(crate) struct Wanted {
    kind: u64,
    data_offset: u64,
    element_size: u64,
    element_align: u64,
    type_id: u64,
    /// Whether the type that stands will do, if its elements are as large.
    any_type: bool,
    capacity: Option<u64>,
    record_align: Option<u64>,
}

impl Wanted {
    /// A ring of elements of this layout.
    pub(crate) fn stream(options: &Options, element: Layout) -> Result<Wanted, Error> {
        let (size, align) = (element.size(), element.align());
        Ok(Wanted {
            kind: STREAM,
            data_offset: DATA_OFFSET as u64,
            element_size: size as u64,
            element_align: align as u64,
            type_id: type_id(&options.type_tag, size, align),
            any_type: options.any_type,
            capacity: options.slots(size)?.map(|slots| slots as u64),
            record_align: Some(0),
        })
    }

    /// A ring of messages, which are made of bytes.
    pub(crate) fn messages(options: &Options) -> Result<Wanted, Error> {
        Ok(Wanted {
            kind: MESSAGE,
            // The data area is mapped twice, so it starts at a page.
            data_offset: DATA_OFFSET.max(page_size()) as u64,
            element_size: 1,
            element_align: 1,
            type_id: type_id(&options.type_tag, 1, 1),
            any_type: options.any_type,
            capacity: options.bytes()?.map(|bytes| bytes as u64),
            record_align: options.record_align()?.map(|align| align as u64),
        })
    }

    /// Whatever ring a segment says that it is, as far as there can be such a ring.
    pub(super) fn whatever(found: Identity) -> Wanted {
        let is_stream = found.kind == STREAM;
        let element_size = if is_stream { found.element_size.max(1) } else { 1 };
        let aligns = |align: u64| align.is_power_of_two() && element_size % align == 0;
        let element_align = Some(found.element_align).filter(|&align| is_stream && aligns(align)).unwrap_or(1);
        Wanted {
            kind: if is_stream { STREAM } else { MESSAGE },
            data_offset: if is_stream { DATA_OFFSET } else { DATA_OFFSET.max(page_size()) } as u64,
            element_size,
            element_align,
            type_id: found.type_id,
            any_type: false,
            capacity: None,
            record_align: is_stream.then_some(0),
        }
    }

    /// Returns whether enough is known to create it.
    pub(super) fn is_complete(&self) -> bool {
        self.capacity.is_some()
    }

    /// Returns what a ring says of itself that is created like this.
    pub(super) fn identity(&self) -> Identity {
        let capacity = self.capacity.unwrap_or(0);
        Identity {
            layout_version: LAYOUT_VERSION,
            kind: self.kind,
            data_offset: self.data_offset,
            segment_length: self.length(capacity),
            capacity,
            element_size: self.element_size,
            element_align: self.element_align,
            type_id: self.type_id,
            record_align: self.record_align.unwrap_or(SMALLEST_ALIGN as u64),
        }
    }

    /// Compares what a segment says of itself with what is wanted, and its length with that of the object.
    pub(super) fn check(&self, name: &str, found: Identity, object_length: u64) -> Result<(), Error> {
        let record_align = self.record_align.unwrap_or_else(|| possible_align(found.record_align));
        let (element_align, type_id) = match self.any_type {
            true => (found.element_align, found.type_id),
            false => (self.element_align, self.type_id),
        };
        let checks = [
            (Attribute::LayoutVersion, found.layout_version, LAYOUT_VERSION),
            (Attribute::Kind, found.kind, self.kind),
            (Attribute::ElementSize, found.element_size, self.element_size),
            (Attribute::ElementAlign, found.element_align, element_align),
            (Attribute::TypeId, found.type_id, type_id),
            (Attribute::RecordAlign, found.record_align, record_align),
            (Attribute::Capacity, found.capacity, self.capacity.unwrap_or(found.capacity)),
            (Attribute::DataOffset, found.data_offset, self.data_offset),
            (Attribute::SegmentLength, found.segment_length, self.length(found.capacity)),
            // A capacity that none can have, in an object that was cut to nothing meanwhile.
            (Attribute::SegmentLength, found.segment_length, found.segment_length.max(DATA_OFFSET as u64)),
            (Attribute::ObjectLength, object_length, found.segment_length),
        ];
        for (what, found, expected) in checks {
            if found != expected {
                return Err(Error::Mismatch { name: name.to_owned(), what, found, expected });
            }
        }
        Ok(())
    }

    /// Returns how long a segment of this capacity is; 0, which none is, for a capacity that none can have.
    fn length(&self, capacity: u64) -> u64 {
        let whole_pages = self.kind != MESSAGE || capacity % page_size() as u64 == 0;
        let data =
            (capacity.is_power_of_two() && whole_pages).then(|| capacity.checked_mul(self.element_size)).flatten();
        let length = data.and_then(|data| data.checked_add(self.data_offset));
        // A data area that is mapped twice fits the address space too.
        length.filter(|&length| isize::try_from(length).is_ok_and(|length| length <= isize::MAX / 2)).unwrap_or(0)
    }
}

/// Returns an alignment that records can have: this one, if they can.
fn possible_align(align: u64) -> u64 {
    let possible = align.is_power_of_two() && (SMALLEST_ALIGN as u64..=LARGEST_ALIGN as u64).contains(&align);
    if possible { align } else { SMALLEST_ALIGN as u64 }
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
        for wanted in
            [Wanted::stream(&Options::new("none"), Layout::new::<u64>()), Wanted::messages(&Options::new("none"))]
        {
            let wanted = wanted.unwrap();
            let found = Identity { segment_length: 0, capacity: 3, ..wanted.identity() };
            for wanted in [wanted, Wanted::whatever(found)] {
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
