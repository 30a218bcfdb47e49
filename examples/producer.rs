//! Sends numbers through a ring until it is interrupted. Run it beside the example `consumer`, either started first:
//!
//! ```text
//! cargo run --release --example producer -- [name] [count]
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use ringmain::stream::PushError;
use ringmain::{Options, PeerState};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "example".into());
    let count: u64 = match arguments.next() {
        Some(count) => {
            count.parse().map_err(|error| format!("count {count:?}: {error}; expected how many numbers to send"))?
        }
        None => 100_000_000,
    };
    // Whoever comes first creates the ring; both give the same capacity.
    let mut tx = Options::new(&name).capacity(65_536).stream_producer::<u64>()?;
    println!("producer {} of {name}, peer {:?}", tx.generation(), tx.peer_state());
    for mut number in 0..count {
        loop {
            match tx.push(number) {
                Ok(()) => break,
                Err(PushError::Full(back)) => number = back,
                Err(error) => return Err(error.into()),
            }
            // The ring is full: the consumer is slower, or not there. Nothing is lost while we wait.
            match tx.peer_state() {
                PeerState::Alive => thread::yield_now(),
                PeerState::Never | PeerState::Closed | PeerState::Crashed => thread::sleep(Duration::from_millis(1)),
            }
        }
    }
    println!("sent {count} numbers");
    tx.close()?;
    Ok(())
}
