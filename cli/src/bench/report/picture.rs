//! A small picture in text: of each case a dot with its range, over one logarithmic axis.

use std::ops::RangeInclusive;

use ringmain_measure::Summary;

use super::super::regimes::STEADY;
use super::super::results::Cell;
use super::figures::figure;
use super::style::Style;
use crate::fit::GAP;

/// Columns of the axis: as many as there is room for, and enough for the figures at its ends.
const WIDTH: RangeInclusive<usize> = 18..=40;

/// What stands behind the axis.
const SCALE: &str = "log scale";

/// Draws cases of one unit; nothing if there are fewer than two.
pub(super) fn text(style: Style, cells: &[&Cell]) -> Option<String> {
    let [first, _, ..] = cells else { return None };
    let names: Vec<String> =
        cells.iter().map(|cell| format!("{} {}", cell.subject.transport, cell.subject.waits_by())).collect();
    let longest = names.iter().map(String::len).max()?;
    let (least, most) = cells
        .iter()
        .map(|cell| cell.figures.summary)
        .fold((f64::MAX, 0.0), |(least, most), one| (one.min.min(least), one.max.max(most)));
    let others = longest + SCALE.len() + 2 * GAP;
    let room = style.width.map_or(usize::MAX, |width| width.saturating_sub(others));
    let width = room.clamp(*WIDTH.start(), *WIDTH.end());
    let span = (most / least).ln().max(f64::MIN_POSITIVE);
    let column = |value: f64| ((value / least).ln() / span * (width - 1) as f64).round() as usize;
    let [steady, unsteady, range] = style.signs();
    let [left, right] = [least, most].map(|end| figure(end, first.unit));
    let mut lines = vec![format!("{:longest$}  {left}{right:>1$}  {SCALE}", "", width.saturating_sub(left.len()))];
    for (cell, name) in cells.iter().zip(names) {
        let Summary { median, min, max } = cell.figures.summary;
        let ends = column(min)..=column(max);
        let dot = if cell.is_steady() { steady } else { unsteady };
        let sign = |at| {
            if at == column(median) {
                dot
            } else if ends.contains(&at) {
                range
            } else {
                ' '
            }
        };
        let line =
            format!("{name:longest$}  {}  {}", (0..width).map(sign).collect::<String>(), figure(median, cell.unit));
        lines.push(if cell.subject.transport.is_ring() { style.ring(&line) } else { line });
    }
    if cells.iter().any(|cell| !cell.is_steady()) {
        lines.push(style.warning(
            2,
            &format!("{unsteady} is not steady: half of its rounds differ by more than a factor of {STEADY}"),
        ));
    }
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::super::super::measured::Measured;
    use super::super::super::plan::{Case, Test, Transport};
    use super::super::super::wait::Wait;
    use super::*;

    fn cells(cases: &[(Transport, &[f64])]) -> Vec<Cell> {
        let measured = |(transport, values): &(Transport, &[f64])| {
            let (test, transport, wait) = (Test::Rtt, *transport, Wait::Spin);
            let case = Case { test, bytes: 64, transport, align: 64, wait, fenced: false, rings: 0, rate: None };
            Measured { case, values: values.to_vec(), times: Vec::new() }
        };
        Cell::of_one_regime(&cases.iter().map(measured).collect::<Vec<_>>())
    }

    #[track_caller]
    fn check(style: Style, cases: &[(Transport, &[f64])], expected: &[&str]) {
        let cells = cells(cases);
        let text = text(style, &cells.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    const CASES: [(Transport, &[f64]); 2] =
        [(Transport::Message, &[100.0, 120.0, 140.0]), (Transport::Pipe, &[9000.0, 20_000.0, 100_000.0])];

    #[test]
    fn each_case_is_a_dot_with_its_range_where_it_is_on_the_axis() {
        check(
            Style::PLAIN,
            &CASES,
            &[
                "              100 ns                            100 us  log scale",
                "message spin  -o-                                       120 ns",
                "pipe spin                              -----?---------  20.0 us",
                "? is not steady: half of its rounds differ by more than a factor of 1.5",
            ],
        );
    }

    #[test]
    fn a_narrow_terminal_has_a_short_axis() {
        check(
            Style { width: Some(48), ..Style::PLAIN },
            &CASES,
            &[
                "              100 ns           100 us  log scale",
                "message spin  -o                       120 ns",
                "pipe spin                   ---?-----  20.0 us",
                "? is not steady: half of its rounds differ by",
                "  more than a factor of 1.5",
            ],
        );
    }

    #[test]
    fn a_terminal_has_dots_and_colours() {
        let cells = cells(&CASES);
        let text = text(Style::RICH, &cells.iter().collect::<Vec<_>>()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("\x1b[32mmessage spin  ─●─ ") && lines[2].contains("─○─"), "{text}");
        assert!(lines[3].starts_with("\x1b[33m○ is not steady"), "{text}");
    }

    #[test]
    fn what_is_all_alike_or_damaged_is_drawn_without_an_end() {
        check(
            Style::PLAIN,
            &[(Transport::Message, &[100.0]), (Transport::Stream, &[100.0])],
            &[
                "              100 ns                            100 ns  log scale",
                "message spin  o                                         100 ns",
                "stream spin   o                                         100 ns",
            ],
        );
        let cells = cells(&[(Transport::Message, &[0.0]), (Transport::Stream, &[f64::INFINITY])]);
        assert!(text(Style::PLAIN, &cells.iter().collect::<Vec<_>>()).is_some());
        assert!(text(Style::PLAIN, &[&cells[0]]).is_none());
    }
}
