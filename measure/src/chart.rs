//! Charts of dots and their ranges over two logarithmic axes, each with its legend beneath it.

use std::error::Error;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::statistics::Summary;

const FONT: &str = "sans-serif";
/// The colour of writing, and that of the few lines that lead the eye.
const INK: RGBColor = RGBColor(40, 40, 40);
const GUIDE: RGBColor = RGBColor(226, 226, 226);
/// The colour of what must not be overlooked.
const ALARM: RGBColor = RGBColor(178, 34, 34);

/// Pixels of a chart, of the plot in it, and above the plot; a note under the title takes `ROW` more.
const WIDTH: i32 = 1080;
const LEFT: i32 = 92;
const RIGHT: i32 = WIDTH - 24;
const TOP: i32 = 48;
const PLOT: i32 = 430;
/// Pixels beneath the plot for the labels and the title of its axis, and for each line of the legend or note.
const BENEATH: i32 = 62;
const ROW: i32 = 20;
/// About as many pixels has a letter of the legend.
const LETTER: i32 = 8;
/// Dots of so many lines stand beside each other, so many pixels apart at most, and in so much of the room between two
/// values.
const STEP: f64 = 7.0;
const SHARE: f64 = 0.6;
/// Half the length of the tick at an end of a range.
const TICK: i32 = 3;
/// A line of more points is a curve without dots, whose axis has marks at the powers of its base.
const DOTS: usize = 16;

/// What was measured at a place of the axis.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "as they are called")]
pub struct Point {
    pub x: f64,
    pub y: f64,
    /// The least and the largest value.
    pub range: Option<(f64, f64)>,
    /// Whether the value is to be relied on: else its dot is hollow.
    pub is_steady: bool,
}

impl Point {
    /// A value alone.
    pub fn new(x: f64, y: f64) -> Point {
        Point { x, y, range: None, is_steady: true }
    }

    /// A median with its range.
    pub fn of(x: f64, summary: Summary) -> Point {
        Point { x, y: summary.median, range: Some((summary.min, summary.max)), is_steady: true }
    }

    fn least(&self) -> f64 {
        self.range.map_or(self.y, |range| range.0.min(self.y))
    }

    fn most(&self) -> f64 {
        self.range.map_or(self.y, |range| range.1.max(self.y))
    }
}

/// A line: where it has points, and what it is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What the legend has.
    pub name: String,
    /// Whether it is drawn to be seen first.
    pub strong: bool,
    /// Red, green and blue.
    pub colour: (u8, u8, u8),
    /// All above 0.
    pub points: Vec<Point>,
}

/// One of the two axes.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// What is written beside it.
    pub title: &'static str,
    /// The number whose powers have a mark. Instead, the axis to the right has one wherever dots are.
    pub base: f64,
    /// Writes the value at a mark.
    pub label: fn(f64) -> String,
}

/// A chart and what is said about it.
#[derive(Debug)]
#[expect(missing_docs, reason = "as they are called")]
pub struct Chart {
    pub title: String,
    /// What a reader must know before the figures are believed, a line each, under the title.
    pub notes: Vec<String>,
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
        let heights: Vec<i32> = charts.iter().map(Chart::height).collect();
        let size = (WIDTH as u32, heights.iter().sum::<i32>().max(1) as u32);
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        root.fill(&WHITE).map_err(|error| anyhow!("cannot draw: {error}"))?;
        let mut top = 0;
        for (chart, height) in charts.iter().zip(heights) {
            let area = root.clone().shrink((0, top), (WIDTH as u32, height as u32));
            chart.draw_on(&area).map_err(|error| anyhow!("cannot draw '{}': {error}", chart.title))?;
            top += height;
        }
    }
    Ok(text)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), Box<dyn Error + 'a>>;

fn text(size: i32, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    TextStyle::from((FONT, size).into_font()).color(&INK).pos(Pos::new(horizontal, vertical))
}

/// A logarithmic scale: what it shows, and the pixels of its ends.
struct Scale {
    least: f64,
    most: f64,
    start: i32,
    end: i32,
}

impl Scale {
    /// Shows all values, with some room around them.
    fn of(values: impl Iterator<Item = f64>, start: i32, end: i32) -> Result<Scale, String> {
        let (least, most) =
            values.fold((f64::MAX, f64::MIN_POSITIVE), |(least, most), value| (least.min(value), most.max(value)));
        if !(least > 0.0 && most.is_finite()) {
            return Err(format!("values from {least} to {most}, expected them above 0"));
        }
        Ok(Scale { least: least.min(most) / 1.2, most: most * 1.2, start, end })
    }

    fn exact(&self, value: f64) -> f64 {
        let share = (value / self.least).ln() / (self.most / self.least).ln();
        f64::from(self.start) + share * f64::from(self.end - self.start)
    }

    fn at(&self, value: f64) -> i32 {
        self.exact(value).round() as i32
    }

    /// The powers of a base; where fewer than two are shown, of 10 with halves and fifths.
    fn powers(&self, base: f64) -> Vec<f64> {
        let steps = |base: f64, parts: &[f64]| {
            let first = (self.least.ln() / base.ln()).floor() as i32;
            let all = (first..first + 128).flat_map(|power| parts.iter().map(move |part| base.powi(power) * part));
            all.skip_while(|mark| *mark < self.least).take_while(|mark| *mark <= self.most).collect::<Vec<f64>>()
        };
        let powers = steps(base, &[1.0]);
        if powers.len() < 2 { steps(10.0, &[1.0, 2.0, 5.0]) } else { powers }
    }
}

/// Values in order, each once.
fn distinct(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

impl Chart {
    fn points(&self) -> impl Iterator<Item = &Point> {
        self.lines.iter().flat_map(|line| line.points.iter())
    }

    /// Whether each point is a dot of its own.
    fn has_dots(&self) -> bool {
        self.lines.iter().all(|line| line.points.len() < DOTS)
    }

    /// The width of an entry of the legend, and how many are beside each other.
    fn legend(&self) -> (i32, usize) {
        let longest = self.lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0) as i32;
        let width = longest * LETTER + 44;
        (width, ((RIGHT - LEFT) / width).max(1) as usize)
    }

    /// The upper end of the plot.
    fn top(&self) -> i32 {
        TOP + ROW * self.notes.len() as i32
    }

    fn height(&self) -> i32 {
        self.top() + PLOT + BENEATH + ROW * self.lines.len().div_ceil(self.legend().1) as i32 + 12
    }

    fn draw_on<'a>(&self, area: &Area<'a>) -> Drawn<'a> {
        let (top, bottom) = (self.top(), self.top() + PLOT);
        // Room for what stands beside a value.
        let beside = (STEP * self.lines.len() as f64 / 2.0) as i32 + 8;
        let x = Scale::of(self.points().map(|point| point.x), LEFT + beside, RIGHT - beside)?;
        let ends = self.points().flat_map(|point| [point.least(), point.most()]);
        let y = Scale::of(ends, bottom, top)?;
        area.draw(&Text::new(self.title.clone(), (LEFT, 14), text(19, HPos::Left, VPos::Top)))?;
        for (index, note) in self.notes.iter().enumerate() {
            let (at, style) = (TOP - 8 + ROW * index as i32, text(14, HPos::Left, VPos::Top).color(&ALARM));
            area.draw(&Text::new(note.clone(), (LEFT, at), style))?;
        }
        for mark in y.powers(self.y.base) {
            let at = y.at(mark);
            area.draw(&PathElement::new([(LEFT, at), (RIGHT, at)], GUIDE))?;
            area.draw(&Text::new((self.y.label)(mark), (LEFT - 8, at), text(13, HPos::Right, VPos::Center)))?;
        }
        let measured = distinct(self.points().map(|point| point.x));
        let marks = if self.has_dots() { measured.clone() } else { x.powers(self.x.base) };
        for mark in marks {
            let at = x.at(mark);
            area.draw(&PathElement::new([(at, bottom), (at, bottom + 5)], INK))?;
            area.draw(&Text::new((self.x.label)(mark), (at, bottom + 9), text(13, HPos::Center, VPos::Top)))?;
        }
        area.draw(&PathElement::new([(LEFT, top), (LEFT, bottom), (RIGHT, bottom)], INK))?;
        let middle = ((LEFT + RIGHT) / 2, bottom + 32);
        area.draw(&Text::new(self.x.title, middle, text(14, HPos::Center, VPos::Top)))?;
        let upwards = TextStyle::from((FONT, 14).into_font().transform(FontTransform::Rotate270)).color(&INK);
        let upwards = upwards.pos(Pos::new(HPos::Center, VPos::Top));
        area.draw(&Text::new(self.y.title, (10, top + PLOT / 2), upwards))?;
        let step = self.step(&x, &measured);
        // What is to be seen first is drawn last.
        for strong in [false, true] {
            for (index, line) in self.lines.iter().enumerate().filter(|(_, line)| line.strong == strong) {
                let aside = (index as f64 - (self.lines.len() - 1) as f64 / 2.0) * step;
                line.draw_on(area, &x, &y, self.has_dots().then_some(aside))?;
            }
        }
        self.draw_legend(area, bottom + BENEATH)
    }

    /// How far the dots of two lines are apart at the same value.
    fn step(&self, x: &Scale, measured: &[f64]) -> f64 {
        let room = measured.windows(2).map(|pair| x.exact(pair[1]) - x.exact(pair[0])).fold(f64::MAX, f64::min);
        (room * SHARE / self.lines.len().max(1) as f64).min(STEP)
    }

    fn draw_legend<'a>(&self, area: &Area<'a>, top: i32) -> Drawn<'a> {
        let (width, columns) = self.legend();
        for (index, line) in self.lines.iter().enumerate() {
            let left = LEFT + width * (index % columns) as i32;
            let at = top + ROW * (index / columns) as i32;
            let (thickness, radius) = line.weight();
            area.draw(&PathElement::new([(left, at), (left + 24, at)], line.ink().stroke_width(thickness)))?;
            if self.has_dots() {
                area.draw(&Circle::new((left + 12, at), radius, line.ink().filled()))?;
            }
            area.draw(&Text::new(line.name.clone(), (left + 32, at), text(14, HPos::Left, VPos::Center)))?;
        }
        Ok(())
    }
}

impl Line {
    fn ink(&self) -> RGBColor {
        RGBColor(self.colour.0, self.colour.1, self.colour.2)
    }

    /// The width of its strokes, and the radius of its dots.
    fn weight(&self) -> (u32, i32) {
        if self.strong { (2, 5) } else { (1, 3) }
    }

    /// Draws dots with their ranges so many pixels aside, or without a number a curve.
    fn draw_on<'a>(&self, area: &Area<'a>, x: &Scale, y: &Scale, aside: Option<f64>) -> Drawn<'a> {
        let (thickness, radius) = self.weight();
        let left = |point: &Point| (x.exact(point.x) + aside.unwrap_or(0.0)).round() as i32;
        let path: Vec<(i32, i32)> = self.points.iter().map(|point| (left(point), y.at(point.y))).collect();
        let ink = if aside.is_some() { self.ink().mix(0.45) } else { self.ink().mix(1.0) };
        area.draw(&PathElement::new(path.clone(), ink.stroke_width(thickness)))?;
        if aside.is_none() {
            return Ok(());
        }
        for (point, at) in self.points.iter().zip(path) {
            if point.range.is_some() {
                let ends = [point.least(), point.most()].map(|end| y.at(end));
                let tick = |end| [(at.0 - TICK, end), (at.0 + TICK, end), (at.0, end)];
                let [from, to] = ends.map(tick);
                let stroke = [from[0], from[1], from[2], to[2], to[0], to[1]];
                area.draw(&PathElement::new(stroke, self.ink().stroke_width(thickness)))?;
            }
            area.draw(&Circle::new(at, radius, if point.is_steady { self.ink() } else { WHITE }.filled()))?;
            if !point.is_steady {
                area.draw(&Circle::new(at, radius, self.ink().stroke_width(thickness)))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, strong: bool, points: &[Point]) -> Line {
        Line { name: name.to_owned(), strong, colour: (0, 0, 0), points: points.to_vec() }
    }

    fn chart(lines: Vec<Line>) -> Chart {
        let axis = |title, base| Axis { title, base, label: |value| format!("<{value}>") };
        let (title, notes) = ("A title".to_owned(), Vec::new());
        Chart { title, notes, x: axis("bytes", 2.0), y: axis("ns", 10.0), lines }
    }

    #[track_caller]
    fn drawn(charts: &[Chart]) -> String {
        let text = draw(charts).unwrap();
        assert!(text.starts_with("<svg ") && text.trim_end().ends_with("</svg>"), "{text}");
        text
    }

    fn with_a_range(x: f64) -> Point {
        Point::of(x, Summary { median: 110.0, min: 100.0, max: 130.0 })
    }

    /// What is written at marks.
    fn marks(text: &str) -> Vec<&str> {
        text.lines().filter_map(|line| line.trim().strip_prefix("&lt;")?.strip_suffix("&gt;")).collect()
    }

    #[test]
    fn a_chart_is_a_picture_with_its_titles_and_names() {
        let lines = vec![line("stream", true, &[with_a_range(8.0)]), line("pipe", false, &[Point::new(8.0, 30_000.0)])];
        let text = drawn(&[chart(lines)]);
        for part in ["A title", "stream", "pipe", "bytes", "ns"] {
            assert!(text.lines().any(|line| line.trim() == part), "no {part} in {text}");
        }
    }

    #[test]
    fn marks_are_where_something_was_measured_and_at_powers_of_ten() {
        let text = drawn(&[chart(vec![line("pipe", false, &[with_a_range(24.0), Point::new(3000.0, 2000.0)])])]);
        assert_eq!(marks(&text), ["100", "1000", "24", "3000"]);
    }

    #[test]
    fn a_curve_has_marks_at_the_powers_of_its_base_and_no_dots() {
        let points: Vec<Point> = (0..32).map(|at| Point::new(3.0 * 1.2_f64.powi(at), 500.0)).collect();
        let text = drawn(&[chart(vec![line("pipe", false, &points)])]);
        assert_eq!(marks(&text), ["500", "4", "8", "16", "32", "64", "128", "256", "512", "1024"].map(str::to_owned));
        assert!(!text.contains("<circle"), "{text}");
    }

    #[test]
    fn a_dot_has_a_range_if_it_was_measured_more_than_once() {
        let strokes = |point| drawn(&[chart(vec![line("pipe", false, &[point])])]).matches("<polyline").count();
        assert_eq!(strokes(with_a_range(8.0)), strokes(Point::new(8.0, 110.0)) + 1);
    }

    #[test]
    fn a_dot_that_is_not_to_be_relied_on_is_hollow() {
        let hollow = |is_steady| {
            let point = Point { is_steady, ..with_a_range(8.0) };
            let text = drawn(&[chart(vec![line("pipe", false, &[point])])]);
            text.lines().filter(|line| line.starts_with("<circle") && line.contains("fill=\"#FFFFFF\"")).count()
        };
        assert_eq!([hollow(true), hollow(false)], [0, 1]);
    }

    #[test]
    fn notes_stand_above_the_plot_a_line_each() {
        let one = || chart(vec![line("pipe", false, &[with_a_range(8.0)])]);
        let noted = Chart { notes: vec!["not steady".to_owned(), "hollow".to_owned()], ..one() };
        assert_eq!(noted.height(), one().height() + 2 * ROW);
        let text = drawn(&[noted]);
        for note in ["not steady", "hollow"] {
            assert!(text.lines().any(|line| line.trim() == note), "no {note} in {text}");
        }
    }

    #[test]
    fn dots_of_one_value_stand_beside_each_other() {
        let lines = ["a", "b", "c"].map(|name| line(name, false, &[with_a_range(8.0), with_a_range(64.0)]));
        let text = drawn(&[chart(lines.to_vec())]);
        let mut dots: Vec<&str> = text.lines().filter(|line| line.starts_with("<circle")).collect();
        dots.sort_unstable();
        dots.dedup();
        // Two of each line, and one of each in the legend.
        assert_eq!(dots.len(), 3 * 2 + 3);
        let left = |dot: &&str| dot.split_once("cx=\"").unwrap().1.split('"').next().unwrap().parse::<i32>().unwrap();
        assert!(dots.iter().all(|dot| (LEFT..=RIGHT).contains(&left(dot))), "{dots:?}");
    }

    #[test]
    fn charts_lie_beneath_one_another_and_legends_beneath_their_plots() {
        let one = || chart(vec![line("pipe", false, &[with_a_range(8.0)])]);
        let many = || chart((0..40).map(|at| line(&format!("transport {at}"), false, &[with_a_range(8.0)])).collect());
        let height = |charts: &[Chart]| {
            let text = drawn(charts);
            let (_, height) = text.split_once("height=\"").unwrap();
            height.split('"').next().unwrap().parse::<i32>().unwrap()
        };
        assert_eq!(height(&[one(), one()]), 2 * height(&[one()]));
        assert!(height(&[many()]) >= height(&[one()]) + 4 * ROW);
    }

    #[test]
    fn what_is_not_above_0_cannot_be_drawn() {
        assert!(draw(&[chart(vec![line("pipe", false, &[Point::new(8.0, 0.0)])])]).is_err());
        assert!(draw(&[chart(vec![line("pipe", false, &[Point::new(8.0, f64::INFINITY)])])]).is_err());
    }
}
