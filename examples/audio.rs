//! An audio callback writes, and a task reads. The callback may not wait for anything: it makes one call, which copies
//! and stores a position, without an allocation, a lock or a system call. For two terminals, either started first:
//!
//! ```text
//! cargo run --release --example audio -- play [name] [seconds]
//! cargo run --release --example audio -- record [name]
//! ```

use std::f32::consts::TAU;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ringmain::stream::Producer;
use ringmain::{Options, WaitError};

/// Samples a second, and in each call of the callback.
const RATE: usize = 48_000;
const BLOCK: usize = 256;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    let name = arguments.next().unwrap_or_else(|| "example".into());
    match part.as_str() {
        "play" => {
            let seconds = arguments.next().unwrap_or_else(|| "5".into());
            play(&name, seconds.parse().with_context(|| format!("seconds {seconds:?}; expected a number"))?)
        }
        "record" => record(&name),
        _ => bail!("part {part:?}; expected play or record"),
    }
}

/// A ring for a second of samples, in memory that is there (it is reserved and mapped at attach) and stays there.
fn ring(name: &str) -> Options {
    Options::new(name).capacity(RATE)
}

/// What a sound card's driver calls for each block, by a thread with a deadline.
struct Callback {
    tx: Producer<f32>,
    phase: f32,
    /// Samples for which there was no room: nobody reads, or too slowly.
    lost: usize,
}

impl Callback {
    fn call(&mut self, block: &mut [f32; BLOCK]) {
        for sample in &mut *block {
            *sample = (self.phase * TAU).sin();
            self.phase = (self.phase + 440.0 / RATE as f32).fract();
        }
        // It never waits. It would make a system call if the reader slept at the ring; this one sleeps by a clock.
        self.lost += BLOCK - self.tx.push_slice(block).unwrap_or(0);
    }
}

/// Calls the callback as a sound card would.
fn play(name: &str, seconds: u32) -> Result<()> {
    // It knows when all is played, so it removes the ring.
    let tx = ring(name).unlink_on_close(true).await_successor(true).stream_producer()?;
    let mut callback = Callback { tx, phase: 0.0, lost: 0 };
    let mut block = [0.0; BLOCK];
    let start = Instant::now();
    for number in 0..seconds as usize * RATE / BLOCK {
        let due = start + Duration::from_secs_f64((number * BLOCK) as f64 / RATE as f64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        callback.call(&mut block);
    }
    // The callback is over, so this may wait: until the rest was read, since a reader that comes later finds no ring.
    let all = callback.tx.capacity();
    if callback.tx.within(Duration::from_secs(1)).until_free(all) == Err(WaitError::TimedOut) {
        println!("waiting for a reader, peer {:?}; start `audio record {name}` if none runs", callback.tx.peer_state());
    }
    callback.tx.blocking().until_free(all)?;
    println!("played {seconds} seconds, {} samples were lost", callback.lost);
    callback.tx.close()?;
    Ok(())
}

/// Reads in a runtime of tokio's, beside whatever else that does.
#[tokio::main(flavor = "current_thread")]
async fn record(name: &str) -> Result<()> {
    // A task that awaits the first block sleeps at the ring, and its wake is a system call of the callback's: once.
    let mut rx = ring(name).stream_consumer::<f32>()?.into_async()?;
    println!("recording {name}; waiting for samples");
    // An end of whoever played is told below once more.
    let _ = rx.until_available(1).await;
    // From here on a clock wakes it, so a plain handle is enough.
    let mut rx = rx.into_inner();
    let mut clock = tokio::time::interval(Duration::from_millis(10));
    let (mut block, mut samples, mut peak) = ([0_f32; 4 * BLOCK], 0, 0_f32);
    loop {
        match rx.within(Duration::ZERO).pop_some(&mut block) {
            Ok(len) => {
                samples += len;
                peak = block[..len].iter().fold(peak, |peak, sample| peak.max(sample.abs()));
            }
            Err(WaitError::TimedOut) => drop(clock.tick().await),
            // A player that was killed may be started again: this goes on with it. Each call says so until then.
            Err(WaitError::Crashed) => {
                println!("{}; waiting for the next one", WaitError::Crashed);
                while rx.within(Duration::ZERO).until_available(1) == Err(WaitError::Crashed) {
                    // Whoever came now would create another ring of this name.
                    ensure!(!rx.is_orphaned(), WaitError::Orphaned);
                    clock.tick().await;
                }
            }
            Err(WaitError::Closed) => break,
            Err(error) => bail!(error),
        }
    }
    println!("recorded {samples} samples, {:.1} seconds; the highest is {peak:.3}", samples as f64 / RATE as f64);
    rx.close()?;
    Ok(())
}
