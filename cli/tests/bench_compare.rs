//! `ringmain bench --compare` and `--from`.

use std::fs;

use serde_json::Value;

mod bench_common;
mod shell;

use bench_common::{Scratch, check_fails, output};

const SMALL: [&str; 5] = ["--quick", "--rounds", "1", "--size", "64"];

/// Exports a run of these transports and returns its JSON's path.
#[track_caller]
fn export(scratch: &Scratch, transports: &str) -> String {
    export_to(scratch, "out", &["--rate", "10k", "--transport", transports])
}

/// A run during which the processors move is of no regime, and has nothing to compare: it is made again.
#[track_caller]
fn export_to(scratch: &Scratch, folder: &str, more: &[&str]) -> String {
    let file = scratch.path(&format!("{folder}/results.json"));
    for _ in 0..20 {
        let output = output(&[&SMALL[..], more, &["--export", &scratch.path(folder)]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        if report["regimes"].as_array().is_some_and(|regimes| !regimes.is_empty()) {
            return file;
        }
        fs::remove_dir_all(scratch.path(folder)).unwrap();
    }
    panic!("the processors moved during each of 20 runs");
}

/// Says in the JSON of a run of one regime how long its bare line took: two runs may be of different ones.
fn set_line(file: &str, nanoseconds: f64) {
    let mut report: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    for key in ["median", "min", "max"] {
        report["regimes"][0]["line"][key] = nanoseconds.into();
    }
    fs::write(file, report.to_string()).unwrap();
}

#[track_caller]
fn check_text(arguments: &[&str]) -> String {
    let output = output(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_run_beside_itself_is_all_ones() {
    let scratch = Scratch::new("itself");
    let file = export(&scratch, "message,pipe");

    let json: Value = serde_json::from_str(&check_text(&["--from", &file, "--compare", &file, "--json"])).unwrap();
    let comparison = &json["comparison"];
    let rows = comparison["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6 + 3 + 5);
    for row in rows {
        assert_eq!(row["ratio"], 1.0, "{row}");
    }
    assert_eq!((&comparison["only-then"], &comparison["only-now"]), (&Value::Array(vec![]), &Value::Array(vec![])));

    let text = check_text(&["--from", &file, "--compare", &file]);
    let (_, table) = text.split_once("compared: ").unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.contains("message") || line.contains("pipe")).collect();
    assert_eq!(
        rows.iter().filter(|row| row.contains(" 1.00 ") || row.ends_with(" 1.00")).count(),
        6 - 2 + 3 + 5,
        "{table}"
    );
    assert!(!table.contains("only then") && !table.contains("only now"), "{table}");
}

#[test]
fn an_earlier_run_is_reported_as_it_was() {
    let scratch = Scratch::new("from");
    let file = export(&scratch, "message");
    let written: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let printed: Value = serde_json::from_str(&check_text(&["--from", &file, "--json"])).unwrap();
    assert_eq!(printed, written);
    let date = written["host"]["date"].as_str().unwrap();
    assert!(check_text(&["--from", &file]).contains(date));
}

#[test]
fn a_run_beside_another_says_what_either_lacks() {
    let scratch = Scratch::new("another");
    let then = export(&scratch, "stream,pipe");
    let now = export_to(&scratch, "now", &["--test", "rtt", "--transport", "message,pipe"]);
    set_line(&then, 100.0);
    set_line(&now, 120.0);
    let text = check_text(&["--from", &now, "--compare", &then]);
    for line in [
        "regime: near (100 ns) then, near (120 ns) now",
        "only then: rtt of 64 bytes over stream (spin)",
        "only then: throughput of 64 bytes over pipe (sleep)",
        "only then: paced of 64 bytes over pipe (sleep) at 10k/s",
        "only now: rtt of 64 bytes over message (spin, records at multiples of 64)",
    ] {
        assert!(text.lines().any(|one| one == line), "no '{line}' in:\n{text}");
    }
    let (_, table) = text.split_once("now / then").unwrap();
    assert!(table.lines().any(|line| line.starts_with("rtt ") && line.contains(" pipe ")), "{table}");
}

#[test]
fn a_run_is_measured_and_set_beside_an_earlier_one() {
    let scratch = Scratch::new("measured");
    let then = export(&scratch, "pipe");
    let text = check_text(&[&SMALL[..], &["--test", "idle", "--transport", "pipe", "--compare", &then]].concat());
    let (_, table) = text.split_once("now / then").unwrap();
    assert!(table.lines().any(|line| line.starts_with("idle ") && line.contains(" pipe ")), "{table}");
}

#[test]
fn rounds_of_another_regime_are_not_compared() {
    let scratch = Scratch::new("regimes");
    let then = export(&scratch, "pipe");
    set_line(&then, 60.0);
    let now = export_to(&scratch, "now", &["--test", "rtt,throughput", "--transport", "pipe"]);
    set_line(&now, 450.0);
    let arguments = ["--from", &now, "--compare", &then];
    let text = check_text(&arguments);
    assert!(text.contains("warning: rtt and throughput are not compared"), "{text}");
    assert!(text.contains("near (60 ns) then and is near (450 ns)"), "{text}");
    let json: Value = serde_json::from_str(&check_text(&[&arguments[..], &["--json"]].concat())).unwrap();
    let comparison = &json["comparison"];
    assert_eq!((&comparison["rows"], &comparison["regimes"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    assert_eq!(comparison["regimes-only-then"][0]["line"]["median"], 60.0);
    assert_eq!(comparison["regimes-only-now"][0]["line"]["median"], 450.0);
}

#[test]
fn a_file_that_is_no_export_is_told_before_anything_is_measured() {
    let scratch = Scratch::new("wrong");
    let name = |text: &str| scratch.write("wrong.json", text);
    for option in ["--compare", "--from"] {
        let check = |file: &str, parts: &[&str]| {
            let errors = check_fails(&[option, file], 1);
            for part in parts.iter().chain(&[file]) {
                assert!(errors.contains(part), "no '{part}' in: {errors}");
            }
        };
        check(&scratch.path("absent.json"), &["cannot read", "No such file"]);
        check(scratch.0.to_str().unwrap(), &["cannot read"]);
        check(&name("rtt,message"), &["is not JSON", "results.json"]);
        check(&name("[1]"), &["no number of a format"]);
        check(&name(r#"{"format": "1"}"#), &["no number of a format"]);
        check(&name(r#"{"format": 1, "results": []}"#), &["has format 1", "reads format 2", "measure again"]);
        check(&name(r#"{"format": 2, "results": []}"#), &["damaged", "host"]);
    }
}
