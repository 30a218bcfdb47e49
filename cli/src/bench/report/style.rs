//! What a report may be written with: a terminal shows more than a file should hold.

use anstyle::{AnsiColor, Style as Ansi};

use crate::output::{has_colours, painted};

/// Whether a report has colours and signs beyond ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// ASCII without colours.
    Plain,
    Rich,
}

impl Style {
    /// For standard output: rich if it may have colours.
    pub(crate) fn of_stdout() -> Self {
        if has_colours() { Self::Rich } else { Self::Plain }
    }

    /// A title, which stands out.
    pub(super) fn title(self, text: &str) -> String {
        self.painted(Ansi::new().bold(), text)
    }

    /// A warning.
    pub(super) fn warning(self, text: &str) -> String {
        self.painted(AnsiColor::Yellow.on_default(), text)
    }

    /// What is about a ring.
    pub(super) fn ring(self, text: &str) -> String {
        self.painted(AnsiColor::Green.on_default(), text)
    }

    fn painted(self, style: Ansi, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Rich => painted(style, text),
        }
    }

    /// The signs of a small picture: a dot, one that is not steady, and what a range is drawn with.
    pub(super) fn signs(self) -> [char; 3] {
        match self {
            Self::Plain => ['o', '?', '-'],
            Self::Rich => ['●', '○', '─'],
        }
    }

    /// A bar as long as a value beside the largest one, which has `width` columns. It is never empty.
    pub(super) fn bar(self, value: f64, largest: f64, width: usize) -> String {
        let part = if largest > 0.0 { (value / largest).clamp(0.0, 1.0) } else { 0.0 };
        match self {
            Self::Plain => "#".repeat(((part * width as f64).round() as usize).max(1)),
            Self::Rich => {
                let eighths = ((part * width as f64 * 8.0).round() as usize).max(1);
                let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
                "█".repeat(eighths / 8) + rest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_style_leaves_text_as_it_is() {
        assert_eq!(Style::Plain.title("a") + &Style::Plain.warning("b") + &Style::Plain.ring("c"), "abc");
        assert_eq!(Style::Rich.title("a"), "\x1b[1ma\x1b[0m");
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        assert_eq!([0.0, 1.0, 4.0, 8.0].map(|value| Style::Plain.bar(value, 8.0, 8)), ["#", "#", "####", "########"]);
        assert_eq!([0.0, 1.0, 4.5, 8.0].map(|value| Style::Rich.bar(value, 8.0, 4)), ["▏", "▌", "██▎", "████"]);
        assert_eq!(Style::Plain.bar(1.0, 0.0, 8), "#");
    }
}
