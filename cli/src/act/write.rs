//! `ringmain write`: stdin to a ring.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};
use clap::Args;
use ringmain::{PeerState, PushError, WaitError, message, stream};
use rustix::event::PollFlags;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::retry_on_intr;

use super::attach::Ring;
use super::frames::{Cut, Cutter, was};
use super::framing::{Cargo, Frame, of_bytes};
use super::meter::Meter;
use super::peer::{End, Reader};
use crate::streams::{self, SLICE, Stream, is_ready};

/// The largest read: what a process that is killed can lose. With larger ones the two ends take turns, and so do pipes.
const PIECE: usize = 1 << 15;

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
        let handle = self.ring.attach("no reader is there yet", |options, cargo| {
            Ok(match cargo {
                Cargo::Bytes => Tx::Bytes(options.stream_producer()?),
                Cargo::Elements(size) => Tx::Elements(options.sized_stream_producer(of_bytes(size)?)?),
                Cargo::Messages(frame) => Tx::Messages(options.message_producer()?, frame),
            })
        })?;
        let input = Stream::In.descriptor();
        let size = rest_of_file(input);
        let meter = Meter::start(self.ring.progress, &self.ring.name, input, size);
        streams::widen(input);
        let own = if size.is_none() { without_waiting(input) } else { None };
        let input = match (&own, size) {
            (Some(own), _) => Input { file: own.as_fd(), quiet: Quiet::Told },
            (None, Some(_)) => Input { file: input, quiet: Quiet::Never },
            (None, None) => Input { file: input, quiet: Quiet::Waited },
        };
        let pump = Pump { input, meter };
        match handle {
            Tx::Bytes(mut tx) => leave(pump.bytes(&mut tx), tx),
            Tx::Elements(mut tx) => leave(pump.elements(&mut tx), tx),
            Tx::Messages(mut tx, frame) => leave(pump.messages(&mut tx, frame), tx),
        }
    }
}

/// Leaves the ring in order where all of stdin is in it. Otherwise its reader is told what it is told where this
/// process is killed: that is no end.
fn leave(moved: Result<()>, tx: impl End) -> Result<()> {
    let is_lost = || Ok(tx.is_orphaned() && tx.peer_state() != PeerState::Alive && !tx.is_empty()?);
    match moved.and_then(|()| is_lost()) {
        Ok(false) => Ok(tx.close()?),
        // Nobody can come who would read it.
        Ok(true) => Err(WaitError::Orphaned.into()),
        Err(error) => {
            tx.abandon();
            Err(error)
        }
    }
}

/// Returns how much there is to read of a file; nothing of what may grow for ever, or be waited for.
fn rest_of_file(file: BorrowedFd<'_>) -> Option<u64> {
    let found = rustix::fs::fstat(file).ok()?;
    let is_file = FileType::from_raw_mode(found.st_mode).is_file();
    let position = rustix::fs::tell(file).ok()?;
    is_file.then(|| (found.st_size as u64).saturating_sub(position))
}

/// Opens a pipe once more, so that no read of it waits. That belongs to what is opened: others share what stdin is.
fn without_waiting(file: BorrowedFd<'_>) -> Option<OwnedFd> {
    if FileType::from_raw_mode(rustix::fs::fstat(file).ok()?.st_mode) != FileType::Fifo {
        return None;
    }
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // Another user's pipe is refused, for example.
    rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// What a read does where nothing is there, and may come yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quiet {
    /// That cannot be.
    Never,
    /// It says so.
    Told,
    /// It waits, and knows of nothing else: so it has to be asked before.
    Waited,
}

/// Where bytes come from.
#[derive(Clone, Copy, Debug)]
struct Input<'a> {
    file: BorrowedFd<'a>,
    quiet: Quiet,
}

impl Input<'_> {
    /// Waits until there is something to read, and sees meanwhile whether the reader of the ring leaves.
    fn wait(self, reader: &mut Reader, tx: &(impl End + ?Sized)) -> Result<()> {
        while !is_ready(self.file, PollFlags::IN, Some(SLICE)).context(UNREADABLE)? {
            reader.check(tx)?;
        }
        Ok(())
    }

    /// The same, where a read would wait by itself.
    fn await_some(self, reader: &mut Reader, tx: &(impl End + ?Sized)) -> Result<()> {
        if self.quiet == Quiet::Waited { self.wait(reader, tx) } else { Ok(()) }
    }

    /// Reads by `attempt`, and returns how many bytes came, 0 at the end; `None` where nothing is there yet.
    fn read(self, mut attempt: impl FnMut() -> io::Result<usize>) -> Result<Option<usize>> {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            result => result.map(Some).context(UNREADABLE),
        }
    }

    fn read_into(self, bytes: &mut [u8]) -> Result<Option<usize>> {
        self.read(|| Ok(retry_on_intr(|| rustix::io::read(self.file, &mut *bytes))?))
    }
}

const UNREADABLE: &str = "cannot read stdin";

/// Moves what comes from stdin.
struct Pump<'a> {
    input: Input<'a>,
    meter: Meter,
}

impl Pump<'_> {
    /// Lets the system read into the ring itself.
    fn bytes(&self, tx: &mut stream::Producer<u8>) -> Result<()> {
        let mut reader = Reader::of(tx);
        loop {
            reader.check(tx)?;
            self.input.await_some(&mut reader, tx)?;
            match tx.claim_contiguous(PIECE) {
                Ok(mut claim) => {
                    let Some(read) = self.input.read(|| claim.read_from(self.input.file))? else {
                        drop(claim);
                        self.input.wait(&mut reader, tx)?;
                        continue;
                    };
                    if read == 0 {
                        return Ok(());
                    }
                    claim.commit_first(read);
                    self.meter.add(read);
                }
                Err(PushError::Broken { cause, .. }) => return Err(cause.into()),
                // A full ring is no reason to wait where stdin has ended: so a little is read before.
                Err(_) => {
                    let mut spare = [0; SPARE];
                    let Some(read) = self.input.read_into(&mut spare)? else {
                        self.input.wait(&mut reader, tx)?;
                        continue;
                    };
                    if read == 0 {
                        return Ok(());
                    }
                    push_all(tx, &reader, &spare[..read])?;
                    self.meter.add(read);
                }
            }
        }
    }

    fn elements(&self, tx: &mut stream::Producer<[u8]>) -> Result<()> {
        let size = tx.element_size();
        let mut reader = Reader::of(tx);
        let mut window = Window::new(PIECE.next_multiple_of(size));
        loop {
            reader.check(tx)?;
            self.input.await_some(&mut reader, tx)?;
            let Some(ended) = window.fill(self.input)? else {
                self.input.wait(&mut reader, tx)?;
                continue;
            };
            let whole = window.bytes().len() / size * size;
            let mut pushed = 0;
            while pushed < whole {
                match tx.push_slice(&window.bytes()[pushed..whole]) {
                    Ok(count) => pushed += count * size,
                    Err(PushError::Full(_)) => reader.wait(tx, 1)?,
                    Err(error) => return Err(error.into()),
                }
            }
            self.meter.add(whole);
            window.consume(whole);
            if ended {
                return match window.bytes().len() {
                    0 => Ok(()),
                    rest => anyhow::bail!(
                        "stdin ended inside of an element: {} left over, less than one of {size}; all before it is in \
                         the ring",
                        was(rest as u64, "byte", ["was", "were"])
                    ),
                };
            }
        }
    }

    fn messages(&self, tx: &mut message::Producer, frame: Frame) -> Result<()> {
        let mut reader = Reader::of(tx);
        let mut cutter = Cutter::new(frame, tx.name(), tx.max_len())?;
        let mut window = Window::new(PIECE.min(cutter.longest_window()));
        loop {
            reader.check(tx)?;
            self.input.await_some(&mut reader, tx)?;
            if window.is_full() {
                window.grow(cutter.longest_window());
            }
            let Some(ended) = window.fill(self.input)? else {
                self.input.wait(&mut reader, tx)?;
                continue;
            };
            let before = window.bytes().len();
            while let Some(len) = push(tx, &mut cutter, &mut window, ended)? {
                reader.wait(tx, len)?;
            }
            self.meter.add(before - window.bytes().len());
            if ended {
                return Ok(());
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

    /// Reads once, behind what is there, and returns whether stdin has ended; `None` where nothing is there yet.
    fn fill(&mut self, input: Input<'_>) -> Result<Option<bool>> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let read = input.read_into(&mut self.buffer[self.end..])?;
        self.end += read.unwrap_or(0);
        Ok(read.map(|read| read == 0))
    }

    fn consume(&mut self, len: usize) {
        self.start += len;
    }
}
