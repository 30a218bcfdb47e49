//! Records of messages as they lie in a ring: a header, a word where the alignment leaves room for one, the payload,
//! and zeros up to the next multiple of the alignment. docs/format.md of the library has the bytes.

use std::fmt;

/// The lowest byte of the header of a record that is there; its length lies above.
const COMMITTED: u64 = 1;

/// How many bytes a header, or a word, has.
const WORD: usize = 8;

/// What lies between records cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// At which byte of the batch.
    pub at: usize,
    /// The header that was found there; `None` if there is not even room for one.
    pub header: Option<u64>,
}

impl fmt::Display for Damaged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.header {
            Some(header) => write!(formatter, "byte {} of the records is no header: {header:#x}", self.at),
            None => write!(formatter, "the records end inside of one, at byte {}", self.at),
        }
    }
}

impl std::error::Error for Damaged {}

/// A record in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The word that its producer gave it.
    pub word: u64,
    /// The message.
    pub message: &'a [u8],
    /// How many bytes it takes, as a position counts them.
    pub size: usize,
}

/// Returns how many bytes lie before a payload.
fn payload(align: usize) -> usize {
    if align == WORD { WORD } else { 2 * WORD }
}

/// Returns the size of the record of a message.
#[must_use]
pub fn size(len: usize, align: usize) -> usize {
    (payload(align) + len).next_multiple_of(align)
}

/// Appends a record, whose message `append` appends. What it appended is taken back where it fails.
///
/// # Errors
///
/// That of `append`.
pub fn write<E>(
    buffer: &mut Vec<u8>,
    align: usize,
    word: u64,
    append: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
) -> Result<(), E> {
    let start = buffer.len();
    buffer.resize(start + payload(align), 0);
    let len = match append(buffer) {
        Ok(len) => len,
        Err(error) => {
            buffer.truncate(start);
            return Err(error);
        }
    };
    buffer[start..start + WORD].copy_from_slice(&((len as u64) << 8 | COMMITTED).to_le_bytes());
    if payload(align) > WORD {
        buffer[start + WORD..start + 2 * WORD].copy_from_slice(&word.to_le_bytes());
    }
    buffer.resize(start + size(len, align), 0);
    Ok(())
}

/// Reads the record that starts at byte `at` of a batch, which is before its end.
///
/// # Errors
///
/// [`Damaged`]: there is none, or it goes beyond the end.
pub fn read(records: &[u8], at: usize, align: usize) -> Result<Record<'_>, Damaged> {
    let rest = &records[at..];
    let Some((head, body)) = rest.split_at_checked(payload(align)) else { return Err(Damaged { at, header: None }) };
    let word_at = |at: usize| head.get(at..at + WORD).and_then(|it| it.try_into().ok()).map_or(0, u64::from_le_bytes);
    let (header, word) = (word_at(0), word_at(WORD));
    let len = usize::try_from(header >> 8).ok().filter(|&len| header & 0xff == COMMITTED && len <= body.len());
    match len {
        Some(len) if size(len, align) <= rest.len() => {
            Ok(Record { word, message: &body[..len], size: size(len, align) })
        }
        _ => Err(Damaged { at, header: Some(header) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(buffer: &mut Vec<u8>, align: usize, word: u64, message: &[u8]) {
        let appended = write::<()>(buffer, align, word, |buffer| {
            buffer.extend(message);
            Ok(message.len())
        });
        appended.unwrap();
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        for align in [8, 16, 32, 64] {
            let mut records = Vec::new();
            let messages: Vec<Vec<u8>> = (0..70).map(|len| vec![len; len.into()]).collect();
            messages.iter().for_each(|message| append(&mut records, align, 1 + message.len() as u64, message));
            let mut at = 0;
            for message in &messages {
                let record = read(&records, at, align).unwrap();
                assert_eq!(record.message, message);
                assert_eq!(record.word, if align == 8 { 0 } else { 1 + message.len() as u64 });
                at += record.size;
            }
            assert_eq!(at, records.len());
        }
    }

    #[test]
    fn they_lie_as_in_a_ring() {
        for align in [8, 16, 32, 64] {
            let options = ringmain::Options::anonymous().capacity(4096).record_alignment(align);
            let mut tx = options.message_producer().unwrap();
            let mut records = Vec::new();
            for len in [0, 1, 8, 47, 48, 49] {
                tx.push(&vec![1; len]).unwrap();
                append(&mut records, align, 0, &vec![1; len]);
                assert_eq!(records.len() as u64, tx.position());
            }
        }
    }

    #[test]
    fn what_goes_beyond_the_end_or_is_no_header_is_refused() {
        let mut records = Vec::new();
        append(&mut records, 16, 7, b"message");
        for len in 1..records.len() {
            assert!(read(&records[..len], 0, 16).is_err(), "{len}");
        }
        for header in [0, 2, 7 << 8, u64::MAX, u64::MAX << 8 | 1, 1 << 63 | 1, 17 << 8 | 1] {
            records[..8].copy_from_slice(&header.to_le_bytes());
            assert_eq!(read(&records, 0, 16), Err(Damaged { at: 0, header: Some(header) }));
        }
    }

    #[test]
    fn a_message_that_cannot_be_had_leaves_the_batch_as_it_was() {
        let mut records = b"before".to_vec();
        assert_eq!(write(&mut records, 8, 0, |_| Err(3)), Err(3));
        assert_eq!(records, b"before");
    }
}
