//! The files that `ringmain bench --export` leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

mod bench_common;
mod shell;

use bench_common::{Scratch, check_fails, output};

const SMALL: [&str; 9] = ["--quick", "--rounds", "1", "--size", "64", "--rate", "10k", "--transport", "message,pipe"];

#[track_caller]
fn export(folder: &str, more: &[&str]) {
    let output = output(&[&SMALL, more, &["--export", folder]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("wrote ") && errors.contains(folder), "{errors}");
    assert!(!output.stdout.is_empty());
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[track_caller]
fn check_json(folder: &Path) {
    let report: Value = serde_json::from_str(&read(folder, "results.json")).unwrap();
    assert_eq!(report["format"], 2);
    let lengths = ["results", "paced", "idle"].map(|key| report[key].as_array().unwrap().len());
    assert_eq!(lengths, [6, 3, 5]);
}

/// Checks that there are so many lines, each with as many fields as there are titles.
#[track_caller]
fn check_csv(folder: &Path, name: &str, lines: usize, titles: &[&str]) {
    let mut reader = csv::Reader::from_path(folder.join(name)).unwrap();
    // A row of another length would be an error.
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    assert_eq!(rows.len(), lines, "{rows:?}");
    for row in rows {
        assert!(titles.iter().all(|title| row.contains_key(*title)), "{row:?}");
        assert!(row["bytes"].parse::<u64>().is_ok(), "{row:?}");
    }
}

#[track_caller]
fn check_hgrm(folder: &Path, name: &str) {
    let text = read(folder, name);
    let mut lines = text.lines();
    let titles: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(titles, ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]);
    let mut rows = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let last: Vec<f64> = rows.next_back().unwrap().split_whitespace().map(|field| field.parse().unwrap()).collect();
    assert!(last[0] > 0.0 && last[1] == 1.0 && last[2] > 0.0, "{text}");
    let count = text.split("Total count    =").nth(1).unwrap().split(']').next().unwrap();
    assert_eq!(count.trim().parse::<f64>().unwrap(), last[2]);
}

#[track_caller]
fn check_svg(folder: &Path, name: &str) {
    let text = read(folder, name);
    assert!(text.starts_with("<svg ") && text.trim_end().ends_with("</svg>"), "{name}");
    assert!(text.contains("message spin"), "{name}");
}

#[test]
fn an_export_leaves_json_csv_percentiles_and_plots() {
    let scratch = Scratch::new("export");
    let folder = scratch.0.join("new/out");
    export(folder.to_str().unwrap(), &[]);

    let tables = ["results.json", "rounds.csv", "paced.csv", "idle.csv"];
    let distributions = [
        "rtt-cache-line-spin-8.hgrm",
        "rtt-message-spin-64.hgrm",
        "rtt-pipe-sleep-64.hgrm",
        "paced-message-spin-64-10000.hgrm",
        "paced-message-adaptive-64-10000.hgrm",
        "paced-pipe-sleep-64-10000.hgrm",
    ];
    let plots = [
        "round-trip.svg",
        "throughput.svg",
        "percentiles.svg",
        "one-way.svg",
        "processor-by-rate.svg",
        "processor-idle.svg",
    ];
    let expected: BTreeSet<String> =
        tables.iter().chain(&distributions).chain(&plots).map(|name| (*name).to_owned()).collect();
    assert_eq!(names(&folder), expected);

    check_json(&folder);
    check_csv(
        &folder,
        "rounds.csv",
        6,
        &["regime", "line", "median", "per-cache-line", "per-cache-lines", "time-p99.99"],
    );
    check_csv(&folder, "paced.csv", 3, &["rate", "p99.99", "sink-processor"]);
    check_csv(&folder, "idle.csv", 5, &["percent"]);
    distributions.iter().for_each(|name| check_hgrm(&folder, name));
    plots.iter().for_each(|name| check_svg(&folder, name));
}

#[test]
fn what_was_not_measured_has_no_file() {
    let scratch = Scratch::new("partial");
    export(scratch.0.to_str().unwrap(), &["--test", "idle"]);
    assert_eq!(names(&scratch.0), ["idle.csv", "processor-idle.svg", "results.json"].map(str::to_owned).into());
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told_before_anything_is_measured() {
    let scratch = Scratch::new("refused");
    let file = scratch.write("file", "");
    for folder in [format!("{file}/out"), "/proc/out".to_owned(), file.clone()] {
        // A run of this many rounds would not end.
        let errors = check_fails(&["--rounds", "100000", "--export", &folder], 1);
        assert!(errors.contains("--export") && errors.contains(&folder), "{errors}");
    }
}
