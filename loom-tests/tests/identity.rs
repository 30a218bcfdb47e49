//! Who sees the magic of a segment sees every row that says what it is.

use std::sync::atomic::Ordering;

use loom::thread;
use loom_tests::checked::CheckedWord;
use loom_tests::model::{assert_reached, check_unbounded, fails, fails_without, reached, until};
use loom_tests::ring::identity;
use loom_tests::ring::memory::Word;
use loom_tests::weakened::Site;

const MAGIC: u64 = 0x7269_6e67;
const ROWS: [u64; 3] = [1, 64, 4096];

/// A creator says what a segment is while another process looks.
fn a_segment_is_made<W: Word + Clone + Default + 'static>(magic: W, publish: fn(&W, u64, &[W], &[u64])) {
    let rows = ROWS.map(|_| W::default());
    let (creators_magic, creators_rows) = (magic.clone(), rows.clone());
    let creator = thread::spawn(move || publish(&creators_magic, MAGIC, &creators_rows, &ROWS));
    let found = until(|| match identity::observe(&magic, &rows) {
        (MAGIC, rows) => Some(rows),
        (magic, _) => {
            assert_eq!(magic, 0);
            reached("not made yet");
            None
        }
    });
    assert_eq!(found, ROWS, "stale rows");
    creator.join().unwrap();
}

#[test]
fn who_sees_the_magic_sees_every_row() {
    check_unbounded(|| a_segment_is_made(CheckedWord::default(), identity::publish));
    assert_reached(&["not made yet"]);
}

#[test]
fn the_rows_need_both_orderings_of_the_magic() {
    fails_without(&[Site::MagicStore, Site::MagicLoad], "stale rows", |site| {
        a_segment_is_made(site.word(), identity::publish)
    });
}

#[test]
fn a_magic_that_is_written_first_is_caught() {
    fails("stale rows", || {
        a_segment_is_made(CheckedWord::default(), |magic, value, rows, values| {
            magic.store(value, Ordering::Release);
            identity::publish(magic, value, rows, values);
        });
    });
}
