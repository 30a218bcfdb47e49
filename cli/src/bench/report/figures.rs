//! Figures with about three digits and a unit.

use bytesize::ByteSize;

use super::super::results::Unit;

/// Writes about three digits.
pub(super) fn short(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        0.1.. => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// Writes a time.
pub(super) fn nanoseconds(value: f64) -> String {
    if value < 10_000.0 { format!("{value:.0} ns") } else { format!("{} us", short(value / 1e3)) }
}

/// Writes a rate.
pub(super) fn per_second(value: f64) -> String {
    if value < 1e6 { format!("{} k/s", short(value / 1e3)) } else { format!("{} M/s", short(value / 1e6)) }
}

/// Writes a rate that was asked for as the user does.
pub(super) fn rate(value: u64) -> String {
    match value {
        value if value % 1_000_000 == 0 => format!("{}M/s", value / 1_000_000),
        value if value % 1000 == 0 => format!("{}k/s", value / 1000),
        value => format!("{value}/s"),
    }
}

/// Writes a figure of a unit.
pub(super) fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Nanoseconds => nanoseconds(value),
        Unit::MessagesPerSecond => per_second(value),
        Unit::Percent => percent(value),
    }
}

/// Writes how much data so many messages of a size per second are.
pub(super) fn data(rate: f64, bytes: usize) -> String {
    format!("{}/s", ByteSize((rate * bytes as f64) as u64).display().si())
}

/// Writes a part of a processor as a percentage.
pub(super) fn percent(value: f64) -> String {
    if value < 10.0 { format!("{value:.2} %") } else { format!("{value:.0} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_about_three_digits() {
        assert_eq!(short(1234.5), "1234");
        assert_eq!(short(12.345), "12.3");
        assert_eq!(short(1.2345), "1.23");
        assert_eq!(short(0.00312), "0.0031");
        assert_eq!(nanoseconds(98.6), "99 ns");
        assert_eq!(nanoseconds(107_000.0), "107 us");
        assert_eq!(per_second(2_300_000.0), "2.30 M/s");
        assert_eq!(per_second(9500.0), "9.50 k/s");
        assert_eq!(percent(0.123), "0.12 %");
        assert_eq!(percent(99.9), "100 %");
    }

    #[test]
    fn a_rate_is_written_as_it_was_asked_for() {
        assert_eq!([1, 1500, 10_000, 2_000_000].map(rate), ["1/s", "1500/s", "10k/s", "2M/s"]);
    }
}
