//! Asks a question and waits for its answer: two message rings, one each way. For two terminals, either started first;
//! either may be killed and started again, and the other one goes on with it:
//!
//! ```text
//! cargo run --release --example request_reply -- serve [name]
//! cargo run --release --example request_reply -- ask [name] [count]
//! ```

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytemuck::{Pod, Zeroable};
use ringmain::{Options, WaitError};

/// A question: the square of a number.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Request {
    id: u64,
    number: u64,
}

/// The answer to the question with the same id.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Reply {
    id: u64,
    square: u64,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    let name = arguments.next().unwrap_or_else(|| "example".into());
    match part.as_str() {
        "serve" => serve(&name),
        "ask" => {
            let count = match arguments.next() {
                Some(count) => count.parse().with_context(|| format!("count {count:?}; expected how often to ask"))?,
                None => 1_000_000,
            };
            ask(&name, count)
        }
        _ => bail!("part {part:?}; expected serve or ask"),
    }
}

/// The two rings. Whoever comes first creates them; with records at multiples of 64 bytes, a small message moves in one
/// cache line.
fn rings(name: &str) -> (Options, Options) {
    let ring = |way: &str| Options::new(format!("{name}.{way}")).capacity(4096).record_alignment(64);
    (ring("request"), ring("reply"))
}

/// Answers until whoever asks has closed the rings.
fn serve(name: &str) -> Result<()> {
    let (requests, replies) = rings(name);
    let mut rx = requests.message_consumer()?;
    let mut tx = replies.await_successor(true).message_producer()?;
    println!("serving {name}");
    let mut answered = 0_u64;
    loop {
        let question = match rx.blocking().peek() {
            Ok(question) => question,
            Err(WaitError::Closed) => break,
            Err(WaitError::Crashed) => {
                println!("{}; waiting for the next one", WaitError::Crashed);
                // Each call says so until the next one has come.
                while rx.within(Duration::ZERO).until_available() == Err(WaitError::Crashed) {
                    // Whoever came now would create other rings of this name.
                    ensure!(!rx.is_orphaned(), WaitError::Orphaned);
                    thread::sleep(Duration::from_millis(10));
                }
                continue;
            }
            Err(error) => bail!(error),
        };
        let Some(Request { id, number }) = question.value(0) else {
            println!("a question of {} bytes, expected 16: it is left out", question.len());
            question.release();
            continue;
        };
        tx.blocking().push_value(&Reply { id, square: number.wrapping_mul(number) })?;
        // Not before its answer is there: if this is killed, the next server finds the question.
        question.release();
        answered += 1;
    }
    println!("answered {answered} questions");
    rx.close()?;
    tx.close()?;
    Ok(())
}

/// Asks so many times, each time when the last answer has come. It knows when it has asked all, so it removes the
/// rings.
fn ask(name: &str, count: u64) -> Result<()> {
    let (requests, replies) = rings(name);
    // A server that is gone does not end it: the next one goes on.
    let mut tx = requests.unlink_on_close(true).await_successor(true).message_producer()?;
    let mut rx = replies.unlink_on_close(true).await_successor(true).message_consumer()?;
    let mut start = Instant::now();
    // No asker that is killed leaves questions with the ids of another one.
    let first = u64::from(std::process::id()) << 32;
    for id in first..first.saturating_add(count) {
        tx.blocking().push_value(&Request { id, number: id })?;
        let reply = loop {
            // An answer may take as long as it takes to start the server.
            if rx.within(Duration::from_secs(1)).until_available() == Err(WaitError::TimedOut) {
                let peer = rx.peer_state();
                println!("waiting for an answer, peer {peer:?}; start `request_reply serve {name}` if none runs");
            }
            let reply: Reply = rx.blocking().pop_value()?;
            if reply.id == id {
                break reply;
            }
            // Else it is for an asker that was killed, or one more for a question that a killed server had answered.
        };
        if id == first {
            start = Instant::now();
        }
        ensure!(reply.square == id.wrapping_mul(id), "question {id} was answered by {reply:?}");
    }
    let each = start.elapsed().as_nanos() as f64 / count.saturating_sub(1).max(1) as f64;
    println!("asked {count} questions, {each:.0} ns each, there and back");
    // A server opens them in the other order, so that none has these replies and the requests of the next asker.
    rx.close()?;
    tx.close()?;
    Ok(())
}
