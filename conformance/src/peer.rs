//! A program under test: it is started, told what to do, heard, and ended. No wait is without a limit.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal};

use crate::protocol::{Answer, Kind, VERSION, line, parse};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(12);

/// A program that speaks the protocol, and its arguments.
#[derive(Clone, Debug)]
pub struct Program {
    words: Vec<String>,
    /// What it calls itself, and how much of the document it does.
    pub title: String,
    /// What it lacks.
    pub lacks: Vec<String>,
}

impl Program {
    /// Takes a command line, and asks the program who it is. `rust-peer` is the one that is built with this kit.
    ///
    /// # Errors
    ///
    /// It cannot be started, or speaks another protocol.
    pub fn new(line: &str) -> Result<Program> {
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        ensure!(!words.is_empty(), "the command line of a peer is empty");
        if words[0] == "rust-peer" {
            words[0] = sibling()?.to_str().context("the path of rust-peer is no text")?.to_owned();
        }
        let mut program = Program { words, title: line.to_owned(), lacks: Vec::new() };
        let mut peer = program.start()?;
        let hello = peer.ok("hello")?;
        let expected = format!("ringmain-conformance {VERSION} ");
        let rest = hello.strip_prefix(&expected);
        let rest = rest.with_context(|| format!("{line} says {hello:?}, expected {expected:?} first"))?;
        let mut said = rest.split(' ').map(str::to_owned);
        let (name, profile) = (said.next().unwrap_or_default(), said.next().unwrap_or_default());
        ensure!(["smallest", "full"].contains(&&*profile), "{line} has the profile {profile:?}");
        program.title = if profile == "full" { name } else { format!("{name} {profile}") };
        program.lacks = said.collect();
        peer.ends()?;
        Ok(program)
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn start(&self) -> Result<Peer> {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {:?}", self.words))?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("a child without an output")?;
        let (said, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                if said.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
        let (title, asked) = (self.title.clone(), String::new());
        Ok(Peer { title, child, input, answers, asked, answered: Cell::new(Instant::now()) })
    }
}

/// Returns where the Rust peer lies: beside this program.
fn sibling() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.parent().context("a program without a folder")?.join("rust-peer"))
}

/// A running program. It is killed with its guard.
#[derive(Debug)]
pub struct Peer {
    title: String,
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<(Instant, String)>,
    asked: String,
    answered: Cell<Instant>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Peer {
    /// Sends a command, and does not wait for what it answers.
    ///
    /// # Errors
    ///
    /// The program is gone.
    pub fn send(&mut self, command: &str) -> Result<()> {
        command.clone_into(&mut self.asked);
        let input = self.input.as_mut().context("a program whose input has ended")?;
        let sent = input.write_all(format!("{command}\n").as_bytes());
        sent.with_context(|| format!("{} does not hear `{command}`", self.title))
    }

    /// Returns the answer, if it comes within this time.
    ///
    /// # Errors
    ///
    /// The program is gone, or says what is no answer.
    pub fn answer_within(&mut self, limit: Duration) -> Result<Option<Answer>> {
        match self.answers.recv_timeout(limit) {
            Ok((at, line)) => {
                self.answered.set(at);
                parse(&line).with_context(|| format!("{} to `{}`", self.title, self.asked)).map(Some)
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.status();
                bail!("{} is gone and has not answered `{}`: {status}", self.title, self.asked)
            }
        }
    }

    /// Returns when it gave the last answer.
    #[must_use]
    pub fn answered(&self) -> Instant {
        self.answered.get()
    }

    /// Returns the answer.
    ///
    /// # Errors
    ///
    /// None comes.
    pub fn answer(&mut self) -> Result<Answer> {
        let answer = self.answer_within(PATIENCE)?;
        answer.with_context(|| format!("{} does not answer `{}` within {PATIENCE:?}", self.title, self.asked))
    }

    /// Sends a command and returns the answer.
    ///
    /// # Errors
    ///
    /// None comes.
    pub fn ask(&mut self, command: &str) -> Result<Answer> {
        self.send(command)?;
        self.answer()
    }

    /// Sends a command that must succeed, and returns the words behind `ok`.
    ///
    /// # Errors
    ///
    /// It is refused.
    pub fn ok(&mut self, command: &str) -> Result<String> {
        let answer = self.ask(command)?;
        answer.map_err(|refusal| self.wonder(&Err(refusal), "ok"))
    }

    /// Checks that the command which was sent succeeds, with these words behind `ok`.
    ///
    /// # Errors
    ///
    /// It says something else.
    pub fn answers(&mut self, expected: &str) -> Result<()> {
        let answer = self.answer()?;
        match &answer {
            Ok(words) if words == expected => Ok(()),
            _ => Err(self.wonder(&answer, &line(&Ok(expected.to_owned())))),
        }
    }

    /// As `answers`, if an answer comes within this time; returns whether it did.
    ///
    /// # Errors
    ///
    /// It says something else.
    pub fn answers_within(&mut self, limit: Duration, expected: &str) -> Result<bool> {
        match self.answer_within(limit)? {
            None => Ok(false),
            Some(Ok(words)) if words == expected => Ok(true),
            Some(answer) => Err(self.wonder(&answer, &line(&Ok(expected.to_owned())))),
        }
    }

    /// Sends a command that must succeed with these words.
    ///
    /// # Errors
    ///
    /// It says something else.
    pub fn says(&mut self, command: &str, expected: &str) -> Result<()> {
        self.send(command)?;
        self.answers(expected)
    }

    /// Checks that the command which was sent is refused for one of these reasons, and returns the words behind it.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn is_refused(&mut self, kinds: &[Kind]) -> Result<String> {
        let answer = self.answer()?;
        match answer {
            Err(refusal) if kinds.contains(&refusal.kind) => Ok(refusal.text),
            _ => {
                let kinds: Vec<String> = kinds.iter().map(|kind| format!("err {kind}")).collect();
                Err(self.wonder(&answer, &kinds.join(" or ")))
            }
        }
    }

    /// Sends a command that must be refused for this reason.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn refuses(&mut self, command: &str, kind: Kind) -> Result<String> {
        self.send(command)?;
        self.is_refused(&[kind])
    }

    /// As `refuses`, with a number behind the kind.
    ///
    /// # Errors
    ///
    /// It is not refused so, or with another number.
    pub fn refuses_with(&mut self, command: &str, kind: Kind, number: u64) -> Result<()> {
        let text = self.refuses(command, kind)?;
        let found = text.split(' ').next().unwrap_or_default();
        ensure!(
            found == number.to_string(),
            "{} answers `{command}` with err {kind} {text}, expected err {kind} {number}",
            self.title
        );
        Ok(())
    }

    fn wonder(&self, answer: &Answer, expected: &str) -> anyhow::Error {
        let (title, asked) = (&self.title, &self.asked);
        anyhow!("{title} answers `{asked}` with `{}`, expected `{expected}`", line(answer))
    }

    /// Returns its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// It is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).context("a child without a number")?;
        rustix::process::kill_process(pid, signal).with_context(|| format!("{} cannot be reached", self.title))
    }

    /// Kills it, and waits until the system has taken it down.
    ///
    /// # Errors
    ///
    /// It has ended before.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        let status = self.child.wait()?;
        ensure!(status.signal() == Some(9), "{} has ended before it was killed: {status}", self.title);
        Ok(())
    }

    /// Sends a command behind which it kills itself, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// It does anything else.
    pub fn dies(mut self, command: &str) -> Result<()> {
        self.send(command)?;
        match self.answers.recv_timeout(PATIENCE) {
            Ok((_, line)) => bail!("{} answers `{command}` with `{line}`, expected its death", self.title),
            Err(RecvTimeoutError::Timeout) => bail!("{} outlives `{command}`", self.title),
            Err(RecvTimeoutError::Disconnected) => {}
        }
        let status = self.wait()?;
        ensure!(status.signal() == Some(9), "`{command}` ends {} with {status}, expected SIGKILL", self.title);
        Ok(())
    }

    /// Ends its input, at which it leaves in order and exits.
    ///
    /// # Errors
    ///
    /// It does not exit with status 0.
    pub fn ends(mut self) -> Result<()> {
        self.input = None;
        let status = self.wait()?;
        ensure!(status.success(), "{} ends with {status} at the end of its input, expected 0", self.title);
        Ok(())
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < end, "{} does not exit within {PATIENCE:?}", self.title);
            thread::sleep(Duration::from_micros(200));
        }
    }

    fn status(&mut self) -> String {
        thread::sleep(Duration::from_millis(20));
        match self.child.try_wait() {
            Ok(Some(status)) => status.to_string(),
            _ => "it still runs, and has closed its output".to_owned(),
        }
    }

    /// Returns whether all of its threads sleep: none runs, and none waits for a processor.
    #[must_use]
    pub fn rests(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.pid())) else { return false };
        let mut stats = threads.flatten().map(|thread| fs::read_to_string(thread.path().join("stat")));
        stats.all(|stat| stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))))
    }
}
