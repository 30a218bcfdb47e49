//! The locks of roles, and whether their holders are alive.
//!
//! A role is an open-file-description (OFD) lock on one byte of the segment. The kernel gives it back at any death of
//! its holder, it holds across PID namespaces and between two handles of one process, and `F_OFD_GETLK` asks about it
//! without taking it. No other lock of the system does all of that.
//!
//! A role is a write lock, which takes a descriptor that can write. A process that may only read a ring can set a read
//! lock on the same byte while that is free. Such a lock keeps all others from the role, and nothing can prevent that,
//! but it is no role: a query about a role is for a read lock, which conflicts with write locks only.

#![allow(unsafe_code, reason = "rustix has no OFD locks, so fcntl is called through libc")]

use std::borrow::Borrow;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use super::holder::{Liveness, Notes};
use super::layout::RoleWords;
use super::object::refused;
use super::transfer::retry;
use crate::error::Error;
use crate::ring::memory::Role;
use crate::ring::presence::{self, Presence};

/// A byte of the segment that is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// Held for as long as a handle holds the role.
    Role(Role),
    /// Held beside the role by a holder that reads the object when it wakes a sleeper that asks for that.
    Reads(Role),
    /// Held while the segment is created, repaired or unlinked.
    Administration,
}

impl Lock {
    fn byte(self) -> libc::off_t {
        match self {
            Lock::Role(Role::Producer) => 0,
            Lock::Role(Role::Consumer) => 1,
            Lock::Administration => 2,
            Lock::Reads(Role::Producer) => 3,
            Lock::Reads(Role::Consumer) => 4,
        }
    }

    /// Describes this lock to the kernel, as `kind` of lock.
    fn describe(self, kind: libc::c_int) -> libc::flock {
        // SAFETY: `flock` is a C struct of integers, for which zero is a value; an OFD lock asks for a pid of 0.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = kind as libc::c_short;
        lock.l_whence = libc::SEEK_SET as libc::c_short;
        lock.l_start = self.byte();
        lock.l_len = 1;
        lock
    }

    /// Takes the lock for the open file description of `file`, or returns `false` if another one has it.
    pub(super) fn take(self, file: BorrowedFd<'_>) -> Result<bool, Error> {
        match fcntl(file, libc::F_OFD_SETLK, &mut self.describe(libc::F_WRLCK)) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(source) => Err(refused("fcntl(F_OFD_SETLK)", source)),
        }
    }

    /// Asks the system, before anything is made, whether it has such locks for this process.
    ///
    /// What is made without them could not be removed again: a name is removed under a lock.
    pub(super) fn check_supported() -> Result<(), Error> {
        // Any file will do; if it cannot be opened, nothing is known.
        let Ok(file) = File::options().read(true).write(true).open("/dev/null") else { return Ok(()) };
        Lock::Administration.give_back(file.as_fd())
    }

    /// Gives the lock back.
    pub(super) fn give_back(self, file: BorrowedFd<'_>) -> Result<(), Error> {
        fcntl(file, libc::F_OFD_SETLK, &mut self.describe(libc::F_UNLCK))
            .map_err(|source| refused("fcntl(F_OFD_SETLK)", source))
    }

    /// Asks whether an open file description other than that of `file` has the lock. A read lock there is not it.
    pub(super) fn is_held(self, file: BorrowedFd<'_>) -> Result<bool, Error> {
        Ok(self.conflicting(libc::F_RDLCK, file)? != libc::F_UNLCK)
    }

    /// Asks whether a read lock of another open file description is all that keeps the lock from being taken.
    pub(super) fn is_read_locked(self, file: BorrowedFd<'_>) -> Result<bool, Error> {
        Ok(self.conflicting(libc::F_WRLCK, file)? == libc::F_RDLCK)
    }

    /// Returns the error of a lock that a reader blocks.
    pub(super) fn read_locked(self, name: &str, waited: Duration) -> Error {
        let role = if let Lock::Role(role) = self { Some(role) } else { None };
        Error::ReadLocked { name: name.to_owned(), role, waited }
    }

    /// Returns the kind of a lock of another open file description with which one of this kind would conflict.
    fn conflicting(self, kind: libc::c_int, file: BorrowedFd<'_>) -> Result<libc::c_int, Error> {
        let mut lock = self.describe(kind);
        fcntl(file, libc::F_OFD_GETLK, &mut lock).map_err(|source| refused("fcntl(F_OFD_GETLK)", source))?;
        Ok(libc::c_int::from(lock.l_type))
    }
}

fn fcntl(file: BorrowedFd<'_>, command: libc::c_int, lock: &mut libc::flock) -> io::Result<()> {
    let lock: *mut libc::flock = lock;
    // SAFETY: the descriptor is open, and both commands read and write one `flock`.
    retry(|| unsafe { libc::fcntl(file.as_raw_fd(), command, lock) } as isize).map(drop)
}

/// The state of the other end of a ring.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain::{Options, PeerState};
///
/// let tx = Options::anonymous().capacity(64).stream_producer::<u64>()?;
/// let ring = Options::from_fd(tx.descriptor().try_clone_to_owned()?);
/// assert_eq!(tx.peer_state(), PeerState::Never);
/// let rx = ring.stream_consumer::<u64>()?;
/// assert_eq!(tx.peer_state(), PeerState::Alive);
/// rx.close()?;
/// match tx.peer_state() {
///     PeerState::Never | PeerState::Alive => println!("go on"),
///     PeerState::Closed => println!("the consumer needs no more"),
///     PeerState::Crashed => println!("start the consumer again"),
/// }
/// # assert_eq!(tx.peer_state(), PeerState::Closed);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerState {
    /// No process has attached yet.
    Never,
    /// A process holds the other role. It may be stopped, but is not known to have exited.
    Alive,
    /// The last holder detached in order, and no other process has attached since.
    Closed,
    /// The last holder exited, or gave its role up, without detaching in order, and no other process has attached
    /// since. A process that it forked or spawned may keep its lock.
    Crashed,
}

impl From<Presence> for PeerState {
    /// By the presence alone: `Alive` if the holder has not detached.
    fn from(presence: Presence) -> PeerState {
        match presence {
            Presence::Never => PeerState::Never,
            Presence::Attached { .. } => PeerState::Alive,
            Presence::Left { .. } => PeerState::Closed,
        }
    }
}

/// Finds out the state of `role`, whose holder writes this slot, which may be a new copy each time. `file` is a
/// descriptor that holds no lock, and `is_gone` tells of the process of these notes whether it is gone: if so, another
/// one keeps the lock for it.
pub(super) fn state<S: Borrow<RoleWords>>(
    role: Role,
    slot: impl Fn() -> S,
    file: BorrowedFd<'_>,
    is_gone: impl Fn(Notes) -> bool,
) -> Result<PeerState, Error> {
    let observe = || presence::observe(&slot().borrow().presence);
    let mut presence = observe();
    // Holders that attach and detach meanwhile count as alive; a process that keeps changing the word must not delay
    // this call for ever.
    for _ in 0..8 {
        match presence {
            Presence::Never => return Ok(PeerState::Never),
            Presence::Left { .. } => return Ok(PeerState::Closed),
            Presence::Attached { .. } if Lock::Role(role).is_held(file)? && !is_gone(Notes::read(slot().borrow())) => {
                return Ok(PeerState::Alive);
            }
            Presence::Attached { .. } => {}
        }
        // The lock is free, or a process keeps it that does not hold the role. If the word is still the same, it is
        // that of the holder that has exited; also if the next holder was writing its notes, which then had the lock
        // already.
        let now = observe();
        if now == presence {
            return Ok(PeerState::Crashed);
        }
        presence = now;
    }
    Ok(PeerState::Alive)
}

/// Returns the pid of the process that wrote this slot, if it is of this namespace and alive.
pub(super) fn holder(slot: &RoleWords) -> Option<u32> {
    Liveness::new().name(Notes::read(slot))
}
