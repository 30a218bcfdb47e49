//! The programs at both ends of what is measured. Each prints nanoseconds, a line per figure.

use std::io::{BufReader, BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Args, Subcommand};
use ringmain::{Options, WaitError};
use zenoh::Wait as _;

use crate::router::config;

/// One end of what is measured.
#[derive(Debug, Args)]
pub struct Load {
    #[command(subcommand)]
    part: Part,
}

/// How much goes, and how long each message is, in bytes.
#[derive(Debug, Clone, Copy, Args)]
struct Much {
    #[arg(long)]
    messages: u64,
    #[arg(long)]
    length: usize,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Push messages.
    Push {
        ring: String,
        #[command(flatten)]
        much: Much,
    },
    /// Pop messages; print how long that took from the first to the last.
    Pop {
        ring: String,
        #[command(flatten)]
        much: Much,
    },
    /// Write messages to a stream of TCP, so many bytes at a time.
    Write {
        address: String,
        #[command(flatten)]
        much: Much,
        #[arg(long)]
        buffer: usize,
    },
    /// Read messages from a stream of TCP; print how long that took from the first to the last.
    Read {
        address: String,
        #[command(flatten)]
        much: Much,
    },
    /// Send messages through one pair of rings, await each in another one; print how long each took.
    Ping {
        to: String,
        from: String,
        #[command(flatten)]
        much: Much,
    },
    /// Send back what comes.
    Echo {
        from: String,
        to: String,
        #[command(flatten)]
        much: Much,
    },
    /// Query with messages, await the answer to each; print how long each took.
    Ask {
        endpoint: String,
        #[command(flatten)]
        much: Much,
    },
    /// Answer queries, until this process is killed.
    Answer { endpoint: String },
    /// Hold one end of a ring, and wait at it until this process is killed.
    Hold { ring: String, side: Side },
}

/// Which end of a ring.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
#[expect(missing_docs, reason = "as they are called")]
pub enum Side {
    Producer,
    Consumer,
}

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a query asks for.
const KEY: &str = "lab/echo";

/// Serves as one end.
///
/// # Errors
/// - the other end does not come, or something else comes than was sent
pub fn run(load: &Load) -> Result<()> {
    match &load.part {
        Part::Push { ring, much } => push(ring, *much),
        Part::Pop { ring, much } => pop(ring, *much),
        Part::Write { address, much, buffer } => write(address, *much, *buffer),
        Part::Read { address, much } => read(address, *much),
        Part::Ping { to, from, much } => ping(to, from, *much),
        Part::Echo { from, to, much } => echo(from, to, *much),
        Part::Ask { endpoint, much } => ask(endpoint, *much),
        Part::Answer { endpoint } => answer(endpoint),
        Part::Hold { ring, side } => hold(ring, *side),
    }
}

fn options(ring: &str) -> Options {
    Options::new(ring).wait_for(PATIENCE).await_successor(true)
}

/// Numbers a message.
fn number(message: &mut [u8], number: u64) {
    message[..8].copy_from_slice(&number.to_le_bytes());
}

fn check(message: &[u8], expected: u64, length: usize) -> Result<()> {
    ensure!(message.len() == length, "{} bytes came, expected {length}", message.len());
    let found = u64::from_le_bytes(*message.first_chunk().context("a short message")?);
    ensure!(found == expected, "message {found} came, expected {expected}");
    Ok(())
}

fn push(ring: &str, much: Much) -> Result<()> {
    let mut tx = options(ring).message_producer()?;
    let mut message = vec![0; much.length];
    for at in 0..much.messages {
        number(&mut message, at);
        tx.within(PATIENCE).push(&message)?;
    }
    tx.close()?;
    Ok(())
}

fn pop(ring: &str, much: Much) -> Result<()> {
    let mut rx = options(ring).message_consumer()?;
    let mut message = vec![0; much.length];
    let mut start = Instant::now();
    for at in 0..much.messages {
        let len = rx.within(PATIENCE).pop(&mut message)?;
        check(&message[..len], at, much.length)?;
        if at == 0 {
            start = Instant::now();
        }
    }
    println!("{}", start.elapsed().as_nanos());
    rx.close()?;
    Ok(())
}

fn write(address: &str, much: Much, buffer: usize) -> Result<()> {
    // What is longer than the buffer is written by itself.
    let mut stream = BufWriter::with_capacity(buffer, connect(address)?);
    let mut message = vec![0; much.length];
    for at in 0..much.messages {
        number(&mut message, at);
        stream.write_all(&message)?;
    }
    stream.flush()?;
    Ok(())
}

fn connect(address: &str) -> Result<TcpStream> {
    let start = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return Ok(stream),
            Err(_) if start.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(error).with_context(|| format!("cannot connect to {address}")),
        }
    }
}

fn read(address: &str, much: Much) -> Result<()> {
    let (stream, _) = TcpListener::bind(address)?.accept()?;
    let mut stream = BufReader::with_capacity(1 << 17, stream);
    let mut message = vec![0; much.length];
    let mut start = Instant::now();
    for at in 0..much.messages {
        stream.read_exact(&mut message).with_context(|| format!("the stream has ended after {at} messages"))?;
        check(&message, at, much.length)?;
        if at == 0 {
            start = Instant::now();
        }
    }
    println!("{}", start.elapsed().as_nanos());
    Ok(())
}

fn ping(to: &str, from: &str, much: Much) -> Result<()> {
    let mut tx = options(to).message_producer()?;
    let mut message = vec![0; much.length];
    // The first one makes the ring that the answers come from.
    number(&mut message, 0);
    tx.push(&message).map_err(|error| anyhow!("{error}"))?;
    let mut rx = options(from).message_consumer()?;
    let mut answer = vec![0; much.length];
    for at in 0..much.messages {
        let start = Instant::now();
        if at > 0 {
            number(&mut message, at);
            tx.push(&message).map_err(|error| anyhow!("{error}"))?;
        }
        let len = rx.within(PATIENCE).pop(&mut answer)?;
        if at > 0 {
            println!("{}", start.elapsed().as_nanos());
        }
        check(&answer[..len], at, much.length)?;
    }
    tx.close()?;
    rx.close()?;
    Ok(())
}

fn echo(from: &str, to: &str, much: Much) -> Result<()> {
    let mut rx = options(from).message_consumer()?;
    let mut tx = options(to).message_producer()?;
    let mut message = vec![0; much.length];
    for at in 0..much.messages {
        let len = rx.within(PATIENCE).pop(&mut message)?;
        check(&message[..len], at, much.length)?;
        tx.push(&message[..len]).map_err(|error| anyhow!("{error}"))?;
    }
    tx.close()?;
    rx.close()?;
    Ok(())
}

fn ask(endpoint: &str, much: Much) -> Result<()> {
    let config = config("peer", &[], &[endpoint.to_owned()])?;
    let session = zenoh::open(config).wait().map_err(|error| anyhow!("{error}"))?;
    let querier = session.declare_querier(KEY).timeout(PATIENCE).wait().map_err(|error| anyhow!("{error}"))?;
    let start = Instant::now();
    while !querier.matching_status().wait().map_err(|error| anyhow!("{error}"))?.matching() {
        ensure!(start.elapsed() < PATIENCE, "nobody answers at {KEY}");
        thread::sleep(Duration::from_millis(5));
    }
    let mut message = vec![0; much.length];
    for at in 0..much.messages {
        number(&mut message, at);
        let start = Instant::now();
        let answers = querier.get().payload(message.clone()).wait().map_err(|error| anyhow!("{error}"))?;
        let answer = answers.recv().map_err(|error| anyhow!("no answer: {error}"))?;
        println!("{}", start.elapsed().as_nanos());
        let sample = answer.result().map_err(|error| anyhow!("{error:?}"))?;
        check(&sample.payload().to_bytes(), at, much.length)?;
    }
    Ok(())
}

fn answer(endpoint: &str) -> Result<()> {
    let config = config("peer", &[endpoint.to_owned()], &[])?;
    let session = zenoh::open(config).wait().map_err(|error| anyhow!("{error}"))?;
    let answer = |query: zenoh::query::Query| {
        let payload = query.payload().cloned().unwrap_or_default();
        // Who has asked and is gone needs no answer.
        let _ = query.reply(KEY, payload).wait();
    };
    let _queryable = session.declare_queryable(KEY).callback(answer).wait().map_err(|error| anyhow!("{error}"))?;
    loop {
        thread::park();
    }
}

fn hold(ring: &str, side: Side) -> Result<()> {
    match side {
        Side::Producer => {
            let _tx = options(ring).message_producer()?;
            loop {
                thread::park();
            }
        }
        Side::Consumer => {
            let mut rx = options(ring).message_consumer()?;
            let mut message = vec![0; rx.max_len()];
            loop {
                match rx.within(PATIENCE).pop(&mut message) {
                    Ok(_) | Err(WaitError::TimedOut) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}
