//! How a wait is ended by a call: of another thread of this process, or of a handler of a signal in it.
//!
//! A call is a word that whoever calls sets, and whoever waits takes. It stays until it is taken, and several that were
//! not taken are one. A sleeper sleeps for as long as the word says that nobody called; it is set first, and the
//! sleeper woken afterwards, so no call is lost, and a sleeper need not say that it sleeps.
//!
//! A **nudge** is no call: it ends a sleep, and the wait looks again. It is taken with the calls; one that meets a call, or
//! another nudge, is not needed, since the sleeper sleeps on neither.
//!
//! **What was done before a call is seen by whoever takes it.** Both sides swap. Of several calls that are taken at
//! once each has published what came before it: a swap goes on with what the one before it published, and a plain store
//! would not. A call that comes while another one is taken is either taken with it, and seen, or stays: a load and a
//! store of nothing behind that would take it unseen.

use core::sync::atomic::{AtomicU32, Ordering};

/// Nobody has called since the last call was taken. A sleeper sleeps for as long as the word holds it.
pub const SILENT: u32 = 0;

/// Somebody has called.
const CALLED: u32 = 1;

/// Somebody has nudged, and nobody called.
const NUDGED: u32 = 2;

/// The word of calls. It has many writers, and is not shared with other processes.
pub trait CallWord {
    /// Loads the word.
    fn load(&self, ordering: Ordering) -> u32;
    /// Swaps the word for another value, and returns what it held.
    fn swap(&self, value: u32, ordering: Ordering) -> u32;
    /// Swaps the word for another value, if it holds the first.
    fn replace(&self, old: u32, new: u32, ordering: Ordering);
}

impl CallWord for AtomicU32 {
    fn load(&self, ordering: Ordering) -> u32 {
        AtomicU32::load(self, ordering)
    }

    fn swap(&self, value: u32, ordering: Ordering) -> u32 {
        AtomicU32::swap(self, value, ordering)
    }

    fn replace(&self, old: u32, new: u32, ordering: Ordering) {
        let _ = self.compare_exchange(old, new, ordering, Ordering::Relaxed);
    }
}

/// Calls. The caller of this then wakes whoever sleeps on the word.
pub fn call<W: CallWord>(word: &W) {
    // Publish: pairs with the Acquire in `take`. What its callers did before is done.
    word.swap(CALLED, Ordering::Release);
}

/// Nudges. The caller of this then wakes whoever sleeps on the word.
pub fn nudge<W: CallWord>(word: &W) {
    // Publish: pairs with the Acquire in `take`.
    word.replace(SILENT, NUDGED, Ordering::Release);
}

/// Takes a call, and a nudge, and returns whether there was a call.
pub fn take<W: CallWord>(word: &W) -> bool {
    // Observe: pairs with the Releases in `call` and `nudge`. The load spares a swap where nobody calls.
    word.load(Ordering::Relaxed) != SILENT && word.swap(SILENT, Ordering::Acquire) == CALLED
}
