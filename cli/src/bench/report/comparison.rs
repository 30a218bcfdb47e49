//! The table of a run beside an earlier one.

use super::super::compare::{Comparison, Key};
use super::figures::{rate, short};
use super::rounds::figure;
use super::style::Style;
use super::table::{Columns, NONE};

pub(super) const TITLE: &str = "compared: this run beside an earlier one";

pub(super) const CAPTION: &str = "\
rtt and throughput: medians; paced: p50; idle: processor time. The two runs did not take turns, so 'now / then' has in \
it
what the machine did meanwhile. The last column is a ratio of ratios to the cache line, each of which was taken within
rounds: what slows the cache line too is not in it.";

/// Writes all of a comparison.
pub(super) fn text(style: Style, comparison: &Comparison) -> String {
    let mut parts = vec![style.title(TITLE), format!("then: {}", comparison.earlier), CAPTION.to_owned()];
    if comparison.rows.is_empty() {
        parts.push("No case was measured in both runs.".to_owned());
    } else {
        parts.push(table(style, comparison).text());
    }
    for (keys, title) in [(&comparison.only_then, "only then"), (&comparison.only_now, "only now")] {
        parts.extend(keys.iter().map(|key| format!("{title}: {}", described(*key))));
    }
    parts.join("\n")
}

fn table(style: Style, comparison: &Comparison) -> Columns {
    let last = "by cache-line";
    let header = ["test", "rate", "bytes", "transport", "waits by", "then", "now", "now / then", last];
    let mut columns = Columns::new(style, &header);
    for row in &comparison.rows {
        let Key { subject, rate: paced } = row.key;
        let cells = vec![
            subject.test.to_string(),
            paced.map_or_else(|| NONE.to_owned(), rate),
            subject.bytes.to_string(),
            subject.transport.to_string(),
            subject.waits_by(),
            figure(row.then, row.unit),
            figure(row.now, row.unit),
            short(row.ratio),
            row.by_cache_line.map_or_else(|| NONE.to_owned(), short),
        ];
        columns.row(subject.transport.is_ring(), cells);
    }
    columns.without_empty(&["rate", last])
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
