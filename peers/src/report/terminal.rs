//! The results as tables on the terminal.

use std::fmt::Write;

use super::words::{better, shown, three_digits, title, unit};
use crate::results::{Part, Results};
use crate::subjects::RINGS;
use crate::work::{Test, name};

/// Returns the tables: one for each test, by regime.
pub(crate) fn text(results: &Results) -> String {
    let mut text = format!(
        "{} interleaved rounds of {} ms, rings of {} values, processors {} and {}\n",
        results.rounds, results.milliseconds, results.capacity, results.machine.used[0], results.machine.used[1]
    );
    text.push_str(
        "* the best; in brackets: ringmain's ring over the best of the other crates, median of the rounds' ratios\n",
    );
    if let Some(warning) = results.bare_line.warning() {
        let _ = writeln!(text, "{warning}");
    }
    for part in results.parts() {
        for test in results.tests() {
            table(&mut text, results, part, test);
        }
    }
    for subject in &results.subjects {
        for failure in &subject.failures {
            let _ = writeln!(text, "{} failed: {failure}", subject.name);
        }
    }
    text
}

/// Writes the table of one test: a row for each subject, a column for each size.
fn table(text: &mut String, results: &Results, part: Part, test: Test) {
    let of_regime = part.regime().map_or_else(String::new, |regime| format!(", {regime}"));
    let _ = write!(text, "\n{}, {}{of_regime}. {}\n{:34}", title(test), unit(test), better(test), "");
    for size in &results.sizes {
        let _ = write!(text, "{:>7}{:7}", format!("{size} B"), "");
    }
    text.truncate(text.trim_end().len());
    for subject in &results.subjects {
        let figures = |size| part.figures(test, size, &subject.name);
        if results.sizes.iter().all(|&size| figures(size).is_none()) {
            continue;
        }
        let _ = write!(text, "\n{:<24}{:<10}", subject.name, name(subject.between));
        for &size in &results.sizes {
            let mut value = figures(size).map_or("-".to_owned(), |figures| shown(test, figures.value.median));
            if part.best(test, size) == Some(&subject.name) {
                value.insert(0, '*');
            }
            let is_ring = RINGS.contains(&&*subject.name);
            let ratio = part.to_best_peer(test, size, &subject.name).filter(|_| is_ring);
            let ratio = ratio.map_or_else(String::new, |ratio| format!(" ({})", three_digits(ratio.median)));
            let _ = write!(text, "{value:>7}{ratio:7}");
        }
        text.truncate(text.trim_end().len());
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::mixed;

    #[test]
    fn the_best_of_each_regime_is_marked_and_a_mixed_run_is_told() {
        let text = text(&mixed());
        for part in [
            "The run mixes regimes: near (60 ns) in 2 rounds",
            "round trip, ns, near (60 ns). Less is better",
            "round trip, ns, far (450 ns)",
            "one at a time, M/s, far (450 ns). More is better",
            "ringmain-stream         processes     105 (2.25)",
            "shaq                    processes     *47",
            "rtrb                    threads      *250",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
    }
}
