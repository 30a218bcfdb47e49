//! The bytes at the start of a segment. `docs/format.md` draws them; a test compares the two.
//!
//! Every field is one 64-bit word in the machine's byte order, with one writer. What different processes write lies
//! [`APART`] bytes apart, so that no cache line, and no pair of lines that a processor fetches together, has two writers.

use std::mem::{offset_of, size_of};
use std::ops::Deref;
use std::sync::atomic::AtomicU64;

use crossbeam_utils::CachePadded;

use crate::ring::memory::{DATA_ALIGN, Role};

/// The distance in bytes between words with different writers. It is part of the format, on every target.
pub(super) const APART: usize = 128;

/// The first word of a finished segment: `RINGMAIN` in ASCII, the first letter in the lowest byte.
pub(super) const MAGIC: u64 = 0x4e49_414d_474e_4952;

/// Changes with every change of the bytes or of the protocol.
pub(super) const LAYOUT_VERSION: u64 = 3;

/// The kind of a stream ring.
pub(super) const STREAM: u64 = 1;

/// The kind of a message ring.
pub(super) const MESSAGE: u64 = 2;

/// Where the data area starts, in bytes, where a page is no longer.
pub(super) const DATA_OFFSET: usize = 4096;

/// How many rows follow the magic.
pub(super) const ROWS: usize = 9;

/// A value that starts on a distance of its own.
#[repr(C, align(128))]
pub(super) struct Apart<T>(CachePadded<T>);

impl<T> Deref for Apart<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// The start of a segment.
#[repr(C)]
pub(super) struct Header {
    pub(super) identity: Apart<IdentityRows>,
    pub(super) producer: Apart<Slot>,
    pub(super) consumer: Apart<Slot>,
    pub(super) tail: Apart<AtomicU64>,
    pub(super) head: Apart<AtomicU64>,
}

/// What the segment is. Written by its creator, before the magic; never changed after it.
#[repr(C)]
pub(super) struct IdentityRows {
    pub(super) magic: AtomicU64,
    pub(super) rows: [AtomicU64; ROWS],
}

/// What the holder of a role says about itself. Written by that holder.
#[repr(C)]
pub(super) struct Slot {
    pub(super) presence: AtomicU64,
    pub(super) pid: AtomicU64,
    pub(super) start_time: AtomicU64,
    pub(super) pid_namespace: AtomicU64,
    pub(super) parking: AtomicU64,
    pub(super) wakes: AtomicU64,
    /// The position of the other end at which it wants to be woken.
    pub(super) wanted: AtomicU64,
    /// Of a producer: the head that it needs. Of a consumer: the generation of the last producer whose end a consumer was told.
    pub(super) needed_or_told: AtomicU64,
}

impl Header {
    pub(super) fn slot(&self, role: Role) -> &Slot {
        match role {
            Role::Producer => &self.producer,
            Role::Consumer => &self.consumer,
        }
    }
}

const _: () = {
    assert!(size_of::<Apart<AtomicU64>>() == APART);
    assert!(offset_of!(Header, identity) == 0);
    assert!(offset_of!(IdentityRows, rows) == 8);
    assert!(offset_of!(Header, producer) == APART);
    assert!(offset_of!(Header, consumer) == 2 * APART);
    assert!(offset_of!(Slot, pid) == 8);
    assert!(offset_of!(Slot, start_time) == 16);
    assert!(offset_of!(Slot, pid_namespace) == 24);
    assert!(offset_of!(Slot, parking) == 32);
    assert!(offset_of!(Slot, wakes) == 40);
    assert!(offset_of!(Slot, wanted) == 48);
    assert!(offset_of!(Header, tail) == 3 * APART);
    assert!(offset_of!(Header, head) == 4 * APART);
    assert!(size_of::<Header>() <= DATA_OFFSET);
    assert!(DATA_OFFSET % DATA_ALIGN == 0);
};

/// What a segment says that it is, as values. The fields stand in the order of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) layout_version: u64,
    pub(super) kind: u64,
    pub(super) data_offset: u64,
    pub(super) segment_length: u64,
    pub(super) capacity: u64,
    pub(super) element_size: u64,
    pub(super) element_align: u64,
    pub(super) type_id: u64,
    pub(super) record_align: u64,
}

impl Identity {
    pub(super) fn rows(self) -> [u64; ROWS] {
        let Identity {
            layout_version,
            kind,
            data_offset,
            segment_length,
            capacity,
            element_size,
            element_align,
            type_id,
            record_align,
        } = self;
        [
            layout_version,
            kind,
            data_offset,
            segment_length,
            capacity,
            element_size,
            element_align,
            type_id,
            record_align,
        ]
    }

    pub(super) fn from_rows(rows: [u64; ROWS]) -> Identity {
        let [
            layout_version,
            kind,
            data_offset,
            segment_length,
            capacity,
            element_size,
            element_align,
            type_id,
            record_align,
        ] = rows;
        Identity {
            layout_version,
            kind,
            data_offset,
            segment_length,
            capacity,
            element_size,
            element_align,
            type_id,
            record_align,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The offset and the name of every word, as the code has them.
    fn words() -> Vec<(usize, &'static str)> {
        let mut words = vec![(offset_of!(Header, identity), "magic")];
        let rows = offset_of!(Header, identity) + offset_of!(IdentityRows, rows);
        let names = [
            "layout version",
            "kind",
            "data offset",
            "segment length",
            "capacity",
            "element size",
            "element alignment",
            "type id",
            "record alignment",
        ];
        words.extend(names.into_iter().enumerate().map(|(row, name)| (rows + 8 * row, name)));
        for (slot, names) in [
            (
                offset_of!(Header, producer),
                [
                    "producer presence",
                    "producer pid",
                    "producer start time",
                    "producer pid namespace",
                    "producer parking",
                    "producer wakes",
                ],
            ),
            (
                offset_of!(Header, consumer),
                [
                    "consumer presence",
                    "consumer pid",
                    "consumer start time",
                    "consumer pid namespace",
                    "consumer parking",
                    "consumer wakes",
                ],
            ),
        ] {
            let fields = [
                offset_of!(Slot, presence),
                offset_of!(Slot, pid),
                offset_of!(Slot, start_time),
                offset_of!(Slot, pid_namespace),
                offset_of!(Slot, parking),
                offset_of!(Slot, wakes),
            ];
            words.extend(fields.into_iter().zip(names).map(|(field, name)| (slot + field, name)));
        }
        words.push((offset_of!(Header, producer) + offset_of!(Slot, wanted), "wanted head"));
        words.push((offset_of!(Header, tail), "tail"));
        words.push((offset_of!(Header, head), "head"));
        words.push((DATA_OFFSET, "data area"));
        words
    }

    #[test]
    fn the_document_of_the_format_names_every_word_at_its_offset() {
        let document = include_str!("../../docs/format.md");
        let mut documented: Vec<(usize, &str)> = document
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| 0x")?.split('|').map(str::trim);
                let offset = usize::from_str_radix(cells.next()?, 16).ok()?;
                Some((offset, cells.next()?))
            })
            .filter(|(_, name)| *name != "reserved, 0")
            .collect();
        documented.sort_unstable();
        let mut words = words();
        words.sort_unstable();
        assert_eq!(documented, words);
    }

    #[test]
    fn the_document_of_the_format_has_the_constants_of_the_code() {
        let document = include_str!("../../docs/format.md");
        for constant in [
            format!("`{MAGIC:#018x}`"),
            format!("layout version is {LAYOUT_VERSION}"),
            format!("{STREAM} = stream"),
            format!("{MESSAGE} = message"),
            format!("{APART} bytes apart"),
        ] {
            assert!(document.contains(&constant), "docs/format.md lacks {constant:?}");
        }
    }

    #[test]
    fn the_magic_spells_the_name_in_memory() {
        assert_eq!(&MAGIC.to_le_bytes(), b"RINGMAIN");
    }

    #[test]
    fn an_identity_survives_its_rows() {
        let rows = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(Identity::from_rows(rows).rows(), rows);
    }
}
