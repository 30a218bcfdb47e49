//! What a removed name means: who is attached goes on, who comes later finds another ring or none.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use common::ends::{End, as_end, for_each_end, for_each_ring, small};
use common::{
    Child, Journal, PATIENCE, Part, Random, Ring, is_locked, lock_administration, lock_role, refuses, spin, wait_for,
};
use ringmain::inspect::Inspection;
use ringmain::stream::{Consumer, Producer};
use ringmain::{Error, PeerState, Role, WaitError, unlink_if_free, unlink_within};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("comer", as_end!(comer)), ("holder", as_end!(holder))]);
}

/// Comes and goes, and counts the times when it came to a ring that had lost its name.
fn comer<E: End>(part: &mut Part) {
    let journal = Journal::open(&part.argument::<String>(1));
    let mut orphaned = 0;
    part.say("coming");
    loop {
        let end = E::attach(&part.options()).unwrap();
        orphaned += u64::from(end.is_orphaned());
        journal.done(orphaned);
    }
}

fn producer(ring: &Ring) -> Producer<u64> {
    ring.options().capacity(8).stream_producer().unwrap()
}

fn consumer(ring: &Ring) -> Consumer<u64> {
    ring.options().capacity(8).stream_consumer().unwrap()
}

#[test]
fn all_flows_on_after_the_name_is_removed() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options())).unwrap();
        let mut other = Child::start("holder", ring.name(), &[&E::Peer::PART]);
        other.says("attached");
        ringmain::unlink(ring.name()).unwrap();
        assert!(end.is_orphaned());
        assert_eq!(end.peer_state(), PeerState::Alive);
        other.say("go on");
        other.says("goes on");
        (0..1000).for_each(|number| end.go(number, Some(PATIENCE)).unwrap());
        other.says("orphaned: true");
        other.join();
        assert_eq!(end.peer_state(), PeerState::Closed);
    }
    for_each_end!(check);
}

/// Holds an end of a ring that loses its name, and goes on.
fn holder<E: End>(part: &mut Part) {
    let mut end = E::attach(&small(part.options())).unwrap();
    part.say("attached");
    part.hear();
    part.say("goes on");
    (0..1000).for_each(|number| end.go(number, Some(PATIENCE)).unwrap());
    part.say(format!("orphaned: {}", end.is_orphaned()));
}

#[test]
fn a_ring_made_anew_under_the_name_is_another_one() {
    fn check<E: End>() {
        let ring = Ring::new();
        let ends = || (E::attach(&small(ring.options())).unwrap(), E::Peer::attach(&small(ring.options())).unwrap());
        let (mut tx, mut rx) = ends();
        ringmain::unlink(ring.name()).unwrap();
        let (mut new_tx, mut new_rx) = ends();
        assert_eq!((new_tx.generation(), new_rx.generation()), (1, 1));
        assert!(!new_tx.is_orphaned() && tx.is_orphaned());
        let now = Some(Duration::ZERO);
        tx.go(1, now).unwrap();
        new_tx.go(2, now).unwrap();
        assert_eq!((rx.go(1, now), rx.go(0, now)), (Ok(()), Err(WaitError::TimedOut)));
        assert_eq!((new_rx.go(2, now), new_rx.go(0, now)), (Ok(()), Err(WaitError::TimedOut)));
    }
    for_each_ring!(check);
}

#[test]
fn a_role_in_a_removed_ring_can_not_be_followed() {
    let ring = Ring::new();
    let (tx, rx) = (producer(&ring), consumer(&ring));
    ringmain::unlink(ring.name()).unwrap();
    drop(tx);
    refuses!(ring.options().stream_producer::<u64>(), Error::NotFound { .. });
    assert_eq!(rx.peer_state(), PeerState::Closed);
}

#[test]
fn the_removal_of_a_name_that_is_not_there_is_an_error() {
    let ring = Ring::new();
    refuses!(ringmain::unlink(ring.name()), Error::NotFound { name, .. } if name == ring.name());
    ring.make::<u64>(8);
    ringmain::unlink(ring.name()).unwrap();
    refuses!(ringmain::unlink(ring.name()), Error::NotFound { .. });
}

#[test]
fn a_ring_with_a_locked_role_keeps_its_name_whatever_its_holder_says() {
    for role in [Role::Producer, Role::Consumer] {
        let ring = Ring::new();
        ring.make::<u64>(8);
        // It says that its last holder has left, or that it never had one.
        let stranger = File::options().read(true).write(true).open(ring.path()).unwrap();
        lock_role(&stranger, role);
        assert!(Inspection::open(ring.name()).unwrap().is_held(role).unwrap());
        refuses!(unlink_if_free(ring.name(), Duration::ZERO), Error::Busy { role: held, .. } if held == role);
        drop(stranger);
        unlink_if_free(ring.name(), Duration::ZERO).unwrap();
        assert!(!ring.exists());
    }
}

#[test]
fn a_removal_waits_no_longer_than_asked() {
    let ring = Ring::new();
    ring.make::<u64>(8);
    let administration = File::options().read(true).write(true).open(ring.path()).unwrap();
    lock_administration(&administration);
    for unlink in [unlink_if_free, unlink_within] {
        refuses!(unlink(ring.name(), Duration::ZERO), Error::NotReady { waited, .. } if waited < PATIENCE);
    }
    assert!(ring.exists());
    drop(administration);
    unlink_within(ring.name(), Duration::ZERO).unwrap();
    assert!(!ring.exists());
}

#[test]
fn nobody_attaches_to_a_ring_that_is_removed_because_nobody_held_it() {
    let ring = Ring::new();
    thread::scope(|scope| {
        let attacher = scope.spawn(|| {
            for _ in 0..2000 {
                let tx = producer(&ring);
                assert!(!tx.is_orphaned(), "its name was removed");
            }
        });
        while !attacher.is_finished() {
            match unlink_if_free(ring.name(), PATIENCE) {
                Ok(()) | Err(Error::NotFound { .. } | Error::Busy { .. } | Error::Unfinished { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    });
}

#[test]
fn a_ring_stays_when_its_handles_are_gone() {
    let ring = Ring::new();
    let (mut tx, rx) = (producer(&ring), consumer(&ring));
    tx.push(7).unwrap();
    drop(rx);
    tx.close().unwrap();
    assert_eq!(consumer(&ring).pop(), Ok(7));
}

#[test]
fn a_handle_that_was_asked_to_removes_the_name() {
    let ring = Ring::new();
    let options = ring.options().capacity(8).unlink_on_close(true);
    options.stream_producer::<u64>().unwrap().close().unwrap();
    assert!(!ring.exists());
    options.stream_consumer::<u64>().unwrap().close().unwrap();
    assert!(!ring.exists());
    drop(options.stream_producer::<u64>().unwrap());
    assert!(!ring.exists());
    drop(options.stream_consumer::<u64>().unwrap());
    assert!(!ring.exists());
}

#[test]
fn a_handle_that_was_asked_to_removes_the_name_under_a_peer_that_goes_on() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(8).unlink_on_close(true).stream_producer::<u64>().unwrap();
    let mut rx = consumer(&ring);
    tx.push(7).unwrap();
    tx.close().unwrap();
    assert!(!ring.exists() && rx.is_orphaned());
    assert_eq!(rx.pop(), Ok(7));
}

#[test]
fn a_handle_does_not_remove_the_name_of_a_ring_made_anew() {
    let ring = Ring::new();
    let old = ring.options().capacity(8).unlink_on_close(true).stream_producer::<u64>().unwrap();
    ringmain::unlink(ring.name()).unwrap();
    ring.make::<u64>(8);
    let inode = fs::metadata(ring.path()).unwrap().ino();
    old.close().unwrap();
    assert_eq!(fs::metadata(ring.path()).unwrap().ino(), inode);
}

#[test]
fn a_handle_whose_name_was_removed_before_closes_in_order() {
    let ring = Ring::new();
    let tx = ring.options().capacity(8).unlink_on_close(true).stream_producer::<u64>().unwrap();
    ringmain::unlink(ring.name()).unwrap();
    tx.close().unwrap();
    assert!(!ring.exists());
}

#[test]
fn a_handle_waits_for_the_administration_of_the_ring_before_it_removes_the_name() {
    let ring = Ring::new();
    let tx = ring.options().capacity(8).unlink_on_close(true).stream_producer::<u64>().unwrap();
    let administration = File::options().read(true).write(true).open(ring.path()).unwrap();
    lock_administration(&administration);
    thread::scope(|scope| {
        let close = scope.spawn(|| tx.close());
        thread::sleep(Duration::from_millis(50));
        drop(administration);
        close.join().unwrap().unwrap();
    });
    assert!(!ring.exists());
}

#[test]
fn a_ring_that_was_removed_before_its_role_was_taken_is_not_attached() {
    fn check<E: End>() {
        let (ring, random, journal) = (Ring::new(), Random::new(), Journal::new());
        let make = || drop(E::Peer::attach(&small(ring.options())).unwrap());
        make();
        let mut comer = Child::start("comer", ring.name(), &[&E::PART, &journal.path()]);
        comer.says("coming");
        let mut free = 0;
        while free < 50 {
            spin(random.shorter_than(Duration::from_micros(300)));
            comer.stop();
            let (object, orphaned) = (File::open(ring.path()).unwrap(), journal.finished());
            let taken = is_locked(&object, E::ROLE);
            ringmain::unlink(ring.name()).unwrap();
            make();
            comer.go_on();
            wait_for("the next ring to be attached", || (ring.word(E::PRESENCE) > 0).then_some(()));
            if !taken {
                // Wherever it stood: it had not come, so it must not come to what has no name any more.
                free += 1;
                assert_eq!(journal.finished(), orphaned, "attached to a ring without a name");
            }
        }
        comer.kill();
    }
    for_each_end!(check);
}
