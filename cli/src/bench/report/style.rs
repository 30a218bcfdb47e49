//! What a report may be written with: a terminal shows more than a file should hold.

use anstyle::{AnsiColor, Style as Ansi};

use crate::fit::wrapped;
use crate::output::{columns, has_colours, painted};

/// How wide sentences are that are for no terminal, and at most on one.
const PAGE: usize = 120;

/// Where the text of a row begins.
pub(super) const MARGIN: usize = 12;

/// Whether a report has colours and signs beyond ASCII, and how wide it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    pub(super) is_rich: bool,
    /// That of the terminal, if it is for one.
    pub(super) width: Option<usize>,
}

impl Style {
    /// ASCII without colours.
    #[cfg(test)]
    pub(super) const PLAIN: Style = Style { is_rich: false, width: None };
    #[cfg(test)]
    pub(super) const RICH: Style = Style { is_rich: true, width: None };

    /// For standard output: rich if it may have colours.
    pub(crate) fn of_stdout() -> Self {
        Self { is_rich: has_colours(), width: columns() }
    }

    /// Writes sentences, behind what stands to the left of a margin.
    pub(super) fn prose(self, margin: usize, text: &str) -> String {
        wrapped(text, margin, self.width.unwrap_or(PAGE).min(PAGE))
    }

    /// Writes what is one line, but where a terminal has no room for it.
    pub(super) fn line(self, margin: usize, text: &str) -> String {
        self.width.map_or_else(|| text.to_owned(), |width| wrapped(text, margin, width))
    }

    /// A title, which stands out.
    pub(super) fn title(self, text: &str) -> String {
        self.painted(Ansi::new().bold(), &self.line(0, text))
    }

    /// A warning, whose further lines begin at a margin.
    pub(super) fn warning(self, margin: usize, text: &str) -> String {
        self.painted(AnsiColor::Yellow.on_default(), &self.line(margin, text))
    }

    /// What is about a ring.
    pub(super) fn ring(self, text: &str) -> String {
        self.painted(AnsiColor::Green.on_default(), text)
    }

    fn painted(self, style: Ansi, text: &str) -> String {
        if self.is_rich { painted(style, text) } else { text.to_owned() }
    }

    /// The signs of a small picture: a dot, one that is not steady, and what a range is drawn with.
    pub(super) fn signs(self) -> [char; 3] {
        if self.is_rich { ['●', '○', '─'] } else { ['o', '?', '-'] }
    }

    /// What the lines of a table are made of: those around it, and the one below its header.
    pub(super) fn rules(self) -> [char; 2] {
        if self.is_rich { ['─', '═'] } else { ['-', '='] }
    }

    /// A bar as long as a value beside the largest one, which has `width` columns. It is never empty.
    pub(super) fn bar(self, value: f64, largest: f64, width: usize) -> String {
        let part = if largest > 0.0 { (value / largest).clamp(0.0, 1.0) } else { 0.0 };
        if !self.is_rich {
            return "#".repeat(((part * width as f64).round() as usize).max(1));
        }
        let eighths = ((part * width as f64 * 8.0).round() as usize).max(1);
        let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
        "█".repeat(eighths / 8) + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_style_leaves_text_as_it_is() {
        assert_eq!(Style::PLAIN.title("a") + &Style::PLAIN.warning(0, "b") + &Style::PLAIN.ring("c"), "abc");
        assert_eq!(Style::RICH.title("a"), "\x1b[1ma\x1b[0m");
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        assert_eq!([0.0, 1.0, 4.0, 8.0].map(|value| Style::PLAIN.bar(value, 8.0, 8)), ["#", "#", "####", "########"]);
        let rich = [0.0, 1.0, 4.5, 8.0].map(|value| Style::RICH.bar(value, 8.0, 4));
        assert_eq!(rich, ["▏", "▌", "██▎", "████"]);
        assert_eq!(Style::PLAIN.bar(1.0, 0.0, 8), "#");
    }
}
