//! Sizes, rates and times as people read them, and the intervals that they give.

use std::time::Duration;

use bytesize::ByteSize;
use jiff::SignedDuration;

/// How to write figures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// As plain numbers.
    pub(super) is_plain: bool,
}

/// Writes a number of bytes.
pub(super) fn bytes(value: u64, is_plain: bool) -> String {
    if is_plain { value.to_string() } else { ByteSize(value).display().iec().to_string() }
}

/// Writes what passes per second: elements, or bytes.
pub(super) fn per_second(value: f64, is_bytes: bool, is_plain: bool) -> String {
    match (is_plain, is_bytes) {
        (true, _) => format!("{value:.0}"),
        (false, true) => format!("{}/s", bytes(value as u64, false)),
        (false, false) => match value {
            1e6.. => format!("{:.1} M/s", value / 1e6),
            1e3.. => format!("{:.1} k/s", value / 1e3),
            _ => format!("{value:.0} /s"),
        },
    }
}

/// Writes a time in seconds.
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        100.0.. => format!("{seconds:.0} s"),
        1.0.. => format!("{seconds:.1} s"),
        1e-3.. => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{:.1} us", seconds * 1e6),
    }
}

/// Reads an interval: a number of seconds, or one with a unit behind it.
pub(super) fn parse_interval(text: &str) -> Result<Duration, String> {
    let unit = if text.ends_with(|last: char| last.is_ascii_digit()) { "s" } else { "" };
    let time = format!("{text}{unit}").parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    time.filter(|time| (Duration::from_millis(1)..=Duration::from_secs(3600)).contains(time))
        .ok_or_else(|| format!("expected a time from 1ms to 60m, such as 10ms, 0.5s, 2 or 1m; found '{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_unless_they_are_to_be_plain() {
        assert_eq!([bytes(40, false), bytes(65_536, false)], ["40 B", "64.0 KiB"]);
        assert_eq!(bytes(65_536, true), "65536");
    }

    #[test]
    fn rates_are_of_elements_or_of_bytes() {
        let elements = [0.0, 12.0, 1500.0, 98_765_432.0].map(|value| per_second(value, false, false));
        assert_eq!(elements, ["0 /s", "12 /s", "1.5 k/s", "98.8 M/s"]);
        assert_eq!(per_second(1_572_864.0, true, false), "1.5 MiB/s");
        assert_eq!(per_second(1500.4, true, true), "1500");
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        assert_eq!(
            [0.0, 0.000_012_3, 0.0123, 1.23, 123.4].map(time),
            ["0.0 us", "12.3 us", "12.3 ms", "1.2 s", "123 s"]
        );
    }

    #[test]
    fn intervals_are_seconds_unless_a_unit_is_given() {
        for (text, milliseconds) in
            [("1", 1000), ("0.5", 500), ("10ms", 10), ("2s", 2000), ("1m", 60_000), ("1m 5s", 65_000)]
        {
            assert_eq!(parse_interval(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "0", "-1", "x", "2h", "nan", "inf", "1e9", "0.1ms"] {
            assert!(parse_interval(text).unwrap_err().contains("such as 10ms"), "{text}");
        }
    }
}
