//! Tables, as a style allows.

use comfy_table::{CellAlignment, LineStyle, Table, presets};

use super::style::Style;

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

    /// Writes the table without spaces at the ends of lines.
    pub(super) fn text(&self) -> String {
        let mut table = Table::new();
        match self.style {
            Style::Plain => table.load_style(presets::ASCII_HORIZONTAL_ONLY),
            Style::Rich => table.load_style(presets::UTF8_HORIZONTAL_ONLY),
        };
        table.style_mut().row_separator = LineStyle::none();
        table.set_header(self.header.clone());
        for row in &self.rows {
            table.add_row(row.cells.clone());
        }
        for (title, column) in self.header.iter().zip(table.column_iter_mut()) {
            if !TEXT.contains(title) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        // A line above the header, the header, a line below it: then come the rows, each a line.
        let rings = [false; 3].into_iter().chain(self.rows.iter().map(|row| row.ring)).chain([false]);
        let lines = table.to_string();
        let lines = lines.lines().zip(rings).map(|(line, ring)| {
            let line = line.trim_end();
            if ring { self.style.ring(line) } else { line.to_owned() }
        });
        lines.collect::<Vec<_>>().join("\n")
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
------------------------------
 transport    median   / pipe
==============================
 stream        12 ns     0.01
 pipe        1200 ns        -
------------------------------";
        assert_eq!(columns(Style::Plain).text(), expected);
    }

    #[test]
    fn a_rich_table_shows_the_rows_of_rings_in_colour() {
        let text = columns(Style::Rich).text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[3], "\x1b[32m stream        12 ns     0.01\x1b[0m");
        assert_eq!(lines[4], " pipe        1200 ns        -");
    }
}
