//! Looks at rings from outside.

mod common;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::messages::{Messages, ring_of};
use common::{Child, Numbered, Part, Ring, Tick, Wait, refuses, word};
use ringmain::inspect::{Condition, Inspection, Kind, Positions, Tap, Tapped};
use ringmain::stream::{Consumer, Producer};
use ringmain::{Attribute, Error, PeerState, Role, SharedWord};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("holder", holder), ("sleeper", sleeper)]);
}

fn holder(part: &mut Part) {
    let _tx: Producer<u64> = part.options().capacity(64).stream_producer().unwrap();
    part.say("attached");
    part.hear();
}

fn sleeper(part: &mut Part) {
    let mut rx: Consumer<u64> = part.options().wait(ringmain::Wait::Park).stream_consumer().unwrap();
    part.say("attached");
    rx.blocking().pop().unwrap();
    part.say("popped");
    part.hear();
}

/// Returns the states of the producer and the consumer.
#[track_caller]
fn states(ring: &Inspection) -> [PeerState; 2] {
    [Role::Producer, Role::Consumer].map(|role| ring.end(role).unwrap().state)
}

#[test]
fn a_ring_says_what_it_is() {
    let (stream, message) = (Ring::new(), Ring::new());
    stream.make::<Tick>(100);
    drop(message.options().capacity(5000).record_alignment(16).mode(0o640).message_producer().unwrap());
    let (stream, message) = (Inspection::open(stream.name()).unwrap(), Inspection::open(message.name()).unwrap());
    assert_eq!(stream.kind(), Kind::Stream { element_size: 40, element_align: 8 });
    assert_eq!((stream.capacity(), stream.segment_length()), (128, 4096 + 128 * 40));
    assert_eq!(message.kind(), Kind::Message { record_alignment: 16 });
    assert_eq!((message.capacity(), message.segment_length()), (8192, 4096 + 8192));
    assert_eq!(message.permissions().unwrap().mode, 0o640);
    assert!(!stream.is_orphaned().unwrap() && !stream.is_truncated().unwrap());
}

/// Returns how many calls of this thread have read something.
fn reads() -> u64 {
    let counts = fs::read_to_string("/proc/thread-self/io").unwrap();
    counts.lines().find_map(|line| line.strip_prefix("syscr: ")).unwrap().parse().unwrap()
}

#[test]
fn records_behind_a_tail_are_counted_with_few_reads_however_many_they_are() {
    const CAPACITY: usize = 1 << 20;
    let ring = Ring::new();
    let mut tx = ring.options().capacity(CAPACITY).record_alignment(8).message_producer().unwrap();
    tx.push(&[7; 100]).unwrap();
    // As where a producer is killed between the headers of its batch and the tail: each is that of an empty message.
    let object = OpenOptions::new().write(true).open(ring.path()).unwrap();
    object.write_all_at(&1_u64.to_ne_bytes().repeat(CAPACITY / 8), 4096).unwrap();
    let (seen, before) = (Inspection::open(ring.name()).unwrap(), reads());
    // No ring holds more: the record at the tail has room.
    assert_eq!(seen.behind_tail(), CAPACITY as u64 - 8);
    assert!(reads() - before < 1000, "{} reads", reads() - before);
    // Behind what cannot be a header, nothing is counted.
    object.write_all_at(&2_u64.to_ne_bytes(), 4096 + 112 + 5000 * 8).unwrap();
    assert_eq!(seen.behind_tail(), 5000 * 8);
    // A tail may lie behind its head.
    ring.set_word(word::HEAD, 112 + 40);
    assert_eq!(seen.behind_tail(), 4995 * 8);
    object.write_all_at(&[0; 8], 4096 + 112 + 40).unwrap();
    assert_eq!(seen.behind_tail(), 0);
    let stream = Ring::new();
    stream.make::<u64>(8);
    assert_eq!(Inspection::open(stream.name()).unwrap().behind_tail(), 0);
}

#[test]
fn a_ring_tells_who_is_at_its_ends_and_how_they_left() {
    let ring = Ring::new();
    let mut child = Child::start("holder", ring.name(), &[]);
    child.says("attached");
    let seen = Inspection::open(ring.name()).unwrap();
    assert_eq!(states(&seen), [PeerState::Alive, PeerState::Never]);
    let producer = seen.end(Role::Producer).unwrap();
    assert_eq!((producer.process, producer.generation), (Some(child.pid()), 1));
    assert_eq!(seen.end(Role::Consumer).unwrap().process, None);

    let rx: Consumer<u64> = ring.options().stream_consumer().unwrap();
    assert_eq!(seen.end(Role::Consumer).unwrap().process, Some(process::id()));
    child.kill();
    drop(rx);
    assert_eq!(states(&seen), [PeerState::Crashed, PeerState::Closed]);
    assert_eq!(seen.end(Role::Producer).unwrap().process, None);
    ringmain::unlink(ring.name()).unwrap();
    assert!(seen.is_orphaned().unwrap());
}

#[test]
fn a_sleeper_is_seen_asleep() {
    let ring = Ring::new();
    let mut tx: Producer<u64> = ring.options().capacity(64).stream_producer().unwrap();
    let mut child = Child::start("sleeper", ring.name(), &[]);
    child.says("attached");
    let seen = Inspection::open(ring.name()).unwrap();
    let mut wait = Wait::default();
    while !seen.end(Role::Consumer).unwrap().sleeps.is_asleep {
        wait.pause("a sleeper");
    }
    let sleeps = seen.end(Role::Consumer).unwrap().sleeps;
    assert!(sleeps.asks_for_fences && sleeps.count > 0, "{sleeps:?}");
    tx.push(1).unwrap();
    child.says("popped");
    assert!(!seen.end(Role::Consumer).unwrap().sleeps.is_asleep);
    assert_eq!(seen.positions().unwrap(), Positions { head: 1, tail: 1, used: 0 });
}

#[test]
fn positions_that_cannot_be_are_told() {
    let ring = Ring::new();
    ring.make::<u64>(64);
    ring.set_word(word::HEAD, u64::MAX - 9);
    ring.set_word(word::TAIL, 20);
    let seen = Inspection::open(ring.name()).unwrap();
    assert_eq!(seen.positions().unwrap().used, 30);
    ring.set_word(word::TAIL, 60);
    let refused = seen.positions().unwrap_err();
    assert_eq!((refused.word, refused.found), (SharedWord::Tail, 60));
}

#[test]
fn a_message_ring_whose_producer_died_before_its_tail_is_no_damaged_one() {
    let ring = ring_of(4096, 8);
    let mut tx = ring.options().message_producer().unwrap();
    tx.push(b"12345678").unwrap();
    tx.push(b"last").unwrap();
    drop(tx);
    ring.options().message_consumer().unwrap().pop(&mut [0; 8]).unwrap();
    ring.set_word(word::HEAD, 32);
    ring.set_word(word::TAIL, 16);
    let seen = Inspection::open(ring.name()).unwrap();
    assert_eq!(seen.positions().unwrap().used, 0);
}

#[test]
fn what_is_no_ring_is_refused() {
    refuses!(Inspection::open("a/b"), Error::InvalidName { .. });
    let ring = Ring::new();
    refuses!(Inspection::open(ring.name()), Error::NotFound { .. });
    fs::write(ring.path(), "short").unwrap();
    refuses!(Inspection::open(ring.name()), Error::NotARing { len: 5, .. });
    fs::write(ring.path(), [1; 8192]).unwrap();
    refuses!(Inspection::open(ring.name()), Error::NotARing { len: 8192, magic: 0x0101_0101_0101_0101, .. });
    fs::remove_file(ring.path()).unwrap();
    fs::create_dir(ring.path()).unwrap();
    refuses!(Inspection::open(ring.name()), Error::NotRegular { .. });
}

#[test]
fn every_row_that_makes_no_ring_is_refused() {
    let ring = Ring::new();
    let stands = [
        (word::LAYOUT_VERSION, Attribute::LayoutVersion),
        (word::KIND, Attribute::Kind),
        (word::DATA_OFFSET, Attribute::DataOffset),
        (word::SEGMENT_LENGTH, Attribute::SegmentLength),
        (word::CAPACITY, Attribute::SegmentLength),
        (word::ELEMENT_SIZE, Attribute::SegmentLength),
        (word::ELEMENT_ALIGN, Attribute::ElementAlign),
        (word::RECORD_ALIGN, Attribute::RecordAlign),
    ];
    ring.make::<u64>(64);
    for (offset, expected) in stands {
        let was = ring.word(offset);
        for value in [0, 3, was + 1, u64::MAX] {
            ring.set_word(offset, value);
            if value != was && !(offset == word::RECORD_ALIGN && value == 0) {
                match Inspection::open(ring.name()) {
                    Err(Error::Mismatch { .. }) => {}
                    other => panic!("{expected} of {value}: {other:?}"),
                }
            }
        }
        ring.set_word(offset, was + 2);
        match Inspection::open(ring.name()) {
            Err(Error::Mismatch { what, .. }) if what == expected => {}
            // Elements of other sizes align otherwise.
            Err(Error::Mismatch { .. }) if matches!(offset, word::ELEMENT_SIZE | word::KIND) => {}
            other => panic!("{expected}: {other:?}"),
        }
        ring.set_word(offset, was);
    }
    assert!(Inspection::open(ring.name()).is_ok());
    let file = OpenOptions::new().write(true).open(ring.path()).unwrap();
    file.set_len(4096).unwrap();
    refuses!(Inspection::open(ring.name()), Error::Mismatch { what: Attribute::ObjectLength, .. });
}

#[test]
fn a_ring_that_may_only_be_read_can_be_looked_at() {
    let ring = Ring::new();
    let mut tx: Producer<u64> = ring.options().capacity(64).stream_producer().unwrap();
    tx.push(7).unwrap();
    fs::set_permissions(ring.path(), fs::Permissions::from_mode(0o400)).unwrap();
    let before = fs::metadata(ring.path()).unwrap().modified().unwrap();
    let seen = Inspection::open(ring.name()).unwrap();
    let mut bytes = Vec::new();
    assert_eq!(seen.tap().next(&mut bytes), Ok(Tapped::Unit { position: 0 }));
    assert_eq!(bytes, 7_u64.to_ne_bytes());
    assert_eq!(fs::metadata(ring.path()).unwrap().modified().unwrap(), before);
}

#[test]
fn all_objects_are_found_and_said_to_be_what_they_are() {
    let [ring, version, damaged, other, folder] = [(); 5].map(|()| Ring::new());
    for made in [&ring, &version, &damaged] {
        made.make::<u64>(64);
    }
    version.set_word(word::LAYOUT_VERSION, 1);
    damaged.set_word(word::CAPACITY, 3);
    fs::write(other.path(), [7; 5000]).unwrap();
    fs::create_dir(folder.path()).unwrap();
    for (object, expected) in [
        (&ring, Condition::Ring),
        (&version, Condition::OtherVersion),
        (&damaged, Condition::Damaged),
        (&other, Condition::NotARing),
        (&folder, Condition::NotARing),
    ] {
        let found = Inspection::all().unwrap().find(|found| found.name == object.name()).unwrap();
        assert_eq!(found.condition(), expected, "{found:?}");
    }
}

/// Looks at all that is there, and returns it.
#[track_caller]
fn look(tap: &mut Tap<'_>) -> Vec<Vec<u8>> {
    let (mut seen, mut bytes) = (Vec::new(), Vec::new());
    while let Tapped::Unit { .. } = tap.next(&mut bytes).unwrap() {
        seen.push(bytes.clone());
    }
    seen
}

#[test]
fn a_tap_sees_what_is_there_and_takes_nothing() {
    let ring = ring_of(4096, 8);
    let mut tx = ring.options().message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    let seen = Inspection::open(ring.name()).unwrap();
    let (mut tap, mut new) = (seen.tap(), seen.tap_new());
    tx.push(b"one").unwrap();
    tx.push(b"").unwrap();
    assert_eq!(look(&mut tap), [b"one".to_vec(), Vec::new()]);
    assert_eq!(look(&mut tap), [] as [Vec<u8>; 0]);
    // Around the end of the ring, and the largest one.
    let mut buffer = vec![0; 4096];
    for len in [3000, 2500, tx.max_len(), 0] {
        while rx.pop(&mut buffer).is_ok() {}
        rx.release();
        let message: Vec<u8> = (0..len).map(|at| at as u8).collect();
        tx.push(&message).unwrap();
        assert_eq!(look(&mut tap), [message]);
    }
    assert!(matches!(new.next(&mut buffer), Ok(Tapped::Missed { .. })));
    assert_eq!(look(&mut new), [Vec::new()]);
    buffer.resize(4096, 0);
    assert_eq!(look(&mut seen.tap_new()), [] as [Vec<u8>; 0]);
    assert_eq!(rx.pop(&mut buffer), Ok(0));
}

#[test]
fn a_tap_goes_on_where_the_ring_has_left_it_behind() {
    let ring = Ring::new();
    let mut tx: Producer<u64> = ring.options().capacity(16).stream_producer().unwrap();
    let mut rx: Consumer<u64> = ring.options().stream_consumer().unwrap();
    let seen = Inspection::open(ring.name()).unwrap();
    let (mut tap, mut bytes) = (seen.tap(), Vec::new());
    for element in 0..100 {
        tx.push(element).unwrap();
        assert_eq!(rx.pop(), Ok(element));
    }
    rx.release();
    tx.push(100).unwrap();
    assert_eq!(tap.next(&mut bytes), Ok(Tapped::Missed { count: 100 }));
    assert_eq!(tap.next(&mut bytes), Ok(Tapped::Unit { position: 100 }));
    assert_eq!(bytes, 100_u64.to_ne_bytes());
}

/// Looks at everything that passes, until enough was seen and something was missed.
fn watch(name: &str, check: impl Fn(u64, &[u8])) {
    let seen = Inspection::open(name).unwrap();
    let (mut tap, mut bytes, mut units, mut missed) = (seen.tap(), Vec::new(), 0, 0);
    while units < 20_000 || missed == 0 {
        match tap.next(&mut bytes).unwrap() {
            Tapped::Unit { position } => {
                check(position, &bytes);
                units += 1;
            }
            Tapped::Missed { .. } => missed += 1,
            Tapped::Nothing => thread::yield_now(),
        }
    }
}

#[test]
fn a_tap_on_elements_at_full_speed_sees_none_that_is_torn() {
    let ring = Ring::new();
    let mut tx: Producer<Tick> = ring.options().capacity(64).stream_producer().unwrap();
    let mut rx: Consumer<Tick> = ring.options().stream_consumer().unwrap();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut position = 0;
            while !ended.load(Ordering::Relaxed) {
                position += u64::from(tx.push(Tick::at(position)).is_ok());
            }
        });
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let _ = rx.pop();
            }
        });
        watch(ring.name(), |position, bytes| {
            assert_eq!(bytes, bytemuck::bytes_of(&Tick::at(position)), "at {position}")
        });
        ended.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_tap_on_messages_at_full_speed_sees_none_that_is_torn() {
    let ring = ring_of(16_384, 16);
    let messages = Messages::new(16, 500);
    let mut tx = ring.options().message_producer().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut position = 0;
            while !ended.load(Ordering::Relaxed) {
                if tx.push(messages.at(position)).is_ok() {
                    position = messages.after(position);
                }
            }
        });
        scope.spawn(|| {
            let mut bytes = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                let _ = rx.pop_into(&mut bytes);
            }
        });
        watch(ring.name(), |position, bytes| assert!(bytes == messages.at(position), "at {position}"));
        ended.store(true, Ordering::Relaxed);
    });
}
