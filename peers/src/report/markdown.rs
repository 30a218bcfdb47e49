//! The results as a page.

use std::fmt::Write;

use ringmain_measure::Summary;

use super::words::{better, is_behind, shown, three_digits, title, unit};
use crate::results::{Figures, Part, Results};
use crate::subjects::{RINGS, TRUSTED};
use crate::work::{Test, name};

/// Returns the page, which stands beside a picture and the results that are called after the same processor.
pub(super) fn page(results: &Results, model: &str) -> String {
    let mut page = String::from("# Benchmarks\n\n");
    introduction(&mut page, results, model);
    method(&mut page, results);
    subjects(&mut page, results);
    regimes(&mut page, results);
    for part in results.parts() {
        let of_regime = part.regime().map_or_else(String::new, |regime| format!(", {regime}"));
        for test in results.tests() {
            let _ = writeln!(page, "## {}, {}{of_regime}\n", title(test), unit(test));
            table(&mut page, results, part, test);
        }
        let _ = writeln!(page, "## Where ringmain is not first{of_regime}\n");
        behind(&mut page, results, part);
    }
    page.truncate(page.trim_end().len());
    page + "\n"
}

fn introduction(page: &mut String, results: &Results, model: &str) {
    let machine = &results.machine;
    let kind = if machine.virtual_machine { "a virtual machine" } else { "a machine" };
    let _ = write!(
        page,
        "\
ringmain beside other crates that hand values from one thread or process to another, in one interleaved run. This page \
and the picture are
written by the command below, all results stand in [{model}.json]({model}.json).

```sh
{}
```

Measured {} on {kind} with {} processors ({}, {}); the two ends ran on processors {} and {}.{}

![round trip and throughput by size]({model}.svg)

",
        results.command,
        results.date,
        machine.processors,
        machine.processor,
        machine.system,
        machine.used[0],
        machine.used[1],
        results.remark.as_ref().map_or(String::new(), |remark| format!(" {remark}")),
    );
}

fn method(page: &mut String, results: &Results) {
    let _ = write!(
        page,
        "\
## How it is measured

- Each of {} rounds measures every subject once, about {} ms, one after the other, in a new order each time. A round \
before
  them warms up, and tells how many values that is for each.
- A ratio is taken within each round, between values measured a second or less apart; the tables have the median of \
the ratios. So a
  ratio need not be the quotient of the two medians.
- **ringmain always works between two processes, over a named segment.** So do the other crates where the table says \
so. Where
  it says threads, the crate has no way between processes, and is measured between two threads of one.
- Both ends spin: they call what does not wait, with a spin hint between two calls. Both are pinned, each to a \
processor of its own.
- Values are arrays of `u64`. Every byte is written from a number by one end, and read and checked by the other.
- Every ring has room for {} values. ringmain's message ring and ipc_ring have as many bytes as these values \
have, a page at least, and their
  headers come out of that: they hold fewer.
- Every ring has fresh memory, and every handle lies on cache lines of its own
  ([performance.md](../performance.md), What luck decides in comparisons).
- round trip: one value there and the same back, over two rings. One at a time: one value per call, visible when the \
call returns. Batches of 64:
  written and read in place where the crate can, visible together; only for crates whose two ends have batches.
",
        results.rounds, results.milliseconds, results.capacity,
    );
    let cells = &results.cells;
    let spreads: Vec<f64> = if results.bare_line.regimes.is_empty() {
        cells.iter().map(|cell| spread(&cell.all)).collect()
    } else {
        cells.iter().flat_map(|cell| cell.regimes.iter().map(spread)).collect()
    };
    if !spreads.is_empty() {
        let Summary { median, max, .. } = Summary::of(&spreads);
        let within = if results.bare_line.regimes.is_empty() { "" } else { "within a regime, " };
        let _ = writeln!(
            page,
            "- How sure it is: {within}the highest round of a figure is {} times its lowest in the median, and {} \
             times at most.",
            three_digits(median),
            three_digits(max)
        );
    }
    page.push('\n');
}

/// Returns how many times the lowest round the highest one is.
fn spread(figures: &Figures) -> f64 {
    figures.value.max / figures.value.min
}

fn subjects(page: &mut String, results: &Results) {
    page.push_str("## What is compared\n\n| subject | version | between | note |\n|---|---|---|---|\n");
    for subject in &results.subjects {
        let mut note = subject.note.clone();
        for failure in &subject.failures {
            let _ = write!(note, "; **failed**: {failure}");
        }
        let _ = writeln!(page, "| {} | {} | {} | {note} |", subject.name, subject.version, name(subject.between));
    }
    for subject in &results.left_out {
        let _ = writeln!(page, "| {} | {} | left out | {} |", subject.name, subject.version, subject.why);
    }
    page.push('\n');
}

/// Says how near the processors were to each other.
fn regimes(page: &mut String, results: &Results) {
    page.push_str("## How near the two processors were\n\n");
    let line = &results.bare_line;
    if line.lines.is_empty() {
        page.push_str(
            "Not known: this run did not measure the bare cache line around its rounds. Where the lowest and the \
             highest round\nof a ratio are far apart, the processors may have moved meanwhile.\n\n",
        );
        return;
    }
    page.push_str(
        "\
The round trip of one word over a bare cache line is measured before the first round and after each. A virtual machine
moves: rounds with a line of about the same length are one regime, and figures of one regime say nothing of another.

| regime | rounds | bare line, ns |
|---|---:|---:|
",
    );
    for regime in &line.regimes {
        let Summary { median, min, max } = regime.line;
        let _ =
            writeln!(page, "| {} | {} | {median:.0} ({min:.0} to {max:.0}) |", regime.nearness, regime.rounds.len());
    }
    if !line.moved.is_empty() {
        let _ = writeln!(page, "| none: the line moved | {} | |", line.moved.len());
    }
    page.push('\n');
    if let Some(warning) = line.warning() {
        let _ = writeln!(page, "**{warning}**\n");
    }
}

/// Writes the table of one test: a row for each subject, a column for each size.
fn table(page: &mut String, results: &Results, part: Part, test: Test) {
    let _ = write!(
        page,
        "{}. In brackets: ringmain's ring over the best of the other crates.\n\n| subject | between |",
        better(test)
    );
    for size in &results.sizes {
        let _ = write!(page, " {size} B |");
    }
    page.push_str("\n|---|---|");
    page.push_str(&"---:|".repeat(results.sizes.len()));
    page.push('\n');
    for subject in &results.subjects {
        let figures = |size| part.figures(test, size, &subject.name);
        if results.sizes.iter().all(|&size| figures(size).is_none()) {
            continue;
        }
        let _ = write!(page, "| {} | {} |", subject.name, name(subject.between));
        for &size in &results.sizes {
            let Some(figures) = figures(size) else {
                page.push_str(" - |");
                continue;
            };
            let value = shown(test, figures.value.median);
            let is_best = part.best(test, size) == Some(&subject.name);
            let value = if is_best { format!("**{value}**") } else { value };
            let is_ring = RINGS.contains(&&*subject.name);
            match part.to_best_peer(test, size, &subject.name).filter(|_| is_ring) {
                Some(ratio) => {
                    let _ = write!(page, " {value} ({}) |", three_digits(ratio.median));
                }
                None => {
                    let _ = write!(page, " {value} |");
                }
            }
        }
        page.push('\n');
    }
    page.push('\n');
}

/// Says where another crate is ahead of the best of ringmain's rings.
fn behind(page: &mut String, results: &Results, part: Part) {
    let mut rows = String::new();
    for test in results.tests() {
        for &size in &results.sizes {
            let Some(ring) = part.best_ring(test, size) else { continue };
            let mut ahead = part.ahead_of(test, size, ring);
            ahead.retain(|(_, ratio)| is_behind(test, ratio.median));
            let Some((peer, ratio)) = ahead.first() else { continue };
            let also = ahead[1..].iter().map(|(peer, ratio)| format!("{peer} {:.2}", ratio.median));
            let subject = results.subjects.iter().find(|subject| subject.name == *peer);
            let trusted = part.figures(test, size, peer).and_then(|figures| figures.ratios.get(TRUSTED));
            let _ = writeln!(
                rows,
                "| {} | {size} B | {peer} | {} | {ring} | {:.2} ({:.2} to {:.2}) | {} | {} |",
                title(test),
                subject.map_or_else(String::new, |subject| name(subject.between)),
                ratio.median,
                ratio.min,
                ratio.max,
                trusted.map_or_else(|| "-".to_owned(), |ratio| three_digits(ratio.median)),
                also.collect::<Vec<_>>().join(", "),
            );
        }
    }
    if rows.is_empty() {
        page.push_str("Nowhere: for each test and size, the best of its safe rings is ahead of every other crate.\n\n");
        return;
    }
    page.push_str(
        "\
Each row is a test and a size in which another crate is ahead of the best of ringmain's three safe rings: the one that
is furthest ahead, with the ratio of the two, its lowest and its highest round, and the others. A safe call copies a
value between the ring and the caller, since the other process may write while it is read; most other crates write and
read in the ring itself, or move by `memcpy`. The stream ring with a trusted peer hands out slices as they do. A ratio
of round trips is better below 1, one of rates above.

| test | size | ahead | between | best safe ring | ringmain / it | trusted / it | also ahead |
|---|---:|---|---|---|---:|---:|---|
",
    );
    page.push_str(&rows);
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regimes::Regimes;
    use crate::results::tests::mixed;

    #[track_caller]
    fn check_has(page: &str, parts: &[&str]) {
        for part in parts {
            assert!(page.contains(part), "no {part:?} in\n{page}");
        }
    }

    #[test]
    fn a_page_has_a_table_for_each_test_and_regime_with_the_best_in_bold() {
        let page = page(&mixed(), "maker-model");
        check_has(
            &page,
            &[
                "## round trip, ns, near (60 ns)",
                "## round trip, ns, far (450 ns)",
                "## one at a time, M/s, near (60 ns)",
                "| ringmain-stream | processes | 105 (2.25) |",
                "| shaq | processes | **47** |",
                "| ringmain-stream | processes | 500 (2.00) |",
                "| rtrb | threads | **250** |",
                "![round trip and throughput by size](maker-model.svg)",
                "[maker-model.json](maker-model.json)",
                "| que | 4.5 | left out | it does not work |",
            ],
        );
        assert!(!page.contains("batches of 64,"), "{page}");
    }

    #[test]
    fn a_page_says_where_another_crate_is_ahead_by_regime() {
        let page = page(&mixed(), "maker-model");
        let (_, near) = page.split_once("## Where ringmain is not first, near (60 ns)").unwrap();
        let (near, far) = near.split_once("## Where ringmain is not first, far (450 ns)").unwrap();
        check_has(near, &["| round trip | 8 B | shaq | processes | ringmain-stream | 2.25 (2.00 to 2.50) | - |  |"]);
        // In order of how far they are ahead.
        check_has(near, &["| one at a time | 8 B | rtrb | threads | ringmain-message | 0.55 (0.50 to 0.60) | - |  |"]);
        check_has(far, &["| round trip | 8 B | rtrb | threads | ringmain-message | 1.60 (1.60 to 1.60) | - |  |"]);
    }

    #[test]
    fn a_page_says_that_a_run_mixes_regimes() {
        let page = page(&mixed(), "maker-model");
        check_has(
            &page,
            &[
                "| near | 2 | 60 (60 to 60) |",
                "| far | 1 | 450 (450 to 450) |",
                "| none: the line moved | 1 | |",
                "**The run mixes regimes: near (60 ns) in 2 rounds, far (450 ns) in 1 round; in 1 round",
            ],
        );
    }

    #[test]
    fn a_page_of_a_run_without_lines_says_so() {
        let mut results = mixed();
        results.bare_line = Regimes::default();
        let page = page(&results, "maker-model");
        check_has(&page, &["Not known: this run did not measure", "## round trip, ns\n"]);
        assert!(!page.contains("mixes regimes"), "{page}");
    }
}
