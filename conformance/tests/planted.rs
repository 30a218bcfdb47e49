//! Each scenario finds a planted fault, each fault is found, and peers without one pass.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use anyhow::{Context, Result};
use conformance::peer::Program;
use conformance::scenarios::{SCENARIOS, Scenario, play};

const PEER: &str = env!("CARGO_BIN_EXE_rust-peer");

/// Which scenario finds which fault, and how it says so. The fault is at the producer, or at whoever is first, except
/// where it is marked.
const FOUND: &[(&str, &str, Side, &str)] = &[
    ("identity", "tag", Side::Second, "expected"),
    ("orders", "tag", Side::First, "expected"),
    ("orders", "wrap", Side::First, "right, then came"),
    ("alignments", "stretched", Side::First, "expected"),
    ("alignments", "wrap", Side::First, "right, then came"),
    ("words", "no-word", Side::First, "expected"),
    ("tiny", "wrap", Side::First, "right, then came"),
    ("tiny", "padded", Side::First, "expected"),
    ("wraps", "narrow", Side::First, "expected"),
    ("batches", "piecemeal", Side::First, "expected"),
    ("golden", "no-zero", Side::First, "other bytes"),
    ("succession", "unsaid", Side::First, "expected `ok closed`"),
    ("inheritance", "repeat", Side::Second, "expected"),
    ("inheritance", "silent", Side::First, "expected `ok crashed`"),
    ("halves", "no-walk", Side::Second, "expected"),
    ("halves", "no-zero", Side::First, "expected"),
    ("ends", "told-twice", Side::Second, "expected `err timeout`"),
    ("ends", "unsaid", Side::First, "expected `ok closed`"),
    ("odd", "vain-wake", Side::Second, "expected `err timeout`"),
    ("hostile", "trusting", Side::Second, "expected `err corrupted`"),
    ("hostile", "trusting", Side::First, "expected `err corrupted`"),
    ("wakes", "no-wake", Side::First, "slept on"),
    ("wakes", "no-wake", Side::Second, "slept on"),
    ("kills", "early", Side::First, "right, then came"),
    ("kills", "repeat", Side::Second, "expected"),
    ("kills", "no-zero", Side::First, "expected"),
];

/// Who has the fault.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    First,
    Second,
}

fn scenario(name: &str) -> Scenario {
    *SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap_or_else(|| panic!("no scenario {name}"))
}

#[test]
fn each_scenario_finds_its_planted_faults() -> Result<()> {
    let sound = Program::new(PEER)?;
    for &(name, fault, side, expected) in FOUND {
        let planted = Program::new(&format!("{PEER} --planted {fault}")).context(fault)?;
        let (first, second) = if side == Side::First { (&planted, &sound) } else { (&sound, &planted) };
        // A fault that shows at random has some time to do so.
        let played = play(scenario(name), first, second, 7, 10.0);
        let said = played.result.map_or_else(|error| format!("{error:#}"), |notes| format!("passed: {notes}"));
        println!("{name} finds {fault}: {said}");
        assert!(said.contains(expected) && !said.starts_with("passed"), "{name}, {fault} at {side:?}: {said}");
    }
    Ok(())
}

#[test]
fn every_scenario_and_every_fault_is_in_the_list() -> Result<()> {
    let scenarios: BTreeSet<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    assert_eq!(FOUND.iter().map(|(name, ..)| *name).collect::<BTreeSet<_>>(), scenarios);
    let listed = Command::new(PEER).args(["--planted", "list"]).output()?;
    let listed = String::from_utf8(listed.stdout)?;
    let faults: BTreeSet<&str> = listed.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(FOUND.iter().map(|(_, fault, ..)| *fault).collect::<BTreeSet<_>>(), faults);
    Ok(())
}

#[test]
fn the_document_names_every_scenario() {
    let document = include_str!("../README.md");
    for Scenario { name, .. } in SCENARIOS {
        assert!(document.contains(&format!("\n| {name} | ")), "README.md lacks {name}");
    }
}

/// Runs the program that plays the scenarios.
fn run(arguments: &[&str]) -> Result<(Output, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_run")).args(arguments).output()?;
    let text = String::from_utf8(output.stdout.clone())? + std::str::from_utf8(&output.stderr)?;
    Ok((output, text))
}

#[test]
fn two_sound_peers_pass_all_and_the_table_says_so() -> Result<()> {
    let (output, text) = run(&["--seconds", "2", "--seed", "5", PEER, PEER])?;
    assert!(output.status.success() && text.contains("--seed 5"), "{text}");
    for Scenario { name, .. } in SCENARIOS {
        let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).context(*name)?;
        assert!(line.contains("  ok"), "{line}");
    }
    Ok(())
}

#[test]
fn a_failure_is_in_the_table_and_in_the_exit_status() -> Result<()> {
    let planted = format!("{PEER} --planted wrap");
    let (output, text) = run(&["--only", "tiny,words", &planted])?;
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("FAILED: ") && text.contains("4 played, "), "{text}");
    Ok(())
}

#[test]
fn what_is_no_peer_and_what_is_no_option_is_refused() -> Result<()> {
    for (arguments, expected) in [
        (&["true"][..], "`hello`"),
        (&["/nowhere/peer"], "starting"),
        (&["cat"], "is no answer"),
        (&[], "0 peers, expected one or two"),
        (&["--only", "nothing", "x"], "there is no scenario \"nothing\""),
        (&["--seconds", "-1", "x"], "expected 0 to 1000000"),
        (&["--fast", "x"], "there is no option --fast"),
    ] {
        let (output, text) = run(arguments)?;
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    Ok(())
}
