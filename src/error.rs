//! What can go wrong when a ring is created, attached, closed or removed.
//!
//! The errors of the data path (`PushError` and its like) are defined beside the algorithms that return them.

use std::fmt;
use std::io;
use std::time::Duration;

pub use crate::ring::error::{Broken, Corrupted, PopError, PushError, SharedWord};
pub use crate::ring::memory::Role;

/// Shown in place of a name if a ring has none. No ring can have this name.
pub(crate) const ANONYMOUS: &str = "(anonymous)";

/// A ring could not be created, attached, closed or removed.
///
/// # Examples
///
/// ```
/// # let name = format!("doc-error-{}", std::process::id());
/// use ringmain::{Error, Options};
///
/// // Without a capacity, an attach creates nothing.
/// match Options::new(&name).stream_consumer::<u64>() {
///     Err(Error::NotFound { .. }) => println!("start the producer first"),
///     Err(error) => eprintln!("{error}"),
///     Ok(_) => unreachable!("nobody created it"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is not one that a ring can have.
    #[error("ring name {name:?} {reason}; use 1 to 30 of A-Z a-z 0-9 _ . - and no leading dot")]
    InvalidName {
        /// The name that was given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An option has a value that no ring can have.
    #[error("{option} of {found}, expected {expected}")]
    InvalidOption {
        /// Which option: `capacity`, `elements`, `record alignment`, `first position`, `type tag` or `mode`.
        option: &'static str,
        /// The value that was given.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// No ring has this name, and this call may not create one.
    #[error("{}", not_found(.name, *.waited))]
    NotFound {
        /// The name of the ring.
        name: String,
        /// How long the call waited for it.
        waited: Duration,
    },
    /// A ring of this name exists, and this call asked for a new one.
    #[error("ring {name:?} exists; unlink it, or do not ask for a new one")]
    AlreadyExists {
        /// The name of the ring.
        name: String,
    },
    /// A process that is creating the ring has not finished: it makes no progress, or this is a call that does not
    /// wait.
    #[error("{}", not_ready(.name, *.waited))]
    NotReady {
        /// The name of the ring.
        name: String,
        /// How long the call waited for it.
        waited: Duration,
    },
    /// Another handle holds the role.
    #[error("ring {name:?} has a {role} already{}; end it first, or {}", named(*.holder), instead(.name))]
    Busy {
        /// The name of the ring.
        name: String,
        /// The role that is held.
        role: Role,
        /// The process that holds it, if it is of this PID namespace.
        holder: Option<u32>,
    },
    /// The process that held the role has exited, but its lock is still held: a process that it forked or spawned
    /// during its attach keeps it, or the kernel is still writing its core.
    #[error(
        "the {role} of ring {name:?}, process {holder}, is gone, but its lock is still held after {waited:?}, expected \
         free: by a process that it forked or spawned, or while its core is written; end that process{}, and the role \
         is free",
        shown(.name)
    )]
    HolderGone {
        /// The name of the ring.
        name: String,
        /// The role that is held.
        role: Role,
        /// The process that held it.
        holder: u32,
        /// How long the call waited for the lock.
        waited: Duration,
    },
    /// No process holds the role, or the administration lock, but a process that may only read the ring has set a read
    /// lock there, which blocks it.
    #[error(
        "{}: after {waited:?} a process that may only read it still has a read lock there, expected none; {}",
        kept(.name, *.role), unlock(.name)
    )]
    ReadLocked {
        /// The name of the ring.
        name: String,
        /// The role that cannot be taken; `None` if the name cannot be removed, or an unfinished ring not replaced.
        role: Option<Role>,
        /// How long the call waited for the lock.
        waited: Duration,
    },
    /// The object under this name is not a regular file.
    #[error("the object {name:?} is a {found}, expected a shared-memory object; {}", instead(.name))]
    NotRegular {
        /// The name of the ring.
        name: String,
        /// What it is.
        found: &'static str,
    },
    /// The object under this name is not a ring.
    #[error(
        "the object {name:?} of {len} bytes is no ring: it {}; remove it, or {}",
        beginning(*.magic), instead(.name)
    )]
    NotARing {
        /// The name of the ring.
        name: String,
        /// The length of the object in bytes.
        len: u64,
        /// Its first eight bytes, 0 if it is shorter.
        magic: u64,
    },
    /// A process that was creating the ring was killed before it had finished. An attach never returns this: it removes
    /// what is left.
    #[error("ring {name:?} has no contents: the process that was making it was killed; the next attach replaces it")]
    Unfinished {
        /// The name of the ring.
        name: String,
    },
    /// The object has less memory than its length: an access to the rest would take memory that may not be there.
    #[error(
        "ring {name:?} has memory for {reserved} of its {len} bytes, expected all: it was not made by ringmain, or \
         holes were punched into it; remove it and create it anew"
    )]
    Sparse {
        /// The name of the ring.
        name: String,
        /// The length of the object in bytes.
        len: u64,
        /// How many bytes of it have memory.
        reserved: u64,
    },
    /// The ring is larger than this process wants to attach to
    /// ([`Options::max_capacity`](crate::Options::max_capacity)).
    #[error(
        "ring {name:?} has {found} bytes of data, expected at most {limit}; allow more by Options::max_capacity, or {}",
        instead(.name)
    )]
    TooLarge {
        /// The name of the ring.
        name: String,
        /// The length of its data area in bytes.
        found: u64,
        /// How many bytes it may have.
        limit: u64,
    },
    /// The object changed while it was read.
    #[error("the object {name:?} changed while it was read; try again, and if that lasts, find out who writes it")]
    Changing {
        /// The name of the object.
        name: String,
    },
    /// Another process holds a lease of the object (`F_SETLEASE`), and would have to give that back first.
    #[error(
        "the object {name:?} is leased by a process, which would have to give it back first; end that process, or {}",
        instead(.name)
    )]
    Leased {
        /// The name of the object.
        name: String,
    },
    /// The ring is not the one that was asked for.
    #[error(
        "ring {name:?} has {what} {}, expected {}; {}",
        .what.number(*.found), .what.number(*.expected), .what.advice()
    )]
    Mismatch {
        /// The name of the ring.
        name: String,
        /// What differs.
        what: Attribute,
        /// What the ring has.
        found: u64,
        /// What was asked for.
        expected: u64,
    },
    /// The ring carries another type: its tag is not the one that was asked for.
    // Escaped: the tag of a ring may have control characters.
    #[error("ring {name:?} has type tag {found:?}, expected {expected:?}; {}", Attribute::TypeId.advice())]
    OtherTypeTag {
        /// The name of the ring.
        name: String,
        /// The type tag that the ring has; empty if it has none. Its creator may have written anything.
        found: String,
        /// The type tag that was asked for.
        expected: String,
    },
    /// The ring has features that this version does not know, so it must not be used.
    #[error(
        "ring {name:?} has the {}, this version of ringmain knows {known:#x}; use the version that made it, or a later \
         one",
        features(*.found, *.can_be_inspected)
    )]
    UnknownFeatures {
        /// The name of the ring.
        name: String,
        /// The features that the ring has, one bit each.
        found: u64,
        /// Those that this version knows.
        known: u64,
        /// Whether this version can still [`inspect`](crate::inspect) the ring.
        can_be_inspected: bool,
    },
    /// Another user owns the ring.
    #[error(
        "ring {name:?} belongs to user {found}, expected {expected}; name that user as its owner only if you trust it"
    )]
    WrongOwner {
        /// The name of the ring.
        name: String,
        /// The user id of the owner.
        found: u32,
        /// The user id that was expected.
        expected: u32,
    },
    /// More users can write the ring than its mode should allow.
    #[error(
        "ring {name:?} has mode {found:#o}, and others than those of {expected:#o} can write it; change its mode, or \
         ask for this one"
    )]
    TooOpen {
        /// The name of the ring.
        name: String,
        /// The mode that the ring has.
        found: u32,
        /// The mode that was asked for.
        expected: u32,
    },
    /// The system refuses access to the ring.
    #[error("no permission to read and write {}", denied(.name))]
    PermissionDenied {
        /// The name of the ring.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// `/dev/shm`, where rings with a name lie, cannot hold one as it is. Rings without a name do not need it.
    #[error("{fault}")]
    Directory {
        /// What is wrong with it.
        fault: DirectoryFault,
        /// What the system said, if a call failed.
        source: Option<io::Error>,
    },
    /// The shared-memory file system is full.
    #[error(
        "{needed} bytes needed in /dev/shm, {free} free; remove stale rings, use a smaller capacity, or enlarge it (in \
         docker: --shm-size)"
    )]
    NoSpace {
        /// How many bytes the ring needs.
        needed: u64,
        /// How many bytes were free.
        free: u64,
    },
    /// The process may not make files of this size (`RLIMIT_FSIZE`).
    #[error(
        "{needed} bytes needed, the file size limit is {limit}; raise it with ulimit -f, or use a smaller capacity"
    )]
    FileSizeLimit {
        /// How many bytes the ring needs.
        needed: u64,
        /// How many bytes the limit allows.
        limit: u64,
    },
    /// The ring could not be kept in memory (`RLIMIT_MEMLOCK`).
    #[error("{needed} bytes to lock in memory, the limit is {limit}; raise it with ulimit -l, or do not lock")]
    MemoryLock {
        /// How many bytes were to be locked.
        needed: u64,
        /// How many bytes the limit allows.
        limit: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The system lacks a call that rings need, or refuses it.
    #[error("the system does not allow {call}; rings need it (a container's seccomp profile may refuse it)")]
    Unsupported {
        /// The call.
        call: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A position in the ring is not one that the protocol can have produced.
    #[error("ring {name:?} is damaged; unlink it and create it anew")]
    Corrupted {
        /// The name of the ring.
        name: String,
        /// What was found.
        source: Corrupted,
    },
    /// A new ring was asked for, as each ring without a name is, and no capacity was given.
    #[error(
        "a new ring was asked for, as each ring without a name is, and no capacity; give one, or attach to a ring that \
         stands: by its name and not as a new one, or by its descriptor (Options::from_fd)"
    )]
    NoCapacity,
    /// The length of the object behind a descriptor is not final, or it cannot be written.
    #[error(
        "the seals of this descriptor's object are {}, expected {} and no F_SEAL_WRITE or F_SEAL_FUTURE_WRITE; pass \
         that of a ring created by Options::anonymous",
        seals(*.found), seals(*.expected)
    )]
    Seals {
        /// The seals that it has, as `fcntl(F_GET_SEALS)` returns them; 0 if it can have none.
        found: u32,
        /// The seals that it must have. It may also have `F_SEAL_SEAL` and `F_SEAL_EXEC`, and no others.
        expected: u32,
    },
    /// The ring cannot be sealed against further writers.
    #[error(
        "ring {name:?} cannot be sealed: it {reason}; seal, in the process that attached, one that was created by \
         Options::anonymous and sealable(true)"
    )]
    Unsealable {
        /// The name of the ring.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The system lacks the memory for a ring without a name.
    #[error("{needed} bytes of memory needed, {available} available; use a smaller capacity, or end what uses memory")]
    NoMemory {
        /// How many bytes the ring needs.
        needed: u64,
        /// How many bytes the system could give.
        available: u64,
    },
    /// A descriptor could not be reopened, which needs `/proc/self/fd`.
    #[error(
        "the descriptor cannot be opened anew through /proc/self/fd, which rings without a name need; mount proc at \
         /proc"
    )]
    NoProc {
        /// What the system said.
        source: io::Error,
    },
    /// No [`Driver`](crate::Driver) sleeps for the handle.
    #[error("no driver sleeps for the handle: {reason}")]
    Undriven {
        /// Why not.
        reason: &'static str,
    },
    /// This process is exiting, and has left its rings ([`Options::close_on_exit`](crate::Options::close_on_exit)).
    #[error("this process is exiting and has left its rings; attach before, or in a function that exit calls earlier")]
    Exiting,
    /// Another system call failed.
    #[error("{call} failed")]
    Os {
        /// The call.
        call: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn invalid(option: &'static str, found: impl fmt::Display, expected: impl Into<String>) -> Error {
        Error::InvalidOption { option, found: found.to_string(), expected: expected.into() }
    }
}

/// What is wrong with `/dev/shm`. `ringmain doctor` has a line for each.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-directory-fault-{}", std::process::id());
/// use ringmain::{DirectoryFault, Error, Options};
///
/// let ring = Options::new(&name).capacity(64).unlink_on_close(true);
/// let tx = match ring.stream_producer::<u64>() {
///     // As in a small container: a ring without a name needs no /dev/shm.
///     Err(Error::Directory { fault: DirectoryFault::Missing | DirectoryFault::ReadOnly, .. }) => {
///         Options::anonymous().capacity(64).stream_producer()?
///     }
///     // The text of any other fault says how to mend it.
///     other => other?,
/// };
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryFault {
    /// It is not there, or no directory.
    #[error(
        "/dev/shm is not there, or is no directory, expected a tmpfs; mount one there: mount -t tmpfs -o mode=1777 \
         tmpfs /dev/shm"
    )]
    Missing,
    /// It keeps this user from making, removing or opening anything in it.
    #[error(
        "/dev/shm has mode {mode:04o} and belongs to user {owner}, expected mode 1777, by which this user could use \
         it; chmod 1777 /dev/shm"
    )]
    Closed {
        /// The mode that it has.
        mode: u32,
        /// The user id of its owner.
        owner: u32,
    },
    /// It is mounted read-only.
    #[error("/dev/shm is mounted read-only, expected one that can be written; mount -o remount,rw /dev/shm")]
    ReadOnly,
    /// It can have no more files.
    #[error(
        "/dev/shm has none of its {total} inodes left, expected one for each ring; remove what nobody needs, or mount \
         -o remount,nr_inodes=1m /dev/shm"
    )]
    NoInodes {
        /// How many it can have.
        total: u64,
    },
    /// It lies on a disk, or in another file system that does not keep what is reserved in memory.
    #[error(
        "/dev/shm is a file system of type {file_system:#010x}, such as one on a disk, expected a tmpfs; mount one \
         there: mount -t tmpfs -o mode=1777 tmpfs /dev/shm"
    )]
    NoTmpfs {
        /// The type of that file system, as `statfs` returns it.
        file_system: u64,
    },
}

/// A property in which a ring can differ from the one that was asked for.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain::{Attribute, Error, Options};
///
/// let tx = Options::anonymous().capacity(64).stream_producer::<u64>()?;
/// let ring = Options::from_fd(tx.descriptor().try_clone_to_owned()?);
/// match ring.clone().capacity(128).stream_consumer::<u64>() {
///     // Any capacity will do.
///     Err(Error::Mismatch { what: Attribute::Capacity, found, expected, .. }) => {
///         assert_eq!((found, expected), (64, 128));
///         ring.stream_consumer::<u64>()?;
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Attribute {
    /// The version of the segment's layout.
    LayoutVersion,
    /// The kind of the ring: 1 is a stream, 2 carries messages.
    Kind,
    /// The offset of the data area in bytes.
    DataOffset,
    /// The length of the segment in bytes.
    SegmentLength,
    /// The capacity in elements.
    Capacity,
    /// The size of one element in bytes.
    ElementSize,
    /// The alignment of one element in bytes.
    ElementAlign,
    /// The type id, made of the type tag, the size and the alignment.
    TypeId,
    /// The alignment of the records in bytes.
    RecordAlign,
    /// The number of bytes before the data that have a meaning.
    HeaderLength,
    /// The length of the type tag in bytes.
    TagLength,
    /// The text of the type tag: how many of its bytes are valid UTF-8, of how many.
    TagText,
    /// The position at which the ring began.
    FirstPosition,
    /// The length of the object in bytes, compared with its own header.
    ObjectLength,
}

impl Attribute {
    /// Returns its name, and what to do about a difference.
    fn text(self) -> (&'static str, &'static str) {
        const DAMAGED: &str = "another process damaged the ring; unlink it and create it anew";
        const TYPE: &str = "use the same element type on both sides";
        match self {
            Attribute::LayoutVersion => {
                ("layout version", "build both sides with versions of ringmain that share a layout")
            }
            Attribute::Kind => ("kind", "open it as the kind that it is, or use another name"),
            Attribute::DataOffset => ("data offset", DAMAGED),
            Attribute::SegmentLength => ("segment length", DAMAGED),
            Attribute::Capacity => ("capacity", "give no capacity, or the one that stands"),
            Attribute::ElementSize => ("element size", TYPE),
            Attribute::ElementAlign => ("element alignment", TYPE),
            Attribute::TypeId => ("type id", "use the same type tag and element type on both sides"),
            Attribute::RecordAlign => ("record alignment", "give no alignment, or the one that stands"),
            Attribute::HeaderLength => ("header length", DAMAGED),
            Attribute::TagLength => ("type tag length", DAMAGED),
            Attribute::TagText => ("type tag text up to byte", DAMAGED),
            Attribute::FirstPosition => ("first position", DAMAGED),
            Attribute::ObjectLength => ("object length", DAMAGED),
        }
    }

    fn advice(self) -> &'static str {
        self.text().1
    }

    /// Writes what was found, or expected.
    fn number(self, value: u64) -> String {
        match (self, value) {
            (Attribute::TypeId, _) => format!("{value:#018x}"),
            (Attribute::Kind, 1) => "1 (stream)".to_owned(),
            (Attribute::Kind, 2) => "2 (message)".to_owned(),
            _ => value.to_string(),
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text().0)
    }
}

/// Says what to use instead of this ring.
fn instead(name: &str) -> &'static str {
    if name == ANONYMOUS { "use another ring" } else { "use another name" }
}

/// Names the seals of an object as `fcntl` does.
fn seals(bits: u32) -> String {
    let names = ["F_SEAL_SEAL", "F_SEAL_SHRINK", "F_SEAL_GROW", "F_SEAL_WRITE", "F_SEAL_FUTURE_WRITE", "F_SEAL_EXEC"];
    let set = names.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    let set: Vec<&str> = set.map(|(_, name)| *name).collect();
    if set.is_empty() { "none".to_owned() } else { set.join(" | ") }
}

/// Says why there is no ring.
fn not_found(name: &str, waited: Duration) -> String {
    if name == ANONYMOUS {
        "no ring without a name can be found by itself; attach by its descriptor (Options::from_fd), or let a new one \
         be made"
            .to_owned()
    } else if waited.is_zero() {
        format!("no ring {name:?}; check whether that is its name, or start the side that creates it")
    } else {
        format!(
            "no ring {name:?} after {waited:?}; start the side that creates it, wait longer, or give a capacity to \
             create it here"
        )
    }
}

/// Says why a ring cannot be used yet.
fn not_ready(name: &str, waited: Duration) -> String {
    match waited.is_zero() {
        true => format!(
            "ring {name:?} is being made: a process holds it and has not finished; look again, and if that lasts, look \
             whether that process is stopped"
        ),
        false => format!(
            "ring {name:?} is held by a process that has not finished with it after {waited:?}; check whether that \
             process is stopped, or one that it forked while it made the ring still runs"
        ),
    }
}

/// Names the process that holds a role.
fn named(holder: Option<u32>) -> String {
    match holder {
        Some(pid) => format!(": process {pid}"),
        None => ", in a process that cannot be named from here".to_owned(),
    }
}

/// Says how to find the processes that have a ring open.
fn shown(name: &str) -> String {
    if name == ANONYMOUS { String::new() } else { format!(" (fuser /dev/shm/{name} shows it)") }
}

/// Says what a read lock blocks.
fn kept(name: &str, role: Option<Role>) -> String {
    match role {
        Some(role) => format!("the {role} of ring {name:?} is free, but cannot be taken"),
        None => format!("ring {name:?} cannot be removed or made anew"),
    }
}

/// Says what to do about a read lock.
fn unlock(name: &str) -> String {
    match name == ANONYMOUS {
        true => "end that process, or use another ring".to_owned(),
        false => format!(
            "end that process (as root, fuser /dev/shm/{name} shows it), or remove the ring by hand (rm \
             /dev/shm/{name}) and make it anew with a mode that lets fewer users read it"
        ),
    }
}

/// Says how an object begins that is no ring. Of what is shorter than a header nothing was read.
fn beginning(magic: u64) -> String {
    if magic == 0 { "has no header".to_owned() } else { format!("begins with {magic:#018x}") }
}

/// Names features that are not known.
fn features(found: u64, can_be_inspected: bool) -> String {
    match can_be_inspected {
        true => format!("features {found:#x}, without which it can only be inspected"),
        false => format!("incompatible features {found:#x}"),
    }
}

/// Says which ring the system refuses.
fn denied(name: &str) -> String {
    match name == ANONYMOUS {
        true => "the ring behind this descriptor; have it created with a mode that lets this user in".to_owned(),
        false => format!("ring {name:?}, or to remove it; look at its owner and mode in /dev/shm"),
    }
}
