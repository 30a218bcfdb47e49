//! `ringmain ls`: every object of shared memory, one line each.

use anyhow::{Result, bail};
use ringmain::inspect::Inspection;

use super::column::{self, Column, Subject, named};
use super::output::{self, Format};
use super::seen::Seen;
use super::table;
use crate::output::json;

/// The columns unless others are asked for.
pub(super) const COLUMNS: [&str; 8] = ["name", "kind", "element", "capacity", "used", "producer", "consumer", "state"];

#[derive(Debug, clap::Args)]
pub(crate) struct Ls {
    /// The columns to print; 'ringmain stat' prints all
    #[arg(long, short, value_name = "COLUMN,...", value_delimiter = ',', value_parser = column::parse_of_one_look)]
    output: Option<Vec<Column>>,
    #[command(flatten)]
    format: Format,
}

pub(super) fn run(arguments: &Ls) -> Result<()> {
    // One is open at a time.
    let seen: Vec<Seen> = Inspection::all()?.map(|found| Seen::from_found(&found)).collect();
    let subjects: Vec<Subject<'_>> = seen.iter().map(|seen| Subject { seen, rates: None }).collect();
    print(arguments, &subjects)?;
    match seen.iter().filter(|seen| seen.is_unread()).count() {
        0 => Ok(()),
        unread => {
            bail!("{unread} of {} objects could not be read; 'ringmain ls -o name,state,reason' tells why", seen.len())
        }
    }
}

fn print(arguments: &Ls, subjects: &[Subject<'_>]) -> Result<()> {
    if arguments.format.json {
        let columns = arguments.output.clone().unwrap_or_else(|| {
            let more = ["fill", "head", "tail", "owner", "mode", "orphaned", "length", "reason"];
            named(&[&COLUMNS[..], &more].concat())
        });
        let lines = subjects.iter().map(|subject| json(&column::object(&columns, subject)));
        return output::print_lines(&lines.collect::<Vec<_>>());
    }
    let columns = arguments.output.clone().unwrap_or_else(|| named(&COLUMNS));
    output::print_lines(&table::lines(&columns, subjects, arguments.format.look(), arguments.output.is_some()))
}
