//! Calls that end a wait, as loom watches them, and what can be wrong with one.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Wake, Waker};

use loom::sync::atomic::AtomicU32;

use crate::parking::Queue;
use crate::ring::call::{self, CallWord, NO_CALL};

/// What is wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFault {
    /// Nothing.
    None,
    /// It publishes nothing.
    NotPublished,
    /// Whoever takes it observes nothing.
    NotObserved,
    /// It is a store.
    Stored,
    /// It is taken by a load and a store.
    TakenByStore,
    /// The sleeper is woken in front of it.
    WokenFirst,
    /// A nudge wakes the sleeper and leaves nothing.
    NudgeNotKept,
    /// A nudge takes the place of a call.
    NudgeStored,
}

/// The word of calls, and who sleeps on it. Clones are the same.
#[derive(Clone, Debug)]
pub struct Call(Arc<Called>);

#[derive(Debug)]
struct Called {
    word: AtomicU32,
    queue: Arc<Queue>,
    fault: CallFault,
}

impl Wake for Called {
    /// Nudges.
    fn wake(self: Arc<Self>) {
        if self.fault != CallFault::NudgeNotKept {
            call::nudge(&*self);
        }
        self.queue.wake(false);
    }
}

impl Call {
    pub(crate) fn new(queue: &Arc<Queue>, fault: CallFault) -> Call {
        Call(Arc::new(Called { word: AtomicU32::new(NO_CALL), queue: Arc::clone(queue), fault }))
    }

    /// Returns what has the sleeper look again.
    #[must_use]
    pub fn nudger(&self) -> Waker {
        Arc::clone(&self.0).into()
    }

    /// Ends a wait.
    pub fn wake(&self) {
        if self.0.fault == CallFault::WokenFirst {
            self.0.queue.wake(false);
            return call::call(&*self.0);
        }
        call::call(&*self.0);
        self.0.queue.wake(false);
    }

    /// Takes a call, and a nudge.
    #[must_use]
    pub fn take(&self) -> bool {
        call::take(&*self.0)
    }

    pub(crate) fn queue(&self) -> &Arc<Queue> {
        &self.0.queue
    }

    /// Returns whether nobody has called, or nudged.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.0.word.load(Ordering::Relaxed) == NO_CALL
    }
}

impl CallWord for Called {
    fn load(&self, ordering: Ordering) -> u32 {
        self.word.load(ordering)
    }

    fn swap(&self, value: u32, ordering: Ordering) -> u32 {
        match (self.fault, ordering) {
            (CallFault::NotPublished, Ordering::Release) | (CallFault::NotObserved, Ordering::Acquire) => {
                self.word.swap(value, Ordering::Relaxed)
            }
            (CallFault::Stored, Ordering::Release) => {
                self.word.store(value, ordering);
                NO_CALL
            }
            (CallFault::TakenByStore, Ordering::Acquire) => {
                let found = self.word.load(ordering);
                self.word.store(value, Ordering::Relaxed);
                found
            }
            _ => self.word.swap(value, ordering),
        }
    }

    fn replace(&self, old: u32, new: u32, ordering: Ordering) {
        let ordering = if self.fault == CallFault::NotPublished { Ordering::Relaxed } else { ordering };
        match self.fault {
            CallFault::NudgeStored => self.word.store(new, ordering),
            _ => drop(self.word.compare_exchange(old, new, ordering, Ordering::Relaxed)),
        }
    }
}
