//! What the tests of the verbs share: the command as a process, with a ring that is removed afterwards.

#![allow(dead_code, reason = "every test file uses its share")]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringmain::inspect::Inspection;
use ringmain::{Options, PeerState, Role};

/// How long to wait for what must come: long enough for any machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A name of its own for each ring, removed at the end.
#[derive(Debug)]
pub(crate) struct Ring(String);

impl Ring {
    pub(crate) fn new() -> Ring {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Ring(format!("act-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(&self.0)
    }

    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from("/dev/shm").join(&self.0)
    }

    pub(crate) fn exists(&self) -> bool {
        self.path().exists()
    }

    /// Waits until somebody holds a role.
    #[track_caller]
    pub(crate) fn await_holder(&self, role: Role) {
        wait_for("a holder", || {
            let state = Inspection::open(&self.0).ok()?.end(role).ok()?.state;
            (state == PeerState::Alive).then_some(())
        });
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.path());
    }
}

/// Waits until `look` finds something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A process that is killed where a test fails.
#[derive(Debug)]
pub(crate) struct Process(Option<Child>);

impl Process {
    pub(crate) fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    pub(crate) fn kill(mut self) {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[track_caller]
    pub(crate) fn wait(mut self) -> ExitStatus {
        let mut child = self.0.take().unwrap();
        wait_for("the end of a process", || child.try_wait().unwrap())
    }

    /// Waits for the end, and returns what was written meanwhile.
    pub(crate) fn output(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn ringmain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn spawn(command: &mut Command) -> Process {
    Process(Some(command.spawn().unwrap()))
}

pub(crate) fn start(arguments: &[&str]) -> Process {
    spawn(&mut ringmain(arguments))
}

/// Starts a process that gets this input, by a thread of its own.
pub(crate) fn feed(arguments: &[&str], input: impl Into<Vec<u8>>) -> Process {
    let mut process = spawn(ringmain(arguments).stdin(Stdio::piped()));
    let mut stdin = process.child().stdin.take().unwrap();
    let input = input.into();
    // Whoever reads may end first.
    thread::spawn(move || drop(stdin.write_all(&input)));
    process
}

/// Runs to the end, and checks the exit code.
#[track_caller]
pub(crate) fn run(arguments: &[&str], code: i32) -> (Vec<u8>, String) {
    check(start(arguments), code)
}

/// Writes to a ring, and checks the exit code.
#[track_caller]
pub(crate) fn write(arguments: &[&str], input: impl Into<Vec<u8>>, code: i32) -> String {
    check(feed(&[&["write"], arguments].concat(), input), code).1
}

#[track_caller]
pub(crate) fn check(process: Process, code: i32) -> (Vec<u8>, String) {
    let output = process.output();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    // What fails says so, but where nobody reads any more.
    assert_eq!(errors.is_empty(), matches!(code, 0 | 141), "{errors}");
    (output.stdout, errors)
}

/// Bytes without a pattern that a ring could hide.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fastrand::Rng::with_seed(1).fill(&mut bytes);
    bytes
}
