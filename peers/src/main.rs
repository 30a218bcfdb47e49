//! The same work on ringmain and on other crates: interleaved rounds, medians of the pairwise ratios.
//!
//! ringmain runs across two processes on a named segment. Crates that have no way between processes run across two
//! threads. Both ends are pinned to two processors where there are two.

mod capacities;
mod line;
mod machine;
mod processes;
mod regimes;
mod report;
mod results;
mod sizes;
mod subjects;
mod threads;
mod values;
mod work;

use std::error::Error;

use clap::{Parser, Subcommand};

/// Measures ringmain against other crates, interleaved. Without a command: against rtrb, by capacity.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    capacities: capacities::Arguments,
}

#[derive(Subcommand)]
enum Command {
    /// Measures every subject with every size of values.
    Sizes(sizes::Arguments),
    /// Writes the pages and pictures of a folder once more, from the results that stand beside them.
    Report(report::Arguments),
}

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args_os().next().is_some_and(|name| name == processes::WORKER) {
        return processes::run_worker(subjects::answer);
    }
    let arguments = Cli::parse();
    match arguments.command {
        None => capacities::run(&arguments.capacities),
        Some(Command::Sizes(arguments)) => sizes::run(&arguments),
        Some(Command::Report(arguments)) => report::run(&arguments),
    }
}
