//! What a process has done, in memory that survives it, so that what it leaves behind can be judged after a kill.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::MemfdFlags;

/// The notes of one holder of a role after the other. All are positions that do not pass 2^64.
pub(crate) struct Journal {
    file: File,
    memory: MmapRaw,
}

/// What a journal says.
struct Notes {
    start: u64,
    done: u64,
    reach: u64,
}

impl Journal {
    const LENGTH: usize = 4096;

    pub(crate) fn new() -> Journal {
        let file = File::from(rustix::fs::memfd_create("journal", MemfdFlags::CLOEXEC).unwrap());
        file.set_len(Self::LENGTH as u64).unwrap();
        Journal::of(file)
    }

    /// Returns the path by which a child opens this journal.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.file.as_raw_fd())
    }

    pub(crate) fn open(path: &str) -> Journal {
        Journal::of(OpenOptions::new().read(true).write(true).open(path).unwrap())
    }

    fn of(file: File) -> Journal {
        let memory = MmapOptions::new().len(Self::LENGTH).map_raw(&file).unwrap();
        Journal { file, memory }
    }

    /// Notes where a new holder begins.
    pub(crate) fn start(&self, position: u64) {
        // The reach before the rest: a kill between them leaves a call in flight that has done nothing.
        self.reach(position);
        self.done(position);
        self.word(0).store(position, Ordering::Release);
    }

    /// Notes that all calls up to this position have returned.
    pub(crate) fn done(&self, position: u64) {
        self.word(1).store(position, Ordering::Release);
    }

    /// Notes that the call that follows does not pass this position.
    pub(crate) fn reach(&self, position: u64) {
        self.word(2).store(position, Ordering::Release);
    }

    /// Returns where the last holder began.
    pub(crate) fn started(&self) -> u64 {
        self.notes().start
    }

    /// Returns up to where calls have returned.
    pub(crate) fn finished(&self) -> u64 {
        self.notes().done
    }

    fn notes(&self) -> Notes {
        let [start, done, reach] = [0, 1, 2].map(|at| self.word(at).load(Ordering::Acquire));
        Notes { start, done, reach }
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        // SAFETY: three words fit a page, which is aligned for them and lives as long as `self`; all access is by
        // atomics.
        unsafe { AtomicU64::from_ptr(self.memory.as_mut_ptr().cast::<u64>().wrapping_add(at)) }
    }

    /// Says what is wrong with the tail that a killed producer has left.
    pub(crate) fn judge_tail(&self, tail: u64) -> Result<(), String> {
        let Notes { done, reach, .. } = self.notes();
        match tail {
            _ if tail < done => Err(format!("elements from {tail} to {done} are lost: their pushes had returned")),
            _ if tail > reach => Err(format!("elements from {reach} to {tail} are invented")),
            _ => Ok(()),
        }
    }

    /// Says what is wrong with the head that a killed consumer has left: what it received never comes again, and what
    /// it has not asked for is not lost.
    pub(crate) fn judge_head(&self, head: u64) -> Result<(), String> {
        let Notes { start, done, reach } = self.notes();
        match head {
            _ if head < start => Err(format!("the head went back from {start} to {head}")),
            _ if head > reach => Err(format!("elements from {reach} to {head} are lost: nobody has read them")),
            _ if head < done => Err(format!("elements from {head} to {done} come again: their pops had returned")),
            _ => Ok(()),
        }
    }
}
