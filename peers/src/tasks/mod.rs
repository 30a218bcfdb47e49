//! Tasks at both ends: the same work by tokio over ringmain's rings and over a socket of tokio's, in two processes with
//! a runtime of one thread each. Values of 64 bytes.

mod lines;

use std::error::Error;
use std::fmt::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use ringmain::Wait;
use ringmain_measure::{Channel, Summary, again, pin, two};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, spawn_local};

use self::lines::{Descriptors, GATHERED, Gathered, Kind, Line, Messages, Socket, Streams, rings};
use crate::work::name;

/// Values before those that are timed.
const WARM_UP: u64 = 500;

#[derive(Args)]
pub(crate) struct Arguments {
    /// How many rounds: each measures every line once.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Which tests to run; all by default.
    #[arg(long, value_delimiter = ',')]
    test: Vec<Test>,
    /// Which lines to measure beside tokio's socket; all by default.
    #[arg(long, value_delimiter = ',')]
    line: Vec<Kind>,
    /// Round trips per second, in `paced`.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    /// Measures a hundredth of what is measured otherwise.
    #[arg(long)]
    quick: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Test {
    /// A value there and back, one after the other; nanoseconds.
    Rtt,
    /// A value there and back, so many a second, so that both ends sleep before each; nanoseconds, of which half of the
    /// values take less, and 99 of 100.
    Paced,
    /// One value after the other in one direction; values per second.
    Flow,
    /// Nothing for a second; nanoseconds of processor that the process uses that waits.
    Idle,
}

impl Test {
    /// What a figure of it is called.
    fn figures(self) -> &'static [&'static str] {
        match self {
            Test::Rtt => &["rtt, ns"],
            Test::Paced => &["paced p50, ns", "paced p99, ns"],
            Test::Flow => &["flow, values/s"],
            Test::Idle => &["idle, ns/s"],
        }
    }

    /// How many values are timed.
    fn count(self, kind: Kind, arguments: &Arguments) -> u64 {
        let is_socket = matches!(kind, Kind::Unix | Kind::UnixBuffered);
        let count = match self {
            Test::Rtt => 20_000,
            Test::Paced => arguments.rate,
            Test::Flow => {
                if is_socket {
                    1 << 20
                } else {
                    1 << 24
                }
            }
            Test::Idle => return if arguments.quick { 10 } else { 1000 },
        };
        if arguments.quick { count.div_ceil(100) } else { count }
    }
}

/// What the other process is told to do; the end of a socket comes with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Task {
    kind: Kind,
    test: Test,
    /// The name of the rings.
    ring: String,
    /// Values that are timed; milliseconds in which there are none.
    count: u64,
    rate: u64,
}

/// The figures of a process, if it has any.
type Figures = Vec<f64>;

/// Does a process's part: the first one's, or the other one's.
async fn take_part(task: &Task, line: &mut impl Line, is_first: bool) -> Result<Figures, Box<dyn Error>> {
    let total = WARM_UP + task.count;
    match (task.test, is_first) {
        (Test::Rtt | Test::Paced, true) => ping(task, line).await,
        (Test::Rtt | Test::Paced, false) => {
            for _ in 0..total {
                let number = line.receive().await?;
                line.send(number).await?;
                line.flush().await?;
            }
            Ok(Vec::new())
        }
        (Test::Flow, true) => {
            for number in 0..total {
                line.send(number).await?;
            }
            line.flush().await?;
            Ok(Vec::new())
        }
        (Test::Flow, false) => {
            for number in 0..WARM_UP {
                check(line.receive().await?, number)?;
            }
            let start = Instant::now();
            for number in WARM_UP..total {
                check(line.receive().await?, number)?;
            }
            Ok(vec![task.count as f64 / start.elapsed().as_secs_f64()])
        }
        (Test::Idle, true) => {
            for number in 0..2 {
                line.send(number).await?;
                line.flush().await?;
                thread::sleep(Duration::from_millis(task.count));
            }
            Ok(Vec::new())
        }
        (Test::Idle, false) => {
            check(line.receive().await?, 0)?;
            let before = used();
            check(line.receive().await?, 1)?;
            Ok(vec![(used() - before).as_nanos() as f64 * 1000.0 / task.count as f64])
        }
    }
}

/// Sends values and has them sent back, at once or by a clock.
async fn ping(task: &Task, line: &mut impl Line) -> Result<Figures, Box<dyn Error>> {
    let interval = (task.test == Test::Paced).then(|| Duration::from_nanos(1_000_000_000 / task.rate));
    let mut times = Vec::with_capacity(task.count as usize);
    let (mut start, mut due) = (Instant::now(), Instant::now());
    for number in 0..WARM_UP + task.count {
        if number == WARM_UP {
            start = Instant::now();
        }
        let mut sent = start;
        if let Some(interval) = interval {
            due += interval;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            sent = Instant::now();
        }
        line.send(number).await?;
        line.flush().await?;
        check(line.receive().await?, number)?;
        if interval.is_some() && number >= WARM_UP {
            times.push(sent.elapsed().as_nanos() as f64);
        }
    }
    if interval.is_none() {
        return Ok(vec![start.elapsed().as_nanos() as f64 / task.count as f64]);
    }
    times.sort_by(f64::total_cmp);
    Ok([50, 99].map(|percent| quantile(&times, percent)).to_vec())
}

/// Returns the least of some times, in order, that so many of a hundred do not exceed.
fn quantile(times: &[f64], percent: usize) -> f64 {
    times[(times.len() * percent).div_ceil(100) - 1]
}

fn check(came: u64, expected: u64) -> Result<(), String> {
    if came == expected { Ok(()) } else { Err(format!("value {came} came, expected {expected}")) }
}

/// Returns how much processor this process has used.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Opens this process's end of a line, says so, and does its part.
fn run(
    task: &Task,
    is_first: bool,
    socket: Option<OwnedFd>,
    say: impl FnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<Figures, Box<dyn Error>> {
    let socket = || socket.map(UnixStream::from).ok_or("no socket has come with the task");
    let rings = rings(&task.ring, is_first);
    let runtime = Builder::new_current_thread().enable_io().build()?;
    // Sockets become those of the runtime. Drivers are started by this thread, and run where it does.
    let _context = runtime.enter();
    match task.kind {
        Kind::Unix => go(&runtime, task, is_first, say, Socket::plain(socket()?)?),
        Kind::UnixBuffered => go(&runtime, task, is_first, say, Socket::buffered(socket()?)?),
        Kind::Stream => go(&runtime, task, is_first, say, Streams::attach(rings, Wait::default())?),
        Kind::StreamBuffered => go(&runtime, task, is_first, say, Gathered::attach(rings, 0)?),
        Kind::StreamBothBuffered => go(&runtime, task, is_first, say, Gathered::attach(rings, GATHERED)?),
        Kind::StreamPark => go(&runtime, task, is_first, say, Streams::attach(rings, Wait::Park)?),
        Kind::StreamDescriptor => go(&runtime, task, is_first, say, Descriptors::attach(rings, Wait::default())?),
        Kind::StreamDescriptorPark => go(&runtime, task, is_first, say, Descriptors::attach(rings, Wait::Park)?),
        Kind::Message => go(&runtime, task, is_first, say, Messages::attach(rings)?),
    }
}

/// The steps behind the opening.
fn go(
    runtime: &Runtime,
    task: &Task,
    is_first: bool,
    say: impl FnOnce() -> Result<(), Box<dyn Error>>,
    mut line: impl Line + 'static,
) -> Result<Figures, Box<dyn Error>> {
    say()?;
    let task = task.clone();
    // What a runtime polls that is no task of its own, it wakes by a system call, even when that yields.
    let part = async move { take_part(&task, &mut line, is_first).await };
    let tasks = LocalSet::new();
    tasks.block_on(runtime, async { spawn_local(part).await? })
}

/// The name under which this program is the other process of a test with tasks.
pub(crate) const WORKER: &str = "peers-tasks";

/// What the other process tells when it has come so far.
type Reply = Result<Figures, String>;

fn reply(channel: &Channel) -> Result<Figures, Box<dyn Error>> {
    let (reply, _) = channel.receive::<Reply>()?.ok_or("the other process has ended")?;
    Ok(reply?)
}

/// Runs the other process until its channel closes.
pub(crate) fn run_worker() -> Result<(), Box<dyn Error>> {
    let channel = Channel::from_stdin()?;
    let Some((processor, _)) = channel.receive()? else { return Ok(()) };
    pin(processor)?;
    while let Some((task, mut sockets)) = channel.receive::<Task>()? {
        let say = || Ok(channel.send(&Reply::Ok(Vec::new()), &[])?);
        let figures = run(&task, false, sockets.pop(), say).map_err(|error| error.to_string());
        channel.send(&figures, &[])?;
    }
    Ok(())
}

/// Measures once.
fn measure(channel: &Channel, task: &Task) -> Result<Figures, Box<dyn Error>> {
    let (ours, theirs) = UnixStream::pair()?;
    let say = || {
        channel.send(task, &[theirs.into()])?;
        reply(channel).map(drop)
    };
    let ours = run(task, true, Some(ours.into()), say)?;
    let theirs = reply(channel)?;
    Ok(if ours.is_empty() { theirs } else { ours })
}

/// All rounds of a line in a test.
struct Row {
    test: Test,
    kind: Kind,
    rounds: Vec<Figures>,
}

impl Row {
    /// Returns one figure of all rounds.
    fn values(&self, figure: usize) -> Vec<f64> {
        self.rounds.iter().map(|figures| figures[figure]).collect()
    }
}

/// Measures and prints.
pub(crate) fn compare(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let tests = if arguments.test.is_empty() { Test::value_variants() } else { &arguments.test };
    let kinds = if arguments.line.is_empty() { Kind::value_variants() } else { &arguments.line };
    let others = kinds.iter().filter(|kind| **kind != Kind::Unix);
    let kinds: Vec<Kind> = [Kind::Unix].into_iter().chain(others.copied()).collect();
    let new = |test, kind| Row { test, kind, rounds: Vec::new() };
    let mut rows: Vec<Row> = tests.iter().flat_map(|test| kinds.iter().map(move |kind| new(*test, *kind))).collect();
    let processors = two()?;
    pin(processors[0])?;
    let (mut child, channel) = Channel::start(again(WORKER), &processors[1])?;
    let len = rows.len();
    for round in 0..arguments.rounds as usize {
        // Whoever goes first has the colder caches: take turns.
        for at in 0..len {
            let row = &mut rows[(at + round) % len];
            let ring = format!("peers-{}-{round}-{at}", std::process::id());
            let count = row.test.count(row.kind, arguments);
            let task = Task { kind: row.kind, test: row.test, ring, count, rate: arguments.rate };
            row.rounds.push(measure(&channel, &task).map_err(|error| format!("{task:?}: {error}"))?);
        }
        eprint!("\rround {} of {}", round + 1, arguments.rounds);
    }
    eprintln!();
    drop(channel);
    let status = child.wait()?;
    if !status.success() {
        return Err(format!("the other process ended with {status}").into());
    }
    if arguments.json {
        println!("{}", to_json(&rows, processors));
    } else {
        print!("{}", text(&rows, arguments, processors));
    }
    Ok(())
}

/// Each figure of each row, with those of the socket in the same rounds.
fn figures(rows: &[Row]) -> impl Iterator<Item = (&Row, &'static str, Vec<f64>, Vec<f64>)> {
    rows.iter().flat_map(move |row| {
        let mut sockets = rows.iter().filter(|it| it.kind == Kind::Unix);
        let socket = sockets.find(|it| it.test == row.test).expect("it is always measured");
        let names = row.test.figures().iter().enumerate();
        names.map(move |(at, name)| (row, *name, row.values(at), socket.values(at)))
    })
}

fn text(rows: &[Row], arguments: &Arguments, processors: [usize; 2]) -> String {
    let mut text = format!(
        "{} interleaved rounds, processors {} and {}; values of 64 bytes, tokio's runtime of one thread at each end\n\
         unix: tokio's UnixStream with a buffered writer; paced: {} round trips a second\n\n\
         figure          line                         median  line/unix: median (lowest to highest)\n",
        arguments.rounds, processors[0], processors[1], arguments.rate,
    );
    for (row, figure, values, socket) in figures(rows) {
        let (median, ratio) = (Summary::of(&values).median, Summary::of_ratios(&values, &socket));
        let _ = writeln!(
            text,
            "{figure:<15} {:<22} {median:>12.0}  {:>7.3} ({:.3} to {:.3})",
            name(row.kind),
            ratio.median,
            ratio.min,
            ratio.max,
        );
    }
    text
}

fn to_json(rows: &[Row], processors: [usize; 2]) -> Json {
    let results: Vec<Json> = figures(rows)
        .map(|(row, figure, values, socket)| {
            json!({
                "figure": figure,
                "line": name(row.kind),
                "median": Summary::of(&values),
                "ratio": Summary::of_ratios(&values, &socket),
                "values": values,
            })
        })
        .collect();
    json!({ "processors": processors, "results": results })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_least_time_that_so_many_do_not_exceed() {
        let times: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!((quantile(&times, 50), quantile(&times, 99), quantile(&times, 100)), (100.0, 198.0, 200.0));
        assert_eq!((quantile(&[7.0], 50), quantile(&[7.0], 99)), (7.0, 7.0));
    }

    #[test]
    fn a_value_that_does_not_come_in_its_place_is_noticed() {
        assert_eq!(check(7, 7), Ok(()));
        assert!(check(8, 7).is_err());
    }
}
