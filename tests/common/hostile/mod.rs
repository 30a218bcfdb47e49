//! Peers that do not keep to the protocol: what they write, the calls that their victims make, and what may come of
//! those.
//!
//! The fuzz targets use this folder too, so it knows of nothing else here but the offsets of the words.

#![allow(
    clippy::forget_non_drop,
    reason = "a guard is forgotten as its user may do it, whatever it does when it is dropped"
)]

mod case;
mod guards;
pub(crate) mod lies;
pub(crate) mod message;
pub(crate) mod stream;
pub(crate) mod swings;
mod words;

use std::path::{Path, PathBuf};
use std::time::Duration;

use ringmain::{Broken, Corrupted, Error, Options, SharedWord, WaitError};

use super::word;
pub(crate) use case::{Case, Limits};
pub(crate) use lies::Shape;
use words::Shadow;
pub(crate) use words::Words;

/// The longest wait of a call that has a limit.
const LONGEST_WAIT: u64 = 1000;

fn path(name: &str) -> PathBuf {
    Path::new("/dev/shm").join(name)
}

/// Where choices come from: random numbers, or the bytes of a fuzzer. One that has run out chooses 0.
pub(crate) trait Choices {
    fn any(&self) -> u64;

    fn below(&self, limit: u64) -> u64 {
        self.any() % limit
    }

    /// Chooses a number that a call may be given: mostly a small one.
    fn len(&self, usual: u64) -> usize {
        match self.below(32) {
            31 => self.any() as usize,
            30 => self.below(1 << 16) as usize,
            _ => self.below(usual) as usize,
        }
    }

    fn wait(&self) -> Duration {
        Duration::from_micros(self.below(LONGEST_WAIT))
    }
}

/// A handle whose peer lies.
pub(crate) trait Victim: Sized {
    /// Makes a ring of this shape, and leaves it to whoever comes.
    fn make(options: &Options, shape: Shape);

    fn attach(options: &Options) -> Result<Self, Error>;

    /// Makes one call. One in `patience` waits.
    fn call(&mut self, choices: &impl Choices, patience: u64) -> Outcome;

    /// Makes a call that waits for as long as it may.
    fn block(&mut self, choices: &impl Choices) -> Outcome;

    /// Leaves in order, and keeps a descriptor of the ring or not.
    fn close(self, keeps: bool) -> Result<(), Error>;

    /// Returns whether it may write the word at this offset.
    fn owns(offset: u64) -> bool;
}

/// What a call of a victim came to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Done,
    /// The ring has no room or nothing to read, or the other end is gone.
    NotNow,
    /// The ring could never do that.
    Never,
    Corrupted(Corrupted),
    /// A word that cannot be was seen by a call that changes nothing, and so does not poison.
    Seen(Corrupted),
}

impl Outcome {
    fn of<T, E>(result: Result<T, E>, sort: impl Fn(E) -> Outcome) -> Outcome {
        result.map_or_else(sort, |_| Outcome::Done)
    }

    fn of_wait(error: WaitError) -> Outcome {
        match error {
            WaitError::TooLong { .. } => Outcome::Never,
            WaitError::Broken(Broken::Corrupted(cause)) => Outcome::Corrupted(cause),
            WaitError::Broken(Broken::Forked) => panic!("{error:?} of a handle of this process"),
            _ => Outcome::NotNow,
        }
    }

    fn of_look<T>(result: Result<T, Broken>) -> Outcome {
        Outcome::of(result, Outcome::of_broken)
    }

    /// Sorts what a call found that takes its handle by reference.
    fn of_glance(result: Result<usize, Broken>, most: usize) -> Outcome {
        assert!(result.is_ok_and(|found| found <= most) || result.is_err());
        match Outcome::of_look(result) {
            Outcome::Corrupted(cause) => Outcome::Seen(cause),
            _ => Outcome::Never,
        }
    }

    #[track_caller]
    fn of_broken(broken: Broken) -> Outcome {
        match broken {
            Broken::Corrupted(cause) => Outcome::Corrupted(cause),
            _ => panic!("{broken:?} of a handle of this process"),
        }
    }
}

/// What all calls of one handle came to. A poisoned one stays so.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) done: u64,
    pub(crate) refused: u64,
    pub(crate) poison: Option<Corrupted>,
}

impl Verdict {
    /// Takes what a call came to; panics if that may not be.
    #[track_caller]
    pub(crate) fn hear(&mut self, outcome: Outcome) {
        match (outcome, self.poison) {
            (Outcome::Done, None) => self.done += 1,
            (Outcome::NotNow, None) | (Outcome::Never, _) => self.refused += 1,
            (Outcome::Corrupted(cause), None) => {
                check_corrupted(cause);
                self.poison = Some(cause);
            }
            (Outcome::Seen(cause), None) => {
                check_corrupted(cause);
                self.refused += 1;
            }
            (Outcome::Corrupted(cause) | Outcome::Seen(cause), Some(first)) => {
                assert_eq!(cause, first, "it was found out before")
            }
            (Outcome::Done | Outcome::NotNow, Some(cause)) => {
                panic!("{outcome:?} of a handle that is poisoned: {cause}")
            }
        }
    }
}

/// Checks that a word was refused with reason, and that the error says which word, what it held, and what it could have
/// held.
#[track_caller]
pub(crate) fn check_corrupted(cause: Corrupted) {
    let Corrupted { word, found, lowest, highest, step } = cause;
    let above = found.wrapping_sub(lowest);
    assert!(step.is_power_of_two(), "{cause:?}");
    assert!(above > highest.wrapping_sub(lowest) || above % step != 0, "it could have held this: {cause:?}");
    let name = match word {
        SharedWord::Tail => "tail",
        SharedWord::Head => "head",
        SharedWord::Header => "header",
        _ => panic!("an unknown word: {cause:?}"),
    };
    let text = cause.to_string();
    for part in [format!("{name} "), format!("holds {found},"), format!("expected {lowest} to {highest}")] {
        assert!(text.contains(&part), "{text:?} does not say {part:?}");
    }
    assert!(step == 1 || text.contains(&format!("in steps of {step}:")), "{text:?} does not say {step}");
}

/// Takes what an attach came to; panics if that may not come of a damaged segment.
#[track_caller]
pub(crate) fn attached<H>(result: Result<H, Error>) -> Option<H> {
    match result {
        Ok(handle) => return Some(handle),
        Err(Error::Corrupted { source, .. }) => check_corrupted(source),
        Err(Error::Mismatch { found, expected, .. }) => assert_ne!(found, expected),
        Err(Error::OtherTypeTag { found, expected, .. }) => assert_ne!(found, expected),
        Err(Error::UnknownFeatures { found, known, .. }) => assert_ne!(found & !known, 0),
        Err(Error::NotARing { .. } | Error::NotFound { .. }) => {}
        Err(error) => panic!("{error:?}"),
    }
    None
}
