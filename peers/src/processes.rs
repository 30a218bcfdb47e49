//! Rings between this process and another one that it starts from the same program.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Lines, StdinLock, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, WaitId, WaitIdOptions, getppid, waitid};

use crate::processors;
use crate::subjects;
use crate::values::by_size;
use crate::work::{self, Receiver, Sender, Test, Work};

/// A crate whose rings connect processes.
pub(crate) trait Processes: 'static {
    type Sender<const WORDS: usize>: Sender;
    type Receiver<const WORDS: usize>: Receiver;

    /// Makes a ring of this name, as its producer.
    fn create<const WORDS: usize>(name: &str, work: Work) -> Result<Self::Sender<WORDS>, Box<dyn Error>>;

    /// Attaches to the ring of this name, which is there, as its consumer.
    fn attach<const WORDS: usize>(name: &str, work: Work) -> Result<Self::Receiver<WORDS>, Box<dyn Error>>;
}

/// Returns the path of a file in shared memory, for crates that take one.
pub(crate) fn path(name: &str) -> String {
    format!("/dev/shm/{name}")
}

/// The other process.
pub(crate) struct Worker {
    processor: usize,
    other: Other,
    measured: u32,
}

/// Its ends of the pipes.
struct Other {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Other {
    fn start(processor: usize) -> Result<Other, Box<dyn Error>> {
        let program = std::env::current_exe()?;
        let mut child = Command::new(program)
            .arg(format!("--worker={processor}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = child.stdin.take().ok_or("the other process has no standard input")?;
        let answers = child.stdout.take().ok_or("the other process has no standard output")?;
        Ok(Other { child, commands, answers: BufReader::new(answers) })
    }

    /// Returns the next line that it writes, unless that is an error.
    fn answer(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("the other process ended".into());
        }
        match line.trim_end().split_once("error: ") {
            Some((_, error)) => Err(error.into()),
            None => Ok(line.trim_end().to_owned()),
        }
    }
}

impl Worker {
    /// Starts it on this processor.
    pub(crate) fn start(processor: usize) -> Result<Worker, Box<dyn Error>> {
        Ok(Worker { processor, other: Other::start(processor)?, measured: 0 })
    }

    /// Returns the processor that it runs on.
    pub(crate) fn processor(&self) -> usize {
        self.processor
    }

    /// Measures once.
    pub(crate) fn measure<P: Processes>(&mut self, subject: &str, work: Work) -> Result<f64, Box<dyn Error>> {
        self.measured += 1;
        let name = format!("peers-{}-{}", std::process::id(), self.measured);
        let other = &mut self.other;
        let result = by_size!(work.size, drive::<P>(other, subject, &name, work));
        // Some crates leave their files behind, and what fails does.
        for name in [&name, &back(&name)] {
            let _ = fs::remove_file(path(name));
        }
        if result.is_err() {
            // Nobody knows what it still waits for.
            self.other.child.kill()?;
            self.other.child.wait()?;
            self.other = Other::start(self.processor)?;
        }
        result
    }

    /// Ends it.
    pub(crate) fn stop(mut self) -> Result<(), Box<dyn Error>> {
        drop(self.other.commands);
        let status = self.other.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the other process ended with {status}").into()) }
    }
}

/// Returns the name of the ring that leads back.
fn back(name: &str) -> String {
    format!("{name}b")
}

/// Does this process's part.
fn drive<P: Processes, const WORDS: usize>(
    other: &mut Other,
    subject: &str,
    name: &str,
    work: Work,
) -> Result<f64, Box<dyn Error>> {
    let mut tx = work::apart(P::create::<WORDS>(name, work)?);
    writeln!(other.commands, "{subject} {name} {work}")?;
    // It has attached, and made the ring that leads back.
    other.answer()?;
    let child = Pid::from_child(&other.child);
    let is_alive = || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(child), options), Ok(None))
    };
    if work.test == Test::Rtt {
        let mut rx = work::apart(P::attach::<WORDS>(&back(name), work)?);
        let result = work::ping(work, &mut *tx, &mut *rx, &is_alive)?;
        // It keeps its ends until this one needs nothing more from them.
        writeln!(other.commands, "finished")?;
        other.answer()?;
        return Ok(result);
    }
    work::send(work, &mut *tx, &is_alive)?;
    let result = other.answer()?.parse()?;
    writeln!(other.commands, "finished")?;
    other.answer()?;
    Ok(result)
}

/// What the other process reads.
pub(crate) type Commands = Lines<StdinLock<'static>>;

/// Runs the other process until its commands end.
pub(crate) fn run_worker(processor: usize) -> Result<(), Box<dyn Error>> {
    processors::pin(processor);
    let mut commands = std::io::stdin().lines();
    while let Some(line) = commands.next() {
        if let Err(error) = run(&line?, &mut commands) {
            println!("error: {error}");
        }
    }
    Ok(())
}

fn run(line: &str, commands: &mut Commands) -> Result<(), Box<dyn Error>> {
    let bad = || format!("command {line:?}; expected subject, name and work");
    let (subject, rest) = line.split_once(' ').ok_or_else(bad)?;
    let (name, work) = rest.split_once(' ').ok_or_else(bad)?;
    subjects::answer(subject, name, work.parse()?, commands)
}

/// Does the other process's part.
pub(crate) fn answer<P: Processes>(name: &str, work: Work, commands: &mut Commands) -> Result<(), Box<dyn Error>> {
    by_size!(work.size, answer_sized::<P>(name, work, commands))
}

fn answer_sized<P: Processes, const WORDS: usize>(
    name: &str,
    work: Work,
    commands: &mut Commands,
) -> Result<(), Box<dyn Error>> {
    let parent = getppid();
    let is_alive = || getppid() == parent;
    let mut rx = work::apart(P::attach::<WORDS>(name, work)?);
    if work.test == Test::Rtt {
        let mut tx = work::apart(P::create::<WORDS>(&back(name), work)?);
        println!("attached");
        work::pong(work, &mut *tx, &mut *rx, &is_alive)?;
        commands.next().ok_or("the commands ended")??;
    } else {
        println!("attached");
        println!("{}", work::receive(work, &mut *rx, &is_alive)?);
        commands.next().ok_or("the commands ended")??;
    }
    println!("done");
    Ok(())
}
