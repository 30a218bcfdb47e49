//! What was measured, as the JSON has it.

use std::collections::BTreeMap;

use clap::ValueEnum;
use ringmain_measure::Summary;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::subjects::{Between, RINGS, TRUSTED};
use crate::work::Test;

/// What was measured, on what.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) machine: Machine,
    pub(crate) remark: Option<String>,
    pub(crate) rounds: u32,
    pub(crate) milliseconds: u64,
    pub(crate) capacity: usize,
    pub(crate) sizes: Vec<usize>,
    pub(crate) tests: Vec<Test>,
    pub(crate) subjects: Vec<Measured>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) cells: Vec<Cell>,
}

/// A subject.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) between: Between,
    pub(crate) note: String,
    /// Why some of its figures are missing.
    pub(crate) failures: Vec<String>,
}

/// A subject that is measured only where it is named, or cannot be.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) why: String,
}

/// All rounds of one subject with one test and one size.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) test: Test,
    pub(crate) size: usize,
    pub(crate) subject: String,
    /// Nanoseconds, or values per second.
    pub(crate) value: Summary,
    /// Those of ringmain's rings over those of this subject, round by round, by the ring's name.
    pub(crate) ratios: BTreeMap<String, Summary>,
}

impl Results {
    /// Returns what one subject did with one test and one size.
    pub(crate) fn cell(&self, test: Test, size: usize, subject: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.test == test && cell.size == size && cell.subject == subject)
    }

    /// Returns which of ringmain's rings did best, of those that trust nobody.
    pub(crate) fn best_ring(&self, test: Test, size: usize) -> Option<&'static str> {
        let value = |ring: &&str| self.cell(test, size, ring).map(|cell| cell.value.median);
        let rings = RINGS.into_iter().filter(|ring| *ring != TRUSTED && value(ring).is_some());
        rings.reduce(|best, ring| if is_ahead(test, value(&ring), value(&best)) { ring } else { best })
    }

    /// Returns the tests, in the order of the enumeration.
    pub(crate) fn tests(&self) -> impl Iterator<Item = Test> {
        let tests = Test::value_variants().iter().copied();
        tests.filter(|test| self.tests.contains(test))
    }
}

/// Says whether one value is better than another: less for a round trip, more for a rate.
fn is_ahead(test: Test, value: Option<f64>, other: Option<f64>) -> bool {
    if test == Test::Rtt { value < other } else { value > other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_better_for_a_round_trip_only() {
        assert!(is_ahead(Test::Rtt, Some(1.0), Some(2.0)));
        assert!(is_ahead(Test::Single, Some(2.0), Some(1.0)));
    }
}
