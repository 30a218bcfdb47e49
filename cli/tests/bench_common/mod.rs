//! Runs of `ringmain bench`, for all files that test it.

#![allow(dead_code, reason = "no file of tests uses all of it")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::shell;

pub(crate) fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    command.arg("bench").args(arguments);
    command
}

pub(crate) fn output(arguments: &[&str]) -> Output {
    shell::output(&mut bench(arguments))
}

#[track_caller]
pub(crate) fn check_json(arguments: &[&str]) -> Value {
    let output = output(&[arguments, &["--quick", "--rounds", "1", "--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    assert!(errors.is_empty(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs and expects a failure, and returns what was said about it.
#[track_caller]
pub(crate) fn check_fails(arguments: &[&str], code: i32) -> String {
    let output = output(arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
    assert!(output.stdout.is_empty());
    errors
}

/// A path for one test's files, which are gone with it.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringmain-test.{}.{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
