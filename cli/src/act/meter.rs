//! Shows on stderr how much was moved, and how fast. The path pays one addition for each piece.

use std::io::IsTerminal;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use clap::ValueEnum;
use indicatif::{BinaryBytes, FormattedDuration, ProgressState};

use crate::bar::{self, Bar};
use crate::output;

/// When to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    /// After a second, where stderr is a terminal that can be drawn on, and what is moved goes to none
    Auto,
    /// Always; a line per second where nothing can be drawn
    Always,
    /// Not at all
    Never,
}

/// How long something takes that has a bar unasked: what is over sooner needs none, and has its own words alone.
const PATIENCE: Duration = Duration::from_secs(1);

/// Counts what is moved.
#[derive(Debug)]
pub(super) struct Meter {
    bytes: Arc<AtomicU64>,
    shown: Option<Shown>,
}

/// A thread that shows the count until its sender is gone.
#[derive(Debug)]
struct Shown {
    end: Sender<()>,
    thread: JoinHandle<()>,
}

/// What a thread shows.
struct Count {
    ring: String,
    bytes: Arc<AtomicU64>,
    /// How many bytes there are to move, where that is known.
    size: Option<u64>,
    start: Instant,
    /// How long something takes at least that has a bar, where there is such a bound.
    patience: Option<Duration>,
    ended: mpsc::Receiver<()>,
}

impl Meter {
    /// Begins to count what goes through a ring, to `other` or from it, of which there are `size` bytes where that is
    /// known.
    pub(super) fn start(when: When, ring: &str, other: BorrowedFd<'_>, size: Option<u64>) -> Meter {
        let bytes = Arc::new(AtomicU64::new(0));
        let is_bar = bar::can_be_drawn();
        let shows = when == When::Always || when == When::Auto && is_bar && !other.is_terminal();
        let shown = shows.then(|| {
            let (end, ended) = mpsc::channel();
            let size = size.filter(|&size| size > 0);
            let patience = (when == When::Auto).then_some(PATIENCE);
            let (ring, bytes, start) = (ring.to_owned(), Arc::clone(&bytes), Instant::now());
            let count = Count { ring, bytes, size, start, patience, ended };
            let show = move || if is_bar { count.bar() } else { count.lines() };
            Shown { end, thread: thread::spawn(show) }
        });
        Meter { bytes, shown }
    }

    /// Counts bytes that were moved.
    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(Shown { end, thread }) = self.shown.take() {
            drop(end);
            // What it could not show is no reason to fail.
            let _ = thread.join();
        }
    }
}

impl Count {
    /// Waits, and returns whether it goes on.
    fn goes_on(&self, time: Duration) -> bool {
        self.ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
    }

    fn bar(&self) {
        const EVERY: Duration = Duration::from_millis(200);
        let bar = Bar::new(self.size, &self.ring, facts);
        if self.patience.is_some_and(|patience| !self.goes_on(patience)) {
            return;
        }
        let mut goes_on = true;
        while goes_on {
            bar.set_position(self.bytes.load(Ordering::Relaxed));
            bar.tick();
            goes_on = self.goes_on(EVERY);
        }
        bar.set_position(self.bytes.load(Ordering::Relaxed));
        bar.abandon();
    }

    fn lines(&self) {
        const EVERY: Duration = Duration::from_secs(1);
        let mut goes_on = true;
        while goes_on {
            goes_on = self.goes_on(EVERY);
            let seconds = self.start.elapsed().as_secs_f64();
            let text = line(&self.ring, self.bytes.load(Ordering::Relaxed), self.size, seconds);
            if bar::is_in_front() {
                output::say(&text);
            }
        }
    }
}

/// What was moved, in which time, how fast, which part of what is known to come, and when the rest will be there.
fn facts(state: &ProgressState) -> Vec<(u8, String)> {
    let mut facts = vec![
        (0, BinaryBytes(state.pos()).to_string()),
        (4, FormattedDuration(state.elapsed()).to_string()),
        (3, format!("[{}/s]", BinaryBytes(state.per_sec() as u64))),
    ];
    if state.len().is_some() {
        facts.push((1, format!("{:.0}%", state.fraction() * 100.0)));
        facts.push((2, format!("ETA {}", FormattedDuration(state.eta()))));
    }
    facts
}

fn line(ring: &str, bytes: u64, size: Option<u64>, seconds: f64) -> String {
    let rate = bytes as f64 / seconds.max(1e-9);
    let [moved, speed] = [bytes, rate as u64].map(|bytes| ByteSize(bytes).display().iec());
    let rest = size.map(|size| {
        let (part, left) = (bytes as f64 * 100.0 / size as f64, size.saturating_sub(bytes) as f64 / rate.max(1e-9));
        // Nothing is known before the first bytes.
        if bytes == 0 { ", 0 %".to_owned() } else { format!(", {part:.0} %, {left:.0} s left") }
    });
    format!("{ring}: {moved} in {seconds:.1} s, {speed}/s{}\n", rest.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_left_where_that_is_known() {
        assert_eq!(line("x", 4096, None, 2.0), "x: 4.0 KiB in 2.0 s, 2.0 KiB/s\n");
        assert_eq!(line("x", 4096, Some(16384), 2.0), "x: 4.0 KiB in 2.0 s, 2.0 KiB/s, 25 %, 6 s left\n");
        assert_eq!(line("x", 0, Some(7), 0.0), "x: 0 B in 0.0 s, 0 B/s, 0 %\n");
    }
}
