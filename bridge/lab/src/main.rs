//! The laboratory of the bridge: chaos, measurements, and the parts that both start.

use anyhow::Result;
use clap::{Parser, Subcommand};
use ringmain_bridge_lab::{bench, chaos, load, router};

#[derive(Parser)]
#[command(about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Kill the parts of bridges and cut their lines, and prove that nothing is lost, repeated or torn
    Chaos(chaos::Chaos),
    /// Measure a bridge between two machines in miniature
    Bench(bench::Bench),
    /// Route between all that connect here
    Router {
        /// Where to listen
        #[arg(long, value_name = "ENDPOINT")]
        listen: String,
    },
    /// One end of what is measured
    #[command(hide = true)]
    Load(load::Load),
}

fn main() -> Result<()> {
    if let Some(part) = std::env::args().next().and_then(|name| ringmain_bridge_lab::part(&name)) {
        return part();
    }
    match Arguments::parse().command {
        Command::Chaos(chaos) => chaos::run(chaos),
        Command::Bench(bench) => bench::run(&bench),
        Command::Router { listen } => router::run(&listen),
        Command::Load(load) => load::run(&load),
    }
}
