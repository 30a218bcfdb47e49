//! An end that sleeps is woken when its peer comes or leaves, and by whoever succeeds its peer.

use loom::thread;
use loom_tests::internals::Internals;
use loom_tests::model::{assert_reached, check, consumer, fails, producer, push, reached, ring};
use loom_tests::ring::error::PopError;
use loom_tests::ring::leave::{self, Words};
use loom_tests::ring::memory::{Memory, Parking, Role};
use loom_tests::ring::park::Sleeper;
use loom_tests::ring::presence::{self, Presence};
use loom_tests::ring::stream::Consumer;
use loom_tests::sleeping::{Fault, LIMIT, LOST_WAKE, SleepingMemory, seen};

const GENERATION: u64 = 1;
const ATTACHED: Presence = Presence::Attached { generation: GENERATION };
const LEFT: Presence = Presence::Left { generation: GENERATION };

/// What an end looks at between the begin of a sleep and the sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastLook {
    /// Whether there is an element.
    Ring,
    /// That, and whether the peer still says what it said before.
    RingAndPeer,
}

/// Sleeps once, unless the last look finds something. `is_idle` looks at the ring, `seen` is what the peer said before.
fn park(memory: &SleepingMemory, role: Role, last_look: LastLook, seen: Presence, is_idle: impl FnOnce() -> bool) {
    let mut sleeper = Sleeper::attach(memory, role);
    // A position that nothing here comes to: a presence wakes whoever sleeps.
    let prepared = sleeper.prepare(memory, u64::MAX / 4, u64::MAX / 4);
    let peer = memory.presence(role.peer());
    if is_idle() && (last_look == LastLook::Ring || presence::observe(peer) == seen) {
        reached("a sleep");
        sleeper.sleep(memory, prepared, LIMIT);
    }
    sleeper.finish(memory);
}

/// An end sleeps until its peer says something else than it said at first. Nothing changes in the ring.
fn a_peer_is_awaited(
    memory: SleepingMemory,
    role: Role,
    last_look: LastLook,
    expected: Presence,
    change: impl FnOnce(SleepingMemory) + 'static,
) {
    let peers = memory.clone();
    let peer = thread::spawn(move || change(peers));
    loop {
        let found = presence::observe(memory.presence(role.peer()));
        if found == expected {
            break;
        }
        park(&memory, role, last_look, found, || true);
    }
    peer.join().unwrap();
}

/// The holder of `role` comes, says so, and wakes the other end.
fn comes(memory: SleepingMemory, role: Role) {
    let presence = memory.clone();
    let enter = || assert_eq!(presence::store_attached(presence.presence(role), &[]), GENERATION);
    if role == Role::Producer {
        let mut producer = producer(memory);
        enter();
        producer.wake();
    } else {
        let mut consumer = consumer(memory);
        enter();
        consumer.wake();
    }
}

/// The holder of `role` leaves.
fn leaves(memory: SleepingMemory, role: Role) {
    if role == Role::Producer {
        producer(memory).leave(GENERATION);
    } else {
        consumer(memory).leave(GENERATION);
    }
}

const ROLES: [Role; 2] = [Role::Producer, Role::Consumer];

#[test]
fn an_end_that_sleeps_is_woken_by_a_peer_that_comes() {
    for role in ROLES {
        check(move || {
            a_peer_is_awaited(SleepingMemory::new(1), role, LastLook::RingAndPeer, ATTACHED, move |memory| {
                comes(memory, role.peer());
            });
        });
        assert_reached(&["a sleep"]);
    }
}

#[test]
fn an_end_that_sleeps_is_woken_by_a_peer_that_leaves() {
    for role in ROLES {
        check(move || {
            a_peer_is_awaited(SleepingMemory::new(1), role, LastLook::RingAndPeer, LEFT, move |memory| {
                leaves(memory, role.peer());
            });
        });
        assert_reached(&["a sleep"]);
    }
}

/// The holder of `role` leaves as the handler does that runs when its process exits.
fn exits(memory: &SleepingMemory, role: Role) {
    let parking = memory.parking().unwrap();
    let words = Words {
        presence: memory.presence(role),
        parking_and_wakes: Some((parking.parking(role), parking.wakes(role))),
        told: (role == Role::Consumer).then(|| memory.told()),
        peer: memory.presence(role.peer()),
    };
    leave::leave(&words, GENERATION);
}

#[test]
fn an_end_that_sleeps_is_woken_by_a_peer_that_exits() {
    for role in ROLES {
        check(move || {
            a_peer_is_awaited(SleepingMemory::new(1), role, LastLook::RingAndPeer, LEFT, move |memory| {
                exits(&memory, role.peer());
                memory.parking().unwrap().wake(role.peer(), false);
            });
        });
        assert_reached(&["a sleep"]);
    }
}

#[test]
fn a_peer_that_exits_and_counts_no_wake_or_makes_none_is_caught() {
    fails(LOST_WAKE, || {
        let memory = SleepingMemory::new(1).with(Fault::NotCounted);
        a_peer_is_awaited(memory, Role::Consumer, LastLook::RingAndPeer, LEFT, |memory| {
            exits(&memory, Role::Producer);
            memory.parking().unwrap().wake(Role::Producer, false);
        });
    });
    fails(LOST_WAKE, || {
        a_peer_is_awaited(SleepingMemory::new(1), Role::Consumer, LastLook::RingAndPeer, LEFT, |memory| {
            exits(&memory, Role::Producer);
        });
    });
}

#[test]
fn an_end_that_does_not_look_at_its_peer_last_is_caught() {
    for role in ROLES {
        fails(LOST_WAKE, move || {
            a_peer_is_awaited(SleepingMemory::new(1), role, LastLook::Ring, ATTACHED, move |memory| {
                comes(memory, role.peer());
            });
        });
        fails(LOST_WAKE, move || {
            a_peer_is_awaited(SleepingMemory::new(1), role, LastLook::Ring, LEFT, move |memory| {
                leaves(memory, role.peer());
            });
        });
    }
}

#[test]
fn a_peer_that_wakes_nobody_or_too_early_is_caught() {
    let silent = |memory: SleepingMemory| presence::store_detached(memory.presence(Role::Producer), GENERATION);
    fails(LOST_WAKE, move || {
        a_peer_is_awaited(SleepingMemory::new(1), Role::Consumer, LastLook::RingAndPeer, LEFT, silent);
    });
    let early = |memory: SleepingMemory| {
        producer(memory.clone()).wake();
        presence::store_detached(memory.presence(Role::Producer), GENERATION);
    };
    fails(LOST_WAKE, move || {
        a_peer_is_awaited(SleepingMemory::new(1), Role::Consumer, LastLook::RingAndPeer, LEFT, early);
    });
}

/// A consumer sleeps for each element, and until it finds that the producer left behind the last one.
fn a_last_element_and_a_leave(memory: SleepingMemory, last_look: LastLook) {
    let (mut producer, mut consumer) = ring(memory.clone(), 0);
    let holder = thread::spawn(move || {
        push(&mut producer, 0);
        producer.leave(GENERATION);
    });
    let mut popped = Vec::new();
    loop {
        let found = presence::observe(memory.presence(Role::Producer));
        popped.extend(std::iter::from_fn(|| consumer.pop().ok()));
        if found == LEFT {
            break;
        }
        park(&memory, Role::Consumer, last_look, found, || consumer.is_ready(1) == Ok(false));
    }
    assert_eq!(popped, [0]);
    holder.join().unwrap();
}

#[test]
fn a_consumer_that_sleeps_finds_the_last_element_and_the_leave() {
    check(|| a_last_element_and_a_leave(SleepingMemory::new(1), LastLook::RingAndPeer));
    assert_reached(&["a sleep"]);
}

#[test]
fn a_leave_behind_the_last_element_that_is_not_looked_at_last_is_caught() {
    fails(LOST_WAKE, || a_last_element_and_a_leave(SleepingMemory::new(1), LastLook::Ring));
}

/// Pops an element, and parks for as long as there is none.
fn pop_parked<M: Memory>(consumer: &mut Consumer<u64, M>) -> u64 {
    loop {
        match consumer.pop() {
            Ok(value) => return value,
            Err(PopError::Empty) => {
                reached("a sleep");
                consumer.park(1, false, seen(consumer.memory(), Role::Producer), LIMIT).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A producer is killed, before or after it has woken a consumer for its element; the next one wakes it for the next.
fn a_sleeper_is_woken_by_a_successor(memory: SleepingMemory, first: fn(&SleepingMemory) -> SleepingMemory) {
    let mut consumer = consumer(memory.clone());
    // Both in one thread: the lock of the role orders them likewise.
    let holders = thread::spawn(move || {
        push(&mut producer(first(&memory)), 0);
        push(&mut producer(memory), 1);
    });
    assert_eq!([(); 2].map(|()| pop_parked(&mut consumer)), [0, 1]);
    holders.join().unwrap();
}

#[test]
fn a_consumer_that_sleeps_is_woken_by_a_successor() {
    check(|| a_sleeper_is_woken_by_a_successor(SleepingMemory::new(2), SleepingMemory::clone));
    assert_reached(&["a sleep"]);
    check(|| a_sleeper_is_woken_by_a_successor(SleepingMemory::new(2), SleepingMemory::of_a_stranger));
    assert_reached(&["a sleep"]);
}

#[test]
fn a_successor_that_counts_from_the_start_is_caught() {
    fails(LOST_WAKE, || {
        a_sleeper_is_woken_by_a_successor(SleepingMemory::new(2).with(Fault::CountedAnew), SleepingMemory::clone);
    });
}

/// A consumer is killed in its sleep; the next one sleeps and is woken.
fn a_sleeper_is_succeeded(memory: SleepingMemory) {
    let mut producer = producer(memory.clone());
    Sleeper::attach(&memory, Role::Consumer).prepare(&memory, 1, 1);
    let pushes = thread::spawn(move || (0..2).for_each(|value| push(&mut producer, value)));
    let mut consumer = consumer(memory.clone());
    assert_eq!([(); 2].map(|()| pop_parked(&mut consumer)), [0, 1]);
    pushes.join().unwrap();
    memory.assert_no_wake_was_made_twice(Role::Producer);
}

#[test]
fn the_successor_of_a_consumer_that_was_killed_in_its_sleep_is_woken() {
    check(|| a_sleeper_is_succeeded(SleepingMemory::new(2)));
    assert_reached(&["a sleep"]);
}
