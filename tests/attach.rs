//! What an attach asks of the ring that stands under the name, and what it says when that is another one.
//!
//! What is no ring at all stands in `foreign.rs`.

mod common;

use std::fs::{self, OpenOptions};
use std::time::Duration;

use common::{Numbered, Ring, Tick, refuses, word};
use ringmain::stream::Element;
use ringmain::{Attribute, Creation, Error, Options};

/// Attaches in either role, and lets go.
fn attempts<T: Element>(options: &Options) -> [Result<(), Error>; 2] {
    [options.stream_producer::<T>().map(drop), options.stream_consumer::<T>().map(drop)]
}

#[track_caller]
fn check_mismatch<T: Element>(options: &Options, expected: (Attribute, u64, u64)) {
    for attempt in attempts::<T>(options) {
        match attempt {
            Err(Error::Mismatch { name: _, what, found, expected: asked }) => {
                assert_eq!((what, found, asked), expected)
            }
            other => panic!("{other:?}, expected {expected:?}"),
        }
    }
}

#[track_caller]
fn check_other_tag<T: Element>(options: &Options, stands: &str, asked: &str) {
    for attempt in attempts::<T>(options) {
        refuses!(attempt, Error::OtherTypeTag { found, expected, .. } if (&*found, &*expected) == (stands, asked));
    }
}

/// Checks that a ring stands as it was made, and was not entered meanwhile.
#[track_caller]
fn check_untouched(ring: &Ring, capacity: usize) {
    assert_eq!((ring.word(word::PRODUCER_PRESENCE), ring.word(word::CONSUMER_PRESENCE)), (2, 0));
    let mut tx = ring.options().stream_producer::<u64>().unwrap();
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    assert_eq!((tx.capacity(), rx.capacity()), (capacity, capacity));
    assert_eq!(tx.push(7), Ok(()));
    assert_eq!(rx.pop(), Ok(7));
}

/// The type id of `docs/format.md`.
fn type_id(tag: &str, size: u64, align: u64) -> u64 {
    let words = [size.to_le_bytes(), align.to_le_bytes()].concat();
    let bytes = [tag.as_bytes(), &words].concat();
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn another_element_size_is_refused() {
    let ring = Ring::new();
    ring.make::<u64>(8);
    check_mismatch::<u32>(&ring.options(), (Attribute::ElementSize, 8, 4));
    check_mismatch::<Tick>(&ring.options(), (Attribute::ElementSize, 8, 40));
    check_untouched(&ring, 8);
}

#[test]
fn another_element_alignment_is_refused() {
    let ring = Ring::new();
    ring.make::<u64>(8);
    check_mismatch::<[u32; 2]>(&ring.options(), (Attribute::ElementAlign, 8, 4));
    check_untouched(&ring, 8);
}

#[test]
fn another_type_tag_is_refused() {
    let ring = Ring::new();
    ring.make::<u64>(8);
    check_other_tag::<u64>(&ring.options().type_tag("tick"), "", "tick");
    check_untouched(&ring, 8);
}

#[test]
fn a_type_tag_is_shared_by_both_sides() {
    let ring = Ring::new();
    let tagged = ring.options().type_tag("tick");
    let mut tx = tagged.clone().capacity(8).stream_producer::<Tick>().unwrap();
    check_other_tag::<Tick>(&ring.options(), "tick", "");
    assert_eq!(ring.word(word::TYPE_ID), type_id("tick", 40, 8));
    let mut rx = tagged.stream_consumer::<Tick>().unwrap();
    tx.push(Tick::at(7)).unwrap();
    assert_eq!(rx.pop(), Ok(Tick::at(7)));
}

#[test]
fn another_capacity_is_refused() {
    let ring = Ring::new();
    ring.make::<u64>(8);
    check_mismatch::<u64>(&ring.options().capacity(16), (Attribute::Capacity, 8, 16));
    check_mismatch::<u64>(&ring.options().capacity(9), (Attribute::Capacity, 8, 16));
    check_mismatch::<u64>(&ring.options().capacity(4), (Attribute::Capacity, 8, 4));
    check_untouched(&ring, 8);
}

#[test]
fn a_capacity_is_rounded_up_to_a_power_of_two() {
    for (asked, expected) in [(1, 1), (2, 2), (3, 4), (5, 8), (8, 8), (1000, 1024)] {
        let ring = Ring::new();
        let mut tx = ring.options().capacity(asked).stream_producer::<u64>().unwrap();
        assert_eq!(tx.capacity(), expected);
        assert_eq!(tx.push_slice(&vec![7; expected + 1]), Ok(expected));
        assert_eq!(fs::metadata(ring.path()).unwrap().len(), 4096 + 8 * expected as u64);
        // Rounded alike, the same number matches.
        assert_eq!(ring.options().capacity(asked).stream_consumer::<u64>().unwrap().capacity(), expected);
    }
}

/// Overwrites a word of a ring of eight numbers, and checks how that is refused, and that nothing else is wrong.
#[track_caller]
fn check_damage(at: u64, value: u64, what: Attribute, expected: u64) {
    let ring = Ring::new();
    ring.make::<u64>(8);
    let stood = ring.word(at);
    ring.set_word(at, value);
    check_mismatch::<u64>(&ring.options(), (what, value, expected));
    ring.set_word(at, stood);
    check_untouched(&ring, 8);
}

#[test]
fn another_layout_version_is_refused() {
    for version in [3, 5, u64::MAX] {
        check_damage(word::LAYOUT_VERSION, version, Attribute::LayoutVersion, 4);
    }
}

#[test]
fn another_kind_is_refused() {
    check_damage(word::KIND, 2, Attribute::Kind, 1);
}

#[test]
fn a_header_that_contradicts_itself_is_refused() {
    check_damage(word::DATA_OFFSET, 8192, Attribute::DataOffset, 4096);
    check_damage(word::ELEMENT_SIZE, 0, Attribute::ElementSize, 8);
    check_damage(word::ELEMENT_ALIGN, 0, Attribute::ElementAlign, 8);
    check_damage(word::TYPE_ID, 0, Attribute::TypeId, type_id("", 8, 8));
    check_damage(word::SEGMENT_LENGTH, 0, Attribute::SegmentLength, 4096 + 64);
    check_damage(word::SEGMENT_LENGTH, u64::MAX, Attribute::SegmentLength, 4096 + 64);
}

#[test]
fn a_capacity_that_none_can_have_is_refused() {
    for capacity in [0, 3, 16, 1 << 58, 1 << 60, 1 << 61, 1 << 63, u64::MAX] {
        let ring = Ring::new();
        ring.make::<u64>(8);
        ring.set_word(word::CAPACITY, capacity);
        for attempt in attempts::<u64>(&ring.options()) {
            use Attribute::SegmentLength;
            refuses!(attempt, Error::Mismatch { what: SegmentLength, found: 4160, expected, .. } if expected != 4160);
        }
        ring.set_word(word::CAPACITY, 8);
        check_untouched(&ring, 8);
    }
}

#[test]
fn an_object_of_another_length_than_its_header_says_is_refused() {
    for len in [4096, 4159, 4161, 8192] {
        let ring = Ring::new();
        ring.make::<u64>(8);
        let object = OpenOptions::new().write(true).open(ring.path()).unwrap();
        object.set_len(len).unwrap();
        check_mismatch::<u64>(&ring.options(), (Attribute::ObjectLength, len, 4160));
        object.set_len(4160).unwrap();
        // What was cut off has no memory any more.
        rustix::fs::fallocate(&object, rustix::fs::FallocateFlags::empty(), 0, 4160).unwrap();
        check_untouched(&ring, 8);
    }
}

#[test]
fn a_new_ring_is_refused_where_one_stands() {
    let ring = Ring::new();
    ring.make::<u64>(8);
    for attempt in attempts::<u64>(&ring.options().capacity(8).create(Creation::New)) {
        refuses!(attempt, Error::AlreadyExists { .. });
    }
    check_untouched(&ring, 8);
}

#[test]
fn a_new_ring_is_made_where_none_stands() {
    let ring = Ring::new();
    let rx = ring.options().capacity(8).create(Creation::New).stream_consumer::<u64>().unwrap();
    assert_eq!((rx.capacity(), rx.generation()), (8, 1));
}

#[test]
fn a_ring_is_never_made_where_that_is_forbidden() {
    let ring = Ring::new();
    let options = ring.options().capacity(8).create(Creation::Never);
    for attempt in attempts::<u64>(&options) {
        refuses!(attempt, Error::NotFound { .. });
    }
    assert!(!ring.exists());
    ring.make::<u64>(8);
    drop(options.stream_consumer::<u64>().unwrap());
}

#[test]
fn a_ring_is_not_made_without_a_capacity() {
    let ring = Ring::new();
    for creation in [Creation::IfMissing, Creation::Never] {
        for attempt in attempts::<u64>(&ring.options().create(creation)) {
            refuses!(attempt, Error::NotFound { name, .. } if name == ring.name());
        }
    }
    // No other process can make it for this one.
    for attempt in attempts::<u64>(&ring.options().create(Creation::New)) {
        refuses!(attempt, Error::NoCapacity);
    }
    assert!(!ring.exists());
}

#[test]
fn a_wait_for_a_ring_that_does_not_come_ends() {
    let ring = Ring::new();
    let limit = Duration::from_millis(30);
    for attempt in attempts::<u64>(&ring.options().wait_for(limit)) {
        refuses!(attempt, Error::NotFound { waited, .. } if waited >= limit);
    }
}

#[test]
fn a_name_that_no_ring_can_have_is_refused() {
    let long = "x".repeat(31);
    for name in ["", ".", "..", ".hidden", "a/b", "/a", "a b", "a\0b", "a\n", "tické", &long] {
        for attempt in attempts::<u64>(&Options::new(name).capacity(8)).into_iter().chain([ringmain::unlink(name)]) {
            refuses!(attempt, Error::InvalidName { name: refused, .. } if refused == name);
        }
    }
}

#[test]
fn the_longest_name_is_accepted() {
    let ring = Ring::of_length(30);
    let tx = ring.options().capacity(8).stream_producer::<u64>().unwrap();
    assert_eq!((tx.name(), tx.name().len()), (ring.name(), 30));
    assert!(ring.exists());
    ringmain::unlink(ring.name()).unwrap();
    assert!(!ring.exists());
}

#[test]
fn a_capacity_of_nothing_or_too_much_is_refused() {
    let ring = Ring::new();
    for refused in [0, usize::MAX, usize::MAX / 2 + 2, usize::MAX / 8, 1 << 60] {
        for attempt in attempts::<u64>(&ring.options().capacity(refused)) {
            let given = format!("{refused} elements of 8 bytes");
            refuses!(attempt, Error::InvalidOption { option: "capacity", found, .. } if found == given);
        }
    }
    assert!(!ring.exists());
}

#[test]
fn a_mode_that_is_no_permission_or_keeps_the_owner_out_is_refused() {
    let ring = Ring::new();
    for refused in [0o0, 0o400, 0o200, 0o1600, 0o4600, 0o066, 0o100_600, u32::MAX] {
        for attempt in attempts::<u64>(&ring.options().capacity(8).mode(refused)) {
            let given = format!("{refused:#o}");
            refuses!(attempt, Error::InvalidOption { option: "mode", found, .. } if found == given);
        }
    }
    assert!(!ring.exists());
}

/// Each refusal was of what it was meant for: without it, the same attach goes well.
#[test]
fn the_ring_that_was_asked_for_is_accepted() {
    let ring = Ring::new();
    ring.make::<u64>(8);
    for options in [ring.options(), ring.options().capacity(8), ring.options().create(Creation::Never)] {
        for attempt in attempts::<u64>(&options) {
            attempt.unwrap();
        }
    }
    assert_eq!(ring.word(word::MAGIC).to_le_bytes(), *b"RINGMAIN");
    assert_eq!(fs::metadata(ring.path()).unwrap().len(), 4160);
}
