//! How a ring is named, sized, created and attached.

use std::alloc::Layout;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::copies;
use crate::error::Error;
use crate::message;
use crate::pause;
use crate::ring::endpoint::{Endpoint, Kind, Side};
use crate::ring::error::Broken;
use crate::ring::memory::Role;
use crate::ring::message::Geometry;
use crate::ring::pace::Bound;
use crate::ring::stream::Element;
use crate::segment::{Creation, Parameters, Place, Request, Requirements, Segment};
use crate::stream;
use crate::wait::{self, Wait, Waiter};

/// Names a ring and says how to create it and attach to it.
///
/// Either side may be started first: the one that gives a [`capacity`](Options::capacity) creates the ring if there is
/// none.
///
/// # Examples
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
/// A handle belongs to the process that attached it. In a forked child each call on its copy fails as
/// [`Broken::Forked`] and touches nothing; a drop does nothing either. So a daemon forks first and then attaches, as
/// `examples/daemon.rs` does. Options themselves can be made before. A child may also take over from its parent: it
/// attaches once the parent has closed its handle. (A child of `vfork` or `posix_spawn` shares the memory until it runs
/// another program, and is no fork.)
#[derive(Clone, Debug)]
#[must_use]
pub struct Options {
    request: Request,
    parameters: Parameters,
    wait_strategy: Wait,
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
    /// Only a descriptor leads to it: every handle has one (`descriptor`), [`pass`](crate::pass) brings it to another
    /// process, and [`Options::from_fd`] attaches there. Its length is sealed, so that no process can shrink it under
    /// another, and its memory is freed when the last descriptor and the last handle are gone.
    ///
    /// Its memory is reserved at once, as that of this process: if a limit on it (a memory cgroup) is too low, the
    /// kernel kills the process.
    ///
    /// There is no creator to wait for, and no name to remove: [`wait_for`](Options::wait_for) and
    /// [`unlink_on_close`](Options::unlink_on_close) change nothing. Its [`mode`](Options::mode) says which users can
    /// attach with a descriptor that they were given.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ringmain::Options;
    ///
    /// let mut tx = Options::anonymous().capacity(64).stream_producer::<u64>()?;
    /// let (here, there) = std::os::unix::net::UnixStream::pair()?;
    /// ringmain::pass::send(&here, tx.descriptor())?;
    ///
    /// // In another process, which has the other end of the socket:
    /// let mut rx = Options::from_fd(ringmain::pass::receive(&there)?).stream_consumer::<u64>()?;
    /// tx.push(7)?;
    /// assert_eq!(rx.pop(), Ok(7));
    /// # Ok(())
    /// # }
    /// ```
    pub fn anonymous() -> Options {
        Options::at(Place::Nowhere)
    }

    /// Asks for the ring without a name behind this descriptor, which another process passed or which comes from a
    /// handle.
    ///
    /// Its seals are checked before its length is trusted. The same options or a clone of them can attach both roles,
    /// and repeatedly: the descriptor stays open for as long as they live, and never holds a role itself.
    pub fn from_fd(descriptor: OwnedFd) -> Options {
        Options::at(Place::Descriptor(Arc::new(descriptor)))
    }

    fn at(place: Place) -> Options {
        Options {
            request: Request::at(place),
            parameters: Parameters::default(),
            wait_strategy: Wait::default(),
            awaits_first: true,
            awaits_successor: false,
            pace: None,
        }
    }

    /// Sets the capacity: of a stream ring in elements, of a message ring in bytes. It is rounded up to a power of two,
    /// and for messages to at least a page of memory (4096 bytes on x86_64).
    ///
    /// With a capacity, a missing ring is created. An existing one must have the same capacity, after rounding.
    ///
    /// Each message takes its length, 8 bytes of header (16 if the [`record_alignment`](Options::record_alignment) is
    /// more than 8), and padding to the next multiple of the alignment.
    pub fn capacity(mut self, elements_or_bytes: usize) -> Options {
        self.parameters.capacity = Some(elements_or_bytes);
        self
    }

    /// Sets the alignment of a message ring's records in bytes: 8, 16, 32 or 64; 8 by default.
    ///
    /// With 16 and more, messages start at multiples of 16, so that data which needs that can be read in place. With
    /// 64, a message of up to 48 bytes occupies one cache line alone, which gives the lowest latency. An existing ring
    /// must have the same alignment, if one is given. Stream rings ignore it.
    pub fn record_alignment(mut self, bytes: usize) -> Options {
        self.parameters.record_align = Some(bytes);
        self
    }

    /// Says whether a new ring may be created. By default it is if there is none and a capacity is given.
    pub fn create(mut self, creation: Creation) -> Options {
        self.request.creation = creation;
        self
    }

    /// Waits this long for the other side to create the ring. By default not at all.
    ///
    /// A ring that another process is creating is always waited for: until that process has made no progress for 5
    /// seconds. A role that is held is never waited for, except 100 ms if its holder has exited.
    pub fn wait_for(mut self, limit: Duration) -> Options {
        self.request.wait = limit;
        self
    }

    /// Sets the permissions of a ring that is created, whatever the umask is; `0o600` by default.
    ///
    /// An existing ring may have another mode, but must not let more users write it than this one does.
    pub fn mode(mut self, mode: u32) -> Options {
        self.request.mode = mode;
        self
    }

    /// Accepts a ring that belongs to this user. By default it must belong to the effective user of the process.
    ///
    /// The owner of a ring can do anything to it: name a user that you trust.
    pub fn owner(mut self, user_id: u32) -> Options {
        self.request.owner = Some(user_id);
        self
    }

    /// Lets a ring without a name be closed to further writers, once both ends are attached: by `seal` of a handle. Off
    /// by default: then no process can change the seals that a ring has from its creation on.
    ///
    /// Any process that can write such a ring can seal it. Attached processes go on, but no other one can attach.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ringmain::Options;
    ///
    /// let mut tx = Options::anonymous().capacity(64).sealable(true).stream_producer::<u64>()?;
    /// let ring = tx.descriptor().try_clone_to_owned()?;
    /// let mut rx = Options::from_fd(ring.try_clone()?).stream_consumer::<u64>()?;
    /// tx.seal()?;
    /// // From here on no other process can write through the descriptor.
    /// tx.push(7)?;
    /// assert_eq!(rx.pop()?, 7);
    /// drop(rx);
    /// assert!(Options::from_fd(ring).stream_consumer::<u64>().is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn sealable(mut self, sealable: bool) -> Options {
        self.request.sealable = sealable;
        self
    }

    /// Removes the name when the handle is closed or dropped, or its process exits in order
    /// ([`close_on_exit`](Options::close_on_exit)). By default the ring stays, and its elements with it.
    ///
    /// It also stays after a crash, after a drop by a panic, after an `abandon`, and if another process holds the
    /// administration lock for a second (for 100 ms, if this process exits).
    pub fn unlink_on_close(mut self, unlink: bool) -> Options {
        self.request.unlink_on_close = unlink;
        self
    }

    /// Says whether the handle leaves in order when its process exits: when `main` returns, or by
    /// [`std::process::exit`]. On by default.
    ///
    /// This is for handles that are not dropped then: those in statics, on the stacks of other threads, and leaked
    /// ones. Their peers get `Closed`, after all that was pushed. If it is off, they get `Crashed` when the process has
    /// exited, as they always do after a signal, [`abort`](std::process::abort) or `_exit`, and after a panic of
    /// `main`. (With the C library of GNU such a panic is known by the exit status that a Rust program then has, 101.
    /// With another library, a handle in a static or a leaked one is closed then too; one that the panic drops never
    /// is.)
    ///
    /// A handler of the C library (`atexit`) does this, registered at the first attach: functions that were registered
    /// before that run after it. From then on an attach fails with [`Error::Exiting`], and a handle that another thread
    /// still uses fails, as in a forked child, when it next loads the position of the other end. What it pushed until
    /// then is in the ring: if the consumer has got `Closed` already, the next consumer gets the elements.
    ///
    /// # Examples
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
    /// // `main` returns: the reader gets "started", then learns that the logger has closed the ring.
    /// # Ok(())
    /// # }
    /// ```
    pub fn close_on_exit(mut self, close: bool) -> Options {
        self.request.close_on_exit = close;
        self
    }

    /// Touches every page at attach, so that the data path takes no page fault. On by default.
    pub fn prefault(mut self, prefault: bool) -> Options {
        self.request.prefault = prefault;
        self
    }

    /// Locks the ring in memory, so that it is never swapped out. Off by default; limited by `RLIMIT_MEMLOCK`, against
    /// which a message ring counts twice, because it is mapped twice.
    pub fn lock_memory(mut self, lock: bool) -> Options {
        self.request.lock_memory = lock;
        self
    }

    /// Limits the data area of an existing ring to this many bytes, whatever its creator chose: an attach to a larger
    /// one is [`Error::TooLarge`], and maps nothing.
    ///
    /// By default a descriptor ([`Options::from_fd`]) and a ring of another user ([`Options::owner`]), if no
    /// [`capacity`](Options::capacity) is asked for, may take half of the memory that would be available without the
    /// ring, as far as `/proc/meminfo` says that. A named ring of one's own has no limit by default.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ringmain::{Error, Options};
    ///
    /// // From another process, in a real program.
    /// let descriptor = Options::anonymous().capacity(1 << 20).create_message()?;
    /// let refused = Options::from_fd(descriptor).max_capacity(64 * 1024).message_consumer();
    /// assert!(matches!(refused, Err(Error::TooLarge { limit: 65_536, .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_capacity(mut self, bytes: usize) -> Options {
        self.request.max_capacity = Some(bytes);
        self
    }

    /// Sets a name of the element type that both sides must share; none by default.
    ///
    /// Nothing else tells two types of the same size and alignment apart. It has at most 64 bytes, and is stored as
    /// text, so that a mismatch names both.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-tag-{}", std::process::id());
    /// use ringmain::{Error, Options};
    ///
    /// let tx = Options::new(&name).capacity(8).type_tag("price").unlink_on_close(true).stream_producer::<u64>()?;
    /// let refused = Options::new(&name).type_tag("volume").stream_consumer::<u64>();
    /// assert!(matches!(refused, Err(Error::OtherTypeTag { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn type_tag(mut self, tag: impl Into<String>) -> Options {
        self.parameters.type_tag = tag.into();
        self
    }

    /// Accepts a ring of any type, if its elements have the same size: for tools that move bytes and do not know what
    /// they mean. Off by default: the type tag, the size and the alignment must be the same on both sides.
    pub fn any_type(mut self, any: bool) -> Options {
        self.parameters.any_type = any;
        self
    }

    /// Starts a ring that is created at this position instead of 0, to continue or mirror another one: positions then
    /// mean the same in both. Elements count by one, messages by the bytes of their records.
    ///
    /// An existing ring keeps its first position. In a message ring the position must be a multiple of the
    /// [`record_alignment`](Options::record_alignment).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ringmain::Options;
    ///
    /// let mut tx = Options::anonymous().capacity(64).start_at(1_000).stream_producer::<u64>()?;
    /// tx.push(7)?;
    /// assert_eq!((tx.first_position(), tx.position()), (1_000, 1_001));
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_at(mut self, position: u64) -> Options {
        self.parameters.first_position = position;
        self
    }

    /// Gives a ring that is created this number instead of a random one: with [`start_at`](Options::start_at) and a
    /// number that another ring has ([`ring_id`](crate::message::Producer::ring_id)), it says for ever which ring it
    /// mirrors.
    ///
    /// An existing ring keeps its number.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::num::NonZeroU64;
    /// use ringmain::Options;
    ///
    /// let original = Options::anonymous().capacity(64).stream_producer::<u64>()?;
    /// let mut mirror = Options::anonymous().capacity(64).start_at(original.position());
    /// if let Some(id) = NonZeroU64::new(original.ring_id()) {
    ///     mirror = mirror.ring_id(id);
    /// }
    /// assert_eq!(mirror.stream_producer::<u64>()?.ring_id(), original.ring_id());
    /// # Ok(())
    /// # }
    /// ```
    pub fn ring_id(mut self, id: NonZeroU64) -> Options {
        self.parameters.ring_id = Some(id);
        self
    }

    /// Sets the wait strategy; by default calls spin a little, then sleep.
    ///
    /// A sleeper is woken at the cost of one system call for the end that publishes, about 50 us before it runs again.
    /// Neither end pays anything while both are awake, unless one of them waits by [`Wait::Park`]: then the other makes
    /// a fence with each publication, which halves its rate.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-wait-{}", std::process::id());
    /// use ringmain::{Options, Wait};
    ///
    /// // A process with a processor of its own, and the lowest latency:
    /// let options = Options::new(&name).capacity(64).unlink_on_close(true).wait(Wait::Spin);
    /// let mut tx = options.stream_producer::<u64>()?;
    /// let mut rx = options.stream_consumer::<u64>()?;
    /// tx.blocking().push(7)?;
    /// assert_eq!(rx.blocking().pop(), Ok(7));
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(mut self, strategy: Wait) -> Options {
        self.wait_strategy = strategy;
        self.request.parks_always = strategy == Wait::Park;
        self
    }

    /// Says whether the calls that wait also wait for the first holder of the other role. They do by default; else they
    /// return [`WaitError::NotConnected`](crate::WaitError::NotConnected).
    pub fn await_first_peer(mut self, awaits: bool) -> Options {
        self.awaits_first = awaits;
        self
    }

    /// Says whether the calls that wait go on when the process at the other end has detached or crashed, until another
    /// one takes its role. By default they return [`WaitError::Closed`](crate::WaitError::Closed) or
    /// [`WaitError::Crashed`](crate::WaitError::Crashed).
    ///
    /// If the name of the ring is removed too, so that no process can attach, they return
    /// [`WaitError::Orphaned`](crate::WaitError::Orphaned). That does not say how many elements are left if there are
    /// fewer than were asked for: `len`, or a call that takes what is there, tells.
    pub fn await_successor(mut self, awaits: bool) -> Options {
        self.awaits_successor = awaits;
        self
    }

    /// Limits how long an end that outruns the other one pauses before it loads the other's position again: a consumer
    /// whose cached tail is used up, a producer whose cached head is. At most 1 ms; by default eight times as long as a
    /// load takes that misses its processor's caches, which the handle measures now and then.
    ///
    /// A few round trips of a cache line are best for throughput. Zero never pauses: in a steady flow that saves up to
    /// this much latency, and costs a small ring most of its throughput. An end whose loads find nothing, or one
    /// element or message, does not pause.
    pub fn pace(mut self, limit: Duration) -> Options {
        self.pace = Some(limit);
        self
    }

    /// Creates a stream ring of elements of this layout, if it is missing, and attaches to neither end.
    ///
    /// Returns a descriptor of the ring, which holds no role. A ring without a name lives as long as the descriptor,
    /// which can be passed on ([`pass`](crate::pass)).
    ///
    /// # Examples
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
    /// As [`Options::stream_producer`], except for [`Error::Busy`], [`Error::HolderGone`] and [`Error::Corrupted`].
    pub fn create_stream(&self, element: Layout) -> Result<OwnedFd, Error> {
        Segment::create(&self.request, &Requirements::stream(&self.parameters, element)?)
    }

    /// Creates a message ring, if it is missing, and attaches to neither end.
    ///
    /// Returns a descriptor of the ring, as [`Options::create_stream`] does.
    ///
    /// # Errors
    ///
    /// As [`Options::create_stream`].
    pub fn create_message(&self) -> Result<OwnedFd, Error> {
        Segment::create(&self.request, &Requirements::messages(&self.parameters)?)
    }

    /// Attaches as the producer of a stream ring, creating the ring if asked to.
    ///
    /// # Errors
    ///
    /// - [`Error::Busy`]: another handle is its producer.
    /// - [`Error::HolderGone`]: its producer is gone, but a process that it forked or spawned keeps its lock.
    /// - [`Error::NotReady`]: a process that creates it makes no progress.
    /// - [`Error::ReadLocked`]: a process that may only read the ring keeps everybody from the role.
    /// - [`Error::NotFound`], [`Error::AlreadyExists`]: the ring is missing, or exists, contrary to what was asked for.
    /// - [`Error::Mismatch`], [`Error::OtherTypeTag`]: it carries another type, or has another capacity, kind or
    ///   layout.
    /// - [`Error::UnknownFeatures`]: a later version of this crate created it.
    /// - [`Error::InvalidName`], [`Error::InvalidOption`]: no ring can have the name, or the value of an option.
    /// - [`Error::NotARing`], [`Error::NotRegular`]: something else has the name, or is behind the descriptor.
    /// - [`Error::Sparse`]: parts of the ring have no memory.
    /// - [`Error::TooLarge`]: the ring is larger than [`max_capacity`](Options::max_capacity).
    /// - [`Error::Leased`]: another process holds a lease of the object.
    /// - [`Error::Seals`]: the length of what is behind the descriptor is not final.
    /// - [`Error::NoCapacity`], [`Error::NoProc`]: a ring without a name needs a capacity, and `/proc`.
    /// - [`Error::NoSpace`] and its like: the system has no room for it.
    /// - [`Error::Corrupted`]: its positions are impossible.
    pub fn stream_producer<T: Element>(&self) -> Result<stream::Producer<T>, Error> {
        self.stream(Layout::new::<T>(), stream::Producer::attach)
    }

    /// Attaches as the consumer of a stream ring, creating the ring if asked to.
    ///
    /// # Errors
    ///
    /// As [`Options::stream_producer`], with the other role.
    pub fn stream_consumer<T: Element>(&self) -> Result<stream::Consumer<T>, Error> {
        self.stream(Layout::new::<T>(), stream::Consumer::attach)
    }

    /// Attaches as the producer of a stream ring whose elements have this layout: for tools that learn it at run time,
    /// from [`inspect`](crate::inspect) or from their user. Elements are pushed as bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-sized-{}", std::process::id());
    /// use std::alloc::Layout;
    /// use ringmain::Options;
    ///
    /// let mut rx = Options::new(&name).capacity(8).unlink_on_close(true).stream_consumer::<[u8; 3]>()?;
    /// let mut tx = Options::new(&name).sized_stream_producer(Layout::from_size_align(3, 1)?)?;
    /// assert_eq!(tx.push_slice(b"onetwo")?, 2);
    /// assert_eq!([rx.pop()?, rx.pop()?], [*b"one", *b"two"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Options::stream_producer`].
    pub fn sized_stream_producer(&self, element: Layout) -> Result<stream::Producer<[u8]>, Error> {
        self.stream(element, |segment, capacity, bound| {
            stream::Producer::attach_sized(segment, capacity, element.size(), bound)
        })
    }

    /// Attaches as the consumer of a stream ring whose elements have this layout. They are popped as bytes.
    ///
    /// # Errors
    ///
    /// As [`Options::sized_stream_producer`], with the other role.
    pub fn sized_stream_consumer(&self, element: Layout) -> Result<stream::Consumer<[u8]>, Error> {
        self.stream(element, |segment, capacity, bound| {
            stream::Consumer::attach_sized(segment, capacity, element.size(), bound)
        })
    }

    /// Attaches as the producer of a message ring, creating the ring if asked to.
    ///
    /// # Errors
    ///
    /// As [`Options::stream_producer`].
    pub fn message_producer(&self) -> Result<message::Producer, Error> {
        self.message(message::Producer::attach)
    }

    /// Attaches as the consumer of a message ring, creating the ring if asked to.
    ///
    /// # Errors
    ///
    /// As [`Options::message_producer`], with the other role.
    pub fn message_consumer(&self) -> Result<message::Consumer, Error> {
        self.message(message::Consumer::attach)
    }

    /// Attaches one end of a stream ring.
    fn stream<K: Kind, R: Side>(
        &self,
        element: Layout,
        attach: impl FnOnce(Segment, usize, Bound) -> Result<Endpoint<K, R, Segment>, Broken>,
    ) -> Result<Endpoint<K, R, Segment>, Error> {
        let segment = self.stream_segment(R::ROLE, element)?;
        let capacity = segment.capacity();
        self.enter(attach(segment, capacity, self.pace_bound()))
    }

    /// Attaches one end of a message ring.
    fn message<K: Kind, R: Side>(
        &self,
        attach: impl FnOnce(Segment, Geometry, Bound) -> Result<Endpoint<K, R, Segment>, Broken>,
    ) -> Result<Endpoint<K, R, Segment>, Error> {
        let segment = self.message_segment(R::ROLE)?;
        let geometry = Geometry::new(segment.capacity(), segment.identity.record_align as usize);
        self.enter(attach(segment, geometry, self.pace_bound()))
    }

    /// Attaches to a ring of elements of this layout.
    pub(crate) fn stream_segment(&self, role: Role, element: Layout) -> Result<Segment, Error> {
        Segment::attach(&self.request, role, &Requirements::stream(&self.parameters, element)?)
    }

    /// Attaches to a ring of messages.
    pub(crate) fn message_segment(&self, role: Role) -> Result<Segment, Error> {
        Segment::attach(&self.request, role, &Requirements::messages(&self.parameters)?)
    }

    /// Says that a handle is attached.
    fn enter<K: Kind, R: Side>(
        &self,
        attached: Result<Endpoint<K, R, Segment>, Broken>,
    ) -> Result<Endpoint<K, R, Segment>, Error> {
        let mut handle = attached.map_err(|broken| self.refused(broken))?;
        copies::choose();
        handle.enter(Waiter {
            awaits_first: self.awaits_first,
            awaits_successor: self.awaits_successor,
            ..wait::waiter(self.wait_strategy)
        });
        Ok(handle)
    }

    /// Says why a handle that was made cannot be used.
    #[cold]
    fn refused(&self, broken: Broken) -> Error {
        match broken {
            Broken::Corrupted(source) => Error::Corrupted { name: self.request.place.name().to_owned(), source },
            // The process began to exit after the attach.
            Broken::Forked | Broken::Left | Broken::Truncated { .. } => Error::Exiting,
        }
    }

    /// Returns how long an end pauses at most before it loads the other's position.
    fn pace_bound(&self) -> Bound {
        self.pace.map_or(Bound::Measured, |limit| Bound::Pauses(pause::count_within(limit)))
    }
}
