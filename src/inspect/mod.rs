//! Looks at rings from outside: without a role, without a lock, and without writing anything.
//!
//! An observer needs the permission to read the ring, and costs its two ends only the cache lines that it takes: look
//! often, and they notice. If a process truncates the ring, the next look at it ends the observer with `SIGBUS`; check
//! [`Inspection::is_truncated`] before.
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

mod tap;

pub use crate::ring::observe::{Positions, Sleeps};
pub use crate::segment::{Features, Permissions};
pub use tap::{Tap, Tapped};

use std::time::SystemTime;

use crate::error::{Corrupted, Error, Role};
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

/// A ring that was found on the machine.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found {
    /// Its name.
    pub name: String,
    /// The ring, or what is wrong with it: it is being created ([`Error::NotReady`]), damaged, or of another version of
    /// the layout.
    pub ring: Result<Inspection, Error>,
}

/// A ring, mapped to be looked at.
#[derive(Debug)]
pub struct Inspection {
    view: View,
}

impl Inspection {
    /// Opens a ring to look at it.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidName`], [`Error::NotFound`], [`Error::PermissionDenied`]: as their names say.
    /// - [`Error::NotReady`]: the ring is being created.
    /// - [`Error::NotARing`], [`Error::NotRegular`]: something else has the name, or what a killed creator left.
    /// - [`Error::Mismatch`]: the ring is damaged, or of another version of the layout.
    /// - [`Error::UnknownFeatures`]: a later version of this crate created it, in a way that this one cannot read.
    pub fn open(name: &str) -> Result<Inspection, Error> {
        Ok(Inspection { view: View::open(name)? })
    }

    /// Opens every ring of the machine that can be read, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]: the directory of shared memory cannot be read.
    pub fn all() -> Result<Vec<Found>, Error> {
        let open = |name: String| {
            let ring = Inspection::open(&name);
            let is_ring = matches!(
                ring,
                Ok(_) | Err(Error::Mismatch { .. } | Error::UnknownFeatures { .. } | Error::NotReady { .. })
            );
            is_ring.then_some(Found { name, ring })
        };
        Ok(names()?.into_iter().filter_map(open).collect())
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

    /// Returns whether the name of the ring is gone: nobody else can attach.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]: the system call failed.
    pub fn is_orphaned(&self) -> Result<bool, Error> {
        self.view.is_orphaned()
    }

    /// Returns whether the ring was shortened: then a further look at it may end this process with `SIGBUS`.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]: the system call failed.
    pub fn is_truncated(&self) -> Result<bool, Error> {
        self.view.is_truncated()
    }

    /// Returns both positions, at one moment.
    ///
    /// # Errors
    ///
    /// [`Corrupted`]: they are impossible.
    pub fn positions(&self) -> Result<Positions, Corrupted> {
        self.view.positions()
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
