//! What was measured on, and when.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

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
        let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = text.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let name = field("model name");
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let system = uname();
        let release = system.release().to_string_lossy().into_owned();
        Machine {
            processor: format!("{name}, family {} model {}", field("cpu family"), field("model")),
            processors: text.lines().filter(|line| line.starts_with("processor")).count(),
            used,
            system: format!("{} {}", system.sysname().to_string_lossy(), release.split('-').next().unwrap_or(&release)),
            virtual_machine: field("flags").split(' ').any(|flag| flag == "hypervisor"),
        }
    }
}

/// Returns today's date, in UTC.
pub(crate) fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = date((seconds / 86_400) as i64);
    format!("{year}-{month:02}-{day:02}")
}

/// Returns the date of a day since 1970, counted from March in eras of 400 years (after Howard Hinnant's
/// `civil_from_days`).
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
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
    fn a_day_has_its_date() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(19_782), (2024, 2, 29));
        assert_eq!(date(19_783), (2024, 3, 1));
        assert_eq!(date(20_453), (2025, 12, 31));
    }

    #[test]
    fn the_version_of_every_subject_is_known() {
        for subject in &crate::subjects::ALL {
            assert_ne!(version(subject.package), "unknown", "{}", subject.package);
        }
        assert_eq!(version("no-such-package"), "unknown");
    }
}
