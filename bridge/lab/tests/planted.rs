//! Mistakes that the bridge makes on purpose, built with the feature `planted`: a run of chaos finds each.

mod common;

use std::process::Command;

use common::{LAB, site};
use ringmain_bridge_lab::network::Way;
use ringmain_bridge_lab::process::{Log, PATIENCE, Process};

/// Checks that a run with this mistake finds one of these faults.
#[track_caller]
fn check(plant: &str, faults: &[&str]) {
    if site(Way::ToReceiver).is_none() {
        return;
    }
    let log = Log::new().unwrap();
    let mut command = Command::new(LAB);
    command.args(["chaos", "--seconds", "120", "--longest-cut", "2", "--plant", plant]);
    let mut run = Process::start("run", &mut command, &log).unwrap();
    let status = run.end_within(4 * PATIENCE).unwrap();
    let text = log.text().unwrap();
    assert!(!status.success(), "nothing was found: {text}");
    let found = faults.iter().any(|fault| {
        let count = text.lines().find_map(|line| line.strip_prefix(fault)).map(str::trim);
        count.is_some_and(|count| count.parse::<u64>().is_ok_and(|count| count > 0))
    });
    assert!(found, "expected one of {faults:?}: {text}");
}

#[test]
fn a_release_before_the_answer_is_found() {
    check("release-early", &["lost"]);
}

#[test]
fn a_push_without_the_check_of_its_position_is_found() {
    // What comes twice lies where another record is expected, which may be longer or shorter.
    check("no-position-check", &["repeated", "invented", "lost", "torn"]);
}

#[test]
fn an_answer_before_the_push_is_found() {
    check("answer-early", &["lost"]);
}
