//! What a reader sees of the results: a page, a picture, a table on the terminal.

mod markdown;
mod picture;
mod terminal;
mod words;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use self::markdown::{PICTURE, RESULTS};
use crate::results::Results;

pub(crate) use terminal::text;

const PAGE: &str = "benchmarks.md";

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder where benchmarks.json stands.
    folder: PathBuf,
}

/// Writes all of it into a folder.
pub(crate) fn write_all(folder: &Path, results: &Results) -> Result<(), Box<dyn Error>> {
    fs::write(folder.join(RESULTS), serde_json::to_string_pretty(results)? + "\n")?;
    write(folder, results)
}

/// Writes the page and the picture once more.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let results = serde_json::from_str(&fs::read_to_string(arguments.folder.join(RESULTS))?)?;
    write(&arguments.folder, &results)
}

/// Writes the page and the picture beside the results.
fn write(folder: &Path, results: &Results) -> Result<(), Box<dyn Error>> {
    fs::write(folder.join(PAGE), markdown::page(results))?;
    fs::write(folder.join(PICTURE), picture::draw(results)?)?;
    Ok(())
}
