//! How much memory an object has, of which parts may be holes.

#![allow(unsafe_code, reason = "no library offers cachestat")]

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::Stat;
use rustix::param::page_size;

use crate::error::Error;

/// Returns how many bytes of an object have memory of their own, as its status counts them. Behind the others are
/// holes, unless memory lies behind the end of the object (`FALLOC_FL_KEEP_SIZE`): that is counted, too.
pub(super) fn counted(stat: &Stat) -> u64 {
    const BLOCK: u64 = 512;
    (stat.st_blocks as u64).saturating_mul(BLOCK)
}

/// Returns how many bytes of an object of this length, for which its status counts so many, lie before its end. That
/// takes some tens of ns for each page behind the end, where a ring has none.
///
/// Where the system does not tell what is behind the end, before Linux 6.5, and by a descriptor for reading of what
/// this user may not write, they are as many as its status counts.
pub(super) fn before_the_end(file: BorrowedFd<'_>, len: u64, counted: u64) -> u64 {
    let page = page_size() as u64;
    let behind = pages_from(file, len.next_multiple_of(page)).unwrap_or(0);
    counted.saturating_sub(behind.saturating_mul(page))
}

/// Refuses an object of which parts have no memory: an access there would take some that may not be left.
pub(super) fn check(name: &str, len: u64, reserved: u64) -> Result<(), Error> {
    match reserved < len {
        true => Err(Error::Sparse { name: name.to_owned(), len, reserved }),
        false => Ok(()),
    }
}

/// What `cachestat` looks at.
#[repr(C)]
struct Range {
    start: u64,
    len: u64,
}

/// What it returns: numbers of pages.
#[derive(Default)]
#[repr(C)]
struct Pages {
    cached: u64,
    _dirty: u64,
    _written_back: u64,
    /// Which are in swap.
    evicted: u64,
    _evicted_lately: u64,
}

/// Counts the pages from an offset on that are in memory or in swap.
fn pages_from(file: BorrowedFd<'_>, start: u64) -> Option<u64> {
    // The same on each of these, on others it may be another call; libc does not name it on all.
    const CACHESTAT: libc::c_long = 451;
    // No object is longer.
    const LONGEST: u64 = i64::MAX as u64;
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")) {
        return None;
    }
    let (range, mut found) = (Range { start, len: LONGEST.saturating_sub(start) }, Pages::default());
    // SAFETY: the call reads one structure and writes the other, which are as it defines them; it takes no flags.
    let status = unsafe { libc::syscall(CACHESTAT, file.as_raw_fd(), &raw const range, &raw mut found, 0) };
    (status == 0).then(|| found.cached.saturating_add(found.evicted))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};

    use super::super::object;
    use super::*;

    #[test]
    fn what_lies_behind_the_end_fills_no_hole() {
        let file = File::from(memfd_create("reserved", MemfdFlags::CLOEXEC).unwrap());
        let page = page_size() as u64;
        let both = || {
            let stat = object::stat(file.as_fd()).unwrap();
            let counted = counted(&stat);
            [counted, before_the_end(file.as_fd(), stat.st_size as u64, counted)].map(|bytes| bytes / page)
        };
        assert_eq!(both(), [0, 0]);
        fallocate(&file, FallocateFlags::empty(), 0, 7 * page + 1).unwrap();
        assert_eq!(both(), [8, 8]);
        fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, page, 2 * page).unwrap();
        assert_eq!(both(), [6, 6]);
        fallocate(&file, FallocateFlags::KEEP_SIZE, 8 * page, 3 * page).unwrap();
        let is_told = pages_from(file.as_fd(), 0).is_some();
        assert_eq!(both(), [9, if is_told { 6 } else { 9 }]);
    }
}
