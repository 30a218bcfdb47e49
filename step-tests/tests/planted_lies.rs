//! Peers that lie find a library that takes a word which it did not check: flips between its calls, and a word that
//! swings while it works.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use step_tests::object::Object;

/// Lies to a library with this bug.
fn lied_to(liar: &str, bug: &str) -> Output {
    let (object, seed) = (Object::default(), fastrand::u64(..).to_string());
    println!("{liar}, {bug}: seed {seed}");
    let arguments = [liar, object.name(), &seed, bug];
    Command::new(env!("CARGO_BIN_EXE_planted")).args(arguments).output().expect("a process starts")
}

/// Checks that a bug is found by a panic that names one of these, or by a step beyond the ring. A word that swings may
/// not meet the moment at which it is loaded, beside load about once in a hundred runs, so it is tried again.
#[track_caller]
fn is_found(liar: &str, bug: &str, expected: &[&str]) {
    const TRIES: usize = 4;
    let sound = lied_to(liar, "-");
    assert!(sound.status.success(), "without a bug: {sound:?}");
    let finds = |_| {
        let Output { status, stderr, .. } = lied_to(liar, bug);
        let said = String::from_utf8_lossy(&stderr);
        println!("{liar}, {bug}: {status}: {said}");
        let is_beyond = matches!(status.signal(), Some(libc::SIGSEGV | libc::SIGBUS));
        is_beyond || status.code() == Some(101) && expected.iter().any(|expected| said.contains(expected))
    };
    assert!((0..TRIES).any(finds), "{bug} is not found by {liar} in {TRIES} runs: see above");
}

/// How a cursor past its view shows: in the checks of the cursor, which only a debug build makes, and in more elements
/// than the ring can hold.
const PAST_VIEW: [&str; 5] =
    ["known_end: ", "units passed of", "the end goes back", "found <= most", "len <= capacity"];

#[test]
fn flips_find_a_cursor_past_its_view() {
    is_found("flips", "cursor past its view", &PAST_VIEW);
}

#[test]
fn a_tail_that_swings_finds_a_cursor_past_its_view() {
    is_found("oscillation", "cursor past its view", &PAST_VIEW);
}
