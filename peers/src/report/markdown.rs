//! The results as a page.

use std::fmt::Write;

use super::words::{is_behind, shown, three_digits, title, unit};
use ringmain_measure::Summary;

use crate::results::{Cell, Results};
use crate::subjects::{MESSAGE, STREAM, TRUSTED};
use crate::work::{Test, name};

/// The files that it names.
pub(super) const RESULTS: &str = "benchmarks.json";
pub(super) const PICTURE: &str = "peers.svg";

/// Returns the page.
pub(crate) fn page(results: &Results) -> String {
    let mut page = String::from("# Benchmarks\n\n");
    introduction(&mut page, results);
    method(&mut page, results);
    subjects(&mut page, results);
    behind(&mut page, results);
    for &size in &results.sizes {
        table(&mut page, results, size);
    }
    page
}

fn introduction(page: &mut String, results: &Results) {
    let machine = &results.machine;
    let kind = if machine.virtual_machine { "a virtual machine" } else { "a machine" };
    let _ = write!(
        page,
        "\
ringmain beside other crates that hand values from one thread or process to another, in one interleaved run. This page \
and the picture are
written by the command below, all results stand in [{RESULTS}]({RESULTS}).

```sh
{}
```

Measured {} on {kind} with {} processors ({}, {}); the two ends ran on processors {} and {}.{}

![round trip and throughput by size]({PICTURE})

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
    let spreads: Vec<f64> = results.cells.iter().map(|cell| cell.value.max / cell.value.min).collect();
    let _ = write!(
        page,
        "\
## How it is measured

- Each of {} rounds measures every subject once, about {} ms, one after the other, in a new order each time. A round \
before
  them warms up, and tells how many values that is for each.
- A ratio is taken within each round, between values measured a second or less apart; the tables have the median of \
the ratios. So a
  ratio need not be the quotient of the two medians beside it.
- **ringmain always works between two processes, over a named segment.** So do the other crates where the table says \
so. Where
  it says threads, the crate has no way between processes, and is measured between two threads of one.
- Both ends spin: they call what does not wait, with a spin hint between two calls. Both are pinned, each to a \
processor of its own.
- Values are arrays of `u64`. Every byte is written from a number by one end, and read and checked by the other.
- Every ring has room for {} values. ringmain's message ring and ipc_ring have as many bytes as these values have, a \
page at least, and their
  headers come out of that: they hold fewer.
- Every ring has fresh memory, and every handle lies on cache lines of its own (performance.md, What luck decides in \
comparisons).
- round trip: one value there and the same back, over two rings. One at a time: one value per call, visible when the \
call returns. Batches of 64:
  written and read in place where the crate can, visible together; only for crates whose two ends have batches.
",
        results.rounds, results.milliseconds, results.capacity,
    );
    if !spreads.is_empty() {
        let Summary { median, max, .. } = Summary::of(&spreads);
        let _ = writeln!(
            page,
            "- How sure it is: the highest round of a figure is {} times its lowest in the median, and {} times at \
             most.",
            three_digits(median),
            three_digits(max)
        );
    }
    page.push('\n');
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

/// Says where another crate is ahead of the best of ringmain's rings.
fn behind(page: &mut String, results: &Results) {
    page.push_str("## Where ringmain is not first\n\n");
    page.push_str(
        "Mostly from 256 bytes on. There each safe call copies a value between the ring and the caller, since the \
         other process may write while it is read, where other crates write and read in the ring itself, or move by \
         `memcpy`, which trusts the other end. The view of a trusted peer shows how much of it that is: nearly all at \
         1024 bytes. At 256 bytes it is not the copy, and not explained yet.\n\n",
    );
    let mut rows = String::new();
    for test in results.tests() {
        for &size in &results.sizes {
            let Some(best) = results.best_ring(test, size) else { continue };
            for cell in results.cells.iter().filter(|cell| cell.test == test && cell.size == size) {
                let Some(ratio) = cell.ratios.get(best) else { continue };
                if cell.subject.starts_with("ringmain") || !is_behind(test, ratio.median) {
                    continue;
                }
                let subject = results.subjects.iter().find(|subject| subject.name == cell.subject);
                let _ = writeln!(
                    rows,
                    "| {} | {size} B | {} | {} | {best} | {:.2} ({:.2} to {:.2}) | {} |",
                    title(test),
                    cell.subject,
                    subject.map_or_else(String::new, |subject| name(subject.between)),
                    ratio.median,
                    ratio.min,
                    ratio.max,
                    self::ratio(test, cell, TRUSTED),
                );
            }
        }
    }
    if rows.is_empty() {
        page.push_str(
            "Nowhere in this run: for each test and size, the best of its safe rings is ahead of every other \
            crate.\n\n",
        );
        return;
    }
    page.push_str(
        "\
Each row is a crate that is ahead of the best of ringmain's three safe rings, with the ratio of the two, its lowest \
and its highest round. The
last column has the ratio of the stream ring in place with a trusted peer, where slices are handed out as by the other \
crates.

| test | size | ahead | between | best safe ring | ringmain / it | trusted / it |
|---|---:|---|---|---|---:|---:|
",
    );
    page.push_str(&rows);
    page.push_str(
        "\nThe tables below have every ring by itself: a ratio in bold is one where that ring is behind. A round trip \
         is better where it is less, so its ratios are better below 1; rates and their ratios are better where they \
         are more.\n\n",
    );
}

/// Writes the table of one size.
fn table(page: &mut String, results: &Results, size: usize) {
    let _ = write!(page, "## {size} bytes\n\n| subject | between |");
    let tests: Vec<Test> = results.tests().collect();
    for &test in &tests {
        let _ = write!(page, " {}, {} | stream / it | message / it |", title(test), unit(test));
    }
    page.push_str("\n|---|---|");
    page.push_str(&"---:|---:|---:|".repeat(tests.len()));
    page.push('\n');
    for subject in &results.subjects {
        let _ = write!(page, "| {} | {} |", subject.name, name(subject.between));
        for &test in &tests {
            match results.cell(test, size, &subject.name) {
                Some(cell) => {
                    let (stream, message) = (ratio(test, cell, STREAM), ratio(test, cell, MESSAGE));
                    let _ = write!(page, " {} | {stream} | {message} |", shown(test, cell.value.median));
                }
                None => page.push_str(" - | | |"),
            }
        }
        page.push('\n');
    }
    page.push('\n');
}

/// Returns a ratio as it is shown: in bold where the ring is behind, nothing where it is the ring itself.
fn ratio(test: Test, cell: &Cell, ring: &str) -> String {
    let Some(ratio) = cell.ratios.get(ring).filter(|_| cell.subject != ring) else { return String::new() };
    let text = three_digits(ratio.median);
    if is_behind(test, ratio.median) { format!("**{text}**") } else { text }
}
