//! The `ringmain` command.

#![deny(unsafe_code)]

mod act;
mod bench;
mod chaos;
mod limits;
mod look;
mod output;
mod usage;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

use act::Ending;
use bench::Bench;
use chaos::Chaos;
use usage::UsageError;

/// Rings between processes, in shared memory
#[derive(Debug, Parser)]
#[command(name = "ringmain", version, after_help = act::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure rings against pipes, sockets and the machine's limit
    ///
    /// Two processes, each on a processor of its own, send messages to one another, in rounds: each round measures
    /// every transport once per size. Every byte is written and read. The report gives medians, ranges, and ratios that
    /// are taken within each round, since machines are slow and fast by turns. The tests paced and idle are measured
    /// once.
    Bench(Box<Bench>),
    #[command(name = bench::SUBCOMMAND, hide = true)]
    BenchPeer,
    /// Kill producers and consumers all the time, and check that nothing is lost
    ///
    /// A stream ring and a message ring live at the same time, with every end in a process of its own. These are
    /// killed, stopped, restarted and replaced by a plan that is drawn from a seed. The exit code is 1 if anything was
    /// lost, torn, invented, repeated or told wrongly, or came to a stand.
    Chaos(Chaos),
    #[command(name = chaos::WORKER, hide = true)]
    ChaosWorker { job: String },
    #[command(name = chaos::KEEPER, hide = true)]
    ChaosKeeper { names: Vec<String> },
    #[command(flatten)]
    Look(look::Look),
    #[command(flatten)]
    Act(act::Act),
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Ending>() => end(&error),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

/// Ends as a verb said, and says why where that is not plain.
fn end(error: &anyhow::Error) -> ExitCode {
    let ending = error.downcast_ref::<Ending>();
    if !ending.is_some_and(Ending::is_quiet) {
        eprintln!("error: {error:#}");
    }
    ExitCode::from(ending.map_or(1, Ending::code))
}

fn run(cli: &Cli) -> Result<()> {
    match &cli.command {
        Command::Bench(bench) => bench::run(bench),
        Command::BenchPeer => bench::serve(),
        Command::Chaos(chaos) => chaos::run(chaos),
        Command::ChaosWorker { job } => chaos::work(job),
        Command::ChaosKeeper { names } => chaos::keep(names),
        Command::Look(look) => look::run(look),
        Command::Act(act) => act::run(act, Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
