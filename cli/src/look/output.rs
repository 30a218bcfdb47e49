//! Where the verbs write, and how they end where nobody reads any more.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal};

use anyhow::{Context, Error, Result};

use super::table::Look;
use super::units::Style;
use crate::output;

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
            style: Style { is_plain: self.bytes },
        }
    }
}

/// Returns whether stdout is a terminal that can be drawn on.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whoever reads has seen enough: no failure.
#[derive(Debug)]
struct NobodyReads;

impl fmt::Display for NobodyReads {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("nobody reads the output")
    }
}

impl std::error::Error for NobodyReads {}

/// Returns what ends a verb where nobody reads any more.
pub(super) fn nobody_reads() -> Error {
    Error::new(NobodyReads)
}

/// Makes a success of an end because nobody reads any more.
pub(super) fn quietly(result: Result<()>) -> Result<()> {
    result.or_else(|error| if error.is::<NobodyReads>() { Ok(()) } else { Err(error) })
}

/// Writes to stdout, all at once.
pub(super) fn write(text: &str) -> Result<()> {
    match output::write(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(nobody_reads()),
        result => result.context("cannot write to standard output"),
    }
}

/// Writes lines to stdout, all at once.
pub(super) fn write_lines(lines: &[String]) -> Result<()> {
    write(&lines.iter().fold(String::new(), |text, line| text + line + "\n"))
}
