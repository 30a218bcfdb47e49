//! How a ring is named, sized, created and attached.

use std::alloc::Layout;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::message;
use crate::pause;
use crate::ring::memory::{DATA_ALIGN, Role};
use crate::ring::message::{LARGEST_ALIGN, SMALLEST_ALIGN};
use crate::ring::stream::Element;
use crate::segment::{Place, Segment, Wanted, page_size};
use crate::stream;
use crate::wait::{Wait, Waiter};

/// The longest wait before a look at the tail of a stream ring, unless asked otherwise: about one round trip of a cache line.
const STREAM_PACE: Duration = Duration::from_nanos(300);

/// The same of a message ring: a look there stops a producer for longer, since it stores more for each message.
const MESSAGE_PACE: Duration = Duration::from_micros(1);

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
///
/// # Forks and daemons
///
/// A handle belongs to the process that attached it. In a forked child each call on its copy is refused as `Forked`
/// ([`Broken::Forked`](crate::Broken::Forked)) and touches nothing; a drop does nothing either. So a daemon forks first and attaches
/// then, as `examples/daemon.rs` does. Options themselves can be made before. A child may also take over from its parent: once
/// that has closed its handle, the child attaches anew. (A child of `vfork` or `posix_spawn` shares the memory until it runs
/// another program, and is no fork.)
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) place: Place,
    pub(crate) capacity: Option<usize>,
    alignment: Option<usize>,
    pub(crate) creation: Creation,
    pub(crate) wait: Duration,
    pub(crate) mode: u32,
    pub(crate) owner: Option<u32>,
    pub(crate) unlink_on_close: bool,
    pub(crate) close_on_exit: bool,
    pub(crate) prefault: bool,
    pub(crate) lock_memory: bool,
    pub(crate) type_tag: String,
    pub(crate) any_type: bool,
    pub(crate) first_position: u64,
    pub(crate) wait_strategy: Wait,
    awaits_first: bool,
    awaits_successor: bool,
    pace: Option<Duration>,
}

impl Options {
    /// Names a ring: 1 to 30 of `A-Z a-z 0-9 _ . -`, with no leading dot.
    pub fn new(name: impl Into<String>) -> Options {
        Options::at(Place::Name(name.into()))
    }

    /// Asks for a new ring without a name, which needs a [`capacity`](Options::capacity). Every attach creates one.
    ///
    /// Nobody finds it but by a descriptor: every handle has one (`AsFd`), [`pass`](crate::pass) brings it to another process, and
    /// [`Options::from_fd`] attaches there. Its length is sealed, so that no process can shrink it under another, and its
    /// memory is given back when the last descriptor and the last handle are gone.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ringmain::Options;
    ///
    /// let mut tx = Options::anonymous().capacity(64).stream_producer::<u64>()?;
    /// let (here, there) = std::os::unix::net::UnixStream::pair()?;
    /// ringmain::pass::send(&here, &tx)?;
    ///
    /// // In another process, which has the other end of the socket:
    /// let mut rx = Options::from_fd(ringmain::pass::receive(&there)?).stream_consumer::<u64>()?;
    /// tx.push(7)?;
    /// assert_eq!(rx.pop(), Ok(7));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Its memory is reserved at once, as that of this process: where a limit on it (a memory cgroup) is too low, the system ends
    /// the process.
    ///
    /// There is nobody to wait for, and no name to remove: [`wait_for`](Options::wait_for) and
    /// [`unlink_on_close`](Options::unlink_on_close) change nothing. Its [`mode`](Options::mode) says which users can attach
    /// with a descriptor that they were given.
    #[must_use]
    pub fn anonymous() -> Options {
        Options::at(Place::Nowhere)
    }

    /// Asks for the ring without a name behind this descriptor, which was passed by another process or comes from a handle.
    ///
    /// Its seals are checked before its length is trusted. Both roles can be attached by the same options or a clone of them,
    /// again and again: the descriptor stays open for as long as they live, and never holds a role itself.
    #[must_use]
    pub fn from_fd(descriptor: OwnedFd) -> Options {
        Options::at(Place::Descriptor(Arc::new(descriptor)))
    }

    fn at(place: Place) -> Options {
        Options {
            place,
            capacity: None,
            alignment: None,
            creation: Creation::IfMissing,
            wait: Duration::ZERO,
            mode: 0o600,
            owner: None,
            unlink_on_close: false,
            close_on_exit: true,
            prefault: true,
            lock_memory: false,
            type_tag: String::new(),
            any_type: false,
            first_position: 0,
            wait_strategy: Wait::default(),
            awaits_first: true,
            awaits_successor: false,
            pace: None,
        }
    }

    /// Gives the capacity: of a stream ring in elements, of a message ring in bytes. It is rounded up to a power of two, and
    /// for messages at least to a page of memory (4096 bytes on x86_64).
    ///
    /// With a capacity, a ring that is missing is created. One that stands must have the same capacity, after rounding.
    ///
    /// Each message takes its length, 8 bytes of header (16 where the [`alignment`](Options::alignment) is more than 8), and
    /// what is missing to the next multiple of the alignment.
    #[must_use]
    pub fn capacity(mut self, elements_or_bytes: usize) -> Options {
        self.capacity = Some(elements_or_bytes);
        self
    }

    /// Lets the records of a message ring start at multiples of this number of bytes: 8, 16, 32 or 64; 8 by default.
    ///
    /// With 16 and more, messages start at multiples of 16, so that data which needs that can be read in place. With 64, a
    /// message of up to 48 bytes occupies one cache line alone, which gives the lowest latency. A ring that stands must have
    /// the same alignment, where one is given. Stream rings ignore it.
    #[must_use]
    pub fn alignment(mut self, bytes: usize) -> Options {
        self.alignment = Some(bytes);
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
    /// A ring that another process is creating at this moment is always waited for: for as long as that makes progress, and 5
    /// seconds at least after the last. A role that is held is never waited for, but for 100 ms where its holder is gone.
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

    /// Removes the name when the handle is closed or dropped, or its process exits with it in order
    /// ([`close_on_exit`](Options::close_on_exit)). By default the ring stays, and its elements with it.
    ///
    /// It also stays after a crash, and after what counts as one: a drop by a panic, and an `abandon`.
    #[must_use]
    pub fn unlink_on_close(mut self, unlink: bool) -> Options {
        self.unlink_on_close = unlink;
        self
    }

    /// Says whether the handle leaves in order when its process exits: when `main` returns, or by
    /// [`std::process::exit`]. On by default.
    ///
    /// That is for handles that nobody drops then: those in statics, on the stacks of other threads, and leaked ones. Their peers
    /// hear that they closed, after all that was pushed. Off, they hear of a crash when the process is gone, as they do in any
    /// case after a signal, [`abort`](std::process::abort) or `_exit`, and after a panic of `main`. (Such a panic is known by
    /// the status that a Rust program then has, 101, where the C library is GNU's. With another one, a handle in a static or a
    /// leaked one is closed also then; one that the panic drops never is.)
    ///
    /// It is done by a handler of the C library's (`atexit`), registered at the first attach: functions that were registered before
    /// that run after it. From then on an attach is [`Error::Exiting`], and a handle that another thread still uses is refused, as
    /// in a forked child, when it next loads the position of the other end. What it pushed until then is in the ring: where the
    /// consumer was told already, the next one gets it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-exit-{}", std::process::id());
    /// use std::sync::{Mutex, OnceLock};
    /// use ringmain::{Options, message};
    ///
    /// static LOG: OnceLock<Mutex<message::Producer>> = OnceLock::new();
    ///
    /// let log = Options::new(&name).capacity(4096).unlink_on_close(true).message_producer()?;
    /// LOG.get_or_init(|| Mutex::new(log)).lock().unwrap().push(b"started")?;
    /// // `main` returns: the reader gets "started", then hears that the logger has closed the ring.
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn close_on_exit(mut self, close: bool) -> Options {
        self.close_on_exit = close;
        self
    }

    /// Touches every page at attach, so that the data path takes no page fault. On by default.
    #[must_use]
    pub fn prefault(mut self, prefault: bool) -> Options {
        self.prefault = prefault;
        self
    }

    /// Locks the ring in memory, so that it is never swapped out. Off by default; limited by `RLIMIT_MEMLOCK`, against which a
    /// message ring counts twice, because it is mapped twice.
    #[must_use]
    pub fn lock_memory(mut self, lock: bool) -> Options {
        self.lock_memory = lock;
        self
    }

    /// Gives the element type a name that both sides must share; none by default.
    ///
    /// Two types of the same size and alignment are told apart by nothing else. It has 64 bytes at most, and stands in the ring as
    /// text, so that a mismatch names both.
    #[must_use]
    pub fn type_tag(mut self, tag: impl Into<String>) -> Options {
        self.type_tag = tag.into();
        self
    }

    /// Accepts a ring of whatever type, if its elements are as large: for tools that move bytes and do not know what they mean.
    /// Off by default: the type tag, the size and the alignment must be the same on both sides.
    #[must_use]
    pub fn any_type(mut self, any: bool) -> Options {
        self.any_type = any;
        self
    }

    /// Lets a ring that is created begin at this position instead of 0, for whoever continues or mirrors another one: positions
    /// then mean the same in both. Elements count by one, messages by the bytes of their records.
    ///
    /// A ring that stands keeps the position at which it began. In a message ring the position must be a multiple of the
    /// [`alignment`](Options::alignment).
    #[must_use]
    pub fn start_at(mut self, position: u64) -> Options {
        self.first_position = position;
        self
    }

    /// Says how the calls that wait do so; by default they spin a little, then sleep.
    ///
    /// A sleeper is woken at the cost of one system call for the end that publishes, about 50 us before it runs again. Nobody
    /// pays anything while both are awake, unless one of them waits by [`Wait::Park`]: then the other makes a fence with each
    /// publication, which halves its rate.
    #[must_use]
    pub fn wait(mut self, strategy: Wait) -> Options {
        self.wait_strategy = strategy;
        self
    }

    /// Says whether the calls that wait also wait for the first holder of the other role. They do by default; otherwise they
    /// return [`WaitError::NotConnected`](crate::WaitError::NotConnected).
    #[must_use]
    pub fn await_first_peer(mut self, awaits: bool) -> Options {
        self.awaits_first = awaits;
        self
    }

    /// Says whether the calls that wait go on when the process at the other end has left or crashed, until another one takes its
    /// role. By default they return [`WaitError::Closed`](crate::WaitError::Closed) or
    /// [`WaitError::Crashed`](crate::WaitError::Crashed).
    #[must_use]
    pub fn await_successor(mut self, awaits: bool) -> Options {
        self.awaits_successor = awaits;
        self
    }

    /// Limits how long an end that outruns the other one pauses before it loads the other's position again: a consumer that has
    /// read all it knew of, a producer that has filled all it knew to be free. By default 300 ns for elements and 1 us for
    /// messages, at most 1 ms.
    ///
    /// A few round trips of a cache line are best for throughput. Zero never pauses: in a steady flow that saves up to this
    /// much latency, and costs a small ring most of its throughput. An end whose loads find nothing, or one element or
    /// message, does not pause.
    #[must_use]
    pub fn pace(mut self, limit: Duration) -> Options {
        self.pace = Some(limit);
        self
    }

    /// Makes a stream ring of elements of this layout, or finds it made, and attaches to neither end: whoever comes is the first.
    ///
    /// Returns a descriptor of the ring, which holds no role. A ring without a name lives as long as it, and can be passed on
    /// ([`pass`](crate::pass)).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::alloc::Layout;
    /// use ringmain::Options;
    ///
    /// let ring = Options::anonymous().capacity(1024).create_stream(Layout::new::<u64>())?;
    /// let ends = Options::from_fd(ring);
    /// let (mut tx, mut rx) = (ends.stream_producer::<u64>()?, ends.stream_consumer::<u64>()?);
    /// tx.push(7)?;
    /// assert_eq!(rx.pop()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidElement`]: no element can have this layout.
    /// - Otherwise as [`Options::stream_producer`], except for [`Error::Busy`],
    ///   [`Error::HolderGone`] and [`Error::Corrupted`].
    pub fn create_stream(&self, element: Layout) -> Result<OwnedFd, Error> {
        let (size, align) = (element.size(), element.align());
        if size == 0 || size % align != 0 || align > DATA_ALIGN {
            return Err(Error::InvalidElement { size, align });
        }
        Segment::create(self, Wanted::stream(self, element)?)
    }

    /// Makes a message ring, or finds it made, and attaches to neither end: whoever comes is the first.
    ///
    /// Returns a descriptor of the ring, as [`Options::create_stream`] does.
    ///
    /// # Errors
    ///
    /// As [`Options::create_stream`], [`Error::InvalidAlignment`] and [`Error::InvalidStart`].
    pub fn create_message(&self) -> Result<OwnedFd, Error> {
        Segment::create(self, Wanted::messages(self)?)
    }

    /// Attaches as the producer of a stream ring, creating the ring where that is asked for.
    ///
    /// # Errors
    ///
    /// - [`Error::Busy`]: another handle is its producer.
    /// - [`Error::HolderGone`]: its producer is gone, but a process that it forked or spawned keeps its lock.
    /// - [`Error::NotReady`]: a process that creates it makes no progress.
    /// - [`Error::NotFound`], [`Error::AlreadyExists`]: the ring is not there, or is, against what was asked for.
    /// - [`Error::Mismatch`], [`Error::OtherTypeTag`]: it carries another type, or has another capacity, kind or layout.
    /// - [`Error::UnknownFeatures`]: a later version of this crate has made it.
    /// - [`Error::TypeTagTooLong`]: the type tag has more than 64 bytes.
    /// - [`Error::NotARing`], [`Error::NotRegular`]: something else stands under the name, or behind the descriptor.
    /// - [`Error::Seals`]: the length of what stands behind the descriptor is not final.
    /// - [`Error::NoCapacity`], [`Error::NoProc`]: a ring without a name needs a capacity, and `/proc`.
    /// - [`Error::NoSpace`] and its like: the system has no room for it.
    /// - [`Error::Corrupted`]: its positions are impossible.
    pub fn stream_producer<T: Element>(&self) -> Result<stream::Producer<T>, Error> {
        stream::Producer::attach(
            Segment::attach(self, Role::Producer, Wanted::stream(self, Layout::new::<T>())?)?,
            self.pauses(STREAM_PACE),
            self.waiter(),
        )
    }

    /// Attaches as the consumer of a stream ring, creating the ring where that is asked for.
    ///
    /// # Errors
    ///
    /// As [`Options::stream_producer`], with the other role.
    pub fn stream_consumer<T: Element>(&self) -> Result<stream::Consumer<T>, Error> {
        stream::Consumer::attach(
            Segment::attach(self, Role::Consumer, Wanted::stream(self, Layout::new::<T>())?)?,
            self.pauses(STREAM_PACE),
            self.waiter(),
        )
    }

    /// Attaches as the producer of a message ring, creating the ring where that is asked for.
    ///
    /// # Errors
    ///
    /// As [`Options::stream_producer`], [`Error::InvalidAlignment`] and [`Error::InvalidStart`].
    pub fn message_producer(&self) -> Result<message::Producer, Error> {
        message::Producer::attach(
            Segment::attach(self, Role::Producer, Wanted::messages(self)?)?,
            self.pauses(MESSAGE_PACE),
            self.waiter(),
        )
    }

    /// Attaches as the consumer of a message ring, creating the ring where that is asked for.
    ///
    /// # Errors
    ///
    /// As [`Options::message_producer`], with the other role.
    pub fn message_consumer(&self) -> Result<message::Consumer, Error> {
        message::Consumer::attach(
            Segment::attach(self, Role::Consumer, Wanted::messages(self)?)?,
            self.pauses(MESSAGE_PACE),
            self.waiter(),
        )
    }

    /// Refuses bits that are no permissions, and a ring that its own owner could not use.
    pub(crate) fn check_mode(&self) -> Result<(), Error> {
        match self.mode & !0o777 == 0 && self.mode & 0o600 == 0o600 {
            true => Ok(()),
            false => Err(Error::InvalidMode { mode: self.mode }),
        }
    }

    /// Checks the capacity and rounds it up to a power of two.
    pub(crate) fn slots(&self, element_size: usize) -> Result<Option<usize>, Error> {
        let Some(capacity) = self.capacity else { return Ok(None) };
        // Half of the address space is more than any machine maps, and leaves room for the header.
        let fits = |slots: &usize| slots.checked_mul(element_size).is_some_and(|len| len <= isize::MAX as usize / 2);
        let slots = (capacity > 0).then(|| capacity.checked_next_power_of_two()).flatten().filter(fits);
        slots.map(Some).ok_or(Error::InvalidCapacity { capacity, element_size })
    }

    /// Checks the capacity of a message ring and rounds it up to a power of two, at least a page.
    pub(crate) fn bytes(&self) -> Result<Option<usize>, Error> {
        let Some(capacity) = self.capacity else { return Ok(None) };
        // The data area is mapped twice, and fits half of the address space.
        let fits = |bytes: &usize| *bytes <= isize::MAX as usize / 4;
        let bytes = (capacity > 0).then(|| capacity.checked_next_power_of_two()).flatten().filter(fits);
        let bytes = bytes.map(|bytes| bytes.max(page_size()));
        bytes.map(Some).ok_or(Error::InvalidCapacity { capacity, element_size: 1 })
    }

    /// Checks where records may start.
    pub(crate) fn record_align(&self) -> Result<Option<usize>, Error> {
        match self.alignment {
            Some(alignment)
                if !alignment.is_power_of_two() || !(SMALLEST_ALIGN..=LARGEST_ALIGN).contains(&alignment) =>
            {
                Err(Error::InvalidAlignment { alignment })
            }
            alignment => Ok(alignment),
        }
    }

    /// Checks that a message ring which is created begins with a record.
    pub(crate) fn first_record(&self) -> Result<u64, Error> {
        let alignment = self.record_align()?.unwrap_or(SMALLEST_ALIGN);
        match self.first_position % alignment as u64 {
            0 => Ok(self.first_position),
            _ => Err(Error::InvalidStart { position: self.first_position, alignment }),
        }
    }

    fn waiter(&self) -> Waiter {
        Waiter::new(self.wait_strategy, self.awaits_first, self.awaits_successor)
    }

    /// Returns how many pauses an end makes at most before it looks at the other one.
    fn pauses(&self, pace: Duration) -> u32 {
        pause::count_within(self.pace.unwrap_or(pace))
    }
}
