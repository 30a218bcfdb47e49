//! What a bridge counts, and how it shows that: in a file in the format of OpenMetrics, and as lines of progress.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use ringmain::inspect::Inspection;

use crate::say::say;

/// When to show progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// Where stderr is a terminal
    Auto,
    /// Always
    Always,
    /// Not at all
    Never,
}

/// What is shown.
#[derive(Clone, Debug, Args)]
pub struct Shown {
    /// Whether to show how much was moved, a line per second on stderr
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    #[arg(default_missing_value = "always", num_args = 0..=1, require_equals = true)]
    pub progress: When,
    /// Write what is counted to this file, once per second, in the format of OpenMetrics
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
}

/// A side of the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one at ring A.
    Send,
    /// The one at ring B.
    Receive,
}

/// What is counted. Each number has one writer, or is added to.
#[derive(Debug)]
pub struct Metrics {
    side: Side,
    ring: String,
    start: Instant,
    /// Batches that were answered, or pushed.
    pub batches: AtomicU64,
    /// Their records' bytes.
    pub bytes: AtomicU64,
    /// Up to where all was given back, or pushed.
    pub position: AtomicU64,
    /// Whether the last query had an answer, or whether a query came within ten seconds.
    pub connected: AtomicU64,
    /// Batches that were sent again.
    pub retries: AtomicU64,
    /// Queries that ended without an answer.
    pub timeouts: AtomicU64,
    /// Queries that were refused.
    pub refusals: AtomicU64,
    /// Batches under way.
    pub in_flight: AtomicU64,
    /// When the oldest batch under way was sent, in microseconds from the start; 0 if there is none.
    pub oldest: AtomicU64,
    /// Batches that had been pushed before.
    pub duplicates: AtomicU64,
    /// Batches after which something is missing.
    pub gaps: AtomicU64,
    /// Batches of which nothing or a part found room in time.
    pub partial: AtomicU64,
    /// Queries that wait for room.
    pub waiting: AtomicU64,
    /// The ring that is sent.
    watched: Mutex<Option<Watched>>,
}

/// A ring that is sent, whatever its name stands for by now.
#[derive(Debug)]
struct Watched {
    ring: Inspection,
    /// At which position the sender was when something was seen that had not arrived, and when that was.
    behind: Option<(u64, Instant)>,
}

impl Watched {
    /// Returns how much the ring has that has not arrived, and for how long that has been seen, if the sender stands at
    /// `position`.
    fn lag(&mut self, position: u64) -> Option<(u64, Duration)> {
        let tail = self.ring.positions().ok()?.tail;
        self.behind = match self.behind {
            _ if position == tail => None,
            Some((before, since)) if before == position => Some((before, since)),
            _ => Some((position, Instant::now())),
        };
        Some((tail.wrapping_sub(position), self.behind.map_or(Duration::ZERO, |(_, since)| since.elapsed())))
    }
}

impl Metrics {
    /// Begins to count what goes through a ring.
    #[must_use]
    pub fn new(side: Side, ring: &str) -> Metrics {
        let zero = AtomicU64::default;
        Metrics {
            side,
            ring: ring.to_owned(),
            start: Instant::now(),
            batches: zero(),
            bytes: zero(),
            position: zero(),
            connected: zero(),
            retries: zero(),
            timeouts: zero(),
            refusals: zero(),
            in_flight: zero(),
            oldest: zero(),
            duplicates: zero(),
            gaps: zero(),
            partial: zero(),
            waiting: zero(),
            watched: Mutex::default(),
        }
    }

    /// Returns the name of the ring.
    #[must_use]
    pub fn ring(&self) -> &str {
        &self.ring
    }

    /// Counts a batch of so many bytes.
    pub fn moved(&self, bytes: usize) {
        self.batches.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Notes what is under way.
    pub fn under_way(&self, batches: usize, oldest: Option<Instant>) {
        self.in_flight.store(batches as u64, Relaxed);
        let since = oldest.map_or(0, |at| at.duration_since(self.start).as_micros().max(1) as u64);
        self.oldest.store(since, Relaxed);
    }

    /// Measures from here on how far the sender is behind this ring; `None` if it has none.
    pub fn watch(&self, ring: Option<Inspection>) {
        *self.watched() = ring.map(|ring| Watched { ring, behind: None });
    }

    fn watched(&self) -> MutexGuard<'_, Option<Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns all of it in the format of OpenMetrics.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut row = |kind: &str, name: &str, help: &str, value: String| {
            let suffix = if kind == "counter" { "_total" } else { "" };
            let _ = writeln!(text, "# TYPE ringmain_bridge_{name} {kind}\n# HELP ringmain_bridge_{name} {help}");
            let _ = writeln!(text, "ringmain_bridge_{name}{suffix}{{ring=\"{}\"}} {value}", self.ring);
        };
        let of = |number: &AtomicU64| number.load(Relaxed).to_string();
        let position = self.position.load(Relaxed);
        row("counter", "batches", "Batches of records that arrived.", of(&self.batches));
        row("counter", "bytes", "Bytes of records that arrived.", of(&self.bytes));
        row("counter", "refusals", "Queries that were refused.", of(&self.refusals));
        row("gauge", "position", "Where this side of the bridge is in its ring.", position.to_string());
        row("gauge", "connected", "Whether the other side was heard of lately.", of(&self.connected));
        match self.side {
            Side::Send => {
                let lag = self.watched().as_mut().and_then(|watched| watched.lag(position));
                let oldest = match self.oldest.load(Relaxed) {
                    0 => Duration::ZERO,
                    oldest => self.start.elapsed().saturating_sub(Duration::from_micros(oldest)),
                };
                let age = oldest.max(lag.map_or(Duration::ZERO, |(_, behind)| behind));
                let seconds = format!("{:.6}", age.as_secs_f64());
                row("counter", "retries", "Batches that were sent again.", of(&self.retries));
                row("counter", "timeouts", "Queries that ended without an answer.", of(&self.timeouts));
                row("gauge", "in_flight", "Batches that have no answer yet.", of(&self.in_flight));
                let help = "For how long nothing has arrived while there is something that has not.";
                row("gauge", "lag_seconds", help, seconds);
                if let Some((lag, _)) = lag {
                    row("gauge", "lag_positions", "What the ring holds that has not arrived.", lag.to_string());
                }
            }
            Side::Receive => {
                row("counter", "duplicates", "Batches that had been pushed before.", of(&self.duplicates));
                row("counter", "gaps", "Batches that came before what is to be pushed first.", of(&self.gaps));
                row("counter", "partial", "Batches that did not fit as a whole in time.", of(&self.partial));
                row("gauge", "waiting", "Queries that wait for room in the ring.", of(&self.waiting));
            }
        }
        text.push_str("# EOF\n");
        text
    }
}

/// Shows what is counted, once per second.
#[derive(Debug)]
pub struct Reporter {
    file: Option<PathBuf>,
    shows: bool,
    is_terminal: bool,
    was_refused: bool,
}

impl Reporter {
    /// Begins to show.
    #[must_use]
    pub fn new(shown: &Shown) -> Reporter {
        let is_terminal = io::stderr().is_terminal();
        let shows = shown.progress == When::Always || shown.progress == When::Auto && is_terminal;
        Reporter { file: shown.metrics.clone(), shows, is_terminal, was_refused: false }
    }

    /// Shows what is counted by now.
    pub fn show(&mut self, metrics: &Metrics) {
        if self.shows {
            let seconds = metrics.start.elapsed().as_secs_f64();
            let bytes = metrics.bytes.load(Relaxed);
            let rate = readable(bytes as f64 / seconds.max(1e-9));
            let line = format!("{}: {} in {seconds:.1} s, {rate}/s", metrics.ring, readable(bytes as f64));
            // A terminal shows one line, which is written over.
            let (before, after) = if self.is_terminal { ("\r\x1b[K", "") } else { ("", "\n") };
            let _ = write!(io::stderr(), "{before}{line}{after}");
        }
        let Some(file) = &self.file else { return };
        match replace(file, &metrics.text()) {
            Ok(()) => self.was_refused = false,
            Err(_) if self.was_refused => {}
            Err(error) => {
                self.was_refused = true;
                say(&format!("cannot write {}: {error}", file.display()));
            }
        }
    }
}

/// Writes a file as a whole: whoever reads it sees the old one or the new one.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}", process::id()));
    let new = PathBuf::from(name);
    fs::write(&new, text)?;
    fs::rename(&new, file)
}

/// Writes a number of bytes as people read it.
fn readable(bytes: f64) -> String {
    let (mut number, mut units) = (bytes, ["B", "KiB", "MiB", "GiB", "TiB"].into_iter());
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if number < 1024.0 {
            break;
        }
        (number, unit) = (number / 1024.0, larger);
    }
    if unit == "B" { format!("{number:.0} B") } else { format!("{number:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use ringmain::Options;

    use super::*;

    #[test]
    fn bytes_are_readable() {
        assert_eq!([0.0, 1023.0, 1024.0, 1.5 * 1048576.0].map(readable), ["0 B", "1023 B", "1.0 KiB", "1.5 MiB"]);
    }

    #[test]
    fn what_does_not_arrive_grows_old_whatever_is_tried_and_whatever_becomes_of_its_name() {
        let name = format!("bridge-metrics-{}", process::id());
        let options = Options::new(&name).capacity(8);
        let mut tx = options.stream_producer::<u8>().unwrap();
        let metrics = Metrics::new(Side::Send, &name);
        metrics.watch(Some(Inspection::open(&name).unwrap()));
        ringmain::unlink(&name).unwrap();
        // Another ring, whose positions are its own.
        let other = options.start_at(1 << 20).stream_producer::<u8>().unwrap();
        let lag = |position| metrics.watched().as_mut().unwrap().lag(position).unwrap();
        let pause = Duration::from_millis(5);
        assert_eq!(lag(0), (0, Duration::ZERO));
        let mut push = |tail| {
            tx.push(7).unwrap();
            assert_eq!(tx.position(), tail);
        };
        push(1);
        assert_eq!(lag(0).0, 1);
        push(2);
        std::thread::sleep(pause);
        assert!(lag(0) >= (2, pause));
        let row = |value| format!("ringmain_bridge_lag_positions{{ring=\"{name}\"}} {value}\n");
        assert!(metrics.text().contains(&row(2)), "{}", metrics.text());
        // Some has arrived, then all of it.
        lag(1);
        std::thread::sleep(pause);
        assert!(lag(1).1 >= pause);
        assert_eq!(lag(2), (0, Duration::ZERO));
        metrics.watch(None);
        assert!(!metrics.text().contains("lag_positions"));
        drop(other);
        ringmain::unlink(&name).unwrap();
    }

    #[test]
    fn every_row_has_a_type_a_help_and_a_value() {
        for side in [Side::Send, Side::Receive] {
            let metrics = Metrics::new(side, "no-such-ring");
            metrics.moved(7);
            metrics.under_way(1, Some(Instant::now()));
            let text = metrics.text();
            assert!(text.contains("ringmain_bridge_bytes_total{ring=\"no-such-ring\"} 7\n"), "{text}");
            let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
            assert_eq!((count("# TYPE"), count("# HELP")), (count("ringmain_bridge_"), count("ringmain_bridge_")));
            assert!(text.ends_with("# EOF\n"));
        }
    }
}
