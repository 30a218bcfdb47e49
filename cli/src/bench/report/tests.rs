//! The whole report of fixed figures.

use std::time::Duration;

use ringmain_measure::SameCore;

use super::super::clock::Usage;
use super::super::host::Host;
use super::super::measured::Measured;
use super::super::plan::{Case, Transport};
use super::super::quantiles::{self, Counts, Quantiles};
use super::super::regimes::Regimes;
use super::super::results::{FORMAT, Idle, LeftOut, Outcome, Paced, Subject, Unit};
use super::super::wait::Wait;
use super::*;
use crate::limits::Limits;

fn case(test: Test, transport: Transport, wait: Wait) -> Case {
    let bytes = if transport.is_bare() { 8 } else { 64 };
    Case { test, bytes, transport, align: 64, wait, fenced: false, rings: 0, rate: None }
}

fn measured(test: Test, transport: Transport, wait: Wait, values: &[f64]) -> Measured {
    let round = |value: f64| {
        let mut times = quantiles::empty().unwrap();
        // The same two values in each hundred, so that the quantiles are known.
        for number in 0..200 {
            times.saturating_record(value as u64 * if number % 100 < 95 { 1 } else { 2 });
        }
        Counts::of(&times)
    };
    let times = if test == Test::Rtt { values.iter().map(|_| round(values[0])).collect() } else { Vec::new() };
    Measured { case: case(test, transport, wait), values: values.to_vec(), times }
}

/// A run of three rounds, with these readings of the bare line before the first one and after each.
pub(crate) fn report_of(readings: &[f64]) -> Report {
    let measured = [
        measured(Test::Rtt, Transport::CacheLine, Wait::Spin, &[100.0, 110.0, 90.0]),
        measured(Test::Rtt, Transport::CacheLines, Wait::Spin, &[110.0, 120.0, 100.0]),
        measured(Test::Rtt, Transport::Message, Wait::Spin, &[120.0, 140.0, 130.0]),
        measured(Test::Rtt, Transport::Pipe, Wait::Sleep, &[36_000.0, 42_000.0, 39_000.0]),
        measured(Test::Throughput, Transport::Message, Wait::Spin, &[90e6, 100e6, 95e6]),
        measured(Test::Throughput, Transport::Pipe, Wait::Sleep, &[1.8e6, 2e6, 1.9e6]),
    ];
    let regimes = Regimes::of(readings);
    let paced = case(Test::Paced, Transport::Message, Wait::Adaptive);
    let usage = |processor| Usage { elapsed: Duration::from_secs(1), processor: Duration::from_millis(processor) };
    let (p50, p90, p99, p99_9, p99_99) = (300, 400, 50_000, 60_000, 60_000);
    let quantiles = Quantiles { p50, p90, p99, p99_9, p99_99, max: 60_000 };
    Report {
        format: FORMAT,
        host: Host {
            processor: "A Processor".to_owned(),
            kernel: "Linux 6.0 x86_64".to_owned(),
            cpus: [0, 1],
            same_core: SameCore::No,
            limits: Limits { processors: 2, governors: Vec::new(), quota: None },
            date: "2025-01-31T12:00:00Z".to_owned(),
        },
        warnings: vec!["the machine is slow".to_owned()],
        results: Outcome::of_all(&measured, &regimes).unwrap(),
        regimes,
        paced: vec![Paced {
            subject: Subject::of(paced),
            rate: 10_000,
            achieved: 9000.0,
            messages: 1000,
            unit: Unit::Nanoseconds,
            quantiles,
            sink_processor: usage(250).share(),
            source_processor: usage(1000).share(),
        }],
        idle: vec![idle(Transport::Stream, Wait::Spin, 99.9), idle(Transport::Message, Wait::Park, 0.06)],
        left_out: vec![LeftOut::new(case(Test::Rtt, Transport::PosixMq, Wait::Sleep), "this kernel has none")],
    }
}

/// The same at one distance.
pub(crate) fn report() -> Report {
    report_of(&[95.0, 100.0, 90.0, 95.0])
}

/// One in which nothing is steady: the bare line, the round trips of a pipe, a rate.
pub(crate) fn unsteady() -> Report {
    let mut report = report_of(&[95.0, 100.0, 130.0, 170.0]);
    report.results[3].values = vec![36_000.0, 99_000.0, 39_000.0];
    report
}

/// One of all tests, with the longest names, the widest figures and everything that can be said of a run: the file that
/// `tests/walk.rs` reports on.
fn full() -> Report {
    let sized = |test, transport, wait, bytes, values: &[f64]| {
        let one = measured(test, transport, wait, values);
        Measured { case: Case { bytes, ..one.case }, ..one }
    };
    let (rtt, rate, slow) = (Test::Rtt, Test::Throughput, [36_000.0, 420_000.0, 39_000.0]);
    let mut cases = vec![
        sized(rtt, Transport::CacheLine, Wait::Spin, 8, &[100.0, 110.0, 90.0]),
        sized(rtt, Transport::CacheLines, Wait::Spin, 8, &[110.0, 120.0, 100.0]),
        sized(rate, Transport::CacheLine, Wait::Spin, 8, &[20e6, 21e6, 20.5e6]),
    ];
    for (bytes, factor) in [(64, 1.0), (65_536, 100.0)] {
        let times = |values: [f64; 3]| values.map(|value| value * factor);
        let rates = |values: [f64; 3]| values.map(|value| value / factor);
        for (transport, wait, round_trip, one_way) in [
            (Transport::Memcpy, Wait::Never, [11.0, 12.0, 13.0], [180e6, 190e6, 200e6]),
            (Transport::Stream, Wait::Adaptive, [150.0, 160.0, 155.0], [150e6, 151e6, 140e6]),
            (Transport::Message, Wait::Adaptive, [120.0, 140.0, 130.0], [90e6, 100e6, 95e6]),
            (Transport::Pipe, Wait::Sleep, slow, [1.8e6, 2e6, 1.9e6]),
            (Transport::UnixSeqpacket, Wait::Sleep, [16_000.0, 17_000.0, 18_000.0], [0.8e6, 0.9e6, 1e6]),
        ] {
            cases.push(sized(rtt, transport, wait, bytes, &times(round_trip)));
            cases.push(sized(rate, transport, wait, bytes, &rates(one_way)));
            if transport.is_ring() {
                let fenced = sized(rtt, transport, wait, bytes, &times(round_trip.map(|value| value * 1.2)));
                cases.push(Measured { case: Case { fenced: true, ..fenced.case }, ..fenced });
            }
        }
    }
    for rings in [0, 8, 100] {
        let one = measured(Test::Waitset, Transport::Message, Wait::Park, &[5000.0 + rings as f64 * 100.0; 3]);
        cases.push(Measured { case: Case { rings, ..one.case }, ..one });
    }
    let mut report = report();
    report.results = Outcome::of_all(&cases, &report.regimes).unwrap();
    for figures in report.results.iter_mut().flat_map(|one| &mut one.by_regime) {
        // Enough of them for each percentile.
        figures.times.iter_mut().for_each(|times| times.messages = 120_000);
    }
    let paced = |transport, wait, rate, kept| {
        let subject = Subject::of(case(Test::Paced, transport, wait));
        let messages = rate + 20_000;
        Paced { subject, rate, achieved: rate as f64 * kept, messages, ..report.paced[0].clone() }
    };
    report.paced = vec![
        paced(Transport::Message, Wait::Adaptive, 100_000, 1.0),
        paced(Transport::UnixSeqpacket, Wait::Sleep, 100_000, 0.5),
    ];
    report.idle.push(idle(Transport::UnixSeqpacket, Wait::Sleep, 0.1));
    report.warnings = vec![
        "this process may use 2 processors, and two that spin take both: whatever else runs stops one of them"
            .to_owned(),
    ];
    report
}

/// `RINGMAIN_WRITE=1 cargo test -p ringmain-cli --bin ringmain walk` writes the file anew.
#[test]
fn the_file_of_the_walk_has_all_that_a_report_can_have() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/walk/results.json");
    let text = serde_json::to_string(&full()).unwrap() + "\n";
    if std::env::var_os("RINGMAIN_WRITE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap_or_default() == text, "RINGMAIN_WRITE=1 writes {path} anew");
}

/// Letters that are seen.
fn columns(line: &str) -> usize {
    textwrap::core::display_width(line)
}

#[test]
fn no_line_is_wider_than_a_terminal_and_each_row_can_be_told_from_the_others() {
    let mixed = report_of(&[60.0, 60.0, 450.0, 450.0]);
    for report in [full(), report(), unsteady(), mixed] {
        let comparison = Comparison::of(&report, &report);
        for (is_rich, width) in [60, 72, 80, 100, 120, 200].into_iter().flat_map(|it| [(false, it), (true, it)]) {
            let text = text(&report, Some(&comparison), Style { is_rich, width: Some(width) });
            let wide = text.lines().find(|line| columns(line) > width);
            assert_eq!(wide, None, "{width} columns");
            let lines: Vec<&str> = text.lines().collect();
            let is_rule = |line: &str| line.starts_with("==") || line.starts_with("══");
            let heads: Vec<&str> = lines.windows(2).filter(|pair| is_rule(pair[1])).map(|pair| pair[0]).collect();
            let has = |head: &str, names: &[&str]| names.iter().any(|name| head.contains(name));
            let are_whole = heads.iter().all(|head| {
                has(head, &["transport"])
                    && has(head, &["waits by"])
                    && has(head, &["median", "p50", "processor", "now /"])
            });
            assert!(heads.len() > 3 && are_whole, "{width} columns: {heads:?}");
            let has_sizes = heads.iter().all(|head| !has(head, &["median", "now /"]) || has(head, &["bytes"]));
            assert!(has_sizes, "{width} columns: {heads:?}");
        }
    }
}

#[test]
fn bars_are_explained_where_they_are_drawn() {
    for width in 40..160 {
        let text = text(&full(), None, Style { width: Some(width), ..Style::PLAIN });
        let sections =
            text.split("\n\n").filter(|section| section.starts_with("rtt: ") || section.starts_with("throughput"));
        let sections: Vec<&str> = sections.collect();
        assert_eq!(sections.len(), 2, "{text}");
        for section in sections {
            let words = section.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(words.contains("Bars are"), section.contains('#'), "{width} columns: {section}");
        }
    }
}

#[test]
fn one_round_is_not_many() {
    let measured = [measured(Test::Rtt, Transport::Message, Wait::Spin, &[120.0])];
    let regimes = Regimes::of(&[95.0, 95.0]);
    let results = Outcome::of_all(&measured, &regimes).unwrap();
    let text = text(&Report { results, regimes, ..report() }, None, Style::PLAIN);
    assert!(text.contains("in 1 of 1 round, ") && text.contains("two processes, 1 round; "), "{text}");
}

#[test]
fn what_a_wide_terminal_shows_is_what_a_pipe_gets() {
    let wide = Style { width: Some(200), ..Style::PLAIN };
    let report = full();
    let comparison = Comparison::of(&report, &report);
    assert_eq!(text(&report, Some(&comparison), wide), text(&report, Some(&comparison), Style::PLAIN));
}

fn idle(transport: Transport, wait: Wait, percent: f64) -> Idle {
    Idle { subject: Subject::of(case(Test::Idle, transport, wait)), unit: Unit::Percent, percent, seconds: 1.0 }
}

/// What is expected, as a program that is no terminal gets it.
const PLAIN: &str = include_str!("plain.txt");

#[test]
fn the_report_of_these_figures_is_laid_out_like_this() {
    let report = report();
    let comparison = Comparison::of(&report, &report);
    let text = text(&report, Some(&comparison), Style::PLAIN);
    assert!(text == PLAIN, "{text}");
}

#[test]
fn a_plain_report_is_of_ascii_and_a_rich_one_has_bars_and_colours() {
    let report = report();
    assert!(text(&report, None, Style::PLAIN).chars().all(|one| one == '\n' || (' '..='~').contains(&one)));
    let rich = text(&report, None, Style::RICH);
    assert!(rich.contains("\x1b[33mwarning: the machine is slow\x1b[0m"), "{rich}");
    assert!(rich.contains('█') && rich.contains("\x1b[32m   64  message"), "{rich}");
}

#[test]
fn a_run_of_two_regimes_begins_with_both_and_has_tables_for_each() {
    let text = text(&report_of(&[60.0, 60.0, 450.0, 450.0]), None, Style::PLAIN);
    for line in [
        "regime      near (60 ns) in 1 of 3 rounds, 60 ns .. 60 ns: the bare line's round trip, measured between \
         rounds",
        "regime      far (450 ns) in 1 of 3 rounds, 450 ns .. 450 ns: the bare line's round trip, measured between \
         rounds",
        "round trip  120 ns (120 ns .. 120 ns), 1.20 times as long as one over two bare cache lines",
        "round trip  130 ns (130 ns .. 130 ns), 1.44 times as long as one over two bare cache lines",
        "not steady  the processors moved in 1 of 3 rounds, which are left out",
        "rtt: time of a message there and one back - near (60 ns)",
        "rtt percentiles: times of single round trips, the rounds put together - near (60 ns)",
        "throughput: messages per second in one direction, one message per call - far (450 ns)",
    ] {
        assert!(text.lines().any(|one| one == line), "no '{line}' in:\n{text}");
    }
    let (_, table) = text.split_once("rtt: time of a message there and one back - far (450 ns)\n").unwrap();
    let row = table.lines().find(|line| line.contains("message")).unwrap();
    assert!(row.contains(" 130 ns ") && row.contains("130 ns .. 130 ns") && row.contains(" 1.44 "), "{row}");
}

/// The lines of a report up to the machine that it is of.
fn beginning(report: &Report) -> String {
    text(report, None, Style::PLAIN).split_once("\nprocessor ").unwrap().0.to_owned()
}

#[test]
fn a_report_begins_with_the_message_the_regime_three_figures_and_a_picture() {
    let text = beginning(&report());
    let titles: Vec<&str> = text.lines().take(5).filter_map(|line| line.get(..12)).map(str::trim_end).collect();
    assert_eq!(titles, ["message", "regime", "round trip", "one way", "beside"]);
    let picture: Vec<&str> = text.lines().skip(6).collect();
    let expected = [
        "                 90 ns                            42.0 us  log scale",
        "cache-line spin  -o                                        100 ns",
        "message spin       o-                                      130 ns",
        "pipe sleep                                             -o  39.0 us",
    ];
    assert_eq!(picture, expected);
    assert_eq!(PLAIN.split_once("\nprocessor ").unwrap().0, text);
}

#[test]
fn a_report_of_a_run_that_was_not_steady_says_so_in_its_first_lines_and_its_picture() {
    let text = beginning(&unsteady());
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.contains(&"not steady  the bare line differed by a factor of 1.5"), "{text}");
    let picture = lines.iter().find(|line| line.starts_with("pipe sleep ")).unwrap();
    assert!(picture.contains('?') && !picture.contains('o'), "{text}");
    assert!(lines.contains(&"? is not steady: half of its rounds differ by more than a factor of 1.5"), "{text}");
    assert!(!beginning(&report()).contains("not steady"));
}

#[test]
fn a_damaged_report_whose_regime_names_no_round_or_one_that_is_not_there_is_written_without_its_figures() {
    for rounds in [vec![], vec![7]] {
        let mut report = report();
        report.regimes.all[0].rounds = rounds;
        let text = text(&report, None, Style::PLAIN);
        assert!(text.starts_with("regime      near (95 ns) in ") && !text.contains("\nround trip  "), "{text}");
    }
}

#[test]
fn what_was_measured_once_begins_a_report_without_rounds() {
    let mut report = report_of(&[]);
    report.results.clear();
    assert_eq!(
        beginning(&report),
        "\
message     64 bytes over the message ring, which spins a little, then sleeps
at 10k/s    one way p50 300 ns, p99 50.0 us; not steady: the source did not keep this rate
idle        message: 0.06 % (park) of a processor while nothing comes
"
    );
}

#[test]
fn a_run_beside_another_says_what_either_lacks() {
    let (then, mut now) = (report(), report());
    now.results.retain(|one| one.subject.transport != Transport::Pipe);
    now.idle.push(idle(Transport::Tcp, Wait::Sleep, 0.1));
    let figures = &mut now.results[2].by_regime[0];
    figures.summary.median *= 2.0;
    figures.ratios.cache_line = figures.ratios.cache_line.map(|ratio| ratio * 2.0);
    let text = comparison::text(Style::PLAIN, &Comparison::of(&then, &now));
    for line in [
        "regime: near (95 ns) then, near (95 ns) now",
        "only then: rtt of 64 bytes over pipe (sleep)",
        "only then: throughput of 64 bytes over pipe (sleep)",
        "only now: idle of 64 bytes over tcp (sleep)",
    ] {
        assert!(text.lines().any(|one| one == line), "no '{line}' in:\n{text}");
    }
    let row = text.lines().find(|line| line.contains("rtt") && line.contains("message")).unwrap();
    assert!(row.contains("130 ns") && row.contains("260 ns") && row.ends_with("2.00           2.00"), "{row}");
}

#[test]
fn rounds_are_compared_with_those_of_the_same_regime() {
    let (then, now) = (report_of(&[60.0, 60.0, 450.0, 450.0]), report_of(&[455.0; 4]));
    let comparison = Comparison::of(&then, &now);
    let row = comparison.rows.iter().find(|row| row.key.subject.transport == Transport::Message).unwrap();
    // The last round of the earlier run, and all of this one.
    assert_eq!((row.then, row.now), (130.0, 130.0));
    let row = &comparison.rows[0];
    assert_eq!((row.then, row.now), (90.0, 100.0));
    let text = comparison::text(Style::PLAIN, &comparison);
    for line in [
        "regime: far (450 ns) then, near (455 ns) now",
        "warning: rounds only then, which are not compared: near (60 ns)",
    ] {
        assert!(text.lines().any(|one| one == line), "no '{line}' in:\n{text}");
    }
}

#[test]
fn two_regimes_in_common_are_told_apart_in_each_row() {
    let both = report_of(&[60.0, 60.0, 450.0, 450.0]);
    let text = comparison::text(Style::PLAIN, &Comparison::of(&both, &both));
    let regimes: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("rtt ") && line.contains(" pipe "))
        .map(|line| line.split_whitespace().nth(5).unwrap())
        .collect();
    assert_eq!(regimes, ["near", "far"], "{text}");
}

#[test]
fn two_runs_without_a_regime_in_common_are_not_compared_by_their_rounds() {
    let comparison = Comparison::of(&report_of(&[60.0; 4]), &report_of(&[450.0; 4]));
    assert!(comparison.rows.iter().all(|row| !row.key.subject.test.is_in_rounds()));
    assert_eq!(comparison.rows.len(), 3);
    let text = comparison::text(Style::PLAIN, &comparison);
    assert!(text.contains("not compared: the bare line's round trip was near (60 ns) then"), "{text}");
    assert!(!text.contains("only then") && !text.contains("only now"), "{text}");
}

#[test]
fn two_runs_without_a_case_in_common_are_told_apart() {
    let (mut then, now) = (report(), report());
    then.results.clear();
    then.paced.clear();
    then.idle.clear();
    then.host.processor = "Another".to_owned();
    let text = comparison::text(Style::PLAIN, &Comparison::of(&then, &now));
    assert!(text.contains("Nothing was measured in both runs"), "{text}");
    assert!(text.contains("on Another with Linux 6.0"), "{text}");
}
