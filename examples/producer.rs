//! Sends numbers through a ring. Run it beside the example `consumer`, either started first; either may be stopped at
//! any time and started again, and the other one goes on with it:
//!
//! ```text
//! cargo run --release --example producer -- [name] [count]
//! ```

use std::time::Duration;

use anyhow::{Context, Result};
use ringmain::stream::Producer;
use ringmain::{Options, WaitError};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "example".into());
    let count: u64 = match arguments.next() {
        Some(count) => count.parse().with_context(|| format!("count {count:?}; expected how many numbers to send"))?,
        None => 100_000_000,
    };
    // Whoever comes first creates the ring; both give the same capacity. The producer knows when all is sent, so it
    // removes the ring. A consumer that is gone does not end it: the next one goes on.
    let options = Options::new(&name).capacity(65_536).unlink_on_close(true).await_successor(true);
    let mut tx = options.stream_producer::<u64>()?;
    println!("producer {} of {name}, peer {:?}", tx.generation(), tx.peer_state());
    for number in 0..count {
        while tx.push(number).is_err() {
            wait_until_free(&mut tx, 1)?;
        }
    }
    // Until all was popped: a consumer that comes later finds no ring.
    let all = tx.capacity();
    wait_until_free(&mut tx, all)?;
    println!("sent {count} numbers");
    tx.close()?;
    Ok(())
}

/// Waits for the consumer: the first one too, and nothing is lost meanwhile. After a second it says so.
fn wait_until_free(tx: &mut Producer<u64>, len: usize) -> Result<(), WaitError> {
    if tx.within(Duration::from_secs(1)).until_free(len) == Err(WaitError::TimedOut) {
        println!("waiting for a consumer, peer {:?}; start `consumer {}` if none runs", tx.peer_state(), tx.name());
    }
    tx.blocking().until_free(len)
}
