//! The waker that ends a wait from another thread or a signal handler.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::task;

use super::futex;
use crate::ring::call;

/// Ends a wait of a [`WaitSet`](crate::WaitSet), or of a handle, from another thread or from a handler of a signal.
///
/// A call stays until a wait takes it: one before a wait ends the next wait of a handle that has to wait, or the next
/// of a set, once, and several that no wait has taken are one. What was done before a call happens before the return of
/// the wait that it ends. Clones are the same waker. It may outlive the set or handle that made it; then it does
/// nothing.
///
/// In a forked child it ends waits of the child, and none of the parent.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain::{Options, WaitError};
///
/// let mut rx = Options::anonymous().capacity(8).stream_consumer::<u64>()?;
/// let stop = rx.waker();
/// let stopper = std::thread::spawn(move || stop.wake());
/// assert_eq!(rx.blocking().pop(), Err(WaitError::Called));
/// # stopper.join().unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a waker does nothing until it is called"]
pub struct Waker(Arc<Word>);

/// The word of calls.
#[derive(Default)]
struct Word(AtomicU32);

impl task::Wake for Word {
    fn wake(self: Arc<Self>) {
        call::nudge(&self.0);
        futex::wake_own(&self.0);
    }
}

impl Waker {
    pub(crate) fn new() -> Waker {
        // Holds no call.
        Waker(Arc::default())
    }

    /// Returns a waker that makes the sleeper check again, and is no call.
    pub(crate) fn nudger(&self) -> task::Waker {
        Arc::clone(&self.0).into()
    }

    /// Ends the wait that is made now, or the next one. Makes one system call.
    ///
    /// It may be called in a handler of a signal: it takes no lock, allocates nothing, and leaves `errno` as it is. A
    /// clone or a drop of a waker may not be made there; a handler finds it in a static, such as a
    /// [`OnceLock`](std::sync::OnceLock).
    pub fn wake(&self) {
        call::call(&self.0.0);
        futex::wake_own(&self.0.0);
    }

    /// Takes a call, and returns whether there was one.
    pub(crate) fn take(&self) -> bool {
        call::take(&self.0.0)
    }

    /// Returns the word of calls.
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.0.0
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Waker").finish_non_exhaustive()
    }
}
