//! What a reader should know before the figures are believed.

use ringmain_measure::SameCore;

use super::host::Host;
use super::plan::{Test, Transport};
use super::results::Outcome;

/// A machine whose cache-line baseline varies by more than this between rounds is called noisy.
const STEADY: f64 = 1.5;

/// All that is to be said about a run.
pub(crate) fn of(host: &Host, results: &[Outcome]) -> Vec<String> {
    [shared_core(host), few_processors(host), governor(host), quota(host), noise(results)]
        .into_iter()
        .flatten()
        .collect()
}

fn shared_core(host: &Host) -> Option<String> {
    let [first, second] = host.cpus;
    if first == second {
        return Some(format!(
            "both processes ran on processor {first} and took turns on it: what spins yields it every few polls, so \
             these figures are not those of a machine with two"
        ));
    }
    (host.same_core == SameCore::Yes).then(|| {
        format!(
            "processors {first} and {second} are hardware threads of one core: they share its caches, so messages are \
             faster than between cores, and each spins at the other's cost"
        )
    })
}

fn few_processors(host: &Host) -> Option<String> {
    match host.limits.processors {
        2 => Some(
            "this process may use 2 processors, and two that spin take both: whatever else runs stops one of them"
                .to_owned(),
        ),
        _ => None,
    }
}

fn governor(host: &Host) -> Option<String> {
    let slow = host.limits.governors.iter().find(|governor| *governor != "performance")?;
    Some(format!(
        "the frequency of the processors is governed by '{slow}': what sleeps wakes on a slow one; 'performance' is \
         steady (cpupower frequency-set -g performance)"
    ))
}

fn quota(host: &Host) -> Option<String> {
    let quota = host.limits.quota?;
    let enough =
        if quota < 2.0 { "two that spin use that up, and are then stopped" } else { "a busy machine may stop them" };
    Some(format!("the control group limits these processes to {quota:.2} processors' worth of time: {enough}"))
}

/// Looks at how much the bare cache line varied between rounds: it does the same work in each.
fn noise(results: &[Outcome]) -> Option<String> {
    let of =
        |test| results.iter().find(|one| one.subject.transport == Transport::CacheLine && one.subject.test == test);
    let baseline = of(Test::Rtt).or_else(|| of(Test::Throughput))?;
    let spread = baseline.summary.max / baseline.summary.min;
    (spread > STEADY).then(|| {
        let spread = if spread < 10.0 { format!("{spread:.1}") } else { format!("{spread:.0}") };
        format!(
            "the machine was not steady: the cache line's {} differed by a factor of {spread} between rounds; ratios, \
             which are taken within a round, suffer less than times and rates",
            baseline.subject.test
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::measured::Measured;
    use super::super::plan::Case;
    use super::super::wait::Wait;
    use super::*;
    use crate::limits::Limits;

    fn host() -> Host {
        Host {
            processor: "A Processor".to_owned(),
            kernel: "Linux".to_owned(),
            cpus: [0, 2],
            same_core: SameCore::No,
            limits: Limits { processors: 8, governors: vec!["performance".to_owned()], quota: None },
            date: "2025-01-31T12:00:00Z".to_owned(),
        }
    }

    fn baseline(values: &[f64]) -> Vec<Outcome> {
        let (test, transport, wait) = (Test::Rtt, Transport::CacheLine, Wait::Spin);
        let case = Case { test, bytes: 8, transport, align: 64, wait, fenced: false, rate: None };
        Outcome::of_all(&[Measured { case, values: values.to_vec(), times: None }])
    }

    #[track_caller]
    fn check_warned(host: &Host, part: &str) {
        let warnings = of(host, &[]);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(part), "{warnings:?}");
    }

    #[test]
    fn a_steady_machine_with_room_needs_no_warning() {
        assert_eq!(of(&host(), &baseline(&[100.0, 120.0])), Vec::<String>::new());
    }

    #[test]
    fn processes_that_share_a_core_are_warned_of() {
        check_warned(&Host { same_core: SameCore::Yes, ..host() }, "0 and 2 are hardware threads of one core");
        check_warned(&Host { cpus: [3, 3], same_core: SameCore::Yes, ..host() }, "both processes ran on processor 3");
    }

    #[test]
    fn what_limits_the_processors_is_warned_of() {
        let limits = host().limits;
        check_warned(&Host { limits: Limits { processors: 2, ..limits.clone() }, ..host() }, "may use 2 processors");
        let governors = vec!["performance".to_owned(), "powersave".to_owned()];
        check_warned(&Host { limits: Limits { governors, ..limits.clone() }, ..host() }, "governed by 'powersave'");
        check_warned(&Host { limits: Limits { quota: Some(1.5), ..limits }, ..host() }, "1.50 processors' worth");
    }

    #[test]
    fn a_baseline_that_varies_between_rounds_is_warned_of() {
        let warnings = of(&host(), &baseline(&[100.0, 110.0, 260.0]));
        assert!(warnings.len() == 1 && warnings[0].contains("rtt differed by a factor of 2.6"), "{warnings:?}");
    }
}
