//! The memory of an object: how it is reserved, and how much of it there is, since parts may be holes.

#![allow(unsafe_code, reason = "no library offers cachestat")]

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{FallocateFlags, Stat, StatVfs};
use rustix::io::Errno;
use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};

use super::object::{os, refused};
use crate::error::Error;

/// Refuses a length that cannot be reserved, before anything is done for it: the system would end processes, this one
/// or others, to make room for more memory than there is.
pub(super) fn check_room(file: BorrowedFd<'_>, len: u64) -> Result<(), Error> {
    check_file_size(len)?;
    let system = file_system(file)?;
    let room = match system.f_blocks {
        0 => available_memory().unwrap_or(u64::MAX),
        blocks => blocks.saturating_mul(system.f_frsize),
    };
    if room < len { Err(no_room(&system, len)) } else { Ok(()) }
}

/// Refuses a length beyond the limit of this process: the system would not return an error, but send a signal.
fn check_file_size(len: u64) -> Result<(), Error> {
    match getrlimit(Resource::Fsize).current.filter(|&limit| limit < len) {
        Some(limit) => Err(Error::FileSizeLimit { needed: len, limit }),
        None => Ok(()),
    }
}

/// Reserves every byte, so that a full file system is an error here and never a signal later.
pub(super) fn reserve(file: BorrowedFd<'_>, len: u64) -> Result<(), Error> {
    check_file_size(len)?;
    let reserved = rustix::io::retry_on_intr(|| rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len));
    match reserved {
        Err(Errno::NOSPC) => Err(no_room(&file_system(file)?, len)),
        reserved => reserved.map_err(|error| refused("fallocate", error)),
    }
}

/// Returns the size of the file system of an object, and what is free. Where it has no size, as that of memory files,
/// the memory of the system alone is the limit.
fn file_system(file: BorrowedFd<'_>) -> Result<StatVfs, Error> {
    rustix::fs::fstatvfs(file).map_err(|error| os("fstatvfs", error))
}

fn no_room(system: &StatVfs, needed: u64) -> Error {
    match system.f_blocks {
        0 => Error::NoMemory { needed, available: available_memory().unwrap_or(0) },
        _ => Error::NoSpace { needed, free: system.f_bavail.saturating_mul(system.f_frsize) },
    }
}

/// Returns how many bytes of memory the system can give without ending a process, if it says so.
pub(super) fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes = |field: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(field))?;
        rest.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse::<u64>().ok()
    };
    Some(kilobytes("MemAvailable")?.saturating_add(kilobytes("SwapFree").unwrap_or(0)).saturating_mul(1024))
}

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

/// Counts the pages from an offset on that are in memory or in swap.
fn pages_from(file: BorrowedFd<'_>, start: u64) -> Option<u64> {
    // The same on each of these, on others it may be another call; libc does not name it on all.
    const CACHESTAT: libc::c_long = 451;
    // No object is longer.
    const LONGEST: u64 = i64::MAX as u64;
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")) {
        return None;
    }
    let (range, mut found) = ([start, LONGEST.saturating_sub(start)], [0_u64; 5]);
    // SAFETY: the call reads the start and the length of a range, and writes five numbers of pages; it takes no flags.
    let status = unsafe { libc::syscall(CACHESTAT, file.as_raw_fd(), &raw const range, &raw mut found, 0) };
    let [cached, _dirty, _written_back, evicted, _evicted_lately] = found;
    (status == 0).then(|| cached.saturating_add(evicted))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};

    use super::super::object;
    use super::*;

    #[test]
    fn the_system_says_how_much_memory_it_can_give() {
        assert!(available_memory().unwrap() > 0);
    }

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
