//! The table of single round trips.

use super::super::plan::{Test, USUAL_SIZE};
use super::super::quantiles::Quantiles;
use super::super::results::Cell;
use super::figures::nanoseconds;
use super::style::Style;
use super::table::{Columns, NONE};

pub(super) const TITLE: &str = "rtt percentiles: times of single round trips, the rounds put together";

/// The titles of what [`quantiles`] writes.
pub(super) const HEADER: [&str; 6] = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];

/// Writes quantiles, and nothing where there were too few times to tell one from the longest.
pub(super) fn quantiles(quantiles: Quantiles, messages: u64) -> [String; 6] {
    quantiles
        .in_order()
        .map(|(time, needed)| if messages < needed { NONE.to_owned() } else { nanoseconds(time as f64) })
}

/// The size whose percentiles are shown: the usual one, or else the smallest that was measured.
pub(super) fn size(cells: &[Cell]) -> Option<usize> {
    let sizes = cells.iter().filter(|one| one.figures.times.is_some() && one.subject.transport.carries_a_time());
    let sizes = sizes.map(|one| one.subject.bytes);
    sizes.min_by_key(|bytes| (*bytes != USUAL_SIZE, *bytes))
}

pub(super) fn caption(bytes: usize) -> String {
    format!(
        "Messages of {bytes} bytes; the other sizes are in --json and --export. A reading of the clock is part of each \
         time, and the next message is sent when the last one is back: one that is late delays no other. A percentile \
         needs enough times to be told from the longest one."
    )
}

pub(super) fn table(style: Style, cells: &[Cell], bytes: usize) -> Columns {
    let mut columns = Columns::new(style, &[&["transport", "waits by", "round trips"][..], &HEADER].concat());
    for one in cells {
        let subject = one.subject;
        // The one word of a bare line stands beside every size.
        let shown = subject.bytes == bytes || subject.transport.is_bare();
        let Some(times) = one.figures.times.filter(|_| shown && subject.test == Test::Rtt) else { continue };
        let mut row = vec![subject.transport.to_string(), subject.waits_by(), times.messages.to_string()];
        row.extend(quantiles(times.quantiles, times.messages));
        columns.row(subject.transport.is_ring(), row);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::super::super::measured::Measured;
    use super::super::super::plan::{Case, Transport};
    use super::super::super::quantiles::{self, Counts};
    use super::super::super::wait::Wait;
    use super::*;

    #[test]
    fn the_table_is_of_one_size_and_the_cache_line() {
        let measured = |transport, bytes| {
            let (test, wait) = (Test::Rtt, Wait::Spin);
            let case = Case { test, bytes, transport, align: 64, wait, fenced: false, rings: 0, rate: None };
            let mut times = quantiles::empty().unwrap();
            times.saturating_record(100);
            Measured { case, values: vec![100.0], times: vec![Counts::of(&times)] }
        };
        let cases =
            [(Transport::CacheLine, 8), (Transport::Memcpy, 8), (Transport::Stream, 8), (Transport::Stream, 64)];
        let cells = Cell::of_one_regime(&cases.map(|(transport, bytes)| measured(transport, bytes)));
        assert_eq!((size(&cells), size(&cells[..3]), size(&cells[..2])), (Some(64), Some(8), None));
        let names = |bytes| {
            let text = table(Style::PLAIN, &cells, bytes).text();
            let rows = text.lines().filter(|line| line.contains("spin"));
            rows.map(|row| row.split_whitespace().next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(64), ["cache-line", "stream"]);
        assert_eq!(names(8), ["cache-line", "memcpy", "stream"]);
    }
}
