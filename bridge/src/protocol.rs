//! What goes over the network: queries with a batch of records, and their answers. docs/bridge.md has the bytes.
//!
//! Whatever comes from there is input: each length is compared with what is there before it is used.

use std::alloc::Layout;
use std::fmt;

use crate::object::Object;

/// The version of all that follows. A receiver refuses another one, and says which it speaks.
pub const VERSION: u16 = 2;

/// How many bytes of records a batch has at most, unless one record has more: with all that goes before them they fit
/// four frames of Zenoh's, of 65160 bytes where packets have 1500.
pub const LARGEST_BATCH: usize = 252 << 10;

/// The same, where the ring has not room for eight of the largest: they fit one frame.
pub const SMALLER_BATCH: usize = 63 << 10;

/// The longest type tag of a ring.
const LONGEST_TAG: usize = 64;

/// The longest name of a sender, and the longest text of a refusal.
const LONGEST_NAME: usize = 96;
const LONGEST_TEXT: usize = 512;

const MAGIC: [u8; 4] = *b"rmbr";

/// What a ring carries, and how large it is: enough to make another one like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The number that the ring was born with.
    pub ring_id: u64,
    /// Its elements, or the alignment of its records.
    pub kind: Kind,
    /// In elements or bytes.
    pub capacity: u64,
    /// The name of its type.
    pub tag: String,
}

/// What a ring carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Elements of this layout.
    Stream(Layout),
    /// Messages, whose records are aligned to so many bytes: 8, 16, 32 or 64.
    Message(usize),
}

impl Kind {
    /// Returns how many bytes a unit of its positions stands for.
    #[must_use]
    pub fn unit(self) -> usize {
        match self {
            Kind::Stream(element) => element.size(),
            Kind::Message(_) => 1,
        }
    }
}

/// How the producer of a ring left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It closed the ring.
    Closed,
    /// It is gone without that.
    Crashed,
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            End::Closed => "closed",
            End::Crashed => "crashed",
        })
    }
}

/// Which process sends: Zenoh's number of its session.
pub type SenderId = [u8; 16];

/// Returns the key of a ring's queries.
#[must_use]
pub fn key_of_ring(key: &str, ring_id: u64) -> String {
    format!("{key}/{ring_id:016x}")
}

/// Returns the key of the token that a sender keeps while it lives.
#[must_use]
pub fn key_of_sender(key: &str, ring_id: u64, sender: &SenderId) -> String {
    let digits: String = sender.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}/sender/{digits}", key_of_ring(key, ring_id))
}

/// A query: records of a ring from a position on, and all that a receiver has to know that never heard of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// The ring.
    pub shape: Shape,
    /// Who asks.
    pub sender: SenderId,
    /// The same for people: its host and process.
    pub name: String,
    /// Which object the ring is: its receiver must have another one.
    pub object: Object,
    /// The position of the first record.
    pub first: u64,
    /// The position of the first record that the ring still has.
    pub head: u64,
    /// How the producer left, if there is nothing after these records.
    pub end: Option<End>,
    /// The records as they lie in the ring.
    pub records: &'a [u8],
}

/// What a receiver answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All records before the tail have arrived.
    At {
        /// The position behind the last record that is in the receiver's ring.
        tail: u64,
        /// How much is free there, in units of positions.
        free: u64,
    },
    /// Nothing was taken; why.
    Refused(String),
    /// Nothing was taken, and nothing can be: the name of the receiver's ring stands for the sender's.
    Itself,
}

/// What came is no query, or no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It ends too early.
    Short {
        /// How many bytes there are.
        len: usize,
        /// How many are needed at least.
        needed: usize,
    },
    /// It is of something else.
    Magic([u8; 4]),
    /// It is of another version.
    Version(u16),
    /// A field has a value that it cannot have.
    Field(&'static str, u64),
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Short { len, needed } => write!(formatter, "it has {len} bytes, and {needed} are needed"),
            Malformed::Magic(found) => write!(formatter, "it begins with {found:02x?}, expected {MAGIC:02x?}"),
            Malformed::Version(found) => {
                write!(formatter, "it has version {found}, expected {VERSION}: use the same bridge at both sides")
            }
            Malformed::Field(field, found) => write!(formatter, "its {field} cannot be {found}"),
        }
    }
}

impl std::error::Error for Malformed {}

/// The kinds of rings, by number.
const STREAM: u8 = 1;
const MESSAGE: u8 = 2;

/// How many bytes a query has before the tag.
const QUERY_HEADER: usize = 112;

/// How many bytes an answer has before the text.
const ANSWER_HEADER: usize = 26;

/// Takes fields off the front of bytes.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (field, rest) = self.0.split_at_checked(len).ok_or(Malformed::Short { len: self.0.len(), needed: len })?;
        self.0 = rest;
        Ok(field)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn short(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn word(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn long(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Takes a text, whose control characters nobody needs to see.
    fn text(&mut self, field: &'static str, len: usize, longest: usize) -> Result<String, Malformed> {
        let refuse = Malformed::Field(field, len as u64);
        if len > longest {
            return Err(refuse);
        }
        std::str::from_utf8(self.bytes(len)?).map(str::to_owned).map_err(|_| refuse)
    }

    /// Takes what both begin with, if there are so many bytes in all.
    fn begin(bytes: &'a [u8], needed: usize) -> Result<Fields<'a>, Malformed> {
        let mut fields = Fields(bytes);
        let found = fields.array()?;
        if found != MAGIC {
            return Err(Malformed::Magic(found));
        }
        // In another version nothing else means what it does here.
        match fields.short()? {
            VERSION if bytes.len() < needed => Err(Malformed::Short { len: bytes.len(), needed }),
            VERSION => Ok(fields),
            version => Err(Malformed::Version(version)),
        }
    }
}

impl Query<'_> {
    /// Writes all but the records, which follow, to an empty buffer.
    pub fn begin(&self, buffer: &mut Vec<u8>) {
        buffer.clear();
        buffer.extend(MAGIC);
        buffer.extend(VERSION.to_le_bytes());
        let (kind, size, align, record_align) = match self.shape.kind {
            Kind::Stream(element) => (STREAM, element.size(), element.align(), 0),
            Kind::Message(record_align) => (MESSAGE, 1, 1, record_align),
        };
        let end = match self.end {
            None => 0,
            Some(End::Closed) => 1,
            Some(End::Crashed) => 2,
        };
        let tag = shortened(&self.shape.tag, LONGEST_TAG);
        let name = shortened(&self.name, LONGEST_NAME);
        buffer.extend([kind, end]);
        buffer.extend(self.shape.ring_id.to_le_bytes());
        buffer.extend(self.sender);
        buffer.extend(self.first.to_le_bytes());
        buffer.extend(self.head.to_le_bytes());
        buffer.extend(self.shape.capacity.to_le_bytes());
        buffer.extend((size as u64).to_le_bytes());
        buffer.extend((align as u32).to_le_bytes());
        buffer.extend((record_align as u32).to_le_bytes());
        buffer.extend([tag.len() as u8, name.len() as u8]);
        buffer.extend([0; 6]);
        buffer.extend(self.object.boot.to_le_bytes());
        buffer.extend(self.object.device.to_le_bytes());
        buffer.extend(self.object.inode.to_le_bytes());
        buffer.extend(tag.as_bytes());
        buffer.extend(name.as_bytes());
    }

    /// Reads a query that came from the network.
    ///
    /// # Errors
    ///
    /// [`Malformed`]: it is none, or describes no ring that can be.
    pub fn read(bytes: &[u8]) -> Result<Query<'_>, Malformed> {
        let mut fields = Fields::begin(bytes, QUERY_HEADER)?;
        let (kind, end) = (fields.byte()?, fields.byte()?);
        let (ring_id, sender) = (fields.long()?, fields.array()?);
        let (first, head, capacity) = (fields.long()?, fields.long()?, fields.long()?);
        let (size, align, record_align) = (fields.long()?, fields.word()?, fields.word()?);
        let (tag, name) = (usize::from(fields.byte()?), usize::from(fields.byte()?));
        fields.bytes(6)?;
        let boot = u128::from_le_bytes(fields.array()?);
        let object = Object { boot, device: fields.long()?, inode: fields.long()? };
        let refuse = |field, found| Err(Malformed::Field(field, found));
        let kind = match kind {
            STREAM if record_align != 0 => return refuse("record alignment", record_align.into()),
            STREAM => {
                let element = usize::try_from(size).ok().map(|size| Layout::from_size_align(size, align as usize));
                match element {
                    Some(Ok(element)) if element.size() > 0 && element.size() % element.align() == 0 => {
                        Kind::Stream(element)
                    }
                    _ => return refuse("element size", size),
                }
            }
            MESSAGE if size != 1 => return refuse("element size", size),
            MESSAGE if align != 1 => return refuse("element alignment", align.into()),
            MESSAGE if matches!(record_align, 8 | 16 | 32 | 64) => Kind::Message(record_align as usize),
            MESSAGE => return refuse("record alignment", record_align.into()),
            kind => return refuse("kind", kind.into()),
        };
        if ring_id == 0 {
            return refuse("ring id", 0);
        }
        if !capacity.is_power_of_two() {
            return refuse("capacity", capacity);
        }
        let step = if let Kind::Message(align) = kind { align as u64 } else { 1 };
        for (field, position) in [("first position", first), ("head", head)] {
            if position % step != 0 {
                return refuse(field, position);
            }
        }
        let end = match end {
            0 => None,
            1 => Some(End::Closed),
            2 => Some(End::Crashed),
            end => return refuse("end", end.into()),
        };
        let tag = fields.text("tag", tag, LONGEST_TAG)?;
        let name = printable(&fields.text("name", name, LONGEST_NAME)?);
        let shape = Shape { ring_id, kind, capacity, tag };
        Ok(Query { shape, sender, name, object, first, head, end, records: fields.0 })
    }
}

impl Answer {
    /// Writes the answer.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let (kind, tail, free, text) = match self {
            Answer::At { tail, free } => (0, *tail, *free, ""),
            Answer::Refused(text) => (1, 0, 0, shortened(text, LONGEST_TEXT)),
            Answer::Itself => (2, 0, 0, ""),
        };
        let mut bytes = Vec::with_capacity(ANSWER_HEADER + text.len());
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend([kind, 0]);
        bytes.extend(tail.to_le_bytes());
        bytes.extend(free.to_le_bytes());
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }

    /// Reads an answer that came from the network.
    ///
    /// # Errors
    ///
    /// [`Malformed`]: it is none.
    pub fn read(bytes: &[u8]) -> Result<Answer, Malformed> {
        let mut fields = Fields::begin(bytes, ANSWER_HEADER)?;
        let kind = fields.byte()?;
        fields.byte()?;
        let (tail, free, len) = (fields.long()?, fields.long()?, fields.short()?);
        let text = fields.text("text", len.into(), LONGEST_TEXT)?;
        match kind {
            0 => Ok(Answer::At { tail, free }),
            1 => Ok(Answer::Refused(printable(&text))),
            2 => Ok(Answer::Itself),
            found => Err(Malformed::Field("kind of answer", found.into())),
        }
    }
}

/// Returns as much of a text as fits so many bytes.
fn shortened(text: &str, longest: usize) -> &str {
    // `floor_char_boundary` came with Rust 1.91.
    let mut ends = (0..=longest.min(text.len())).rev();
    &text[..ends.find(|&end| text.is_char_boundary(end)).unwrap_or(0)]
}

/// Replaces what would move the cursor of a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { '?' } else { it }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query() -> Query<'static> {
        let shape = Shape { ring_id: 7, kind: Kind::Message(16), capacity: 4096, tag: "order".into() };
        let name = "host/7".into();
        let object = Object { boot: 3, device: 4, inode: 5 };
        Query { shape, sender: [9; 16], name, object, first: 32, head: 16, end: None, records: b"records" }
    }

    fn written(query: &Query<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        query.begin(&mut bytes);
        bytes.extend(query.records);
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let element = Layout::new::<(u64, u32)>();
        let kinds = [8, 16, 32, 64].map(Kind::Message).into_iter().chain([Kind::Stream(element)]);
        for kind in kinds {
            for end in [None, Some(End::Closed), Some(End::Crashed)] {
                let query = Query { shape: Shape { kind, ..query().shape }, first: 64, head: 128, end, ..query() };
                assert_eq!(Query::read(&written(&query)), Ok(query));
            }
        }
        for answer in [Answer::At { tail: u64::MAX, free: 3 }, Answer::Refused("no".into()), Answer::Itself] {
            assert_eq!(Answer::read(&answer.write()), Ok(answer));
        }
    }

    #[test]
    fn the_documented_bytes_are_those_of_the_code() {
        let bytes = written(&query());
        assert_eq!(bytes[..8], *b"rmbr\x02\x00\x02\x00");
        assert_eq!((bytes[8], bytes[16], bytes[32], bytes[40]), (7, 9, 32, 16));
        assert_eq!((&bytes[48..50], bytes[56], bytes[64], bytes[68]), (&[0, 16][..], 1, 1, 16));
        assert_eq!((&bytes[72..80], &bytes[112..]), (&[5, 6, 0, 0, 0, 0, 0, 0][..], &b"orderhost/7records"[..]));
        assert_eq!((bytes[80], bytes[96], bytes[104]), (3, 4, 5));
        let bytes = Answer::At { tail: 1, free: 2 }.write();
        assert_eq!(bytes, *b"rmbr\x02\x00\x00\x00\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn what_ends_early_is_refused() {
        let bytes = written(&Query { records: b"", ..query() });
        for len in 0..bytes.len() {
            assert!(Query::read(&bytes[..len]).is_err(), "{len}");
        }
        let bytes = Answer::Refused("why".into()).write();
        for len in 0..bytes.len() {
            assert!(Answer::read(&bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_is_refused_by_name() {
        let check = |at: usize, value: u8, expected: &str| {
            let mut bytes = written(&query());
            bytes[at] = value;
            let refused = Query::read(&bytes).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        };
        check(0, 7, "begins with");
        check(4, 1, "version 1, expected 2");
        check(6, 3, "kind cannot be 3");
        check(7, 3, "end cannot be 3");
        check(8, 0, "ring id cannot be 0");
        check(32, 8, "first position cannot be 8");
        check(40, 24, "head cannot be 24");
        check(48, 1, "capacity cannot be 4097");
        check(56, 2, "element size cannot be 2");
        check(64, 0, "element alignment cannot be 0");
        check(68, 24, "record alignment cannot be 24");
        check(72, 65, "tag cannot be 65");
        check(73, 97, "name cannot be 97");
        check(112, 0xff, "tag cannot be 5");
        let stream = Query { shape: Shape { kind: Kind::Stream(Layout::new::<u64>()), ..query().shape }, ..query() };
        for (at, value) in [(56, 0), (56, 9), (63, 0xff), (64, 3), (64, 0)] {
            let mut bytes = written(&stream);
            bytes[at] = value;
            let refused = Query::read(&bytes).unwrap_err().to_string();
            assert!(refused.contains("element size"), "{refused}");
        }
        let mut bytes = written(&stream);
        bytes[68] = 8;
        assert_eq!(Query::read(&bytes), Err(Malformed::Field("record alignment", 8)));
    }

    #[test]
    fn a_text_moves_no_cursor_and_is_cut_between_characters() {
        let bytes = Answer::Refused("a\x1b[2Jb".into()).write();
        assert_eq!(Answer::read(&bytes), Ok(Answer::Refused("a?[2Jb".into())));
        let long = "ä".repeat(LONGEST_TEXT);
        let Ok(Answer::Refused(text)) = Answer::read(&Answer::Refused(long).write()) else { panic!() };
        assert_eq!(text, "ä".repeat(LONGEST_TEXT / 2));
    }
}
