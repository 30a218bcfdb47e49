//! The `ringmain` command.

#![deny(unsafe_code)]

mod bench;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use bench::{Choice, Plan, Test, Transport, UsageError, Wait};

/// Rings between processes, in shared memory
#[derive(Debug, Parser)]
#[command(name = "ringmain", version)]
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
    /// are taken within each round, since machines are slow and fast by turns. The tests paced and idle are measured once.
    Bench(Bench),
    #[command(name = bench::SUBCOMMAND, hide = true)]
    BenchPeer,
}

#[derive(Debug, Args)]
struct Bench {
    /// Measure for some seconds instead of two minutes
    #[arg(long)]
    quick: bool,
    /// What to measure
    #[arg(long, value_name = "TEST,...", value_delimiter = ',', default_value = "rtt,throughput")]
    test: Vec<Test>,
    /// What to measure it on; rtt and throughput always have cache-line, as the reference
    #[arg(
        long,
        value_name = "TRANSPORT,...",
        value_delimiter = ',',
        default_value = "cache-line,memcpy,stream,message,pipe,unix-stream,unix-seqpacket"
    )]
    transport: Vec<Transport>,
    /// How a side with nothing to do waits, each a case of its own [default: rings spin, pipes and sockets block; all in idle]
    #[arg(long, value_name = "WAIT,...", value_delimiter = ',')]
    wait: Option<Vec<Wait>>,
    /// Lengths of a message in bytes: powers of two from 8 to 65536, in paced from 16 [default: 8,64,256,1024,4096,65536; in
    /// paced 64]
    #[arg(long, value_name = "BYTES,...", value_delimiter = ',', value_parser = bench::parse_size)]
    size: Option<Vec<usize>>,
    /// Messages per second in paced, from 1 to 10M
    #[arg(
        long,
        value_name = "RATE,...",
        value_delimiter = ',',
        value_parser = bench::parse_rate,
        default_value = "1,100,10k,100k"
    )]
    rate: Vec<u64>,
    /// Where the records of the message ring start: at multiples of 8, 16, 32 or 64 bytes
    #[arg(long, value_name = "BYTES", value_parser = bench::parse_align, default_value = "64")]
    align: usize,
    /// Measure rings also with a fence after each message, to see what they save without
    #[arg(long, hide = true)]
    fenced: bool,
    /// How many rounds of rtt and throughput [default: 21, or 7 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: Option<u32>,
    /// The processors of the two processes [default: two of different cores, where there are such]
    #[arg(long, value_name = "A,B", value_parser = bench::parse_processors)]
    cpus: Option<(usize, usize)>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Bench {
    fn plan(&self) -> Result<Plan> {
        let (rounds, milliseconds) = if self.quick { (7, 20) } else { (21, 50) };
        let (paced_milliseconds, fewest, idle_rate) = if self.quick { (200, 2, 4) } else { (2000, 5, 1) };
        let choice = Choice {
            tests: &self.test,
            sizes: self.size.as_deref(),
            transports: &self.transport,
            waits: self.wait.as_deref(),
            rates: &self.rate,
            align: self.align,
            fenced: self.fenced,
            idle_rate,
        };
        Ok(Plan {
            cases: choice.in_rounds(),
            rounds: self.rounds.map_or(rounds, |rounds| rounds as usize),
            duration: Duration::from_millis(milliseconds),
            paced: choice.once()?,
            paced_duration: Duration::from_millis(paced_milliseconds),
            fewest,
            processors: self.cpus,
        })
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    match &cli.command {
        Command::Bench(bench) => bench::run(&bench.plan()?, bench.json),
        Command::BenchPeer => bench::serve(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
