//! The results as a table on the terminal.

use std::fmt::Write;

use super::words::{shown, title, unit};
use crate::results::Results;
use crate::subjects::{MESSAGE, STREAM};
use crate::work::name;

/// Returns the table.
pub(crate) fn text(results: &Results) -> String {
    let mut text = format!(
        "{} interleaved rounds of {} ms, rings of {} values, processors {} and {}\n",
        results.rounds, results.milliseconds, results.capacity, results.machine.used[0], results.machine.used[1]
    );
    text.push_str("stream, message: ringmain's ring over the subject, median of the rounds' ratios\n");
    for test in results.tests() {
        for &size in &results.sizes {
            let _ = writeln!(text, "\n{}, {size} bytes             {:>12}  stream message", title(test), unit(test));
            for subject in &results.subjects {
                let Some(cell) = results.cell(test, size, &subject.name) else { continue };
                let ratio = |ring| cell.ratios.get(ring).map_or("-".to_owned(), |it| format!("{:.2}", it.median));
                let _ = writeln!(
                    text,
                    "{:<23} {:<9} {:>9} {:>7} {:>7}",
                    subject.name,
                    name(subject.between),
                    shown(test, cell.value.median),
                    ratio(STREAM),
                    ratio(MESSAGE),
                );
            }
        }
    }
    for subject in &results.subjects {
        for failure in &subject.failures {
            let _ = writeln!(text, "{} failed: {failure}", subject.name);
        }
    }
    text
}
