//! Receives the numbers of the example `producer`, checks their order, and ends when the producer has closed the ring.
//! One that was killed it waits for to be started again.
//!
//! ```text
//! cargo run --release --example consumer -- [name]
//! ```

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use ringmain::{Options, WaitError};

fn main() -> Result<()> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "example".into());
    // Whoever comes first creates the ring; both give the same capacity.
    let mut rx = Options::new(&name).capacity(65_536).stream_consumer::<u64>()?;
    println!("consumer {} of {name}, peer {:?}; waiting for numbers", rx.generation(), rx.peer_state());
    let (mut count, mut last, mut started) = (0_u64, None, Instant::now());
    loop {
        match rx.blocking().pop() {
            Ok(number) => {
                match last {
                    Some(last) if number == last + 1 => {}
                    // The numbers of each producer begin with 0, and those of the one before are all popped.
                    Some(last) if number == 0 => {
                        println!("another producer begins; {last} was the last number of the one before");
                        count = 0;
                    }
                    Some(last) => bail!("number {number} came after {last}"),
                    None => {}
                }
                if count == 0 {
                    started = Instant::now();
                }
                (count, last) = (count + 1, Some(number));
            }
            // All that it had pushed before was popped.
            Err(WaitError::Closed) => break,
            // The same; but it has not sent all that it wanted to. Each call says so until the next one has come.
            Err(WaitError::Crashed) => {
                println!("{}; waiting for the next one", WaitError::Crashed);
                while rx.within(Duration::ZERO).until_available(1) == Err(WaitError::Crashed) {
                    // Whoever came now would create another ring of this name.
                    ensure!(!rx.is_orphaned(), WaitError::Orphaned);
                    thread::sleep(Duration::from_millis(10));
                }
            }
            Err(error) => bail!(error),
        }
    }
    println!("{}", WaitError::Closed);
    let seconds = started.elapsed().as_secs_f64();
    println!("received {count} numbers in {seconds:.3} s, the last is {last:?}");
    rx.close()?;
    Ok(())
}
