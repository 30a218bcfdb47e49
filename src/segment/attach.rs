//! How a process attaches to a segment: one path for both roles and for both start orders.
//!
//! The name may be absent, in creation, removed, or created again at any point of this path, by a process that may be
//! killed at any instruction. Five rules keep it sound:
//!
//! - a segment is created under its administration lock, which the kernel gives back when its creator dies;
//! - a name is removed only under the administration lock of the object that it refers to, and by an attach only if
//!   that is marked as in creation, which its creator does in the step that creates the name;
//! - nothing is mapped before it was read by system calls, is what is required, and has memory for all of its length;
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
use rustix::rand::{GetRandomFlags, getrandom};

use super::anonymous;
use super::directory;
use super::effective_user;
use super::holder::{Liveness, Notes};
use super::inspection::HeaderSnapshot;
use super::layout::{DATA_OFFSET, Header, Identity, MAGIC, MESSAGE};
use super::mapping::{Mapping, PIECE};
use super::object;
use super::removal;
use super::request::{CREATION_TIMEOUT, Creation, Place, Request};
use super::requirements::{CreationStamp, Requirements};
use super::reserved;
use super::roles::Lock;
use super::unmapped::Unmapped;
use crate::error::Error;
use crate::ring::identity;
use crate::ring::memory::Role;
use crate::ring::presence::{self, Presence};

/// How long the kernel may take to release the lock of a process that has exited, and how long a reader may keep a lock
/// that has no holder.
const GRACE: Duration = Duration::from_millis(100);

/// The permissions of the owner.
const OWNERS: u32 = 0o700;

/// The bits by which others than the owner write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The pauses between two attempts.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// A segment whose role this process holds, if it asked for one.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) mapping: Mapping,
    pub(super) identity: Box<Identity>,
    /// A second descriptor of the object, which holds no lock.
    pub(super) descriptor: OwnedFd,
}

impl Attached {
    fn of((mapping, identity): (Mapping, Identity), descriptor: OwnedFd) -> Attached {
        Attached { mapping, identity: Box::new(identity), descriptor }
    }
}

/// Why an attempt did not attach.
enum Obstacle {
    /// Another attempt would fail too.
    Failed(Error),
    /// There is no ring, and this attempt may not create one.
    Absent,
    /// Something changed meanwhile, or another process is attaching or leaving: try again.
    Retry,
    /// Another process is creating it, and has made this progress.
    InCreation(Progress),
    /// The role is locked, and this process, which held it, has exited.
    HolderGone(u32),
    /// This lock has no holder, and a process that may only read the ring blocks it by a read lock.
    ReadLocked(Lock),
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Obstacle {
        Obstacle::Failed(error)
    }
}

impl Obstacle {
    /// The progress of the creator of an object.
    fn in_creation(stat: &Stat) -> Obstacle {
        // Their types differ between processors.
        let (seconds, nanoseconds) = (i128::from(stat.st_ctime), i128::from(stat.st_ctime_nsec));
        let (ino, size, blocks) = (i128::from(stat.st_ino), i128::from(stat.st_size), i128::from(stat.st_blocks));
        Obstacle::InCreation([ino, size, blocks, seconds, nanoseconds])
    }
}

/// The progress of a creator: inode, length and blocks of its object, and when it was changed last.
type Progress = [i128; 5];

/// The arguments of all attempts.
struct Attempt<'a> {
    request: &'a Request,
    /// The role to take; `None` to create the ring, if it is missing, and no more.
    role: Option<Role>,
    requirements: &'a Requirements,
}

/// Attaches, creating the segment if asked to; without a role, only creates it.
pub(super) fn attach(request: &Request, role: Option<Role>, requirements: &Requirements) -> Result<Attached, Error> {
    // Bits that are no permissions, or a ring that its own owner could not use.
    if request.mode & !0o777 != 0 || request.mode & 0o600 != 0o600 {
        const EXPECTED: &str = "permission bits only, with read and write for the owner, such as 0o600";
        return Err(Error::invalid("mode", format_args!("{:#o}", request.mode), EXPECTED));
    }
    if let Place::Name(name) = &request.place {
        object::check_name(name)?;
    }
    let attempt = Attempt { request, role, requirements };
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut retry_limit = RetryLimit::default();
    loop {
        let obstacle = match attempt.run() {
            Ok(attached) => return Ok(attached),
            Err(obstacle) => obstacle,
        };
        let waited = start.elapsed();
        let limit = match obstacle {
            Obstacle::Failed(_) => Duration::ZERO,
            Obstacle::Absent => request.wait,
            _ => retry_limit.after(&obstacle, waited, request.wait),
        };
        if waited >= limit {
            return Err(attempt.give_up(obstacle, waited));
        }
        thread::sleep(pause.min(limit - waited));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// How long attempts are repeated while another process is changing the name or its object.
#[derive(Debug, Default)]
struct RetryLimit {
    /// The last progress of a creator, and when it was first observed.
    progress: Option<(Progress, Duration)>,
    /// The most blocks that an object in creation had.
    most_blocks: i128,
    /// How often the object changed without more blocks.
    signs: i128,
    /// Since when a lock is blocked that has no live holder.
    kept: Option<Duration>,
}

impl RetryLimit {
    /// Returns when attempts end after this one, counted from the first.
    fn after(&mut self, obstacle: &Obstacle, waited: Duration, wait: Duration) -> Duration {
        if let Obstacle::HolderGone(_) | Obstacle::ReadLocked(_) = obstacle {
            return *self.kept.get_or_insert(waited) + GRACE;
        }
        self.kept = None;
        if let &Obstacle::InCreation(made) = obstacle {
            if self.progress.is_none_or(|(progress, _)| progress != made) && self.is_progress(made) {
                self.progress = Some((made, waited));
            }
        }
        let progressed = self.progress.map_or(Duration::ZERO, |(_, when)| when);
        wait.max(progressed + CREATION_TIMEOUT)
    }

    /// Returns whether this is progress. More blocks are, which is bounded by the memory. Other changes count only as
    /// often as a creator makes them: a few when it begins and ends, and one for each piece of what it has reserved,
    /// which a ring of messages maps twice.
    fn is_progress(&mut self, [_, _, blocks, ..]: Progress) -> bool {
        const FEW: i128 = 8;
        const BLOCKS_OF_A_PIECE: i128 = PIECE as i128 / 512;
        if blocks > self.most_blocks {
            self.most_blocks = blocks;
            return true;
        }
        self.signs += 1;
        self.signs <= FEW + 2 * self.most_blocks / BLOCKS_OF_A_PIECE
    }
}

impl Attempt<'_> {
    /// Returns the name of the ring, or what is shown for it.
    fn name(&self) -> &str {
        self.request.place.name()
    }

    /// Checks that the object is a regular file of the right owner, closed to users that should not write it.
    fn check_access(&self, stat: &Stat) -> Result<(), Error> {
        object::check_regular(self.name(), stat)?;
        let (name, expected) = (|| self.name().to_owned(), self.request.owner.unwrap_or_else(effective_user));
        if stat.st_uid != expected {
            return Err(Error::WrongOwner { name: name(), found: stat.st_uid, expected });
        }
        let (found, expected) = (stat.st_mode & 0o7777, self.request.mode);
        if found & WRITABLE_BY_OTHERS & !expected != 0 {
            return Err(Error::TooOpen { name: name(), found, expected });
        }
        Ok(())
    }

    fn run(&self) -> Result<Attached, Obstacle> {
        match &self.request.place {
            Place::Name(name) => self.try_name(name),
            Place::Nowhere if !self.requirements.is_complete() => Err(Error::NoCapacity.into()),
            // There is no creator to wait for.
            Place::Nowhere if self.request.creation == Creation::Never => {
                Err(Error::NotFound { name: self.name().to_owned(), waited: Duration::ZERO }.into())
            }
            Place::Nowhere => {
                let descriptor = anonymous::create(self.request.mode)?;
                let made = self.make(descriptor.as_fd())?;
                // The system tells nobody of what is done by the descriptor with which it made a memory file.
                let descriptor = if self.role.is_some() { anonymous::reopen(descriptor.as_fd())? } else { descriptor };
                Ok(Attached::of(made, descriptor))
            }
            Place::Descriptor(given) => self.try_descriptor(given.as_fd()),
        }
    }

    fn try_name(&self, name: &str) -> Result<Attached, Obstacle> {
        let opened = match object::open(name) {
            Err(Error::PermissionDenied { .. }) => match object::status(name)? {
                // Its creator sets the final permissions once it has locked what it needs; with some umasks even its
                // own are missing before.
                Some(stat) if object::is_in_creation(&stat) => {
                    self.check_access(&stat)?;
                    return Err(Obstacle::in_creation(&stat));
                }
                // Its creation may have finished, or its name may have been removed, between the two calls.
                _ => object::open(name)?,
            },
            opened => opened?,
        };
        let Some(file) = opened else {
            return match self.requirements.is_complete() {
                false if self.request.creation == Creation::New => Err(Error::NoCapacity.into()),
                true if self.request.creation != Creation::Never => self.create(name),
                _ => Err(Obstacle::Absent),
            };
        };
        self.check_access(&object::stat(file.as_fd())?)?;
        match HeaderSnapshot::read(file.as_fd())?.identity(name)? {
            None => Err(self.repair(name, file.as_fd())?),
            Some(found) => self.join(file, found),
        }
    }

    /// Tries the object of a given descriptor. Its length means nothing before its seals were checked.
    fn try_descriptor(&self, given: BorrowedFd<'_>) -> Result<Attached, Obstacle> {
        anonymous::check_sealed(given)?;
        let file = anonymous::reopen(given)?;
        self.check_access(&object::stat(file.as_fd())?)?;
        // The seals are the last step of a creation.
        let found = HeaderSnapshot::read(file.as_fd())?.finished(self.name())?;
        self.join(file, found)
    }

    /// Takes the role in a finished segment, if that meets the requirements.
    fn join(&self, file: OwnedFd, found: Identity) -> Result<Attached, Obstacle> {
        let name = self.name();
        if self.request.creation == Creation::New {
            return Err(Error::AlreadyExists { name: name.to_owned() }.into());
        }
        // The length is read after the magic: before, the object may not have had its length yet.
        let stat = object::stat(file.as_fd())?;
        let len = stat.st_size as u64;
        let reserved = reserved::before_the_end(file.as_fd(), len, reserved::counted(&stat));
        self.requirements.check(name, found, len)?;
        reserved::check(name, len, reserved)?;
        let data = len - found.data_offset;
        match self.max_data_len(stat.st_uid, reserved).filter(|&limit| limit < data) {
            Some(limit) => Err(Error::TooLarge { name: name.to_owned(), found: data, limit }.into()),
            None => self.enter(file, found),
        }
    }

    /// Returns whether another user may have created a ring of this owner, or another process gave its descriptor.
    fn is_foreign(&self, owner: u32) -> bool {
        !self.request.place.is_named() || owner != effective_user()
    }

    /// Returns how many bytes the data area of a ring of this owner may have, that holds so much memory already.
    fn max_data_len(&self, owner: u32, reserved: u64) -> Option<u64> {
        match self.request.max_capacity {
            None if self.is_foreign(owner) && !self.requirements.is_complete() => {
                // What would be available if the ring were not there.
                reserved::available_memory().map(|available| available.saturating_add(reserved) / 2)
            }
            given => given.map(|bytes| bytes as u64),
        }
    }

    /// Returns the error with which the wait ends after this attempt.
    fn give_up(&self, obstacle: Obstacle, waited: Duration) -> Error {
        let name = self.name().to_owned();
        match (obstacle, self.role) {
            (Obstacle::Failed(error), _) => error,
            (Obstacle::Absent, _) => Error::NotFound { name, waited },
            (Obstacle::HolderGone(holder), Some(role)) => Error::HolderGone { name, role, holder, waited },
            (Obstacle::ReadLocked(lock), _) => lock.read_locked(&name, waited),
            _ => Error::NotReady { name, waited },
        }
    }

    /// Creates the segment, and takes the role before another process can attach.
    fn create(&self, name: &str) -> Result<Attached, Obstacle> {
        Lock::check_supported()?;
        let file = object::create(name)?.ok_or(Obstacle::Retry)?;
        // Another process may have found the empty object first and taken its creator for dead.
        if !Lock::Administration.take(file.as_fd())? {
            return Err(Obstacle::Retry);
        }
        // The first error is the one to return. A name that cannot be removed now is repaired by the next attach.
        let remove = |file: BorrowedFd<'_>| drop(removal::unlink_locked(name, file));
        let (administration, descriptor) = self.begin(file.as_fd()).inspect_err(|_| remove(file.as_fd()))?;
        drop(file);
        let made = self.make(descriptor.as_fd()).inspect_err(|_| remove(descriptor.as_fd()));
        drop(administration);
        Ok(Attached::of(made?, descriptor))
    }

    /// Opens a new object again, and maps a page of it, which keeps the administration lock of `file`: nothing else of
    /// the mapping is used, and no child inherits it.
    fn begin(&self, file: BorrowedFd<'_>) -> Result<(Mapping, OwnedFd), Obstacle> {
        directory::check_memory(file)?;
        // A umask may have taken even the owner's permissions. Others get theirs once they can lock nothing.
        object::set_mode(file, self.request.mode & OWNERS | object::IN_CREATION)?;
        let descriptor = self.reopen(file)?;
        Ok((Mapping::new(file, DATA_OFFSET)?, descriptor))
    }

    /// Reserves and maps the memory and writes the identity. All that can fail comes before the magic, which is last.
    fn make(&self, descriptor: BorrowedFd<'_>) -> Result<(Mapping, Identity), Obstacle> {
        let (identity, is_named) = (self.requirements.identity(creation_stamp()?), self.request.place.is_named());
        let len = identity.segment_length;
        // A length that no address space has room for is reported as such.
        reserved::check_room(descriptor, len)?;
        // No process of this protocol locks a role before it has loaded the magic, but a stranger may have.
        let mapping = self.lock_role(descriptor, identity)?;
        // A memory file has its mode from the start, and nobody waits for it.
        let set_mode = |mode| if is_named { object::set_mode(descriptor, mode) } else { Ok(()) };
        set_mode(self.request.mode | object::IN_CREATION)?;
        reserved::reserve(descriptor, len)?;
        // Only shows progress to processes that wait.
        self.prefault_and_lock(&mapping, || set_mode(self.request.mode | object::IN_CREATION))?;
        let header = header(&mapping);
        let (rows, first) = (header.identity_rows(), identity.first_position);
        let words = [&rows[..], &[&*header.tail, &*header.head]].concat();
        identity::publish(&header.identity.magic, MAGIC, &words, &[&identity.rows()[..], &[first, first]].concat());
        // The magic is stored: if the creator is killed before this call, the ring is complete all the same.
        set_mode(self.request.mode)?;
        if !is_named {
            anonymous::seal(descriptor, self.request.sealable)?;
        }
        // Not before the magic: an unfinished object with notes would count as a stranger's, which no attach removes.
        if let Some(role) = self.role {
            Notes::own().write(header.slot(role));
        }
        Ok((mapping, identity))
    }

    /// Takes the role in a finished segment. `descriptor` was opened first, and holds no lock.
    fn enter(&self, descriptor: OwnedFd, identity: Identity) -> Result<Attached, Obstacle> {
        let mapping = self.lock_role(descriptor.as_fd(), identity)?;
        mapping.populate_header()?;
        if let Some(role) = self.role {
            Notes::own().write(header(&mapping).slot(role));
        }
        self.prefault_and_lock(&mapping, || Ok(()))?;
        Ok(Attached::of((mapping, identity), descriptor))
    }

    /// Locks the role, if there is one to take, by a description of its own, maps the whole segment by it, which may
    /// still be longer than the object, and checks that the name still refers to this object.
    ///
    /// The descriptor is open for these few calls alone: afterwards the mapping keeps the lock.
    fn lock_role(&self, descriptor: BorrowedFd<'_>, identity: Identity) -> Result<Mapping, Obstacle> {
        let own = self.reopen(descriptor)?;
        if let Some(role) = self.role {
            if !Lock::Role(role).take(own.as_fd())? {
                return Err(self.check_holder(descriptor, role)?);
            }
            // If a stranger has it, this end is not asked for reads.
            let _ = Lock::Reads(role).take(own.as_fd());
        }
        let mapping = map(own.as_fd(), identity)?;
        drop(own);
        match &self.request.place {
            Place::Name(name) if !object::refers_to(name, descriptor)? => Err(Obstacle::Retry),
            _ => Ok(mapping),
        }
    }

    /// Returns why a role is locked.
    fn check_holder(&self, descriptor: BorrowedFd<'_>, role: Role) -> Result<Obstacle, Error> {
        if Lock::Role(role).is_read_locked(descriptor)? {
            return Ok(Obstacle::ReadLocked(Lock::Role(role)));
        }
        let slot = Unmapped(descriptor).slot(role);
        let presence = presence::observe(&slot.presence);
        let (notes, liveness) = (Notes::read(&slot), Liveness::new());
        Ok(match presence {
            Presence::Attached { .. } if !liveness.is_gone(notes) => {
                Error::Busy { name: self.name().to_owned(), role, holder: liveness.name(notes) }.into()
            }
            // The notes are those of one process, unless another one attached in between.
            Presence::Attached { .. } if presence::observe(&Unmapped(descriptor).slot(role).presence) == presence => {
                notes.pid().map_or(Obstacle::Retry, Obstacle::HolderGone)
            }
            // Its holder is attaching or detaching: the notes may be those of its predecessor.
            _ => Obstacle::Retry,
        })
    }

    /// Reopens the object, if its name still refers to it.
    fn reopen(&self, file: BorrowedFd<'_>) -> Result<OwnedFd, Obstacle> {
        match &self.request.place {
            Place::Name(name) => object::reopen(name, file)?.ok_or(Obstacle::Retry),
            Place::Nowhere | Place::Descriptor(_) => Ok(anonymous::reopen(file)?),
        }
    }

    /// Prefaults every page of a mapping, and locks it in memory, if asked to. That can take many seconds, so
    /// `signal_progress` is called between two pieces.
    fn prefault_and_lock(
        &self,
        mapping: &Mapping,
        signal_progress: impl Fn() -> Result<(), Error>,
    ) -> Result<(), Error> {
        for piece in mapping.pieces() {
            if piece.start > 0 {
                signal_progress()?;
            }
            if self.request.prefault {
                mapping.prefault(piece.clone())?;
            }
            if self.request.lock_memory {
                mapping.lock(piece)?;
            }
        }
        Ok(())
    }

    /// Removes what a dead creator left behind. If the creator is alive, it is left to finish.
    fn repair(&self, name: &str, file: BorrowedFd<'_>) -> Result<Obstacle, Error> {
        if !Lock::Administration.take(file)? {
            if Lock::Administration.is_read_locked(file)? {
                return Ok(Obstacle::ReadLocked(Lock::Administration));
            }
            return Ok(Obstacle::in_creation(&object::stat(file)?));
        }
        // Its creator may have finished, or another process may have repaired it, before this one had the lock.
        let snapshot = HeaderSnapshot::read(file)?;
        if snapshot.identity(name)?.is_none() {
            // Without the mark of a creator it is a stranger's object, which may be in use.
            if !snapshot.is_unfinished(file) {
                return Err(snapshot.not_a_ring(name));
            }
            removal::unlink_locked(name, file)?;
        }
        Lock::Administration.give_back(file)?;
        Ok(Obstacle::Retry)
    }
}

/// Chooses the id of a new ring, and reads its time of creation.
fn creation_stamp() -> Result<CreationStamp, Error> {
    let mut bytes = [0; 8];
    // No ring has the number 0.
    while bytes == [0; 8] {
        rustix::io::retry_on_intr(|| getrandom(&mut bytes, GetRandomFlags::empty()))
            .map_err(|error| object::refused("getrandom", error))?;
    }
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    Ok(CreationStamp { ring_id: u64::from_ne_bytes(bytes), time })
}

/// Maps the whole segment, which is or will be as long as its identity says. Accesses nothing.
fn map(file: BorrowedFd<'_>, identity: Identity) -> Result<Mapping, Error> {
    // It was compared with the length of an object, or with the room that there is, so it is not longer than an object
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
    use super::super::requirements::Parameters;
    use super::*;

    /// A ring of messages.
    fn requirements(capacity: Option<usize>) -> Requirements {
        Requirements::messages(&Parameters { capacity, ..Parameters::default() }).unwrap()
    }

    #[test]
    fn what_a_stranger_gives_may_cost_half_of_the_memory_unless_it_is_asked_for() {
        let given = Request::at(Place::Descriptor(anonymous::create(0o600).unwrap().into()));
        let named = Request::at(Place::Name("a".to_owned()));
        let own = effective_user();
        let most = |request, capacity, owner| {
            Attempt { request, role: Some(Role::Consumer), requirements: &requirements(capacity) }
                .max_data_len(owner, 1 << 20)
        };
        let half = reserved::available_memory().unwrap() / 2;
        for most in [most(&given, None, own), most(&named, None, own + 1)] {
            assert!(most.is_some_and(|most| (half / 2..2 * half).contains(&most)), "{most:?}, half is {half}");
        }
        assert_eq!([most(&named, None, own), most(&given, Some(4096), own), most(&named, Some(1), own + 1)], [None; 3]);
        assert_eq!(most(&Request { max_capacity: Some(7), ..named.clone() }, Some(4096), own), Some(7));
    }

    /// How long a creator is waited for that shows another state of these each second.
    fn retry_limit(progress: impl Fn(u64) -> Progress) -> Option<u64> {
        let mut retry_limit = RetryLimit::default();
        (0..10_000).find(|&second| {
            let waited = Duration::from_secs(second);
            retry_limit.after(&Obstacle::InCreation(progress(second)), waited, Duration::ZERO) <= waited
        })
    }

    #[test]
    fn signs_of_life_are_believed_no_longer_than_a_creator_can_give_them() {
        const GIB: i128 = (1 << 30) / 512;
        let at = |second: u64| i128::from(second);
        assert_eq!(retry_limit(|_| [1, 0, 0, 0, 0]), Some(5));
        // The time of the object changes, or the object, or what it has, there and back.
        assert_eq!(retry_limit(|second| [1, 0, 0, at(second), 0]), Some(7 + 5));
        assert_eq!(retry_limit(|second| [at(second), 0, 0, 0, 0]), Some(7 + 5));
        assert_eq!(retry_limit(|second| [1, 0, 8 * (at(second) % 2), 0, 0]), Some(8 + 5));
        // Each piece of a ring takes a second, of messages twice.
        assert_eq!(retry_limit(|second| [1, GIB * 512, GIB, at(second), 0]), Some(8 + 2 * 8 + 5));
        // More and more is reserved.
        assert_eq!(retry_limit(|second| [1, 0, at(second), 0, 0]), None);
    }

    #[test]
    fn a_role_that_a_stranger_locked_first_is_not_taken_for_ours() {
        for role in [Role::Producer, Role::Consumer] {
            let attempt = Attempt {
                request: &Request::at(Place::Nowhere),
                role: Some(role),
                requirements: &requirements(Some(4096)),
            };
            let file = anonymous::create(0o600).unwrap();
            let stranger = anonymous::reopen(file.as_fd()).unwrap();
            assert!(Lock::Role(role).take(stranger.as_fd()).unwrap());
            assert!(matches!(attempt.make(file.as_fd()), Err(Obstacle::Retry)));
            drop(stranger);
            assert!(attempt.make(file.as_fd()).is_ok());
        }
    }
}
