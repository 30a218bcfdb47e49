//! Taps on rings whose words are lies.

mod common;

use common::messages::ring_of;
use common::{Ring, word};
use ringmain::inspect::{Inspection, Tap, Tapped};

/// Looks often, and returns what the looks came to in the end.
#[track_caller]
fn settles(tap: &mut Tap<'_>) -> bool {
    const LOOKS: usize = 10_000;
    let mut bytes = Vec::new();
    (0..LOOKS).any(|_| !matches!(tap.next(&mut bytes), Ok(Tapped::Missed { .. } | Tapped::Unit { .. })))
}

#[test]
fn a_tap_gets_past_a_head_that_starts_no_record() {
    let ring = ring_of(4096, 16);
    drop(ring.options().message_producer().unwrap());
    let seen = Inspection::open(ring.name()).unwrap();
    let mut tap = seen.tap();
    ring.set_word(word::HEAD, 3);
    ring.set_word(word::TAIL, 4096);
    assert!(settles(&mut tap));
    assert!(tap.next(&mut Vec::new()).is_err());
}

#[test]
fn a_tap_tells_of_positions_that_cannot_be() {
    let ring = Ring::new();
    ring.make::<u64>(64);
    let seen = Inspection::open(ring.name()).unwrap();
    let mut tap = seen.tap();
    assert_eq!(tap.next(&mut Vec::new()), Ok(Tapped::Nothing));
    ring.set_word(word::TAIL, 65);
    assert_eq!(tap.next(&mut Vec::new()), Err(seen.positions().unwrap_err()));
}

#[test]
fn whatever_the_words_are_a_tap_neither_panics_nor_runs_for_ever() {
    let numbers = [0, 1, 7, 8, 16, 63, 64, 2048, 2049, 4088, 4096, 4097, 1 << 32, 1 << 63, u64::MAX - 7, u64::MAX];
    for (stream, ring) in [(true, Ring::new()), (false, ring_of(4096, 8))] {
        if stream {
            ring.make::<u64>(64);
        } else {
            drop(ring.options().message_producer().unwrap());
        }
        let seen = Inspection::open(ring.name()).unwrap();
        for first in numbers {
            ring.set_word(word::HEAD, first);
            ring.set_word(word::TAIL, first);
            ring.set_word(word::DATA, first);
            let mut taps = [seen.tap(), seen.tap_new()];
            for head in numbers {
                for tail in numbers {
                    ring.set_word(word::HEAD, head);
                    ring.set_word(word::TAIL, tail);
                    ring.set_word(word::DATA + 8, tail);
                    for tap in &mut taps {
                        assert!(settles(tap), "head {head}, tail {tail}, after {first}");
                    }
                    let _ = (seen.positions(), seen.tap(), seen.tap_new());
                }
            }
        }
    }
}
