//! Whether this process runs in a container, and what that leaves it.

use std::path::Path;

use bytesize::ByteSize;

use super::finding::Finding;
use crate::limits;

pub(super) fn look() -> Vec<Finding> {
    vec![container(), memory(limits::memory()), time(limits::quota())]
}

fn container() -> Finding {
    let is_one = Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists();
    let found = match is_one {
        true => {
            "yes: its /dev/shm is its own; to share rings, start both containers with --ipc=shareable and \
             --ipc=container:NAME"
        }
        false => "none that shows",
    };
    Finding::ok("container", found)
}

fn memory(limit: Option<u64>) -> Finding {
    const ENOUGH: u64 = 256 << 20;
    Finding::judge(
        "cgroup-memory",
        limit.map_or_else(|| "no limit".to_owned(), |limit| ByteSize(limit).display().iec().to_string()),
        limit.is_none_or(|limit| limit >= ENOUGH),
        "a ring counts as memory of the group that makes it, and a group that passes its limit is killed: raise \
         its limit of memory (docker run --memory)",
    )
}

fn time(limit: Option<f64>) -> Finding {
    Finding::judge(
        "cgroup-cpu",
        limit.map_or_else(|| "no limit".to_owned(), |limit| format!("{limit:.2} processors")),
        limit.is_none_or(|limit| limit >= 2.0),
        "a group that has used its share stands still until the next period, in the middle of whatever it does: raise \
         cpu.max (docker run --cpus), or let the ends wait by Wait::Park",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Status;
    use super::*;

    #[test]
    fn a_small_limit_of_a_group_needs_attention() {
        assert_eq!(memory(None), Finding::ok("cgroup-memory", "no limit"));
        assert_eq!(memory(Some(1 << 20)).status, Status::Attention);
        assert_eq!(time(Some(0.5)).status, Status::Attention);
        assert_eq!(time(None).status, Status::Ok);
    }
}
