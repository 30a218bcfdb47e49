//! The peer process's side: does what it is told until the process that started it ends.

use std::rc::Rc;

use anyhow::{Context, Result, bail};
use ringmain_measure::{Channel, pin};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::control::{Command, Reply};
use super::idle::Idle;
use super::transport::{self, Left};

/// Serves the process that started this one. Failures are told to that process, which reports them.
pub(crate) fn run() -> Result<()> {
    let control = Channel::from_stdin().context("this process is started by `ringmain bench`, not by hand")?;
    let control = Rc::new(control);
    // A call that sends to a full queue hears of no end.
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot ask to end with the other process")?;
    if let Err(error) = serve(&control) {
        let reason = format!("{error:#}");
        // When the other process is gone there is nobody left to tell.
        let _ = control.send(&Reply::Failed { reason }, &[]);
    }
    Ok(())
}

fn serve(control: &Rc<Channel>) -> Result<()> {
    let Some((Command::Start { processor, shared }, _)) = control.receive()? else {
        bail!("expected to be told a processor first");
    };
    pin(processor)?;
    control.send(&Reply::Done, &[])?;
    let mut stations = Vec::new();
    while let Some((command, descriptors)) = control.receive()? {
        let reply = match command {
            Command::Start { .. } => bail!("was started twice"),
            Command::Open { case } => {
                let idle = Idle::new(Rc::clone(control), shared);
                let left = Left::new(descriptors);
                stations.push(transport::attach(case, left, idle)?);
                Reply::Done
            }
            Command::Run { station, messages } => {
                let station = stations.get_mut(station).context("was told to run what it was not told to open")?;
                Reply::Ran { usage: station.run(messages)? }
            }
        };
        control.send(&reply, &[])?;
    }
    Ok(())
}
