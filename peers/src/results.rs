//! What was measured, as the JSON has it.

use std::collections::BTreeMap;

use clap::ValueEnum;
use ringmain_measure::{Regime, Summary};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::regimes::Regimes;
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
    /// Empty in results of before it was measured.
    #[serde(default)]
    pub(crate) bare_line: Regimes,
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
    /// Nanoseconds, or values per second, of each round. Empty in results of before they were kept.
    #[serde(default)]
    pub(crate) values: Vec<f64>,
    /// Of all rounds, whatever their regimes.
    #[serde(flatten)]
    pub(crate) all: Figures,
    /// Of the rounds of each regime, in the order of the regimes.
    #[serde(default)]
    pub(crate) regimes: Vec<Figures>,
}

/// What some rounds come to.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) value: Summary,
    /// Those of ringmain's rings over those of this subject, round by round, by the ring's name.
    pub(crate) ratios: BTreeMap<String, Summary>,
}

impl Cell {
    /// Brings together the rounds of a subject, given those of ringmain's rings.
    pub(crate) fn new(
        (test, size, subject): (Test, usize, &str),
        values: &[f64],
        rings: &[(&str, &[f64])],
        regimes: &[Regime],
    ) -> Cell {
        let figures = |select: &dyn Fn(&[f64]) -> Vec<f64>| {
            let values = select(values);
            let ratio =
                |(name, ring): &(&str, &[f64])| ((*name).to_owned(), Summary::of_ratios(&select(ring), &values));
            Figures { value: Summary::of(&values), ratios: rings.iter().map(ratio).collect() }
        };
        Cell {
            test,
            size,
            subject: subject.to_owned(),
            values: values.to_vec(),
            all: figures(&|values| values.to_vec()),
            regimes: regimes.iter().map(|regime| figures(&|values| regime.select(values))).collect(),
        }
    }
}

/// The rounds that are reported together: those of one regime, or all where no regime is known.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    results: &'a Results,
    regime: Option<usize>,
}

impl Results {
    /// Returns what is reported together: each regime by itself.
    pub(crate) fn parts(&self) -> Vec<Part<'_>> {
        let part = |regime| Part { results: self, regime };
        let regimes = self.bare_line.regimes.len();
        if regimes == 0 { vec![part(None)] } else { (0..regimes).map(|at| part(Some(at))).collect() }
    }

    /// Returns the tests, in the order of the enumeration.
    pub(crate) fn tests(&self) -> impl Iterator<Item = Test> {
        let tests = Test::value_variants().iter().copied();
        tests.filter(|test| self.tests.contains(test))
    }
}

impl<'a> Part<'a> {
    /// Returns its regime, if that is known.
    pub(crate) fn regime(self) -> Option<&'a Regime> {
        self.regime.map(|at| &self.results.bare_line.regimes[at])
    }

    /// Returns what one subject did with one test and one size.
    pub(crate) fn figures(self, test: Test, size: usize, subject: &str) -> Option<&'a Figures> {
        let mut cells = self.results.cells.iter();
        let cell = cells.find(|cell| cell.test == test && cell.size == size && cell.subject == subject)?;
        match self.regime {
            None => Some(&cell.all),
            Some(at) => cell.regimes.get(at),
        }
    }

    /// Returns which of the subjects of these names did best.
    fn best_of<'b>(self, test: Test, size: usize, names: impl Iterator<Item = &'b str>) -> Option<&'b str> {
        let value = |name: &str| self.figures(test, size, name).map(|figures| figures.value.median);
        let measured = names.filter(|name| value(name).is_some());
        measured.reduce(|best, name| if is_ahead(test, value(name), value(best)) { name } else { best })
    }

    /// Returns which subject did best.
    pub(crate) fn best(self, test: Test, size: usize) -> Option<&'a str> {
        self.best_of(test, size, self.results.subjects.iter().map(|subject| &*subject.name))
    }

    /// Returns which of the other crates did best.
    pub(crate) fn best_peer(self, test: Test, size: usize) -> Option<&'a str> {
        let names = self.results.subjects.iter().map(|subject| &*subject.name);
        self.best_of(test, size, names.filter(|name| !RINGS.contains(name)))
    }

    /// Returns which of ringmain's rings did best, of those that trust nobody.
    pub(crate) fn best_ring(self, test: Test, size: usize) -> Option<&'static str> {
        self.best_of(test, size, RINGS.into_iter().filter(|ring| *ring != TRUSTED))
    }

    /// Returns the other crates with the ratios of one of ringmain's rings to them, the worst for the ring first.
    pub(crate) fn ahead_of(self, test: Test, size: usize, ring: &str) -> Vec<(&'a str, &'a Summary)> {
        let names = self.results.subjects.iter().map(|subject| &*subject.name);
        let ratio = |name| Some((name, self.figures(test, size, name)?.ratios.get(ring)?));
        let mut ratios: Vec<_> = names.filter(|name| !RINGS.contains(name)).filter_map(ratio).collect();
        ratios.sort_by(|(_, one), (_, other)| {
            let order = one.median.total_cmp(&other.median);
            if test == Test::Rtt { order.reverse() } else { order }
        });
        ratios
    }

    /// Returns the ratio of one of ringmain's rings to the best of the other crates.
    pub(crate) fn to_best_peer(self, test: Test, size: usize, ring: &str) -> Option<&'a Summary> {
        self.figures(test, size, self.best_peer(test, size)?)?.ratios.get(ring)
    }
}

/// Says whether one value is better than another: less for a round trip, more for a rate.
fn is_ahead(test: Test, value: Option<f64>, other: Option<f64>) -> bool {
    if test == Test::Rtt { value < other } else { value > other }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::subjects::{MESSAGE, STREAM};

    /// A run of four rounds: two near, one in which the line moves, and one far. The best crate is shaq where it is
    /// near, and rtrb where it is far.
    pub(crate) fn mixed() -> Results {
        let bare_line = Regimes::of(vec![60.0, 60.0, 60.0, 450.0, 450.0]);
        let measured: [(&str, [f64; 4]); 4] = [
            (STREAM, [100.0, 110.0, 1.0, 500.0]),
            (MESSAGE, [120.0, 110.0, 1.0, 400.0]),
            ("rtrb", [200.0, 220.0, 1000.0, 250.0]),
            ("shaq", [50.0, 44.0, 1000.0, 1000.0]),
        ];
        let rings = [(STREAM, &measured[0].1[..]), (MESSAGE, &measured[1].1[..])];
        let subject = |name: &str, between| Measured {
            name: name.to_owned(),
            version: "1.2.3".to_owned(),
            between,
            note: String::new(),
            failures: Vec::new(),
        };
        let cells = |test| {
            let rings = &rings;
            let regimes = &bare_line.regimes;
            measured.each_ref().map(|(name, values)| Cell::new((test, 8, name), values, rings, regimes))
        };
        Results {
            date: "2000-01-01".to_owned(),
            command: "cd peers && cargo run".to_owned(),
            machine: Machine {
                processor: "A Processor, family 1 model 2".to_owned(),
                model: "maker-family-1-model-2".to_owned(),
                processors: 2,
                used: [0, 1],
                system: "Linux 1.2".to_owned(),
                virtual_machine: false,
            },
            remark: None,
            rounds: 4,
            milliseconds: 50,
            capacity: 1024,
            sizes: vec![8],
            tests: vec![Test::Rtt, Test::Single],
            subjects: vec![
                subject(STREAM, Between::Processes),
                subject(MESSAGE, Between::Processes),
                subject("rtrb", Between::Threads),
                subject("shaq", Between::Processes),
            ],
            left_out: vec![LeftOut {
                name: "que".to_owned(),
                version: "4.5".to_owned(),
                why: "it does not work".to_owned(),
            }],
            cells: [cells(Test::Rtt), cells(Test::Single)].into_iter().flatten().collect(),
            bare_line,
        }
    }

    #[test]
    fn less_is_better_for_a_round_trip_only() {
        assert!(is_ahead(Test::Rtt, Some(1.0), Some(2.0)));
        assert!(is_ahead(Test::Single, Some(2.0), Some(1.0)));
    }

    #[test]
    fn each_regime_has_its_own_medians_ratios_and_best() {
        let results = mixed();
        let [near, far] = results.parts()[..] else { panic!("{:?}", results.bare_line) };
        assert_eq!(
            (near.regime().unwrap().rounds.as_slice(), far.regime().unwrap().rounds.as_slice()),
            (&[0, 1][..], &[3][..])
        );
        let value = |part: Part, subject| part.figures(Test::Rtt, 8, subject).unwrap().value;
        assert_eq!(value(near, STREAM), Summary { median: 105.0, min: 100.0, max: 110.0 });
        assert_eq!(value(far, STREAM), Summary { median: 500.0, min: 500.0, max: 500.0 });
        assert_eq!((near.best(Test::Rtt, 8), near.best_peer(Test::Rtt, 8)), (Some("shaq"), Some("shaq")));
        assert_eq!((far.best(Test::Rtt, 8), far.best_peer(Test::Rtt, 8)), (Some("rtrb"), Some("rtrb")));
        assert_eq!(near.to_best_peer(Test::Rtt, 8, STREAM), Some(&Summary { median: 2.25, min: 2.0, max: 2.5 }));
        assert_eq!(far.to_best_peer(Test::Rtt, 8, STREAM), Some(&Summary { median: 2.0, min: 2.0, max: 2.0 }));
        assert_eq!((near.best_ring(Test::Rtt, 8), far.best_ring(Test::Rtt, 8)), (Some(STREAM), Some(MESSAGE)));
        let ahead = |test| near.ahead_of(test, 8, STREAM).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!((ahead(Test::Rtt), ahead(Test::Single)), (vec!["shaq", "rtrb"], vec!["rtrb", "shaq"]));
        assert_eq!((near.best(Test::Single, 8), near.best(Test::Batch, 8)), (Some("rtrb"), None));
    }

    #[test]
    fn ratios_can_be_computed_again_from_the_values_of_the_json() {
        let results = mixed();
        let json = serde_json::to_string(&results).unwrap();
        let again: Results = serde_json::from_str(&json).unwrap();
        assert_eq!(again.bare_line.lines, [60.0, 60.0, 60.0, 450.0, 450.0]);
        let of = |name: &str| again.cells.iter().find(|cell| cell.test == Test::Rtt && cell.subject == name).unwrap();
        let (stream, shaq) = (of(STREAM), of("shaq"));
        assert_eq!(stream.values, [100.0, 110.0, 1.0, 500.0]);
        assert_eq!(shaq.all.ratios[STREAM], Summary::of_ratios(&stream.values, &shaq.values));
        for (regime, figures) in again.bare_line.regimes.iter().zip(&shaq.regimes) {
            let (ring, values) = (regime.select(&stream.values), regime.select(&shaq.values));
            assert_eq!(figures.ratios[STREAM], Summary::of_ratios(&ring, &values));
        }
    }

    #[test]
    fn a_run_that_only_moved_is_reported_whole() {
        let mut results = mixed();
        results.bare_line = Regimes::of(vec![60.0, 450.0, 60.0, 450.0, 60.0]);
        let [all] = results.parts()[..] else { panic!("{:?}", results.bare_line) };
        assert!(all.regime().is_none());
        assert_eq!(all.figures(Test::Rtt, 8, STREAM).unwrap().value.median, 105.0);
    }
}
