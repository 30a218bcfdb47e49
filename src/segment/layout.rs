//! The bytes at the start of a segment. `docs/format.md` draws them; a test compares the two.
//!
//! Every field is one 64-bit word in the machine's byte order, with one writer. What different processes write lies in
//! different aligned blocks of [`APART`] bytes, so that no cache line, and no pair of lines that a processor fetches
//! together, has two writers.

#![allow(unsafe_code, reason = "declares that an identity is made of words")]

use std::array;
use std::mem::{offset_of, size_of};
use std::ops::Deref;
use std::sync::atomic::AtomicU64;

use bytemuck::{Pod, Zeroable};
use crossbeam_utils::CachePadded;

use crate::error::Attribute;
use crate::ring::memory::{DATA_ALIGN, Role};

/// The size in bytes of the aligned blocks of which each has one writer. It is part of the format, on every target.
pub(super) const APART: usize = 128;

/// The first word of a finished segment: `RINGMAIN` in ASCII, the first letter in the lowest byte.
pub(super) const MAGIC: u64 = 0x4e49_414d_474e_4952;

/// Changes with every change of the bytes or of the protocol.
pub(super) const LAYOUT_VERSION: u64 = 4;

/// The kind of a stream ring.
pub(super) const STREAM: u64 = 1;

/// The kind of a message ring.
pub(super) const MESSAGE: u64 = 2;

/// Where the data area starts, in bytes, unless a page is longer.
pub(super) const DATA_OFFSET: usize = 4096;

/// How many words of the identity follow the magic, and are in its second part.
const FIRST_ROWS: usize = 15;
const SECOND_ROWS: usize = 2 + TAG_WORDS;

/// How many words the identity has, without the magic.
pub(super) const ROWS: usize = FIRST_ROWS + SECOND_ROWS;

/// The longest type tag in bytes.
pub(super) const LONGEST_TAG: usize = 64;

const TAG_WORDS: usize = LONGEST_TAG / 8;

/// Where head and tail lie in a header.
pub(super) const HEAD: u64 = offset_of!(Header, head) as u64;
pub(super) const TAIL: u64 = offset_of!(Header, tail) as u64;

/// Returns where the slot of a role lies in a header.
pub(super) fn slot_offset(role: Role) -> u64 {
    match role {
        Role::Producer => offset_of!(Header, producer) as u64,
        Role::Consumer => offset_of!(Header, consumer) as u64,
    }
}

/// Returns where a row of the identity lies in a header.
pub(super) fn row_offset(row: usize) -> usize {
    match row.checked_sub(FIRST_ROWS) {
        None => offset_of!(Header, identity) + offset_of!(IdentityRows, rows) + 8 * row,
        Some(row) => offset_of!(Header, more_identity) + 8 * row,
    }
}

/// The number of bytes before the data area that have a meaning in this version.
pub(super) const HEADER_LENGTH: u64 = 6 * APART as u64;

/// The incompatible features that this version knows: a version that does not know one of a ring's refuses it.
pub(super) const INCOMPATIBLE: u64 = 0;

/// The read-only compatible features that this version knows: a version that does not know one of a ring's may only
/// inspect it.
pub(super) const READ_ONLY_COMPATIBLE: u64 = 0;

/// Where the creator of a segment writes before the magic, from and to: the identity and the first positions.
pub(super) const WRITTEN_BY_CREATOR: [(u64, u64); 4] = {
    const fn word(at: usize) -> (u64, u64) {
        (at as u64, at as u64 + 8)
    }
    let second = offset_of!(Header, more_identity);
    [
        (0, size_of::<IdentityRows>() as u64),
        word(offset_of!(Header, tail)),
        word(offset_of!(Header, head)),
        (second as u64, (second + 8 * SECOND_ROWS) as u64),
    ]
};

/// A value that has [`APART`] bytes of its own.
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
    pub(super) producer: Apart<RoleWords>,
    pub(super) consumer: Apart<RoleWords>,
    /// The word after it, at 0x188, is reserved for a producer that overwrites: 0, and not read.
    pub(super) tail: Apart<AtomicU64>,
    pub(super) head: Apart<AtomicU64>,
    /// The second part of what the segment is, since the first one ends at the slots.
    pub(super) more_identity: Apart<[AtomicU64; SECOND_ROWS]>,
}

/// What the segment is. Written by its creator, before the magic; never changed after it.
#[repr(C)]
pub(super) struct IdentityRows {
    pub(super) magic: AtomicU64,
    rows: [AtomicU64; FIRST_ROWS],
}

/// The words of the holder of a role. Written by that holder.
#[repr(C)]
pub(super) struct RoleWords {
    pub(super) presence: AtomicU64,
    pub(super) pid: AtomicU64,
    pub(super) start_time: AtomicU64,
    pub(super) pid_namespace: AtomicU64,
    pub(super) parking: AtomicU64,
    pub(super) wakes: AtomicU64,
    /// The position of the other end at which this one wants to be woken while it sleeps.
    pub(super) wanted: AtomicU64,
    /// Of a producer, `needed head`: the head that gives it exactly what it asked for. Of a consumer, `told`: the
    /// generation of the last producer whose end it was told.
    pub(super) needed_or_told: AtomicU64,
}

impl RoleWords {
    /// Copies a slot, whose words stand in this order.
    pub(super) fn of_words(words: [AtomicU64; 8]) -> RoleWords {
        let [presence, pid, start_time, pid_namespace, parking, wakes, wanted, needed_or_told] = words;
        RoleWords { presence, pid, start_time, pid_namespace, parking, wakes, wanted, needed_or_told }
    }
}

impl Header {
    pub(super) fn slot(&self, role: Role) -> &RoleWords {
        match role {
            Role::Producer => &self.producer,
            Role::Consumer => &self.consumer,
        }
    }

    /// Returns the words of the identity after the magic, in the order of [`Identity::rows`].
    pub(super) fn identity_rows(&self) -> [&AtomicU64; ROWS] {
        let (first, second) = (&self.identity.rows, &self.more_identity);
        array::from_fn(|row| if row < FIRST_ROWS { &first[row] } else { &second[row - FIRST_ROWS] })
    }
}

const _: () = {
    assert!(size_of::<Apart<AtomicU64>>() == APART);
    assert!(offset_of!(Header, identity) == 0);
    assert!(offset_of!(IdentityRows, rows) == 8);
    assert!(size_of::<IdentityRows>() == APART);
    assert!(offset_of!(Header, producer) == APART);
    assert!(offset_of!(Header, consumer) == 2 * APART);
    assert!(offset_of!(RoleWords, pid) == 8);
    assert!(offset_of!(RoleWords, start_time) == 16);
    assert!(offset_of!(RoleWords, pid_namespace) == 24);
    assert!(offset_of!(RoleWords, parking) == 32);
    assert!(offset_of!(RoleWords, wakes) == 40);
    assert!(offset_of!(RoleWords, wanted) == 48);
    assert!(offset_of!(RoleWords, needed_or_told) == 56);
    assert!(offset_of!(Header, tail) == 3 * APART);
    assert!(offset_of!(Header, head) == 4 * APART);
    assert!(offset_of!(Header, more_identity) == 5 * APART);
    assert!(8 * SECOND_ROWS <= APART);
    assert!(size_of::<Identity>() == 8 * ROWS);
    assert!(size_of::<Header>() == 6 * APART);
    assert!(size_of::<Header>() <= DATA_OFFSET);
    assert!(DATA_OFFSET % DATA_ALIGN == 0);
};

/// Features of a ring that a version of ringmain may not know, as sets of bits. No version has any yet.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-features-{}", std::process::id());
/// use ringmain::{Options, inspect::{Features, Inspection}};
///
/// let tx = Options::new(&name).capacity(64).unlink_on_close(true).stream_producer::<u64>()?;
/// let features = Inspection::open(&name)?.features();
/// if features.read_only_compatible != 0 {
///     println!("this version can inspect the ring, and not attach to it");
/// }
/// assert_eq!(features, Features::default());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
#[non_exhaustive]
pub struct Features {
    /// A version that does not know one of them can neither use nor inspect the ring.
    pub incompatible: u64,
    /// A version that does not know them can still use the ring.
    pub compatible: u64,
    /// A version that does not know one of them can inspect the ring, but not attach to it.
    pub read_only_compatible: u64,
}

/// The identity of a segment, as values: the words after the magic, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Identity {
    pub(crate) layout_version: u64,
    pub(crate) kind: u64,
    pub(crate) data_offset: u64,
    pub(crate) segment_length: u64,
    pub(crate) capacity: u64,
    pub(crate) element_size: u64,
    pub(crate) element_align: u64,
    pub(crate) type_id: u64,
    pub(crate) record_align: u64,
    pub(crate) header_length: u64,
    pub(crate) features: Features,
    pub(crate) ring_id: u64,
    /// In nanoseconds since 1970.
    pub(crate) created: u64,
    pub(crate) first_position: u64,
    pub(crate) tag: Tag,
}

// SAFETY: it is made of words of 64 bits, without padding, for which zeros are values.
unsafe impl Zeroable for Identity {}

// SAFETY: any bits of such words are values.
unsafe impl Pod for Identity {}

impl Identity {
    pub(super) fn rows(self) -> [u64; ROWS] {
        bytemuck::cast(self)
    }

    pub(super) fn from_rows(rows: [u64; ROWS]) -> Identity {
        bytemuck::cast(rows)
    }
}

/// The text of a type tag, as it is in a segment. One that was read may be invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Tag {
    len: u64,
    /// Its bytes in the order of memory, then zeros.
    text: [u64; TAG_WORDS],
}

impl Tag {
    /// Stores a text; `None` if it is too long.
    pub(super) fn of(text: &str) -> Option<Tag> {
        let mut bytes = [0; LONGEST_TAG];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        let word = |at: usize| u64::from_ne_bytes(array::from_fn(|byte| bytes[8 * at + byte]));
        Some(Tag { len: text.len() as u64, text: array::from_fn(word) })
    }

    /// Reads the text; or returns what is wrong with it: what was found and what was expected.
    pub(super) fn text(self) -> Result<String, (Attribute, u64, u64)> {
        let bytes = self.text.map(u64::to_ne_bytes).concat();
        let written = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1) as u64;
        let len = self.len.clamp(written, LONGEST_TAG as u64);
        if len != self.len {
            return Err((Attribute::TagLength, self.len, len));
        }
        let text = std::str::from_utf8(&bytes[..len as usize]);
        text.map(str::to_owned).map_err(|error| (Attribute::TagText, error.valid_up_to() as u64, len))
    }
}

#[cfg(test)]
mod tests {
    #![allow(unsafe_code, reason = "makes a header of zeros")]

    use super::*;

    /// The offset and the name of every word, as the code has them.
    fn words() -> Vec<(usize, &'static str)> {
        let mut words = vec![(offset_of!(Header, identity), "magic")];
        let names = [
            (offset_of!(Identity, layout_version), "layout version"),
            (offset_of!(Identity, kind), "kind"),
            (offset_of!(Identity, data_offset), "data offset"),
            (offset_of!(Identity, segment_length), "segment length"),
            (offset_of!(Identity, capacity), "capacity"),
            (offset_of!(Identity, element_size), "element size"),
            (offset_of!(Identity, element_align), "element alignment"),
            (offset_of!(Identity, type_id), "type id"),
            (offset_of!(Identity, record_align), "record alignment"),
            (offset_of!(Identity, header_length), "header length"),
            (offset_of!(Identity, features.incompatible), "incompatible features"),
            (offset_of!(Identity, features.compatible), "compatible features"),
            (offset_of!(Identity, features.read_only_compatible), "read-only compatible features"),
            (offset_of!(Identity, ring_id), "ring id"),
            (offset_of!(Identity, created), "creation time"),
            (offset_of!(Identity, first_position), "first position"),
            (offset_of!(Identity, tag.len), "tag length"),
            (offset_of!(Identity, tag.text), "tag text"),
        ];
        words.extend(names.map(|(field, name)| (row_offset(field / 8), name)));
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
                    "wanted head",
                    "needed head",
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
                    "wanted tail",
                    "told",
                ],
            ),
        ] {
            let fields = [
                offset_of!(RoleWords, presence),
                offset_of!(RoleWords, pid),
                offset_of!(RoleWords, start_time),
                offset_of!(RoleWords, pid_namespace),
                offset_of!(RoleWords, parking),
                offset_of!(RoleWords, wakes),
                offset_of!(RoleWords, wanted),
                offset_of!(RoleWords, needed_or_told),
            ];
            words.extend(fields.into_iter().zip(names).map(|(field, name)| (slot + field, name)));
        }
        words.push((offset_of!(Header, tail), "tail"));
        words.push((offset_of!(Header, tail) + 8, "reserved for overwriting"));
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
            format!("aligned blocks of {APART} bytes"),
            format!("{HEADER_LENGTH:#x}"),
            format!("{LONGEST_TAG} bytes"),
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
        let rows = array::from_fn(|row| row as u64 + 1);
        assert_eq!(Identity::from_rows(rows).rows(), rows);
    }

    #[test]
    fn the_rows_of_an_identity_are_the_words_of_a_header() {
        // SAFETY: a header is made of atomics, of which zeros are values.
        let header: Header = unsafe { std::mem::zeroed() };
        let start = std::ptr::from_ref(&header).addr();
        let offsets = header.identity_rows().map(|word| std::ptr::from_ref(word).addr() - start);
        let first = (1..16).map(|row| 8 * row);
        assert!(offsets.into_iter().eq(first.chain((0..10).map(|row| 0x280 + 8 * row))));
        assert!(offsets.into_iter().eq((0..ROWS).map(row_offset)));
        assert_eq!(WRITTEN_BY_CREATOR, [(0, 0x80), (0x180, 0x188), (0x200, 0x208), (0x280, 0x2d0)]);
    }

    #[track_caller]
    fn refuses(tag: Tag, what: Attribute, found: u64, expected: u64) {
        assert_eq!(tag.text(), Err((what, found, expected)));
    }

    #[test]
    fn a_tag_survives_its_words_up_to_the_longest() {
        for text in ["", "x", "trade", "tr\u{e4}de", &"y".repeat(LONGEST_TAG)] {
            assert_eq!(Tag::of(text).unwrap().text().as_deref(), Ok(text));
        }
        assert_eq!(Tag::of(&"y".repeat(LONGEST_TAG + 1)), None);
    }

    #[test]
    fn a_tag_that_none_can_have_written_is_refused() {
        let tag = Tag::of("trade").unwrap();
        refuses(Tag { len: 65, ..tag }, Attribute::TagLength, 65, 64);
        refuses(Tag { len: u64::MAX, ..tag }, Attribute::TagLength, u64::MAX, 64);
        refuses(Tag { len: 4, ..tag }, Attribute::TagLength, 4, 5);
        let mut text = [0; TAG_WORDS];
        text[0] = u64::from_ne_bytes([b'a', 0xff, 0, 0, 0, 0, 0, 0]);
        refuses(Tag { len: 2, text }, Attribute::TagText, 1, 2);
        // Half of a character.
        text[0] = u64::from_ne_bytes([b'a', b'b', 0xc3, 0, 0, 0, 0, 0]);
        refuses(Tag { len: 3, text }, Attribute::TagText, 2, 3);
    }
}
