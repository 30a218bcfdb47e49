//! ringmain beside rtrb, by capacity: `u64` over the stream ring, values of 32 bytes over the message ring.

use std::error::Error;
use std::fmt::Write;

use clap::{Args, ValueEnum};
use ringmain_measure::{Summary, pin, two};
use serde_json::{Value, json};

use crate::processes::Worker;
use crate::subjects::{self, MESSAGE, MESSAGE_64, STREAM};
use crate::work::{BATCH, Test, Work, name};

/// Bytes of a value that the message ring carries.
const VALUE: usize = 32;

#[derive(Args)]
pub(crate) struct Arguments {
    /// How many rounds: each measures both once.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Which tests to run; all by default.
    #[arg(long, value_delimiter = ',')]
    test: Vec<Kind>,
    /// Which capacities to use for elements, in elements.
    #[arg(long, value_delimiter = ',', default_values_t = [256, 1024, 65_536])]
    capacity: Vec<usize>,
    /// Which capacities to use for values, in bytes.
    #[arg(long, value_delimiter = ',', default_values_t = [65_536, 1 << 20])]
    bytes: Vec<usize>,
    /// Where ringmain's messages start: at multiples of 8 or of 64 bytes.
    #[arg(long, value_delimiter = ',', default_values_t = [8, 64])]
    align: Vec<usize>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// What is done, and over which of ringmain's rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// One element per push and pop; elements per second.
    Single,
    /// Batches of 64, filled and read in place; elements per second.
    Batch,
    /// One element there and back; nanoseconds.
    Rtt,
    /// One value of 32 bytes per push and pop; values per second.
    Value,
    /// One value of 32 bytes there and back; nanoseconds.
    ValueRtt,
}

impl Kind {
    fn has_values(self) -> bool {
        matches!(self, Kind::Value | Kind::ValueRtt)
    }

    fn is_rtt(self) -> bool {
        matches!(self, Kind::Rtt | Kind::ValueRtt)
    }

    /// Returns the work for a capacity in elements or, of values, in bytes.
    fn work(self, capacity: usize) -> Work {
        match self {
            Kind::Single => Work::new(Test::Single, 8, capacity),
            Kind::Batch => Work::new(Test::Batch, 8, capacity),
            Kind::Rtt => Work::new(Test::Rtt, 8, capacity),
            Kind::Value => Work::new(Test::Single, VALUE, capacity / VALUE),
            Kind::ValueRtt => Work::new(Test::Rtt, VALUE, capacity / VALUE),
        }
    }
}

/// All rounds of one measurement.
struct Row {
    kind: Kind,
    capacity: usize,
    /// Of a message ring.
    align: Option<usize>,
    ringmain: Vec<f64>,
    rtrb: Vec<f64>,
}

impl Row {
    fn subject(&self) -> &'static str {
        match self.align {
            None => STREAM,
            Some(64) => MESSAGE_64,
            Some(_) => MESSAGE,
        }
    }
}

/// Measures and prints.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut rows = plan(arguments)?;
    let processors = two()?;
    pin(processors[0])?;
    let mut worker = Worker::start(processors[1])?;
    let rtrb = subjects::named("rtrb")?;
    for round in 0..arguments.rounds {
        for row in &mut rows {
            let (work, ringmain) = (row.kind.work(row.capacity), subjects::named(row.subject())?);
            // Whoever goes first has the colder caches: take turns.
            if round % 2 == 0 {
                row.ringmain.push(ringmain.measure(&mut worker, work)?);
                row.rtrb.push(rtrb.measure(&mut worker, work)?);
            } else {
                row.rtrb.push(rtrb.measure(&mut worker, work)?);
                row.ringmain.push(ringmain.measure(&mut worker, work)?);
            }
        }
        eprint!("\rround {} of {}", round + 1, arguments.rounds);
    }
    eprintln!();
    worker.stop()?;
    if arguments.json {
        println!("{}", to_json(&rows, processors));
    } else {
        print!("{}", table(&rows, arguments.rounds, processors));
    }
    Ok(())
}

fn plan(arguments: &Arguments) -> Result<Vec<Row>, String> {
    if let Some(capacity) = arguments.capacity.iter().find(|&&it| !it.is_power_of_two() || it < BATCH) {
        return Err(format!("capacity {capacity}; expected a power of two, at least {BATCH}"));
    }
    if let Some(bytes) = arguments.bytes.iter().find(|&&it| !it.is_power_of_two() || it < 4096) {
        return Err(format!("{bytes} bytes; expected a power of two, at least 4096"));
    }
    if let Some(align) = arguments.align.iter().find(|&&it| it != 8 && it != 64) {
        return Err(format!("alignment {align}; expected 8 or 64"));
    }
    let kinds = if arguments.test.is_empty() { Kind::value_variants() } else { &arguments.test };
    let mut rows = Vec::new();
    for &kind in kinds {
        let new = |capacity, align| Row { kind, capacity, align, ringmain: Vec::new(), rtrb: Vec::new() };
        if kind.has_values() {
            for &bytes in &arguments.bytes {
                rows.extend(arguments.align.iter().map(|&align| new(bytes, Some(align))));
            }
        } else {
            rows.extend(arguments.capacity.iter().map(|&capacity| new(capacity, None)));
        }
    }
    Ok(rows)
}

/// The rows as a table.
fn table(rows: &[Row], rounds: u32, processors: [usize; 2]) -> String {
    let mut text = format!("{rounds} interleaved rounds, processors {} and {}\n", processors[0], processors[1]);
    text.push_str(
        "\
ringmain: two processes, named segment; rtrb: two threads. All spin.
single, batch (64, in place), value: millions per second, more is better
rtt, value-rtt: nanoseconds there and back, less is better
single, batch, rtt carry u64 over ringmain's stream ring, the capacity is in elements; value and
value-rtt carry 32 bytes over its message ring and over rtrb; the capacity is in bytes, for both

test       capacity align  ringmain      rtrb  ringmain/rtrb: median (lowest to highest)
",
    );
    for row in rows {
        let scale = if row.kind.is_rtt() { 1.0 } else { 1e6 };
        let (ringmain, rtrb) = (Summary::of(&row.ringmain), Summary::of(&row.rtrb));
        let ratio = Summary::of_ratios(&row.ringmain, &row.rtrb);
        let align = row.align.map_or("-".to_owned(), |align| align.to_string());
        let _ = writeln!(
            text,
            "{:<9} {:>9} {align:>5} {:>9.1} {:>9.1}  {:>5.2} ({:.2} to {:.2})",
            name(row.kind),
            row.capacity,
            ringmain.median / scale,
            rtrb.median / scale,
            ratio.median,
            ratio.min,
            ratio.max,
        );
    }
    text
}

/// The rows as JSON.
fn to_json(rows: &[Row], processors: [usize; 2]) -> Value {
    let results: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "test": name(row.kind),
                "capacity": row.capacity,
                "bytes": if row.kind.has_values() { VALUE } else { 8 },
                "alignment": row.align,
                "unit": if row.kind.is_rtt() { "ns" } else { "elements/s" },
                "rounds": row.ringmain.len(),
                "ringmain": Summary::of(&row.ringmain),
                "rtrb": Summary::of(&row.rtrb),
                "ratio": Summary::of_ratios(&row.ringmain, &row.rtrb),
            })
        })
        .collect();
    json!({ "processors": processors, "results": results })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fill_as_many_bytes_as_the_message_ring_has() {
        assert_eq!(Kind::Value.work(65_536).bytes(), 65_536);
        assert_eq!(Kind::Single.work(256).bytes(), 2048);
    }
}
