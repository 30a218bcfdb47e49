//! Answers questions in a runtime of tokio's, beside its other tasks, until Ctrl-C: over two message rings, those of
//! `request_reply`, which asks. For two terminals, either started first:
//!
//! ```text
//! cargo run --release --example tokio_server -- [name]
//! cargo run --release --example request_reply -- ask [name] [count]
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "example".into());
    println!("serving {name}; Ctrl-C ends it");
    let answered = Arc::new(AtomicU64::new(0));
    let mut server = tokio::spawn(serve(name, Arc::clone(&answered)));
    let (mut clock, mut told) = (tokio::time::interval(Duration::from_secs(1)), 0);
    // One for all turns: a signal that comes with a tick is not lost with a future that is dropped.
    let mut ctrl_c = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            ended = &mut server => return ended?,
            // The runtime drops the task, and that its handles, which leaves the rings and removes their names: whoever
            // asks then is told that nobody can come.
            _ = &mut ctrl_c => break,
            _ = clock.tick() => {
                let now = answered.load(Ordering::Relaxed);
                if now > told {
                    println!("{} questions in a second", now - told);
                }
                told = now;
            }
        }
    }
    println!("answered {} questions", answered.load(Ordering::Relaxed));
    Ok(())
}

/// Answers whoever asks, one after the other. One that is killed leaves its rings to the next.
async fn serve(name: String, answered: Arc<AtomicU64>) -> Result<()> {
    let ring = |way: &str| {
        let ring = Options::new(format!("{name}.{way}")).capacity(4096).record_alignment(64);
        ring.unlink_on_close(true).await_successor(true)
    };
    loop {
        let mut rx = ring("request").message_consumer()?.into_async()?;
        let mut tx = ring("reply").message_producer()?.into_async()?;
        loop {
            let question = match rx.peek().await {
                Ok(question) => question,
                // Who asked has closed the rings, and removed them.
                Err(WaitError::Orphaned) => break,
                Err(error) => bail!(error),
            };
            let Some(Request { id, number }) = question.value(0) else {
                println!("a question of {} bytes, expected 16: it is left out", question.len());
                question.release();
                continue;
            };
            match tx.push_value(&Reply { id, square: number.wrapping_mul(number) }).await {
                Ok(()) => answered.fetch_add(1, Ordering::Relaxed),
                Err(WaitError::Orphaned) => break,
                Err(error) => bail!(error),
            };
            // Not before its answer is there: if this is killed, the next server finds the question.
            question.release();
        }
    }
}
