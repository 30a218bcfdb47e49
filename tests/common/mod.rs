//! What the tests of several processes share: a name that is removed afterwards, processes that play a part, elements that
//! show what happened to them, and waits that end.
//!
//! A test starts its own binary again, as a process that plays one of the file's parts (`process`). Nothing outlives a test,
//! however it ends: children are killed with their guard or with their parent, names are removed with theirs, and a watchdog
//! ends what hangs.

#![allow(dead_code, unused_imports, unused_macros, reason = "every test file uses its share")]

mod ability;
mod elements;
pub(crate) mod ends;
pub(crate) mod filter;
pub(crate) mod forks;
pub(crate) mod hostile;
mod journal;
mod late;
pub(crate) mod limits;
pub(crate) mod messages;
pub(crate) mod outcomes;
pub(crate) mod passed;
mod process;
mod ring;

use std::cell::Cell;
use std::env;
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::hint::spin_loop;
use std::thread;
use std::time::{Duration, Instant};

use ringmain::PopError;
use ringmain::stream::{Consumer, Producer};
use ringmain::{Broken, Corrupted, Error, Role};

pub(crate) use ability::{Ability, missing};
pub(crate) use elements::{LONGEST_CALL, Numbered, Order, Reader, Tick, Writer, receive, send};
pub(crate) use journal::Journal;
pub(crate) use late::{Lateness, SLICE};
pub(crate) use process::{Child, Part, play};
pub(crate) use ring::{Ring, Watchdog, is_locked, lock_administration, lock_role, path, read_word, word, write_word};

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

/// How long anything that must come may take: long enough for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A wait for the other side: spins a little, then lets others run, and gives up in the end.
#[derive(Default)]
pub(crate) struct Wait {
    looks: u32,
    started: Option<Instant>,
}

impl Wait {
    /// Waits until it may be worth to look again.
    #[track_caller]
    pub(crate) fn pause(&mut self, what: &str) {
        self.looks += 1;
        if self.looks < 50 {
            spin_loop();
            return;
        }
        assert!(self.started.get_or_insert_with(Instant::now).elapsed() < PATIENCE, "waited in vain for {what}");
        thread::yield_now();
    }
}

/// Waits until `look` finds something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut wait = Wait::default();
    loop {
        if let Some(found) = look() {
            return found;
        }
        wait.pause(what);
    }
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

/// Returns a seed and prints it. `RINGMAIN_SEED` sets it.
pub(crate) fn seed() -> u64 {
    let seed = given("RINGMAIN_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
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

/// Numbers to choose by (xorshift). The seed is printed, and `RINGMAIN_SEED` sets it.
pub(crate) struct Random(Cell<u64>);

impl Random {
    pub(crate) fn new() -> Random {
        Random::seeded(seed())
    }

    pub(crate) fn seeded(seed: u64) -> Random {
        // Zero is the one state that xorshift never leaves.
        Random(Cell::new(seed | 1))
    }

    pub(crate) fn any(&self) -> u64 {
        let mut state = self.0.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0.set(state);
        // The low bits of the state itself are weak.
        state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(crate) fn below(&self, limit: u64) -> u64 {
        self.any() % limit
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
