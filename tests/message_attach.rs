//! What an attach to a message ring asks of what stands under the name, and how long its messages can be.

mod common;

use std::fs;

use common::messages::ring_of;
use common::{Ring, refuses, word};
use ringmain::{Attribute, Creation, Error, Options};
use ringmain::{PopError, PushError};

const ALIGNMENTS: [usize; 4] = [8, 16, 32, 64];

/// Returns the size of a page, which is that of the smallest ring.
fn page() -> usize {
    rustix::param::page_size()
}

/// Returns where the data area starts.
fn data_offset() -> u64 {
    page().max(4096) as u64
}

/// Attaches in either role, and lets go.
fn attempts(options: &Options) -> [Result<(), Error>; 2] {
    [options.message_producer().map(drop), options.message_consumer().map(drop)]
}

/// The same as a stream of bytes.
fn stream_attempts(options: &Options) -> [Result<(), Error>; 2] {
    [options.stream_producer::<u8>().map(drop), options.stream_consumer::<u8>().map(drop)]
}

#[track_caller]
fn check_mismatch(attempts: [Result<(), Error>; 2], expected: (Attribute, u64, u64)) {
    for attempt in attempts {
        refuses!(attempt, Error::Mismatch { what, found, expected: asked, .. } if (what, found, asked) == expected);
    }
}

/// Checks that a ring of a page stands as it was made, and was not entered meanwhile.
#[track_caller]
fn check_untouched(ring: &Ring, alignment: usize) {
    assert_eq!((ring.word(word::PRODUCER_PRESENCE), ring.word(word::CONSUMER_PRESENCE)), (2, 0));
    let mut tx = ring.options().message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    assert_eq!((tx.capacity(), rx.capacity()), (page(), page()));
    assert_eq!((tx.record_alignment(), rx.record_alignment()), (alignment, alignment));
    assert_eq!(tx.push(b"seven"), Ok(()));
    let mut bytes = Vec::new();
    assert_eq!(rx.pop_into(&mut bytes), Ok(5));
    assert_eq!(bytes, b"seven");
}

/// The type id of `docs/format.md`.
fn type_id(tag: &str) -> u64 {
    let bytes = [tag.as_bytes(), &1_u64.to_le_bytes(), &1_u64.to_le_bytes()].concat();
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn a_capacity_is_rounded_up_to_a_power_of_two_and_a_page() {
    let page = page();
    let asked = [(1, page), (100, page), (page - 1, page), (page, page), (page + 1, 2 * page), (5 * page, 8 * page)];
    for (asked, expected) in asked {
        let ring = Ring::new();
        let tx = ring.options().capacity(asked).message_producer().unwrap();
        assert_eq!((tx.capacity(), ring.word(word::CAPACITY)), (expected, expected as u64));
        // Rounded alike, the same number matches.
        assert_eq!(ring.options().capacity(asked).message_consumer().unwrap().capacity(), expected);
    }
}

#[test]
fn a_ring_says_of_itself_what_the_document_of_the_format_says() {
    for alignment in ALIGNMENTS {
        let ring = ring_of(65_536, alignment);
        let length = data_offset() + 65_536;
        let identity = [
            (word::MAGIC, u64::from_ne_bytes(*b"RINGMAIN")),
            (word::LAYOUT_VERSION, 4),
            (word::KIND, 2),
            (word::DATA_OFFSET, data_offset()),
            (word::SEGMENT_LENGTH, length),
            (word::CAPACITY, 65_536),
            (word::ELEMENT_SIZE, 1),
            (word::ELEMENT_ALIGN, 1),
            (word::TYPE_ID, type_id("")),
            (word::RECORD_ALIGN, alignment as u64),
            (word::HEADER_LENGTH, 0x300),
            (word::INCOMPATIBLE, 0),
            (word::COMPATIBLE, 0),
            (word::READ_ONLY_COMPATIBLE, 0),
            (word::FIRST_POSITION, 0),
            (word::TAG_LENGTH, 0),
            (word::TAG_TEXT, 0),
        ];
        for (at, expected) in identity {
            assert_eq!(ring.word(at), expected, "the word at {at:#x}");
        }
        assert_eq!(fs::metadata(ring.path()).unwrap().len(), length);
    }
}

#[test]
fn a_stream_ring_has_no_record_alignment_and_ignores_one_that_is_given() {
    let ring = Ring::new();
    let options = ring.options().capacity(8).record_alignment(7);
    let mut tx = options.stream_producer::<u64>().unwrap();
    assert_eq!((tx.push(7), ring.word(word::RECORD_ALIGN)), (Ok(()), 0));
    ring.set_word(word::RECORD_ALIGN, 8);
    drop(tx);
    refuses!(
        options.stream_producer::<u64>(),
        Error::Mismatch { what: Attribute::RecordAlign, found: 8, expected: 0, .. }
    );
}

#[test]
fn another_capacity_is_refused() {
    let (ring, page) = (ring_of(page(), 8), page() as u64);
    let options = ring.options();
    check_mismatch(attempts(&options.clone().capacity(2 * page as usize)), (Attribute::Capacity, page, 2 * page));
    check_mismatch(attempts(&options.capacity(page as usize + 1)), (Attribute::Capacity, page, 2 * page));
    check_untouched(&ring, 8);
}

#[test]
fn another_alignment_is_refused() {
    for stands in ALIGNMENTS {
        let ring = ring_of(page(), stands);
        for asked in ALIGNMENTS.into_iter().filter(|&asked| asked != stands) {
            let expected = (Attribute::RecordAlign, stands as u64, asked as u64);
            check_mismatch(attempts(&ring.options().record_alignment(asked)), expected);
        }
        check_untouched(&ring, stands);
    }
}

#[test]
fn without_an_alignment_what_stands_is_taken_and_eight_is_made() {
    for stands in ALIGNMENTS {
        let ring = ring_of(page(), stands);
        for options in [ring.options(), ring.options().capacity(1), ring.options().record_alignment(stands)] {
            attempts(&options).into_iter().for_each(Result::unwrap);
            assert_eq!(options.message_producer().unwrap().record_alignment(), stands);
        }
    }
    let ring = Ring::new();
    assert_eq!(ring.options().capacity(1).message_consumer().unwrap().record_alignment(), 8);
}

#[test]
fn an_alignment_that_no_record_can_have_is_refused() {
    let ring = Ring::new();
    for refused in [0, 1, 2, 4, 7, 9, 12, 24, 65, 128, 4096, usize::MAX] {
        for options in [ring.options().record_alignment(refused), ring.options().record_alignment(refused).capacity(1)]
        {
            for attempt in attempts(&options) {
                let given = format!("{refused} bytes");
                refuses!(attempt, Error::InvalidOption { option: "record alignment", found, .. } if found == given);
            }
        }
    }
    assert!(!ring.exists());
}

#[test]
fn a_capacity_of_nothing_or_too_much_is_refused() {
    let ring = Ring::new();
    for refused in [0, usize::MAX, usize::MAX / 2 + 2, 1 << 63, 1 << 62] {
        for attempt in attempts(&ring.options().capacity(refused)) {
            let given = format!("{refused} bytes");
            refuses!(attempt, Error::InvalidOption { option: "capacity", found, .. } if found == given);
        }
    }
    assert!(!ring.exists());
}

#[test]
fn a_stream_is_no_message_ring_and_a_message_ring_no_stream() {
    let ring = ring_of(page(), 8);
    check_mismatch(stream_attempts(&ring.options()), (Attribute::Kind, 2, 1));
    check_mismatch(stream_attempts(&ring.options().capacity(page())), (Attribute::Kind, 2, 1));
    check_untouched(&ring, 8);
    let ring = Ring::new();
    ring.make::<u8>(page());
    check_mismatch(attempts(&ring.options()), (Attribute::Kind, 1, 2));
    check_mismatch(attempts(&ring.options().capacity(page()).record_alignment(8)), (Attribute::Kind, 1, 2));
    stream_attempts(&ring.options()).into_iter().for_each(Result::unwrap);
}

#[test]
fn a_type_tag_is_shared_by_both_sides() {
    let ring = Ring::new();
    let tagged = ring.options().type_tag("orders");
    let mut tx = tagged.clone().capacity(1).message_producer().unwrap();
    assert_eq!(ring.word(word::TYPE_ID), type_id("orders"));
    for asked in ["", "ticks"] {
        for attempt in attempts(&ring.options().type_tag(asked)) {
            let tags = ["orders", asked];
            refuses!(attempt, Error::OtherTypeTag { found, expected, .. } if [&*found, &*expected] == tags);
        }
    }
    let mut rx = tagged.message_consumer().unwrap();
    assert_eq!(tx.push_value(&7_u64), Ok(()));
    assert_eq!(rx.pop_value::<u64>(), Ok(7));
}

/// Overwrites a word of a ring of a page, and checks how that is refused, and that nothing else is wrong.
#[track_caller]
fn check_damage(options: impl Fn(&Ring) -> Options, at: u64, value: u64, what: Attribute, expected: u64) {
    let ring = ring_of(page(), 16);
    let stood = ring.word(at);
    ring.set_word(at, value);
    check_mismatch(attempts(&options(&ring)), (what, value, expected));
    ring.set_word(at, stood);
    check_untouched(&ring, 16);
}

#[test]
fn another_layout_version_is_refused() {
    for version in [3, 5, u64::MAX] {
        check_damage(Ring::options, word::LAYOUT_VERSION, version, Attribute::LayoutVersion, 4);
    }
}

#[test]
fn a_damaged_record_alignment_is_refused() {
    for damaged in [0, 1, 4, 7, 24, 128, 4096, 1 << 63, u64::MAX] {
        let at = word::RECORD_ALIGN;
        // Nothing that is damaged can be taken over: the smallest is what it could have been.
        check_damage(Ring::options, at, damaged, Attribute::RecordAlign, 8);
        check_damage(|ring| ring.options().record_alignment(16), at, damaged, Attribute::RecordAlign, 16);
        check_damage(|ring| ring.options().capacity(1), at, damaged, Attribute::RecordAlign, 8);
    }
}

#[test]
fn a_header_that_contradicts_itself_is_refused() {
    let length = data_offset() + page() as u64;
    check_damage(Ring::options, word::LAYOUT_VERSION, 3, Attribute::LayoutVersion, 4);
    check_damage(Ring::options, word::KIND, 3, Attribute::Kind, 2);
    check_damage(Ring::options, word::DATA_OFFSET, 0, Attribute::DataOffset, data_offset());
    check_damage(Ring::options, word::DATA_OFFSET, 2 * data_offset(), Attribute::DataOffset, data_offset());
    check_damage(Ring::options, word::DATA_OFFSET, u64::MAX, Attribute::DataOffset, data_offset());
    check_damage(Ring::options, word::ELEMENT_SIZE, 8, Attribute::ElementSize, 1);
    check_damage(Ring::options, word::ELEMENT_ALIGN, 8, Attribute::ElementAlign, 1);
    check_damage(Ring::options, word::TYPE_ID, 0, Attribute::TypeId, type_id(""));
    check_damage(Ring::options, word::SEGMENT_LENGTH, length - 1, Attribute::SegmentLength, length);
    check_damage(Ring::options, word::SEGMENT_LENGTH, u64::MAX, Attribute::SegmentLength, length);
}

#[test]
fn a_capacity_that_none_can_have_is_refused() {
    let page = page() as u64;
    for damaged in [0, 1, 8, page / 2, page + 1, 3 * page, 2 * page, 1 << 40, 1 << 61, 1 << 62, 1 << 63, u64::MAX] {
        let ring = ring_of(page as usize, 8);
        let length = ring.word(word::SEGMENT_LENGTH);
        ring.set_word(word::CAPACITY, damaged);
        for attempt in attempts(&ring.options()) {
            refuses!(attempt, Error::Mismatch { what: Attribute::SegmentLength, found, expected, .. }
                if found == length && expected != length);
        }
        check_mismatch(attempts(&ring.options().capacity(1)), (Attribute::Capacity, damaged, page));
        ring.set_word(word::CAPACITY, page);
        check_untouched(&ring, 8);
    }
}

#[test]
fn a_header_and_an_object_that_grew_together_are_no_room_for_more_than_the_address_space() {
    // The lengths agree with each other, and no object is as long.
    for damaged in [1 << 61, 1 << 62] {
        let ring = ring_of(page(), 8);
        ring.set_word(word::CAPACITY, damaged);
        ring.set_word(word::SEGMENT_LENGTH, data_offset() + damaged);
        for attempt in attempts(&ring.options()) {
            refuses!(attempt, Error::Mismatch { what: Attribute::SegmentLength | Attribute::ObjectLength, .. });
        }
    }
}

#[test]
fn an_object_of_another_length_than_its_header_says_is_refused() {
    let length = data_offset() + page() as u64;
    for len in [data_offset(), length - 1, length + 1, 2 * length] {
        let ring = ring_of(page(), 8);
        let object = fs::OpenOptions::new().write(true).open(ring.path()).unwrap();
        object.set_len(len).unwrap();
        check_mismatch(attempts(&ring.options()), (Attribute::ObjectLength, len, length));
        object.set_len(length).unwrap();
        // What was cut off has no memory any more.
        rustix::fs::fallocate(&object, rustix::fs::FallocateFlags::empty(), 0, length).unwrap();
        check_untouched(&ring, 8);
    }
}

#[test]
fn a_ring_is_made_and_found_as_creation_says() {
    let ring = Ring::new();
    for attempt in attempts(&ring.options()).into_iter().chain(attempts(&ring.options().create(Creation::Never))) {
        refuses!(attempt, Error::NotFound { .. });
    }
    // An alignment alone makes no ring.
    for attempt in attempts(&ring.options().record_alignment(64)) {
        refuses!(attempt, Error::NotFound { .. });
    }
    ring.options().capacity(1).create(Creation::New).message_consumer().unwrap().close().unwrap();
    for attempt in attempts(&ring.options().capacity(1).create(Creation::New)) {
        refuses!(attempt, Error::AlreadyExists { .. });
    }
    attempts(&ring.options().create(Creation::Never)).into_iter().for_each(Result::unwrap);
    ring.options().unlink_on_close(true).message_producer().unwrap().close().unwrap();
    assert!(!ring.exists());
}

/// The length of the longest message, by `docs/format.md`.
fn longest(capacity: usize, alignment: usize) -> usize {
    if alignment == 8 { capacity - 16 } else { capacity - alignment - 16 }
}

#[test]
fn messages_from_nothing_to_the_longest_pass_whole_and_longer_ones_are_refused() {
    for (capacity, alignment) in [(page(), 8), (page(), 16), (page(), 32), (page(), 64), (1 << 20, 8), (1 << 20, 64)] {
        let ring = ring_of(capacity, alignment);
        let mut tx = ring.options().message_producer().unwrap();
        let mut rx = ring.options().message_consumer().unwrap();
        let max = longest(capacity, alignment);
        assert_eq!((tx.max_len(), rx.max_len()), (max, max));
        let bytes: Vec<u8> = (0..=max).map(|at| (at % 251) as u8).collect();
        let mut popped = Vec::new();
        for len in [0, 1, max, 0, max - 1, max, 7, max] {
            tx.push(&bytes[..len]).unwrap();
            assert_eq!(rx.pop_into(&mut popped), Ok(len));
            assert!(popped == bytes[..len], "a message of {len} bytes changed on its way");
            // The longest leaves room for nothing.
            rx.release();
        }
        let refused = PushError::TooLong { len: max + 1, max };
        assert_eq!(tx.push(&bytes), Err(refused));
        assert_eq!(tx.claim(max + 1).map(drop), Err(refused));
        assert_eq!(tx.batch().push(&bytes), Err(refused));
        assert_eq!(tx.claim(usize::MAX).map(drop), Err(PushError::TooLong { len: usize::MAX, max }));
        assert_eq!((tx.can_push(max), tx.can_push(max + 1), tx.can_push(usize::MAX)), (Ok(true), Ok(false), Ok(false)));
        assert_eq!(rx.pop_into(&mut popped), Err(PopError::Empty));
        tx.push(&bytes[..max]).unwrap();
        assert!(matches!((tx.can_push(0), tx.push(&[])), (Ok(false), Err(PushError::Full(_)))));
    }
}

#[test]
fn a_value_without_bytes_is_an_empty_message() {
    let ring = ring_of(page(), 8);
    let mut tx = ring.options().message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    tx.push_value(&()).unwrap();
    tx.push(&[]).unwrap();
    assert_eq!(rx.pop_value::<u8>(), Err(PopError::WrongSize { len: 0, size: 1 }));
    assert_eq!(rx.peek().unwrap().value::<[u64; 0]>(0), Some([]));
    assert_eq!(rx.pop_value::<()>(), Ok(()));
    assert_eq!(rx.pop(&mut []), Ok(0));
    assert_eq!(rx.pop_value::<()>(), Err(PopError::Empty));
}
