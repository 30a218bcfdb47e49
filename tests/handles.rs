//! A role belongs to a handle, not to a thread, and for as long as the handle lives.

mod common;

use std::{mem, process, thread};

use common::ends::{End, as_end, check_hand_over, check_held, for_each_end, for_each_ring, small};
use common::{Child, Part, Ring, wait_for};
use ringmain::PeerState;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("forgetter", as_end!(forgetter))]);
}

/// Forgets its handle, and ends when told to.
fn forgetter<E: End>(part: &mut Part) {
    mem::forget(E::attach(&small(part.options()).close_on_exit(false)).unwrap());
    part.say("forgotten");
    part.hear();
}

#[test]
fn a_role_outlives_the_thread_that_took_it() {
    fn check<E: End>() {
        let ring = Ring::new();
        let attach = || E::attach(&small(ring.options())).unwrap();
        let mut end = thread::scope(|scope| scope.spawn(attach).join().unwrap());
        let mut peer = E::Peer::attach(&small(ring.options())).unwrap();
        assert_eq!(peer.peer_state(), PeerState::Alive);
        check_held::<E>(&ring, process::id());
        check_hand_over(&mut end, &mut peer);
        // Moved to a thread and dropped there, it ends with the handle.
        let mut peer = thread::scope(|scope| {
            let thread = scope.spawn(move || {
                check_hand_over(&mut end, &mut peer);
                drop(end);
                peer
            });
            thread.join().unwrap()
        });
        assert_eq!(peer.peer_state(), PeerState::Closed);
        check_hand_over(&mut attach(), &mut peer);
    }
    for_each_end!(check);
}

/// The handles of one ring that are not dropped yet.
type Ends<E> = (Option<E>, Option<<E as End>::Peer>);

#[test]
fn handles_are_dropped_in_any_order() {
    fn check<E: End>() {
        let rings = [Ring::new(), Ring::new()];
        for generation in 1..=4 {
            let mut handles: Vec<Ends<E>> = Vec::new();
            for ring in &rings {
                let mut end = E::attach(&small(ring.options())).unwrap();
                let mut peer = E::Peer::attach(&small(ring.options())).unwrap();
                assert_eq!((end.generation(), peer.generation()), (generation, generation));
                check_hand_over(&mut end, &mut peer);
                handles.push((Some(end), Some(peer)));
            }
            // Every order in which the four of them can begin.
            let first = (generation as usize - 1) % 4;
            for at in (0..4).map(|at| (at + first) % 4) {
                let (end, peer) = &mut handles[at / 2];
                match at % 2 {
                    0 => drop(end.take()),
                    _ => drop(peer.take()),
                }
                let state = |is_there| if is_there { PeerState::Alive } else { PeerState::Closed };
                if let Some(end) = end {
                    assert_eq!(end.peer_state(), state(peer.is_some()));
                }
                if let Some(peer) = peer {
                    assert_eq!(peer.peer_state(), state(end.is_some()));
                }
            }
        }
    }
    for_each_ring!(check);
}

#[test]
fn a_forgotten_handle_keeps_its_role_until_its_process_ends() {
    fn check<E: End>() {
        let ring = Ring::new();
        let peer = E::Peer::attach(&small(ring.options())).unwrap();
        let mut forgetter = Child::start("forgetter", ring.name(), &[&E::PART]);
        forgetter.says("forgotten");
        assert_eq!(peer.peer_state(), PeerState::Alive);
        check_held::<E>(&ring, forgetter.pid());
        forgetter.say("end");
        forgetter.join();
        // It never said that it left.
        wait_for("the crash to be seen", || (peer.peer_state() == PeerState::Crashed).then_some(()));
        assert_eq!(E::attach(&small(ring.options())).unwrap().generation(), 2);
    }
    for_each_end!(check);
}
