//! The pictures of a run: which figures become which lines.

mod bars;
mod colours;

use anyhow::Result;
use bytesize::ByteSize;
use ringmain_measure::{Axis, Chart, Line, Point};

use self::bars::Bar;
use self::colours::colour;
use super::plan::{Test, Transport, USUAL_SIZE};
use super::results::{Idle, Outcome, Paced, Recorded, Report, Run, Subject};

/// Draws all pictures for which there are figures: names without an ending, and SVG.
pub(crate) fn all(run: &Run) -> Result<Vec<(&'static str, String)>> {
    let report = &run.report;
    let charts = [
        ("round-trip", round_trip(&report.results)?),
        ("throughput", throughput(&report.results)?),
        ("percentiles", percentiles(&run.recorded)?),
        ("one-way", one_way(&report.paced)?),
        ("processor-by-rate", processor_by_rate(&report.paced)?),
        ("processor-idle", processor_idle(report)?),
    ];
    Ok(charts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect())
}

const BYTES: Axis = Axis { title: "bytes of a message", base: 2.0, label: bytes };
const RATE: Axis = Axis { title: "messages per second", base: 10.0, label: count };

fn round_trip(outcomes: &[Outcome]) -> Result<Option<String>> {
    let title = "Round trip by size (median and range of the rounds; lower is better)";
    let y = Axis { title: "time", base: 10.0, label: time };
    draw(title, BYTES, y, by_size(outcomes, Test::Rtt))
}

fn throughput(outcomes: &[Outcome]) -> Result<Option<String>> {
    let title = "Throughput by size (median and range of the rounds; higher is better)";
    let y = Axis { title: "messages per second", base: 10.0, label: count };
    draw(title, BYTES, y, by_size(outcomes, Test::Throughput))
}

/// The medians of a test, a line for each transport and way to wait. The cache line's one word stands at every size.
fn by_size(outcomes: &[Outcome], test: Test) -> Vec<Line> {
    let wanted = || outcomes.iter().filter(move |one| one.subject.test == test);
    let mut lines = gathered(wanted().map(|one| (one.subject, Point::of(one.subject.bytes as f64, one.summary))));
    let most = wanted().map(|one| one.subject.bytes).max().unwrap_or(0);
    let baseline = wanted().find(|one| one.subject.transport == Transport::CacheLine && one.subject.bytes < most);
    if let Some(baseline) = baseline {
        let of_baseline = |line: &&mut Line| line.name == name(baseline.subject);
        let end = Point::of(most as f64, baseline.summary);
        lines.iter_mut().filter(of_baseline).for_each(|line| line.points.push(end));
    }
    lines
}

/// The highest quantile that is drawn, as 1 / (1 - quantile): where there are as many times.
const HIGHEST: f64 = 100_000.0;

fn percentiles(recorded: &[Recorded]) -> Result<Option<String>> {
    let carried = recorded.iter().filter(|one| one.subject.test == Test::Rtt && one.subject.transport.carries_a_time());
    let Some(bytes) = carried.map(|one| one.subject.bytes).min_by_key(|bytes| (*bytes != USUAL_SIZE, *bytes)) else {
        return Ok(None);
    };
    let wanted = |one: &&Recorded| {
        one.subject.test == Test::Rtt && (one.subject.bytes == bytes || one.subject.transport.is_bare())
    };
    let lines = recorded.iter().filter(wanted).map(|one| {
        let highest = (one.times.len() as f64).min(HIGHEST);
        let steps = (0..).map(|step| 10f64.powf(f64::from(step) / 16.0)).take_while(|step| *step <= highest);
        let time = |step: f64| one.times.value_at_quantile(1.0 - 1.0 / step).max(1) as f64;
        line(one.subject, steps.map(|step| Point::new(step, time(step))).collect())
    });
    let title = format!("Single round trips of {bytes} bytes: the time that a share of them was not above");
    let x = Axis { title: "share of the round trips", base: 10.0, label: share };
    let y = Axis { title: "time", base: 10.0, label: time };
    draw(&title, x, y, lines.collect())
}

/// The messages of one size: the usual one, or else the smallest that was measured.
fn of_one_size(paced: &[Paced]) -> (usize, Vec<&Paced>) {
    let sizes = paced.iter().map(|one| one.subject.bytes);
    let bytes = sizes.min_by_key(|bytes| (*bytes != USUAL_SIZE, *bytes)).unwrap_or(USUAL_SIZE);
    (bytes, paced.iter().filter(|one| one.subject.bytes == bytes).collect())
}

fn one_way(paced: &[Paced]) -> Result<Option<String>> {
    let (bytes, paced) = of_one_size(paced);
    let lines = gathered(paced.iter().map(|one| (one.subject, Point::new(one.rate as f64, one.quantiles.p50 as f64))));
    let title = format!("One way at a fixed rate, {bytes} bytes (p50 of one measurement; lower is better)");
    draw(&title, RATE, Axis { title: "time", base: 10.0, label: time }, lines)
}

/// The least share of a processor that is drawn, in percent.
const LEAST: f64 = 0.001;

fn processor_by_rate(paced: &[Paced]) -> Result<Option<String>> {
    let (bytes, paced) = of_one_size(paced);
    let percent = |one: &Paced| (one.sink_processor * 100.0).max(LEAST);
    let lines = gathered(paced.iter().map(|one| (one.subject, Point::new(one.rate as f64, percent(one)))));
    let title = format!("Processor time of the receiver, {bytes} bytes (one measurement; lower is better)");
    draw(&title, RATE, Axis { title: "percent of one processor", base: 10.0, label: percentage }, lines)
}

fn processor_idle(report: &Report) -> Result<Option<String>> {
    let bar = |one: &Idle| {
        let figure = if one.percent < 10.0 { format!("{:.2} %", one.percent) } else { format!("{:.0} %", one.percent) };
        Bar { name: name(one.subject), value: one.percent, figure }
    };
    let bars: Vec<Bar> = report.idle.iter().map(bar).collect();
    if bars.is_empty() {
        return Ok(None);
    }
    bars::draw("Processor time of a receiver to which nothing comes (one measurement)", 100.0, &bars).map(Some)
}

fn draw(title: &str, x: Axis, y: Axis, lines: Vec<Line>) -> Result<Option<String>> {
    if lines.is_empty() {
        return Ok(None);
    }
    ringmain_measure::draw(&[Chart { title: title.to_owned(), x, y, lines }]).map(Some)
}

/// Puts the points of a transport, way to wait and fence into one line each.
fn gathered(points: impl Iterator<Item = (Subject, Point)>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (subject, point) in points {
        let name = name(subject);
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(line(subject, vec![point])),
        }
    }
    lines
}

fn line(subject: Subject, points: Vec<Point>) -> Line {
    Line { name: name(subject), strong: subject.transport.is_ring(), colour: colour(subject), points }
}

fn name(subject: Subject) -> String {
    format!("{} {}", subject.transport, subject.waits_by())
}

fn bytes(value: f64) -> String {
    format!("{:.0}", ByteSize(value.round() as u64).display().iec())
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        1e9.. => format!("{} s", nanoseconds / 1e9),
        1e6.. => format!("{} ms", nanoseconds / 1e6),
        1e3.. => format!("{} us", nanoseconds / 1e3),
        _ => format!("{nanoseconds} ns"),
    }
}

fn count(value: f64) -> String {
    match value {
        1e6.. => format!("{} M", value / 1e6),
        1e3.. => format!("{} k", value / 1e3),
        _ => format!("{value}"),
    }
}

fn percentage(value: f64) -> String {
    format!("{value} %")
}

/// Writes `1 / (1 - share)` as a share in percent.
fn share(value: f64) -> String {
    let share = 100.0 - 100.0 / value.max(1.0);
    format!("{} %", (share * 1e6).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_written_with_their_units() {
        assert_eq!([8.0, 512.0, 65536.0].map(bytes), ["8 B", "512 B", "64 KiB"]);
        assert_eq!([100.0, 1000.0, 1e7, 1e9].map(time), ["100 ns", "1 us", "10 ms", "1 s"]);
        assert_eq!([1.0, 10.0, 1000.0, 10_000.0].map(share), ["0 %", "90 %", "99.9 %", "99.99 %"]);
        assert_eq!([100.0, 1e4, 1e8].map(count), ["100", "10 k", "100 M"]);
    }
}
