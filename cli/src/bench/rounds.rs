//! The tests `rtt` and `throughput`: everything in turn, in rounds, so that ratios can be taken within a round.
//!
//! Between the rounds the bare line tells how near the two processors are, whatever is measured.

use std::time::Duration;

use anyhow::{Context, Result};

use super::gauge::Gauge;
use super::measured::Measured;
use super::peer::Peer;
use super::plan::{Case, Plan, Test};
use super::quantiles::{self, Counts, Times};
use super::rate::Rate;
use super::regimes::Regimes;
use super::results::LeftOut;
use super::transport::Unavailable;
use crate::bar::Bar;
use crate::output::check_reader;

/// What the rounds measured.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    pub(crate) measured: Vec<Measured>,
    pub(crate) regimes: Regimes,
    pub(crate) left_out: Vec<LeftOut>,
}

/// Runs all rounds of the cases that this system allows, and tells the others.
pub(crate) fn measure(peer: &mut Peer, plan: &Plan, progress: &Bar) -> Result<Rounds> {
    if plan.cases.is_empty() {
        return Ok(Rounds::default());
    }
    let (mut running, mut left_out) = (Vec::new(), Vec::new());
    for case in &plan.cases {
        check_reader()?;
        progress.set_name(format!("warm-up: {case}"));
        match Running::start(peer, plan, *case) {
            Ok(one) => running.push(one),
            Err(error) => match error.downcast_ref() {
                Some(Unavailable(reason)) => {
                    left_out.push(LeftOut::new(*case, reason));
                    progress.inc(plan.rounds as u64);
                }
                None => return Err(error).with_context(|| case.to_string()),
            },
        }
        progress.inc(1);
    }
    let mut gauge = Gauge::open(peer)?;
    let mut readings = vec![gauge.read(peer)?];
    let mut times = quantiles::empty()?;
    for round in 1..=plan.rounds {
        for one in &mut running {
            check_reader()?;
            let name = one.measured.case.to_string();
            progress.set_name(format!("round {round} of {}: {name}", plan.rounds));
            one.round(peer, plan.duration, &mut times).context(name)?;
            progress.inc(1);
        }
        readings.push(gauge.read(peer)?);
    }
    let measured = running.into_iter().map(|one| one.measured).collect();
    Ok(Rounds { measured, regimes: Regimes::of(&readings), left_out })
}

/// A case that is measured in each round.
struct Running {
    station: usize,
    rate: Rate,
    measured: Measured,
}

impl Running {
    fn start(peer: &mut Peer, plan: &Plan, case: Case) -> Result<Self> {
        let station = peer.open(case)?;
        let rate = Rate::calibrate(peer, station, plan.duration)?;
        let measured = Measured { case, values: Vec::with_capacity(plan.rounds), times: Vec::new() };
        Ok(Self { station, rate, measured })
    }

    /// Measures once, and after that the times of single round trips: the clock would be part of the former.
    fn round(&mut self, peer: &mut Peer, duration: Duration, times: &mut Times) -> Result<()> {
        let test = self.measured.case.test;
        self.rate = Rate::of(peer, self.station, self.rate.messages(duration))?;
        self.measured.values.push(self.rate.value(test));
        if test == Test::Rtt {
            times.reset();
            peer.run_timed(self.station, self.rate.messages(duration), times)?;
            self.measured.times.push(Counts::of(times));
        }
        Ok(())
    }
}
