//! The pictures of a run: which figures become which lines.

mod bars;
mod colours;

use anyhow::Result;
use bytesize::ByteSize;
use ringmain_measure::{Axis, Chart, Line, Point, Regime};

use self::bars::Bar;
use self::colours::colour;
use super::plan::{Test, USUAL_SIZE};
use super::regimes::STEADY;
use super::results::{Cell, Idle, Paced, Recorded, Report, Run, Subject};
use crate::words;

/// Draws all pictures for which there are figures: names without an ending, and SVG.
pub(crate) fn all(run: &Run) -> Result<Vec<(&'static str, String)>> {
    let report = &run.report;
    let charts = [
        ("round-trip", round_trip(report)?),
        ("throughput", throughput(report)?),
        ("percentiles", percentiles(run)?),
        ("one-way", one_way(report)?),
        ("processor-by-rate", processor_by_rate(report)?),
        ("processor-idle", processor_idle(report)?),
    ];
    Ok(charts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect())
}

const BYTES: Axis = Axis { title: "bytes of a message", base: 2.0, label: bytes };
const RATE: Axis = Axis { title: "messages per second", base: 10.0, label: count };
const ROUND_TRIP: Axis = Axis { title: "time of a round trip", base: 10.0, label: time };

fn round_trip(report: &Report) -> Result<Option<String>> {
    let title = "Round trip by size (median and range of the rounds; lower is better)";
    by_regime(report, title, |_, cells| (BYTES, ROUND_TRIP, by_size(cells, Test::Rtt)))
}

fn throughput(report: &Report) -> Result<Option<String>> {
    let title = "Throughput by size (median and range of the rounds; higher is better)";
    by_regime(report, title, |_, cells| (BYTES, RATE, by_size(cells, Test::Throughput)))
}

/// Draws a chart for each regime, beneath one another. Its title says which rounds it is of.
fn by_regime(
    report: &Report,
    title: &str,
    lines: impl Fn(&Regime, &[Cell]) -> (Axis, Axis, Vec<Line>),
) -> Result<Option<String>> {
    let charts = report.regimes.all.iter().map(|regime| {
        let (x, y, lines) = lines(regime, &report.cells(regime));
        let unsteady = report.regimes.unsteady(Some(regime));
        let hollow = format!("half of its rounds differ by more than a factor of {STEADY}");
        let rounds = words::count(regime.rounds.len() as u64, "round");
        chart(&format!("{title} - {regime}, {rounds}"), x, y, lines, unsteady, &hollow)
    });
    draw(charts.collect())
}

/// The medians of a test, a line for each transport and way to wait. The one word of a bare line stands at every size.
fn by_size(cells: &[Cell], test: Test) -> Vec<Line> {
    let wanted = || cells.iter().filter(move |one| one.subject.test == test);
    let point =
        |one: &Cell, at: usize| Point { is_steady: one.is_steady(), ..Point::of(at as f64, one.figures.summary) };
    let mut lines = gathered(wanted().map(|one| (one.subject, point(one, one.subject.bytes))));
    let most = wanted().map(|one| one.subject.bytes).max().unwrap_or(0);
    for bare in wanted().filter(|one| one.subject.transport.is_bare() && one.subject.bytes < most) {
        let of_it = |line: &&mut Line| line.name == name(bare.subject);
        let end = point(bare, most);
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
    by_regime(&run.report, &title, |regime, _| {
        let wanted = |one: &&Recorded| {
            one.regime == Some(regime.nearness) && (one.subject.bytes == bytes || one.subject.transport.is_bare())
        };
        let lines = recorded.clone().filter(wanted).map(quantiles).collect();
        let x = Axis { title: "share of the round trips", base: 10.0, label: share };
        (x, ROUND_TRIP, lines)
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

/// Draws a line for each transport and way to wait by the rate: a figure, and how far it goes up where it does.
fn by_rate(
    report: &Report,
    title: impl Fn(usize) -> String,
    y: Axis,
    figure: impl Fn(&Paced) -> (f64, Option<f64>),
) -> Result<Option<String>> {
    let (bytes, paced) = of_one_size(&report.paced);
    let point = |one: &Paced| {
        let (value, most) = figure(one);
        Point {
            range: most.map(|most| (value, most)),
            is_steady: one.kept_its_rate(),
            ..Point::new(one.rate as f64, value)
        }
    };
    let lines = gathered(paced.iter().map(|one| (one.subject, point(one))));
    let hollow = "the source did not keep this rate";
    draw(vec![chart(&title(bytes), RATE, y, lines, report.regimes.unsteady(None), hollow)])
}

fn one_way(report: &Report) -> Result<Option<String>> {
    let title = |bytes| {
        format!("One way at a fixed rate, {bytes} bytes (dot: p50, upper tick: p99; one measurement; lower is better)")
    };
    let y = Axis { title: "time of a message", base: 10.0, label: time };
    by_rate(report, title, y, |one| {
        let [(p50, _), _, (p99, needed), ..] = one.quantiles.in_order();
        (p50 as f64, (one.messages >= needed).then_some(p99 as f64))
    })
}

/// The least share of a processor that is drawn, in percent.
const LEAST: f64 = 0.001;

fn processor_by_rate(report: &Report) -> Result<Option<String>> {
    let title = |bytes| format!("Processor time of the receiver, {bytes} bytes (one measurement; lower is better)");
    let y = Axis { title: "percent of one processor", base: 10.0, label: percentage };
    by_rate(report, title, y, |one| ((one.sink_processor * 100.0).max(LEAST), None))
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
    let title = "Processor time of a receiver to which nothing comes (one measurement)";
    let note = report.regimes.unsteady(None).map_or_else(String::new, not_steady);
    bars::draw(title, &note, 100.0, &bars).map(Some)
}

fn not_steady(why: String) -> String {
    format!("not steady: {why}")
}

/// Makes a chart that says why its figures are not steady, if so, and what a hollow dot is where it has one.
fn chart(title: &str, x: Axis, y: Axis, lines: Vec<Line>, unsteady: Option<String>, hollow: &str) -> Chart {
    let mut notes: Vec<String> = unsteady.map(not_steady).into_iter().collect();
    if lines.iter().flat_map(|line| &line.points).any(|point| !point.is_steady) {
        notes.push(format!("hollow dot, not steady: {hollow}"));
    }
    Chart { title: title.to_owned(), notes, x, y, lines }
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
    use super::super::quantiles;
    use super::super::report::tests::{report, report_of, unsteady};
    use super::*;

    /// All pictures of a run, with the times of one case.
    fn pictures(report: Report) -> Vec<(&'static str, String)> {
        let mut times = quantiles::empty().unwrap();
        (1..=1000).for_each(|time| times.saturating_record(time));
        let subject = report.results[2].subject;
        let regimes = report.regimes.all.iter().map(|regime| Some(regime.nearness));
        let recorded = regimes.map(|regime| Recorded { subject, rate: None, regime, times: times.clone() });
        let recorded = recorded.collect();
        all(&Run { report, recorded }).unwrap()
    }

    fn picture(report: Report, name: &str) -> String {
        pictures(report).into_iter().find(|(found, _)| *found == name).unwrap().1
    }

    #[track_caller]
    fn check_has(picture: &str, lines: &[&str]) {
        for line in lines {
            assert!(picture.lines().any(|one| one.trim() == *line), "no {line:?} in {picture}");
        }
    }

    #[test]
    fn a_picture_has_titles_of_axes_marks_where_something_was_measured_and_its_regime() {
        let title = "Round trip by size (median and range of the rounds; lower is better) - near (95 ns), 3 rounds";
        let text = picture(report(), "round-trip");
        check_has(&text, &[title, "bytes of a message", "time of a round trip", "8 B", "64 B", "100 ns", "10 us"]);
        check_has(&text, &["cache-line spin", "message spin", "pipe sleep"]);
        let title = "Throughput by size (median and range of the rounds; higher is better) - near (95 ns), 3 rounds";
        check_has(&picture(report(), "throughput"), &[title, "bytes of a message", "messages per second", "10 M"]);
        let two = picture(report_of(&[60.0, 60.0, 450.0, 450.0]), "throughput");
        for regime in ["near (60 ns), 1 round", "far (450 ns), 1 round"] {
            check_has(&two, &[&title.replace("near (95 ns), 3 rounds", regime)]);
        }
    }

    #[test]
    fn every_picture_of_a_run_that_was_not_steady_says_so() {
        assert_eq!(pictures(report()).len(), 6);
        for (name, text) in pictures(report()) {
            let is_noted = text.contains("not steady: the bare line") || text.contains("half of its rounds");
            assert!(!is_noted, "{name}: {text}");
        }
        for (name, text) in pictures(unsteady()) {
            assert!(text.contains("not steady: the bare line differed by a factor of 1.5"), "{name}: {text}");
        }
        let hollow = "hollow dot, not steady: half of its rounds differ by more than a factor of 1.5";
        check_has(&picture(unsteady(), "round-trip"), &[hollow]);
        assert!(!picture(unsteady(), "throughput").contains(hollow));
        let mixed = "not steady: the run was at near (60 ns) and far (450 ns); the processors moved in 1 of 3 rounds";
        check_has(&picture(report_of(&[60.0, 60.0, 450.0, 450.0]), "one-way"), &[mixed]);
    }

    #[test]
    fn one_way_has_a_p99_over_the_p50_where_there_are_enough_messages() {
        let hollow = "hollow dot, not steady: the source did not keep this rate";
        let title = "One way at a fixed rate, 64 bytes (dot: p50, upper tick: p99; one measurement; lower is better)";
        let text = picture(report(), "one-way");
        check_has(&text, &[title, "messages per second", "time of a message", "10 k", "10 us", hollow]);
        let (mut few, mut kept) = (report(), report());
        few.paced[0].messages = 99;
        assert!(!picture(few, "one-way").lines().any(|line| line.trim() == "10 us"));
        kept.paced[0].achieved = 9999.0;
        assert!(!picture(kept, "one-way").contains(hollow));
    }

    #[test]
    fn marks_are_written_with_their_units() {
        assert_eq!([8.0, 512.0, 65536.0].map(bytes), ["8 B", "512 B", "64 KiB"]);
        assert_eq!([100.0, 1000.0, 1e7, 1e9].map(time), ["100 ns", "1 us", "10 ms", "1 s"]);
        assert_eq!([1.0, 10.0, 1000.0, 10_000.0].map(share), ["0 %", "90 %", "99.9 %", "99.99 %"]);
        assert_eq!([100.0, 1e4, 1e8].map(count), ["100", "10 k", "100 M"]);
    }
}
