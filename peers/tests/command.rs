//! What the program does, from outside: a short run of two subjects, and folders for its report.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that a test has for itself.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("peers-command-{test}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(arguments: &[&str], report: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain-peers"));
    command.args(["sizes", "--quick"]).args(arguments).arg("--report").arg(report).output().unwrap()
}

#[test]
fn a_folder_that_cannot_be_one_is_refused_before_anything_is_measured() {
    let folder = Folder::new("refused");
    let file = folder.0.join("file");
    fs::write(&file, "").unwrap();
    let output = run(&["--size", "8", "--test", "rtt", "--subject", "rtrb"], &file);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(error.contains("cannot write the report into"), "{error}");
    assert!(!error.contains("round 0"), "it measured first: {error}");
}

/// One run for all that it must do: two at once would spin on the same two processors.
#[test]
fn a_run_measures_what_each_subject_can_do_and_writes_lines_and_values_of_each_round() {
    let folder = Folder::new("written");
    let output = run(&["--size", "8", "--subject", "gil,nexus-queue,outcry"], &folder.0.join("new"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let entries = fs::read_dir(folder.0.join("new")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let endings: Vec<&str> = paths.iter().map(|path| path.extension().unwrap().to_str().unwrap()).collect();
    assert_eq!(endings, ["json", "md", "svg"]);
    let results: serde_json::Value = serde_json::from_str(&fs::read_to_string(&paths[0]).unwrap()).unwrap();
    assert_eq!(results["machine"]["model"], paths[0].file_stem().unwrap().to_str().unwrap());
    assert_eq!(results["bare_line"]["lines"].as_array().unwrap().len(), 2);
    let left_out = results["left_out"].as_array().unwrap();
    assert!(left_out.iter().any(|it| it["name"] == "tachyon-ipc"), "{left_out:?}");
    let rounds = |subject: &str, test: &str| {
        let mut cells = results["cells"].as_array().unwrap().iter();
        let cell = cells.find(|cell| cell["subject"] == subject && cell["test"] == test)?;
        Some(cell["values"].as_array().unwrap().len())
    };
    let of = |subject| ["rtt", "single", "batch"].map(|test| rounds(subject, test));
    assert_eq!(of("ringmain-stream"), [Some(1); 3]);
    assert_eq!(of("gil"), [Some(1); 3]);
    assert_eq!(of("nexus-queue"), [Some(1), Some(1), None]);
    // It would lose values one way.
    assert_eq!(of("outcry"), [Some(1), None, None]);
}

/// The whole of it in a hundredth of the work.
#[test]
fn tasks_are_measured_over_every_line_in_every_test() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain-peers"));
    let output = command.args(["tasks", "--quick", "--rounds=1", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = results["results"].as_array().unwrap();
    let lines = |figure: &str| -> Vec<&str> {
        let rows = results.iter().filter(|row| row["figure"] == figure);
        rows.map(|row| row["line"].as_str().unwrap()).collect()
    };
    let all = [
        "unix",
        "unix-buffered",
        "stream",
        "stream-buffered",
        "stream-both-buffered",
        "stream-park",
        "stream-descriptor",
        "stream-descriptor-park",
        "message",
    ];
    for figure in ["rtt, ns", "paced p50, ns", "paced p99, ns", "flow, values/s", "idle, ns/s"] {
        assert_eq!(lines(figure), all, "{figure}");
    }
    assert!(results.iter().all(|row| row["values"][0].as_f64().unwrap() >= 0.0), "{results:?}");
}
