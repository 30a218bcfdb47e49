//! The process that removes the names of the rings, however a run ends.
//!
//! Every process of a run holds one end of a channel, and the keeper the other: it hears of the end of the last one,
//! whether that was killed, interrupted by a key, or done. It runs in a process group of its own, where no key reaches
//! it.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};

use anyhow::{Context, Result};
use ringmain::Error;
use ringmain_measure::{Channel, again};

/// The name under which this program is a keeper.
pub(crate) const NAME: &str = "ringmain-chaos-keeper";

/// A keeper that was started.
#[derive(Debug)]
pub(crate) struct Keeper {
    child: Child,
    /// Taken when the supervisor needs it no more.
    channel: Option<Channel>,
}

impl Keeper {
    pub(crate) fn start(names: &[String]) -> Result<Keeper> {
        let mut program = again(NAME);
        program.stderr(Stdio::null()).process_group(0);
        let (child, channel) = Channel::start(program, &names)?;
        Ok(Keeper { child, channel: Some(channel) })
    }

    /// Returns this end of the channel for another process to hold.
    pub(crate) fn share(&self) -> Result<OwnedFd> {
        self.channel.as_ref().context("the keeper has ended")?.share().context("cannot share a channel")
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.channel.take());
        // It has nothing to wait for any more.
        let _ = self.child.wait();
    }
}

/// Waits for the end of all processes that hold the other end, then removes the names.
pub(crate) fn run() -> Result<()> {
    let channel = Channel::from_stdin().context("this process is started by `ringmain chaos`, not by hand")?;
    let Some((names, _)) = channel.receive::<Vec<String>>()? else { return Ok(()) };
    // Seconds: it may also return earlier.
    while !channel.closes_within(3600) {}
    for name in names {
        match ringmain::unlink(&name) {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
