//! A library with a bug as the victim of the liars of `tests/flips.rs` and `tests/oscillation.rs`.
//!
//! Arguments: which of them, the name of the ring, and a seed.

#![allow(unsafe_code, reason = "the liars and their victims are those of the library's own tests")]
#![allow(unreachable_patterns, reason = "its enums have no more variants in the library itself")]

#[path = "../../../../tests/common/hostile/mod.rs"]
mod hostile;
#[path = "../../../../tests/common/ring.rs"]
mod ring;

use std::cell::RefCell;
use std::env;

use crate::stream::Consumer;
use hostile::swings::{Liar, swing};
use hostile::{Case, Choices, Limits, Shape};
use ring::{Watchdog, word};

const SHAPE: Shape = Shape { capacity: 512, unit: 8, align: 0 };
const LIMITS: Limits = Limits { calls: 40, patience: 128, blocking: 0, guard: 1 };

/// How many rounds of flips, and calls under a tail that swings.
const ROUNDS: u64 = 1000;
const CALLS: u64 = 10_000;

struct Random(RefCell<fastrand::Rng>);

impl Choices for Random {
    fn any(&self) -> u64 {
        self.0.borrow_mut().u64(..)
    }
}

fn random(seed: u64) -> Random {
    Random(RefCell::new(fastrand::Rng::with_seed(seed)))
}

/// Lies to a consumer of elements, if that is asked for, and returns whether it is.
pub(crate) fn main() -> bool {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [liar, name, seed, ..] = &arguments[..] else { panic!("{arguments:?}") };
    if !["flips", "oscillation"].contains(&&**liar) {
        return false;
    }
    let _watchdog = Watchdog::new();
    let seed: u64 = seed.parse().expect("a number");
    if liar == "flips" {
        let mut case = Case::<Consumer<u64>>::new(name, SHAPE);
        for round in 0..ROUNDS {
            let _ = case.round(|| random(seed.wrapping_add(round)), LIMITS);
        }
    } else {
        let choices = [random(seed), random(seed.wrapping_add(1))];
        swing::<Consumer<u64>, _>(name, SHAPE, CALLS, choices, |liar| liar.swing_tail(), || ());
    }
    true
}
