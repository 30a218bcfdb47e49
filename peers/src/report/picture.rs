//! The results as a picture: lines by size on logarithmic scales, round trip above, one at a time below.

use anyhow::Result;
use ringmain_measure::{Axis, Chart, Line, draw as draw_charts};

use super::words::title;
use crate::results::Results;
use crate::subjects::Between;
use crate::work::Test;

/// The colour of each subject, in their order: blue for ringmain, warm for threads, the rest for processes.
const COLOURS: [(u8, u8, u8); 13] = [
    (8, 48, 107),
    (33, 113, 181),
    (107, 174, 214),
    (50, 190, 190),
    (166, 54, 3),
    (241, 105, 19),
    (253, 174, 107),
    (0, 90, 50),
    (65, 171, 93),
    (161, 217, 155),
    (84, 39, 143),
    (158, 154, 200),
    (115, 115, 115),
];

/// Draws it, as SVG.
pub(crate) fn draw(results: &Results) -> Result<String> {
    let nanoseconds = Axis { title: "nanoseconds", base: 10.0, label: |value| value.to_string() };
    let millions = Axis { title: "millions per second", base: 10.0, label: |value| (value / 1e6).to_string() };
    let charts = [
        chart(results, Test::Rtt, nanoseconds, "less is better"),
        chart(results, Test::Single, millions, "more is better"),
    ];
    draw_charts(&charts.into_iter().filter(|chart| !chart.lines.is_empty()).collect::<Vec<_>>())
}

/// Makes the chart of one test.
fn chart(results: &Results, test: Test, y: Axis, which: &str) -> Chart {
    let lines = results.subjects.iter().zip(COLOURS.iter().cycle()).map(|(subject, colour)| {
        let threads = if subject.between == Between::Threads { " (threads)" } else { "" };
        let cells = results.sizes.iter().filter_map(|size| results.cell(test, *size, &subject.name));
        Line {
            name: format!("{}{threads}", subject.name),
            strong: subject.name.starts_with("ringmain"),
            colour: *colour,
            points: cells.map(|cell| (cell.size as f64, cell.value.median)).collect(),
        }
    });
    let x = Axis { title: "bytes of a value", base: 2.0, label: |value| value.to_string() };
    let lines = lines.filter(|line| !line.points.is_empty()).collect();
    Chart { title: format!("{} ({which})", title(test)), x, y, lines }
}
