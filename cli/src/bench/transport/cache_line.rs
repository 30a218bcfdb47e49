//! Bare atomics in shared memory, each on a cache line of its own: what the machine itself needs to move one word.
//!
//! A round trip is a store to one line and a wait for another one to change. In the throughput test the two lines are a
//! mailbox of one word: the receiver notes in the second line which word it took, and the sender waits for that before
//! it writes the next one.
//!
//! How long a line takes depends on where in the machine its address happens to lie, by a third and more. So the two
//! lines are taken from one page after another, on both sides at the same messages.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, bail};

use super::side::{Created, Left};
use super::words::{Words, wait_until};
use crate::bench::idle::Idle;
use crate::bench::plan::Test;
use crate::bench::station::{Receiver, Sender, Station, ping, pong, sink, source};

/// Pages that take turns.
const PAGES: usize = 64;
const PAGE: usize = 4096;
/// Messages in a row over one page.
const TURN: u64 = 256;
/// Bytes between the two lines of a page, more than any processor fetches at once.
const DISTANCE: usize = 128;

/// One word in each page, alone on its line, for one direction.
#[derive(Clone)]
struct Lines {
    words: Words<{ PAGES * PAGE }>,
    offset: usize,
    /// Messages so far.
    messages: u64,
    page: usize,
}

impl Lines {
    /// Goes on to the next page when it is due. To be called once before each message.
    #[inline]
    fn advance(&mut self) {
        if self.messages.is_multiple_of(TURN) {
            self.page = (self.messages / TURN) as usize % PAGES;
        }
        self.messages += 1;
    }

    #[inline]
    fn word(&self) -> &AtomicU64 {
        // The place within the page varies too.
        let within = self.offset + self.page % (PAGE / (2 * DISTANCE)) * (2 * DISTANCE);
        self.words.at(self.page * PAGE + within)
    }

    #[inline]
    fn publish(&self, value: u64) {
        // Publish: pairs with the Acquire in `wait_until`.
        self.word().store(value, Ordering::Release);
    }
}

/// The round trip's sender: a store.
struct Signal {
    lines: Lines,
}

impl Sender<1> for Signal {
    #[inline]
    fn send(&mut self, message: &[u64; 1]) -> Result<()> {
        self.lines.advance();
        self.lines.publish(message[0]);
        Ok(())
    }
}

/// The round trip's receiver: a wait for the word to change.
struct Watch {
    lines: Lines,
    /// The last word of each page.
    known: [u64; PAGES],
    idle: Idle,
}

impl Watch {
    fn new(lines: Lines, idle: Idle) -> Self {
        Self { lines, known: [0; PAGES], idle }
    }
}

impl Receiver<1> for Watch {
    #[inline]
    fn receive(&mut self, message: &mut [u64; 1]) -> Result<()> {
        self.lines.advance();
        let known = &mut self.known[self.lines.page];
        message[0] = wait_until(self.lines.word(), &mut self.idle, |value| value != *known)?;
        *known = message[0];
        Ok(())
    }
}

/// The mailbox's sender: stores a word and waits until it was taken.
struct Post {
    lines: Lines,
    taken: Lines,
    idle: Idle,
}

impl Sender<1> for Post {
    #[inline]
    fn send(&mut self, message: &[u64; 1]) -> Result<()> {
        self.lines.advance();
        self.taken.advance();
        self.lines.publish(message[0]);
        wait_until(self.taken.word(), &mut self.idle, |value| value == message[0])?;
        Ok(())
    }
}

/// The mailbox's receiver: waits for a word and notes that it was taken.
struct Collect {
    watch: Watch,
    taken: Lines,
}

impl Receiver<1> for Collect {
    #[inline]
    fn receive(&mut self, message: &mut [u64; 1]) -> Result<()> {
        self.watch.receive(message)?;
        self.taken.advance();
        self.taken.publish(message[0]);
        Ok(())
    }
}

/// Maps the lines: those towards the process that keeps the time, and those back.
fn map(descriptor: &OwnedFd) -> Result<(Lines, Lines)> {
    let words = Words::map(descriptor)?;
    let lines = |offset| Lines { words: words.clone(), offset, messages: 0, page: 0 };
    Ok((lines(0), lines(DISTANCE)))
}

pub(super) fn create(test: Test, idle: Idle) -> Result<Created> {
    let descriptor = Words::<{ PAGES * PAGE }>::create()?;
    let (from_peer, to_peer) = map(&descriptor)?;
    let watch = Watch::new(from_peer, idle);
    let station = match test {
        Test::Rtt => ping(Signal { lines: to_peer }, watch),
        Test::Throughput => sink(Collect { watch, taken: to_peer }),
        Test::Waitset | Test::Paced | Test::Idle => bail!("the cache line has no room for a time"),
    };
    Ok(Created { station, descriptors: vec![descriptor] })
}

pub(super) fn attach(test: Test, mut left: Left, idle: Idle) -> Result<Box<dyn Station>> {
    let (from_us, to_us) = map(&left.descriptor()?)?;
    Ok(match test {
        Test::Rtt => pong(Signal { lines: from_us }, Watch::new(to_us, idle)),
        Test::Throughput => source(Post { lines: from_us, taken: to_us, idle }),
        Test::Waitset | Test::Paced | Test::Idle => bail!("the cache line has no room for a time"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_lines_never_lie_at_the_same_place_of_a_page() {
        let descriptor = Words::<{ PAGES * PAGE }>::create().unwrap();
        let (mut there, mut back) = map(&descriptor).unwrap();
        for _ in 0..2 * PAGES as u64 * TURN {
            there.advance();
            back.advance();
            let [one, other] = [&there, &back].map(|lines| lines.word().as_ptr() as usize % PAGE);
            assert_eq!(other, one + DISTANCE);
        }
    }
}
