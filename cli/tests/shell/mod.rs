//! What the tests of the verbs share: the command as a process, with a ring that is removed afterwards.

#![allow(dead_code, unused_imports, reason = "every test file uses its share")]

use std::fs;
use std::io::{PipeWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use ringmain::inspect::Inspection;
use ringmain::{Options, PeerState, Role};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

// That of the library's tests.
#[path = "../../../tests/common/running.rs"]
mod running;

pub(crate) use running::{LIFETIME, Running, delay_of, output, wait_for};

/// A name of its own for each ring, removed at the end.
#[derive(Debug)]
pub(crate) struct Ring(String);

impl Ring {
    pub(crate) fn new() -> Ring {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Ring(format!("act-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// One with a name as long as it may be.
    pub(crate) fn long() -> Ring {
        let ring = Ring::new();
        Ring(format!("{:-<30}", ring.0))
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

/// A shell in a process group of its own: what it has started ends with it, whatever becomes of the test.
pub(crate) struct Shell(Running);

impl Shell {
    pub(crate) fn start(shell: &mut Command) -> Self {
        Self(Running::start(shell.process_group(0)))
    }

    pub(crate) fn end(&mut self) -> ExitStatus {
        self.0.end()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if let Some(group) = rustix::process::Pid::from_raw(self.0.id() as i32) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

pub(crate) fn ringmain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A user without privileges.
pub(crate) const NOBODY: u32 = 65_534;

/// A copy of the program where everybody may run it, removed when this is dropped.
pub(crate) struct Program(PathBuf);

impl Program {
    pub(crate) fn copied() -> Program {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ringmain-copy-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let program = Program(std::env::temp_dir().join(name));
        // By another process: one that this one starts meanwhile would keep a copy open to be written, and a program
        // that somebody may write cannot be run.
        let copied = Running::start(Command::new("cp").arg(env!("CARGO_BIN_EXE_ringmain")).arg(&program.0)).end();
        assert!(copied.success());
        fs::set_permissions(&program.0, fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    /// Runs it as a user without privileges, which root alone can.
    pub(crate) fn as_nobody(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.0);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.uid(NOBODY).gid(NOBODY);
        command
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// An end of a pipe that nobody reads, nor a process that was just forked from this one.
pub(crate) fn deserted() -> PipeWriter {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    wait_for("a pipe that nobody reads", || {
        let mut polled = [PollFd::new(&writer, PollFlags::empty())];
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        (poll(&mut polled, Some(&none)) == Ok(1)).then_some(())
    });
    writer
}

/// The command behind a shell's redirections, as `>&-`.
pub(crate) fn redirected(arguments: &[&str], how: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!(r#"exec "$0" "$@" {how}"#), env!("CARGO_BIN_EXE_ringmain")]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn start(arguments: &[&str]) -> Running {
    Running::start(&mut ringmain(arguments))
}

/// Starts a process that gets this input, by a thread of its own.
pub(crate) fn feed(arguments: &[&str], input: impl Into<Vec<u8>>) -> Running {
    let mut process = Running::start(ringmain(arguments).stdin(Stdio::piped()));
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
pub(crate) fn check(process: Running, code: i32) -> (Vec<u8>, String) {
    let output = process.output();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    // What fails says so, but where nobody reads any more.
    let is_quiet = errors.lines().all(|line| line.starts_with("made ring "));
    assert_eq!(is_quiet, matches!(code, 0 | 141), "{errors}");
    (output.stdout, errors)
}

/// Bytes without a pattern that a ring could hide.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fastrand::Rng::with_seed(1).fill(&mut bytes);
    bytes
}
