//! Reads rings from outside: without a role, without a lock, and without writing anything.
//!
//! An observer needs the permission to read the ring, and costs its two ends only the cache lines that it reads: if it
//! reads often, they are slower. It maps nothing and reads by system calls, so nothing that a process does to an object
//! can end the observer, make it wait, or make the object larger: a truncated part, and what was never written, is read
//! as zeros. [`Inspection::check`] tells afterwards whether the ring was whole all the time.
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
pub use crate::segment::{End, Features, Inspection, Permissions};
pub use tap::{Tap, Tapped};

use std::ffi::OsString;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::vec;

use crate::error::{Attribute, Error};
use crate::segment::{Identity, names};

/// What a ring carries.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-kind-{}", std::process::id());
/// use ringmain::{Options, inspect::{Inspection, Kind}};
///
/// let tx = Options::new(&name).capacity(64).unlink_on_close(true).stream_producer::<[u32; 3]>()?;
/// let ring = Inspection::open(&name)?;
/// let bytes = match ring.kind() {
///     Kind::Stream { element_size, .. } => ring.capacity() * element_size,
///     // The capacity of any other ring is in bytes.
///     _ => ring.capacity(),
/// };
/// assert_eq!(bytes, 64 * 12);
/// # Ok(())
/// # }
/// ```
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

/// An object of shared memory that was found on the machine.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-found-{}", std::process::id());
/// use ringmain::{Options, inspect::Inspection};
///
/// let tx = Options::new(&name).capacity(64).unlink_on_close(true).stream_producer::<u64>()?;
/// let mut lines = Vec::new();
/// for found in Inspection::all()? {
///     lines.push(match &found.ring {
///         Ok(ring) => format!("{:?}: {} bytes", found.name, ring.segment_length()),
///         Err(error) => format!("{:?}: {error}", found.name),
///     });
/// }
/// # assert!(lines.contains(&format!("{name:?}: {} bytes", Inspection::open(&name)?.segment_length())), "{lines:?}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Found {
    /// Its name, which its creator chose: it may have any bytes.
    pub name: OsString,
    /// The ring, or why it cannot be inspected.
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
///
/// # Examples
///
/// ```
/// # let name = format!("doc-condition-{}", std::process::id());
/// use ringmain::inspect::{Condition, Inspection};
///
/// let error = Inspection::open(&name).unwrap_err();
/// match Condition::of_error(&error) {
///     Condition::Gone => println!("nobody has created it yet"),
///     Condition::BeingMade | Condition::Changing => println!("try again"),
///     Condition::Damaged => println!("unlink it: {error}"),
///     other => println!("{other:?}: {error}"),
/// }
/// # assert_eq!(Condition::of_error(&error), Condition::Gone);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// A ring.
    Ring,
    /// A ring of another version of the layout, or with features that this version does not know.
    OtherVersion,
    /// A ring that contradicts itself, or of which parts are missing.
    Damaged,
    /// What a creator that was killed has left. The next attach replaces it.
    Unfinished,
    /// A process is creating a ring in it.
    BeingMade,
    /// It changed while it was read.
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
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-objects-{}", std::process::id());
/// use ringmain::{Options, inspect::Inspection};
///
/// let tx = Options::new(&name).capacity(64).unlink_on_close(true).stream_producer::<u64>()?;
/// let objects = Inspection::all()?;
/// // Known before any of them is opened.
/// println!("{} objects", objects.size_hint().0);
/// let rings = objects.filter_map(|found| found.ring.ok());
/// let bytes: u64 = rings.map(|ring| ring.segment_length()).sum();
/// assert!(bytes >= 64 * 8);
/// # Ok(())
/// # }
/// ```
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

impl Inspection {
    /// Finds all objects in shared memory: rings, and those that are none, cannot be read or are damaged, each with the
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
        &self.name
    }

    /// Returns what it carries.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let Identity { element_size, element_align, record_align, .. } = self.identity;
        match self.is_stream() {
            true => Kind::Stream { element_size: element_size as usize, element_align: element_align as usize },
            false => Kind::Message { record_alignment: record_align as usize },
        }
    }

    /// Returns the version of the segment's layout.
    #[must_use]
    pub fn layout_version(&self) -> u64 {
        self.identity.layout_version
    }

    /// Returns the type id, made of the type tag, the size and the alignment.
    #[must_use]
    pub fn type_id(&self) -> u64 {
        self.identity.type_id
    }

    /// Returns the type tag: empty if none was given. The creator of the ring wrote it, and it may have control
    /// characters.
    #[must_use]
    pub fn type_tag(&self) -> &str {
        &self.tag
    }

    /// Returns the number of the ring, which was chosen at random when it was created.
    #[must_use]
    pub fn ring_id(&self) -> u64 {
        self.identity.ring_id
    }

    /// Returns when the ring was created, by the clock of its creator.
    #[must_use]
    pub fn created(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.identity.created)
    }

    /// Returns the position at which the ring began.
    #[must_use]
    pub fn first_position(&self) -> u64 {
        self.identity.first_position
    }

    /// Returns the features of the ring, which a version of this crate may not know.
    #[must_use]
    pub fn features(&self) -> Features {
        self.identity.features
    }

    /// Returns the length of the segment in bytes.
    #[must_use]
    pub fn segment_length(&self) -> u64 {
        self.identity.segment_length
    }

    /// Returns how many bytes of committed records a message ring has after its tail; 0 for a stream.
    ///
    /// A producer that is killed between a header and its tail leaves a message or a batch there, which the consumer
    /// gets. A running producer may be about to store the tail. Reads 16 MiB at most, for however many records.
    #[must_use]
    pub fn behind_tail(&self) -> u64 {
        behind_tail::behind_tail(self)
    }

    /// Taps the ring, beginning with what the consumer has not given back yet.
    pub fn tap(&self) -> Tap<'_> {
        Tap::from_head(self)
    }

    /// Taps the ring, beginning with what is pushed from now on.
    pub fn tap_new(&self) -> Tap<'_> {
        Tap::from_tail(self)
    }
}
