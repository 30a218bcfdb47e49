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
use rustix::rand::{GetRandomFlags, getrandom};

use super::anonymous;
use super::directory;
use super::effective_user;
use super::holder::{Looker, Notes};
use super::layout::{DATA_OFFSET, Header, Identity, MAGIC, MESSAGE};
use super::mapping::{Mapping, PIECE};
use super::object;
use super::removal;
use super::request::{Creation, Place, Request};
use super::reserved;
use super::roles::Lock;
use super::unmapped::Unmapped;
use super::view::Glance;
use super::wanted::{Birth, Wanted};
use crate::error::Error;
use crate::ring::identity;
use crate::ring::memory::Role;
use crate::ring::presence::{self, Presence};

/// How long a living creator may make no progress, beyond what the caller waits anyway. Reserving a gigabyte takes
/// about half a second, and each page of it is progress. To bring its pages into place takes as long, by pieces, and
/// between two of them it changes the object.
pub(super) const CREATION: Duration = Duration::from_secs(5);

/// How long the system may take to give back the lock of a process that is gone, if nobody keeps it, and how long a
/// reader may keep a lock that nobody has.
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
    /// A second descriptor of the object, that holds no lock: for questions.
    pub(super) questions: OwnedFd,
}

impl Attached {
    fn of((mapping, identity): (Mapping, Identity), questions: OwnedFd) -> Attached {
        Attached { mapping, identity: Box::new(identity), questions }
    }
}

/// Why an attempt did not attach.
enum Obstacle {
    /// Another attempt would fail too.
    Failed(Error),
    /// There is no ring, and this attempt may not create one.
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

impl From<Error> for Obstacle {
    fn from(error: Error) -> Obstacle {
        Obstacle::Failed(error)
    }
}

impl Obstacle {
    /// How far the creator of an object has got.
    fn being_made(stat: &Stat) -> Obstacle {
        // Their types differ between processors.
        let (seconds, nanoseconds) = (i128::from(stat.st_ctime), i128::from(stat.st_ctime_nsec));
        let (ino, size, blocks) = (i128::from(stat.st_ino), i128::from(stat.st_size), i128::from(stat.st_blocks));
        Obstacle::BeingMade([ino, size, blocks, seconds, nanoseconds])
    }
}

/// How far a creator has got: which object it is, its length and blocks, and when it was changed last.
type Progress = [i128; 5];

/// What attempts are made for.
struct Attempt<'a> {
    request: &'a Request,
    /// The role to take; `None` to create the ring, if it is missing, and no more.
    role: Option<Role>,
    wanted: &'a Wanted,
}

/// Attaches, creating the segment if asked to; without a role, only creates it.
pub(super) fn attach(request: &Request, role: Option<Role>, wanted: &Wanted) -> Result<Attached, Error> {
    // Bits that are no permissions, or a ring that its own owner could not use.
    if request.mode & !0o777 != 0 || request.mode & 0o600 != 0o600 {
        const EXPECTED: &str = "permission bits only, with read and write for the owner, such as 0o600";
        return Err(Error::invalid("mode", format_args!("{:#o}", request.mode), EXPECTED));
    }
    if let Place::Name(name) = &request.place {
        object::check_name(name)?;
    }
    let attempt = Attempt { request, role, wanted };
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut patience = Patience::default();
    loop {
        let obstacle = match attempt.look() {
            Ok(attached) => return Ok(attached),
            Err(obstacle) => obstacle,
        };
        let waited = start.elapsed();
        let limit = match obstacle {
            Obstacle::Failed(_) => Duration::ZERO,
            Obstacle::Absent => request.wait,
            _ => patience.after(&obstacle, waited, request.wait),
        };
        if waited >= limit {
            return Err(attempt.give_up(obstacle, waited));
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
    /// The most blocks that an object in the making had.
    most_blocks: i128,
    /// How many signs of life there were without more blocks.
    signs: i128,
    /// Since when a lock is kept that no process of this protocol has.
    kept: Option<Duration>,
}

impl Patience {
    /// Returns when patience ends after this attempt, counted from the first one.
    fn after(&mut self, obstacle: &Obstacle, waited: Duration, wait: Duration) -> Duration {
        if let Obstacle::HolderGone(_) | Obstacle::ReadLocked(_) = obstacle {
            return *self.kept.get_or_insert(waited) + GRACE;
        }
        self.kept = None;
        if let &Obstacle::BeingMade(made) = obstacle {
            if self.progress.is_none_or(|(progress, _)| progress != made) && self.believes(made) {
                self.progress = Some((made, waited));
            }
        }
        let progressed = self.progress.map_or(Duration::ZERO, |(_, when)| when);
        wait.max(progressed + CREATION)
    }

    /// Returns whether this is progress. More blocks are, and so there is an end of it. Of other signs no more are
    /// believed than a creator gives: a few when it begins and ends, and one for each piece of what it has reserved,
    /// which a ring of messages maps twice.
    fn believes(&mut self, [_, _, blocks, ..]: Progress) -> bool {
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

    fn look(&self) -> Result<Attached, Obstacle> {
        match &self.request.place {
            Place::Name(name) => self.look_at(name),
            Place::Nowhere if !self.wanted.is_complete() => Err(Error::NoCapacity.into()),
            // There is no creator to wait for.
            Place::Nowhere if self.request.creation == Creation::Never => {
                Err(Error::NotFound { name: self.name().to_owned(), waited: Duration::ZERO }.into())
            }
            Place::Nowhere => {
                let questions = anonymous::create(self.request.mode)?;
                let made = self.make(questions.as_fd())?;
                // The system tells nobody of what is done by the descriptor with which it made a memory file.
                let questions = if self.role.is_some() { anonymous::reopen(questions.as_fd())? } else { questions };
                Ok(Attached::of(made, questions))
            }
            Place::Descriptor(given) => self.look_behind(given.as_fd()),
        }
    }

    fn look_at(&self, name: &str) -> Result<Attached, Obstacle> {
        let opened = match object::open(name) {
            Err(Error::PermissionDenied { .. }) => match object::status(name)? {
                // Its creator opens it, to others and under a umask to itself, when it has locked what it needs.
                Some(stat) if object::is_in_the_making(&stat) => {
                    self.check_access(&stat)?;
                    return Err(Obstacle::being_made(&stat));
                }
                // It may have been finished, or removed, between the two calls.
                _ => object::open(name)?,
            },
            opened => opened?,
        };
        let Some(file) = opened else {
            return match self.wanted.is_complete() {
                false if self.request.creation == Creation::New => Err(Error::NoCapacity.into()),
                true if self.request.creation != Creation::Never => self.create(name),
                _ => Err(Obstacle::Absent),
            };
        };
        self.check_access(&object::stat(file.as_fd())?)?;
        match Glance::at(file.as_fd())?.identity(name)? {
            None => Err(self.repair(name, file.as_fd())?),
            Some(found) => self.join(file, found),
        }
    }

    /// Tries what a given descriptor refers to. Its length means nothing before its seals were checked.
    fn look_behind(&self, given: BorrowedFd<'_>) -> Result<Attached, Obstacle> {
        anonymous::check_sealed(given)?;
        let file = anonymous::reopen(given)?;
        self.check_access(&object::stat(file.as_fd())?)?;
        // The seals are the last step of a creation.
        let found = Glance::at(file.as_fd())?.finished(self.name())?;
        self.join(file, found)
    }

    /// Takes the role in a finished segment, if it is the one that is wanted.
    fn join(&self, file: OwnedFd, found: Identity) -> Result<Attached, Obstacle> {
        let name = self.name();
        if self.request.creation == Creation::New {
            return Err(Error::AlreadyExists { name: name.to_owned() }.into());
        }
        // The length is read after the magic was seen: before, the object may not have had its length yet.
        let stat = object::stat(file.as_fd())?;
        let len = stat.st_size as u64;
        let reserved = reserved::before_the_end(file.as_fd(), len, reserved::counted(&stat));
        self.wanted.check(name, found, len)?;
        reserved::check(name, len, reserved)?;
        let data = len - found.data_offset;
        match self.most(stat.st_uid, reserved).filter(|&limit| limit < data) {
            Some(limit) => Err(Error::TooLarge { name: name.to_owned(), found: data, limit }.into()),
            None => self.enter(file, found),
        }
    }

    /// Returns whether another user may have made a ring of this owner, or somebody gave it.
    fn is_foreign(&self, owner: u32) -> bool {
        !self.request.place.is_named() || owner != effective_user()
    }

    /// Returns how many bytes the data area of a ring of this owner may have, that holds so much memory already.
    fn most(&self, owner: u32, reserved: u64) -> Option<u64> {
        match self.request.max_capacity {
            None if self.is_foreign(owner) && !self.wanted.is_complete() => {
                // What would be available if the ring were not there.
                reserved::available_memory().map(|available| available.saturating_add(reserved) / 2)
            }
            given => given.map(|bytes| bytes as u64),
        }
    }

    /// Says why the wait ends after this attempt.
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

    /// Creates the segment, and takes the role before anyone else can see it.
    fn create(&self, name: &str) -> Result<Attached, Obstacle> {
        Lock::check_supported()?;
        let file = object::create(name)?.ok_or(Obstacle::Unsettled)?;
        // Another process may have seen the empty object first and taken it for one whose creator died.
        if !Lock::Administration.take(file.as_fd())? {
            return Err(Obstacle::Unsettled);
        }
        // The first error tells more than a second one. What cannot be removed now, the next attach repairs.
        let remove = |file: BorrowedFd<'_>| drop(removal::unlink_locked(name, file));
        let (administration, questions) = self.begin(file.as_fd()).inspect_err(|_| remove(file.as_fd()))?;
        drop(file);
        let made = self.make(questions.as_fd()).inspect_err(|_| remove(questions.as_fd()));
        drop(administration);
        Ok(Attached::of(made?, questions))
    }

    /// Opens a new object again, and maps a page of it, which keeps the administration lock that `file` has: nothing
    /// else of the mapping is used, and nobody inherits it.
    fn begin(&self, file: BorrowedFd<'_>) -> Result<(Mapping, OwnedFd), Obstacle> {
        directory::check_memory(file)?;
        // A umask may have taken even the owner's permissions. Others get theirs once they can lock nothing.
        object::set_mode(file, self.request.mode & OWNERS | object::IN_THE_MAKING)?;
        let questions = self.reopen(file)?;
        Ok((Mapping::new(file, DATA_OFFSET)?, questions))
    }

    /// Reserves and maps the memory and writes what it is. All that can fail comes before the magic, which is the last.
    fn make(&self, questions: BorrowedFd<'_>) -> Result<(Mapping, Identity), Obstacle> {
        let (identity, is_named) = (self.wanted.identity(birth()?), self.request.place.is_named());
        let len = identity.segment_length;
        // A length that no address space has room for is reported as such.
        reserved::check_room(questions, len)?;
        // No process of this protocol locks a role before it has seen the magic, but a stranger may have locked it.
        let mapping = self.lock_role(questions, identity)?;
        // A memory file has its mode from the start, and nobody waits for it.
        let set_mode = |mode| if is_named { object::set_mode(questions, mode) } else { Ok(()) };
        set_mode(self.request.mode | object::IN_THE_MAKING)?;
        reserved::reserve(questions, len)?;
        // Nothing but a sign of life for those who wait.
        self.settle(&mapping, || set_mode(self.request.mode | object::IN_THE_MAKING))?;
        let header = header(&mapping);
        let (rows, first) = (header.identity_rows(), identity.first_position);
        let words = [&rows[..], &[&*header.tail, &*header.head]].concat();
        identity::publish(&header.identity.magic, MAGIC, &words, &[&identity.rows()[..], &[first, first]].concat());
        // It has a magic: what is left of a creator that is killed before this call is whole all the same.
        set_mode(self.request.mode)?;
        if !is_named {
            anonymous::seal(questions, self.request.sealable)?;
        }
        // Without a magic, an object with more than rows would pass for a stranger's, which no attach removes.
        if let Some(role) = self.role {
            Notes::own().write(header.slot(role));
        }
        Ok((mapping, identity))
    }

    /// Takes the role in a finished segment. `questions` was opened first, and holds no lock.
    fn enter(&self, questions: OwnedFd, identity: Identity) -> Result<Attached, Obstacle> {
        let mapping = self.lock_role(questions.as_fd(), identity)?;
        mapping.populate_header()?;
        if let Some(role) = self.role {
            Notes::own().write(header(&mapping).slot(role));
        }
        self.settle(&mapping, || Ok(()))?;
        Ok(Attached::of((mapping, identity), questions))
    }

    /// Locks the role, if there is one to take, by a description of its own, maps the whole segment by it, which may
    /// still be longer than the object, and checks that the name still refers to this object.
    ///
    /// The descriptor is open for these few calls alone: afterwards the mapping keeps the lock.
    fn lock_role(&self, questions: BorrowedFd<'_>, identity: Identity) -> Result<Mapping, Obstacle> {
        let own = self.reopen(questions)?;
        if let Some(role) = self.role {
            if !Lock::Role(role).take(own.as_fd())? {
                return Err(self.look_at_holder(questions, role)?);
            }
            // Where a stranger has it, nobody relies on it.
            let _ = Lock::Reads(role).take(own.as_fd());
        }
        let mapping = map(own.as_fd(), identity)?;
        drop(own);
        match &self.request.place {
            Place::Name(name) if !object::stands_for(name, questions)? => Err(Obstacle::Unsettled),
            _ => Ok(mapping),
        }
    }

    /// Finds out why a role is locked.
    fn look_at_holder(&self, questions: BorrowedFd<'_>, role: Role) -> Result<Obstacle, Error> {
        if Lock::Role(role).is_kept_by_a_reader(questions)? {
            return Ok(Obstacle::ReadLocked(Lock::Role(role)));
        }
        let slot = Unmapped(questions).slot(role);
        let said = presence::observe(&slot.presence);
        let (notes, looker) = (Notes::read(&slot), Looker::new());
        Ok(match said {
            Presence::Came { .. } if !looker.is_gone(notes) => {
                Error::Busy { name: self.name().to_owned(), role, holder: looker.name(notes) }.into()
            }
            // The notes are those of one process, unless another one attached meanwhile.
            Presence::Came { .. } if presence::observe(&Unmapped(questions).slot(role).presence) == said => {
                notes.pid().map_or(Obstacle::Unsettled, Obstacle::HolderGone)
            }
            // Its holder is just attaching, or just leaving: the notes may be those of the one before.
            _ => Obstacle::Unsettled,
        })
    }

    /// Reopens the object, if its name still refers to it.
    fn reopen(&self, file: BorrowedFd<'_>) -> Result<OwnedFd, Obstacle> {
        match &self.request.place {
            Place::Name(name) => object::reopen(name, file)?.ok_or(Obstacle::Unsettled),
            Place::Nowhere | Place::Descriptor(_) => Ok(anonymous::reopen(file)?),
        }
    }

    /// Brings every page of a mapping into place, and locks it in memory, if asked to. That can take many seconds, so
    /// `say` is called between two pieces.
    fn settle(&self, mapping: &Mapping, say: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
        for piece in mapping.pieces() {
            if piece.start > 0 {
                say()?;
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

    /// Removes what a dead creator left behind. A living one is left to finish.
    fn repair(&self, name: &str, file: BorrowedFd<'_>) -> Result<Obstacle, Error> {
        if !Lock::Administration.take(file)? {
            if Lock::Administration.is_kept_by_a_reader(file)? {
                return Ok(Obstacle::ReadLocked(Lock::Administration));
            }
            return Ok(Obstacle::being_made(&object::stat(file)?));
        }
        // Its creator may have finished, and another may have repaired it, before the lock was ours.
        let glance = Glance::at(file)?;
        if glance.identity(name)?.is_none() {
            // Without the mark of its creator it is a stranger's, who may need it.
            if !glance.was_left(file) {
                return Err(glance.not_a_ring(name));
            }
            removal::unlink_locked(name, file)?;
        }
        Lock::Administration.give_back(file)?;
        Ok(Obstacle::Unsettled)
    }
}

/// Chooses what is unique to a ring.
fn birth() -> Result<Birth, Error> {
    let mut bytes = [0; 8];
    // No ring has the number 0.
    while bytes == [0; 8] {
        rustix::io::retry_on_intr(|| getrandom(&mut bytes, GetRandomFlags::empty()))
            .map_err(|error| object::refused("getrandom", error))?;
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

    /// A ring of messages.
    fn wanted(capacity: Option<usize>) -> Wanted {
        Wanted::messages(&Terms { capacity, ..Terms::default() }).unwrap()
    }

    #[test]
    fn what_a_stranger_gives_may_cost_half_of_the_memory_unless_it_is_asked_for() {
        let given = Request::at(Place::Descriptor(anonymous::create(0o600).unwrap().into()));
        let named = Request::at(Place::Name("a".to_owned()));
        let own = effective_user();
        let most = |request, capacity, owner| {
            Attempt { request, role: Some(Role::Consumer), wanted: &wanted(capacity) }.most(owner, 1 << 20)
        };
        let half = reserved::available_memory().unwrap() / 2;
        for most in [most(&given, None, own), most(&named, None, own + 1)] {
            assert!(most.is_some_and(|most| (half / 2..2 * half).contains(&most)), "{most:?}, half is {half}");
        }
        assert_eq!([most(&named, None, own), most(&given, Some(4096), own), most(&named, Some(1), own + 1)], [None; 3]);
        assert_eq!(most(&Request { max_capacity: Some(7), ..named.clone() }, Some(4096), own), Some(7));
    }

    /// How long a creator is waited for that shows another state of these each second.
    fn patience(progress: impl Fn(u64) -> Progress) -> Option<u64> {
        let mut patience = Patience::default();
        (0..10_000).find(|&second| {
            let waited = Duration::from_secs(second);
            patience.after(&Obstacle::BeingMade(progress(second)), waited, Duration::ZERO) <= waited
        })
    }

    #[test]
    fn signs_of_life_are_believed_no_longer_than_a_creator_can_give_them() {
        const GIB: i128 = (1 << 30) / 512;
        let at = |second: u64| i128::from(second);
        assert_eq!(patience(|_| [1, 0, 0, 0, 0]), Some(5));
        // The time of the object changes, or the object, or what it has, there and back.
        assert_eq!(patience(|second| [1, 0, 0, at(second), 0]), Some(7 + 5));
        assert_eq!(patience(|second| [at(second), 0, 0, 0, 0]), Some(7 + 5));
        assert_eq!(patience(|second| [1, 0, 8 * (at(second) % 2), 0, 0]), Some(8 + 5));
        // Each piece of a ring takes a second, of messages twice.
        assert_eq!(patience(|second| [1, GIB * 512, GIB, at(second), 0]), Some(8 + 2 * 8 + 5));
        // More and more is reserved.
        assert_eq!(patience(|second| [1, 0, at(second), 0, 0]), None);
    }

    #[test]
    fn a_role_that_a_stranger_locked_first_is_not_taken_for_ours() {
        for role in [Role::Producer, Role::Consumer] {
            let attempt =
                Attempt { request: &Request::at(Place::Nowhere), role: Some(role), wanted: &wanted(Some(4096)) };
            let file = anonymous::create(0o600).unwrap();
            let stranger = anonymous::reopen(file.as_fd()).unwrap();
            assert!(Lock::Role(role).take(stranger.as_fd()).unwrap());
            assert!(matches!(attempt.make(file.as_fd()), Err(Obstacle::Unsettled)));
            drop(stranger);
            assert!(attempt.make(file.as_fd()).is_ok());
        }
    }
}
