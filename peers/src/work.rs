//! What is measured, written once for every subject: the loops see only the two ends of a ring, and numbers that go through it.

use std::fmt;
use std::hint::{black_box, spin_loop};
use std::str::FromStr;
use std::time::Instant;

use clap::ValueEnum;
use crossbeam_utils::CachePadded;

/// How many elements a batch has.
pub(crate) const BATCH: usize = 64;

/// A way to use a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Test {
    /// One element per push and pop; elements per second.
    Single,
    /// Batches of 64, filled and read in place; elements per second.
    Batch,
    /// One element there and back; nanoseconds.
    Rtt,
    /// One value of 32 bytes per push and pop; values per second.
    Value,
    /// One value of 32 bytes there and back; nanoseconds.
    ValueRtt,
}

impl Test {
    /// Returns whether it measures time there and back.
    pub(crate) fn is_rtt(self) -> bool {
        matches!(self, Test::Rtt | Test::ValueRtt)
    }

    /// Returns whether it carries values of 32 bytes, and not `u64`.
    pub(crate) fn has_values(self) -> bool {
        matches!(self, Test::Value | Test::ValueRtt)
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) test: Test,
    /// In elements; of values, in bytes.
    pub(crate) capacity: usize,
    /// Where ringmain's messages start, where it carries values.
    pub(crate) align: usize,
    /// Elements, or round trips, that are timed.
    pub(crate) count: u64,
    /// As many that come before.
    pub(crate) warm_up: u64,
}

impl Work {
    pub(crate) fn new(test: Test, capacity: usize, align: usize) -> Work {
        let (count, warm_up) = match test {
            Test::Single => (4 << 20, 4 * capacity as u64),
            Test::Batch => (16 << 20, 4 * capacity as u64),
            Test::Value => (4 << 20, capacity as u64 / 8),
            Test::Rtt | Test::ValueRtt => (30_000, 2_000),
        };
        Work { test, capacity, align, count, warm_up }
    }

    fn total(self) -> u64 {
        self.count + self.warm_up
    }
}

impl fmt::Display for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let test = self.test.to_possible_value().expect("no test is hidden");
        write!(formatter, "{} {} {} {} {}", test.get_name(), self.capacity, self.align, self.count, self.warm_up)
    }
}

impl FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Work, String> {
        let bad = || format!("work {text:?}; expected test, capacity, alignment, count and warm-up");
        let mut words = text.split_whitespace();
        let test = words.next().and_then(|word| Test::from_str(word, false).ok()).ok_or_else(bad)?;
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).ok_or_else(bad);
        let (capacity, align) = (number()? as usize, number()? as usize);
        Ok(Work { test, capacity, align, count: number()?, warm_up: number()? })
    }
}

/// One end of a ring.
pub(crate) trait End {
    /// Says whether somebody is still at the other end.
    fn is_alive(&self) -> bool;
}

/// The writing end.
pub(crate) trait Sender: End {
    /// Pushes one element, if there is room.
    fn push(&mut self, value: u64) -> Option<()>;
    /// Pushes a batch of consecutive numbers, written in place, if there is room.
    fn push_batch(&mut self, first: u64) -> Option<()>;
}

/// The reading end.
pub(crate) trait Receiver: End {
    /// Pops one element, if there is one.
    fn pop(&mut self) -> Option<u64>;
    /// Pops a batch, read in place, if it is there, and returns its sum.
    fn pop_batch(&mut self) -> Option<u64>;
}

/// Keeps a handle in memory, on cache lines of its own.
///
/// Where a handle lies is luck otherwise, and beside a busy neighbour it is slow. A consumer that is slowed like that meets a
/// fuller ring, which can make a whole run several times faster: no subject shall win or lose by it.
pub(crate) fn apart<E: End>(end: E) -> CachePadded<E> {
    black_box(CachePadded::new(end))
}

/// Spins until `attempt` returns something. Every side of every subject waits like this.
#[inline(always)]
fn until<E: End, T>(end: &mut E, attempt: impl Fn(&mut E) -> Option<T>) -> Result<T, String> {
    let mut spins = 0_u32;
    loop {
        if let Some(value) = attempt(end) {
            return Ok(value);
        }
        spin_loop();
        spins = spins.wrapping_add(1);
        if spins.is_multiple_of(1 << 22) && !end.is_alive() {
            return Err("the other end is gone".into());
        }
    }
}

/// Sends everything that [`receive`] expects.
pub(crate) fn send(work: Work, sender: &mut impl Sender) -> Result<(), String> {
    if work.test == Test::Batch {
        for first in (0..work.total()).step_by(BATCH) {
            until(sender, |sender| sender.push_batch(first))?;
        }
    } else {
        for number in 0..work.total() {
            until(sender, |sender| sender.push(number))?;
        }
    }
    Ok(())
}

/// Receives everything, checks the sum, and returns elements per second after the warm-up.
pub(crate) fn receive(work: Work, receiver: &mut impl Receiver) -> Result<f64, String> {
    let warm_up = take(work.test, work.warm_up, receiver)?;
    let start = Instant::now();
    let timed = take(work.test, work.count, receiver)?;
    let seconds = start.elapsed().as_secs_f64();
    if warm_up.wrapping_add(timed) != (0..work.total()).fold(0, u64::wrapping_add) {
        return Err("the sum of the elements is wrong".into());
    }
    Ok(work.count as f64 / seconds)
}

/// Receives `count` elements and returns their sum.
fn take(test: Test, count: u64, receiver: &mut impl Receiver) -> Result<u64, String> {
    let mut sum = 0_u64;
    if test == Test::Batch {
        for _ in 0..count / BATCH as u64 {
            sum = sum.wrapping_add(until(receiver, Receiver::pop_batch)?);
        }
    } else {
        for _ in 0..count {
            sum = sum.wrapping_add(until(receiver, Receiver::pop)?);
        }
    }
    Ok(sum)
}

/// Sends one element at a time and waits for it to come back; returns the nanoseconds of one round trip.
pub(crate) fn ping(work: Work, sender: &mut impl Sender, receiver: &mut impl Receiver) -> Result<f64, String> {
    let mut start = Instant::now();
    for number in 0..work.total() {
        if number == work.warm_up {
            start = Instant::now();
        }
        until(sender, |sender| sender.push(number))?;
        let back = until(receiver, Receiver::pop)?;
        if back != number {
            return Err(format!("element {number} came back as {back}"));
        }
    }
    Ok(start.elapsed().as_nanos() as f64 / work.count as f64)
}

/// Sends every element back.
pub(crate) fn pong(work: Work, sender: &mut impl Sender, receiver: &mut impl Receiver) -> Result<(), String> {
    for _ in 0..work.total() {
        let number = until(receiver, Receiver::pop)?;
        until(sender, |sender| sender.push(number))?;
    }
    Ok(())
}
