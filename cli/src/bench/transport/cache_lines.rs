//! A fresh cache line for each message, in shared memory: what the machine needs to carry messages that do not lie
//! where the last one did, as those of every ring.
//!
//! Each direction has a circle of lines. A message is a word and a header; the header holds the lap, so it tells a
//! new message from that of the lap before, and nothing has to be cleared. The receiver polls the header that is next.
//!
//! Stores leave a processor in order: one to a line that the processor does not own yet stands before all that come
//! later. So the sender touches the line after next once its message is published, and owns that line when it comes
//! there: it waits for the line while nobody waits for the message.

use std::os::fd::OwnedFd;
use std::sync::atomic::{Ordering, compiler_fence};

use anyhow::{Result, bail};

use super::side::{Created, Left};
use super::words::{Words, wait_until};
use crate::bench::idle::Idle;
use crate::bench::plan::Test;
use crate::bench::station::{Receiver, Sender, Station, ping, pong};

/// Bytes of a line, and lines of a direction.
const LINE: usize = 64;
const LINES: usize = 1024;

/// Where the lines of the direction back begin. Message and answer lie half of a page and some lines apart.
const BACK: usize = LINES * LINE + 2048 + 3 * LINE;
const BYTES: usize = BACK + LINES * LINE;

/// The words of a line: the lap, the message, and one that is there to be touched.
const HEADER: usize = 0;
const MESSAGE: usize = 8;
const TOUCHED: usize = 16;

/// The lines of one direction.
struct Lines {
    words: Words<BYTES>,
    start: usize,
    /// Messages so far.
    messages: u64,
}

impl Lines {
    /// Returns where the line of the message of this number, from 0, begins.
    #[inline(always)]
    fn line(&self, message: u64) -> usize {
        self.start + message as usize % LINES * LINE
    }

    /// Goes on to the next message, and returns its number and lap.
    #[inline(always)]
    fn advance(&mut self) -> (u64, u64) {
        let message = self.messages;
        self.messages += 1;
        (message, message / LINES as u64 + 1)
    }
}

struct Write(Lines);

impl Sender<1> for Write {
    #[inline(always)]
    fn send(&mut self, message: &[u64; 1]) -> Result<()> {
        let (number, lap) = self.0.advance();
        let (line, words) = (self.0.line(number), &self.0.words);
        words.at(line + MESSAGE).store(message[0], Ordering::Relaxed);
        // Publish: pairs with the Acquire in `wait_until`.
        words.at(line + HEADER).store(lap, Ordering::Release);
        // Not before it.
        compiler_fence(Ordering::SeqCst);
        words.at(self.0.line(number + 2) + TOUCHED).store(lap, Ordering::Relaxed);
        Ok(())
    }
}

struct Read {
    lines: Lines,
    idle: Idle,
}

impl Receiver<1> for Read {
    #[inline(always)]
    fn receive(&mut self, message: &mut [u64; 1]) -> Result<()> {
        let (number, lap) = self.lines.advance();
        let (line, words) = (self.lines.line(number), &self.lines.words);
        wait_until(words.at(line + HEADER), &mut self.idle, |found| found == lap)?;
        message[0] = words.at(line + MESSAGE).load(Ordering::Relaxed);
        Ok(())
    }
}

/// Maps the lines: those towards the process that keeps the time, and those back.
fn map(descriptor: &OwnedFd) -> Result<(Lines, Lines)> {
    let words = Words::map(descriptor)?;
    let lines = |start| Lines { words: words.clone(), start, messages: 0 };
    Ok((lines(0), lines(BACK)))
}

pub(super) fn create(test: Test, idle: Idle) -> Result<Created> {
    check(test)?;
    let descriptor = Words::<BYTES>::create()?;
    let (from_peer, to_peer) = map(&descriptor)?;
    let station = ping(Write(to_peer), Read { lines: from_peer, idle });
    Ok(Created { station, descriptors: vec![descriptor] })
}

pub(super) fn attach(test: Test, mut left: Left, idle: Idle) -> Result<Box<dyn Station>> {
    check(test)?;
    let (from_us, to_us) = map(&left.descriptor()?)?;
    Ok(pong(Write(from_us), Read { lines: to_us, idle }))
}

fn check(test: Test) -> Result<()> {
    match test {
        Test::Rtt => Ok(()),
        _ => bail!("bare lines carry round trips alone: nothing tells a sender that a line was read"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_message_and_its_answer_never_lie_at_the_same_place_of_a_page() {
        let (there, back) = map(&Words::<BYTES>::create().unwrap()).unwrap();
        for message in 0..2 * LINES as u64 {
            let [one, other] = [&there, &back].map(|lines| lines.line(message));
            let apart = one.abs_diff(other) % 4096;
            assert!((1024..=3072).contains(&apart), "message {message}: {apart}");
        }
    }

    #[test]
    fn each_message_of_a_lap_has_a_line_of_its_own() {
        let (there, back) = map(&Words::<BYTES>::create().unwrap()).unwrap();
        let lap = || 0..LINES as u64;
        let lines: BTreeSet<usize> = lap().map(|one| there.line(one)).chain(lap().map(|one| back.line(one))).collect();
        assert_eq!(lines.len(), 2 * LINES);
        assert!(lines.iter().all(|line| line % LINE == 0 && line + LINE <= BYTES));
    }
}
