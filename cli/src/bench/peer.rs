//! The other process: how it is started, told what to do, and found dead.

use std::os::fd::OwnedFd;
use std::process::Child;
use std::rc::Rc;

use anyhow::{Error, Result, anyhow};
use ringmain_measure::{Channel, again};

use super::clock::Usage;
use super::control::{Command, Reply};
use super::idle::Idle;
use super::plan::Case;
use super::quantiles::Times;
use super::station::Station;
use super::transport;

/// The name under which this program is the peer.
pub(crate) const NAME: &str = "ringmain-bench-peer";

/// The peer process, with one station opened on both sides for each case.
///
/// It is gone when this is dropped.
pub(crate) struct Peer {
    child: Child,
    control: Rc<Channel>,
    stations: Vec<Box<dyn Station>>,
    shared_processor: bool,
}

/// What a run took on either side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran {
    pub(crate) ours: Usage,
    pub(crate) theirs: Usage,
}

impl Peer {
    /// Starts this program once more, on the second of the two processors.
    pub(crate) fn start([first, second]: [usize; 2]) -> Result<Self> {
        let shared = first == second;
        let (child, control) = Channel::start(again(NAME), &Command::Start { processor: second, shared })?;
        let mut peer = Self { child, control: Rc::new(control), stations: Vec::new(), shared_processor: shared };
        peer.answer()?;
        Ok(peer)
    }

    /// Opens a case on both sides, and returns the number of its station.
    pub(crate) fn open(&mut self, case: Case) -> Result<usize> {
        let name = format!("ringmain-bench.{}.{}", std::process::id(), self.stations.len());
        let idle = Idle::new(Rc::clone(&self.control), self.shared_processor);
        let created = transport::create(case, &name, idle)?;
        self.ask(&Command::Open { case }, &created.descriptors)?;
        self.stations.push(created.station);
        Ok(self.stations.len() - 1)
    }

    /// Runs the station of this number on both sides.
    pub(crate) fn run(&mut self, station: usize, messages: u64) -> Result<Ran> {
        let (ours, theirs) = self.run_with(station, messages, |station| station.run(messages))?;
        Ok(Ran { ours, theirs })
    }

    /// Runs it and takes the time of each message.
    pub(crate) fn run_timed(&mut self, station: usize, messages: u64, times: &mut Times) -> Result<()> {
        self.run_with(station, messages, |station| station.run_timed(messages, times))?;
        Ok(())
    }

    /// Runs it, on this side as the function does. Returns what that returned, and what the run took on the other side.
    fn run_with<T>(
        &mut self,
        station: usize,
        messages: u64,
        run: impl FnOnce(&mut dyn Station) -> Result<T>,
    ) -> Result<(T, Usage)> {
        let command = Command::Run { station, messages };
        self.control.send(&command, &[]).map_err(|error| explain(&mut self.child, &self.control, error))?;
        let ours = run(&mut *self.stations[station]).map_err(|error| explain(&mut self.child, &self.control, error))?;
        match self.answer()? {
            Reply::Ran { usage: theirs } => Ok((ours, theirs)),
            reply => Err(anyhow!("the peer process answered {reply:?} to a run")),
        }
    }

    /// The times that the messages of a station's last run were under way, in nanoseconds, where it takes them.
    pub(crate) fn times(&self, station: usize) -> Option<&Times> {
        self.stations[station].times()
    }

    fn ask(&mut self, command: &Command, descriptors: &[OwnedFd]) -> Result<()> {
        self.control.send(command, descriptors).map_err(|error| explain(&mut self.child, &self.control, error))?;
        self.answer()?;
        Ok(())
    }

    /// Waits for the answer to a command.
    fn answer(&mut self) -> Result<Reply> {
        match self.control.receive()? {
            Some((Reply::Failed { reason }, _)) => Err(anyhow!("in the peer process: {reason}")),
            Some((reply, _)) => Ok(reply),
            None => Err(ended(&mut self.child)),
        }
    }
}

/// Says what the peer said before it ended, or else how it ended; leaves errors alone that are this process's own.
fn explain(child: &mut Child, control: &Channel, error: Error) -> Error {
    // A dying process closes one descriptor after another: the one that was noticed may have been the first.
    if !control.closes_within(1) {
        return error;
    }
    match control.receive() {
        Ok(Some((Reply::Failed { reason }, _))) => anyhow!("in the peer process: {reason}"),
        _ => ended(child),
    }
}

fn ended(child: &mut Child) -> Error {
    let pid = child.id();
    match child.wait() {
        Ok(status) => anyhow!(
            "the peer process {pid} ended during the measurement ({status}); its figures are worth nothing, run again"
        ),
        Err(error) => Error::from(error).context(format!("lost the peer process {pid}")),
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It holds nothing that must be put in order: its rings have no names. Nothing fails here but for a peer that
        // is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
