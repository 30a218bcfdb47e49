//! A thread that sleeps on the words of many rings, in place of those that wait for them.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{SLICE, WaitError};
use crate::error::Error;
use crate::ring::endpoint::{Endpoint, Kind, Side};
use crate::ring::error::Broken;
use crate::ring::park::NAP;
use crate::ring::set::{MOST, woken};
use crate::segment::{Barriers, Bed, Bell, Epoch, PerProcess, Segment, Waker, Wakes, lock, start_thread};

/// How many handles a thread of the library serves.
const USUAL: usize = 32;

/// How long such a thread keeps running without a handle.
const LINGER: Duration = Duration::from_secs(1);

/// A thread that sleeps for up to 127 handles, and wakes the thread or task that waits for one of them: by the
/// descriptor of a [`Readiness`](crate::Readiness).
///
/// A handle that is given no driver uses one of the library's: a thread for each 32 handles, started on demand, which
/// handles no signal and ends after a second without a handle. Such a thread inherits the priority and the processors
/// of the thread that starts it. A driver that you make runs on a thread whose priority and processors you choose.
/// Clones are the same driver.
///
/// # What it costs
///
/// A wake costs one system call in the other process, one in the driver, and the wake of the thread or task. While
/// nothing is sent, a driver makes no system call (but see [`WaitSet`](crate::WaitSet)). A handle costs one mapped
/// page.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-driver-{}", std::process::id());
/// use ringmain::{Driver, Options};
///
/// let mut tx = Options::new(&name).capacity(64).stream_producer::<u64>()?;
/// let rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?;
/// let driver = Driver::new();
/// let mut rx = rx.into_readiness_with(&driver)?;
/// let thread = std::thread::spawn({
///     let driver = driver.clone();
///     // Here the thread can choose its priority and its processor.
///     move || driver.run()
/// });
/// tx.push(7)?;
/// assert!(rx.is_ready(|rx| rx.readable())?);
/// assert_eq!(rx.handle().pop(), Ok(7));
/// driver.stop();
/// thread.join().unwrap()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Driver(Arc<Shared>);

struct Shared {
    process: Option<Epoch>,
    /// Ends the sleep of the thread.
    waker: Waker,
    posts: Mutex<Posts>,
    /// Held by the thread that runs it.
    running: Mutex<()>,
}

/// The handles that a driver serves.
#[derive(Default)]
struct Posts {
    posts: Vec<Arc<Post>>,
    /// Counts the changes of the list.
    changes: u64,
}

/// The word that a driver sleeps on for a handle, and the waker of that handle.
struct Post {
    wakes: Wakes,
    bell: Arc<Bell>,
    /// The count of wakes by the other end when the handle was registered.
    first: u64,
}

/// What a driver loaded last for a handle.
struct Known {
    post: Arc<Post>,
    /// The count of wakes by the other end.
    wakes: u64,
    /// Whether the other end makes its own fences.
    fences: bool,
    /// Whether the other end wakes the event loop itself, by a read.
    by_reads: bool,
}

impl Driver {
    /// Makes a driver. It holds no descriptor and no thread: a thread has to [`run`](Self::run) it.
    #[must_use]
    pub fn new() -> Driver {
        Driver(Arc::new(Shared {
            process: Epoch::current().ok(),
            waker: Waker::new(),
            posts: Mutex::default(),
            running: Mutex::default(),
        }))
    }

    /// Sleeps for the handles that were given this driver, and for those that will be, until [`stop`](Self::stop) is
    /// called. If another thread runs the driver, this call begins when that one returns.
    ///
    /// # Errors
    ///
    /// [`WaitError::Broken`] in a forked child: the driver is the parent's.
    pub fn run(&self) -> Result<(), WaitError> {
        if self.is_here() {
            self.serve(None)
        } else {
            return Err(Broken::Forked.into());
        }
        Ok(())
    }

    /// Ends [`run`](Self::run), or the next call of it if the driver is not running. Waits go on, and are not woken
    /// until the driver runs again.
    pub fn stop(&self) {
        self.0.waker.wake();
    }

    fn is_here(&self) -> bool {
        self.0.process.is_some_and(Epoch::is_current)
    }

    /// Makes the thread load the list of handles again.
    fn nudge(&self) {
        self.0.waker.nudger().wake();
    }

    /// Adds a handle, if there are fewer than this many.
    fn add(&self, post: &Arc<Post>, most: usize) -> bool {
        let mut posts = lock(&self.0.posts);
        let has_room = posts.posts.len() < most;
        if has_room {
            posts.posts.push(Arc::clone(post));
            posts.changes += 1;
        }
        drop(posts);
        self.nudge();
        has_room
    }

    /// Runs until the driver is stopped; with a limit, also until it has had no handle for that long.
    fn serve(&self, linger: Option<Duration>) {
        let _running = lock(&self.0.running);
        // A sleeper that may not call `membarrier` may have to poll.
        let (naps, bed) = (!Barriers::prepare().is_allowed, Bed::default());
        let (mut known, mut changes) = (Vec::<Known>::new(), 0);
        let (mut used, mut asked) = (Instant::now(), Instant::now());
        loop {
            if self.0.waker.take() {
                return;
            }
            self.renew(&mut known, &mut changes);
            let now = Instant::now();
            if !known.is_empty() {
                used = now;
            } else if linger.is_some_and(|linger| now - used >= linger) && self.retire() {
                return;
            }
            if now - asked >= SLICE {
                asked = now;
                known.iter().for_each(|known| known.post.bell.end_slice());
            }
            let (mut lasts, mut is_sure) = (true, true);
            for known in &mut known {
                lasts &= known.post.bell.lasts();
                known.by_reads = !naps && known.post.bell.is_by_reads();
                if known.by_reads {
                    continue;
                }
                let (wakes, fences) = woken(known.post.wakes.word());
                if mem::replace(&mut known.wakes, wakes) != wakes || (naps && !known.fences) {
                    known.post.bell.strike();
                }
                known.fences = fences;
                is_sure &= fences || !naps;
            }
            let limit = match (known.is_empty(), lasts, is_sure) {
                (_, _, false) => NAP,
                (_, false, true) => SLICE.saturating_sub(now - asked),
                (true, ..) => linger.unwrap_or(Duration::MAX),
                (false, ..) => Duration::MAX,
            };
            let words =
                known.iter().filter(|known| !known.by_reads).map(|known| (known.post.wakes.word(), known.wakes));
            bed.sleep_on_all(words, &self.0.waker, limit);
        }
    }

    /// Updates the list of handles.
    fn renew(&self, known: &mut Vec<Known>, changes: &mut u64) {
        let posts = lock(&self.0.posts);
        if posts.changes == *changes {
            return;
        }
        *changes = posts.changes;
        let is_there = |post: &Arc<Post>| posts.posts.iter().any(|other| Arc::ptr_eq(post, other));
        let (kept, gone): (Vec<Known>, Vec<Known>) =
            mem::take(known).into_iter().partition(|known| is_there(&known.post));
        *known = kept;
        for post in &posts.posts {
            if !known.iter().any(|known| Arc::ptr_eq(&known.post, post)) {
                known.push(Known { post: Arc::clone(post), wakes: post.first, fences: true, by_reads: false });
            }
        }
        drop(posts);
        drop(gone);
    }

    /// Removes this driver from those of the process, if it has no handle.
    fn retire(&self) -> bool {
        let Ok(own) = OWN.get() else { return false };
        let mut own = lock(own);
        let is_idle = lock(&self.0.posts).posts.is_empty();
        if is_idle {
            own.retain(|driver| !Arc::ptr_eq(&driver.0, &self.0));
        }
        is_idle
    }

    /// Adds a handle to a driver of the library's.
    fn add_to_own(post: &Arc<Post>) -> Result<Driver, Error> {
        let mut own = lock(OWN.get()?);
        if let Some(driver) = own.iter().find(|driver| driver.add(post, USUAL)) {
            return Ok(driver.clone());
        }
        let driver = Driver::new();
        driver.add(post, USUAL);
        let thread = driver.clone();
        start_thread("ringmain-driver", move || thread.serve(Some(LINGER)))
            .map_err(|source| Error::Os { call: "pthread_create", source })?;
        own.push(driver.clone());
        Ok(driver)
    }
}

/// The drivers of the library in this process, each with its thread.
static OWN: PerProcess<Mutex<Vec<Driver>>> = PerProcess::new();

impl Default for Driver {
    fn default() -> Driver {
        Driver::new()
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Driver").finish_non_exhaustive()
    }
}

/// The registration of a handle at a driver, which wakes the thread or task that waits for the handle for as long as
/// this lives.
pub(crate) struct Seat {
    driver: Driver,
    post: Arc<Post>,
}

impl Seat {
    /// Says whether the other end wakes the event loop by a read, so that the driver need not.
    pub(super) fn set_by_reads(&self, by_reads: bool) {
        if self.post.bell.set_by_reads(by_reads) != by_reads {
            self.driver.nudge();
        }
    }

    /// Returns the count of wakes by the other end; `None` in a forked child.
    pub(super) fn wakes(&self) -> Option<u64> {
        self.driver.is_here().then(|| woken(self.post.wakes.word()).0)
    }

    /// Wakes the thread or task that waits for the handle.
    pub(super) fn strike(&self) {
        self.post.bell.strike();
    }

    /// Forgets whom to wake.
    pub(crate) fn forget_waker(&self) {
        self.post.bell.forget_waker();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.driver.is_here() {
            let mut posts = lock(&self.driver.0.posts);
            posts.posts.retain(|post| !Arc::ptr_eq(post, &self.post));
            posts.changes += 1;
            drop(posts);
            self.driver.nudge();
            self.forget_waker();
        }
    }
}

impl<K: Kind, R: Side> Endpoint<K, R, Segment> {
    /// Registers this handle at a driver, or at one of the library's.
    pub(crate) fn take_seat(&mut self, driver: Option<&Driver>) -> Result<Seat, Error> {
        if !self.is_here() || driver.is_some_and(|driver| !driver.is_here()) {
            let reason = "it, or the driver, is that of the parent of this process; attach in the child";
            return Err(Error::Undriven { reason });
        }
        let wakes = self.memory.word_of_wakes()?;
        let (first, _) = woken(wakes.word());
        // The state of the other end is checked before the driver sleeps.
        let bell = Arc::clone(self.memory.bell());
        self.memory.hinted();
        bell.hint();
        let post = Arc::new(Post { wakes, bell, first });
        let driver = match driver {
            None => Driver::add_to_own(&post)?,
            Some(driver) if driver.add(&post, MOST) => driver.clone(),
            Some(_) => {
                let reason =
                    "this one sleeps for 127 already, and the system can wait for no more at once; make another";
                return Err(Error::Undriven { reason });
            }
        };
        Ok(Seat { driver, post })
    }
}
