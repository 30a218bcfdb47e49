//! The tests `paced` and `idle`, each case of which is measured once: what comes out is a distribution, or a use of
//! processors.

use anyhow::{Context, Result};

use super::peer::{Peer, Ran};
use super::plan::{Case, Plan, Test};
use super::quantiles::{Quantiles, Times};
use super::results::{Idle, LeftOut, Paced, Recorded, Subject, Unit};
use super::transport::Unavailable;
use crate::bar::Bar;
use crate::output::check_reader;

/// What was measured once.
#[derive(Debug, Default)]
pub(crate) struct Once {
    pub(crate) paced: Vec<Paced>,
    pub(crate) idle: Vec<Idle>,
    pub(crate) recorded: Vec<Recorded>,
    pub(crate) left_out: Vec<LeftOut>,
}

/// Measures each case once, one after the other.
pub(crate) fn measure(peer: &mut Peer, plan: &Plan, progress: &Bar) -> Result<Once> {
    let mut once = Once::default();
    for case in &plan.paced {
        check_reader()?;
        progress.set_name(case.to_string());
        let station = match peer.open(*case) {
            Ok(station) => station,
            Err(error) => match error.downcast_ref() {
                Some(Unavailable(reason)) => {
                    once.left_out.push(LeftOut::new(*case, reason));
                    progress.inc(1);
                    continue;
                }
                None => return Err(error).with_context(|| case.to_string()),
            },
        };
        once.run(peer, plan, *case, station).with_context(|| case.to_string())?;
        progress.inc(1);
    }
    Ok(once)
}

impl Once {
    fn run(&mut self, peer: &mut Peer, plan: &Plan, case: Case, station: usize) -> Result<()> {
        let rate = case.rate.context("a rate is missing")?;
        let messages = match case.test {
            Test::Idle => 1,
            _ => ((rate as f64 * plan.paced_duration.as_secs_f64()) as u64).max(plan.fewest),
        };
        let ran = peer.run(station, messages)?;
        match case.test {
            Test::Idle => self.idle.push(idle_outcome(case, ran)),
            _ => {
                let times = peer.times(station).context("the times of the messages are missing")?;
                self.paced.push(paced_outcome(case, rate, ran, times));
                let (subject, rate) = (Subject::of(case), Some(rate));
                self.recorded.push(Recorded { subject, rate, regime: None, times: times.clone() });
            }
        }
        Ok(())
    }
}

fn paced_outcome(case: Case, rate: u64, ran: Ran, times: &Times) -> Paced {
    Paced {
        subject: Subject::of(case),
        rate,
        achieved: times.len() as f64 / ran.theirs.elapsed.as_secs_f64().max(1e-9),
        messages: times.len(),
        unit: Unit::Nanoseconds,
        quantiles: Quantiles::of(times),
        sink_processor: ran.ours.share(),
        source_processor: ran.theirs.share(),
    }
}

fn idle_outcome(case: Case, ran: Ran) -> Idle {
    Idle {
        subject: Subject::of(case),
        unit: Unit::Percent,
        percent: ran.ours.share() * 100.0,
        seconds: ran.ours.elapsed.as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::clock::Usage;
    use super::super::plan::Transport;
    use super::super::wait::Wait;
    use super::*;

    fn case(test: Test) -> Case {
        let (transport, wait) = (Transport::Pipe, Wait::Sleep);
        Case { test, bytes: 64, transport, align: 64, wait, fenced: false, rings: 0, rate: Some(100) }
    }

    fn usage(processor: u64) -> Usage {
        Usage { elapsed: Duration::from_secs(1), processor: Duration::from_millis(processor) }
    }

    #[test]
    fn a_paced_case_has_quantiles_and_the_use_of_both_processors() {
        let mut times = super::super::quantiles::empty().unwrap();
        (1..=1000).for_each(|time| times.saturating_record(time));
        let paced = paced_outcome(case(Test::Paced), 1000, Ran { ours: usage(10), theirs: usage(250) }, &times);
        assert_eq!(paced.quantiles, Quantiles { p50: 500, p90: 900, p99: 990, p99_9: 999, p99_99: 1000, max: 1000 });
        assert_eq!(
            serde_json::to_string(&paced).unwrap(),
            concat!(
                r#"{"transport":"pipe","test":"paced","wait":"sleep","bytes":64,"rate":1000,"achieved":1000.0,"#,
                r#""messages":1000,"unit":"ns","p50":500,"p90":900,"p99":990,"p99.9":999,"p99.99":1000,"max":1000,"#,
                r#""sink-processor":0.01,"source-processor":0.25}"#
            )
        );
    }

    #[test]
    fn idle_is_a_percentage_of_the_waiting_side() {
        let idle = idle_outcome(case(Test::Idle), Ran { ours: usage(10), theirs: usage(250) });
        assert_eq!((idle.percent, idle.seconds), (1.0, 1.0));
    }
}
