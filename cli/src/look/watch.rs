//! `ringmain watch`: rings as they fare.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use ringmain::inspect::Inspection;

use super::column::{self, Column, Subject, TIME, named};
use super::output::{self, Format};
use super::rates::Rates;
use super::seen::{Seen, explain, is_told};
use super::table::{self, Look};
use super::terminal::{self, Event, Terminal};
use super::units;
use crate::output::json;

/// The columns unless others are asked for.
pub(super) const COLUMNS: [&str; 9] =
    ["name", "state", "pushed", "popped", "bar", "used", "lag", "producer", "consumer"];

#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    /// The name of the ring [default: all rings]
    name: Option<String>,
    /// How long to wait between two looks: 10ms, 0.5s, 2, 1m
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::parse_interval)]
    interval: Duration,
    /// End after this many intervals
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The columns to print; 'ringmain stat' prints all, and there is 'time'
    #[arg(long, short, value_name = "COLUMN,...", value_delimiter = ',', value_parser = column::parse)]
    output: Option<Vec<Column>>,
    #[command(flatten)]
    format: Format,
}

pub(super) fn run(arguments: &Watch) -> Result<()> {
    let mut rings = Rings::find(arguments.name.as_deref())?;
    let format = &arguments.format;
    if output::is_terminal() && !format.json {
        return draw(arguments, &mut rings, &mut Terminal::enter()?);
    }
    let mut look = Look { is_steady: true, ..format.look() };
    let mut next = Instant::now();
    for _ in 0..arguments.count.unwrap_or(u64::MAX) {
        next += arguments.interval;
        terminal::wait_for_reader_until(next)?;
        rings.look_again()?;
        if format.json {
            let columns = arguments.output.clone().unwrap_or_else(|| [&[TIME], &named(&JSON_COLUMNS)[..]].concat());
            let lines = rings.subjects().map(|subject| json(&column::object(&columns, &subject)));
            output::print_lines(&lines.collect::<Vec<_>>())?;
        } else {
            output::print_lines(&table::lines(&arguments.columns(), &rings.subjects().collect::<Vec<_>>(), look))?;
            look.has_headings = false;
        }
    }
    Ok(())
}

/// What a line of JSON has unless other columns are asked for.
const JSON_COLUMNS: [&str; 14] = [
    "name", "state", "reason", "kind", "capacity", "used", "fill", "head", "tail", "pushed", "popped", "lag",
    "producer", "consumer",
];

impl Watch {
    fn columns(&self) -> Vec<Column> {
        self.output.clone().unwrap_or_else(|| named(&COLUMNS))
    }
}

/// Draws until somebody wants an end.
fn draw(arguments: &Watch, rings: &mut Rings, terminal: &mut Terminal) -> Result<()> {
    let (mut intervals, mut next) = (0, Instant::now() + arguments.interval);
    loop {
        let subjects: Vec<Subject<'_>> = rings.subjects().collect();
        let look = arguments.format.look();
        let mut lines = table::lines(&arguments.columns(), &subjects, Look { is_steady: true, ..look });
        if look.has_headings {
            lines.insert(0, title(subjects.len(), arguments.interval));
            lines.insert(1, String::new());
        }
        terminal.draw(&lines)?;
        if arguments.count.is_some_and(|count| intervals >= count) {
            return Ok(());
        }
        match terminal.wait_until(next)? {
            Event::Quit => return Ok(()),
            Event::Resize => {}
            Event::Timeout => {
                rings.look_again()?;
                intervals += 1;
                // Whoever was stopped for a while does not catch up.
                next = (next + arguments.interval).max(Instant::now());
            }
        }
    }
}

fn title(count: usize, interval: Duration) -> String {
    let rings = if count == 1 { "1 ring".to_owned() } else { format!("{count} rings") };
    format!("{rings}, every {}; q ends", units::time(interval.as_secs_f64()))
}

/// The rings that are watched, and what the last look and the one before found.
#[derive(Debug)]
struct Rings {
    /// The one ring, where it is one. It is kept open, so that it is seen also when its name is gone.
    one: Option<Inspection>,
    now: Vec<Seen>,
    now_at: Instant,
    rates: Vec<Option<Rates>>,
}

impl Rings {
    fn find(name: Option<&str>) -> Result<Rings> {
        let one = name.map(|name| Inspection::open(name).map_err(explain)).transpose()?;
        let mut rings = Rings { one, now: Vec::new(), now_at: Instant::now(), rates: Vec::new() };
        rings.now = rings.look()?;
        rings.rates = vec![None; rings.now.len()];
        Ok(rings)
    }

    fn look(&mut self) -> Result<Vec<Seen>> {
        let Some(one) = &mut self.one else {
            // One is open at a time.
            return Ok(Inspection::all()?.map(|found| Seen::from_found(&found)).collect());
        };
        let is_gone = one.is_truncated()? || one.is_orphaned()?;
        match is_gone.then(|| Inspection::open(one.name())) {
            // Another ring has come under its name.
            Some(Ok(other)) => *one = other,
            Some(Err(error)) if is_told(&error) => return Ok(vec![Seen::from_error(one.name().as_ref(), &error)]),
            Some(Err(_)) | None => {}
        }
        Ok(vec![Seen::of(one)])
    }

    fn look_again(&mut self) -> Result<()> {
        let now = self.look()?;
        let seconds = self.now_at.elapsed().as_secs_f64();
        self.now_at = Instant::now();
        let before = std::mem::replace(&mut self.now, now);
        let before: HashMap<&str, &Seen> = before.iter().map(|seen| (&*seen.name, seen)).collect();
        let rate = |seen: &Seen| Rates::between(before.get(&*seen.name)?, seen, seconds);
        self.rates = self.now.iter().map(rate).collect();
        Ok(())
    }

    fn subjects(&self) -> impl Iterator<Item = Subject<'_>> {
        self.now.iter().zip(&self.rates).map(|(seen, rates)| Subject { seen, rates: *rates })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_counts_rings() {
        assert_eq!(title(1, Duration::from_secs(1)), "1 ring, every 1.0 s; q ends");
        assert_eq!(title(0, Duration::from_millis(100)), "0 rings, every 100.0 ms; q ends");
    }
}
