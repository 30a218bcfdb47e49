//! `ringmain chaos` as a user runs it: it passes, it finds what is planted, and it leaves nothing behind however it
//! ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use serde_json::Value;

mod shell;

use shell::{Running, wait_for};

fn chaos(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    command.arg("chaos").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end, and checks that nothing is left.
#[track_caller]
fn output(arguments: &[&str]) -> Output {
    let run = Running::start(&mut chaos(arguments));
    let pid = run.id();
    let output = run.output();
    assert_eq!(left(pid), [""; 0], "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The names that a run of this pid has in /dev/shm.
fn left(pid: u32) -> Vec<String> {
    let mark = format!(".{pid}.");
    let names = fs::read_dir("/dev/shm").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.contains(&mark)).collect()
}

/// What the processes of a run are called that it starts.
const OTHERS: [&str; 2] = ["ringmain-chaos-worker", "ringmain-chaos-keeper"];

/// The workers and the keeper of a run, each by its name: they were given this mark in a variable.
fn processes(mark: &str) -> Vec<String> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let read = |pid: u32, file| String::from_utf8(fs::read(format!("/proc/{pid}/{file}")).ok()?).ok();
    let of_run = pids.filter(|pid| read(*pid, "environ").is_some_and(|all| all.contains(mark)));
    let names = of_run.filter_map(|pid| Some(read(pid, "cmdline")?.split('\0').next()?.to_owned()));
    names.filter(|name| OTHERS.contains(&&**name)).collect()
}

#[test]
fn a_run_that_nobody_reads_ends_early_and_leaves_nothing() {
    let run = Running::start(chaos(&["--minutes", "1000"]).stdout(shell::deserted()));
    let pid = run.id();
    let output = run.output();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), left(pid)), (Some(141), vec![]), "{errors}");
}

/// Starts a run that would last for hours, and returns with its mark when it has workers, a keeper and rings.
fn endless(mark: &str) -> (Running, String) {
    let mark = format!("{mark}-{}", std::process::id());
    let mut command = chaos(&["--minutes", "1000"]);
    let run = Running::start(command.env("RINGMAIN_TEST_RUN", &mark).stdout(Stdio::null()).stderr(Stdio::null()));
    wait_for("rings, workers and a keeper", || {
        let processes = processes(&mark);
        let has_both = OTHERS.iter().all(|name| processes.iter().any(|process| process == name));
        (left(run.id()).len() == 2 && processes.len() > 3 && has_both).then_some(())
    });
    (run, mark)
}

#[test]
fn a_run_passes_and_says_what_it_did() {
    let output = output(&["--seconds", "3", "--seed", "7", "--json"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["seed"], 7);
    for key in ["kills", "producers-killed", "consumers-killed", "restarts", "rings", "elements", "messages"] {
        assert!(report[key].as_u64().unwrap() > 0, "{key} in {report}");
    }
    for key in ["lost", "torn", "invented", "repeated", "withheld", "told-wrongly", "hangs", "other-failures"] {
        assert_eq!(report[key], 0, "{key}");
    }
}

#[test]
fn the_text_has_a_line_for_each_figure() {
    let output = output(&["--seconds", "1", "--seed", "7"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for part in ["kills ", "restarts ", "second holders refused ", "elements moved ", "lost  ", "torn ", "seed  "] {
        assert!(text.contains(part), "no '{part}' in:\n{text}");
    }
}

/// Checks that a mistake in the workers is found as one of these faults, and told with the seed and the state of both
/// ends.
#[track_caller]
fn check_planted(plant: &str, faults: &[&str]) {
    let output = output(&["--seconds", "60", "--patience", "5", "--seed", "3", "--json", "--plant", plant]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{plant}: {errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(faults.iter().any(|fault| report[fault].as_u64().unwrap() > 0), "{plant}: {report} {errors}");
    for part in ["chaos --seed 3", "journal, producer: start", "journal, consumer: start", "header, producer: position"]
    {
        assert!(errors.contains(part), "{plant}: no '{part}' in {errors}");
    }
}

#[test]
fn an_element_that_is_left_out_is_found() {
    check_planted("lose", &["lost"]);
}

#[test]
fn an_altered_byte_is_found() {
    check_planted("tear", &["torn"]);
}

#[test]
fn an_element_that_is_pushed_twice_is_found() {
    // Or first at the kill of the producer: its tail is beyond what it announced.
    check_planted("twice", &["repeated", "invented"]);
}

#[test]
fn an_element_that_comes_again_is_found() {
    check_planted("repeat", &["repeated"]);
}

#[test]
fn an_element_that_was_never_announced_is_found() {
    check_planted("invent", &["invented"]);
}

#[test]
fn a_close_that_nobody_made_is_found() {
    check_planted("untold", &["told-wrongly"]);
}

#[test]
fn an_end_that_is_told_twice_is_found() {
    check_planted("told-twice", &["told-wrongly"]);
}

#[test]
fn an_end_that_is_never_told_is_found() {
    check_planted("told-never", &["told-wrongly"]);
}

#[test]
fn credit_that_is_withheld_is_found() {
    check_planted("credit", &["withheld"]);
}

#[test]
fn an_end_that_stands_still_is_found() {
    check_planted("hang", &["hangs"]);
}

#[track_caller]
fn check_ended_by(signal: Signal) {
    let (mut run, mark) = endless(&format!("ended-by-{}", signal.as_raw()));
    let pid = run.id();
    run.signal(signal);
    assert_eq!(run.end().signal(), Some(signal.as_raw()));
    wait_for("the end of all workers", || processes(&mark).is_empty().then_some(()));
    assert_eq!(left(pid), [""; 0]);
}

#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    check_ended_by(Signal::INT);
}

#[test]
fn a_killed_run_leaves_nothing_behind() {
    check_ended_by(Signal::KILL);
}

/// Where the command is installed anew meanwhile.
#[test]
fn a_run_starts_its_processes_though_its_file_was_removed() {
    let binary = Path::new(env!("CARGO_BIN_EXE_ringmain"));
    let file = binary.with_file_name(format!("ringmain-removed-{}", std::process::id()));
    fs::hard_link(binary, &file).unwrap();
    let mut command = Command::new(&file);
    command.args(["chaos", "--seconds", "2", "--seed", "7", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = Running::start(&mut command);
    wait_for("rings", || (left(run.id()).len() == 2).then_some(()));
    fs::remove_file(&file).unwrap();
    let output = run.output();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["restarts"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn the_seed_is_said_first() {
    let mut run = Running::start(&mut chaos(&["--seed", "12345"]));
    let mut first = String::new();
    BufReader::new(run.child().stderr.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "seed 12345\n");
}

#[test]
fn wrong_inputs_are_usage_errors() {
    for arguments in [["--seconds", "0"], ["--minutes", "x"], ["--plant", "x"], ["--seed", "-1"]] {
        assert_eq!(output(&arguments).status.code(), Some(2), "{arguments:?}");
    }
}
