//! How a role is left: by words of the header that the system reads and writes for this process.
//!
//! Another process may have shortened the object, or have taken its pages, at this moment. An access through the
//! mapping would end this process by a signal, however short the time is between a check and the access; a system call
//! returns an error. Then nothing is said, and the lock that is given back says that the holder is gone.

#![allow(unsafe_code, reason = "computes where in the header a word lies")]

use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU64;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::futex;
use super::layout::Header;
use super::object;
use super::unmapped::Unmapped;
use crate::ring::farewell::{self, Distant, Words};
use crate::ring::memory::Role;

/// The header of a ring that is being left.
#[derive(Clone, Copy)]
pub(super) struct Parting<'a> {
    /// It is mapped, and perhaps nothing is behind that any more.
    pub(super) header: &'a Header,
    /// A descriptor of the object.
    pub(super) file: BorrowedFd<'a>,
    pub(super) role: Role,
}

impl<'a> Parting<'a> {
    /// Says that the holder of `generation` leaves in order, and wakes its peer. If the ring is handed on, nothing
    /// counts as told.
    pub(super) fn leave(&self, generation: u64, hands_on: bool) {
        let (slot, peer) = (self.header.slot(self.role), self.header.slot(self.role.peer()));
        let told = self.word(&slot.needed_or_told);
        let words = Words {
            presence: &self.word(&slot.presence),
            parking: &self.word(&slot.parking),
            wakes: &self.word(&slot.wakes),
            told: (self.role == Role::Consumer && !hands_on).then_some(&told),
            peer: &self.word(&peer.presence),
        };
        farewell::leave(&words, generation);
        // The other end may sleep in either way.
        object::read(self.file);
        futex::wake(&slot.wakes);
    }

    /// Stops asking the other end for fences, and says no more.
    pub(super) fn ask_for_nothing(&self) {
        farewell::ask_for_nothing(&self.word(&self.header.slot(self.role).parking));
    }

    fn word(&self, word: &'a AtomicU64) -> Distant<Word<'a>> {
        let offset = word.as_ptr() as usize - (&raw const *self.header) as usize;
        Distant(Word { word, file: self.file, offset: offset as u64 })
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

impl farewell::Reached for Word<'_> {
    /// What is not there is 0.
    fn get(&self) -> u64 {
        Unmapped(self.file).value(self.offset)
    }

    fn put(&self, value: u64) {
        match futex::change(self.word, self.get(), value) {
            Ok(()) | Err(Errno::FAULT) => {}
            // A system without futexes for this process. A peer may see a part of the bytes, and looks again.
            Err(_) if self.is_within() => {
                // If it fails, nothing is said.
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
