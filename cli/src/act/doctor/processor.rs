//! The processors: how many there are for this process, which of them share a core, and how they change their speed.

use rustix::thread::{CpuSet, sched_getaffinity};

use super::{Finding, read};

pub(super) fn look() -> Vec<Finding> {
    let mut findings = vec![topology()];
    findings.extend(governor());
    findings
}

fn topology() -> Finding {
    const CHECK: &str = "processors";
    let Ok(set) = sched_getaffinity(None) else {
        return Finding::attention(CHECK, "the system does not say which there are", "allow sched_getaffinity");
    };
    let allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|processor| set.is_set(*processor)).collect();
    let siblings = |processor: &usize| {
        read(&format!("/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list"))
            .unwrap_or_else(|| processor.to_string())
    };
    let mut cores: Vec<String> = allowed.iter().map(siblings).collect();
    cores.sort();
    cores.dedup();
    let found = format!("{} for this process, of {} cores ({})", allowed.len(), cores.len(), cores.join(" | "));
    Finding::judge(
        CHECK,
        found,
        allowed.len() > 1,
        "two ends that spin take turns on one processor: let them wait by Wait::Park, or give the process more (taskset, cpuset)",
    )
}

fn governor() -> Option<Finding> {
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")?;
    Some(Finding::judge(
        "governor",
        governor.clone(),
        governor == "performance",
        "processors that fall asleep add to latency: cpupower frequency-set -g performance",
    ))
}
