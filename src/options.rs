//! How a ring is named, sized, created and attached.

use std::time::Duration;

use crate::error::Error;
use crate::pause;
use crate::ring::memory::Role;
use crate::ring::stream::{Element, Flow};
use crate::segment::Segment;
use crate::stream;

/// The largest step in which a consumer publishes its head, unless asked otherwise: larger ones gained nothing.
const PUBLISH_EVERY: usize = 64;

/// The longest wait before a look at the tail, unless asked otherwise: about one round trip of a cache line.
const PACE: Duration = Duration::from_nanos(300);

/// Whether a call may make a new ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Creation {
    /// Takes the ring that stands; makes one where there is none and a capacity was given.
    #[default]
    IfMissing,
    /// Makes a new ring, and fails where one stands.
    New,
    /// Takes the ring that stands, and fails where there is none.
    Never,
}

/// Names a ring and says how to create it and attach to it.
///
/// Both sides may be started first: whoever gives a [`capacity`](Options::capacity) creates the ring where there is none.
///
/// ```no_run
/// use std::time::Duration;
/// use ringmain::Options;
///
/// # fn main() -> Result<(), ringmain::Error> {
/// let tx = Options::new("ticks").capacity(65_536).stream_producer::<u64>()?;
/// let rx = Options::new("ticks").wait_for(Duration::from_secs(10)).stream_consumer::<u64>()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) name: String,
    pub(crate) capacity: Option<usize>,
    pub(crate) creation: Creation,
    pub(crate) wait: Duration,
    pub(crate) mode: u32,
    pub(crate) owner: Option<u32>,
    pub(crate) unlink_on_close: bool,
    pub(crate) prefault: bool,
    pub(crate) lock_memory: bool,
    pub(crate) type_tag: String,
    publish_every: usize,
    pace: Duration,
}

impl Options {
    /// Names a ring: 1 to 30 of `A-Z a-z 0-9 _ . -`, with no leading dot.
    pub fn new(name: impl Into<String>) -> Options {
        Options {
            name: name.into(),
            capacity: None,
            creation: Creation::IfMissing,
            wait: Duration::ZERO,
            mode: 0o600,
            owner: None,
            unlink_on_close: false,
            prefault: true,
            lock_memory: false,
            type_tag: String::new(),
            publish_every: PUBLISH_EVERY,
            pace: PACE,
        }
    }

    /// Gives the number of elements that the ring holds, rounded up to a power of two.
    ///
    /// With a capacity, a ring that is missing is created. One that stands must have the same capacity, after rounding.
    #[must_use]
    pub fn capacity(mut self, elements: usize) -> Options {
        self.capacity = Some(elements);
        self
    }

    /// Says whether a new ring may be made. By default, where there is none and a capacity is given.
    #[must_use]
    pub fn create(mut self, creation: Creation) -> Options {
        self.creation = creation;
        self
    }

    /// Waits this long for the other side to create the ring. By default not at all.
    ///
    /// A ring that another process is creating at this moment is always waited for, 5 seconds at least. A role that is held
    /// is never waited for.
    #[must_use]
    pub fn wait_for(mut self, limit: Duration) -> Options {
        self.wait = limit;
        self
    }

    /// Gives the permissions of a ring that is created, whatever the umask is; `0o600` by default.
    ///
    /// A ring that stands may be closed to more users than this says, but others must not be able to write it beyond it.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Options {
        self.mode = mode;
        self
    }

    /// Accepts a ring that belongs to this user. By default it must belong to the effective user of the process.
    ///
    /// The owner of a ring can do to it whatever he likes: name one that you trust.
    #[must_use]
    pub fn owner(mut self, user_id: u32) -> Options {
        self.owner = Some(user_id);
        self
    }

    /// Removes the name when the handle is closed or dropped. By default the ring stays, and its elements with it.
    #[must_use]
    pub fn unlink_on_close(mut self, unlink: bool) -> Options {
        self.unlink_on_close = unlink;
        self
    }

    /// Touches every page at attach, so that the data path takes no page fault. On by default.
    #[must_use]
    pub fn prefault(mut self, prefault: bool) -> Options {
        self.prefault = prefault;
        self
    }

    /// Locks the ring in memory, so that it is never swapped out. Off by default; limited by `RLIMIT_MEMLOCK`.
    #[must_use]
    pub fn lock_memory(mut self, lock: bool) -> Options {
        self.lock_memory = lock;
        self
    }

    /// Gives the element type a name that both sides must share; none by default.
    ///
    /// Two types of the same size and alignment are told apart by nothing else.
    #[must_use]
    pub fn type_tag(mut self, tag: impl Into<String>) -> Options {
        self.type_tag = tag.into();
        self
    }

    /// Lets a consumer publish its head at the latest after this many elements; 64 by default, at least 1, and never more
    /// than a quarter of the ring.
    ///
    /// Larger steps spare the producer some looks. After a crash of the consumer, up to this many elements that it had
    /// already popped are delivered again to the next one. [`stream::Consumer::release`] publishes by hand.
    #[must_use]
    pub fn publish_every(mut self, elements: usize) -> Options {
        self.publish_every = elements;
        self
    }

    /// Lets a consumer that outruns its producer wait at most this long before it looks again; 300 ns by default, at most
    /// 1 ms.
    ///
    /// About one round trip of a cache line is best for throughput. Zero never waits: in a steady flow that saves up to this
    /// much latency, and costs a small ring half of its throughput. A consumer whose looks find nothing, or one element, does
    /// not wait.
    #[must_use]
    pub fn pace(mut self, limit: Duration) -> Options {
        self.pace = limit;
        self
    }

    /// Attaches as the producer of a stream ring, creating the ring where that is asked for.
    ///
    /// # Errors
    ///
    /// - [`Error::Busy`]: another handle is its producer.
    /// - [`Error::NotFound`], [`Error::AlreadyExists`]: the ring is not there, or is, against what was asked for.
    /// - [`Error::Mismatch`]: it carries another type, or has another capacity, kind or layout.
    /// - [`Error::NotARing`], [`Error::NotRegular`]: something else stands under the name.
    /// - [`Error::NoSpace`] and its like: the system has no room for it.
    /// - [`Error::Corrupted`]: its positions are impossible.
    pub fn stream_producer<T: Element>(&self) -> Result<stream::Producer<T>, Error> {
        stream::Producer::attach(Segment::attach::<T>(self, Role::Producer)?)
    }

    /// Attaches as the consumer of a stream ring, creating the ring where that is asked for.
    ///
    /// # Errors
    ///
    /// As [`Options::stream_producer`], with the other role.
    pub fn stream_consumer<T: Element>(&self) -> Result<stream::Consumer<T>, Error> {
        stream::Consumer::attach(Segment::attach::<T>(self, Role::Consumer)?, self.flow())
    }

    /// Refuses bits that are no permissions, and a ring that its own owner could not use.
    pub(crate) fn check_mode(&self) -> Result<(), Error> {
        match self.mode & !0o777 == 0 && self.mode & 0o600 == 0o600 {
            true => Ok(()),
            false => Err(Error::InvalidMode { mode: self.mode }),
        }
    }

    /// Checks the capacity and rounds it up to a power of two.
    pub(crate) fn slots<T>(&self) -> Result<Option<usize>, Error> {
        let Some(capacity) = self.capacity else { return Ok(None) };
        let element_size = size_of::<T>();
        // Half of the address space is more than any machine maps, and leaves room for the header.
        let fits = |slots: &usize| slots.checked_mul(element_size).is_some_and(|len| len <= isize::MAX as usize / 2);
        let slots = (capacity > 0).then(|| capacity.checked_next_power_of_two()).flatten().filter(fits);
        slots.map(Some).ok_or(Error::InvalidCapacity { capacity, element_size })
    }

    pub(crate) fn flow(&self) -> Flow {
        Flow { step: self.publish_every, pauses: pause::count_within(self.pace) }
    }
}
