//! A daemon: it forks first and attaches then, and leaves its ring in order when it exits.
//!
//! A handle belongs to the process that attached it. After a fork each call of the child on a copy of it is refused as
//! `Forked`, and touches nothing; so whoever becomes a daemon attaches in the last of its processes. The log lies in a
//! static, which nobody drops: the exit of the process closes it, and the reader hears that this was the end.
//!
//! ```text
//! cargo run --example daemon
//! ```

use std::io;
use std::process::{exit, id};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result};
use ringmain::message::Producer;
use ringmain::{Options, WaitError};

static LOG: OnceLock<Mutex<Producer>> = OnceLock::new();

/// Sends one line.
fn log(line: &str) -> Result<(), WaitError> {
    let mut log = LOG.get().expect("the daemon has attached").lock().expect("no thread panics");
    log.blocking().push(line.as_bytes())
}

/// What the daemon does.
fn serve(name: &str) -> Result<()> {
    // Only now: before the fork this would be a handle of the parent's.
    let producer = Options::new(name).message_producer()?;
    LOG.get_or_init(|| Mutex::new(producer));
    log("the daemon has attached")?;
    log("and exits")?;
    Ok(())
}

fn main() -> Result<()> {
    let name = format!("daemon-{}", id());
    // Here the parent is the reader, and so makes the ring.
    let mut reader = Options::new(&name).capacity(4096).unlink_on_close(true).message_consumer()?;
    // SAFETY: the process has one thread, so the child may do whatever this one may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()).context("cannot fork"),
        0 => {
            // The child's copy of the parent's end is of no use, and harmless.
            let refused = reader.pop(&mut []).expect_err("a handle belongs to its process");
            println!("in the daemon: {refused}");
            // SAFETY: a new session has no terminal. The call takes nothing.
            unsafe { libc::setsid() };
            serve(&name)?;
            // Returning from `main` would be as good. The handle in the static is closed, that of the parent is not.
            exit(0)
        }
        _ => {
            // It ends when the daemon has closed its end; an error is any other end, and that no line comes: nothing
            // tells of a daemon that failed before it attached.
            for line in reader.within(Duration::from_secs(5)).messages() {
                println!("{}", String::from_utf8_lossy(&line?));
            }
            println!("the daemon has closed its end");
            Ok(())
        }
    }
}
