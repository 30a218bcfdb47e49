//! What a ring says that it is: its number, its time, its first position, its type's name, and what only later versions
//! know.

mod common;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Ring, refuses, word};
use ringmain::inspect::{Inspection, Tapped};
use ringmain::{Attribute, Error, Options, message, unlink};

fn messages(options: &Options) -> [Result<(), Error>; 2] {
    [options.message_producer().map(drop), options.message_consumer().map(drop)]
}

fn numbers(options: &Options) -> [Result<(), Error>; 2] {
    [options.stream_producer::<u64>().map(drop), options.stream_consumer::<u64>().map(drop)]
}

/// Attaches in every way that takes a role or makes a ring.
fn attempts(ring: &Ring) -> Vec<Result<(), Error>> {
    let options = ring.options();
    let made = [options.create_stream(std::alloc::Layout::new::<u64>()).map(drop)];
    let creating = numbers(&options.clone().capacity(8));
    numbers(&options).into_iter().chain(creating).chain(made).collect()
}

fn ring() -> Ring {
    let ring = Ring::new();
    ring.make::<u64>(8);
    ring
}

#[test]
fn every_ring_has_another_number_which_is_never_zero() {
    let mut found: Vec<u64> = (0..100)
        .map(|_| Options::anonymous().capacity(1).stream_producer::<u8>().unwrap().ring_id())
        .chain([0])
        .collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 101);
}

#[test]
fn all_who_come_to_a_ring_find_the_same_number_time_and_first_position() {
    let ring = Ring::new();
    let before = SystemTime::now();
    let tx = ring.options().capacity(4096).start_at(1 << 40).message_producer().unwrap();
    let rx = ring.options().message_consumer().unwrap();
    let seen = Inspection::open(ring.name()).unwrap();
    assert_eq!([tx.ring_id(), rx.ring_id(), seen.ring_id()], [ring.word(word::RING_ID); 3]);
    assert_eq!([tx.first_position(), rx.first_position(), seen.first_position()], [1 << 40; 3]);
    assert_eq!(seen.created(), UNIX_EPOCH + Duration::from_nanos(ring.word(word::CREATED)));
    let tolerance = Duration::from_secs(3600);
    assert!(seen.created() >= before - tolerance && seen.created() <= SystemTime::now() + tolerance);
}

#[test]
fn a_ring_that_is_made_anew_under_a_name_has_another_number() {
    let ring = ring();
    let stood = Inspection::open(ring.name()).unwrap().ring_id();
    unlink(ring.name()).unwrap();
    ring.make::<u64>(8);
    assert_ne!(Inspection::open(ring.name()).unwrap().ring_id(), stood);
}

#[test]
fn a_ring_begins_where_it_was_told_to_and_passes_the_end_of_the_positions() {
    for first in [1, 7, 8, 1 << 32, u64::MAX - 3] {
        let ring = Ring::new();
        let mut tx = ring.options().capacity(8).start_at(first).stream_producer::<u64>().unwrap();
        let mut rx = ring.options().stream_consumer::<u64>().unwrap();
        assert_eq!([word::TAIL, word::HEAD, word::FIRST_POSITION].map(|at| ring.word(at)), [first; 3]);
        assert_eq!(Inspection::open(ring.name()).unwrap().positions().unwrap().used, 0);
        for element in 0..20 {
            tx.push(element).unwrap();
            assert_eq!(rx.pop(), Ok(element));
        }
        drop((tx, rx));
        assert_eq!([word::TAIL, word::HEAD].map(|at| ring.word(at)), [first.wrapping_add(20); 2]);
        assert_eq!(ring.word(word::FIRST_POSITION), first);
    }
}

#[test]
fn a_message_ring_begins_with_a_record() {
    for alignment in [8, 16, 32, 64] {
        let ring = Ring::new();
        let first = 3 * 4096 + 5 * alignment as u64;
        let options = ring.options().capacity(4096).record_alignment(alignment);
        for refused in [1, first + 1, first + alignment as u64 / 2] {
            for attempt in messages(&options.clone().start_at(refused)) {
                let multiple = format!("of {alignment} bytes");
                refuses!(
                    attempt,
                    Error::InvalidOption { option: "first position", found, expected }
                        if found == refused.to_string() && expected.ends_with(&multiple)
                );
            }
        }
        assert!(!ring.exists());
        let mut tx = options.start_at(first).message_producer().unwrap();
        let mut rx = ring.options().message_consumer().unwrap();
        let seen = Inspection::open(ring.name()).unwrap();
        tx.push(b"one").unwrap();
        assert_eq!(seen.tap().next(&mut Vec::new()), Ok(Tapped::Unit { position: first }));
        let mut bytes = [0; 8];
        assert_eq!(rx.pop(&mut bytes), Ok(3));
        assert_eq!(&bytes[..3], b"one");
    }
}

#[test]
fn the_first_position_that_was_asked_for_is_ignored_where_a_ring_stands() {
    let ring = Ring::new();
    drop(ring.options().capacity(4096).start_at(64).message_producer().unwrap());
    for asked in [0, 64, 128] {
        let rx: message::Consumer = ring.options().start_at(asked).message_consumer().unwrap();
        assert_eq!(rx.first_position(), 64);
    }
}

#[test]
fn a_type_tag_stands_in_the_ring_as_text() {
    let longest = "t".repeat(64);
    for tag in ["", "trade", "h\u{e4}ndel", "a\0b", &longest] {
        let ring = Ring::new();
        drop(ring.options().capacity(8).type_tag(tag).stream_producer::<u64>().unwrap());
        assert_eq!(Inspection::open(ring.name()).unwrap().type_tag(), tag);
        numbers(&ring.options().type_tag(tag)).into_iter().for_each(Result::unwrap);
        numbers(&ring.options().any_type(true)).into_iter().for_each(Result::unwrap);
        for attempt in numbers(&ring.options().type_tag("quote")) {
            let error = attempt.unwrap_err();
            assert!(
                error.to_string().contains(&format!("has type tag {tag:?}, expected \"quote\"")),
                "{error} of {error:?}"
            );
        }
    }
}

#[test]
fn a_type_tag_that_is_too_long_is_refused() {
    let ring = Ring::new();
    for tag in ["t".repeat(65), "\u{e4}".repeat(33), "t".repeat(100_000)] {
        let options = ring.options().capacity(8).type_tag(&tag);
        for attempt in numbers(&options).into_iter().chain(messages(&options)) {
            let len = format!("{} bytes", tag.len());
            refuses!(
                attempt,
                Error::InvalidOption { option: "type tag", found, expected } if found == len && expected == "at most 64"
            );
        }
    }
    assert!(!ring.exists());
}

#[test]
fn control_characters_of_a_type_tag_do_not_reach_a_terminal() {
    let ring = Ring::new();
    drop(ring.options().capacity(8).type_tag("\u{1b}[2J\n").stream_producer::<u64>().unwrap());
    let error = ring.options().stream_consumer::<u64>().unwrap_err().to_string();
    assert!(error.contains(r#""\u{1b}[2J\n""#) && !error.contains('\u{1b}') && !error.contains('\n'), "{error:?}");
}

/// Overwrites a word of a ring of eight numbers, and checks how that is refused, to all who attach and to whoever
/// looks.
#[track_caller]
fn check_damage(at: u64, value: u64, expected: (Attribute, u64, u64)) {
    let ring = ring();
    ring.set_word(at, value);
    let looked = Inspection::open(ring.name()).map(drop);
    for refused in attempts(&ring).into_iter().chain([looked]) {
        refuses!(refused, Error::Mismatch { what, found, expected: asked, .. } if (what, found, asked) == expected);
    }
}

#[test]
fn a_header_length_that_cannot_be_is_refused() {
    for length in [0, 0x2ff, 0x1001, u64::MAX] {
        check_damage(word::HEADER_LENGTH, length, (Attribute::HeaderLength, length, length.clamp(0x300, 4096)));
    }
    let ring = ring();
    for length in [0x308, 4096] {
        ring.set_word(word::HEADER_LENGTH, length);
        numbers(&ring.options()).into_iter().for_each(Result::unwrap);
    }
}

#[test]
fn a_type_tag_that_is_none_is_refused() {
    for length in [65, 1 << 32, u64::MAX] {
        check_damage(word::TAG_LENGTH, length, (Attribute::TagLength, length, 64));
    }
    // Text without a length.
    check_damage(word::TAG_TEXT, u64::from_ne_bytes(*b"trade\0\0\0"), (Attribute::TagLength, 0, 5));
    let ring = Ring::new();
    drop(ring.options().capacity(8).type_tag("trade").stream_producer::<u64>().unwrap());
    let object = OpenOptions::new().write(true).open(ring.path()).unwrap();
    for invalid in [&b"tr\xffde"[..], b"trad\xc3", b"t\xed\xa0\x80x"] {
        object.write_all_at(invalid, word::TAG_TEXT).unwrap();
        let valid = std::str::from_utf8(invalid).unwrap_err().valid_up_to() as u64;
        let options = [ring.options(), ring.options().type_tag("trade"), ring.options().any_type(true)];
        let looked = Inspection::open(ring.name()).map(drop);
        for refused in options.iter().flat_map(numbers).chain([looked]) {
            refuses!(refused, Error::Mismatch { what: Attribute::TagText, found, expected: 5, .. } if found == valid);
        }
    }
    object.write_all_at(b"trade", word::TAG_TEXT).unwrap();
    numbers(&ring.options().type_tag("trade")).into_iter().for_each(Result::unwrap);
}

#[test]
fn an_unknown_incompatible_feature_is_refused_to_all() {
    let ring = ring();
    let bits = 1 << 63 | 1;
    ring.set_word(word::INCOMPATIBLE, bits);
    // It may have changed what everything else means.
    ring.set_word(word::KIND, 99);
    let looked = Inspection::open(ring.name()).map(drop);
    for refused in attempts(&ring).into_iter().chain([looked]) {
        refuses!(refused, Error::UnknownFeatures { found, known: 0, can_be_inspected: false, .. } if found == bits);
    }
}

#[test]
fn an_unknown_incompatible_feature_is_named_with_those_that_are_known() {
    let ring = ring();
    ring.set_word(word::INCOMPATIBLE, 0x12);
    let error = ring.options().stream_consumer::<u64>().unwrap_err().to_string();
    assert!(error.contains("incompatible features 0x12") && error.contains("knows 0x0"), "{error}");
    // The list of all rings has it, with the reason.
    let found = Inspection::all().unwrap().find(|found| found.name == ring.name()).unwrap();
    refuses!(&found.ring, Error::UnknownFeatures { found: 0x12, .. });
}

#[test]
fn a_ring_with_an_unknown_read_only_compatible_feature_can_be_looked_at_and_no_more() {
    let ring = ring();
    ring.set_word(word::READ_ONLY_COMPATIBLE, 4);
    for refused in attempts(&ring) {
        refuses!(refused, Error::UnknownFeatures { found: 4, known: 0, can_be_inspected: true, .. });
    }
    let seen = Inspection::open(ring.name()).unwrap();
    let features = seen.features();
    assert_eq!((features.incompatible, features.compatible, features.read_only_compatible), (0, 0, 4));
    assert_eq!(ring.word(word::CONSUMER_PRESENCE), 0);
}

#[test]
fn an_unknown_compatible_feature_is_ignored() {
    let ring = ring();
    ring.set_word(word::COMPATIBLE, u64::MAX);
    attempts(&ring).into_iter().for_each(|attempt| attempt.unwrap());
    assert_eq!(Inspection::open(ring.name()).unwrap().features().compatible, u64::MAX);
}

#[test]
fn a_ring_of_another_version_is_refused_by_its_version_whatever_else_it_says() {
    let ring = ring();
    for at in (word::KIND..word::PRODUCER_PRESENCE).chain(word::FIRST_POSITION..word::HEADER_END).step_by(8) {
        ring.set_word(at, u64::MAX);
    }
    ring.set_word(word::LAYOUT_VERSION, 3);
    let looked = Inspection::open(ring.name()).map(drop);
    for refused in attempts(&ring).into_iter().chain([looked]) {
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("layout version 3, expected 4"), "{error}");
    }
}

#[test]
fn what_a_dead_creator_wrote_of_an_identity_is_removed() {
    for (at, value) in [
        (word::HEADER_LENGTH, 0x300),
        (word::RING_ID, u64::MAX),
        (word::CREATED, 1),
        (word::TAIL, 64),
        (word::HEAD, 64),
        (word::FIRST_POSITION, 64),
        (word::TAG_LENGTH, 5),
        (word::TAG_TEXT, u64::MAX),
        (word::TAG_TEXT + 56, u64::MAX),
    ] {
        let ring = Ring::new();
        let object = OpenOptions::new().write(true).create_new(true).open(ring.path()).unwrap();
        object.set_len(4096 + 64).unwrap();
        drop(object);
        std::fs::set_permissions(ring.path(), std::os::unix::fs::PermissionsExt::from_mode(0o1600)).unwrap();
        ring.set_word(at, value);
        refuses!(ring.options().stream_consumer::<u64>().map(drop), Error::NotFound { .. });
        assert!(!ring.exists(), "{at:#x}");
    }
}
