//! What looking costs a ring at full speed: rounds with and without each verb, in turn.
//!
//! Two threads keep a ring busy on a processor each, and a child runs the verb. Machines are noisy: what counts is the
//! ratio of the two windows of a round, which follow each other.

use std::process::{Child, Command, Stdio, id};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use ringmain::Options;
use ringmain::inspect::Inspection;
use ringmain_measure::{Summary, pin, two};

/// Measure what looking costs a ring at full speed
#[derive(Debug, Parser)]
struct Cost {
    /// How many pairs of windows for each verb and ring
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many milliseconds a window has; 'ls' and 'stat' run once in each
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(2..))]
    window: u64,
    /// What Cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// A way to look at a ring.
#[derive(Clone, Copy, Debug)]
struct Verb {
    title: &'static str,
    arguments: &'static [&'static str],
    /// Whether it goes on until it is ended.
    is_endless: bool,
}

/// Nothing is there to show what the noise is.
const VERBS: [Verb; 5] = [
    Verb { title: "nothing", arguments: &[], is_endless: true },
    Verb { title: "ls, once per window", arguments: &["ls"], is_endless: false },
    Verb { title: "stat, once per window", arguments: &["stat", "NAME", "--interval", "WINDOW"], is_endless: false },
    Verb { title: "watch", arguments: &["watch", "NAME"], is_endless: true },
    Verb { title: "tap --follow", arguments: &["tap", "NAME", "--follow"], is_endless: true },
];

/// How long a child has to start before its window begins.
const START: Duration = Duration::from_millis(100);

fn main() -> Result<()> {
    let (arguments, name) = (&Cost::parse(), format!("look-cost-{}", id()));
    println!("popped per second: millions of elements of a stream, megabytes of messages");
    println!("ring     verb                        without       with  with/without  min .. max");
    let stream = Options::new(&name).capacity(65_536).unlink_on_close(true);
    let (mut tx, mut rx) = (stream.stream_producer::<u64>()?, stream.stream_consumer::<u64>()?);
    let mut number = 0_u64;
    let push = || number = number.wrapping_add(u64::from(tx.push(number).is_ok()));
    let pop = || {
        let _ = rx.pop();
    };
    measure("stream", &name, arguments, push, pop)?;
    drop((tx, rx));

    let message = Options::new(&name).capacity(1 << 20).record_alignment(64).unlink_on_close(true);
    let (mut tx, mut rx) = (message.message_producer()?, message.message_consumer()?);
    let mut bytes = [0; 48];
    let push = || {
        let _ = tx.push(&[7; 48]);
    };
    let pop = || {
        let _ = rx.pop(&mut bytes);
    };
    measure("message", &name, arguments, push, pop)
}

/// Measures all verbs on one ring, which two threads keep busy by these calls.
fn measure(
    kind: &str,
    name: &str,
    arguments: &Cost,
    mut push: impl FnMut() + Send,
    mut pop: impl FnMut() + Send,
) -> Result<()> {
    let ring = Inspection::open(name)?;
    let ended = AtomicBool::new(false);
    let [first, second] = two()?;
    anyhow::ensure!(first != second, "two processors are needed; allow more by taskset");
    thread::scope(|scope| {
        scope.spawn(|| keep_busy(first, &ended, &mut push));
        scope.spawn(|| keep_busy(second, &ended, &mut pop));
        // However this ends, both threads must.
        let _ended = Ended(&ended);
        for verb in VERBS {
            let (mut without, mut with) = (Vec::new(), Vec::new());
            for round in 0..arguments.rounds {
                // Whatever gets faster or slower over time does so for both.
                for is_with in [round % 2 == 0, round % 2 != 0] {
                    let window = Duration::from_millis(arguments.window);
                    let rate = popped(&ring, is_with.then_some(verb), window)?;
                    if is_with { &mut with } else { &mut without }.push(rate);
                }
            }
            let Summary { median, min, max } = Summary::of_ratios(&with, &without);
            let [without, with] = [without, with].map(|rates| Summary::of(&rates).median / 1e6);
            let title = verb.title;
            println!("{kind:<7}  {title:<23}  {without:>10.1} {with:>10.1}  {median:>12.3}  {min:.3} .. {max:.3}");
        }
        Ok(())
    })
}

/// Returns how much was popped per second in one window, while the verb runs if there is one.
fn popped(ring: &Inspection, verb: Option<Verb>, window: Duration) -> Result<f64> {
    let child =
        || verb.filter(|verb| !verb.arguments.is_empty()).map(|verb| start(verb, ring.name(), window)).transpose();
    let is_endless = verb.is_some_and(|verb| verb.is_endless);
    let mut running = if is_endless { child()? } else { None };
    thread::sleep(START);
    let (before, begin) = (ring.positions()?.head, Instant::now());
    if !is_endless {
        running = child()?;
    }
    thread::sleep(window);
    let (after, seconds) = (ring.positions()?.head, begin.elapsed().as_secs_f64());
    if let Some(mut running) = running {
        if is_endless {
            anyhow::ensure!(running.0.try_wait()?.is_none(), "the verb has ended in its window");
        } else {
            anyhow::ensure!(running.0.wait()?.success(), "the verb has failed");
        }
    }
    Ok(after.wrapping_sub(before) as f64 / seconds)
}

fn start(verb: Verb, name: &str, window: Duration) -> Result<Running> {
    let argument = |argument: &&str| match *argument {
        "NAME" => name.to_owned(),
        // It is over before its window is.
        "WINDOW" => format!("{}ms", (window.as_millis() / 2).max(1)),
        other => other.to_owned(),
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    command.args(verb.arguments.iter().map(argument)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Running(command.spawn()?))
}

/// A child that is ended with its window.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tells the threads to end.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn keep_busy(processor: usize, ended: &AtomicBool, call: &mut impl FnMut()) {
    // If that is refused, the scheduler chooses.
    let _ = pin(processor);
    while !ended.load(Ordering::Relaxed) {
        for _ in 0..1000 {
            call();
        }
    }
}
