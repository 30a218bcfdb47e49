//! What the user says on the command line.

use std::time::Duration;

use clap::Args;

use super::plan::Plant;

/// What a run is to be.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) duration: Duration,
    pub(crate) seed: Option<u64>,
    pub(crate) patience: Duration,
    pub(crate) plant: Option<Plant>,
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Chaos {
    /// How long to run, in minutes
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    minutes: u64,
    /// How long to run, in seconds
    #[arg(long, value_name = "N", conflicts_with = "minutes")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=600_000))]
    seconds: Option<u64>,
    /// What the plan is drawn from [default: another one each time, which is printed]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// How many seconds anything that must happen may take: more on a slow machine, or under an emulator
    #[arg(long, value_name = "N", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    patience: u64,
    /// Make a mistake in the workers, to see that it is found
    #[arg(long, value_name = "MISTAKE")]
    plant: Option<Plant>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Chaos {
    pub(super) fn settings(&self) -> Settings {
        Settings {
            duration: Duration::from_secs(self.seconds.unwrap_or(60 * self.minutes)),
            seed: self.seed,
            patience: Duration::from_secs(self.patience),
            plant: self.plant,
            json: self.json,
        }
    }
}
