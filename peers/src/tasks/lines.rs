//! The lines that tasks at two ends have to each other: what goes there and comes back, over ringmain's rings and over
//! a socket.

use std::error::Error;
use std::ops::Range;
use std::os::unix::net;
use std::time::Duration;

use clap::ValueEnum;
use ringmain::{Async, Options, Readiness, Wait, WaitError, message, stream};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::values::{self, Value};

/// Words of a value of 64 bytes.
const WORDS: usize = 8;

/// The capacity of a ring, in values: about as many bytes as a socket of tokio's holds.
const CAPACITY: usize = 4096;

/// How many values a buffer holds: as many as that of a `BufWriter`, of 8 KiB.
pub(super) const GATHERED: usize = 128;

/// What a line is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// A socket of tokio's, with a buffered writer: all others are compared with it.
    Unix,
    /// The same, with a buffered reader too.
    UnixBuffered,
    /// ringmain's stream ring.
    Stream,
    /// The same, with a writer that gathers as many values as the socket's does.
    StreamBuffered,
    /// The same, with a reader that takes as many, too.
    StreamBothBuffered,
    /// ringmain's stream ring, a call for each value, with ends that do not spin (`Wait::Park`).
    StreamPark,
    /// ringmain's stream ring, with the descriptors of its ends in tokio's reactor.
    StreamDescriptor,
    /// The same, with ends that do not spin.
    StreamDescriptorPark,
    /// ringmain's message ring, with `record_alignment(64)`.
    Message,
}

/// Both directions of a line.
pub(super) trait Line {
    /// Sends the value of a number, which may stay in a buffer.
    async fn send(&mut self, number: u64) -> Result<(), Box<dyn Error>>;

    /// Lets go what stayed in a buffer.
    async fn flush(&mut self) -> Result<(), Box<dyn Error>> {
        Ok(())
    }

    /// Receives a value, and returns its number.
    async fn receive(&mut self) -> Result<u64, Box<dyn Error>>;
}

/// Names the two rings of a line, in the order of the one who sends over the first.
pub(super) fn rings(name: &str, is_first: bool) -> [Options; 2] {
    let [there, back] = ["", "b"].map(|end| Options::new(format!("{name}{end}")).unlink_on_close(is_first));
    if is_first { [there, back] } else { [back, there] }
}

/// Ends of two stream rings.
pub(super) struct Streams {
    tx: Async<stream::Producer<Value<WORDS>>>,
    rx: Async<stream::Consumer<Value<WORDS>>>,
}

impl Streams {
    pub(super) fn attach(rings: [Options; 2], wait: Wait) -> Result<Streams, Box<dyn Error>> {
        let [there, back] = rings.map(|options| options.capacity(CAPACITY).wait(wait));
        Ok(Streams { tx: there.stream_producer()?.into_async()?, rx: back.stream_consumer()?.into_async()? })
    }
}

impl Line for Streams {
    #[inline]
    async fn send(&mut self, number: u64) -> Result<(), Box<dyn Error>> {
        Ok(self.tx.push(values::of_number(number)).await?)
    }

    #[inline]
    async fn receive(&mut self) -> Result<u64, Box<dyn Error>> {
        Ok(values::number(&self.rx.pop().await?))
    }
}

/// The same, whose ends are waited for by their descriptors, without a thread in between.
pub(super) struct Descriptors {
    tx: AsyncFd<Readiness<stream::Producer<Value<WORDS>>>>,
    rx: AsyncFd<Readiness<stream::Consumer<Value<WORDS>>>>,
}

impl Descriptors {
    #[allow(deprecated, reason = "the descriptor stays the same, and open, for as long as its handle lives")]
    pub(super) fn attach(rings: [Options; 2], wait: Wait) -> Result<Descriptors, Box<dyn Error>> {
        let [there, back] = rings.map(|options| options.capacity(CAPACITY).wait(wait));
        let (rx, tx) = (back.stream_consumer()?.into_readiness()?, there.stream_producer()?.into_readiness()?);
        Ok(Descriptors {
            tx: AsyncFd::with_interest(tx, Interest::READABLE)?,
            rx: AsyncFd::with_interest(rx, Interest::READABLE)?,
        })
    }
}

impl Line for Descriptors {
    #[inline]
    async fn send(&mut self, number: u64) -> Result<(), Box<dyn Error>> {
        loop {
            match self.tx.get_mut().handle().within(Duration::ZERO).push(values::of_number(number)) {
                Err(unfinished) if unfinished.cause == WaitError::TimedOut => {}
                pushed => return Ok(pushed.map_err(|unfinished| unfinished.cause)?),
            }
            if !self.tx.get_mut().is_ready(|tx| tx.writable(1))? {
                self.tx.readable_mut().await?.clear_ready();
            }
        }
    }

    #[inline]
    async fn receive(&mut self) -> Result<u64, Box<dyn Error>> {
        loop {
            match self.rx.get_mut().handle().within(Duration::ZERO).pop() {
                Err(WaitError::TimedOut) => {}
                popped => return Ok(values::number(&popped?)),
            }
            if !self.rx.get_mut().is_ready(|rx| rx.readable())? {
                self.rx.readable_mut().await?.clear_ready();
            }
        }
    }
}

/// The same, with values that are gathered: those that are sent, and those that come if there is room for them.
pub(super) struct Gathered {
    line: Streams,
    sent: Vec<Value<WORDS>>,
    received: Vec<Value<WORDS>>,
    /// Which of those that were received come next.
    next: Range<usize>,
}

impl Gathered {
    /// Reads up to so many at once: one at a time if it is none.
    pub(super) fn attach(rings: [Options; 2], read: usize) -> Result<Gathered, Box<dyn Error>> {
        let line = Streams::attach(rings, Wait::default())?;
        Ok(Gathered { line, sent: Vec::with_capacity(GATHERED), received: vec![[0; WORDS]; read], next: 0..0 })
    }
}

impl Line for Gathered {
    #[inline]
    async fn send(&mut self, number: u64) -> Result<(), Box<dyn Error>> {
        if self.sent.len() == GATHERED {
            self.flush().await?;
        }
        self.sent.push(values::of_number(number));
        Ok(())
    }

    #[inline]
    async fn flush(&mut self) -> Result<(), Box<dyn Error>> {
        self.line.tx.push_slice(&self.sent).await?;
        self.sent.clear();
        Ok(())
    }

    #[inline]
    async fn receive(&mut self) -> Result<u64, Box<dyn Error>> {
        if self.received.is_empty() {
            return self.line.receive().await;
        }
        if self.next.is_empty() {
            self.next = 0..self.line.rx.pop_some(&mut self.received).await?;
        }
        let at = self.next.next().expect("at least one came");
        Ok(values::number(&self.received[at]))
    }
}

/// Ends of two message rings.
pub(super) struct Messages {
    tx: Async<message::Producer>,
    rx: Async<message::Consumer>,
}

impl Messages {
    pub(super) fn attach(rings: [Options; 2]) -> Result<Messages, Box<dyn Error>> {
        let [there, back] =
            rings.map(|options| options.capacity(2 * CAPACITY * size_of::<Value<WORDS>>()).record_alignment(64));
        Ok(Messages { tx: there.message_producer()?.into_async()?, rx: back.message_consumer()?.into_async()? })
    }
}

impl Line for Messages {
    #[inline]
    async fn send(&mut self, number: u64) -> Result<(), Box<dyn Error>> {
        Ok(self.tx.push_value(&values::of_number::<WORDS>(number)).await?)
    }

    #[inline]
    async fn receive(&mut self) -> Result<u64, Box<dyn Error>> {
        Ok(values::number(&self.rx.pop_value::<Value<WORDS>>().await?))
    }
}

/// An end of a socket, which is read by `R`.
pub(super) struct Socket<R> {
    reader: R,
    writer: BufWriter<OwnedWriteHalf>,
}

/// Makes an end of a socket one of this runtime's.
pub(super) fn halves(socket: net::UnixStream) -> Result<(OwnedReadHalf, BufWriter<OwnedWriteHalf>), Box<dyn Error>> {
    socket.set_nonblocking(true)?;
    let (reader, writer) = UnixStream::from_std(socket)?.into_split();
    Ok((reader, BufWriter::new(writer)))
}

impl Socket<OwnedReadHalf> {
    pub(super) fn plain(socket: net::UnixStream) -> Result<Self, Box<dyn Error>> {
        let (reader, writer) = halves(socket)?;
        Ok(Socket { reader, writer })
    }
}

impl Socket<BufReader<OwnedReadHalf>> {
    pub(super) fn buffered(socket: net::UnixStream) -> Result<Self, Box<dyn Error>> {
        let (reader, writer) = halves(socket)?;
        Ok(Socket { reader: BufReader::new(reader), writer })
    }
}

impl<R: AsyncReadExt + Unpin> Line for Socket<R> {
    #[inline]
    async fn send(&mut self, number: u64) -> Result<(), Box<dyn Error>> {
        Ok(self.writer.write_all(bytemuck::bytes_of(&values::of_number::<WORDS>(number))).await?)
    }

    #[inline]
    async fn flush(&mut self) -> Result<(), Box<dyn Error>> {
        Ok(self.writer.flush().await?)
    }

    #[inline]
    async fn receive(&mut self) -> Result<u64, Box<dyn Error>> {
        let mut value: Value<WORDS> = [0; WORDS];
        self.reader.read_exact(bytemuck::bytes_of_mut(&mut value)).await?;
        Ok(values::number(&value))
    }
}
