//! `ringmain tap`: elements and messages as they pass.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use ringmain::inspect::{self, Inspection, Kind, Tapped};
use ringmain::{Corrupted, PeerState, Role};

use super::unit::{self, Format, Shape};
use super::{seen, terminal, units};
use crate::output::columns;
use crate::{output, words};

#[derive(Debug, clap::Args)]
pub(crate) struct Tap {
    /// The name of the ring
    name: String,
    /// How to print; bytes of a stream of bytes are printed together
    #[arg(long, value_enum, default_value = "hex")]
    format: Format,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Begin with what is pushed from now on, and go on as with --follow
    #[arg(long)]
    new: bool,
    /// End after this many elements or messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Go on with what comes, until the ring is removed
    #[arg(long, short)]
    follow: bool,
    /// How long to wait between two looks: 10ms, 0.5s, 2, 1m
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = units::parse_interval)]
    interval: Duration,
    /// How many elements or messages to print at each look of --follow, so that a busy ring is not slowed down
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    most: u64,
}

pub(super) fn run(arguments: &Tap) -> Result<()> {
    let ring = Inspection::open(&arguments.name).map_err(seen::explain)?;
    check(&ring)?;
    if let Err(corrupted) = ring.positions() {
        bail!(words::damaged(ring.name(), &corrupted));
    }
    let mut looks = Looks::new(&ring, arguments);
    let result = looks.run();
    looks.missed.tell(true);
    result
}

/// Ends a tap of what is no whole ring any more: it would print zeros.
fn check(ring: &Inspection) -> Result<()> {
    if ring.is_truncated()? {
        bail!(seen::truncated(ring.name()));
    }
    Ok(ring.check()?)
}

/// The looks at one ring.
struct Looks<'a> {
    ring: &'a Inspection,
    tap: inspect::Tap<'a>,
    /// Where those end that do not go on.
    end: Option<u64>,
    shape: Shape,
    interval: Duration,
    /// How many to print at each look.
    most: u64,
    /// How many are still to be printed.
    left: u64,
    has_printed: bool,
    missed: Missed,
    run: Run,
}

/// Why a look ended.
enum Looked {
    /// No more is there.
    Nothing,
    /// It may not print more.
    Most,
    /// No more is wanted.
    Enough,
}

impl<'a> Looks<'a> {
    fn new(ring: &'a Inspection, arguments: &Tap) -> Looks<'a> {
        let goes_on = arguments.follow || arguments.new;
        let (is_bytes, unit) = match ring.kind() {
            Kind::Stream { element_size, .. } => (element_size == 1, ["element", ""]),
            _ => (false, ["byte", " of records"]),
        };
        Looks {
            ring,
            tap: if arguments.new { ring.tap_new() } else { ring.tap() },
            end: (!goes_on).then(|| end(ring)),
            shape: Shape::new(if arguments.json { Format::Json } else { arguments.format }, columns()),
            interval: arguments.interval,
            most: if goes_on { arguments.most } else { u64::MAX },
            left: arguments.count.unwrap_or(u64::MAX),
            has_printed: false,
            missed: Missed { name: ring.name().to_owned(), unit, count: 0, told: None },
            run: Run { is_bytes, start: 0, bytes: Vec::new() },
        }
    }

    fn run(&mut self) -> Result<()> {
        loop {
            check(self.ring)?;
            // Asked before the look, which finds whatever came before the end.
            let is_last = self.end.is_some() || self.is_over()?;
            let next = Instant::now() + self.interval;
            let mut text = String::new();
            let looked = self.look(&mut text);
            // Before what was seen is printed. What was seen before a failure of the ring is, too.
            check(self.ring)?;
            output::print(&text)?;
            match looked? {
                Looked::Enough => return Ok(()),
                Looked::Nothing if is_last => return Ok(()),
                Looked::Nothing | Looked::Most => {}
            }
            self.missed.tell(false);
            terminal::wait_for_reader_until(next)?;
        }
    }

    /// Writes what is there, as much as one look may.
    fn look(&mut self, text: &mut String) -> Result<Looked> {
        let (mut bytes, mut steps, mut misses) = (Vec::new(), 0, Misses::default());
        let looked = loop {
            if self.left == 0 {
                break Ok(Looked::Enough);
            }
            if steps == self.most {
                break Ok(Looked::Most);
            }
            steps += 1;
            let tapped = self.tap.next(&mut bytes);
            if self.end.is_some() && misses.are_enough(&tapped) {
                break Ok(Looked::Enough);
            }
            match tapped {
                Err(corrupted) => break Err(corrupted),
                Ok(Tapped::Nothing) => break Ok(Looked::Nothing),
                Ok(Tapped::Missed { count }) => self.miss(count),
                Ok(Tapped::Unit { position }) if self.end.is_some_and(|end| !is_before(position, end)) => {
                    break Ok(Looked::Enough);
                }
                Ok(Tapped::Unit { position }) => {
                    self.left -= 1;
                    self.has_printed = true;
                    self.run.push(text, self.shape, position, &bytes, self.tap.last_len());
                    if text.len() > CHUNK {
                        check(self.ring)?;
                        output::print(&std::mem::take(text))?;
                    }
                }
            }
        };
        self.run.flush(text, self.shape);
        looked.map_err(|corrupted| anyhow!(words::damaged(self.ring.name(), &corrupted)))
    }

    fn miss(&mut self, count: u64) {
        self.missed.count = self.missed.count.saturating_add(count);
        // What was there is gone before any of it was seen: what is there now is as good.
        if !self.has_printed {
            self.end = self.end.map(|_| end(self.ring));
        }
    }

    /// Returns whether nothing can come any more: nobody finds the ring, and nobody writes.
    fn is_over(&self) -> Result<bool> {
        Ok(self.ring.is_orphaned()? && self.ring.end(Role::Producer)?.state != PeerState::Alive)
    }
}

/// How often in a row a look found that all had passed. One that does not go on would do so for as long as somebody
/// moves the positions.
#[derive(Debug, Default)]
struct Misses(u32);

impl Misses {
    const MOST: u32 = 1000;

    fn are_enough(&mut self, tapped: &Result<Tapped, Corrupted>) -> bool {
        self.0 = if matches!(tapped, Ok(Tapped::Missed { .. })) { self.0 + 1 } else { 0 };
        self.0 > Misses::MOST
    }
}

/// How much text is written at once.
const CHUNK: usize = 64 * 1024;

/// Returns the position behind what is there now.
fn end(ring: &Inspection) -> u64 {
    let Ok(positions) = ring.positions() else { return 0 };
    let is_stream = matches!(ring.kind(), Kind::Stream { .. });
    let is_written = ring.end(Role::Producer).is_ok_and(|end| end.state == PeerState::Alive);
    if is_stream || is_written {
        // A message that is being pushed may lie behind this tail: it is too new.
        positions.tail
    } else {
        // A producer that was killed may have left messages behind its tail, up to a full ring.
        positions.head.wrapping_add(ring.capacity() as u64)
    }
}

/// Returns whether a position lies before another one, on the way around 2^64.
fn is_before(position: u64, other: u64) -> bool {
    other.wrapping_sub(position).wrapping_sub(1) < u64::MAX / 2
}

/// Bytes of a stream of bytes that follow each other: printed together.
struct Run {
    is_bytes: bool,
    start: u64,
    bytes: Vec<u8>,
}

impl Run {
    /// Writes an element or a message, or keeps it for later if it is a byte.
    fn push(&mut self, text: &mut String, shape: Shape, position: u64, bytes: &[u8], len: usize) {
        if !self.is_bytes {
            unit::write(text, shape, position, bytes, len);
            return;
        }
        if self.start.wrapping_add(self.bytes.len() as u64) != position || self.bytes.len() >= CHUNK {
            self.flush(text, shape);
        }
        if self.bytes.is_empty() {
            self.start = position;
        }
        if shape.format == Format::Text && bytes == b"\n" {
            // An empty line is one, too.
            self.write(text, shape);
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn flush(&mut self, text: &mut String, shape: Shape) {
        if !self.bytes.is_empty() {
            self.write(text, shape);
        }
    }

    fn write(&mut self, text: &mut String, shape: Shape) {
        unit::write(text, shape, self.start, &self.bytes, self.bytes.len());
        self.bytes.clear();
    }
}

/// What passed unseen.
struct Missed {
    name: String,
    /// What is counted, and of what.
    unit: [&'static str; 2],
    count: u64,
    told: Option<Instant>,
}

impl Missed {
    /// Tells it on stderr, once per second at most unless it is the last time.
    fn tell(&mut self, is_last: bool) {
        const PAUSE: Duration = Duration::from_secs(1);
        let is_early = self.told.is_some_and(|told| told.elapsed() < PAUSE);
        if self.count == 0 || is_early && !is_last {
            return;
        }
        let [thing, of] = self.unit;
        output::say(&format!("ringmain: ring {:?}: missed {}{of}\n", self.name, words::count(self.count, thing)));
        (self.count, self.told) = (0, Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_stream_are_printed_together_and_text_line_by_line() {
        let mut run = Run { is_bytes: true, start: 0, bytes: Vec::new() };
        let [plain, json] = [Format::Text, Format::Json].map(|format| Shape::new(format, None));
        let mut text = String::new();
        for (position, byte) in (10..).zip(b"one\n\ntwo") {
            run.push(&mut text, plain, position, &[*byte], 1);
        }
        // What was missed lies between.
        run.push(&mut text, plain, 30, b"x", 1);
        run.flush(&mut text, plain);
        assert_eq!(text, "one\n\ntwo\nx\n");
        text.clear();
        for (position, byte) in (10..).zip(b"ab") {
            run.push(&mut text, json, position, &[*byte], 1);
        }
        run.flush(&mut text, json);
        assert_eq!(text, "{\"hex\":\"6162\",\"length\":2,\"position\":10,\"text\":\"ab\"}\n");
    }

    #[test]
    fn a_look_ends_where_all_has_passed_again_and_again() {
        let (missed, unit) = (Ok(Tapped::Missed { count: 512 }), Ok(Tapped::Unit { position: 7 }));
        let mut misses = Misses::default();
        for _ in 0..3 {
            assert!((0..Misses::MOST).all(|_| !misses.are_enough(&missed)));
            assert!(!misses.are_enough(&unit));
        }
        assert!((0..Misses::MOST).all(|_| !misses.are_enough(&missed)));
        assert!(misses.are_enough(&missed));
    }

    #[test]
    fn one_position_is_before_another_around_two_to_the_64() {
        assert!(is_before(1, 2) && !is_before(2, 2) && !is_before(2, 1) && is_before(u64::MAX, 0));
    }
}
