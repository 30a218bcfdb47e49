//! Colours of lines and bars, which stay apart for most eyes.

use plotters::style::RGBColor;

/// Of writing.
pub(super) const INK: RGBColor = RGBColor(40, 40, 40);

const COLOURS: [RGBColor; 12] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(255, 127, 14),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(90, 90, 90),
    RGBColor(150, 160, 20),
    RGBColor(23, 190, 207),
    RGBColor(0, 0, 0),
    RGBColor(120, 180, 255),
];

/// The colour of the line of this number.
pub(super) fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}
