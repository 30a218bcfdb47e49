//! ringmain beside rtrb, by capacity: `u64` over the stream ring, values of 32 bytes over the message ring.

use std::error::Error;
use std::fmt::Write;

use clap::{Args, ValueEnum};
use ringmain_measure::{Regime, Summary, pin, two};
use serde::Serialize;
use serde_json::{Value, json};

use crate::line::Line;
use crate::processes::Worker;
use crate::regimes::Regimes;
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
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256, 1024, 65_536])]
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

    /// Returns what the rounds of a regime come to, or all rounds.
    fn figures(&self, regime: Option<&Regime>) -> Figures {
        let select = |values: &[f64]| regime.map_or_else(|| values.to_vec(), |regime| regime.select(values));
        let (ringmain, rtrb) = (select(&self.ringmain), select(&self.rtrb));
        Figures {
            ringmain: Summary::of(&ringmain),
            rtrb: Summary::of(&rtrb),
            ratio: Summary::of_ratios(&ringmain, &rtrb),
        }
    }
}

/// What some rounds come to.
#[derive(Debug, PartialEq, Serialize)]
struct Figures {
    ringmain: Summary,
    rtrb: Summary,
    ratio: Summary,
}

/// Measures and prints.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut rows = plan(arguments)?;
    let processors = two()?;
    pin(processors[0])?;
    let mut worker = Worker::start(processors[1])?;
    let rtrb = subjects::named("rtrb")?;
    let mut line = Line::new();
    let mut lines = vec![line.measure(processors[1])?];
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
        lines.push(line.measure(processors[1])?);
        eprint!("\rround {} of {}", round + 1, arguments.rounds);
    }
    eprintln!();
    worker.stop()?;
    let regimes = Regimes::of(lines);
    if arguments.json {
        println!("{}", to_json(&rows, &regimes, processors));
    } else {
        print!("{}", text(&rows, &regimes, arguments.rounds, processors));
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

/// The rows as tables, one for each regime.
fn text(rows: &[Row], regimes: &Regimes, rounds: u32, processors: [usize; 2]) -> String {
    let mut text = format!("{rounds} interleaved rounds, processors {} and {}\n", processors[0], processors[1]);
    text.push_str(
        "\
ringmain: two processes, named segment; rtrb: two threads. All spin.
single, batch (64, in place), value: millions per second, more is better
rtt, value-rtt: nanoseconds there and back, less is better
single, batch, rtt carry u64 over ringmain's stream ring, the capacity is in elements; value and
value-rtt carry 32 bytes over its message ring and over rtrb; the capacity is in bytes, for both
",
    );
    if let Some(warning) = regimes.warning() {
        let _ = writeln!(text, "{warning}");
    }
    if regimes.regimes.is_empty() {
        table(&mut text, rows, None);
    }
    for regime in &regimes.regimes {
        table(&mut text, rows, Some(regime));
    }
    text
}

/// Writes the table of a regime, or of all rounds.
fn table(text: &mut String, rows: &[Row], regime: Option<&Regime>) {
    text.push('\n');
    if let Some(regime) = regime {
        let _ = writeln!(text, "bare line: {regime}");
    }
    text.push_str("test       capacity align  ringmain      rtrb  ringmain/rtrb: median (lowest to highest)\n");
    for row in rows {
        let scale = if row.kind.is_rtt() { 1.0 } else { 1e6 };
        let Figures { ringmain, rtrb, ratio } = row.figures(regime);
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
}

/// The rows as JSON: of all rounds, of each regime in their order, and the values of each round.
fn to_json(rows: &[Row], regimes: &Regimes, processors: [usize; 2]) -> Value {
    let results: Vec<Value> = rows
        .iter()
        .map(|row| {
            let Figures { ringmain, rtrb, ratio } = row.figures(None);
            let of_regimes: Vec<Figures> = regimes.regimes.iter().map(|regime| row.figures(Some(regime))).collect();
            json!({
                "test": name(row.kind),
                "capacity": row.capacity,
                "bytes": if row.kind.has_values() { VALUE } else { 8 },
                "alignment": row.align,
                "unit": if row.kind.is_rtt() { "ns" } else { "elements/s" },
                "rounds": row.ringmain.len(),
                "ringmain": ringmain,
                "rtrb": rtrb,
                "ratio": ratio,
                "regimes": of_regimes,
                "values": { "ringmain": row.ringmain, "rtrb": row.rtrb },
            })
        })
        .collect();
    json!({ "processors": processors, "bare_line": regimes, "results": results })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fill_as_many_bytes_as_the_message_ring_has() {
        assert_eq!(Kind::Value.work(65_536).bytes(), 65_536);
        assert_eq!(Kind::Single.work(256).bytes(), 2048);
    }

    /// Two rounds near, and one far.
    fn mixed() -> (Vec<Row>, Regimes) {
        let row = Row {
            kind: Kind::Rtt,
            capacity: 64,
            align: None,
            ringmain: vec![100.0, 110.0, 900.0, 400.0],
            rtrb: vec![100.0, 100.0, 100.0, 800.0],
        };
        (vec![row], Regimes::of(vec![60.0, 60.0, 60.0, 450.0, 450.0]))
    }

    #[test]
    fn the_capacities_begin_with_one_batch() {
        let cli = <Cli as clap::Parser>::parse_from(["peers"]);
        assert_eq!(cli.arguments.capacity, [64, 256, 1024, 65_536]);
        assert!(plan(&cli.arguments).is_ok());
    }

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn each_regime_has_a_table_of_its_own() {
        let (rows, regimes) = mixed();
        let text = text(&rows, &regimes, 4, [0, 1]);
        let (_, near) = text.split_once("bare line: near (60 ns)").unwrap();
        let (near, far) = near.split_once("bare line: far (450 ns)").unwrap();
        assert!(near.contains("     105.0     100.0   1.05 (1.00 to 1.10)"), "{near}");
        assert!(far.contains("     400.0     800.0   0.50 (0.50 to 0.50)"), "{far}");
        assert!(text.contains("The run mixes regimes"), "{text}");
    }

    #[test]
    fn ratios_can_be_computed_again_from_the_values_of_the_json() {
        let (rows, regimes) = mixed();
        let json = to_json(&rows, &regimes, [0, 1]);
        assert_eq!(json["bare_line"]["lines"], json!([60.0, 60.0, 60.0, 450.0, 450.0]));
        assert_eq!(json["bare_line"]["moved"], json!([2]));
        let row = &json["results"][0];
        let list = |name: &str| -> Vec<f64> {
            row["values"][name].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect()
        };
        let (ringmain, rtrb) = (list("ringmain"), list("rtrb"));
        assert_eq!(row["ratio"], json!(Summary::of_ratios(&ringmain, &rtrb)));
        for (at, regime) in regimes.regimes.iter().enumerate() {
            let ratio = Summary::of_ratios(&regime.select(&ringmain), &regime.select(&rtrb));
            assert_eq!(row["regimes"][at]["ratio"], json!(ratio));
        }
    }
}
