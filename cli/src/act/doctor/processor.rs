//! The processors: how many there are for this process, which of them share a core, and how they change their speed.

use ringmain_measure::{allowed, siblings};

use super::finding::Finding;
use crate::limits::governor;

pub(super) fn look() -> Vec<Finding> {
    let mut findings = vec![topology()];
    findings.extend(governor(0).map(judge));
    findings
}

fn topology() -> Finding {
    const CHECK: &str = "processors";
    let Ok(allowed) = allowed() else {
        return Finding::attention(CHECK, "the system does not say which there are", "allow sched_getaffinity");
    };
    let mut cores: Vec<Vec<usize>> = allowed.iter().map(|one| siblings(*one).unwrap_or_else(|| vec![*one])).collect();
    cores.sort();
    cores.dedup();
    let cores: Vec<String> =
        cores.iter().map(|core| core.iter().map(usize::to_string).collect::<Vec<_>>().join(",")).collect();
    let found = format!("{} for this process, of {} cores ({})", allowed.len(), cores.len(), cores.join(" | "));
    Finding::judge(
        CHECK,
        found,
        allowed.len() > 1,
        "two ends that spin take turns on one processor: let them wait by Wait::Park, or give the process more \
         (taskset, cpuset)",
    )
}

fn judge(governor: String) -> Finding {
    let is_ok = governor == "performance";
    let cure = "processors that fall asleep add to latency: cpupower frequency-set -g performance";
    Finding::judge("governor", governor, is_ok, cure)
}
