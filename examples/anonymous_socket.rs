//! Hands a ring without a name to those who connect to a socket, and sends numbers through it: to one client after the
//! other, each of which goes on where the last one stopped.
//!
//! ```text
//! cargo run --release --example anonymous_socket -- serve PATH [count]
//! cargo run --release --example anonymous_socket -- receive PATH [count]
//! ```

use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::iter::successors;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;
use std::time::Duration;

use ringmain::pass::{self, Answer};
use ringmain::stream::Producer;
use ringmain::{Options, WaitError};

/// How long one side waits for the other to do its part on the socket.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", text(&*error));
            ExitCode::FAILURE
        }
    }
}

/// What went wrong, and why.
fn text(error: &dyn Error) -> String {
    let causes = successors(error.source(), |&cause| cause.source());
    format!("{error}{}", causes.map(|cause| format!(": {cause}")).collect::<String>())
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    if part != "serve" && part != "receive" {
        return Err(format!("part {part:?}; expected serve or receive").into());
    }
    // The system would choose an address itself for an empty one.
    let path = arguments.next().filter(|path| !path.is_empty());
    let path = path.ok_or_else(|| format!("no path after {part}; expected that of a socket"))?;
    let count: Option<u64> = match arguments.next() {
        Some(count) => {
            Some(count.parse().map_err(|error| format!("count {count:?}: {error}; expected how many numbers"))?)
        }
        None => None,
    };
    match part.as_str() {
        "serve" => {
            // One that was killed has left its socket, at which nobody listens. A file of another kind refuses too.
            let is_socket = fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket());
            if is_socket && UnixStream::connect(&path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
            {
                fs::remove_file(&path)?;
            }
            let listener = UnixListener::bind(&path).map_err(|error| {
                format!("cannot listen at {path}: {error}; end the server that runs there, or give another path")
            })?;
            let served = serve(&listener, count.unwrap_or(10_000_000));
            fs::remove_file(&path)?;
            served
        }
        _ => receive(&path, count.unwrap_or(u64::MAX)),
    }
}

/// Gives the ring to one client after the other, until all numbers are sent.
fn serve(listener: &UnixListener, count: u64) -> Result<(), Box<dyn Error>> {
    let mut tx = Options::anonymous().capacity(65_536).stream_producer::<u64>()?;
    println!("serving {count} numbers");
    let mut next = 0;
    while next < count {
        let (socket, _) = listener.accept()?;
        match give(&socket, &tx) {
            Ok(()) => println!("client {} from {next} on", tx.peer_generation()),
            Err(error) => {
                eprintln!("a client went away: {}", text(&*error));
                continue;
            }
        }
        while next < count {
            match tx.blocking().push(next) {
                Ok(()) => next += 1,
                // What it has not read, the next client will.
                Err(unfinished) if matches!(unfinished.cause, WaitError::Closed | WaitError::Crashed) => break,
                Err(unfinished) => return Err(unfinished.into()),
            }
        }
    }
    tx.close()?;
    println!("sent {count} numbers");
    Ok(())
}

/// Sends the ring, and waits until the client has attached.
fn give(socket: &UnixStream, tx: &Producer<u64>) -> Result<(), Box<dyn Error>> {
    socket.set_read_timeout(Some(PATIENCE))?;
    match pass::offer(socket, tx.descriptor())?.answer()? {
        Answer::Attached => Ok(()),
        other => Err(format!("{other:?}, expected that it attaches").into()),
    }
}

/// Receives the ring, and at most so many numbers.
fn receive(path: &str, count: u64) -> Result<(), Box<dyn Error>> {
    let socket = UnixStream::connect(path)
        .map_err(|error| format!("cannot connect to {path}: {error}; start the server first"))?;
    println!("connected to {path}; waiting for the ring");
    // A server that is busy with another client takes its time: this waits for its turn.
    let mut rx = pass::accept(&socket, |ring| Options::from_fd(ring).stream_consumer::<u64>())?;
    let (mut received, mut first, mut last) = (0, None, None);
    while received < count {
        match rx.blocking().pop() {
            Ok(number) => {
                if last.is_some_and(|last| number != last + 1) {
                    return Err(format!("number {number} came after {last:?}").into());
                }
                (received, last) = (received + 1, Some(number));
                first.get_or_insert(number);
            }
            Err(ended @ (WaitError::Closed | WaitError::Crashed)) => {
                println!("{ended}");
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    println!("received {received} numbers, from {first:?} to {last:?}");
    rx.close()?;
    Ok(())
}
