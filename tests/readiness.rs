//! A handle with a descriptor for an event loop: it is readable whenever something has come, and at rest otherwise.

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::ends::{End, LONG, SOON, for_each_end, mover, parts_of_ends, small};
use common::events::Events;
use common::feeders::{flooder, ticker};
use common::forks::{code, exit, fork};
use common::{Child, Part, Random, Ring, SLICE, possessions, spin, wait_for};
use ringmain::{Broken, Driver, Error, Options, PopError, Readiness, WaitError, message, stream};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    let others: [Play; 5] =
        [("flooder", flooder), ("ticker", ticker), ("rester", rester), ("forker", forker), ("cycler", cycler)];
    common::play(&[&parts_of_ends!(mover)[..], &others].concat());
}

#[test]
fn a_driver_and_what_it_sleeps_for_can_be_sent_to_threads() {
    fn is_for_threads<T: Send + Sync>() {}
    fn can_be_sent<T: Send>() {}
    is_for_threads::<Driver>();
    can_be_sent::<Readiness<stream::Consumer<u64>>>();
    can_be_sent::<Readiness<message::Producer>>();
}

/// The name of a part, and what plays it.
type Play = (&'static str, fn(&mut Part));

/// A driver of the test's own, and its thread, which ends with it.
struct Driven(Driver, Option<thread::JoinHandle<Result<(), WaitError>>>);

impl Driven {
    fn start() -> Driven {
        let driver = Driver::new();
        Driven(driver.clone(), Some(thread::spawn(move || driver.run())))
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.stop();
        self.1.take().unwrap().join().unwrap().unwrap();
    }
}

/// Moves numbers whenever the descriptor says that one can go, while another process moves them at the other end.
fn check_moves<E: End>(by_edge: bool, own_driver: bool) {
    const COUNT: u64 = 5000;
    let (ring, random) = (Ring::new(), Random::new());
    let driver = own_driver.then(Driven::start);
    let end = E::attach(&small(ring.options())).unwrap();
    let mut end = end.ready_by(driver.as_ref().map(|driven| &driven.0)).unwrap();
    let mut child = Child::start(E::Peer::PART, ring.name(), &[&1, &0, &COUNT, &random.any()]);
    child.says("attached");
    let (events, mut next) = (Events::new(), 0);
    events.watch(&end, 7, by_edge);
    while next < COUNT {
        assert_eq!(events.wait(LONG), [7], "number {next} went, and was not told");
        while next < COUNT && end.is_ready(E::wanted).unwrap() {
            assert!(end.handle().try_go(next), "number {next} was said to go");
            next += 1;
            // By level one may go back though there is more.
            if !by_edge && random.below(4) == 0 {
                break;
            }
        }
        if random.below(20) == 0 {
            thread::sleep(random.shorter_than(Duration::from_micros(300)));
        }
    }
    child.says("moved");
}

#[test]
fn all_that_comes_is_told_by_level_and_by_edge_by_drivers_of_both_kinds() {
    for by_edge in [false, true] {
        for own_driver in [false, true] {
            for_each_end!(check_moves, by_edge, own_driver);
        }
    }
}

#[test]
fn a_message_beside_a_ring_at_full_flow_is_served_within_one_turn() {
    const MESSAGES: u64 = 300;
    let rings = [(); 2].map(|()| Ring::new());
    let flood: stream::Consumer<u64> = rings[0].options().capacity(64).stream_consumer().unwrap();
    let ticks = rings[1].options().capacity(4096).message_consumer().unwrap();
    let (mut flood, mut ticks) = (flood.into_readiness().unwrap(), ticks.into_readiness().unwrap());
    let mut flooder = Child::start("flooder", rings[0].name(), &[]);
    let mut ticker = Child::start("ticker", rings[1].name(), &[&MESSAGES]);
    flooder.says("attached");
    ticker.says("attached");
    let events = Events::new();
    events.watch(&flood, 0, false);
    events.watch(&ticks, 1, false);
    ticker.say("begin");
    let (mut next, mut turns_of_flood) = (0, 0_u64);
    let mut elements = [0; 64];
    while next < MESSAGES {
        // One turn of each that is told: what had come by the turn before is told in this one.
        let had_come = !ticks.handle().is_empty().unwrap();
        if had_come {
            // The driver may have to be woken first.
            wait_for("a message to be told", || events.wait(Duration::ZERO).contains(&1).then_some(()));
        }
        let ready = events.wait(LONG);
        assert!(ready.contains(&1) || !had_come, "message {next} was there, and was not told beside {ready:?}");
        if ready.contains(&0) && flood.is_ready(|rx| rx.readable()).unwrap() {
            assert!(flood.handle().pop_slice(&mut elements).unwrap() > 0);
            turns_of_flood += 1;
        }
        if ready.contains(&1) && ticks.is_ready(|rx| rx.readable()).unwrap() {
            assert_eq!(ticks.handle().pop_value(), Ok(next));
            next += 1;
        }
    }
    assert!(turns_of_flood > MESSAGES, "{turns_of_flood} turns of a flood");
}

/// Returns how often the threads of this process have gone to sleep.
fn sleeps() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let texts = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok());
    let counts = texts.filter_map(|text| {
        text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse::<u64>().ok()
    });
    counts.sum()
}

/// Has events at one of many handles, and then rests; says how often its threads slept meanwhile, and how long they
/// ran.
fn rester(part: &mut Part) {
    let driver = part.argument::<bool>(0).then(Driven::start);
    let rings = [(); 8].map(|()| {
        let tx = Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
        let rx = Options::from_fd(tx.descriptor().try_clone_to_owned().unwrap()).stream_consumer::<u64>().unwrap();
        (tx, rx.ready_by(driver.as_ref().map(|driven| &driven.0)).unwrap())
    });
    let (mut producers, mut consumers): (Vec<_>, Vec<_>) = rings.into_iter().unzip();
    let events = Events::new();
    for (at, rx) in consumers.iter().enumerate() {
        events.watch(rx, at as u64, at % 2 == 0);
    }
    let mut calm = |limit| {
        for at in events.wait(limit) {
            let rx = &mut consumers[at as usize];
            while rx.is_ready(|rx| rx.readable()).unwrap() {
                TAKEN.store(rx.handle().pop().unwrap() + 1, Ordering::SeqCst);
            }
        }
    };
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    let mut tx = producers.remove(5);
    let pusher = thread::spawn(move || {
        for number in 0..200 {
            wait_for("a number to be taken", || (TAKEN.load(Ordering::SeqCst) == number).then_some(()));
            spin(Duration::from_micros(number % 20));
            tx.push(number).unwrap();
        }
        tx
    });
    while TAKEN.load(Ordering::SeqCst) < 200 {
        calm(LONG);
    }
    let _tx = pusher.join().unwrap();
    // What a hint has to say again.
    (0..10).for_each(|_| calm(SLICE));
    let cpu = || rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let (before, sleeps_before) = (cpu(), sleeps());
    let woken: usize = (0..10).map(|_| events.wait(SLICE).len()).sum();
    let (after, sleeps_after) = (cpu(), sleeps());
    let used = (after.tv_sec - before.tv_sec) * 1_000_000 + (after.tv_nsec - before.tv_nsec) / 1000;
    part.say(format!("{woken} {} {used}", sleeps_after - sleeps_before));
    part.hear();
}

#[test]
fn after_events_on_one_of_many_waits_last_and_use_next_to_no_processor() {
    for own_driver in [false, true] {
        let ring = Ring::new();
        let mut rester = Child::start("rester", ring.name(), &[&own_driver]);
        let words = rester.hear();
        let numbers: Vec<u64> = words.split(' ').map(|word| word.parse().unwrap()).collect();
        let [woken, sleeps, used] = numbers[..] else { panic!("{words}") };
        assert_eq!(woken, 0, "events in vain");
        // One for each wait, and those of the test's own that count them.
        assert!(sleeps <= 20, "{sleeps} sleeps in ten waits");
        assert!(used < 100_000, "{used} us of processor in a second");
    }
}

#[test]
fn a_question_for_more_is_answered_for_as_much_and_one_for_too_much_is_refused() {
    let mut tx = Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
    let rx = Options::from_fd(tx.descriptor().try_clone_to_owned().unwrap()).stream_consumer::<u64>().unwrap();
    let mut rx = rx.into_readiness().unwrap();
    let events = Events::new();
    events.watch(&rx, 0, false);
    assert_eq!(rx.is_ready(|rx| rx.readable_for(9)), Err(WaitError::TooLong { len: 9, max: 8 }));
    let calm = |rx: &mut Readiness<stream::Consumer<u64>>, len| {
        wait_for("an event loop to rest", || {
            assert!(!rx.is_ready(|rx| rx.readable_for(len)).unwrap());
            events.wait(SOON).is_empty().then_some(())
        });
    };
    calm(&mut rx, 3);
    tx.push_slice(&[1, 2]).unwrap();
    assert_eq!(events.wait(SOON), [], "two are not three");
    assert!(rx.is_ready(|rx| rx.readable()).unwrap());
    calm(&mut rx, 3);
    tx.push(3).unwrap();
    assert_eq!(events.wait(LONG), [0]);
    assert!(rx.is_ready(|rx| rx.readable_for(3)).unwrap());
    // By level it stays so while anything is left, whether or not it was asked.
    assert_eq!(rx.handle().pop(), Ok(1));
    assert_eq!(events.wait(LONG), [0]);
    assert!(rx.is_ready(|rx| rx.readable()).unwrap());
    // A wait of the handle's own, and then again by the loop.
    assert_eq!((rx.handle().blocking().pop(), rx.handle().pop()), (Ok(2), Ok(3)));
    calm(&mut rx, 1);
    assert_eq!(rx.handle().within(SOON).pop(), Err(WaitError::TimedOut));
    calm(&mut rx, 1);
    tx.push(4).unwrap();
    assert_eq!(events.wait(LONG), [0]);
    let mut rx = rx.into_handle();
    assert_eq!(rx.pop(), Ok(4));
}

#[test]
fn a_driver_begins_and_goes_on_whenever_it_is_run_and_one_for_too_many_is_refused() {
    let driver = Driver::new();
    let mut tx = Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
    let rx = Options::from_fd(tx.descriptor().try_clone_to_owned().unwrap()).stream_consumer::<u64>().unwrap();
    let mut rx = rx.into_readiness_with(&driver).unwrap();
    let events = Events::new();
    events.watch(&rx, 0, false);
    // A stop before a run ends that one at once.
    driver.stop();
    assert_eq!(driver.run(), Ok(()));
    for round in 0..3 {
        wait_for("rest", || {
            assert!(!rx.is_ready(|rx| rx.readable()).unwrap());
            events.wait(SOON).is_empty().then_some(())
        });
        if round == 1 {
            // While it does not run, nobody is told.
            tx.push(7).unwrap();
            assert_eq!(events.wait(SOON), []);
        }
        let thread = thread::spawn({
            let driver = driver.clone();
            move || driver.run()
        });
        if round != 1 {
            tx.push(7).unwrap();
        }
        assert_eq!(events.wait(LONG), [0]);
        assert!(rx.is_ready(|rx| rx.readable()).unwrap());
        assert_eq!(rx.handle().pop(), Ok(7));
        driver.stop();
        assert_eq!(thread.join().unwrap(), Ok(()));
    }
    let attach = || Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
    let mut seats: Vec<_> = (1..127).map(|_| attach().into_readiness_with(&driver).unwrap()).collect();
    let refused = attach().into_readiness_with(&driver).map(drop);
    assert!(matches!(refused, Err(Error::Undriven { reason }) if reason.contains("127")), "{refused:?}");
    // A seat that is given back is there for another one.
    seats.pop();
    seats.push(attach().into_readiness_with(&driver).unwrap());
}

/// Forks while a driver sleeps for it, and checks what the child makes of that.
fn forker(part: &mut Part) {
    let driver = part.argument::<bool>(0).then(Driven::start);
    let driver = driver.as_ref().map(|driven| &driven.0);
    let mut tx = part.options().capacity(8).stream_producer::<u64>().unwrap();
    let rx = part.options().stream_consumer::<u64>().unwrap();
    let mut rx = rx.ready_by(driver).unwrap();
    let events = Events::new();
    events.watch(&rx, 0, true);
    let calm = |rx: &mut Readiness<stream::Consumer<u64>>| {
        wait_for("rest", || {
            assert!(!rx.is_ready(|rx| rx.readable()).unwrap());
            events.wait(SOON).is_empty().then_some(())
        });
    };
    calm(&mut rx);
    let Some(child) = fork() else {
        let is_told = rx.is_ready(|rx| rx.readable()) == Ok(true)
            && rx.handle().pop() == Err(PopError::Broken(Broken::Forked))
            && driver.is_none_or(|driver| driver.run() == Err(WaitError::Broken(Broken::Forked)));
        drop(rx);
        // Handles of the child's own have drivers and hints of its own.
        let mut tx = Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
        let own = Options::from_fd(tx.descriptor().try_clone_to_owned().unwrap()).stream_consumer::<u64>().unwrap();
        let is_refused = driver.is_none_or(|driver| {
            let other = Options::anonymous().capacity(8).stream_producer::<u64>().unwrap();
            matches!(other.into_readiness_with(driver).map(drop), Err(Error::Undriven { .. }))
        });
        let mut own = own.into_readiness().unwrap();
        let events = Events::new();
        events.watch(&own, 0, false);
        while !events.wait(SOON).is_empty() {
            assert!(!own.is_ready(|rx| rx.readable()).unwrap());
        }
        tx.push(7).unwrap();
        let works = events.wait(LONG) == [0] && own.is_ready(|rx| rx.readable()) == Ok(true);
        exit(i32::from(!is_told) + 2 * i32::from(!is_refused) + 4 * i32::from(!works));
    };
    part.say(format!("{:?}", code(child)));
    calm(&mut rx);
    tx.push(7).unwrap();
    part.say(format!("{:?}", (events.wait(LONG), rx.is_ready(|rx| rx.readable()))));
    part.hear();
}

#[test]
fn a_forked_child_is_refused_the_parents_drivers_has_its_own_and_disturbs_nobody() {
    for own_driver in [false, true] {
        let ring = Ring::new();
        let mut forker = Child::start("forker", ring.name(), &[&own_driver]);
        forker.says(format!("{:?}", Some(0)));
        forker.says("([0], Ok(true))");
    }
}

/// Attaches and detaches, with a descriptor in between, and makes sure that it has no more after a thousand times than
/// after the first, and nothing in the end.
fn cycler(part: &mut Part) {
    let none = possessions();
    let cycle = || {
        let mut tx = small(part.options()).stream_producer::<u64>().unwrap();
        let rx = small(part.options()).stream_consumer::<u64>().unwrap();
        let mut rx = rx.into_readiness().unwrap();
        let events = Events::new();
        events.watch(&rx, 0, false);
        while rx.is_ready(|rx| rx.readable()).unwrap() || !events.wait(Duration::ZERO).is_empty() {}
        tx.push(7).unwrap();
        assert_eq!(events.wait(LONG), [0]);
        assert_eq!(rx.into_handle().pop(), Ok(7));
    };
    cycle();
    let before = possessions();
    (0..1000).for_each(|_| cycle());
    // A thread that closes a descriptor may have been among them.
    let is_no_more = || possessions().iter().zip(before).all(|(now, before)| *now <= before);
    wait_for("what was there before", || is_no_more().then_some(()));
    // The threads have nothing to do any more.
    wait_for("the end of all that was begun", || (possessions() == none).then_some(()));
    cycle();
    part.say("no more than before");
    part.hear();
}

#[test]
fn a_thousand_handles_that_come_and_go_leave_no_descriptor_no_thread_and_no_watch() {
    let ring = Ring::new();
    let mut cycler = Child::start("cycler", ring.name(), &[]);
    cycler.says("no more than before");
}

#[test]
fn the_errors_say_what_to_do() {
    let error = Error::Undriven { reason: "it is full" };
    assert_eq!(error.to_string(), "no driver sleeps for the handle: it is full");
}
