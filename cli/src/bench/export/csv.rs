//! Tables with commas: one line of titles, then one line per case.

use anyhow::Result;

use super::super::measured::Ratios;
use super::super::quantiles::Quantiles;
use super::super::regimes::Regimes;
use super::super::results::{Figures, Idle, Outcome, Paced, Subject, Unit};

const SUBJECT: [&str; 7] = ["test", "transport", "wait", "fenced", "bytes", "alignment", "rings"];
const QUANTILES: [&str; 6] = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];

/// The cases of `rtt` and `throughput`, each once for each regime of the run; none where there are none.
pub(super) fn rounds(outcomes: &[Outcome], regimes: &Regimes) -> Result<Option<String>> {
    let header = ["regime", "line", "unit", "rounds", "median", "min", "max"];
    let ratios = ["per-cache-line", "per-cache-lines", "per-memcpy", "per-stream", "per-pipe", "per-spin", "per-alone"];
    let times = ["time-count", "time-p50", "time-p90", "time-p99", "time-p99.9", "time-p99.99", "time-max"];
    let rows = outcomes.iter().flat_map(|one| {
        one.by_regime.iter().map(|figures| {
            let line = regimes.all.iter().find(|regime| regime.nearness == figures.regime);
            let mut row = subject(one.subject);
            row.extend([figures.regime.to_string(), optional(line.map(|regime| regime.line.median)), unit(one.unit)]);
            row.extend(of_a_regime(figures));
            row
        })
    });
    table(&[&SUBJECT[..], &header, &ratios, &times].concat(), &rows.collect::<Vec<_>>())
}

fn of_a_regime(figures: &Figures) -> Vec<String> {
    let mut row = vec![figures.rounds.to_string()];
    row.extend([figures.summary.median, figures.summary.min, figures.summary.max].map(|value| value.to_string()));
    let Ratios { cache_line, cache_lines, memcpy, stream, pipe, spin, alone } = figures.ratios.clone();
    row.extend([cache_line, cache_lines, memcpy, stream, pipe, spin, alone].map(optional));
    match figures.times {
        Some(times) => {
            row.push(times.messages.to_string());
            row.extend(quantiles(times.quantiles));
        }
        None => row.extend([const { String::new() }; 7]),
    }
    row
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
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
    table(&header.concat(), &rows.collect::<Vec<_>>())
}

/// The cases of `idle`; none where there are none.
pub(super) fn idle(outcomes: &[Idle]) -> Result<Option<String>> {
    let header = [&SUBJECT[..], &["unit", "percent", "seconds"]].concat();
    let rows = outcomes.iter().map(|one| {
        let mut row = subject(one.subject);
        row.extend([unit(one.unit), one.percent.to_string(), one.seconds.to_string()]);
        row
    });
    table(&header, &rows.collect::<Vec<_>>())
}

fn subject(subject: Subject) -> Vec<String> {
    vec![
        subject.test.to_string(),
        subject.transport.to_string(),
        subject.wait.to_string(),
        subject.fenced.to_string(),
        subject.bytes.to_string(),
        subject.alignment.map_or_else(String::new, |bytes| bytes.to_string()),
        subject.rings.map_or_else(String::new, |rings| rings.to_string()),
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

fn table(header: &[&str], rows: &[Vec<String>]) -> Result<Option<String>> {
    if rows.is_empty() {
        return Ok(None);
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    rows.iter().try_for_each(|row| writer.write_record(row))?;
    Ok(Some(String::from_utf8(writer.into_inner()?)?))
}

#[cfg(test)]
mod tests {
    use super::super::super::measured::Measured;
    use super::super::super::plan::{Case, Test, Transport};
    use super::super::super::quantiles::{self, Counts};
    use super::super::super::wait::Wait;
    use super::*;

    #[test]
    fn a_case_is_a_line_for_each_regime_with_a_field_for_each_title() {
        let mut times = quantiles::empty().unwrap();
        times.saturating_record(7);
        let times = Counts::of(&times);
        let case = |transport, bytes| {
            let (test, wait) = (Test::Rtt, Wait::Spin);
            Case { test, bytes, transport, align: 64, wait, fenced: false, rings: 0, rate: None }
        };
        let regimes = Regimes::of(&[64.0, 64.0, 64.0, 400.0, 400.0]);
        let times = vec![times; 4];
        let measured = [
            Measured { case: case(Transport::CacheLine, 8), values: vec![100.0, 200.0, 0.0, 400.0], times: Vec::new() },
            Measured { case: case(Transport::Message, 64), values: vec![150.0, 250.0, 0.0, 500.0], times },
        ];
        assert_eq!(
            rounds(&Outcome::of_all(&measured, &regimes).unwrap(), &regimes).unwrap().unwrap(),
            "\
test,transport,wait,fenced,bytes,alignment,rings,regime,line,unit,rounds,median,min,max,per-cache-line,per-cache-lines,\
per-memcpy,per-stream,per-pipe,per-spin,per-alone,time-count,time-p50,time-p90,time-p99,time-p99.9,time-p99.99,time-max
rtt,cache-line,spin,false,8,,,near,64,ns,2,150,100,200,,,,,,,,,,,,,,
rtt,cache-line,spin,false,8,,,far,400,ns,1,400,400,400,,,,,,,,,,,,,,
rtt,message,spin,false,64,64,,near,64,ns,2,200,150,250,1.375,,,,,,,2,7,7,7,7,7,7
rtt,message,spin,false,64,64,,far,400,ns,1,500,500,500,1.25,,,,,,,1,7,7,7,7,7,7
"
        );
    }

    #[test]
    fn no_case_is_no_table() {
        let none = Regimes::default();
        assert_eq!([rounds(&[], &none), paced(&[]), idle(&[])].map(Result::unwrap), [None, None, None]);
    }
}
