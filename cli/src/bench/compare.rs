//! A run beside an earlier one: what both measured, and what only one of them did.
//!
//! Rounds are compared with those of the same regime, that is of a bare line that took about as long. How near the
//! processors were is told by that time and not by the name, which is given beside the other rounds of the same run.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ringmain_measure::{Nearness, Regime};
use serde::Serialize;
use serde_json::Value;

use super::results::{Cell, FORMAT, Report, Subject, Unit};

/// Reads the JSON of an exported run.
///
/// # Errors
/// - the file cannot be read, is not JSON, is that of something else, or has another format
pub(crate) fn read(path: &Path) -> Result<Report> {
    let name = path.display();
    let bytes = fs::read(path).with_context(|| format!("cannot read {name}"))?;
    let value: Value = serde_json::from_slice(&bytes)
        .with_context(|| format!("{name} is not JSON; name the results.json of an earlier --export"))?;
    match value.get("format").map(|format| format.as_u64()) {
        Some(Some(format)) if format == u64::from(FORMAT) => {}
        Some(Some(format)) => bail!(
            "{name} has format {format}, and this program reads format {FORMAT}: measure again, or take the version of \
             the program that wrote it"
        ),
        _ => bail!("{name} has no number of a format; name the results.json of an earlier --export"),
    }
    serde_json::from_value(value).with_context(|| format!("{name} is no report of `ringmain bench`, or is damaged"))
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Key {
    #[serde(flatten)]
    pub(crate) subject: Subject,
    /// Messages per second, where they are paced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<u64>,
}

/// One case in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Row {
    #[serde(flatten)]
    pub(crate) key: Key,
    /// Of this run, where the figures are of rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) regime: Option<Nearness>,
    pub(crate) unit: Unit,
    /// A median over rounds; in `paced` that of the times, and in `idle` the percentage.
    pub(crate) then: f64,
    pub(crate) now: f64,
    pub(crate) ratio: f64,
    /// The ratio of the ratios to the cache line, which each run took within its rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by_cache_line: Option<f64>,
}

/// A regime in which both runs have rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Pair {
    pub(crate) then: Regime,
    pub(crate) now: Regime,
}

/// Two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Comparison {
    /// When the earlier run was, and where if that was on another kind of machine.
    pub(crate) earlier: String,
    /// Those in which rounds are compared, and those that only one of the runs has: their rounds are not.
    pub(crate) regimes: Vec<Pair>,
    pub(crate) regimes_only_then: Vec<Regime>,
    pub(crate) regimes_only_now: Vec<Regime>,
    pub(crate) rows: Vec<Row>,
    pub(crate) only_then: Vec<Key>,
    pub(crate) only_now: Vec<Key>,
}

impl Comparison {
    pub(crate) fn of(then: &Report, now: &Report) -> Self {
        let (regimes, regimes_only_then, regimes_only_now) = paired(&then.regimes.all, &now.regimes.all);
        let mut rows = Vec::new();
        for pair in &regimes {
            let (before, after) = (in_rounds(&then.cells(&pair.then)), in_rounds(&now.cells(&pair.now)));
            rows.extend(common(&before, &after, Some(pair.now.nearness)));
        }
        rows.extend(common(&once(then), &once(now), None));
        let (before, after) = (keys(then), keys(now));
        let without = |some: &[Key], others: &[Key]| some.iter().filter(|key| !others.contains(key)).copied().collect();
        let elsewhere = if then.host.processor == now.host.processor && then.host.kernel == now.host.kernel {
            String::new()
        } else {
            format!(", on {} with {}", then.host.processor, then.host.kernel)
        };
        Self {
            earlier: format!("{}{elsewhere}", then.host.date),
            regimes,
            regimes_only_then,
            regimes_only_now,
            rows,
            only_then: without(&before, &after),
            only_now: without(&after, &before),
        }
    }

    /// Whether both runs have rounds, but none of them in the same regime.
    pub(crate) fn has_no_regime(&self) -> bool {
        self.regimes.is_empty() && !self.regimes_only_then.is_empty() && !self.regimes_only_now.is_empty()
    }
}

/// Finds the regimes whose bare lines took about as long in both runs, the most alike first; and those of either run
/// for which there is none.
fn paired(then: &[Regime], now: &[Regime]) -> (Vec<Pair>, Vec<Regime>, Vec<Regime>) {
    let distance = |one: &Regime, other: &Regime| (one.line.median / other.line.median).ln().abs();
    let pairs = then.iter().flat_map(|then| now.iter().map(move |now| Pair { then: then.clone(), now: now.clone() }));
    let mut pairs: Vec<Pair> =
        pairs.filter(|pair| !Regime::parts(pair.then.line.median, pair.now.line.median)).collect();
    pairs.sort_by(|one, other| distance(&one.then, &one.now).total_cmp(&distance(&other.then, &other.now)));
    let mut found: Vec<Pair> = Vec::new();
    for pair in pairs {
        if found.iter().all(|one| one.then != pair.then && one.now != pair.now) {
            found.push(pair);
        }
    }
    found.sort_by_key(|pair| pair.now.nearness);
    let only = |some: &[Regime], of: fn(&Pair) -> &Regime| {
        some.iter().filter(|regime| found.iter().all(|pair| of(pair) != *regime)).cloned().collect::<Vec<_>>()
    };
    let (only_then, only_now) = (only(then, |pair| &pair.then), only(now, |pair| &pair.now));
    (found, only_then, only_now)
}

/// The figure of a case that stands for it.
struct Figure {
    key: Key,
    unit: Unit,
    value: f64,
    to_cache_line: Option<f64>,
}

fn in_rounds(cells: &[Cell]) -> Vec<Figure> {
    let figure = |one: &Cell| Figure {
        key: Key { subject: one.subject, rate: None },
        unit: one.unit,
        value: one.figures.summary.median,
        to_cache_line: one.figures.ratios.cache_line,
    };
    cells.iter().map(figure).collect()
}

fn once(report: &Report) -> Vec<Figure> {
    let paced = report.paced.iter().map(|one| Figure {
        key: Key { subject: one.subject, rate: Some(one.rate) },
        unit: one.unit,
        value: one.quantiles.p50 as f64,
        to_cache_line: None,
    });
    let idle = report.idle.iter().map(|one| Figure {
        key: Key { subject: one.subject, rate: None },
        unit: one.unit,
        value: one.percent,
        to_cache_line: None,
    });
    paced.chain(idle).collect()
}

/// All cases of a run, in whichever regime.
fn keys(report: &Report) -> Vec<Key> {
    let rounds = report.results.iter().map(|one| Key { subject: one.subject, rate: None });
    rounds.chain(once(report).into_iter().map(|figure| figure.key)).collect()
}

/// Sets those figures beside each other that both runs have.
fn common(then: &[Figure], now: &[Figure], regime: Option<Nearness>) -> Vec<Row> {
    let pairs = now.iter().filter_map(|now| Some((then.iter().find(|then| then.key == now.key)?, now)));
    pairs.map(|(then, now)| row(then, now, regime)).collect()
}

fn row(then: &Figure, now: &Figure, regime: Option<Nearness>) -> Row {
    let by_cache_line = now.to_cache_line.zip(then.to_cache_line).map(|(now, then)| quotient(now, then));
    Row {
        key: now.key,
        regime,
        unit: now.unit,
        then: then.value,
        now: now.value,
        ratio: quotient(now.value, then.value),
        by_cache_line,
    }
}

/// A ratio, in which nothing is as much as nothing.
fn quotient(one: f64, other: f64) -> f64 {
    if one == other { 1.0 } else { one / other.max(f64::MIN_POSITIVE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names and lines of what is paired: then and now.
    fn pairs(then: &[f64], now: &[f64]) -> Vec<(f64, f64)> {
        let (pairs, only_then, only_now) = paired(&Regime::of(then), &Regime::of(now));
        assert_eq!(pairs.len() + only_then.len(), Regime::of(then).len());
        assert_eq!(pairs.len() + only_now.len(), Regime::of(now).len());
        pairs.iter().map(|pair| (pair.then.line.median, pair.now.line.median)).collect()
    }

    #[test]
    fn regimes_are_paired_by_their_lines_and_not_by_their_names() {
        assert_eq!(pairs(&[60.0, 450.0], &[450.0]), [(450.0, 450.0)]);
        assert_eq!(pairs(&[60.0, 450.0], &[460.0, 63.0]), [(60.0, 63.0), (450.0, 460.0)]);
        assert_eq!(pairs(&[60.0], &[450.0]), []);
    }

    #[test]
    fn a_regime_is_paired_once_and_with_the_most_alike() {
        assert_eq!(pairs(&[72.0], &[60.0, 84.0]), [(72.0, 84.0)]);
        assert_eq!(pairs(&[60.0, 84.0], &[70.0]), [(60.0, 70.0)]);
        assert_eq!(paired(&[], &[]), (Vec::new(), Vec::new(), Vec::new()));
    }
}
