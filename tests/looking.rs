//! Objects that change while they are looked at, that lose their name, and more of them than a process may open.

mod common;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::ends::{End, for_each_end, small};
use common::limits::within;
use common::{Part, Ring, Wait, refuses, word};
use ringmain::inspect::{Condition, Inspection};
use ringmain::{Error, Role};
use rustix::process::Resource;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("observer", observer)]);
}

/// Looks at many rings with few descriptors, and says what it found.
fn observer(part: &mut Part) {
    let found = within(Resource::Nofile, 32, || {
        let found = Inspection::all().unwrap().filter(|found| found.name.to_str().unwrap().starts_with(part.name()));
        found.map(|found| u64::from(found.condition() == Condition::Ring)).sum::<u64>()
    });
    part.say(found);
}

#[test]
fn more_rings_than_a_process_may_open_are_all_found() {
    let rings: Vec<Ring> = (0..100).map(|_| Ring::new()).collect();
    rings.iter().for_each(|ring| ring.make::<u64>(8));
    // What the names of this process begin with.
    let (prefix, _) = rings[0].name().rsplit_once('-').unwrap();
    let mut observer = common::Child::start("observer", &format!("{prefix}-"), &[]);
    let found: usize = observer.hear().parse().unwrap();
    // Other tests of this process may have rings too.
    assert!(found >= rings.len(), "{found}");
    observer.join();
}

/// Ends the thread that changes an object when it is dropped.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `look` again and again while a thread changes an object, and until that was seen so often.
fn look_while(mut change: impl FnMut() + Send, mut look: impl FnMut() -> bool) {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                change();
            }
        });
        let _ended = Ended(&ended);
        let (mut changes, mut wait) = (0, Wait::default());
        while changes < 100 {
            match look() {
                true => (changes, wait) = (changes + 1, Wait::default()),
                false => wait.pause("a change to be seen"),
            }
        }
    });
}

#[test]
fn an_object_whose_length_flips_ends_nobody_who_looks() {
    let ring = Ring::new();
    drop(small(ring.options()).message_producer().unwrap());
    let file = OpenOptions::new().read(true).write(true).open(ring.path()).unwrap();
    let whole = fs::read(ring.path()).unwrap();
    let flip = || {
        file.set_len(0).unwrap();
        file.write_all_at(&whole, 0).unwrap();
    };
    look_while(flip, || match Inspection::open(ring.name()) {
        Ok(seen) => {
            let _ = (seen.positions(), seen.end(Role::Producer), seen.is_orphaned());
            let _ = seen.tap().next(&mut Vec::new());
            matches!(seen.check(), Err(Error::Changing { .. } | Error::Sparse { .. }))
        }
        Err(Error::Changing { .. }) => true,
        Err(Error::Mismatch { .. } | Error::NotARing { .. } | Error::Sparse { .. }) => false,
        Err(error) => panic!("{error:?}"),
    });
}

#[test]
fn an_object_that_each_look_finds_another_way_is_told_to_change() {
    let ring = Ring::new();
    let file = File::create_new(ring.path()).unwrap();
    let mut lengths = (1..4096).cycle();
    look_while(
        || file.set_len(lengths.next().unwrap()).unwrap(),
        || match Inspection::open(ring.name()) {
            Err(Error::Changing { name }) => name == ring.name(),
            // No change came between two looks.
            Err(Error::NotARing { magic: 0, .. }) => false,
            other => panic!("{other:?}"),
        },
    );
}

#[test]
fn a_ring_that_has_become_another_one_is_told() {
    let ring = Ring::new();
    ring.make::<u64>(64);
    let seen = Inspection::open(ring.name()).unwrap();
    seen.check().unwrap();
    for (offset, value) in [(word::CAPACITY, 32), (word::MAGIC, 0), (word::RING_ID, 7), (word::TAG_LENGTH, 1)] {
        let was = ring.word(offset);
        ring.set_word(offset, value);
        refuses!(seen.check(), Error::Changing { name } if name == ring.name());
        ring.set_word(offset, was);
        seen.check().unwrap();
    }
    File::options().write(true).open(ring.path()).unwrap().set_len(4096).unwrap();
    refuses!(seen.check(), Error::Changing { .. });
}

#[test]
fn a_ring_whose_name_was_moved_is_an_orphan() {
    fn check<E: End>() {
        let (ring, other) = (Ring::new(), Ring::new());
        let end = E::attach(&small(ring.options())).unwrap();
        let seen = Inspection::open(ring.name()).unwrap();
        // A second name takes nothing from the first.
        fs::hard_link(ring.path(), other.path()).unwrap();
        assert!(!end.is_orphaned() && !seen.is_orphaned().unwrap());
        fs::remove_file(ring.path()).unwrap();
        assert!(end.is_orphaned() && seen.is_orphaned().unwrap());
        fs::rename(other.path(), ring.path()).unwrap();
        assert!(!end.is_orphaned() && !seen.is_orphaned().unwrap());
        fs::rename(ring.path(), other.path()).unwrap();
        assert!(end.is_orphaned() && seen.is_orphaned().unwrap());
        // Another ring has its name.
        drop(E::attach(&small(ring.options())).unwrap());
        assert!(end.is_orphaned() && seen.is_orphaned().unwrap());
    }
    for_each_end!(check);
}

#[test]
fn whoever_waits_at_a_ring_whose_name_was_moved_is_orphaned() {
    fn check<E: End>() {
        let (ring, other) = (Ring::new(), Ring::new());
        let mut end = E::attach(&small(ring.options())).unwrap();
        if E::ROLE == Role::Producer {
            end.exhaust();
        }
        fs::rename(ring.path(), other.path()).unwrap();
        assert_eq!(end.go(0, Some(common::PATIENCE)), Err(ringmain::WaitError::Orphaned));
    }
    for_each_end!(check);
}
