//! Programs that tests start. Each begins with default signals, is killed with its guard, and ends after [`LIFETIME`]
//! even if nobody waits for it; each wait for one has a bound.
//!
//! The tests of the command (`cli/tests`) use this file too, so it knows of nothing else here.

#![allow(dead_code, reason = "every test file uses its share")]

use std::fs;
use std::hint::spin_loop;
use std::io::{self, Read};
use std::mem;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::ptr;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything that must come may take: long enough for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How long a program may run, unless it is given longer. The kernel ends it then, so that nobody reads its output for
/// ever.
pub(crate) const LIFETIME: Duration = Duration::from_secs(900);

/// A wait for another thread or process: what comes at once is seen at once, and one that takes longer leaves the
/// processor to whoever is waited for.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    looks: u32,
    started: Option<Instant>,
}

impl Wait {
    /// Waits until it may be worth to look again.
    #[track_caller]
    pub(crate) fn pause(&mut self, what: &str) {
        self.pause_within(PATIENCE, what);
    }

    #[track_caller]
    fn pause_within(&mut self, patience: Duration, what: &str) {
        self.looks += 1;
        if self.looks < 50 {
            return spin_loop();
        }
        let waited = self.started.get_or_insert_with(Instant::now).elapsed();
        assert!(waited < patience, "waited in vain for {what}");
        if waited < Duration::from_millis(1) {
            thread::yield_now();
        } else {
            thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Waits until `look` finds something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, look)
}

/// Waits until `look` finds something, for this long at most.
#[track_caller]
pub(crate) fn wait_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut wait = Wait::default();
    loop {
        if let Some(found) = look() {
            return found;
        }
        wait.pause_within(patience, what);
    }
}

/// Lets a program begin with default signals, and end when its lifetime is over. A signal that is ignored or blocked in
/// this process, by `nohup` or by a script that runs the tests in the background, would be so in the program too.
fn with_default_signals(command: &mut Command, lifetime: Duration) -> &mut Command {
    let seconds = lifetime.as_secs() as u32;
    // SAFETY: it makes system calls alone, and allocates nothing.
    unsafe { command.pre_exec(move || reset(seconds)) }
}

fn reset(seconds: u32) -> io::Result<()> {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: no handler of this process is lost, since a new program has none. Those of the system's own are
        // refused.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: a set of signals is integers, for which zero is a value.
    let mut none: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: it writes the set, which is borrowed for the call.
    unsafe { libc::sigemptyset(&raw mut none) };
    // SAFETY: it reads the set, and writes nothing.
    let status = unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut()) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it takes any number. The program that follows keeps the alarm.
    unsafe { libc::alarm(seconds) };
    Ok(())
}

/// A program that runs. It is killed and reaped when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    lifetime: Duration,
}

impl Running {
    /// Starts a program.
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Running {
        Running::try_start(command).unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// The same, of a program that may be missing.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub(crate) fn try_start(command: &mut Command) -> io::Result<Running> {
        Running::try_start_for(LIFETIME, command)
    }

    /// The same, of a program that may run for this long.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub(crate) fn try_start_for(lifetime: Duration, command: &mut Command) -> io::Result<Running> {
        let child = with_default_signals(command, lifetime).spawn()?;
        Ok(Running { child, lifetime })
    }

    /// Starts a program as any process does it: by `posix_spawn`, which runs no handler of a fork, and with inherited
    /// signals.
    #[track_caller]
    pub(crate) fn start_plainly(command: &mut Command) -> Running {
        Running { child: command.spawn().unwrap(), lifetime: LIFETIME }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The ends of its pipes, which the test may take.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills it with `SIGKILL`, in whatever it is doing, and returns how it ended.
    #[track_caller]
    pub(crate) fn kill(&mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.end()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.end_within(PATIENCE)
    }

    /// Waits for its end, for this long at most.
    #[track_caller]
    pub(crate) fn end_within(&mut self, patience: Duration) -> ExitStatus {
        let what = format!("the end of process {}", self.id());
        wait_within(patience, &what, || self.child.try_wait().unwrap())
    }

    /// Waits for its end, which comes when its lifetime is over, and returns what it has written meanwhile.
    #[track_caller]
    pub(crate) fn output(self) -> Output {
        self.output_and_delay().0
    }

    /// The same, and for how long its first thread was ready to run and did not: a busy machine did that, and not the
    /// program.
    #[track_caller]
    pub(crate) fn output_and_delay(mut self) -> (Output, Duration) {
        drop(self.child.stdin.take());
        let [stdout, stderr] = [read(self.child.stdout.take()), read(self.child.stderr.take())]
            .map(|text| text.recv_timeout(self.lifetime + PATIENCE).expect("the end of what a program writes"));
        // It has ended, or is about to, and is there until it is reaped.
        let delay = delay_of(&format!("/proc/{}/schedstat", self.id()));
        (Output { status: self.end(), stdout, stderr }, delay)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it was reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns for how long a thread was ready to run and did not; nothing if the system does not say.
pub(crate) fn delay_of(schedstat: &str) -> Duration {
    let text = fs::read_to_string(schedstat).unwrap_or_default();
    Duration::from_nanos(text.split(' ').nth(1).and_then(|nanoseconds| nanoseconds.parse().ok()).unwrap_or(0))
}

/// Runs a program to its end, and returns what it has written.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> Output {
    Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped())).output()
}

/// Reads all that comes from a pipe, by a thread of its own.
fn read(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (done, text) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes).unwrap();
        }
        // Nobody hears of it if the test has failed.
        let _ = done.send(bytes);
    });
    text
}
