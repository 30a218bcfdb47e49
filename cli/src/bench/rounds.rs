//! The tests `rtt` and `throughput`: everything in turn, in rounds, so that ratios can be taken within a round.

use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::ProgressBar;

use super::measured::Measured;
use super::peer::Peer;
use super::plan::{Case, Plan, Test};
use super::quantiles;
use super::results::LeftOut;
use super::transport::Unavailable;

/// Runs all rounds of the cases that this system allows, and tells the others.
pub(crate) fn measure(peer: &mut Peer, plan: &Plan, progress: &ProgressBar) -> Result<(Vec<Measured>, Vec<LeftOut>)> {
    let (mut running, mut left_out) = (Vec::new(), Vec::new());
    for case in &plan.cases {
        progress.set_message(format!("warm-up: {case}"));
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
    for round in 1..=plan.rounds {
        for one in &mut running {
            let name = one.measured.case.to_string();
            progress.set_message(format!("round {round} of {}: {name}", plan.rounds));
            one.round(peer, plan.duration).context(name)?;
            progress.inc(1);
        }
    }
    Ok((running.into_iter().map(|one| one.measured).collect(), left_out))
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
        let rate = calibrate(peer, station, plan.duration)?;
        let times = if case.test == Test::Rtt { Some(quantiles::empty()?) } else { None };
        let measured = Measured { case, values: Vec::with_capacity(plan.rounds), times };
        Ok(Self { station, rate, measured })
    }

    /// Measures once, and after that the times of single round trips: the clock would be part of the former.
    fn round(&mut self, peer: &mut Peer, duration: Duration) -> Result<()> {
        let messages = self.rate.messages(duration);
        let elapsed = peer.run(self.station, messages)?.ours.elapsed;
        self.rate = Rate { messages, elapsed };
        self.measured.values.push(self.rate.value(self.measured.case.test));
        match &mut self.measured.times {
            Some(times) => peer.run_timed(self.station, self.rate.messages(duration), times),
            None => Ok(()),
        }
    }
}

/// How many messages took how long.
#[derive(Debug, Clone, Copy)]
struct Rate {
    messages: u64,
    elapsed: Duration,
}

impl Rate {
    /// How many messages will take about `duration`, at most 16 times as many as before.
    fn messages(self, duration: Duration) -> u64 {
        let factor = duration.as_secs_f64() / self.elapsed.as_secs_f64().max(1e-9);
        ((self.messages as f64 * factor.min(16.0)) as u64).max(1)
    }

    /// Nanoseconds per message in `rtt`, and else messages per second.
    fn value(self, test: Test) -> f64 {
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        match test {
            Test::Rtt => seconds * 1e9 / self.messages as f64,
            _ => self.messages as f64 / seconds,
        }
    }
}

/// Finds out how many messages fill a measurement. This is also the warm-up of processors, memory and kernel.
fn calibrate(peer: &mut Peer, station: usize, duration: Duration) -> Result<Rate> {
    let mut messages = 8;
    loop {
        let elapsed = peer.run(station, messages)?.ours.elapsed;
        let rate = Rate { messages, elapsed };
        if elapsed >= duration / 4 {
            return Ok(rate);
        }
        messages = rate.messages(duration).max(messages * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_says_how_many_messages_fill_a_measurement() {
        let rate = Rate { messages: 100, elapsed: Duration::from_millis(10) };
        assert_eq!(rate.messages(Duration::from_millis(20)), 200);
        assert_eq!(rate.messages(Duration::from_secs(20)), 1600);
        assert_eq!(rate.messages(Duration::from_nanos(1)), 1);
    }

    #[test]
    fn a_rate_is_a_time_per_round_trip_or_messages_per_second() {
        let rate = Rate { messages: 1000, elapsed: Duration::from_millis(1) };
        assert!((rate.value(Test::Rtt) - 1000.0).abs() < 1e-6);
        assert!((rate.value(Test::Throughput) - 1e6).abs() < 1e-3);
    }
}
