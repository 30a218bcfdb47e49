//! How the ring of a life is made, and the processes at its ends are started and looked at.

use std::fs;
use std::process::{self, Child};

use anyhow::{Context, Result};
use ringmain::Options;
use ringmain_measure::{Channel, again};

use super::content::Element;
use super::job::{Files, Job, NAME};
use super::plan::{Kind, Life, Manner, Side};
use super::shared::Shared;

/// Makes the ring of a life, with its first holders, that leave at once. Returns the length of its longest message.
pub(super) fn create(name: &str, life: &Life) -> Result<usize> {
    let options = Options::new(name).capacity(life.capacity).record_alignment(life.alignment);
    match life.kind {
        Kind::Stream => {
            options.stream_producer::<Element>()?.close()?;
            options.stream_consumer::<Element>()?.close()?;
            Ok(0)
        }
        Kind::Message => {
            let tx = options.message_producer()?;
            let longest = tx.max_len().min(life.longest);
            tx.close()?;
            options.message_consumer()?.close()?;
            Ok(longest)
        }
    }
}

pub(super) fn job(name: &str, life: &Life, side: Side, manner: Manner, shared: &Shared, files: Option<Files>) -> Job {
    Job {
        supervisor: process::id().cast_signed(),
        kind: life.kind,
        side,
        name: name.to_owned(),
        capacity: files.is_none().then_some(life.capacity),
        files,
        alignment: life.alignment,
        longest: life.longest,
        salt: life.salt,
        manner,
        plant: shared.plant,
    }
}

/// Starts a worker.
pub(super) fn spawn(shared: &Shared, job: &Job) -> Result<Child> {
    let mut program = again(NAME);
    program.stdout(shared.keeper.share()?);
    let (child, _) = Channel::start(program, job).context("cannot start a worker")?;
    Ok(child)
}

pub(super) fn is_running(pid: u32) -> bool {
    !process_state(pid).starts_with(['Z', 'X', '-'])
}

/// Returns the kernel's letter for what a process does, and where it sleeps.
pub(super) fn process_state(pid: u32) -> String {
    let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let stat = read("stat");
    // The name in parentheses may hold anything.
    let state = stat.rsplit_once(") ").and_then(|(_, fields)| fields.chars().next()).unwrap_or('-');
    format!("{state}, pid {pid}, in {:?}, system call {:?}", read("wchan"), read("syscall").trim())
}
