//! The `ringmain` command.

#![deny(unsafe_code)]

mod bench;
mod chaos;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use bench::{Choice, Plan, Test, Transport, UsageError, Wait};
use chaos::{Plant, Settings};

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
    /// Kill producers and consumers all the time, and check that nothing is lost
    ///
    /// A stream ring and a message ring live at the same time, with every end in a process of its own. These are killed,
    /// stopped, restarted and replaced by a plan that is drawn from a seed. The exit code is 1 if anything was lost, torn,
    /// invented, repeated beyond the bound or told wrongly, or came to a stand.
    Chaos(Chaos),
    #[command(name = chaos::WORKER, hide = true)]
    ChaosWorker { job: String },
    #[command(name = chaos::KEEPER, hide = true)]
    ChaosKeeper { names: Vec<String> },
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

#[derive(Debug, Args)]
struct Chaos {
    /// How long to run, in minutes
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    minutes: u64,
    /// How long to run, in seconds
    #[arg(long, value_name = "N", conflicts_with = "minutes", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    seconds: Option<u64>,
    /// What the plan is drawn from [default: another one each time, which is printed]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// How many seconds anything that must happen may take
    #[arg(long, value_name = "SECONDS", default_value = "30", hide = true)]
    patience: u64,
    /// Make a mistake in the workers, to see that it is found
    #[arg(long, value_name = "MISTAKE", hide = true)]
    plant: Option<Plant>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Chaos {
    fn settings(&self) -> Settings {
        Settings {
            duration: Duration::from_secs(self.seconds.unwrap_or(60 * self.minutes)),
            seed: self.seed,
            patience: Duration::from_secs(self.patience),
            plant: self.plant,
            json: self.json,
        }
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
        Command::Chaos(chaos) => chaos::run(&chaos.settings()),
        Command::ChaosWorker { job } => chaos::work(job),
        Command::ChaosKeeper { names } => chaos::keep(names),
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
