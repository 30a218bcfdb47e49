//! The tables of `rtt`, `throughput` and `waitset`.

use super::super::plan::Test;
use super::super::results::Cell;
use super::figures::{data, figure, short};
use super::style::Style;
use super::table::{BAR, Columns, NONE};

/// Columns of the longest bar.
const WIDTH: usize = 12;

pub(super) fn title(test: Test) -> &'static str {
    match test {
        Test::Rtt => "rtt: time of a message there and one back",
        Test::Waitset => "waitset: time of a message there and one back, by sets of many rings",
        _ => "throughput: messages per second in one direction, one message per call",
    }
}

/// Explains a table, and its bars where it has some.
pub(super) fn caption(test: Test, has_bars: bool) -> String {
    let [ratios, bars, more] = match test {
        Test::Rtt => [
            "Ratios are of times, so smaller is better: 2 means twice as long. ",
            "Bars are times beside the longest one of a size. ",
            "cache-line and cache-lines carry one word; every size is compared with that one word.",
        ],
        Test::Waitset => [
            "Both sides wait at so many rings, and each message goes over the next one; without a set, at one ring by \
             its own calls. Ratios are of times, so smaller is better. '/ alone' is to that one ring.",
            " Bars are times beside the longest one.",
            "",
        ],
        _ => [
            "Ratios are of messages per second, so larger is better: 2 means twice as many. ",
            "Bars are rates beside the highest one of a size. ",
            "cache-line is a mailbox of one word, which waits until each word was taken; every size is compared with \
             that one word.",
        ],
    };
    [ratios, if has_bars { bars } else { "" }, more].concat()
}

pub(super) fn table(style: Style, test: Test, cells: &[&Cell]) -> Columns {
    let mut header = vec!["bytes", "transport", "waits by", "median", BAR, "min .. max"];
    if test == Test::Throughput {
        header.push("data");
    }
    let ratios = ["/ cache-line", "/ cache-lines", "/ memcpy", "/ stream", "/ pipe", "/ spin", "/ alone"];
    header.extend(ratios);
    let mut columns = Columns::new(style, &header);
    for cell in cells {
        let subject = cell.subject;
        let (summary, figure) = (cell.figures.summary, |value| figure(value, cell.unit));
        let of_this_size = cells.iter().filter(|one| one.subject.bytes == subject.bytes);
        let largest = of_this_size.map(|one| one.figures.summary.median).fold(0.0, f64::max);
        let mut row = vec![
            subject.bytes.to_string(),
            subject.transport.to_string(),
            subject.waits_by(),
            figure(summary.median),
            style.bar(summary.median, largest, WIDTH),
            format!("{} .. {}", figure(summary.min), figure(summary.max)),
        ];
        if test == Test::Throughput {
            row.push(data(summary.median, subject.bytes));
        }
        let to = &cell.figures.ratios;
        let references = [to.cache_line, to.cache_lines, to.memcpy, to.stream, to.pipe, to.spin, to.alone];
        row.extend(references.map(|ratio| ratio.map_or_else(|| NONE.to_owned(), short)));
        columns.row(subject.transport.is_ring(), row);
    }
    columns.without_empty(&ratios)
}
