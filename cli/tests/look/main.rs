//! `ringmain ls`, `stat`, `watch` and `tap` as a user runs them, on rings of real processes, in a pipe and on a
//! terminal.

#[path = "../../../tests/common/ability.rs"]
#[allow(dead_code, reason = "the tests of the library use all of it")]
mod ability;
mod json;
mod lists;
mod metrics;
mod program;
mod refused;
mod ring;
#[allow(dead_code, reason = "every test file uses its share")]
mod screen;
#[path = "../shell/mod.rs"]
mod shell;
mod speed;
mod tap;
#[allow(dead_code, reason = "every test file uses its share")]
mod terminal;
mod watch;

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use ringmain::Options;
use ringmain::stream::Producer;

use ring::Name;
use shell::Running;

#[test]
#[ignore = "a process that the tests start"]
fn holds_the_producers_role() {
    let Ok(name) = env::var("RINGMAIN_LOOK") else { return };
    let mut tx: Producer<u64> = Options::new(name).capacity(64).stream_producer().unwrap();
    tx.push_slice(&[1, 2, 3]).unwrap();
    println!("\nattached");
    // Until the test ends or is killed.
    let _ = std::io::stdin().read(&mut [0]);
}

/// Starts a process that makes a stream of 64 `u64`, holds the role of its producer, and has pushed 1, 2 and 3.
fn holder(name: &Name) -> Running {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", "holds_the_producers_role"]).env("RINGMAIN_LOOK", &name.0);
    let mut child = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let mut lines = BufReader::new(child.child().stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "attached"));
    child
}
