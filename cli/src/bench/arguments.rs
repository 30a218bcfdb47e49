//! What `ringmain bench` is asked for on the command line, and the plan that follows from it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::inputs::{parse_align, parse_processors, parse_rate, parse_rings, parse_size};
use super::plan::{Choice, Plan, Test, Transport};
use super::wait::Wait;
use crate::usage::UsageError;

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Measure for about ten seconds instead of some minutes
    #[arg(long)]
    quick: bool,
    /// What to measure [default: rtt,throughput; all with --export]
    #[arg(long, value_name = "TEST,...", value_delimiter = ',')]
    test: Option<Vec<Test>>,
    /// What to measure it on; rtt and throughput always have cache-line, as the reference [default: all but own-work]
    #[arg(long, value_name = "TRANSPORT,...", value_delimiter = ',')]
    transport: Option<Vec<Transport>>,
    /// How a side with nothing to do waits, each a case of its own [default: rings spin, in paced also adaptive, and
    /// what is in the kernel blocks; all in idle]
    #[arg(long, value_name = "WAIT,...", value_delimiter = ',')]
    wait: Option<Vec<Wait>>,
    /// Lengths of a message in bytes: powers of two from 8 to 65536, in paced from 16 [default:
    /// 8,64,256,1024,4096,65536; with --quick 64,1024,65536; in paced 64]
    #[arg(long, value_name = "BYTES,...", value_delimiter = ',', value_parser = parse_size)]
    size: Option<Vec<usize>>,
    /// Messages per second in paced, from 1 to 10M [default: 100,1k,10k,100k; with --quick 1k,100k]
    #[arg(long, value_name = "RATE,...", value_delimiter = ',', value_parser = parse_rate)]
    rate: Option<Vec<u64>>,
    /// Where the records of the message ring start: at multiples of 8, 16, 32 or 64 bytes
    #[arg(long, value_name = "BYTES", value_parser = parse_align, default_value = "64")]
    align: usize,
    /// Measure rings also with a fence after each message in rtt, throughput and waitset, to see what they save without
    #[arg(long)]
    fenced: bool,
    /// How many rings there are each way in waitset, each number a case [default: 1,8,32,100]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = parse_rings)]
    rings: Option<Vec<usize>>,
    /// How many rounds of rtt, throughput and waitset [default: 21, or 7 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: Option<u32>,
    /// The processors of the two processes [default: two of different cores, where there are such]
    #[arg(long, value_name = "A,B", value_parser = parse_processors)]
    cpus: Option<[usize; 2]>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Write the results to this folder too: JSON, CSV, percentiles (.hgrm) and plots (SVG)
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// Set the run beside the results.json of an earlier --export
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Report on the results.json of an earlier --export, and measure nothing
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "export", "quick", "test", "transport", "wait", "size", "rate", "align", "fenced", "rings", "rounds",
            "cpus"
        ]
    )]
    from: Option<PathBuf>,
}

/// Where a report comes from and goes to.
#[derive(Debug)]
pub(crate) struct Paths<'a> {
    pub(crate) export: Option<&'a PathBuf>,
    pub(crate) compare: Option<&'a PathBuf>,
    pub(crate) from: Option<&'a PathBuf>,
}

/// How long a run takes, for want of an option.
struct Effort {
    rounds: u32,
    duration: Duration,
    paced_duration: Duration,
    /// Messages of a paced measurement at least.
    fewest: u64,
    /// Waits per second in `idle`.
    idle_rate: u64,
    sizes: &'static [usize],
    rates: &'static [u64],
}

const FULL: Effort = Effort {
    rounds: 21,
    duration: Duration::from_millis(30),
    paced_duration: Duration::from_secs(1),
    fewest: 5,
    idle_rate: 2,
    sizes: &[8, 64, 256, 1024, 4096, 65536],
    rates: &[100, 1000, 10_000, 100_000],
};

const QUICK: Effort = Effort {
    rounds: 7,
    duration: Duration::from_millis(10),
    paced_duration: Duration::from_millis(100),
    fewest: 2,
    idle_rate: 10,
    sizes: &[64, 1024, 65536],
    rates: &[1000, 100_000],
};

const RATIO_TESTS: &[Test] = &[Test::Rtt, Test::Throughput];
const ALL_TESTS: &[Test] = &[Test::Rtt, Test::Throughput, Test::Paced, Test::Idle];

impl Bench {
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    pub(crate) fn paths(&self) -> Paths<'_> {
        Paths { export: self.export.as_ref(), compare: self.compare.as_ref(), from: self.from.as_ref() }
    }

    /// # Errors
    /// - a test was asked for that has no case
    pub(crate) fn plan(&self) -> Result<Plan> {
        let effort = if self.quick { QUICK } else { FULL };
        let tests = if self.export.is_some() { ALL_TESTS } else { RATIO_TESTS };
        let usual: Vec<Transport> =
            Transport::value_variants().iter().copied().filter(|transport| transport.is_usual()).collect();
        let choice = Choice {
            tests: self.test.as_deref().unwrap_or(tests),
            sizes: self.size.as_deref(),
            sizes_in_rounds: effort.sizes,
            transports: self.transport.as_deref().unwrap_or(&usual),
            waits: self.wait.as_deref(),
            rates: self.rate.as_deref().unwrap_or(effort.rates),
            align: self.align,
            fenced: self.fenced,
            rings: self.rings.as_deref().unwrap_or(&[1, 8, 32, 100]),
            idle_rate: effort.idle_rate,
        };
        let cases = choice.in_rounds();
        if choice.tests.contains(&Test::Waitset) && !cases.iter().any(|case| case.test == Test::Waitset) {
            return Err(UsageError(
                "--test waitset: a set waits at rings, and by their own calls; name stream or message, and busy, \
                 adaptive or park"
                    .to_owned(),
            )
            .into());
        }
        Ok(Plan {
            cases,
            rounds: self.rounds.unwrap_or(effort.rounds) as usize,
            duration: effort.duration,
            paced: choice.once()?,
            paced_duration: effort.paced_duration,
            fewest: effort.fewest,
            processors: self.cpus,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::gauge;
    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        bench: Bench,
    }

    fn plan(arguments: &[&str]) -> Plan {
        let line = Line::try_parse_from([&["bench"], arguments].concat()).unwrap();
        line.bench.plan().unwrap()
    }

    #[test]
    fn an_export_has_all_tests_unless_some_are_named() {
        assert!(plan(&[]).paced.is_empty());
        assert!(!plan(&["--export", "out"]).paced.is_empty());
        assert!(plan(&["--export", "out", "--test", "rtt"]).paced.is_empty());
    }

    /// What all measurements of a plan take together, without the warm-ups.
    fn total(plan: &Plan) -> Duration {
        let in_rounds = |test| plan.cases.iter().filter(|case| case.test == test).count() as u32;
        // A round trip is measured twice: for its mean, and for its percentiles.
        let runs = 2 * in_rounds(Test::Rtt) + in_rounds(Test::Throughput);
        let paced = plan.paced.iter().filter(|case| case.test == Test::Paced).count() as u32;
        let idle = plan.paced.iter().filter(|case| case.test == Test::Idle);
        let idle: Duration = idle.map(|case| Duration::from_secs(1) / case.rate.unwrap() as u32).sum();
        // The bare line is measured before the first round and after each.
        let line = gauge::DURATION * (plan.rounds as u32 + 1);
        plan.duration * runs * plan.rounds as u32 + line + plan.paced_duration * paced + idle
    }

    #[test]
    fn a_full_export_is_planned_for_less_than_four_minutes_and_a_quick_run_for_ten_seconds() {
        let full = total(&plan(&["--export", "out"]));
        assert!(full < Duration::from_secs(205), "{full:?}");
        let quick = total(&plan(&["--quick"]));
        assert!(quick < Duration::from_secs(10), "{quick:?}");
    }

    #[test]
    fn a_set_without_a_ring_or_a_wait_is_refused() {
        for arguments in [["--transport", "pipe"], ["--wait", "spin"]] {
            let line = Line::try_parse_from([&["bench", "--test", "waitset"][..], &arguments].concat()).unwrap();
            let error = line.bench.plan().unwrap_err();
            assert!(error.is::<UsageError>() && error.to_string().contains("name stream or message"), "{error}");
        }
        assert_eq!(plan(&["--test", "waitset", "--rings", "8", "--transport", "stream"]).cases.len(), 2);
    }

    #[test]
    fn the_own_work_is_measured_only_if_named() {
        let has = |plan: &Plan| plan.cases.iter().any(|case| case.transport == Transport::OwnWork);
        assert!(!has(&plan(&[])));
        assert!(has(&plan(&["--transport", "own-work"])));
        assert!(plan(&[]).cases.iter().any(|case| case.transport == Transport::CacheLines));
    }

    #[test]
    fn an_earlier_run_takes_no_option_of_a_measurement() {
        let error = Line::try_parse_from(["bench", "--from", "a.json", "--quick"]).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict);
        assert!(Line::try_parse_from(["bench", "--from", "a.json", "--compare", "b.json", "--json"]).is_ok());
    }
}
