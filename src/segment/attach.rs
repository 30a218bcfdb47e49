//! How a process comes to a segment: one path for both roles and for both start orders.
//!
//! The name may be absent, half made, removed, or made anew at any point of this path, by a process that may be killed at
//! any instruction. Three rules keep it sound:
//!
//! - a segment is made under its administration lock, which the kernel gives back when its creator dies;
//! - a name is removed only under the administration lock of the object that it stands for;
//! - after a role is locked, the name is looked at once more: it may stand for another object by now.

#![allow(unsafe_code, reason = "the header of a mapping is read through its address")]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::anonymous;
use super::layout::{DATA_OFFSET, Header, Identity, MAGIC, MESSAGE, WRITTEN_BY_CREATOR};
use super::mapping::Mapping;
use super::object::{self, Access, os};
use super::place::Place;
use super::roles::{self, Lock};
use super::wanted::{Birth, Wanted};
use crate::error::Error;
use crate::options::{Creation, Options};
use crate::ring::identity;
use crate::ring::memory::Role;

/// How long a living creator may take, beyond what the caller waits anyway. Reserving a gigabyte takes about half a second.
pub(super) const CREATION: Duration = Duration::from_secs(5);

/// The pauses between two looks at a name.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// What a caller asks for.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) place: &'a Place,
    /// The role to take; `None` to make the ring, or to find it made, and no more.
    pub(super) role: Option<Role>,
    pub(super) access: Access,
    pub(super) creation: Creation,
    pub(super) wait: Duration,
    pub(super) prefault: bool,
    pub(super) lock_memory: bool,
    pub(super) wanted: Wanted,
}

/// A segment whose role this process holds, if it asked for one.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) mapping: Mapping,
    pub(super) identity: Box<Identity>,
    /// A second descriptor of the object, that holds no lock: for questions.
    pub(super) questions: OwnedFd,
}

/// What one look at a name came to.
enum Look {
    Attached(Attached),
    Absent,
    /// Another process makes it, or something changed meanwhile: look again.
    Unsettled,
}

/// Attaches, creating the segment where that is asked for.
pub(super) fn attach(request: &Request<'_>) -> Result<Attached, Error> {
    if let Place::Name(name) = request.place {
        object::check_name(name)?;
    }
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let (patience, error): (_, fn(String, Duration) -> Error) = match request.look()? {
            Look::Attached(attached) => return Ok(attached),
            Look::Unsettled => (request.wait.max(CREATION), |name, waited| Error::NotReady { name, waited }),
            Look::Absent => (request.wait, |name, waited| Error::NotFound { name, waited }),
        };
        let waited = start.elapsed();
        if waited >= patience {
            return Err(error(request.place.name().to_owned(), waited));
        }
        thread::sleep(pause.min(patience - waited));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Removes the name of a ring, whatever its state. Processes that are attached go on.
///
/// # Errors
///
/// - [`Error::InvalidName`], [`Error::NotFound`], [`Error::PermissionDenied`]: as they say.
/// - [`Error::NotRegular`]: something that is no shared-memory object stands under the name.
/// - [`Error::NotReady`]: a process that is creating or removing the ring does not finish.
pub fn unlink(name: &str) -> Result<(), Error> {
    object::check_name(name)?;
    let Some(file) = object::open(name)? else {
        return Err(Error::NotFound { name: name.to_owned(), waited: Duration::ZERO });
    };
    object::check_regular(name, &object::stat(file.as_fd())?)?;
    // Where another process was faster, the name is gone, or stands for a ring that came after this call.
    object::unlink(name, file.as_fd(), CREATION).map(|_| ())
}

impl<'a> Request<'a> {
    /// Asks for what `options` say, and for a role, if any.
    pub(super) fn of(options: &'a Options, role: Option<Role>, wanted: Wanted) -> Result<Request<'a>, Error> {
        options.check_mode()?;
        let owner = options.owner.unwrap_or_else(|| rustix::process::geteuid().as_raw());
        Ok(Request {
            place: &options.place,
            role,
            access: Access { owner, mode: options.mode },
            creation: options.creation,
            wait: options.wait,
            prefault: options.prefault,
            lock_memory: options.lock_memory,
            wanted,
        })
    }

    fn look(&self) -> Result<Look, Error> {
        match self.place {
            Place::Name(name) => self.look_at(name),
            Place::Nowhere if !self.wanted.is_complete() => Err(Error::NoCapacity),
            // There is nobody to wait for.
            Place::Nowhere if self.creation == Creation::Never => {
                Err(Error::NotFound { name: self.place.name().to_owned(), waited: Duration::ZERO })
            }
            Place::Nowhere => self.make(anonymous::create(self.access.mode)?.as_fd()),
            Place::Descriptor(given) => self.look_behind(given.as_fd()),
        }
    }

    fn look_at(&self, name: &str) -> Result<Look, Error> {
        let Some(file) = object::open(name)? else {
            return if self.may_create() { self.create(name) } else { Ok(Look::Absent) };
        };
        let file = file.as_fd();
        object::check_access(name, &object::stat(file)?, self.access)?;
        match self.observe(file)? {
            None => self.repair(name, file),
            Some(found) => self.join(file, found),
        }
    }

    /// Looks at what was given by its descriptor. Its length means nothing before its seals were seen.
    fn look_behind(&self, given: BorrowedFd<'_>) -> Result<Look, Error> {
        anonymous::check_sealed(given)?;
        // The description of what was given may be shared with any process: the lock must not be.
        let file = anonymous::reopen(given)?;
        let file = file.as_fd();
        object::check_access(self.place.name(), &object::stat(file)?, self.access)?;
        match self.observe(file)? {
            // The seals are the last step of a creation.
            None => self.not_a_ring(file, 0),
            Some(found) => self.join(file, found),
        }
    }

    /// Takes the role in a segment that is made, if it is the one that is wanted.
    fn join(&self, file: BorrowedFd<'_>, found: Identity) -> Result<Look, Error> {
        if self.creation == Creation::New {
            return Err(Error::AlreadyExists { name: self.place.name().to_owned() });
        }
        // The length is read after the magic was seen: before, the object may not have had its length yet.
        self.wanted.check(self.place.name(), found, object::stat(file)?.st_size as u64)?;
        self.enter(file, found)
    }

    fn may_create(&self) -> bool {
        self.wanted.is_complete() && self.creation != Creation::Never
    }

    /// Creates the segment, and takes the role before anyone else can see it.
    fn create(&self, name: &str) -> Result<Look, Error> {
        Lock::check_supported()?;
        let Some(file) = object::create(name)? else { return Ok(Look::Unsettled) };
        // Another process may have seen the empty object first and taken it for one whose creator died.
        if !Lock::Administration.take(file.as_fd())? {
            return Ok(Look::Unsettled);
        }
        let made = self.make(file.as_fd());
        if made.is_err() {
            // The first error tells more than a second one. What cannot be removed now, the next attach repairs.
            let _ = object::unlink_locked(name, file.as_fd());
        }
        Lock::Administration.give_back(file.as_fd())?;
        made
    }

    /// Reserves and maps the memory and writes what it is. Whatever can fail comes before the magic, which is the last.
    fn make(&self, file: BorrowedFd<'_>) -> Result<Look, Error> {
        if let Some(role) = self.role {
            // No process of this protocol looks for a role before it has seen the magic, but a stranger may have locked it.
            if !Lock::Role(role).take(file)? {
                return Ok(Look::Unsettled);
            }
        }
        if self.place.is_named() {
            // A umask may have taken even the owner's permissions.
            object::set_mode(file, self.access.mode)?;
        }
        let Some(questions) = self.reopen(file)? else { return Ok(Look::Unsettled) };
        let identity = self.wanted.identity(birth()?);
        match self.place.is_named() {
            true => object::reserve(file, identity.segment_length)?,
            false => anonymous::reserve(file, identity.segment_length)?,
        }
        let mapping = self.map(file, identity)?;
        let header = header(&mapping);
        let (rows, first) = (header.identity_rows(), identity.first_position);
        let words = [&rows[..], &[&*header.tail, &*header.head]].concat();
        identity::publish(&header.identity.magic, MAGIC, &words, &[&identity.rows()[..], &[first, first]].concat());
        if !self.place.is_named() {
            anonymous::seal(file)?;
        }
        Ok(Look::Attached(Attached { mapping, identity: Box::new(identity), questions }))
    }

    /// Locks the role, makes sure that the name still stands for this object, and maps it.
    fn enter(&self, file: BorrowedFd<'_>, identity: Identity) -> Result<Look, Error> {
        if let Some(role) = self.role {
            if !Lock::Role(role).take(file)? {
                let mapping = Mapping::new(file, DATA_OFFSET)?;
                let slot = header(&mapping).slot(role);
                if !roles::has_come(slot) {
                    // Its holder is just coming, or just leaving.
                    return Ok(Look::Unsettled);
                }
                let name = self.place.name().to_owned();
                return Err(Error::Busy { name, role, holder: roles::holder(slot) });
            }
        }
        let Some(questions) = self.reopen(file)? else { return Ok(Look::Unsettled) };
        let mapping = self.map(file, identity)?;
        Ok(Look::Attached(Attached { mapping, identity: Box::new(identity), questions }))
    }

    /// Opens the object once more; `None` where its name stands for another one by now.
    fn reopen(&self, file: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Error> {
        match self.place {
            Place::Name(name) => object::reopen(name, file),
            Place::Nowhere | Place::Descriptor(_) => anonymous::reopen(file).map(Some),
        }
    }

    /// Maps the whole segment, which is as long as it says.
    fn map(&self, file: BorrowedFd<'_>, identity: Identity) -> Result<Mapping, Error> {
        // It was compared with the length of an object, or reserved, so it is not longer than any object can be.
        let len = identity.segment_length as usize;
        let mapping = match identity.kind {
            MESSAGE => Mapping::mirrored(file, len, identity.data_offset as usize)?,
            _ => Mapping::new(file, len)?,
        };
        if self.prefault {
            mapping.prefault()?;
        }
        if self.lock_memory {
            mapping.lock()?;
        }
        Ok(mapping)
    }

    /// Reads what the segment says that it is; `None` where its creator has not finished.
    fn observe(&self, file: BorrowedFd<'_>) -> Result<Option<Identity>, Error> {
        let len = object::stat(file)?.st_size as u64;
        if len == 0 {
            // Its creator has not come to give it a size.
            return Ok(None);
        }
        if len < DATA_OFFSET as u64 {
            return self.not_a_ring(file, 0);
        }
        let mapping = Mapping::new(file, DATA_OFFSET)?;
        let header = header(&mapping);
        match identity::observe(&header.identity.magic, &header.identity_rows()) {
            (MAGIC, rows) => Ok(Some(Identity::from_rows(rows))),
            (0, _) => Ok(None),
            (magic, _) => self.not_a_ring(file, magic),
        }
    }

    /// Removes what a dead creator left behind. A living one is left to finish.
    fn repair(&self, name: &str, file: BorrowedFd<'_>) -> Result<Look, Error> {
        if !Lock::Administration.take(file)? {
            return Ok(Look::Unsettled);
        }
        // Its creator may have finished, and another may have repaired it, before the lock was ours.
        if self.observe(file)?.is_none() {
            self.refuse_foreign(file)?;
            object::unlink_locked(name, file)?;
        }
        Lock::Administration.give_back(file)?;
        Ok(Look::Unsettled)
    }

    /// Refuses to remove an object that no creator of ours can have left: one with anything but what that writes.
    fn refuse_foreign(&self, file: BorrowedFd<'_>) -> Result<(), Error> {
        match object::is_blank(file, &WRITTEN_BY_CREATOR)? {
            true => Ok(()),
            false => self.not_a_ring(file, 0),
        }
    }

    fn not_a_ring<T>(&self, file: BorrowedFd<'_>, magic: u64) -> Result<T, Error> {
        let len = object::stat(file)?.st_size as u64;
        Err(Error::NotARing { name: self.place.name().to_owned(), len, magic })
    }
}

/// Chooses what only one ring has.
fn birth() -> Result<Birth, Error> {
    let mut bytes = [0; 8];
    // No ring has the number 0.
    while bytes == [0; 8] {
        let read = rustix::io::retry_on_intr(|| getrandom(&mut bytes, GetRandomFlags::empty()));
        match read {
            Ok(_) => {}
            Err(error @ (Errno::NOSYS | Errno::PERM)) => {
                return Err(Error::Unsupported { call: "getrandom", source: error.into() });
            }
            Err(error) => return Err(os("getrandom", error)),
        }
    }
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    Ok(Birth { ring_id: u64::from_ne_bytes(bytes), time })
}

fn header(mapping: &Mapping) -> &Header {
    // SAFETY: a mapping is at least as long as a header and aligned to a page; every byte of a header is an atomic or
    // padding, so whatever a peer writes there is a value; and the reference lives no longer than the mapping.
    unsafe { mapping.header().as_ref() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_a_stranger_locked_first_is_not_taken_for_ours() {
        let options = Options::anonymous().capacity(8);
        for role in [Role::Producer, Role::Consumer] {
            let request = Request::of(&options, Some(role), Wanted::messages(&options).unwrap()).unwrap();
            let file = anonymous::create(0o600).unwrap();
            let stranger = anonymous::reopen(file.as_fd()).unwrap();
            assert!(Lock::Role(role).take(stranger.as_fd()).unwrap());
            assert!(matches!(request.make(file.as_fd()), Ok(Look::Unsettled)));
            drop(stranger);
            assert!(matches!(request.make(file.as_fd()), Ok(Look::Attached(_))));
        }
    }
}
