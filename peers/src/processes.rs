//! Rings between this process and another one that it starts from the same program.

use std::error::Error;
use std::fs;
use std::process::Child;

use ringmain_measure::{Channel, again, pin};
use serde::{Deserialize, Serialize};

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

/// The name under which this program is the other process.
pub(crate) const WORKER: &str = "peers-worker";

/// The other process.
pub(crate) struct Worker {
    processor: usize,
    child: Child,
    channel: Channel,
    measured: u32,
}

/// What it is told: to do its part for a subject, over the ring of this name.
#[derive(Serialize, Deserialize)]
struct Task {
    subject: String,
    ring: String,
    work: Work,
}

/// What either process tells the other when it has come so far: a figure, if it has one.
type Reply = Result<Option<f64>, String>;

/// Waits for what the other process tells.
fn await_reply(channel: &Channel) -> Result<Option<f64>, Box<dyn Error>> {
    let (reply, _) = channel.receive::<Reply>()?.ok_or("the other process ended")?;
    Ok(reply?)
}

fn start(processor: usize) -> Result<(Child, Channel), Box<dyn Error>> {
    Ok(Channel::start(again(WORKER), &processor)?)
}

impl Worker {
    /// Starts it on this processor.
    pub(crate) fn start(processor: usize) -> Result<Worker, Box<dyn Error>> {
        let (child, channel) = start(processor)?;
        Ok(Worker { processor, child, channel, measured: 0 })
    }

    /// Returns the processor that it runs on.
    pub(crate) fn processor(&self) -> usize {
        self.processor
    }

    /// Measures once.
    pub(crate) fn measure<P: Processes>(&mut self, subject: &str, work: Work) -> Result<f64, Box<dyn Error>> {
        self.measured += 1;
        let ring = format!("peers-{}-{}", std::process::id(), self.measured);
        let task = Task { subject: subject.to_owned(), ring: ring.clone(), work };
        let result = by_size!(work.size, drive::<P>(&self.channel, &task));
        // Some crates leave their files behind, and what fails does.
        for name in [&ring, &back(&ring)] {
            let _ = fs::remove_file(path(name));
        }
        if result.is_err() {
            // Nobody knows what it still waits for.
            self.child.kill()?;
            self.child.wait()?;
            (self.child, self.channel) = start(self.processor)?;
        }
        result
    }

    /// Ends it.
    pub(crate) fn stop(mut self) -> Result<(), Box<dyn Error>> {
        drop(self.channel);
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the other process ended with {status}").into()) }
    }
}

/// Returns the name of the ring that leads back.
fn back(name: &str) -> String {
    format!("{name}b")
}

/// Does this process's part.
fn drive<P: Processes, const WORDS: usize>(channel: &Channel, task: &Task) -> Result<f64, Box<dyn Error>> {
    let work = task.work;
    let mut tx = work::apart(P::create::<WORDS>(&task.ring, work)?);
    channel.send(task, &[])?;
    // It has attached, and made the ring that leads back.
    await_reply(channel)?;
    let is_rtt = work.test == Test::Rtt;
    let mut rx = is_rtt.then(|| P::attach::<WORDS>(&back(&task.ring), work).map(work::apart)).transpose()?;
    let is_alive = || !channel.closes_within(0);
    let result = match &mut rx {
        Some(rx) => work::ping(work, &mut **tx, &mut ***rx, &is_alive)?,
        None => {
            work::send(work, &mut **tx, &is_alive)?;
            await_reply(channel)?.ok_or("the other process has no figure")?
        }
    };
    // Each keeps its ends until the other one needs nothing more from them.
    channel.send(&Reply::Ok(None), &[])?;
    await_reply(channel)?;
    Ok(result)
}

/// Does the other process's part for the subject of a name, over the ring of another name.
type Answer = fn(&str, &str, Work, &Channel) -> Result<(), Box<dyn Error>>;

/// Runs the other process until its channel closes.
pub(crate) fn run_worker(answer: Answer) -> Result<(), Box<dyn Error>> {
    let channel = Channel::from_stdin()?;
    let Some((processor, _)) = channel.receive()? else { return Ok(()) };
    pin(processor)?;
    while let Some((Task { subject, ring, work }, _)) = channel.receive()? {
        let answered = answer(&subject, &ring, work, &channel);
        let reply: Reply = answered.map(|()| None).map_err(|error| error.to_string());
        channel.send(&reply, &[])?;
    }
    Ok(())
}

/// Does the other process's part.
pub(crate) fn answer<P: Processes>(ring: &str, work: Work, channel: &Channel) -> Result<(), Box<dyn Error>> {
    by_size!(work.size, answer_sized::<P>(ring, work, channel))
}

fn answer_sized<P: Processes, const WORDS: usize>(
    ring: &str,
    work: Work,
    channel: &Channel,
) -> Result<(), Box<dyn Error>> {
    let mut rx = work::apart(P::attach::<WORDS>(ring, work)?);
    let is_rtt = work.test == Test::Rtt;
    let mut tx = is_rtt.then(|| P::create::<WORDS>(&back(ring), work).map(work::apart)).transpose()?;
    channel.send(&Reply::Ok(None), &[])?;
    let is_alive = || !channel.closes_within(0);
    match &mut tx {
        Some(tx) => work::pong(work, &mut ***tx, &mut **rx, &is_alive)?,
        None => channel.send(&Reply::Ok(Some(work::receive(work, &mut **rx, &is_alive)?)), &[])?,
    }
    await_reply(channel)?;
    Ok(())
}
