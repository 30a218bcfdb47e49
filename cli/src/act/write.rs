//! `ringmain write`: stdin to a ring.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use clap::Args;
use ringmain::{PushError, message, stream};
use rustix::event::PollFlags;

use super::attach::Ring;
use super::frames::{Cut, Cutter};
use super::framing::{Cargo, Frame, of_bytes};
use super::meter::Meter;
use super::peer::Reader;
use super::system::{self, patiently};

/// The largest read: what a process that is killed can lose.
const PIECE: usize = 1 << 17;

/// What is read while the ring is full: a page, so that what follows starts at one where stdin comes in such.
const SPARE: usize = 4096;

#[derive(Debug, Args)]
pub(crate) struct Write {
    #[command(flatten)]
    ring: Ring,
}

/// The ring at the end.
enum Tx {
    Bytes(stream::Producer<u8>),
    Elements(stream::Producer<[u8]>),
    Messages(message::Producer, Frame),
}

impl Write {
    pub(super) fn run(&self) -> Result<()> {
        let handle = self.ring.attach(|options, cargo| {
            Ok(match cargo {
                Cargo::Bytes => Tx::Bytes(options.stream_producer()?),
                Cargo::Elements(size) => Tx::Elements(options.sized_stream_producer(of_bytes(size)?)?),
                Cargo::Messages(frame) => Tx::Messages(options.message_producer()?, frame),
            })
        })?;
        let stdin = io::stdin();
        let pump = Pump { input: stdin.as_fd(), meter: Meter::start(self.ring.progress, stdin.is_terminal()) };
        system::widen(pump.input);
        match handle {
            Tx::Bytes(tx) => pump.bytes(tx),
            Tx::Elements(tx) => pump.elements(tx),
            Tx::Messages(tx, frame) => pump.messages(tx, frame),
        }
    }
}

/// Moves what comes from stdin.
struct Pump<'a> {
    input: BorrowedFd<'a>,
    meter: Meter,
}

impl Pump<'_> {
    /// Lets the system read into the ring itself.
    fn bytes(&self, mut tx: stream::Producer<u8>) -> Result<()> {
        let mut reader = Reader::of(&tx);
        loop {
            reader.check(&tx)?;
            match tx.claim_contiguous(PIECE) {
                Ok(mut claim) => {
                    let read = patiently(self.input, PollFlags::IN, || claim.read_from(self.input));
                    let read = read.context("cannot read stdin")?;
                    if read == 0 {
                        break;
                    }
                    claim.commit_first(read);
                    self.meter.add(read);
                }
                Err(PushError::Broken { cause, .. }) => return Err(cause.into()),
                // A full ring is no reason to wait where stdin has ended: so a little is read before.
                Err(_) => {
                    let mut spare = [0; SPARE];
                    let read = system::read(self.input, &mut spare).context("cannot read stdin")?;
                    if read == 0 {
                        break;
                    }
                    push_all(&mut tx, &reader, &spare[..read])?;
                    self.meter.add(read);
                }
            }
        }
        Ok(tx.close()?)
    }

    fn elements(&self, mut tx: stream::Producer<[u8]>) -> Result<()> {
        let size = tx.element_size();
        let mut reader = Reader::of(&tx);
        let mut window = Window::new(PIECE.next_multiple_of(size));
        loop {
            reader.check(&tx)?;
            let ended = window.fill(self.input)?;
            let whole = window.bytes().len() / size * size;
            let mut pushed = 0;
            while pushed < whole {
                match tx.push_slice(&window.bytes()[pushed..whole]) {
                    Ok(count) => pushed += count * size,
                    Err(PushError::Full(_)) => reader.wait(&mut tx, 1)?,
                    Err(error) => return Err(error.into()),
                }
            }
            self.meter.add(whole);
            window.consume(whole);
            if ended {
                return match window.bytes().len() {
                    0 => Ok(()),
                    rest => anyhow::bail!(
                        "stdin ended inside of an element: {rest} bytes were left over, less than one of {size}; all \
                         before it is in the ring"
                    ),
                };
            }
        }
    }

    fn messages(&self, mut tx: message::Producer, frame: Frame) -> Result<()> {
        let mut reader = Reader::of(&tx);
        let mut cutter = Cutter::new(frame, tx.name(), tx.max_len())?;
        let mut window = Window::new(PIECE.min(cutter.longest_window()));
        loop {
            reader.check(&tx)?;
            if window.is_full() {
                window.grow(cutter.longest_window());
            }
            let ended = window.fill(self.input)?;
            let before = window.bytes().len();
            while let Some(len) = push(&mut tx, &mut cutter, &mut window, ended)? {
                reader.wait(&mut tx, len)?;
            }
            self.meter.add(before - window.bytes().len());
            if ended {
                return Ok(tx.close()?);
            }
        }
    }
}

/// Pushes all bytes, and waits for room.
fn push_all(tx: &mut stream::Producer<u8>, reader: &Reader, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match tx.push_slice(bytes) {
            Ok(pushed) => bytes = &bytes[pushed..],
            Err(PushError::Full(_)) => reader.wait(tx, 1)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Pushes the messages of a window as one batch, as many as fit. Returns the length of one that does not fit yet.
fn push(tx: &mut message::Producer, cutter: &mut Cutter, window: &mut Window, ended: bool) -> Result<Option<usize>> {
    let mut pushed = 0;
    let mut batch = tx.batch();
    let waiting = loop {
        match cutter.next(&window.bytes()[pushed..], ended) {
            Ok(None) => break Ok(None),
            Ok(Some(Cut { message, taken })) => match batch.push(message) {
                Ok(()) => {
                    pushed += taken;
                    cutter.took();
                }
                Err(PushError::Full(_)) => break Ok(Some(message.len())),
                Err(error) => break Err(error.into()),
            },
            Err(error) => break Err(error),
        }
    };
    // What came before an error is sent.
    batch.commit();
    window.consume(pushed);
    waiting
}

/// The part of stdin that is in memory.
struct Window {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Window {
    fn new(len: usize) -> Window {
        Window { buffer: vec![0; len], start: 0, end: 0 }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn is_full(&self) -> bool {
        self.end - self.start == self.buffer.len()
    }

    /// Makes room for a frame that is longer than the window.
    fn grow(&mut self, longest: usize) {
        self.buffer.resize((2 * self.buffer.len()).min(longest).max(self.buffer.len() + 1), 0);
    }

    /// Reads once, behind what is there, and returns whether stdin has ended.
    fn fill(&mut self, input: BorrowedFd<'_>) -> Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let read = system::read(input, &mut self.buffer[self.end..]).context("cannot read stdin")?;
        self.end += read;
        Ok(read == 0)
    }

    fn consume(&mut self, len: usize) {
        self.start += len;
    }
}
