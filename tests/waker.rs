//! A waker ends a wait from outside: of a set or of a handle, by another thread or by a handler of a signal.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};
use std::{io, mem, ptr};

use common::ends::{End, LONG, SOON, STRATEGIES, for_each_end, small};
use common::filter::{Verdict, refuse};
use common::{Ability, Child, Part, Ring, missing};
use ringmain::{Options, WaitError, WaitSet, Waker, Woken, stream};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("signalled", signalled), ("deprived", deprived)]);
}

#[test]
fn a_waker_can_be_sent_to_threads_and_shared_by_them() {
    fn is_for_threads<T: Clone + Send + Sync + 'static>() {}
    is_for_threads::<Waker>();
}

#[test]
fn a_call_before_a_wait_of_a_set_ends_the_next_one_once() {
    for strategy in STRATEGIES {
        let mut rx: stream::Consumer<u64> = Options::anonymous().capacity(8).stream_consumer().unwrap();
        let mut set = WaitSet::new();
        set.set_wait(strategy);
        let waker = set.waker();
        assert_eq!(set.wait(&mut [rx.readable()], SOON), Ok(Woken::TimedOut));
        // Several are one, of any clone.
        [waker.clone(), set.waker(), waker.clone()].iter().for_each(Waker::wake);
        assert_eq!(set.wait(&mut [rx.readable()], LONG), Ok(Woken::Called));
        assert_eq!(set.wait(&mut [rx.readable()], SOON), Ok(Woken::TimedOut));
        waker.wake();
        assert_eq!(set.wait(&mut [], Duration::ZERO), Ok(Woken::Called));
        assert_eq!(set.wait(&mut [], Duration::ZERO), Ok(Woken::TimedOut));
    }
}

#[test]
fn a_call_is_heard_though_a_ring_always_has_something() {
    let ring = Ring::new();
    let mut tx: stream::Producer<u64> = ring.options().capacity(8).stream_producer().unwrap();
    let mut rx: stream::Consumer<u64> = ring.options().stream_consumer().unwrap();
    tx.push(7).unwrap();
    let mut set = WaitSet::new();
    assert!(matches!(set.wait(&mut [rx.readable()], None), Ok(Woken::Ready(_))));
    set.waker().wake();
    assert_eq!(set.wait(&mut [rx.readable()], None), Ok(Woken::Called));
    assert!(matches!(set.wait(&mut [rx.readable()], None), Ok(Woken::Ready(_))));
}

#[test]
fn a_thread_ends_the_waits_of_a_set_again_and_again() {
    const CALLS: usize = 500;
    for strategy in STRATEGIES {
        let mut rx: stream::Consumer<u64> = Options::anonymous().capacity(8).stream_consumer().unwrap();
        let mut set = WaitSet::new();
        set.set_wait(strategy);
        let waker = set.waker();
        let (heard, hears) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                for call in 0..CALLS {
                    if call % 10 == 0 {
                        // Long enough for a sleep.
                        thread::sleep(Duration::from_micros(200));
                    }
                    waker.wake();
                    // The next one would be the same call.
                    hears.recv().unwrap();
                }
            });
            for _ in 0..CALLS {
                assert_eq!(set.wait(&mut [rx.readable()], LONG), Ok(Woken::Called));
                heard.send(()).unwrap();
            }
        });
        assert_eq!(set.wait(&mut [rx.readable()], SOON), Ok(Woken::TimedOut));
    }
}

#[test]
fn a_waker_outlives_its_set_and_its_handle() {
    let mut rx: stream::Consumer<u64> = Options::anonymous().capacity(8).stream_consumer().unwrap();
    let wakers = [WaitSet::new().waker(), rx.waker()];
    drop(rx);
    wakers.iter().for_each(Waker::wake);
}

#[test]
fn a_waker_ends_calls_of_a_handle_that_wait_and_no_others() {
    fn check<E: End + Called>(strategy: usize) {
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options()).wait(STRATEGIES[strategy])).unwrap();
        let waker = end.called_by();
        // One that need not wait is not ended, and the call stays.
        let moved = if E::ROLE == ringmain::Role::Producer {
            waker.wake();
            end.go(0, None).unwrap();
            1 + end.exhaust()
        } else {
            waker.wake();
            0
        };
        assert_eq!(end.go(moved, None), Err(WaitError::Called));
        assert_eq!(end.go(moved, Some(SOON)), Err(WaitError::TimedOut));
        // Each call of a handle returns the same waker.
        end.called_by().wake();
        assert_eq!(end.go(moved, Some(LONG)), Err(WaitError::Called));
        for limit in [None, Some(LONG)] {
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(SOON);
                    waker.wake();
                });
                assert_eq!(end.go(moved, limit), Err(WaitError::Called));
            });
        }
        // What can go goes afterwards.
        let mut peer = E::Peer::attach(&small(ring.options())).unwrap();
        thread::scope(|scope| {
            let peer = &mut peer;
            scope.spawn(move || {
                thread::sleep(SOON);
                peer.go(0, Some(LONG)).unwrap();
                peer.pause();
            });
            assert_eq!(end.go(moved, Some(LONG)), Ok(()));
        });
    }
    for_each_end!(at once: check(strategy) for strategy in 1..STRATEGIES.len());
    for_each_end!(check, 0);
}

/// An end whose waits can be ended.
trait Called {
    fn called_by(&mut self) -> Waker;
}

macro_rules! called {
    ($($end:ty),*) => {$(
        impl Called for $end {
            fn called_by(&mut self) -> Waker {
                self.waker()
            }
        }
    )*};
}

called!(stream::Producer<u64>, stream::Consumer<u64>, ringmain::message::Producer, ringmain::message::Consumer);

#[test]
fn bytes_that_were_read_before_a_call_are_not_read_again_after_it() {
    let ring = Ring::new();
    let mut tx: stream::Producer<u8> = ring.options().capacity(64).stream_producer().unwrap();
    let mut rx: stream::Consumer<u8> = ring.options().stream_consumer().unwrap();
    tx.write_all(b"half").unwrap();
    rx.waker().wake();
    let mut bytes = Vec::new();
    // `Interrupted` would be tried again, and the call be lost.
    let ended = rx.read_to_end(&mut bytes).unwrap_err();
    assert_eq!((ended.kind(), &bytes[..]), (ErrorKind::Other, &b"half"[..]));
    assert_eq!(ended.downcast::<WaitError>().unwrap(), WaitError::Called);
}

static WAKER: OnceLock<Waker> = OnceLock::new();

/// Calls from a handler of a signal.
extern "C" fn call(_: libc::c_int) {
    if let Some(waker) = WAKER.get() {
        set_errno(4711);
        waker.wake();
        if errno() != 4711 {
            // SAFETY: it takes nothing, and may be called in a handler.
            unsafe { libc::abort() };
        }
    }
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

fn set_errno(value: i32) {
    // SAFETY: it takes nothing.
    let address = unsafe { libc::__errno_location() };
    // SAFETY: the address is that of this thread's own.
    unsafe { *address = value };
}

/// Waits while signals come to the very thread that waits, whose handler calls.
fn signalled(part: &mut Part) {
    let mut rx: stream::Consumer<u64> = part.options().capacity(8).stream_consumer().unwrap();
    let mut set = WaitSet::new();
    WAKER.set(if part.argument(0) { set.waker() } else { rx.waker() }).unwrap();
    // SAFETY: zero is a value of every field.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = call as extern "C" fn(libc::c_int) as usize;
    // What the system does by itself: to restart calls.
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the action is whole, and no old one is asked for.
    let status = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()) };
    assert_eq!(status, 0);
    // SAFETY: a thread may always ask for its own name.
    let target = unsafe { libc::pthread_self() };
    let mut wait = || {
        let start = Instant::now();
        let is_called = match part.argument(0) {
            true => set.wait(&mut [rx.readable()], None) == Ok(Woken::Called),
            false => rx.blocking().pop() == Err(WaitError::Called),
        };
        assert!(is_called && start.elapsed() < LONG);
    };
    for round in 0..20 {
        thread::scope(|scope| {
            scope.spawn(move || {
                // In a sleep, and before it.
                thread::sleep(Duration::from_micros(500 * (round % 4)));
                // SAFETY: that thread waits for this one.
                let status = unsafe { libc::pthread_kill(target, libc::SIGUSR1) };
                assert_eq!(status, 0);
            });
            wait();
        });
    }
    part.say("called 20 times");
    part.hear();
}

#[test]
fn a_handler_of_a_signal_ends_the_wait_of_its_own_thread() {
    for is_set in [true, false] {
        let ring = Ring::new();
        let mut signalled = Child::start("signalled", ring.name(), &[&is_set]);
        signalled.says("called 20 times");
    }
}

/// Waits, and is called, while it may not wait for several words.
fn deprived(part: &mut Part) {
    if let Err(error) = refuse(&[libc::SYS_futex_waitv], Verdict::Fails).and_then(|()| check_refused()) {
        return part.say(format!("no filter: {error}"));
    }
    let mut rx: stream::Consumer<u64> = part.options().capacity(8).stream_consumer().unwrap();
    let mut set = WaitSet::new();
    let wakers = [set.waker(), rx.waker()];
    for waker in &wakers {
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(SOON);
                waker.wake();
            });
            if ptr::eq(waker, &wakers[0]) {
                assert_eq!(set.wait(&mut [rx.readable()], None), Ok(Woken::Called));
            } else {
                assert_eq!(rx.blocking().pop(), Err(WaitError::Called));
            }
        });
    }
    part.say("called");
    part.hear();
}

fn check_refused() -> io::Result<()> {
    // SAFETY: it waits for no word.
    let status = unsafe { libc::syscall(libc::SYS_futex_waitv, 0, 0, 0, 0, 0) };
    let error = io::Error::last_os_error();
    assert_eq!((status, error.raw_os_error()), (-1, Some(libc::EPERM)));
    Ok(())
}

#[test]
fn a_wait_that_may_not_be_for_several_words_is_ended_all_the_same() {
    let ring = Ring::new();
    let mut deprived = Child::start("deprived", ring.name(), &[]);
    match deprived.hear().as_str() {
        "called" => {}
        refused => missing(Ability::SystemCallFilter, refused),
    }
}
