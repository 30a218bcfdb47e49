//! `ringmain stat`: all that is known of one ring.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use ringmain::inspect::Inspection;

use super::column::{self, ALL, Column, Subject};
use super::output::{self, Format};
use super::rates::Rates;
use super::seen::{Seen, State, explain, is_told};
use super::{metrics, table, terminal, units};
use crate::output::json;
use crate::usage::UsageError;

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum As {
    /// A line for each property
    Text,
    /// An object of JSON
    Json,
    /// Metrics for Prometheus and others, of one look: counters, which have the ring's id, and gauges
    Openmetrics,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Stat {
    /// The name of the ring; '--format openmetrics' has all rings without one
    #[arg(required_unless_present = "format")]
    name: Option<String>,
    /// What to print
    #[arg(id = "format", long = "format", value_enum, value_name = "FORMAT", default_value = "text")]
    #[arg(conflicts_with = "json")]
    shape: As,
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
    let name = match (&arguments.name, arguments.shape) {
        (name, As::Openmetrics) => return print_metrics(arguments, name.as_deref()),
        (Some(name), _) => name,
        (None, _) => {
            bail!(UsageError("stat needs the name of a ring; 'ringmain ls' lists those that are there".to_owned()))
        }
    };
    let columns = arguments.output.clone().unwrap_or_else(all);
    let takes_two_looks = columns.iter().any(Column::needs_rates);
    let (seen, rates) = match Inspection::open(name) {
        Ok(ring) if takes_two_looks => look_twice(&ring, arguments.interval)?,
        Ok(ring) => (Seen::of(&ring), None),
        Err(error) if is_told(&error) => (Seen::from_error(name.as_ref(), &error), None),
        Err(error) => return Err(explain(error)),
    };
    let subject = Subject { seen: &seen, rates };
    if arguments.format.json || arguments.shape == As::Json {
        return output::print_lines(&[json(&column::object(&columns, &subject))]);
    }
    output::print_lines(&table::properties(&columns, &subject, arguments.format.look()))
}

/// Prints what is known of a ring, or of all of them. What cannot be read is counted, and keeps nothing else back.
fn print_metrics(arguments: &Stat, name: Option<&str>) -> Result<()> {
    if arguments.output.is_some() {
        bail!(UsageError("--output chooses what text and JSON have; --format openmetrics has all".to_owned()));
    }
    let seen = match name.map(Inspection::open) {
        Some(Ok(ring)) => vec![Seen::of(&ring)],
        Some(Err(error)) if is_told(&error) => vec![Seen::from_error(name.unwrap_or_default().as_ref(), &error)],
        Some(Err(error)) => return Err(explain(error)),
        None => Inspection::all()?.map(|found| Seen::from_found(&found)).collect(),
    };
    crate::output::print(&metrics::text(&seen))
}

/// All columns, but for the one that draws what another one says.
fn all() -> Vec<Column> {
    ALL.into_iter().filter(|column| column.name != "bar").collect()
}

fn look_twice(ring: &Inspection, interval: Duration) -> Result<(Seen, Option<Rates>)> {
    let (first, start) = (Seen::of(ring), Instant::now());
    if first.state() != State::Live {
        return Ok((first, None));
    }
    terminal::wait_for_reader_until(start + interval)?;
    let (second, seconds) = (Seen::of(ring), start.elapsed().as_secs_f64());
    let rates = Rates::between(&first, &second, seconds);
    Ok((second, rates))
}
