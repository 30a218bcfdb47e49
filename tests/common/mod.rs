//! What the tests of several processes share: a name that is removed afterwards, processes that play a part, elements
//! that show what happened to them, and waits that end.
//!
//! A test starts its own binary again, as a process that plays one of the file's parts (`process`). Nothing outlives a
//! test, however it ends: children are killed with their guard or with their parent (`running`), names are removed with
//! theirs, and a watchdog ends what hangs.

#![allow(dead_code, unused_imports, unused_macros, reason = "every test file uses its share")]

mod ability;
mod elements;
pub(crate) mod ends;
pub(crate) mod events;
pub(crate) mod feeders;
pub(crate) mod filter;
pub(crate) mod forks;
pub(crate) mod group;
pub(crate) mod hostile;
mod journal;
mod late;
pub(crate) mod limits;
pub(crate) mod messages;
pub(crate) mod outcomes;
pub(crate) mod passed;
mod process;
mod ring;
mod running;

use std::cell::RefCell;
use std::fmt::Debug;
use std::hint::spin_loop;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use ringmain::PopError;
use ringmain::stream::{Consumer, Producer};
use ringmain::{Broken, Corrupted, Error, Role};

pub(crate) use ability::{Ability, missing};
pub(crate) use elements::{LONGEST_CALL, Numbered, Order, Reader, Tick, Writer, receive, send};
pub(crate) use journal::Journal;
pub(crate) use late::{Lateness, SLICE};
pub(crate) use process::{Child, Part, play};
pub(crate) use ring::{
    ADMINISTRATION, Ring, Watchdog, byte_of, is_locked, lock_administration, lock_role, lock_to_read, path, read_word,
    unlock, word, write_word,
};
pub(crate) use running::{PATIENCE, Running, Wait, output, wait_for};

/// Checks that an attach is refused with an error of the given pattern.
macro_rules! refuses {
    ($attach:expr, $pattern:pat $(if $guard:expr)?) => {
        match $attach {
            Err($pattern) $(if $guard)? => {}
            other => panic!("{other:?}, expected {}", stringify!($pattern $(if $guard)?)),
        }
    };
}
pub(crate) use refuses;

/// Counts what this process has: descriptors, threads, and what it watches.
pub(crate) fn possessions() -> [usize; 3] {
    let count = |folder: &str| fs::read_dir(folder).unwrap().count();
    let watched = fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
    let texts = watched.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let watches = texts.map(|text| text.matches("inotify wd:").count()).sum();
    [count("/proc/self/fd"), count("/proc/self/task"), watches]
}

/// Attaches to a role whose holder was killed a moment ago: the kernel may need another one to notice.
#[track_caller]
pub(crate) fn succeed<H>(attach: impl Fn() -> Result<H, Error>) -> H {
    wait_for("a dead process's role", || match attach() {
        Ok(handle) => Some(handle),
        Err(Error::Busy { .. } | Error::HolderGone { .. }) => None,
        Err(error) => panic!("{error:?}"),
    })
}

/// Pushes elements, and pops them.
#[track_caller]
pub(crate) fn check_flow(tx: &mut Producer<u64>, rx: &mut Consumer<u64>) {
    for element in 0..100 {
        assert_eq!(tx.push(element), Ok(()));
        assert_eq!(rx.pop(), Ok(element));
    }
    assert_eq!(rx.pop(), Err(PopError::Empty));
}

/// Checks that an attach is refused because the process of this pid holds the role.
#[track_caller]
pub(crate) fn check_busy<H: Debug>(attach: Result<H, Error>, expected: Role, pid: u32) {
    refuses!(attach, Error::Busy { role, holder: Some(holder), .. } if (role, holder) == (expected, pid));
}

/// Returns the corruption that a handle reports.
#[track_caller]
pub(crate) fn corruption<T>(result: Result<T, Broken>) -> Option<Corrupted> {
    match result {
        Ok(_) => None,
        Err(Broken::Corrupted(cause)) => Some(cause),
        Err(broken) => panic!("{broken:?} of a handle of this process"),
    }
}

/// Keeps the processor busy for a while.
pub(crate) fn spin(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        spin_loop();
    }
}

/// Waits until no other test of this program has its turn: two processes that spin fill a small machine, and more of
/// them are slower than one after the other.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|failed| failed.into_inner())
}

/// Returns a seed and prints it. `RINGMAIN_SEED` sets it.
pub(crate) fn seed() -> u64 {
    let seed = given("RINGMAIN_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("RINGMAIN_SEED={seed}");
    seed
}

/// Returns how many rounds to make: this many, or what `RINGMAIN_ROUNDS` says.
pub(crate) fn rounds(usual: u64) -> u64 {
    given("RINGMAIN_ROUNDS").unwrap_or(usual)
}

/// Returns the number that a variable of the environment gives.
fn given(variable: &str) -> Option<u64> {
    let number = env::var(variable).ok()?;
    Some(number.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {number:?}")))
}

/// Numbers to choose by. The seed is printed, and `RINGMAIN_SEED` sets it.
pub(crate) struct Random(RefCell<fastrand::Rng>);

impl Random {
    pub(crate) fn new() -> Random {
        Random::seeded(seed())
    }

    pub(crate) fn seeded(seed: u64) -> Random {
        Random(RefCell::new(fastrand::Rng::with_seed(seed)))
    }

    pub(crate) fn any(&self) -> u64 {
        self.0.borrow_mut().u64(..)
    }

    pub(crate) fn below(&self, limit: u64) -> u64 {
        self.0.borrow_mut().u64(..limit)
    }

    /// Chooses a duration shorter than `limit`.
    pub(crate) fn shorter_than(&self, limit: Duration) -> Duration {
        Duration::from_nanos(self.below(limit.as_nanos() as u64))
    }
}

impl hostile::Choices for Random {
    fn any(&self) -> u64 {
        Random::any(self)
    }
}
