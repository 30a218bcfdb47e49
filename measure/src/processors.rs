//! The processors of a run: which ones are allowed, which two are chosen, and whether they share a core.

use std::fs;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

/// Returns the processors that this thread may run on, at least one.
///
/// # Errors
/// - the system does not say
pub fn allowed() -> Result<Vec<usize>> {
    let set = sched_getaffinity(None).context("cannot ask for the processors to run on")?;
    Ok((0..CpuSet::MAX_CPU).filter(|processor| set.is_set(*processor)).collect())
}

/// Keeps this thread on one processor.
///
/// # Errors
/// - it is not allowed to run there
pub fn pin(processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).with_context(|| format!("cannot run on processor {processor}"))
}

/// Chooses two processors of different cores in one package if there are such; one and the same if there is no other.
///
/// # Errors
/// - the system does not say which are allowed
pub fn two() -> Result<[usize; 2]> {
    Ok(best(&allowed()?, Topology::read))
}

/// Returns all hardware threads of a processor's core, itself among them.
pub fn siblings(processor: usize) -> Option<Vec<usize>> {
    Some(Topology::read(processor)?.siblings)
}

/// Whether two processors are hardware threads of one core. A hypervisor may hide the truth from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "as they are called")]
pub enum SameCore {
    Yes,
    No,
    Unknown,
}

impl SameCore {
    /// As far as the kernel knows.
    pub fn of([first, second]: [usize; 2]) -> SameCore {
        match siblings(first) {
            _ if first == second => SameCore::Yes,
            None => SameCore::Unknown,
            Some(siblings) if siblings.contains(&second) => SameCore::Yes,
            Some(_) => SameCore::No,
        }
    }
}

/// What the kernel knows about where a processor sits.
struct Topology {
    package: usize,
    siblings: Vec<usize>,
}

impl Topology {
    fn read(processor: usize) -> Option<Topology> {
        let read =
            |file: &str| fs::read_to_string(format!("/sys/devices/system/cpu/cpu{processor}/topology/{file}")).ok();
        Some(Topology {
            package: read("physical_package_id")?.trim().parse().ok()?,
            siblings: parse_list(read("thread_siblings_list")?.trim())?,
        })
    }
}

/// The first processor, and of the others the first that is best: same package and other core, other core, any.
fn best(allowed: &[usize], topology: impl Fn(usize) -> Option<Topology>) -> [usize; 2] {
    let first = allowed[0];
    let rank = |processor: &usize| match (topology(first), topology(*processor)) {
        (Some(one), Some(_)) if one.siblings.contains(processor) => 2,
        (Some(one), Some(other)) => u8::from(one.package != other.package),
        _ => 0,
    };
    // Of equals, the first.
    [first, allowed[1..].iter().copied().min_by_key(|one| rank(one)).unwrap_or(first)]
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

    #[test]
    fn another_core_of_the_same_package_is_preferred() {
        assert_eq!(best(&[0, 1, 2, 3, 4], paired), [0, 2]);
        assert_eq!(best(&[0, 1, 4, 5], paired), [0, 4]);
        assert_eq!(best(&[0, 1], paired), [0, 1]);
    }

    #[test]
    fn one_allowed_processor_is_shared() {
        assert_eq!(best(&[3], paired), [3, 3]);
        assert_eq!(SameCore::of([3, 3]), SameCore::Yes);
    }

    #[test]
    fn without_a_topology_the_first_two_are_taken() {
        assert_eq!(best(&[2, 5, 7], |_| None), [2, 5]);
    }
}
