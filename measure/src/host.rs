//! What was measured on, and when.

use std::fs;

use jiff::Timestamp;

/// Returns what `/proc/cpuinfo` has under this key, for each processor that has it.
pub fn cpuinfo(key: &str) -> Vec<String> {
    values(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default(), key)
}

fn values(text: &str, key: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned()).collect()
}

/// Returns the date and the time, in UTC, like `2025-01-31T12:00:00Z`.
pub fn now() -> String {
    Timestamp::now().strftime("%FT%TZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_among_others() {
        let text = "processor\t: 0\nmodel\t\t: 207\nmodel name\t: A Processor: 3 GHz\n\nprocessor\t: 1\n";
        assert_eq!(values(text, "model name"), ["A Processor: 3 GHz"]);
        assert_eq!(values(text, "processor"), ["0", "1"]);
        assert_eq!(values(text, "flags"), [""; 0]);
    }
}
