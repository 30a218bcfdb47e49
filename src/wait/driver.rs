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
use crate::ring::set::{MAX_RINGS, load_wakes};
use crate::segment::{
    Epoch, FutexWaiter, Membarrier, PerProcess, Segment, WakeWord, Waker, WakerCell, lock, start_thread,
};

/// How many handles a thread of the library serves.
const HANDLES_PER_THREAD: usize = 32;

/// How long such a thread keeps running without a handle.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

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
#[must_use = "a driver that is dropped drives nothing"]
pub struct Driver(Arc<Shared>);

struct Shared {
    process: Option<Epoch>,
    /// Ends the sleep of the thread.
    waker: Waker,
    sources: Mutex<WakeSources>,
    /// Held by the thread that runs it.
    running: Mutex<()>,
}

/// The handles that a driver serves.
#[derive(Default)]
struct WakeSources {
    sources: Vec<Arc<WakeSource>>,
    /// Counts the changes of the list.
    changes: u64,
}

/// The word that a driver sleeps on for a handle, and the waker of that handle.
struct WakeSource {
    wakes: WakeWord,
    waker_cell: Arc<WakerCell>,
    /// The count of wakes by the other end when the handle was registered.
    first: u64,
}

/// What a driver loaded last for a handle.
struct SourceState {
    source: Arc<WakeSource>,
    /// The count of wakes by the other end.
    wakes: u64,
    /// Whether the other end makes its own fences.
    fences: bool,
    /// Whether the other end wakes the event loop itself, by a read.
    wakes_by_read: bool,
}

impl Driver {
    /// Makes a driver. It holds no descriptor and no thread: a thread has to [`run`](Self::run) it.
    pub fn new() -> Driver {
        Driver(Arc::new(Shared {
            process: Epoch::current().ok(),
            waker: Waker::new(),
            sources: Mutex::default(),
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
        if self.in_own_process() {
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

    fn in_own_process(&self) -> bool {
        self.0.process.is_some_and(Epoch::is_current)
    }

    /// Makes the thread load the list of handles again.
    fn nudge(&self) {
        self.0.waker.nudger().wake();
    }

    /// Adds a source, if there are fewer than this many.
    fn add(&self, source: &Arc<WakeSource>, max: usize) -> bool {
        let mut sources = lock(&self.0.sources);
        let has_room = sources.sources.len() < max;
        if has_room {
            sources.sources.push(Arc::clone(source));
            sources.changes += 1;
        }
        drop(sources);
        self.nudge();
        has_room
    }

    /// Runs until the driver is stopped; with a limit, also until it has had no handle for that long.
    fn serve(&self, idle_timeout: Option<Duration>) {
        let _running = lock(&self.0.running);
        // A sleeper that may not call `membarrier` may have to poll.
        let (naps, futex_waiter) = (!Membarrier::register().is_allowed, FutexWaiter::default());
        let (mut states, mut changes) = (Vec::<SourceState>::new(), 0);
        let (mut used, mut asked) = (Instant::now(), Instant::now());
        loop {
            if self.0.waker.take() {
                return;
            }
            self.renew(&mut states, &mut changes);
            let now = Instant::now();
            if !states.is_empty() {
                used = now;
            } else if idle_timeout.is_some_and(|idle_timeout| now - used >= idle_timeout) && self.retire() {
                return;
            }
            if now - asked >= SLICE {
                asked = now;
                states.iter().for_each(|state| state.source.waker_cell.end_slice());
            }
            let (mut is_unbounded, mut is_fenced) = (true, true);
            for state in &mut states {
                is_unbounded &= state.source.waker_cell.is_unbounded();
                state.wakes_by_read = !naps && state.source.waker_cell.wakes_by_read();
                if state.wakes_by_read {
                    continue;
                }
                let (wakes, fences) = load_wakes(state.source.wakes.word());
                if mem::replace(&mut state.wakes, wakes) != wakes || (naps && !state.fences) {
                    state.source.waker_cell.wake();
                }
                state.fences = fences;
                is_fenced &= fences || !naps;
            }
            let limit = match (states.is_empty(), is_unbounded, is_fenced) {
                (_, _, false) => NAP,
                (_, false, true) => SLICE.saturating_sub(now - asked),
                (true, ..) => idle_timeout.unwrap_or(Duration::MAX),
                (false, ..) => Duration::MAX,
            };
            let words = states
                .iter()
                .filter(|state| !state.wakes_by_read)
                .map(|state| (state.source.wakes.word(), state.wakes));
            futex_waiter.sleep_on_all(words, self.0.waker.word(), limit);
        }
    }

    /// Updates the list of handles.
    fn renew(&self, states: &mut Vec<SourceState>, changes: &mut u64) {
        let sources = lock(&self.0.sources);
        if sources.changes == *changes {
            return;
        }
        *changes = sources.changes;
        let is_there = |source: &Arc<WakeSource>| sources.sources.iter().any(|other| Arc::ptr_eq(source, other));
        let (kept, gone): (Vec<SourceState>, Vec<SourceState>) =
            mem::take(states).into_iter().partition(|state| is_there(&state.source));
        *states = kept;
        for source in &sources.sources {
            if !states.iter().any(|state| Arc::ptr_eq(&state.source, source)) {
                states.push(SourceState {
                    source: Arc::clone(source),
                    wakes: source.first,
                    fences: true,
                    wakes_by_read: false,
                });
            }
        }
        drop(sources);
        drop(gone);
    }

    /// Removes this driver from those of the process, if it has no handle.
    fn retire(&self) -> bool {
        let Ok(own) = PROCESS_DRIVERS.get() else { return false };
        let mut own = lock(own);
        let is_idle = lock(&self.0.sources).sources.is_empty();
        if is_idle {
            own.retain(|driver| !Arc::ptr_eq(&driver.0, &self.0));
        }
        is_idle
    }

    /// Adds a handle to a driver of the library's.
    fn add_to_process_driver(source: &Arc<WakeSource>) -> Result<Driver, Error> {
        let mut own = lock(PROCESS_DRIVERS.get()?);
        if let Some(driver) = own.iter().find(|driver| driver.add(source, HANDLES_PER_THREAD)) {
            return Ok(driver.clone());
        }
        let driver = Driver::new();
        driver.add(source, HANDLES_PER_THREAD);
        let thread = driver.clone();
        start_thread("ringmain-driver", move || thread.serve(Some(IDLE_TIMEOUT)))
            .map_err(|source| Error::Os { call: "pthread_create", source })?;
        own.push(driver.clone());
        Ok(driver)
    }
}

/// The drivers of the library in this process, each with its thread.
static PROCESS_DRIVERS: PerProcess<Mutex<Vec<Driver>>> = PerProcess::new();

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
pub(crate) struct DriverRegistration {
    driver: Driver,
    source: Arc<WakeSource>,
}

impl DriverRegistration {
    /// Says whether the other end wakes the event loop by a read, so that the driver need not.
    pub(super) fn set_wakes_by_read(&self, wakes_by_read: bool) {
        if self.source.waker_cell.set_wakes_by_read(wakes_by_read) != wakes_by_read {
            self.driver.nudge();
        }
    }

    /// Returns the count of wakes by the other end; `None` in a forked child.
    pub(super) fn wakes(&self) -> Option<u64> {
        self.driver.in_own_process().then(|| load_wakes(self.source.wakes.word()).0)
    }

    /// Wakes the thread or task that waits for the handle.
    pub(super) fn wake(&self) {
        self.source.waker_cell.wake();
    }

    /// Forgets whom to wake.
    pub(crate) fn forget_waker(&self) {
        self.source.waker_cell.forget_waker();
    }
}

impl Drop for DriverRegistration {
    fn drop(&mut self) {
        if self.driver.in_own_process() {
            let mut sources = lock(&self.driver.0.sources);
            sources.sources.retain(|source| !Arc::ptr_eq(source, &self.source));
            sources.changes += 1;
            drop(sources);
            self.driver.nudge();
            self.forget_waker();
        }
    }
}

impl<K: Kind, R: Side> Endpoint<K, R, Segment> {
    /// Registers this handle at a driver, or at one of the library's.
    pub(crate) fn register_with(&mut self, driver: Option<&Driver>) -> Result<DriverRegistration, Error> {
        if self.check_process().is_err() || driver.is_some_and(|driver| !driver.in_own_process()) {
            let reason = "it, or the driver, is that of the parent of this process; attach in the child";
            return Err(Error::Undriven { reason });
        }
        let wakes = self.memory.wake_word()?;
        let (first, _) = load_wakes(wakes.word());
        // The state of the other end is checked before the driver sleeps.
        let waker_cell = Arc::clone(self.memory.waker_cell());
        self.memory.take_hint();
        waker_cell.hint();
        let source = Arc::new(WakeSource { wakes, waker_cell, first });
        let driver = match driver {
            None => Driver::add_to_process_driver(&source)?,
            Some(driver) if driver.add(&source, MAX_RINGS) => driver.clone(),
            Some(_) => {
                let reason =
                    "this one sleeps for 127 already, and the system can wait for no more at once; make another";
                return Err(Error::Undriven { reason });
            }
        };
        Ok(DriverRegistration { driver, source })
    }
}
