//! A segment as an observer reads it: by system calls, without a mapping, a role or a lock.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::shm::OFlags;

use super::directory::{self, Use};
use super::holder::Liveness;
use super::layout::{self, Identity, MAGIC, ROWS, STREAM};
use super::object;
use super::requirements::Requirements;
use super::reserved;
use super::roles::{self, Lock, PeerState};
use super::unmapped::Unmapped;
use crate::error::Error;
use crate::ring::error::Corrupted;
use crate::ring::memory::Role;
use crate::ring::observe::{self, Positions, Sleeps};
use crate::ring::presence;

/// The owner, the group and the mode of a ring.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-permissions-{}", std::process::id());
/// use ringmain::{Options, inspect::Inspection};
///
/// let tx = Options::new(&name).capacity(64).mode(0o640).unlink_on_close(true).stream_producer::<u64>()?;
/// let permissions = Inspection::open(&name)?.permissions()?;
/// assert_eq!(permissions.mode & 0o022, 0, "users other than {} can write it", permissions.owner);
/// # assert_eq!(permissions.owner, rustix::process::geteuid().as_raw());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permissions {
    /// The user id of the owner.
    pub owner: u32,
    /// The group id.
    pub group: u32,
    /// The permission bits.
    pub mode: u32,
}

/// What is known of one end of a ring.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-end-{}", std::process::id());
/// use ringmain::{Options, PeerState, Role, inspect::Inspection};
///
/// let tx = Options::new(&name).capacity(64).unlink_on_close(true).stream_producer::<u64>()?;
/// let ring = Inspection::open(&name)?;
/// for role in [Role::Producer, Role::Consumer] {
///     let end = ring.end(role)?;
///     match (end.state, end.process) {
///         (PeerState::Alive, Some(pid)) => println!("{role}: process {pid}, {} wakes sent", end.wakes),
///         (state, _) => println!("{role}: {state:?} after {} attaches", end.generation),
///     }
/// }
/// # assert_eq!(ring.end(Role::Producer)?.process, Some(std::process::id()));
/// # assert_eq!(ring.end(Role::Consumer)?.state, PeerState::Never);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct End {
    /// Whether a process holds the role, and how the last holder left.
    pub state: PeerState,
    /// How often the role has been taken.
    pub generation: u64,
    /// The last holder, if it still runs, in the same PID namespace.
    pub process: Option<u32>,
    /// Its sleeps, as it reports them.
    pub sleeps: Sleeps,
    /// How often it has woken the other end.
    pub wakes: u64,
}

/// How often an object that changes is read before that is an error.
const ATTEMPTS: usize = 3;

/// A ring that is inspected.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-inspection-{}", std::process::id());
/// use ringmain::{Options, Role, inspect::Inspection};
///
/// let tx = Options::new(&name).capacity(64).type_tag("tick").unlink_on_close(true).stream_producer::<u64>()?;
/// let ring = Inspection::open(&name)?;
/// assert_eq!((ring.capacity(), ring.type_tag()), (64, "tick"));
/// assert!(ring.is_held(Role::Producer)? && !ring.is_held(Role::Consumer)?);
/// // All of that was in the ring that was opened.
/// ring.check()?;
/// drop(tx);
/// assert!(ring.is_orphaned()?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Inspection {
    pub(crate) name: String,
    file: OwnedFd,
    pub(crate) identity: Identity,
    /// The text of its type tag.
    pub(crate) tag: String,
}

/// What decides whether an object is a ring, as one read of its header and one `fstat` found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeaderSnapshot {
    magic: u64,
    rows: [u64; ROWS],
    len: u64,
    counted: u64,
    is_in_creation: bool,
}

impl HeaderSnapshot {
    pub(super) fn read(file: BorrowedFd<'_>) -> Result<HeaderSnapshot, Error> {
        let (magic, rows) = Unmapped(file).identity();
        // The length is read after the magic: before, the object may not have had its length yet.
        let stat = object::stat(file)?;
        Ok(HeaderSnapshot {
            // An object that is shorter than a header has no magic.
            magic: if stat.st_size < layout::DATA_OFFSET as i64 { 0 } else { magic },
            rows,
            len: stat.st_size as u64,
            counted: reserved::counted(&stat),
            is_in_creation: object::is_in_creation(&stat),
        })
    }

    /// Returns the identity of the segment; `None` if its creator has not finished.
    pub(super) fn identity(&self, name: &str) -> Result<Option<Identity>, Error> {
        match self.magic {
            MAGIC => Ok(Some(Identity::from_rows(self.rows))),
            // Its creator has not given it a size yet, or has not stored the magic yet.
            0 if self.len == 0 || self.len >= layout::DATA_OFFSET as u64 => Ok(None),
            _ => Err(self.not_a_ring(name)),
        }
    }

    /// The same of a segment whose creator is not at work any more.
    pub(super) fn finished(&self, name: &str) -> Result<Identity, Error> {
        self.identity(name)?.ok_or_else(|| self.not_a_ring(name))
    }

    pub(super) fn not_a_ring(&self, name: &str) -> Error {
        Error::NotARing { name: name.to_owned(), len: self.len, magic: self.magic }
    }

    /// Returns whether an object without a magic is what a creator left that was killed. The caller has found out that
    /// none is at work.
    pub(super) fn is_unfinished(&self, file: BorrowedFd<'_>) -> bool {
        self.is_in_creation && object::is_blank(file)
    }

    /// Returns the identity of the ring, if it is valid and complete.
    pub(super) fn check(&self, name: &str, file: BorrowedFd<'_>) -> Result<Identity, Error> {
        let identity = match self.magic {
            MAGIC => Identity::from_rows(self.rows),
            0 if Lock::Administration.is_held(file)? => {
                return Err(Error::NotReady { name: name.to_owned(), waited: Duration::ZERO });
            }
            // No process is creating it.
            0 if self.is_unfinished(file) => return Err(Error::Unfinished { name: name.to_owned() }),
            _ => return Err(self.not_a_ring(name)),
        };
        Requirements::from_identity(identity).check(name, identity, self.len)?;
        self.check_reserved(name, file)?;
        Ok(identity)
    }

    /// Refuses an object with holes, also where memory behind its end is counted for them.
    fn check_reserved(&self, name: &str, file: BorrowedFd<'_>) -> Result<(), Error> {
        reserved::check(name, self.len, reserved::before_the_end(file, self.len, self.counted))
    }
}

impl Inspection {
    /// Opens a ring to inspect it.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidName`], [`Error::NotFound`], [`Error::PermissionDenied`], [`Error::Directory`]: as their names
    ///   say.
    /// - [`Error::NotReady`]: the ring is being created.
    /// - [`Error::Unfinished`]: its creator was killed.
    /// - [`Error::NotARing`], [`Error::NotRegular`]: something else has the name.
    /// - [`Error::Mismatch`], [`Error::Sparse`]: the ring is damaged, or of another version of the layout.
    /// - [`Error::UnknownFeatures`]: a later version of this crate created it, in a way that this one cannot read.
    /// - [`Error::Changing`]: it changes while it is read.
    /// - [`Error::Leased`]: a process holds a lease of it.
    pub fn open(name: &str) -> Result<Inspection, Error> {
        object::check_name(name)?;
        let absent = || match directory::diagnose(Errno::NOENT, Use::Find) {
            Some(fault) => fault,
            None => Error::NotFound { name: name.to_owned(), waited: Duration::ZERO },
        };
        // Nothing but a regular file is opened: an open of a FIFO would unblock its writer.
        object::check_regular(name, &object::status(name)?.ok_or_else(absent)?)?;
        let file = object::open_as(name, OFlags::RDONLY)?.ok_or_else(absent)?;
        object::check_regular(name, &object::stat(file.as_fd())?)?;
        for _ in 0..ATTEMPTS {
            let snapshot = HeaderSnapshot::read(file.as_fd())?;
            match snapshot.check(name, file.as_fd()) {
                Ok(identity) => {
                    // The check has read it too.
                    let tag = identity.tag.text().unwrap_or_default();
                    return Ok(Inspection { name: name.to_owned(), file, identity, tag });
                }
                Err(error @ Error::NotReady { .. }) => return Err(error),
                Err(error) if HeaderSnapshot::read(file.as_fd())? == snapshot => return Err(error),
                // Its creator has finished it meanwhile, or another process keeps changing it.
                Err(_) => {}
            }
        }
        Err(Error::Changing { name: name.to_owned() })
    }

    /// Checks that the ring is still the one that was opened: then all that was read since was in it, unless a process
    /// changed it and changed it back.
    ///
    /// # Errors
    ///
    /// - [`Error::Changing`]: its header or its length is another one.
    /// - [`Error::Sparse`]: holes were punched into it.
    /// - [`Error::Os`]: the system call failed.
    pub fn check(&self) -> Result<(), Error> {
        let snapshot = HeaderSnapshot::read(self.file.as_fd())?;
        let is_same = snapshot.magic == MAGIC
            && Identity::from_rows(snapshot.rows) == self.identity
            && snapshot.len == self.identity.segment_length;
        match is_same {
            true => snapshot.check_reserved(&self.name, self.file.as_fd()),
            false => Err(Error::Changing { name: self.name.clone() }),
        }
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.identity.kind == STREAM
    }

    /// Returns its capacity: in elements, or in bytes for messages.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.identity.capacity as usize
    }

    /// Returns its owner, its group and its mode.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]: the system call failed.
    pub fn permissions(&self) -> Result<Permissions, Error> {
        let stat = object::stat(self.file.as_fd())?;
        Ok(Permissions { owner: stat.st_uid, group: stat.st_gid, mode: stat.st_mode & 0o7777 })
    }

    /// Returns whether the name of the ring was removed, or refers to another object: no process can attach by it.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]: the system call failed.
    pub fn is_orphaned(&self) -> Result<bool, Error> {
        object::is_orphaned(&self.name, self.file.as_fd())
    }

    /// Returns whether the object was truncated: the missing part is read as zeros.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]: the system call failed.
    pub fn is_truncated(&self) -> Result<bool, Error> {
        Ok((object::stat(self.file.as_fd())?.st_size as u64) < self.identity.segment_length)
    }

    /// Returns both positions, at one moment.
    ///
    /// # Errors
    ///
    /// [`Corrupted`]: they are impossible.
    pub fn positions(&self) -> Result<Positions, Corrupted> {
        let behind = if self.is_stream() { 0 } else { self.identity.capacity };
        let [head, tail] = [layout::HEAD, layout::TAIL].map(|offset| self.unmapped().word(offset));
        observe::positions(&head, &tail, self.identity.capacity, behind)
    }

    pub(crate) fn positions_after_copy(&self) -> (u64, u64) {
        self.unmapped().positions_after_copy()
    }

    /// Loads the tail of a stream ring, after which the elements before it can be copied.
    pub(crate) fn tail(&self) -> u64 {
        observe::tail(&self.unmapped().word(layout::TAIL))
    }

    /// Returns whether a process has locked a role, whatever its presence says: then the ring is in use, even if the
    /// process that keeps the lock is not the one that took the role.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`]: the system cannot tell whether a lock is held.
    pub fn is_held(&self, role: Role) -> Result<bool, Error> {
        Lock::Role(role).is_held(self.file.as_fd())
    }

    /// Returns what is known of one end.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`]: the system cannot tell whether a lock is held.
    pub fn end(&self, role: Role) -> Result<End, Error> {
        let (liveness, slot) = (Liveness::new(), || self.unmapped().slot(role));
        let (state, slot) = (roles::state(role, slot, self.file.as_fd(), |notes| liveness.is_gone(notes))?, slot());
        Ok(End {
            state,
            generation: presence::observe(&slot.presence).generation(),
            process: if state == PeerState::Alive { roles::holder(&slot) } else { None },
            sleeps: observe::sleeps(&slot.parking),
            wakes: observe::wakes(&slot.wakes),
        })
    }

    /// Reads the header of the record at an index of the data area of a message ring.
    pub(crate) fn record_header(&self, index: usize) -> u64 {
        observe::header(&self.unmapped().word(self.identity.data_offset + index as u64))
    }

    /// Copies `len` bytes from an index of the data area on, around its end, to the end of `bytes`. A peer may write
    /// them meanwhile.
    ///
    /// # Panics
    ///
    /// If the index or the length is larger than the data area.
    pub(crate) fn copy(&self, index: usize, len: usize, bytes: &mut Vec<u8>) {
        let data_len = (self.identity.segment_length - self.identity.data_offset) as usize;
        assert!(index <= data_len && len <= data_len, "{len} bytes at {index} of {data_len}");
        let start = bytes.len();
        bytes.resize(start + len, 0);
        let (first, rest) = bytes[start..].split_at_mut(len.min(data_len - index));
        self.unmapped().read(self.identity.data_offset + index as u64, first);
        self.unmapped().read(self.identity.data_offset, rest);
    }

    fn unmapped(&self) -> Unmapped<'_> {
        Unmapped(self.file.as_fd())
    }
}

/// Returns all names of the directory of shared memory, in order, whatever objects they are.
pub(crate) fn names() -> Result<Vec<OsString>, Error> {
    let read = |source| {
        let fault = Errno::from_io_error(&source).and_then(|error| directory::diagnose(error, Use::List));
        fault.unwrap_or(Error::Os { call: "readdir(/dev/shm)", source })
    };
    let entries = fs::read_dir(directory::PATH).map_err(read)?;
    let mut names = entries.map(|entry| Ok(entry.map_err(read)?.file_name())).collect::<Result<Vec<_>, Error>>()?;
    names.sort_unstable();
    Ok(names)
}
