//! The tables of `paced` and `idle`.

use comfy_table::Table;

use super::super::once::{Idle, Paced};
use super::figures::{nanoseconds, percent, rate};
use super::{align, new, waits_by};

pub(super) const PACED: &str = "\
paced: time of a message in one direction, from before it is sent until it was received, at a fixed rate. Processor times
are those of one processor. Above 1k/s the source spins until a message is due, which is part of its processor time.";

pub(super) fn paced(outcomes: &[Paced]) -> Table {
    let header =
        ["rate", "bytes", "transport", "waits by", "messages", "p50", "p90", "p99", "p99.9", "max", "sink", "source"];
    let mut table = new(&header);
    for one in outcomes {
        let quantiles = one.quantiles;
        let kept = if one.achieved < 0.99 * one.rate as f64 { " missed" } else { "" };
        let mut row = vec![
            rate(one.rate) + kept,
            one.subject.bytes.to_string(),
            one.subject.transport.to_string(),
            waits_by(one.subject),
            one.messages.to_string(),
        ];
        let times = [quantiles.p50, quantiles.p90, quantiles.p99, quantiles.p99_9, quantiles.max];
        row.extend(times.map(|time| nanoseconds(time as f64)));
        row.extend([one.sink_processor, one.source_processor].map(|share| percent(share * 100.0)));
        table.add_row(row);
    }
    align(&mut table, &[2, 3]);
    table
}

pub(super) const IDLE: &str = "\
idle: processor time of a consumer to which nothing comes, in percent of one processor.";

pub(super) fn idle(outcomes: &[Idle]) -> Table {
    let mut table = new(&["transport", "waits by", "processor"]);
    for one in outcomes {
        table.add_row([one.subject.transport.to_string(), waits_by(one.subject), percent(one.percent)]);
    }
    align(&mut table, &[0, 1]);
    table
}
