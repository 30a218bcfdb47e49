//! The two processors of a run: which ones are allowed, which ones are chosen, and whether they share a core.

use std::fs;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

use super::UsageError;

/// Where the two processes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Processors {
    /// Of the process that the user started.
    pub(crate) first: usize,
    /// Of the peer process.
    pub(crate) second: usize,
}

impl Processors {
    /// Takes what was asked for, or else two processors of different cores in one package where there are such.
    pub(crate) fn choose(asked: Option<(usize, usize)>) -> Result<Self> {
        let allowed = allowed()?;
        match asked {
            None => Ok(best(&allowed, Topology::read)),
            Some((first, second)) => {
                for processor in [first, second] {
                    if !allowed.contains(&processor) {
                        let list: Vec<String> = allowed.iter().map(usize::to_string).collect();
                        return Err(UsageError(format!(
                            "--cpus {first},{second}: this process may not run on processor {processor}, only on {}; \
                             name two of these, or start it with another affinity (see taskset)",
                            list.join(", ")
                        ))
                        .into());
                    }
                }
                Ok(Self { first, second })
            }
        }
    }

    /// Whether both processes run on one and the same processor.
    pub(crate) fn shared(self) -> bool {
        self.first == self.second
    }

    /// Whether the two are hardware threads of one core, as far as the kernel knows.
    pub(crate) fn same_core(self) -> SameCore {
        if self.shared() {
            return SameCore::Yes;
        }
        match Topology::read(self.first) {
            None => SameCore::Unknown,
            Some(topology) if topology.siblings.contains(&self.second) => SameCore::Yes,
            Some(_) => SameCore::No,
        }
    }
}

/// Whether two processors are hardware threads of one core. A hypervisor may hide the truth from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SameCore {
    Yes,
    No,
    Unknown,
}

/// Keeps this thread on one processor.
pub(crate) fn pin(processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).with_context(|| format!("cannot run on processor {processor}"))
}

/// The processors that this process may run on, at least one.
pub(crate) fn allowed() -> Result<Vec<usize>> {
    let set = sched_getaffinity(None).context("cannot ask for the processors to run on")?;
    Ok((0..CpuSet::MAX_CPU).filter(|processor| set.is_set(*processor)).collect())
}

/// What the kernel knows about where a processor sits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Topology {
    package: usize,
    /// All hardware threads of its core, itself among them.
    siblings: Vec<usize>,
}

impl Topology {
    fn read(processor: usize) -> Option<Self> {
        let read =
            |file: &str| fs::read_to_string(format!("/sys/devices/system/cpu/cpu{processor}/topology/{file}")).ok();
        Some(Self {
            package: read("physical_package_id")?.trim().parse().ok()?,
            siblings: parse_list(read("thread_siblings_list")?.trim())?,
        })
    }
}

/// The first processor, and of the others the first that is best: same package and other core, other core, any.
fn best(allowed: &[usize], topology: impl Fn(usize) -> Option<Topology>) -> Processors {
    let first = allowed[0];
    let rank = |processor: &usize| match (topology(first), topology(*processor)) {
        (Some(one), Some(_)) if one.siblings.contains(processor) => 2,
        (Some(one), Some(other)) => u8::from(one.package != other.package),
        _ => 0,
    };
    // Of equals, the first.
    let second = allowed[1..].iter().copied().min_by_key(|one| rank(one));
    Processors { first, second: second.unwrap_or(first) }
}

/// Reads a list as the kernel writes them, like `0-3,8`.
fn parse_list(text: &str) -> Option<Vec<usize>> {
    let mut list = Vec::new();
    for range in text.split(',') {
        let (start, end) = range.split_once('-').unwrap_or((range, range));
        list.extend(start.parse::<usize>().ok()?..=end.parse().ok()?);
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse_list("0"), Some(vec![0]));
        assert_eq!(parse_list("0,4"), Some(vec![0, 4]));
        assert_eq!(parse_list("0-2,8-9"), Some(vec![0, 1, 2, 8, 9]));
        assert_eq!(parse_list(""), None);
        assert_eq!(parse_list("a-b"), None);
    }

    /// Two packages of two cores with two threads each: 0 and 1 are one core, 0 to 3 one package.
    fn paired(processor: usize) -> Option<Topology> {
        let core = processor / 2;
        Some(Topology { package: processor / 4, siblings: vec![core * 2, core * 2 + 1] })
    }

    #[track_caller]
    fn check_best(allowed: &[usize], first: usize, second: usize) {
        assert_eq!(best(allowed, paired), Processors { first, second });
    }

    #[test]
    fn another_core_of_the_same_package_is_preferred() {
        check_best(&[0, 1, 2, 3, 4], 0, 2);
        check_best(&[0, 1, 4, 5], 0, 4);
        check_best(&[0, 1], 0, 1);
    }

    #[test]
    fn one_allowed_processor_is_shared() {
        check_best(&[3], 3, 3);
    }

    #[test]
    fn without_a_topology_the_first_two_are_taken() {
        let processors = best(&[2, 5, 7], |_| None);
        assert_eq!((processors.first, processors.second), (2, 5));
    }
}
