//! No one pays for a visitor: the fences that a sleeper asks for end with it.

mod common;

use common::ends::{End, check_hand_over, for_each_end, obey, parts_of_ends, small};
use common::{Child, Part, Ring, succeed, word};
use ringmain::{Role, Wait};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&parts_of_ends!(obey));
}

/// Returns whether an end makes a fence with each thing that it publishes, as it says itself.
fn fences<E: End>(ring: &Ring) -> bool {
    let wakes = if E::ROLE == Role::Producer { word::PRODUCER_WAKES } else { word::CONSUMER_WAKES };
    ring.word(wakes) & 1 != 0
}

/// Returns whether an end asks for fences.
fn asks<E: End>(ring: &Ring) -> bool {
    ring.word(E::PARKING) & 1 != 0
}

#[test]
fn a_visitor_that_parks_is_fenced_for_until_it_leaves() {
    fn check<E: End>(closes: bool) {
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options())).unwrap();
        let mut visitor = E::Peer::attach(&small(ring.options()).wait(Wait::Park)).unwrap();
        check_hand_over(&mut end, &mut visitor);
        assert_eq!((asks::<E::Peer>(&ring), fences::<E>(&ring)), (true, true), "{}", E::PART);
        if closes {
            visitor.close()
        } else {
            drop(visitor)
        }
        assert!(!asks::<E::Peer>(&ring), "{}", E::PART);
        let mut peer = E::Peer::attach(&small(ring.options())).unwrap();
        check_hand_over(&mut end, &mut peer);
        assert_eq!((asks::<E::Peer>(&ring), fences::<E>(&ring)), (false, false), "{}", E::PART);
    }
    for closes in [true, false] {
        for_each_end!(check, closes);
    }
}

#[test]
fn nobody_is_fenced_for_after_a_visitor_though_nobody_follows_it() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options())).unwrap();
        let mut visitor = E::Peer::attach(&small(ring.options()).wait(Wait::Park)).unwrap();
        check_hand_over(&mut end, &mut visitor);
        // Something that the end can still publish for.
        if E::ROLE == Role::Consumer {
            visitor.go(100, None).unwrap();
        }
        drop(visitor);
        end.go(100, None).unwrap();
        assert!(!fences::<E>(&ring), "{}", E::PART);
    }
    for_each_end!(check);
}

#[test]
fn set_wait_asks_for_fences_and_takes_that_back_as_an_attach_does() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options())).unwrap();
        let mut peer = E::Peer::attach(&small(ring.options())).unwrap();
        for (strategy, expected) in [
            (Wait::Park, true),
            (Wait::SpinThenPark, false),
            (Wait::Park, true),
            (Wait::Park, true),
            (Wait::Spin, false),
            (Wait::SpinThenPark, false),
        ] {
            peer.set_wait(strategy);
            assert_eq!(asks::<E::Peer>(&ring), expected, "{} {strategy:?}", E::PART);
            check_hand_over(&mut end, &mut peer);
            assert_eq!(fences::<E>(&ring), expected, "{} {strategy:?}", E::PART);
        }
    }
    for_each_end!(check);
}

#[test]
fn whoever_follows_a_visitor_that_was_killed_does_not_repeat_what_it_asked_for() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options())).unwrap();
        let mut visitor = Child::start(E::Peer::PART, ring.name(), &[]);
        visitor.says("attached");
        visitor.say("park");
        visitor.says("parks");
        assert!(asks::<E::Peer>(&ring), "{}", E::PART);
        visitor.kill();
        let mut peer = succeed(|| E::Peer::attach(&small(ring.options())));
        assert!(!asks::<E::Peer>(&ring), "{}", E::PART);
        check_hand_over(&mut end, &mut peer);
        assert!(!fences::<E>(&ring), "{}", E::PART);
    }
    for_each_end!(check);
}

#[test]
fn a_new_holder_begins_without_the_fences_of_the_last_one() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut peer = E::Peer::attach(&small(ring.options()).wait(Wait::Park)).unwrap();
        let mut end = E::attach(&small(ring.options())).unwrap();
        check_hand_over(&mut end, &mut peer);
        assert!(fences::<E>(&ring), "{}", E::PART);
        drop(end);
        peer.set_wait(Wait::SpinThenPark);
        let mut end = E::attach(&small(ring.options())).unwrap();
        check_hand_over(&mut end, &mut peer);
        assert!(!fences::<E>(&ring), "{}", E::PART);
    }
    for_each_end!(check);
}
