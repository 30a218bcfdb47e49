//! What keeps processes from all that the processors could do: how many there are, governors, quotas.

use std::fs;
use std::path::{Path, PathBuf};

use ringmain_measure::allowed;
use serde::{Deserialize, Serialize};

/// The limits of a run, as far as the system tells them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Limits {
    /// How many processors this process may run on; 0 where that is unknown.
    pub(crate) processors: usize,
    /// What governs the frequency of the two that are used, where anything does.
    pub(crate) governors: Vec<String>,
    /// Processors' worth of time that the control group has, where it is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quota: Option<f64>,
}

impl Limits {
    /// Reads them. To be called before this process keeps to one processor.
    pub(crate) fn read(processors: [usize; 2]) -> Self {
        let mut used = processors.to_vec();
        used.dedup();
        Self {
            processors: allowed().map_or(0, |allowed| allowed.len()),
            governors: used.into_iter().filter_map(governor).collect(),
            quota: quota(),
        }
    }
}

/// What governs the frequency of a processor.
pub(crate) fn governor(processor: usize) -> Option<String> {
    let path = format!("/sys/devices/system/cpu/cpu{processor}/cpufreq/scaling_governor");
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// Where control groups are mounted.
const GROUPS: &str = "/sys/fs/cgroup";

/// The smallest quota of this process's control group and those above it, in processors' worth of time.
pub(crate) fn quota() -> Option<f64> {
    quota_of(Path::new(GROUPS), &own_groups())
}

/// The smallest limit of memory of this process's control group and those above it, in bytes.
pub(crate) fn memory() -> Option<u64> {
    memory_of(Path::new(GROUPS), &own_groups())
}

fn own_groups() -> String {
    fs::read_to_string("/proc/self/cgroup").unwrap_or_default()
}

fn quota_of(root: &Path, groups: &str) -> Option<f64> {
    let quota = |(version, folder): (Version, PathBuf)| match version {
        Version::First => first_version(&folder),
        Version::Second => second_version(&folder),
    };
    folders(root, groups, "cpu").into_iter().filter_map(quota).min_by(f64::total_cmp)
}

fn memory_of(root: &Path, groups: &str) -> Option<u64> {
    // The first version writes the largest multiple of a page where there is no limit, the second one a word.
    const NONE: u64 = 1 << 62;
    let limit = |(version, folder): (Version, PathBuf)| {
        let file = match version {
            Version::First => "memory.limit_in_bytes",
            Version::Second => "memory.max",
        };
        fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok().filter(|&limit| limit < NONE)
    };
    folders(root, groups, "memory").into_iter().filter_map(limit).min()
}

/// A version of control groups.
#[derive(Clone, Copy, Debug)]
enum Version {
    First,
    Second,
}

/// The folders of the groups that `/proc/self/cgroup` has, and of those above them: those of the first version if they
/// are of this controller.
fn folders(root: &Path, groups: &str, controller: &str) -> Vec<(Version, PathBuf)> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let group = group.trim_start_matches('/');
        if controllers.is_empty() {
            found.extend(above(root, group).into_iter().map(|folder| (Version::Second, folder)));
        } else if controllers.split(',').any(|name| name == controller) {
            let root = [controllers, controller].map(|name| root.join(name)).into_iter().find(|root| root.is_dir());
            let folders = root.map_or_else(Vec::new, |root| above(&root, group));
            found.extend(folders.into_iter().map(|folder| (Version::First, folder)));
        }
    }
    found
}

/// The folder of a group and those above it. Inside of a container only the root may be there.
fn above(root: &Path, group: &str) -> Vec<PathBuf> {
    let folder = root.join(group);
    folder.ancestors().take_while(|folder| folder.starts_with(root)).map(Path::to_path_buf).collect()
}

fn second_version(folder: &Path) -> Option<f64> {
    let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota, period)
}

fn first_version(folder: &Path) -> Option<f64> {
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    ratio(&read("cpu.cfs_quota_us")?, &read("cpu.cfs_period_us")?)
}

/// The quota in processors; none where there is a word or a number below 0 in its place, which is no limit.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period) = (quota.trim().parse::<f64>().ok()?, period.trim().parse::<f64>().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of files that is gone with the test.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("ringmain-unit.{}.{name}", std::process::id()));
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(root)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_smallest_quota_on_the_way_up_counts() {
        let files = [("a/b/cpu.max", "max 100000\n"), ("a/cpu.max", "150000 100000\n"), ("cpu.max", "400000 100000\n")];
        let tree = Tree::new("second", &files);
        assert_eq!(quota_of(&tree.0, "0::/a/b\n"), Some(1.5));
        assert_eq!(quota_of(&tree.0, "0::/\n"), Some(4.0));
        assert_eq!(quota_of(&tree.0, "0::/absent\n"), Some(4.0));
        assert_eq!(quota_of(&tree.0, ""), None);
    }

    #[test]
    fn control_groups_of_the_first_version_have_quotas_too() {
        let files = [
            ("cpu,cpuacct/a/cpu.cfs_quota_us", "50000\n"),
            ("cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"),
            ("cpu,cpuacct/b/cpu.cfs_quota_us", "-1\n"),
            ("cpu,cpuacct/b/cpu.cfs_period_us", "100000\n"),
        ];
        let tree = Tree::new("first", &files);
        assert_eq!(quota_of(&tree.0, "7:memory:/a\n4:cpu,cpuacct:/a\n"), Some(0.5));
        assert_eq!(quota_of(&tree.0, "4:cpu,cpuacct:/b\n"), None);
    }

    #[test]
    fn the_smallest_limit_of_memory_on_the_way_up_counts() {
        let files = [
            ("a/b/memory.max", "max\n"),
            ("a/memory.max", "1048576\n"),
            ("memory/c/memory.limit_in_bytes", "4096\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        let tree = Tree::new("memory", &files);
        assert_eq!(memory_of(&tree.0, "0::/a/b\n"), Some(1 << 20));
        assert_eq!(memory_of(&tree.0, "0::/\n"), None);
        assert_eq!(memory_of(&tree.0, "7:memory:/c\n4:cpu,cpuacct:/a\n"), Some(4096));
        assert_eq!(memory_of(&tree.0, "7:memory:/d\n0::/\n"), None);
    }
}
