//! The pictures of a run: which figures become which lines.

mod bars;
mod colours;

use anyhow::Result;
use bytesize::ByteSize;
use ringmain_measure::{Axis, Chart, Line, Point, Regime};

use self::bars::Bar;
use self::colours::colour;
use super::plan::{Test, USUAL_SIZE};
use super::results::{Cell, Idle, Paced, Recorded, Report, Run, Subject};

/// Draws all pictures for which there are figures: names without an ending, and SVG.
pub(crate) fn all(run: &Run) -> Result<Vec<(&'static str, String)>> {
    let report = &run.report;
    let charts = [
        ("round-trip", round_trip(report)?),
        ("throughput", throughput(report)?),
        ("percentiles", percentiles(run)?),
        ("one-way", one_way(&report.paced)?),
        ("processor-by-rate", processor_by_rate(&report.paced)?),
        ("processor-idle", processor_idle(report)?),
    ];
    Ok(charts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect())
}

const BYTES: Axis = Axis { title: "bytes of a message", base: 2.0, label: bytes };
const RATE: Axis = Axis { title: "messages per second", base: 10.0, label: count };

fn round_trip(report: &Report) -> Result<Option<String>> {
    let title = "Round trip by size (median and range of the rounds; lower is better)";
    let y = Axis { title: "time of a round trip", base: 10.0, label: time };
    by_regime(report, |regime, cells| chart(&with(title, regime), BYTES, y, by_size(cells, Test::Rtt)))
}

fn throughput(report: &Report) -> Result<Option<String>> {
    let title = "Throughput by size (median and range of the rounds; higher is better)";
    let y = Axis { title: "messages per second", base: 10.0, label: count };
    by_regime(report, |regime, cells| chart(&with(title, regime), BYTES, y, by_size(cells, Test::Throughput)))
}

/// Draws a chart for each regime, beneath one another.
fn by_regime(report: &Report, chart: impl Fn(&Regime, &[Cell]) -> Chart) -> Result<Option<String>> {
    draw(report.regimes.all.iter().map(|regime| chart(regime, &report.cells(regime))).collect())
}

/// A title that says which rounds the chart is of.
fn with(title: &str, regime: &Regime) -> String {
    format!("{title} - {regime}")
}

/// The medians of a test, a line for each transport and way to wait. The one word of a bare line stands at every size.
fn by_size(cells: &[Cell], test: Test) -> Vec<Line> {
    let wanted = || cells.iter().filter(move |one| one.subject.test == test);
    let point = |one: &Cell| Point::of(one.subject.bytes as f64, one.figures.summary);
    let mut lines = gathered(wanted().map(|one| (one.subject, point(one))));
    let most = wanted().map(|one| one.subject.bytes).max().unwrap_or(0);
    for bare in wanted().filter(|one| one.subject.transport.is_bare() && one.subject.bytes < most) {
        let of_it = |line: &&mut Line| line.name == name(bare.subject);
        let end = Point::of(most as f64, bare.figures.summary);
        lines.iter_mut().filter(of_it).for_each(|line| line.points.push(end));
    }
    lines
}

/// The highest quantile that is drawn, as 1 / (1 - quantile): where there are as many times.
const HIGHEST: f64 = 100_000.0;

fn percentiles(run: &Run) -> Result<Option<String>> {
    let recorded = run.recorded.iter().filter(|one| one.subject.test == Test::Rtt);
    let carried = recorded.clone().filter(|one| one.subject.transport.carries_a_time());
    let Some(bytes) = carried.map(|one| one.subject.bytes).min_by_key(|bytes| (*bytes != USUAL_SIZE, *bytes)) else {
        return Ok(None);
    };
    let title = format!("Single round trips of {bytes} bytes: the time that a share of them was not above");
    by_regime(&run.report, |regime, _| {
        let wanted = |one: &&Recorded| {
            one.regime == Some(regime.nearness) && (one.subject.bytes == bytes || one.subject.transport.is_bare())
        };
        let lines = recorded.clone().filter(wanted).map(quantiles).collect();
        let x = Axis { title: "share of the round trips", base: 10.0, label: share };
        let y = Axis { title: "time of a round trip", base: 10.0, label: time };
        chart(&with(&title, regime), x, y, lines)
    })
}

fn quantiles(recorded: &Recorded) -> Line {
    let highest = (recorded.times.len() as f64).min(HIGHEST);
    let steps = (0..).map(|step| 10f64.powf(f64::from(step) / 16.0)).take_while(|step| *step <= highest);
    let time = |step: f64| recorded.times.value_at_quantile(1.0 - 1.0 / step).max(1) as f64;
    line(recorded.subject, steps.map(|step| Point::new(step, time(step))).collect())
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
    draw(vec![chart(&title, RATE, Axis { title: "time of a message", base: 10.0, label: time }, lines)])
}

/// The least share of a processor that is drawn, in percent.
const LEAST: f64 = 0.001;

fn processor_by_rate(paced: &[Paced]) -> Result<Option<String>> {
    let (bytes, paced) = of_one_size(paced);
    let percent = |one: &Paced| (one.sink_processor * 100.0).max(LEAST);
    let lines = gathered(paced.iter().map(|one| (one.subject, Point::new(one.rate as f64, percent(one)))));
    let title = format!("Processor time of the receiver, {bytes} bytes (one measurement; lower is better)");
    let y = Axis { title: "percent of one processor", base: 10.0, label: percentage };
    draw(vec![chart(&title, RATE, y, lines)])
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

fn chart(title: &str, x: Axis, y: Axis, lines: Vec<Line>) -> Chart {
    Chart { title: title.to_owned(), x, y, lines }
}

/// Draws the charts that have a line, if there is one.
fn draw(mut charts: Vec<Chart>) -> Result<Option<String>> {
    charts.retain(|chart| !chart.lines.is_empty());
    if charts.is_empty() { Ok(None) } else { ringmain_measure::draw(&charts).map(Some) }
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
