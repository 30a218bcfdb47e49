//! Receives the numbers of the example `producer`, checks their order, and ends when the producer has.
//!
//! ```text
//! cargo run --release --example consumer -- [name]
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ringmain::{Options, WaitError};

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
    let name = std::env::args().nth(1).unwrap_or_else(|| "example".into());
    // Whoever comes first creates the ring; both give the same capacity. The consumer leaves last, so it removes it.
    let options = Options::new(&name).capacity(65_536).unlink_on_close(true);
    let mut rx = options.stream_consumer::<u64>()?;
    println!("consumer {} of {name}, peer {:?}", rx.generation(), rx.peer_state());
    let (mut count, mut last, mut started) = (0_u64, None, None);
    let ended = loop {
        match rx.blocking().pop() {
            Ok(number) => {
                started.get_or_insert_with(Instant::now);
                if last.is_some_and(|last| number != last + 1) {
                    return Err(format!("number {number} came after {last:?}").into());
                }
                (count, last) = (count + 1, Some(number));
            }
            // All that it had pushed before was popped.
            Err(ended @ (WaitError::Closed | WaitError::Crashed)) => break ended,
            Err(error) => return Err(error.into()),
        }
    };
    println!("{ended}");
    let seconds = started.map_or(Duration::ZERO, |started| started.elapsed()).as_secs_f64();
    println!("received {count} numbers in {seconds:.3} s, the last is {last:?}");
    rx.close()?;
    Ok(())
}
