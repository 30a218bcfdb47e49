//! The program as a child of the tests, and what it says.

use std::fs;
use std::io::{BufReader, Read};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

use crate::ring::Name;
use crate::shell::wait_for;

/// A process that is killed with its test.
pub(crate) struct Guard(pub(crate) Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn ringmain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    command.args(arguments).stdin(Stdio::null()).env_remove("NO_COLOR").env("TERM", "xterm");
    command
}

pub(crate) fn output(arguments: &[&str]) -> Output {
    ringmain(arguments).output().unwrap()
}

/// Runs it where it must succeed without a word on stderr.
#[track_caller]
pub(crate) fn text(arguments: &[&str]) -> String {
    let output = output(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Runs it where it must print one line of JSON about this ring.
#[track_caller]
pub(crate) fn json(arguments: &[&str], name: &Name) -> Value {
    let text = text(arguments);
    let objects = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut objects: Vec<Value> = objects.filter(|object| object["name"] == *name.0).collect();
    assert_eq!(objects.len(), 1, "{text}");
    objects.remove(0)
}

/// The line about this ring, with single spaces.
#[track_caller]
pub(crate) fn line(text: &str, name: &Name) -> String {
    let mut lines = text.lines().filter(|line| line.split_whitespace().next() == Some(&*name.0));
    let line = lines.next().unwrap_or_else(|| panic!("no {} in:\n{text}", name.0));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
pub(crate) fn check_refused(command: &mut Command, code: i32, parts: &[&str]) {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {errors}");
    for part in parts {
        assert!(errors.contains(part), "no '{part}' in: {errors}");
    }
}

/// The program's name as the kernel has it.
pub(crate) fn command_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim_end().to_owned()
}

/// A program that runs, and what it says.
pub(crate) fn spawn(arguments: &[&str]) -> (Guard, BufReader<ChildStdout>) {
    let mut child = Guard(ringmain(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let stdout = child.0.stdout.take().unwrap();
    (child, BufReader::new(stdout))
}

/// Waits until a program has mapped a ring, for which it has looked where it stands.
pub(crate) fn wait_for_map(child: &Guard, name: &Name) {
    let maps = format!("/proc/{}/maps", child.0.id());
    wait_for("a mapping", || fs::read_to_string(&maps).ok()?.contains(&name.0).then_some(()));
}

#[track_caller]
pub(crate) fn check_ends(mut child: Guard) -> String {
    let status = wait_for("an end", || child.0.try_wait().unwrap());
    let mut errors = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(status.success(), "{status}: {errors}");
    errors
}
