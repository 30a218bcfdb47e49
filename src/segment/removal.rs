//! How a name is removed: under the administration lock of its object.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::shm;

use super::directory::Use;
use super::inspection::HeaderSnapshot;
use super::object;
use super::request::CREATION_TIMEOUT;
use super::roles::{self, Lock};
use super::unmapped::Unmapped;
use crate::error::Error;
use crate::ring::memory::Role;

/// How long a close waits at most for the administration lock, to remove the name.
pub(super) const UNLINK_TIMEOUT: Duration = Duration::from_secs(1);

/// Removes the name of a ring, whatever its state, and of anything else that is a file ([`unlink_if_free`] does not).
/// Processes that are attached go on.
///
/// # Errors
///
/// - [`Error::InvalidName`], [`Error::NotFound`], [`Error::PermissionDenied`]: as they say.
/// - [`Error::NotRegular`]: something that is no shared-memory object has the name.
/// - [`Error::NotReady`]: a process that is creating or removing the ring does not finish within 5 s.
/// - [`Error::ReadLocked`]: a process that may only read the ring keeps everybody from removing it.
pub fn unlink(name: &str) -> Result<(), Error> {
    unlink_within(name, CREATION_TIMEOUT)
}

/// Removes the name of a ring as [`unlink`] does, but waits for at most `limit` if the ring is being created or
/// removed. Whoever removes many can give each what is left of one limit.
///
/// # Errors
///
/// As [`unlink`].
pub fn unlink_within(name: &str, limit: Duration) -> Result<(), Error> {
    let file = open_to_remove(name)?;
    // If another process was faster, the name was removed, or refers to a ring that was created after this call.
    unlink_if(name, file.as_fd(), limit, || Ok(()))
}

/// Removes the name of a ring whose roles are free, or what a creator that was killed has left. Anything else stays.
///
/// No process can attach between the check and the removal. It waits for at most `limit` if the ring is being created
/// or removed.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-unlink-if-free-{}", std::process::id());
/// use std::time::Duration;
/// use ringmain::{Error, Options};
///
/// let tx = Options::new(&name).capacity(8).stream_producer::<u64>()?;
/// assert!(matches!(ringmain::unlink_if_free(&name, Duration::ZERO), Err(Error::Busy { .. })));
/// drop(tx);
/// ringmain::unlink_if_free(&name, Duration::ZERO)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// - [`Error::InvalidName`], [`Error::NotFound`], [`Error::PermissionDenied`]: as they say.
/// - [`Error::Busy`]: a process has locked a role, whatever its presence says.
/// - [`Error::NotReady`]: a process that is creating or removing the ring does not finish.
/// - [`Error::NotARing`], [`Error::NotRegular`], [`Error::Mismatch`], [`Error::UnknownFeatures`], [`Error::Sparse`]: it
///   is no ring, or none that this version understands.
/// - [`Error::Leased`]: a process holds a lease of the object.
pub fn unlink_if_free(name: &str, limit: Duration) -> Result<(), Error> {
    let file = open_to_remove(name)?;
    let file = file.as_fd();
    let removed = unlink_if(name, file, limit, || match HeaderSnapshot::read(file)?.check(name, file) {
        Ok(_) => lock_both_roles(name, file),
        Err(Error::Unfinished { .. }) => Ok(()),
        Err(error) => Err(error),
    });
    // A process that was forked meanwhile shares the locks.
    for role in [Role::Producer, Role::Consumer] {
        Lock::Role(role).give_back(file)?;
    }
    removed
}

/// Opens the object of a name that is to be removed.
fn open_to_remove(name: &str) -> Result<OwnedFd, Error> {
    object::check_name(name)?;
    let absent = || Error::NotFound { name: name.to_owned(), waited: Duration::ZERO };
    let file = object::open(name)?.ok_or_else(absent)?;
    object::check_regular(name, &object::stat(file.as_fd())?)?;
    Ok(file)
}

/// Locks both roles, so that no process takes one.
fn lock_both_roles(name: &str, file: BorrowedFd<'_>) -> Result<(), Error> {
    for role in [Role::Producer, Role::Consumer] {
        let lock = Lock::Role(role);
        // A read lock of a stranger is no role, and is in the way of this lock only.
        if !lock.take(file)? && lock.is_held(file)? {
            let holder = roles::holder(&Unmapped(file).slot(role));
            return Err(Error::Busy { name: name.to_owned(), role, holder });
        }
    }
    Ok(())
}

/// Removes a name if it still refers to the object of `file`. The caller holds the object's administration lock.
///
/// Every process that removes a name takes that lock of its object, so the name cannot change to another object between
/// the check and the removal.
pub(super) fn unlink_locked(name: &str, file: BorrowedFd<'_>) -> Result<(), Error> {
    if !object::refers_to(name, file)? {
        return Ok(());
    }
    match shm::unlink(name) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(object::denied(name, "shm_unlink", error, Use::Change)),
    }
}

/// Removes a name if it still refers to the object of `file`, unless `may`, which is called under the administration
/// lock, returns an error. Waits for its turn up to `timeout`.
fn unlink_if(
    name: &str,
    file: BorrowedFd<'_>,
    timeout: Duration,
    may: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let start = Instant::now();
    while !Lock::Administration.take(file)? {
        let waited = start.elapsed();
        if waited >= timeout {
            return Err(match Lock::Administration.is_read_locked(file)? {
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

/// Removes the name of a ring whose role this process holds, as [`unlink_if`] does.
pub(super) fn unlink_own(name: &str, file: BorrowedFd<'_>, timeout: Duration) -> Result<(), Error> {
    // The administration is locked by a description of its own: that of the descriptor may have been lent to a process
    // that would keep the lock, if this one is killed right now.
    match object::reopen(name, file) {
        Ok(Some(own)) => unlink_if(name, own.as_fd(), timeout, || Ok(())),
        Ok(None) => Ok(()),
        // A process that can open no more descriptors removes the name all the same.
        Err(_) => unlink_if(name, file, timeout, || Ok(())),
    }
}
