//! A descriptor that a child inherits, and how the child finds it.

#![allow(unsafe_code, reason = "a step between fork and exec, and a flag of a descriptor that is known by its number")]

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, fmt};

use rustix::fs::{OFlags, Stat};
use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};

use super::error::{PassError, failed};
use crate::error::{ANONYMOUS, Error};
use crate::segment::anonymous::{check_regular, check_ring, open_number, path_of};
use crate::segment::descriptor::FIRST;

/// Where the system lists the descriptors of this process.
const DESCRIPTORS: &str = "/proc/self/fd";

/// What the variable says: the number of the descriptor, and the file behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Note {
    number: i32,
    object: (u64, u64),
}

impl Note {
    /// Reads a note as it is written, and in no other way.
    fn parse(text: &str) -> Option<Note> {
        let mut fields = text.split(':');
        let mut next = || fields.next();
        let (number, device, inode) = (next()?, next()?, next()?);
        let note = Note { number: number.parse().ok()?, object: (device.parse().ok()?, inode.parse().ok()?) };
        (note.number >= 0 && note.to_string() == text).then_some(note)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.number, self.object.0, self.object.1)
    }
}

/// Returns the device and the inode.
fn object(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// Lets the processes that this command starts inherit a descriptor, and tells them which one by an environment
/// variable.
///
/// The command keeps a copy of the descriptor for as long as it lives. No other program that this process starts
/// inherits it. It works for several descriptors, each with a variable of its own.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::process::Command;
///
/// use ringmain::{Options, pass};
///
/// let mut tx = Options::anonymous().capacity(64).stream_producer::<u64>()?;
/// let mut command = Command::new("worker");
/// pass::inherit(&mut command, tx.descriptor(), "WORKER_RING")?;
/// let child = command.spawn()?;
///
/// // In the worker:
/// let mut rx = Options::from_fd(pass::inherited("WORKER_RING")?).stream_consumer::<u64>()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// - [`PassError::Variable`]: no variable can have this name.
/// - [`PassError::NotARing`]: the descriptor is not that of a ring without a name, but of a pipe, a socket, another
///   file or the like.
/// - [`PassError::Os`]: a system call failed.
pub fn inherit(command: &mut Command, descriptor: impl AsFd, variable: &str) -> Result<(), PassError> {
    check_name(variable)?;
    let (copy, note) = inheritable(descriptor)?;
    command.env(variable, note);
    // In the child alone: no program that another thread starts meanwhile inherits it.
    let keep_open = move || fcntl_setfd(&copy, FdFlags::empty()).map_err(Into::into);
    // SAFETY: between fork and exec it makes one system call, and neither allocates nor takes a lock.
    unsafe { command.pre_exec(keep_open) };
    Ok(())
}

/// Makes a copy of a descriptor that a program can inherit which is started by other means than [`Command`], and the
/// text for the environment variable by which that program finds it.
///
/// The copy is close-on-exec. The child that is to run the program clears that: by `fcntl(F_SETFD)` between `fork` and
/// `exec`, or by `posix_spawn_file_actions_adddup2` with the same number twice. Its number must stay what it is.
///
/// # Errors
///
/// As [`inherit`], but for the variable.
pub fn inheritable(descriptor: impl AsFd) -> Result<(OwnedFd, String), PassError> {
    // The first numbers are those of the standard streams, which a command replaces in the child.
    let copy = fcntl_dupfd_cloexec(descriptor.as_fd(), FIRST).map_err(failed("fcntl(F_DUPFD_CLOEXEC)"))?;
    let stat = rustix::fs::fstat(&copy).map_err(failed("fstat"))?;
    check_ring(copy.as_fd()).map_err(no_ring(copy.as_raw_fd()))?;
    let note = Note { number: copy.as_raw_fd(), object: object(&stat) };
    Ok((copy, note.to_string()))
}

/// Refuses a name that no variable can have: the standard library would panic.
fn check_name(variable: &str) -> Result<(), PassError> {
    match variable.is_empty() || variable.contains(['=', '\0']) {
        true => Err(PassError::Variable { name: variable.to_owned() }),
        false => Ok(()),
    }
}

/// Says that a descriptor is not that of a ring.
fn no_ring(number: i32) -> impl Fn(Error) -> PassError {
    move |source| PassError::NotARing { number, source }
}

/// Opens what this process inherited by [`inherit`]. It can be called more than once.
///
/// The variable names the descriptor and the file behind it. It is not trusted: the descriptor is reopened through
/// `/proc/self/fd`, the file behind it must be the one that the variable names, and it must be a ring. The inherited
/// descriptor itself stays open, but becomes close-on-exec: only after all that was checked, so that nothing changes of
/// a descriptor that the variable names wrongly.
///
/// # Errors
///
/// - [`PassError::Missing`], [`PassError::Malformed`]: the variable is not set, or does not name a descriptor.
/// - [`PassError::NotInherited`], [`PassError::OtherFile`]: no descriptor of this number is open, or it refers to
///   another file.
/// - [`PassError::NotARing`]: what the variable names is no ring.
/// - [`PassError::NoProc`]: `/proc` is not mounted.
/// - [`PassError::Os`]: a system call failed.
pub fn inherited(variable: &str) -> Result<OwnedFd, PassError> {
    check_name(variable)?;
    let text: OsString = env::var_os(variable).ok_or_else(|| PassError::Missing { variable: variable.to_owned() })?;
    let Some(note) = text.to_str().and_then(Note::parse) else {
        return Err(PassError::Malformed { variable: variable.to_owned(), found: text });
    };
    // Before it is opened, which may have side effects or wait: the variable is not trusted.
    let stat = rustix::fs::stat(path_of(note.number)).map_err(|error| note.gone(variable, error))?;
    note.check(variable, &stat)?;
    check_regular(ANONYMOUS, &stat).map_err(no_ring(note.number))?;
    let opened = open_number(note.number, OFlags::RDWR);
    let descriptor = opened.map_err(|error| note.gone(variable, error))?;
    note.check(variable, &rustix::fs::fstat(descriptor.as_fd()).map_err(failed("fstat"))?)?;
    check_ring(descriptor.as_fd()).map_err(no_ring(note.number))?;
    note.keep_to_this_process();
    Ok(descriptor)
}

impl Note {
    fn gone(&self, variable: &str, error: Errno) -> PassError {
        match error {
            Errno::NOENT | Errno::NOTDIR if rustix::fs::stat(DESCRIPTORS).is_err() => {
                PassError::NoProc { source: error.into() }
            }
            Errno::NOENT | Errno::NOTDIR => {
                PassError::NotInherited { variable: variable.to_owned(), number: self.number, source: error.into() }
            }
            _ => PassError::Os { call: "open(/proc/self/fd)", source: error.into() },
        }
    }

    fn check(&self, variable: &str, stat: &Stat) -> Result<(), PassError> {
        let (found, expected) = (object(stat), self.object);
        match found == expected {
            true => Ok(()),
            false => Err(PassError::OtherFile { variable: variable.to_owned(), number: self.number, found, expected }),
        }
    }

    /// Ends the inheritance here: what this process starts does not get the descriptor.
    fn keep_to_this_process(&self) {
        // No ring is passed there, and programs that this process starts must keep their standard streams, whatever the
        // variable says.
        if self.number < FIRST {
            return;
        }
        // SAFETY: a descriptor of this number was open a moment ago, for the ring that the variable names, and is the
        // one that was left open for this process at its start. If another thread closes it right now, no more than a
        // flag is set, which the standard library sets for all that it opens.
        let inherited = unsafe { BorrowedFd::borrow_raw(self.number) };
        // If this fails, programs that are started inherit it.
        let _ = fcntl_setfd(inherited, FdFlags::CLOEXEC);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let note = Note { number: 7, object: (1, u64::MAX) };
        assert_eq!(Note::parse(&note.to_string()), Some(note));
        assert_eq!(note.to_string(), "7:1:18446744073709551615");
    }

    #[test]
    fn anything_else_is_no_note() {
        for text in ["", "7", "7:1", "7:1:2:3", "-1:1:2", "07:1:2", "+7:1:2", "7: 1:2", "7:1:", "a:b:c", "7:1:2\n"] {
            assert_eq!(Note::parse(text), None, "{text:?}");
        }
    }
}
