//! `ringmain-bridge-lab bench`: a bridge between two machines, against what carries it, by turns.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use ringmain::Options;

use crate::network::{Machine, Way};
use crate::process::{Log, Process};
use crate::site::{Program, Site};
use crate::statistics::Summary;

/// What to measure.
#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    what: What,
    /// How many rounds; in each one all are measured, by turns
    #[arg(long, default_value = "9", global = true, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Options for the sender, parted by blanks
    #[arg(long, default_value = "", global = true)]
    send: String,
    /// Options for the receiver, parted by blanks
    #[arg(long, default_value = "", global = true)]
    receive: String,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Many messages one way, against the same bytes over a stream of TCP
    Flow {
        /// How many messages a round has
        #[arg(long, default_value = "200000")]
        messages: u64,
        /// How long each is, in bytes
        #[arg(long, default_value = "1024")]
        length: usize,
        /// The capacity of both rings, in bytes
        #[arg(long, default_value = "4194304")]
        capacity: usize,
    },
    /// One message there and back, against a query of Zenoh and its answer
    Latency {
        /// How many messages a round has
        #[arg(long, default_value = "2000")]
        messages: u64,
        /// How long each is, in bytes
        #[arg(long, default_value = "64")]
        length: usize,
    },
    /// How much processor time a bridge takes that has nothing to do
    Idle {
        /// For how long, in seconds
        #[arg(long, default_value = "20")]
        seconds: u64,
    },
}

/// How long a round may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The sizes of the writes of a program that has no bridge: each message by itself, and as many as fit.
const BUFFERS: [usize; 2] = [1, 1 << 16];

/// Measures and prints.
///
/// # Errors
/// - this process is not root, or the bridge was not built, or something goes wrong
pub fn run(bench: &Bench) -> Result<()> {
    match bench.what {
        What::Flow { messages, length, capacity } => flow(bench, messages, length, capacity),
        What::Latency { messages, length } => latency(bench, messages, length),
        What::Idle { seconds } => idle(bench, Duration::from_secs(seconds)),
    }
}

/// A site whose bridge runs, with ring A made.
struct Bridged {
    site: Site,
    sender: Process,
    receiver: Process,
}

impl Bridged {
    fn new(bench: &Bench, way: Way, capacity: usize) -> Result<Bridged> {
        let site = Site::new(std::env::current_exe()?, way)?;
        Options::new(&site.rings[0]).capacity(capacity).create_message()?;
        let receive: Vec<&str> = bench.receive.split_whitespace().collect();
        let send: Vec<&str> = bench.send.split_whitespace().collect();
        let receiver = site.start(Program::Receiver, &receive)?;
        let sender = site.start(Program::Sender, &send)?;
        Ok(Bridged { site, sender, receiver })
    }
}

fn much(messages: u64, length: usize) -> [String; 4] {
    ["--messages".into(), messages.to_string(), "--length".into(), length.to_string()]
}

fn words<const N: usize>(words: [&str; N], much: &[String]) -> Vec<String> {
    ["load"].iter().chain(&words).map(|&word| word.to_owned()).chain(much.iter().cloned()).collect()
}

fn figures(text: &str) -> Result<Vec<f64>> {
    text.lines().map(|line| line.trim().parse().with_context(|| format!("no figure: {line:?}"))).collect()
}

fn flow(bench: &Bench, messages: u64, length: usize, capacity: usize) -> Result<()> {
    let bridged = Bridged::new(bench, Way::ToReceiver, capacity)?;
    let (site, log) = (&bridged.site, Log::new()?);
    let much = much(messages, length);
    let rate = |nanoseconds: f64| (messages - 1) as f64 * length as f64 / nanoseconds * 1e9;
    let over_bridge = || -> Result<f64> {
        let mut pop = site.lab(Machine::B, words(["pop", &site.rings[1]], &much));
        let pop = Process::start_to_tell("consumer", &mut pop)?;
        let mut push = site.lab(Machine::A, words(["push", &site.rings[0]], &much));
        let _push = Process::start("producer", &mut push, &log)?;
        Ok(rate(figures(&pop.told(PATIENCE)?)?[0]))
    };
    let over_tcp = |buffer: usize| -> Result<f64> {
        let address = "10.77.0.2:9000";
        let mut read = site.lab(Machine::B, words(["read", address], &much));
        let read = Process::start_to_tell("reader", &mut read)?;
        let buffer = buffer.to_string();
        let mut write = site.lab(Machine::A, words(["write", address, "--buffer", &buffer], &much));
        let _write = Process::start("writer", &mut write, &log)?;
        Ok(rate(figures(&read.told(PATIENCE)?)?[0]))
    };
    // The first round makes ring B, and is not counted.
    over_bridge()?;
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..bench.rounds {
        for turn in 0..rates.len() {
            // Another one first in each round.
            let subject = (turn + round as usize) % rates.len();
            rates[subject].push(match subject {
                0 => over_bridge()?,
                other => over_tcp(BUFFERS[other - 1])?,
            });
        }
    }
    let names = ["bridge", "TCP, a write for each message", "TCP, writes of 64 KiB"];
    println!("{messages} messages of {length} bytes, rings of {capacity} bytes, {} rounds", bench.rounds);
    for (name, rates) in names.iter().zip(&rates) {
        let Summary { median, min, max } = Summary::of(rates);
        println!("{name:<32}{:>8.1} MB/s  ({:.1} to {:.1})", median / 1e6, min / 1e6, max / 1e6);
    }
    for (name, others) in names[1..].iter().zip(&rates[1..]) {
        let Summary { median, min, max } = Summary::of_ratios(&rates[0], others);
        println!("bridge / {name:<32}{median:>6.2}  ({min:.2} to {max:.2})");
    }
    let [_, most] = bridged.sender.memory()?;
    let [_, at_receiver] = bridged.receiver.memory()?;
    println!("memory at most: sender {} KiB, receiver {} KiB", most >> 10, at_receiver >> 10);
    Ok(())
}

fn latency(bench: &Bench, messages: u64, length: usize) -> Result<()> {
    let capacity = 1 << 16;
    let site = Site::new(std::env::current_exe()?, Way::ToReceiver)?;
    let (there, back) = (&site, site.back()?);
    for way in [there, &back] {
        Options::new(&way.rings[0]).capacity(capacity).create_message()?;
    }
    let receive: Vec<&str> = bench.receive.split_whitespace().collect();
    let send: Vec<&str> = bench.send.split_whitespace().collect();
    let mut running = Vec::new();
    for way in [there, &back] {
        running.push(way.start(Program::Receiver, &receive)?);
        running.push(way.start(Program::Sender, &send)?);
    }
    let log = Log::new()?;
    let much = much(messages, length);
    let over_bridge = || -> Result<Vec<f64>> {
        let echo = words(["echo", &there.rings[1], &back.rings[0]], &much);
        let _echo = Process::start("echo", &mut site.lab(Machine::B, echo), &log)?;
        let ping = words(["ping", &there.rings[0], &back.rings[1]], &much);
        figures(&Process::start_to_tell("ping", &mut site.lab(Machine::A, ping))?.told(PATIENCE)?)
    };
    let endpoint = "tcp/10.77.0.2:9001";
    let answer = words(["answer", endpoint], &[]);
    running.push(Process::start("answerer", &mut site.lab(Machine::B, answer), &log)?);
    let by_query = || -> Result<Vec<f64>> {
        let ask = words(["ask", endpoint], &much);
        figures(&Process::start_to_tell("asker", &mut site.lab(Machine::A, ask))?.told(PATIENCE)?)
    };
    over_bridge().with_context(|| log.last().unwrap_or_default())?;
    let mut rounds = [Vec::new(), Vec::new()];
    for round in 0..bench.rounds {
        for turn in 0..rounds.len() {
            let subject = (turn + round as usize) % rounds.len();
            let mut figures = if subject == 0 { over_bridge()? } else { by_query()? };
            // The first ones come while processors and caches wake.
            let figures = figures.split_off(figures.len() / 10);
            ensure!(!figures.is_empty(), "too few messages");
            rounds[subject].push(Summary::of(&figures).median / 1e3);
        }
    }
    println!("{messages} messages of {length} bytes, one at a time, {} rounds; medians of each round", bench.rounds);
    for (name, rounds) in ["bridge, there and back", "query of Zenoh and its answer"].iter().zip(&rounds) {
        let Summary { median, min, max } = Summary::of(rounds);
        println!("{name:<32}{median:>8.1} us  ({min:.1} to {max:.1})");
    }
    let Summary { median, min, max } = Summary::of_ratios(&rounds[0], &rounds[1]);
    println!("bridge / query                  {median:>8.2}  ({min:.2} to {max:.2})");
    Ok(())
}

fn idle(bench: &Bench, length: Duration) -> Result<()> {
    let bridged = Bridged::new(bench, Way::ToReceiver, 1 << 16)?;
    let (site, log) = (&bridged.site, Log::new()?);
    let much = much(1, 64);
    // One message makes ring B.
    let mut pop = site.lab(Machine::B, words(["pop", &site.rings[1]], &much));
    let pop = Process::start_to_tell("consumer", &mut pop)?;
    Process::start("producer", &mut site.lab(Machine::A, words(["push", &site.rings[0]], &much)), &log)?
        .end_within(PATIENCE)?;
    pop.told(PATIENCE)?;
    let hold = |machine, ring: &str, side| {
        Process::start(side, &mut site.lab(machine, words(["hold", ring, side], &[])), &log)
    };
    let _held = [hold(Machine::A, &site.rings[0], "producer")?, hold(Machine::B, &site.rings[1], "consumer")?];
    println!("idle for {} s, {} rounds; percent of a processor", length.as_secs(), bench.rounds);
    let mut shares = [Vec::new(), Vec::new()];
    for _ in 0..bench.rounds {
        thread::sleep(Duration::from_secs(2));
        let before = [bridged.sender.processor_time()?, bridged.receiver.processor_time()?];
        thread::sleep(length);
        let after = [bridged.sender.processor_time()?, bridged.receiver.processor_time()?];
        for side in 0..2 {
            let used = after[side].saturating_sub(before[side]);
            shares[side].push(100.0 * used.as_secs_f64() / length.as_secs_f64());
        }
    }
    for (name, shares) in ["sender", "receiver"].iter().zip(&shares) {
        let Summary { median, min, max } = Summary::of(shares);
        println!("{name:<32}{median:>8.3}  ({min:.3} to {max:.3})");
    }
    Ok(())
}
