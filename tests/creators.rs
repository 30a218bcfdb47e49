//! Two that create a ring at once: one makes it, and both use the same.

mod common;

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::ends::{End, as_end, check_hand_over, for_each_end, for_each_ring, outcome, small};
use common::{Child, PATIENCE, Part, Ring};
use ringmain::PeerState;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("creator", as_end!(creator))]);
}

/// Comes at given times, moves one number with the other side, and leaves; says how an attach failed.
fn creator<E: End>(part: &mut Part) {
    let options = small(part.options()).unlink_on_close(true);
    loop {
        let time = Duration::from_nanos(part.hear().parse().unwrap());
        while now() < time {}
        match E::attach(&options) {
            Ok(mut end) => {
                part.say("attached");
                part.say(end.go(time.as_nanos() as u64, Some(PATIENCE)).is_ok());
                part.hear();
            }
            Err(error) => part.say(outcome::<E>(Err(error))),
        }
        part.say("left");
    }
}

/// The time, by a clock that two processes share.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Lets creators come at the same time, and returns that.
#[track_caller]
fn let_come(creators: &mut [Child; 2]) -> u64 {
    let time = now() + Duration::from_micros(300);
    creators.iter_mut().for_each(|creator| creator.say(time.as_nanos()));
    time.as_nanos() as u64
}

#[test]
fn two_processes_that_create_at_once_share_one_ring() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut creators = [E::PART, E::Peer::PART].map(|part| Child::start("creator", ring.name(), &[&part]));
        for _ in 0..500 {
            let_come(&mut creators);
            creators.iter_mut().for_each(|creator| creator.says("attached"));
            creators.iter_mut().for_each(|creator| creator.says(true));
            creators.iter_mut().for_each(|creator| creator.say("leave"));
            creators.iter_mut().for_each(|creator| creator.says("left"));
            assert!(!ring.exists());
        }
    }
    for_each_ring!(check);
}

#[test]
fn two_threads_that_create_at_once_share_one_ring() {
    fn check<E: End>() {
        let ring = Ring::new();
        let barrier = Barrier::new(2);
        for _ in 0..300 {
            let (end, peer) = thread::scope(|scope| {
                let other = scope.spawn(|| {
                    barrier.wait();
                    E::attach(&small(ring.options())).unwrap()
                });
                barrier.wait();
                let peer = E::Peer::attach(&small(ring.options())).unwrap();
                (other.join().unwrap(), peer)
            });
            check_hand_over(&mut { end }, &mut { peer });
            ringmain::unlink(ring.name()).unwrap();
        }
    }
    for_each_ring!(check);
}

#[test]
fn of_two_that_create_at_once_for_the_same_role_one_is_refused() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut creators = [E::PART; 2].map(|part| Child::start("creator", ring.name(), &[&part]));
        let pids = creators.each_ref().map(Child::pid);
        for _ in 0..200 {
            let time = let_come(&mut creators);
            let outcomes = creators.each_mut().map(Child::hear);
            let winner = outcomes.iter().position(|outcome| outcome == "attached").expect("one of two has the role");
            assert_eq!(outcomes[1 - winner], format!("{} is {}", E::ROLE, pids[winner]));
            creators[1 - winner].says("left");
            let mut peer = E::Peer::attach(&ring.options()).unwrap();
            assert_eq!((peer.peer_state(), peer.peer_generation()), (PeerState::Alive, 1));
            peer.go(time, Some(PATIENCE)).unwrap();
            creators[winner].says(true);
            creators[winner].say("leave");
            creators[winner].says("left");
            assert!(!ring.exists());
        }
    }
    for_each_end!(check);
}
