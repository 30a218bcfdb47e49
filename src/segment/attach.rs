//! How a process attaches to a segment: one path for both roles and for both start orders.
//!
//! The name may be absent, half made, removed, or made again at any point of this path, by a process that may be killed
//! at any instruction. Five rules keep it sound:
//!
//! - a segment is created under its administration lock, which the kernel gives back when its creator dies;
//! - a name is removed only under the administration lock of the object that it refers to, and by an attach only if
//!   that is marked as one in the making, as its creator marked it together with the name;
//! - nothing is mapped before it was read by system calls, is what is wanted, and has memory for all of its length;
//! - after a role is locked, the name is checked again: it may refer to another object by now;
//! - a lock is held for longer than a few system calls only by a mapping whose descriptor is closed: a process that
//!   another thread forks or spawns meanwhile would keep the lock by its copy of the descriptor. So nothing slow
//!   (reserving, prefaulting, locking in memory) is done while such a descriptor is open; it is done by one without a
//!   lock.

#![allow(unsafe_code, reason = "the header of a mapping is read through its address")]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::anonymous;
use super::holder::{Looker, Notes};
use super::layout::{DATA_OFFSET, Header, Identity, MAGIC, MESSAGE};
use super::mapping::Mapping;
use super::object::{self, Access, os};
use super::place::Place;
use super::roles::{self, Lock};
use super::unmapped::Unmapped;
use super::view::Glance;
use super::wanted::{Birth, Wanted};
use crate::error::Error;
use crate::ring::identity;
use crate::ring::memory::Role;
use crate::ring::presence::Presence;

/// How long a living creator may make no progress, beyond what the caller waits anyway. Reserving a gigabyte takes
/// about half a second, and each page of it is progress. To bring its pages into place takes as long, by pieces, and
/// between two of them it changes the object.
pub(super) const CREATION: Duration = Duration::from_secs(5);

/// How long a handle that is closed waits at most for its turn to remove the name, whoever holds it up.
pub(super) const REMOVAL: Duration = Duration::from_secs(1);

/// How long the system may take to give back the lock of a process that is gone, if nobody keeps it, and how long a
/// reader may keep a lock that nobody has.
const GRACE: Duration = Duration::from_millis(100);

/// The permissions of the owner.
const OWNERS: u32 = 0o700;

/// The pauses between two attempts.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// Whether a call may create a new ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Creation {
    /// Uses the existing ring; creates one if there is none and a capacity was given.
    #[default]
    IfMissing,
    /// Creates a new ring, and fails if one exists.
    New,
    /// Uses the existing ring, and fails if there is none.
    Never,
}

/// Which ring a caller asks for.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) place: &'a Place,
    /// The role to take; `None` to create the ring, if it is missing, and no more.
    pub(crate) role: Option<Role>,
    pub(crate) access: Access,
    pub(crate) creation: Creation,
    /// Whether a ring without a name that is created can be sealed further.
    pub(crate) sealable: bool,
    pub(crate) wait: Duration,
    pub(crate) prefault: bool,
    pub(crate) lock_memory: bool,
    /// How many bytes the data area of a ring that stands may have.
    pub(crate) max_capacity: Option<u64>,
    pub(crate) wanted: Wanted,
}

/// A segment whose role this process holds, if it asked for one.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) mapping: Mapping,
    pub(super) identity: Box<Identity>,
    /// A second descriptor of the object, that holds no lock: for questions.
    pub(super) questions: OwnedFd,
}

/// The result of one attempt.
enum Look {
    Attached(Attached),
    Absent,
    /// Something changed meanwhile, or another process is attaching or leaving: try again.
    Unsettled,
    /// Another process is creating it, and has got this far.
    BeingMade(Progress),
    /// The role is locked, and this process, which held it, is gone.
    HolderGone(u32),
    /// This lock is free, and a process that may only read the ring keeps everybody from it.
    ReadLocked(Lock),
}

impl Look {
    /// What was mapped, if anything was.
    fn attached(mapped: Option<(Mapping, Identity)>, questions: OwnedFd) -> Look {
        mapped.map_or(Look::Unsettled, |(mapping, identity)| {
            Look::Attached(Attached { mapping, identity: Box::new(identity), questions })
        })
    }

    /// How far the creator of an object has got.
    fn being_made(stat: &Stat) -> Look {
        // Their types differ between processors.
        let (seconds, nanoseconds) = (i128::from(stat.st_ctime), i128::from(stat.st_ctime_nsec));
        let (ino, size, blocks) = (i128::from(stat.st_ino), i128::from(stat.st_size), i128::from(stat.st_blocks));
        Look::BeingMade([ino, size, blocks, seconds, nanoseconds])
    }
}

/// How far a creator has got: which object it is, its length and blocks, and when it was changed last.
type Progress = [i128; 5];

/// The result of an attempt to lock a role.
enum Locking {
    /// It is locked, if there is one to lock, and the mapping keeps it.
    Locked(Mapping),
    /// Another one has it.
    Held(Role),
    /// The name refers to another object by now.
    Moved,
}

/// Attaches, creating the segment if asked to.
pub(super) fn attach(request: &Request<'_>) -> Result<Attached, Error> {
    if let Place::Name(name) = request.place {
        object::check_name(name)?;
    }
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut patience = Patience::default();
    loop {
        let look = request.look()?;
        let waited = start.elapsed();
        let limit = match look {
            Look::Attached(attached) => return Ok(attached),
            Look::Absent => request.wait,
            _ => patience.after(&look, waited, request.wait),
        };
        if waited >= limit {
            return Err(request.give_up(&look, waited));
        }
        thread::sleep(pause.min(limit - waited));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// For how long attempts go on at a name that another process is changing.
#[derive(Debug, Default)]
struct Patience {
    /// How far a creator had got, and when that was seen first.
    progress: Option<(Progress, Duration)>,
    /// Since when a lock is kept that no process of this protocol has.
    kept: Option<Duration>,
}

impl Patience {
    /// Returns when patience ends after this attempt, counted from the first one.
    fn after(&mut self, look: &Look, waited: Duration, wait: Duration) -> Duration {
        if let Look::HolderGone(_) | Look::ReadLocked(_) = look {
            return *self.kept.get_or_insert(waited) + GRACE;
        }
        self.kept = None;
        if let &Look::BeingMade(made) = look {
            if self.progress.is_none_or(|(progress, _)| progress != made) {
                self.progress = Some((made, waited));
            }
        }
        let progressed = self.progress.map_or(Duration::ZERO, |(_, when)| when);
        wait.max(progressed + CREATION)
    }
}

/// Removes the name of a ring, whatever its state, and of anything else that is a file ([`unlink_if_free`] does not).
/// Processes that are attached go on.
///
/// # Errors
///
/// - [`Error::InvalidName`], [`Error::NotFound`], [`Error::PermissionDenied`]: as they say.
/// - [`Error::NotRegular`]: something that is no shared-memory object has the name.
/// - [`Error::NotReady`]: a process that is creating or removing the ring does not finish.
/// - [`Error::ReadLocked`]: a process that may only read the ring keeps everybody from removing it.
pub fn unlink(name: &str) -> Result<(), Error> {
    object::check_name(name)?;
    let Some(file) = object::open(name)? else {
        return Err(Error::NotFound { name: name.to_owned(), waited: Duration::ZERO });
    };
    object::check_regular(name, &object::stat(file.as_fd())?)?;
    // If another process was faster, the name is gone, or refers to a ring that was created after this call.
    object::unlink(name, file.as_fd(), CREATION).map(|_| ())
}

/// Removes the name of a ring that nobody holds, or of what a process left that was killed while it made one. Anything
/// else stays.
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
/// - [`Error::Busy`]: a process has locked a role, whatever it says of itself.
/// - [`Error::NotReady`]: a process that is creating or removing the ring does not finish.
/// - [`Error::NotARing`], [`Error::NotRegular`], [`Error::Mismatch`], [`Error::UnknownFeatures`], [`Error::Sparse`]: it
///   is no ring, or none that this version understands.
/// - [`Error::Leased`]: a process holds a lease of the object.
pub fn unlink_if_free(name: &str, limit: Duration) -> Result<(), Error> {
    object::check_name(name)?;
    let Some(file) = object::open(name)? else {
        return Err(Error::NotFound { name: name.to_owned(), waited: Duration::ZERO });
    };
    let file = file.as_fd();
    object::check_regular(name, &object::stat(file)?)?;
    let removed = object::unlink_if(name, file, limit, || match Glance::at(file)?.judge(name, file) {
        Ok(_) => lock_both_roles(name, file),
        Err(Error::Unfinished { .. }) => Ok(()),
        Err(error) => Err(error),
    });
    // A process that was forked meanwhile shares the locks.
    for role in [Role::Producer, Role::Consumer] {
        Lock::Role(role).give_back(file)?;
    }
    removed.map(|_| ())
}

/// Locks both roles, so that nobody takes one.
fn lock_both_roles(name: &str, file: BorrowedFd<'_>) -> Result<(), Error> {
    for role in [Role::Producer, Role::Consumer] {
        let lock = Lock::Role(role);
        // A stranger's lock for reading, which holds no role, is in the way of this one only.
        if !lock.take(file)? && lock.is_held(file)? {
            let holder = roles::holder(&Unmapped(file).slot(role));
            return Err(Error::Busy { name: name.to_owned(), role, holder });
        }
    }
    Ok(())
}

impl<'a> Request<'a> {
    fn look(&self) -> Result<Look, Error> {
        match self.place {
            Place::Name(name) => self.look_at(name),
            Place::Nowhere if !self.wanted.is_complete() => Err(Error::NoCapacity),
            // There is no creator to wait for.
            Place::Nowhere if self.creation == Creation::Never => {
                Err(Error::NotFound { name: self.place.name().to_owned(), waited: Duration::ZERO })
            }
            Place::Nowhere => {
                let questions = anonymous::create(self.access.mode)?;
                let made = self.make(questions.as_fd())?;
                // The system tells nobody of what is done by the descriptor with which it made a memory file.
                let questions = if self.role.is_some() { anonymous::reopen(questions.as_fd())? } else { questions };
                Ok(Look::attached(made, questions))
            }
            Place::Descriptor(given) => self.look_behind(given.as_fd()),
        }
    }

    fn look_at(&self, name: &str) -> Result<Look, Error> {
        let opened = match object::open(name) {
            Err(Error::PermissionDenied { .. }) => match object::status(name)? {
                // Its creator opens it, to others and under a umask to itself, when it has locked what it needs.
                Some(stat) if object::is_in_the_making(&stat) => {
                    object::check_access(name, &stat, self.access)?;
                    return Ok(Look::being_made(&stat));
                }
                // It may have been finished, or removed, between the two calls.
                _ => object::open(name)?,
            },
            opened => opened?,
        };
        let Some(file) = opened else {
            return match self.wanted.is_complete() {
                false if self.creation == Creation::New => Err(Error::NoCapacity),
                true if self.creation != Creation::Never => self.create(name),
                _ => Ok(Look::Absent),
            };
        };
        object::check_access(name, &object::stat(file.as_fd())?, self.access)?;
        match self.observe(file.as_fd())? {
            None => self.repair(name, file.as_fd()),
            Some(found) => self.join(file, found),
        }
    }

    /// Tries what a given descriptor refers to. Its length means nothing before its seals were checked.
    fn look_behind(&self, given: BorrowedFd<'_>) -> Result<Look, Error> {
        anonymous::check_sealed(given)?;
        let file = anonymous::reopen(given)?;
        object::check_access(self.place.name(), &object::stat(file.as_fd())?, self.access)?;
        match self.observe(file.as_fd())? {
            // The seals are the last step of a creation.
            None => self.not_a_ring(file.as_fd(), 0),
            Some(found) => self.join(file, found),
        }
    }

    /// Takes the role in a finished segment, if it is the one that is wanted.
    fn join(&self, file: OwnedFd, found: Identity) -> Result<Look, Error> {
        if self.creation == Creation::New {
            return Err(Error::AlreadyExists { name: self.place.name().to_owned() });
        }
        let name = self.place.name();
        // The length is read after the magic was seen: before, the object may not have had its length yet.
        let stat = object::stat(file.as_fd())?;
        let (len, reserved) = (stat.st_size as u64, object::reserved(&stat));
        self.wanted.check(name, found, len)?;
        object::check_reserved(name, len, reserved)?;
        let data = len - found.data_offset;
        match self.most(stat.st_uid, reserved).filter(|&limit| limit < data) {
            Some(limit) => Err(Error::TooLarge { name: name.to_owned(), found: data, limit }),
            None => self.enter(file, found),
        }
    }

    /// Returns how many bytes the data area of a ring of this owner may have, that holds so much memory already.
    fn most(&self, owner: u32, reserved: u64) -> Option<u64> {
        let is_foreign = !self.place.is_named() || owner != super::effective_user();
        match self.max_capacity {
            None if is_foreign && !self.wanted.is_complete() => {
                // What would be available if the ring were not there.
                anonymous::available_memory().map(|available| available.saturating_add(reserved) / 2)
            }
            given => given,
        }
    }

    /// Says why the wait ends after this attempt.
    fn give_up(&self, look: &Look, waited: Duration) -> Error {
        let name = self.place.name().to_owned();
        match (look, self.role) {
            (Look::Absent, _) => Error::NotFound { name, waited },
            (&Look::HolderGone(holder), Some(role)) => Error::HolderGone { name, role, holder, waited },
            (Look::ReadLocked(lock), _) => lock.read_locked(&name, waited),
            _ => Error::NotReady { name, waited },
        }
    }

    /// Creates the segment, and takes the role before anyone else can see it.
    fn create(&self, name: &str) -> Result<Look, Error> {
        Lock::check_supported()?;
        let Some(file) = object::create(name)? else { return Ok(Look::Unsettled) };
        // Another process may have seen the empty object first and taken it for one whose creator died.
        if !Lock::Administration.take(file.as_fd())? {
            return Ok(Look::Unsettled);
        }
        let (administration, questions) = match self.begin(name, file.as_fd()) {
            Ok(Some(begun)) => begun,
            Ok(None) => return Ok(Look::Unsettled),
            Err(error) => {
                // The first error tells more than a second one. What cannot be removed now, the next attach repairs.
                let _ = object::unlink_locked(name, file.as_fd());
                return Err(error);
            }
        };
        drop(file);
        let made = self.make(questions.as_fd());
        if made.is_err() {
            let _ = object::unlink_locked(name, questions.as_fd());
        }
        drop(administration);
        Ok(Look::attached(made?, questions))
    }

    /// Opens a new object again, and maps a page of it, which keeps the administration lock that `file` has: nothing
    /// else of the mapping is used, and nobody inherits it.
    fn begin(&self, name: &str, file: BorrowedFd<'_>) -> Result<Option<(Mapping, OwnedFd)>, Error> {
        // A umask may have taken even the owner's permissions. Others get theirs once they can lock nothing.
        object::set_mode(file, self.access.mode & OWNERS | object::IN_THE_MAKING)?;
        let Some(questions) = object::reopen(name, file)? else { return Ok(None) };
        Ok(Some((Mapping::new(file, DATA_OFFSET)?, questions)))
    }

    /// Reserves and maps the memory and writes what it is. All that can fail comes before the magic, which is the last.
    ///
    /// Returns `None` if another process was faster.
    fn make(&self, questions: BorrowedFd<'_>) -> Result<Option<(Mapping, Identity)>, Error> {
        let (identity, is_named) = (self.wanted.identity(birth()?), self.place.is_named());
        let len = identity.segment_length;
        // A length that no address space has room for is reported as such.
        if is_named {
            object::check_room(questions, len)?
        } else {
            anonymous::check_room(len)?
        }
        // No process of this protocol locks a role before it has seen the magic, but a stranger may have locked it.
        let Locking::Locked(mapping) = self.lock_role(questions, identity)? else { return Ok(None) };
        if is_named {
            object::set_mode(questions, self.access.mode | object::IN_THE_MAKING)?;
            object::reserve(questions, len)?
        } else {
            anonymous::reserve(questions, len)?
        }
        self.settle(&mapping, || match is_named {
            // Nothing but a sign of life for those who wait.
            true => object::set_mode(questions, self.access.mode | object::IN_THE_MAKING),
            false => Ok(()),
        })?;
        let header = header(&mapping);
        let (rows, first) = (header.identity_rows(), identity.first_position);
        let words = [&rows[..], &[&*header.tail, &*header.head]].concat();
        identity::publish(&header.identity.magic, MAGIC, &words, &[&identity.rows()[..], &[first, first]].concat());
        match is_named {
            // It has a magic: what is left of a creator that is killed before this call is whole all the same.
            true => object::set_mode(questions, self.access.mode)?,
            false => anonymous::seal(questions, self.sealable)?,
        }
        // Without a magic, an object with more than rows would pass for a stranger's, which no attach removes.
        if let Some(role) = self.role {
            roles::introduce(header.slot(role));
        }
        Ok(Some((mapping, identity)))
    }

    /// Takes the role in a finished segment. `questions` was opened first, and holds no lock.
    fn enter(&self, questions: OwnedFd, identity: Identity) -> Result<Look, Error> {
        let mapping = match self.lock_role(questions.as_fd(), identity)? {
            Locking::Locked(mapping) => mapping,
            Locking::Held(role) => return self.look_at_holder(questions.as_fd(), role),
            Locking::Moved => return Ok(Look::Unsettled),
        };
        mapping.populate_header()?;
        if let Some(role) = self.role {
            roles::introduce(header(&mapping).slot(role));
        }
        self.settle(&mapping, || Ok(()))?;
        Ok(Look::attached(Some((mapping, identity)), questions))
    }

    /// Locks the role by a description of its own, maps the whole segment by it, which may still be longer than the
    /// object, and checks that the name still refers to this object.
    ///
    /// The descriptor is open for these few calls alone: afterwards the mapping keeps the lock.
    fn lock_role(&self, questions: BorrowedFd<'_>, identity: Identity) -> Result<Locking, Error> {
        let Some(own) = self.reopen(questions)? else { return Ok(Locking::Moved) };
        if let Some(role) = self.role {
            if !Lock::Role(role).take(own.as_fd())? {
                return Ok(Locking::Held(role));
            }
            // Where a stranger has it, nobody relies on it.
            let _ = Lock::Reads(role).take(own.as_fd());
        }
        let mapping = map(own.as_fd(), identity)?;
        drop(own);
        match self.place {
            Place::Name(name) if !object::stands_for(name, questions)? => Ok(Locking::Moved),
            _ => Ok(Locking::Locked(mapping)),
        }
    }

    /// Finds out why a role is locked.
    fn look_at_holder(&self, questions: BorrowedFd<'_>, role: Role) -> Result<Look, Error> {
        if Lock::Role(role).is_kept_by_a_reader(questions)? {
            return Ok(Look::ReadLocked(Lock::Role(role)));
        }
        let slot = Unmapped(questions).slot(role);
        let (said, notes, looker) = (roles::said(&slot), Notes::read(&slot), Looker::new());
        match said {
            // Its holder is just attaching, or just leaving: the notes may be those of the one before.
            Presence::Never | Presence::Left { .. } => Ok(Look::Unsettled),
            Presence::Came { .. } if !looker.is_gone(notes) => {
                Err(Error::Busy { name: self.place.name().to_owned(), role, holder: looker.name(notes) })
            }
            // The notes are those of one process, unless another one attached meanwhile.
            Presence::Came { .. } if roles::said(&Unmapped(questions).slot(role)) == said => {
                Ok(notes.pid().map_or(Look::Unsettled, Look::HolderGone))
            }
            Presence::Came { .. } => Ok(Look::Unsettled),
        }
    }

    /// Reopens the object; `None` if its name refers to another one by now.
    fn reopen(&self, file: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Error> {
        match self.place {
            Place::Name(name) => object::reopen(name, file),
            Place::Nowhere | Place::Descriptor(_) => anonymous::reopen(file).map(Some),
        }
    }

    /// Brings every page of a mapping into place, and locks it in memory, if asked to. That can take many seconds, so
    /// `say` is called between two pieces.
    fn settle(&self, mapping: &Mapping, say: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
        for piece in mapping.pieces() {
            if piece.start > 0 {
                say()?;
            }
            if self.prefault {
                mapping.prefault(piece.clone())?;
            }
            if self.lock_memory {
                mapping.lock(piece)?;
            }
        }
        Ok(())
    }

    /// Reads what the segment says it is; `None` if its creator has not finished.
    fn observe(&self, file: BorrowedFd<'_>) -> Result<Option<Identity>, Error> {
        Glance::at(file)?.identity(self.place.name())
    }

    /// Removes what a dead creator left behind. A living one is left to finish.
    fn repair(&self, name: &str, file: BorrowedFd<'_>) -> Result<Look, Error> {
        if !Lock::Administration.take(file)? {
            if Lock::Administration.is_kept_by_a_reader(file)? {
                return Ok(Look::ReadLocked(Lock::Administration));
            }
            return Ok(Look::being_made(&object::stat(file)?));
        }
        // Its creator may have finished, and another may have repaired it, before the lock was ours.
        if self.observe(file)?.is_none() {
            // Without the mark of its creator it is a stranger's, who may need it.
            if !object::is_in_the_making(&object::stat(file)?) || !object::is_blank(file) {
                return self.not_a_ring(file, 0);
            }
            object::unlink_locked(name, file)?;
        }
        Lock::Administration.give_back(file)?;
        Ok(Look::Unsettled)
    }

    fn not_a_ring<T>(&self, file: BorrowedFd<'_>, magic: u64) -> Result<T, Error> {
        let len = object::stat(file)?.st_size as u64;
        Err(Error::NotARing { name: self.place.name().to_owned(), len, magic })
    }
}

/// Chooses what is unique to a ring.
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

/// Maps the whole segment, which is or will be as long as it says. Touches nothing.
fn map(file: BorrowedFd<'_>, identity: Identity) -> Result<Mapping, Error> {
    // It was compared with the length of an object, or with the room that there is, so it is not longer than any object
    // can be.
    let len = identity.segment_length as usize;
    match identity.kind {
        MESSAGE => Mapping::mirrored(file, len, identity.data_offset as usize),
        _ => Mapping::new(file, len),
    }
}

fn header(mapping: &Mapping) -> &Header {
    // SAFETY: a mapping is at least as long as a header and aligned to a page; every byte of a header is an atomic or
    // padding, so whatever a peer writes there is a value; and the reference lives no longer than the mapping.
    unsafe { mapping.header().as_ref() }
}

#[cfg(test)]
mod tests {
    use super::super::wanted::Terms;
    use super::*;

    /// Asks for a ring of messages.
    fn request(place: &Place, role: Role, capacity: Option<usize>) -> Request<'_> {
        Request {
            place,
            role: Some(role),
            access: Access { owner: rustix::process::geteuid().as_raw(), mode: 0o600 },
            creation: Creation::IfMissing,
            sealable: false,
            wait: Duration::ZERO,
            prefault: true,
            lock_memory: false,
            max_capacity: None,
            wanted: Wanted::messages(&Terms { capacity, ..Terms::default() }).unwrap(),
        }
    }

    #[test]
    fn what_a_stranger_gives_may_cost_half_of_the_memory_unless_it_is_asked_for() {
        let (given, named) = (Place::Descriptor(anonymous::create(0o600).unwrap().into()), Place::Name("a".to_owned()));
        let own = super::super::effective_user();
        let most = |place, capacity, owner| request(place, Role::Consumer, capacity).most(owner, 1 << 20);
        let half = anonymous::available_memory().unwrap() / 2;
        for most in [most(&given, None, own), most(&named, None, own + 1)] {
            assert!(most.is_some_and(|most| (half / 2..2 * half).contains(&most)), "{most:?}, half is {half}");
        }
        assert_eq!([most(&named, None, own), most(&given, Some(4096), own), most(&named, Some(1), own + 1)], [None; 3]);
        let limited = Request { max_capacity: Some(7), ..request(&named, Role::Consumer, Some(4096)) };
        assert_eq!(limited.most(own, 0), Some(7));
    }

    #[test]
    fn a_role_that_a_stranger_locked_first_is_not_taken_for_ours() {
        for role in [Role::Producer, Role::Consumer] {
            let request = request(&Place::Nowhere, role, Some(4096));
            let file = anonymous::create(0o600).unwrap();
            let stranger = anonymous::reopen(file.as_fd()).unwrap();
            assert!(Lock::Role(role).take(stranger.as_fd()).unwrap());
            assert!(matches!(request.make(file.as_fd()), Ok(None)));
            drop(stranger);
            assert!(matches!(request.make(file.as_fd()), Ok(Some(_))));
        }
    }
}
