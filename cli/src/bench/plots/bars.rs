//! Bars beneath one another, each with its name and figure.

use std::error::Error;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::colours::BAR;

const FONT: &str = "sans-serif";
/// The colours of writing, and of what must not be overlooked.
const INK: RGBColor = RGBColor(40, 40, 40);
const ALARM: RGBColor = RGBColor(178, 34, 34);
/// Pixels of the whole, of the names, of the longest bar, and of a line.
const WIDTH: u32 = 900;
const NAMES: i32 = 240;
const LONGEST: f64 = 540.0;
const LINE: i32 = 24;
const TOP: i32 = 76;

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    /// What is written behind it.
    pub(super) figure: String,
}

/// Draws bars as SVG, of which one of `largest` would be the longest, with a note under the title.
pub(super) fn draw(title: &str, note: &str, largest: f64, bars: &[Bar]) -> Result<String> {
    let mut text = String::new();
    {
        let size = (WIDTH, (TOP + LINE * bars.len() as i32 + 24) as u32);
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw_on(&root, title, note, largest, bars).map_err(|error| anyhow!("cannot draw '{title}': {error}"))?;
    }
    Ok(text)
}

fn draw_on<'a>(
    root: &DrawingArea<SVGBackend<'a>, Shift>,
    title: &str,
    note: &str,
    largest: f64,
    bars: &[Bar],
) -> Result<(), Box<dyn Error + 'a>> {
    root.fill(&WHITE)?;
    let text = |size: i32| TextStyle::from((FONT, size).into_font()).color(&INK);
    root.draw(&Text::new(title.to_owned(), (24, 16), text(20)))?;
    root.draw(&Text::new(note.to_owned(), (24, 40), text(14).color(&ALARM)))?;
    for (index, bar) in bars.iter().enumerate() {
        let y = TOP + LINE * index as i32;
        let end = NAMES + ((bar.value / largest).clamp(0.0, 1.0) * LONGEST).round().max(1.0) as i32;
        let to_the_left = text(14).pos(Pos::new(HPos::Right, VPos::Center));
        root.draw(&Text::new(bar.name.clone(), (NAMES - 10, y), to_the_left))?;
        root.draw(&Rectangle::new([(NAMES, y - 8), (end, y + 8)], RGBColor(BAR.0, BAR.1, BAR.2).filled()))?;
        let to_the_right = text(14).pos(Pos::new(HPos::Left, VPos::Center));
        root.draw(&Text::new(bar.figure.clone(), (end + 8, y), to_the_right))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bar_has_its_name_and_figure() {
        let bar = |name: &str, value, figure: &str| Bar { name: name.to_owned(), value, figure: figure.to_owned() };
        let text =
            draw("A title", "a note", 100.0, &[bar("spin", 100.0, "100 %"), bar("park", 0.0, "0.06 %")]).unwrap();
        assert!(text.starts_with("<svg ") && text.trim_end().ends_with("</svg>"), "{text}");
        for part in ["A title", "a note", "spin", "100 %", "park", "0.06 %"] {
            assert!(text.contains(part), "no {part}");
        }
    }
}
