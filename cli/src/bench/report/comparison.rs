//! The table of a run beside an earlier one.

use ringmain_measure::Regime;

use super::super::compare::{Comparison, Key};
use super::figures::{figure, rate, short};
use super::style::Style;
use super::table::{Columns, NONE};

pub(super) const TITLE: &str = "compared: this run beside an earlier one";

pub(super) const CAPTION: &str = "\
rtt and throughput: medians of the rounds of one regime; paced: p50; idle: processor time. The two runs did not take \
turns, so 'now / then' has in it what the machine did meanwhile. The last column is a ratio of ratios to the cache \
line, each of which was taken within rounds: what slows the cache line too is not in it.";

/// Writes all of a comparison.
pub(super) fn text(style: Style, comparison: &Comparison) -> String {
    let then = style.line(2, &format!("then: {}", comparison.earlier));
    let mut parts = vec![style.title(TITLE), then, style.prose(0, CAPTION)];
    parts.extend(regimes(style, comparison));
    if comparison.rows.is_empty() {
        parts.push(style.line(0, "Nothing was measured in both runs that can be compared."));
    } else {
        parts.push(table(style, comparison).text());
    }
    for (keys, title) in [(&comparison.only_then, "only then"), (&comparison.only_now, "only now")] {
        parts.extend(keys.iter().map(|key| style.line(2, &format!("{title}: {}", described(*key)))));
    }
    parts.join("\n")
}

/// Says which rounds are compared, and which are not.
fn regimes(style: Style, comparison: &Comparison) -> Vec<String> {
    let Comparison { regimes: pairs, regimes_only_then: then, regimes_only_now: now, .. } = comparison;
    let named = |regimes: &[Regime]| regimes.iter().map(Regime::to_string).collect::<Vec<_>>().join(", ");
    if comparison.has_no_regime() {
        let (then, now) = (named(then), named(now));
        let warning = format!(
            "warning: rtt and throughput are not compared: the bare line's round trip was {then} then and is {now} \
             now, and figures of one distance say nothing about another"
        );
        return vec![style.warning(2, &warning)];
    }
    let pairs = pairs.iter().map(|pair| style.line(2, &format!("regime: {} then, {} now", pair.then, pair.now)));
    let alone = [(then, "then"), (now, "now")].into_iter().filter(|(regimes, _)| !regimes.is_empty());
    let alone = alone.map(|(regimes, when)| {
        style.warning(2, &format!("warning: rounds only {when}, which are not compared: {}", named(regimes)))
    });
    pairs.chain(alone).collect()
}

fn table(style: Style, comparison: &Comparison) -> Columns {
    let last = "by cache-line";
    let header = ["test", "rate", "bytes", "transport", "waits by", "regime", "then", "now", "now / then", last];
    let mut columns = Columns::new(style, &header);
    // One regime stands above the table.
    let several = comparison.regimes.len() > 1;
    for row in &comparison.rows {
        let Key { subject, rate: paced } = row.key;
        let cells = vec![
            subject.test.to_string(),
            paced.map_or_else(|| NONE.to_owned(), rate),
            subject.bytes.to_string(),
            subject.transport.to_string(),
            subject.waits_by(),
            row.regime.filter(|_| several).map_or_else(|| NONE.to_owned(), |regime| regime.to_string()),
            figure(row.then, row.unit),
            figure(row.now, row.unit),
            short(row.ratio),
            row.by_cache_line.map_or_else(|| NONE.to_owned(), short),
        ];
        columns.row(subject.transport.is_ring(), cells);
    }
    columns.without_empty(&["rate", "regime", last])
}

/// Names a case in words.
pub(super) fn described(key: Key) -> String {
    let subject = key.subject;
    let paced = key.rate.map_or_else(String::new, |paced| format!(" at {}", rate(paced)));
    let aligned = subject.alignment.map_or_else(String::new, |bytes| format!(", records at multiples of {bytes}"));
    format!(
        "{} of {} bytes over {} ({}{aligned}){paced}",
        subject.test,
        subject.bytes,
        subject.transport,
        subject.waits_by()
    )
}
