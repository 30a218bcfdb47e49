//! A segment as an observer sees it: read by system calls, without a mapping, a role or a lock.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::io::Errno;

use super::directory::{self, Use};
use super::holder::Looker;
use super::layout::{self, Features, Identity, MAGIC, ROWS, STREAM};
use super::object;
use super::reserved;
use super::roles::{self, Lock, PeerState};
use super::unmapped::Unmapped;
use super::wanted::Wanted;
use crate::error::Error;
use crate::ring::memory::Role;

use crate::ring::error::Corrupted;
use crate::ring::observe::{self, Positions, Sleeps};
use crate::ring::presence;

/// The owner, the group and the mode of a ring.
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

/// How often to look at an object that changes before that is told.
const ATTEMPTS: usize = 3;

/// A segment that is looked at.
#[derive(Debug)]
pub(crate) struct View {
    name: String,
    file: OwnedFd,
    identity: Identity,
    tag: String,
}

/// What decides whether an object is a ring, as one look finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Glance {
    magic: u64,
    rows: [u64; ROWS],
    len: u64,
    reserved: u64,
    is_in_the_making: bool,
}

impl Glance {
    pub(super) fn at(file: BorrowedFd<'_>) -> Result<Glance, Error> {
        let (magic, rows) = Unmapped(file).identity();
        // The length is read after the magic was seen: before, the object may not have had its length yet.
        let stat = object::stat(file)?;
        Ok(Glance {
            // What is shorter than a header has none.
            magic: if stat.st_size < layout::DATA_OFFSET as i64 { 0 } else { magic },
            rows,
            len: stat.st_size as u64,
            reserved: reserved::counted(&stat),
            is_in_the_making: object::is_in_the_making(&stat),
        })
    }

    /// Returns what a segment says it is; `None` if its creator has not finished.
    pub(super) fn identity(&self, name: &str) -> Result<Option<Identity>, Error> {
        match self.magic {
            MAGIC => Ok(Some(Identity::from_rows(self.rows))),
            // Its creator has not given it a size yet, or has not come to the magic.
            0 if self.len == 0 || self.len >= layout::DATA_OFFSET as u64 => Ok(None),
            magic => Err(Error::NotARing { name: name.to_owned(), len: self.len, magic }),
        }
    }

    /// Returns what the ring is, if it is whole.
    pub(super) fn judge(&self, name: &str, file: BorrowedFd<'_>) -> Result<Identity, Error> {
        let Glance { magic, len, .. } = *self;
        let identity = match magic {
            MAGIC => Identity::from_rows(self.rows),
            0 if Lock::Administration.is_held(file)? => {
                return Err(Error::NotReady { name: name.to_owned(), waited: Duration::ZERO });
            }
            // Nobody is creating it.
            0 if self.is_in_the_making && object::is_blank(file) => {
                return Err(Error::Unfinished { name: name.to_owned() });
            }
            _ => return Err(Error::NotARing { name: name.to_owned(), len, magic }),
        };
        Wanted::whatever(identity).check(name, identity, len)?;
        reserved::check(name, len, self.reserved)?;
        Ok(identity)
    }
}

impl View {
    /// Opens the ring of this name.
    pub(crate) fn open(name: &str) -> Result<View, Error> {
        object::check_name(name)?;
        let absent = || match directory::blame(Errno::NOENT, Use::Find) {
            Some(fault) => fault,
            None => Error::NotFound { name: name.to_owned(), waited: Duration::ZERO },
        };
        // Nothing but a regular file is opened: whoever opens a FIFO lets its writer go on.
        object::check_regular(name, &object::status(name)?.ok_or_else(absent)?)?;
        let file = object::open_to_read(name)?.ok_or_else(absent)?;
        object::check_regular(name, &object::stat(file.as_fd())?)?;
        for _ in 0..ATTEMPTS {
            let glance = Glance::at(file.as_fd())?;
            match glance.judge(name, file.as_fd()) {
                Ok(identity) => {
                    // The check has read it too.
                    let tag = identity.tag.text().unwrap_or_default();
                    return Ok(View { name: name.to_owned(), file, identity, tag });
                }
                Err(error @ Error::NotReady { .. }) => return Err(error),
                Err(error) if Glance::at(file.as_fd())? == glance => return Err(error),
                // It was being finished, or somebody plays with it.
                Err(_) => {}
            }
        }
        Err(Error::Changing { name: name.to_owned() })
    }

    /// Checks that the ring is what it was when it was opened.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let glance = Glance::at(self.file.as_fd())?;
        let is_same = glance.magic == MAGIC
            && Identity::from_rows(glance.rows) == self.identity
            && glance.len == self.identity.segment_length;
        match is_same {
            true => reserved::check(&self.name, glance.len, glance.reserved),
            false => Err(Error::Changing { name: self.name.clone() }),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn layout_version(&self) -> u64 {
        self.identity.layout_version
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.identity.kind == STREAM
    }

    pub(crate) fn capacity(&self) -> usize {
        self.identity.capacity as usize
    }

    pub(crate) fn element_size(&self) -> usize {
        self.identity.element_size as usize
    }

    pub(crate) fn element_align(&self) -> usize {
        self.identity.element_align as usize
    }

    pub(crate) fn record_align(&self) -> usize {
        self.identity.record_align as usize
    }

    pub(crate) fn type_id(&self) -> u64 {
        self.identity.type_id
    }

    pub(crate) fn type_tag(&self) -> &str {
        &self.tag
    }

    pub(crate) fn ring_id(&self) -> u64 {
        self.identity.ring_id
    }

    pub(crate) fn first_position(&self) -> u64 {
        self.identity.first_position
    }

    pub(crate) fn features(&self) -> Features {
        self.identity.features
    }

    pub(crate) fn created(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.identity.created)
    }

    pub(crate) fn segment_length(&self) -> u64 {
        self.identity.segment_length
    }

    pub(crate) fn permissions(&self) -> Result<Permissions, Error> {
        let stat = object::stat(self.file.as_fd())?;
        Ok(Permissions { owner: stat.st_uid, group: stat.st_gid, mode: stat.st_mode & 0o7777 })
    }

    /// Returns whether the name of the ring is gone, or stands for another object.
    pub(crate) fn is_orphaned(&self) -> Result<bool, Error> {
        object::is_orphaned(&self.name, self.file.as_fd())
    }

    /// Returns whether the object has become shorter.
    pub(crate) fn is_truncated(&self) -> Result<bool, Error> {
        Ok((object::stat(self.file.as_fd())?.st_size as u64) < self.identity.segment_length)
    }

    pub(crate) fn positions(&self) -> Result<Positions, Corrupted> {
        let behind = if self.is_stream() { 0 } else { self.identity.capacity };
        let [head, tail] = [layout::HEAD, layout::TAIL].map(|offset| self.unmapped().word(offset));
        observe::positions(&head, &tail, self.identity.capacity, behind)
    }

    pub(crate) fn positions_behind_a_copy(&self) -> (u64, u64) {
        self.unmapped().positions_behind_a_copy()
    }

    /// Loads the tail of a stream ring, after which the elements before it can be copied.
    pub(crate) fn tail(&self) -> u64 {
        observe::tail(&self.unmapped().word(layout::TAIL))
    }

    pub(crate) fn state(&self, role: Role) -> Result<PeerState, Error> {
        let (looker, mut slot) = (Looker::new(), self.unmapped().slot(role));
        // Holders that attach and leave meanwhile count as alive; a process that only changes the word must not hold
        // us.
        for _ in 0..8 {
            let state = roles::state(role, &slot, self.file.as_fd(), |notes| looker.is_gone(notes))?;
            let now = self.unmapped().slot(role);
            // A copy says for ever what its holder said when it was made, who may have left in order since.
            if state != PeerState::Crashed || roles::said(&now) == roles::said(&slot) {
                return Ok(state);
            }
            slot = now;
        }
        Ok(PeerState::Alive)
    }

    /// Returns whether a process has locked a role, whatever it says of itself.
    pub(crate) fn is_held(&self, role: Role) -> Result<bool, Error> {
        Lock::Role(role).is_held(self.file.as_fd())
    }

    pub(crate) fn generation(&self, role: Role) -> u64 {
        presence::observe(&self.unmapped().slot(role).presence).generation()
    }

    /// Returns the pid of the last holder of a role, if it can be seen from here and still runs.
    pub(crate) fn process(&self, role: Role) -> Option<u32> {
        roles::holder(&self.unmapped().slot(role))
    }

    pub(crate) fn sleeps(&self, role: Role) -> Sleeps {
        observe::sleeps(&self.unmapped().slot(role).parking)
    }

    pub(crate) fn wakes(&self, role: Role) -> u64 {
        observe::wakes(&self.unmapped().slot(role).wakes)
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

/// Returns all names of the directory of shared memory, in order, whatever stands under them.
pub(crate) fn names() -> Result<Vec<OsString>, Error> {
    let read = |source| {
        let fault = Errno::from_io_error(&source).and_then(|error| directory::blame(error, Use::List));
        fault.unwrap_or(Error::Os { call: "readdir(/dev/shm)", source })
    };
    let entries = fs::read_dir(directory::PATH).map_err(read)?;
    let mut names = entries.map(|entry| Ok(entry.map_err(read)?.file_name())).collect::<Result<Vec<_>, Error>>()?;
    names.sort_unstable();
    Ok(names)
}
