//! How a call ends a wait: from another thread of this process, or from a signal handler.
//!
//! A call is a word that the caller sets and the waiter takes. It stays until it is taken, and several that were not
//! taken are one. A sleeper sleeps for as long as the word holds no call; the word is set first and the sleeper woken
//! afterwards, so no call is lost, and a sleeper need not announce its sleep.
//!
//! A **nudge** is no call: it ends a sleep, and the wait checks its rings again. It is taken with the calls. If the
//! word holds a call or a nudge already, no nudge is needed: a sleeper does not sleep then.
//!
//! **What was done before a call happens before the return of the take.** Both sides swap. If several calls are taken
//! at once, each of them has published what came before it: a swap continues the release sequence of the one before,
//! and a plain store would not. A call that is made during a take is either taken with it or stays: a load followed by
//! a store would discard it.

use core::sync::atomic::{AtomicU32, Ordering};

/// No call since the last take. A sleeper sleeps for as long as the word holds this.
pub const NO_CALL: u32 = 0;

/// At least one call.
const CALLED: u32 = 1;

/// At least one nudge, and no call.
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

/// Sets a call. The caller then wakes the sleepers on the word.
pub fn call<W: CallWord>(word: &W) {
    // Publish: pairs with the Acquire in `take`. What its callers did before is done.
    word.swap(CALLED, Ordering::Release);
}

/// Sets a nudge. The caller then wakes the sleepers on the word.
pub fn nudge<W: CallWord>(word: &W) {
    // Publish: pairs with the Acquire in `take`.
    word.replace(NO_CALL, NUDGED, Ordering::Release);
}

/// Takes a call, and a nudge, and returns whether there was a call.
pub fn take<W: CallWord>(word: &W) -> bool {
    // Observe: pairs with the Releases in `call` and `nudge`. The load saves a swap if there is no call.
    word.load(Ordering::Relaxed) != NO_CALL && word.swap(NO_CALL, Ordering::Acquire) == CALLED
}
