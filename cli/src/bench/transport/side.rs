//! A side of a case: what one process leaves the other, and the stations of both.

use std::fmt;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};

use crate::bench::idle::Idle;
use crate::bench::pace::{PacedSink, PacedSource};
use crate::bench::plan::{Case, Test};
use crate::bench::station::{Receiver, Sender, Station, ping, pong, sink, source};

/// What `create` returns: this process's station, and what the peer needs to open its own.
pub(crate) struct Created {
    pub(crate) station: Box<dyn Station>,
    /// The one towards this process first.
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Why a case cannot be measured on this system; others can.
#[derive(Debug)]
pub(crate) struct Unavailable(pub(crate) String);

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// What the peer was left.
pub(crate) struct Left {
    descriptors: std::vec::IntoIter<OwnedFd>,
}

impl Left {
    pub(crate) fn new(descriptors: Vec<OwnedFd>) -> Self {
        Self { descriptors: descriptors.into_iter() }
    }

    pub(super) fn descriptor(&mut self) -> Result<OwnedFd> {
        self.descriptors.next().context("a descriptor is missing")
    }
}

/// The station of the process that keeps the time. It needs a sender only in a round trip.
pub(super) fn first<S, R, const WORDS: usize>(
    test: Test,
    receiver: R,
    sender: impl FnOnce() -> Result<S>,
) -> Result<Box<dyn Station>>
where
    S: Sender<WORDS> + 'static,
    R: Receiver<WORDS> + 'static,
{
    Ok(match test {
        Test::Rtt | Test::Waitset => ping(sender()?, receiver),
        Test::Throughput => sink(receiver),
        Test::Paced | Test::Idle => Box::new(PacedSink::new(receiver)?),
    })
}

/// The station of its peer, which needs a receiver only in a round trip.
pub(super) fn second<S, R, const WORDS: usize>(
    case: Case,
    sender: S,
    receiver: impl FnOnce() -> Result<R>,
    idle: Idle,
) -> Result<Box<dyn Station>>
where
    S: Sender<WORDS> + 'static,
    R: Receiver<WORDS> + 'static,
{
    Ok(match case.test {
        Test::Rtt | Test::Waitset => pong(sender, receiver()?),
        Test::Throughput => source(sender),
        Test::Paced | Test::Idle => {
            let rate = case.rate.filter(|rate| *rate > 0).context("a rate is missing")?;
            Box::new(PacedSource::new(Box::new(sender), rate, idle))
        }
    })
}
