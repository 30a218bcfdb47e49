//! Standard output: what is written there, and whether in colours.

use std::env;
use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use anyhow::{Context, Result};

/// Returns whether to write in colours: to a terminal, unless the user minds.
pub(crate) fn has_colours() -> bool {
    // The library takes any terminal of a CI for one with colours, also one that says that it has none.
    let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    let is_forced = env::var_os("CLICOLOR_FORCE").is_some_and(|force| force != "0");
    (is_forced || !is_dumb) && AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Writes a text so that it stands out.
pub(crate) fn painted(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Writes all at once.
pub(crate) fn write(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text).and_then(|()| stdout.flush())
}

/// Prints a report. Whoever reads it may have seen enough.
pub(crate) fn print(text: &str) -> Result<()> {
    match write(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write the report"),
    }
}
