//! What a report may be written with: a terminal shows more than a file should hold.

use std::env;
use std::io::{self, IsTerminal};

/// Whether a report has colours and signs beyond ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// ASCII without colours.
    Plain,
    Rich,
}

impl Style {
    /// For standard output: rich on a terminal that can do more than type, unless `NO_COLOR` is set.
    pub(crate) fn of_stdout() -> Self {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        Self::of(io::stdout().is_terminal(), set("NO_COLOR").is_some(), set("TERM").is_some_and(|term| term == "dumb"))
    }

    fn of(terminal: bool, no_color: bool, dumb: bool) -> Self {
        if terminal && !no_color && !dumb { Self::Rich } else { Self::Plain }
    }

    /// A title, which stands out.
    pub(super) fn title(self, text: &str) -> String {
        self.painted("1", text)
    }

    /// A warning.
    pub(super) fn warning(self, text: &str) -> String {
        self.painted("33", text)
    }

    /// What is about a ring.
    pub(super) fn ring(self, text: &str) -> String {
        self.painted("32", text)
    }

    fn painted(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Rich => format!("\x1b[{code}m{text}\x1b[0m"),
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
    fn only_a_terminal_is_rich_and_only_where_nobody_minds() {
        assert_eq!(Style::of(true, false, false), Style::Rich);
        for (terminal, no_color, dumb) in [(false, false, false), (true, true, false), (true, false, true)] {
            assert_eq!(Style::of(terminal, no_color, dumb), Style::Plain);
        }
    }

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
