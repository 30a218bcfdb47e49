//! `ringmain write` and `ringmain read`, killed again and again in whatever they do, and started anew: put together by
//! the positions of the ring, what comes out is what went in.

mod shell;

use std::io::{Read, Write};
use std::process::{ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringmain::Role;
use ringmain::inspect::Inspection;
use rustix::process::Signal;
use serde_json::Value;
use shell::{Ring, Running, check, ringmain, run, wait_for};

/// How often an end is killed.
const KILLS: usize = 40;

/// What a killed reader repeats at most, in bytes: a piece, or that and a message.
const REPEATED: usize = (32 << 10) + 8;

/// How a ring divides what it carries.
#[derive(Clone, Copy, Debug)]
struct Division {
    framing: &'static str,
    /// How many positions of the ring a frame takes, and how many bytes it has outside.
    positions: u64,
    bytes: usize,
}

impl Division {
    fn bytes_at(self, position: u64) -> usize {
        assert_eq!(position % self.positions, 0, "{self:?}");
        (position / self.positions) as usize * self.bytes
    }
}

/// After so many bytes what is sent begins anew.
const PERIOD: usize = 8 * 131_071;

/// What is sent: numbered lines of eight bytes, twice.
static LINES: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..PERIOD / 8).map(|line| format!("{line:07}\n")).collect::<String>().repeat(2).into_bytes());

/// Returns what is sent from a byte on.
fn sent(start: usize, len: usize) -> &'static [u8] {
    &LINES[start % PERIOD..][..len]
}

/// A writer, and a thread that feeds it until it is killed or told to end.
struct Writer {
    process: Running,
    feeder: JoinHandle<()>,
    ends: Arc<AtomicBool>,
}

impl Writer {
    fn start(ring: &Ring, division: Division, from: usize) -> Writer {
        let arguments = ["write", ring.name(), "--framing", division.framing, "--capacity", "256K"];
        let mut process = Running::start(ringmain(&arguments).stdin(Stdio::piped()));
        let (stdin, ends) = (process.child().stdin.take().unwrap(), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&ends);
        Writer { process, feeder: thread::spawn(move || feed(stdin, from, &told)), ends }
    }

    fn kill(mut self) {
        self.process.kill();
        self.feeder.join().unwrap();
    }

    fn end(self) {
        self.ends.store(true, Ordering::Relaxed);
        self.feeder.join().unwrap();
        check(self.process, 0);
    }
}

fn feed(mut stdin: ChildStdin, mut from: usize, ends: &AtomicBool) {
    while !ends.load(Ordering::Relaxed) {
        let len = (64 << 10) - from % 8;
        if stdin.write_all(sent(from, len)).is_err() {
            return;
        }
        from += len;
        // Slower than both ends, whose kills take their time.
        thread::sleep(Duration::from_micros(200));
    }
}

/// A reader, and what it writes.
struct Reader {
    process: Running,
    output: JoinHandle<Vec<u8>>,
    /// Whether somebody takes that already.
    is_taken: Arc<AtomicBool>,
    /// Where in all that is sent it begins.
    at: usize,
}

impl Reader {
    /// Starts one that follows its writers, or one that ends with the last one. Where nobody takes what it writes, it
    /// is killed in the middle of a write as a rule.
    fn start(ring: &Ring, division: Division, follows: bool, is_taken: bool) -> Reader {
        // Nobody reads at this moment.
        let seen = Inspection::open(ring.name()).unwrap();
        let at = division.bytes_at(seen.positions().unwrap().head - seen.first_position());
        let more: &[&str] = if follows { &["--follow"] } else { &[] };
        let arguments = [&["read", ring.name(), "--framing", division.framing], more].concat();
        let mut process = Running::start(&mut ringmain(&arguments));
        let mut stdout = process.child().stdout.take().unwrap();
        let is_taken = Arc::new(AtomicBool::new(is_taken));
        let taken = Arc::clone(&is_taken);
        let collect = move || {
            while !taken.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_micros(100));
            }
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).unwrap();
            bytes
        };
        Reader { process, output: thread::spawn(collect), is_taken, at }
    }

    /// Puts what it has written where it belongs.
    #[track_caller]
    fn put(self, received: &mut Vec<u8>) {
        self.is_taken.store(true, Ordering::Relaxed);
        let bytes = self.output.join().unwrap();
        assert!(self.at <= received.len(), "{} bytes are lost", self.at - received.len());
        assert!(received.len() - self.at <= REPEATED, "{} bytes are repeated", received.len() - self.at);
        let again = received.len() - self.at;
        assert!(received[self.at..].iter().zip(&bytes).all(|(one, other)| one == other), "a repetition differs");
        received.extend(bytes.iter().skip(again));
    }
}

/// Returns where in all that is sent the ring ends, whose writer is gone.
fn end_of(ring: &Ring, division: Division) -> usize {
    let (text, _) = run(&["stat", ring.name(), "--json", "-o", "head,used,first-position"], 0);
    let stat: Value = serde_json::from_slice(&text).unwrap();
    let [head, used, first] = ["head", "used", "first-position"].map(|key| stat[key].as_u64().unwrap());
    division.bytes_at(head + used - first)
}

#[track_caller]
fn check_restarts(division: Division) {
    let ring = Ring::new();
    let mut random = fastrand::Rng::with_seed(1);
    let mut writer = Writer::start(&ring, division, 0);
    wait_for("the ring", || Inspection::open(ring.name()).ok());
    let (mut reader, mut received) = (Reader::start(&ring, division, true, true), Vec::new());
    for _ in 0..KILLS {
        thread::sleep(Duration::from_micros(random.u64(1_000..15_000)));
        if random.bool() {
            reader.process.kill();
            reader.put(&mut received);
            reader = Reader::start(&ring, division, true, random.bool());
        } else {
            writer.kill();
            // What is left behind a tail is counted while nobody takes it.
            reader.process.signal(Signal::STOP);
            writer = Writer::start(&ring, division, end_of(&ring, division));
            reader.process.signal(Signal::CONT);
        }
    }
    reader.process.kill();
    reader.put(&mut received);
    // The last one ends with its writer.
    let mut last = Reader::start(&ring, division, false, true);
    ring.await_holder(Role::Consumer);
    writer.end();
    assert_eq!(last.process.end().code(), Some(0));
    last.put(&mut received);
    let end = end_of(&ring, division);
    assert!(end > 64 << 10, "{end} bytes are too few");
    assert_eq!(received.len(), end, "{division:?}");
    for (part, bytes) in received.chunks(PERIOD).enumerate() {
        assert!(bytes == sent(0, bytes.len()), "{division:?}, part {part}");
    }
}

#[test]
fn either_end_may_be_killed_and_all_comes_by_its_position() {
    for (framing, positions, bytes) in [("bytes", 1, 1), ("fixed:8", 1, 8), ("lines", 16, 8)] {
        check_restarts(Division { framing, positions, bytes });
    }
}
