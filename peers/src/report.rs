//! Medians, pairwise ratios, and how they are shown.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::work::{Test, Work};

/// All rounds of one measurement.
pub(crate) struct Row {
    pub(crate) work: Work,
    ringmain: Vec<f64>,
    rtrb: Vec<f64>,
}

impl Row {
    pub(crate) fn new(work: Work) -> Row {
        Row { work, ringmain: Vec::new(), rtrb: Vec::new() }
    }

    pub(crate) fn add(&mut self, ringmain: f64, rtrb: f64) {
        self.ringmain.push(ringmain);
        self.rtrb.push(rtrb);
    }

    /// Returns ringmain over rtrb, round by round.
    fn ratios(&self) -> Vec<f64> {
        self.ringmain.iter().zip(&self.rtrb).map(|(ringmain, rtrb)| ringmain / rtrb).collect()
    }

    fn unit(&self) -> &'static str {
        if self.work.test.is_rtt() { "ns" } else { "elements/s" }
    }

    fn name(&self) -> &'static str {
        match self.work.test {
            Test::Single => "single",
            Test::Batch => "batch",
            Test::Rtt => "rtt",
            Test::Value => "value",
            Test::ValueRtt => "value-rtt",
        }
    }
}

/// Returns median, lowest and highest.
fn spread(values: &[f64]) -> [f64; 3] {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let (Some(&lowest), Some(&highest)) = (values.first(), values.last()) else { return [f64::NAN; 3] };
    let middle = values.len() / 2;
    let median = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
    [median, lowest, highest]
}

/// The rows as a table.
pub(crate) fn table(rows: &[Row], processors: [usize; 2]) -> String {
    let mut text = String::new();
    let rounds = rows.first().map_or(0, |row| row.ringmain.len());
    let _ = writeln!(text, "{rounds} interleaved rounds, processors {} and {}", processors[0], processors[1]);
    let _ = writeln!(text, "ringmain: two processes, named segment; rtrb: two threads. All spin.");
    let _ = writeln!(text, "single, batch (64, in place): million elements per second, more is better");
    let _ = writeln!(text, "rtt: nanoseconds there and back, less is better");
    let _ = writeln!(
        text,
        "single, batch, rtt carry u64 over ringmain's stream ring, the capacity is in elements; value and"
    );
    let _ = writeln!(
        text,
        "value-rtt carry 32 bytes over its message ring, rtrb [u8; 32]; the capacity is in bytes, for both\n"
    );
    let _ = writeln!(text, "test       capacity align  ringmain      rtrb  ringmain/rtrb: median (lowest to highest)");
    for row in rows {
        let scale = if row.work.test.is_rtt() { 1.0 } else { 1e6 };
        let [ratio, lowest, highest] = spread(&row.ratios());
        let (ringmain, rtrb) = (spread(&row.ringmain)[0] / scale, spread(&row.rtrb)[0] / scale);
        let (name, capacity) = (row.name(), row.work.capacity);
        let align = if row.work.test.has_values() { row.work.align.to_string() } else { "-".to_owned() };
        let _ = writeln!(
            text,
            "{name:<9} {capacity:>9} {align:>5} {ringmain:>9.1} {rtrb:>9.1}  {ratio:>5.2} ({lowest:.2} to {highest:.2})"
        );
    }
    text
}

/// The rows as JSON.
pub(crate) fn json(rows: &[Row], processors: [usize; 2]) -> Value {
    let side = |values: &[f64]| {
        let [median, min, max] = spread(values);
        json!({ "median": median, "min": min, "max": max })
    };
    let results: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "test": row.name(),
                "capacity": row.work.capacity,
                "bytes": if row.work.test.has_values() { 32 } else { 8 },
                "alignment": row.work.test.has_values().then_some(row.work.align),
                "unit": row.unit(),
                "rounds": row.ringmain.len(),
                "ringmain": side(&row.ringmain),
                "rtrb": side(&row.rtrb),
                "ratio": side(&row.ratios()),
            })
        })
        .collect();
    json!({ "processors": processors, "results": results })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(spread(&[4.0, 1.0, 3.0, 2.0]), [2.5, 1.0, 4.0]);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), [2.0, 1.0, 3.0]);
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let mut row = Row::new(Work::new(Test::Rtt, 256, 8));
        row.add(100.0, 50.0);
        row.add(900.0, 300.0);
        row.add(10.0, 10.0);
        assert_eq!(spread(&row.ratios()), [2.0, 1.0, 3.0]);
    }
}
