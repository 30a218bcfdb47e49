//! Looks at rings from outside: without a role, without a lock, and without writing anything.
//!
//! An observer needs the permission to read the ring, and costs its two ends only the cache lines that it takes: look
//! often, and they notice. It maps nothing and reads by system calls, so nothing that a process does to an object can
//! end the observer, make it wait, or make the object larger: what was cut off, and what was never written, is read as
//! zeros. [`Inspection::check`] tells afterwards whether the ring was whole all the time.
//!
//! # Examples
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = format!("doc-inspect-{}", std::process::id());
//! use ringmain::{Options, Role, inspect::{Inspection, Tapped}};
//!
//! let mut tx = Options::new(&name).capacity(4096).unlink_on_close(true).message_producer()?;
//! tx.push(b"hello")?;
//!
//! let ring = Inspection::open(&name)?;
//! assert!(ring.positions()?.used >= 5);
//! assert_eq!(ring.end(Role::Producer)?.process, Some(std::process::id()));
//!
//! let (mut tap, mut message) = (ring.tap(), Vec::new());
//! assert!(matches!(tap.next(&mut message)?, Tapped::Unit { .. }));
//! assert_eq!(message, b"hello");
//! # Ok(())
//! # }
//! ```

mod behind_tail;
mod tap;

pub use crate::ring::observe::{Positions, Sleeps};
pub use crate::segment::{Features, Permissions};
pub use tap::{Tap, Tapped};

use std::ffi::OsString;
use std::time::SystemTime;
use std::vec;

use crate::error::{Attribute, Corrupted, Error, Role};
use crate::segment::{PeerState, View, names};

/// What a ring carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Elements of one type.
    Stream {
        /// The size of an element in bytes.
        element_size: usize,
        /// The alignment of an element in bytes.
        element_align: usize,
    },
    /// Messages of any length.
    Message {
        /// The alignment of the records in bytes.
        record_alignment: usize,
    },
}

/// What is known of one end of a ring.
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

/// An object of shared memory that was found on the machine.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found {
    /// Its name. Whoever made it chose that: it may have any bytes.
    pub name: OsString,
    /// The ring, or why there is none to look at.
    pub ring: Result<Inspection, Error>,
}

impl Found {
    /// Returns what it is.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.ring.as_ref().map_or_else(Condition::of_error, |_| Condition::Ring)
    }
}

/// What an object of shared memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// A ring.
    Ring,
    /// A ring of another version of the layout, or with features that this version does not know.
    OtherVersion,
    /// A ring that contradicts itself, or of which parts are missing.
    Damaged,
    /// What a process left that was killed while it made a ring. The next attach replaces it.
    Unfinished,
    /// A process makes a ring of it.
    BeingMade,
    /// It changed while it was looked at.
    Changing,
    /// It was removed or renamed after its directory was read.
    Gone,
    /// The system does not let this process read it.
    Unreadable,
    /// A process holds a lease of it, and would have to give that back first.
    Leased,
    /// Something else.
    NotARing,
}

impl Condition {
    /// Returns what an object is that [`Inspection::open`] refuses by this error.
    #[must_use]
    pub fn of_error(error: &Error) -> Condition {
        match error {
            Error::Mismatch { what: Attribute::LayoutVersion, .. } | Error::UnknownFeatures { .. } => {
                Condition::OtherVersion
            }
            Error::Mismatch { .. } | Error::Sparse { .. } | Error::Corrupted { .. } => Condition::Damaged,
            Error::Unfinished { .. } => Condition::Unfinished,
            Error::NotReady { .. } => Condition::BeingMade,
            Error::Changing { .. } => Condition::Changing,
            Error::NotFound { .. } => Condition::Gone,
            Error::Leased { .. } => Condition::Leased,
            Error::NotARing { .. } | Error::NotRegular { .. } | Error::InvalidName { .. } => Condition::NotARing,
            _ => Condition::Unreadable,
        }
    }
}

/// All objects of shared memory, one after the other, in the order of their names.
///
/// It holds their names, and opens each when it comes to it.
#[derive(Debug)]
pub struct Objects {
    names: vec::IntoIter<OsString>,
}

impl Iterator for Objects {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        let name = self.names.next()?;
        let ring = match name.to_str() {
            Some(name) => Inspection::open(name),
            None => Err(Error::InvalidName { name: name.to_string_lossy().into_owned(), reason: "is not valid UTF-8" }),
        };
        Some(Found { name, ring })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.names.size_hint()
    }
}

/// A ring that is looked at.
#[derive(Debug)]
pub struct Inspection {
    view: View,
}

impl Inspection {
    /// Opens a ring to look at it.
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
    /// - [`Error::Changing`]: it changes while it is looked at.
    /// - [`Error::Leased`]: a process holds a lease of it.
    pub fn open(name: &str) -> Result<Inspection, Error> {
        Ok(Inspection { view: View::open(name)? })
    }

    /// Finds all that stands in shared memory: rings, and what is none, cannot be read or is damaged, each with the
    /// reason.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-all-{}", std::process::id());
    /// use ringmain::inspect::{Condition, Inspection};
    ///
    /// # let _tx = ringmain::Options::new(&name).capacity(8).unlink_on_close(true).stream_producer::<u64>()?;
    /// for found in Inspection::all()? {
    ///     match found.condition() {
    ///         Condition::Ring => println!("{:?} is a ring", found.name),
    ///         condition => println!("{:?}: {condition:?}", found.name),
    ///     }
    /// }
    /// # assert!(Inspection::all()?.any(|found| *found.name == *name && found.condition() == Condition::Ring));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Directory`], [`Error::Os`]: the directory of shared memory cannot be read.
    pub fn all() -> Result<Objects, Error> {
        Ok(Objects { names: names()?.into_iter() })
    }

    /// Returns the name of the ring.
    #[must_use]
    pub fn name(&self) -> &str {
        self.view.name()
    }

    /// Returns what it carries.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.view.is_stream() {
            Kind::Stream { element_size: self.view.element_size(), element_align: self.view.element_align() }
        } else {
            Kind::Message { record_alignment: self.view.record_align() }
        }
    }

    /// Returns its capacity: in elements, or in bytes for messages.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.view.capacity()
    }

    /// Returns the version of the segment's layout.
    #[must_use]
    pub fn layout_version(&self) -> u64 {
        self.view.layout_version()
    }

    /// Returns the type id, made of the type tag, the size and the alignment.
    #[must_use]
    pub fn type_id(&self) -> u64 {
        self.view.type_id()
    }

    /// Returns the type tag: empty if none was given. The creator of the ring wrote it, and it may have control
    /// characters.
    #[must_use]
    pub fn type_tag(&self) -> &str {
        self.view.type_tag()
    }

    /// Returns the number of the ring, which was chosen at random when it was created.
    #[must_use]
    pub fn ring_id(&self) -> u64 {
        self.view.ring_id()
    }

    /// Returns when the ring was created, by the clock of its creator.
    #[must_use]
    pub fn created(&self) -> SystemTime {
        self.view.created()
    }

    /// Returns the position at which the ring began.
    #[must_use]
    pub fn first_position(&self) -> u64 {
        self.view.first_position()
    }

    /// Returns the features of the ring, which a version of this crate may not know.
    #[must_use]
    pub fn features(&self) -> Features {
        self.view.features()
    }

    /// Returns the length of the segment in bytes.
    #[must_use]
    pub fn segment_length(&self) -> u64 {
        self.view.segment_length()
    }

    /// Returns its owner, its group and its mode.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]: the system call failed.
    pub fn permissions(&self) -> Result<Permissions, Error> {
        self.view.permissions()
    }

    /// Returns whether the name of the ring is gone, or stands for another object: nobody else can attach by it.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]: the system call failed.
    pub fn is_orphaned(&self) -> Result<bool, Error> {
        self.view.is_orphaned()
    }

    /// Returns whether the ring was shortened: what was cut off is read as zeros.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]: the system call failed.
    pub fn is_truncated(&self) -> Result<bool, Error> {
        self.view.is_truncated()
    }

    /// Checks that the ring is what it was when it was opened: then what was read of it meanwhile was in it, unless a
    /// process changed it and changed it back.
    ///
    /// # Errors
    ///
    /// - [`Error::Changing`]: its header or its length is another one.
    /// - [`Error::Sparse`]: holes were punched into it.
    /// - [`Error::Os`]: the system call failed.
    pub fn check(&self) -> Result<(), Error> {
        self.view.check()
    }

    /// Returns whether a process has locked a role, whatever it says of itself: then the ring is in use, also if the
    /// process behind the lock is not the one that took the role.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`]: the system cannot tell whether a lock is held.
    pub fn is_held(&self, role: Role) -> Result<bool, Error> {
        self.view.is_held(role)
    }

    /// Returns both positions, at one moment.
    ///
    /// # Errors
    ///
    /// [`Corrupted`]: they are impossible.
    pub fn positions(&self) -> Result<Positions, Corrupted> {
        self.view.positions()
    }

    /// Returns how many bytes the records of a message ring have that stand behind its tail; 0 for a stream.
    ///
    /// A producer that is killed between a header and its tail leaves a message or a batch there, which the consumer
    /// gets. One that is at work may be about to store the tail. Reads 16 MiB at most, for however many records.
    #[must_use]
    pub fn behind_tail(&self) -> u64 {
        behind_tail::behind_tail(&self.view)
    }

    /// Returns what is known of one end.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`]: the system cannot tell whether a lock is held.
    pub fn end(&self, role: Role) -> Result<End, Error> {
        let state = self.view.state(role)?;
        Ok(End {
            state,
            generation: self.view.generation(role),
            process: if state == PeerState::Alive { self.view.process(role) } else { None },
            sleeps: self.view.sleeps(role),
            wakes: self.view.wakes(role),
        })
    }

    /// Taps the ring, beginning with what the consumer has not given back yet.
    #[must_use]
    pub fn tap(&self) -> Tap<'_> {
        Tap::from_head(&self.view)
    }

    /// Taps the ring, beginning with what is pushed from now on.
    #[must_use]
    pub fn tap_new(&self) -> Tap<'_> {
        Tap::from_tail(&self.view)
    }
}
