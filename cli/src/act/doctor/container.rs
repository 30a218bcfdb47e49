//! Whether this process runs in a container, and what that leaves it.

use std::path::Path;

use bytesize::ByteSize;

use super::finding::{Finding, read};
use crate::limits::quota;

pub(super) fn look() -> Vec<Finding> {
    let group = read("/proc/self/cgroup").and_then(|text| unified(&text)).unwrap_or_default();
    let limit = |file: &str| {
        let own = read(&format!("/sys/fs/cgroup{}/{file}", group.trim_end_matches('/')));
        own.or_else(|| read(&format!("/sys/fs/cgroup/{file}")))
    };
    vec![container(), memory(limit("memory.max").as_deref()), time(quota())]
}

/// Returns the path of the only group of the second version.
fn unified(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
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

fn memory(limit: Option<&str>) -> Finding {
    const ENOUGH: u64 = 256 << 20;
    let limit = limit.and_then(|text| text.parse::<u64>().ok());
    Finding::judge(
        "cgroup-memory",
        limit.map_or_else(|| "no limit".to_owned(), |limit| ByteSize(limit).display().iec().to_string()),
        limit.is_none_or(|limit| limit >= ENOUGH),
        "a ring counts as memory of the group that makes it, and a group that passes its limit is killed: raise \
         memory.max (docker run --memory)",
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
    fn limits_of_a_group_are_read_as_the_kernel_writes_them() {
        assert_eq!(unified("12:cpu:/a\n0::/user.slice\n").as_deref(), Some("/user.slice"));
        assert_eq!(memory(Some("max")), Finding::ok("cgroup-memory", "no limit"));
        assert_eq!(memory(Some("1048576")).status, Status::Attention);
        assert_eq!(time(Some(0.5)).status, Status::Attention);
        assert_eq!(time(None).status, Status::Ok);
    }
}
