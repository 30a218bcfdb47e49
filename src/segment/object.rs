//! The shared-memory object itself: its name, its size, its owner and its mode.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, FileType, Mode, Stat, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use rustix::shm;

use super::descriptor::lift;
use super::directory;
use super::layout::{DATA_OFFSET, WRITTEN_BY_CREATOR};
use super::roles::Lock;
use super::unmapped::Unmapped;
use crate::error::Error;

/// The longest name in bytes. It leaves room for other systems' limit of 31 with the slash.
pub(super) const NAME_MAX: usize = 30;

/// Marks an object in the making, which has no magic yet: the sticky bit, which means nothing else for a file. It comes
/// with the name, in one step, so whatever a killed creator leaves is marked, and no umask takes it.
pub(super) const IN_THE_MAKING: u32 = 0o1000;

/// The bits by which others than the owner write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

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

/// Opens the object of a name read-only; `None` if there is none.
pub(super) fn open_to_read(name: &str) -> Result<Option<OwnedFd>, Error> {
    open_as(name, shm::OFlags::RDONLY)
}

fn open_as(name: &str, access: shm::OFlags) -> Result<Option<OwnedFd>, Error> {
    match shm::open(&*path(name), flags(access), Mode::empty()).and_then(lift) {
        Ok(file) => Ok(Some(file)),
        Err(error @ Errno::NOENT) => directory::blame(error, false).map_or(Ok(None), Err),
        Err(Errno::LOOP) => Err(Error::NotRegular { name: name.to_owned(), found: "symbolic link" }),
        Err(Errno::ISDIR) => Err(Error::NotRegular { name: name.to_owned(), found: "directory" }),
        Err(Errno::NXIO) => Err(Error::NotRegular { name: name.to_owned(), found: "socket or device" }),
        // Nothing else would make this call wait.
        Err(Errno::AGAIN) => Err(Error::Leased { name: name.to_owned() }),
        Err(error) => Err(denied(name, "shm_open", error)),
    }
}

/// Creates an object that its owner alone can open, and that is marked as one in the making; `None` if the name is
/// taken.
pub(super) fn create(name: &str) -> Result<Option<OwnedFd>, Error> {
    match shm::open(
        &*path(name),
        flags(shm::OFlags::RDWR | shm::OFlags::CREATE | shm::OFlags::EXCL),
        Mode::RUSR | Mode::WUSR | Mode::SVTX,
    )
    .and_then(lift)
    {
        Ok(file) => Ok(Some(file)),
        Err(Errno::EXIST) => Ok(None),
        Err(error) => Err(directory::blame(error, true).unwrap_or_else(|| denied(name, "shm_open", error))),
    }
}

/// Refuses a length that cannot be reserved, before anything is done for it.
pub(super) fn check_room(file: BorrowedFd<'_>, len: u64) -> Result<(), Error> {
    check_file_size(len)?;
    directory::check_memory(file)?;
    let system = rustix::fs::fstatvfs(file).map_err(|error| os("fstatvfs", error))?;
    // A file system of no size has no limit.
    match system.f_blocks > 0 && system.f_blocks.saturating_mul(system.f_frsize) < len {
        true => Err(Error::NoSpace { needed: len, free: free_space(file)? }),
        false => Ok(()),
    }
}

/// Refuses a length beyond the limit of this process: the system would not return an error, but send a signal.
pub(super) fn check_file_size(len: u64) -> Result<(), Error> {
    match getrlimit(Resource::Fsize).current.filter(|&limit| limit < len) {
        Some(limit) => Err(Error::FileSizeLimit { needed: len, limit }),
        None => Ok(()),
    }
}

/// Reserves every byte, so that a full file system is an error here and never a signal later.
pub(super) fn reserve(file: BorrowedFd<'_>, len: u64) -> Result<(), Error> {
    check_file_size(len)?;
    match rustix::io::retry_on_intr(|| rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len)) {
        Ok(()) => Ok(()),
        Err(Errno::NOSPC) => Err(Error::NoSpace { needed: len, free: free_space(file)? }),
        Err(error @ (Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM)) => {
            Err(Error::Unsupported { call: "fallocate", source: error.into() })
        }
        Err(error) => Err(os("fallocate", error)),
    }
}

/// Returns how many bytes the file system of `file` can still hold.
fn free_space(file: BorrowedFd<'_>) -> Result<u64, Error> {
    let stat = rustix::fs::fstatvfs(file).map_err(|error| os("fstatvfs", error))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Gives the object the mode that was asked for, whatever the process's umask is.
pub(super) fn set_mode(file: BorrowedFd<'_>, mode: u32) -> Result<(), Error> {
    rustix::fs::fchmod(file, Mode::from_bits_truncate(mode)).map_err(|error| os("fchmod", error))
}

/// What an attaching process asks of the object before it reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    /// The user who owns it.
    pub(crate) owner: u32,
    /// The mode; the object must not let more users write it than this.
    pub(crate) mode: u32,
}

/// Checks that the object is a regular file: anything else may block, or mean something to others.
pub(super) fn check_regular(name: &str, stat: &Stat) -> Result<(), Error> {
    let found = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => None,
        FileType::Fifo => Some("FIFO"),
        FileType::Directory => Some("directory"),
        FileType::Symlink => Some("symbolic link"),
        _ => Some("socket or device"),
    };
    match found {
        None => Ok(()),
        Some(found) => Err(Error::NotRegular { name: name.to_owned(), found }),
    }
}

/// Checks that the object is a regular file of the right owner, closed to users that should not write it.
pub(super) fn check_access(name: &str, stat: &Stat, access: Access) -> Result<(), Error> {
    check_regular(name, stat)?;
    let name = || name.to_owned();
    if stat.st_uid != access.owner {
        return Err(Error::WrongOwner { name: name(), found: stat.st_uid, expected: access.owner });
    }
    let mode = stat.st_mode & 0o7777;
    if mode & WRITABLE_BY_OTHERS & !access.mode != 0 {
        return Err(Error::TooOpen { name: name(), found: mode, expected: access.mode });
    }
    Ok(())
}

pub(super) fn stat(file: BorrowedFd<'_>) -> Result<Stat, Error> {
    rustix::fs::fstat(file).map_err(|error| os("fstat", error))
}

/// Sets the times of an object to now: whoever watches it is told.
pub(super) fn touch(file: BorrowedFd<'_>) {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let _ = rustix::fs::futimens(file, &Timestamps { last_access: now, last_modification: now });
}

/// Reads a byte of an object, and returns whether it did: whoever watches it for that is told.
pub(super) fn read(file: BorrowedFd<'_>) -> bool {
    rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut [0], 0)) == Ok(1)
}

/// Returns what stands under a name, whatever it is, without opening it; `None` if nothing does.
pub(super) fn status(name: &str) -> Result<Option<Stat>, Error> {
    // There is no call that asks for the status of a shared-memory object by its name, only the path that it has on
    // Linux.
    match rustix::fs::lstat(&*Path::of("/dev/shm/", name)) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(denied(name, "lstat", error)),
    }
}

/// Returns how many bytes of an object have memory of their own. Behind the others are holes.
pub(super) fn reserved(stat: &Stat) -> u64 {
    const BLOCK: u64 = 512;
    (stat.st_blocks as u64).saturating_mul(BLOCK)
}

/// Refuses an object of which parts have no memory: an access there would take some that may not be left.
pub(super) fn check_reserved(name: &str, len: u64, reserved: u64) -> Result<(), Error> {
    match reserved < len {
        true => Err(Error::Sparse { name: name.to_owned(), len, reserved }),
        false => Ok(()),
    }
}

/// Returns whether an object is marked as one in the making.
pub(super) fn is_in_the_making(stat: &Stat) -> bool {
    stat.st_mode & IN_THE_MAKING != 0
}

/// Returns whether a header without a magic is one that a creator left: every byte is 0, but for those that a creator
/// writes first.
pub(super) fn is_blank(file: BorrowedFd<'_>) -> bool {
    let mut header = [0; DATA_OFFSET];
    Unmapped(file).read(0, &mut header);
    let is_written = |at: u64| WRITTEN_BY_CREATOR.iter().any(|&(from, to)| (from..to).contains(&at));
    (0..).zip(header).all(|(at, byte)| byte == 0 || is_written(at))
}

/// Returns whether the name of an object is gone, or stands for another one.
///
/// A process that does not see the directory of the object any more, since it changed its root, learns by the count of
/// its names only whether all are gone.
pub(super) fn is_orphaned(name: &str, file: BorrowedFd<'_>) -> Result<bool, Error> {
    let object = stat(file)?;
    if object.st_nlink == 0 {
        return Ok(true);
    }
    Ok(match status(name)? {
        Some(found) => found.st_dev == object.st_dev && found.st_ino != object.st_ino,
        None => rustix::fs::stat("/dev/shm").is_ok_and(|directory| directory.st_dev == object.st_dev),
    })
}

/// Opens the name again and returns the new descriptor, if the name still refers to the same object.
pub(super) fn reopen(name: &str, file: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Error> {
    let Some(again) = open(name)? else { return Ok(None) };
    Ok(same(&stat(file)?, &stat(again.as_fd())?).then_some(again))
}

/// Returns whether the name still refers to the object of `file`. Unlike `reopen`, it needs no new descriptor: a
/// process that can have no more must still be able to clean up.
pub(super) fn stands_for(name: &str, file: BorrowedFd<'_>) -> Result<bool, Error> {
    match status(name)? {
        Some(found) => Ok(same(&found, &stat(file)?)),
        None => Ok(false),
    }
}

pub(super) fn same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// Removes a name if it still refers to the object of `file`. The caller holds the object's administration lock.
///
/// Every process that removes a name takes that lock of its object, so the name cannot change to another object between
/// the check and the removal.
pub(super) fn unlink_locked(name: &str, file: BorrowedFd<'_>) -> Result<bool, Error> {
    if !stands_for(name, file)? {
        return Ok(false);
    }
    match shm::unlink(&*path(name)) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(directory::blame(error, true).unwrap_or_else(|| denied(name, "shm_unlink", error))),
    }
}

/// Removes a name if it still refers to the object of `file`, and returns whether it did. Waits for its turn up to
/// `patience`.
pub(super) fn unlink(name: &str, file: BorrowedFd<'_>, patience: Duration) -> Result<bool, Error> {
    unlink_if(name, file, patience, || Ok(()))
}

/// The same, unless what is asked under the administration lock is an error.
pub(super) fn unlink_if(
    name: &str,
    file: BorrowedFd<'_>,
    patience: Duration,
    may: impl FnOnce() -> Result<(), Error>,
) -> Result<bool, Error> {
    let start = Instant::now();
    while !Lock::Administration.take(file)? {
        let waited = start.elapsed();
        if waited >= patience {
            return Err(match Lock::Administration.is_kept_by_a_reader(file)? {
                true => Lock::Administration.read_locked(name, waited),
                false => Error::NotReady { name: name.to_owned(), waited },
            });
        }
        thread::sleep(Duration::from_micros(100));
    }
    let unlinked = may().and_then(|()| unlink_locked(name, file));
    Lock::Administration.give_back(file)?;
    unlinked
}

/// Removes the name of a ring whose role this process holds, as [`unlink`] does.
pub(super) fn unlink_own(name: &str, file: BorrowedFd<'_>, patience: Duration) -> Result<(), Error> {
    // The administration is locked by a description of its own: that of the descriptor may have been lent to a process
    // that would keep the lock, if this one is killed right now.
    match reopen(name, file) {
        Ok(Some(own)) => unlink(name, own.as_fd(), patience)?,
        Ok(None) => false,
        // A process that has no more descriptors cleans up all the same.
        Err(_) => unlink(name, file, patience)?,
    };
    Ok(())
}

/// A path of a few bytes, made without an allocation: names are also removed while the process exits.
struct Path {
    bytes: [u8; Path::ROOM],
    len: usize,
}

impl Path {
    const ROOM: usize = NAME_MAX + "/dev/shm/".len();

    /// Joins a folder and a name that was checked.
    fn of(folder: &str, name: &str) -> Path {
        let mut bytes = [0; Path::ROOM];
        let len = folder.len() + name.len();
        bytes[..folder.len()].copy_from_slice(folder.as_bytes());
        bytes[folder.len()..len].copy_from_slice(name.as_bytes());
        Path { bytes, len }
    }
}

impl Deref for Path {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn path(name: &str) -> Path {
    Path::of("/", name)
}

/// The flags with which an object is always opened. Without `NOFOLLOW` a planted link would be followed, without
/// `NONBLOCK` a planted FIFO would block the caller.
fn flags(access: shm::OFlags) -> shm::OFlags {
    let plain = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    access | shm::OFlags::from_bits_retain(plain.bits())
}

fn denied(name: &str, call: &'static str, error: Errno) -> Error {
    if let Some(fault) = directory::blame(error, false) {
        return fault;
    }
    match error {
        Errno::ACCESS | Errno::PERM => Error::PermissionDenied { name: name.to_owned(), source: error.into() },
        _ => os(call, error),
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
