//! A sleeper among strangers who may only read the ring: they wait on the word by which it is woken, or move it to a
//! word of their own, so that no wake reaches it.

mod common;

use std::fs::File;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::hostile::Words;
use common::limits::give_up_privileges;
use common::{Child, Lateness, Part, Ring, path, wait_for, word};
use memmap2::{MmapOptions, MmapRaw};
use ringmain::{Wait, stream};
use rustix::time::{ClockId, clock_gettime};

/// How many wakes are measured.
const ROUNDS: usize = 200;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("sleeper", sleeper), ("waiter", waiter), ("mover", mover), ("waker", waker)]);
}

/// Returns the time of a clock that all processes share, in nanoseconds.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Sleeps for each element, which says when it was pushed. Says how long most took, and how many came only when a slice
/// was over.
fn sleeper(part: &mut Part) {
    let mut rx: stream::Consumer<u64> = part.options().wait(Wait::Park).stream_consumer().unwrap();
    let mut lateness = Lateness::from_the_first(&rx);
    part.say("attached");
    let mut times: Vec<u64> = (0..ROUNDS)
        .map(|_| {
            let pushed = lateness.watch(|| rx.blocking().pop()).unwrap();
            now() - pushed
        })
        .collect();
    times.sort_unstable();
    part.say(format!("{} {}", times[ROUNDS / 2], lateness.count()));
    part.hear();
}

/// Maps the header of a ring as another user, to read it.
fn map_to_read(part: &Part) -> MmapRaw {
    give_up_privileges();
    MmapOptions::new().len(4096).map_raw_read_only(&File::open(path(part.name())).unwrap()).unwrap()
}

/// Returns the word by which a consumer is woken.
fn wakes(memory: &MmapRaw) -> &AtomicU64 {
    let words: *const AtomicU64 = memory.as_ptr().cast();
    // SAFETY: the word lies in the page, aligned, and is only loaded.
    unsafe { &*words.wrapping_add(word::PRODUCER_WAKES as usize / 8) }
}

/// Returns the half of a word that the kernel compares.
fn half(word: &AtomicU64) -> *const u32 {
    let half: *const u32 = ptr::from_ref(word).cast();
    half.wrapping_add(if cfg!(target_endian = "little") { 0 } else { 1 })
}

/// Waits on the word by which the sleeper is woken, as that does.
fn waiter(part: &mut Part) {
    let memory = map_to_read(part);
    let word = wakes(&memory);
    part.say("here");
    loop {
        let value = word.load(Ordering::Relaxed) as u32;
        // SAFETY: the kernel reads a word that is mapped for longer than the call.
        unsafe { libc::syscall(libc::SYS_futex, half(word), libc::FUTEX_WAIT, value, ptr::null::<libc::timespec>()) };
    }
}

/// Moves all who wait on the word by which the sleeper is woken to a word of its own, again and again.
fn mover(part: &mut Part) {
    let memory = map_to_read(part);
    let (word, own) = (wakes(&memory), AtomicU32::new(0));
    part.say("here");
    loop {
        // SAFETY: the kernel reads two words that are mapped for longer than the call.
        unsafe {
            libc::syscall(libc::SYS_futex, half(word), libc::FUTEX_REQUEUE, 0, i32::MAX as usize, own.as_ptr(), 0)
        };
        thread::sleep(Duration::from_micros(20));
    }
}

/// Wakes the sleeper without a reason, again and again.
fn waker(part: &mut Part) {
    let memory = map_to_read(part);
    let word = wakes(&memory);
    part.say("here");
    loop {
        // SAFETY: the kernel takes the address of a word that is mapped for longer than the call.
        unsafe { libc::syscall(libc::SYS_futex, half(word), libc::FUTEX_WAKE, i32::MAX) };
        thread::sleep(Duration::from_micros(20));
    }
}

/// Wakes a sleeper again and again beside strangers who play these parts; returns how long most wakes took, and how
/// many waits ended only with a slice.
#[track_caller]
fn measure(parts: &[&str]) -> (Duration, u64) {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(8).mode(0o644).stream_producer::<u64>().unwrap();
    let mut strangers: Vec<Child> = parts.iter().map(|part| Child::start(part, ring.name(), &[])).collect();
    strangers.iter_mut().for_each(|stranger| stranger.says("here"));
    let mut sleeper = Child::start("sleeper", ring.name(), &[]);
    sleeper.says("attached");
    let words = Words::of(&path(ring.name()));
    for _ in 0..ROUNDS {
        let sleeps = || tx.is_empty() == Ok(true) && words.read(word::CONSUMER_PARKING) & 2 != 0;
        wait_for("a sleep", || sleeps().then_some(()));
        // Long enough for it to sleep, and to be moved.
        thread::sleep(Duration::from_millis(1));
        tx.push(now()).unwrap();
    }
    let words = sleeper.hear();
    let (median, late) = words.split_once(' ').unwrap();
    (Duration::from_nanos(median.parse().unwrap()), late.parse().unwrap())
}

#[test]
fn whoever_waits_on_the_word_of_a_sleeper_wakes_it_or_moves_it_elsewhere_keeps_few_wakes_from_it() {
    let waiters = ["waiter"; 8];
    let among = [&waiters[..], &["mover"]].concat();
    let all = [&among[..], &["waker"]].concat();
    for (who, parts) in [
        ("nobody", &[][..]),
        ("8 waiters", &waiters[..]),
        ("a waker", &["waker"]),
        ("a mover", &["mover"]),
        ("8 waiters and a mover", &among),
        ("all of them", &all),
    ] {
        let (median, late) = measure(parts);
        println!("{who}: {median:?} a wake, {late} of {ROUNDS} late");
        assert!(late <= ROUNDS as u64 / 20, "{who}: {late} late");
    }
}
