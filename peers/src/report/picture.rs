//! The results as a picture: bars on a logarithmic scale, round trip above, one at a time below.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::{title, unit};
use crate::sizes::Results;
use crate::work::Test;

const SIZE: (u32, u32) = (1200, 900);

/// The colour of each subject, in their order: blue for ringmain, warm for threads, the rest for processes.
const COLORS: [RGBColor; 13] = [
    RGBColor(8, 48, 107),
    RGBColor(33, 113, 181),
    RGBColor(107, 174, 214),
    RGBColor(50, 190, 190),
    RGBColor(166, 54, 3),
    RGBColor(241, 105, 19),
    RGBColor(253, 174, 107),
    RGBColor(0, 90, 50),
    RGBColor(65, 171, 93),
    RGBColor(161, 217, 155),
    RGBColor(84, 39, 143),
    RGBColor(158, 154, 200),
    RGBColor(115, 115, 115),
];

/// Draws it into a file.
pub(crate) fn draw(path: &Path, results: &Results) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (upper, lower) = root.split_vertically(SIZE.1 / 2);
    panel(&upper, results, Test::Rtt, "less is better")?;
    panel(&lower, results, Test::Single, "more is better")?;
    root.present()?;
    Ok(())
}

/// Returns a value in the unit that is shown.
fn scaled(test: Test, value: f64) -> f64 {
    if test == Test::Rtt { value } else { value / 1e6 }
}

/// Draws one test.
fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    results: &Results,
    test: Test,
    which: &str,
) -> Result<(), Box<dyn Error>> {
    let values = || {
        let cells = results.cells.iter().filter(|cell| cell.test == test.name());
        cells.map(|cell| scaled(test, cell.value.median))
    };
    let Some(lowest) = values().reduce(f64::min) else { return Ok(()) };
    let highest = values().fold(lowest, f64::max);
    let (bottom, top) = (10_f64.powf(lowest.log10().floor()), highest * 1.3);
    let groups = results.sizes.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{}, {} ({which}, logarithmic)", title(test), unit(test)), ("sans-serif", 20))
        .margin(12)
        .margin_right(24)
        .x_label_area_size(28)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..groups + 1.4, (bottom..top).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .y_label_formatter(&|value| format!("{value}"))
        .label_style(("sans-serif", 14))
        .draw()?;
    let width = 0.9 / results.subjects.len() as f64;
    for (at, subject) in results.subjects.iter().enumerate() {
        let color = COLORS[at % COLORS.len()];
        let bars = results.sizes.iter().enumerate().filter_map(|(group, &size)| {
            let value = scaled(test, results.cell(test, size, &subject.name)?.value.median);
            let left = group as f64 + 0.05 + at as f64 * width;
            Some(Rectangle::new([(left, bottom), (left + 0.9 * width, value)], color.filled()))
        });
        let threads = if subject.between == "threads" { " (threads)" } else { "" };
        let label = format!("{}{threads}", subject.name);
        chart
            .draw_series(bars)?
            .label(label)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .label_font(("sans-serif", 13))
        .draw()?;
    for (group, size) in results.sizes.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(group as f64 + 0.45, bottom));
        let corner = area.get_base_pixel();
        let style = ("sans-serif", 15).into_text_style(area);
        area.draw_text(&format!("{size} bytes"), &style, (x - corner.0 - 28, y - corner.1 + 6))?;
    }
    Ok(())
}
