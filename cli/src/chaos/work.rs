//! What all four kinds of workers have in common: the choices that they make, and the calls of a handle.

use std::time::Duration;

use fastrand::Rng;
use ringmain::{Error, Options, PeerState, PopError, PushError, WaitError};

use super::finding::{Fault, Finding};
use super::job::Job;
use super::plan::Plant;

/// What came of a call.
pub(crate) enum Went {
    /// So many elements or messages went.
    Moved(u64),
    /// There was nothing, or no room.
    Nothing,
    /// It was told that nothing will come.
    Ended(WaitError),
}

/// How much a call moved, or what its refusal comes to.
pub(crate) type Moved = Result<usize, Result<Went, Finding>>;

impl Went {
    /// Says what came of a call that moved this much, or was refused.
    pub(crate) fn of(moved: Moved) -> Result<Went, Finding> {
        match moved {
            Ok(0) => Ok(Went::Nothing),
            Ok(count) => Ok(Went::Moved(count as u64)),
            Err(refused) => refused,
        }
    }
}

pub(crate) fn push_refused<T>(error: PushError<T>) -> Result<Went, Finding> {
    match error {
        PushError::Full(_) => Ok(Went::Nothing),
        error => Err(unexpected(error)),
    }
}

pub(crate) fn pop_refused(error: PopError) -> Result<Went, Finding> {
    match error {
        PopError::Empty | PopError::Short { .. } => Ok(Went::Nothing),
        error => Err(unexpected(error)),
    }
}

pub(crate) fn wait_ended(error: WaitError) -> Result<Went, Finding> {
    match error {
        WaitError::TimedOut => Ok(Went::Nothing),
        error => Ok(Went::Ended(error)),
    }
}

pub(crate) fn unexpected(error: impl std::fmt::Debug) -> Finding {
    Finding::new(Fault::Other, format!("a call said {error:?}"))
}

/// What the calls of an end need to know.
pub(crate) struct Choices {
    pub(crate) rng: Rng,
    kind: u8,
    left: u32,
    /// The call that comes next, if it is chosen already: its kind, and how much it moves at most.
    next: Option<(u8, usize)>,
    awaits_successor: bool,
    /// Whether calls that wait without a limit are allowed now.
    pub(crate) may_block: bool,
    /// A mistake to make soon, once.
    pub(crate) plant: Option<Plant>,
}

/// How many calls of one kind follow each other at most.
const LONGEST_RUN: u32 = 100;

impl Choices {
    pub(crate) fn new(job: &Job) -> Choices {
        let rng = Rng::with_seed(job.manner.seed);
        let awaits_successor = job.manner.awaits_successor;
        Choices { rng, kind: 0, left: 0, next: None, awaits_successor, may_block: true, plant: None }
    }

    /// Chooses the next call: its kind, of so many, and how much it moves at most.
    pub(crate) fn choose(&mut self, kinds: u8, longest: usize) -> (u8, usize) {
        if let Some(next) = self.next {
            return next;
        }
        let next = (self.kind(kinds), self.rng.usize(1..=longest));
        self.next = Some(next);
        next
    }

    /// Takes the call that was chosen, or chooses one.
    pub(crate) fn take(&mut self, kinds: u8, longest: usize) -> (u8, usize) {
        let chosen = self.choose(kinds, longest);
        self.next = None;
        chosen
    }

    /// Chooses one of so many kinds of calls, each kept up for a while.
    fn kind(&mut self, count: u8) -> u8 {
        if self.left == 0 {
            (self.kind, self.left) = (self.rng.u8(..count), self.rng.u32(1..LONGEST_RUN));
        }
        self.left -= 1;
        self.kind
    }

    /// Chooses how long a call may wait; `None` is for ever.
    pub(crate) fn limit(&mut self) -> Option<Duration> {
        // One that waits for a successor would not hear what the supervisor wants.
        let bounded = self.awaits_successor || !self.may_block || self.rng.bool();
        bounded.then(|| Duration::from_micros(self.rng.u64(..if self.may_block { 5000 } else { 100 })))
    }
}

/// One end of either ring, with what it has moved.
pub(crate) trait Work: Sized {
    fn attach(job: &Job, options: &Options, choices: Choices) -> Result<Self, Error>;

    /// Goes on from this position.
    fn begin(&mut self, position: u64);
    fn next(&self) -> u64;
    /// Chooses the next call, and returns the position that it does not pass.
    fn reach(&mut self) -> u64;
    fn choices(&mut self) -> &mut Choices;

    /// Returns whether nothing is left to read.
    fn is_empty(&self) -> Result<bool, Finding> {
        Ok(true)
    }

    /// Moves something by one call.
    fn go(&mut self) -> Result<Went, Finding>;

    /// Reads one by a call that never waits, so that it is told of no end.
    fn take(&mut self) -> Result<Went, Finding> {
        Ok(Went::Nothing)
    }

    /// Waits until there is something to read.
    fn wait(&mut self, _limit: Duration) -> Result<(), WaitError> {
        Err(WaitError::TimedOut)
    }

    /// Returns the handle's own position.
    fn position(&self) -> u64;

    fn generation(&self) -> u64;
    fn peer_generation(&self) -> u64;
    fn peer_state(&self) -> PeerState;
    fn is_orphaned(&self) -> bool;
    fn close(self) -> Result<(), Error>;
}

/// Returns a handle with calls that wait for a limit, or for ever.
macro_rules! waiting {
    ($handle:expr, $limit:expr) => {
        match $limit {
            None => $handle.blocking(),
            Some(limit) => $handle.within(limit),
        }
    };
}
pub(crate) use waiting;

/// The calls that are the same for all handles.
macro_rules! common_calls {
    ($handle:ident) => {
        fn begin(&mut self, position: u64) {
            self.next = position;
        }
        fn next(&self) -> u64 {
            self.next
        }
        fn choices(&mut self) -> &mut Choices {
            &mut self.choices
        }
        fn position(&self) -> u64 {
            self.$handle.position()
        }
        fn generation(&self) -> u64 {
            self.$handle.generation()
        }
        fn peer_generation(&self) -> u64 {
            self.$handle.peer_generation()
        }
        fn peer_state(&self) -> PeerState {
            self.$handle.peer_state()
        }
        fn is_orphaned(&self) -> bool {
            self.$handle.is_orphaned()
        }
        fn close(self) -> Result<(), Error> {
            self.$handle.close()
        }
    };
}
pub(crate) use common_calls;
