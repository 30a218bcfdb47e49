//! How values are told from one another, and how they are written.

use crate::work::Test;

/// Says whether a ratio of ringmain to another crate speaks against ringmain, as it is shown.
pub(super) fn is_behind(test: Test, ratio: f64) -> bool {
    let shown = (ratio * 100.0).round() / 100.0;
    if test == Test::Rtt { shown > 1.0 } else { shown < 1.0 }
}

/// What a test is called in text.
pub(super) fn title(test: Test) -> &'static str {
    match test {
        Test::Rtt => "round trip",
        Test::Single => "one at a time",
        Test::Batch => "batches of 64",
    }
}

/// The unit of its values as they are shown.
pub(super) fn unit(test: Test) -> &'static str {
    if test == Test::Rtt { "ns" } else { "M/s" }
}

/// Which of its values are better.
pub(super) fn better(test: Test) -> &'static str {
    if test == Test::Rtt { "Less is better" } else { "More is better" }
}

/// Returns a value in that unit, with three digits.
pub(super) fn shown(test: Test, value: f64) -> String {
    if test == Test::Rtt { format!("{value:.0}") } else { three_digits(value / 1e6) }
}

/// Returns a number with three significant digits, as far as they stand behind the point.
pub(super) fn three_digits(value: f64) -> String {
    let decimals = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_speaks_against_ringmain_as_it_is_shown() {
        assert!(is_behind(Test::Rtt, 1.01) && !is_behind(Test::Rtt, 1.004));
        assert!(is_behind(Test::Batch, 0.99) && !is_behind(Test::Batch, 0.996));
    }

    #[test]
    fn a_number_has_three_digits() {
        assert_eq!(three_digits(0.678_9), "0.68");
        assert_eq!(three_digits(12.34), "12.3");
        assert_eq!(three_digits(99.97), "100");
        assert_eq!(three_digits(1234.0), "1234");
    }
}
