//! A segment's bytes in this process's address space.

#![allow(unsafe_code, reason = "the address of a mapping is computed from raw pointers")]

use std::mem::ManuallyDrop;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use memmap2::{Advice, MmapOptions, MmapRaw};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, madvise, mlock, mmap, mprotect};
use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};

use super::layout::{DATA_OFFSET, Header};
use super::object::os;
use super::process::Epoch;
use crate::error::Error;

/// How many bytes are prefaulted at once: some tenths of a second on a machine with other load.
pub(super) const PIECE: usize = 128 << 20;

/// A shared mapping of a segment, at least as long as its header.
///
/// It keeps the open file description alive, and with it the lock on the role, after the descriptor is closed. A forked
/// child does not get it, so a child that lives on keeps no role of a parent that died.
#[derive(Debug)]
pub(super) struct Mapping {
    bytes: ManuallyDrop<MmapRaw>,
    /// Where the data area starts, and how long it is.
    data_offset: usize,
    data_len: usize,
    /// The process that mapped it, until it exits: a forked child has no mapping there, and must not access the
    /// addresses.
    pub(super) process: Epoch,
}

impl Mapping {
    /// Maps the first `len` bytes of the object. The caller has checked that it is that long.
    pub(super) fn new(file: BorrowedFd<'_>, len: usize) -> Result<Mapping, Error> {
        assert!(len >= size_of::<Header>(), "a mapping of {len} bytes has no room for a header");
        let bytes = MmapOptions::new().len(len).map_raw(file.as_raw_fd()).map_err(|error| os("mmap", error))?;
        let data_offset = DATA_OFFSET.min(len);
        Mapping::of(bytes, data_offset, len - data_offset)
    }

    /// Maps the first `len` bytes of the object, and after them a second time those from `data_offset` on. The caller
    /// has checked that it is that long, and that both numbers are multiples of a page.
    pub(super) fn mirrored(file: BorrowedFd<'_>, len: usize, data_offset: usize) -> Result<Mapping, Error> {
        let data_len = len - data_offset;
        // A range of addresses of its own, over which the object is then mapped: if anything fails, it is given back
        // whole.
        let range = MmapOptions::new().len(len + data_len).no_reserve_swap().map_anon();
        let bytes = MmapRaw::from(range.map_err(|error| os("mmap", error))?);
        let place = |at: usize, offset: usize, len: usize| {
            let address = bytes.as_mut_ptr().wrapping_add(at).cast();
            let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::FIXED);
            // SAFETY: the addresses lie in the range that was just mapped, which nothing else refers to.
            unsafe { mmap(address, len, access, flags, file, offset as u64) }
                .map_err(|error| os("mmap(MAP_FIXED)", error))
        };
        place(0, 0, len)?;
        place(len, data_offset, data_len)?;
        Mapping::of(bytes, data_offset, data_len)
    }

    fn of(bytes: MmapRaw, data_offset: usize, data_len: usize) -> Result<Mapping, Error> {
        let process = Epoch::current()?;
        let mapping = Mapping { bytes: ManuallyDrop::new(bytes), data_offset, data_len, process };
        mapping.bytes.advise(Advice::DontFork).map_err(|error| os("madvise(MADV_DONTFORK)", error))?;
        Ok(mapping)
    }

    /// Returns the ranges of bytes that are prefaulted or locked at once.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Range<usize>> {
        let len = self.bytes.len();
        (0..len).step_by(PIECE).map(move |start| start..len.min(start + PIECE))
    }

    /// Gives every page of a piece its place in the page table, so that the data path takes no fault.
    ///
    /// If another process has truncated the object meanwhile, that is an error, not a signal.
    pub(super) fn prefault(&self, piece: Range<usize>) -> Result<(), Error> {
        if !self.populate(piece.clone())? {
            for offset in piece.step_by(page_size()) {
                // SAFETY: the offset is below the length of the mapping.
                let page = unsafe { self.bytes.as_ptr().add(offset) };
                // SAFETY: the page is mapped and readable; a volatile read is defined whatever a peer writes meanwhile.
                unsafe { page.read_volatile() };
            }
        }
        Ok(())
    }

    /// Populates the pages of the header. If their memory is missing, that is an error here and no signal later: the
    /// object may have changed since it was read.
    pub(super) fn populate_header(&self) -> Result<(), Error> {
        self.populate(0..DATA_OFFSET).map(drop)
    }

    /// Populates pages (`MADV_POPULATE_WRITE`), and returns whether it did: kernels before 5.14 lack the advice.
    fn populate(&self, piece: Range<usize>) -> Result<bool, Error> {
        match self.bytes.advise_range(Advice::PopulateWrite, piece.start, piece.len()) {
            Err(error) if error.raw_os_error() == Some(libc::EFAULT) => Err(os("madvise(MADV_POPULATE_WRITE)", error)),
            populated => Ok(populated.is_ok()),
        }
    }

    /// Keeps every page of a piece in memory, for as long as this is mapped.
    pub(super) fn lock(&self, piece: Range<usize>) -> Result<(), Error> {
        let start = self.bytes.as_mut_ptr().wrapping_add(piece.start).cast();
        // SAFETY: it changes nothing that a program sees of these pages, which are mapped.
        unsafe { mlock(start, piece.len()) }.map_err(|error| Error::MemoryLock {
            needed: self.bytes.len() as u64,
            limit: getrlimit(Resource::Memlock).current.unwrap_or(u64::MAX),
            source: error.into(),
        })
    }

    pub(super) fn header(&self) -> NonNull<Header> {
        // `mmap` never returns the null page to a caller that did not ask for it, and memmap2 checks for failure.
        let start = NonNull::new(self.bytes.as_mut_ptr()).expect("a mapping has an address");
        start.cast()
    }

    /// Returns where the data area starts, and its length in bytes.
    pub(super) fn data(&self) -> (NonNull<u8>, usize) {
        // SAFETY: the offset is at most the length of the mapping.
        (unsafe { self.header().cast::<u8>().add(self.data_offset) }, self.data_len)
    }

    /// Returns whether the data area is mapped twice in a row.
    pub(super) fn is_mirrored(&self) -> bool {
        self.bytes.len() > self.data_offset + self.data_len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.process.is_current() {
            // SAFETY: dropped once, here; a holder of an address from it holds the mapping too.
            unsafe { ManuallyDrop::drop(&mut self.bytes) };
        }
    }
}

/// Memory of this process alone, which a forked child finds zeroed. Guard pages lie around it: an overrun of another
/// mapping does not reach it.
#[derive(Debug)]
pub(super) struct WipedOnFork(MmapRaw);

impl WipedOnFork {
    /// Maps a page of zeros.
    pub(super) fn new() -> Result<WipedOnFork, Error> {
        let page = page_size();
        let bytes = MmapOptions::new().len(3 * page).map_anon().map_err(|error| os("mmap", error))?;
        let bytes = MmapRaw::from(bytes);
        let at = |pages: usize| bytes.as_mut_ptr().wrapping_add(pages * page).cast();
        for guard in [at(0), at(2)] {
            // SAFETY: the page was just mapped, and nothing refers to it.
            unsafe { mprotect(guard, page, MprotectFlags::empty()) }.map_err(|error| os("mprotect", error))?;
        }
        // SAFETY: the page was just mapped, and the advice changes it in children that do not exist yet.
        unsafe { madvise(at(1), page, rustix::mm::Advice::LinuxWipeOnFork) }
            .map_err(|error| Error::Unsupported { call: "madvise(MADV_WIPEONFORK)", source: error.into() })?;
        Ok(WipedOnFork(bytes))
    }

    /// Returns the address of its first words, which are valid for as long as this value lives.
    pub(super) fn words(&self) -> NonNull<[u64; 2]> {
        // The page lies within the mapping, which does not start at the null page.
        NonNull::new(self.0.as_mut_ptr().wrapping_add(page_size()).cast()).expect("a mapping has an address")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    #[test]
    fn an_object_that_was_shortened_is_an_error_to_prefault_and_no_signal() {
        let object = File::from(memfd_create("mapping", MemfdFlags::CLOEXEC).unwrap());
        let len = 8 * rustix::param::page_size();
        object.set_len(len as u64).unwrap();
        let mapping = Mapping::new(object.as_fd(), len).unwrap();
        mapping.prefault(0..len).unwrap();
        object.set_len(len as u64 / 2).unwrap();
        match mapping.prefault(0..len) {
            Err(Error::Os { call: "madvise(MADV_POPULATE_WRITE)", source }) => {
                assert_eq!(source.raw_os_error(), Some(libc::EFAULT));
            }
            other => panic!("{other:?}"),
        }
    }
}
