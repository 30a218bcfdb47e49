//! Hands a ring without a name to those who connect to a socket, and sends numbers through it: to one client after the
//! other, each of which goes on where the last one stopped.
//!
//! ```text
//! cargo run --release --example anonymous_socket -- serve PATH [count]
//! cargo run --release --example anonymous_socket -- receive PATH [count]
//! ```

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ringmain::pass::{self, Answer};
use ringmain::stream::Producer;
use ringmain::{Options, WaitError};

/// How long one side waits for the other to do its part on the socket.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    ensure!(part == "serve" || part == "receive", "part {part:?}; expected serve or receive");
    // The system would choose an address itself for an empty one.
    let path = arguments.next().filter(|path| !path.is_empty());
    let path = path.with_context(|| format!("no path after {part}; expected that of a socket"))?;
    let parse = |count: String| count.parse().with_context(|| format!("count {count:?}; expected how many numbers"));
    let count: Option<u64> = arguments.next().map(parse).transpose()?;
    match part.as_str() {
        "serve" => {
            // One that was killed has left its socket, at which nobody listens. A file of another kind refuses too.
            let is_socket = fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket());
            if is_socket && UnixStream::connect(&path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
            {
                fs::remove_file(&path).with_context(|| format!("cannot remove {path}"))?;
            }
            let listener = UnixListener::bind(&path).with_context(|| {
                format!("cannot listen at {path}; give another path, or end the server that runs there")
            })?;
            let served = serve(&listener, count.unwrap_or(10_000_000));
            fs::remove_file(&path).with_context(|| format!("cannot remove {path}"))?;
            served
        }
        _ => receive(&path, count.unwrap_or(u64::MAX)),
    }
}

/// Gives the ring to one client after the other, until all numbers are sent.
fn serve(listener: &UnixListener, count: u64) -> Result<()> {
    let mut tx = Options::anonymous().capacity(65_536).stream_producer::<u64>()?;
    println!("serving {count} numbers");
    let mut next = 0;
    while next < count {
        let (socket, _) = listener.accept()?;
        if let Err(error) = give(&socket, &tx) {
            eprintln!("a client went away: {error:#}");
            continue;
        }
        println!("client {} from {next} on", tx.peer_generation());
        while next < count {
            match tx.blocking().push(next) {
                Ok(()) => next += 1,
                // What it has not read, the next client will.
                Err(unfinished) if matches!(unfinished.cause, WaitError::Closed | WaitError::Crashed) => break,
                Err(unfinished) => bail!(unfinished),
            }
        }
    }
    tx.close()?;
    println!("sent {count} numbers");
    Ok(())
}

/// Sends the ring, and waits until the client has attached.
fn give(socket: &UnixStream, tx: &Producer<u64>) -> Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    match pass::offer(socket, tx.descriptor())?.answer()? {
        Answer::Attached => Ok(()),
        other => bail!("{other:?}, expected that it attaches"),
    }
}

/// Receives the ring, and at most so many numbers.
fn receive(path: &str, count: u64) -> Result<()> {
    let socket =
        UnixStream::connect(path).with_context(|| format!("cannot connect to {path}; start the server first"))?;
    println!("connected to {path}; waiting for the ring");
    // A server that is busy with another client takes its time: this waits for its turn.
    let mut rx = pass::accept(&socket, |ring| Options::from_fd(ring).stream_consumer::<u64>())?;
    let (mut received, mut first, mut last) = (0, None, None);
    while received < count {
        match rx.blocking().pop() {
            Ok(number) => {
                ensure!(last.is_none_or(|last| number == last + 1), "number {number} came after {last:?}");
                (received, last) = (received + 1, Some(number));
                first.get_or_insert(number);
            }
            Err(ended @ (WaitError::Closed | WaitError::Crashed)) => {
                println!("{ended}");
                break;
            }
            Err(error) => bail!(error),
        }
    }
    println!("received {received} numbers, from {first:?} to {last:?}");
    rx.close()?;
    Ok(())
}
