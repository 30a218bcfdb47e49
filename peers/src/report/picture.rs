//! The results as a picture: lines by size on logarithmic scales, round trip above, one at a time below, by regime.

use anyhow::Result;
use ringmain_measure::{Axis, Chart, Line, Point, draw as draw_charts};

use super::words::{better, title};
use crate::results::{Part, Results};
use crate::subjects::{ALL, Between};
use crate::work::Test;

/// The colours of all subjects, in their order: blue for ringmain, warm for threads, the rest for processes.
const COLOURS: [(u8, u8, u8); 16] = [
    (8, 48, 107),
    (33, 113, 181),
    (107, 174, 214),
    (50, 190, 190),
    (166, 54, 3),
    (241, 105, 19),
    (203, 24, 29),
    (252, 146, 184),
    (253, 174, 107),
    (0, 90, 50),
    (65, 171, 93),
    (161, 217, 155),
    (115, 115, 115),
    (84, 39, 143),
    (20, 20, 20),
    (158, 154, 200),
];

/// Draws it, as SVG.
pub(crate) fn draw(results: &Results) -> Result<String> {
    let nanoseconds = Axis { title: "nanoseconds", base: 10.0, label: |value| value.to_string() };
    let millions = Axis { title: "millions per second", base: 10.0, label: |value| (value / 1e6).to_string() };
    let charts = results
        .parts()
        .into_iter()
        .flat_map(|part| [chart(results, part, Test::Rtt, nanoseconds), chart(results, part, Test::Single, millions)]);
    draw_charts(&charts.filter(|chart| !chart.lines.is_empty()).collect::<Vec<_>>())
}

/// Makes the chart of one test, in one regime.
fn chart(results: &Results, part: Part, test: Test, y: Axis) -> Chart {
    let lines = results.subjects.iter().map(|subject| {
        let threads = if subject.between == Between::Threads { " (threads)" } else { "" };
        let point = |&size: &usize| Some(Point::of(size as f64, part.figures(test, size, &subject.name)?.value));
        Line {
            name: format!("{}{threads}", subject.name),
            strong: subject.name.starts_with("ringmain"),
            colour: colour(&subject.name),
            points: results.sizes.iter().filter_map(point).collect(),
        }
    });
    let x = Axis { title: "bytes of a value", base: 2.0, label: |value| value.to_string() };
    let lines = lines.filter(|line| !line.points.is_empty()).collect();
    let of_regime = part.regime().map_or_else(String::new, |regime| format!(", {regime}"));
    let title = format!("{}{of_regime} ({})", title(test), better(test).to_lowercase());
    Chart { title, notes: results.bare_line.warning().into_iter().collect(), x, y, lines }
}

/// Returns the colour of a subject, which is the same in every picture.
fn colour(name: &str) -> (u8, u8, u8) {
    let at = ALL.iter().position(|subject| subject.name == name);
    at.and_then(|at| COLOURS.get(at)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::mixed;

    #[test]
    fn each_regime_has_its_charts() {
        let picture = draw(&mixed()).unwrap();
        for part in
            ["round trip, near (60 ns)", "round trip, far (450 ns)", "one at a time, far (450 ns)", "mixes regimes"]
        {
            assert!(picture.contains(part), "no {part}");
        }
    }

    #[test]
    fn no_two_subjects_have_one_colour() {
        let colours: std::collections::BTreeSet<_> = ALL.iter().map(|subject| colour(subject.name)).collect();
        assert_eq!(colours.len(), ALL.len());
    }
}
