//! Tasks of any runtime move everything between processes, may be dropped at any time, share their thread, and cost
//! nothing while nothing comes.

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::alloc::Layout;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::ends::{End, LONG, as_end, small};
use common::feeders::{flooder, ticker};
use common::filter::{Watcher, be_watched};
use common::{Ability, Child, Part, Random, Ring, missing, rounds, spin, succeed, turn, wait_for};
use futures::executor::block_on;
use ringmain::{Async, Driver, Options, Role, Wait, WaitError, message, stream};
use tasks::{Runtime, TaskEnd, for_each_task_end};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("stream_producer", mover::<Async<stream::Producer<u64>>>),
        ("stream_consumer", mover::<Async<stream::Consumer<u64>>>),
        ("message_producer", mover::<Async<message::Producer>>),
        ("message_consumer", mover::<Async<message::Consumer>>),
        ("flooder", flooder),
        ("ticker", ticker),
        ("canceller", canceller),
        ("idler", idler),
    ]);
}

type Plain<E> = <E as TaskEnd>::Plain;

/// Moves numbers with pauses, and then waits for the other end to leave.
async fn move_all<E: TaskEnd>(mut end: E, count: u64, seed: u64) -> E {
    let random = Random::seeded(seed);
    for number in 0..count {
        end.go(number).await.unwrap();
        match random.below(64) {
            0 => thread::sleep(random.shorter_than(Duration::from_micros(200))),
            1..=8 => spin(random.shorter_than(Duration::from_micros(3))),
            _ => {}
        }
    }
    end
}

fn mover<E: TaskEnd>(part: &mut Part) {
    let (runtime, count, seed): (usize, u64, u64) = (part.argument(0), part.argument(1), part.argument(2));
    let end = E::of(succeed(|| Plain::<E>::attach(&small(part.options()))));
    part.say("attached");
    let end = Runtime::ALL[runtime].run(move_all(end, count, seed));
    part.say("moved");
    part.hear();
    drop(end);
}

#[test]
fn tasks_of_every_runtime_move_all_between_two_processes() {
    const COUNT: u64 = 3_000;
    fn check<E: TaskEnd>(ours: usize, theirs: usize) {
        let (ring, seed) = (Ring::new(), Random::new().any());
        let end = E::of(Plain::<E>::attach(&small(ring.options())).unwrap());
        let part = <Plain<E> as End>::Peer::PART;
        let mut child = Child::start(part, ring.name(), &[&theirs, &COUNT, &seed.wrapping_add(1)]);
        child.says("attached");
        let mut end = Runtime::ALL[ours].run(move_all(end, COUNT, seed));
        child.says("moved");
        child.say("leave");
        if Plain::<E>::ROLE == Role::Consumer {
            assert_eq!(block_on(end.go(COUNT)), Err(WaitError::Closed));
        }
    }
    let _turn = turn();
    for ours in 0..Runtime::ALL.len() {
        for theirs in [ours, (ours + 1) % Runtime::ALL.len()] {
            for_each_task_end!(check, ours, theirs);
        }
    }
}

/// How a task is held up: which of two things comes first is left to the machine.
async fn now_or_later(random: &Random) {
    for _ in 0..random.below(3) {
        tokio::task::yield_now().await;
    }
}

/// Moves so many numbers by calls that are dropped, most of them while they wait, and returns how many were.
async fn move_and_cancel<E: TaskEnd>(end: &mut E, cancels: u64, random: &Random) -> (u64, u64) {
    let (mut number, mut cancelled) = (0, 0);
    while cancelled < cancels {
        tokio::select! {
            // Whichever comes first, of what is polled in any order.
            gone = end.go(number) => {
                gone.unwrap();
                number += 1;
            }
            () = now_or_later(random) => cancelled += 1,
        }
    }
    (number, cancelled)
}

/// Plays the other end of those who cancel: moves numbers until it is told how many there are.
fn canceller(part: &mut Part) {
    fn play<E: End>(part: &mut Part) {
        let mut end = succeed(|| E::attach(&small(part.options())));
        part.say("attached");
        let last = Arc::new(AtomicU64::new(u64::MAX));
        let random = Random::seeded(part.argument(1));
        let mut number = 0;
        while number < last.load(Ordering::Relaxed) {
            match end.go(number, Some(LONG)) {
                Ok(()) => number += 1,
                Err(WaitError::Closed) => break,
                Err(error) => panic!("{error:?}"),
            }
            if random.below(8) == 0 {
                spin(random.shorter_than(Duration::from_micros(30)));
            }
        }
        part.say(number);
        part.hear();
    }
    as_end!(play)(part);
}

/// `RINGMAIN_ROUNDS` says how many calls are dropped at each end.
#[test]
fn calls_that_are_dropped_while_they_wait_lose_nothing_and_do_nothing_twice() {
    fn check<E: TaskEnd>(strategy: Wait) {
        let (ring, random) = (Ring::new(), Random::new());
        let end = Plain::<E>::attach(&small(ring.options()).wait(strategy)).unwrap();
        let peer = <Plain<E> as End>::Peer::PART;
        let mut child = Child::start("canceller", ring.name(), &[&peer, &random.any()]);
        child.says("attached");
        let mut end = E::of(end);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let cancels = rounds(125_000);
        let (moved, cancelled) = runtime.block_on(move_and_cancel(&mut end, cancels, &random));
        println!("{}: {moved} moved, {cancelled} dropped", Plain::<E>::PART);
        assert!(moved > cancels / 1000, "{moved} moved");
        if Plain::<E>::ROLE == Role::Producer {
            drop(end);
            child.says(moved);
        } else {
            // The other end waits for room, or has just made the last of it: it is told that nobody reads on.
            drop(end);
            let pushed: u64 = child.hear().parse().unwrap();
            assert!((moved..=moved + 64).contains(&pushed), "{pushed} pushed, {moved} popped");
        }
    }
    let _turn = turn();
    for strategy in [Wait::Park, Wait::SpinThenPark] {
        for_each_task_end!(check, strategy);
    }
}

#[test]
fn a_message_beside_a_ring_at_full_flow_is_served_within_one_turn() {
    const MESSAGES: u64 = 300;
    let _turn = turn();
    let rings = [(); 2].map(|()| Ring::new());
    let mut flood: stream::Consumer<u64> = rings[0].options().capacity(1024).stream_consumer().unwrap();
    let ticks = rings[1].options().capacity(4096).message_consumer().unwrap();
    let mut flooder = Child::start("flooder", rings[0].name(), &[]);
    let mut ticker = Child::start("ticker", rings[1].name(), &[&MESSAGES]);
    flooder.says("attached");
    ticker.says("attached");
    wait_for("a flood", || (flood.len() == Ok(1024)).then_some(()));
    flood.release();
    let (mut flood, mut ticks) = (flood.into_async().unwrap(), ticks.into_async().unwrap());
    ticker.say("begin");
    let (popped, most) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(0)));
    let tasks = tokio::task::LocalSet::new();
    let counter = Rc::clone(&popped);
    tasks.spawn_local(async move {
        while flood.pop().await.is_ok() {
            counter.set(counter.get() + 1);
        }
    });
    // Whoever is woken runs when the one who runs has had its turn: so does this one, which is always awake.
    let (counter, longest) = (Rc::clone(&popped), Rc::clone(&most));
    tasks.spawn_local(async move {
        loop {
            let before = counter.get();
            // That of tokio waits for the next look at its sockets, too.
            smol::future::yield_now().await;
            longest.set(longest.get().max(counter.get() - before));
        }
    });
    let served = tasks.run_until(async move {
        for number in 0..MESSAGES {
            assert_eq!(ticks.pop_value().await, Ok(number));
        }
    });
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(served);
    assert!(popped.get() > 100 * MESSAGES, "{} elements of a flood", popped.get());
    assert!((64..=128).contains(&most.get()), "{} calls in one turn", most.get());
}

/// A driver that a thread runs.
fn driven() -> (Driver, JoinHandle<()>) {
    let driver = Driver::new();
    let runs = driver.clone();
    (driver, thread::spawn(move || runs.run().unwrap()))
}

#[test]
fn a_future_a_driver_and_a_runtime_are_dropped_in_any_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for mut builder in [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()]
        {
            let ring = Ring::new();
            let mut tx = ring.options().capacity(8).stream_producer::<u64>().unwrap();
            let (driver, thread) = driven();
            let rx = ring.options().stream_consumer::<u64>().unwrap();
            let mut rx = rx.into_async_with(&driver).unwrap();
            let runtime = builder.build().unwrap();
            let task = runtime.spawn(async move { while rx.pop().await.is_ok() {} });
            tx.push(1).unwrap();
            // It has begun, on a thread of the runtime or on this one, and waits.
            runtime.block_on(async {
                while tx.len() != Ok(0) {
                    tokio::task::yield_now().await;
                }
            });
            let (mut task, mut driver, mut runtime) = (Some(task), Some((driver, thread)), Some(runtime));
            for which in order {
                match which {
                    0 => drop(task.take().inspect(|task| task.abort())),
                    1 => {
                        let (driver, thread) = driver.take().unwrap();
                        driver.stop();
                        drop(driver);
                        thread.join().unwrap();
                    }
                    _ => drop(runtime.take()),
                }
            }
            // All of it is gone, so the role is free; whoever takes it is woken by another driver.
            let mut rx = succeed(|| ring.options().stream_consumer::<u64>()).into_async().unwrap();
            let came = tasks::waits(rx.pop(), || tx.push(2).unwrap());
            assert_eq!(came, Ok(2));
        }
    }
}

#[test]
fn a_driver_that_was_stopped_wakes_again_when_it_runs_again() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(8).stream_producer::<u64>().unwrap();
    let (driver, thread) = driven();
    let mut rx = ring.options().stream_consumer::<u64>().unwrap().into_async_with(&driver).unwrap();
    assert_eq!(tasks::waits(rx.pop(), || tx.push(1).unwrap()), Ok(1));
    driver.stop();
    thread.join().unwrap();
    let runs = driver.clone();
    let mut thread = None;
    let came = tasks::waits(rx.pop(), || {
        tx.push(2).unwrap();
        thread = Some(thread::spawn(move || runs.run().unwrap()));
    });
    assert_eq!(came, Ok(2));
    driver.stop();
    thread.unwrap().join().unwrap();
}

/// Has tasks wait at rings to which nothing comes, for so many seconds, while another thread notes the system calls of
/// the thread that runs them, and of all that it started.
fn idler(part: &mut Part) {
    static LISTENER: AtomicI32 = AtomicI32::new(-1);
    /// A call that neither a runtime nor a driver makes.
    const LAST: libc::c_long = libc::SYS_getppid;
    let (seconds, count): (u64, usize) = (part.argument(0), part.argument(1));
    let (mut producers, consumers): (Vec<stream::Producer<u64>>, Vec<stream::Consumer<u64>>) = (0..count)
        .map(|_| Options::from_fd(Options::anonymous().capacity(8).create_stream(Layout::new::<u64>()).unwrap()))
        .map(|options| (options.stream_producer().unwrap(), options.stream_consumer().unwrap()))
        .unzip();
    thread::spawn(move || {
        LISTENER.store(be_watched().unwrap_or(-2), Ordering::SeqCst);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let tasks: Vec<_> = consumers
                .into_iter()
                .map(|rx| {
                    let mut rx = rx.into_async().unwrap();
                    tokio::spawn(async move { assert_eq!(rx.pop().await, Ok(7)) })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        // SAFETY: the call takes nothing and fails never.
        unsafe { libc::syscall(LAST) };
    });
    let listener = wait_for("a filter", || Some(LISTENER.load(Ordering::SeqCst)).filter(|&listener| listener != -1));
    if listener < 0 {
        return part.say("no filter");
    }
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    let watcher = thread::spawn(move || {
        let watcher = Watcher::of(listener);
        let mut last = 0;
        while last != LAST {
            watcher.before_a_call(|call| {
                last = call;
                noted.lock().unwrap().push(call);
            });
        }
    });
    // It is idle when it makes none for so long: sooner or later, on a busy machine.
    let (mut before, mut counts) = (0, BTreeMap::<libc::c_long, u64>::new());
    for _ in 0..3 {
        counts.clear();
        before = calls.lock().unwrap().len();
        thread::sleep(Duration::from_secs(seconds));
        for call in &calls.lock().unwrap()[before..] {
            *counts.entry(*call).or_default() += 1;
        }
        if before > 0 && counts.is_empty() {
            break;
        }
    }
    producers.iter_mut().for_each(|tx| tx.push(7).unwrap());
    watcher.join().unwrap();
    part.say(format!("{before} before, then {counts:?}, then {}", calls.lock().unwrap().len() - before));
    part.hear();
}

/// `RINGMAIN_ROUNDS` says for how many seconds.
#[test]
fn tasks_to_which_nothing_comes_make_no_system_call() {
    let seconds = rounds(10);
    let ring = Ring::new();
    let mut idler = Child::start("idler", ring.name(), &[&seconds, &8]);
    let words = idler.hear();
    if words == "no filter" {
        return missing(Ability::SystemCallFilter, words);
    }
    println!("{words}");
    let numbers: Vec<u64> = words.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(words.contains("then {}, then"), "{words}");
    // The calls before and after that were seen.
    assert!(numbers.len() == 2 && numbers.iter().all(|&calls| calls > 20), "{words}");
}
