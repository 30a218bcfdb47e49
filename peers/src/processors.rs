//! Which processors the two ends run on.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Returns the first and the last processor that this process may use; the same one where there is but one.
pub(crate) fn choose() -> [usize; 2] {
    let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    let mut processors = (0..CpuSet::MAX_CPU).filter(|&processor| allowed.is_set(processor));
    let first = processors.next().unwrap_or(0);
    [first, processors.next_back().unwrap_or(first)]
}

/// Keeps this thread on one processor. Where that is refused, the figures are only noisier.
pub(crate) fn pin(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    let _ = sched_setaffinity(None, &set);
}
