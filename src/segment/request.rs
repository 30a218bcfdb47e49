//! Which ring a caller asks for: how it is found, created and attached.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::error::ANONYMOUS;

/// How long a creator may make no progress, beyond what the caller waits anyway. Reserving a gigabyte takes about half
/// a second, and each page of it is progress. Prefaulting takes as long, by pieces, and between two of them the creator
/// changes the object.
pub(super) const CREATION_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a ring is found.
#[derive(Clone, Debug, Default)]
pub(crate) enum Place {
    /// Under this name.
    Name(String),
    /// No object yet: an attach creates it, without a name.
    #[default]
    Nowhere,
    /// Behind this descriptor, which holds no lock.
    Descriptor(Arc<OwnedFd>),
}

impl Place {
    /// Returns the name of the ring, or what is shown for it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Place::Name(name) => name,
            Place::Nowhere | Place::Descriptor(_) => ANONYMOUS,
        }
    }

    pub(super) fn is_named(&self) -> bool {
        matches!(self, Place::Name(_))
    }
}

/// Whether a call may create a new ring.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-creation-{}", std::process::id());
/// use ringmain::{Creation, Error, Options};
///
/// let ring = Options::new(&name).capacity(64).unlink_on_close(true);
/// // Only attaches: the capacity says what the ring must have.
/// let found = ring.clone().create(Creation::Never).stream_producer::<u64>();
/// assert!(matches!(found, Err(Error::NotFound { .. })));
///
/// let tx = ring.clone().create(Creation::New).stream_producer::<u64>()?;
/// // A second instance of this program does not join the ring of the first one.
/// let second = ring.create(Creation::New).stream_producer::<u64>();
/// assert!(matches!(second, Err(Error::AlreadyExists { .. })));
/// # Ok(())
/// # }
/// ```
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

/// What a caller asks for, except for the parameters of the ring ([`Parameters`](super::Parameters)).
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) place: Place,
    pub(crate) creation: Creation,
    pub(crate) wait: Duration,
    /// The user who must own it; `None` for this process's.
    pub(crate) owner: Option<u32>,
    /// The mode; the object must not let more users write it than this.
    pub(crate) mode: u32,
    /// Whether a ring without a name that is created can be sealed further.
    pub(crate) sealable: bool,
    pub(crate) prefault: bool,
    pub(crate) lock_memory: bool,
    /// How many bytes the data area of an existing ring may have.
    pub(crate) max_capacity: Option<usize>,
    pub(crate) unlink_on_close: bool,
    pub(crate) close_on_exit: bool,
    /// Whether this end sleeps at every message.
    pub(crate) parks_always: bool,
}

impl Request {
    /// Asks for the ring that is found there.
    pub(crate) fn at(place: Place) -> Request {
        Request { place, mode: 0o600, prefault: true, close_on_exit: true, ..Request::default() }
    }
}
