//! The program as a child of the tests, and what it says.

use std::fs;
use std::io::BufReader;
use std::process::{ChildStdout, Command, Output, Stdio};

use serde_json::Value;

use crate::ring::Name;
use crate::shell::{self, Running, wait_for};

pub(crate) fn ringmain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    command.args(arguments).stdin(Stdio::null()).env_remove("NO_COLOR").env("TERM", "xterm");
    command
}

pub(crate) fn output(arguments: &[&str]) -> Output {
    shell::output(&mut ringmain(arguments))
}

/// Runs it where it must succeed without a word on stderr. Objects of others may be there that `ls` cannot read at this
/// moment.
#[track_caller]
pub(crate) fn text(arguments: &[&str]) -> String {
    let output = output(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    let is_well = output.status.success() && errors.is_empty();
    let has_unread = arguments[0] == "ls" && output.status.code() == Some(1) && errors.contains("could not be read");
    assert!(is_well || has_unread, "{}: {errors}", output.status);
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
    let output = Running::start(command.stderr(Stdio::piped())).output();
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
pub(crate) fn spawn(arguments: &[&str]) -> (Running, BufReader<ChildStdout>) {
    let mut child = Running::start(ringmain(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let stdout = child.child().stdout.take().unwrap();
    (child, BufReader::new(stdout))
}

/// Waits until a program has opened a ring.
pub(crate) fn wait_for_look(child: &Running, name: &Name) {
    let folder = format!("/proc/{}/fd", child.id());
    wait_for("a look", || {
        let mut open = fs::read_dir(&folder).ok()?.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        open.any(|path| path == name.path()).then_some(())
    });
}

#[track_caller]
pub(crate) fn check_ends(child: Running, code: i32) -> String {
    let output = child.output();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    errors
}
