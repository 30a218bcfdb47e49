//! A set waits at many rings: whatever comes ends the wait, all that is ready is told, and nothing else is.

mod common;

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::fs::File;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::ends::{
    End, LONG, Line, SOON, STRATEGIES, attach_line as attach, for_each_end, hold, parts_of_ends, small,
};
use common::events::Events;
use common::feeders::{flooder, ticker};
use common::filter::{Verdict, Watcher, be_watched, refuse};
use common::forks::{code, exit, fork};
use common::{Ability, Child, Part, Random, Ring, SLICE, missing, path, possessions, rounds, spin, succeed, wait_for};
use ringmain::inspect::Inspection;
use ringmain::{
    Broken, Options, PeerState, PopError, PushError, Readiness, Role, Wait, WaitError, WaitSet, Woken, stream,
};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    let others: [Play; 6] = [
        ("mover", mover),
        ("flooder", flooder),
        ("ticker", ticker),
        ("forker", forker),
        ("cycler", cycler),
        ("idler", idler),
    ];
    common::play(&[&parts_of_ends!(hold)[..], &others].concat());
}

/// The name of a part, and what plays it.
type Play = (&'static str, fn(&mut Part));

/// Waits at some lines.
#[track_caller]
fn wait(set: &mut WaitSet, lines: &mut [Box<dyn Line>], limit: Duration) -> Woken {
    let mut interests: Vec<_> = lines.iter_mut().map(|line| line.interest()).collect();
    set.wait(&mut interests, limit).unwrap()
}

/// Returns the places of what is ready.
#[track_caller]
fn ready(woken: Woken) -> Vec<usize> {
    match woken {
        Woken::Ready(ready) => ready.collect(),
        other => panic!("{other:?}, and nothing is ready"),
    }
}

/// Moves as many numbers over each line, whenever the set says that one can go, and pauses now and then.
fn move_all(set: &mut WaitSet, lines: &mut [Box<dyn Line>], count: u64, random: &Random) {
    let mut next = vec![0; lines.len()];
    while next.iter().any(|&next| next < count) {
        let left: Vec<usize> = (0..lines.len()).filter(|&at| next[at] < count).collect();
        let unfinished = lines.iter_mut().zip(&next).filter(|(_, next)| **next < count);
        let mut interests: Vec<_> = unfinished.map(|(line, _)| line.interest()).collect();
        for at in ready(set.wait(&mut interests, LONG).unwrap()) {
            let at = left[at];
            let gone = (next[at]..count).take_while(|&number| lines[at].try_go(number)).count() as u64;
            assert!(gone > 0, "line {at} was said to be ready");
            next[at] += gone;
        }
        if random.below(20) == 0 {
            thread::sleep(random.shorter_than(Duration::from_micros(300)));
        }
    }
}

/// Moves numbers over rings whose names follow, at the other ends than the test's.
fn mover(part: &mut Part) {
    let (strategy, count, seed, lines): (usize, u64, u64, usize) =
        (part.argument(0), part.argument(1), part.argument(2), part.argument(3));
    if part.argument(4) {
        if let Err(error) = refuse(&[libc::SYS_futex_waitv], Verdict::Fails) {
            return part.say(format!("no filter: {error}"));
        }
    }
    let options = |at: usize| small(Options::new(part.argument::<String>(5 + at)));
    let mut lines: Vec<_> = (0..lines).map(|at| attach(at ^ 1, &options(at))).collect();
    part.say("attached");
    let mut set = WaitSet::new();
    set.set_wait(STRATEGIES[strategy]);
    move_all(&mut set, &mut lines, count, &Random::seeded(seed));
    part.say("moved");
    part.hear();
}

/// Moves numbers over eight rings, by a set on each side. Refuses the other process the call that sleeps, or does not.
#[track_caller]
fn check_moves(ours: usize, theirs: usize, count: u64, refused: bool) {
    let (random, rings) = (Random::new(), [(); 8].map(|()| Ring::new()));
    let options = |at: usize| small(rings[at].options());
    let mut lines: Vec<_> = (0..rings.len()).map(|at| attach(at, &options(at))).collect();
    let seed = random.any();
    let mut arguments: Vec<&dyn std::fmt::Display> = vec![&theirs, &count, &seed, &8, &refused];
    let names: Vec<&str> = rings.iter().map(Ring::name).collect();
    arguments.extend(names.iter().map(|name| name as &dyn std::fmt::Display));
    let mut child = Child::start("mover", rings[0].name(), &arguments);
    match child.hear().as_str() {
        "attached" => {}
        refused => return missing(Ability::SystemCallFilter, refused),
    }
    let mut set = WaitSet::new();
    set.set_wait(STRATEGIES[ours]);
    move_all(&mut set, &mut lines, count, &random);
    child.says("moved");
}

#[test]
fn two_processes_hand_all_over_by_sets_at_the_ends_of_both_rings() {
    for ours in 0..STRATEGIES.len() {
        // Two that spin fill a small machine.
        check_moves(ours, 1 + ours % 2, if ours == 0 { 500 } else { 2_000 }, false);
    }
}

#[test]
fn a_set_that_may_not_wait_for_several_words_naps() {
    check_moves(1, 2, 200, true);
}

#[test]
fn a_message_beside_a_ring_at_full_flow_is_served_within_one_turn() {
    const MESSAGES: u64 = 300;
    let rings = [(); 2].map(|()| Ring::new());
    let mut flood: stream::Consumer<u64> = rings[0].options().capacity(64).stream_consumer().unwrap();
    let mut ticks = rings[1].options().capacity(4096).message_consumer().unwrap();
    let mut flooder = Child::start("flooder", rings[0].name(), &[]);
    let mut ticker = Child::start("ticker", rings[1].name(), &[&MESSAGES]);
    flooder.says("attached");
    ticker.says("attached");
    ticker.say("begin");
    let (mut set, mut next, mut turns_of_flood) = (WaitSet::new(), 0, 0);
    let mut elements = [0; 64];
    while next < MESSAGES {
        let has_come = !ticks.is_empty().unwrap();
        let woken = set.wait(&mut [flood.readable(), ticks.readable()], LONG).unwrap();
        let Woken::Ready(ready) = woken else { panic!("{woken:?}") };
        assert!(ready.contains(1) || !has_come, "message {next} was there, and was not told");
        if ready.contains(0) {
            assert!(flood.pop_slice(&mut elements).unwrap() > 0);
            turns_of_flood += 1;
        }
        if ready.contains(1) {
            assert_eq!(ticks.pop_value(), Ok(next));
            next += 1;
        }
    }
    assert!(turns_of_flood > MESSAGES, "{turns_of_flood} turns of a flood");
}

/// Returns how much processor this thread has used.
fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn after_events_on_one_of_many_waits_last_and_use_next_to_no_processor() {
    for strategy in [Wait::SpinThenPark, Wait::Park] {
        let rings = [(); 8].map(|()| Ring::new());
        let mut consumers: Vec<Box<dyn Line>> = (0..8).map(|at| attach(1, &small(rings[at].options()))).collect();
        let mut producers: Vec<stream::Producer<u64>> =
            rings.iter().map(|ring| ring.options().stream_producer().unwrap()).collect();
        let mut set = WaitSet::new();
        set.set_wait(strategy);
        // One that is there, and some that come in a spin or in a sleep.
        producers[5].push(0).unwrap();
        let taken = AtomicU64::new(0);
        thread::scope(|scope| {
            let (tx, taken) = (&mut producers[5], &taken);
            scope.spawn(move || {
                for number in 1..200 {
                    wait_for("a number to be taken", || (taken.load(Ordering::SeqCst) == number).then_some(()));
                    spin(Duration::from_micros(number % 20));
                    tx.push(number).unwrap();
                }
            });
            for number in 0..200 {
                assert_eq!(ready(wait(&mut set, &mut consumers, LONG)), [5]);
                assert!(consumers[5].try_go(number));
                taken.store(number + 1, Ordering::SeqCst);
            }
        });
        let before = used();
        for _ in 0..10 {
            let start = Instant::now();
            assert_eq!(wait(&mut set, &mut consumers, SLICE), Woken::TimedOut);
            assert!(start.elapsed() >= SLICE, "{:?}", start.elapsed());
        }
        let used = used() - before;
        assert!(used < SLICE, "{used:?} of {:?}", 10 * SLICE);
    }
}

#[test]
fn all_that_is_ready_is_told_until_it_is_taken() {
    let rings = [(); 3].map(|()| Ring::new());
    let mut tx: Vec<stream::Producer<u64>> =
        rings.iter().map(|ring| ring.options().capacity(8).stream_producer().unwrap()).collect();
    let mut rx: Vec<stream::Consumer<u64>> =
        rings.iter().map(|ring| ring.options().stream_consumer().unwrap()).collect();
    let mut set = WaitSet::new();
    let mut wait = |rx: &mut [stream::Consumer<u64>], lens: [usize; 3]| {
        let mut interests: Vec<_> = rx.iter_mut().zip(lens).map(|(rx, len)| rx.readable_for(len)).collect();
        match set.wait(&mut interests, Duration::ZERO).unwrap() {
            Woken::TimedOut => Vec::new(),
            woken => ready(woken),
        }
    };
    assert_eq!(wait(&mut rx, [1; 3]), []);
    tx[2].push_slice(&[1, 2]).unwrap();
    tx[0].push(3).unwrap();
    for _ in 0..3 {
        assert_eq!(wait(&mut rx, [1; 3]), [0, 2]);
        assert_eq!(wait(&mut rx, [2; 3]), [2]);
        assert_eq!(wait(&mut rx, [3; 3]), []);
        assert_eq!(wait(&mut rx, [0, 8, 0]), [0, 2]);
    }
    assert_eq!(rx[2].pop(), Ok(1));
    assert_eq!(wait(&mut rx, [1; 3]), [0, 2]);
    assert_eq!((rx[2].pop(), rx[0].pop()), (Ok(2), Ok(3)));
    assert_eq!(wait(&mut rx, [1; 3]), []);
    let mut wait = |len| set.wait(&mut [tx[1].writable(len)], Duration::ZERO).unwrap();
    assert_eq!((ready(wait(8)), ready(wait(0))), (vec![0], vec![0]));
    tx[1].push(1).unwrap();
    let mut wait = |len| set.wait(&mut [tx[1].writable(len)], Duration::ZERO).unwrap();
    assert_eq!((ready(wait(7)), wait(8)), (vec![0], Woken::TimedOut));
}

#[test]
fn calls_that_always_come_keep_no_ring_from_being_seen() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(8).stream_producer::<u64>().unwrap();
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    let mut set = WaitSet::new();
    let waker = set.waker();
    tx.push(7).unwrap();
    waker.wake();
    assert_eq!(set.wait(&mut [rx.readable()], LONG), Ok(Woken::Called));
    for _ in 0..3 {
        waker.wake();
        assert_eq!(ready(set.wait(&mut [rx.readable()], LONG).unwrap()), [0]);
        assert_eq!(set.wait(&mut [rx.readable()], LONG), Ok(Woken::Called));
    }
    // Where nothing is ready, a call after a call ends a wait all the same.
    rx.pop().unwrap();
    waker.wake();
    assert_eq!(set.wait(&mut [rx.readable()], LONG), Ok(Woken::Called));
    assert_eq!(set.wait(&mut [rx.readable()], SOON), Ok(Woken::TimedOut));
}

#[test]
fn a_call_after_a_set_has_found_a_crash_does_not_sleep() {
    let ring = Ring::new();
    let tx = ring.options().capacity(8).stream_producer::<u64>().unwrap();
    let mut rx = ring.options().stream_consumer::<u64>().unwrap();
    rx.set_wait(Wait::Park);
    tx.abandon();
    assert_eq!(ready(WaitSet::new().wait(&mut [rx.readable()], LONG).unwrap()), [0]);
    let sleeps = || Inspection::open(ring.name()).unwrap().end(Role::Consumer).unwrap().sleeps;
    let before = format!("{:?}", sleeps());
    assert_eq!(rx.blocking().pop(), Err(WaitError::Crashed));
    assert_eq!(format!("{:?}", sleeps()), before);
}

#[test]
fn more_rings_than_the_system_can_wait_for_are_refused() {
    let mut lines: Vec<_> = (0..128)
        .map(|_| Options::anonymous().capacity(8).create_stream(Layout::new::<u64>()).unwrap())
        .map(|ring| {
            let options = Options::from_fd(ring);
            (options.stream_producer::<u64>().unwrap(), options.stream_consumer::<u64>().unwrap())
        })
        .collect();
    let mut set = WaitSet::new();
    set.set_wait(Wait::Park);
    let mut interests: Vec<_> = lines.iter_mut().map(|(_, rx)| rx.readable()).collect();
    let refused = set.wait(&mut interests, LONG);
    assert_eq!(refused, Err(WaitError::TooMany { len: 128, max: 127 }));
    assert!(refused.unwrap_err().to_string().contains("at 128 rings, a set can wait at 127"));
    // One less is not too many: it sleeps, and the last one wakes it.
    assert_eq!(set.wait(&mut interests[..127], SOON), Ok(Woken::TimedOut));
    drop(interests);
    let (mut producers, mut consumers): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
    thread::scope(|scope| {
        let producers = &mut producers;
        scope.spawn(move || {
            thread::sleep(SOON);
            producers[126].push(7).unwrap();
        });
        let mut interests: Vec<_> = consumers.iter_mut().take(127).map(|rx| rx.readable()).collect();
        assert_eq!(ready(set.wait(&mut interests, LONG).unwrap()), [126]);
    });
}

#[test]
fn more_than_a_ring_can_hold_is_refused() {
    let mut tx = Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
    let mut messages = Options::anonymous().capacity(4096).message_producer().unwrap();
    let mut set = WaitSet::new();
    assert_eq!(set.wait(&mut [tx.writable(9)], None), Err(WaitError::TooLong { len: 9, max: 8 }));
    let (len, max) = (messages.max_len() + 1, messages.max_len());
    let asked = &mut [tx.writable(8), messages.writable(len)];
    assert_eq!(set.wait(asked, None), Err(WaitError::TooLong { len, max }));
    assert_eq!(ready(set.wait(&mut [messages.writable(max)], None).unwrap()), [0]);
}

#[test]
fn every_kind_of_end_is_ready_and_stays_so() {
    /// Waits at the end beside one to which nothing happens, and returns what a call says then.
    #[track_caller]
    fn outcome<E: End + Line>(end: &mut E, limit: Duration) -> Result<(), WaitError> {
        let mut quiet: stream::Consumer<u64> = Options::anonymous().capacity(8).stream_consumer().unwrap();
        let mut set = WaitSet::new();
        set.set_wait(Wait::Park);
        if set.wait(&mut [quiet.readable(), end.interest()], limit).unwrap() == Woken::TimedOut {
            return Err(WaitError::TimedOut);
        }
        let outcome = end.outcome();
        for _ in 0..3 {
            assert_eq!(ready(set.wait(&mut [quiet.readable(), end.interest()], Duration::ZERO).unwrap()), [1]);
            assert_eq!(end.outcome(), outcome);
        }
        outcome
    }
    fn check<E: End + Line>() {
        // Whoever does not await the first peer.
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options()).await_first_peer(false)).unwrap();
        end.exhaust();
        assert_eq!(outcome(&mut end, LONG), Err(WaitError::NotConnected));
        // One that leaves.
        let peer = E::Peer::attach(&small(ring.options())).unwrap();
        assert_eq!(outcome(&mut end, SOON), Err(WaitError::TimedOut));
        peer.close();
        assert_eq!(outcome(&mut end, LONG), Err(WaitError::Closed));
        // One that is killed, in a sleep and before it.
        for sleeps in [true, false] {
            let mut peer = Child::start(E::Peer::PART, ring.name(), &[]);
            peer.says("attached");
            assert_eq!(outcome(&mut end, SOON), Err(WaitError::TimedOut));
            thread::scope(|scope| {
                let killer = scope.spawn(|| {
                    thread::sleep(if sleeps { SOON } else { Duration::ZERO });
                    peer.kill();
                });
                if !sleeps {
                    killer.join().unwrap();
                    wait_for("a crash", || (end.peer_state() == PeerState::Crashed).then_some(()));
                }
                assert_eq!(outcome(&mut end, LONG), Err(WaitError::Crashed));
            });
        }
        // Nobody who can come.
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options())).unwrap();
        end.exhaust();
        assert_eq!(outcome(&mut end, SOON), Err(WaitError::TimedOut));
        ringmain::unlink(ring.name()).unwrap();
        assert_eq!(outcome(&mut end, LONG), Err(WaitError::Orphaned));
        // A ring that is shortened, by all but its header.
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options())).unwrap();
        end.exhaust();
        File::options().write(true).open(path(ring.name())).unwrap().set_len(4096).unwrap();
        let shortened = outcome(&mut end, LONG);
        assert!(matches!(shortened, Err(WaitError::Truncated { len: 4096, .. })), "{shortened:?}");
        // A number that cannot be.
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options())).unwrap();
        end.exhaust();
        let (word, value) = E::IMPOSSIBLE;
        ring.set_word(word, value);
        let corrupted = outcome(&mut end, LONG);
        assert!(matches!(corrupted, Err(WaitError::Broken(Broken::Corrupted(_)))), "{corrupted:?}");
    }
    for_each_end!(check);
}

#[test]
fn a_handle_that_awaits_a_successor_is_ready_by_what_comes_and_by_no_end() {
    fn check<E: End + Line>() {
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options()).await_successor(true)).unwrap();
        let moved = end.exhaust();
        let mut set = WaitSet::new();
        let mut wait = |end: &mut E, limit| set.wait(&mut [end.interest()], limit).unwrap();
        E::Peer::attach(&small(ring.options())).unwrap().close();
        assert_eq!(wait(&mut end, 3 * SLICE / 2), Woken::TimedOut);
        let mut peer = Child::start(E::Peer::PART, ring.name(), &[]);
        peer.says("attached");
        peer.kill();
        assert_eq!(wait(&mut end, 3 * SLICE / 2), Woken::TimedOut);
        let mut peer = succeed(|| E::Peer::attach(&small(ring.options())));
        let first = if E::ROLE == ringmain::Role::Producer { 0 } else { moved };
        thread::scope(|scope| {
            let peer = &mut peer;
            scope.spawn(move || {
                thread::sleep(SOON);
                peer.go(first, Some(LONG)).unwrap();
                peer.pause();
            });
            assert_eq!(ready(wait(&mut end, LONG)), [0]);
        });
        assert!(Line::try_go(&mut end, moved));
    }
    for_each_end!(check);
}

/// Forks while it has a set and rings, and checks what the child makes of them.
fn forker(part: &mut Part) {
    let options = part.options().capacity(8);
    let (mut tx, mut rx) = (options.stream_producer::<u64>().unwrap(), options.stream_consumer::<u64>().unwrap());
    let mut set = WaitSet::new();
    let waker = set.waker();
    assert_eq!(set.wait(&mut [rx.readable()], SOON), Ok(Woken::TimedOut));
    let Some(child) = fork() else {
        let woken = set.wait(&mut [rx.readable(), tx.writable(8)], LONG);
        let is_told = woken.is_ok_and(|woken| matches!(woken, Woken::Ready(ready) if ready.clone().eq([0, 1])))
            && rx.pop() == Err(PopError::Broken(Broken::Forked))
            && matches!(tx.push(1), Err(PushError::Broken { cause: Broken::Forked, .. }));
        // The call is the child's own.
        waker.wake();
        let is_called = set.wait(&mut [], LONG) == Ok(Woken::Called);
        exit(i32::from(!is_told) + 2 * i32::from(!is_called));
    };
    part.say(format!("{:?}", code(child)));
    assert_eq!(set.wait(&mut [rx.readable()], SOON), Ok(Woken::TimedOut));
    tx.push(7).unwrap();
    part.say(format!("{:?}", set.wait(&mut [rx.readable()], LONG)));
    part.hear();
}

#[test]
fn in_a_forked_child_all_of_the_parents_handles_are_ready_and_the_parent_is_undisturbed() {
    let ring = Ring::new();
    let mut forker = Child::start("forker", ring.name(), &[]);
    forker.says(format!("{:?}", Some(0)));
    forker.says("Ok(Ready([0]))");
}

/// Attaches and detaches, and waits in between, by sets of their own and by one that stays.
fn cycler(part: &mut Part) {
    let mut lasting = WaitSet::new();
    let mut cycle = |sleep: Duration| {
        let options = small(part.options());
        let (mut tx, mut rx) = (attach(0, &options), attach(1, &options));
        let mut set = WaitSet::new();
        let waker = set.waker();
        set.set_wait(Wait::Park);
        for set in [&mut set, &mut lasting] {
            assert_eq!(set.wait(&mut [rx.interest()], sleep), Ok(Woken::TimedOut));
            assert_eq!(ready(set.wait(&mut [rx.interest(), tx.interest()], LONG).unwrap()), [1]);
        }
        drop((set, rx, tx));
        waker.wake();
    };
    // Long enough to fall asleep, or the thread that watches for deaths would not be among the possessions.
    cycle(Duration::from_millis(20));
    let before = possessions();
    (0..1000).for_each(|_| cycle(Duration::from_micros(10)));
    part.say(format!("{before:?}"));
    part.say(format!("{:?}", possessions()));
    part.hear();
}

#[test]
fn a_thousand_rings_that_come_and_go_leave_no_descriptor_no_thread_and_no_watch() {
    let ring = Ring::new();
    let mut cycler = Child::start("cycler", ring.name(), &[]);
    let before = cycler.hear();
    cycler.says(before);
}

/// Waits at rings to which nothing comes, for so many seconds, and by a set or in an event loop, while another thread
/// counts the system calls of that one, and of all threads that it starts; says which those were once all had settled.
fn idler(part: &mut Part) {
    /// The descriptor by which the thread is watched; -1 before it is, -2 if the system has no such filters.
    static LISTENER: AtomicI32 = AtomicI32::new(-1);
    static IS_WATCHED: AtomicBool = AtomicBool::new(false);
    /// A call that a set does not make.
    const LAST: libc::c_long = libc::SYS_getppid;
    /// A hint of a close is given again for a quarter of that.
    const SETTLED: Duration = Duration::from_secs(2);
    let (seconds, count, refused): (u64, usize, String) = (part.argument(0), part.argument(1), part.argument(2));
    let limit = SETTLED + Duration::from_secs(seconds);
    let rings: Vec<_> = (0..count)
        .map(|_| Options::anonymous().capacity(8).create_stream(Layout::new::<u64>()).unwrap())
        .map(|ring| {
            let options = Options::from_fd(ring);
            (options.stream_producer::<u64>().unwrap(), options.stream_consumer::<u64>().unwrap())
        })
        .collect();
    let (_producers, mut consumers): (Vec<_>, Vec<_>) = rings.into_iter().unzip();
    thread::spawn(move || {
        let calls = match refused.as_str() {
            "futex_waitv" => vec![libc::SYS_futex_waitv],
            "inotify" => vec![libc::SYS_inotify_init1],
            _ => vec![],
        };
        let refusal = if calls.is_empty() { Ok(()) } else { refuse(&calls, Verdict::Fails) };
        let listener = refusal.and_then(|()| be_watched());
        LISTENER.store(listener.unwrap_or(-2), Ordering::SeqCst);
        while !IS_WATCHED.load(Ordering::SeqCst) {
            spin_loop();
        }
        if refused == "driver" {
            let ready = consumers.into_iter().map(|rx| rx.into_readiness().unwrap());
            idle_in_a_loop(ready.collect(), limit);
        } else {
            let mut interests: Vec<_> = consumers.iter_mut().map(|rx| rx.readable()).collect();
            assert_eq!(WaitSet::new().wait(&mut interests, limit), Ok(Woken::TimedOut));
        }
        // SAFETY: the call takes nothing and fails never.
        unsafe { libc::syscall(LAST) };
    });
    let listener = wait_for("a filter", || Some(LISTENER.load(Ordering::SeqCst)).filter(|&listener| listener != -1));
    if listener < 0 {
        return part.say("no filter");
    }
    let watcher = Watcher::of(listener);
    IS_WATCHED.store(true, Ordering::SeqCst);
    let (start, mut is_over) = (Instant::now(), false);
    let mut counts = BTreeMap::<libc::c_long, u64>::new();
    while !is_over {
        watcher.before_a_call(|call| {
            is_over = call == LAST;
            // At its end the wait asks once more.
            if !is_over && (SETTLED..limit - SLICE).contains(&start.elapsed()) {
                *counts.entry(call).or_default() += 1;
            }
        });
    }
    let words: Vec<String> = counts.iter().map(|(call, count)| format!("{call}={count}")).collect();
    part.say(format!("counts {}", words.join(" ")));
    part.hear();
}

/// Waits in an event loop at handles to which nothing comes.
fn idle_in_a_loop(mut ready: Vec<Readiness<stream::Consumer<u64>>>, limit: Duration) {
    let (start, all) = (Instant::now(), Events::new());
    ready.iter().for_each(|ready| all.watch(ready, 0, false));
    while let Some(left) = limit.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
        let is_ready = |ready: &mut Readiness<stream::Consumer<u64>>| ready.is_ready(|rx| rx.readable()).unwrap();
        assert!(!ready.iter_mut().any(is_ready));
        all.wait(left);
    }
}

/// Returns how often an idle set at so many rings makes which system call, in so many seconds, if this is refused to
/// it, or a driver; nothing if they cannot be counted here.
#[track_caller]
fn calls_when_idle(seconds: u64, rings: usize, refused: &str) -> Option<BTreeMap<libc::c_long, u64>> {
    let ring = Ring::new();
    let mut idler = Child::start("idler", ring.name(), &[&seconds, &rings, &refused]);
    let words = idler.hear();
    let Some(counts) = words.strip_prefix("counts") else {
        missing(Ability::SystemCallFilter, words);
        return None;
    };
    println!("{rings} rings, {seconds} s:{counts}");
    let pairs = counts.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    Some(pairs.map(|(call, count)| (call.parse().unwrap(), count.parse().unwrap())).collect())
}

/// `RINGMAIN_ROUNDS` says for how many seconds.
#[test]
fn an_idle_set_makes_no_system_call_and_neither_does_a_driver() {
    for (rings, who) in [(1, "set"), (8, "set"), (8, "driver")] {
        let Some(counts) = calls_when_idle(rounds(2), rings, who) else { return };
        assert_eq!(counts, BTreeMap::new(), "of a {who} at {rings} rings");
    }
}

#[test]
fn an_idle_set_that_nobody_gives_hints_makes_a_few_system_calls_for_each_slice_and_none_in_between() {
    let seconds = rounds(1);
    // One slice more than there are, since the first wait asks, too.
    let slices = 10 * seconds + 1;
    for rings in [1, 8] {
        let Some(counts) = calls_when_idle(seconds, rings, "inotify") else { return };
        let count = |call| counts.get(&call).copied().unwrap_or(0);
        assert!((slices / 2..=2 * slices).contains(&count(libc::SYS_futex_waitv)), "{counts:?}");
        assert!(count(libc::SYS_membarrier) <= slices, "{counts:?}");
        assert_eq!(count(libc::SYS_clock_nanosleep), 0, "{counts:?}");
        let all: u64 = counts.values().sum();
        // Three to sleep, three for each ring, and eleven for the one that is looked at closely.
        assert!(all <= slices * (14 + 3 * rings as u64), "{all} calls: {counts:?}");
    }
}

/// What the tests above rest on.
#[test]
fn the_naps_of_a_set_that_may_not_wait_for_several_words_are_counted() {
    let Some(counts) = calls_when_idle(1, 1, "futex_waitv") else { return };
    let naps = counts.get(&libc::SYS_clock_nanosleep).copied().unwrap_or(0);
    assert!(naps > 100, "{counts:?}");
}
