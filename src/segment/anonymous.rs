//! Segments without a name: a memory file that is reached by descriptors only, sealed so that no process can change its
//! length.
//!
//! Roles are locks of an open file description, and a process that gets a descriptor from another one shares its
//! description. So every attach opens descriptions of its own, through `/proc/self/fd`, and those that hold a lock are
//! never handed out: otherwise a process that was given one would keep the role of a peer that is dead.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;

use super::descriptor::avoid_stdio;
use super::directory;
use super::inspection::HeaderSnapshot;
pub(crate) use super::object::check_regular;
use super::object::{self, os, same};
use crate::error::{ANONYMOUS, Error};

/// The seals of each segment: its length is final.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

/// The seals that would keep everyone from writing it.
const WRITE_SEALS: SealFlags = SealFlags::WRITE.union(SealFlags::FUTURE_WRITE);

/// The permissions that a memory file can have: the system does not let it become executable.
const PERMISSIONS: u32 = 0o666;

/// Creates an empty memory file.
pub(super) fn create(mode: u32) -> Result<OwnedFd, Error> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let made = match rustix::fs::memfd_create("ringmain", flags | MemfdFlags::NOEXEC_SEAL) {
        // Kernels before 6.3 lack the flag.
        Err(Errno::INVAL) => rustix::fs::memfd_create("ringmain", flags),
        made => made,
    };
    let file = made.and_then(avoid_stdio).map_err(|error| object::refused("memfd_create", error))?;
    object::set_mode(file.as_fd(), mode & PERMISSIONS)?;
    Ok(file)
}

/// Fixes the length for ever, and the seals with it, unless there is one more to come.
pub(super) fn seal(file: BorrowedFd<'_>, sealable: bool) -> Result<(), Error> {
    let seals = if sealable { SEALS } else { SEALS | SealFlags::SEAL };
    rustix::fs::fcntl_add_seals(file, seals).map_err(|error| os("fcntl(F_ADD_SEALS)", error))
}

/// Forbids for ever to write it and to punch holes into it, except by existing mappings. Returns whether that holds
/// now: it does not if the seals are final.
pub(super) fn seal_against_writers(file: BorrowedFd<'_>) -> Result<bool, Error> {
    match rustix::fs::fcntl_add_seals(file, SealFlags::FUTURE_WRITE | SealFlags::SEAL) {
        Ok(()) => Ok(true),
        // Another process may have been faster.
        Err(Errno::PERM) => Ok(seals(file)?.contains(SealFlags::FUTURE_WRITE)),
        Err(error) => Err(os("fcntl(F_ADD_SEALS)", error)),
    }
}

/// Returns whether the descriptor of a ring may have been given to a process that may read but not write it.
pub(super) fn may_have_readers(file: BorrowedFd<'_>) -> bool {
    seals(file).map_or(true, |seals| !seals.contains(SealFlags::SEAL) || seals.contains(SealFlags::FUTURE_WRITE))
}

fn seals(file: BorrowedFd<'_>) -> Result<SealFlags, Error> {
    match rustix::fs::fcntl_get_seals(file) {
        // A file that cannot be sealed, such as one on a disk.
        Err(Errno::INVAL) => Ok(SealFlags::empty()),
        found => found.map_err(|error| os("fcntl(F_GET_SEALS)", error)),
    }
}

/// Checks that a descriptor refers to memory whose length no process can change. Before that, its length means nothing.
pub(super) fn check_sealed(file: BorrowedFd<'_>) -> Result<(), Error> {
    check_regular(ANONYMOUS, &object::stat(file)?)?;
    let found = seals(file)?;
    if !found.contains(SEALS) || found.intersects(WRITE_SEALS) {
        return Err(Error::Seals { found: found.bits(), expected: SEALS.bits() });
    }
    // Huge pages come from a pool, and if that is empty an access ends in a signal.
    match directory::file_system(file)? == directory::TMPFS {
        true => Ok(()),
        false => Err(Error::NotRegular { name: ANONYMOUS.to_owned(), found: "memory file of another file system" }),
    }
}

/// Checks that a descriptor refers to a finished ring. Changes nothing, and reads through no mapping: nobody has
/// reserved what a stranger's object has.
pub(crate) fn check_ring(file: BorrowedFd<'_>) -> Result<(), Error> {
    check_sealed(file)?;
    HeaderSnapshot::read(file)?.finished(ANONYMOUS).map(drop)
}

/// Reopens what a descriptor refers to: by a description of its own, which shares no locks with the first.
pub(super) fn reopen(file: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
    let again = open_number(file.as_raw_fd(), OFlags::RDWR).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => Error::NoProc { source: error.into() },
        Errno::ACCESS | Errno::PERM => Error::PermissionDenied { name: ANONYMOUS.to_owned(), source: error.into() },
        _ => os("open(/proc/self/fd)", error),
    })?;
    // What is mounted at /proc may be anything.
    match same(&object::stat(file)?, &object::stat(again.as_fd())?) {
        true => Ok(again),
        false => Err(Error::NoProc { source: Errno::STALE.into() }),
    }
}

/// Opens what a descriptor of this number refers to, with this access. The path is a link that the kernel follows
/// itself, to an object that need have no path.
///
/// It never waits: a process with a lease of the object (`F_SETLEASE`) could block the caller for 45 seconds.
pub(crate) fn open_number(number: i32, access: OFlags) -> Result<OwnedFd, Errno> {
    let flags = access | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    rustix::io::retry_on_intr(|| rustix::fs::open(path_of(number), flags, Mode::empty())).and_then(avoid_stdio)
}

/// Returns the path of a descriptor of this process.
pub(crate) fn path_of(number: i32) -> String {
    format!("/proc/self/fd/{number}")
}

#[cfg(test)]
mod tests {
    #![allow(unsafe_code, reason = "no safe call takes a lease")]

    use super::*;

    #[test]
    fn a_memory_file_that_was_opened_anew_is_the_same_with_a_lock_of_its_own() {
        use super::super::roles::Lock;
        let file = create(0o600).unwrap();
        let again = reopen(file.as_fd()).unwrap();
        assert!(Lock::Administration.take(again.as_fd()).unwrap());
        assert!(Lock::Administration.is_held(file.as_fd()).unwrap());
        assert!(!Lock::Administration.take(file.as_fd()).unwrap());
    }

    #[test]
    fn a_lease_of_whoever_passed_a_memory_file_holds_nobody_up() {
        let file = create(0o600).unwrap();
        // Breaking the lease raises this signal, which by default ends the process.
        // SAFETY: a signal that nothing here waits for is ignored from now on.
        unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
        // SAFETY: the descriptor is open, and the command takes a number.
        let lease = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) };
        assert_eq!(lease, 0, "{}", std::io::Error::last_os_error());
        match reopen(file.as_fd()) {
            Err(Error::Os { call: "open(/proc/self/fd)", source }) => {
                assert_eq!(source.kind(), std::io::ErrorKind::WouldBlock);
            }
            other => panic!("{other:?}"),
        }
    }
}
