//! The tables of faults and of promises, docs/faults.md and docs/contract.md: each row names tests that are there.

use std::fs;
use std::path::Path;

/// How many faults docs/faults.md has, numbered from 1.
const FAULTS: usize = 30;

/// Those that it has besides, found since.
const FOUND_SINCE: [usize; 23] =
    [44, 46, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68];

/// The promises of docs/contract.md, by their places in the list of the design, and the faults found since.
const CONTRACT: [usize; 26] =
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 45, 47];

/// What stands before the numbers of docs/contract.md, which faults.md has too.
const MARK: &str = "C";

/// One fault: its cells.
struct Row<'a> {
    number: usize,
    cells: Vec<&'a str>,
}

/// Reads the rows that begin with this mark and a number.
fn rows<'a>(table: &'a str, mark: &str) -> Vec<Row<'a>> {
    table.lines().filter_map(|line| row(line, mark)).collect()
}

fn row<'a>(line: &'a str, mark: &str) -> Option<Row<'a>> {
    let line = line.strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    Some(Row { number: cells[0].strip_prefix(mark)?.parse().ok()?, cells })
}

/// Returns what stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Says what is wrong with a table whose numbers have this mark. `source` reads a file of tests.
fn complaints(table: &str, mark: &str, expected: &[usize], source: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let rows = rows(table, mark);
    let mut complaints = Vec::new();
    let numbers: Vec<usize> = rows.iter().map(|row| row.number).collect();
    if numbers != expected {
        complaints.push(format!("the rows are {numbers:?}"));
    }
    for Row { number, cells } in rows {
        let &[_, fault, happens, tests, _] = cells.as_slice() else {
            complaints.push(format!("row {mark}{number} has {} cells", cells.len()));
            continue;
        };
        let names = quoted(tests);
        if fault.is_empty() || happens.is_empty() || names.is_empty() {
            complaints.push(format!("row {mark}{number} has an empty cell"));
        }
        for name in names {
            let found = name
                .split_once("::")
                .is_some_and(|(file, test)| source(file).is_some_and(|text| has_test(&text, test)));
            if !found {
                complaints.push(format!("row {mark}{number}: there is no test {name}"));
            }
        }
    }
    complaints
}

/// Returns whether a file has this test, whatever other attributes that has.
fn has_test(text: &str, test: &str) -> bool {
    let before = text.split_once(&format!("\nfn {test}() {{\n")).map_or("", |(before, _)| before);
    before.lines().rev().take_while(|line| !line.is_empty()).any(|line| line == "#[test]")
}

/// Reads a file: one of this folder, or one that is named by its path.
fn source(file: &str) -> Option<String> {
    let folder = if file.contains('/') { "" } else { "tests/" };
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{folder}{file}.rs"))).ok()
}

fn table() -> String {
    document("faults")
}

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/{name}.md"))).unwrap()
}

fn faults() -> Vec<usize> {
    (1..=FAULTS).chain(FOUND_SINCE).collect()
}

#[test]
fn every_fault_has_its_row_and_its_tests() {
    let complaints = complaints(&table(), "", &faults(), source);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_promise_has_its_row_and_its_tests() {
    let complaints = complaints(&document("contract"), MARK, &CONTRACT, source);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_promise_without_a_test_is_seen() {
    let table = document("contract");
    for (from, to, expected) in [
        ("`hand_over::a_consumer", "`hand_over::a_producer", "row C3: there is no test hand_over::a_producer"),
        ("| C41 |", "| C44 |", "the rows are"),
        ("| C41 |", "| 41 |", "the rows are"),
    ] {
        assert!(table.contains(from), "{from} is not there");
        let complaints = complaints(&table.replacen(from, to, 1), MARK, &CONTRACT, source);
        assert!(complaints.iter().any(|complaint| complaint.contains(expected)), "{complaints:?}");
    }
}

#[test]
fn every_ability_that_a_test_may_need_is_explained() {
    let table = table();
    let abilities = source("common/ability").or_else(|| source("tests/common/ability")).unwrap();
    let names: Vec<&str> =
        abilities.lines().filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\",")).collect();
    assert!(names.len() > 3, "{names:?}");
    for name in names {
        assert!(table.contains(&format!("| `{name}`")) || table.contains(&format!(", `{name}`")), "{name}");
    }
}

/// Checks what is said of a table in which one thing was replaced by another.
#[track_caller]
fn check_complaint(from: &str, to: &str, expected: &str) {
    let table = table();
    assert!(table.contains(from), "{from} is not there");
    let complaints = complaints(&table.replacen(from, to, 1), "", &faults(), source);
    assert!(complaints.iter().any(|complaint| complaint.contains(expected)), "{complaints:?}");
}

#[test]
fn a_wrong_table_is_seen() {
    check_complaint("| 12 |", "| 13 |", "the rows are");
    check_complaint("\n| 30 |", "\n| x |", "the rows are");
    check_complaint("`waiting::a_stopped", "`waiting::a_stopping", "row 10: there is no test waiting::a_stopping");
    check_complaint("`forks::a_program", "`fork::a_program", "row 24: there is no test fork::a_program");
    check_complaint("`waiting::signals_disturb_no_wait_and_no_deadline`", "", "row 12 has an empty cell");
    check_complaint("a storm of signals during a wait |", "", "row 12 has 4 cells");
}
