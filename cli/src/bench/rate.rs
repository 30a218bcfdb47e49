//! How many messages take how long.

use std::time::Duration;

use anyhow::Result;

use super::peer::Peer;
use super::plan::Test;

/// How many messages took how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    messages: u64,
    elapsed: Duration,
}

impl Rate {
    /// Measures so many messages.
    pub(crate) fn of(peer: &mut Peer, station: usize, messages: u64) -> Result<Self> {
        let elapsed = peer.run(station, messages)?.ours.elapsed;
        Ok(Self { messages, elapsed })
    }

    /// Finds out how many messages fill a measurement. This is also the warm-up of processors, memory and kernel.
    pub(crate) fn calibrate(peer: &mut Peer, station: usize, duration: Duration) -> Result<Self> {
        let mut messages = 8;
        loop {
            let rate = Self::of(peer, station, messages)?;
            if rate.elapsed >= duration / 4 {
                return Ok(rate);
            }
            messages = rate.messages(duration).max(messages * 2);
        }
    }

    /// How many messages will take about `duration`, at most 16 times as many as before.
    pub(crate) fn messages(self, duration: Duration) -> u64 {
        let factor = duration.as_secs_f64() / self.elapsed.as_secs_f64().max(1e-9);
        ((self.messages as f64 * factor.min(16.0)) as u64).max(1)
    }

    /// Nanoseconds per message in `rtt` and `waitset`, and else messages per second.
    pub(crate) fn value(self, test: Test) -> f64 {
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        match test {
            Test::Rtt | Test::Waitset => seconds * 1e9 / self.messages as f64,
            _ => self.messages as f64 / seconds,
        }
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
