//! Starts itself as a child, which inherits a ring without a name and reads the messages in it.
//!
//! ```text
//! cargo run --release --example anonymous_child -- [count]
//! ```

use std::env;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ringmain::{Options, WaitError, pass};

/// The environment variable that tells the child about the ring.
const RING: &str = "ANONYMOUS_CHILD_RING";

/// The argument that makes this program the child.
const CHILD: &str = "child";

fn main() -> Result<()> {
    match env::args().nth(1).as_deref() {
        Some(CHILD) => read(),
        Some(count) => {
            write(count.parse().with_context(|| format!("count {count:?}; expected how many messages to send"))?)
        }
        None => write(1_000_000),
    }
}

/// Starts the child, and sends it messages.
fn write(count: u64) -> Result<()> {
    let mut tx = Options::anonymous().capacity(1 << 16).record_alignment(64).message_producer()?;
    let mut command = Command::new(env::current_exe()?);
    pass::inherit(&mut command, tx.descriptor(), RING)?;
    let mut child = command.arg(CHILD).spawn().context("cannot start the child")?;
    // Only a child that has come can be missed later: one that fails before would be waited for without end.
    while tx.peer_generation() == 0 {
        if let Some(status) = child.try_wait()? {
            bail!("the child failed: {status}");
        }
        thread::sleep(Duration::from_millis(1));
    }
    let sent = (0..count).try_for_each(|number| tx.blocking().push_value(&number));
    // It reads to the end, and leaves when it hears of this.
    tx.close()?;
    let status = child.wait()?;
    sent?;
    ensure!(status.success(), "the child failed: {status}");
    println!("sent {count} messages to process {}", child.id());
    Ok(())
}

/// Reads what the parent sends.
fn read() -> Result<()> {
    let mut rx = Options::from_fd(pass::inherited(RING)?).message_consumer()?;
    let mut received = 0_u64;
    loop {
        match rx.blocking().pop_value::<u64>() {
            Ok(number) if number == received => received += 1,
            Ok(number) => bail!("message {number} came, expected {received}"),
            Err(ended @ (WaitError::Closed | WaitError::Crashed)) => {
                println!("received {received} messages; {ended}");
                rx.close()?;
                return Ok(());
            }
            Err(error) => bail!(error),
        }
    }
}
