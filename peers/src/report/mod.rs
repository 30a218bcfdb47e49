//! What a reader sees of the results: a page, a picture, a table on the terminal.

mod files;
mod markdown;
mod picture;
mod terminal;
mod words;

use std::error::Error;
use std::path::PathBuf;

use clap::Args;

pub(crate) use files::Files;
pub(crate) use terminal::text;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder where the results stand, a file for each processor.
    folder: PathBuf,
}

/// Writes the pages and the pictures once more.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    files::write_again(&arguments.folder)
}
