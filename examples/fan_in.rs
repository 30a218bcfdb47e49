//! Reads many rings by one thread, whoever sends over them, until all have left or a line is entered. For several
//! terminals, started in any order; each may be killed and started again, and the others go on:
//!
//! ```text
//! cargo run --release --example fan_in -- gather [name] [rings]
//! cargo run --release --example fan_in -- send [name] [ring] [count]
//! ```

use std::io::stdin;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ringmain::message::{Consumer, Producer};
use ringmain::{Options, PeerState, WaitError, WaitSet, Woken};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    let name = arguments.next().unwrap_or_else(|| "example".into());
    let first = arguments.next();
    match part.as_str() {
        "gather" => gather(&name, number("rings", first, 8)?),
        "send" => send(&name, number("ring", first, 0)?, number("count", arguments.next(), 1_000_000)?),
        _ => bail!("part {part:?}; expected gather or send"),
    }
}

fn number(what: &str, text: Option<String>, usual: u64) -> Result<u64> {
    let Some(text) = text else { return Ok(usual) };
    text.parse().with_context(|| format!("{what} {text:?}; expected a number"))
}

/// A ring of this number. Whoever comes first creates it, and goes on with whoever follows one that is gone.
fn ring(name: &str, number: u64) -> Options {
    Options::new(format!("{name}.{number}")).capacity(1 << 16).record_alignment(64).await_successor(true)
}

/// Reads all rings until their producers have sent all and removed them.
fn gather(name: &str, rings: u64) -> Result<()> {
    let attach = |at| ring(name, at).message_consumer();
    let mut consumers: Vec<Consumer> = (0..rings).map(attach).collect::<Result<_, _>>()?;
    let mut set = WaitSet::new();
    let stop = set.waker();
    thread::spawn(move || {
        if stdin().read_line(&mut String::new()).is_ok_and(|len| len > 0) {
            stop.wake();
        }
    });
    println!("reading {rings} rings, from {name}.0 on; enter a line to stop");
    let (mut messages, mut waits) = (0_u64, 0_u64);
    while !consumers.is_empty() {
        waits += 1;
        // What is waited for is said each time, so the list may change between two waits.
        let mut list: Vec<_> = consumers.iter_mut().map(Consumer::readable).collect();
        let ready = match set.wait(&mut list, None)? {
            Woken::Ready(ready) => ready,
            _ => break,
        };
        let mut gone = Vec::new();
        for at in ready {
            // A share for each: a ring that is never empty keeps none of the others waiting.
            match consumers[at].within(Duration::ZERO).drain(100, |_message| messages += 1) {
                // It was ready, and has nothing now: another wait tells.
                Ok(_) | Err(WaitError::TimedOut) => {}
                Err(WaitError::Orphaned) => {
                    let is_killed = consumers[at].peer_state() == PeerState::Crashed;
                    let end = if is_killed { "its sender was killed" } else { "all is sent" };
                    println!("{}: {end}", consumers[at].name());
                    gone.push(at);
                }
                Err(error) => bail!(error),
            }
        }
        // From the last one on, so that the others keep their places.
        for at in gone.into_iter().rev() {
            consumers.remove(at).close()?;
        }
    }
    println!("read {messages} messages by {waits} waits");
    Ok(())
}

/// Sends so many messages over one ring.
fn send(name: &str, number: u64, count: u64) -> Result<()> {
    let mut tx = ring(name, number).unlink_on_close(true).message_producer()?;
    for number in 0..count {
        while tx.push_value(&number).is_err() {
            wait_until_free(&mut tx, size_of_val(&number))?;
        }
    }
    // Until all was read: a reader that comes later finds no ring.
    let all = tx.max_len();
    wait_until_free(&mut tx, all)?;
    println!("sent {count} messages over {}", tx.name());
    tx.close()?;
    Ok(())
}

/// Waits for whoever reads. After a second it says so.
fn wait_until_free(tx: &mut Producer, len: usize) -> Result<(), WaitError> {
    if tx.within(Duration::from_secs(1)).until_free(len) == Err(WaitError::TimedOut) {
        println!(
            "waiting for a reader of {}, peer {:?}; start `fan_in gather` if none runs, or again once it has ended",
            tx.name(),
            tx.peer_state()
        );
    }
    tx.blocking().until_free(len)
}
