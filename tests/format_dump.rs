//! The rings of `docs/format.md`, byte by byte: what the calls there leave in memory is what the document shows.
//!
//! After a change of the bytes, each failure prints the dump that belongs into the document.

mod common;

use std::fmt::Write;
use std::fs;

use common::{Ring, refuses, word};
use ringmain::{Error, Options, inspect::Inspection};

/// The words that differ with each run, and the letters that stand for their bytes.
const PLACEHOLDERS: [(u64, &str); 8] = [
    (word::RING_ID, "ii"),
    (word::CREATED, "cc"),
    (word::PRODUCER_PRESENCE + 0x08, "pp"),
    (word::PRODUCER_PRESENCE + 0x10, "ss"),
    (word::PRODUCER_PRESENCE + 0x18, "nn"),
    (word::CONSUMER_PRESENCE + 0x08, "pp"),
    (word::CONSUMER_PRESENCE + 0x10, "ss"),
    (word::CONSUMER_PRESENCE + 0x18, "nn"),
];

/// The words whose lowest bit depends on what the system allows.
const FENCES: [u64; 4] = [word::PRODUCER_PARKING, word::PRODUCER_WAKES, word::CONSUMER_PARKING, word::CONSUMER_WAKES];

/// Writes down what a ring holds: 16 bytes a line, without lines of zeros.
fn dump(ring: &Ring) -> String {
    let mut bytes = fs::read(ring.path()).unwrap();
    for at in FENCES {
        bytes[at as usize] &= !1;
    }
    let mut text = String::new();
    for (start, line) in (0..).step_by(16).zip(bytes.chunks(16)) {
        if line.iter().all(|&byte| byte == 0) {
            continue;
        }
        write!(text, "{start:04x} ").unwrap();
        for (at, byte) in (start..).zip(line) {
            match PLACEHOLDERS.iter().find(|&&(word, _)| (word..word + 8).contains(&at)) {
                Some((_, letters)) => write!(text, " {letters}").unwrap(),
                None => write!(text, " {byte:02x}").unwrap(),
            }
        }
        text.push('\n');
    }
    text
}

/// Compares a ring with the dump of this name in the document.
#[track_caller]
fn check(name: &str, ring: &Ring) {
    if cfg!(target_endian = "big") || Inspection::open(ring.name()).unwrap().segment_length() > 0x2000 {
        // The document shows the machine that most have.
        return;
    }
    let document = include_str!("../docs/format.md");
    let (_, rest) = document.split_once(&format!("```text dump {name}\n")).expect("the document has the dump");
    let (documented, _) = rest.split_once("```").unwrap();
    let found = dump(ring);
    assert!(documented == found, "docs/format.md shows of the {name} ring:\n{documented}\nand it holds:\n{found}");
}

#[test]
fn a_stream_ring_holds_what_the_document_shows() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(4).type_tag("trade").start_at(6).stream_producer::<u64>().unwrap();
    let mut rx = ring.options().type_tag("trade").stream_consumer::<u64>().unwrap();
    tx.push(0x11).unwrap();
    tx.push_slice(&[0x22, 0x33]).unwrap();
    assert_eq!(rx.pop(), Ok(0x11));
    rx.release();
    check("stream", &ring);
}

/// Sends and takes what the document says of both message rings.
fn exchange(options: &Options) -> (ringmain::message::Producer, ringmain::message::Consumer) {
    let mut tx = options.clone().capacity(4096).message_producer().unwrap();
    let mut rx = options.message_consumer().unwrap();
    tx.push(b"first").unwrap();
    let mut batch = tx.batch();
    batch.push(b"").unwrap();
    batch.push(b"ABCDEFGHI").unwrap();
    batch.commit();
    assert_eq!(rx.pop(&mut [0; 8]), Ok(5));
    rx.release();
    (tx, rx)
}

#[test]
fn a_message_ring_of_eight_holds_what_the_document_shows() {
    let ring = Ring::new();
    let _ends = exchange(&ring.options());
    check("message 8", &ring);
}

#[test]
fn a_message_ring_of_sixteen_holds_what_the_document_shows() {
    let ring = Ring::new();
    let (mut tx, _rx) = exchange(&ring.options().record_alignment(16));
    tx.push_tagged(0x0123_4567_89ab_cdef, b"word").unwrap();
    check("message 16", &ring);
}

#[test]
fn a_ring_that_nobody_came_to_holds_what_the_document_shows() {
    let ring = Ring::new();
    ring.options().capacity(4096).record_alignment(64).create_message().unwrap();
    check("message 64", &ring);
}

#[test]
fn an_end_with_a_tag_compares_the_words_that_the_document_shows() {
    let ring = Ring::new();
    let tagged = ring.options().type_tag("trade");
    drop(tagged.clone().capacity(4).stream_producer::<u64>().unwrap());
    if cfg!(target_endian = "little") {
        let [len, text, id] = [word::TAG_LENGTH, word::TAG_TEXT, word::TYPE_ID].map(|at| ring.word(at));
        let documented = format!("| `{len:#018x}` | `{text:#018x}` | 0 | `{id:#018x}` |");
        assert!(include_str!("../docs/format.md").contains(&documented), "docs/format.md lacks {documented}");
    }
    (word::TAG_TEXT + 8..word::TAG_TEXT + 64).step_by(8).for_each(|at| assert_eq!(ring.word(at), 0, "{at:#x}"));
    // The type id is as it was: the text alone tells.
    ring.set_word(word::TAG_TEXT, u64::from_ne_bytes(*b"trado\0\0\0"));
    let refused = tagged.stream_producer::<u64>();
    refuses!(refused, Error::OtherTypeTag { found, expected, .. } if [&*found, &*expected] == ["trado", "trade"]);
    ring.set_word(word::TAG_LENGTH, 0);
    ring.set_word(word::TAG_TEXT, 0);
    refuses!(tagged.stream_producer::<u64>(), Error::OtherTypeTag { found, .. } if found.is_empty());
    // A tool that takes any type compares neither.
    drop(tagged.any_type(true).stream_producer::<u64>().unwrap());
}
