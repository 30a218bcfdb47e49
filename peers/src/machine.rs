//! What was measured on, and with which versions.

use ringmain_measure::cpuinfo;
use rustix::system::uname;
use serde::{Deserialize, Serialize};

/// The machine, as far as a reader of the figures needs it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    /// Those that the two ends ran on.
    pub(crate) used: [usize; 2],
    pub(crate) system: String,
    pub(crate) virtual_machine: bool,
}

impl Machine {
    /// Looks at this one.
    pub(crate) fn look(used: [usize; 2]) -> Machine {
        let first = |key: &str| cpuinfo(key).into_iter().next().unwrap_or_default();
        let name = first("model name");
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let system = uname();
        let release = system.release().to_string_lossy().into_owned();
        Machine {
            processor: format!("{name}, family {} model {}", first("cpu family"), first("model")),
            processors: cpuinfo("processor").len(),
            used,
            system: format!("{} {}", system.sysname().to_string_lossy(), release.split('-').next().unwrap_or(&release)),
            virtual_machine: first("flags").split(' ').any(|flag| flag == "hypervisor"),
        }
    }
}

/// Returns the version of a package in the lock file that this program was built with.
pub(crate) fn version(package: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let line = lines.next().and_then(|line| line.strip_prefix("version = "));
    line.map_or("unknown".to_owned(), |version| version.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_every_subject_is_known() {
        for subject in &crate::subjects::ALL {
            assert_ne!(version(subject.package), "unknown", "{}", subject.package);
        }
        assert_eq!(version("no-such-package"), "unknown");
    }
}
