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
mod tasks;
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
    /// Makes this the other process, on this processor: it takes its work from standard input.
    #[arg(long, hide = true)]
    worker: Option<usize>,
    /// That the work is of tasks.
    #[arg(long, hide = true, requires = "worker")]
    tasks: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Measures every subject with every size of values.
    Sizes(sizes::Arguments),
    /// Measures tasks that await ringmain's rings beside tasks that await a socket of tokio's.
    Tasks(tasks::Arguments),
    /// Writes the pages and pictures of a folder once more, from the results that stand beside them.
    Report(report::Arguments),
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Cli::parse();
    if let Some(processor) = arguments.worker {
        return if arguments.tasks {
            tasks::run_worker(processor)
        } else {
            processes::run_worker(processor, subjects::answer)
        };
    }
    match arguments.command {
        None => capacities::run(&arguments.capacities),
        Some(Command::Sizes(arguments)) => sizes::run(&arguments),
        Some(Command::Tasks(arguments)) => tasks::compare(&arguments),
        Some(Command::Report(arguments)) => report::run(&arguments),
    }
}
