//! A segment as an observer sees it: mapped read-only, without a role and without a lock.

#![allow(unsafe_code, reason = "reads a mapping through raw pointers")]

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::holder::Looker;
use super::layout::{DATA_OFFSET, Features, Header, Identity, MAGIC, ROWS, STREAM};
use super::mapping::Mapping;
use super::object;
use super::roles::{self, Lock, PeerState};
use super::wanted::Wanted;
use crate::error::Error;
use crate::ring::copy::copy_out;
use crate::ring::identity;
use crate::ring::memory::Role;

use crate::ring::error::Corrupted;
use crate::ring::observe::{self, Positions, ReadOnly, Sleeps};
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

/// Where Linux keeps the names of shared-memory objects.
const DIRECTORY: &str = "/dev/shm";

/// A segment, mapped to be looked at.
#[derive(Debug)]
pub(crate) struct View {
    name: String,
    file: OwnedFd,
    identity: Identity,
    tag: String,
    mapping: Mapping,
}

impl View {
    /// Maps the ring of this name.
    pub(crate) fn open(name: &str) -> Result<View, Error> {
        object::check_name(name)?;
        let Some(file) = object::open_to_read(name)? else {
            return Err(Error::NotFound { name: name.to_owned(), waited: Duration::ZERO });
        };
        object::check_regular(name, &object::stat(file.as_fd())?)?;
        let identity = match read_identity(file.as_fd())? {
            (MAGIC, rows) => Identity::from_rows(rows),
            (0, _) if Lock::Administration.is_held(file.as_fd())? => {
                return Err(Error::NotReady { name: name.to_owned(), waited: Duration::ZERO });
            }
            // Nobody is creating it: it was finished after the first load, or it never will be.
            _ => match read_identity(file.as_fd())? {
                (MAGIC, rows) => Identity::from_rows(rows),
                (magic, _) => {
                    let len = object::stat(file.as_fd())?.st_size as u64;
                    return Err(Error::NotARing { name: name.to_owned(), len, magic });
                }
            },
        };
        // The length is read after the magic was seen: before, the object may not have had its length yet.
        let len = object::stat(file.as_fd())?.st_size as u64;
        Wanted::whatever(identity).check(name, identity, len)?;
        // The check has compared it with the length of an object.
        let mapping = Mapping::read_only(file.as_fd(), len as usize, identity.data_offset as usize)?;
        // The check has read it too.
        let tag = identity.tag.text().unwrap_or_default();
        Ok(View { name: name.to_owned(), file, identity, tag, mapping })
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

    /// Returns whether the name of the ring is gone.
    pub(crate) fn is_orphaned(&self) -> Result<bool, Error> {
        Ok(object::stat(self.file.as_fd())?.st_nlink == 0)
    }

    /// Returns whether the object has become shorter, so that a read of it can end this process.
    pub(crate) fn is_truncated(&self) -> Result<bool, Error> {
        Ok((object::stat(self.file.as_fd())?.st_size as u64) < self.identity.segment_length)
    }

    pub(crate) fn positions(&self) -> Result<Positions, Corrupted> {
        let behind = if self.is_stream() { 0 } else { self.identity.capacity };
        let (head, tail) = self.ends();
        observe::positions(&head, &tail, self.identity.capacity, behind)
    }

    pub(crate) fn positions_behind_a_copy(&self) -> (u64, u64) {
        let (head, tail) = self.ends();
        observe::positions_behind_a_copy(&head, &tail)
    }

    /// Loads the tail of a stream ring, after which the elements before it can be copied.
    pub(crate) fn tail(&self) -> u64 {
        observe::tail(&self.ends().1)
    }

    pub(crate) fn state(&self, role: Role) -> Result<PeerState, Error> {
        let looker = Looker::new();
        roles::state(role, self.header().slot(role), self.file.as_fd(), |notes| looker.is_gone(notes))
    }

    pub(crate) fn generation(&self, role: Role) -> u64 {
        presence::observe(&ReadOnly(&self.header().slot(role).presence)).generation()
    }

    /// Returns the pid of the last holder of a role, if it can be seen from here and still runs.
    pub(crate) fn process(&self, role: Role) -> Option<u32> {
        roles::holder(self.header().slot(role))
    }

    pub(crate) fn sleeps(&self, role: Role) -> Sleeps {
        observe::sleeps(&ReadOnly(&self.header().slot(role).parking))
    }

    pub(crate) fn wakes(&self, role: Role) -> u64 {
        observe::wakes(&ReadOnly(&self.header().slot(role).wakes))
    }

    /// Reads the header of the record at an index of the data area of a message ring.
    ///
    /// # Panics
    ///
    /// If the index is no multiple of eight below the capacity.
    pub(crate) fn record_header(&self, index: usize) -> u64 {
        let (data, len) = self.mapping.data();
        assert!(index % 8 == 0 && index < len, "a record at {index}");
        // SAFETY: the index lies within the data area.
        let word = unsafe { data.add(index) };
        // SAFETY: the word is aligned, like the data area and the index, mapped for as long as `self` lives, and only
        // loaded, as memory that cannot be written is.
        let word = unsafe { AtomicU64::from_ptr(word.as_ptr().cast()) };
        observe::header(&ReadOnly(word))
    }

    /// Copies `len` bytes from an index of the data area on, around its end, to the end of `bytes`. A peer may write
    /// them meanwhile.
    ///
    /// # Panics
    ///
    /// If the index or the length is larger than the data area.
    pub(crate) fn copy(&self, index: usize, len: usize, bytes: &mut Vec<u8>) {
        let first = len.min(self.mapping.data().1 - index);
        self.copy_within(index, first, bytes);
        self.copy_within(0, len - first, bytes);
    }

    fn copy_within(&self, index: usize, len: usize, bytes: &mut Vec<u8>) {
        let (data, data_len) = self.mapping.data();
        assert!(index <= data_len && len <= data_len - index, "{len} bytes at {index} of {data_len}");
        bytes.reserve(len);
        let target = bytes.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: the index lies within the data area.
        let from = unsafe { data.add(index) };
        // SAFETY: as many bytes are mapped there, and there is room for as many after the vector's last.
        unsafe { copy_out::<u8>(from.as_ptr(), target, len) };
        // SAFETY: as many bytes are written.
        unsafe { bytes.set_len(bytes.len() + len) };
    }

    /// Returns the head and the tail.
    fn ends(&self) -> (ReadOnly<'_, AtomicU64>, ReadOnly<'_, AtomicU64>) {
        (ReadOnly(&self.header().head), ReadOnly(&self.header().tail))
    }

    /// Every word of it is to be loaded as [`ReadOnly`].
    fn header(&self) -> &Header {
        header(&self.mapping)
    }
}

/// Reads the magic and the rows, as far as the object has them: a magic of 0 if it is too short.
fn read_identity(file: BorrowedFd<'_>) -> Result<(u64, [u64; ROWS]), Error> {
    if (object::stat(file)?.st_size as u64) < DATA_OFFSET as u64 {
        return Ok((0, [0; ROWS]));
    }
    let mapping = Mapping::read_only(file, DATA_OFFSET, DATA_OFFSET)?;
    let header = header(&mapping);
    Ok(identity::observe(&ReadOnly(&header.identity.magic), &header.identity_rows().map(ReadOnly)))
}

fn header(mapping: &Mapping) -> &Header {
    // SAFETY: a mapping is at least as long as a header and aligned to a page; every byte of a header is an atomic,
    // which is only loaded here, or padding; and the reference lives no longer than the mapping.
    unsafe { mapping.header().as_ref() }
}

/// Returns all names of shared memory that a ring can have, in order.
pub(crate) fn names() -> Result<Vec<String>, Error> {
    let read = |source| Error::Os { call: "readdir(/dev/shm)", source };
    let mut names = Vec::new();
    for entry in fs::read_dir(DIRECTORY).map_err(read)? {
        let entry = entry.map_err(read)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if object::check_name(&name).is_ok() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}
