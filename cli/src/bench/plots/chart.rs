//! A chart of lines over two logarithmic axes, with its legend beside it.

use std::error::Error;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::colours::INK;

const SIZE: (u32, u32) = (1080, 600);
/// The width of the part in which the lines are.
const LINES: u32 = 830;
const FONT: &str = "sans-serif";

/// A line: where it has one, and what it is called.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) name: String,
    /// Whether it is drawn to be seen first.
    pub(super) strong: bool,
    pub(super) colour: RGBColor,
    /// All above 0.
    pub(super) points: Vec<(f64, f64)>,
}

/// One of the two axes.
pub(super) struct Axis {
    pub(super) title: &'static str,
    /// The number whose powers have a mark.
    pub(super) base: f64,
    /// Writes the value at a mark.
    pub(super) label: fn(f64) -> String,
}

/// A chart and what is said about it.
pub(super) struct Chart<'a> {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: &'a [Line],
}

impl Chart<'_> {
    /// Draws it as SVG.
    pub(super) fn draw(&self) -> Result<String> {
        let mut text = String::new();
        {
            let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
            self.draw_on(&root).map_err(|error| anyhow!("cannot draw '{}': {error}", self.title))?;
        }
        Ok(text)
    }

    fn draw_on(&self, root: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Box<dyn Error + '_>> {
        root.fill(&WHITE)?;
        let (left, right) = root.split_horizontally(LINES);
        let mut chart = ChartBuilder::on(&left)
            .caption(&self.title, (FONT, 20))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(72)
            .build_cartesian_2d(
                range(self.points().map(|point| point.0)).log_scale().base(self.x.base),
                range(self.points().map(|point| point.1)).log_scale().base(self.y.base),
            )?;
        let (x_label, y_label) = (|x: &f64| (self.x.label)(*x), |y: &f64| (self.y.label)(*y));
        chart
            .configure_mesh()
            .light_line_style(RGBColor(238, 238, 238))
            .bold_line_style(RGBColor(212, 212, 212))
            .x_desc(self.x.title)
            .y_desc(self.y.title)
            .x_label_formatter(&x_label)
            .y_label_formatter(&y_label)
            .label_style((FONT, 13))
            .draw()?;
        for line in self.lines {
            let style = line.colour.stroke_width(if line.strong { 4 } else { 2 });
            chart.draw_series([PathElement::new(line.points.clone(), style)])?;
            let dots = line.points.iter().map(|point| Circle::new(*point, 3, line.colour.filled()));
            chart.draw_series(dots.filter(|_| line.points.len() < 16))?;
        }
        self.legend(&right)
    }

    fn legend(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Box<dyn Error + '_>> {
        for (index, line) in self.lines.iter().enumerate() {
            let y = 60 + 22 * index as i32;
            let half = if line.strong { 3 } else { 1 };
            area.draw(&Rectangle::new([(8, y - half), (34, y + half)], line.colour.filled()))?;
            area.draw(&Text::new(line.name.clone(), (42, y - 7), (FONT, 14).into_font().color(&INK)))?;
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
        let lines = [
            Line {
                name: "stream spin".to_owned(),
                strong: true,
                colour: INK,
                points: vec![(8.0, 100.0), (64.0, 120.0)],
            },
            Line { name: "pipe sleep".to_owned(), strong: false, colour: INK, points: vec![(8.0, 30_000.0)] },
        ];
        let axis = |title, base| Axis { title, base, label: |value| format!("{value}") };
        let chart = Chart { title: "A title".to_owned(), x: axis("bytes", 2.0), y: axis("ns", 10.0), lines: &lines };
        let text = chart.draw().unwrap();
        assert!(text.starts_with("<svg ") && text.trim_end().ends_with("</svg>"), "{text}");
        for part in ["A title", "stream spin", "pipe sleep", "bytes"] {
            assert!(text.contains(part), "no {part}");
        }
    }

    #[test]
    fn a_range_has_room_around_its_values() {
        assert_eq!(range([12.0, 6.0].into_iter()), 5.0..12.0 * 1.2);
    }
}
