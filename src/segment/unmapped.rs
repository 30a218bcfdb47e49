//! The words and bytes of a segment that is not mapped, read by system calls.
//!
//! An object that a stranger created may have holes, and may be truncated at any moment. A load through a mapping would
//! take memory for a hole, or end this process; a system call reads zeros from one, and nothing behind the end.

use std::array;
use std::cell::LazyCell;
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU64;

use super::layout::{self, Header, ROWS, RoleWords};
use crate::ring::identity;
use crate::ring::memory::{Role, Word};
use crate::ring::observe::{self, Copied};

/// An object that is read by system calls. An aligned word is copied at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unmapped<'a>(pub(super) BorrowedFd<'a>);

impl Unmapped<'_> {
    /// Reads bytes from an offset on. Where there is nothing to read, they are 0: in a hole, behind the end.
    pub(super) fn read(self, offset: u64, bytes: &mut [u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let rest = &mut bytes[done..];
            match rustix::io::retry_on_intr(|| rustix::io::pread(self.0, &mut *rest, offset + done as u64)) {
                Ok(len) if len > 0 => done += len,
                _ => break,
            }
        }
        bytes[done..].fill(0);
    }

    fn words<const COUNT: usize>(self, offset: u64) -> [u64; COUNT] {
        let mut words = [0; COUNT];
        self.read(offset, bytemuck::cast_slice_mut(&mut words));
        words
    }

    /// Reads the word at an offset.
    pub(super) fn value(self, offset: u64) -> u64 {
        let [value] = self.words(offset);
        value
    }

    /// The word at an offset: each load is a system call.
    pub(super) fn word(self, offset: u64) -> impl Word {
        Copied(move || self.value(offset))
    }

    /// Reads the magic, then the rows, which mean nothing without it.
    pub(super) fn identity(self) -> (u64, [u64; ROWS]) {
        // All rows by one call, which the first load of one makes.
        let header = &LazyCell::new(|| self.words::<{ size_of::<Header>() / 8 }>(0));
        let rows = array::from_fn(|row| Copied(move || header[layout::row_offset(row) / 8]));
        identity::observe(&self.word(0), &rows)
    }

    /// Copies the slot of a role.
    pub(super) fn slot(self, role: Role) -> RoleWords {
        RoleWords::of_words(self.words(layout::slot_offset(role)).map(AtomicU64::new))
    }

    /// Reads head and tail after what was read before, by one call.
    pub(super) fn positions_after_copy(self) -> (u64, u64) {
        const APART: usize = (layout::HEAD - layout::TAIL) as usize / 8;
        let words = &LazyCell::new(|| self.words::<{ APART + 1 }>(layout::TAIL));
        let word = |at: usize| Copied(move || words[at]);
        observe::positions_after_copy(&word(APART), &word(0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(unsafe_code, reason = "writes a word of a mapping as another process would")]

    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::thread;

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::super::mapping::Mapping;
    use super::*;

    fn object() -> File {
        File::from(memfd_create("unmapped", MemfdFlags::CLOEXEC).unwrap())
    }

    #[test]
    fn holes_and_what_lies_behind_the_end_are_zeros_and_take_no_memory() {
        let file = object();
        file.set_len(1 << 30).unwrap();
        file.write_all_at(&[7; 16], (1 << 30) - 16).unwrap();
        let blocks = file.metadata().unwrap().blocks();
        let unmapped = Unmapped(file.as_fd());
        let mut bytes = [9; 32];
        unmapped.read((1 << 30) - 24, &mut bytes);
        assert_eq!(bytes[..8], [0; 8]);
        assert_eq!(bytes[8..24], [7; 16]);
        assert_eq!(bytes[24..], [0; 8]);
        assert_eq!(unmapped.identity(), (0, [0; ROWS]));
        assert_eq!(unmapped.positions_after_copy(), (0, 0));
        assert_eq!(file.metadata().unwrap().blocks(), blocks);
    }

    #[test]
    fn every_word_is_read_from_its_place() {
        let file = object();
        let bytes: Vec<u8> = (0..size_of::<Header>() as u64 / 8).flat_map(u64::to_ne_bytes).collect();
        file.write_all_at(&bytes, 0).unwrap();
        let unmapped = Unmapped(file.as_fd());
        let (magic, rows) = unmapped.identity();
        assert_eq!((magic, rows[0], rows[14], rows[15], rows[24]), (0, 1, 15, 80, 89));
        assert_eq!(unmapped.positions_after_copy(), (64, 48));
        for (role, first) in [(Role::Producer, 16), (Role::Consumer, 32)] {
            let slot = unmapped.slot(role);
            assert_eq!((slot.presence.into_inner(), slot.needed_or_told.into_inner()), (first, first + 7));
        }
    }

    #[test]
    fn an_aligned_word_is_copied_at_once() {
        const LOADS: u32 = 200_000;
        let file = object();
        file.set_len(8192).unwrap();
        let mapping = Mapping::new(file.as_fd(), 8192).unwrap();
        let tail = mapping.header().as_ptr().cast::<u64>().wrapping_add(layout::TAIL as usize / 8);
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let unmapped = Unmapped(file.as_fd());
                (0..LOADS).map(|_| unmapped.positions_after_copy().1).find(|&word| word != 0 && word != u64::MAX)
            });
            while !reader.is_finished() {
                for value in [u64::MAX, 0] {
                    // SAFETY: the word lies in the header of the mapping, is aligned, and is written by this thread
                    // alone; nothing in this process reads it but by system calls.
                    unsafe { tail.write_volatile(value) };
                }
            }
            assert_eq!(reader.join().unwrap(), None, "a word was torn");
        });
    }
}
