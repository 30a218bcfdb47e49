//! What a reader sees of the results: a page, a picture, a table on the terminal.

mod markdown;
mod picture;
mod terminal;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::sizes::{Cell, Results};
use crate::subjects::{RINGS, TRUSTED};
use crate::work::Test;

pub(crate) use terminal::text;

/// The files of a report.
pub(crate) const RESULTS: &str = "benchmarks.json";
const PAGE: &str = "benchmarks.md";
const PICTURE: &str = "peers.svg";

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder where benchmarks.json stands.
    folder: PathBuf,
}

/// Writes the page and the picture once more.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let results = serde_json::from_str(&fs::read_to_string(arguments.folder.join(RESULTS))?)?;
    write(&arguments.folder, &results)
}

/// Writes the page and the picture.
pub(crate) fn write(folder: &Path, results: &Results) -> Result<(), Box<dyn Error>> {
    fs::write(folder.join(PAGE), markdown::page(results))?;
    picture::draw(&folder.join(PICTURE), results)
}

impl Results {
    /// Returns what one subject did with one test and one size.
    fn cell(&self, test: Test, size: usize, subject: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.test == test.name() && cell.size == size && cell.subject == subject)
    }

    /// Returns which of ringmain's rings did best, of those that trust nobody.
    fn best_ring(&self, test: Test, size: usize) -> Option<&'static str> {
        let value = |ring: &&str| self.cell(test, size, ring).map(|cell| cell.value.median);
        let rings = RINGS.into_iter().filter(|ring| *ring != TRUSTED && value(ring).is_some());
        rings.reduce(|best, ring| if is_ahead(test, value(&ring), value(&best)) { ring } else { best })
    }

    /// Returns the tests, in the order of the enumeration.
    fn tests(&self) -> impl Iterator<Item = Test> {
        let tests = [Test::Rtt, Test::Single, Test::Batch];
        tests.into_iter().filter(|test| self.tests.iter().any(|name| name == test.name()))
    }
}

/// Says whether one value is better than another: less for a round trip, more for a rate.
fn is_ahead(test: Test, value: Option<f64>, other: Option<f64>) -> bool {
    if test == Test::Rtt { value < other } else { value > other }
}

/// Says whether a ratio of ringmain to another crate speaks against ringmain, as it is shown.
fn is_behind(test: Test, ratio: f64) -> bool {
    let shown = (ratio * 100.0).round() / 100.0;
    if test == Test::Rtt { shown > 1.0 } else { shown < 1.0 }
}

/// What a test is called in text.
fn title(test: Test) -> &'static str {
    match test {
        Test::Rtt => "round trip",
        Test::Single => "one at a time",
        Test::Batch => "batches of 64",
    }
}

/// The unit of its values as they are shown.
fn unit(test: Test) -> &'static str {
    if test == Test::Rtt { "ns" } else { "M/s" }
}

/// Returns a value in that unit, with three digits.
fn shown(test: Test, value: f64) -> String {
    if test == Test::Rtt { format!("{value:.0}") } else { three_digits(value / 1e6) }
}

/// Returns a number with three significant digits, as far as they stand behind the point.
fn three_digits(value: f64) -> String {
    let decimals = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_better_for_a_round_trip_only() {
        assert!(is_ahead(Test::Rtt, Some(1.0), Some(2.0)));
        assert!(is_ahead(Test::Single, Some(2.0), Some(1.0)));
        assert!(is_behind(Test::Rtt, 1.01) && !is_behind(Test::Rtt, 1.004));
        assert!(is_behind(Test::Batch, 0.99) && !is_behind(Test::Batch, 0.996));
    }

    #[test]
    fn a_number_has_three_digits() {
        assert_eq!(three_digits(0.678_9), "0.68");
        assert_eq!(three_digits(12.34), "12.3");
        assert_eq!(three_digits(99.97), "100");
        assert_eq!(three_digits(1234.0), "1234");
    }
}
