//! Charts of lines over two logarithmic axes, each with its legend beside it.

use std::error::Error;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

/// The width and the height of a chart, and the width of the part that the lines are in.
const WIDTH: u32 = 1080;
const HEIGHT: u32 = 600;
const LINES: u32 = 830;
const FONT: &str = "sans-serif";
/// The colour of writing.
const INK: RGBColor = RGBColor(40, 40, 40);

/// A line: where it has one, and what it is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What the legend has.
    pub name: String,
    /// Whether it is drawn to be seen first.
    pub strong: bool,
    /// Red, green and blue.
    pub colour: (u8, u8, u8),
    /// All above 0.
    pub points: Vec<(f64, f64)>,
}

/// One of the two axes.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// What is written beside it.
    pub title: &'static str,
    /// The number whose powers have a mark.
    pub base: f64,
    /// Writes the value at a mark.
    pub label: fn(f64) -> String,
}

/// A chart and what is said about it.
#[derive(Debug)]
#[expect(missing_docs, reason = "as they are called")]
pub struct Chart {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Line>,
}

/// Draws charts beneath one another, as SVG.
///
/// # Errors
/// - a value is not a number
pub fn draw(charts: &[Chart]) -> Result<String> {
    let mut text = String::new();
    {
        let size = (WIDTH, HEIGHT * charts.len() as u32);
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        for (area, chart) in root.split_evenly((charts.len(), 1)).iter().zip(charts) {
            chart.draw_on(area).map_err(|error| anyhow!("cannot draw '{}': {error}", chart.title))?;
        }
    }
    Ok(text)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

impl Chart {
    fn draw_on<'a>(&self, area: &Area<'a>) -> Result<(), Box<dyn Error + 'a>> {
        area.fill(&WHITE)?;
        let (left, right) = area.split_horizontally(LINES);
        let mut chart = ChartBuilder::on(&left)
            .caption(&self.title, (FONT, 20))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(72)
            .build_cartesian_2d(
                range(self.points().map(|point| point.0)).log_scale().base(self.x.base),
                range(self.points().map(|point| point.1)).log_scale().base(self.y.base),
            )?;
        chart
            .configure_mesh()
            .light_line_style(RGBColor(238, 238, 238))
            .bold_line_style(RGBColor(212, 212, 212))
            .x_desc(self.x.title)
            .y_desc(self.y.title)
            .x_label_formatter(&|x| (self.x.label)(*x))
            .y_label_formatter(&|y| (self.y.label)(*y))
            .label_style((FONT, 13))
            .draw()?;
        for (index, Line { name, strong, colour: (red, green, blue), points }) in self.lines.iter().enumerate() {
            let colour = RGBColor(*red, *green, *blue);
            let (width, half) = if *strong { (4, 3) } else { (2, 1) };
            chart.draw_series([PathElement::new(points.clone(), colour.stroke_width(width))])?;
            let dots = points.iter().map(|point| Circle::new(*point, 3, colour.filled()));
            chart.draw_series(dots.filter(|_| points.len() < 16))?;
            let y = 60 + 22 * index as i32;
            right.draw(&Rectangle::new([(8, y - half), (34, y + half)], colour.filled()))?;
            right.draw(&Text::new(name.clone(), (42, y - 7), (FONT, 14).into_font().color(&INK)))?;
        }
        Ok(())
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.lines.iter().flat_map(|line| line.points.iter().copied())
    }
}

/// A range that holds all values, with some room around them.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (least, most) =
        values.fold((f64::MAX, f64::MIN_POSITIVE), |(least, most), value| (least.min(value), most.max(value)));
    least.min(most) / 1.2..most * 1.2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_a_picture_with_its_titles_and_names() {
        let line = |name: &str, strong, points: &[(f64, f64)]| Line {
            name: name.to_owned(),
            strong,
            colour: (0, 0, 0),
            points: points.to_vec(),
        };
        let lines = vec![line("stream", true, &[(8.0, 100.0), (64.0, 120.0)]), line("pipe", false, &[(8.0, 30_000.0)])];
        let axis = |title, base| Axis { title, base, label: |value| format!("{value}") };
        let chart = Chart { title: "A title".to_owned(), x: axis("bytes", 2.0), y: axis("ns", 10.0), lines };
        let text = draw(&[chart]).unwrap();
        assert!(text.starts_with("<svg ") && text.trim_end().ends_with("</svg>"), "{text}");
        for part in ["A title", "stream", "pipe", "bytes"] {
            assert!(text.contains(part), "no {part}");
        }
    }

    #[test]
    fn a_range_has_room_around_its_values() {
        assert_eq!(range([12.0, 6.0].into_iter()), 5.0..12.0 * 1.2);
    }
}
