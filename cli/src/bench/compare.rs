//! A run beside an earlier one: what both measured, and what only one of them did.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;

use super::results::{FORMAT, Outcome, Report, Subject, Unit};

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
    pub(crate) unit: Unit,
    /// A median over rounds; in `paced` that of the times, and in `idle` the percentage.
    pub(crate) then: f64,
    pub(crate) now: f64,
    pub(crate) ratio: f64,
    /// The ratio of the ratios to the cache line, which each run took within its rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by_cache_line: Option<f64>,
}

/// Two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Comparison {
    /// When the earlier run was, and where if that was on another kind of machine.
    pub(crate) earlier: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) only_then: Vec<Key>,
    pub(crate) only_now: Vec<Key>,
}

impl Comparison {
    pub(crate) fn of(then: &Report, now: &Report) -> Self {
        let (before, after) = (figures(then), figures(now));
        let mut rows = Vec::new();
        let mut only_now = Vec::new();
        for figure in &after {
            match before.iter().find(|other| other.key == figure.key) {
                Some(other) => rows.push(row(other, figure)),
                None => only_now.push(figure.key),
            }
        }
        let keys = before.iter().map(|figure| figure.key);
        let only_then = keys.filter(|key| after.iter().all(|figure| figure.key != *key)).collect();
        let elsewhere = if then.host.processor == now.host.processor && then.host.kernel == now.host.kernel {
            String::new()
        } else {
            format!(", on {} with {}", then.host.processor, then.host.kernel)
        };
        Self { earlier: format!("{}{elsewhere}", then.host.date), rows, only_then, only_now }
    }
}

/// The figure of a case that stands for it.
struct Figure {
    key: Key,
    unit: Unit,
    value: f64,
    to_cache_line: Option<f64>,
}

fn figures(report: &Report) -> Vec<Figure> {
    let results = report.results.iter().map(|one: &Outcome| Figure {
        key: Key { subject: one.subject, rate: None },
        unit: one.unit,
        value: one.summary.median,
        to_cache_line: one.ratios.cache_line,
    });
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
    results.chain(paced).chain(idle).collect()
}

fn row(then: &Figure, now: &Figure) -> Row {
    let by_cache_line = now.to_cache_line.zip(then.to_cache_line).map(|(now, then)| quotient(now, then));
    Row {
        key: now.key,
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
