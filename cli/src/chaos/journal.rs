//! What the two ends of a ring have done, in memory that survives them, so that a kill can be judged.

#![allow(unsafe_code, reason = "the words of a journal lie in a mapping that several processes share")]

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::process;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use anyhow::{Context, Result};
use clap::ValueEnum;
use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::MemfdFlags;

use super::finding::Fault;
use super::plan::Side;

/// The length of a journal in bytes, and of the part that each side has of it.
const LENGTH: usize = 4096;
const PART: usize = 2048;

/// Where a side's complaint is written within its part, and how long it can be.
const COMPLAINT: usize = 1024;
const LONGEST_COMPLAINT: usize = 1024;

/// A word of one side. Positions are modulo 2^64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Where the holder began.
    Start,
    /// Up to where its calls have returned.
    Done,
    /// What the call that it is in does not pass.
    Reach,
    /// Its generation, once it holds the role.
    Attached,
    /// What it is asked to do, one of those in [`request`].
    Asked,
    /// The last generation that began to leave in order.
    Closing,
    /// The last generation that has left in order.
    Closed,
    /// The last generation that was killed, written before the kill.
    Doomed,
    /// The last generation that was killed, written when it was gone.
    Dead,
    /// 1 while no process is there that has the role, or may be about to take it.
    Vacant,
    /// Of a consumer: the last producer whose end a consumer was told by a call, or left in order.
    Heard,
    /// Of a consumer: the last producer whose end no consumer can have been told yet.
    Untold,
    /// The generation that began to read without a wait, and that has read all that there will be.
    Emptying,
    Emptied,
    /// The last generations of the other side that this one was told had crashed, had closed.
    ToldCrashed,
    ToldClosed,
    /// 1 once it was told that the name is gone.
    ToldOrphaned,
    /// 1 once the supervisor is about to remove the name.
    Unlinked,
    /// How many elements or messages it has delivered, and how many calls it has made.
    Delivered,
    Calls,
    /// The kind of fault that it found, a number of [`Fault`], and the length of what it says about it.
    Fault,
    ComplaintLength,
}

/// What the supervisor asks of an end.
pub(crate) mod request {
    pub(crate) const GO_ON: u64 = 0;
    /// Leave in order.
    pub(crate) const CLOSE: u64 = 1;
    /// Read until nothing is there and nothing can come, then leave in order.
    pub(crate) const DRAIN: u64 = 2;
    /// Read, without a wait, until nothing is there and nothing can come; then stay.
    pub(crate) const EMPTY: u64 = 3;
}

/// The notes of one holder of a role after the other, for both roles of one ring.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    memory: MmapRaw,
}

impl Journal {
    pub(crate) fn new() -> Result<Journal> {
        let file = rustix::fs::memfd_create("ringmain-chaos", MemfdFlags::CLOEXEC).context("memfd_create failed")?;
        let file = File::from(file);
        file.set_len(LENGTH as u64)?;
        Journal::of(file)
    }

    /// Returns the path by which another process opens this journal, for as long as this one lives.
    pub(crate) fn path(&self) -> String {
        path_of(&self.file)
    }

    pub(crate) fn open(path: &str) -> Result<Journal> {
        Journal::of(OpenOptions::new().read(true).write(true).open(path)?)
    }

    fn of(file: File) -> Result<Journal> {
        let memory = MmapOptions::new().len(LENGTH).map_raw(&file).context("cannot map a journal")?;
        Ok(Journal { file, memory })
    }

    pub(crate) fn read(&self, side: Side, entry: Entry) -> u64 {
        self.word(side, entry).load(Ordering::Acquire)
    }

    pub(crate) fn write(&self, side: Side, entry: Entry, value: u64) {
        self.word(side, entry).store(value, Ordering::Release);
    }

    pub(crate) fn add(&self, side: Side, entry: Entry, value: u64) {
        // One process writes it.
        self.write(side, entry, self.read(side, entry).wrapping_add(value));
    }

    /// Notes where a new holder begins.
    pub(crate) fn start(&self, side: Side, position: u64) {
        // The reach before the rest: a kill between them leaves a call in flight that has done nothing.
        self.write(side, Entry::Reach, position);
        self.write(side, Entry::Done, position);
        self.write(side, Entry::Start, position);
    }

    /// Notes what is wrong, for the supervisor. The first complaint of a side stands.
    pub(crate) fn complain(&self, side: Side, fault: Fault, text: &str) {
        if self.read(side, Entry::Fault) != 0 {
            return;
        }
        let len = text.len().min(LONGEST_COMPLAINT);
        for (at, &byte) in text.as_bytes()[..len].iter().enumerate() {
            self.byte(side, at).store(byte, Ordering::Relaxed);
        }
        self.write(side, Entry::ComplaintLength, len as u64);
        self.write(side, Entry::Fault, fault as u64 + 1);
    }

    /// Returns what a side has found wrong.
    pub(crate) fn complaint(&self, side: Side) -> Option<(Fault, String)> {
        let number = self.read(side, Entry::Fault).checked_sub(1)?;
        let fault = Fault::value_variants().get(number as usize).copied().unwrap_or(Fault::Other);
        let len = (self.read(side, Entry::ComplaintLength) as usize).min(LONGEST_COMPLAINT);
        let text: Vec<u8> = (0..len).map(|at| self.byte(side, at).load(Ordering::Relaxed)).collect();
        Some((fault, String::from_utf8_lossy(&text).into_owned()))
    }

    fn word(&self, side: Side, entry: Entry) -> &AtomicU64 {
        let word = self.memory.as_mut_ptr().wrapping_add(PART * side as usize + 8 * entry as usize);
        // SAFETY: the words of both parts lie in the mapping, which is aligned to a page and lives as long as `self`;
        // every access of any process is atomic.
        unsafe { AtomicU64::from_ptr(word.cast()) }
    }

    fn byte(&self, side: Side, at: usize) -> &AtomicU8 {
        assert!(at < LONGEST_COMPLAINT);
        let byte = self.memory.as_mut_ptr().wrapping_add(PART * side as usize + COMPLAINT + at);
        // SAFETY: it lies in the mapping, behind the words of its part, and every access is atomic.
        unsafe { AtomicU8::from_ptr(byte) }
    }
}

/// Returns the path by which another process opens a file of this one.
pub(crate) fn path_of(file: &File) -> String {
    format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd())
}
