//! Processes that a test starts: the test's own binary, which plays a part instead of running tests.
//!
//! A file with parts has one ignored test that calls [`play`]; [`Child::start`] runs just that one, in a process group
//! of its own. The two processes talk in lines over a socket, which is the child's standard input.

use std::fmt::{Debug, Display};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::{env, fs, io};

use ringmain::Options;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Signal, getegid, geteuid, set_parent_process_death_signal};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::{PATIENCE, Running, Watchdog, wait_for};

/// Names the part that a process plays, and its arguments.
const PART: &str = "RINGMAIN_TEST_PART";

/// Names the program that runs this binary, and its arguments before it, where the system cannot run it by itself.
/// Cargo's own runner (`CARGO_TARGET_..._RUNNER`) is not told to tests.
const RUNNER: &str = "RINGMAIN_TEST_RUNNER";

/// The ignored test that plays a part.
const ENTRY: &str = "plays_a_part";

/// One end of the socket between a test and its child.
struct Line(BufReader<UnixStream>);

impl Line {
    fn say(&mut self, words: &dyn Display) -> io::Result<()> {
        self.0.get_mut().write_all(format!("{words}\n").as_bytes())
    }

    /// Returns the next line; `None` if the other end is gone.
    fn hear(&mut self) -> io::Result<Option<String>> {
        let mut words = String::new();
        self.0.read_line(&mut words)?;
        Ok(words.strip_suffix('\n').map(str::to_owned))
    }
}

/// Writes to a file of the system, without an allocation.
fn write_to(path: &str, bytes: &[u8]) -> io::Result<()> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(file, bytes)?;
    Ok(())
}

/// The command that starts this binary again.
fn own_binary() -> Command {
    let binary = env::current_exe().unwrap();
    let runner = env::var(RUNNER).unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(program) = words.next() else { return Command::new(binary) };
    let mut command = Command::new(program);
    command.args(words).arg(binary);
    command
}

/// A process that plays a part. It is killed and reaped when this is dropped.
pub(crate) struct Child {
    part: String,
    process: Running,
    line: Line,
}

impl Child {
    /// Starts a process that plays `part` with the ring of this name.
    #[track_caller]
    pub(crate) fn start(part: &str, name: &str, arguments: &[&dyn Display]) -> Child {
        Child::start_by(part, name, arguments, |_| {})
    }

    /// The same, by a command that is prepared before.
    #[track_caller]
    pub(crate) fn start_by(
        part: &str,
        name: &str,
        arguments: &[&dyn Display],
        prepare: impl FnOnce(&mut Command),
    ) -> Child {
        Child::try_start(part, name, arguments, prepare).unwrap()
    }

    /// The same as root, of a user namespace of its own if this is not root.
    ///
    /// # Errors
    ///
    /// If such a namespace is not allowed.
    pub(crate) fn start_as_root(part: &str, name: &str, arguments: &[&dyn Display]) -> io::Result<Child> {
        let (user, group) = (geteuid(), getegid());
        let maps = [format!("0 {} 1", user.as_raw()), format!("0 {} 1", group.as_raw())];
        let become_root = move || {
            if user.is_root() {
                return Ok(());
            }
            // SAFETY: a forked child has one thread.
            unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }?;
            write_to("/proc/self/setgroups", b"deny")?;
            write_to("/proc/self/uid_map", maps[0].as_bytes())?;
            write_to("/proc/self/gid_map", maps[1].as_bytes())
        };
        Child::try_start(part, name, arguments, |command| {
            // SAFETY: it makes system calls alone, and allocates nothing.
            unsafe { command.pre_exec(become_root) };
        })
    }

    fn try_start(
        part: &str,
        name: &str,
        arguments: &[&dyn Display],
        prepare: impl FnOnce(&mut Command),
    ) -> io::Result<Child> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        ours.set_write_timeout(Some(PATIENCE)).unwrap();
        let words: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let mut command = own_binary();
        prepare(&mut command);
        command
            .args(["--exact", ENTRY, "--ignored", "--nocapture"])
            .env(PART, format!("{part} {name} {}", words.join(" ")))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .process_group(0);
        let process = Running::try_start(&mut command)?;
        Ok(Child { part: part.to_owned(), process, line: Line(BufReader::new(ours)) })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The socket under the lines, for whoever speaks otherwise when no line is on its way.
    pub(crate) fn socket(&self) -> &UnixStream {
        self.line.0.get_ref()
    }

    /// Tells the child something.
    #[track_caller]
    pub(crate) fn say(&mut self, words: impl Display) {
        self.line.say(&words).unwrap();
    }

    /// Returns what the child says next.
    #[track_caller]
    pub(crate) fn hear(&mut self) -> String {
        match self.line.hear() {
            Ok(Some(words)) => words,
            Ok(None) => panic!("the {} ended without a word", self.part),
            Err(error) => panic!("the {} says nothing: {error}", self.part),
        }
    }

    /// Checks what the child says next.
    #[track_caller]
    pub(crate) fn says(&mut self, expected: impl Display) {
        assert_eq!(self.hear(), expected.to_string(), "said by the {}", self.part);
    }

    /// Kills the child with `SIGKILL`, in whatever it is doing, and reaps it.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        let status = self.process.kill();
        assert_eq!(status.signal(), Some(libc::SIGKILL), "the {} ended before it was killed: {status}", self.part);
    }

    /// Stops the child, and returns when it stands.
    #[track_caller]
    pub(crate) fn stop(&self) {
        self.process.signal(Signal::STOP);
        wait_for("a process to stop", || {
            assert!(!self.all_threads('Z'), "the {} ended before it was stopped", self.part);
            self.all_threads('T').then_some(())
        });
    }

    /// Lets a stopped child go on.
    #[track_caller]
    pub(crate) fn go_on(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Returns whether each thread of the process does what this letter of the kernel says.
    #[track_caller]
    pub(crate) fn all_threads(&self, letter: char) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let mut stats = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
        // The name in parentheses may hold anything.
        stats.all(|stat| stat.rsplit_once(')').unwrap().1.trim_start().starts_with(letter))
    }

    /// Waits for the child to end.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.process.end()
    }

    /// Waits for the child to end in order.
    #[track_caller]
    pub(crate) fn join(mut self) {
        let status = self.end();
        assert!(status.success(), "the {}: {status}", self.part);
    }
}

/// What a child sees of the test that started it.
pub(crate) struct Part {
    name: String,
    arguments: Vec<String>,
    line: Line,
}

impl Part {
    /// Returns the name of the ring.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(&self.name)
    }

    /// The socket under the lines, for whoever speaks otherwise when no line is on its way.
    pub(crate) fn socket(&self) -> &UnixStream {
        self.line.0.get_ref()
    }

    /// Returns one of the arguments that follow the name.
    #[track_caller]
    pub(crate) fn argument<T: FromStr<Err: Debug>>(&self, at: usize) -> T {
        self.arguments[at].parse().unwrap()
    }

    /// Tells the test something.
    #[track_caller]
    pub(crate) fn say(&mut self, words: impl Display) {
        self.line.say(&words).unwrap();
    }

    /// Waits for the test to say something.
    #[track_caller]
    pub(crate) fn hear(&mut self) -> String {
        self.line.hear().unwrap().expect("the test goes on")
    }
}

/// The name of a part, and what plays it.
pub(crate) type Play = (&'static str, fn(&mut Part));

/// Plays the part that this process was started for, if it was: a user may run the ignored tests too.
pub(crate) fn play(parts: &[Play]) {
    let Ok(words) = env::var(PART) else { return };
    // The parent may die of a signal too. Its watchdog's twin serves if this call does not.
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    let _watchdog = Watchdog::new();
    let mut words = words.split_whitespace().map(str::to_owned);
    let (wanted, name) = (words.next().unwrap(), words.next().unwrap());
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut part = Part { name, arguments: words.collect(), line: Line(BufReader::new(stream)) };
    let (_, play) = parts.iter().find(|(part, _)| *part == wanted).expect("a part of this file");
    play(&mut part);
}
