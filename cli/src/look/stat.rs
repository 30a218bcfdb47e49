//! `ringmain stat`: all that is known of one ring.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use ringmain::inspect::Inspection;

use super::column::{self, ALL, Column, Subject};
use super::output::{self, Format};
use super::rates::Rates;
use super::seen::{Seen, State, explain, is_told};
use super::{table, units};
use crate::output::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Stat {
    /// The name of the ring
    name: String,
    /// How long to look, for the rates: 10ms, 0.5s, 2, 1m
    ///
    /// A ring that nobody is at has no rates, and is looked at once.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::parse_interval)]
    interval: Duration,
    /// The properties to print [default: all]
    #[arg(long, short, value_name = "COLUMN,...", value_delimiter = ',', value_parser = column::parse)]
    output: Option<Vec<Column>>,
    #[command(flatten)]
    format: Format,
}

pub(super) fn run(arguments: &Stat) -> Result<()> {
    let columns = arguments.output.clone().unwrap_or_else(all);
    let takes_two_looks = columns.iter().any(Column::needs_rates);
    let (seen, rates) = match Inspection::open(&arguments.name) {
        Ok(ring) if takes_two_looks => look_twice(&ring, arguments.interval),
        Ok(ring) => (Seen::of(&ring), None),
        Err(error) if is_told(&error) => (Seen::from_error(arguments.name.as_ref(), &error), None),
        Err(error) => return Err(explain(error)),
    };
    let subject = Subject { seen: &seen, rates };
    if arguments.format.json {
        return output::print_lines(&[json(&column::object(&columns, &subject))]);
    }
    output::print_lines(&table::properties(&columns, &subject, arguments.format.look()))
}

/// All columns, but for the one that draws what another one says.
fn all() -> Vec<Column> {
    ALL.into_iter().filter(|column| column.name != "bar").collect()
}

fn look_twice(ring: &Inspection, interval: Duration) -> (Seen, Option<Rates>) {
    let (first, start) = (Seen::of(ring), Instant::now());
    if first.state() != State::Live {
        return (first, None);
    }
    thread::sleep(interval);
    let (second, seconds) = (Seen::of(ring), start.elapsed().as_secs_f64());
    let rates = Rates::between(&first, &second, seconds);
    (second, rates)
}
