//! What a person wants first, of each regime: which message over what, a round trip, one way, and how that is beside a
//! pipe; and a small picture. What is compared comes from rounds in which everything took turns.

use clap::ValueEnum;
use ringmain_measure::{Regime, Summary};

use super::super::plan::{Test, Transport, USUAL_SIZE};
use super::super::results::{Cell, Idle, Paced, Report, Subject, Unit};
use super::super::wait::Wait;
use super::figures::{data, figure, nanoseconds, percent, rate, short};
use super::picture;
use super::style::{MARGIN, Style};
use crate::words::count;

/// Ratios this near to 1 are no difference.
const ALIKE: f64 = 0.05;

/// Writes what comes first: of each regime, or else of what was measured once.
pub(super) fn text(report: &Report, style: Style) -> String {
    let of_regime = |regime: &Regime| {
        let cells = report.cells(regime);
        let (mut rows, shown) = rows(&cells);
        rows.insert(rows.len().min(1), regime_row(report, regime));
        let mut rows = lines(style, &rows);
        let unsteady = report.regimes.unsteady(Some(regime)).map(|why| row("not steady", &why));
        rows.extend(unsteady.map(|row| style.warning(MARGIN, &row)));
        rows.extend(picture::text(style, &shown).map(|picture| format!("\n{picture}")));
        rows.join("\n")
    };
    let regimes: Vec<String> = report.regimes.all.iter().map(of_regime).collect();
    if regimes.is_empty() { lines(style, &once(report)).join("\n") } else { regimes.join("\n\n") }
}

fn row(title: &str, text: &str) -> String {
    format!("{title:<MARGIN$}{text}")
}

fn lines(style: Style, rows: &[String]) -> Vec<String> {
    rows.iter().map(|row| style.line(MARGIN, row)).collect()
}

/// Says how near the two processors were: how long the bare line's round trip took.
fn regime_row(report: &Report, regime: &Regime) -> String {
    let (least, most) = (nanoseconds(regime.line.min), nanoseconds(regime.line.max));
    let (rounds, of) = (regime.rounds.len(), count(report.regimes.lines.len() as u64, "round"));
    let what = "the bare line's round trip, measured between rounds";
    row("regime", &format!("{regime} in {rounds} of {of}, {least} .. {most}: {what}"))
}

/// What rounds of one regime come to, and the cases that a picture shows: about the ring of the lowest latency that was
/// measured, or else about what there is; and about sets of rings.
fn rows(cells: &[Cell]) -> (Vec<String>, Vec<&Cell>) {
    let (mut rows, mut shown) = (Vec::new(), Vec::new());
    if let Some(subject) = subject(cells.iter().map(|cell| cell.subject).filter(|one| one.test != Test::Waitset)) {
        rows.push(row("message", &over(subject)));
        let of = |test| cells.iter().find(move |cell| cell.subject == Subject { test, ..subject });
        let (round_trip, one_way) = (of(Test::Rtt), of(Test::Throughput));
        rows.extend(round_trip.map(|cell| {
            let longer = cell.figures.ratios.cache_line.map_or_else(String::new, |ratio| {
                format!(", {} times as long as one over two bare cache lines", short(ratio))
            });
            row("round trip", &(measured(cell) + &longer))
        }));
        rows.extend(one_way.map(|cell| {
            row("one way", &format!("{}, {}", measured(cell), data(cell.figures.summary.median, subject.bytes)))
        }));
        let others = others(cells, round_trip, one_way);
        rows.extend(others.iter().map(|other| row("beside", &beside([round_trip, one_way], *other))));
        // The figures of one test.
        let test = if round_trip.is_some() { Test::Rtt } else { Test::Throughput };
        shown.extend(cells.iter().filter(|cell| {
            let Subject { transport, bytes, .. } = cell.subject;
            let is_other = others.iter().flatten().flatten().any(|other| other == cell);
            let is_alike = bytes == subject.bytes && (transport.is_ring() || transport == subject.transport);
            cell.subject.test == test && (transport == Transport::CacheLine || is_alike || is_other)
        }));
    }
    let at_rings: Vec<&Cell> = cells.iter().filter(|cell| cell.subject.test == Test::Waitset).collect();
    if let (true, Some(one)) = (rows.is_empty(), at_rings.first()) {
        rows.push(row("message", &format!("{} bytes over the next of many rings each time", one.subject.bytes)));
    }
    rows.extend(at_rings.iter().filter_map(|set| {
        let alone = Subject { rings: None, ..set.subject };
        Some(set_row(set, at_rings.iter().find(|cell| cell.subject == alone && cell.subject != set.subject)?))
    }));
    if shown.is_empty() {
        shown = at_rings;
    }
    (rows, shown)
}

/// What the rows are about: the usual size, or else the smallest one.
fn subject(subjects: impl Iterator<Item = Subject>) -> Option<Subject> {
    let rank = |transport| match transport {
        Transport::Message => 0,
        Transport::Stream => 1,
        Transport::Memcpy => 3,
        Transport::OwnWork => 4,
        Transport::CacheLine | Transport::CacheLines => 5,
        _ => 2,
    };
    subjects.min_by_key(|one| (rank(one.transport), one.bytes != USUAL_SIZE, one.bytes, one.wait, one.fenced))
}

/// Names a message and what it goes over.
fn over(subject: Subject) -> String {
    let Subject { transport, bytes, wait, .. } = subject;
    let name = if transport.is_ring() { format!("the {transport} ring") } else { with_article(transport) };
    format!("{bytes} bytes over {name}, which {}", verb(wait))
}

/// Writes the figure of a case with the range of its rounds.
fn measured(cell: &Cell) -> String {
    let [median, min, max] = [cell.figures.summary.median, cell.figures.summary.min, cell.figures.summary.max]
        .map(|it| figure(it, cell.unit));
    let unsteady = if cell.is_steady() { "" } else { ", not steady" };
    format!("{median} ({min} .. {max}{unsteady})")
}

/// One of the kernel's transports: its round trip and its throughput, where these were measured.
type Other<'a> = [Option<&'a Cell>; 2];

/// The pipe, and the one of the least round trip or else the highest rate if that is another.
fn others<'a>(cells: &'a [Cell], round_trip: Option<&Cell>, one_way: Option<&Cell>) -> Vec<Other<'a>> {
    let of = |transport: &Transport| [round_trip, one_way].map(|one| alike(cells, one?, *transport));
    let pipe = of(&Transport::Pipe);
    let fastest =
        Transport::value_variants().iter().map(of).min_by(|one, other| slowness(one).total_cmp(&slowness(other)));
    let found = [Some(pipe), fastest.filter(|fastest| *fastest != pipe)];
    found.into_iter().flatten().filter(|other| other.iter().any(Option::is_some)).collect()
}

/// A transport of the kernel beside a case, in the way to wait that is most alike.
fn alike<'a>(cells: &'a [Cell], one: &Cell, transport: Transport) -> Option<&'a Cell> {
    if !transport.carries_a_time() || transport.is_ring() || transport == one.subject.transport {
        return None;
    }
    one.subject.wait.alike().into_iter().find_map(|wait| {
        let wanted = Subject { transport, wait, fenced: false, rings: None, alignment: None, ..one.subject };
        cells.iter().find(|other| other.subject == wanted)
    })
}

/// Puts the fastest first. Ratios would be pairwise, but the order of the medians is the same unless they are alike.
fn slowness(other: &Other<'_>) -> f64 {
    match other {
        [Some(round_trip), _] => round_trip.figures.summary.median,
        [None, Some(one_way)] => 1.0 / one_way.figures.summary.median,
        [None, None] => f64::INFINITY,
    }
}

/// Sets a subject beside another transport: by ratios that are taken within rounds.
fn beside(ours: [Option<&Cell>; 2], theirs: Other<'_>) -> String {
    let mut pairs = ours.into_iter().zip(theirs).filter_map(|(one, other)| Some((one?, other?))).peekable();
    let Some((one, other)) = pairs.peek().copied() else { return String::new() };
    let parts: Vec<String> = pairs
        .map(|(one, other)| {
            let ratio = Summary::of_ratios(&one.values, &other.values).median;
            let compared = match one.unit {
                Unit::Nanoseconds => compared(1.0 / ratio, "faster", "slower", "as fast"),
                _ => compared(ratio, "as many messages", "fewer messages", "as many messages"),
            };
            format!("{compared} ({})", figure(other.figures.summary.median, other.unit))
        })
        .collect();
    let name = with_article(other.subject.transport);
    let waits = if one.subject.wait == other.subject.wait {
        String::new()
    } else {
        format!("; {name} {}", verb(other.subject.wait))
    };
    format!("{name}: {}{waits}", parts.join(", "))
}

/// Writes how many times more or less.
fn compared(ratio: f64, more: &str, less: &str, alike: &str) -> String {
    if (ratio - 1.0).abs() <= ALIKE {
        format!("about {alike}")
    } else if ratio > 1.0 {
        format!("{} times {more}", short(ratio))
    } else {
        format!("{} times {less}", short(1.0 / ratio))
    }
}

fn verb(wait: Wait) -> &'static str {
    match wait {
        Wait::Spin | Wait::Busy => "spins while it waits",
        Wait::Adaptive => "spins a little, then sleeps",
        Wait::Park | Wait::Sleep => "sleeps",
        Wait::Never => "waits for nothing",
    }
}

fn with_article(transport: Transport) -> String {
    match transport {
        Transport::Eventfd => format!("an {transport}"),
        Transport::Tcp | Transport::Memcpy | Transport::OwnWork => transport.to_string(),
        _ => format!("a {transport}"),
    }
}

/// A set of rings beside one ring at which its ends wait by themselves: the median of the ratios within rounds.
fn set_row(set: &Cell, alone: &Cell) -> String {
    let Summary { median, min, max } = Summary::of_ratios(&set.values, &alone.values);
    let Subject { transport, wait, rings, .. } = set.subject;
    let [median, min, max] = [median, min, max].map(short);
    let title = format!("set of {}", rings.unwrap_or(0));
    row(
        &title,
        &format!("{transport} {wait}: {median} times one ring's round trip ({min} .. {max}), {}", measured(set)),
    )
}

/// What was measured once comes to, where there are no rounds.
fn once(report: &Report) -> Vec<String> {
    let mut rows = Vec::new();
    if let Some(subject) = subject(report.paced.iter().map(|one| one.subject)) {
        rows.push(row("message", &over(subject)));
        let of_it = report.paced.iter().filter(|one| one.subject == subject);
        rows.extend(of_it.map(|one| row(&format!("at {}", rate(one.rate)), &one_way(one))));
    }
    if let Some(subject) = subject(report.idle.iter().map(|one| one.subject)) {
        let of_it = report.idle.iter().filter(|one| one.subject.transport == subject.transport);
        let share = |one: &Idle| format!("{} ({})", percent(one.percent), one.subject.waits_by());
        let shares = of_it.map(share).collect::<Vec<_>>().join(", ");
        rows.push(row("idle", &format!("{}: {shares} of a processor while nothing comes", subject.transport)));
    }
    rows
}

fn one_way(one: &Paced) -> String {
    let [(p50, _), _, (p99, needed), ..] = one.quantiles.in_order();
    let p99 = if one.messages < needed { String::new() } else { format!(", p99 {}", nanoseconds(p99 as f64)) };
    let missed = if one.kept_its_rate() { "" } else { "; not steady: the source did not keep this rate" };
    format!("one way p50 {}{p99}{missed}", nanoseconds(p50 as f64))
}

#[cfg(test)]
mod tests {
    use super::super::super::measured::Measured;
    use super::super::super::plan::Case;
    use super::*;

    fn cells(cases: &[(Test, Transport, Wait, usize, &[f64])]) -> Vec<Cell> {
        let measured = |(test, transport, wait, rings, values): &(Test, Transport, Wait, usize, &[f64])| {
            let bytes = if transport.is_bare() { 8 } else { 64 };
            let (test, transport, wait, rings) = (*test, *transport, *wait, *rings);
            let case = Case { test, bytes, transport, align: 64, wait, fenced: false, rings, rate: None };
            Measured { case, values: values.to_vec(), times: Vec::new() }
        };
        Cell::of_one_regime(&cases.iter().map(measured).collect::<Vec<_>>())
    }

    #[track_caller]
    fn check(cases: &[(Test, Transport, Wait, usize, &[f64])], expected: &[&str]) {
        assert_eq!(rows(&cells(cases)).0, expected);
    }

    const SPIN: Wait = Wait::Spin;

    #[test]
    fn the_rows_are_about_a_ring_beside_a_pipe_and_the_fastest_of_the_others() {
        // The machine is ten times slower in the second round: ratios of medians would be others.
        let cases: [(Test, Transport, Wait, usize, &[f64]); 6] = [
            (Test::Rtt, Transport::CacheLine, SPIN, 0, &[100.0, 1000.0, 100.0]),
            (Test::Rtt, Transport::Message, SPIN, 0, &[150.0, 1500.0, 2000.0]),
            (Test::Rtt, Transport::Eventfd, Wait::Sleep, 0, &[15_000.0, 150_000.0, 15_000.0]),
            (Test::Rtt, Transport::Pipe, Wait::Sleep, 0, &[30_000.0, 300_000.0, 30_000.0]),
            (Test::Throughput, Transport::Message, SPIN, 0, &[60e6; 3]),
            (Test::Throughput, Transport::Pipe, Wait::Sleep, 0, &[2e6; 3]),
        ];
        check(
            &cases,
            &[
                "message     64 bytes over the message ring, which spins while it waits",
                "round trip  1500 ns (150 ns .. 2000 ns, not steady), 1.50 times as long as one over two bare cache \
                 lines",
                "one way     60.0 M/s (60.0 M/s .. 60.0 M/s), 3.8 GB/s",
                "beside      a pipe: 200 times faster (30.0 us), 30.0 times as many messages (2.00 M/s); a pipe sleeps",
                "beside      an eventfd: 100 times faster (15.0 us); an eventfd sleeps",
            ],
        );
        let cells = cells(&cases);
        let shown: Vec<_> = rows(&cells).1.iter().map(|cell| cell.subject.transport).collect();
        assert_eq!(shown, [Transport::CacheLine, Transport::Message, Transport::Eventfd, Transport::Pipe]);
    }

    #[test]
    fn like_is_set_beside_like_without_a_word_about_waiting() {
        check(
            &[
                (Test::Rtt, Transport::Stream, Wait::Park, 0, &[15_000.0]),
                (Test::Rtt, Transport::Stream, SPIN, 0, &[150.0]),
                (Test::Rtt, Transport::Pipe, Wait::Sleep, 0, &[30_000.0]),
                (Test::Rtt, Transport::Pipe, SPIN, 0, &[1500.0]),
            ],
            &[
                "message     64 bytes over the stream ring, which spins while it waits",
                "round trip  150 ns (150 ns .. 150 ns)",
                "beside      a pipe: 10.0 times faster (1500 ns)",
            ],
        );
    }

    #[test]
    fn what_is_slower_or_alike_is_told_as_well() {
        check(
            &[
                (Test::Rtt, Transport::Message, SPIN, 0, &[300.0]),
                (Test::Rtt, Transport::Pipe, SPIN, 0, &[150.0]),
                (Test::Throughput, Transport::Message, SPIN, 0, &[1e6]),
                (Test::Throughput, Transport::Pipe, SPIN, 0, &[1.02e6]),
            ],
            &[
                "message     64 bytes over the message ring, which spins while it waits",
                "round trip  300 ns (300 ns .. 300 ns)",
                "one way     1.00 M/s (1.00 M/s .. 1.00 M/s), 64.0 MB/s",
                "beside      a pipe: 2.00 times slower (150 ns), about as many messages (1.02 M/s)",
            ],
        );
        let rate = |transport, values: &'static [f64]| (Test::Throughput, transport, SPIN, 0, values);
        let cells =
            cells(&[rate(Transport::Message, &[1e6]), rate(Transport::Pipe, &[1e5]), rate(Transport::Eventfd, &[2e6])]);
        let rows = rows(&cells).0;
        assert_eq!(rows[2], "beside      a pipe: 10.0 times as many messages (100 k/s)");
        assert_eq!(rows[3], "beside      an eventfd: 2.00 times fewer messages (2.00 M/s)");
    }

    #[test]
    fn bare_lines_are_told_where_there_is_nothing_else() {
        check(
            &[(Test::Rtt, Transport::CacheLine, SPIN, 0, &[100.0])],
            &[
                "message     8 bytes over a cache-line, which spins while it waits",
                "round trip  100 ns (100 ns .. 100 ns)",
            ],
        );
        check(&[], &[]);
    }

    #[test]
    fn a_set_is_told_beside_one_ring_by_the_median_of_the_ratios_in_rounds() {
        let (test, stream) = (Test::Waitset, Transport::Stream);
        check(
            &[
                (test, stream, Wait::Park, 0, &[5000.0, 50_000.0, 5000.0]),
                (test, stream, Wait::Park, 8, &[5250.0, 52_500.0, 5500.0]),
                (test, stream, Wait::Park, 32, &[6000.0, 60_000.0, 6000.0]),
            ],
            &[
                "message     64 bytes over the next of many rings each time",
                "set of 8    stream park: 1.05 times one ring's round trip (1.05 .. 1.10), 5500 ns \
                 (5250 ns .. 52.5 us, not steady)",
                "set of 32   stream park: 1.20 times one ring's round trip (1.20 .. 1.20), 6000 ns \
                 (6000 ns .. 60.0 us, not steady)",
            ],
        );
    }
}
