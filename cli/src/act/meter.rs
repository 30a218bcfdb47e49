//! Shows on stderr how much was moved, and how fast. The path pays one addition for each piece.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// When to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    /// Where stderr is a terminal, and what is moved goes to none
    Auto,
    /// Always; a line per second where stderr is no terminal
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

impl Meter {
    /// Begins to count. `terminal` says whether what is moved comes from a terminal or goes to one.
    pub(super) fn start(when: When, terminal: bool) -> Meter {
        let bytes = Arc::new(AtomicU64::new(0));
        let is_bar = io::stderr().is_terminal();
        let shows = when == When::Always || when == When::Auto && is_bar && !terminal;
        let shown = shows.then(|| {
            let (end, ended) = mpsc::channel();
            let count = Arc::clone(&bytes);
            let show = move || if is_bar { bar(&count, &ended) } else { lines(&count, &ended) };
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

fn bar(bytes: &AtomicU64, ended: &mpsc::Receiver<()>) {
    const EVERY: Duration = Duration::from_millis(200);
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let bar = match ProgressStyle::with_template("{binary_bytes} {elapsed_precise} [{binary_bytes_per_sec}]") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        bar.set_position(bytes.load(Ordering::Relaxed));
        bar.tick();
    }
    bar.set_position(bytes.load(Ordering::Relaxed));
    bar.abandon();
}

fn lines(bytes: &AtomicU64, ended: &mpsc::Receiver<()>) {
    const EVERY: Duration = Duration::from_secs(1);
    let start = Instant::now();
    loop {
        let goes_on = ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout);
        let (count, seconds) = (bytes.load(Ordering::Relaxed), start.elapsed().as_secs_f64());
        let rate = ByteSize((count as f64 / seconds.max(1e-9)) as u64);
        eprintln!("{} in {seconds:.1} s, {}/s", ByteSize(count).display().iec(), rate.display().iec());
        if !goes_on {
            return;
        }
    }
}
