//! How the verbs print.

use std::io::{self, IsTerminal};

use anyhow::Result;

use super::table::Look;
use super::units::Style;
use crate::output::{self, columns};

/// How to print, the same for all verbs that print tables.
#[derive(Debug, clap::Args)]
pub(crate) struct Format {
    /// Print JSON: one object per line
    #[arg(long)]
    pub(super) json: bool,
    /// Print no headings
    #[arg(long, short = 'n')]
    noheadings: bool,
    /// Print sizes and rates as plain numbers
    #[arg(long, short)]
    bytes: bool,
}

impl Format {
    pub(super) fn look(&self) -> Look {
        Look {
            has_headings: !self.noheadings,
            has_colours: output::has_colours(),
            is_steady: false,
            width: columns(),
            style: Style { is_plain: self.bytes },
        }
    }
}

/// Returns whether stdout is a terminal that can be drawn on.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal() && !output::is_dumb()
}

/// Prints lines, all at once.
pub(super) fn print_lines(lines: &[String]) -> Result<()> {
    output::print(&lines.iter().fold(String::new(), |text, line| text + line + "\n"))
}
