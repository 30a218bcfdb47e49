//! Percentile distributions in the text format of HdrHistogram, which its plotters read.

use std::fmt::Write;

use super::super::quantiles::Times;
use super::super::results::Recorded;

/// Steps in each half of the distance to 100 %.
const STEPS: u32 = 5;

/// The name of the file of these times, without an ending; with that of their regime where the run has several.
pub(super) fn name(recorded: &Recorded, mixed: bool) -> String {
    let subject = recorded.subject;
    let fenced = if subject.fenced { "-fenced" } else { "" };
    let rate = recorded.rate.map_or_else(String::new, |rate| format!("-{rate}"));
    let regime = recorded.regime.filter(|_| mixed).map_or_else(String::new, |regime| format!("-{regime}"));
    format!("{}-{}-{}{fenced}-{}{rate}{regime}", subject.test, subject.transport, subject.wait, subject.bytes)
}

/// Writes the distribution; values are nanoseconds.
pub(super) fn text(times: &Times) -> String {
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut count = 0;
    for step in times.iter_quantiles(STEPS) {
        count += step.count_since_last_iteration();
        let (value, percentile) = (step.value_iterated_to() as f64, step.quantile_iterated_to());
        let _ = write!(text, "{value:12.3} {percentile:2.12} {count:10}");
        // The last line is that of 100 %, for which there is no such number.
        let _ = if percentile < 1.0 { writeln!(text, " {:14.2}", 1.0 / (1.0 - percentile)) } else { writeln!(text) };
    }
    let (mean, deviation) = (times.mean(), times.stdev());
    let _ = writeln!(text, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let (longest, total) = (times.max() as f64, times.len());
    let _ = writeln!(text, "#[Max     = {longest:12.3}, Total count    = {total:12}]");
    let (buckets, parts) = (times.buckets(), 2048);
    let _ = writeln!(text, "#[Buckets = {buckets:12}, SubBuckets     = {parts:12}]");
    text
}

#[cfg(test)]
mod tests {
    use ringmain_measure::Nearness;

    use super::super::super::plan::{Case, Test, Transport};
    use super::super::super::quantiles;
    use super::super::super::results::Subject;
    use super::super::super::wait::Wait;
    use super::*;

    #[test]
    fn the_lines_rise_to_all_times() {
        let mut times = quantiles::empty().unwrap();
        (1..=1000).for_each(|time| times.saturating_record(time));
        let text = text(&times);
        let lines: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|field| field.parse().unwrap()).collect())
            .collect();
        assert!(lines.len() > 10, "{text}");
        assert!(
            lines.is_sorted_by(|one, other| one[0] <= other[0] && one[1] <= other[1] && one[2] <= other[2]),
            "{text}"
        );
        assert_eq!(lines.last().unwrap(), &[1000.0, 1.0, 1000.0]);
        assert_eq!(lines[0].len(), 4);
        assert!(text.contains("#[Max     =     1000.000, Total count    =         1000]"), "{text}");
    }

    #[test]
    fn a_file_is_named_after_its_case() {
        let (test, transport, wait) = (Test::Paced, Transport::PosixMq, Wait::Sleep);
        let case = Case { test, bytes: 64, transport, align: 64, wait, fenced: false, rings: 0, rate: None };
        let times = quantiles::empty().unwrap();
        let mut recorded = Recorded { subject: Subject::of(case), rate: Some(100), regime: None, times };
        assert_eq!(name(&recorded, true), "paced-posix-mq-sleep-64-100");
        recorded.subject.fenced = true;
        (recorded.rate, recorded.regime) = (None, Some(Nearness::Far));
        assert_eq!(name(&recorded, false), "paced-posix-mq-sleep-fenced-64");
        assert_eq!(name(&recorded, true), "paced-posix-mq-sleep-fenced-64-far");
    }
}
