//! How a holder detaches: by words of the header that the kernel reads and writes for this process.
//!
//! Another process may truncate the object, or punch holes into it, at any moment. An access through the mapping would
//! then raise `SIGBUS`, even right after a check; a system call returns an error. Then no presence is stored, and the
//! other end finds by the lock that the holder has exited.

use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU64;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::futex;
use super::layout::Header;
use super::object;
use super::unmapped::Unmapped;
use crate::ring::leave::{self, IndirectWord, Words};
use crate::ring::memory::Role;

/// A role that is being given up.
#[derive(Clone, Copy)]
pub(super) struct Detaching<'a> {
    /// It is mapped, but its page may be missing.
    pub(super) header: &'a Header,
    /// A descriptor of the object.
    pub(super) file: BorrowedFd<'a>,
    pub(super) role: Role,
}

impl<'a> Detaching<'a> {
    /// Stores that the holder of `generation` detached in order, and wakes its peer. If the ring is handed over,
    /// nothing counts as told.
    pub(super) fn leave(&self, generation: u64, hands_over: bool) {
        let (slot, peer) = (self.header.slot(self.role), self.header.slot(self.role.peer()));
        let told = self.word(&slot.needed_or_told);
        let [parking, wakes] = [&slot.parking, &slot.wakes].map(|word| self.word(word));
        let words = Words {
            presence: &self.word(&slot.presence),
            parking_and_wakes: Some((&parking, &wakes)),
            told: (self.role == Role::Consumer && !hands_over).then_some(&told),
            peer: &self.word(&peer.presence),
        };
        leave::leave(&words, generation);
        // The other end may sleep in either way.
        object::read(self.file);
        futex::wake(&slot.wakes);
    }

    /// Clears the requests for fences and reads, and stores nothing else.
    pub(super) fn clear_requests(&self) {
        leave::clear_requests(&self.word(&self.header.slot(self.role).parking));
    }

    fn word(&self, word: &'a AtomicU64) -> IndirectWord<Word<'a>> {
        let offset = word.as_ptr() as usize - (&raw const *self.header) as usize;
        IndirectWord(Word { word, file: self.file, offset: offset as u64 })
    }
}

/// A word of the header.
#[derive(Clone, Copy, Debug)]
struct Word<'a> {
    word: &'a AtomicU64,
    file: BorrowedFd<'a>,
    /// Where it lies in the object.
    offset: u64,
}

impl leave::IndirectAccess for Word<'_> {
    /// A missing word reads as 0.
    fn get(&self) -> u64 {
        Unmapped(self.file).value(self.offset)
    }

    fn put(&self, value: u64) {
        match futex::store_by_syscall(self.word, self.get(), value) {
            Ok(()) | Err(Errno::FAULT) => {}
            // This process may not use futexes. A peer may load a part of the bytes, and then checks again.
            Err(_) if self.is_within() => {
                // If it fails, the word stays as it is.
                let _ = rustix::io::retry_on_intr(|| rustix::io::pwrite(self.file, &value.to_ne_bytes(), self.offset));
            }
            Err(_) => {}
        }
    }
}

impl Word<'_> {
    /// Returns whether a write to the object neither makes it longer nor passes the limit of this process, which would
    /// be a signal.
    fn is_within(&self) -> bool {
        let end = self.offset + 8;
        let is_there = object::stat(self.file).is_ok_and(|stat| stat.st_size as u64 >= end);
        is_there && getrlimit(Resource::Fsize).current.is_none_or(|limit| limit >= end)
    }
}
