//! The directory in which named rings lie, and what can be wrong with it: that may be why a call for a name fails.

use std::os::fd::BorrowedFd;

use rustix::fs::{Access, AtFlags, CWD, FileType};
use rustix::io::Errno;

use crate::error::{DirectoryFault, Error};

/// Where Linux has the objects of shared memory.
pub(super) const PATH: &str = "/dev/shm";

/// What a call does with the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It finds a name.
    Find,
    /// It makes or removes a name.
    Change,
    /// It reads all names.
    List,
}

impl Use {
    fn access(self) -> Access {
        match self {
            Use::Find => Access::EXEC_OK,
            Use::Change => Access::EXEC_OK | Access::WRITE_OK,
            Use::List => Access::READ_OK,
        }
    }
}

/// Returns the error of the directory, if that is why a call for a name, or for all, failed.
pub(super) fn diagnose(error: Errno, purpose: Use) -> Option<Error> {
    let fault = match error {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => (!exists()).then_some(DirectoryFault::Missing),
        Errno::ROFS => Some(DirectoryFault::ReadOnly),
        Errno::NOSPC => rustix::fs::statvfs(PATH)
            .ok()
            .filter(|system| system.f_files > 0 && system.f_ffree == 0)
            .map(|system| DirectoryFault::NoInodes { total: system.f_files }),
        Errno::ACCESS | Errno::PERM => closed(purpose),
        _ => None,
    };
    fault.map(|fault| Error::Directory { fault, source: Some(error.into()) })
}

fn exists() -> bool {
    rustix::fs::stat(PATH).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Returns the mode of the directory, if it denies this user the access.
fn closed(purpose: Use) -> Option<DirectoryFault> {
    match rustix::fs::accessat(CWD, PATH, purpose.access(), AtFlags::EACCESS) {
        Err(Errno::ACCESS) => {
            let stat = rustix::fs::stat(PATH).ok()?;
            Some(DirectoryFault::Closed { mode: stat.st_mode & 0o7777, owner: stat.st_uid })
        }
        _ => None,
    }
}

/// Refuses to create a ring in a file system that is not tmpfs: on a disk, reserved pages may be written back, and file
/// systems that copy on write do not keep them.
pub(super) fn check_memory(file: BorrowedFd<'_>) -> Result<(), Error> {
    match file_system(file)? {
        TMPFS => Ok(()),
        file_system => Err(Error::Directory { fault: DirectoryFault::NoTmpfs { file_system }, source: None }),
    }
}

/// The type of the system's own file system in memory.
pub(super) const TMPFS: u64 = libc::TMPFS_MAGIC as u64;

/// Returns the type of the file system that an object lies in.
pub(super) fn file_system(file: BorrowedFd<'_>) -> Result<u64, Error> {
    // 32 bits, whatever the width of the field is.
    let failed = |error: Errno| Error::Os { call: "fstatfs", source: error.into() };
    Ok(u64::from(rustix::fs::fstatfs(file).map_err(failed)?.f_type as u32))
}
