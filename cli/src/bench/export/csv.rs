//! Tables with commas: one line of titles, then one line per case.

use anyhow::Result;

use super::super::quantiles::Quantiles;
use super::super::results::{Idle, Outcome, Paced, Subject, Unit};

const SUBJECT: [&str; 6] = ["test", "transport", "wait", "fenced", "bytes", "alignment"];
const QUANTILES: [&str; 6] = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];

/// The cases of `rtt` and `throughput`; none where there are none.
pub(super) fn rounds(outcomes: &[Outcome]) -> Result<Option<String>> {
    let header = ["unit", "rounds", "median", "min", "max"];
    let ratios = ["per-cache-line", "per-memcpy", "per-stream", "per-pipe", "per-spin"];
    let times = ["time-count", "time-p50", "time-p90", "time-p99", "time-p99.9", "time-p99.99", "time-max"];
    let rows = outcomes.iter().map(|one| {
        let mut row = subject(one.subject);
        row.extend([unit(one.unit), one.rounds.to_string()]);
        row.extend([one.summary.median, one.summary.min, one.summary.max].map(|value| value.to_string()));
        let ratios = &one.ratios;
        let ratios = [ratios.cache_line, ratios.memcpy, ratios.stream, ratios.pipe, ratios.spin];
        row.extend(ratios.map(|ratio| ratio.map_or_else(String::new, |ratio| ratio.to_string())));
        match one.times {
            Some(times) => {
                row.push(times.messages.to_string());
                row.extend(quantiles(times.quantiles));
            }
            None => row.extend([const { String::new() }; 7]),
        }
        row
    });
    table(&[&SUBJECT[..], &header, &ratios, &times].concat(), rows)
}

/// The cases of `paced`; none where there are none.
pub(super) fn paced(outcomes: &[Paced]) -> Result<Option<String>> {
    let header =
        [&SUBJECT[..], &["rate", "achieved", "messages", "unit"], &QUANTILES, &["sink-processor", "source-processor"]];
    let rows = outcomes.iter().map(|one| {
        let mut row = subject(one.subject);
        row.extend([one.rate.to_string(), one.achieved.to_string(), one.messages.to_string(), unit(one.unit)]);
        row.extend(quantiles(one.quantiles));
        row.extend([one.sink_processor, one.source_processor].map(|share| share.to_string()));
        row
    });
    table(&header.concat(), rows)
}

/// The cases of `idle`; none where there are none.
pub(super) fn idle(outcomes: &[Idle]) -> Result<Option<String>> {
    let header = [&SUBJECT[..], &["unit", "percent", "seconds"]].concat();
    let rows = outcomes.iter().map(|one| {
        let mut row = subject(one.subject);
        row.extend([unit(one.unit), one.percent.to_string(), one.seconds.to_string()]);
        row
    });
    table(&header, rows)
}

fn subject(subject: Subject) -> Vec<String> {
    vec![
        subject.test.to_string(),
        subject.transport.to_string(),
        subject.wait.to_string(),
        subject.fenced.to_string(),
        subject.bytes.to_string(),
        subject.alignment.map_or_else(String::new, |bytes| bytes.to_string()),
    ]
}

fn unit(unit: Unit) -> String {
    match unit {
        Unit::Nanoseconds => "ns",
        Unit::MessagesPerSecond => "msg/s",
        Unit::Percent => "%",
    }
    .to_owned()
}

fn quantiles(quantiles: Quantiles) -> [String; 6] {
    quantiles.in_order().map(|(time, _)| time.to_string())
}

fn table(header: &[&str], rows: impl ExactSizeIterator<Item = Vec<String>>) -> Result<Option<String>> {
    if rows.len() == 0 {
        return Ok(None);
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    rows.into_iter().try_for_each(|row| writer.write_record(row))?;
    Ok(Some(String::from_utf8(writer.into_inner()?)?))
}

#[cfg(test)]
mod tests {
    use super::super::super::measured::Measured;
    use super::super::super::plan::{Case, Test, Transport};
    use super::super::super::quantiles;
    use super::super::super::wait::Wait;
    use super::*;

    #[test]
    fn a_case_is_a_line_with_a_field_for_each_title() {
        let mut times = quantiles::empty().unwrap();
        times.saturating_record(7);
        let case = |transport, bytes| {
            let (test, wait) = (Test::Rtt, Wait::Spin);
            Case { test, bytes, transport, align: 64, wait, fenced: false, rate: None }
        };
        let outcomes = Outcome::of_all(&[
            Measured { case: case(Transport::CacheLine, 8), values: vec![100.0, 200.0], times: None },
            Measured { case: case(Transport::Message, 64), values: vec![150.0, 250.0], times: Some(times) },
        ]);
        assert_eq!(
            rounds(&outcomes).unwrap().unwrap(),
            "\
test,transport,wait,fenced,bytes,alignment,unit,rounds,median,min,max,per-cache-line,per-memcpy,per-stream,per-pipe,\
per-spin,time-count,time-p50,time-p90,time-p99,time-p99.9,time-p99.99,time-max
rtt,cache-line,spin,false,8,,ns,2,150,100,200,,,,,,,,,,,,
rtt,message,spin,false,64,64,ns,2,200,150,250,1.375,,,,,1,7,7,7,7,7,7
"
        );
    }

    #[test]
    fn no_case_is_no_table() {
        assert_eq!([rounds(&[]), paced(&[]), idle(&[])].map(Result::unwrap), [None, None, None]);
    }
}
