//! The machine that the figures belong to.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::limits::Limits;
use super::processors::{Processors, SameCore};

/// Where and when a run took place.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Host {
    /// The model's name, or "unknown".
    pub(crate) processor: String,
    pub(crate) kernel: String,
    /// The processors of the two processes.
    pub(crate) cpus: [usize; 2],
    pub(crate) same_core: SameCore,
    pub(crate) limits: Limits,
    /// UTC, like `2025-01-31T12:00:00Z`.
    pub(crate) date: String,
}

impl Host {
    pub(crate) fn read(processors: Processors) -> Self {
        let uname = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        Self {
            processor: model().unwrap_or_else(|| "unknown".to_owned()),
            kernel: [uname.sysname(), uname.release(), uname.machine()].map(text).join(" "),
            cpus: [processors.first, processors.second],
            same_core: processors.same_core(),
            limits: Limits::read(processors),
            date: date(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())),
        }
    }
}

/// The processor's name, or that of the board where processors have none.
fn model() -> Option<String> {
    let processors = fs::read_to_string("/proc/cpuinfo").ok()?;
    model_name(&processors)
        .or_else(|| fs::read_to_string("/sys/firmware/devicetree/base/model").ok())
        .map(|name| name.trim_end_matches('\0').trim().to_owned())
}

fn model_name(processors: &str) -> Option<String> {
    let (_, name) =
        processors.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == "model name")?;
    Some(name.trim().to_owned())
}

/// Writes a Unix time as a date, by the algorithm of Howard Hinnant's "chrono-compatible low-level date algorithms".
fn date(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, so that a leap day is the last day of a year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
        assert_eq!(date(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(date(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(date(1_709_251_200), "2024-03-01T00:00:00Z");
        assert_eq!(date(1_735_689_599), "2024-12-31T23:59:59Z");
    }

    #[test]
    fn the_model_is_found_among_other_lines() {
        let text = "processor\t: 0\nmodel\t\t: 207\nmodel name\t: A Processor: 3 GHz\n\nprocessor\t: 1\n";
        assert_eq!(model_name(text).as_deref(), Some("A Processor: 3 GHz"));
        assert_eq!(model_name("processor: 0\n"), None);
    }
}
