//! Calls that end a wait, as loom watches them, and what can be wrong with one.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use loom::sync::atomic::AtomicU32;

use crate::parking::Queue;
use crate::ring::call::{self, CallWord, SILENT};

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
}

/// The word of calls, and who sleeps on it. Clones are the same.
#[derive(Clone, Debug)]
pub struct Call {
    word: Rc<AtomicU32>,
    queue: Rc<Queue>,
    fault: CallFault,
}

impl Call {
    pub(crate) fn new(queue: &Rc<Queue>, fault: CallFault) -> Call {
        Call { word: Rc::new(AtomicU32::new(SILENT)), queue: Rc::clone(queue), fault }
    }

    /// Ends a wait.
    pub fn wake(&self) {
        if self.fault == CallFault::WokenFirst {
            self.queue.wake(false);
            return call::call(self);
        }
        call::call(self);
        self.queue.wake(false);
    }

    pub(crate) fn take(&self) -> bool {
        call::take(self)
    }

    pub(crate) fn queue(&self) -> &Rc<Queue> {
        &self.queue
    }

    /// Returns whether nobody has called.
    pub(crate) fn is_silent(&self) -> bool {
        self.word.load(Ordering::Relaxed) == SILENT
    }
}

impl CallWord for Call {
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
                SILENT
            }
            (CallFault::TakenByStore, Ordering::Acquire) => {
                let found = self.word.load(ordering);
                self.word.store(value, Ordering::Relaxed);
                found
            }
            _ => self.word.swap(value, ordering),
        }
    }
}
