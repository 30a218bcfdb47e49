//! ringmain, between this process and another one that it starts from the same program.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use ringmain::stream::{Consumer, Producer};
use ringmain::{Options, PeerState, message};

use crate::processors;
use crate::values::{self, Value};
use crate::work::{self, BATCH, End, Sender, Work};

impl End for Producer<u64> {
    fn is_alive(&self) -> bool {
        self.peer_state() == PeerState::Alive
    }
}

impl End for Consumer<u64> {
    fn is_alive(&self) -> bool {
        self.peer_state() == PeerState::Alive
    }
}

impl Sender for Producer<u64> {
    #[inline(always)]
    fn push(&mut self, value: u64) -> Option<()> {
        Producer::push(self, value).ok()
    }

    #[inline(always)]
    fn push_batch(&mut self, first: u64) -> Option<()> {
        let mut claim = self.claim(BATCH).ok()?;
        claim.fill(first..first + BATCH as u64);
        claim.commit();
        Some(())
    }
}

impl work::Receiver for Consumer<u64> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        Consumer::pop(self).ok()
    }

    #[inline(always)]
    fn pop_batch(&mut self) -> Option<u64> {
        let peek = self.peek(BATCH).ok()?;
        let sum = peek.iter().fold(0, u64::wrapping_add);
        peek.release();
        Some(sum)
    }
}

impl End for message::Producer {
    fn is_alive(&self) -> bool {
        self.peer_state() == PeerState::Alive
    }
}

impl End for message::Consumer {
    fn is_alive(&self) -> bool {
        self.peer_state() == PeerState::Alive
    }
}

impl Sender for message::Producer {
    #[inline(always)]
    fn push(&mut self, value: u64) -> Option<()> {
        self.push_value(&values::of_number(value)).ok()
    }

    #[inline(always)]
    fn push_batch(&mut self, first: u64) -> Option<()> {
        let mut batch = self.batch();
        for number in first..first + BATCH as u64 {
            batch.push_value(&values::of_number(number)).ok()?;
        }
        batch.commit();
        Some(())
    }
}

impl work::Receiver for message::Consumer {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        self.pop_value::<Value>().ok().map(values::number)
    }

    #[inline(always)]
    fn pop_batch(&mut self) -> Option<u64> {
        (0..BATCH).try_fold(0, |sum: u64, _| Some(sum.wrapping_add(work::Receiver::pop(self)?)))
    }
}

/// The other process.
pub(crate) struct Receiver {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    measured: u32,
}

impl Receiver {
    pub(crate) fn start(processor: usize) -> Result<Receiver, Box<dyn Error>> {
        let program = std::env::current_exe()?;
        let mut child = Command::new(program)
            .arg(format!("--receiver={processor}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = child.stdin.take().ok_or("the other process has no standard input")?;
        let answers = child.stdout.take().ok_or("the other process has no standard output")?;
        Ok(Receiver { child, commands, answers: BufReader::new(answers), measured: 0 })
    }

    /// Measures once.
    pub(crate) fn measure(&mut self, work: Work) -> Result<f64, Box<dyn Error>> {
        self.measured += 1;
        let name = format!("peers-{}-{}", std::process::id(), self.measured);
        let options = |name| Options::new(name).capacity(work.capacity).alignment(work.align).unlink_on_close(true);
        let (there, back) = (options(name.clone()), options(format!("{name}b")));
        if work.test.has_values() {
            self.drive(work, &name, there.message_producer()?, back.message_consumer()?)
        } else {
            self.drive(work, &name, there.stream_producer()?, back.stream_consumer::<u64>()?)
        }
    }

    /// Does this process's part, with the rings of this name.
    fn drive<S: Sender, R: work::Receiver>(
        &mut self,
        work: Work,
        name: &str,
        tx: S,
        back_rx: R,
    ) -> Result<f64, Box<dyn Error>> {
        let (mut tx, mut back_rx) = (work::apart(tx), work::apart(back_rx));
        writeln!(self.commands, "{name} {work}")?;
        // It has attached to both rings.
        self.answer()?;
        if work.test.is_rtt() {
            let result = work::ping(work, &mut *tx, &mut *back_rx)?;
            self.answer()?;
            return Ok(result);
        }
        work::send(work, &mut *tx)?;
        Ok(self.answer()?.parse()?)
    }

    fn answer(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("the other process ended".into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Ends the other process.
    pub(crate) fn stop(mut self) -> Result<(), Box<dyn Error>> {
        drop(self.commands);
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the other process ended with {status}").into()) }
    }
}

/// Runs the other process until its commands end.
pub(crate) fn receive(processor: usize) -> Result<(), Box<dyn Error>> {
    processors::pin(processor);
    for line in std::io::stdin().lines() {
        let line = line?;
        let (name, work) = line.split_once(' ').ok_or_else(|| format!("command {line:?}; expected name and work"))?;
        let work: Work = work.parse()?;
        let attach = |name: &str| Options::new(name).wait_for(Duration::from_secs(5));
        let (there, back) = (attach(name), attach(&format!("{name}b")));
        if work.test.has_values() {
            answer(work, there.message_consumer()?, back.message_producer()?)?;
        } else {
            answer(work, there.stream_consumer()?, back.stream_producer::<u64>()?)?;
        }
    }
    Ok(())
}

/// Does the other process's part.
fn answer<R: work::Receiver, S: Sender>(work: Work, rx: R, back_tx: S) -> Result<(), Box<dyn Error>> {
    let (mut rx, mut back_tx) = (work::apart(rx), work::apart(back_tx));
    println!("attached");
    if work.test.is_rtt() {
        work::pong(work, &mut *back_tx, &mut *rx)?;
        println!("done");
    } else {
        println!("{}", work::receive(work, &mut *rx)?);
    }
    Ok(())
}
