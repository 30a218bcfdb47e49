//! The report for people: what they want first, the host, what to beware of, a table for each test.

mod comparison;
mod figures;
mod head;
mod once;
mod percentiles;
mod picture;
mod rounds;
mod style;
mod summary;
mod table;
#[cfg(test)]
pub(crate) mod tests;

use ringmain_measure::Regime;

use super::compare::{Comparison, Key};
use super::plan::Test;
use super::results::{Cell, Report};

pub(crate) use self::style::Style;

/// Writes all of it as text, and how it compares with an earlier run where there is one.
pub(crate) fn text(report: &Report, comparison: Option<&Comparison>, style: Style) -> String {
    let mut parts = vec![summary::text(report, style) + "\n", head::text(report, style)];
    parts.extend(report.warnings.iter().map(|warning| style.warning(2, &format!("warning: {warning}"))));
    let mut section = |title: &str, caption: &str, table: table::Columns| {
        parts.push(format!("\n{}\n{}\n{}", style.title(title), style.prose(0, caption), table.text()));
    };
    // Each regime has tables of its own, which say which one it is.
    let regimes: Vec<(String, Vec<Cell>)> =
        report.regimes.all.iter().map(|regime| (ending(report, regime), report.cells(regime))).collect();
    for test in [Test::Rtt, Test::Throughput, Test::Waitset] {
        for (regime, cells) in &regimes {
            let of_test: Vec<&Cell> = cells.iter().filter(|one| one.subject.test == test).collect();
            if !of_test.is_empty() {
                let title = format!("{}{regime}", rounds::title(test));
                let table = rounds::table(style, test, &of_test);
                section(&title, &rounds::caption(test, table.has_bars()), table);
            }
            if let Some(bytes) = percentiles::size(cells).filter(|_| test == Test::Rtt) {
                let table = percentiles::table(style, cells, bytes);
                section(&format!("{}{regime}", percentiles::TITLE), &percentiles::caption(bytes), table);
            }
        }
    }
    if !report.paced.is_empty() {
        section(once::PACED, once::PACED_CAPTION, once::paced(style, &report.paced));
    }
    if !report.idle.is_empty() {
        section(once::IDLE, once::IDLE_CAPTION, once::idle(style, &report.idle));
    }
    parts.extend(left_out(report, style));
    parts.extend(comparison.map(|comparison| format!("\n{}", comparison::text(style, comparison))));
    parts.join("\n") + "\n"
}

/// What a title ends with that is about one regime of several.
fn ending(report: &Report, regime: &Regime) -> String {
    if report.regimes.is_mixed() { format!(" - {regime}") } else { String::new() }
}

/// Tells what was not measured, and why.
fn left_out(report: &Report, style: Style) -> Option<String> {
    let lines: Vec<String> = report
        .left_out
        .iter()
        .map(|one| {
            let key = Key { subject: one.subject, rate: one.rate };
            style.line(2, &format!("{}: {}", comparison::described(key), one.reason))
        })
        .collect();
    (!lines.is_empty()).then(|| format!("\n{}\n{}", style.warning(0, "left out"), lines.join("\n")))
}
