//! The tables of `rtt` and `throughput`.

use bytesize::ByteSize;
use comfy_table::Table;

use super::super::plan::Test;
use super::super::results::Outcome;
use super::figures::{nanoseconds, per_second, short};
use super::{align, new, waits_by};

pub(super) fn caption(test: Test) -> &'static str {
    match test {
        Test::Rtt => {
            "\
rtt: time of a message there and one back. Ratios are of times, so smaller is better: 2 means twice as long.
cache-line carries one word; every size is compared with that one word."
        }
        _ => {
            "\
throughput: messages per second in one direction, one message per call. Ratios are of messages per second, so larger
is better: 2 means twice as many. cache-line is a mailbox of one word, which waits until each word was taken; every
size is compared with that one word."
        }
    }
}

pub(super) fn table(test: Test, outcomes: &[&Outcome]) -> Table {
    let mut header = vec!["bytes", "transport", "waits by", "median", "min .. max"];
    if test == Test::Throughput {
        header.push("data");
    }
    header.extend(["/ cache-line", "/ memcpy", "/ stream", "/ pipe", "/ spin"]);
    let mut table = new(&header);
    for outcome in outcomes {
        let value = |value| match test {
            Test::Rtt => nanoseconds(value),
            _ => per_second(value),
        };
        let summary = outcome.summary;
        let mut row = vec![
            outcome.subject.bytes.to_string(),
            outcome.subject.transport.to_string(),
            waits_by(outcome.subject),
            value(summary.median),
            format!("{} .. {}", value(summary.min), value(summary.max)),
        ];
        if test == Test::Throughput {
            let bytes = summary.median * outcome.subject.bytes as f64;
            row.push(format!("{}/s", ByteSize(bytes as u64).display().si()));
        }
        let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), short);
        row.push(ratio(outcome.ratios.cache_line));
        row.push(ratio(outcome.ratios.memcpy));
        row.push(ratio(outcome.ratios.stream));
        row.push(ratio(outcome.ratios.pipe));
        row.push(ratio(outcome.ratios.spin));
        table.add_row(row);
    }
    align(&mut table, &[1, 2]);
    table
}
