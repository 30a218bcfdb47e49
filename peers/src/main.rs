//! The same work on ringmain and on other crates: interleaved rounds, medians of the pairwise ratios.
//!
//! ringmain runs across two processes on a named segment. rtrb, which has no way between processes, runs across two threads.
//! Both ends are pinned to two processors where there are two.

mod processors;
mod report;
mod ringmain_process;
mod rtrb_threads;
mod values;
mod work;

use std::error::Error;

use clap::{Parser, ValueEnum};

use report::Row;
use work::{Test, Work};

/// Measures ringmain against rtrb, interleaved.
#[derive(Parser)]
struct Arguments {
    /// How many rounds: each measures every subject once.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Which tests to run; all by default.
    #[arg(long, value_delimiter = ',')]
    test: Vec<Test>,
    /// Which capacities to use for elements, in elements.
    #[arg(long, value_delimiter = ',', default_values_t = [256, 1024, 65_536])]
    capacity: Vec<usize>,
    /// Which capacities to use for values, in bytes.
    #[arg(long, value_delimiter = ',', default_values_t = [65_536, 1 << 20])]
    bytes: Vec<usize>,
    /// Where ringmain's messages start: at multiples of 8, 16, 32 or 64 bytes.
    #[arg(long, value_delimiter = ',', default_values_t = [8, 64])]
    align: Vec<usize>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Makes this the other process, on this processor: it takes its work from standard input.
    #[arg(long, hide = true)]
    receiver: Option<usize>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if let Some(processor) = arguments.receiver {
        return ringmain_process::receive(processor);
    }
    let tests = if arguments.test.is_empty() { Test::value_variants().to_vec() } else { arguments.test };
    for &capacity in &arguments.capacity {
        if !capacity.is_power_of_two() || capacity < work::BATCH {
            let least = work::BATCH;
            return Err(format!("capacity {capacity}; expected a power of two, at least {least}").into());
        }
    }
    for &bytes in &arguments.bytes {
        if !bytes.is_power_of_two() || bytes < 4096 {
            return Err(format!("{bytes} bytes; expected a power of two, at least 4096").into());
        }
    }
    let processors = processors::choose();
    processors::pin(processors[0]);
    let mut receiver = ringmain_process::Receiver::start(processors[1])?;
    let plan: Vec<Work> = tests
        .iter()
        .flat_map(|&test| {
            let (capacities, aligns) = if test.has_values() {
                (&arguments.bytes, &arguments.align[..])
            } else {
                (&arguments.capacity, &[8][..])
            };
            capacities
                .iter()
                .flat_map(move |&capacity| aligns.iter().map(move |&align| Work::new(test, capacity, align)))
        })
        .collect();
    let mut rows: Vec<Row> = plan.iter().map(|&work| Row::new(work)).collect();
    for round in 0..arguments.rounds {
        for row in &mut rows {
            // Whoever goes first has the colder caches: take turns.
            let (ringmain, rtrb);
            if round % 2 == 0 {
                ringmain = receiver.measure(row.work)?;
                rtrb = rtrb_threads::measure(row.work, processors[1])?;
            } else {
                rtrb = rtrb_threads::measure(row.work, processors[1])?;
                ringmain = receiver.measure(row.work)?;
            }
            row.add(ringmain, rtrb);
        }
        eprint!("\rround {} of {}", round + 1, arguments.rounds);
    }
    eprintln!();
    receiver.stop()?;
    if arguments.json {
        println!("{}", report::json(&rows, processors));
    } else {
        print!("{}", report::table(&rows, processors));
    }
    Ok(())
}
