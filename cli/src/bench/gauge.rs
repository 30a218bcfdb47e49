//! The bare line between rounds: how near the two processors are to each other at that moment.

use std::time::Duration;

use anyhow::Result;

use super::peer::Peer;
use super::plan::{Case, Test, Transport};
use super::rate::Rate;
use super::wait::Wait;

/// A reading is the least of so many short measurements: a program that takes a processor for a moment only ever adds.
const PARTS: u32 = 12;
/// How long a reading takes, the parts together.
pub(crate) const DURATION: Duration = Duration::from_millis(24);

/// The round trip over a bare line, opened for this alone.
pub(crate) struct Gauge {
    station: usize,
    rate: Rate,
}

impl Gauge {
    /// Opens the line, and warms up.
    pub(crate) fn open(peer: &mut Peer) -> Result<Self> {
        let (test, transport, wait) = (Test::Rtt, Transport::CacheLine, Wait::Spin);
        let station =
            peer.open(Case { test, bytes: 8, transport, align: 64, wait, fenced: false, rings: 0, rate: None })?;
        let rate = Rate::calibrate(peer, station, DURATION / PARTS)?;
        Ok(Self { station, rate })
    }

    /// Returns how many nanoseconds a round trip takes now.
    pub(crate) fn read(&mut self, peer: &mut Peer) -> Result<f64> {
        let mut least = f64::MAX;
        for _ in 0..PARTS {
            self.rate = Rate::of(peer, self.station, self.rate.messages(DURATION / PARTS))?;
            least = least.min(self.rate.value(Test::Rtt));
        }
        Ok(least)
    }
}
