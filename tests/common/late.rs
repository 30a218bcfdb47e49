//! Tells a wait that only the slice of a sleep has ended from one that a busy machine has made long.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memmap2::{MmapOptions, MmapRaw};
use rustix::time::{ClockId, clock_gettime};

use super::ends::End;

/// A slice of a sleep: what wakes nobody is noticed after it.
pub(crate) const SLICE: Duration = Duration::from_millis(100);

/// A thread that was ready to run for longer did so late.
const AT_ONCE: Duration = Duration::from_millis(1);

/// What an end adds to its parking word by one sleep.
const SLEEP: u64 = 4;

/// Counts the waits of one thread that ended late although the machine let it and its peer run.
///
/// How long a wait took says nothing: the other end may not have had its turn. What tells is how the last sleep ended.
/// A wake ends it before its slice is over; so if each sleep of a wait has lasted for a whole slice, none was ended
/// by a wake, and yet what was waited for is there. The time in which this thread was ready to run and did not is no
/// part of a sleep.
pub(crate) struct Lateness {
    memory: MmapRaw,
    parking: u64,
    wakes: u64,
    schedstat: Option<File>,
    /// Whether the time of each wait is taken, which costs two system calls. It is from the first long one on: until
    /// then nothing gets between two calls of an end.
    takes_time: bool,
    count: u64,
}

/// What happened to a thread in one wait.
#[derive(Clone, Copy, Debug)]
struct Spent {
    elapsed: Duration,
    running: Duration,
    ready: Duration,
    sleeps: u64,
    was_woken: bool,
}

impl Spent {
    /// Returns whether something was waited for that was there.
    fn is_late(self) -> bool {
        let asleep = self.elapsed.saturating_sub(self.running + self.ready);
        match self.sleeps {
            // It spun. Threads that are equal take turns, so for such a time the other end had its own.
            0 => self.running >= SLICE,
            sleeps if asleep < SLICE * sleeps.try_into().unwrap_or(u32::MAX) => false,
            // A wake may have found the end of the slice passed, and the sleeper not yet running.
            _ => !self.was_woken || self.ready < AT_ONCE,
        }
    }
}

impl Lateness {
    /// Counts waits from the second long one on.
    pub(crate) fn of<E: End>(end: &E) -> Lateness {
        let memory = MmapOptions::new().len(4096).map_raw(&end.descriptor()).unwrap();
        // If the system does not say how long a thread was ready, it counts as asleep.
        let schedstat = File::open("/proc/thread-self/schedstat").ok();
        // The wakes of an end lie behind its parking word.
        Lateness { memory, parking: E::PARKING, wakes: E::Peer::PARKING + 8, schedstat, takes_time: false, count: 0 }
    }

    /// Counts waits from the first one on.
    pub(crate) fn from_the_first<E: End>(end: &E) -> Lateness {
        Lateness { takes_time: true, ..Lateness::of(end) }
    }

    /// Returns how many waits were late.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Lets this thread wait by the end.
    pub(crate) fn watch<R>(&mut self, wait: impl FnOnce() -> R) -> R {
        let times = self.takes_time.then(|| self.times());
        let [sleeps, wakes] = [self.parking, self.wakes].map(|word| self.word(word));
        let start = Instant::now();
        let result = wait();
        let elapsed = start.elapsed();
        if elapsed < SLICE {
            return result;
        }
        if let Some((running, ready)) = times {
            let now = self.times();
            let spent = Spent {
                elapsed,
                running: now.0 - running,
                ready: now.1 - ready,
                sleeps: self.word(self.parking).wrapping_sub(sleeps) / SLEEP,
                was_woken: self.word(self.wakes) != wakes,
            };
            self.count += u64::from(spent.is_late());
        }
        self.takes_time = true;
        result
    }

    /// Returns for how long this thread has run, and for how long it was ready to.
    fn times(&self) -> (Duration, Duration) {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let mut bytes = [0; 80];
        let len = self.schedstat.as_ref().and_then(|file| file.read_at(&mut bytes, 0).ok()).unwrap_or(0);
        let ready = std::str::from_utf8(&bytes[..len]).ok().and_then(|words| words.split(' ').nth(1)?.parse().ok());
        (Duration::new(time.tv_sec as u64, time.tv_nsec as u32), Duration::from_nanos(ready.unwrap_or(0)))
    }

    fn word(&self, offset: u64) -> u64 {
        // SAFETY: the words of a header lie in the page that is mapped, aligned, for as long as `self` lives.
        let word =
            unsafe { AtomicU64::from_ptr(self.memory.as_mut_ptr().cast::<u64>().wrapping_add(offset as usize / 8)) };
        word.load(Ordering::Relaxed)
    }
}
