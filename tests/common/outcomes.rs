//! Those who come to what a liar has made of a ring.

use ringmain::{Error, Options};

use super::Random;
use super::hostile::{Verdict, Victim};

/// How many calls a victim makes while its handle is not poisoned, and how many of them one waits in.
const CALLS: u64 = 100;
const PATIENCE: u64 = 1000;

/// Attaches if the words allow it at this moment.
#[track_caller]
pub(crate) fn attach_if_allowed<H>(attach: Result<H, Error>) -> Option<H> {
    match attach {
        Ok(handle) => Some(handle),
        Err(Error::Corrupted { .. }) => None,
        Err(error) => panic!("{error:?}"),
    }
}

/// What the calls of one side came to.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) done: u64,
    pub(crate) refused: u64,
    pub(crate) corrupted: u64,
}

impl Outcomes {
    /// Returns whether there was something of each.
    pub(crate) fn say_something(&self) -> bool {
        self.done.min(self.refused).min(self.corrupted) > 0
    }

    /// Checks that there was.
    #[track_caller]
    pub(crate) fn check(&self, what: &str) {
        println!("{what}: {self:?}");
        assert!(self.say_something(), "{what}: {self:?} say nothing");
    }
}

/// Counts the visits of two victims: so many, and more, up to fifty times as many, where a liar that shares a processor
/// with them was too seldom in time.
pub(crate) fn is_enough(visits: u64, least: u64, sides: [&Outcomes; 2]) -> bool {
    visits >= least && (visits >= 50 * least || sides.iter().all(|side| side.say_something()))
}

/// Lets a victim come and make calls of every kind, if the words allow it at this moment; returns whether they did.
#[track_caller]
pub(crate) fn visit<V: Victim>(options: &Options, random: &Random, outcomes: &mut Outcomes) -> bool {
    let Some(mut victim) = attach_if_allowed(V::attach(options)) else { return false };
    let mut verdict = Verdict::default();
    while verdict.poison.is_none() && random.below(CALLS) > 0 {
        verdict.hear(victim.call(random, PATIENCE));
    }
    // Poisoned or not, one call more never hurts.
    verdict.hear(victim.call(random, PATIENCE));
    outcomes.done += verdict.done;
    outcomes.refused += verdict.refused;
    outcomes.corrupted += u64::from(verdict.poison.is_some());
    true
}
