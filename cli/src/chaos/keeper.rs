//! The process that removes the names of the rings, however a run ends.
//!
//! Every process of a run holds one end of a pipe, and the keeper the other: it hears of the end of the last one,
//! whether that was killed, interrupted by a key, or done. It runs in a process group of its own, where no key reaches
//! it.

use std::io::{self, PipeWriter, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use ringmain::Error;

/// The hidden subcommand that makes this program a keeper.
pub(crate) const SUBCOMMAND: &str = "chaos-keeper";

/// A keeper that was started.
#[derive(Debug)]
pub(crate) struct Keeper {
    child: Child,
    /// Taken when the supervisor needs it no more.
    pipe: Option<PipeWriter>,
}

impl Keeper {
    pub(crate) fn start(names: &[String]) -> Result<Keeper> {
        let (theirs, ours) = io::pipe().context("cannot open a pipe")?;
        let child = program()?
            .arg(SUBCOMMAND)
            .args(names)
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start this program again")?;
        Ok(Keeper { child, pipe: Some(ours) })
    }

    /// Returns an end of the pipe for another process to hold.
    pub(crate) fn pipe(&self) -> Result<PipeWriter> {
        self.pipe.as_ref().context("the keeper has ended")?.try_clone().context("cannot share a pipe")
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // It has nothing to wait for any more.
        let _ = self.child.wait();
    }
}

/// Returns a command that runs this program.
pub(crate) fn program() -> Result<Command> {
    Ok(Command::new(std::env::current_exe().context("cannot find this program's own file")?))
}

/// Waits for the end of all processes that hold the pipe, then removes the names.
pub(crate) fn run(names: &[String]) -> Result<()> {
    io::stdin().read_to_end(&mut Vec::new()).context("cannot read the pipe")?;
    for name in names {
        match ringmain::unlink(name) {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
