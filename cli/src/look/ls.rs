//! `ringmain ls`: every ring of the machine, one line each.

use anyhow::Result;
use ringmain::inspect::Inspection;

use super::column::{self, Column, Subject, named};
use super::output::{self, Format};
use super::seen::Seen;
use super::table;

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
    let seen: Vec<Seen> = Inspection::all()?.iter().map(Seen::from_found).collect();
    let subjects: Vec<Subject<'_>> = seen.iter().map(|seen| Subject { seen, rates: None }).collect();
    if arguments.format.json {
        let columns = arguments.output.clone().unwrap_or_else(|| {
            let more = ["fill", "head", "tail", "owner", "mode", "orphaned", "length", "reason"];
            named(&[&COLUMNS[..], &more].concat())
        });
        let lines = subjects.iter().map(|subject| column::object(&columns, subject).to_string());
        return output::write_lines(&lines.collect::<Vec<_>>());
    }
    let columns = arguments.output.clone().unwrap_or_else(|| named(&COLUMNS));
    output::write_lines(&table::lines(&columns, &subjects, arguments.format.look()))
}
