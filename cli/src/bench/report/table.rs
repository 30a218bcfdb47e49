//! Tables, as a style allows.

use unicode_width::UnicodeWidthStr;

use super::style::Style;
use crate::fit::{self, Flex, Order, Strip};

/// A table with columns of text to the left, and of figures to the right.
#[derive(Debug)]
pub(super) struct Columns {
    style: Style,
    header: Vec<&'static str>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    cells: Vec<String>,
    /// Whether it is about a ring.
    ring: bool,
}

/// The columns of text; all others are of figures.
const TEXT: [&str; 6] = ["test", "transport", "waits by", "regime", "what", BAR];
/// The columns whose contents may lose their middle.
const NAMES: [&str; 2] = ["transport", "waits by"];

/// The columns that a terminal keeps: first what a row is about and its main figure, then what else it is about.
#[rustfmt::skip]
const ORDER: Order = Order {
    names: &[
        "transport", "waits by", "test", "median", "p50", "processor", "now / then", "bytes", "rate",
        "/ alone", "/ pipe", "p99", "/ cache-line", "now", "then", "data", "/ stream", "min .. max", "sink", "source",
        "max", "by cache-line", "p99.9", BAR, "regime", "/ memcpy", "/ spin", "/ cache-lines", "p90", "p99.99",
        "messages", "round trips",
    ],
    lesser: 9,
};

/// The title of a column of bars.
pub(super) const BAR: &str = "";
/// What stands where there is no figure.
pub(super) const NONE: &str = "-";

impl Columns {
    pub(super) fn new(style: Style, header: &[&'static str]) -> Self {
        Self { style, header: header.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, ring: bool, cells: Vec<String>) {
        self.rows.push(Row { cells, ring });
    }

    /// Leaves out the columns of these titles in which no row has anything.
    pub(super) fn without_empty(mut self, titles: &[&str]) -> Self {
        for title in titles {
            let index = self.header.iter().position(|one| one == title);
            if let Some(index) = index.filter(|index| self.rows.iter().all(|row| row.cells[*index] == NONE)) {
                self.header.remove(index);
                self.rows.iter_mut().for_each(|row| drop(row.cells.remove(index)));
            }
        }
        self
    }

    /// Returns whether there is room for its bars.
    pub(super) fn has_bars(&self) -> bool {
        self.strips().iter().any(|strip| strip.name == BAR)
    }

    /// Returns the columns that there is room for.
    fn strips(&self) -> Vec<Strip> {
        let strip = |(at, &name): (usize, &&'static str)| {
            let texts = [name].into_iter().chain(self.rows.iter().map(|row| row.cells[at].as_str()));
            let flex = if NAMES.contains(&name) { Flex::Name } else { Flex::None };
            Strip::new(name, flex, !TEXT.contains(&name), texts.map(str::to_owned).collect(), 0)
        };
        let strips: Vec<Strip> = self.header.iter().enumerate().map(strip).collect();
        match self.style.width {
            Some(width) => fit::fit(strips, width, ORDER, true, false),
            None => strips,
        }
    }

    /// Writes the table, and what of it a terminal has no room for.
    pub(super) fn text(&self) -> String {
        let strips = self.strips();
        let lines = fit::lines(&strips);
        let width = lines.iter().map(|(_, line)| line.width()).max().unwrap_or(0);
        let [around, below] = self.style.rules().map(|sign| sign.to_string().repeat(width));
        // The first one is the header.
        let is_ring = |row: usize| row > 0 && self.rows[row - 1].ring;
        let paint = |(row, line): (usize, String)| if is_ring(row) { self.style.ring(&line) } else { line };
        let mut lines: Vec<String> = lines.into_iter().map(paint).collect();
        lines.insert(1, below);
        lines.insert(0, around.clone());
        lines.push(around);
        let is_shown = |name: &str| strips.iter().any(|strip| strip.name == name);
        let missing = self.header.iter().filter(|name| **name != BAR && !is_shown(name));
        // As one word each, so that none goes on in the next line.
        let missing: Vec<String> = missing.map(|name| name.replace("/ ", "/")).collect();
        if !missing.is_empty() {
            lines.push(self.style.line(2, &format!("no room for: {}", missing.join(", "))));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(style: Style) -> Columns {
        let mut columns = Columns::new(style, &["transport", "median", "/ pipe", "/ spin"]);
        columns.row(true, ["stream", "12 ns", "0.01", NONE].map(str::to_owned).to_vec());
        columns.row(false, ["pipe", "1200 ns", NONE, NONE].map(str::to_owned).to_vec());
        columns.without_empty(&["/ pipe", "/ spin"])
    }

    #[test]
    fn a_plain_table_is_of_ascii() {
        let expected = "\
--------------------------
transport   median  / pipe
==========================
stream       12 ns    0.01
pipe       1200 ns       -
--------------------------";
        assert_eq!(columns(Style::PLAIN).text(), expected);
    }

    #[test]
    fn a_narrow_table_says_what_it_leaves_out() {
        let expected = "\
------------------
transport   median
==================
stream       12 ns
pipe       1200 ns
------------------
no room for: /pipe";
        assert_eq!(columns(Style { width: Some(20), ..Style::PLAIN }).text(), expected);
    }

    #[test]
    fn a_rich_table_shows_the_rows_of_rings_in_colour() {
        let text = columns(Style::RICH).text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[3], "\x1b[32mstream       12 ns    0.01\x1b[0m");
        assert_eq!(lines[4], "pipe       1200 ns       -");
    }
}
