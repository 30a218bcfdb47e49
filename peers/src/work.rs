//! What is measured, written once for every subject: the loops see only the two ends of a ring, and numbers that go
//! through it.

use std::hint::{black_box, spin_loop};
use std::time::Instant;

use clap::ValueEnum;
use crossbeam_utils::CachePadded;
use serde::{Deserialize, Serialize};

/// How many values a batch has.
pub(crate) const BATCH: usize = 64;

/// The capacity of every ring that is measured by size, in values; a constant, because one subject has it in its type.
pub(crate) const CAPACITY: usize = 1024;

/// How often an end looks in vain before it asks whether the other one is still there.
const SPINS: u32 = 1 << 22;

/// How often it looks in vain before it gives up: a quarter of a minute at least.
const TOO_MANY_SPINS: u32 = 1 << 30;

/// A way to use a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Test {
    /// One value there and back; nanoseconds.
    Rtt,
    /// One value per push and pop; values per second.
    Single,
    /// Batches of 64, filled and read in place; values per second.
    Batch,
}

/// Returns the name that a value has on the command line and in results.
pub(crate) fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// One measurement.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) test: Test,
    /// Bytes of a value.
    pub(crate) size: usize,
    /// In values. A ring of bytes has as many bytes as the values have.
    pub(crate) capacity: usize,
    /// Values, or round trips, that are timed.
    pub(crate) count: u64,
    /// As many that come before.
    pub(crate) warm_up: u64,
}

impl Work {
    pub(crate) fn new(test: Test, size: usize, capacity: usize) -> Work {
        let (count, warm_up) = match test {
            Test::Single => (4 << 20, 4 * capacity as u64),
            Test::Batch => (16 << 20, 4 * capacity as u64),
            Test::Rtt => (30_000, 2_000),
        };
        Work { test, size, capacity, count, warm_up }
    }

    /// Returns it with another number of values that are timed: whole batches.
    pub(crate) fn with_count(self, count: u64) -> Work {
        Work { count: count.next_multiple_of(BATCH as u64), ..self }
    }

    /// Returns the bytes that its values take in a full ring.
    pub(crate) fn bytes(self) -> usize {
        self.size * self.capacity
    }

    fn total(self) -> u64 {
        self.count + self.warm_up
    }
}

/// The writing end of a ring.
pub(crate) trait Sender {
    /// Pushes the value of one number, which is visible then, if there is room.
    fn push(&mut self, number: u64) -> Option<()>;

    /// Pushes the values of a batch of consecutive numbers, if there is room for all of them.
    fn push_batch(&mut self, _first: u64) -> Option<()> {
        unreachable!("a subject without batches is not measured with them")
    }
}

/// The reading end of a ring.
pub(crate) trait Receiver {
    /// Pops one value, if there is one, and returns its number.
    fn pop(&mut self) -> Option<u64>;

    /// Pops a batch, if all of it is there, and returns the sum of its numbers.
    fn pop_batch(&mut self) -> Option<u64> {
        unreachable!("a subject without batches is not measured with them")
    }
}

/// Says whether somebody is still at the other end.
pub(crate) type IsAlive<'a> = &'a dyn Fn() -> bool;

/// Keeps a handle in memory of its own, on cache lines of its own.
///
/// Where a handle lies is luck otherwise, and beside a busy neighbour it is slow. A consumer that is slowed like that
/// meets a fuller ring, which can make a whole run several times faster. On the stack, the distance of two handles from
/// each other changes a round trip by a tenth. No subject shall win or lose by it.
pub(crate) fn apart<E>(end: E) -> Box<CachePadded<E>> {
    black_box(Box::new(CachePadded::new(end)))
}

/// Spins until `attempt` returns something. Every side of every subject waits like this.
#[inline(always)]
fn until<E, T>(end: &mut E, is_alive: IsAlive, attempt: impl Fn(&mut E) -> Option<T>) -> Result<T, String> {
    let mut spins = 0_u32;
    loop {
        if let Some(value) = attempt(end) {
            return Ok(value);
        }
        spin_loop();
        spins = spins.wrapping_add(1);
        if spins.is_multiple_of(SPINS) {
            look(spins, is_alive)?;
        }
    }
}

#[cold]
fn look(spins: u32, is_alive: IsAlive) -> Result<(), String> {
    if !is_alive() {
        return Err("the other end is gone".into());
    }
    if spins >= TOO_MANY_SPINS { Err("nothing comes from the other end".into()) } else { Ok(()) }
}

/// Sends everything that [`receive`] expects.
pub(crate) fn send(work: Work, sender: &mut impl Sender, is_alive: IsAlive) -> Result<(), String> {
    if work.test == Test::Batch {
        for first in (0..work.total()).step_by(BATCH) {
            until(sender, is_alive, |sender| sender.push_batch(first))?;
        }
    } else {
        for number in 0..work.total() {
            until(sender, is_alive, |sender| sender.push(number))?;
        }
    }
    Ok(())
}

/// Receives everything, checks the sum, and returns values per second after the warm-up.
pub(crate) fn receive(work: Work, receiver: &mut impl Receiver, is_alive: IsAlive) -> Result<f64, String> {
    let warm_up = take(work.test, work.warm_up, receiver, is_alive)?;
    let start = Instant::now();
    let timed = take(work.test, work.count, receiver, is_alive)?;
    let seconds = start.elapsed().as_secs_f64();
    if warm_up.wrapping_add(timed) != (0..work.total()).fold(0, u64::wrapping_add) {
        return Err("the sum of the values is wrong".into());
    }
    Ok(work.count as f64 / seconds)
}

/// Receives `count` values and returns the sum of their numbers.
fn take(test: Test, count: u64, receiver: &mut impl Receiver, is_alive: IsAlive) -> Result<u64, String> {
    let mut sum = 0_u64;
    if test == Test::Batch {
        for _ in 0..count / BATCH as u64 {
            sum = sum.wrapping_add(until(receiver, is_alive, Receiver::pop_batch)?);
        }
    } else {
        for _ in 0..count {
            sum = sum.wrapping_add(until(receiver, is_alive, Receiver::pop)?);
        }
    }
    Ok(sum)
}

/// Sends one value at a time and waits for it to come back; returns the nanoseconds of one round trip.
pub(crate) fn ping(
    work: Work,
    sender: &mut impl Sender,
    receiver: &mut impl Receiver,
    is_alive: IsAlive,
) -> Result<f64, String> {
    let mut start = Instant::now();
    for number in 0..work.total() {
        if number == work.warm_up {
            start = Instant::now();
        }
        until(sender, is_alive, |sender| sender.push(number))?;
        let back = until(receiver, is_alive, Receiver::pop)?;
        if back != number {
            return Err(format!("value {number} came back as {back}"));
        }
    }
    Ok(start.elapsed().as_nanos() as f64 / work.count as f64)
}

/// Sends every value back.
pub(crate) fn pong(
    work: Work,
    sender: &mut impl Sender,
    receiver: &mut impl Receiver,
    is_alive: IsAlive,
) -> Result<(), String> {
    for _ in 0..work.total() {
        let number = until(receiver, is_alive, Receiver::pop)?;
        until(sender, is_alive, |sender| sender.push(number))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Once(Vec<u64>);

    impl Receiver for Once {
        fn pop(&mut self) -> Option<u64> {
            self.0.pop()
        }
    }

    #[test]
    fn a_value_that_is_lost_or_wrong_is_noticed() {
        let work = Work { test: Test::Single, size: 8, capacity: 64, count: 3, warm_up: 1 };
        assert!(receive(work, &mut Once(vec![0, 1, 2, 3]), &|| true).is_ok());
        assert!(receive(work, &mut Once(vec![0, 1, 2, 4]), &|| true).is_err());
        assert_eq!(receive(work, &mut Once(vec![0, 1, 2]), &|| false), Err("the other end is gone".into()));
    }
}
