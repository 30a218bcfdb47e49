//! What a reader should know before the figures are believed.

use ringmain_measure::SameCore;

use super::host::Host;
use super::regimes::{Regimes, STEADY};
use crate::words::count;

/// All that is to be said about a run.
pub(crate) fn of(host: &Host, regimes: &Regimes) -> Vec<String> {
    let of_host = [shared_core(host), few_processors(host), governor(host), quota(host)];
    of_host.into_iter().chain([mixture(regimes), movement(regimes), noise(regimes)]).flatten().collect()
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

/// Says where the figures of the run are of more than one kind.
fn mixture(regimes: &Regimes) -> Option<String> {
    let each = regimes.all.iter().map(|regime| format!("{} of {regime}", count(regime.rounds.len() as u64, "round")));
    let each = each.collect::<Vec<_>>().join(", ");
    regimes.is_mixed().then(|| {
        format!(
            "this run is a mixture: the two processors were not always as near to each other ({each}; the time is a \
             bare line's round trip). Figures are given for each of these regimes, and those of one say nothing about \
             another"
        )
    })
}

/// Says in how many rounds the processors moved.
fn movement(regimes: &Regimes) -> Option<String> {
    if regimes.never_rested() {
        return Some(
            "in every round the bare line was not the same at both ends: the processors moved, or other programs took \
             them; the figures are mixed, and ratios too; run again, or with more rounds"
                .to_owned(),
        );
    }
    let (moved, of) = (regimes.moved.len(), regimes.lines.len());
    (moved > 0).then(|| {
        format!(
            "in {moved} of {} the bare line was not the same at both ends: the processors moved, or other programs \
             took them; medians, ranges, percentiles and ratios are without such rounds",
            count(of as u64, "round")
        )
    })
}

/// Looks at how much the bare line varied between rounds of one regime: it does the same work in each.
fn noise(regimes: &Regimes) -> Option<String> {
    let spread = regimes.spread();
    (spread > STEADY).then(|| {
        let spread = if spread < 10.0 { format!("{spread:.1}") } else { format!("{spread:.0}") };
        format!(
            "the machine was not steady: the bare line's round trip differed by a factor of {spread} between rounds; \
             ratios, which are taken within a round, suffer less than times and rates"
        )
    })
}

#[cfg(test)]
mod tests {
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

    #[track_caller]
    fn check_warned(host: &Host, part: &str) {
        let warnings = of(host, &Regimes::default());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(part), "{warnings:?}");
    }

    #[test]
    fn a_steady_machine_with_room_needs_no_warning() {
        assert_eq!(of(&host(), &Regimes::of(&[100.0, 120.0, 110.0])), Vec::<String>::new());
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

    #[track_caller]
    fn check_line(readings: &[f64], parts: &[&str]) {
        let warnings = of(&host(), &Regimes::of(readings));
        assert_eq!(warnings.len(), parts.len(), "{warnings:?}");
        for (warning, part) in warnings.iter().zip(parts) {
            assert!(warning.contains(part), "no '{part}' in: {warning}");
        }
    }

    #[test]
    fn a_bare_line_that_varies_within_a_regime_is_warned_of() {
        check_line(&[100.0, 120.0, 150.0, 200.0, 200.0], &["round trip differed by a factor of 1.8"]);
    }

    #[test]
    fn a_run_of_two_regimes_is_a_mixture() {
        let (mixed, moved) = ("(2 rounds of near (60 ns), 1 round of far (450 ns); ", "in 1 of 4 rounds the bare line");
        check_line(&[60.0, 60.0, 60.0, 450.0, 450.0], &[mixed, moved]);
    }

    #[test]
    fn processors_that_moved_in_every_round_are_warned_of() {
        check_line(&[60.0, 450.0], &["in every round the bare line was not the same"]);
    }
}
