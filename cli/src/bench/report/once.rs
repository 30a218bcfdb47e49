//! The tables of `paced` and `idle`.

use super::super::results::{Idle, Paced};
use super::figures::{percent, rate};
use super::percentiles;
use super::style::Style;
use super::table::{BAR, Columns};

pub(super) const PACED: &str = "\
paced: time of a message in one direction, from before it is sent until it was received, at a fixed rate";
pub(super) const PACED_CAPTION: &str = "\
Each case was measured once, one after the other: for ratios there is rtt. Processor times are those of one processor. \
Above 1k/s the source spins until a message is due, which is part of its processor time.";

pub(super) fn paced(style: Style, outcomes: &[Paced]) -> Columns {
    let header = ["rate", "bytes", "transport", "waits by", "messages"];
    let mut columns = Columns::new(style, &[&header[..], &percentiles::HEADER, &["sink", "source"]].concat());
    for one in outcomes {
        let kept = if one.kept_its_rate() { "" } else { " missed" };
        let mut row = vec![
            rate(one.rate) + kept,
            one.subject.bytes.to_string(),
            one.subject.transport.to_string(),
            one.subject.waits_by(),
            one.messages.to_string(),
        ];
        row.extend(percentiles::quantiles(one.quantiles, one.messages));
        row.extend([one.sink_processor, one.source_processor].map(|share| percent(share * 100.0)));
        columns.row(one.subject.transport.is_ring(), row);
    }
    columns
}

pub(super) const IDLE: &str = "idle: processor time of a consumer to which nothing comes";
pub(super) const IDLE_CAPTION: &str = "In percent of one processor; each case was measured once.";

/// Columns of the bar of a whole processor.
const WIDTH: usize = 20;

pub(super) fn idle(style: Style, outcomes: &[Idle]) -> Columns {
    let mut columns = Columns::new(style, &["transport", "waits by", "processor", BAR]);
    for one in outcomes {
        let subject = one.subject;
        let bar = style.bar(one.percent, 100.0, WIDTH);
        let row = vec![subject.transport.to_string(), subject.waits_by(), percent(one.percent), bar];
        columns.row(subject.transport.is_ring(), row);
    }
    columns
}
