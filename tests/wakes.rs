//! A sleeper gets what it asked for: who is woken by which call, seen by the counts that the ends keep, not by a clock.

mod common;

use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use common::ends::{End, LONG, for_each_ring, obey, parts_of_ends, small};
use common::hostile::Words;
use common::{Child, Lateness, Part, Ring, path, succeed, wait_for, word};
use ringmain::inspect::Inspection;
use ringmain::{Role, Wait, WaitError, stream};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    let parts = parts_of_ends!(pusher);
    common::play(&[
        ("stream_producer", parts[0].1),
        ("message_producer", parts[2].1),
        ("peeker", peeker),
        ("peeker_to_the_end", peeker_to_the_end),
        ("stranger", stranger),
        ("feeder", obey::<stream::Producer<u64>>),
    ]);
}

/// Fills a ring, and pushes more, one by one; says how many of its waits were late.
fn pusher<P: End>(part: &mut Part) {
    let mut tx = P::attach(&small(part.options()).wait(Wait::Park)).unwrap();
    let mut lateness = Lateness::from_the_first(&tx);
    let start = tx.exhaust();
    part.say(start);
    for number in (start..).take(part.argument(0)) {
        lateness.watch(|| tx.go(number, None)).unwrap();
        part.say(format!("late {}", lateness.count()));
    }
    part.hear();
}

/// Looks at several elements at once, as soon as they are there; then says how that went.
fn peeker(part: &mut Part) {
    let mut rx = succeed(|| part.options().capacity(64).wait(Wait::Park).stream_consumer::<u64>());
    part.say("attached");
    loop {
        let len: usize = part.hear().parse().unwrap();
        let peek = rx.blocking().peek(len).unwrap();
        assert_eq!(peek.len(), len);
        peek.release();
        part.say("peeked");
    }
}

/// Looks at more than will come; then at what is there.
fn peeker_to_the_end(part: &mut Part) {
    let mut rx = succeed(|| part.options().capacity(8).stream_consumer::<u64>());
    part.say("attached");
    for len in [8, 4, 5] {
        part.say(format!("{:?}", rx.blocking().peek(len).map(|peek| peek.len())));
        part.say(format!("{:?}", rx.within(LONG).peek(len).map(|peek| peek.len())));
    }
    (0..3).for_each(|number| assert_eq!(rx.blocking().pop(), Ok(number)));
    part.say(format!("{:?}", rx.blocking().peek(8).map(|peek| peek.len())));
    part.say(format!("{:?}", rx.blocking().pop()));
    part.hear();
}

/// Waits on the words of a ring as one may that can only read it, and takes the wakes of others.
fn stranger(part: &mut Part) {
    let words = Words::of(&path(part.name()));
    let word = words.at(part.argument(0));
    part.say("waits");
    loop {
        wait_on(word);
    }
}

/// Sleeps for as long as a word stays as it is.
fn wait_on(word: &AtomicU64) {
    let value = word.load(Ordering::Relaxed) as u32;
    let half: *const AtomicU32 = ptr::from_ref(word).cast();
    let half = half.wrapping_add(if cfg!(target_endian = "little") { 0 } else { 1 });
    // SAFETY: the kernel reads a word that is mapped for longer than the call.
    unsafe { libc::syscall(libc::SYS_futex, half, libc::FUTEX_WAIT, value, ptr::null::<libc::timespec>()) };
}

/// How often an end has woken the other one.
#[track_caller]
fn wakes(ring: &Ring, role: Role) -> u64 {
    Inspection::open(ring.name()).unwrap().end(role).unwrap().wakes
}

/// Waits until an end sleeps: it says so, and the kernel too.
#[track_caller]
fn await_sleep(ring: &Ring, role: Role, child: &Child) {
    wait_for("a sleeper", || {
        let sleeps = Inspection::open(ring.name()).unwrap().end(role).unwrap().sleeps;
        (sleeps.is_asleep && child.all_threads('S')).then_some(())
    });
}

#[test]
fn a_producer_is_woken_by_a_pop_and_a_release_before_they_return() {
    fn check<P: End>() {
        const ROUNDS: u64 = 20;
        let ring = Ring::new();
        let mut child = Child::start(P::PART, ring.name(), &[&ROUNDS]);
        child.hear();
        let mut rx = P::Peer::attach(&small(ring.options())).unwrap();
        let mut all = 0;
        for number in 0..ROUNDS {
            await_sleep(&ring, Role::Producer, &child);
            let before = wakes(&ring, Role::Consumer);
            rx.go(number, Some(LONG)).unwrap();
            rx.pause();
            let woken = wakes(&ring, Role::Consumer) - before;
            // Its slice may have ended between the look and the pop: then nobody slept.
            assert!(woken <= 1, "{woken} wakes by one pop");
            all += woken;
            child.says("late 0");
        }
        assert!(all > ROUNDS / 2, "{all} wakes");
        child.say("end");
        child.join();
    }
    for_each_ring!(check);
}

#[test]
fn a_producer_is_woken_by_a_pop_alone_before_its_slice_is_over() {
    fn check<P: End>() {
        const ROUNDS: u64 = 40;
        let ring = Ring::new();
        let mut child = Child::start(P::PART, ring.name(), &[&ROUNDS]);
        child.hear();
        let mut rx = P::Peer::attach(&small(ring.options())).unwrap();
        let mut next = 0;
        for number in 0..ROUNDS {
            // Several at once now and then, so that it sleeps for more the next time; then one alone.
            let popped = if number % 8 == 3 { 4 } else { 1 };
            if next > number {
                // There is room.
                child.says("late 0");
                continue;
            }
            await_sleep(&ring, Role::Producer, &child);
            (0..popped).for_each(|at| rx.go(next + at, Some(LONG)).unwrap());
            next += popped;
            child.says("late 0");
        }
        child.say("end");
        child.join();
    }
    for_each_ring!(check);
}

#[test]
fn a_release_wakes_a_producer_that_waits_for_more_than_it_asked_for() {
    fn check<P: End>() {
        let ring = Ring::new();
        // A sleep for a quarter of the ring lasts for 5 ms at most: on a busy machine this test may come too late
        // often.
        let mut child = Child::start(P::PART, ring.name(), &[&usize::MAX]);
        child.hear();
        let mut rx = P::Peer::attach(&small(ring.options())).unwrap();
        let words = Words::of(&path(ring.name()));
        let wakes = || words.read(word::CONSUMER_WAKES) / 2;
        let await_sleep = || {
            let is_asleep = || words.read(word::PRODUCER_PARKING) & 2 != 0;
            wait_for("a sleeper", || is_asleep().then_some(()));
        };
        let mut next = 0;
        wait_for("a wake by a release", || {
            // All at once, so that its next sleep is for more.
            await_sleep();
            (0..4).for_each(|at| rx.go(next + at, Some(LONG)).unwrap());
            (0..4).for_each(|_| child.says("late 0"));
            await_sleep();
            let before = wakes();
            rx.go(next + 4, Some(LONG)).unwrap();
            next += 5;
            let popped = wakes();
            rx.pause();
            let released = wakes();
            child.says("late 0");
            (popped == before && released == before + 1).then_some(())
        });
    }
    for_each_ring!(check);
}

#[test]
fn a_consumer_that_wants_several_is_woken_by_the_last_of_them_alone() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(64).stream_producer::<u64>().unwrap();
    let mut child = Child::start("peeker", ring.name(), &[]);
    child.says("attached");
    for len in [8, 1, 64, 3] {
        child.say(len);
        await_sleep(&ring, Role::Consumer, &child);
        for number in 0..len - 1 {
            let before = wakes(&ring, Role::Producer);
            tx.push(number).unwrap();
            assert_eq!(wakes(&ring, Role::Producer), before, "woken for {} of {len}", number + 1);
        }
        await_sleep(&ring, Role::Consumer, &child);
        tx.push(len).unwrap();
        child.says("peeked");
    }
    assert!(wakes(&ring, Role::Producer) > 0);
}

#[test]
fn fewer_than_were_asked_for_are_told_with_their_number_and_can_be_read() {
    for closes in [true, false] {
        let ring = Ring::new();
        let mut rx = Child::start("peeker_to_the_end", ring.name(), &[]);
        rx.says("attached");
        let mut tx = Child::start("feeder", ring.name(), &[]);
        tx.says("attached");
        tx.say("move 0 3");
        tx.says("moved");
        if closes {
            tx.say("close");
            tx.says("closed");
        } else {
            tx.kill();
        }
        for len in [8, 4, 5] {
            let short = Err::<usize, _>(WaitError::Short { left: 3, len, crashed: !closes });
            (0..2).for_each(|_| rx.says(format_args!("{short:?}")));
        }
        let ended = if closes { WaitError::Closed } else { WaitError::Crashed };
        rx.says(format_args!("{:?}", Err::<usize, _>(ended)));
        rx.says(format_args!("{:?}", Err::<u64, _>(ended)));
        rx.say("end");
        rx.join();
    }
}

#[test]
fn the_sleeper_is_woken_whoever_else_waits_on_the_word() {
    fn check<P: End>() {
        const ROUNDS: u64 = 10;
        let ring = Ring::new();
        P::attach(&small(ring.options())).unwrap().close();
        // They come first, so a single wake would be theirs.
        let mut strangers = [(); 3].map(|()| Child::start("stranger", ring.name(), &[&word::CONSUMER_WAKES]));
        for stranger in &mut strangers {
            stranger.says("waits");
            wait_for("a stranger to wait", || stranger.all_threads('S').then_some(()));
        }
        let mut child = Child::start(P::PART, ring.name(), &[&ROUNDS]);
        child.hear();
        let mut rx = P::Peer::attach(&small(ring.options())).unwrap();
        for number in 0..ROUNDS {
            await_sleep(&ring, Role::Producer, &child);
            rx.go(number, Some(LONG)).unwrap();
            rx.pause();
            child.says("late 0");
        }
        child.say("end");
        child.join();
    }
    for_each_ring!(check);
}
