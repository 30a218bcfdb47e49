//! A process of a site, and what it says.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context, Result, bail};
use ringmain_measure::Channel;
use rustix::fs::{MemfdFlags, OFlags, fcntl_setfl, memfd_create};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

/// How long anything may take that must happen soon.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How much of what a process says is kept for a report, in bytes.
const SHOWN: u64 = 4096;

/// What processes say, in memory: those that use one write behind each other.
#[derive(Debug)]
pub struct Log(File);

impl Log {
    /// Makes an empty one.
    ///
    /// # Errors
    /// - there is no memory
    pub fn new() -> Result<Log> {
        let file = memfd_create("lab-log", MemfdFlags::CLOEXEC).context("cannot make a file in memory")?;
        fcntl_setfl(&file, OFlags::APPEND).context("cannot append to a file in memory")?;
        Ok(Log(file.into()))
    }

    fn share(&self) -> Result<OwnedFd> {
        self.0.as_fd().try_clone_to_owned().context("cannot share a log")
    }

    /// Returns all that was said.
    ///
    /// # Errors
    /// - it cannot be read
    pub fn text(&self) -> Result<String> {
        self.text_from(0)
    }

    /// Returns the last of what was said.
    ///
    /// # Errors
    /// - it cannot be read
    pub fn last(&self) -> Result<String> {
        self.text_from(self.len()?.saturating_sub(SHOWN))
    }

    /// Returns how many bytes were said.
    ///
    /// # Errors
    /// - the system does not say
    pub fn len(&self) -> Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// Returns whether nothing was said.
    ///
    /// # Errors
    /// - the system does not say
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    fn text_from(&self, start: u64) -> Result<String> {
        // Another description of the file, with an offset of its own.
        let mut file = File::open(crate::ends::journal::path_of(&self.0))?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// A process. It is killed and reaped when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    what: String,
}

impl Process {
    /// Starts a program that says what it says into a log.
    ///
    /// # Errors
    /// - it cannot be started
    pub fn start(what: &str, command: &mut Command, log: &Log) -> Result<Process> {
        command.stdin(Stdio::null()).stdout(log.share()?).stderr(log.share()?);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Process { child, what: what.to_owned() })
    }

    /// Starts a program that finds a packet at its standard input, and says what it says into a log.
    ///
    /// # Errors
    /// - it cannot be started
    pub fn start_with(what: &str, mut command: Command, packet: &impl Serialize, log: &Log) -> Result<Process> {
        command.stdout(log.share()?).stderr(log.share()?);
        let (child, _) = Channel::start(command, packet)?;
        Ok(Process { child, what: what.to_owned() })
    }

    /// Starts a program whose output is wanted.
    ///
    /// # Errors
    /// - it cannot be started
    pub fn start_to_tell(what: &str, command: &mut Command) -> Result<Process> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Process { child, what: what.to_owned() })
    }

    /// Returns its pid.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, and returns what it told.
    ///
    /// # Errors
    /// - it fails, or tells nothing within this time
    pub fn told(mut self, patience: Duration) -> Result<String> {
        let mut pipe = self.child.stdout.take().context("its output was not asked for")?;
        let reader = thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).map(|_| text)
        });
        let status = self.end_within(patience)?;
        let text = reader.join().expect("no panic")?;
        anyhow::ensure!(status.success(), "the {} ended with {status}: {text}", self.what);
        Ok(text)
    }

    /// Returns how it ended, if it has.
    ///
    /// # Errors
    /// - the system does not say
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// - it does not end within this time
    pub fn end_within(&mut self, patience: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            match self.child.try_wait()? {
                Some(status) => return Ok(status),
                None if start.elapsed() > patience => bail!("the {} has not ended in {patience:?}", self.what),
                None => thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// - it is gone
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Kills it, whatever it is doing.
    ///
    /// # Errors
    /// - it cannot be killed
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Returns how much memory it has, and had at most, in bytes.
    ///
    /// # Errors
    /// - it is gone
    pub fn memory(&self) -> Result<[u64; 2]> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let field = |name| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
            let kibibytes: u64 = line.split_whitespace().next().context("no number")?.parse()?;
            Ok(kibibytes << 10)
        };
        Ok([field("VmRSS:")?, field("VmHWM:")?])
    }

    /// Returns for how long its threads, those that still live, have run.
    ///
    /// # Errors
    /// - it is gone
    pub fn processor_time(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            // One that has ended meanwhile is not counted.
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            nanoseconds += text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for one that was reaped.
        let _: io::Result<()> = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `look` finds something.
///
/// # Errors
/// - it finds nothing within the patience, or fails
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        match look()? {
            Some(found) => return Ok(found),
            None if start.elapsed() > PATIENCE => bail!("waited {PATIENCE:?} in vain for {what}"),
            None => thread::sleep(Duration::from_millis(2)),
        }
    }
}
