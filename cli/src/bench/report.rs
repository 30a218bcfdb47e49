//! The report for people: the host, a table for each test, one sentence.

use std::fmt::Write;

use bytesize::ByteSize;
use comfy_table::{CellAlignment, LineStyle, Table, presets};

use super::plan::{Test, Transport, Wait};
use super::processors::SameCore;
use super::results::{Outcome, Report};

/// Writes all of it as text.
pub(crate) fn text(report: &Report) -> String {
    let mut text = String::new();
    head(&mut text, report);
    for test in [Test::Rtt, Test::Throughput] {
        let outcomes = report.results.iter().filter(|one| one.test == test);
        let outcomes: Vec<&Outcome> = outcomes.collect();
        if !outcomes.is_empty() {
            let _ = write!(text, "\n{}\n{}\n", caption(test), table(test, &outcomes));
        }
    }
    let _ = write!(text, "\n{}\n", sentence(&report.results));
    text
}

fn head(text: &mut String, report: &Report) {
    let host = &report.host;
    let rounds = report.results.first().map_or(0, |one| one.rounds);
    let [first, second] = host.cpus;
    let place = match (first == second, host.same_core) {
        (true, _) => format!(
            "both processes on processor {first}: spinning transports yield it every few polls, \
             so these figures are not those of a machine with two"
        ),
        (false, SameCore::Yes) => format!("{first} and {second}, hardware threads of one core"),
        (false, SameCore::No) => {
            format!("{first} and {second}, different cores as far as the kernel knows")
        }
        (false, SameCore::Unknown) => {
            format!("{first} and {second}, unknown whether they share a core")
        }
    };
    let _ = write!(
        text,
        "\
processor   {}
kernel      {}
used        {place}
date        {}
method      two processes, {rounds} rounds; each round measures everything once, in turn; medians and ranges are over
            the rounds, and so are ratios, each of which is taken within a round
waiting     cache-line, stream and message spin, which keeps a processor busy; pipe and sockets sleep in the kernel:
            a ratio between one kind and the other compares spinning with sleeping; memcpy is one process alone
",
        host.processor, host.kernel, host.date,
    );
}

fn caption(test: Test) -> &'static str {
    match test {
        Test::Rtt => {
            "\
rtt: time of a message there and one back. Ratios are of times, so smaller is better: 2 means twice as long.
cache-line carries one word; every size is compared with that one word."
        }
        Test::Throughput => {
            "\
throughput: messages per second in one direction, one message per call. Ratios are of messages per second, so larger
is better: 2 means twice as many. cache-line is a mailbox of one word, which waits until each word was taken; every
size is compared with that one word."
        }
    }
}

fn table(test: Test, outcomes: &[&Outcome]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.style_mut().row_separator = LineStyle::none();
    let mut header = vec!["bytes", "transport", "waits by", "median", "min .. max"];
    if test == Test::Throughput {
        header.push("data");
    }
    header.extend(["/ cache-line", "/ memcpy", "/ stream", "/ pipe"]);
    table.set_header(header);
    for outcome in outcomes {
        let value = |value| match test {
            Test::Rtt => nanoseconds(value),
            Test::Throughput => per_second(value),
        };
        let summary = outcome.summary;
        let mut row = vec![
            outcome.bytes.to_string(),
            outcome.transport.to_string(),
            outcome.wait.to_string(),
            value(summary.median),
            format!("{} .. {}", value(summary.min), value(summary.max)),
        ];
        if test == Test::Throughput {
            let bytes = summary.median * outcome.bytes as f64;
            row.push(format!("{}/s", ByteSize(bytes as u64).display().si()));
        }
        let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), short);
        row.push(ratio(outcome.ratios.cache_line));
        row.push(ratio(outcome.ratios.memcpy));
        row.push(ratio(outcome.ratios.stream));
        row.push(ratio(outcome.ratios.pipe));
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        if index != 1 && index != 2 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The result in one sentence: the ring of the lowest latency that was measured, at the smallest size.
fn sentence(outcomes: &[Outcome]) -> String {
    let others = || outcomes.iter().filter(|one| one.transport != Transport::CacheLine);
    let of = |transport| others().find(|one| one.transport == transport);
    let Some(subject) = of(Transport::Message).or(of(Transport::Stream)).or_else(|| others().next()) else {
        return only_cache_line(outcomes);
    };
    let clauses: Vec<String> = others()
        .filter(|one| one.transport == subject.transport && one.bytes == subject.bytes)
        .flat_map(clauses)
        .collect();
    let waiting = match (subject.ratios.pipe, subject.wait) {
        (Some(_), Wait::Spin) => format!(" ({} spins while it waits, a pipe sleeps)", subject.transport),
        _ => String::new(),
    };
    format!("With messages of {} bytes, {}{waiting}.", subject.bytes, clauses.join("; "))
}

/// Says how one case relates to the references.
fn clauses(one: &Outcome) -> Vec<String> {
    let name = one.transport;
    let (cache_line, pipe) = (one.ratios.cache_line, one.ratios.pipe);
    match one.test {
        Test::Rtt => [
            cache_line.map(|ratio| {
                let ratio = short(ratio);
                format!("a round trip over {name} takes {ratio} times as long as one over two bare cache lines")
            }),
            pipe.map(|ratio| {
                if ratio < 1.0 {
                    format!("one over a pipe takes {} times as long as that", short(1.0 / ratio))
                } else {
                    format!("it takes {} times as long as one over a pipe", short(ratio))
                }
            }),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Test::Throughput => {
            let pipe = pipe.map(|ratio| (ratio, "a pipe"));
            let reference = pipe.or(cache_line.map(|ratio| (ratio, "a mailbox of one word")));
            reference
                .map(|(ratio, reference)| {
                    format!("{name} carries {} times as many messages per second as {reference}", short(ratio))
                })
                .into_iter()
                .collect()
        }
    }
}

fn only_cache_line(outcomes: &[Outcome]) -> String {
    let clauses: Vec<String> = outcomes
        .iter()
        .map(|one| match one.test {
            Test::Rtt => format!("a round trip over two bare cache lines takes {}", nanoseconds(one.summary.median)),
            Test::Throughput => format!("a mailbox of one word hands over {}", per_second(one.summary.median)),
        })
        .collect();
    format!("On this machine, {}.", clauses.join(", and "))
}

/// Writes about three digits.
fn short(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        0.1.. => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn nanoseconds(value: f64) -> String {
    if value < 10_000.0 { format!("{value:.0} ns") } else { format!("{} us", short(value / 1e3)) }
}

fn per_second(value: f64) -> String {
    if value < 1e6 { format!("{} k/s", short(value / 1e3)) } else { format!("{} M/s", short(value / 1e6)) }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Case;
    use super::super::results::Measured;
    use super::*;

    fn outcomes(cases: &[(Test, Transport, f64)]) -> Vec<Outcome> {
        let measured: Vec<Measured> = cases
            .iter()
            .map(|(test, transport, value)| Measured {
                case: Case { test: *test, bytes: 8, transport: *transport, align: 64 },
                values: vec![*value],
            })
            .collect();
        Outcome::of_all(&measured)
    }

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
    }

    #[test]
    fn the_sentence_is_about_a_ring() {
        let outcomes = outcomes(&[
            (Test::Rtt, Transport::CacheLine, 100.0),
            (Test::Rtt, Transport::Stream, 150.0),
            (Test::Rtt, Transport::Pipe, 30_000.0),
            (Test::Throughput, Transport::Stream, 60e6),
            (Test::Throughput, Transport::Pipe, 2e6),
        ]);
        assert_eq!(
            sentence(&outcomes),
            "With messages of 8 bytes, a round trip over stream takes 1.50 times as long as one over two bare cache \
             lines; one over a pipe takes 200 times as long as that; stream carries 30.0 times as many messages per \
             second as a pipe (stream spins while it waits, a pipe sleeps)."
        );
    }

    #[test]
    fn without_other_transports_the_sentence_is_about_the_cache_line() {
        let outcomes = outcomes(&[(Test::Rtt, Transport::CacheLine, 100.0)]);
        assert_eq!(sentence(&outcomes), "On this machine, a round trip over two bare cache lines takes 100 ns.");
    }
}
