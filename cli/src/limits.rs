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

/// The smallest quota of this process's control group and those above it, in processors' worth of time.
pub(crate) fn quota() -> Option<f64> {
    quota_of(Path::new("/sys/fs/cgroup"), &fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
}

/// The same of the groups that `/proc/self/cgroup` has, of either version of control groups.
fn quota_of(root: &Path, groups: &str) -> Option<f64> {
    let mut smallest: Option<f64> = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let group = group.trim_start_matches('/');
        let quotas: Vec<f64> = if controllers.is_empty() {
            above(root, group).iter().filter_map(|folder| second_version(folder)).collect()
        } else if controllers.split(',').any(|controller| controller == "cpu") {
            let root = [controllers, "cpu"].map(|name| root.join(name)).into_iter().find(|root| root.is_dir());
            root.map_or_else(Vec::new, |root| {
                above(&root, group).iter().filter_map(|folder| first_version(folder)).collect()
            })
        } else {
            continue;
        };
        smallest = quotas.into_iter().chain(smallest).min_by(f64::total_cmp);
    }
    smallest
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
}
