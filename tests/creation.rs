//! A ring comes to be in steps, and its creator may be killed at any of them: the next attach makes up for it.

mod common;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::thread;
use std::time::Duration;

use common::{Child, Part, Random, Ring, check_flow, lock_administration, refuses, spin, succeed, word};
use ringmain::stream::Producer;
use ringmain::{Creation, Error, Options, PeerState};
use rustix::fs::{FallocateFlags, fallocate};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("creator", creator)]);
}

/// Creates a ring, uses it and removes it, again and again.
fn creator(part: &mut Part) {
    let options = part.options().capacity(part.argument(0)).unlink_on_close(true);
    drop(succeed(|| options.stream_producer::<u64>()));
    part.say("ready");
    loop {
        let mut tx = options.stream_producer::<u64>().unwrap();
        tx.push(7).unwrap();
        tx.close().unwrap();
    }
}

/// How far a creator came with a ring of eight numbers before it was killed.
#[derive(Clone, Copy, Debug)]
enum Step {
    Named,
    Reserved,
    RowsBegun,
    RowsWritten,
}

const STEPS: [Step; 4] = [Step::Named, Step::Reserved, Step::RowsBegun, Step::RowsWritten];

/// The rows of a ring of eight numbers, from `docs/format.md`.
fn rows() -> [(u64, u64); 9] {
    // FNV-1a over the size and the alignment.
    let type_id = [8_u64, 8]
        .map(u64::to_le_bytes)
        .concat()
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    [
        (word::LAYOUT_VERSION, 4),
        (word::KIND, 1),
        (word::DATA_OFFSET, 4096),
        (word::SEGMENT_LENGTH, 4096 + 64),
        (word::CAPACITY, 8),
        (word::ELEMENT_SIZE, 8),
        (word::ELEMENT_ALIGN, 8),
        (word::TYPE_ID, type_id),
        (word::HEADER_LENGTH, 0x300),
    ]
}

/// The mode of an object in the making: the sticky bit marks it.
const IN_THE_MAKING: u32 = 0o1600;

/// Creates a ring by hand, up to a step.
#[track_caller]
fn make_up_to(ring: &Ring, step: Step) -> File {
    let options = OpenOptions::new().read(true).write(true).create_new(true).mode(IN_THE_MAKING).clone();
    let object = options.open(ring.path()).unwrap();
    if !matches!(step, Step::Named) {
        object.set_len(4096 + 64).unwrap();
    }
    let written = match step {
        Step::Named | Step::Reserved => 0,
        Step::RowsBegun => 3,
        Step::RowsWritten => 8,
    };
    for (at, value) in &rows()[..written] {
        object.write_all_at(&value.to_ne_bytes(), *at).unwrap();
    }
    object
}

#[test]
fn what_a_dead_creator_left_is_replaced_by_an_attach_that_may_create() {
    for creation in [Creation::IfMissing, Creation::New] {
        for step in STEPS {
            let ring = Ring::new();
            let left = make_up_to(&ring, step).metadata().unwrap().ino();
            let mut tx = ring.options().capacity(8).create(creation).stream_producer::<u64>().unwrap();
            assert_ne!(fs::metadata(ring.path()).unwrap().ino(), left, "{step:?}");
            let mut rx = ring.options().stream_consumer::<u64>().unwrap();
            check_flow(&mut tx, &mut rx);
        }
    }
}

#[test]
fn what_a_dead_creator_left_is_removed_by_an_attach_that_may_not_create() {
    for step in STEPS {
        for options in [Options::clone, |options: &Options| options.clone().capacity(8).create(Creation::Never)] {
            let ring = Ring::new();
            make_up_to(&ring, step);
            refuses!(options(&ring.options()).stream_consumer::<u64>(), Error::NotFound { .. });
            assert!(!ring.exists(), "{step:?}");
        }
    }
}

#[test]
fn what_a_dead_creator_left_is_removed_by_unlink() {
    for step in STEPS {
        let ring = Ring::new();
        make_up_to(&ring, step);
        ringmain::unlink(ring.name()).unwrap();
        assert!(!ring.exists(), "{step:?}");
    }
}

/// Lets an attach find a ring that a living process is making, up to `step`, and returns what came of it after `end`.
#[track_caller]
fn attach_during(ring: &Ring, step: Step, end: impl FnOnce(File)) -> Result<Producer<u64>, Error> {
    let object = make_up_to(ring, step);
    lock_administration(&object);
    let inode = object.metadata().unwrap().ino();
    thread::scope(|scope| {
        let attach = scope.spawn(|| ring.options().capacity(8).stream_producer::<u64>());
        // Long enough for many looks. An attach that does not wait is over by now.
        thread::sleep(Duration::from_millis(50));
        assert!(!attach.is_finished(), "{step:?}: it did not wait");
        assert_eq!(fs::metadata(ring.path()).unwrap().ino(), inode, "{step:?}: it was removed");
        end(object);
        attach.join().unwrap()
    })
}

#[test]
fn a_ring_that_a_living_process_is_making_is_waited_for() {
    for step in STEPS {
        let (ring, mut made) = (Ring::new(), 0);
        let attached = attach_during(&ring, step, |object| {
            made = object.metadata().unwrap().ino();
            fallocate(&object, FallocateFlags::empty(), 0, 4096 + 64).unwrap();
            for (at, value) in rows() {
                object.write_all_at(&value.to_ne_bytes(), at).unwrap();
            }
            object.write_all_at(b"RINGMAIN", word::MAGIC).unwrap();
        });
        let mut tx = attached.unwrap();
        assert_eq!(fs::metadata(ring.path()).unwrap().ino(), made, "{step:?}");
        check_flow(&mut tx, &mut ring.options().stream_consumer::<u64>().unwrap());
    }
}

#[test]
fn a_creator_that_dies_while_it_is_waited_for_is_made_up_for() {
    for step in STEPS {
        let (ring, mut left) = (Ring::new(), 0);
        let attached = attach_during(&ring, step, |object| left = object.metadata().unwrap().ino());
        let mut tx = attached.unwrap();
        assert_ne!(fs::metadata(ring.path()).unwrap().ino(), left, "{step:?}");
        check_flow(&mut tx, &mut ring.options().stream_consumer::<u64>().unwrap());
    }
}

#[test]
fn a_creator_that_does_not_finish_is_waited_for_a_while() {
    let ring = Ring::new();
    let object = make_up_to(&ring, Step::Reserved);
    lock_administration(&object);
    thread::scope(|scope| {
        scope.spawn(|| refuses!(ring.options().stream_consumer::<u64>(), Error::NotReady { .. }));
        scope.spawn(|| refuses!(ringmain::unlink(ring.name()), Error::NotReady { .. }));
    });
    assert_eq!(fs::metadata(ring.path()).unwrap().ino(), object.metadata().unwrap().ino());
}

/// Kills creators of rings at random moments, at least so often, until some have left a ring that was half made.
fn kill_creators(capacity: usize, least: u32) {
    let (ring, random) = (Ring::new(), Random::new());
    let options = ring.options().capacity(capacity);
    let (mut kills, mut half_made) = (0, 0);
    while kills < least || half_made < 5 {
        kills += 1;
        // Otherwise the kills do not hit what this is about.
        assert!(kills < 100 * least, "{half_made} of {kills} kills left a ring half made");
        let mut creator = Child::start("creator", ring.name(), &[&capacity]);
        creator.says("ready");
        spin(random.shorter_than(Duration::from_millis(1)));
        creator.kill();
        let magic = fs::read(ring.path()).ok().map(|bytes| bytes.get(..8).map(<[u8]>::to_vec));
        half_made += u32::from(magic.is_some_and(|magic| magic.as_deref() != Some(b"RINGMAIN")));
        // Either side finds a ring, with what was pushed, or makes one.
        let (tx, mut rx);
        if random.below(2) == 0 {
            tx = succeed(|| options.stream_producer::<u64>());
            rx = options.stream_consumer::<u64>().unwrap();
        } else {
            rx = succeed(|| options.stream_consumer::<u64>());
            tx = succeed(|| options.stream_producer::<u64>());
        }
        assert_eq!((tx.peer_state(), rx.peer_state()), (PeerState::Alive, PeerState::Alive));
        while let Ok(element) = rx.pop() {
            assert_eq!(element, 7);
        }
        if random.below(2) == 0 {
            ringmain::unlink(ring.name()).unwrap();
        }
    }
    println!("{half_made} of {kills} kills left a ring half made");
}

#[test]
fn a_creator_killed_at_any_moment_leaves_what_the_next_attach_takes() {
    kill_creators(8, 100);
}

#[test]
fn a_creator_killed_while_it_reserves_much_leaves_what_the_next_attach_takes() {
    kill_creators(1 << 17, 30);
}

#[test]
fn attaching_never_fails_while_the_name_is_removed_again_and_again() {
    let ring = Ring::new();
    thread::scope(|scope| {
        let attacher = scope.spawn(|| {
            for _ in 0..3000 {
                let tx = ring.options().capacity(8).stream_producer::<u64>().unwrap();
                match ring.options().stream_consumer::<u64>() {
                    Ok(rx) => assert_eq!((rx.peer_state(), tx.peer_state()), (PeerState::Alive, PeerState::Alive)),
                    // The name is gone already.
                    Err(Error::NotFound { .. }) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
        let mut removed = 0;
        while !attacher.is_finished() {
            match ringmain::unlink(ring.name()) {
                Ok(()) => removed += 1,
                Err(Error::NotFound { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert!(removed > 0);
    });
}
