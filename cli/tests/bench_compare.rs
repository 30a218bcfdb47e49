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
    let folder = scratch.path("out");
    let more = ["--rate", "10k", "--transport", transports, "--export", &folder];
    let output = output(&[&SMALL[..], &more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    scratch.path("out/results.json")
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
    let file = export(&scratch, "stream,pipe");
    let more = ["--test", "rtt", "--transport", "message,pipe", "--compare", &file];
    let text = check_text(&[&SMALL[..], &more].concat());
    for line in [
        "only then: rtt of 64 bytes over stream (spin)",
        "only then: throughput of 64 bytes over pipe (sleep)",
        "only then: paced of 64 bytes over pipe (sleep) at 10k/s",
        "only now: rtt of 64 bytes over message (spin, records at multiples of 64)",
    ] {
        assert!(text.lines().any(|one| one == line), "no '{line}' in:\n{text}");
    }
    let (_, table) = text.split_once("now / then").unwrap();
    assert!(table.lines().any(|line| line.starts_with(" rtt ") && line.contains(" pipe ")), "{table}");
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
        check(&name(r#"{"format": 2, "results": []}"#), &["has format 2", "reads format 1"]);
        check(&name(r#"{"format": 1, "results": []}"#), &["damaged", "host"]);
    }
}
