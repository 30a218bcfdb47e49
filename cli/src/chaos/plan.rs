//! What a run does, drawn from a seed: the same seed gives the same rings, steps and choices, though not the same
//! timing.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// Which of the two rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Stream,
    Message,
}

/// One of the two roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Side {
    Producer,
    Consumer,
}

impl Side {
    pub(crate) const BOTH: [Side; 2] = [Side::Producer, Side::Consumer];

    pub(crate) fn other(self) -> Side {
        match self {
            Side::Producer => Side::Consumer,
            Side::Consumer => Side::Producer,
        }
    }

    fn draw(rng: &mut Rng) -> Side {
        Side::BOTH[rng.usize(..2)]
    }
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Side::Producer => "producer",
            Side::Consumer => "consumer",
        })
    }
}

/// A mistake that a worker makes on purpose, so that it is seen that a run finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub(crate) enum Plant {
    /// A producer leaves an element out
    Lose,
    /// A producer alters a byte
    Tear,
    /// A producer pushes an element twice
    Twice,
    /// A consumer takes what it has looked at for popped
    Repeat,
    /// A producer pushes what it has not announced
    Invent,
    /// An end leaves in order and does not note it
    Untold,
    /// A consumer comes as if none before it had been told of an end
    ToldTwice,
    /// A consumer comes as if one before it had been told of every end
    ToldNever,
    /// A consumer holds back what it has given back
    Credit,
    /// A consumer stops reading
    Hang,
}

/// How an end waits: a strategy of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Waiting {
    Spin,
    SpinThenPark,
    Park,
}

impl Waiting {
    const ALL: [Waiting; 3] = [Waiting::Spin, Waiting::SpinThenPark, Waiting::Park];
}

/// How one holder of a role behaves.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Manner {
    pub(crate) seed: u64,
    pub(crate) waiting: Waiting,
    pub(crate) awaits_successor: bool,
    /// Whether it makes a pause now and then.
    pub(crate) pauses: bool,
}

impl Manner {
    pub(crate) fn draw(rng: &mut Rng) -> Manner {
        Manner {
            seed: rng.u64(..),
            waiting: Waiting::ALL[rng.usize(..3)],
            awaits_successor: rng.u8(..4) == 0,
            pauses: rng.u8(..3) == 0,
        }
    }
}

/// When an end is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// So long after its process was started: often before it holds the role.
    Starting(Duration),
    /// So long after it held the role, with both ends there.
    Running(Duration),
}

/// One thing that is done to the ends of a ring. Both are there at the beginning of each, and at its end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Kill one end. Its successor comes at once, or only when the other end has noticed.
    Kill { side: Side, moment: Moment, noticed: bool },
    /// Kill both, this one first.
    KillBoth { first: Side, moment: Moment },
    /// Let one end leave in order.
    Close { side: Side, after: Duration, noticed: bool },
    /// Stop one end for a while, then let it go on, or kill it.
    Stop { side: Side, after: Duration, pause: Duration, killed: bool },
    /// Try to take a role that is held.
    Intrude { side: Side },
}

/// How the ring ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// The producer leaves, in order or by a kill, and the consumer reads the rest. Or others do: one that was told of
    /// nothing is killed first, and one more follows when there is nothing to be told any more.
    Drained { killed: bool, by_others: bool },
    /// The name is removed while both ends are attached, and another ring takes it. Then, as above.
    Orphaned { killed: bool },
    /// The name is removed, and the consumer killed: what it left cannot be read any more.
    Abandoned,
}

/// One ring, and what is done to it.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) kind: Kind,
    /// In elements, or in bytes.
    pub(crate) capacity: usize,
    pub(crate) alignment: usize,
    /// The longest message, in bytes; no more than the ring takes.
    pub(crate) longest: usize,
    /// How far before the end of u64 its positions begin, in elements or records of the smallest size; `None` begins at
    /// 0.
    pub(crate) before_the_wrap: Option<u64>,
    /// Creators that are killed, so long after they were started, before the ring is made.
    pub(crate) stillborn: Vec<Duration>,
    /// What its contents are made of, beside their position.
    pub(crate) salt: u64,
    /// The first holders of both roles; the others are drawn from the last number.
    pub(crate) seed: u64,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

const STREAM_CAPACITIES: [usize; 7] = [1, 2, 8, 64, 1024, 4096, 65_536];
const MESSAGE_CAPACITIES: [usize; 4] = [4096, 16_384, 65_536, 1 << 20];
const LONGEST: [usize; 4] = [24, 200, 1000, usize::MAX];

impl Life {
    pub(crate) fn draw(rng: &mut Rng, kind: Kind) -> Life {
        let capacity = match kind {
            Kind::Stream => STREAM_CAPACITIES[rng.usize(..STREAM_CAPACITIES.len())],
            Kind::Message => MESSAGE_CAPACITIES[rng.usize(..MESSAGE_CAPACITIES.len())],
        };
        Life {
            kind,
            capacity,
            alignment: 8 << rng.u32(..4),
            longest: LONGEST[rng.usize(..LONGEST.len())],
            before_the_wrap: (rng.u8(..2) == 0).then(|| rng.u64(..3000)),
            stillborn: (0..rng.usize(..3)).map(|_| microseconds(rng, 5000)).collect(),
            salt: rng.u64(..),
            seed: rng.u64(..),
            steps: (0..rng.usize(4..32)).map(|_| Step::draw(rng)).collect(),
            end: match rng.u8(..6) {
                0 => End::Abandoned,
                1 | 2 => End::Orphaned { killed: rng.bool() },
                _ => End::Drained { killed: rng.bool(), by_others: rng.bool() },
            },
        }
    }
}

impl Step {
    fn draw(rng: &mut Rng) -> Step {
        let side = Side::draw(rng);
        let after = microseconds(rng, 2000);
        match rng.u8(..32) {
            0..=2 => Step::Close { side, after, noticed: rng.u8(..4) == 0 },
            3 => Step::Stop { side, after, pause: microseconds(rng, 20_000), killed: rng.bool() },
            4 | 5 => Step::Intrude { side },
            6..=9 => Step::KillBoth { first: side, moment: Moment::draw(rng) },
            _ => Step::Kill { side, moment: Moment::draw(rng), noticed: rng.u8(..16) == 0 },
        }
    }
}

impl Moment {
    fn draw(rng: &mut Rng) -> Moment {
        match rng.u8(..4) {
            0 => Moment::Starting(microseconds(rng, 6000)),
            _ => Moment::Running(microseconds(rng, 4000)),
        }
    }
}

/// Draws a duration: as often within a tenth of the longest, or a hundredth, as beyond.
fn microseconds(rng: &mut Rng, longest: u64) -> Duration {
    let scale = [1, 10, 100][rng.usize(..3)];
    Duration::from_nanos(rng.u64(..=1000 * longest / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lives(seed: u64) -> String {
        let mut rng = Rng::with_seed(seed);
        let lives: Vec<Life> = (0..50).map(|_| Life::draw(&mut rng, Kind::Message)).collect();
        format!("{lives:?}")
    }

    #[test]
    fn a_seed_gives_the_same_plan_again() {
        assert_eq!(lives(7), lives(7));
        assert_ne!(lives(7), lives(8));
    }

    #[test]
    fn a_plan_has_steps_and_ends_of_every_kind() {
        let all = lives(1);
        for part in ["Kill {", "KillBoth", "Close", "Stop", "Intrude", "Drained", "Orphaned", "Abandoned", "Starting"] {
            assert!(all.contains(part), "no {part} in fifty rings");
        }
    }
}
