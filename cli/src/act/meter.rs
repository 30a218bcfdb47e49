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
use indicatif::{ProgressBar, ProgressStyle};

use crate::{bar, output};

/// When to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    /// Where stderr is a terminal that can be drawn on, and what is moved goes to none
    Auto,
    /// Always; a line per second where nothing can be drawn
    Always,
    /// Not at all
    Never,
}

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
            let count = Count { ring: ring.to_owned(), bytes: Arc::clone(&bytes), size, start: Instant::now(), ended };
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
        const MOVED: &str = "{prefix}: {binary_bytes} {elapsed_precise} [{binary_bytes_per_sec}]";
        // Nothing is drawn before it has its style.
        let bar = ProgressBar::with_draw_target(self.size, bar::target()).with_prefix(self.ring.clone());
        let rest = if self.size.is_some() { " [{wide_bar}] {percent}% ETA {eta_precise}" } else { "" };
        let bar = match ProgressStyle::with_template(&format!("{MOVED}{rest}")) {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        };
        let mut goes_on = true;
        while goes_on {
            goes_on = self.goes_on(EVERY);
            bar.set_position(self.bytes.load(Ordering::Relaxed));
            bar.tick();
        }
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
