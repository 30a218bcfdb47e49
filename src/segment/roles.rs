//! Who holds which role, and who is alive.
//!
//! A role is an open-file-description (OFD) lock on one byte of the segment. The kernel gives it back at any death of
//! its holder, it holds across PID namespaces and between two handles of one process, and `F_OFD_GETLK` asks about it
//! without taking it. No other lock of the system does all of that.
//!
//! A role is a write lock, which takes a descriptor that can write. Whoever may only read a ring can set a read lock on
//! the same byte while that is free. Such a lock keeps everybody from the role, and nothing can prevent that, but it is
//! no role: questions about a role are asked by a read lock, with which a write lock alone conflicts.

#![allow(unsafe_code, reason = "rustix has no OFD locks, so fcntl is called through libc")]

use std::borrow::Borrow;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use super::holder::{Looker, Notes};
use super::layout::Slot;
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

    /// Asks whether nothing but a read lock of another open file description keeps the lock from being taken.
    pub(super) fn is_kept_by_a_reader(self, file: BorrowedFd<'_>) -> Result<bool, Error> {
        Ok(self.conflicting(libc::F_WRLCK, file)? == libc::F_RDLCK)
    }

    /// Says that a reader keeps everybody from the lock.
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

/// What is known of the other end of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerState {
    /// Nobody was attached yet.
    Never,
    /// A process holds the other role. It may be stopped, but as far as can be known it is not dead.
    Alive,
    /// The last holder said that it left, and nobody has followed.
    Closed,
    /// The last holder is gone without having said so, and nobody has followed. A process that it forked or spawned may
    /// keep its lock.
    Crashed,
}

impl From<Presence> for PeerState {
    /// What a holder said last: `Alive` if it has not said that it left.
    fn from(said: Presence) -> PeerState {
        match said {
            Presence::Never => PeerState::Never,
            Presence::Came { .. } => PeerState::Alive,
            Presence::Left { .. } => PeerState::Closed,
        }
    }
}

/// Finds out the state of `role`, whose holder writes this slot, which may be a new copy each time. `file` is a
/// descriptor that holds no lock, and `is_gone` tells of the process of these notes whether it is gone: if so, another
/// one keeps the lock for it.
pub(super) fn state<S: Borrow<Slot>>(
    role: Role,
    slot: impl Fn() -> S,
    file: BorrowedFd<'_>,
    is_gone: impl Fn(Notes) -> bool,
) -> Result<PeerState, Error> {
    let observe = || presence::observe(&slot().borrow().presence);
    let mut said = observe();
    // Holders that attach and leave meanwhile count as alive; a process that only changes the word must not hold us.
    for _ in 0..8 {
        match said {
            Presence::Never => return Ok(PeerState::Never),
            Presence::Left { .. } => return Ok(PeerState::Closed),
            Presence::Came { .. } if Lock::Role(role).is_held(file)? && !is_gone(Notes::read(slot().borrow())) => {
                return Ok(PeerState::Alive);
            }
            Presence::Came { .. } => {}
        }
        // The lock is free, or a process keeps it that does not hold the role. If the word is still the same, it is of
        // the holder that is gone. So it is too if the next one was writing its notes: that one had the lock by then.
        let now = observe();
        if now == said {
            return Ok(PeerState::Crashed);
        }
        said = now;
    }
    Ok(PeerState::Alive)
}

/// Returns the pid of the process that wrote this slot, if it can be seen from here and still runs.
pub(super) fn holder(slot: &Slot) -> Option<u32> {
    Looker::new().name(Notes::read(slot))
}
