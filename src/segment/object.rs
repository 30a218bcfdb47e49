//! The shared-memory object itself: its name, its size, its owner and its mode.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, Stat, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;
use rustix::shm;

use super::descriptor::avoid_stdio;
use super::directory::{self, Use};
use super::layout::{DATA_OFFSET, WRITTEN_BY_CREATOR};
use super::path::with_path;
use super::unmapped::Unmapped;
use crate::error::Error;

/// The longest name in bytes. It leaves room for other systems' limit of 31 with the slash.
const NAME_MAX: usize = 30;

/// Marks an object in creation, which has no magic yet: the sticky bit, which means nothing else for a file. It is set
/// in the step that creates the name, so whatever a killed creator leaves is marked, and no umask clears it.
pub(super) const IN_CREATION: u32 = 0o1000;

/// Refuses a name that is not portable or that could leave the directory of shared memory.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let reason = if name.is_empty() {
        "is empty"
    } else if name.len() > NAME_MAX {
        "is too long"
    } else if name.starts_with('.') {
        "starts with a dot"
    } else if !name.bytes().all(allowed) {
        "has a character that is not allowed"
    } else {
        return Ok(());
    };
    Err(Error::InvalidName { name: name.to_owned(), reason })
}

/// Opens the object of a name; `None` if there is none. Never creates, never follows a link, never waits.
pub(super) fn open(name: &str) -> Result<Option<OwnedFd>, Error> {
    open_as(name, shm::OFlags::RDWR)
}

/// The same with this access.
pub(super) fn open_as(name: &str, access: shm::OFlags) -> Result<Option<OwnedFd>, Error> {
    match shm::open(name, flags(access), Mode::empty()).and_then(avoid_stdio) {
        Ok(file) => Ok(Some(file)),
        Err(error @ Errno::NOENT) => directory::diagnose(error, Use::Find).map_or(Ok(None), Err),
        Err(error) => Err(denied(name, "shm_open", error, Use::Find)),
    }
}

/// Creates an object that only its owner can open, and that is marked as in creation; `None` if the name exists.
pub(super) fn create(name: &str) -> Result<Option<OwnedFd>, Error> {
    let access = flags(shm::OFlags::RDWR | shm::OFlags::CREATE | shm::OFlags::EXCL);
    match shm::open(name, access, Mode::RUSR | Mode::WUSR | Mode::SVTX).and_then(avoid_stdio) {
        Ok(file) => Ok(Some(file)),
        Err(Errno::EXIST) => Ok(None),
        Err(error) => Err(denied(name, "shm_open", error, Use::Change)),
    }
}

/// Gives the object the mode that was asked for, whatever the process's umask is.
pub(super) fn set_mode(file: BorrowedFd<'_>, mode: u32) -> Result<(), Error> {
    rustix::fs::fchmod(file, Mode::from_bits_truncate(mode)).map_err(|error| os("fchmod", error))
}

/// Checks that the object is a regular file: anything else may block, or mean something to others.
pub(crate) fn check_regular(name: &str, stat: &Stat) -> Result<(), Error> {
    let found = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(()),
        FileType::Fifo => "FIFO",
        FileType::Directory => "directory",
        FileType::Symlink => "symbolic link",
        _ => "socket or device",
    };
    Err(Error::NotRegular { name: name.to_owned(), found })
}

pub(super) fn stat(file: BorrowedFd<'_>) -> Result<Stat, Error> {
    rustix::fs::fstat(file).map_err(|error| os("fstat", error))
}

/// Sets the times of an object to now, which `inotify` reports.
pub(super) fn touch(file: BorrowedFd<'_>) {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let _ = rustix::fs::futimens(file, &Timestamps { last_access: now, last_modification: now });
}

/// Reads a byte of an object, which `inotify` reports, and returns whether it did.
pub(super) fn read(file: BorrowedFd<'_>) -> bool {
    rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut [0], 0)) == Ok(1)
}

/// Returns the status of the object of a name, of any type, without opening it; `None` if there is none.
pub(super) fn status(name: &str) -> Result<Option<Stat>, Error> {
    // There is no call that asks for the status of a shared-memory object by its name, only the path that it has on
    // Linux.
    match with_path(format_args!("/dev/shm/{name}"), |path| rustix::fs::lstat(path)) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(denied(name, "lstat", error, Use::Find)),
    }
}

/// Returns whether an object is marked as in creation.
pub(super) fn is_in_creation(stat: &Stat) -> bool {
    stat.st_mode & IN_CREATION != 0
}

/// Returns whether a header without a magic is one that a creator left: every byte is 0, except for those that a
/// creator writes first.
pub(super) fn is_blank(file: BorrowedFd<'_>) -> bool {
    let mut header = [0; DATA_OFFSET];
    Unmapped(file).read(0, &mut header);
    let is_written = |at: u64| WRITTEN_BY_CREATOR.iter().any(|&(from, to)| (from..to).contains(&at));
    (0..).zip(header).all(|(at, byte)| byte == 0 || is_written(at))
}

/// Returns whether the name of an object was removed, or refers to another one.
///
/// A process that has changed its root, so that the directory is another one, can only tell by the link count whether
/// all names were removed.
pub(super) fn is_orphaned(name: &str, file: BorrowedFd<'_>) -> Result<bool, Error> {
    let object = stat(file)?;
    if object.st_nlink == 0 {
        return Ok(true);
    }
    Ok(match status(name)? {
        Some(found) => found.st_dev == object.st_dev && found.st_ino != object.st_ino,
        None => rustix::fs::stat(directory::PATH).is_ok_and(|directory| directory.st_dev == object.st_dev),
    })
}

/// Opens the name again and returns the new descriptor, if the name still refers to the same object.
pub(super) fn reopen(name: &str, file: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Error> {
    let Some(again) = open(name)? else { return Ok(None) };
    Ok(same(&stat(file)?, &stat(again.as_fd())?).then_some(again))
}

/// Returns whether the name still refers to the object of `file`. Unlike `reopen`, it needs no new descriptor: a
/// process that can have no more must still be able to clean up.
pub(super) fn refers_to(name: &str, file: BorrowedFd<'_>) -> Result<bool, Error> {
    match status(name)? {
        Some(found) => Ok(same(&found, &stat(file)?)),
        None => Ok(false),
    }
}

pub(super) fn same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// The flags with which an object is always opened. Without `NOFOLLOW` a planted link would be followed, without
/// `NONBLOCK` a planted FIFO would block the caller.
fn flags(access: shm::OFlags) -> shm::OFlags {
    let plain = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    access | shm::OFlags::from_bits_retain(plain.bits())
}

/// Says why a call for a name failed: by the directory, or by what has the name.
pub(super) fn denied(name: &str, call: &'static str, error: Errno, purpose: Use) -> Error {
    let not_regular = |found| Error::NotRegular { name: name.to_owned(), found };
    directory::diagnose(error, purpose).unwrap_or_else(|| match error {
        Errno::ACCESS | Errno::PERM => Error::PermissionDenied { name: name.to_owned(), source: error.into() },
        Errno::LOOP => not_regular("symbolic link"),
        Errno::ISDIR => not_regular("directory"),
        Errno::NXIO => not_regular("socket or device"),
        // Nothing else would make a call wait that opens an object.
        Errno::AGAIN => Error::Leased { name: name.to_owned() },
        _ => os(call, error),
    })
}

/// Says why a call failed that the system may lack, or a filter refuse.
pub(super) fn refused(call: &'static str, error: impl Into<io::Error>) -> Error {
    let source = error.into();
    match source.raw_os_error() {
        Some(libc::ENOSYS | libc::EOPNOTSUPP | libc::EINVAL | libc::EPERM | libc::EACCES) => {
            Error::Unsupported { call, source }
        }
        _ => Error::Os { call, source },
    }
}

pub(super) fn os(call: &'static str, error: impl Into<io::Error>) -> Error {
    Error::Os { call, source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuses(name: &str, expected: &str) {
        match check_name(name) {
            Err(Error::InvalidName { reason, .. }) => assert_eq!(reason, expected),
            other => panic!("{name:?}: {other:?}"),
        }
    }

    #[test]
    fn a_portable_name_is_accepted() {
        for name in ["a", "Ticks_1.eur-usd", "-", "a..", &"x".repeat(NAME_MAX)] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_name_that_could_mean_something_else_is_refused() {
        refuses("", "is empty");
        refuses(&"x".repeat(NAME_MAX + 1), "is too long");
        refuses(".hidden", "starts with a dot");
        refuses("..", "starts with a dot");
        refuses("a/b", "has a character that is not allowed");
        refuses("a b", "has a character that is not allowed");
        refuses("a\0", "has a character that is not allowed");
        refuses("tick\u{e9}", "has a character that is not allowed");
    }
}
